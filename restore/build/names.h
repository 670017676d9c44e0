/* names.h - what the builder's options may say: words that come on command lines and into files are checked here, once. */
#ifndef RESTORE_BUILD_NAMES_H
#define RESTORE_BUILD_NAMES_H

#include <pome/error.h>

#include <stddef.h>

struct work;

/* All: NULL is fine (not given). Errors: INVALID_CONFIGURATION, naming what was given and the rule. */
bool names_check_suite(const char *suite, struct pome_error *err);
bool names_check_mirror(const char *url, struct pome_error *err);
bool names_check_hostname(const char *name, struct pome_error *err);
bool names_check_line(const char *what, const char *text, struct pome_error *err); /* printable ASCII, at most 255 */

/* Adds the packages of a list, separated by commas or white space, to `all`, each with a space behind it. */
bool names_add_packages(char *all, size_t size, const char *list, struct pome_error *err);

/* The same from a file, where '#' begins a comment. */
bool names_add_package_file(char *all, size_t size, const char *path, struct pome_error *err);

/* Writes the work folder's file "root-password" from the first line of this one: the line if it is a hash ("$..."), else crypt(3)'s "$6$" of it with a random
 * salt. */
bool names_write_password_hash(const struct work *w, const char *path, struct pome_error *err);

#endif
