/* test_files.h - writes Mach-O files, for tests: unit tests, the seeds of fuzz targets, and tests/darwin/make_macho.c. */
#ifndef DARWIN_TEST_FILES_H
#define DARWIN_TEST_FILES_H

#include "darwin/macho.h"

struct test_segment {
    const char *name;
    uint64_t address, memory_bytes;
    const void *bytes;
    size_t n;
    uint32_t protection;
};

struct test_macho {
    uint32_t file_type, cpu_subtype;
    const struct test_segment *segments; /* the first one holds the header: its bytes begin behind the load commands, at the next page */
    size_t n_segments;
    uint64_t entry;                      /* 0: none */
    size_t page;                         /* what bytes are padded to, the header too; 0: TEST_MACHO_HEADER */
    const char *const *entries;          /* of a file set: names; each header lies at the file's beginning. NULL: none */
};

/* Where the first segment's own bytes begin, unless `page` says otherwise. */
enum { TEST_MACHO_HEADER = 0x4000 };

/* Bytes of the file; written to out unless NULL. */
size_t test_macho_write(const struct test_macho *t, uint8_t *out);

#endif
