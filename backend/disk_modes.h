/* disk_modes.h - how a disk uses the host's cache, and what a flush does. */
#ifndef BACKEND_DISK_MODES_H
#define BACKEND_DISK_MODES_H

enum disk_caching { DISK_CACHING_AUTOMATIC, DISK_CACHING_UNCACHED, DISK_CACHING_CACHED }; /* automatic: cached */
/* What a flush does. FULL: what was written is on the medium, through the drive's own cache (fdatasync); FSYNC: the same on Linux; NONE: nothing. */
enum disk_flushing { DISK_FLUSHING_FULL, DISK_FLUSHING_FSYNC, DISK_FLUSHING_NONE };
struct disk_modes {
    enum disk_caching caching;
    enum disk_flushing flushing;
};

#endif
