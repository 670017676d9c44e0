/*
 * records.h - named values one after the other, as saved states hold them: name length (u8), name, size (u32, little-endian), bytes.
 *
 * The names make a state of another version or kind unmistakable. Reading is of hostile bytes.
 */
#ifndef BASE_RECORDS_H
#define BASE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct records { /* being written; {0} is empty */
    uint8_t *bytes;
    size_t n, room;
    bool no_memory;
};
void records_put(struct records *r, const char *name, const void *bytes, size_t n); /* name: at most 255 bytes */
void records_put_u64(struct records *r, const char *name, uint64_t value);
void records_put_text(struct records *r, const char *name, const char *text);
void records_free(struct records *r);

struct record {
    char name[256];
    const uint8_t *bytes; /* in what is read */
    uint32_t n;
};
struct records_reader {
    const uint8_t *at, *end;
};
/* The next one; false: there is none, or what is there is none (then at != end). */
bool records_next(struct records_reader *r, struct record *out);
/* The first of this name. */
bool records_find(const uint8_t *bytes, size_t n, const char *name, struct record *out);
/* False: it is not 8 bytes. */
bool record_u64(const struct record *r, uint64_t *value);

#endif
