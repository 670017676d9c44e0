/* saving.c - a machine into a file, and back. See saving.h. */
#include "vm/saving.h"

#include "backend/disk.h"
#include "base/bits.h"
#include "base/error.h"
#include "save/saved.h"
#include "vm/life.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdatomic.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct vm_saving {
    char path[PATH_MAX];
    struct save_secret secret;
    bool encrypted;
    _Atomic int owners;
    _Atomic bool was_run;
    struct saved_ahead *ahead; /* NULL: nothing is written yet */
    int ahead_fd;
    char ahead_path[PATH_MAX];
};

struct vm_saving *vm_saving_new(const char *path, const void *key, size_t key_bytes, struct pome_error *err)
{
    struct vm_saving *s = calloc(1, sizeof *s);
    void *copy = malloc(key_bytes + 1);
    if (!s || !copy || (key && !key_bytes) || strlen(path) >= sizeof s->path - 16) {
        bool memory = !s || !copy;
        free(s);
        free(copy);
        if (memory)
            pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save or restore");
        else
            pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s", key && !key_bytes ? "the key is empty" : "the file's path is too long");
        return NULL;
    }
    strcpy(s->path, path);
    if (key)
        memcpy(copy, key, key_bytes);
    s->owners = 1;
    s->encrypted = key;
    s->secret = (struct save_secret){copy, key_bytes};
    return s;
}

static void end_ahead(struct vm_saving *s)
{
    if (!s->ahead)
        return;
    saved_ahead_free(s->ahead);
    close(s->ahead_fd);
    s->ahead = NULL;
}

void vm_saving_free(struct vm_saving *s)
{
    if (!s || atomic_fetch_sub(&s->owners, 1) > 1)
        return;
    end_ahead(s);
    explicit_bzero((void *)(uintptr_t)s->secret.bytes, s->secret.n);
    free((void *)(uintptr_t)s->secret.bytes);
    free(s);
}

void vm_saving_share(struct vm_saving *s)
{
    atomic_fetch_add(&s->owners, 1);
}

bool vm_saving_was_run(const struct vm_saving *s)
{
    return s->was_run;
}

static const struct save_secret *secret(const struct vm_saving *s)
{
    return s->encrypted ? &s->secret : NULL;
}

/* What the machine does not know of itself. */
static void facts(struct vm *vm, struct records *out)
{
    char identity[32] = "none";
    if (vm->config.ecid)
        snprintf(identity, sizeof identity, "%016" PRIx64, vm->config.ecid);
    records_put_text(out, "machine identity", identity);
    cpu_set_facts(vm->cpus, out);
}

/* Facts that the file must have instead: of whose memory it is. */
static void facts_instead(const struct vm *vm, struct records *out)
{
    const struct vm_origin *o = &vm->config.origin;
    char name[48], text[32];
    if (!o->ecid)
        return;
    snprintf(text, sizeof text, "%016" PRIx64, o->ecid);
    records_put_text(out, "machine identity", text);
    for (unsigned i = 0; i < o->n_macs; i++) {
        const uint8_t *m = o->mac[i];
        machine_mac_fact(i, name);
        snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
        records_put_text(out, name, text);
    }
}

static bool tell_progress(void *user, uint64_t done, uint64_t total)
{
    struct vm *vm = user;
    vm_progress(vm, total ? (double)done / (double)total : 1);
    return !vm_is_closing(vm);
}

/* ---- saving ---- */

static bool folder_of(const char *path, char folder[PATH_MAX], char temporary[PATH_MAX])
{
    char copy[PATH_MAX];
    unsigned random = 0;
    (void)!getrandom(&random, sizeof random, 0);
    strcpy(copy, path);
    strcpy(folder, dirname(copy));
    strcpy(copy, path);
    return snprintf(temporary, PATH_MAX, "%s/.%s.%08x", folder, basename(copy), random) < PATH_MAX;
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && !fsync(fd);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool goes_on(void *user, uint64_t done, uint64_t total)
{
    struct vm *vm = user;
    enum pome_vm_state s = vm_state(vm);
    return s != POME_VM_STOPPED && s != POME_VM_ERROR && !vm_is_closing(vm);
}

bool vm_save_ahead(struct vm *vm, struct vm_saving *s, const char *folder, struct pome_error *err)
{
    const struct save_progress progress = {goes_on, vm};
    if (snprintf(s->ahead_path, PATH_MAX, "%s/memory", folder) >= PATH_MAX)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the file's path is too long");
    s->ahead_fd = open(s->ahead_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->ahead_fd < 0)
        return pome_fail_errno(err, "%s: cannot make it", s->ahead_path);
    bool ok = saved_ahead_begin(vm->machine, s->ahead_fd, secret(s), &progress, &s->ahead, err);
    if (!s->ahead)
        close(s->ahead_fd);
    return ok;
}

/* What was written ahead is made whole, and moves. */
static bool finish_ahead(struct vm *vm, struct vm_saving *s, const char *path, struct pome_error *err)
{
    char folder[PATH_MAX], temporary[PATH_MAX];
    struct records more = {0};
    const struct save_subject subject = {vm->machine, vm->cpus, &more, NULL};
    const struct save_progress progress = {tell_progress, vm};
    facts(vm, &more);
    bool ok = folder_of(path, folder, temporary) && saved_ahead_finish(s->ahead, &subject, &progress, err);
    records_free(&more);
    end_ahead(s);
    return ok && ((!rename(s->ahead_path, path) && sync_folder(folder)) || pome_fail_errno(err, "%s: cannot take this name", path));
}

bool vm_save_to(struct vm *vm, struct vm_saving *s, const char *path, struct pome_error *err)
{
    if (s->ahead)
        return finish_ahead(vm, s, path, err);
    char folder[PATH_MAX], temporary[PATH_MAX];
    struct records more = {0};
    const struct save_subject subject = {vm->machine, vm->cpus, &more, NULL};
    const struct save_progress progress = {tell_progress, vm};
    if (!folder_of(path, folder, temporary))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the file's path is too long");
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return pome_fail_errno(err, "%s: cannot make it", path);
    facts(vm, &more);
    bool ok = saved_write(&subject, fd, secret(s), &progress, err);
    records_free(&more);
    close(fd);
    if (ok && (rename(temporary, path) || !sync_folder(folder)))
        ok = pome_fail_errno(err, "%s: cannot take this name", path);
    if (!ok)
        unlink(temporary);
    return ok;
}

bool vm_save_run(struct vm *vm, void *saving, struct pome_error *err)
{
    struct vm_saving *s = saving;
    struct stat st = {0};
    uint64_t begin = loop_now_ns();
    s->was_run = true;
    bool ok = vm_save_to(vm, s, s->path, err);
    if (ok && !stat(s->path, &st))
        NOTE(vm, "state", "saved in %.3f s: %lld bytes%s", (double)(loop_now_ns() - begin) / 1e9, (long long)st.st_size,
             s->encrypted ? ", encrypted" : "");
    vm_saving_free(s);
    return ok;
}

bool vm_watch_disk(void *user, const char *path, bool *there, struct pome_error *err)
{
    struct vm *vm = user;
    struct disk *d = machine_disk_at(vm->machine, path);
    *there = d;
    return !d || disk_watch(d, err);
}

bool vm_take_changed(void *user, const char *path, uint64_t *next, uint64_t *offset, uint64_t *bytes)
{
    struct vm *vm = user;
    return disk_take_changed(machine_disk_at(vm->machine, path), next, offset, bytes);
}

/* ---- restoring ---- */

static struct saved *open_saved(const struct vm_saving *s, struct pome_error *err)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        pome_fail_errno(err, "%s", s->path);
        return NULL;
    }
    struct saved *f = saved_open(fd, secret(s), err);
    if (!f)
        pome_fail_context(err, "%s", s->path);
    return f;
}

static bool compare(struct vm *vm, struct saved *f, struct findings *out, struct pome_error *err)
{
    struct records more = {0}, instead = {0};
    const struct save_subject subject = {vm->machine, vm->cpus, &more, &instead};
    facts(vm, &more);
    facts_instead(vm, &instead);
    bool ok = saved_compare(f, &subject, out, err);
    records_free(&more);
    records_free(&instead);
    return ok;
}

/* The file was changed or its disk fails: the guest cannot go on without what it should hold. */
static void memory_lost(void *ctx, const struct pome_error *why)
{
    struct vm *vm = ctx;
    pthread_mutex_lock(&vm->lock);
    vm->memory_lost = true;
    vm->error = *why;
    pthread_mutex_unlock(&vm->lock);
    cpu_set_stop(vm->cpus);
}

static bool load(struct vm *vm, struct saved *f, const char *path, struct pome_error *err)
{
    struct findings l = {0};
    struct records none = {0};
    const struct save_subject subject = {vm->machine, vm->cpus, &none, NULL};
    const struct save_progress progress = {tell_progress, vm};
    const struct save_trouble trouble = {memory_lost, vm};
    bool ok = compare(vm, f, &l, err) && findings_ok(&l, POME_ERROR_RESTORE, "the machine is not the saved one", err);
    findings_free(&l);
    ok = ok && saved_load(f, &subject, &trouble, &progress, err);
    return ok || pome_fail_context(err, "%s", path);
}

/* What was loaded before a failure is not to be met by the next start. */
static void undo(struct vm *vm)
{
    cpu_set_resume(vm->cpus);
    machine_reset(vm->machine);
    cpu_set_reset(vm->cpus);
    cpu_set_pause(vm->cpus);
}

bool vm_restore_run(struct vm *vm, void *saving, struct pome_error *err)
{
    struct vm_saving *s = saving;
    uint64_t begin = loop_now_ns();
    s->was_run = true;
    struct saved *f = open_saved(s, err);
    bool ok = f && load(vm, f, s->path, err);
    if (f && !ok)
        undo(vm);
    if (ok)
        NOTE(vm, "state", "restored in %.3f s%s", (double)(loop_now_ns() - begin) / 1e9, vm->config.origin.ecid ? ", with the memory of another machine" : "");
    vm->renews = ok && vm->config.origin.ecid;
    if (ok && machine_set_generation(vm->machine, vm->config.generation))
        NOTE(vm, "state", "the guest has another generation ID: it is one more copy of a machine");
    saved_free(f);
    vm_saving_free(s);
    return ok;
}

bool vm_saving_compare(struct vm *vm, const struct vm_saving *s, struct findings *out, struct pome_error *err)
{
    struct saved *f = open_saved(s, err);
    if (!f)
        return false;
    bool ok = compare(vm, f, out, err);
    saved_free(f);
    return ok || pome_fail_context(err, "%s", s->path);
}
