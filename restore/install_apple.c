/*
 * install_apple.c - the steps that install macOS for virtual machines: three APFS containers, as far as it goes without Apple's signing server.
 *
 * How it works. Three tables say all: which volumes each container has, which folders are in them, and which component goes where in which form.
 * A path is a pattern: %V the volume group, %N the digest of the OS ticket (nsih), %R the system recovery's group, %H the digest of the recovery
 * ticket, %L the hash of the policy's nonce, %E the ECID, %P the component's own path.
 *
 * What it leaves out, and says: Apple's signatures (tickets are the local authority's), a seal and a snapshot of the System volume, encryption of
 * the Data volume, the boot ROM, which is Apple's.
 */
#include "apfs/apfs.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "formats/checksum.h"
#include "formats/guid.h"
#include "restore/install.h"
#include "restore/os_tree.h"
#include "restore/sources.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#ifndef POME_VERSION_STRING
#define POME_VERSION_STRING "0"
#endif

/* --- volumes --- */

enum volume {
    ISC_PREBOOT, ISC_XART, ISC_HARDWARE, ISC_RECOVERY, SYSTEM, DATA, PREBOOT, RECOVERY, VM, UPDATE, ROS_RECOVERY, ROS_UPDATE, VOLUMES,
};

static const struct {
    enum layout_container container;
    const char *name;
    enum apfs_role role;
    bool grouped; /* System and Data: one volume group, whose id is the Data volume's */
} volumes[VOLUMES] = {
    [ISC_PREBOOT] = {LAYOUT_ISC, "iSCPreboot", APFS_PREBOOT, false},
    [ISC_XART] = {LAYOUT_ISC, "xART", APFS_XART, false},
    [ISC_HARDWARE] = {LAYOUT_ISC, "Hardware", APFS_HARDWARE, false},
    [ISC_RECOVERY] = {LAYOUT_ISC, "Recovery", APFS_RECOVERY, false},
    [SYSTEM] = {LAYOUT_MAIN, "Macintosh HD", APFS_SYSTEM, true},
    [DATA] = {LAYOUT_MAIN, "Data", APFS_DATA, true},
    [PREBOOT] = {LAYOUT_MAIN, "Preboot", APFS_PREBOOT, false},
    [RECOVERY] = {LAYOUT_MAIN, "Recovery", APFS_RECOVERY, false},
    [VM] = {LAYOUT_MAIN, "VM", APFS_VM, false},
    [UPDATE] = {LAYOUT_MAIN, "Update", APFS_UPDATE, false},
    [ROS_RECOVERY] = {LAYOUT_RECOVERY, "Recovery", APFS_RECOVERY, false},
    [ROS_UPDATE] = {LAYOUT_RECOVERY, "Update", APFS_UPDATE, false},
};

/* --- what is in them --- */

enum form {
    FOLDER,
    MEMBER,          /* a file of the restore image, by its name there; left out when there is none */
    RAW,             /* a component as it is */
    OS_IMG4,         /* a component inside an IMG4 with the OS ticket */
    RECOVERY_IMG4,   /* with the recovery ticket */
    OS_IM4M,         /* the tickets themselves */
    RECOVERY_IM4M,
    ACTIVE,          /* text: nsih */
    POLICY,          /* the LocalPolicy */
};

#define FIRMWARE_OF(set) set "/usr/standalone/firmware/"
#define KERNEL_OF(set)   set "/System/Library/Caches/com.apple.kernelcaches/kernelcache"
#define BOOT             "%V/boot/%N"
#define ROS              "%R/boot/%H"

static const struct content {
    enum volume volume;
    enum form form;
    const char *path, *from; /* from: component or member */
} contents[] = {
    {ISC_PREBOOT, POLICY, "%V/LocalPolicy/%L.img4", NULL},
    {ISC_PREBOOT, RECOVERY_IM4M, "SFR/current/apticket.der", NULL},
    {ISC_PREBOOT, MEMBER, "SFR/current/RestoreVersion.plist", "RestoreVersion.plist"},
    {ISC_PREBOOT, MEMBER, "SFR/current/SystemVersion.plist", "SystemVersion.plist"},
    {ISC_PREBOOT, MEMBER, "SFR/current/bootcaches.plist", "usr/standalone/bootcaches.plist"},
    {ISC_PREBOOT, FOLDER, "SFR/fallback", NULL},
    {ISC_PREBOOT, FOLDER, "SystemRecovery", NULL},
    {ISC_HARDWARE, FOLDER, "recoverylogd", NULL},
    {ISC_HARDWARE, FOLDER, "FactoryData", NULL},
    {ISC_HARDWARE, FOLDER, "srvo", NULL},
    {ISC_HARDWARE, FOLDER, "MobileActivation", NULL},
    {PREBOOT, ACTIVE, "%V/boot/active", NULL},
    {PREBOOT, OS_IMG4, FIRMWARE_OF(BOOT) "iBoot.img4", "iBoot"},
    {PREBOOT, OS_IMG4, FIRMWARE_OF(BOOT) "devicetree.img4", "DeviceTree"},
    {PREBOOT, OS_IMG4, FIRMWARE_OF(BOOT) "root_hash.img4", "SystemVolume"},
    {PREBOOT, OS_IMG4, FIRMWARE_OF(BOOT) "base_system_root_hash.img4", "BaseSystemVolume"},
    {PREBOOT, OS_IMG4, FIRMWARE_OF(BOOT) "FUD/StaticTrustCache.img4", "StaticTrustCache"},
    {PREBOOT, OS_IMG4, KERNEL_OF(BOOT), "KernelCache"},
    {PREBOOT, RAW, "%V/cryptex1/current/os.dmg", "Cryptex1,SystemOS"},
    {PREBOOT, RAW, "%V/cryptex1/current/os.dmg.root_hash", "Cryptex1,SystemVolume"},
    {PREBOOT, RAW, "%V/cryptex1/current/os.dmg.trustcache", "Cryptex1,SystemTrustCache"},
    {PREBOOT, RAW, "%V/cryptex1/current/app.dmg", "Cryptex1,AppOS"},
    {PREBOOT, RAW, "%V/cryptex1/current/app.dmg.root_hash", "Cryptex1,AppVolume"},
    {PREBOOT, RAW, "%V/cryptex1/current/app.dmg.trustcache", "Cryptex1,AppTrustCache"},
    {PREBOOT, MEMBER, "%V/cryptex1/current/BuildManifest.plist", "BuildManifest.plist"},
    {PREBOOT, MEMBER, "%V/cryptex1/current/bootcaches.plist", "usr/standalone/bootcaches.plist"},
    {PREBOOT, OS_IM4M, "%V/restore/apticket.vma2macosap.%E.im4m", NULL},
    {PREBOOT, MEMBER, "%V/restore/BuildManifest.plist", "BuildManifest.plist"},
    {PREBOOT, MEMBER, "%V/restore/SystemVersion.plist", "SystemVersion.plist"},
    {PREBOOT, MEMBER, "%V/restore/RestoreVersion.plist", "RestoreVersion.plist"},
    {PREBOOT, MEMBER, "%V/restore/usr/standalone/bootcaches.plist", "usr/standalone/bootcaches.plist"},
    {PREBOOT, RAW, "%V/restore/%P", "LLB"},
    {PREBOOT, RAW, "%V/restore/%P", "iBoot"},
    {PREBOOT, RAW, "%V/restore/%P", "DeviceTree"},
    {PREBOOT, RAW, "%V/restore/%P", "AppleLogo"},
    {PREBOOT, MEMBER, "%V/System/Library/CoreServices/SystemVersion.plist", "SystemVersion.plist"},
    {PREBOOT, FOLDER, "%V/var/db", NULL},
    {PREBOOT, FOLDER, "Cryptexes/OS", NULL},
    {PREBOOT, FOLDER, "Cryptexes/App", NULL},
    {PREBOOT, FOLDER, "Cryptexes/Incoming/OS", NULL},
    {PREBOOT, FOLDER, "Cryptexes/Incoming/App", NULL},
    {RECOVERY, RAW, "%V/usr/standalone/firmware/arm64eBaseSystem.dmg", "BaseSystem"},
    {ROS_RECOVERY, RAW, FIRMWARE_OF(ROS) "arm64eBaseSystem.dmg", "BaseSystem"},
    {ROS_RECOVERY, RECOVERY_IMG4, FIRMWARE_OF(ROS) "iBoot.img4", "iBoot"},
    {ROS_RECOVERY, RECOVERY_IMG4, FIRMWARE_OF(ROS) "devicetree.img4", "DeviceTree"},
    {ROS_RECOVERY, RECOVERY_IMG4, FIRMWARE_OF(ROS) "base_system_root_hash.img4", "BaseSystemVolume"},
    {ROS_RECOVERY, RECOVERY_IMG4, KERNEL_OF(ROS), "KernelCache"},
    {ROS_RECOVERY, MEMBER, ROS "/BuildManifest.plist", "BuildManifest.plist"},
};

/* The group of the system's own Recovery. */
static const char recovery_group[] = "3D3287DE-280D-4619-AAAB-D97469CA9C71";

/* What each ticket is for; a component that the image does not have is left out. */
static const struct {
    enum install_ticket ticket;
    const char *type, *component;
} ticketed[] = {
    {TICKET_FIRMWARE, "illb", "LLB"}, {TICKET_FIRMWARE, "logo", "AppleLogo"},
    {TICKET_OS, "ibot", "iBoot"}, {TICKET_OS, "krnl", "KernelCache"}, {TICKET_OS, "dtre", "DeviceTree"}, {TICKET_OS, "rosi", "OS"},
    {TICKET_OS, "isys", "SystemVolume"}, {TICKET_OS, "msys", "Ap,SystemVolumeCanonicalMetadata"}, {TICKET_OS, "trst", "StaticTrustCache"},
    {TICKET_OS, "csys", "BaseSystemVolume"}, {TICKET_OS, "bstc", "Ap,BaseSystemTrustCache"},
    {TICKET_RECOVERY, "ibot", "iBoot"}, {TICKET_RECOVERY, "krnl", "KernelCache"}, {TICKET_RECOVERY, "dtre", "DeviceTree"},
    {TICKET_RECOVERY, "csys", "BaseSystemVolume"}, {TICKET_RECOVERY, "bstc", "Ap,BaseSystemTrustCache"},
};

/* --- paths --- */

static bool expand(const struct install *in, const struct content *c, char path[1024], struct pome_error *err)
{
    char group[GUID_TEXT], hash[2 * SHA384_BYTES + 1];
    uint8_t digest[SHA384_BYTES];
    size_t n = 0;
    guid_text_raw(in->volume_group, group);
    for (const char *p = c->path; *p && n < 1024; p++) {
        const struct manifest_component *component;
        if (*p != '%') {
            path[n++] = *p;
            continue;
        }
        size_t room = 1024 - n;
        int k = 0;
        switch (*++p) {
        case 'V': k = snprintf(path + n, room, "%s", group); break;
        case 'R': k = snprintf(path + n, room, "%s", recovery_group); break;
        case 'E': k = snprintf(path + n, room, "%016llX", (unsigned long long)in->bundle->ecid); break;
        case 'N': hex_upper(in->nsih, sizeof in->nsih, hash); k = snprintf(path + n, room, "%s", hash); break;
        case 'L': hex_upper(in->trust.policy_nonces[0], SHA384_BYTES, hash); k = snprintf(path + n, room, "%s", hash); break;
        case 'H':
            sha384(in->tickets[TICKET_RECOVERY].der, in->tickets[TICKET_RECOVERY].size, digest);
            hex_upper(digest, sizeof digest, hash);
            k = snprintf(path + n, room, "%s", hash);
            break;
        case 'P':
            component = manifest_component(&in->image->manifest, c->from);
            k = snprintf(path + n, room, "%s", component ? component->path : "");
            break;
        }
        n += (size_t)k;
    }
    if (n >= 1024)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "the path for %s is too long", c->from ? c->from : c->path);
    path[n] = 0;
    return true;
}

static const struct manifest_component *find(const struct install *in, const char *name)
{
    const struct manifest_component *c = manifest_component(&in->image->manifest, name);
    return c && c->path[0] ? c : NULL;
}

/* --- checking --- */

/* Components without which nothing could ever start. */
static const char *const needed[] = {"LLB", "iBoot", "KernelCache", "DeviceTree", "OS"};

bool apple_image_installable(const struct restore_image *image, struct pome_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        const struct manifest_component *c = manifest_component(&image->manifest, needed[i]);
        if (!c || restore_image_member(image, c, err) < 0)
            return c ? false : pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: BuildManifest.plist has no component %s", zipin_path(image->zip), needed[i]);
    }
    return true;
}

static uint64_t component_bytes(const struct restore_image *image, const char *name)
{
    const struct manifest_component *c = name ? manifest_component(&image->manifest, name) : NULL;
    int64_t i = c ? zipin_find(image->zip, c->path) : -1;
    return i < 0 ? 0 : zipin_member(image->zip, (size_t)i)->size;
}

uint64_t apple_image_min_disk(const struct restore_image *image)
{
    uint64_t main = 3 * GiB; /* six volumes: one for every 512 MiB */
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++)
        if (volumes[contents[i].volume].container == LAYOUT_MAIN && contents[i].form != MEMBER)
            main += component_bytes(image, contents[i].from);
    return layout_minimum_apple(main);
}

/* Who gave a key wants the system volume: a wrong one is told before anything is written. */
static bool key_fits(struct restore_image *image, struct pome_error *err)
{
    struct archive_key key;
    const struct manifest_component *os = manifest_component(&image->manifest, "OS");
    if (!image->has_key || !os)
        return true;
    memcpy(key.bytes, image->key, sizeof key.bytes);
    struct source *disk = restore_image_disk(image, os, &key, err);
    source_close(disk);
    return disk != NULL;
}

bool apple_check(struct install *in, struct pome_error *err)
{
    struct bundle *b = in->bundle;
    if (!apple_image_installable(in->image, err))
        return false;
    if (b->model.platform != PLATFORM_APPLE)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: its hardware model has platform version %u, macOS needs %d", b->path, b->model.platform,
                         PLATFORM_APPLE);
    return key_fits(in->image, err) && install_check_machine(in, err) && layout_make_apple(b->disk_bytes, apple_image_min_disk(in->image), &in->gpt, err) && install_open_members(in, err);
}

/* --- tickets --- */

static bool make_tickets(struct install *in, const struct personality *who, struct pome_error *err)
{
    struct image_digest images[ARRAY_SIZE(ticketed)];
    for (enum install_ticket t = TICKET_FIRMWARE; t <= TICKET_RECOVERY; t++) {
        size_t n = 0;
        for (size_t i = 0; i < ARRAY_SIZE(ticketed); i++) {
            const struct manifest_component *c = find(in, ticketed[i].component);
            if (ticketed[i].ticket == t && c && c->digest_bytes == SHA384_BYTES)
                images[n++] = (struct image_digest){ticketed[i].type, c->digest};
        }
        if (!personalize_images(who, images, n, &in->tickets[t], err))
            return false;
    }
    return true;
}

bool apple_personalize(struct install *in, struct pome_error *err)
{
    return install_personalize_by(in, make_tickets, err);
}

/* --- making a container --- */

struct making {
    struct install *in;
    enum layout_container where;
    char disk[PATH_MAX];
    uint64_t base, done, total;
    uint64_t fresh, end; /* of the disk: what was written in one go and the host was not yet asked to write out */
    struct apfs *main;   /* the main container, when it was made before this one: what is in it was digested */
    struct apfs_volume *volumes[VOLUMES], *to; /* to: has the file that is being written */
};

enum { START_WRITING = 16 << 20 };

/* The host's disk is to write while we read and digest: it is told so, piece by piece, and there is less to wait for at the end. */
static bool write_disk(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct making *k = user;
    if (k->base + offset != k->end)
        k->fresh = k->base + offset;
    k->end = k->base + offset + n;
    if (k->end - k->fresh >= START_WRITING) {
        sync_file_range(k->in->disk_fd, (off_t)k->fresh, (off_t)(k->end - n - k->fresh), SYNC_FILE_RANGE_WRITE);
        k->fresh = k->end - n;
    }
    return file_write_sparse(k->in->disk_fd, k->disk, bytes, n, k->base + offset, err);
}

static bool piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct making *k = user;
    k->done += n;
    return apfs_file_append(k->to, bytes, n, err) && install_progress(k->in, k->done, k->total, err);
}

/* The volume's number in its container. */
static size_t volume_index(enum volume v)
{
    size_t n = 0;
    for (int i = 0; i < (int)v; i++)
        n += volumes[i].container == volumes[v].container;
    return n;
}

/* The row of the main container that holds the same component as it is. NULL: none. */
static const struct content *same_in_main(const struct content *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++)
        if (volumes[contents[i].volume].container == LAYOUT_MAIN && contents[i].form == RAW && !strcmp(contents[i].from, c->from))
            return &contents[i];
    return NULL;
}

static bool read_main(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *err)
{
    const struct making *k = user;
    return file_read_at(k->in->disk_fd, k->disk, bytes, n, layout_offset(&k->in->gpt, LAYOUT_MAIN) + offset, err);
}

/* From the main container: it lies in the host's memory still, and was uncompressed and digested when it came there. */
static bool copy_from_main(struct making *k, const struct content *first, struct pome_error *err)
{
    char path[1024];
    struct apfs_item item;
    uint8_t *bytes = malloc(MiB);
    bool ok = bytes || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %s", first->from);
    ok = ok && expand(k->in, first, path, err) && apfs_find(k->main, volume_index(first->volume), path, &item, err);
    for (uint64_t at = 0; ok && at < item.size;) {
        ptrdiff_t n = apfs_read_file(k->main, volume_index(first->volume), &item, at, bytes, (size_t)MIN(MiB, item.size - at), err);
        ok = n > 0 && piece(k, at, bytes, (size_t)n, err);
        at += ok ? (uint64_t)n : 0;
    }
    free(bytes);
    return ok;
}

static bool copy_component(struct making *k, const struct content *c, struct pome_error *err)
{
    const struct manifest_component *m = find(k->in, c->from);
    const struct ticket *t = &k->in->tickets[c->form == RECOVERY_IMG4 ? TICKET_RECOVERY : TICKET_OS];
    const struct content *first = k->main && c->form == RAW ? same_in_main(c) : NULL;
    bool unchecked = false;
    struct im4p p;
    if (first)
        return copy_from_main(k, first, err);
    if (c->form == RAW)
        return restore_image_read(k->in->image, m, piece, k, &unchecked, err);
    struct img4_frame *f = malloc(sizeof *f);
    if (!f)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %s", c->from);
    bool ok = restore_image_im4p(k->in->image, m, NULL, &p, err);
    if (ok && !img4_frame(p.size, t->der, t->size, NULL, 0, f))
        ok = pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %llu bytes are too many for an Image4 file", c->from, (unsigned long long)p.size);
    ok = ok && apfs_file_append(k->to, f->head, f->head_size, err) && restore_image_read(k->in->image, m, piece, k, &unchecked, err) &&
         apfs_file_append(k->to, f->tail, f->tail_size, err);
    free(f);
    return ok;
}

static bool copy_member(struct making *k, const struct content *c, struct pome_error *err)
{
    size_t n;
    uint8_t *bytes = zipin_read_whole(k->in->image->zip, (size_t)zipin_find(k->in->image->zip, c->from), 64 * MiB, &n, err);
    bool ok = bytes && apfs_file_append(k->to, bytes, n, err);
    free(bytes);
    return ok;
}

static bool write_text(struct making *k, struct pome_error *err)
{
    char nsih[2 * SHA384_BYTES + 1];
    hex_upper(k->in->nsih, sizeof k->in->nsih, nsih);
    return apfs_file_append(k->to, nsih, strlen(nsih), err);
}

static bool write_policy(struct making *k, struct pome_error *err)
{
    size_t n = 0;
    uint8_t *file = install_policy_file(k->in, &n, err);
    bool ok = file && apfs_file_append(k->to, file, n, err);
    free(file);
    return ok;
}

static bool write_ticket(struct making *k, enum install_ticket t, struct pome_error *err)
{
    return apfs_file_append(k->to, k->in->tickets[t].der, k->in->tickets[t].size, err);
}

static bool fill(struct making *k, const struct content *c, struct pome_error *err)
{
    switch (c->form) {
    case MEMBER: return copy_member(k, c, err);
    case RAW:
    case OS_IMG4:
    case RECOVERY_IMG4: return copy_component(k, c, err);
    case OS_IM4M: return write_ticket(k, TICKET_OS, err);
    case RECOVERY_IM4M: return write_ticket(k, TICKET_RECOVERY, err);
    case ACTIVE: return write_text(k, err);
    case POLICY: return write_policy(k, err);
    case FOLDER: break;
    }
    return true;
}

/* Whether the image has what this row is made from. */
static bool is_there(const struct install *in, const struct content *c)
{
    if (c->form == MEMBER)
        return zipin_find(in->image->zip, c->from) >= 0;
    return !c->from || find(in, c->from);
}

static bool make_content(struct making *k, const struct content *c, struct pome_error *err)
{
    char path[1024];
    uint64_t folder;
    if (!expand(k->in, c, path, err))
        return false;
    k->to = k->volumes[c->volume];
    if (c->form == FOLDER)
        return apfs_make_folders(k->to, APFS_ROOT, path, &folder, err);
    char *name = strrchr(path, '/');
    *name++ = 0;
    return apfs_make_folders(k->to, APFS_ROOT, path, &folder, err) && apfs_file_begin(k->to, folder, name, NULL, NULL, err) && fill(k, c, err) &&
           apfs_file_end(k->to, err);
}

static bool draw_uuid(uint8_t uuid[16], struct pome_error *err)
{
    if (getrandom(uuid, 16, 0) != 16)
        return pome_fail_errno(err, "random numbers");
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    return true;
}

static bool make_volumes(struct making *k, struct apfs_maker *m, struct pome_error *err)
{
    for (int v = 0; v < VOLUMES; v++) {
        struct apfs_volume_spec s = {.name = volumes[v].name, .role = volumes[v].role};
        if (volumes[v].container != k->where)
            continue;
        if (!draw_uuid(s.uuid, err))
            return false;
        if (volumes[v].grouped)
            memcpy(s.group, k->in->volume_group, sizeof s.group);
        if (v == DATA)
            memcpy(s.uuid, k->in->volume_group, sizeof s.uuid);
        if (!(k->volumes[v] = apfs_make_volume(m, &s, err)))
            return false;
    }
    return true;
}

static bool make_container(struct install *in, enum layout_container where, bool (*more)(struct making *k, struct pome_error *err), struct pome_error *err)
{
    struct making k = {.in = in, .where = where, .base = layout_offset(&in->gpt, where)};
    struct apfs_container_spec spec = {.bytes = layout_bytes(&in->gpt, where), .time_ns = (uint64_t)time(NULL) * 1000000000, .maker = "pome (" POME_VERSION_STRING ")"};
    if (!bundle_member_path(in->bundle, BUNDLE_DISK, k.disk) || !draw_uuid(spec.uuid, err))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++)
        if (volumes[contents[i].volume].container == where && contents[i].form != MEMBER)
            k.total += component_bytes(in->image, contents[i].from);
    if (where != LAYOUT_MAIN && in->main_made && !(k.main = apfs_open(layout_bytes(&in->gpt, LAYOUT_MAIN), read_main, &k, err)))
        return false;
    struct apfs_maker *m = apfs_make_begin(&spec, write_disk, &k, err);
    bool ok = m && make_volumes(&k, m, err);
    for (size_t i = 0; ok && i < ARRAY_SIZE(contents); i++)
        if (volumes[contents[i].volume].container == where && is_there(in, &contents[i]))
            ok = make_content(&k, &contents[i], err);
    ok = ok && (!more || more(&k, err)) && apfs_make_finish(m, err);
    apfs_make_free(m);
    apfs_close(k.main);
    in->main_made |= ok && where == LAYOUT_MAIN;
    return ok || pome_fail_context(err, "%s", in->gpt.partitions[where].name);
}

/* The OS image's files, where they can be read; else the log says why they are not there. */
static bool restore_system(struct making *k, struct pome_error *err)
{
    char why[512] = "";
    struct os_tree_count n = {0};
    if (!os_tree_copy(k->in, k->volumes[SYSTEM], &n, why, err))
        return false;
    if (why[0])
        log_host(k->in->log, "org.pome.install", "system", LOG_LEVEL_DEFAULT, "the System volume stays empty: %s", why);
    else
        log_host(k->in->log, "org.pome.install", "system", LOG_LEVEL_DEFAULT, "System volume: %llu files, %llu folders, %llu links; %llu items left out",
                 (unsigned long long)n.files, (unsigned long long)n.folders, (unsigned long long)n.links, (unsigned long long)n.left_out);
    return true;
}

bool apple_boot_container(struct install *in, struct pome_error *err)
{
    return make_container(in, LAYOUT_ISC, NULL, err);
}

bool apple_main_container(struct install *in, struct pome_error *err)
{
    return make_container(in, LAYOUT_MAIN, restore_system, err);
}

bool apple_recovery_container(struct install *in, struct pome_error *err)
{
    return make_container(in, LAYOUT_RECOVERY, NULL, err);
}

/* --- reading it all back --- */

struct looking {
    struct install *in;
    char disk[PATH_MAX];
    uint64_t base;
};

static bool read_disk(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *err)
{
    const struct looking *l = user;
    return file_read_at(l->in->disk_fd, l->disk, bytes, n, l->base + offset, err);
}

/* A component's bytes in a file: all of it, or what is between head and tail of the IMG4. Their digest was right when they were written; whether the disk and
 * our own writer kept them is for the checksum that the zip has of the member. */
static bool compare(struct apfs *a, struct looking *l, const struct content *c, struct pome_error *err)
{
    const struct manifest_component *m = find(l->in, c->from);
    char path[1024];
    struct apfs_item item;
    struct im4p p;
    const struct ticket *t = &l->in->tickets[c->form == RECOVERY_IMG4 ? TICKET_RECOVERY : TICKET_OS];
    int64_t member = restore_image_member(l->in->image, m, err);
    if (member < 0 || !expand(l->in, c, path, err) || !apfs_find(a, volume_index(c->volume), path, &item, err))
        return false;
    const struct zip_member *z = zipin_member(l->in->image->zip, (size_t)member);
    struct img4_frame *f = calloc(1, sizeof *f);
    uint8_t *bytes = malloc(MiB);
    bool ok = (f && bytes) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to compare %s", c->from);
    ok = ok && (c->form == RAW || (restore_image_im4p(l->in->image, m, NULL, &p, err) && img4_frame(p.size, t->der, t->size, NULL, 0, f)));
    uint64_t end = ok ? item.size - f->tail_size : 0, begin = ok ? f->head_size : 0;
    uint32_t sum = 0;
    for (uint64_t at = begin; ok && at < end;) {
        ptrdiff_t n = apfs_read_file(a, volume_index(c->volume), &item, at, bytes, (size_t)MIN(MiB, end - at), err);
        ok = n > 0 && install_progress(l->in, at, end, err);
        if (ok)
            sum = crc32_add(sum, bytes, (size_t)n);
        at += ok ? (uint64_t)n : 0;
    }
    if (ok && (end - begin != z->size || sum != z->crc))
        ok = pome_fail(err, POME_ERROR_IO, "%s: what is on the disk differs from what was written", path);
    free(f);
    free(bytes);
    return ok;
}

static bool verify_container(struct install *in, enum layout_container where, struct pome_error *err)
{
    struct looking l = {.in = in, .base = layout_offset(&in->gpt, where)};
    if (!bundle_member_path(in->bundle, BUNDLE_DISK, l.disk))
        return false;
    struct apfs *a = apfs_open(layout_bytes(&in->gpt, where), read_disk, &l, err);
    bool ok = a;
    for (int v = 0; ok && v < VOLUMES; v++) {
        if (volumes[v].container != where)
            continue;
        const struct apfs_volume_info *i = apfs_volume_at(a, volume_index((enum volume)v));
        if (!i || strcmp(i->name, volumes[v].name) || i->role != volumes[v].role)
            ok = pome_fail(err, POME_ERROR_IO, "volume %s is not there", volumes[v].name);
    }
    for (size_t i = 0; ok && i < ARRAY_SIZE(contents); i++) {
        const struct content *c = &contents[i];
        if (volumes[c->volume].container == where && (c->form == RAW || c->form == OS_IMG4 || c->form == RECOVERY_IMG4) && is_there(in, c))
            ok = compare(a, &l, c, err);
    }
    apfs_close(a);
    return ok || pome_fail_context(err, "%s", in->gpt.partitions[where].name);
}

bool apple_verify(struct install *in, struct pome_error *err)
{
    return verify_container(in, LAYOUT_ISC, err) && verify_container(in, LAYOUT_MAIN, err) && verify_container(in, LAYOUT_RECOVERY, err);
}
