/*
 * nvram.h - NVRAM banks of the Mac-style platform: CHRP "v1" layout (docs/boot.md §4).
 *
 * A bank is 0x80000 bytes in the caller's memory: header partition "nvram", then "common" and "system" with variables. There are two
 * banks; the valid one with the higher generation is current, and a change is written to the other one.
 */
#ifndef FORMATS_NVRAM_H
#define FORMATS_NVRAM_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum { NVRAM_BANK_BYTES = 0x80000, NVRAM_NAME_MAX = 127 };

enum nvram_partition { NVRAM_COMMON, NVRAM_SYSTEM };

/* True when header, checksum and both partitions are right. */
bool nvram_bank_valid(const uint8_t *bank, uint32_t *generation);

/* 0 or 1: which of the two is current; -1 when neither is valid. */
int nvram_current(const uint8_t *bank0, const uint8_t *bank1);

struct nvram_variable {
    char name[NVRAM_NAME_MAX + 1];
    const uint8_t *stored; /* escaped, in the bank */
    size_t stored_size;
    size_t size;           /* of the value */
};

/* Walks a partition: *cursor begins at 0. False at the end, or where the list is damaged. */
bool nvram_next(const uint8_t *bank, enum nvram_partition partition, size_t *cursor, struct nvram_variable *v);

/* False when a partition's list ends in the middle of something that is no variable. */
bool nvram_list_whole(const uint8_t *bank, enum nvram_partition partition);

/* Finds one. */
bool nvram_find(const uint8_t *bank, enum nvram_partition partition, const char *name, struct nvram_variable *v);

/* The value into out[v->size]. */
void nvram_value(const struct nvram_variable *v, uint8_t *out);

/* An empty bank. Finish it, and every bank that was changed, with nvram_bank_finish. */
void nvram_bank_init(uint8_t *bank);

/* Sets a variable. Errors: INVALID_DATA (name), OUT_OF_DISK_SPACE (the partition is full; nothing is changed). */
bool nvram_set(uint8_t *bank, enum nvram_partition partition, const char *name, const void *value, size_t n, struct pome_error *err);

/* All of this name. False when there was none. */
bool nvram_remove(uint8_t *bank, enum nvram_partition partition, const char *name);

/* Bytes that a new variable's name and escaped value may have together. */
size_t nvram_room(const uint8_t *bank, enum nvram_partition partition);

void nvram_bank_finish(uint8_t *bank, uint32_t generation);

#endif
