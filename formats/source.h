/*
 * source.h - bytes that lie somewhere else and are read by place: a file, a member of a zip, what is inside a container.
 *
 * Containers are sources over sources (aea over file, udif over aea), so that a disk in a restore image is read at any place with
 * the memory of one piece of each layer. A source is used by one thread at a time.
 */
#ifndef FORMATS_SOURCE_H
#define FORMATS_SOURCE_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

struct source {
    const char *name; /* for messages; borrowed, lives as long as the source */
    uint64_t bytes;
    /* Within bytes, n > 0: source_read has looked. */
    bool (*read)(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err);
    void (*close)(struct source *s); /* NULL: nothing to do */
};

/* Reads exactly n bytes. Errors: INVALID_DATA (the end comes before), and the source's own. */
bool source_read(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err);

/* NULL is fine. A container closes what it lies over. */
void source_close(struct source *s);

/* Bytes in memory; borrowed. NULL when there is no memory. */
struct source *source_memory(const void *bytes, size_t n, const char *name);

/* Where a stream of bytes goes, piece by piece. False ends the stream (*err is filled). */
typedef bool bytes_sink(void *user, const void *bytes, size_t n, struct pome_error *err);

#endif
