/* read.c - reading a container: its newest checkpoint, volumes, folders, files. */
#include "apfs/object.h"
#include "apfs/reader.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- the container --- */

static bool superblock_valid(const uint8_t *nx, uint64_t bytes)
{
    return apfs_object_intact(nx, APFS_BLOCK) && le32_get(nx + NX_MAGIC) == NX_MAGIC_VALUE && le32_get(nx + NX_BLOCK_SIZE) == APFS_BLOCK &&
           le64_get(nx + NX_BLOCKS) <= bytes / APFS_BLOCK && le64_get(nx + NX_INCOMPATIBLE) & NX_VERSION_2;
}

/* Block 0 says where the checkpoints are; the newest intact superblock among them counts. [Container] Mounting. */
bool reader_superblock(struct apfs *a, uint64_t bytes, uint8_t nx[APFS_BLOCK], struct pome_error *err)
{
    uint8_t other[APFS_BLOCK];
    if (!a->read(a->user, 0, nx, APFS_BLOCK, err))
        return false;
    if (le32_get(nx + NX_MAGIC) != NX_MAGIC_VALUE)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: there is no container");
    if (!superblock_valid(nx, bytes))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the superblock in block 0 is damaged, or says %llu blocks of %u bytes in %llu bytes",
                         (unsigned long long)le64_get(nx + NX_BLOCKS), le32_get(nx + NX_BLOCK_SIZE), (unsigned long long)bytes);
    a->blocks = le64_get(nx + NX_BLOCKS);
    uint64_t base = le64_get(nx + NX_DESC_BASE), n = le32_get(nx + NX_DESC_BLOCKS);
    if (n >> 31 || base >= a->blocks || n > a->blocks - base)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "APFS: %llu checkpoint blocks from block %llu on", (unsigned long long)n, (unsigned long long)base);
    for (uint64_t i = 0; i < n && i < 100000; i++) {
        if (!a->read(a->user, (base + i) * APFS_BLOCK, other, APFS_BLOCK, err))
            return false;
        if (le32_get(other + NX_MAGIC) == NX_MAGIC_VALUE && le64_get(other + O_XID) > le64_get(nx + O_XID) && superblock_valid(other, bytes))
            memcpy(nx, other, APFS_BLOCK);
    }
    a->blocks = le64_get(nx + NX_BLOCKS);
    a->xid = le64_get(nx + O_XID);
    memcpy(a->uuid, nx + NX_UUID, APFS_UUID);
    return true;
}

/* The root of the tree of an object map. */
static bool omap_tree(struct apfs *a, uint64_t block, uint64_t *tree, struct pome_error *err)
{
    uint8_t omap[APFS_BLOCK];
    if (!reader_object(a, block, TYPE_OMAP, omap, err))
        return false;
    *tree = le64_get(omap + OM_TREE);
    return true;
}

static bool open_volume(struct apfs *a, uint64_t oid, struct pome_error *err)
{
    struct reader_volume *v = &a->volumes[a->n];
    uint8_t s[APFS_BLOCK];
    uint64_t block;
    if (!reader_omap(a, a->omap_tree, oid, &block, err) || !reader_object(a, block, TYPE_VOLUME, s, err))
        return false;
    if (le32_get(s + VS_MAGIC) != APSB_MAGIC_VALUE || !memchr(s + VS_NAME, 0, VS_NAME_BYTES))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the volume superblock in block %llu is damaged", (unsigned long long)block);
    uint64_t incompatible = le64_get(s + VS_INCOMPATIBLE);
    struct apfs_volume_info *i = &v->info;
    memcpy(i->name, s + VS_NAME, sizeof i->name);
    i->role = le16_get(s + VS_ROLE);
    memcpy(i->uuid, s + VS_UUID, APFS_UUID);
    memcpy(i->group, s + VS_GROUP, APFS_UUID);
    i->case_sensitive = !(incompatible & VS_CASE_INSENSITIVE);
    i->sealed = incompatible & VS_SEALED;
    i->encrypted = !(le64_get(s + VS_FLAGS) & VS_UNENCRYPTED);
    i->files = le64_get(s + VS_FILES);
    i->folders = le64_get(s + VS_FOLDERS);
    i->symlinks = le64_get(s + VS_SYMLINKS);
    i->snapshots = le64_get(s + VS_SNAPSHOT_COUNT);
    i->allocated_bytes = le64_get(s + VS_ALLOCATED) << APFS_BLOCK_BITS;
    v->hashed = incompatible & (VS_CASE_INSENSITIVE | VS_NORMALISATION_INSENSITIVE);
    i->old_names = !v->hashed;
    v->catalog = le64_get(s + VS_ROOT);
    a->n++;
    return omap_tree(a, le64_get(s + VS_OMAP), &v->omap_tree, err);
}

/* The space manager is ephemeral: the checkpoint's map says where it lies. Only its count of free blocks is wanted. */
static void read_free(struct apfs *a, const uint8_t *nx)
{
    uint8_t map[APFS_BLOCK], s[APFS_BLOCK];
    uint64_t base = le64_get(nx + NX_DESC_BASE), size = le32_get(nx + NX_DESC_BLOCKS), first = le32_get(nx + NX_DESC_INDEX);
    for (uint32_t i = 0; size && i < le32_get(nx + NX_DESC_LEN) && i < size; i++) {
        if (!reader_object(a, base + (first + i) % size, TYPE_CHECKPOINT_MAP, map, NULL))
            return;
        for (uint32_t k = 0; k < le32_get(map + CPM_COUNT) && k < (APFS_BLOCK - CPM_MAP) / CPM_ENTRY; k++) {
            const uint8_t *e = map + CPM_MAP + k * CPM_ENTRY;
            uint64_t block = le64_get(e + CPE_BLOCK);
            if ((le32_get(e + CPE_TYPE) & O_TYPE_MASK) == TYPE_SPACEMAN && block < a->blocks && a->read(a->user, block * APFS_BLOCK, s, sizeof s, NULL)) {
                a->free_blocks = MIN(le64_get(s + SM_DEVICE + SMD_FREE), a->blocks);
                return;
            }
        }
    }
}

struct apfs *apfs_open(uint64_t bytes, apfs_read_fn *read, void *user, struct pome_error *err)
{
    uint8_t nx[APFS_BLOCK];
    struct apfs *a = calloc(1, sizeof *a);
    if (!a) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to read an APFS container");
        return NULL;
    }
    a->read = read;
    a->user = user;
    bool ok = bytes >= APFS_BLOCK || pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: a container in %llu bytes", (unsigned long long)bytes);
    ok = ok && reader_superblock(a, bytes, nx, err) && omap_tree(a, le64_get(nx + NX_OMAP), &a->omap_tree, err);
    for (size_t i = 0; ok && i < APFS_VOLUMES_MAX; i++)
        if (le64_get(nx + NX_VOLUMES + 8 * i))
            ok = open_volume(a, le64_get(nx + NX_VOLUMES + 8 * i), err);
    if (!ok) {
        free(a);
        return NULL;
    }
    read_free(a, nx);
    return a;
}

void apfs_close(struct apfs *a)
{
    free(a);
}

uint64_t apfs_bytes(const struct apfs *a)
{
    return a->blocks * APFS_BLOCK;
}

uint64_t apfs_free_bytes(const struct apfs *a)
{
    return a->free_blocks * APFS_BLOCK;
}

const uint8_t *apfs_uuid(const struct apfs *a)
{
    return a->uuid;
}

size_t apfs_volume_count(const struct apfs *a)
{
    return a->n;
}

const struct apfs_volume_info *apfs_volume_at(const struct apfs *a, size_t i)
{
    return i < a->n ? &a->volumes[i].info : NULL;
}

/* --- looking up --- */

const char *apfs_volume_limit(const struct apfs_volume_info *i)
{
    return i->encrypted    ? "it is encrypted: names and contents need the volume's key, and Pome does not decrypt volumes"
           : i->sealed     ? "it is sealed (a signed system volume): Pome does not read its hashed tree, its integrity metadata and its tree of file extents"
           : i->old_names  ? "it is of an old kind: its names have no hashes"
                           : NULL;
}

static const struct reader_volume *volume(const struct apfs *a, size_t i, struct pome_error *err)
{
    const struct reader_volume *v = i < a->n ? &a->volumes[i] : NULL;
    if (!v)
        pome_fail(err, POME_ERROR_NOT_FOUND, "APFS: there is no volume %zu", i);
    else if (apfs_volume_limit(&v->info))
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "APFS volume %s: its files cannot be read: %s", v->info.name, apfs_volume_limit(&v->info));
    else
        return v;
    return NULL;
}

static size_t make_key(uint8_t *key, uint64_t id, unsigned type)
{
    le64_put(key, id | (uint64_t)type << KEY_TYPE_SHIFT);
    return KEY_HEADER;
}

static bool is_of(const struct reader_record *r, uint64_t id, unsigned type)
{
    return le64_get(r->key) == (id | (uint64_t)type << KEY_TYPE_SHIFT);
}

/* The extended fields: only the data stream's is wanted. */
static void read_fields(const uint8_t *value, size_t n, struct apfs_item *item)
{
    if (n < INODE_XFIELDS + 4)
        return;
    size_t count = le16_get(value + INODE_XFIELDS), at = INODE_XFIELDS + 4 + 4 * count;
    for (size_t i = 0; i < count && INODE_XFIELDS + 8 + 4 * i <= n; i++) {
        const uint8_t *x = value + INODE_XFIELDS + 4 + 4 * i;
        size_t size = le16_get(x + 2);
        if (at + size > n)
            return;
        if (x[0] == XF_STREAM && size >= 8)
            item->size = le64_get(value + at);
        at += align_up(size, 8);
    }
}

static struct reader_cursor *new_cursor(struct pome_error *err)
{
    struct reader_cursor *c = malloc(sizeof *c);
    if (!c)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "APFS: no memory to read it");
    return c;
}

bool apfs_item(struct apfs *a, size_t vi, uint64_t id, struct apfs_item *item, struct pome_error *err)
{
    const struct reader_volume *v = volume(a, vi, err);
    struct reader_cursor *c = v ? new_cursor(err) : NULL;
    struct reader_record r;
    uint8_t key[KEY_HEADER];
    bool found = false;
    id &= KEY_ID_MASK;
    bool ok = c && reader_seek(c, a, v, key, make_key(key, id, REC_INODE), false, &found, err);
    if (ok && (!found || !reader_get(c, &r) || !is_of(&r, id, REC_INODE)))
        ok = pome_fail(err, POME_ERROR_NOT_FOUND, "APFS volume %s: there is no item %llu", v->info.name, (unsigned long long)id);
    if (ok && r.value_bytes < INODE_XFIELDS)
        ok = pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS volume %s: the record of item %llu is damaged", v->info.name, (unsigned long long)id);
    if (ok) {
        *item = (struct apfs_item){
            .id = id, .parent = le64_get(r.value + INODE_PARENT), .stream = le64_get(r.value + INODE_PRIVATE),
            .modified_ns = le64_get(r.value + INODE_MODIFIED), .links = le32_get(r.value + INODE_LINKS), .uid = le32_get(r.value + INODE_UID),
            .gid = le32_get(r.value + INODE_GID), .mode = le16_get(r.value + INODE_MODE),
            .compressed = le32_get(r.value + INODE_BSD_FLAGS) & INODE_COMPRESSED,
        };
        read_fields(r.value, r.value_bytes, item);
    }
    free(c);
    return ok;
}

/* A name record's parts; false when it is damaged. */
static bool name_record(const struct reader_record *r, const char **name, uint64_t *id, unsigned *type)
{
    if (r->key_bytes <= NAME_TEXT || r->value_bytes < NAME_VALUE_BYTES || r->key[r->key_bytes - 1])
        return false;
    *name = (const char *)r->key + NAME_TEXT;
    *id = le64_get(r->value);
    *type = le16_get(r->value + 16) & 15;
    return true;
}

static bool find_name(struct apfs *a, const struct reader_volume *v, uint64_t parent, const char *name, uint64_t *id, struct pome_error *err)
{
    uint8_t key[NAME_TEXT + 1] = {0};
    uint32_t hash;
    bool fold = !v->info.case_sensitive, found = false;
    if (!apfs_name_hash(name, fold, &hash))
        return pome_fail(err, POME_ERROR_NOT_FOUND, "APFS volume %s: \"%.80s\" is no name", v->info.name, name);
    make_key(key, parent, REC_NAME);
    le32_put(key + NAME_HASH, hash);
    struct reader_cursor *c = new_cursor(err);
    bool ok = c && reader_seek(c, a, v, key, sizeof key, false, &found, err), same = false;
    while (ok && found && !same) {
        struct reader_record r;
        const char *text;
        unsigned type;
        if (!reader_get(c, &r) || !is_of(&r, parent, REC_NAME) || !name_record(&r, &text, id, &type) ||
            (le32_get(r.key + NAME_HASH) ^ hash) & ~(uint32_t)NAME_LENGTH_MASK)
            break;
        same = apfs_name_same(text, name, fold);
        if (!same)
            ok = reader_next(c, &found, err);
    }
    free(c);
    if (ok && !same)
        pome_fail(err, POME_ERROR_NOT_FOUND, "APFS volume %s: there is no \"%.80s\"", v->info.name, name);
    return ok && same;
}

bool apfs_find(struct apfs *a, size_t vi, const char *path, struct apfs_item *item, struct pome_error *err)
{
    const struct reader_volume *v = volume(a, vi, err);
    char name[APFS_NAME_MAX + 1];
    uint64_t id = ID_ROOT;
    if (!v)
        return false;
    for (; *path; path += strspn(path, "/")) {
        size_t n = strcspn(path, "/");
        if (n > APFS_NAME_MAX)
            return pome_fail(err, POME_ERROR_NOT_FOUND, "APFS volume %s: a name of %zu bytes", v->info.name, n);
        memcpy(name, path, n);
        name[n] = 0;
        path += n;
        if (n && !find_name(a, v, id, name, &id, err))
            return false;
    }
    return apfs_item(a, vi, id, item, err);
}

bool apfs_list(struct apfs *a, size_t vi, uint64_t folder, apfs_name_fn *each, void *user, struct pome_error *err)
{
    const struct reader_volume *v = volume(a, vi, err);
    struct reader_cursor *c = v ? new_cursor(err) : NULL;
    uint8_t key[KEY_HEADER];
    bool found = false, ok = c && reader_seek(c, a, v, key, make_key(key, folder & KEY_ID_MASK, REC_NAME), false, &found, err);
    while (ok && found) {
        struct reader_record r;
        const char *name;
        uint64_t id;
        unsigned type;
        if (!reader_get(c, &r) || !is_of(&r, folder & KEY_ID_MASK, REC_NAME) || !name_record(&r, &name, &id, &type) || !each(user, name, id, type))
            break;
        ok = reader_next(c, &found, err);
    }
    free(c);
    return ok;
}

/* --- contents --- */

/* The extent that holds `offset`: *block is its block there, or 0 for a hole; *n, how many bytes from offset on are in it. */
static bool find_extent(struct apfs *a, const struct reader_volume *v, const struct apfs_item *item, uint64_t offset, uint64_t *block, uint64_t *n,
                        struct pome_error *err)
{
    uint8_t key[KEY_HEADER + 8];
    struct reader_record r;
    bool found = false;
    struct reader_cursor *c = new_cursor(err);
    make_key(key, item->stream & KEY_ID_MASK, REC_FILE_EXTENT);
    le64_put(key + KEY_HEADER, offset);
    bool ok = c && reader_seek(c, a, v, key, sizeof key, true, &found, err);
    *block = 0;
    *n = APFS_BLOCK - offset % APFS_BLOCK;
    if (ok && found && reader_get(c, &r) && is_of(&r, item->stream & KEY_ID_MASK, REC_FILE_EXTENT) && r.key_bytes >= 16 && r.value_bytes >= FILE_EXTENT_BYTES) {
        uint64_t first = le64_get(r.key + KEY_HEADER), bytes = le64_get(r.value) & EXTENT_LENGTH_MASK, physical = le64_get(r.value + 8);
        if (offset >= first && offset - first < bytes && first % APFS_BLOCK == 0) {
            *n = bytes - (offset - first);
            *block = physical ? physical + (offset - first) / APFS_BLOCK : 0;
            if (*block && (physical >= a->blocks || bytes / APFS_BLOCK > a->blocks - physical))
                ok = pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS volume %s: item %llu has an extent at block %llu of %llu", v->info.name,
                               (unsigned long long)item->id, (unsigned long long)physical, (unsigned long long)a->blocks);
        }
    }
    free(c);
    return ok;
}

ptrdiff_t apfs_read_file(struct apfs *a, size_t vi, const struct apfs_item *item, uint64_t offset, void *bytes, size_t n, struct pome_error *err)
{
    const struct reader_volume *v = volume(a, vi, err);
    if (!v)
        return -1;
    if (!S_ISREG(item->mode) || item->compressed) {
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "APFS volume %s: item %llu is %s", v->info.name, (unsigned long long)item->id,
                  item->compressed ? "compressed by the file system (decmpfs): its content lies in an attribute or a resource fork, which Pome does not unpack"
                                   : "not a file");
        return -1;
    }
    n = offset < item->size ? (size_t)MIN(n, item->size - offset) : 0;
    for (size_t done = 0; done < n;) {
        uint64_t block, run;
        if (!find_extent(a, v, item, offset + done, &block, &run, err))
            return -1;
        size_t k = (size_t)MIN(run, n - done);
        if (!block)
            memset((uint8_t *)bytes + done, 0, k);
        else if (!a->read(a->user, block * APFS_BLOCK + (offset + done) % APFS_BLOCK, (uint8_t *)bytes + done, k, err))
            return -1;
        done += k;
    }
    return (ptrdiff_t)n;
}

ptrdiff_t apfs_xattr(struct apfs *a, size_t vi, uint64_t id, const char *name, void *bytes, size_t n, struct pome_error *err)
{
    const struct reader_volume *v = volume(a, vi, err);
    uint8_t key[KEY_HEADER + 2 + APFS_NAME_MAX + 1];
    size_t length = strlen(name) + 1;
    struct reader_record r;
    bool found = false;
    if (!v || length > APFS_NAME_MAX + 1)
        return -1;
    struct reader_cursor *c = new_cursor(err);
    make_key(key, id & KEY_ID_MASK, REC_XATTR);
    le16_put(key + KEY_HEADER, (uint16_t)length);
    memcpy(key + KEY_HEADER + 2, name, length);
    size_t key_bytes = KEY_HEADER + 2 + length;
    ptrdiff_t got = -1;
    if (c && reader_seek(c, a, v, key, key_bytes, false, &found, err)) {
        bool here = found && reader_get(c, &r) && r.key_bytes == key_bytes && !memcmp(r.key, key, key_bytes) && r.value_bytes >= 4;
        size_t size = here ? le16_get(r.value + 2) : 0;
        if (!here)
            pome_fail(err, POME_ERROR_NOT_FOUND, "APFS volume %s: item %llu has no attribute \"%.80s\"", v->info.name, (unsigned long long)id, name);
        else if (!(le16_get(r.value) & XATTR_EMBEDDED) || size > r.value_bytes - 4 || size > n)
            pome_fail(err, POME_ERROR_NOT_SUPPORTED, "APFS volume %s: attribute \"%.80s\" has %zu bytes, at most %zu are wanted", v->info.name, name, size, n);
        else {
            memcpy(bytes, r.value + 4, size);
            got = (ptrdiff_t)size;
        }
    }
    free(c);
    return got;
}
