/*
 * nvram.c - CHRP NVRAM banks, version 1 (XNU IONVRAMCHRPHandler.cpp names the fields).
 *
 * CHRP header: u8 signature, u8 checksum, u16 length in units of 16 bytes, char name[12].
 * Bank header: +16 u32 Adler-32 over bytes 20..end, +20 u32 generation.
 */
#include "formats/nvram.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/checksum.h"

#include <string.h>

enum { HEADER = 16, ADLER = 16, GENERATION = 20 };

static const struct {
    const char *name;
    uint32_t at, bytes;
    uint8_t signature;
} layout[] = {
    [NVRAM_COMMON] = {"common", 32, 0x60000 - 32, 0x71},
    [NVRAM_SYSTEM] = {"system", 0x60000, 0x20000, 0x70},
};

/* Signature plus bytes 2..15, carries folded back into eight bits. */
static uint8_t header_checksum(const uint8_t *h)
{
    unsigned sum = h[0];
    for (int i = 2; i < HEADER; i++)
        sum += h[i];
    while (sum > 0xff)
        sum = (sum & 0xff) + (sum >> 8);
    return (uint8_t)sum;
}

static void put_header(uint8_t *h, uint8_t signature, const char *name, uint32_t bytes)
{
    memset(h, 0, HEADER);
    h[0] = signature;
    le16_put(h + 2, (uint16_t)(bytes / 16));
    memcpy(h + 4, name, strlen(name));
    h[1] = header_checksum(h);
}

static bool header_valid(const uint8_t *h, uint8_t signature, const char *name, uint32_t bytes)
{
    uint8_t want[HEADER];
    put_header(want, signature, name, bytes);
    return !memcmp(h, want, HEADER);
}

bool nvram_bank_valid(const uint8_t *bank, uint32_t *generation)
{
    if (!header_valid(bank, 0x5a, "nvram", 32) || le32_get(bank + ADLER) != adler32_of(bank + GENERATION, NVRAM_BANK_BYTES - GENERATION))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(layout); i++)
        if (!header_valid(bank + layout[i].at, layout[i].signature, layout[i].name, layout[i].bytes))
            return false;
    *generation = le32_get(bank + GENERATION);
    return true;
}

int nvram_current(const uint8_t *bank0, const uint8_t *bank1)
{
    uint32_t g0, g1;
    bool v0 = nvram_bank_valid(bank0, &g0), v1 = nvram_bank_valid(bank1, &g1);
    if (v0 && v1)
        return g1 > g0;
    return v0 ? 0 : v1 ? 1 : -1;
}

/* A run of 0x00 or 0xFF is stored as 0xFF, then (byte & 0x80) | length. */
static bool unescaped_size(const uint8_t *p, size_t n, size_t *size)
{
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0xff) {
            ++*size;
        } else {
            if (++i == n || !(p[i] & 0x7f))
                return false;
            *size += p[i] & 0x7f;
        }
    }
    return true;
}

bool nvram_next(const uint8_t *bank, enum nvram_partition partition, size_t *cursor, struct nvram_variable *v)
{
    const uint8_t *data = bank + layout[partition].at + HEADER, *p = data + *cursor;
    size_t room = layout[partition].bytes - HEADER - *cursor;
    const uint8_t *end = memchr(p, 0, room);
    if (!end || end == p)
        return false;
    const uint8_t *equals = memchr(p, '=', (size_t)(end - p));
    if (!equals || equals == p || equals - p > NVRAM_NAME_MAX)
        return false;
    memcpy(v->name, p, (size_t)(equals - p));
    v->name[equals - p] = 0;
    v->stored = equals + 1;
    v->stored_size = (size_t)(end - equals - 1);
    if (!unescaped_size(v->stored, v->stored_size, &v->size))
        return false;
    *cursor = (size_t)(end + 1 - data);
    return true;
}

bool nvram_find(const uint8_t *bank, enum nvram_partition partition, const char *name, struct nvram_variable *v)
{
    for (size_t cursor = 0; nvram_next(bank, partition, &cursor, v);)
        if (!strcmp(v->name, name))
            return true;
    return false;
}

void nvram_value(const struct nvram_variable *v, uint8_t *out)
{
    for (size_t i = 0; i < v->stored_size; i++) {
        if (v->stored[i] != 0xff) {
            *out++ = v->stored[i];
            continue;
        }
        unsigned run = v->stored[++i];
        memset(out, run & 0x80 ? 0xff : 0, run & 0x7f);
        out += run & 0x7f;
    }
}

void nvram_bank_init(uint8_t *bank)
{
    memset(bank, 0, NVRAM_BANK_BYTES);
    put_header(bank, 0x5a, "nvram", 32);
    for (size_t i = 0; i < ARRAY_SIZE(layout); i++)
        put_header(bank + layout[i].at, layout[i].signature, layout[i].name, layout[i].bytes);
}

/* Where the list ends: at its empty name. */
static size_t used(const uint8_t *bank, enum nvram_partition partition)
{
    struct nvram_variable v;
    size_t cursor = 0;
    while (nvram_next(bank, partition, &cursor, &v))
        ;
    return cursor;
}

bool nvram_list_whole(const uint8_t *bank, enum nvram_partition partition)
{
    size_t end = used(bank, partition);
    return end < layout[partition].bytes - HEADER && !bank[layout[partition].at + HEADER + end];
}

size_t nvram_room(const uint8_t *bank, enum nvram_partition partition)
{
    size_t free_bytes = layout[partition].bytes - HEADER - used(bank, partition);
    return free_bytes > 3 ? free_bytes - 3 : 0; /* "=", the value's NUL, and the list's end */
}

/* Printable, and not what ends it. */
static bool name_ok(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name[i] <= 0x20 || name[i] > 0x7e || name[i] == '=')
            return false;
    return n && n <= NVRAM_NAME_MAX;
}

bool nvram_remove(uint8_t *bank, enum nvram_partition partition, const char *name)
{
    uint8_t *data = bank + layout[partition].at + HEADER;
    struct nvram_variable v;
    size_t end = used(bank, partition);
    bool found = false;
    for (size_t cursor = 0, before = 0; nvram_next(bank, partition, &cursor, &v); before = cursor) {
        if (strcmp(v.name, name))
            continue;
        memmove(data + before, data + cursor, end - cursor);
        memset(data + end - (cursor - before), 0, cursor - before);
        end -= cursor - before;
        cursor = before;
        found = true;
    }
    return found;
}

/* Bytes that the variables of this name take; in a list that others wrote there may be several. */
static size_t taken(const uint8_t *bank, enum nvram_partition partition, const char *name)
{
    struct nvram_variable v;
    size_t bytes = 0;
    for (size_t cursor = 0, before = 0; nvram_next(bank, partition, &cursor, &v); before = cursor)
        bytes += strcmp(v.name, name) ? 0 : cursor - before;
    return bytes;
}

/* The escaped value to out, or only its size when out is NULL. */
static size_t escape(const uint8_t *p, size_t n, uint8_t *out)
{
    size_t size = 0;
    for (size_t i = 0; i < n;) {
        size_t run = 1;
        if (p[i] && p[i] != 0xff) {
            if (out)
                out[size] = p[i];
            size++;
        } else {
            while (run < 0x7f && i + run < n && p[i + run] == p[i])
                run++;
            if (out) {
                out[size] = 0xff;
                out[size + 1] = (uint8_t)((p[i] & 0x80) | run);
            }
            size += 2;
        }
        i += run;
    }
    return size;
}

bool nvram_set(uint8_t *bank, enum nvram_partition partition, const char *name, const void *value, size_t n, struct pome_error *err)
{
    size_t name_size = strlen(name), stored = escape(value, n, NULL);
    if (!name_ok(name, name_size))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "NVRAM: \"%.40s\" cannot be a variable's name: needed 1 to %d printable ASCII characters but '='", name,
                         NVRAM_NAME_MAX);
    size_t freed = taken(bank, partition, name), at = used(bank, partition);
    size_t needed = name_size + stored + 3, room = layout[partition].bytes - HEADER; /* "=", the value's NUL, and the list's end */
    if (at - freed + needed > room)
        return pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "NVRAM: %s needs %zu bytes, %zu are free in %s", name, needed, room - (at - freed),
                         layout[partition].name);
    nvram_remove(bank, partition, name);
    uint8_t *p = bank + layout[partition].at + HEADER + at - freed;
    memcpy(p, name, name_size);
    p[name_size] = '=';
    escape(value, n, p + name_size + 1);
    p[name_size + 1 + stored] = 0;
    p[name_size + 2 + stored] = 0; /* the end of the list, whatever stood behind the old one */
    return true;
}

void nvram_bank_finish(uint8_t *bank, uint32_t generation)
{
    le32_put(bank + GENERATION, generation);
    le32_put(bank + ADLER, adler32_of(bank + GENERATION, NVRAM_BANK_BYTES - GENERATION));
}
