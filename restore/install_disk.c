/* install_disk.c - the steps that write Disk.img: partition map, OS image, boot set, Recovery. */
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "formats/fat.h"
#include "restore/hasher.h"
#include "restore/install.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static bool write_at(const struct install *in, const void *bytes, size_t n, uint64_t offset, struct pome_error *err)
{
    char path[PATH_MAX];
    return bundle_member_path(in->bundle, BUNDLE_DISK, path) && file_write_at(in->disk_fd, path, bytes, n, offset, err);
}

/* --- partition map --- */

/* A new, empty Disk.img in the place of the old one, in one step: whenever we are killed there is one of the right size. */
static bool empty_disk(struct install *in, struct pome_error *err)
{
    if (!bundle_member_make_sparse(in->bundle, BUNDLE_DISK, in->bundle->disk_bytes, NULL, 0, err))
        return false;
    close(in->disk_fd);
    in->disk_fd = bundle_member_open(in->bundle, BUNDLE_DISK, O_RDWR, err);
    return in->disk_fd >= 0;
}

void install_empty_disk(struct install *in)
{
    struct pome_error err = {0};
    if (!empty_disk(in, &err))
        log_host(in->log, "org.pome.install", "disk", LOG_LEVEL_ERROR, "it cannot be emptied: %s", err.message);
}

bool install_partition_map(struct install *in, struct pome_error *err)
{
    static uint8_t primary[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES];
    if (in->kept)
        return true;
    /* From here on all that is not written reads as zero: the next steps count on it. */
    if (!empty_disk(in, err))
        return false;
    gpt_write(&in->gpt, primary, backup);
    return write_at(in, primary, sizeof primary, 0, err) && write_at(in, backup, sizeof backup, in->bundle->disk_bytes - sizeof backup, err);
}

/* --- OS image --- */

struct os_target {
    struct install *in;
    uint64_t offset, told; /* told: what the host was asked to write out */
    char path[PATH_MAX];
};

enum { START_WRITING = 16 << 20 };

/* On a thread of its own. Writes what is not zero. The host's disk is to write while we uncompress: it is told so, piece by piece, and there is less to
 * wait for at the end. */
static bool os_write(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct os_target *t = user;
    if (offset + n - t->told >= START_WRITING) {
        sync_file_range(t->in->disk_fd, (off_t)(t->offset + t->told), (off_t)(offset - t->told), SYNC_FILE_RANGE_WRITE);
        t->told = offset;
    }
    return file_write_sparse(t->in->disk_fd, t->path, bytes, n, t->offset + offset, err);
}

static bool os_restored(void *user, uint64_t read, uint64_t made, struct pome_error *err)
{
    struct install *in = ((struct os_target *)user)->in;
    return install_progress(in, made, install_component(in, "OS")->uncompressed_size, err);
}

bool install_os(struct install *in, struct pome_error *err)
{
    struct os_target t = {.in = in, .offset = layout_offset(&in->gpt, LAYOUT_MAIN)};
    if (in->kept)
        return true;
    return bundle_member_path(in->bundle, BUNDLE_DISK, t.path) &&
           restore_image_read_os(in->image, install_component(in, "OS"), os_write, os_restored, &t, err) && install_write_journal(in, err);
}

/* --- an installation that was cut off --- */

bool install_find_map(struct install *in)
{
    static uint8_t primary[GPT_PRIMARY_BYTES];
    struct gpt found, *g = &found;
    char path[PATH_MAX];
    bool ok = bundle_member_path(in->bundle, BUNDLE_DISK, path) && file_read_at(in->disk_fd, path, primary, sizeof primary, 0, NULL) &&
              gpt_read(primary, in->bundle->disk_bytes / GPT_SECTOR, g, NULL) && g->n == in->gpt.n;
    for (size_t i = 0; ok && i < g->n; i++)
        ok = g->partitions[i].first == in->gpt.partitions[i].first && g->partitions[i].last == in->gpt.partitions[i].last &&
             !memcmp(g->partitions[i].type, in->gpt.partitions[i].type, 16);
    if (ok)
        in->gpt = found;
    return ok;
}

bool install_empty_container(const struct install *in, enum layout_container c)
{
    return !fallocate(in->disk_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)layout_offset(&in->gpt, c), (off_t)layout_bytes(&in->gpt, c));
}

/* Reads the OS image on the disk and compares its digest: less than to restore it again, and sure. The other two containers, which may be half
 * written, are emptied. */
bool install_keep_disk(struct install *in, struct pome_error *err)
{
    const struct manifest_component *os = install_component(in, "OS");
    char path[PATH_MAX];
    uint8_t got[SHA384_BYTES];
    if (!install_find_map(in) || !bundle_member_path(in->bundle, BUNDLE_DISK, path))
        return true;
    struct hasher *sum = hasher_begin();
    bool ok = true, whole = sum;
    for (uint64_t at = 0; ok && whole && at < os->uncompressed_size; at += HASHER_PIECE) {
        size_t n = (size_t)MIN(HASHER_PIECE, os->uncompressed_size - at);
        whole = file_read_at(in->disk_fd, path, hasher_piece(sum), n, layout_offset(&in->gpt, LAYOUT_MAIN) + at, NULL);
        hasher_push(sum, whole ? n : 0);
        ok = install_progress(in, at + n, os->uncompressed_size, err);
    }
    hasher_end(sum, got);
    if (ok && whole && !memcmp(got, os->uncompressed_digest, SHA384_BYTES) && install_empty_container(in, LAYOUT_ISC) &&
        install_empty_container(in, LAYOUT_RECOVERY))
        in->kept = true;
    return ok;
}

/* --- FAT containers --- */

/* A file of a FAT container: bytes in memory, or an IM4P of the restore image. */
struct content {
    const void *bytes;
    const struct manifest_component *component;
};

struct container {
    struct install *in;
    uint64_t base;
    size_t n;
    struct fat_file files[16];
    struct content contents[16];
    char paths[16][32];
    uint64_t total, done;
    const struct fat_file *file; /* the component being copied */
};

static void add_bytes(struct container *k, const char *path, const void *bytes, size_t n)
{
    snprintf(k->paths[k->n], sizeof k->paths[0], "%s", path);
    k->contents[k->n] = (struct content){.bytes = bytes};
    k->files[k->n] = (struct fat_file){.path = k->paths[k->n], .size = n};
    k->total += n;
    k->n++;
}

/* All components of a place as they are, and the ticket for them, in folder. */
static bool add_components(struct container *k, enum component_place place, const char *folder, const struct ticket *ticket, struct pome_error *err)
{
    char path[32];
    for (size_t i = 0; i < COMPONENT_ROLES; i++) {
        const struct component_role *role = &component_roles[i];
        struct im4p p;
        if (role->place != place || !install_has(k->in, role))
            continue;
        k->contents[k->n].component = install_component(k->in, role->name);
        if (!restore_image_im4p(k->in->image, k->contents[k->n].component, role->type, &p, err))
            return false;
        snprintf(k->paths[k->n], sizeof k->paths[0], "%s/%s", folder, role->file);
        k->files[k->n] = (struct fat_file){.path = k->paths[k->n], .size = p.size};
        k->total += p.size;
        k->n++;
    }
    snprintf(path, sizeof path, "%s/TICKET.IM4", folder);
    add_bytes(k, path, ticket->der, ticket->size);
    return true;
}

static bool copy_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct container *k = user;
    k->done += n;
    return write_at(k->in, bytes, n, k->base + k->file->offset + offset, err) && install_progress(k->in, k->done, k->total, err);
}

static bool write_file(struct container *k, size_t i, struct pome_error *err)
{
    const struct fat_file *f = &k->files[i];
    const struct content *c = &k->contents[i];
    if (c->bytes)
        return write_at(k->in, c->bytes, (size_t)f->size, k->base + f->offset, err);
    k->file = f;
    return restore_image_read(k->in->image, c->component, copy_piece, k, NULL, err);
}

static bool write_container(struct container *k, enum layout_container where, const char *label, struct pome_error *err)
{
    uint8_t block[FAT_CLUSTER];
    struct fat_plan plan;
    uint64_t offset;
    uint32_t serial = 0;
    (void)!getrandom(&serial, sizeof serial, 0);
    k->base = layout_offset(&k->in->gpt, where);
    if (!fat_plan(&plan, layout_bytes(&k->in->gpt, where), (uint32_t)k->in->gpt.partitions[where].first, label, serial, time(NULL), k->files, k->n, err))
        return pome_fail_context(err, "%s", label);
    for (size_t i = 0; i < k->n; i++)
        if (!write_file(k, i, err))
            return false;
    for (size_t i = 0; fat_block(&plan, i, &offset, block); i++)
        if (!write_at(k->in, block, sizeof block, k->base + offset, err))
            return false;
    return true;
}

uint8_t *install_policy_file(const struct install *in, size_t *size, struct pome_error *err)
{
    return ticket_img4(in->policy, sizeof in->policy, &in->tickets[TICKET_POLICY], NULL, 0, size, err);
}

bool install_boot_container(struct install *in, struct pome_error *err)
{
    char nsih[2 * SHA384_BYTES + 1], active[10], folder[16];
    size_t policy_size = 0;
    struct container *k = calloc(1, sizeof *k);
    uint8_t *policy = install_policy_file(in, &policy_size, err);
    bool ok = policy && (k || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the boot set"));
    if (ok) {
        k->in = in;
        hex_upper(in->nsih, sizeof in->nsih, nsih);
        snprintf(folder, sizeof folder, "BOOT/%.8s", nsih);
        snprintf(active, sizeof active, "%.8s\n", nsih);
        add_bytes(k, "BOOT/ACTIVE", active, strlen(active));
        add_bytes(k, "POLICY/LOCAL.IM4", policy, policy_size);
        ok = add_components(k, PLACE_BOOT, folder, &in->tickets[TICKET_OS], err) && write_container(k, LAYOUT_ISC, "ISC", err);
    }
    free(policy);
    free(k);
    return ok;
}

bool install_recovery_container(struct install *in, struct pome_error *err)
{
    struct container *k = calloc(1, sizeof *k);
    if (!k)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for Recovery");
    k->in = in;
    bool ok = add_components(k, PLACE_RECOVERY, "BOOT", &in->tickets[TICKET_RECOVERY], err) && write_container(k, LAYOUT_RECOVERY, "RECOVERY", err);
    free(k);
    return ok;
}
