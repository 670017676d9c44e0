/* maker.h - what the files that make a container share. */
#ifndef APFS_MAKER_H
#define APFS_MAKER_H

#include "apfs/apfs.h"
#include "apfs/disk.h"
#include "apfs/tree.h"

enum { MAKE_XID = 1 }; /* a new container has one transaction */

struct apfs_maker {
    struct apfs_container_spec spec;
    char maker[32];
    apfs_write_fn *write;
    void *user;
    uint64_t blocks;         /* of the container */
    uint64_t top;            /* the first block that nobody has: everything before it is in use */
    uint64_t next_oid;
    struct apfs_volume *volumes[NX_VOLUMES_MAX], *writing; /* writing: has a file open */
    size_t n;
    struct apfs_records omap; /* of the container: where the volumes' superblocks are */
};

/* A folder; its record is made last, when it is known how many names it has. */
struct maker_folder {
    uint64_t id, parent;
    size_t name;             /* in names */
    uint32_t children;
    struct apfs_attributes attributes;
};

struct apfs_volume {
    struct apfs_maker *maker;
    struct apfs_volume_spec spec;
    char name[APFS_NAME_MAX + 1];
    uint64_t oid, next_id;
    uint64_t n_folders, n_files, n_links, used_blocks;
    struct apfs_records catalog, extents, omap;
    struct maker_folder *folders;
    size_t folders_n, folders_room;
    char *names;
    size_t names_used, names_room;
    struct {
        uint64_t id, parent, size, first_block;
        struct apfs_attributes attributes;
        char name[APFS_NAME_MAX + 1];
        uint8_t block[APFS_BLOCK];  /* the last one, not full yet */
    } file;
};

bool maker_blocks(struct apfs_maker *m, uint64_t n, uint64_t *first, struct pome_error *err);
bool maker_write(struct apfs_maker *m, uint64_t block, const void *bytes, size_t n, struct pome_error *err);

/* volume.c: the trees of a volume and its superblock, at *block. */
bool volume_finish(struct apfs_volume *v, size_t index, uint64_t *block, struct pome_error *err);
void volume_free(struct apfs_volume *v);

/* container.c: how many volumes a container of so many blocks may have, by the format's rule. */
uint32_t container_max_volumes(uint64_t blocks);

/* spaceman.c */
struct spaceman {
    uint64_t chunks, ip_base, ip_blocks, ip_bm_base;
    uint32_t cibs, cabs, ip_bm_size, ip_bm_blocks; /* blocks of one copy of the pool's bitmap, and of all */
    uint32_t xids, index, next, addresses;         /* where in the object the arrays are */
    size_t bytes;                                  /* of the object: whole blocks */
};
void spaceman_plan(uint64_t blocks, uint64_t ip_bm_base, struct spaceman *s);
uint16_t spaceman_pool_queue_limit(uint64_t chunks);
uint16_t spaceman_main_queue_limit(uint64_t blocks);

/* What it says besides where its parts are. Lists of chunk-info blocks and of their address blocks are runs; the queues are empty. */
struct spaceman_content {
    uint64_t blocks, free, first_cib, first_cab, pool_queue, main_queue, xid;
};

/* Fills the object, which is zero, but for its header. */
void spaceman_fill(const struct spaceman *s, const struct spaceman_content *c, uint8_t *object);

/* The first n bits of a bitmap of zeroes. */
void spaceman_set_ones(uint8_t *bitmap, uint64_t n);

/* Writes bitmaps, chunk-info blocks and their addresses; fills the object but for its header. */
bool spaceman_write(struct apfs_maker *m, const struct spaceman *s, uint64_t pool_queue, uint64_t main_queue, uint8_t *object, struct pome_error *err);

#endif
