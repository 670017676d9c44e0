/* install_disk.c - the steps that write Disk.img: partition map, OS image, boot set, Recovery. */
#include "restore/install.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/fat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static bool write_at(const struct install *in, const void *bytes, size_t n, uint64_t offset, struct pome_error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t w = pwrite(in->disk_fd, (const char *)bytes + done, n - done, (off_t)(offset + done));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s/Disk.img: cannot write %zu bytes at %llu", in->bundle->path, n - done, (unsigned long long)(offset + done));
        done += (size_t)w;
    }
    return true;
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
    /* From here on all that is not written reads as zero: the next steps count on it. */
    if (!empty_disk(in, err))
        return false;
    gpt_write(&in->gpt, primary, backup);
    return write_at(in, primary, sizeof primary, 0, err) && write_at(in, backup, sizeof backup, in->bundle->disk_bytes - sizeof backup, err);
}

/* --- OS image --- */

enum { HOLE = 4096 };

struct os_target {
    struct install *in;
    uint64_t offset;
};

static bool is_zero(const uint8_t *p, size_t n)
{
    return !p[0] && !memcmp(p, p + 1, n - 1);
}

/* Writes what is not zero, in runs as long as they come. Pieces need not be aligned: only whole blocks of zeroes are left out. */
static bool os_write(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    const struct os_target *t = user;
    const uint8_t *p = bytes;
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n) {
            size_t block = MIN(HOLE - (size_t)((offset + end) % HOLE), n - end);
            if (block == HOLE && is_zero(p + end, HOLE))
                break;
            end += block;
        }
        if (end > at && !write_at(t->in, p + at, end - at, t->offset + offset + at, err))
            return false;
        at = end;
        while (n - at >= HOLE && (offset + at) % HOLE == 0 && is_zero(p + at, HOLE))
            at += HOLE;
    }
    return install_progress(t->in, offset + n, install_component(t->in, "OS")->uncompressed_size, err);
}

bool install_os(struct install *in, struct pome_error *err)
{
    struct os_target t = {in, layout_offset(&in->gpt, LAYOUT_MAIN)};
    return restore_image_read_os(in->image, install_component(in, "OS"), os_write, &t, NULL, err);
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
        if (role->place != place)
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

uint8_t *install_policy_file(const struct install *in, size_t *size)
{
    const struct ticket *t = &in->tickets[TICKET_POLICY];
    uint8_t *file = NULL;
    struct img4_frame *f = malloc(sizeof *f);
    if (f && img4_frame(sizeof in->policy, t->der, t->size, NULL, 0, f) && (file = malloc(f->head_size + sizeof in->policy + f->tail_size))) {
        memcpy(file, f->head, f->head_size);
        memcpy(file + f->head_size, in->policy, sizeof in->policy);
        memcpy(file + f->head_size + sizeof in->policy, f->tail, f->tail_size);
        *size = f->head_size + sizeof in->policy + f->tail_size;
    }
    free(f);
    return file;
}

bool install_boot_container(struct install *in, struct pome_error *err)
{
    char nsih[2 * SHA384_BYTES + 1], active[10], folder[16];
    size_t policy_size = 0;
    struct container *k = calloc(1, sizeof *k);
    uint8_t *policy = install_policy_file(in, &policy_size);
    bool ok = (k && policy) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the boot set");
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
