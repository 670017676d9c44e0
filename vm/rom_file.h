/* rom_file.h - a boot ROM of the user's: a file of at most 1 MiB, read whole. */
#ifndef VM_ROM_FILE_H
#define VM_ROM_FILE_H

#include <pome/error.h>

#include <stdbool.h>
#include <stddef.h>

enum { ROM_FILE_MAX = 1 << 20 };

struct rom_file {
    void *bytes; /* NULL: none */
    size_t n;
};

/* Errors: NOT_FOUND, PERMISSION, INVALID_DATA (empty, too large, no regular file), OUT_OF_MEMORY, IO. */
bool rom_file_load(const char *path, struct rom_file *f, struct pome_error *err);
void rom_file_free(struct rom_file *f);

#endif
