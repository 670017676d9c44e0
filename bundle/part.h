/*
 * part.h - a zstd file in the making that goes on where it was cut off. Inside bundle/ only.
 *
 * How it works. The bytes are compressed into PATH.part, in frames of at most PART_FRAME of them (RFC 8878: a file of frames is a file). After each
 * the file is synced, and PATH.part.state is replaced: the key, how many bytes went in and came out. Who makes the same file again, with the same key, hands
 * in the same bytes again; those that are in the file already are passed over.
 */
#ifndef BUNDLE_PART_H
#define BUNDLE_PART_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum { PART_FRAME = 64 << 20, PART_KEY_MAX = 127 };

struct part;

/* key: text of what the file is made from; a part with another one begins anew. Errors: BUSY (another process makes it), PERMISSION, ... */
struct part *part_open(const char *path, const char *key, struct pome_error *err);

/* How many of the bytes that are to come are in the file. */
uint64_t part_there(const struct part *p);

bool part_write(struct part *p, const void *bytes, size_t n, struct pome_error *err);

/* All has come: it is synced and takes its name. */
bool part_finish(struct part *p, struct pome_error *err);

/* Frees it. What was not finished goes away, unless keep says that somebody may go on with it. NULL is fine. */
void part_close(struct part *p, bool keep);

#endif
