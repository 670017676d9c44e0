/* snapshot.c - named states of a machine: making and removing them. See snapshot.h. */
#include "bundle/snapshot.h"

#include "base/error.h"
#include "bundle/paths.h"
#include "bundle/snapshot_files.h"
#include "bundle/snapshot_line.h"
#include "bundle/snapshot_place.h"
#include "bundle/snapshot_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- creating ---- */

/* A machine goes on with the configuration that it ran with. Nothing is written where the file says just that. */
static bool put_settings(const struct bundle *b, struct bundle *to, const struct settings *s, struct pome_error *err)
{
    size_t n, now_n;
    char *text = settings_write(s, &n), *now = settings_write(&b->settings, &now_n);
    bool ok = text && now ? (n == now_n && !memcmp(text, now, n)) || bundle_member_write(to, BUNDLE_CONFIG, text, n, err)
                          : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
    free(text);
    free(now);
    return ok;
}

/* Its blocks are shared; or *k keeps them when they are overwritten; or, when very many do that already, it is a copy. *at_once: no copy. */
static bool take_disk(struct bundle *b, struct bundle *to, const struct tree_file *disk, struct kept **k, bool *at_once, struct job *j, struct pome_error *err)
{
    *at_once = tree_share_file(b, to, disk->path);
    if (*at_once)
        return true;
    if (!line_join(b, to, k, err))
        return false;
    *at_once = *k;
    return *at_once || tree_copy_file(b, to, disk, j, err);
}

/* Disk.img is the first. quick: none of the others takes long. */
static bool take_files(struct bundle *b, struct bundle *to, struct snapshot_files *f, bool quick, struct snapshot_ahead *ahead, struct kept **k, struct job *j, struct pome_error *err)
{
    bool at_once;
    if (!job_step(j, "Copying disks", 1, 1, snapshot_files_data(f), err) || !take_disk(b, to, &f->file[0], k, &at_once, j, err))
        return false;
    memmove(f->file, f->file + 1, --f->n * sizeof f->file[0]);
    if (!snapshot_files_copy(b, to, f, ahead, j, err))
        return false;
    if (quick && at_once)
        j->why_not_instant[0] = 0;
    return true;
}

static bool is_there(const struct bundle *b, enum bundle_member m)
{
    struct stat st;
    return !fstatat(b->dir_fd, bundle_member_name(m), &st, AT_SYMLINK_NOFOLLOW);
}

static bool fill(struct bundle *b, struct bundle *to, const struct snapshot_memory *memory, struct snapshot_ahead *ahead, struct kept **k, struct job *j, struct pome_error *err)
{
    char path[PATH_MAX], parent[SNAPSHOT_NAME_MAX + 1];
    struct snapshot_files *f = malloc(sizeof *f);
    struct settings *own = malloc(sizeof *own); /* what it runs with, or was saved with */
    bool ok = (f && own) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
    snprintf(path, sizeof path, "%.3900s/%s", to->path, bundle_member_name(BUNDLE_SAVED));
    if (ok && memory)
        *own = *memory->settings;
    ok = ok && (memory || bundle_saved_settings(b, own, err)) && snapshot_files_of(b, own, !memory, f, err) && (!memory || memory->write(memory->user, path, err)) &&
         take_files(b, to, f, !own->n_disks && (memory || !is_there(b, BUNDLE_SAVED)), ahead, k, j, err) && put_settings(b, to, own, err);
    free(own);
    free(f);
    snapshot_current_get(b, parent);
    bool has_memory = ok && is_there(to, BUNDLE_SAVED);
    return ok && (snapshot_description_put(to->dir_fd, parent, (int64_t)time(NULL), has_memory) || pome_fail_errno(err, "%s: cannot write", to->path));
}

bool snapshot_name_free(const struct bundle *b, const char *name, struct pome_error *err)
{
    char place[SNAPSHOT_NAME_MAX + 16];
    struct stat st;
    if (!snapshot_name_check(name, err))
        return false;
    snprintf(place, sizeof place, "%s/%.63s", snapshot_folder, name);
    return fstatat(b->dir_fd, place, &st, AT_SYMLINK_NOFOLLOW) || pome_fail(err, POME_ERROR_EXISTS, "%s has a snapshot \"%s\" already", b->path, name);
}

bool snapshot_create(struct bundle *b, const char *name, const struct snapshot_memory *memory, struct snapshot_ahead *ahead, struct job *j, struct pome_error *err)
{
    char staged[SNAPSHOT_NAME_MAX + 16];
    if (!snapshot_name_free(b, name, err))
        return false;
    snprintf(staged, sizeof staged, ".%.63s.new", name);
    struct bundle *to = snapshot_place_make(b, staged, err);
    struct kept *k = NULL;
    bool ok = to && fill(b, to, memory, ahead, &k, j, err) && (snapshot_place_rename(b, staged, name) || pome_fail_errno(err, "%s/%s/%s: cannot take this name", b->path, snapshot_folder, name));
    if (ok && k && memory && memory->keep) {
        memory->keep(memory->user, k);
        k = NULL;
    }
    kept_close(k);
    if (ok && !snapshot_current_set(b, name))
        ok = pome_fail_errno(err, "%s/%s/%s: cannot write", b->path, snapshot_folder, snapshot_current);
    snapshot_place_drop(to, !ok);
    return ok;
}

/* ---- deleting ---- */

struct removal {
    const struct bundle *b;
    struct snapshot gone;
    bool failed;
};

static bool find(void *user, const struct snapshot *s, unsigned depth)
{
    struct removal *r = user;
    const bool found = !strcmp(s->name, r->gone.name);
    if (found)
        r->gone = *s;
    return !found;
}

static bool give_child(void *user, const struct snapshot *s, unsigned depth)
{
    struct removal *r = user;
    if (strcmp(s->parent, r->gone.name))
        return true;
    struct bundle *p = snapshot_place_open(r->b, s->name, NULL);
    r->failed = !p || !snapshot_description_put(p->dir_fd, r->gone.parent, s->created_s, s->has_memory);
    snapshot_place_drop(p, false);
    return !r->failed;
}

/* It cannot be read: what others might want of it is lost already. */
static bool is_lost(const struct bundle *b, const char *name)
{
    struct bundle *p = snapshot_place_open(b, name, NULL);
    int disk = p ? member_open(b, BUNDLE_DISK, O_RDONLY, NULL) : -1;
    struct kept *k = disk >= 0 ? kept_open(p, disk, NULL) : NULL;
    const bool lost = disk >= 0 && !k;
    kept_close(k);
    if (disk >= 0)
        close(disk);
    snapshot_place_drop(p, false);
    return lost;
}

/* What others need of it they get. */
static bool leave_line(const struct bundle *b, const char *name, struct job *j, struct pome_error *err)
{
    struct line *l = line_open(b, err);
    bool ok = l ? !line_has(l, name) || line_leave(l, name, j, err) : is_lost(b, name);
    line_close(l);
    return ok;
}

/* Its children become its parent's. */
static bool take_out(struct removal *r, struct pome_error *err)
{
    const char *name = r->gone.name, *path = r->b->path;
    char doomed[SNAPSHOT_NAME_MAX + 16];
    snprintf(doomed, sizeof doomed, ".%.63s.gone", name);
    return snapshot_list(r->b, find, r, err) && snapshot_list(r->b, give_child, r, err) &&
           ((!r->failed && (!r->gone.is_current || snapshot_current_set(r->b, r->gone.parent)) && snapshot_place_rename(r->b, name, doomed)) ||
            pome_fail_errno(err, "%s/%s/%s: cannot remove", path, snapshot_folder, name));
}

static bool snapshot_there(const struct bundle *b, const char *name, struct pome_error *err)
{
    struct bundle *p = snapshot_place_open(b, name, err);
    snapshot_place_drop(p, false);
    return p;
}

static bool remove_it(struct bundle *b, const char *name, struct pome_error *err)
{
    char path[PATH_MAX];
    struct removal r = {.b = b};
    strcpy(r.gone.name, name);
    if (!take_out(&r, err))
        return false;
    snprintf(path, sizeof path, "%.3800s/%s/.%s.gone", b->path, snapshot_folder, name);
    remove_tree(path);
    return true;
}

bool snapshot_delete_ahead(struct bundle *b, const char *name, struct job *j, struct pome_error *err)
{
    return snapshot_name_check(name, err) && bundle_lock(b, err) && snapshot_there(b, name, err) && leave_line(b, name, j, err);
}

bool snapshot_delete_rest(struct bundle *b, const char *name, void (*keep)(void *user, struct kept *k), void *user, struct pome_error *err)
{
    struct job quiet = {0};
    struct kept *k = NULL;
    bool newest;
    bool ok = snapshot_delete_ahead(b, name, &quiet, err) && snapshots_keep_without(b, name, &newest, &k, err) && remove_it(b, name, err);
    if (ok && newest)
        keep(user, k);
    else
        kept_close(k);
    return ok;
}

bool snapshot_delete(struct bundle *b, const char *name, struct job *j, struct pome_error *err)
{
    return snapshot_delete_ahead(b, name, j, err) && remove_it(b, name, err);
}

struct bundle *snapshot_open(const struct bundle *b, const char *name, struct pome_error *err)
{
    return snapshot_name_check(name, err) ? snapshot_place_open(b, name, err) : NULL;
}

void snapshot_close(struct bundle *place)
{
    snapshot_place_drop(place, false);
}
