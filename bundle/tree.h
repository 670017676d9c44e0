/* tree.h - the files of a bundle, and copying them. Inside bundle/ only. */
#ifndef BUNDLE_TREE_H
#define BUNDLE_TREE_H

#include "bundle/bundle.h"

#include <pome/progress.h>

struct tree_file {
    char path[288]; /* in the bundle: "Disk.img", "Log/00000001.log" */
    bool folder;
    uint64_t bytes, data; /* size; bytes it occupies on the host */
};

struct tree {
    size_t n;
    struct tree_file *files; /* a folder before what is in it */
    uint64_t bytes, data;
};

/* Lists all of it, by name, but files that begin with a dot. logs: what is in Log too.
 * Errors: INVALID_BUNDLE (a link, a device, a name too long, more than 4096 files). */
bool tree_list(const struct bundle *b, bool logs, struct tree *t, struct pome_error *err);
void tree_free(struct tree *t);

/* A long operation over files. */
struct job {
    pome_progress_fn *progress; /* NULL: none */
    void *user;
    struct pome_progress report;
    uint64_t shown;            /* when report.done was told last */
    char why_not_instant[160]; /* why the file system could not share blocks; empty when it could */
};

/* Begins step `number` of `count`, of `total` bytes. */
bool job_step(struct job *j, const char *name, uint32_t number, uint32_t count, uint64_t total, struct pome_error *err);
/* So many more bytes are done. False with OPERATION_CANCELLED. */
bool job_advance(struct job *j, uint64_t bytes, struct pome_error *err);

/* Copies a file of the tree into another bundle's folder, and syncs it: by sharing its blocks where the file system can, else its
 * data without its holes. */
bool tree_copy_file(const struct bundle *from, const struct bundle *to, const struct tree_file *f, struct job *j,
                    struct pome_error *err);

/* The same from an open file of so many bytes. */
bool tree_copy_open(int in, const struct bundle *to, const char *name, uint64_t bytes, struct job *j, struct pome_error *err);

/* Copies a file by sharing its blocks, with its time, synced; false, and there is no copy, when that cannot be. */
bool tree_share_file(const struct bundle *from, const struct bundle *to, const char *name);

/* Makes [offset, offset + bytes) of `out` what it is in `in`, holes too. Not synced. */
bool tree_copy_part(int in, int out, const char *what, uint64_t offset, uint64_t bytes, struct job *j, struct pome_error *err);

/* Copies all. */
bool tree_copy(const struct bundle *from, const struct bundle *to, const struct tree *t, struct job *j, struct pome_error *err);

/* Reads both and compares. Errors: IO (they differ: which file, where). */
bool tree_compare(const struct bundle *a, const struct bundle *b, const struct tree *t, struct job *j, struct pome_error *err);

/* Calls each for the data of an open file, hole by hole left out, in pieces of at most TREE_PIECE bytes that begin at multiples of
 * it (but after a hole). Pieces that are zero are left out too. */
enum { TREE_PIECE = 65536 };
typedef bool tree_piece_fn(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err);
bool tree_read(int fd, const char *what, uint64_t bytes, tree_piece_fn *each, void *user, struct job *j, struct pome_error *err);

#endif
