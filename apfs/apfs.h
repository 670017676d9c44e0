/*
 * apfs.h - Apple File System containers: making one with its volumes and files, and reading one.
 *
 * Bytes go through the caller's functions; offsets count from the beginning of the container. What is made: one container on one device,
 * blocks of 4096 bytes, version 2; any number of volumes with roles, in volume groups; names that do not tell case apart (or do); folders,
 * files, symbolic links, extended attributes. Not made: encryption, snapshots, sealed volumes, hard links, clones, compressed files.
 */
#ifndef APFS_APFS_H
#define APFS_APFS_H

#include <pome/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [Volumes] Volume Roles. */
enum apfs_role {
    APFS_NONE = 0, APFS_SYSTEM = 1, APFS_USER = 2, APFS_RECOVERY = 4, APFS_VM = 8, APFS_PREBOOT = 0x10, APFS_INSTALLER = 0x20, APFS_DATA = 0x40,
    APFS_UPDATE = 0xc0, APFS_XART = 0x100, APFS_HARDWARE = 0x140,
};

/* "Preboot"; "none"; "unknown" for others. */
const char *apfs_role_name(unsigned role);

#define APFS_BYTES_MIN (UINT64_C(128) << 20)
#define APFS_BYTES_MAX (UINT64_C(64) << 40)

enum { APFS_ROOT = 2, APFS_NAME_MAX = 255 };

/* --- making --- */

struct apfs_maker;
struct apfs_volume;

typedef bool apfs_write_fn(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err);

struct apfs_container_spec {
    uint64_t bytes;      /* APFS_BYTES_MIN .. APFS_BYTES_MAX; what is no whole block at the end is not used */
    uint8_t uuid[16];
    uint64_t time_ns;    /* since 1970; of all that is made without a time of its own */
    const char *maker;   /* program and version, at most 31 bytes: written as the one that formatted it */
};

struct apfs_volume_spec {
    const char *name;    /* UTF-8, at most 255 bytes */
    enum apfs_role role;
    uint8_t uuid[16];
    uint8_t group[16];   /* volume group; zero: none. A group has one System and one Data volume */
    bool case_sensitive;
};

struct apfs_attributes {
    uint32_t uid, gid;
    uint16_t mode;       /* permission bits */
    uint64_t time_ns;    /* 0: the container's */
};

/* Begins a container on an area that reads as zero: only what is not zero is written, metadata after content, and the superblock of block 0 last,
 * so that the area is no container before apfs_make_finish. Errors: INVALID_CONFIGURATION (size), OUT_OF_MEMORY. */
struct apfs_maker *apfs_make_begin(const struct apfs_container_spec *spec, apfs_write_fn *write, void *user, struct pome_error *err);

/* Errors: INVALID_CONFIGURATION (name, too many), OUT_OF_MEMORY. The volume belongs to the maker. */
struct apfs_volume *apfs_make_volume(struct apfs_maker *m, const struct apfs_volume_spec *spec, struct pome_error *err);

/* Things in the folder `parent` (APFS_ROOT or what apfs_make_folder gave). NULL attributes: 0755 or 0644, root. Names that a folder has twice are found
 * by apfs_make_finish. Errors: INVALID_CONFIGURATION (name), OUT_OF_DISK_SPACE, OUT_OF_MEMORY, what write says. */
bool apfs_make_folder(struct apfs_volume *v, uint64_t parent, const char *name, const struct apfs_attributes *a, uint64_t *id, struct pome_error *err);
bool apfs_make_symlink(struct apfs_volume *v, uint64_t parent, const char *name, const char *target, const struct apfs_attributes *a,
                       struct pome_error *err);
bool apfs_make_xattr(struct apfs_volume *v, uint64_t id, const char *name, const void *bytes, size_t n, struct pome_error *err);

/* A file is a stream: begin, any number of appends, end. One at a time in the whole container. */
bool apfs_file_begin(struct apfs_volume *v, uint64_t parent, const char *name, const struct apfs_attributes *a, uint64_t *id, struct pome_error *err);
bool apfs_file_append(struct apfs_volume *v, const void *bytes, size_t n, struct pome_error *err);
bool apfs_file_end(struct apfs_volume *v, struct pome_error *err);

/* begin, append, end. */
bool apfs_make_file(struct apfs_volume *v, uint64_t parent, const char *name, const void *bytes, size_t n, const struct apfs_attributes *a,
                    struct pome_error *err);

/* Makes every folder of a path that is not there yet: "a/b/c". *id is the last. */
bool apfs_make_folders(struct apfs_volume *v, uint64_t parent, const char *path, uint64_t *id, struct pome_error *err);

/* Writes all metadata. Errors: EXISTS (a name twice), OUT_OF_DISK_SPACE, OUT_OF_MEMORY, what write says. */
bool apfs_make_finish(struct apfs_maker *m, struct pome_error *err);
void apfs_make_free(struct apfs_maker *m);

/* --- growing --- */

typedef bool apfs_read_fn(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *err);
typedef bool apfs_sync_fn(void *user, struct pome_error *err);

/* Gives a container that apfs_make_finish made, or this grew, all of an area that became larger: `bytes`, whose new part may hold anything. One
 * transaction: cut off at any moment, the container is as before or grown; again, with the same size, completes it. Of the right size already: nothing to do.
 * Errors: NOT_SUPPORTED (other software changed it; or it is to grow by too little to hold the new bitmaps), INVALID_CONFIGURATION (smaller),
 * INVALID_DISK_IMAGE, OUT_OF_MEMORY, what read, write and sync say. */
bool apfs_grow(uint64_t bytes, apfs_read_fn *read, apfs_write_fn *write, apfs_sync_fn *sync, void *user, struct pome_error *err);

/* --- reading: hostile bytes, so everything is checked --- */

struct apfs;

enum { APFS_VOLUMES_MAX = 100 };

struct apfs_volume_info {
    char name[256];
    unsigned role;
    uint8_t uuid[16], group[16];
    bool case_sensitive, encrypted, sealed, old_names; /* old_names: a folder's names have no hashes */
    uint64_t files, folders, symlinks, allocated_bytes;
    uint64_t snapshots;
};

/* Why the files of a volume cannot be read; NULL: they can (as the volume is now: snapshots are never read). Static storage. */
const char *apfs_volume_limit(const struct apfs_volume_info *volume);

/* Reads the newest checkpoint whose superblock is intact. Errors: INVALID_DISK_IMAGE, OUT_OF_MEMORY, what read says. */
struct apfs *apfs_open(uint64_t bytes, apfs_read_fn *read, void *user, struct pome_error *err);
void apfs_close(struct apfs *a);

uint64_t apfs_bytes(const struct apfs *a);       /* of the container */
uint64_t apfs_free_bytes(const struct apfs *a);
const uint8_t *apfs_uuid(const struct apfs *a);
size_t apfs_volume_count(const struct apfs *a);
const struct apfs_volume_info *apfs_volume_at(const struct apfs *a, size_t volume);

struct apfs_item {
    uint64_t id, parent;
    uint64_t size;       /* of a file */
    uint64_t stream;     /* private */
    uint64_t modified_ns;
    uint32_t uid, gid, links;
    uint16_t mode;       /* with its type: S_IFDIR, ... */
    bool compressed;     /* its content lies in an attribute or a resource fork: apfs_read_file refuses it */
};

/* By id, and by path ("a/b"; "" is the root), as the volume compares names; symbolic links are not followed. Errors: NOT_FOUND, INVALID_DISK_IMAGE,
 * NOT_SUPPORTED (an encrypted or sealed volume). */
bool apfs_item(struct apfs *a, size_t volume, uint64_t id, struct apfs_item *item, struct pome_error *err);
bool apfs_find(struct apfs *a, size_t volume, const char *path, struct apfs_item *item, struct pome_error *err);

/* Each name of a folder, in the order of the tree. Ends early when each returns false. */
typedef bool apfs_name_fn(void *user, const char *name, uint64_t id, unsigned type); /* type: S_IF... >> 12 */
bool apfs_list(struct apfs *a, size_t volume, uint64_t folder, apfs_name_fn *each, void *user, struct pome_error *err);

/* Up to n bytes of a file; the count, 0 at its end, -1 and *err. */
ptrdiff_t apfs_read_file(struct apfs *a, size_t volume, const struct apfs_item *item, uint64_t offset, void *bytes, size_t n, struct pome_error *err);

/* An extended attribute; its size, or -1: NOT_FOUND, or larger than n. A link's target is "com.apple.fs.symlink", with a NUL. */
ptrdiff_t apfs_xattr(struct apfs *a, size_t volume, uint64_t id, const char *name, void *bytes, size_t n, struct pome_error *err);

#endif
