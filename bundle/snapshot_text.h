/* snapshot_text.h - the small files in Snapshots: each snapshot's description, and which one the machine's state came from. Inside bundle/ only. */
#ifndef BUNDLE_SNAPSHOT_TEXT_H
#define BUNDLE_SNAPSHOT_TEXT_H

#include "bundle/snapshot.h"

/* A line, whole or not at all, and durable. Errors are in errno. */
bool snapshot_text_put(int dir, const char *name, const char *text);
bool snapshot_text_get(int dir, const char *name, char *text, size_t room);

/* Snapshots/Current; "" when there is none. */
void snapshot_current_get(const struct bundle *b, char name[SNAPSHOT_NAME_MAX + 1]);
bool snapshot_current_set(const struct bundle *b, const char *name);

/* NAME/Snapshot.json: parent, created_s and has_memory of s. */
bool snapshot_description_put(int dir, const char *parent, int64_t created_s, bool has_memory);
bool snapshot_description_get(int dir, struct snapshot *s);

#endif
