/* file_io.h - whole reads and writes at a place of a file, errors with its path. */
#ifndef BASE_FILE_IO_H
#define BASE_FILE_IO_H

#include <pome/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the descriptor stands, however few bytes the system takes at a time. False: errno says why. */
bool file_write_whole(int fd, const void *bytes, size_t n);

bool file_write_at(int fd, const char *path, const void *bytes, size_t n, uint64_t offset, struct pome_error *err);
bool file_read_at(int fd, const char *path, void *bytes, size_t n, uint64_t offset, struct pome_error *err);

/* Writes but for 4096-byte blocks of zeroes (blocks counted from the beginning of the file): for a file that reads as zero there. */
bool file_write_sparse(int fd, const char *path, const void *bytes, size_t n, uint64_t offset, struct pome_error *err);

#endif
