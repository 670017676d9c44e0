/* relay.h - a stream handed to a thread in pieces: who makes it goes on while the thread digests or writes what it has. */
#ifndef RESTORE_RELAY_H
#define RESTORE_RELAY_H

#include <pome/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay;

enum { RELAY_PIECE = 1 << 20 };

/* Called on the relay's thread with each piece, in order. False ends it (the callee has filled *err): it is not called again. */
typedef bool relay_fn(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err);

/* NULL when memory or threads are short. It holds a few pieces, no more. */
struct relay *relay_begin(relay_fn *take, void *user);

/* The place for the next piece, RELAY_PIECE bytes; waits while the thread is behind by all pieces. NULL: the thread's function failed. */
uint8_t *relay_piece(struct relay *r);

/* The first n bytes there are the stream's next ones. From now on they belong to the thread. */
void relay_push(struct relay *r, size_t n);

/* Waits until all is taken, and frees. False: the function failed, and *err is its error. r NULL: true. */
bool relay_end(struct relay *r, struct pome_error *err);

#endif
