/*
 * lazy.h - libraries that few commands need are loaded by the first who does: with all that they need themselves, libcurl and
 * libarchive are most of the time and the memory of a program's start.
 *
 * A header of ours names the functions that are used of a library, and becomes a structure of pointers to them:
 *
 *     #define LIBX(F) F(x_open) F(x_close)
 *     struct libx { LIBX(LAZY_MEMBER) };
 *     extern struct libx libx;                      calls: libx.x_open(...)
 *     bool libx_load(struct pome_error *err);       before the first: lazy_load(&libx, names, n, ...)
 */
#ifndef BASE_LAZY_H
#define BASE_LAZY_H

#include <pome/error.h>
#include <stddef.h>

#define LAZY_MEMBER(name) __typeof__(&name) name;
#define LAZY_NAME(name)   #name,

/* Loads `file` once and stores the addresses of its functions `names` at `pointers`, n of each. Any thread. `package`: where Debian
 * has the file. */
bool lazy_load(void *pointers, const char *const *names, size_t n, const char *file, const char *package, struct pome_error *err);

#endif
