/*
 * share_saved.c - what a guest knows of a share, for a saved machine, and back (share.h).
 *
 * How it works. The guest knows inodes and open files by number, we know them by descriptor. Saved are the number, the way by names beneath the folder, as the host's kernel
 * says it, and what tells that the file is the same one: inode number and time of birth. Restored, each way is opened beneath the folder again, without following links;
 * what is not there, is another file, or may not be written any more is lost: its number stays dead, and the guest is told ESTALE or EBADF, as for a file that was removed on a server. So are
 * files without a name: open and unlinked. What is read back is hostile: it can name only what lies in the folder, as the guest itself can.
 *
 * Records (base/records.h): "inode" {u32 slot, generation, type, 0; u64 lookups, number, born ns; way, without a NUL}, "file" {u32 slot, generation, flags, slot of its inode}.
 */
#include "backend/share_inside.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { INODE_BYTES = 40, FILE_BYTES = 16, WAYS_MAX = 32 << 20 /* bytes for one share; what more a guest knows is lost */ };

/* ---- the file behind a descriptor ---- */

/* 0: the file system does not know. */
static uint64_t born_ns(int fd)
{
    struct statx x;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) || !(x.stx_mask & STATX_BTIME))
        return 0;
    return (uint64_t)x.stx_btime.tv_sec * 1000000000 + x.stx_btime.tv_nsec;
}

/* "/a/folder"; of the host's root "". */
static bool way_of(const struct share *s, int fd, char way[PATH_MAX])
{
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    ssize_t n = readlinkat(s->proc, number, way, PATH_MAX);
    if (n <= 0 || n >= PATH_MAX)
        return false;
    way[n] = 0;
    if (n == 1)
        way[0] = 0;
    return true;
}

/* What leads from the folder to it, in way; NULL: nothing does. */
static const char *way_beneath(const struct share *s, int fd, const char *root, char way[PATH_MAX])
{
    struct stat st;
    size_t n = strlen(root);
    if (fstat(fd, &st) || !st.st_nlink || !way_of(s, fd, way) || strncmp(way, root, n) || way[n] != '/')
        return NULL;
    return way + n + 1;
}

/* ---- saving ---- */

static void save_inode(const struct share *s, const struct share_inode *i, const char *root, struct records *out)
{
    uint8_t bytes[INODE_BYTES + PATH_MAX];
    char text[PATH_MAX];
    const char *way = out->n < WAYS_MAX ? way_beneath(s, i->fd, root, text) : NULL;
    size_t n = way ? strlen(way) : 0; /* 0: lost, and its number is dead */
    le32_put(bytes, (uint32_t)(i - s->inode));
    le32_put(bytes + 4, i->generation);
    le32_put(bytes + 8, i->type);
    le32_put(bytes + 12, 0);
    le64_put(bytes + 16, i->lookups);
    le64_put(bytes + 24, i->ino);
    le64_put(bytes + 32, born_ns(i->fd));
    memcpy(bytes + INODE_BYTES, way ? way : "", n);
    records_put(out, "inode", bytes, INODE_BYTES + n);
}

static void save_file(struct share *s, uint32_t slot, struct records *out)
{
    uint8_t bytes[FILE_BYTES];
    struct stat st;
    const struct share_inode *i = fstat(s->file[slot].fd, &st) ? NULL : share_inode_find(s, &st);
    int flags = fcntl(s->file[slot].fd, F_GETFL);
    le32_put(bytes, slot);
    le32_put(bytes + 4, s->file[slot].generation);
    le32_put(bytes + 8, (uint32_t)flags & (O_ACCMODE | O_DIRECTORY));
    le32_put(bytes + 12, i ? (uint32_t)(i - s->inode) : UINT32_MAX);
    records_put(out, "file", bytes, sizeof bytes);
}

void share_save(struct share *s, struct records *out)
{
    char root[PATH_MAX];
    if (!way_of(s, s->root, root))
        return;
    for (size_t i = 1; i < s->n_inodes; i++)
        if (s->inode[i].fd >= 0)
            save_inode(s, &s->inode[i], root, out);
    for (uint32_t i = 0; i < SHARE_FILES; i++)
        if (s->file[i].fd >= 0)
            save_file(s, i, out);
}

/* ---- restoring ---- */

static int open_way(const struct share *s, const uint8_t *bytes, size_t n)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
    char way[PATH_MAX];
    if (!n || n >= sizeof way || memchr(bytes, 0, n))
        return -1;
    memcpy(way, bytes, n);
    way[n] = 0;
    return (int)syscall(SYS_openat2, s->root, way, &how, sizeof how);
}

static bool load_inode(struct share *s, const struct record *r, unsigned *lost)
{
    struct stat st;
    if (r->n < INODE_BYTES)
        return false;
    const uint8_t *b = r->bytes;
    const uint32_t slot = le32_get(b), generation = le32_get(b + 4);
    if (!slot || slot >= s->max_inodes) { /* more than there can be here: a number that nobody gets */
        ++*lost;
        return slot;
    }
    if (!share_inode_reserve(s, slot, generation))
        return false; /* twice */
    int fd = open_way(s, b + INODE_BYTES, r->n - INODE_BYTES);
    bool same = fd >= 0 && !fstat(fd, &st) && (st.st_mode & S_IFMT) == le32_get(b + 8) && st.st_ino == le64_get(b + 24) && born_ns(fd) == le64_get(b + 32) &&
                le64_get(b + 16) - 1 < INT64_MAX && !share_inode_find(s, &st);
    if (same) {
        share_inode_put(s, slot, generation, fd, &st, le64_get(b + 16));
        return true;
    }
    if (fd >= 0)
        close(fd);
    ++*lost;
    return true;
}

static bool load_file(struct share *s, const struct record *r, unsigned *lost)
{
    if (r->n != FILE_BYTES)
        return false;
    const uint32_t slot = le32_get(r->bytes), generation = le32_get(r->bytes + 4), flags = le32_get(r->bytes + 8), inode = le32_get(r->bytes + 12);
    if (slot >= SHARE_FILES || s->file[slot].fd >= 0 || flags & ~(uint32_t)(O_ACCMODE | O_DIRECTORY))
        return false;
    const struct share_inode *i = inode < s->n_inodes && s->inode[inode].fd >= 0 ? &s->inode[inode] : NULL;
    bool may = i && ((flags & O_ACCMODE) == O_RDONLY || s->writable);
    int fd = may ? share_inode_open(s, i, (int)flags) : -1;
    s->file[slot] = (struct share_file){fd, fd >= 0 ? generation : generation + 1};
    *lost += fd < 0;
    return true;
}

bool share_load(struct share *s, const uint8_t *bytes, size_t n, unsigned *lost, struct pome_error *err)
{
    struct records_reader reader = {bytes, bytes + n};
    struct record r;
    bool ok = true;
    *lost = 0;
    share_forget_all(s);
    while (ok && records_next(&reader, &r))
        ok = !strcmp(r.name, "inode") ? load_inode(s, &r, lost) : !strcmp(r.name, "file") && load_file(s, &r, lost);
    share_inodes_settle(s);
    if (ok && reader.at == reader.end)
        return true;
    share_forget_all(s);
    return pome_fail(err, POME_ERROR_RESTORE, "what the guest knows of a shared folder is malformed at byte %zu", (size_t)(reader.at - bytes));
}
