/* output_file.h - a file that appears when it is whole: written beside its name, synced, renamed. */
#ifndef RESTORE_OUTPUT_FILE_H
#define RESTORE_OUTPUT_FILE_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

struct output_file {
    int fd;
    const char *path; /* borrowed */
    uint64_t bytes;   /* written so far, holes included */
    char temporary[4096];
};

/* Errors: EXISTS, IO, PERMISSION, ... */
bool output_begin(struct output_file *o, const char *path, struct pome_error *err);

/* At the end of what was written. Whole zeroed blocks of 64 KiB become holes. */
bool output_write(struct output_file *o, const void *bytes, size_t n, struct pome_error *err);

/* ok: the file appears, unless one of that name has come meanwhile (EXISTS); else all is removed. Returns whether it appeared. */
bool output_end(struct output_file *o, bool ok, struct pome_error *err);

#endif
