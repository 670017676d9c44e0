/* hasher.h - SHA-384 of a stream on a thread of its own, beside the one that reads and writes it. */
#ifndef RESTORE_HASHER_H
#define RESTORE_HASHER_H

#include "formats/sha384.h"

#include <stddef.h>
#include <stdint.h>

struct hasher;

/* NULL when memory or threads are short. */
struct hasher *hasher_begin(void);

/* Bytes are copied; waits while the thread is behind by more than a few pieces. */
void hasher_add(struct hasher *h, const void *bytes, size_t n);

/* Waits for the thread and frees. digest NULL: it is not wanted. h NULL is fine. */
void hasher_end(struct hasher *h, uint8_t digest[SHA384_BYTES]);

#endif
