/*
 * darwin.c - a restore image whose kernel is Darwin's.
 *
 * The image has the components of ours (docs/boot.md section 1) with Darwin's device tree and trust cache beside them. Payloads are stored
 * unpacked, because the firmware that reads them in the guest uncompresses nothing.
 */
#include "restore/build/darwin.h"

#include "backend/file_source.h"
#include "base/bits.h"
#include "base/error.h"
#include "darwin/adt.h"
#include "darwin/macho.h"
#include "formats/image4_file.h"
#include "formats/trust_cache.h"
#include "restore/build/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_MAX   (256 * MiB)
#define RAMDISK_MAX  (1 * GiB)
#define EMPTY_OS     (16 * MiB)

bool darwin_check(const struct pome_image_build_options *o, struct pome_error *err)
{
    if (!o->kernel || !o->ramdisk)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "an image of a Darwin kernel needs %s", o->kernel ? "a RAM disk" : "a kernel");
    if (o->rootfs || o->suite || o->packages || o->package_list || o->modules || o->n_overlays || o->n_ssh_keys || o->n_recovery_includes || o->hostname ||
        o->root_password_file || o->os_bytes)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "packages, folders, keys, names and sizes of a system are for Linux");
    return names_check_line("the command line", o->command_line, err) && names_check_line("the Recovery command line", o->recovery_command_line, err) &&
           names_check_line("the name", o->name, err) && names_check_line("the version", o->version, err) && names_check_line("the build", o->build, err);
}

/* --- what a file must be --- */

typedef bool checker(const uint8_t *bytes, size_t n, struct pome_error *err);

static bool is_kernel(const uint8_t *bytes, size_t n, struct pome_error *err)
{
    struct macho m;
    return macho_read(bytes, n, &m, err) && (m.has_entry || pome_fail(err, POME_ERROR_NOT_SUPPORTED, "a kernel without an entry (LC_UNIXTHREAD)"));
}

static bool is_tree(const uint8_t *bytes, size_t n, struct pome_error *err)
{
    size_t used;
    return adt_check(bytes, n, &used, err);
}

static bool is_trust_cache(const uint8_t *bytes, size_t n, struct pome_error *err)
{
    struct trust_cache t;
    return trust_cache_read(bytes, n, &t, err);
}

static bool is_anything(const uint8_t *bytes, size_t n, struct pome_error *err)
{
    return n || pome_fail(err, POME_ERROR_INVALID_DATA, "it is empty");
}

/* --- unpacking --- */

static bool write_file(const char *path, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    FILE *f = fopen(path, "wbe");
    bool ok = f && fwrite(bytes, 1, n, f) == n;
    if (f && fclose(f))
        ok = false;
    return ok || pome_fail_errno(err, "%s", path);
}

/* `from` unpacked as a file of the work folder; its path in `to`. from NULL: nothing, *to is empty. */
static bool unpack(const struct work *w, const char *from, const char *name, uint64_t max, checker *check, char to[WORK_PATH + 64], struct pome_error *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    *to = 0;
    if (!from)
        return true;
    struct source *s = source_file(from, err);
    bool ok = s && image4_read_content(s, max, &bytes, &n, err) && (check(bytes, n, err) || pome_fail_context(err, "%s", from)) &&
              write_file(work_path(w, name, to), bytes, n, err);
    free(bytes);
    source_close(s);
    return ok;
}

static bool empty_os(const char *path, struct pome_error *err)
{
    FILE *f = fopen(path, "wbe");
    bool ok = f && !ftruncate(fileno(f), (off_t)EMPTY_OS);
    if (f)
        fclose(f);
    return ok || pome_fail_errno(err, "%s", path);
}

static const char *or_null(const char *path)
{
    return *path ? path : NULL;
}

bool darwin_compose(const struct pome_image_build_options *o, const struct work *w, compose_report *report, void *user, struct pome_error *err)
{
    char kernel[WORK_PATH + 64], ramdisk[WORK_PATH + 64], recovery[WORK_PATH + 64], tree[WORK_PATH + 64], trust[WORK_PATH + 64], os[WORK_PATH + 64];
    if (!unpack(w, o->kernel, "kernel", KERNEL_MAX, is_kernel, kernel, err) || !unpack(w, o->ramdisk, "ramdisk", RAMDISK_MAX, is_anything, ramdisk, err) ||
        !unpack(w, o->recovery_ramdisk, "recovery-ramdisk", RAMDISK_MAX, is_anything, recovery, err) ||
        !unpack(w, o->device_tree, "device-tree", ADT_BYTES_MAX, is_tree, tree, err) ||
        !unpack(w, o->trust_cache, "trust-cache", MiB, is_trust_cache, trust, err))
        return false;
    if (!o->os_image && !empty_os(work_path(w, "os.img", os), err))
        return false;
    const struct image_parts parts = {
        .firmware = o->firmware, .kernel = kernel, .ramdisk = ramdisk, .recovery_ramdisk = *recovery ? recovery : ramdisk,
        .cmdline = o->command_line ? o->command_line : "serial=3 rd=md0",
        .recovery_cmdline = o->recovery_command_line ? o->recovery_command_line : "serial=3 rd=md0 -s",
        .device_tree = or_null(tree), .trust_cache = or_null(trust), .os_image = o->os_image ? o->os_image : os, .os_file_system = "none",
        .work = w->folder, .product_name = o->name ? o->name : "Darwin", .product_version = o->version ? o->version : "1.0",
        .build_number = o->build ? o->build : "1",
    };
    return image_compose(&parts, o->output, report, user, err);
}
