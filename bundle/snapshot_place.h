/* snapshot_place.h - the folders in Snapshots. Inside bundle/ only. */
#ifndef BUNDLE_SNAPSHOT_PLACE_H
#define BUNDLE_SNAPSHOT_PLACE_H

#include "bundle/bundle.h"

extern const char snapshot_folder[], snapshot_current[]; /* "Snapshots", and the file in it that is no folder */
extern const char snapshot_decided[];                    /* the folder in it whose files take their places in the bundle */

bool snapshot_name_check(const char *name, struct pome_error *err);

/* Snapshots/NAME as something that files can be copied to and from. NULL: it is not there. */
struct bundle *snapshot_place_open(const struct bundle *b, const char *name, struct pome_error *err);
/* A new one; what was there is removed. */
struct bundle *snapshot_place_make(const struct bundle *b, const char *name, struct pome_error *err);
void snapshot_place_drop(struct bundle *p, bool remove); /* NULL is fine */

/* Gives one its name, durably. */
bool snapshot_place_rename(const struct bundle *b, const char *from, const char *to);
bool snapshot_place_sync(int dir, const char *name);

#endif
