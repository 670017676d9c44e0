/* share.c - a share's thread, its inodes and its open files (see share.h). The requests are in share_ops.c. */
#include "backend/share_inside.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_INODES 60000
#define ROOT_ID     1

/* ---- names ---- */

bool share_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n && n <= 255 && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int open_beneath(int folder, const char *name)
{
    struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

void share_inode_path(const struct share_inode *i, char path[16])
{
    snprintf(path, 16, "%d", i->fd);
}

/* ---- inodes ---- */

static int32_t *bucket_of(struct share *s, dev_t dev, ino_t ino)
{
    uint64_t h = ((uint64_t)ino * UINT64_C(0x9e3779b97f4a7c15)) ^ (uint64_t)dev;
    return &s->bucket[(h >> 32) % SHARE_BUCKETS];
}

struct share_inode *share_inode(struct share *s, uint64_t id)
{
    uint64_t slot = (id & UINT32_MAX) - 1;
    struct share_inode *i = slot < s->n_inodes ? &s->inode[slot] : NULL;
    return i && i->fd >= 0 && i->generation == id >> 32 ? i : NULL;
}

uint64_t share_inode_id(const struct share *s, const struct share_inode *i)
{
    return (uint64_t)i->generation << 32 | (uint64_t)(i - s->inode + 1);
}

struct share_inode *share_inode_find(struct share *s, const struct stat *st)
{
    for (int32_t k = *bucket_of(s, st->st_dev, st->st_ino); k >= 0; k = s->inode[k].next)
        if (s->inode[k].dev == st->st_dev && s->inode[k].ino == st->st_ino)
            return &s->inode[k];
    return NULL;
}

/* NULL: as many as there may be. */
static struct share_inode *add(struct share *s, int fd, const struct stat *st)
{
    struct share_inode *i;
    if (s->free_inode >= 0) {
        i = &s->inode[s->free_inode];
        s->free_inode = i->next;
    } else if (s->n_inodes < s->max_inodes) {
        i = &s->inode[s->n_inodes++];
        i->generation = 0;
    } else {
        return NULL;
    }
    int32_t *bucket = bucket_of(s, st->st_dev, st->st_ino);
    *i = (struct share_inode){ .fd = fd, .generation = i->generation, .dev = st->st_dev, .ino = st->st_ino, .type = st->st_mode & S_IFMT,
                               .next = *bucket };
    *bucket = (int32_t)(i - s->inode);
    return i;
}

int share_lookup(struct share *s, const struct share_inode *parent, const char *name, struct share_inode **out)
{
    struct stat st;
    if (!share_name_ok(name))
        return strlen(name) > 255 ? ENAMETOOLONG : ENOENT;
    int fd = open_beneath(parent->fd, name);
    if (fd < 0)
        return errno;
    if (fstat(fd, &st)) {
        int e = errno;
        close(fd);
        return e;
    }
    struct share_inode *i = share_inode_find(s, &st);
    if (i)
        close(fd);
    else if (!(i = add(s, fd, &st))) {
        close(fd);
        return ENFILE;
    }
    i->lookups++;
    *out = i;
    return 0;
}

void share_inode_forget(struct share *s, uint64_t id, uint64_t lookups)
{
    struct share_inode *i = share_inode(s, id);
    if (!i || id == ROOT_ID)
        return;
    i->lookups -= MIN(i->lookups, lookups);
    if (i->lookups)
        return;
    int32_t slot = (int32_t)(i - s->inode), *p = bucket_of(s, i->dev, i->ino);
    while (*p != slot)
        p = &s->inode[*p].next;
    *p = i->next;
    close(i->fd);
    i->fd = -1;
    i->generation++;
    i->next = s->free_inode;
    s->free_inode = slot;
}

/* ---- inodes of a saved machine ---- */

/* An impossible number of lookups marks slots that are spoken for. */
bool share_inode_reserve(struct share *s, uint32_t slot, uint32_t generation)
{
    for (; s->n_inodes <= slot; s->n_inodes++)
        s->inode[s->n_inodes] = (struct share_inode){ .fd = -1 };
    struct share_inode *i = &s->inode[slot];
    if (i->fd >= 0 || i->lookups == UINT64_MAX)
        return false;
    i->lookups = UINT64_MAX;
    i->generation = generation + 1; /* if it is lost, the guest's number stays dead */
    return true;
}

void share_inode_put(struct share *s, uint32_t slot, uint32_t generation, int fd, const struct stat *st, uint64_t lookups)
{
    int32_t *bucket = bucket_of(s, st->st_dev, st->st_ino);
    s->inode[slot] = (struct share_inode){ .fd = fd, .generation = generation, .lookups = lookups, .dev = st->st_dev, .ino = st->st_ino,
                                           .type = st->st_mode & S_IFMT, .next = *bucket };
    *bucket = (int32_t)slot;
}

void share_inodes_settle(struct share *s)
{
    s->free_inode = -1;
    for (size_t k = s->n_inodes; k-- > 1;)
        if (s->inode[k].fd < 0) {
            s->inode[k].lookups = 0;
            s->inode[k].next = s->free_inode;
            s->free_inode = (int32_t)k;
        }
}

/* ---- open files ---- */

int share_file_add(struct share *s, int fd, uint64_t *handle)
{
    for (unsigned i = 0; i < SHARE_FILES; i++)
        if (s->file[i].fd < 0) {
            s->file[i].fd = fd;
            *handle = (uint64_t)s->file[i].generation << 32 | i;
            return 0;
        }
    close(fd);
    return ENFILE;
}

int share_file_fd(const struct share *s, uint64_t handle)
{
    uint32_t slot = (uint32_t)handle;
    return slot < SHARE_FILES && s->file[slot].generation == handle >> 32 ? s->file[slot].fd : -1;
}

void share_file_close(struct share *s, uint64_t handle)
{
    int fd = share_file_fd(s, handle);
    if (fd < 0)
        return;
    close(fd);
    s->file[(uint32_t)handle].fd = -1;
    s->file[(uint32_t)handle].generation++;
}

void share_forget_all(struct share *s)
{
    for (size_t i = 1; i < s->n_inodes; i++)
        if (s->inode[i].fd >= 0)
            share_inode_forget(s, share_inode_id(s, &s->inode[i]), UINT64_MAX);
    for (unsigned i = 0; i < SHARE_FILES; i++)
        if (s->file[i].fd >= 0)
            share_file_close(s, (uint64_t)s->file[i].generation << 32 | i);
}

/* ---- the thread ---- */

static void *serve(void *arg)
{
    struct share *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct share_request *r = s->first;
        if (!r) {
            if (s->stop)
                break;
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        s->first = r->next;
        if (!s->first)
            s->last = &s->first;
        pthread_mutex_unlock(&s->lock);
        share_answer(s, r);
        r->done(r);
        pthread_mutex_lock(&s->lock);
        s->under_way--;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void share_submit(struct share *s, struct share_request *r)
{
    pthread_mutex_lock(&s->lock);
    r->next = NULL;
    *s->last = r;
    s->last = &r->next;
    s->under_way++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool share_drain(struct share *s, unsigned timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&s->lock);
    while (s->under_way && pthread_cond_timedwait(&s->changed, &s->lock, &end) != ETIMEDOUT)
        ;
    bool idle = !s->under_way;
    pthread_mutex_unlock(&s->lock);
    return idle;
}

/* ---- making and ending ---- */

/* Every inode that the guest knows is a descriptor here: as many as the host allows, less what others need. */
static size_t inodes_possible(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r))
        return 256;
    rlim_t want = MIN(r.rlim_max, MOST_INODES + 4096);
    if (r.rlim_cur < want) {
        r.rlim_cur = want;
        setrlimit(RLIMIT_NOFILE, &r);
        getrlimit(RLIMIT_NOFILE, &r);
    }
    return MIN(r.rlim_cur / 2, MOST_INODES);
}

static bool open_root(struct share *s, const char *path, struct pome_error *err)
{
    struct stat st;
    s->root = open(path, O_PATH | O_CLOEXEC);
    if (s->root < 0 || fstat(s->root, &st))
        return pome_fail_errno(err, "%s: cannot be shared", path);
    if (!S_ISDIR(st.st_mode))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: cannot be shared: it is no folder", path);
    int dot = open_beneath(s->root, ".");
    if (dot < 0)
        return errno == ENOSYS ? pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: sharing needs Linux 5.6 on the host (openat2)", path)
                               : pome_fail_errno(err, "%s: cannot be shared", path);
    close(dot);
    s->proc = open("/proc/self/fd", O_PATH | O_CLOEXEC);
    if (s->proc < 0)
        return pome_fail_errno(err, "%s: cannot be shared: /proc/self/fd", path);
    add(s, s->root, &st);
    return true;
}

struct share *share_create(const char *path, bool writable, struct pome_error *err)
{
    struct share *s = calloc(1, sizeof *s);
    size_t n = inodes_possible();
    if (!s || !(s->inode = calloc(n, sizeof *s->inode))) {
        free(s);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: cannot be shared: no memory", path);
        return NULL;
    }
    s->root = s->proc = s->free_inode = -1;
    s->writable = writable;
    s->max_inodes = n;
    s->last = &s->first;
    memset(s->bucket, 0xff, sizeof s->bucket);
    for (unsigned i = 0; i < SHARE_FILES; i++)
        s->file[i].fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic; /* whoever sets the host's clock does not lengthen a wait */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (open_root(s, path, err)) {
        s->running = !pthread_create(&s->thread, NULL, serve, s);
        if (s->running)
            return s;
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: cannot be shared: no thread", path);
    }
    share_destroy(s);
    return NULL;
}

void share_destroy(struct share *s)
{
    if (!s)
        return;
    if (s->running) {
        pthread_mutex_lock(&s->lock);
        s->stop = true;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    share_forget_all(s);
    if (s->root >= 0)
        close(s->root);
    if (s->proc >= 0)
        close(s->proc);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s->inode);
    free(s);
}
