/*
 * stage.h - a bundle in the making: NAME.bundle.tmp-XXXXXX, locked, which becomes NAME.bundle in one step or goes away. Inside
 * bundle/ only.
 *
 *     struct stage s;
 *     bool ok = stage_begin(&s, name, err) && fill it...;
 *     struct bundle *b = stage_end(&s, ok, err);
 */
#ifndef BUNDLE_STAGE_H
#define BUNDLE_STAGE_H

#include "bundle/bundle.h"

struct stage {
    struct bundle *b;    /* open in the temporary folder; only path and dir_fd are set */
    char path[PATH_MAX]; /* that it will have */
};

/* Removes leftovers, makes the folders above (for names in POME_HOME) and the temporary one. Errors: EXISTS, INVALID_CONFIGURATION
 * (the name), ... */
bool stage_begin(struct stage *s, const char *name, struct pome_error *err);

/* ok: gives it its name, syncs, and reads and checks it; returns it open and locked. Else removes it and returns NULL. */
struct bundle *stage_end(struct stage *s, bool ok, struct pome_error *err);

#endif
