/* segments.h - the files of a log folder: 00000001.log, 00000002.log, ... */
#ifndef LOG_SEGMENTS_H
#define LOG_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_NAME_BYTES = 16 };

/* "00000007.log" into name[SEGMENT_NAME_BYTES]; returns name. */
const char *segment_name(uint32_t number, char *name);

/* The smallest number of a segment in the folder that is >= from; 0 when there is none. */
uint32_t segment_at_or_after(int dir_fd, uint32_t from);

/* The largest number; 0 when there is none. */
uint32_t segment_last(int dir_fd);

/* Deletes the segments numbered below keep_from. */
void segments_prune(int dir_fd, uint32_t keep_from);

#endif
