/*
 * darwin.h - a boot set whose kernel is Darwin's: the code of darwin/ finds it its place, its boot_args and its device tree, as it does on the host.
 *
 * Nothing here is called with bytes whose digest was not found right.
 */
#ifndef FIRMWARE_DARWIN_H
#define FIRMWARE_DARWIN_H

#include "firmware/set.h"

/* True when a kernel's payload is for the functions below. */
bool darwin_kernel_is(const uint8_t *payload, size_t n);

/* Moves the payload, which lies from FW_KERNEL_BASE on, out of the way of its segments, right below FW_WINDOW. out->end: where a RAM disk goes;
 * out->limit: the first byte that is not free behind it. */
fw_why darwin_stage(const uint8_t *payload, size_t n, struct loaded *out);

/* Places everything. nvram: the current bank, or NULL. The entry and x0 for fw_enter. */
fw_why darwin_place(struct loaded *l, const uint8_t *nvram, size_t nvram_bytes, uint64_t *entry, uint64_t *x0);

#endif
