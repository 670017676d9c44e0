/*
 * share.h - a folder of the host as a guest sees it: a server of the FUSE protocol (linux/fuse.h) on a thread of its own.
 *
 * The guest is hostile. It names one component of a path at a time, below a folder that it has; ".", "..", and names with a slash are refused, and
 * the kernel is told to stay beneath (openat2: RESOLVE_BENEATH, no links of any kind). What it opens must be a regular file or a folder; it makes no devices,
 * sockets or set-user-ID files. Links it makes and reads as text; nobody here follows them.
 *
 * Threads: share_submit from any; `done` is called on the share's thread; the rest when no request is under way.
 */
#ifndef BACKEND_SHARE_H
#define BACKEND_SHARE_H

#include "base/records.h"

#include <pome/error.h>
#include <stddef.h>
#include <sys/uio.h>

#define SHARE_TAG_MAX 35

struct share;

/* path: a folder. Errors: NOT_FOUND, PERMISSION, INVALID_CONFIGURATION (no folder), NOT_SUPPORTED (the host's kernel is older than 5.6). */
struct share *share_create(const char *path, bool writable, struct pome_error *err);
void share_destroy(struct share *s); /* NULL allowed */

struct share_request {
    const struct iovec *out, *in; /* the guest's request, and room for the answer; both may be guest memory, which changes */
    unsigned n_out, n_in;
    uint32_t written; /* of the answer */
    void (*done)(struct share_request *r);
    struct share_request *next; /* the share's */
};
void share_submit(struct share *s, struct share_request *r);
/* Waits until nothing is under way; false after timeout_ms. */
bool share_drain(struct share *s, unsigned timeout_ms);

/* What the guest knows by number, for a saved machine. Nothing is under way. */
void share_save(struct share *s, struct records *out);
/* The guest knows that, and nothing else. *lost: how many of its inodes and open files are not there any more. bytes: anything. Errors: RESTORE (malformed: nothing is known then). */
bool share_load(struct share *s, const uint8_t *bytes, size_t n, unsigned *lost, struct pome_error *err);

/* One request at once, on this thread: for tests and fuzzing, instead of share_submit. */
void share_answer(struct share *s, struct share_request *r);

#endif
