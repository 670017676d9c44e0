/* records.c - named values one after the other. See records.h. */
#include "base/records.h"

#include "base/bits.h"

#include <stdlib.h>

static uint8_t *grow(struct records *r, size_t n)
{
    if (r->no_memory)
        return NULL;
    if (r->room - r->n < n) {
        size_t room = MAX(r->room * 2, r->n + n + 256);
        uint8_t *more = realloc(r->bytes, room);
        if (!more) {
            r->no_memory = true;
            return NULL;
        }
        r->bytes = more;
        r->room = room;
    }
    uint8_t *at = r->bytes + r->n;
    r->n += n;
    return at;
}

void records_put(struct records *r, const char *name, const void *bytes, size_t n)
{
    size_t length = strlen(name);
    assert(length <= 255 && n <= UINT32_MAX);
    uint8_t *at = grow(r, 1 + length + 4 + n);
    if (!at)
        return;
    *at = (uint8_t)length;
    memcpy(at + 1, name, length);
    le32_put(at + 1 + length, (uint32_t)n);
    if (n)
        memcpy(at + 5 + length, bytes, n);
}

void records_put_u64(struct records *r, const char *name, uint64_t value)
{
    uint8_t bytes[8];
    le64_put(bytes, value);
    records_put(r, name, bytes, sizeof bytes);
}

void records_put_text(struct records *r, const char *name, const char *text)
{
    records_put(r, name, text, strlen(text));
}

void records_free(struct records *r)
{
    free(r->bytes);
    *r = (struct records){0};
}

bool records_next(struct records_reader *r, struct record *out)
{
    size_t left = (size_t)(r->end - r->at);
    if (!left || left < 5 + (size_t)r->at[0])
        return false;
    size_t length = r->at[0];
    uint32_t n = le32_get(r->at + 1 + length);
    if (n > left - 5 - length || memchr(r->at + 1, 0, length))
        return false;
    memcpy(out->name, r->at + 1, length);
    out->name[length] = 0;
    out->bytes = r->at + 5 + length;
    out->n = n;
    r->at = out->bytes + n;
    return true;
}

bool records_find(const uint8_t *bytes, size_t n, const char *name, struct record *out)
{
    struct records_reader r = {bytes, bytes + n};
    while (records_next(&r, out))
        if (!strcmp(out->name, name))
            return true;
    return false;
}

bool record_u64(const struct record *r, uint64_t *value)
{
    if (r->n != 8)
        return false;
    *value = le64_get(r->bytes);
    return true;
}
