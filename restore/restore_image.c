/* restore_image.c - opening restore images, and reading their components with every byte digested. */
#include "restore/restore_image.h"
#include "base/bits.h"
#include "base/error.h"
#include "config/rules.h"
#include "formats/identity.h"
#include "formats/plist.h"
#include "restore/hasher.h"
#include "restore/install.h"
#include "restore/layout.h"
#include "restore/relay.h"

#include <zstd.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* docs/boot.md §1 and §5. */
const struct component_role component_roles[COMPONENT_ROLES] = {
    {"LLB", "illb", PLACE_FIRMWARE, NULL},
    {"KernelCache", "krnl", PLACE_BOOT, "KERNEL.IM4"},
    {"BootRamDisk", "rdsk", PLACE_BOOT, "RAMDISK.IM4"},
    {"KernelCommandLine", "kcmd", PLACE_BOOT, "CMDLINE.IM4"},
    {"RecoveryKernelCache", "rkrn", PLACE_RECOVERY, "KERNEL.IM4"},
    {"RecoveryRamDisk", "rrdk", PLACE_RECOVERY, "RAMDISK.IM4"},
    {"RecoveryCommandLine", "rcmd", PLACE_RECOVERY, "CMDLINE.IM4"},
    {"OS", NULL, PLACE_OS, NULL},
    {"DeviceTree", "dtre", PLACE_BOOT, "DEVTREE.IM4", true},
    {"StaticTrustCache", "trst", PLACE_BOOT, "TRUST.IM4", true},
    {"RecoveryDeviceTree", "rdtr", PLACE_RECOVERY, "DEVTREE.IM4", true},
    {"RecoveryTrustCache", "rtsc", PLACE_RECOVERY, "TRUST.IM4", true},
};

enum { ZSTD_WINDOW_LOG_MAX = 27 /* 128 MiB: what zstd --ultra --long needs at most */ };

/* --- opening --- */

const char *const image_list_names[IMAGE_LISTS] = {
    [LIST_BUILD_MANIFEST] = "BuildManifest.plist", [LIST_RESTORE] = "Restore.plist", [LIST_RESTORE_VERSION] = "RestoreVersion.plist",
    [LIST_SYSTEM_VERSION] = "SystemVersion.plist",
};

/* Reads the lists at the top of the zip; all but the first may be missing. */
static bool parse_lists(struct restore_image *image, struct pome_error *err)
{
    for (size_t i = 0; i < IMAGE_LISTS; i++) {
        size_t n;
        int64_t member = zipin_find(image->zip, image_list_names[i]);
        if (member < 0 && i == LIST_BUILD_MANIFEST)
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: no %s in it: not a restore image", zipin_path(image->zip), image_list_names[i]);
        if (member < 0)
            continue;
        uint8_t *bytes = zipin_read_whole(image->zip, (size_t)member, PLIST_MAX_BYTES, &n, err);
        image->lists[i] = bytes ? pl_parse(bytes, n, image_list_names[i], err) : NULL;
        free(bytes);
        if (!image->lists[i])
            return false;
    }
    return true;
}

static bool read_lists(struct restore_image *image, struct pome_error *err)
{
    struct pl **lists = image->lists;
    bool ok = parse_lists(image, err) && manifest_of(lists[LIST_BUILD_MANIFEST], &image->manifest, err);
    image->has_restore_plist = lists[LIST_RESTORE];
    ok = ok && (!lists[LIST_RESTORE] || restore_plist_of(lists[LIST_RESTORE], image->manifest.device_class, &image->restore, err)) &&
         (!lists[LIST_SYSTEM_VERSION] || system_version_of(lists[LIST_SYSTEM_VERSION], image->product_name, err));
    if (!ok && err && err->code == POME_ERROR_INVALID_DATA)
        err->code = POME_ERROR_INVALID_RESTORE_IMAGE;
    return ok;
}

struct restore_image *restore_image_open(const char *path, struct pome_error *err)
{
    struct restore_image *image = calloc(1, sizeof *image);
    if (!image) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    image->zip = zipin_open(path, err);
    if (!image->zip || !read_lists(image, err)) {
        if (image->zip && err && !strstr(err->message, path))
            pome_fail_context(err, "%s", path);
        restore_image_close(image);
        return NULL;
    }
    return image;
}

void restore_image_close(struct restore_image *image)
{
    if (!image)
        return;
    manifest_free(&image->manifest);
    for (size_t i = 0; i < IMAGE_LISTS; i++)
        pl_free(image->lists[i]);
    zipin_close(image->zip);
    free(image);
}

/* --- what it is for --- */

static int compare_versions(const uint32_t a[3], const uint32_t b[3])
{
    for (int i = 0; i < 3; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

static bool components_ok(const struct restore_image *image, struct pome_error *err)
{
    for (size_t i = 0; i < COMPONENT_ROLES; i++) {
        const struct manifest_component *c = manifest_component(&image->manifest, component_roles[i].name);
        if (!c && component_roles[i].optional)
            continue;
        if (!c)
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: BuildManifest.plist has no component %s", zipin_path(image->zip),
                             component_roles[i].name);
        if (restore_image_member(image, c, err) < 0)
            return false;
        if (c->digest_bytes != SHA384_BYTES)
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: the digest of %s has %zu bytes, needed %d (SHA-384)", zipin_path(image->zip),
                             c->name, c->digest_bytes, SHA384_BYTES);
    }
    const struct manifest_component *os = manifest_component(&image->manifest, "OS");
    if (strcmp(os->compression, "zstd") || !os->has_uncompressed_digest || !os->uncompressed_size || os->uncompressed_size % 4096 ||
        os->uncompressed_size > UINT64_C(8) * 1024 * GiB)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE,
                         "%s: OS: compression \"%s\", %llu bytes uncompressed: needed zstd, a digest and a multiple of 4096 up to 8 TiB",
                         zipin_path(image->zip), os->compression, (unsigned long long)os->uncompressed_size);
    return true;
}

/* Virtual Macs exist since macOS 12; a newer host than the one that our Mac board stands for is asked for by images that are too new. */
enum { MACOS_FIRST = 12, MACOS_HOST = 26 };

static bool virtual_mac_known(const struct restore_image *image, struct pome_error *err)
{
    const struct manifest *m = &image->manifest;
    uint32_t version[3];
    const char *path = zipin_path(image->zip);
    if (version_parse(m->version, version) && version[0] < MACOS_FIRST)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: macOS %s is too old: virtual Macs exist since macOS %d", path, m->version, MACOS_FIRST);
    if (m->has_min_host && m->min_host[0] > MACOS_HOST)
        return pome_fail(err, POME_ERROR_INSTALLATION_REQUIRES_UPDATE, "%s: macOS %s is too new: it needs a host like macOS %u.%u.%u, this Pome is like %d",
                         path, m->version, m->min_host[0], m->min_host[1], m->min_host[2], MACOS_HOST);
    return true;
}

/* Neither for our machines nor for virtual Macs. */
static bool no_identity(const struct restore_image *image, struct pome_error *err)
{
    const struct manifest *m = &image->manifest;
    uint32_t version[3];
    if (!strcmp(image->product_name, "macOS") && version_parse(m->version, version) && version[0] < MACOS_FIRST)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: macOS %s is too old: it knows no virtual Mac (they exist since macOS %d)",
                         zipin_path(image->zip), m->version, MACOS_FIRST);
    return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: none of its %zu identities is for a virtual machine (device class vma2macosap or pome1ap); the first is for %s",
                     zipin_path(image->zip), m->identities, m->device_class);
}

enum restore_family restore_image_family(const struct restore_image *image)
{
    return strcmp(image->manifest.device_class, "vma2macosap") ? RESTORE_POME : RESTORE_APPLE;
}

bool restore_image_installable(const struct restore_image *image, struct pome_error *err)
{
    return restore_image_family(image) == RESTORE_APPLE ? virtual_mac_known(image, err) && apple_image_installable(image, err)
                                                        : restore_image_supported(image, err);
}

bool restore_image_supported(const struct restore_image *image, struct pome_error *err)
{
    const struct manifest *m = &image->manifest;
    const struct platform *platform = platform_of(PLATFORM_POME);
    uint32_t ours[3];
    version_parse(POME_VERSION_STRING, ours);
    if (restore_image_family(image) == RESTORE_APPLE)
        return virtual_mac_known(image, err) &&
               pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: macOS %s for a VM: it can be read, checked and installed, but not started: its boot ROM is Apple's",
                         zipin_path(image->zip), m->version);
    if (strcmp(m->device_class, "pome1ap"))
        return no_identity(image, err);
    if (m->board != platform->board || m->chip != platform->chip || m->domain != LAYOUT_SECURITY_DOMAIN)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: made for board 0x%llX, chip 0x%llX, domain %llu; this machine has 0x%X, 0x%X, %d",
                         zipin_path(image->zip), (unsigned long long)m->board, (unsigned long long)m->chip, (unsigned long long)m->domain, platform->board,
                         platform->chip, LAYOUT_SECURITY_DOMAIN);
    if (m->has_min_host && compare_versions(ours, m->min_host) < 0)
        return pome_fail(err, POME_ERROR_INSTALLATION_REQUIRES_UPDATE, "%s: needs Pome %u.%u.%u, this is " POME_VERSION_STRING, zipin_path(image->zip),
                         m->min_host[0], m->min_host[1], m->min_host[2]);
    return components_ok(image, err);
}

uint64_t restore_image_min_disk(const struct restore_image *image)
{
    if (restore_image_family(image) == RESTORE_APPLE)
        return apple_image_min_disk(image);
    const struct manifest_component *os = manifest_component(&image->manifest, "OS");
    return os && os->uncompressed_size ? layout_minimum(os->uncompressed_size) : 0;
}

void restore_image_check_machine(const struct restore_image *image, uint64_t cpus, uint64_t memory_bytes, uint64_t disk_bytes, struct findings *out)
{
    const struct manifest *m = &image->manifest;
    const struct {
        enum config_rule rule;
        const char *field, *unit;
        uint64_t found, needed;
    } asked[] = {
        {RULE_IMAGE_CPUS, "cpuCount", "", cpus, m->min_cpus},
        {RULE_IMAGE_MEMORY, "memorySize", " MiB", memory_bytes / MiB, m->min_memory_mb},
        {RULE_IMAGE_DISK, "disk", " MiB", disk_bytes ? disk_bytes / MiB : UINT64_MAX, (restore_image_min_disk(image) + MiB - 1) / MiB},
    };
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
        if (asked[i].found < asked[i].needed) {
            findings_add(out, &config_rules[asked[i].rule], zipin_path(image->zip), asked[i].field, "%llu%s", (unsigned long long)asked[i].found, asked[i].unit);
            findings_expected(out, "at least %llu%s", (unsigned long long)asked[i].needed, asked[i].unit);
        }
}

int64_t restore_image_member(const struct restore_image *image, const struct manifest_component *c, struct pome_error *err)
{
    int64_t i = zipin_find(image->zip, c->path);
    if (i < 0)
        pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s is missing: no member \"%s\"", zipin_path(image->zip), c->name, c->path);
    return i;
}

/* --- reading with digests --- */

static bool compare_digest(const struct restore_image *image, const struct manifest_component *c, const char *form, const uint8_t *want,
                           const uint8_t *got, struct pome_error *err)
{
    char a[25], b[25];
    if (!memcmp(want, got, SHA384_BYTES))
        return true;
    hex_upper(want, 12, a);
    hex_upper(got, 12, b);
    return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s%s: SHA-384 is %s..., the manifest says %s...", zipin_path(image->zip), c->name, form,
                     b, a);
}

bool restore_image_read(struct restore_image *image, const struct manifest_component *c, component_sink *sink, void *user, bool *unchecked,
                        struct pome_error *err)
{
    bool check = c->digest_bytes == SHA384_BYTES, ok = false;
    int64_t i = restore_image_member(image, c, err);
    if (i < 0)
        return false;
    if (!check && !unchecked)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s has no SHA-384 digest", zipin_path(image->zip), c->name);
    struct zipin_stream *s = zipin_stream_open(image->zip, (size_t)i, err);
    struct hasher *sum = s ? hasher_begin() : NULL;
    uint8_t got[SHA384_BYTES];
    ssize_t n = sum ? 1 : -1;
    if (s && !sum)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read %s", zipin_path(image->zip), c->name);
    for (uint64_t at = 0; n > 0; at += (uint64_t)n) {
        uint8_t *block = hasher_piece(sum);
        n = zipin_read(s, block, HASHER_PIECE, err);
        if (n > 0 && sink && !sink(user, at, block, (size_t)n, err))
            n = -1;
        else if (n > 0)
            hasher_push(sum, (size_t)n);
    }
    hasher_end(sum, n == 0 ? got : NULL);
    if (n == 0)
        ok = !check || compare_digest(image, c, "", c->digest, got, err);
    if (unchecked)
        *unchecked = !check;
    zipin_stream_close(s);
    return ok;
}

struct restore_image_check {
    struct restore_image image; /* of it, only zip is used: one of its own */
    const struct manifest_component *component;
    pthread_t thread;
    atomic_bool unwanted;
    bool ok;
    struct pome_error err;
};

static bool check_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct restore_image_check *k = user;
    return !k->unwanted || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
}

static void *check_run(void *user)
{
    struct restore_image_check *k = user;
    bool unchecked;
    k->ok = restore_image_read(&k->image, k->component, check_piece, k, &unchecked, &k->err);
    return NULL;
}

struct restore_image_check *restore_image_check_begin(const struct restore_image *image, const struct manifest_component *c, struct pome_error *err)
{
    struct restore_image_check *k = calloc(1, sizeof *k);
    if (!k) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to check %s", zipin_path(image->zip), c->name);
        return NULL;
    }
    k->component = c;
    k->image.zip = zipin_again(image->zip, err);
    if (k->image.zip && !pthread_create(&k->thread, NULL, check_run, k))
        return k;
    if (k->image.zip)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no thread to check %s", zipin_path(image->zip), c->name);
    zipin_close(k->image.zip);
    free(k);
    return NULL;
}

bool restore_image_check_end(struct restore_image_check *k, bool wanted, struct pome_error *err)
{
    if (!k)
        return true;
    k->unwanted = !wanted;
    pthread_join(k->thread, NULL);
    bool ok = k->ok || !wanted;
    if (!ok && err)
        *err = k->err;
    zipin_close(k->image.zip);
    free(k);
    return ok;
}

/* Three threads: this one reads and uncompresses, one digests what was read (restore_image_read), one takes what was uncompressed. */
struct os_reading {
    struct restore_image *image;
    const struct manifest_component *os;
    struct relay *out;
    os_progress *progress;
    void *user;
    ZSTD_DCtx *zstd;
    uint64_t done;
    bool frame_open; /* a zstd frame has begun and not ended */
};

static bool os_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct os_reading *r = user;
    ZSTD_inBuffer in = {bytes, n, 0};
    bool full = true; /* the output buffer was filled: there may be more without input */
    while (in.pos < in.size || full) {
        ZSTD_outBuffer out = {relay_piece(r->out), RELAY_PIECE, 0};
        if (!out.dst)
            return false; /* relay_end says why */
        size_t before = in.pos, left = ZSTD_decompressStream(r->zstd, &out, &in);
        if (ZSTD_isError(left))
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: OS: zstd at byte %llu: %s", zipin_path(r->image->zip),
                             (unsigned long long)(offset + in.pos), ZSTD_getErrorName(left));
        if (out.pos || in.pos != before)
            r->frame_open = left != 0;
        full = out.pos == out.size;
        if (out.pos > r->os->uncompressed_size - r->done)
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: OS: uncompresses to more than the %llu bytes announced",
                             zipin_path(r->image->zip), (unsigned long long)r->os->uncompressed_size);
        if (out.pos)
            relay_push(r->out, out.pos);
        r->done += out.pos;
        if (r->progress && !r->progress(r->user, offset + in.pos, r->done, err))
            return false;
    }
    return true;
}

bool restore_image_read_os(struct restore_image *image, const struct manifest_component *os, component_sink *sink, os_progress *progress, void *user,
                           struct pome_error *err)
{
    struct os_reading r = {image, os, relay_begin(sink, user), progress, user, ZSTD_createDCtx(), 0, false};
    bool ok;
    if (!r.zstd || !r.out)
        ok = pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to uncompress the OS image", zipin_path(image->zip));
    else {
        ZSTD_DCtx_setParameter(r.zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
        ok = restore_image_read(image, os, os_piece, &r, NULL, err);
    }
    if (ok && (r.done != os->uncompressed_size || r.frame_open))
        ok = pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: OS: uncompresses to %llu bytes, the manifest says %llu", zipin_path(image->zip),
                       (unsigned long long)r.done, (unsigned long long)os->uncompressed_size);
    ok = relay_end(r.out, err) && ok;
    ZSTD_freeDCtx(r.zstd);
    return ok;
}

struct os_verifying {
    struct sha384 *sum;
    os_progress *progress;
    void *user;
};

static bool digest_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct os_verifying *v = user;
    sha384_add(v->sum, bytes, n);
    return true;
}

static bool pass_progress(void *user, uint64_t read, uint64_t made, struct pome_error *err)
{
    struct os_verifying *v = user;
    return v->progress(v->user, read, made, err);
}

bool restore_image_verify_os(struct restore_image *image, const struct manifest_component *os, os_progress *progress, void *user, struct pome_error *err)
{
    struct os_verifying v = {sha384_begin(), progress, user};
    uint8_t got[SHA384_BYTES];
    bool ok = v.sum ? restore_image_read_os(image, os, digest_piece, pass_progress, &v, err)
                    : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to digest the OS image", zipin_path(image->zip));
    sha384_end(v.sum, ok ? got : NULL);
    return ok && compare_digest(image, os, " (uncompressed)", os->uncompressed_digest, got, err);
}

bool restore_image_im4p(struct restore_image *image, const struct manifest_component *c, const char *type, struct im4p *p, struct pome_error *err)
{
    uint8_t head[IMAGE4_HEAD_MAX];
    int64_t i = restore_image_member(image, c, err);
    struct zipin_stream *s = i < 0 ? NULL : zipin_stream_open(image->zip, (size_t)i, err);
    if (!s)
        return false;
    size_t n = 0;
    ssize_t got;
    while (n < sizeof head && (got = zipin_read(s, head + n, sizeof head - n, err)) > 0)
        n += (size_t)got;
    zipin_stream_close(s);
    uint64_t total = zipin_member(image->zip, (size_t)i)->size;
    bool ok = im4p_read_head(head, n, total, p, err) &&
              (p->size == total || pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P has %llu bytes, the file %llu", (unsigned long long)p->size,
                                             (unsigned long long)total)) &&
              (!type || !strcmp(type, p->type) || pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P is of type %s, needed %s", p->type, type));
    if (!ok) {
        pome_fail_context(err, "%s: %s (%s)", zipin_path(image->zip), c->name, c->path);
        if (err)
            err->code = POME_ERROR_INVALID_RESTORE_IMAGE;
    }
    return ok;
}
