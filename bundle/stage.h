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

/* The same in NAME.bundle.import, which outlives us: when one is there that was begun with this key, *resumed is true and what is in it stays; whatever else is
 * there goes. Errors: BUSY (another process is at it), too. */
enum { STAGE_KEY_MAX = 127 };
bool stage_resume(struct stage *s, const char *name, const char *key, bool *resumed, struct pome_error *err);

/* Leaves a stage that stage_resume began for another time. */
void stage_keep(struct stage *s);

/* Removes the stage of an import that was cut off; false when there is none, or somebody is at it. path: the machine's. */
bool stage_delete_kept(const char *path);

/* True, and INVALID_STATE, when `path` is such a stage. */
bool stage_cut_off(const char *path, struct pome_error *err);

/* NOT_FOUND of a machine that is not at `path`; says so when an import of it was cut off. False. */
bool stage_not_there(const char *path, struct pome_error *err);

/* ok: gives it its name, syncs, and reads and checks it; returns it open and locked. Else removes it and returns NULL. */
struct bundle *stage_end(struct stage *s, bool ok, struct pome_error *err);

#endif
