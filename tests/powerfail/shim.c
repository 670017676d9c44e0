/*
 * shim.c - a disk that fails at a chosen moment: a library that is preloaded into a program under test.
 *
 * How it works. Every call that changes a file or a name under $POWERFAIL_UNDER is an operation and has a number, from 1. At number
 * $POWERFAIL_AT the disk fails in the way of $POWERFAIL_MODE:
 *
 *   kill    the process dies before the operation; what it did before stays (SIGKILL)
 *   lose    as kill, and everything that was not synced is lost: the power went
 *   torn    as kill, and of what was not synced a part is lost ($POWERFAIL_SEED chooses): the power went while the disk was writing
 *   eio     this one operation fails with EIO
 *   enospc  this and all later ones that need room fail with ENOSPC
 *   short   this write is done by half; then as enospc
 *
 * Without POWERFAIL_AT it only counts: $POWERFAIL_LOG gets one letter for each operation (see `kinds`).
 *
 * For "lose" and "torn" each operation is noted with what undoes it: the old bytes of a write, the old file of a name (a hard link in
 * $POWERFAIL_STORE, on the same file system). fsync of a file forgets its notes, fsync of a folder those of all names so far, as on a
 * journalling file system. At the end the notes that are left are undone, the last one first.
 *
 * Not seen: writes through mmap, and what libc does inside itself (mkdtemp, mkostemp, stdio).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#undef _FILE_OFFSET_BITS /* both names of each call are defined here */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, TRUNCATE, ALLOCATE, CREATE, RENAME, UNLINK, MKDIR, LINK, CLONE };
static const char kinds[] = "wstacrumlk";

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool ready, full;
static uint64_t number, fail_at;
static char under[PATH_MAX], store[PATH_MAX], mode[16];
static int log_fd = -1;
static unsigned seed;

/* What undoes one operation. */
struct note {
    struct note *before;
    enum kind kind;
    dev_t dev;                 /* of the file, for data */
    ino_t ino;
    int fd;                    /* data: to write through */
    off_t offset, size;        /* data: where; the size that the file had */
    size_t n;
    char *bytes;               /* data: the old ones */
    char from[PATH_MAX], to[PATH_MAX], saved[PATH_MAX]; /* names; saved: a link to what was there */
};
static struct note *last;

static bool is(const char *m)
{
    return !strcmp(mode, m);
}

static bool takes_notes(void)
{
    return fail_at && (is("lose") || is("torn"));
}

static void copy_env(const char *name, char *to, size_t n)
{
    const char *v = getenv(name);
    snprintf(to, n, "%s", v ? v : "");
}

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("POWERFAIL_AT"), *log = getenv("POWERFAIL_LOG"), *s = getenv("POWERFAIL_SEED");
    copy_env("POWERFAIL_UNDER", under, sizeof under);
    copy_env("POWERFAIL_STORE", store, sizeof store);
    copy_env("POWERFAIL_MODE", mode, sizeof mode);
    fail_at = at ? strtoull(at, NULL, 10) : 0;
    seed = s ? (unsigned)strtoul(s, NULL, 10) : 1;
    if (log && *log)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ready = under[0];
}

/* --- what is meant --- */

static bool inside(const char *path)
{
    size_t n = strlen(under);
    return ready && !strncmp(path, under, n) && (path[n] == '/' || !path[n]);
}

static bool path_of_fd(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = 0;
    return n > 0;
}

static bool path_at(int dir, const char *name, char path[PATH_MAX])
{
    char base[PATH_MAX] = "";
    if (name[0] == '/')
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
    if (dir == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of_fd(dir, base))
        return false;
    return snprintf(path, PATH_MAX, "%s/%s", base, name) < PATH_MAX;
}

static bool fd_inside(int fd)
{
    char path[PATH_MAX];
    return ready && path_of_fd(fd, path) && inside(path);
}

/* --- notes --- */

static unsigned draw(void)
{
    seed = seed * 1103515245 + 12345;
    return seed >> 16 & 0x7fff;
}

static struct note *add_note(enum kind kind)
{
    struct note *n = calloc(1, sizeof *n);
    if (!n)
        abort();
    *n = (struct note){.before = last, .kind = kind, .fd = -1};
    return last = n;
}

static void note_data(int fd, enum kind kind, off_t offset, size_t n)
{
    char link[64];
    struct stat st;
    if (!takes_notes() || fstat(fd, &st) || !S_ISREG(st.st_mode))
        return;
    struct note *note = add_note(kind);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    note->dev = st.st_dev, note->ino = st.st_ino, note->size = st.st_size, note->offset = offset;
    for (struct note *o = note->before; o && note->fd < 0; o = o->before)
        if (o->fd >= 0 && o->dev == st.st_dev && o->ino == st.st_ino)
            note->fd = o->fd;
    if (note->fd < 0)
        note->fd = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC, 0);
    if (offset < st.st_size) {
        note->n = (size_t)(st.st_size - offset) < n ? (size_t)(st.st_size - offset) : n;
        note->bytes = malloc(note->n);
        if (!note->bytes || pread(note->fd, note->bytes, note->n, offset) != (ssize_t)note->n)
            abort();
    }
}

/* A hard link that keeps what a name stands for. */
static void save(struct note *note, const char *path)
{
    static unsigned count;
    struct stat st;
    if (!note || lstat(path, &st) || S_ISDIR(st.st_mode))
        return;
    snprintf(note->saved, sizeof note->saved, "%.4000s/%u", store, count++);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, note->saved, 0))
        note->saved[0] = 0;
}

static struct note *note_name(enum kind kind, const char *from, const char *to)
{
    if (!takes_notes())
        return NULL;
    struct note *note = add_note(kind);
    snprintf(note->from, sizeof note->from, "%s", from);
    snprintf(note->to, sizeof note->to, "%s", to ? to : "");
    return note;
}

static bool is_data(const struct note *n)
{
    return n->kind == WRITE || n->kind == TRUNCATE || n->kind == ALLOCATE || n->kind == CLONE;
}

static void forget(bool (*which)(const struct note *n, const struct stat *st), const struct stat *st)
{
    for (struct note **p = &last; *p;) {
        struct note *n = *p;
        if (!which(n, st)) {
            p = &n->before;
            continue;
        }
        *p = n->before; /* fds stay open: a later note of the same file may share them */
        if (n->saved[0])
            syscall(SYS_unlinkat, AT_FDCWD, n->saved, 0);
        free(n->bytes);
        free(n);
    }
}

static bool of_file(const struct note *n, const struct stat *st)
{
    return is_data(n) && n->dev == st->st_dev && n->ino == st->st_ino;
}

static bool of_name(const struct note *n, const struct stat *st)
{
    return !is_data(n);
}

static void synced(int fd)
{
    struct stat st;
    if (takes_notes() && !fstat(fd, &st))
        forget(S_ISDIR(st.st_mode) ? of_name : of_file, &st);
}

static void undo_name(const struct note *n)
{
    switch (n->kind) {
    case RENAME:
        syscall(SYS_renameat, AT_FDCWD, n->to, AT_FDCWD, n->from);
        if (n->saved[0])
            syscall(SYS_linkat, AT_FDCWD, n->saved, AT_FDCWD, n->to, 0);
        break;
    case UNLINK:
        if (n->saved[0])
            syscall(SYS_linkat, AT_FDCWD, n->saved, AT_FDCWD, n->from, 0);
        else
            syscall(SYS_mkdirat, AT_FDCWD, n->from, 0700);
        break;
    case CREATE:
    case LINK:
        syscall(SYS_unlinkat, AT_FDCWD, n->from, 0);
        break;
    case MKDIR:
        syscall(SYS_unlinkat, AT_FDCWD, n->from, AT_REMOVEDIR);
        break;
    default:
        break;
    }
}

/* A write that went in the middle: the first sectors of it may be there. */
static void undo_data(const struct note *n)
{
    size_t keep = is("torn") && n->n > 512 ? draw() % (n->n / 512) * 512 : 0;
    if (n->n > keep)
        syscall(SYS_pwrite64, n->fd, n->bytes + keep, n->n - keep, n->offset + (off_t)keep);
    syscall(SYS_ftruncate, n->fd, n->size);
}

/* Names come back in order, from the newest to a random one; each write of data has a chance of its own. */
static void lose(void)
{
    size_t names = 0;
    for (struct note *n = last; n; n = n->before)
        names += !is_data(n);
    size_t undo_names = is("torn") ? draw() % (names + 1) : names;
    for (struct note *n = last; n; n = n->before) {
        if (!is_data(n)) {
            if (undo_names) {
                undo_names--;
                undo_name(n);
            }
        } else if (is("lose") || draw() % 2) {
            undo_data(n);
        }
    }
}

/* --- the moment --- */

enum verdict { GO_ON, FAIL, HALF };

/* Called with the mutex held, before the operation. FAIL: with errno. */
static enum verdict operation(enum kind kind)
{
    bool needs_room = kind == WRITE || kind == ALLOCATE || kind == CREATE || kind == MKDIR || kind == LINK || kind == CLONE;
    number++;
    if (log_fd >= 0)
        syscall(SYS_write, log_fd, &kinds[kind], 1);
    if (full && needs_room) {
        errno = ENOSPC;
        return FAIL;
    }
    if (number != fail_at)
        return GO_ON;
    if (is("lose") || is("torn"))
        lose();
    if (is("kill") || is("lose") || is("torn")) {
        kill(getpid(), SIGKILL);
        pause();
    }
    full = is("enospc") || is("short");
    if (is("short") && kind == WRITE)
        return HALF;
    errno = is("eio") ? EIO : ENOSPC;
    return is("eio") || needs_room ? FAIL : GO_ON;
}

/* Runs `call` as an operation when `mine`; `note` before it when it goes on. */
#define OPERATION(mine, kind, note, call)             \
    ({                                                \
        long result_ = -1;                            \
        if (!(mine)) {                                \
            result_ = (call);                         \
        } else {                                      \
            pthread_mutex_lock(&mutex);               \
            if (operation(kind) != FAIL) {            \
                note;                                 \
                result_ = (call);                     \
            }                                         \
            int errno_ = errno;                       \
            pthread_mutex_unlock(&mutex);             \
            errno = errno_;                           \
        }                                             \
        result_;                                      \
    })

/* --- data --- */

static off_t position(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && flags & O_APPEND && !fstat(fd, &st) ? st.st_size : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
}

static ssize_t write_at(int fd, const void *bytes, size_t n, off_t offset, bool at)
{
    ssize_t r = -1;
    if (!fd_inside(fd))
        return at ? syscall(SYS_pwrite64, fd, bytes, n, offset) : syscall(SYS_write, fd, bytes, n);
    pthread_mutex_lock(&mutex);
    enum verdict v = operation(WRITE);
    if (v == HALF && n > 1)
        n /= 2;
    if (v != FAIL) {
        note_data(fd, WRITE, at ? offset : position(fd), n);
        r = at ? syscall(SYS_pwrite64, fd, bytes, n, offset) : syscall(SYS_write, fd, bytes, n);
    }
    int e = errno;
    pthread_mutex_unlock(&mutex);
    errno = e;
    return r;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    return write_at(fd, bytes, n, 0, false);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return write_at(fd, bytes, n, offset, true);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t offset)
{
    return write_at(fd, bytes, n, offset, true);
}

/* One piece at a time: a short write is what the caller must cope with anyway. */
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
    return n > 0 ? write_at(fd, v[0].iov_base, v[0].iov_len, offset, true) : 0;
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t offset)
{
    return pwritev(fd, v, n, offset);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    return n > 0 ? write_at(fd, v[0].iov_base, v[0].iov_len, 0, false) : 0;
}

ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t n, unsigned flags)
{
    return OPERATION(fd_inside(out), WRITE, note_data(out, WRITE, to ? *to : position(out), n),
                     syscall(SYS_copy_file_range, in, from, out, to, n, flags));
}

int ftruncate(int fd, off_t size)
{
    struct stat st = {0};
    fstat(fd, &st);
    return (int)OPERATION(fd_inside(fd), TRUNCATE, note_data(fd, TRUNCATE, size, st.st_size > size ? (size_t)(st.st_size - size) : 0),
                          syscall(SYS_ftruncate, fd, size));
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fallocate(int fd, int how, off_t offset, off_t n)
{
    return (int)OPERATION(fd_inside(fd), ALLOCATE, note_data(fd, ALLOCATE, offset, (size_t)n), syscall(SYS_fallocate, fd, how, offset, n));
}

int fallocate64(int fd, int how, off_t offset, off_t n)
{
    return fallocate(fd, how, offset, n);
}

int posix_fallocate(int fd, off_t offset, off_t n)
{
    return fallocate(fd, 0, offset, n) ? errno : 0;
}

static int sync_fd(int fd, long call)
{
    return (int)OPERATION(fd_inside(fd), SYNC, synced(fd), syscall(call, fd));
}

int fsync(int fd)
{
    return sync_fd(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_fd(fd, SYS_fdatasync);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    bool clone = request == 0x40049409 /* FICLONE */ && fd_inside(fd);
    return (int)OPERATION(clone, CLONE, note_data(fd, CLONE, 0, SIZE_MAX >> 1), syscall(SYS_ioctl, fd, request, arg));
}

/* --- names --- */

int openat(int dir, const char *name, int flags, ...)
{
    char path[PATH_MAX];
    struct stat st;
    va_list ap;
    va_start(ap, flags);
    mode_t m = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    bool creates = flags & O_CREAT && ready && path_at(dir, name, path) && inside(path) && lstat(path, &st);
    return (int)OPERATION(creates, CREATE, note_name(CREATE, path, NULL), syscall(SYS_openat, dir, name, flags, m));
}

int openat64(int dir, const char *name, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t m = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return openat(dir, name, flags, m);
}

int open(const char *name, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t m = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return openat(AT_FDCWD, name, flags, m);
}

int open64(const char *name, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t m = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return openat(AT_FDCWD, name, flags, m);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    char a[PATH_MAX], b[PATH_MAX];
    bool mine = ready && path_at(from_dir, from, a) && path_at(to_dir, to, b) && (inside(a) || inside(b));
    return (int)OPERATION(mine, RENAME, save(note_name(RENAME, a, b), b), syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int dir, const char *name, int flags)
{
    char path[PATH_MAX];
    struct stat st;
    bool mine = ready && path_at(dir, name, path) && inside(path) && !lstat(path, &st) && S_ISDIR(st.st_mode) == !!(flags & AT_REMOVEDIR);
    return (int)OPERATION(mine, UNLINK, save(note_name(UNLINK, path, NULL), path), syscall(SYS_unlinkat, dir, name, flags));
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int rmdir(const char *name)
{
    return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int mkdirat(int dir, const char *name, mode_t m)
{
    char path[PATH_MAX];
    struct stat st;
    bool mine = ready && path_at(dir, name, path) && inside(path) && lstat(path, &st);
    return (int)OPERATION(mine, MKDIR, note_name(MKDIR, path, NULL), syscall(SYS_mkdirat, dir, name, m));
}

int mkdir(const char *name, mode_t m)
{
    return mkdirat(AT_FDCWD, name, m);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    char path[PATH_MAX];
    bool mine = ready && path_at(to_dir, to, path) && inside(path);
    return (int)OPERATION(mine, LINK, note_name(LINK, path, NULL), syscall(SYS_linkat, from_dir, from, to_dir, to, flags));
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int symlinkat(const char *target, int dir, const char *name)
{
    char path[PATH_MAX];
    bool mine = ready && path_at(dir, name, path) && inside(path);
    return (int)OPERATION(mine, LINK, note_name(LINK, path, NULL), syscall(SYS_symlinkat, target, dir, name));
}

int symlink(const char *target, const char *name)
{
    return symlinkat(target, AT_FDCWD, name);
}
