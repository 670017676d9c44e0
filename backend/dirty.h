/*
 * dirty.h - which parts of a file were written to, for somebody who copies it meanwhile (disk.h, disk_watch).
 *
 * A bit for each cluster, set when a write is over: who takes it and copies then has what was written, and a write that the copy met half way is noted after it. Writers are
 * many threads at any time, before dirty_begin too; who begins and takes is one. The memory stays until dirty_free: a writer may be about to look at it.
 */
#ifndef BACKEND_DIRTY_H
#define BACKEND_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

enum { DIRTY_CLUSTER = 65536 };

struct dirty {
    _Atomic uint64_t *_Atomic bits; /* NULL: nobody has asked yet */
    uint64_t n; /* clusters */
};

bool dirty_begin(struct dirty *d, uint64_t file_bytes); /* the same each time. False: no memory */
void dirty_note(struct dirty *d, uint64_t offset, uint64_t bytes);
bool dirty_take(struct dirty *d, uint64_t *next, uint64_t *offset, uint64_t *bytes); /* disk_take_changed */
void dirty_free(struct dirty *d);

#endif
