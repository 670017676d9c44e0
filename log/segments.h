/* segments.h - the files of a log folder: 00000001.log, 00000002.log, ...; closed ones are compressed: 00000001.log.zst (RFC 8878). */
#ifndef LOG_SEGMENTS_H
#define LOG_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_NAME_BYTES = 24 };

/* "00000007.log" into name[SEGMENT_NAME_BYTES]; returns name. */
const char *segment_name(uint32_t number, char *name);

/* Compresses segment `number`, which nobody writes any more: a new file, fsync, rename, and the plain one goes. Failing leaves the plain one. */
void segment_compress(int dir_fd, uint32_t number);

bool segment_is_plain(int dir_fd, uint32_t number);

/* A compressed segment's bytes, at most LOG_SEGMENT_BYTES and a line, which the caller frees; NULL when it is not there or damaged. */
char *segment_load(int dir_fd, uint32_t number, size_t *n);

/* "00000007.log" or "00000007.log.zst". */
bool segment_is_name(const char *name);

/* The smallest number of a segment in the folder that is >= from; 0 when there is none. */
uint32_t segment_at_or_after(int dir_fd, uint32_t from);

/* The largest number; 0 when there is none. */
uint32_t segment_last(int dir_fd);

/* Deletes the segments numbered below keep_from. */
void segments_prune(int dir_fd, uint32_t keep_from);

#endif
