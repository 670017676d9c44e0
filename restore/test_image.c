/* test_image.c - small restore images for tests, made by the builder's own composer and then spoilt. */
#include "restore/test_image.h"
#include "base/bits.h"
#include "base/error.h"
#include "restore/build/compose.h"
#include "restore/zipfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t test_byte(unsigned seed, uint64_t at)
{
    if (seed == SEED_OS && (at >> 20) % 3 == 1) /* every third MiB is a hole, and odd bits before it */
        return 0;
    uint64_t x = (at / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15) + seed;
    x ^= x >> 29;
    return (uint8_t)(x * UINT64_C(0xbf58476d1ce4e5b9) >> (8 * (at % 8)));
}

static bool make_part(const char *dir, const char *name, unsigned seed, uint64_t bytes, char path[256], struct pome_error *err)
{
    snprintf(path, 256, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    for (uint64_t i = 0; f && i < bytes; i++)
        putc_unlocked(test_byte(seed, i), f);
    return (f && !fclose(f)) || pome_fail_errno(err, "%s", path);
}

bool test_image_make(const char *dir, const char *path, struct pome_error *err)
{
    char kernel[256], ramdisk[256], recovery[256], os[256];
    if (!make_part(dir, "kernel", SEED_KERNEL, TEST_KERNEL_BYTES, kernel, err) ||
        !make_part(dir, "ramdisk", SEED_RAMDISK, TEST_RAMDISK_BYTES, ramdisk, err) ||
        !make_part(dir, "recovery", SEED_RECOVERY, TEST_RECOVERY_BYTES, recovery, err) || !make_part(dir, "os", SEED_OS, TEST_OS_BYTES, os, err))
        return false;
    struct image_parts parts = {
        .kernel = kernel, .ramdisk = ramdisk, .recovery_ramdisk = recovery, .cmdline = "console=ttyAMA0 root=PARTLABEL=Container",
        .recovery_cmdline = "console=ttyAMA0", .os_image = os, .work = dir, .product_name = "Test System", .product_version = "1.2",
        .build_number = "1A1",
    };
    bool ok = image_compose(&parts, path, NULL, NULL, err);
    unlink(kernel), unlink(ramdisk), unlink(recovery), unlink(os);
    return ok;
}

bool test_image_rewrite(const char *from, const char *to, test_change *change, void *user, struct pome_error *err)
{
    struct zipin *in = zipin_open(from, err);
    struct zipout *out = in ? zipout_create(to, err) : NULL;
    bool ok = out;
    for (size_t i = 0; ok && i < zipin_count(in); i++) {
        const struct zip_member *m = zipin_member(in, i);
        size_t n;
        uint8_t *bytes = zipin_read_whole(in, i, 1 << 30, &n, err), *more = bytes ? realloc(bytes, n + 64) : NULL;
        if (!(ok = more))
            break;
        if (change(user, m->name, more, &n))
            ok = zipout_begin(out, m->name, n, err) && zipout_write(out, more, n, err) && zipout_end(out, NULL, err);
        free(more);
    }
    if (ok)
        ok = zipout_finish(out, err);
    else
        zipout_abandon(out);
    zipin_close(in);
    return ok;
}
