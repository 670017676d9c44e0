/* layout.h - where the three containers lie on Disk.img (docs/boot.md §5). */
#ifndef RESTORE_LAYOUT_H
#define RESTORE_LAYOUT_H

#include "formats/gpt.h"

enum layout_container { LAYOUT_ISC, LAYOUT_MAIN, LAYOUT_RECOVERY, LAYOUT_CONTAINERS };

#define LAYOUT_ISC_BYTES      (UINT64_C(500) << 20)
#define LAYOUT_RECOVERY_BYTES (UINT64_C(1) << 30)
#define LAYOUT_APPLE_RECOVERY_BYTES UINT64_C(5368664064)
#define LAYOUT_SLACK_BYTES    (UINT64_C(64) << 20) /* room that the main container has beyond the OS image */

enum { LAYOUT_SECURITY_DOMAIN = 1 };

/* Bytes of the smallest disk that holds an OS image of os_bytes; a multiple of 1 MiB. */
uint64_t layout_minimum(uint64_t os_bytes);

/* The partition table of a disk of disk_bytes, with new random GUIDs. Errors: INVALID_CONFIGURATION when it is smaller than layout_minimum. */
bool layout_make(uint64_t disk_bytes, uint64_t os_bytes, struct gpt *g, struct pome_error *err);

/* The same for macOS: the Recovery container has Apple's size, the main one at least main_bytes. minimum: of the disk. */
uint64_t layout_minimum_apple(uint64_t main_bytes);
bool layout_make_apple(uint64_t disk_bytes, uint64_t minimum, struct gpt *g, struct pome_error *err);

static inline uint64_t layout_offset(const struct gpt *g, enum layout_container c)
{
    return g->partitions[c].first * GPT_SECTOR;
}

static inline uint64_t layout_bytes(const struct gpt *g, enum layout_container c)
{
    return (g->partitions[c].last - g->partitions[c].first + 1) * GPT_SECTOR;
}

#endif
