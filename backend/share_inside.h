/* share_inside.h - inside backend/: a share's inodes and open files. */
#ifndef BACKEND_SHARE_INSIDE_H
#define BACKEND_SHARE_INSIDE_H

#include "backend/share.h"
#include "base/bits.h"

#include <pthread.h>
#include <sys/stat.h>

#define SHARE_BUCKETS 4096
#define SHARE_FILES   1024
#define SHARE_INPUT   (80 * 1024) /* bytes of a request, without data to be written */

/* What the guest knows by number: slot + 1, and in the upper half how often the slot was used before. */
struct share_inode {
    int fd; /* O_PATH; -1: free */
    uint32_t generation;
    uint64_t lookups; /* that the guest has not forgotten */
    dev_t dev;
    ino_t ino;
    mode_t type; /* S_IFMT */
    int32_t next; /* in its bucket, or in the list of free ones; -1: last */
};

struct share_file {
    int fd; /* -1: free */
    uint32_t generation;
};

struct share {
    int root, proc; /* the folder; /proc/self/fd */
    bool writable;
    size_t max_inodes, n_inodes;
    struct share_inode *inode; /* 0: the root */
    int32_t free_inode, bucket[SHARE_BUCKETS];
    struct share_file file[SHARE_FILES];
    uint8_t input[SHARE_INPUT];
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct share_request *first, **last;
    unsigned under_way;
    bool stop, running;
};

/* Forgets all that the guest knows. */
void share_forget_all(struct share *s);

struct share_inode *share_inode(struct share *s, uint64_t id); /* NULL: no such one */
uint64_t share_inode_id(const struct share *s, const struct share_inode *i);
void share_inode_forget(struct share *s, uint64_t id, uint64_t lookups);

/* Looks a name up in a folder and counts that the guest knows it. 0, or an errno. */
int share_lookup(struct share *s, const struct share_inode *parent, const char *name, struct share_inode **out);

/* A descriptor of the inode itself: regular files and folders only, nothing that opening does something to. -1: errno. */
int share_inode_open(const struct share *s, const struct share_inode *i, int flags);
struct share_inode *share_inode_find(struct share *s, const struct stat *st); /* NULL: the guest does not know it */

/* For share_load: a slot that is free gets a number to come; false: it was asked for before. A slot that has one gets its inode. At the end all others are free. */
bool share_inode_reserve(struct share *s, uint32_t slot, uint32_t generation);
void share_inode_put(struct share *s, uint32_t slot, uint32_t generation, int fd, const struct stat *st, uint64_t lookups);
void share_inodes_settle(struct share *s);

/* "/proc/self/fd/N" of an inode, relative to s->proc. Leads to the inode itself, without a way by names. */
void share_inode_path(const struct share_inode *i, char path[16]);

/* Keeps an open file; 0, or an errno (fd is closed then). */
int share_file_add(struct share *s, int fd, uint64_t *handle);
int share_file_fd(const struct share *s, uint64_t handle); /* -1: no such one */
void share_file_close(struct share *s, uint64_t handle);

bool share_name_ok(const char *name);

#endif
