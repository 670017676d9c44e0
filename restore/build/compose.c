/*
 * compose.c - writes a restore image from its parts.
 *
 * How it works: the OS image is compressed into the work folder first, because a zip member's size stands before its
 * bytes. Then the components of one table are written, each as IM4P or as a file; the digest that zipout gives for each goes
 * into the manifest, which is therefore the last member.
 */
#include "restore/build/compose.h"

#include "base/bits.h"
#include "base/error.h"
#include "firmware/firmware.h"
#include "firmware/platform.h"
#include "formats/image4.h"
#include "formats/plist.h"
#include "restore/zipfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { ZSTD_LEVEL = 8, ZSTD_WORKERS = 4, BLOCK = 1 << 20, COMPONENTS_MAX = 12, UNIQUE_ID_BYTES = 20 };

#define DEVICE_CLASS  "pome1ap"
#define PRODUCT_TYPE  "PomeMac1,1"
#define MIN_HOST      "0.1.0"
#define OS_COMPONENT  7

struct component {
    const char *name, *type, *path; /* type: Image4, NULL for a plain file */
    const char *file;               /* a file, or if that is NULL */
    const void *bytes;              /* n bytes */
    size_t n;
    uint8_t digest[SHA384_BYTES];
};

struct compose {
    const struct image_parts *parts;
    struct zipout *zip;
    compose_report *report;
    void *user;
    uint8_t *block;
    uint64_t os_bytes, written, to_write;
    uint8_t os_digest[SHA384_BYTES]; /* not compressed */
    size_t n_components;
    struct component components[COMPONENTS_MAX];
};

/* Compression takes three quarters of the time. */
static bool tell_compressed(const struct compose *c, uint64_t done, struct pome_error *err)
{
    double part = 0.75 * (double)done / (double)c->os_bytes;
    if (c->report && !c->report(c->user, "compressing the OS image", done, c->os_bytes, part))
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
    return true;
}

static bool tell_written(struct compose *c, uint64_t more, struct pome_error *err)
{
    c->written += more;
    double part = 0.75 + 0.25 * (double)c->written / (double)c->to_write;
    if (c->report && !c->report(c->user, "writing the restore image", c->written, c->to_write, part))
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
    return true;
}

static int open_file(const char *path, uint64_t *bytes, struct pome_error *err)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s)) {
        pome_fail_errno(err, "%s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *bytes = (uint64_t)s.st_size;
    return fd;
}

/* One piece of the stream through zstd into the file. */
static bool compress_piece(ZSTD_CCtx *z, ZSTD_inBuffer *in, ZSTD_EndDirective mode, FILE *out, void *buffer,
                           size_t room, struct pome_error *err)
{
    size_t left;
    do {
        ZSTD_outBuffer o = {buffer, room, 0};
        left = ZSTD_compressStream2(z, &o, in, mode);
        if (ZSTD_isError(left))
            return pome_fail(err, POME_ERROR_INTERNAL, "zstd: %s", ZSTD_getErrorName(left));
        if (o.pos && fwrite(buffer, 1, o.pos, out) != o.pos)
            return pome_fail_errno(err, "writing the compressed OS image");
    } while (mode == ZSTD_e_end ? left : in->pos < in->size);
    return true;
}

static bool compress_stream(struct compose *c, int fd, ZSTD_CCtx *z, FILE *out, struct sha384 *sum, void *buffer,
                            size_t room, struct pome_error *err)
{
    for (uint64_t done = 0; done < c->os_bytes;) {
        ssize_t n = read(fd, c->block, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return pome_fail_errno(err, "%s", c->parts->os_image);
        sha384_add(sum, c->block, (size_t)n);
        done += (uint64_t)n;
        ZSTD_inBuffer in = {c->block, (size_t)n, 0};
        if (!compress_piece(z, &in, done == c->os_bytes ? ZSTD_e_end : ZSTD_e_continue, out, buffer, room, err) ||
            !tell_compressed(c, done, err))
            return false;
    }
    return true;
}

static bool compress_os(struct compose *c, const char *to, struct pome_error *err)
{
    bool ok = false;
    size_t room = ZSTD_CStreamOutSize();
    void *buffer = malloc(room);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    struct sha384 *sum = sha384_begin();
    FILE *out = fopen(to, "wbe");
    int fd = open_file(c->parts->os_image, &c->os_bytes, err);
    if (fd < 0)
        goto end;
    if (!buffer || !z || !sum) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for compression");
        goto end;
    }
    if (!out) {
        pome_fail_errno(err, "%s", to);
        goto end;
    }
    if (!c->os_bytes || c->os_bytes % 4096) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %llu bytes, needed a multiple of 4096", c->parts->os_image,
                  (unsigned long long)c->os_bytes);
        goto end;
    }
    ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    /* Any number of workers gives the same bytes. A library without threads refuses: then there is one. */
    ZSTD_CCtx_setParameter(z, ZSTD_c_nbWorkers, ZSTD_WORKERS);
    ZSTD_CCtx_setPledgedSrcSize(z, c->os_bytes);
    ok = compress_stream(c, fd, z, out, sum, buffer, room, err);
end:
    sha384_end(sum, ok ? c->os_digest : NULL);
    if (out && fclose(out) && ok)
        ok = pome_fail_errno(err, "%s", to);
    if (fd >= 0)
        close(fd);
    ZSTD_freeCCtx(z);
    free(buffer);
    return ok;
}

static bool copy_file(struct compose *c, int fd, uint64_t bytes, const char *path, struct pome_error *err)
{
    for (uint64_t done = 0; done < bytes;) {
        ssize_t n = read(fd, c->block, MIN((uint64_t)BLOCK, bytes - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? pome_fail_errno(err, "%s", path) : pome_fail(err, POME_ERROR_IO, "%s: became shorter", path);
        done += (uint64_t)n;
        if (!zipout_write(c->zip, c->block, (size_t)n, err) || !tell_written(c, (uint64_t)n, err))
            return false;
    }
    return true;
}

static bool write_component(struct compose *c, struct component *k, struct pome_error *err)
{
    uint8_t head[IMAGE4_HEAD_MAX];
    size_t head_bytes = 0;
    uint64_t bytes = k->n;
    int fd = -1;
    bool ok = false;
    if (k->file && (fd = open_file(k->file, &bytes, err)) < 0)
        return false;
    if (k->type && !(head_bytes = im4p_write_head(k->type, "pome-" POME_VERSION_STRING, bytes, head))) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %llu bytes are too many for an Image4 payload", k->name,
                  (unsigned long long)bytes);
        goto end;
    }
    ok = zipout_begin(c->zip, k->path, head_bytes + bytes, err) &&
         (!head_bytes || zipout_write(c->zip, head, head_bytes, err)) &&
         (k->file ? copy_file(c, fd, bytes, k->file, err) : zipout_write(c->zip, k->bytes, k->n, err)) &&
         zipout_end(c->zip, k->digest, err);
end:
    if (fd >= 0)
        close(fd);
    return ok;
}

static void set_text(struct pl *dict, const char *key, const char *text)
{
    pl_set(dict, key, pl_new_text(text));
}

static struct pl *manifest_entry(const struct compose *c, size_t i)
{
    const struct component *k = &c->components[i];
    struct pl *entry = pl_new_dict(), *info = pl_new_dict();
    set_text(info, "Path", k->path);
    if (i == OS_COMPONENT) {
        set_text(info, "Compression", "zstd");
        pl_set(info, "UncompressedSize", pl_new_integer(c->os_bytes));
        pl_set(info, "UncompressedDigest", pl_new_data(c->os_digest, SHA384_BYTES));
    }
    pl_set(entry, "Digest", pl_new_data(k->digest, SHA384_BYTES));
    pl_set(entry, "Trusted", pl_new_boolean(true));
    pl_set(entry, "Info", info);
    return entry;
}

static struct pl *identity(const struct compose *c)
{
    char number[24];
    uint8_t all[COMPONENTS_MAX * SHA384_BYTES], unique[SHA384_BYTES];
    struct pl *id = pl_new_dict(), *info = pl_new_dict(), *manifest = pl_new_dict();
    snprintf(number, sizeof number, "0x%X", FW_BOARD_ID);
    set_text(id, "ApBoardID", number);
    snprintf(number, sizeof number, "0x%X", FW_CHIP_ID);
    set_text(id, "ApChipID", number);
    set_text(id, "ApSecurityDomain", "0x01");
    set_text(id, "Ap,ProductType", PRODUCT_TYPE);
    set_text(id, "Ap,OSLongVersion", c->parts->product_version);
    set_text(info, "DeviceClass", DEVICE_CLASS);
    set_text(info, "Variant", "Customer Erase Install (IPSW)");
    set_text(info, "RestoreBehavior", "Erase");
    set_text(info, "BuildNumber", c->parts->build_number);
    set_text(info, "VirtualMachineMinHostOS", MIN_HOST);
    pl_set(info, "VirtualMachineMinCPUCount", pl_new_integer(1));
    pl_set(info, "VirtualMachineMinMemorySizeMB", pl_new_integer(FW_RAM_MIN >> 20));
    pl_set(info, "OSDiskImageSize", pl_new_integer(c->os_bytes >> 20));
    for (size_t i = 0; i < c->n_components; i++) {
        pl_set(manifest, c->components[i].name, manifest_entry(c, i));
        memcpy(all + i * SHA384_BYTES, c->components[i].digest, SHA384_BYTES);
    }
    sha384(all, c->n_components * SHA384_BYTES, unique);
    pl_set(id, "UniqueBuildID", pl_new_data(unique, UNIQUE_ID_BYTES));
    pl_set(id, "Info", info);
    pl_set(id, "Manifest", manifest);
    return id;
}

static struct pl *array_of(struct pl *item)
{
    struct pl *array = pl_new_array();
    pl_append(array, item);
    return array;
}

static struct pl *build_manifest(const struct compose *c)
{
    struct pl *root = pl_new_dict();
    pl_set(root, "BuildIdentities", array_of(identity(c)));
    pl_set(root, "ManifestVersion", pl_new_integer(0));
    set_text(root, "ProductBuildVersion", c->parts->build_number);
    set_text(root, "ProductVersion", c->parts->product_version);
    pl_set(root, "SupportedProductTypes", array_of(pl_new_text(PRODUCT_TYPE)));
    return root;
}

static struct pl *restore_plist(const struct compose *c)
{
    uint64_t id = (uint64_t)FW_BOARD_ID << 24 | FW_CHIP_ID;
    struct pl *root = pl_new_dict(), *device = pl_new_dict(), *ids = pl_new_dict(), *systems = pl_new_dict();
    pl_set(device, "BDID", pl_new_integer(FW_BOARD_ID));
    set_text(device, "BoardConfig", DEVICE_CLASS);
    pl_set(device, "CPID", pl_new_integer(FW_CHIP_ID));
    set_text(device, "Platform", "pome1");
    pl_set(device, "SCEP", pl_new_integer(0));
    pl_set(device, "SDOM", pl_new_integer(1));
    pl_set(root, "DeviceMap", array_of(device));
    set_text(root, "ProductBuildVersion", c->parts->build_number);
    set_text(root, "ProductVersion", c->parts->product_version);
    pl_set(ids, "DFU", array_of(pl_new_integer(id)));
    pl_set(ids, "Recovery", array_of(pl_new_integer(id)));
    pl_set(root, "SupportedProductTypeIDs", ids);
    pl_set(root, "SupportedProductTypes", array_of(pl_new_text(PRODUCT_TYPE)));
    set_text(systems, c->components[OS_COMPONENT].path, c->parts->os_file_system ? c->parts->os_file_system : "ext4");
    pl_set(root, "SystemRestoreImageFileSystems", systems);
    return root;
}

static struct pl *restore_version(const struct compose *c)
{
    struct pl *root = pl_new_dict();
    set_text(root, "RestoreBuildGroup", "0");
    set_text(root, "RestoreLongVersion", c->parts->build_number);
    set_text(root, "RestoreVersion", c->parts->product_version);
    return root;
}

static struct pl *system_version(const struct compose *c)
{
    struct pl *root = pl_new_dict();
    set_text(root, "ProductBuildVersion", c->parts->build_number);
    set_text(root, "ProductName", c->parts->product_name);
    set_text(root, "ProductUserVisibleVersion", c->parts->product_version);
    set_text(root, "ProductVersion", c->parts->product_version);
    return root;
}

static bool write_plist(struct compose *c, const char *path, struct pl *root, struct pome_error *err)
{
    size_t n;
    char *xml = pl_write_xml(root, &n);
    pl_free(root);
    if (!xml)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %s", path);
    bool ok = zipout_begin(c->zip, path, n, err) && zipout_write(c->zip, xml, n, err) && zipout_end(c->zip, NULL, err);
    free(xml);
    return ok;
}

static bool write_members(struct compose *c, struct pome_error *err)
{
    struct stat s;
    for (size_t i = 0; i < c->n_components; i++)
        c->to_write += c->components[i].file && !stat(c->components[i].file, &s) ? (uint64_t)s.st_size : c->components[i].n;
    for (size_t i = 0; i < c->n_components; i++)
        if (!write_component(c, &c->components[i], err))
            return false;
    return write_plist(c, "Restore.plist", restore_plist(c), err) &&
           write_plist(c, "RestoreVersion.plist", restore_version(c), err) &&
           write_plist(c, "SystemVersion.plist", system_version(c), err) &&
           write_plist(c, "BuildManifest.plist", build_manifest(c), err);
}

static void add_file(struct compose *c, const char *name, const char *type, const char *path, const char *file)
{
    if (file)
        c->components[c->n_components++] = (struct component){name, type, path, file, NULL, 0, {0}};
}

bool image_compose(const struct image_parts *p, const char *output, compose_report *report, void *user,
                   struct pome_error *err)
{
    char compressed[4096];
    snprintf(compressed, sizeof compressed, "%s/OS.img.zst", p->work);
    struct compose c = {
        .parts = p,
        .report = report,
        .user = user,
        .block = malloc(BLOCK),
        /* docs/boot.md §1, in its order */
        .components = {
            {"LLB", "illb", "Firmware/all_flash/LLB.pome1.im4p", p->firmware, pome_stage2, pome_stage2_bytes, {0}},
            {"KernelCache", "krnl", "kernelcache.pome1.im4p", p->kernel, NULL, 0, {0}},
            {"BootRamDisk", "rdsk", "Firmware/bootramdisk.im4p", p->ramdisk, NULL, 0, {0}},
            {"KernelCommandLine", "kcmd", "Firmware/cmdline.im4p", NULL, p->cmdline, strlen(p->cmdline), {0}},
            {"RecoveryKernelCache", "rkrn", "Firmware/recovery/kernelcache.im4p", p->kernel, NULL, 0, {0}},
            {"RecoveryRamDisk", "rrdk", "Firmware/recovery/ramdisk.im4p", p->recovery_ramdisk, NULL, 0, {0}},
            {"RecoveryCommandLine", "rcmd", "Firmware/recovery/cmdline.im4p", NULL, p->recovery_cmdline,
             strlen(p->recovery_cmdline), {0}},
            [OS_COMPONENT] = {"OS", NULL, "OS.img.zst", compressed, NULL, 0, {0}},
        },
        .n_components = OS_COMPONENT + 1,
    };
    /* Of a Darwin kernel; Recovery starts with the same. */
    add_file(&c, "DeviceTree", "dtre", "Firmware/all_flash/DeviceTree.pome1.im4p", p->device_tree);
    add_file(&c, "RecoveryDeviceTree", "rdtr", "Firmware/recovery/devicetree.im4p", p->device_tree);
    add_file(&c, "StaticTrustCache", "trst", "Firmware/ramdisk.trustcache.im4p", p->trust_cache);
    add_file(&c, "RecoveryTrustCache", "rtsc", "Firmware/recovery/ramdisk.trustcache.im4p", p->trust_cache);
    if (!c.block)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to write the restore image");
    bool ok = compress_os(&c, compressed, err) && (c.zip = zipout_create(output, err)) && write_members(&c, err);
    if (ok)
        ok = zipout_finish(c.zip, err);
    else
        zipout_abandon(c.zip);
    unlink(compressed);
    free(c.block);
    return ok;
}
