/* dirty.c - which parts of a file were written to. See dirty.h. */
#include "backend/dirty.h"

#include <stdatomic.h>
#include <stdlib.h>

bool dirty_begin(struct dirty *d, uint64_t file_bytes)
{
    _Atomic uint64_t *bits = d->bits;
    d->n = (file_bytes + DIRTY_CLUSTER - 1) / DIRTY_CLUSTER;
    const uint64_t words = (d->n + 63) / 64;
    for (uint64_t i = 0; bits && i < words; i++)
        atomic_store(&bits[i], 0);
    if (!bits)
        d->bits = bits = calloc(words, sizeof *bits);
    return bits;
}

void dirty_note(struct dirty *d, uint64_t offset, uint64_t bytes)
{
    _Atomic uint64_t *bits = d->bits;
    if (!bits || !bytes)
        return;
    for (uint64_t c = offset / DIRTY_CLUSTER, last = (offset + bytes - 1) / DIRTY_CLUSTER; c <= last; c++)
        atomic_fetch_or(&bits[c / 64], UINT64_C(1) << c % 64);
}

/* A run of ones within one word. */
bool dirty_take(struct dirty *d, uint64_t *next, uint64_t *offset, uint64_t *bytes)
{
    _Atomic uint64_t *bits = d->bits;
    for (uint64_t c = *next / DIRTY_CLUSTER; bits && c < d->n; c = (c | 63) + 1) {
        uint64_t left = atomic_load(&bits[c / 64]) >> c % 64;
        if (!left)
            continue;
        c += (uint64_t)__builtin_ctzll(left);
        left >>= __builtin_ctzll(left);
        const unsigned run = ~left ? (unsigned)__builtin_ctzll(~left) : 64;
        atomic_fetch_and(&bits[c / 64], ~((run == 64 ? UINT64_MAX : (UINT64_C(1) << run) - 1) << c % 64));
        *offset = c * DIRTY_CLUSTER;
        *bytes = (uint64_t)run * DIRTY_CLUSTER;
        *next = *offset + *bytes;
        return true;
    }
    return false;
}

void dirty_free(struct dirty *d)
{
    free((void *)d->bits);
}
