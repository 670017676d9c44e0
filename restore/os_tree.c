/* os_tree.c - the files of a macOS OS image: a disk image with a partition table and one APFS container. */
#include "restore/os_tree.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/guid.h"
#include "restore/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 128, ITEMS_MAX = 8 << 20, COPY_BYTES = 1 << 20, LINK_MAX = 1024 };

struct tree {
    struct install *in;
    struct source *disk;
    uint64_t base, done, total;
    struct apfs *from;
    size_t volume;
    struct apfs_volume *to;
    struct os_tree_count *count;
    uint64_t items;
    uint8_t *bytes; /* COPY_BYTES */
    struct pome_error *err;
};

static bool read_disk(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *err)
{
    const struct tree *t = user;
    return source_read(t->disk, t->base + offset, bytes, n, err);
}

/* The APFS partition of a disk, or all of it. */
static bool find_container(struct tree *t, uint64_t *bytes, struct pome_error *err)
{
    static uint8_t primary[GPT_PRIMARY_BYTES];
    struct gpt g;
    uint8_t type[16];
    t->base = 0;
    *bytes = t->disk->bytes;
    if (t->disk->bytes < GPT_PRIMARY_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "the OS image has %llu bytes", (unsigned long long)t->disk->bytes);
    if (!source_read(t->disk, 0, primary, sizeof primary, err))
        return false;
    if (!gpt_read(primary, t->disk->bytes / GPT_SECTOR, &g, NULL))
        return true;
    guid_parse("7C3457EF-0000-11AA-AA11-00306543ECAC", type);
    const struct gpt_partition *p = gpt_find(&g, type);
    if (!p)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "the OS image has no APFS partition");
    t->base = p->first * GPT_SECTOR;
    *bytes = (p->last - p->first + 1) * GPT_SECTOR;
    return true;
}

/* The System volume, or the only one. */
static bool find_volume(struct tree *t, struct pome_error *err)
{
    size_t n = apfs_volume_count(t->from);
    for (t->volume = 0; t->volume < n; t->volume++)
        if (apfs_volume_at(t->from, t->volume)->role == APFS_SYSTEM)
            break;
    if (t->volume == n && n == 1)
        t->volume = 0;
    if (t->volume == n)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "the OS image has %zu volumes, and none is the system's", n);
    const struct apfs_volume_info *i = apfs_volume_at(t->from, t->volume);
    t->total = i->allocated_bytes;
    if (apfs_volume_limit(i))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "volume %s of the OS image cannot be read: %s", i->name, apfs_volume_limit(i));
    return true;
}

/* --- copying --- */

static struct apfs_attributes attributes(const struct apfs_item *i)
{
    return (struct apfs_attributes){.uid = i->uid, .gid = i->gid, .mode = i->mode & 07777, .time_ns = i->modified_ns};
}

static bool copy_file(struct tree *t, const struct apfs_item *i, uint64_t parent, const char *name)
{
    struct apfs_attributes a = attributes(i);
    if (!apfs_file_begin(t->to, parent, name, &a, NULL, t->err))
        return false;
    for (uint64_t at = 0; at < i->size;) {
        ptrdiff_t n = apfs_read_file(t->from, t->volume, i, at, t->bytes, COPY_BYTES, t->err);
        if (n <= 0 || !apfs_file_append(t->to, t->bytes, (size_t)n, t->err))
            return false;
        at += (uint64_t)n;
        t->done += (uint64_t)n;
        if (!install_progress(t->in, t->done, t->total, t->err))
            return false;
    }
    t->count->files++;
    return apfs_file_end(t->to, t->err);
}

static bool copy_link(struct tree *t, const struct apfs_item *i, uint64_t parent, const char *name)
{
    char target[LINK_MAX + 1];
    struct apfs_attributes a = attributes(i);
    ptrdiff_t n = apfs_xattr(t->from, t->volume, i->id, "com.apple.fs.symlink", target, LINK_MAX, t->err);
    if (n < 0)
        return false;
    target[n] = 0;
    t->count->links++;
    return apfs_make_symlink(t->to, parent, name, target, &a, t->err);
}

struct names {
    struct tree *t;
    uint64_t parent;
    unsigned depth;
    bool ok;
};

static bool copy_folder(struct tree *t, uint64_t from, uint64_t to, unsigned depth);

static bool copy_one(void *user, const char *name, uint64_t id, unsigned type)
{
    struct names *n = user;
    struct tree *t = n->t;
    struct apfs_item i;
    struct apfs_attributes a;
    uint64_t made;
    if (++t->items > ITEMS_MAX) /* a folder can be made to hold itself */
        return n->ok = pome_fail(t->err, POME_ERROR_INVALID_DISK_IMAGE, "the OS image has more than %d names", ITEMS_MAX);
    n->ok = apfs_item(t->from, t->volume, id, &i, t->err);
    if (!n->ok)
        return false;
    a = attributes(&i);
    if (S_ISDIR(i.mode)) {
        t->count->folders++;
        n->ok = apfs_make_folder(t->to, n->parent, name, &a, &made, t->err) && copy_folder(t, id, made, n->depth + 1);
    } else if (S_ISLNK(i.mode)) {
        n->ok = copy_link(t, &i, n->parent, name);
    } else if (S_ISREG(i.mode) && !i.compressed) {
        n->ok = copy_file(t, &i, n->parent, name);
    } else {
        t->count->left_out++;
    }
    return n->ok;
}

static bool copy_folder(struct tree *t, uint64_t from, uint64_t to, unsigned depth)
{
    struct names n = {t, to, depth, true};
    if (depth > DEPTH_MAX)
        return pome_fail(t->err, POME_ERROR_INVALID_DISK_IMAGE, "the OS image has folders deeper than %d", DEPTH_MAX);
    return apfs_list(t->from, t->volume, from, copy_one, &n, t->err) && n.ok;
}

/* The files are read from here and there; beside that the image is read from its first byte to its last, for its digest. */
static bool copy_checked(struct tree *t)
{
    struct restore_image_check *k = restore_image_check_begin(t->in->image, install_component(t->in, "OS"), t->err);
    bool ok = k && copy_folder(t, APFS_ROOT, APFS_ROOT, 0);
    return restore_image_check_end(k, ok, t->err) && ok;
}

bool os_tree_copy(struct install *in, struct apfs_volume *to, struct os_tree_count *count, char why[512], struct pome_error *err)
{
    struct pome_error reason = {0};
    struct tree t = {.in = in, .to = to, .count = count, .err = err};
    struct archive_key key;
    uint64_t bytes;
    memcpy(key.bytes, in->image->key, sizeof key.bytes);
    t.disk = restore_image_disk(in->image, install_component(in, "OS"), in->image->has_key ? &key : NULL, &reason);
    bool readable = t.disk && find_container(&t, &bytes, &reason) && (t.from = apfs_open(bytes, read_disk, &t, &reason)) && find_volume(&t, &reason);
    bool ok = true;
    if (!readable)
        snprintf(why, 512, "%s", reason.message);
    else if (!(t.bytes = malloc(COPY_BYTES)))
        ok = pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to copy the OS");
    else
        ok = copy_checked(&t);
    free(t.bytes);
    apfs_close(t.from);
    source_close(t.disk);
    return ok;
}
