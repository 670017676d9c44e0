/* snapshot.c - named states of a machine. See snapshot.h. */
#include "bundle/snapshot.h"

#include "base/bits.h"
#include "base/error.h"
#include "bundle/paths.h"
#include "bundle/snapshot_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char description[] = "Snapshot.json", decided[] = ".restore",
                  without_saved[] = "without-SaveFile", without_warm[] = "without-Warm";

enum { FILES_MAX = 5 + SETTINGS_MAX_ITEMS, SNAPSHOTS_MAX = 256 };

/* ---- small files ---- */

static bool put_text(int dir, const char *name, const char *text)
{
    char temporary[300];
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    size_t n = strlen(text);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && !fsync(fd) && !renameat(dir, temporary, dir, name) && !fsync(dir);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool get_text(int dir, const char *name, char *text, size_t room)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return n > 0;
}

/* "" when there is none. */
static void get_current(const struct bundle *b, char name[SNAPSHOT_NAME_MAX + 1])
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", snapshot_folder, snapshot_current);
    get_text(b->dir_fd, path, name, SNAPSHOT_NAME_MAX + 1);
}

static bool set_current(const struct bundle *b, const char *name)
{
    int dir = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = dir >= 0 && put_text(dir, snapshot_current, name);
    if (dir >= 0)
        close(dir);
    return ok;
}

static bool put_description(int dir, const char *parent, int64_t created_s, bool has_memory)
{
    json_t *j = json_pack("{s:i, s:s, s:I, s:b}", "version", 1, "parent", parent, "created", (json_int_t)created_s, "memory", has_memory);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    bool ok = text && put_text(dir, description, text);
    free(text);
    json_decref(j);
    return ok;
}

static bool get_description(int dir, struct snapshot *s)
{
    int fd = openat(dir, description, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[1024];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    json_t *j = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const char *parent = "";
    json_int_t created = 0;
    int version = 0, memory = 0;
    bool ok = j && !json_unpack(j, "{s:i, s:s, s:I, s:b}", "version", &version, "parent", &parent, "created", &created, "memory", &memory) && version == 1 &&
              strlen(parent) <= SNAPSHOT_NAME_MAX;
    if (ok) {
        strcpy(s->parent, parent);
        s->created_s = created;
        s->has_memory = memory;
    }
    json_decref(j);
    return ok;
}

/* ---- which files ---- */

struct files {
    size_t n;
    struct tree_file file[FILES_MAX];
};

static bool add_file(const struct bundle *from, const char *name, bool needed, struct files *f, struct pome_error *err)
{
    struct stat st;
    if (fstatat(from->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return (errno == ENOENT && !needed) || pome_fail_errno(err, "%s/%s", from->path, name);
    if (!S_ISREG(st.st_mode) || strchr(name, '/'))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s/%s: a snapshot holds regular files of the bundle's own folder only", from->path, name);
    struct tree_file *t = &f->file[f->n++];
    *t = (struct tree_file){.bytes = (uint64_t)st.st_size, .data = MIN((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size)};
    snprintf(t->path, sizeof t->path, "%s", name);
    return true;
}

/* What changes while a machine runs. SaveFile.pomesave is asked for separately: memory may come from elsewhere. */
static bool files_of(const struct bundle *from, const struct settings *s, bool saved, struct files *f, struct pome_error *err)
{
    f->n = 0;
    bool ok = add_file(from, bundle_member_name(BUNDLE_DISK), true, f, err) && add_file(from, bundle_member_name(BUNDLE_AUX), false, f, err) &&
              add_file(from, "NVRAM", false, f, err) && (!saved || (add_file(from, bundle_member_name(BUNDLE_SAVED), false, f, err) && add_file(from, bundle_member_name(BUNDLE_WARM), false, f, err)));
    for (size_t i = 0; ok && i < s->n_disks; i++)
        ok = s->disks[i].read_only || add_file(from, s->disks[i].file, true, f, err);
    return ok && add_file(from, bundle_member_name(BUNDLE_CONFIG), true, f, err);
}

static uint64_t data_of(const struct files *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += f->file[i].data;
    return n;
}

/* ahead NULL: nothing was copied ahead. */
static bool copy_files(const struct bundle *from, const struct bundle *to, const struct files *f, struct snapshot_ahead *ahead, struct job *j, struct pome_error *err)
{
    for (size_t i = 0; i < f->n; i++) {
        bool there = false;
        if ((ahead && !snapshot_ahead_take(ahead, f->file[i].path, to, &there, j, err)) || (!there && !tree_copy_file(from, to, &f->file[i], j, err)))
            return false;
    }
    return true;
}

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

static bool fill(struct bundle *b, struct bundle *to, const struct snapshot_memory *memory, struct snapshot_ahead *ahead, struct job *j, struct pome_error *err)
{
    char path[PATH_MAX], parent[SNAPSHOT_NAME_MAX + 1];
    struct files *f = malloc(sizeof *f);
    struct stat st;
    bool ok = f || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
    snprintf(path, sizeof path, "%.3900s/%s", to->path, bundle_member_name(BUNDLE_SAVED));
    ok = ok && files_of(b, memory ? memory->settings : &b->settings, !memory, f, err) && (!memory || memory->write(memory->user, path, err)) &&
         job_step(j, "Copying disks", 1, 1, data_of(f), err) && copy_files(b, to, f, ahead, j, err) &&
         (!memory || put_settings(b, to, memory->settings, err));
    free(f);
    get_current(b, parent);
    bool has_memory = ok && !fstatat(to->dir_fd, bundle_member_name(BUNDLE_SAVED), &st, AT_SYMLINK_NOFOLLOW);
    return ok && (put_description(to->dir_fd, parent, (int64_t)time(NULL), has_memory) || pome_fail_errno(err, "%s: cannot write", to->path));
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
    bool ok = to && fill(b, to, memory, ahead, j, err) && (snapshot_place_rename(b, staged, name) || pome_fail_errno(err, "%s/%s/%s: cannot take this name", b->path, snapshot_folder, name));
    if (ok && !set_current(b, name))
        ok = pome_fail_errno(err, "%s/%s/%s: cannot write", b->path, snapshot_folder, snapshot_current);
    snapshot_place_drop(to, !ok);
    return ok;
}

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
    bool ok = p && get_description(p->dir_fd, s);
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
    get_current(b, now);
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

/* ---- restoring ---- */

static bool fill_restore(struct bundle *b, const struct bundle *from, struct bundle *to, const char *name, struct job *j, struct pome_error *err)
{
    struct files *f = malloc(sizeof *f);
    struct bundle *view = malloc(sizeof *view); /* the snapshot with its own configuration */
    struct stat st;
    bool ok = (f && view) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
    if (ok) {
        *view = *from;
        ok = bundle_read_config(view, err) && files_of(view, &view->settings, true, f, err) &&
             job_step(j, "Copying disks", 1, 1, data_of(f), err) && copy_files(from, to, f, NULL, j, err);
    }
    if (ok && fstatat(to->dir_fd, bundle_member_name(BUNDLE_SAVED), &st, AT_SYMLINK_NOFOLLOW))
        ok = put_text(to->dir_fd, without_saved, "\n") || pome_fail_errno(err, "%s: cannot write", to->path);
    if (ok && fstatat(to->dir_fd, bundle_member_name(BUNDLE_WARM), &st, AT_SYMLINK_NOFOLLOW))
        ok = put_text(to->dir_fd, without_warm, "\n") || pome_fail_errno(err, "%s: cannot write", to->path);
    ok = ok && (put_text(to->dir_fd, snapshot_current, name) || pome_fail_errno(err, "%s: cannot write", to->path));
    free(view);
    free(f);
    return ok;
}

/* A file that says that the snapshot has not this member. */
static bool remove_instead(const struct bundle *b, const struct bundle *place, const char *file, enum bundle_member m)
{
    return (!unlinkat(b->dir_fd, bundle_member_name(m), 0) || errno == ENOENT) && !fsync(b->dir_fd) && !unlinkat(place->dir_fd, file, 0);
}

/* Every file in .restore takes its place. Twice is as good as once. */
static bool carry_out(struct bundle *b, struct pome_error *err)
{
    struct bundle *p = snapshot_place_open(b, decided, err);
    int snapshots = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = p ? dup(p->dir_fd) : -1;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    bool ok = d && snapshots >= 0;
    for (struct dirent *e; ok && (e = readdir(d));) {
        const char *name = e->d_name;
        if (name[0] == '.' && (!name[1] || !strcmp(name, "..")))
            continue;
        if (!strcmp(name, without_saved) || !strcmp(name, without_warm))
            ok = remove_instead(b, p, name, !strcmp(name, without_warm) ? BUNDLE_WARM : BUNDLE_SAVED);
        else
            ok = !renameat(p->dir_fd, name, strcmp(name, snapshot_current) ? b->dir_fd : snapshots, name);
    }
    ok = ok && !fsync(b->dir_fd) && !fsync(snapshots) && !unlinkat(snapshots, decided, AT_REMOVEDIR) && !fsync(snapshots);
    if (!ok && p)
        pome_fail_errno(err, "%s: a snapshot is restored half: the next command goes on", b->path);
    if (d)
        closedir(d);
    if (snapshots >= 0)
        close(snapshots);
    snapshot_place_drop(p, false);
    return ok;
}

bool snapshot_restore(struct bundle *b, const char *name, struct job *j, struct pome_error *err)
{
    if (!snapshot_name_check(name, err) || !bundle_lock(b, err))
        return false;
    struct bundle *from = snapshot_place_open(b, name, err), *to = from ? snapshot_place_make(b, ".restore.new", err) : NULL;
    bool ok = to && fill_restore(b, from, to, name, j, err) &&
              (snapshot_place_rename(b, ".restore.new", decided) || pome_fail_errno(err, "%s: cannot restore", b->path));
    snapshot_place_drop(to, to && !ok);
    snapshot_place_drop(from, false);
    return ok && carry_out(b, err) && bundle_load(b, err);
}

/* ---- deleting ---- */

static bool give_children(const struct bundle *b, const struct all *l, const struct snapshot *gone)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct snapshot *s = &l->s[i];
        if (strcmp(s->parent, gone->name))
            continue;
        struct bundle *p = snapshot_place_open(b, s->name, NULL);
        bool ok = p && put_description(p->dir_fd, gone->parent, s->created_s, s->has_memory);
        snapshot_place_drop(p, false);
        if (!ok)
            return false;
    }
    return !gone->is_current || set_current(b, gone->parent);
}

bool snapshot_delete(struct bundle *b, const char *name, struct pome_error *err)
{
    char doomed[SNAPSHOT_NAME_MAX + 16], path[PATH_MAX];
    if (!snapshot_name_check(name, err) || !bundle_lock(b, err))
        return false;
    struct bundle *p = snapshot_place_open(b, name, err);
    struct all *l = p ? read_all(b, err) : NULL;
    snapshot_place_drop(p, false);
    if (!l)
        return false;
    struct snapshot gone = {0};
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->s[i].name, name))
            gone = l->s[i];
    strcpy(gone.name, name);
    snprintf(doomed, sizeof doomed, ".%s.gone", name);
    snprintf(path, sizeof path, "%.3800s/%s/%s", b->path, snapshot_folder, doomed);
    bool ok = (give_children(b, l, &gone) && snapshot_place_rename(b, name, doomed)) || pome_fail_errno(err, "%s/%s/%s: cannot remove", b->path, snapshot_folder, name);
    if (ok)
        remove_tree(path);
    free(l);
    return ok;
}

struct bundle *snapshot_open(const struct bundle *b, const char *name, struct pome_error *err)
{
    return snapshot_name_check(name, err) ? snapshot_place_open(b, name, err) : NULL;
}

void snapshot_close(struct bundle *place)
{
    snapshot_place_drop(place, false);
}

/* ---- after a crash ---- */

bool snapshots_finish(struct bundle *b, bool *changed, struct pome_error *err)
{
    struct stat st;
    char path[PATH_MAX];
    *changed = false;
    snprintf(path, sizeof path, "%s/%s", snapshot_folder, decided);
    if (!fstatat(b->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW)) {
        *changed = true;
        if (!carry_out(b, err))
            return false;
    }
    int fd = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] == '.' && strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            snprintf(path, sizeof path, "%.3700s/%s/%s", b->path, snapshot_folder, e->d_name);
            remove_tree(path);
        }
    if (d)
        closedir(d);
    return true;
}

void snapshots_check(const struct bundle *b, void (*each)(void *user, const char *file, const char *what, bool pending), void *user)
{
    char file[300], now[SNAPSHOT_NAME_MAX + 1];
    struct snapshot s;
    struct stat st;
    int fd = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(file, sizeof file, "%s/%s", snapshot_folder, e->d_name);
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, snapshot_current))
            continue;
        if (!strcmp(e->d_name, decided))
            each(user, file, "a snapshot that is restored half: the next command that uses the machine goes on", true);
        else if (e->d_name[0] == '.')
            each(user, file, "left behind by a command that died: the next one that uses the machine removes it", true);
        else if (!read_one(b, e->d_name, &s))
            each(user, file, "no snapshot: Snapshot.json is missing or damaged", false);
        else if (s.parent[0] && (snprintf(file, sizeof file, "%s/%s", snapshot_folder, s.parent), fstatat(b->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW)))
            each(user, file, "a parent that is not there", false);
    }
    if (d)
        closedir(d);
    get_current(b, now);
    snprintf(file, sizeof file, "%s/%s", snapshot_folder, now);
    if (now[0] && fstatat(b->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW))
        each(user, file, "the machine's state comes from this snapshot, which is not there", false);
}
