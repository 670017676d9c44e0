/* reader.h - what the files that read a container share. */
#ifndef APFS_READER_H
#define APFS_READER_H

#include "apfs/apfs.h"
#include "apfs/disk.h"
#include "apfs/tree.h"

enum { LEVELS_MAX = 12 };

struct reader_volume {
    struct apfs_volume_info info;
    uint64_t omap_tree;      /* block of the root of its object map */
    uint64_t catalog;        /* oid of the root of its catalog */
    bool hashed;             /* names have hashes (every volume but old ones that tell case and form apart) */
};

struct apfs {
    apfs_read_fn *read;
    void *user;
    uint64_t blocks, free_blocks, xid;
    uint64_t omap_tree;
    uint8_t uuid[APFS_UUID];
    size_t n;
    struct reader_volume volumes[APFS_VOLUMES_MAX];
};

/* A node that was looked at: everything below lies in its bytes. */
struct reader_node {
    uint8_t bytes[APFS_BLOCK];
    bool leaf;
    unsigned level, n;
    unsigned toc, keys, free, values_end; /* offsets; keys .. free: keys, free .. values_end: values */
    unsigned key_size, value_size;        /* of records of a fixed size; 0: the table says */
};

struct reader_record {
    const uint8_t *key, *value;
    unsigned key_bytes, value_bytes;
};

/* A place in a volume's catalog. */
struct reader_cursor {
    struct apfs *a;
    const struct reader_volume *v;
    unsigned depth;
    uint64_t visited;
    unsigned index[LEVELS_MAX];
    struct reader_node nodes[LEVELS_MAX];
};

/* The newest superblock that is intact; a->blocks, xid and uuid are its. */
bool reader_superblock(struct apfs *a, uint64_t bytes, uint8_t nx[APFS_BLOCK], struct pome_error *err);

/* An object of one block, checksum and type checked. */
bool reader_object(struct apfs *a, uint64_t block, uint32_t type, uint8_t bytes[APFS_BLOCK], struct pome_error *err);

/* The block of a virtual object in an object map whose tree begins at root. */
bool reader_omap(struct apfs *a, uint64_t root, uint64_t oid, uint64_t *block, struct pome_error *err);

/* Goes to the last record whose key is not behind `key` (before: true) or the first whose key is not before it. *found false: there is none. */
bool reader_seek(struct reader_cursor *c, struct apfs *a, const struct reader_volume *v, const uint8_t *key, size_t n, bool before, bool *found,
                 struct pome_error *err);
bool reader_next(struct reader_cursor *c, bool *found, struct pome_error *err);
bool reader_get(const struct reader_cursor *c, struct reader_record *r);

#endif
