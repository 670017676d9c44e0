/*
 * volume.c - a volume of a new container ([Volumes], [File-System Objects], [Data Streams]).
 *
 * Contents of files go to the container's next blocks while they come, so each file is one extent. Records of the catalog are collected; those of
 * folders are made last, when it is known how many names each has.
 */
#include "apfs/maker.h"
#include "apfs/object.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct apfs_volume *apfs_make_volume(struct apfs_maker *m, const struct apfs_volume_spec *spec, struct pome_error *err)
{
    static const uint8_t none[APFS_UUID];
    uint32_t hash;
    if (m->n == NX_VOLUMES_MAX || !apfs_name_hash(spec->name, true, &hash)) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "APFS volume \"%.40s\": needed a name of 1 to 255 bytes of UTF-8 without a slash, and at most %d volumes",
                  spec->name, NX_VOLUMES_MAX);
        return NULL;
    }
    struct apfs_volume *v = calloc(1, sizeof *v);
    if (!v) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for an APFS volume");
        return NULL;
    }
    v->maker = m;
    v->spec = *spec;
    snprintf(v->name, sizeof v->name, "%s", spec->name);
    v->spec.name = v->name;
    v->oid = m->next_oid++;
    bool system_of_group = spec->role == APFS_SYSTEM && memcmp(spec->group, none, APFS_UUID);
    v->next_id = ID_FIRST + (system_of_group ? ID_SYSTEM_OF_GROUP : 0);
    m->volumes[m->n++] = v;
    return v;
}

void volume_free(struct apfs_volume *v)
{
    apfs_records_free(&v->catalog);
    apfs_records_free(&v->extents);
    apfs_records_free(&v->omap);
    free(v->folders);
    free(v->names);
    free(v);
}

/* --- records --- */

static bool add(struct apfs_volume *v, unsigned type, uint64_t id, const void *rest, size_t rest_bytes, const void *value, size_t n, struct pome_error *err)
{
    uint8_t key[NAME_TEXT + APFS_NAME_MAX + 1];
    le64_put(key, id | (uint64_t)type << KEY_TYPE_SHIFT);
    if (rest_bytes)
        memcpy(key + KEY_HEADER, rest, rest_bytes);
    return apfs_records_add(&v->catalog, key, KEY_HEADER + rest_bytes, value, n, err);
}

static struct maker_folder *folder(struct apfs_volume *v, uint64_t id)
{
    size_t low = 0, high = v->folders_n; /* ids rise in the order of making */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (v->folders[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->folders_n && v->folders[low].id == id ? &v->folders[low] : NULL;
}

/* The name of a thing in its folder. Those of the two fixed folders are in no folder: their parent is ID_ROOT_PARENT. */
static bool add_name(struct apfs_volume *v, uint64_t parent, const char *name, uint64_t id, unsigned type, struct pome_error *err)
{
    uint8_t rest[4 + APFS_NAME_MAX + 1], value[NAME_VALUE_BYTES] = {0};
    uint32_t hash;
    size_t n = strlen(name) + 1;
    struct maker_folder *f = folder(v, parent);
    if (!apfs_name_hash(name, !v->spec.case_sensitive, &hash))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "APFS volume %s: \"%.80s\" is no name: needed 1 to 255 bytes of UTF-8 without a slash", v->name, name);
    if (!f && parent != ID_ROOT_PARENT && parent != ID_ROOT)
        return pome_fail(err, POME_ERROR_NOT_FOUND, "APFS volume %s: there is no folder %llu for \"%.80s\"", v->name, (unsigned long long)parent, name);
    le32_put(rest, hash | (uint32_t)n);
    memcpy(rest + 4, name, n);
    le64_put(value, id);
    le64_put(value + 8, v->maker->spec.time_ns);
    le16_put(value + 16, (uint16_t)type);
    if (f)
        f->children++;
    return add(v, REC_NAME, parent, rest, 4 + n, value, sizeof value, err);
}

static struct apfs_attributes attributes(const struct apfs_volume *v, const struct apfs_attributes *a, uint16_t mode)
{
    struct apfs_attributes r = a ? *a : (struct apfs_attributes){.mode = mode};
    r.mode &= 07777;
    if (!r.time_ns)
        r.time_ns = v->maker->spec.time_ns;
    return r;
}

/* size: of a file with contents; 0 otherwise. */
static bool add_inode(struct apfs_volume *v, uint64_t id, uint64_t parent, const char *name, uint16_t type, uint32_t links, uint64_t size,
                      const struct apfs_attributes *a, struct pome_error *err)
{
    uint8_t value[INODE_XFIELDS + 12 + APFS_NAME_MAX + 1 + 8 + XF_STREAM_BYTES] = {0};
    size_t n = strlen(name) + 1, padded = align_up(n, 8), fields = size ? 2 : 1;
    le64_put(value + INODE_PARENT, parent);
    le64_put(value + INODE_PRIVATE, id);
    for (int at = INODE_CREATED; at <= INODE_ACCESSED; at += 8)
        le64_put(value + at, a->time_ns);
    le64_put(value + INODE_FLAGS, id < ID_FIRST ? 0 : INODE_NO_RESOURCE_FORK);
    le32_put(value + INODE_LINKS, links);
    le32_put(value + INODE_UID, a->uid);
    le32_put(value + INODE_GID, a->gid);
    le16_put(value + INODE_MODE, type | a->mode);
    /* [Extended Fields]: count, bytes; a row for each; their data, each a multiple of 8 */
    uint8_t *x = value + INODE_XFIELDS, *data = x + 4 + 4 * fields;
    le16_put(x, (uint16_t)fields);
    le16_put(x + 2, (uint16_t)(padded + (size ? XF_STREAM_BYTES : 0)));
    x[4] = XF_NAME;
    x[5] = XF_DO_NOT_COPY;
    le16_put(x + 6, (uint16_t)n);
    memcpy(data, name, n);
    data += padded;
    if (size) {
        x[8] = XF_STREAM;
        x[9] = XF_SYSTEM;
        le16_put(x + 10, XF_STREAM_BYTES);
        le64_put(data, size);
        le64_put(data + 8, align_up(size, APFS_BLOCK));
        data += XF_STREAM_BYTES;
    }
    return add(v, REC_INODE, id, NULL, 0, value, (size_t)(data - value), err);
}

/* --- things --- */

static bool add_folder(struct apfs_volume *v, uint64_t id, uint64_t parent, const char *name, const struct apfs_attributes *a, struct pome_error *err)
{
    size_t n = strlen(name) + 1;
    if (v->folders_n == v->folders_room) {
        size_t room = MAX(v->folders_room * 2, 16);
        struct maker_folder *more = realloc(v->folders, room * sizeof *more);
        if (!more)
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "APFS: no memory for %zu folders", room);
        v->folders = more;
        v->folders_room = room;
    }
    if (v->names_used + n > v->names_room) {
        size_t room = MAX(v->names_room * 2, 4096);
        char *more = realloc(v->names, room);
        if (!more)
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "APFS: no memory for names");
        v->names = more;
        v->names_room = room;
    }
    v->folders[v->folders_n++] = (struct maker_folder){.id = id, .parent = parent, .name = v->names_used, .attributes = attributes(v, a, 0755)};
    memcpy(v->names + v->names_used, name, n);
    v->names_used += n;
    return add_name(v, parent, name, id, S_IFDIR >> 12, err);
}

/* The root and the private folder, which have the smallest ids, before anything else. */
static bool begin(struct apfs_volume *v, struct pome_error *err)
{
    return v->folders_n || (add_folder(v, ID_ROOT, ID_ROOT_PARENT, "root", NULL, err) && add_folder(v, ID_PRIVATE, ID_ROOT_PARENT, "private-dir", NULL, err));
}

bool apfs_make_folder(struct apfs_volume *v, uint64_t parent, const char *name, const struct apfs_attributes *a, uint64_t *id, struct pome_error *err)
{
    uint64_t mine = v->next_id++;
    if (id)
        *id = mine;
    v->n_folders++;
    return begin(v, err) && add_folder(v, mine, parent, name, a, err);
}

bool apfs_make_xattr(struct apfs_volume *v, uint64_t id, const char *name, const void *bytes, size_t n, struct pome_error *err)
{
    uint8_t rest[2 + APFS_NAME_MAX + 1], value[4 + XATTR_EMBEDDED_MAX];
    size_t length = strlen(name) + 1;
    if (length < 2 || length > APFS_NAME_MAX + 1 || n > XATTR_EMBEDDED_MAX)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "APFS volume %s: attribute \"%.40s\" of %zu bytes: at most %d", v->name, name, n, XATTR_EMBEDDED_MAX);
    le16_put(rest, (uint16_t)length);
    memcpy(rest + 2, name, length);
    le16_put(value, XATTR_EMBEDDED | (strcmp(name, "com.apple.fs.symlink") ? 0 : XATTR_OWNED));
    le16_put(value + 2, (uint16_t)n);
    memcpy(value + 4, bytes, n);
    return add(v, REC_XATTR, id, rest, 2 + length, value, 4 + n, err);
}

bool apfs_make_symlink(struct apfs_volume *v, uint64_t parent, const char *name, const char *target, const struct apfs_attributes *given, struct pome_error *err)
{
    struct apfs_attributes a = attributes(v, given, 0755);
    uint64_t id = v->next_id++;
    v->n_links++;
    return begin(v, err) && add_name(v, parent, name, id, S_IFLNK >> 12, err) && add_inode(v, id, parent, name, S_IFLNK, 1, 0, &a, err) &&
           apfs_make_xattr(v, id, "com.apple.fs.symlink", target, strlen(target) + 1, err);
}

bool apfs_make_folders(struct apfs_volume *v, uint64_t parent, const char *path, uint64_t *id, struct pome_error *err)
{
    char name[APFS_NAME_MAX + 1];
    if (!begin(v, err))
        return false;
    for (*id = parent; *path; path += *path == '/') {
        size_t n = strcspn(path, "/"), i = 0;
        if (!n || n >= sizeof name)
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "APFS volume %s: \"%.80s\" is no path of a folder", v->name, path);
        memcpy(name, path, n);
        name[n] = 0;
        path += n;
        while (i < v->folders_n && (v->folders[i].parent != *id || !apfs_name_same(v->names + v->folders[i].name, name, !v->spec.case_sensitive)))
            i++;
        if (i < v->folders_n)
            *id = v->folders[i].id;
        else if (!apfs_make_folder(v, *id, name, NULL, id, err))
            return false;
    }
    return true;
}

/* --- files --- */

bool apfs_file_begin(struct apfs_volume *v, uint64_t parent, const char *name, const struct apfs_attributes *a, uint64_t *id, struct pome_error *err)
{
    if (v->maker->writing)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "APFS: \"%.80s\" is still being written", v->maker->writing->file.name);
    v->file.id = v->next_id++;
    v->file.parent = parent;
    v->file.size = 0;
    v->file.first_block = v->maker->top;
    v->file.attributes = attributes(v, a, 0644);
    snprintf(v->file.name, sizeof v->file.name, "%.255s", name);
    if (id)
        *id = v->file.id;
    if (!begin(v, err) || !add_name(v, parent, name, v->file.id, S_IFREG >> 12, err))
        return false;
    v->maker->writing = v;
    v->n_files++;
    return true;
}

/* Whole blocks go out as they come; what is left of one is kept until it is full. */
bool apfs_file_append(struct apfs_volume *v, const void *bytes, size_t n, struct pome_error *err)
{
    const uint8_t *p = bytes;
    uint64_t block;
    while (n) {
        size_t in_block = v->file.size % APFS_BLOCK, k = MIN(n, APFS_BLOCK - in_block), whole = n / APFS_BLOCK;
        if (!in_block && whole) {
            k = whole * APFS_BLOCK;
            if (!maker_blocks(v->maker, whole, &block, err) || !maker_write(v->maker, block, p, k, err))
                return false;
        } else {
            memcpy(v->file.block + in_block, p, k);
            if (in_block + k == APFS_BLOCK && (!maker_blocks(v->maker, 1, &block, err) || !maker_write(v->maker, block, v->file.block, APFS_BLOCK, err)))
                return false;
        }
        v->file.size += k;
        p += k;
        n -= k;
    }
    return true;
}

static bool add_extent(struct apfs_volume *v, struct pome_error *err)
{
    uint8_t zero[8] = {0}, one[4], value[FILE_EXTENT_BYTES] = {0}, key[8], ref[EXTENT_BYTES];
    uint64_t bytes = align_up(v->file.size, APFS_BLOCK);
    le32_put(one, 1);
    le64_put(value, bytes);
    le64_put(value + 8, v->file.first_block);
    le64_put(key, v->file.first_block | (uint64_t)REC_EXTENT << KEY_TYPE_SHIFT);
    le64_put(ref, bytes / APFS_BLOCK | (uint64_t)EXTENT_NEW << KEY_TYPE_SHIFT);
    le64_put(ref + 8, v->file.id);
    le32_put(ref + 16, 1);
    v->used_blocks += bytes / APFS_BLOCK;
    return add(v, REC_STREAM, v->file.id, NULL, 0, one, sizeof one, err) &&
           add(v, REC_FILE_EXTENT, v->file.id, zero, sizeof zero, value, sizeof value, err) &&
           apfs_records_add(&v->extents, key, sizeof key, ref, sizeof ref, err);
}

bool apfs_file_end(struct apfs_volume *v, struct pome_error *err)
{
    size_t rest = v->file.size % APFS_BLOCK;
    uint64_t block;
    v->maker->writing = NULL;
    if (rest) {
        memset(v->file.block + rest, 0, APFS_BLOCK - rest);
        if (!maker_blocks(v->maker, 1, &block, err) || !maker_write(v->maker, block, v->file.block, APFS_BLOCK, err))
            return false;
    }
    return add_inode(v, v->file.id, v->file.parent, v->file.name, S_IFREG, 1, v->file.size, &v->file.attributes, err) &&
           (!v->file.size || add_extent(v, err));
}

bool apfs_make_file(struct apfs_volume *v, uint64_t parent, const char *name, const void *bytes, size_t n, const struct apfs_attributes *a, struct pome_error *err)
{
    return apfs_file_begin(v, parent, name, a, NULL, err) && apfs_file_append(v, bytes, n, err) && apfs_file_end(v, err);
}

/* --- finishing --- */

static bool add_folders(struct apfs_volume *v, struct pome_error *err)
{
    for (size_t i = 0; i < v->folders_n; i++) {
        const struct maker_folder *f = &v->folders[i];
        if (!add_inode(v, f->id, f->parent, v->names + f->name, S_IFDIR, f->children, 0, &f->attributes, err))
            return false;
    }
    return true;
}

/* Two names of a folder that the volume takes for the same: their hashes are equal, so they are near each other. */
static bool check_names(const struct apfs_volume *v, struct pome_error *err)
{
    const struct apfs_records *r = &v->catalog;
    for (size_t i = 0; i < r->n; i++) {
        const uint8_t *a = apfs_record_key(r, i);
        if (le64_get(a) >> KEY_TYPE_SHIFT != REC_NAME)
            continue;
        for (size_t k = i + 1; k < r->n; k++) {
            const uint8_t *b = apfs_record_key(r, k);
            if (le64_get(a) != le64_get(b) || (le32_get(a + NAME_HASH) ^ le32_get(b + NAME_HASH)) & ~(uint32_t)NAME_LENGTH_MASK)
                break;
            if (apfs_name_same((const char *)a + NAME_TEXT, (const char *)b + NAME_TEXT, !v->spec.case_sensitive))
                return pome_fail(err, POME_ERROR_EXISTS, "APFS volume %s: a folder has both \"%s\" and \"%s\"", v->name, a + NAME_TEXT, b + NAME_TEXT);
        }
    }
    return true;
}

static bool place_physical(void *user, uint64_t *oid, uint64_t *block, struct pome_error *err)
{
    struct apfs_volume *v = user;
    bool ok = maker_blocks(v->maker, 1, block, err);
    *oid = *block;
    return ok;
}

/* A virtual object: the volume's object map says where it is. */
static bool place_virtual(void *user, uint64_t *oid, uint64_t *block, struct pome_error *err)
{
    struct apfs_volume *v = user;
    uint8_t key[OMK_BYTES], value[OMV_BYTES] = {0};
    if (!maker_blocks(v->maker, 1, block, err))
        return false;
    *oid = v->maker->next_oid++;
    le64_put(key + OMK_OID, *oid);
    le64_put(key + OMK_XID, MAKE_XID);
    le32_put(value + OMV_SIZE, APFS_BLOCK);
    le64_put(value + OMV_BLOCK, *block);
    return apfs_records_add(&v->omap, key, sizeof key, value, sizeof value, err);
}

static bool write_node(void *user, uint64_t block, const uint8_t *node, struct pome_error *err)
{
    struct apfs_volume *v = user;
    v->used_blocks++;
    return maker_write(v->maker, block, node, APFS_BLOCK, err);
}

static bool make_tree(struct apfs_volume *v, const struct apfs_tree_kind *kind, struct apfs_records *r, apfs_key_order *order, uint64_t *root,
                      struct pome_error *err)
{
    struct apfs_tree_build b = {.kind = kind, .xid = MAKE_XID, .place = kind->storage ? place_physical : place_virtual, .write = write_node, .user = v};
    apfs_records_sort(r, order);
    bool ok = apfs_tree_make(&b, r, err);
    *root = b.root;
    return ok;
}

static bool make_omap(struct apfs_volume *v, uint64_t *block, struct pome_error *err)
{
    uint8_t omap[APFS_BLOCK] = {0};
    uint64_t root;
    if (!make_tree(v, &apfs_tree_omap, &v->omap, apfs_order_oid_xid, &root, err) || !maker_blocks(v->maker, 1, block, err))
        return false;
    le32_put(omap + OM_TREE_TYPE, TYPE_TREE | O_PHYSICAL);
    le32_put(omap + OM_SNAPSHOT_TREE_TYPE, TYPE_TREE | O_PHYSICAL);
    le64_put(omap + OM_TREE, root);
    apfs_object_seal(omap, sizeof omap, *block, MAKE_XID, TYPE_OMAP | O_PHYSICAL, 0);
    return write_node(v, *block, omap, err);
}

static void fill_superblock(const struct apfs_volume *v, size_t index, uint8_t *s)
{
    static const uint8_t none[APFS_UUID];
    const struct apfs_maker *m = v->maker;
    bool grouped = memcmp(v->spec.group, none, APFS_UUID);
    le32_put(s + VS_MAGIC, APSB_MAGIC_VALUE);
    le32_put(s + VS_INDEX, (uint32_t)index);
    le64_put(s + VS_FEATURES, VS_HARD_LINK_MAP | (grouped ? VS_GROUP_SYSTEM_IDS : 0));
    le64_put(s + VS_INCOMPATIBLE, v->spec.case_sensitive ? VS_NORMALISATION_INSENSITIVE : VS_CASE_INSENSITIVE);
    le64_put(s + VS_ALLOCATED, v->used_blocks);
    le64_put(s + VS_TOTAL_ALLOCATED, v->used_blocks);
    le16_put(s + VS_CRYPTO, 5);        /* version of the state; [Encryption] wrapped_meta_crypto_state_t */
    le32_put(s + VS_CRYPTO + 8, 6);    /* protection class F: none */
    le16_put(s + VS_CRYPTO + 16, 1);   /* revision of the key */
    le32_put(s + VS_ROOT_TYPE, TYPE_TREE);
    le32_put(s + VS_EXTENTS_TYPE, TYPE_TREE | O_PHYSICAL);
    le32_put(s + VS_SNAPSHOTS_TYPE, TYPE_TREE | O_PHYSICAL);
    le64_put(s + VS_NEXT_ID, v->next_id);
    le64_put(s + VS_FILES, v->n_files);
    le64_put(s + VS_FOLDERS, v->n_folders);
    le64_put(s + VS_SYMLINKS, v->n_links);
    memcpy(s + VS_UUID, v->spec.uuid, APFS_UUID);
    le64_put(s + VS_MODIFIED, m->spec.time_ns);
    le64_put(s + VS_FLAGS, VS_UNENCRYPTED);
    strcpy((char *)s + VS_FORMATTED_BY + VS_BY_NAME, m->maker);
    le64_put(s + VS_FORMATTED_BY + VS_BY_TIME, m->spec.time_ns);
    le64_put(s + VS_FORMATTED_BY + VS_BY_XID, MAKE_XID);
    strcpy((char *)s + VS_NAME, v->name);
    le32_put(s + VS_NEXT_DOCUMENT, 3);
    le16_put(s + VS_ROLE, (uint16_t)v->spec.role);
    if (grouped)
        memcpy(s + VS_GROUP, v->spec.group, APFS_UUID);
}

bool volume_finish(struct apfs_volume *v, size_t index, uint64_t *block, struct pome_error *err)
{
    uint8_t s[APFS_BLOCK] = {0};
    uint64_t catalog, extents, snapshots, omap;
    if (!begin(v, err) || !add_folders(v, err) || !make_tree(v, &apfs_tree_catalog, &v->catalog, apfs_order_catalog, &catalog, err) ||
        !check_names(v, err) || !make_tree(v, &apfs_tree_extents, &v->extents, apfs_order_block, &extents, err) ||
        !make_tree(v, &apfs_tree_snapshots, &(struct apfs_records){0}, apfs_order_block, &snapshots, err) || !make_omap(v, &omap, err) ||
        !maker_blocks(v->maker, 1, block, err))
        return false;
    fill_superblock(v, index, s);
    le64_put(s + VS_OMAP, omap);
    le64_put(s + VS_ROOT, catalog);
    le64_put(s + VS_EXTENTS, extents);
    le64_put(s + VS_SNAPSHOTS, snapshots);
    apfs_object_seal(s, sizeof s, v->oid, MAKE_XID, TYPE_VOLUME, 0);
    return maker_write(v->maker, *block, s, sizeof s, err);
}
