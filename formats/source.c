/* source.c - sources: the bounds, and the one in memory. */
#include "formats/source.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

bool source_read(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err)
{
    if (!n)
        return true;
    if (at > s->bytes || n > s->bytes - at)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: ends at byte %llu, %zu bytes at %llu are needed", s->name,
                         (unsigned long long)s->bytes, n, (unsigned long long)at);
    return s->read(s, at, bytes, n, err);
}

void source_close(struct source *s)
{
    if (s && s->close)
        s->close(s);
}

/* --- memory --- */

struct memory {
    struct source source;
    const uint8_t *bytes;
};

static bool read_memory(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err)
{
    memcpy(bytes, ((struct memory *)s)->bytes + at, n);
    return true;
}

static void close_memory(struct source *s)
{
    free(s);
}

struct source *source_memory(const void *bytes, size_t n, const char *name)
{
    struct memory *m = malloc(sizeof *m);
    if (!m)
        return NULL;
    *m = (struct memory){{name, n, read_memory, close_memory}, bytes};
    return &m->source;
}
