/*
 * zipfile.h - zip files: read by random access (libzip), written as a stream (libarchive). The two files behind it
 * are the only ones that know those libraries.
 *
 * A zip from somewhere else is hostile: names, duplicates, counts and methods are checked when it is opened, sizes and CRCs while
 * it is read. Members are read in blocks, never whole.
 */
#ifndef RESTORE_ZIPFILE_H
#define RESTORE_ZIPFILE_H

#include "formats/sha384.h"

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { ZIP_BLOCK = 1 << 20, ZIP_MEMBERS_MAX = 65536, ZIP_NAME_MAX = 1023 };

/* --- reading --- */

struct zipin;

struct zip_member {
    const char *name;        /* relative, no "..", UTF-8; borrowed from the archive */
    uint64_t size;           /* bytes of content */
    uint64_t stored_size;    /* bytes in the zip */
    uint32_t crc;
    bool compressed;         /* deflated; else stored */
    bool directory;          /* name ends in '/' */
    time_t modified;
};

/* Errors: NOT_FOUND, IO, INVALID_RESTORE_IMAGE (not a zip, truncated, or hostile), OUT_OF_MEMORY. */
struct zipin *zipin_open(const char *path, struct pome_error *err);
void zipin_close(struct zipin *a);

/* The same file once more, for another thread: an archive is for one thread at a time. */
struct zipin *zipin_again(const struct zipin *a, struct pome_error *err);

const char *zipin_path(const struct zipin *a);
uint64_t zipin_bytes(const struct zipin *a); /* of the file */
size_t zipin_count(const struct zipin *a);
const struct zip_member *zipin_member(const struct zipin *a, size_t i);

/* Index by exact name; -1 when there is none. */
int64_t zipin_find(const struct zipin *a, const char *name);

struct zipin_stream;

/* Opens a member for reading from its first byte. One stream at a time per archive is fast, several work. */
struct zipin_stream *zipin_stream_open(struct zipin *a, size_t i, struct pome_error *err);

/* Up to n bytes; 0 at the end, when size and CRC were found right; -1 and *err (INVALID_RESTORE_IMAGE, IO). */
ssize_t zipin_read(struct zipin_stream *s, void *bytes, size_t n, struct pome_error *err);
/* The next read begins at this byte of the content, at most its size. Cheap in stored members; a deflated one is read again up to there. */
bool zipin_seek(struct zipin_stream *s, uint64_t at, struct pome_error *err);
void zipin_stream_close(struct zipin_stream *s);

/* Reads a small member whole; free() it. A NUL follows the bytes. Fails when it is larger than max. */
uint8_t *zipin_read_whole(struct zipin *a, size_t i, size_t max, size_t *n, struct pome_error *err);

/* --- writing --- */

struct zipout;

/* Begins PATH.tmp-XXXXXX beside path. Members have no time: the same contents give the same file. */
struct zipout *zipout_create(const char *path, struct pome_error *err);

/* A member: begin with its size (must be exact), write, end. Stored, not compressed; Zip64 when needed. end gives
 * the SHA-384 of the contents (digest may be NULL). */
bool zipout_begin(struct zipout *a, const char *name, uint64_t size, struct pome_error *err);
bool zipout_write(struct zipout *a, const void *bytes, size_t n, struct pome_error *err);
bool zipout_end(struct zipout *a, uint8_t digest[SHA384_BYTES], struct pome_error *err);

/* Writes the directory, syncs, renames to `path` and frees. On failure the temporary file is removed and all is freed too. */
bool zipout_finish(struct zipout *a, struct pome_error *err);

/* Removes the temporary file and frees. NULL is fine. */
void zipout_abandon(struct zipout *a);

#endif
