/*
 * boots.h - where each boot begins in the store: Log/boots, a line "SEGMENT OFFSET REALTIME_NS UUID" per boot, so that the last boot is found without
 * reading all of the log.
 *
 * It is an index and no more: a line counts only when the record it points to begins that boot, and without the file, or with a torn one, everything is
 * found by reading. Segments that are gone take their lines with them when the file has grown to BOOTS_MAX_BYTES.
 */
#ifndef LOG_BOOTS_H
#define LOG_BOOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BOOTS_MAX_BYTES = 65536 };

struct boot_place {
    uint32_t segment;
    uint64_t offset;
    int64_t realtime_ns;
    char uuid[37];
};

/* Adds a line; failing costs a slower search, nothing else. */
void boots_add(int dir_fd, const struct boot_place *place);

/* All that there are, oldest first, at most max of the newest. Returns how many. */
size_t boots_read(int dir_fd, struct boot_place *places, size_t max);

#endif
