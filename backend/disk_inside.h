/* disk_inside.h - between disks and the threads that work for them. Inside backend/ only. */
#ifndef BACKEND_DISK_INSIDE_H
#define BACKEND_DISK_INSIDE_H

#include "backend/disk.h"

/* What a request asks for, on the calling thread: 0 or an errno. */
int disk_perform(struct disk *d, struct disk_io *io);

void disk_pool_add(struct disk_pool *p, struct disk_io *io);

#endif
