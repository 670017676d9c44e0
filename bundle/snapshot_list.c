/* snapshot_list.c - which snapshots there are, and whether they are in order. */
#include "bundle/snapshot.h"

#include "base/error.h"
#include "bundle/kept.h"
#include "bundle/snapshot_place.h"
#include "bundle/snapshot_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SNAPSHOTS_MAX = 256 };

/* ---- listing ---- */

struct all {
    size_t n;
    struct snapshot s[SNAPSHOTS_MAX];
};

static bool read_one(const struct bundle *b, const char *name, struct snapshot *s)
{
    struct stat st;
    *s = (struct snapshot){0};
    struct bundle *p = strlen(name) <= SNAPSHOT_NAME_MAX ? snapshot_place_open(b, name, NULL) : NULL;
    bool ok = p && snapshot_description_get(p->dir_fd, s);
    strcpy(s->name, p ? name : "");
    int fd = p ? dup(p->dir_fd) : -1;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (!fstatat(p->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode)) {
            s->bytes += (uint64_t)st.st_size;
            s->data += (uint64_t)st.st_blocks * 512;
        }
    if (d)
        closedir(d);
    snapshot_place_drop(p, false);
    return ok;
}

static int by_time(const void *a, const void *b)
{
    const struct snapshot *x = a, *y = b;
    return x->created_s != y->created_s ? (x->created_s > y->created_s) - (x->created_s < y->created_s) : strcmp(x->name, y->name);
}

static struct all *read_all(const struct bundle *b, struct pome_error *err)
{
    char now[SNAPSHOT_NAME_MAX + 1];
    struct all *l = calloc(1, sizeof *l);
    if (!l) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to list snapshots");
        return NULL;
    }
    snapshot_current_get(b, now);
    int fd = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && l->n < SNAPSHOTS_MAX && (e = readdir(d));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, snapshot_current) && read_one(b, e->d_name, &l->s[l->n])) {
            l->s[l->n].is_current = !strcmp(e->d_name, now);
            l->n++;
        }
    if (d)
        closedir(d);
    qsort(l->s, l->n, sizeof l->s[0], by_time);
    return l;
}

static bool is_there(const struct all *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->s[i].name, name))
            return true;
    return false;
}

/* A parent that is gone, or a ring of them, makes a root. */
static bool list_children(struct all *l, const char *parent, unsigned depth, bool told[], bool (*each)(void *, const struct snapshot *, unsigned), void *user)
{
    for (size_t i = 0; i < l->n; i++) {
        bool child = parent ? !strcmp(l->s[i].parent, parent) : !is_there(l, l->s[i].parent);
        if (!child || told[i])
            continue;
        told[i] = true;
        if (!each(user, &l->s[i], depth) || !list_children(l, l->s[i].name, depth + 1, told, each, user))
            return false;
    }
    return true;
}

bool snapshot_list(const struct bundle *b, bool (*each)(void *user, const struct snapshot *s, unsigned depth), void *user, struct pome_error *err)
{
    bool told[SNAPSHOTS_MAX] = {false};
    struct all *l = read_all(b, err);
    if (!l)
        return false;
    bool go_on = list_children(l, NULL, 0, told, each, user);
    for (size_t i = 0; go_on && i < l->n; i++)
        go_on = told[i] || each(user, &l->s[i], 0);
    free(l);
    return true;
}

/* ---- checking ---- */

/* Whole ones are. */
static bool kept_is_right(const struct bundle *b, const char *name, struct pome_error *why)
{
    *why = (struct pome_error){0};
    struct bundle *p = snapshot_place_open(b, name, NULL);
    int disk = p ? bundle_member_open(b, BUNDLE_DISK, O_RDONLY, NULL) : -1;
    struct kept *k = disk >= 0 ? kept_open(p, disk, why) : NULL;
    const bool right = disk < 0 || k || why->code == POME_ERROR_NOT_FOUND;
    kept_close(k);
    if (disk >= 0)
        close(disk);
    snapshot_place_drop(p, false);
    return right;
}

void snapshots_check(const struct bundle *b, void (*each)(void *user, const char *file, const char *what, bool pending), void *user)
{
    char file[300], now[SNAPSHOT_NAME_MAX + 1];
    struct snapshot s;
    struct pome_error why;
    struct stat st;
    int fd = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(file, sizeof file, "%s/%s", snapshot_folder, e->d_name);
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, snapshot_current))
            continue;
        if (!strcmp(e->d_name, snapshot_decided))
            each(user, file, "a snapshot that is restored half: the next command that uses the machine goes on", true);
        else if (e->d_name[0] == '.')
            each(user, file, "left behind by a command that died: the next one that uses the machine removes it", true);
        else if (!kept_is_right(b, e->d_name, &why))
            each(user, file, why.message, false);
        else if (!read_one(b, e->d_name, &s))
            each(user, file, "no snapshot: Snapshot.json is missing or damaged", false);
        else if (s.parent[0] && (snprintf(file, sizeof file, "%s/%s", snapshot_folder, s.parent), fstatat(b->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW)))
            each(user, file, "a parent that is not there", false);
    }
    if (d)
        closedir(d);
    snapshot_current_get(b, now);
    snprintf(file, sizeof file, "%s/%s", snapshot_folder, now);
    if (now[0] && fstatat(b->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW))
        each(user, file, "the machine's state comes from this snapshot, which is not there", false);
}
