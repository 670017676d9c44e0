/* work.h - the folders of one build: a work folder that goes with it, a cache that stays, the log between them. */
#ifndef RESTORE_BUILD_WORK_H
#define RESTORE_BUILD_WORK_H

#include <pome/error.h>

#include <stdio.h>

enum { WORK_PATH = 1024 };

struct work {
    char folder[WORK_PATH];        /* below $TMPDIR (/var/tmp); owned by nobody when we are root */
    char cache[WORK_PATH];         /* packages and package lists, kept from build to build */
    char log_path[WORK_PATH + 32]; /* beside the cache */
    FILE *log;
    int lock; /* the open work folder, locked; -1: none */
};

/* Makes the folders, opens the log, writes scripts/ and guest/ into FOLDER/files. cache: NULL or empty for
 * $XDG_CACHE_HOME/pome. Folders of builds that were killed are removed first. Call work_close whatever it returns.
 * Errors: INVALID_CONFIGURATION (no place, a path too long), OUT_OF_DISK_SPACE, PERMISSION, IO. */
bool work_open(struct work *w, const char *cache, struct pome_error *err);

/* Removes the work folder and closes the log. */
void work_close(struct work *w);

/* "FOLDER/name". */
const char *work_path(const struct work *w, const char *name, char path[WORK_PATH + 64]);

/* As root: everything in the work folder becomes nobody's. */
bool work_give(const struct work *w, struct pome_error *err);

/* Writes a small file of the work folder, readable for its owner only. */
bool work_write(const struct work *w, const char *name, const void *bytes, size_t n, struct pome_error *err);

/* The first line of a file that a script left there. */
bool work_fact(const struct work *w, const char *name, char *text, size_t n, struct pome_error *err);

#endif
