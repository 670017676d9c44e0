/*
 * share_ops.c - the requests of the FUSE protocol (linux/fuse.h), one function each, and the table of them.
 *
 * A request is copied out of guest memory before anybody looks at it; only data to be read or written is moved by the kernel straight
 * between file and guest. Answers are put together in `struct answer`.
 *
 * Who is who: when Pome runs as a user, that user's files are root's in the guest, and others' are nobody's; nothing can be given away.
 * When it runs as root, owners are the same on both sides. Locks stay in the guest; extended attributes are those of "user.".
 */
#include "backend/share_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MINOR      31 /* of the protocol that is spoken */
#define MAX_PAGES  128
#define VALID_S    1 /* how long the guest may believe what it was told */
#define NOBODY     65534
#define XATTR_MOST 65536

/* One request. */
struct call {
    struct share *s;
    struct share_request *r;
    struct fuse_in_header h;
    const uint8_t *args; /* behind the header */
    size_t n;            /* bytes of it that were copied */
    struct share_inode *inode;
    union {
        struct fuse_entry_out entry;
        struct fuse_attr_out attr;
        struct fuse_open_out open;
        struct fuse_init_out init;
        struct fuse_statfs_out statfs;
        struct fuse_write_out write;
        struct fuse_getxattr_out getxattr;
        struct fuse_lseek_out lseek;
        struct {
            struct fuse_entry_out entry;
            struct fuse_open_out open;
        } create;
    } out;
    const void *bytes; /* of the answer: out, or others */
    size_t n_bytes;
    size_t in_place; /* bytes that are in the guest's memory already, behind the header */
    void *to_free;
};

/* ---- arguments ---- */

/* The next argument of fixed size; NULL: the request is too short. */
static const void *take(struct call *c, size_t bytes)
{
    const void *p = c->args;
    if (c->n < bytes)
        return NULL;
    c->args += bytes;
    c->n -= bytes;
    return p;
}

/* The next text; NULL: it has no end. */
static const char *take_text(struct call *c)
{
    const uint8_t *end = memchr(c->args, 0, c->n);
    return end ? take(c, (size_t)(end - c->args) + 1) : NULL;
}

#define TAKE(c, type, name)                                                                                                        \
    struct type name;                                                                                                              \
    const void *name##_bytes = take(c, sizeof name);                                                                               \
    if (!name##_bytes)                                                                                                             \
        return EINVAL;                                                                                                             \
    memcpy(&name, name##_bytes, sizeof name)

static int answer(struct call *c, size_t bytes)
{
    c->bytes = &c->out;
    c->n_bytes = bytes;
    return 0;
}

/* Bytes [skip, skip + most) of an iovec array; how many parts they are. */
static unsigned cut(const struct iovec *from, unsigned n, uint64_t skip, uint64_t most, struct iovec *to)
{
    unsigned parts = 0;
    for (unsigned i = 0; i < n && most; i++) {
        size_t off = (size_t)MIN(skip, from[i].iov_len), some = (size_t)MIN(from[i].iov_len - off, most);
        skip -= off;
        most -= some;
        if (some)
            to[parts++] = (struct iovec){ (char *)from[i].iov_base + off, some };
    }
    return parts;
}

/* ---- attributes ---- */

static uint32_t shown_id(uint32_t id, uint32_t own)
{
    return geteuid() == 0 ? id : id == own ? 0 : NOBODY;
}

static void fill_attr(struct fuse_attr *a, const struct stat *st)
{
    *a = (struct fuse_attr){
        .ino = st->st_ino, .size = (uint64_t)st->st_size, .blocks = (uint64_t)st->st_blocks, .atime = (uint64_t)st->st_atim.tv_sec,
        .mtime = (uint64_t)st->st_mtim.tv_sec, .ctime = (uint64_t)st->st_ctim.tv_sec, .atimensec = (uint32_t)st->st_atim.tv_nsec,
        .mtimensec = (uint32_t)st->st_mtim.tv_nsec, .ctimensec = (uint32_t)st->st_ctim.tv_nsec, .mode = st->st_mode,
        .nlink = (uint32_t)st->st_nlink, .uid = shown_id(st->st_uid, geteuid()), .gid = shown_id(st->st_gid, getegid()),
        .rdev = 0, /* nobody opens devices through a share */
        .blksize = (uint32_t)st->st_blksize,
    };
}

static int fill_entry(struct call *c, struct share_inode *i, struct fuse_entry_out *e)
{
    struct stat st;
    if (fstat(i->fd, &st)) {
        int error = errno;
        share_inode_forget(c->s, share_inode_id(c->s, i), 1);
        return error;
    }
    *e = (struct fuse_entry_out){ .nodeid = share_inode_id(c->s, i), .generation = i->generation, .entry_valid = VALID_S, .attr_valid = VALID_S };
    fill_attr(&e->attr, &st);
    return 0;
}

static int answer_entry(struct call *c, const char *name)
{
    struct share_inode *i;
    int e = share_lookup(c->s, c->inode, name, &i);
    e = e ? e : fill_entry(c, i, &c->out.entry);
    return e ? e : answer(c, sizeof c->out.entry);
}

static int answer_attr(struct call *c)
{
    struct stat st;
    if (fstat(c->inode->fd, &st))
        return errno;
    c->out.attr = (struct fuse_attr_out){ .attr_valid = VALID_S };
    fill_attr(&c->out.attr.attr, &st);
    return answer(c, sizeof c->out.attr);
}

static int op_lookup(struct call *c)
{
    const char *name = take_text(c);
    return name ? answer_entry(c, name) : EINVAL;
}

static int op_forget(struct call *c)
{
    TAKE(c, fuse_forget_in, f);
    share_inode_forget(c->s, c->h.nodeid, f.nlookup);
    return 0;
}

static int op_batch_forget(struct call *c)
{
    TAKE(c, fuse_batch_forget_in, f);
    for (uint32_t i = 0; i < f.count; i++) {
        TAKE(c, fuse_forget_one, one);
        share_inode_forget(c->s, one.nodeid, one.nlookup);
    }
    return 0;
}

static int op_getattr(struct call *c)
{
    return answer_attr(c);
}

/* ---- changing attributes ---- */

int share_inode_open(const struct share *s, const struct share_inode *i, int flags)
{
    char path[16];
    if (i->type != S_IFREG && i->type != S_IFDIR) {
        errno = EACCES;
        return -1;
    }
    share_inode_path(i, path);
    return openat(s->proc, path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static int set_mode(struct call *c, uint32_t mode)
{
    char path[16];
    share_inode_path(c->inode, path);
    if (c->inode->type == S_IFLNK)
        return EOPNOTSUPP;
    return fchmodat(c->s->proc, path, mode & 01777, 0) ? errno : 0;
}

static int set_owner(struct call *c, const struct fuse_setattr_in *a)
{
    uid_t uid = a->valid & FATTR_UID ? a->uid : (uid_t)-1;
    gid_t gid = a->valid & FATTR_GID ? a->gid : (gid_t)-1;
    if (geteuid() != 0)
        return (uid == (uid_t)-1 || !uid) && (gid == (gid_t)-1 || !gid) ? 0 : EPERM;
    return fchownat(c->inode->fd, "", uid, gid, AT_EMPTY_PATH) ? errno : 0;
}

static int set_size(struct call *c, uint64_t size)
{
    int fd = c->inode->type == S_IFREG ? share_inode_open(c->s, c->inode, O_WRONLY) : -1;
    if (c->inode->type != S_IFREG || size > INT64_MAX)
        return EINVAL;
    int e = fd < 0 || ftruncate(fd, (off_t)size) ? errno : 0;
    if (fd >= 0)
        close(fd);
    return e;
}

static struct timespec moment(uint32_t valid, uint32_t set, uint32_t now, uint64_t s, uint32_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)s, .tv_nsec = valid & now ? UTIME_NOW : valid & set ? (long)(ns % 1000000000) : UTIME_OMIT };
}

static int set_times(struct call *c, const struct fuse_setattr_in *a)
{
    char path[16];
    const struct timespec t[2] = { moment(a->valid, FATTR_ATIME, FATTR_ATIME_NOW, a->atime, a->atimensec),
                                   moment(a->valid, FATTR_MTIME, FATTR_MTIME_NOW, a->mtime, a->mtimensec) };
    share_inode_path(c->inode, path);
    if (c->inode->type == S_IFLNK)
        return EOPNOTSUPP;
    return utimensat(c->s->proc, path, t, 0) ? errno : 0;
}

static int op_setattr(struct call *c)
{
    TAKE(c, fuse_setattr_in, a);
    int e = 0;
    if (a.valid & FATTR_MODE)
        e = set_mode(c, a.mode);
    if (!e && a.valid & (FATTR_UID | FATTR_GID))
        e = set_owner(c, &a);
    if (!e && a.valid & FATTR_SIZE)
        e = set_size(c, a.size);
    if (!e && a.valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW))
        e = set_times(c, &a);
    return e ? e : answer_attr(c);
}

/* ---- names ---- */

static int op_readlink(struct call *c)
{
    char *text = c->to_free = malloc(4096);
    ssize_t n = text && c->inode->type == S_IFLNK ? readlinkat(c->inode->fd, "", text, 4096) : -1;
    if (n < 0)
        return !text ? ENOMEM : c->inode->type != S_IFLNK ? EINVAL : errno;
    c->bytes = text;
    c->n_bytes = (size_t)n;
    return 0;
}

/* What was made belongs to who asked, and has the mode that it asked for, whatever our umask is. */
static void own(const struct call *c, int folder, const char *name, int mode)
{
    if (geteuid() == 0)
        (void)!fchownat(folder, name, c->h.uid, c->h.gid, AT_SYMLINK_NOFOLLOW);
    if (mode >= 0) {
        int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0) {
            fchmod(fd, (mode_t)mode & 01777);
            close(fd);
        }
    }
}

static int op_symlink(struct call *c)
{
    const char *name = take_text(c), *target = name ? take_text(c) : NULL;
    if (!target || !share_name_ok(name))
        return EINVAL;
    if (symlinkat(target, c->inode->fd, name))
        return errno;
    own(c, c->inode->fd, name, -1);
    return answer_entry(c, name);
}

static int op_mknod(struct call *c)
{
    TAKE(c, fuse_mknod_in, a);
    const char *name = take_text(c);
    if (!name || !share_name_ok(name))
        return EINVAL;
    if (!S_ISREG(a.mode))
        return EPERM;
    int fd = openat(c->inode->fd, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    own(c, c->inode->fd, name, (int)(a.mode & 01777));
    return answer_entry(c, name);
}

static int op_mkdir(struct call *c)
{
    TAKE(c, fuse_mkdir_in, a);
    const char *name = take_text(c);
    if (!name || !share_name_ok(name))
        return EINVAL;
    if (mkdirat(c->inode->fd, name, 0700))
        return errno;
    own(c, c->inode->fd, name, (int)(a.mode & 01777));
    return answer_entry(c, name);
}

static int remove_name(struct call *c, int flags)
{
    const char *name = take_text(c);
    if (!name || !share_name_ok(name))
        return EINVAL;
    return unlinkat(c->inode->fd, name, flags) ? errno : 0;
}

static int op_unlink(struct call *c)
{
    return remove_name(c, 0);
}

static int op_rmdir(struct call *c)
{
    return remove_name(c, AT_REMOVEDIR);
}

static int rename_to(struct call *c, uint64_t folder, unsigned flags)
{
    const char *from = take_text(c), *to = from ? take_text(c) : NULL;
    struct share_inode *i = share_inode(c->s, folder);
    if (!to || !i || !share_name_ok(from) || !share_name_ok(to) || flags & ~3u)
        return EINVAL;
    return renameat2(c->inode->fd, from, i->fd, to, flags) ? errno : 0; /* RENAME_NOREPLACE 1, RENAME_EXCHANGE 2 */
}

static int op_rename(struct call *c)
{
    TAKE(c, fuse_rename_in, a);
    return rename_to(c, a.newdir, 0);
}

static int op_rename2(struct call *c)
{
    TAKE(c, fuse_rename2_in, a);
    return rename_to(c, a.newdir, a.flags);
}

static int op_link(struct call *c)
{
    TAKE(c, fuse_link_in, a);
    const char *name = take_text(c);
    struct share_inode *old = share_inode(c->s, a.oldnodeid);
    char path[16];
    if (!name || !share_name_ok(name) || !old)
        return EINVAL;
    if (old->type != S_IFREG)
        return EPERM;
    share_inode_path(old, path);
    return linkat(c->s->proc, path, c->inode->fd, name, AT_SYMLINK_FOLLOW) ? errno : answer_entry(c, name);
}

/* ---- files ---- */

/* Of the guest's flags those that matter here; its kernel has the offset of every write. */
static int flags_of(const struct call *c, uint32_t flags, int *error)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
    *error = writes && !c->s->writable ? EROFS : 0;
    return (int)(flags & (O_ACCMODE | O_TRUNC));
}

static int answer_open(struct call *c, int fd, struct fuse_open_out *out)
{
    *out = (struct fuse_open_out){ 0 };
    if (fd < 0)
        return errno;
    return share_file_add(c->s, fd, &out->fh);
}

static int op_open(struct call *c)
{
    TAKE(c, fuse_open_in, a);
    int e, flags = flags_of(c, a.flags, &e);
    if (e || c->inode->type != S_IFREG)
        return e ? e : EACCES;
    e = answer_open(c, share_inode_open(c->s, c->inode, flags), &c->out.open);
    return e ? e : answer(c, sizeof c->out.open);
}

static int op_opendir(struct call *c)
{
    if (c->inode->type != S_IFDIR)
        return ENOTDIR;
    int e = answer_open(c, share_inode_open(c->s, c->inode, O_RDONLY | O_DIRECTORY), &c->out.open);
    return e ? e : answer(c, sizeof c->out.open);
}

/* A new file, or one that was there already, if that is what was wanted. */
static int op_create(struct call *c)
{
    TAKE(c, fuse_create_in, a);
    const char *name = take_text(c);
    struct share_inode *i;
    int e, flags = flags_of(c, a.flags, &e);
    if (!name || !share_name_ok(name))
        return EINVAL;
    int fd = openat(c->inode->fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && (errno != EEXIST || a.flags & O_EXCL))
        return errno;
    if (fd >= 0) {
        fchmod(fd, a.mode & 01777);
        own(c, c->inode->fd, name, -1);
    }
    e = share_lookup(c->s, c->inode, name, &i);
    if (!e && fd < 0 && (fd = share_inode_open(c->s, i, flags)) < 0) {
        e = errno;
        share_inode_forget(c->s, share_inode_id(c->s, i), 1);
    }
    e = e ? e : fill_entry(c, i, &c->out.create.entry);
    if (e && fd >= 0)
        close(fd);
    e = e ? e : answer_open(c, fd, &c->out.create.open);
    return e ? e : answer(c, sizeof c->out.create);
}

static int op_read(struct call *c)
{
    TAKE(c, fuse_read_in, a);
    struct iovec iov[256];
    int fd = share_file_fd(c->s, a.fh);
    if (fd < 0 || a.offset > INT64_MAX)
        return EBADF;
    unsigned n = cut(c->r->in, MIN(c->r->n_in, 256), sizeof(struct fuse_out_header), a.size, iov);
    ssize_t got = n ? preadv(fd, iov, (int)n, (off_t)a.offset) : 0;
    if (got < 0)
        return errno;
    c->in_place = (size_t)got;
    return 0;
}

static int op_write(struct call *c)
{
    TAKE(c, fuse_write_in, a);
    struct iovec iov[256];
    int fd = share_file_fd(c->s, a.fh);
    if (fd < 0 || a.offset > INT64_MAX)
        return EBADF;
    unsigned n = cut(c->r->out, MIN(c->r->n_out, 256), sizeof c->h + sizeof a, a.size, iov);
    ssize_t put = n ? pwritev(fd, iov, (int)n, (off_t)a.offset) : 0;
    if (put < 0)
        return errno;
    c->out.write = (struct fuse_write_out){ .size = (uint32_t)put };
    return answer(c, sizeof c->out.write);
}

static int op_release(struct call *c)
{
    TAKE(c, fuse_release_in, a);
    share_file_close(c->s, a.fh);
    return 0;
}

static int op_fsync(struct call *c)
{
    TAKE(c, fuse_fsync_in, a);
    int fd = share_file_fd(c->s, a.fh);
    if (fd < 0)
        return EBADF;
    return (a.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(fd) : fsync(fd)) ? errno : 0;
}

static int op_flush(struct call *c)
{
    return 0; /* nothing is kept here */
}

static int op_fallocate(struct call *c)
{
    TAKE(c, fuse_fallocate_in, a);
    int fd = share_file_fd(c->s, a.fh);
    if (fd < 0 || a.offset > INT64_MAX || a.length > INT64_MAX)
        return EBADF;
    if (a.mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        return EOPNOTSUPP;
    return fallocate(fd, (int)a.mode, (off_t)a.offset, (off_t)a.length) ? errno : 0;
}

static int op_lseek(struct call *c)
{
    TAKE(c, fuse_lseek_in, a);
    int fd = share_file_fd(c->s, a.fh);
    if (fd < 0 || a.offset > INT64_MAX || (a.whence != SEEK_DATA && a.whence != SEEK_HOLE))
        return EINVAL;
    off_t at = lseek(fd, (off_t)a.offset, (int)a.whence);
    if (at < 0)
        return errno;
    c->out.lseek = (struct fuse_lseek_out){ .offset = (uint64_t)at };
    return answer(c, sizeof c->out.lseek);
}

/* ---- folders ---- */

/* The kernel's entries become FUSE's; the offset of each is where the next one begins. */
static int op_readdir(struct call *c)
{
    enum { BUFFER = 32768 };
    TAKE(c, fuse_read_in, a);
    int fd = share_file_fd(c->s, a.fh);
    if (fd < 0 || a.offset > INT64_MAX)
        return EBADF;
    uint8_t *bytes = c->to_free = malloc(2 * BUFFER), *to = bytes, *from = bytes + BUFFER;
    if (!bytes)
        return ENOMEM;
    ssize_t got = lseek(fd, (off_t)a.offset, SEEK_SET) < 0 ? -1 : syscall(SYS_getdents64, fd, from, BUFFER);
    if (got < 0)
        return errno;
    size_t room = MIN(a.size, BUFFER);
    for (ssize_t at = 0; at < got;) {
        const struct dirent64 *d = (const void *)(from + at);
        size_t name = strlen(d->d_name), need = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name);
        if (need > room)
            break;
        struct fuse_dirent e = { .ino = d->d_ino, .off = (uint64_t)d->d_off, .namelen = (uint32_t)name, .type = d->d_type };
        memset(to, 0, need);
        memcpy(to, &e, FUSE_NAME_OFFSET);
        memcpy(to + FUSE_NAME_OFFSET, d->d_name, name);
        to += need;
        room -= need;
        at += d->d_reclen;
    }
    c->bytes = bytes;
    c->n_bytes = (size_t)(to - bytes);
    return 0;
}

static int op_statfs(struct call *c)
{
    struct statvfs v;
    if (fstatvfs(c->s->root, &v))
        return errno;
    c->out.statfs = (struct fuse_statfs_out){ .st = { .blocks = v.f_blocks, .bfree = v.f_bfree, .bavail = v.f_bavail, .files = v.f_files,
                                                      .ffree = v.f_ffree, .bsize = (uint32_t)v.f_bsize, .namelen = (uint32_t)v.f_namemax,
                                                      .frsize = (uint32_t)v.f_frsize } };
    return answer(c, sizeof c->out.statfs);
}

/* ---- extended attributes ---- */

/* A descriptor to ask by; -1 and *e: it cannot have any, or the name is none of the guest's. */
static int xattr_fd(struct call *c, const char *name, int *e)
{
    *e = name && strncmp(name, "user.", 5) ? EOPNOTSUPP : c->inode->type != S_IFREG && c->inode->type != S_IFDIR ? EOPNOTSUPP : 0;
    int fd = *e ? -1 : share_inode_open(c->s, c->inode, O_RDONLY);
    if (fd < 0 && !*e)
        *e = errno;
    return fd;
}

/* size 0: how much there is. */
static int answer_xattr(struct call *c, uint32_t size, ssize_t got, int error)
{
    if (got < 0)
        return error;
    if (size) {
        c->bytes = c->to_free;
        c->n_bytes = (size_t)got;
        return 0;
    }
    c->out.getxattr = (struct fuse_getxattr_out){ .size = (uint32_t)got };
    return answer(c, sizeof c->out.getxattr);
}

static int op_getxattr(struct call *c)
{
    TAKE(c, fuse_getxattr_in, a);
    const char *name = take_text(c);
    int e, fd = name ? xattr_fd(c, name, &e) : -1;
    if (fd < 0)
        return name ? e == EOPNOTSUPP ? ENODATA : e : EINVAL;
    uint32_t size = MIN(a.size, XATTR_MOST);
    c->to_free = malloc(XATTR_MOST);
    ssize_t got = c->to_free ? fgetxattr(fd, name, c->to_free, size) : -1;
    e = errno;
    close(fd);
    return answer_xattr(c, size, got, e);
}

/* Only those of "user.", one after the other, each with its NUL. */
static ssize_t keep_own(char *names, ssize_t n)
{
    ssize_t kept = 0;
    for (ssize_t at = 0; at < n;) {
        size_t one = strlen(names + at) + 1;
        if (!strncmp(names + at, "user.", 5)) {
            memmove(names + kept, names + at, one);
            kept += (ssize_t)one;
        }
        at += (ssize_t)one;
    }
    return kept;
}

static int op_listxattr(struct call *c)
{
    TAKE(c, fuse_getxattr_in, a);
    int e, fd = xattr_fd(c, NULL, &e);
    if (fd < 0)
        return answer_xattr(c, a.size, e == EOPNOTSUPP ? 0 : -1, e);
    c->to_free = malloc(XATTR_MOST + 1);
    ssize_t got = c->to_free ? flistxattr(fd, c->to_free, XATTR_MOST) : -1;
    e = errno;
    close(fd);
    if (got >= 0)
        got = keep_own(c->to_free, got);
    return a.size && got > (ssize_t)a.size ? ERANGE : answer_xattr(c, a.size, got, e);
}

static int op_setxattr(struct call *c)
{
    struct { /* without FUSE_SETXATTR_EXT, FUSE_COMPAT_SETXATTR_IN_SIZE */
        uint32_t size, flags;
    } a;
    const void *p = take(c, sizeof a);
    const char *name = p ? take_text(c) : NULL;
    if (!name)
        return EINVAL;
    memcpy(&a, p, sizeof a);
    const void *value = a.size <= XATTR_MOST ? take(c, a.size) : NULL;
    int e, fd = value ? xattr_fd(c, name, &e) : -1;
    if (fd < 0)
        return value ? e : EINVAL;
    e = fsetxattr(fd, name, value, a.size, (int)(a.flags & 3)) ? errno : 0;
    close(fd);
    return e;
}

static int op_removexattr(struct call *c)
{
    const char *name = take_text(c);
    int e, fd = name ? xattr_fd(c, name, &e) : -1;
    if (fd < 0)
        return name ? e : EINVAL;
    e = fremovexattr(fd, name) ? errno : 0;
    close(fd);
    return e;
}

/* ---- the session ---- */

static int op_init(struct call *c)
{
    struct init { /* of struct fuse_init_in what all kernels with virtiofs send */
        uint32_t major, minor, max_readahead, flags;
    };
    TAKE(c, init, a);
    if (a.major != FUSE_KERNEL_VERSION || a.minor < MINOR)
        return EPROTO;
    share_forget_all(c->s);
    c->out.init = (struct fuse_init_out){
        .major = FUSE_KERNEL_VERSION, .minor = MINOR, .max_readahead = a.max_readahead, .max_background = 64, .congestion_threshold = 48,
        .flags = a.flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC | FUSE_MAX_PAGES | FUSE_PARALLEL_DIROPS),
        .max_write = MAX_PAGES * 4096, .max_pages = MAX_PAGES, .time_gran = 1,
    };
    return answer(c, sizeof c->out.init);
}

static int op_destroy(struct call *c)
{
    share_forget_all(c->s);
    return 0;
}

enum { WRITES = 1, NO_INODE = 2, NO_ANSWER = 4 };

static const struct op {
    int (*fn)(struct call *c);
    unsigned flags;
} ops[] = {
    [FUSE_LOOKUP] = { op_lookup, 0 },
    [FUSE_FORGET] = { op_forget, NO_INODE | NO_ANSWER },
    [FUSE_GETATTR] = { op_getattr, 0 },
    [FUSE_SETATTR] = { op_setattr, WRITES },
    [FUSE_READLINK] = { op_readlink, 0 },
    [FUSE_SYMLINK] = { op_symlink, WRITES },
    [FUSE_MKNOD] = { op_mknod, WRITES },
    [FUSE_MKDIR] = { op_mkdir, WRITES },
    [FUSE_UNLINK] = { op_unlink, WRITES },
    [FUSE_RMDIR] = { op_rmdir, WRITES },
    [FUSE_RENAME] = { op_rename, WRITES },
    [FUSE_LINK] = { op_link, WRITES },
    [FUSE_OPEN] = { op_open, 0 },
    [FUSE_READ] = { op_read, 0 },
    [FUSE_WRITE] = { op_write, WRITES },
    [FUSE_STATFS] = { op_statfs, 0 },
    [FUSE_RELEASE] = { op_release, 0 },
    [FUSE_FSYNC] = { op_fsync, 0 },
    [FUSE_SETXATTR] = { op_setxattr, WRITES },
    [FUSE_GETXATTR] = { op_getxattr, 0 },
    [FUSE_LISTXATTR] = { op_listxattr, 0 },
    [FUSE_REMOVEXATTR] = { op_removexattr, WRITES },
    [FUSE_FLUSH] = { op_flush, 0 },
    [FUSE_INIT] = { op_init, NO_INODE },
    [FUSE_OPENDIR] = { op_opendir, 0 },
    [FUSE_READDIR] = { op_readdir, 0 },
    [FUSE_RELEASEDIR] = { op_release, 0 },
    [FUSE_FSYNCDIR] = { op_fsync, 0 },
    [FUSE_CREATE] = { op_create, WRITES },
    [FUSE_DESTROY] = { op_destroy, NO_INODE },
    [FUSE_BATCH_FORGET] = { op_batch_forget, NO_INODE | NO_ANSWER },
    [FUSE_FALLOCATE] = { op_fallocate, WRITES },
    [FUSE_RENAME2] = { op_rename2, WRITES },
    [FUSE_LSEEK] = { op_lseek, 0 },
};

static size_t copy_in(const struct iovec *iov, unsigned n, uint8_t *to, size_t most)
{
    size_t done = 0;
    for (unsigned i = 0; i < n && done < most; i++) {
        size_t some = MIN(iov[i].iov_len, most - done);
        memcpy(to + done, iov[i].iov_base, some);
        done += some;
    }
    return done;
}

static size_t copy_out(const struct iovec *iov, unsigned n, size_t skip, const void *from, size_t bytes)
{
    size_t done = 0;
    for (unsigned i = 0; i < n && done < bytes; i++) {
        size_t off = MIN(skip, iov[i].iov_len), some = MIN(iov[i].iov_len - off, bytes - done);
        memcpy((char *)iov[i].iov_base + off, (const char *)from + done, some);
        skip -= off;
        done += some;
    }
    return done;
}

static int carry_out(struct call *c, const struct op *op)
{
    if (!op->fn)
        return ENOSYS; /* interrupts, locks, and what is newer than this */
    if (op->flags & WRITES && !c->s->writable)
        return EROFS;
    if (!(op->flags & NO_INODE) && !(c->inode = share_inode(c->s, c->h.nodeid)))
        return ESTALE;
    return op->fn(c);
}

void share_answer(struct share *s, struct share_request *r)
{
    static const struct op none;
    struct call c = { .s = s, .r = r };
    struct fuse_out_header h = { .len = sizeof h };
    size_t got = copy_in(r->out, r->n_out, s->input, sizeof s->input);
    r->written = 0;
    if (got < sizeof c.h)
        return;
    memcpy(&c.h, s->input, sizeof c.h);
    c.args = s->input + sizeof c.h;
    c.n = got - sizeof c.h;
    const struct op *op = c.h.opcode < ARRAY_SIZE(ops) ? &ops[c.h.opcode] : &none;
    int error = carry_out(&c, op);
    if (!(op->flags & NO_ANSWER) && c.h.opcode != FUSE_INTERRUPT) {
        h.unique = c.h.unique;
        h.error = -error;
        if (!error)
            h.len += (uint32_t)(c.in_place + copy_out(r->in, r->n_in, sizeof h, c.bytes, c.n_bytes));
        r->written = copy_out(r->in, r->n_in, 0, &h, sizeof h) == sizeof h ? h.len : 0;
    }
    free(c.to_free);
}
