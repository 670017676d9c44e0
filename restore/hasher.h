/* hasher.h - SHA-384 of a stream on a thread of its own, beside the one that reads and writes it. */
#ifndef RESTORE_HASHER_H
#define RESTORE_HASHER_H

#include "formats/sha384.h"
#include "restore/relay.h"

struct hasher;

/* NULL when memory or threads are short. */
struct hasher *hasher_begin(void);

enum { HASHER_PIECE = RELAY_PIECE };

/* The place for the next piece, HASHER_PIECE bytes; waits while the thread is behind by all pieces. */
uint8_t *hasher_piece(struct hasher *h);

/* The first n bytes there are the stream's next ones. From now on they belong to the thread. */
void hasher_push(struct hasher *h, size_t n);

/* Waits for the thread and frees. digest NULL: it is not wanted. h NULL is fine. */
void hasher_end(struct hasher *h, uint8_t digest[SHA384_BYTES]);

#endif
