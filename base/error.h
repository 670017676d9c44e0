/* error.h - filling struct pome_error in one line. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <pome/error.h>

/* Fills *err (NULL allowed) and returns false: `return pome_fail(err, POME_ERROR_IO, "%s: ...", path);` */
bool pome_fail(struct pome_error *err, enum pome_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: appends ": " and the text of errno, keeps errno in os_errno. The code is made
 * from errno (ENOENT -> NOT_FOUND, ENOSPC -> OUT_OF_DISK_SPACE, EACCES -> PERMISSION, ..., else IO). */
bool pome_fail_errno(struct pome_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "text: " before the message that is already in *err; returns false. */
bool pome_fail_context(struct pome_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
