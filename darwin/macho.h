/*
 * macho.h - Darwin kernels: Mach-O 64 executables and MH_FILESET kernel caches for arm64 (Apple's <mach-o/loader.h>).
 *
 * Reading borrows the bytes and believes nothing in them: what struct macho says was compared with the file's size and
 * with itself (segments within the file, none over another, the entry in one of them).
 */
#ifndef DARWIN_MACHO_H
#define DARWIN_MACHO_H

#include <pome/error.h>

#include <stddef.h>

enum {
    MACHO_HEAD = 32,         /* bytes of the header; load commands follow */
    MACHO_SEGMENTS_MAX = 64, /* that have a size */
    MACHO_EXECUTE = 2, MACHO_FILESET = 12, /* file types */
    MACHO_ARM64_ALL = 0, MACHO_ARM64_V8 = 1, MACHO_ARM64E = 2, /* CPU subtypes */
};

struct macho_segment {
    char name[17];
    uint64_t address, memory_bytes; /* virtual */
    uint64_t offset, file_bytes;    /* in the file; the rest of the memory is zero */
    uint32_t protection;            /* initial: 1 read, 2 write, 4 execute */
};

struct macho {
    const uint8_t *bytes;
    size_t n;
    uint32_t file_type, cpu_subtype, flags, commands, commands_bytes;
    unsigned n_segments;
    struct macho_segment segments[MACHO_SEGMENTS_MAX]; /* those with a size, in the file's order */
    uint64_t header;      /* virtual address of the file's first byte */
    uint64_t lowest, end; /* virtual addresses that the segments cover */
    bool has_entry, has_uuid;
    uint64_t entry;       /* virtual address, of LC_UNIXTHREAD */
    uint8_t uuid[16];
    unsigned n_entries;   /* Mach-O files in a MH_FILESET */
};

/* True when the bytes begin as a Mach-O 64 file for arm64 does. */
bool macho_is(const void *bytes, size_t n);

/* Errors: INVALID_DATA (damaged), NOT_SUPPORTED (another CPU's, another file type). */
bool macho_read(const void *bytes, size_t n, struct macho *m, struct pome_error *err);

/* NULL: none of that name. */
const struct macho_segment *macho_segment(const struct macho *m, const char *name);

/* A member of a MH_FILESET. */
struct macho_entry {
    const char *name; /* "com.apple.kernel" */
    uint64_t address, offset;
};
/* Walks them: *cursor begins at 0. False at the end. */
bool macho_next_entry(const struct macho *m, uint32_t *cursor, struct macho_entry *e);

/* "executable", "file set"; "arm64", "arm64e". Static; NULL: unknown. */
const char *macho_type_name(uint32_t file_type);
const char *macho_cpu_name(uint32_t cpu_subtype);

#endif
