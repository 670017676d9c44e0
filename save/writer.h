/* writer.h - what the files of a writer and a reader share. Inside save/ only. */
#ifndef SAVE_WRITER_H
#define SAVE_WRITER_H

#include "save/seal.h"

#include <stddef.h>

/* Places in the header, file.h. */
enum {
    HEADER_VERSION = 8, HEADER_CHUNK = 12, HEADER_TABLE = 16, HEADER_TABLE_DIGEST = 48, HEADER_KEY = 80, HEADER_SALT = 96,
    HEADER_DIGEST = 4064,
};
enum { TABLE_ENTRY_BYTES = 64 }; /* behind the name */

/* A memory section: u64 gpa, u64 bytes, u32 read-only, u32 number of entries; an entry: u32 chunk, u32 method, u64 offset, u32 stored,
 * u32 0, digest. In ascending order of chunks. */
enum { MEMORY_HEAD_BYTES = 24, MEMORY_ENTRY_BYTES = 56 };
enum { MEMORY_VERSION = 1 };

/* Threads for guest memory, and the chunks that one of them takes at a time. */
enum { SAVE_THREADS_MAX = 8, BATCH_CHUNKS = 64 };
unsigned save_threads(size_t n_batches);

struct save_writer {
    int fd;
    uint64_t end; /* of what was written */
    struct save_key key;
    struct sealer sealer;
    struct save_section *sections;
    size_t n;
};

bool writer_put(struct save_writer *w, const uint8_t *bytes, size_t n, uint64_t offset, struct pome_error *err);
size_t save_table_entry(const struct save_section *s, uint8_t *to);

/* Runs fn for every batch on several threads (the only one: on this one), telling progress (a batch stands for `bytes` bytes) on this one. fn returns false to end all. */
typedef bool batch_fn(void *user, struct sealer *s, size_t batch);
bool save_batches(size_t n_batches, uint64_t batch_bytes, uint64_t total, batch_fn *fn, void *user, const struct save_progress *progress,
                  struct pome_error *err);

#endif
