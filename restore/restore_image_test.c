/* restore_image_test.c - restore images: right ones, each way to be wrong, Apple's lists. */
#include "base/bits.h"
#include "base/error.h"
#include "formats/gpt.h"
#include "restore/apple_image.h"
#include "restore/restore_image.h"
#include "restore/sources.h"
#include "restore/test_image.h"
#include "restore/verify.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], good[96], bad[96];

static int setup(void **state)
{
    struct pome_error err = {0};
    strcpy(dir, "/tmp/pome-image-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(good, sizeof good, "%s/good.ipsw", dir);
    snprintf(bad, sizeof bad, "%s/bad.ipsw", dir);
    if (!test_image_make(dir, good, &err))
        fail_msg("%s", err.message);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void right(void **state)
{
    struct pome_error err = {0};
    struct pome_verify_result r;
    struct restore_image *image = restore_image_open(good, &err);
    if (!image)
        fail_msg("%s", err.message);
    assert_string_equal(image->product_name, "Test System");
    assert_string_equal(image->manifest.version, "1.2");
    assert_string_equal(image->manifest.device_class, "pome1ap");
    assert_int_equal(image->manifest.min_cpus, 1);
    assert_int_equal(image->manifest.n, COMPONENTS_NEEDED);
    assert_true(image->restore.for_device);
    if (!restore_image_supported(image, &err) || !restore_image_verify(image, &r, NULL, NULL, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r.checked, COMPONENTS_NEEDED);
    assert_int_equal(r.unchecked, 0);
    restore_image_close(image);
}

static void extract(void **state)
{
    struct pome_error err = {0};
    char out[96];
    snprintf(out, sizeof out, "%s/kernel.out", dir);
    struct restore_image *image = restore_image_open(good, &err);
    assert_non_null(image);
    if (!restore_image_extract(image, "KernelCache", out, true, NULL, NULL, NULL, &err))
        fail_msg("%s", err.message);
    FILE *f = fopen(out, "rb");
    for (uint64_t i = 0; i < TEST_KERNEL_BYTES; i++)
        if (getc(f) != test_byte(SEED_KERNEL, i))
            fail_msg("byte %llu of the kernel differs", (unsigned long long)i);
    assert_int_equal(getc(f), EOF);
    fclose(f);
    assert_false(restore_image_extract(image, "KernelCache", out, true, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_EXISTS);
    unlink(out);
    assert_true(restore_image_extract(image, "Restore.plist", out, false, NULL, NULL, NULL, &err));
    unlink(out);
    assert_false(restore_image_extract(image, "OS", out, true, NULL, NULL, NULL, &err)); /* no Image4 */
    assert_false(restore_image_extract(image, "Nothing", out, false, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_int_equal(access(out, F_OK), -1);
    restore_image_close(image);
}

/* --- images shaped like macOS's --- */

/* The disk of the OS component, through all its layers, at any place. */
static void check_os_disk(struct restore_image *image, const struct archive_key *key)
{
    struct pome_error err = {0};
    static uint8_t primary[GPT_PRIMARY_BYTES], again[4096];
    static struct gpt g;
    struct source *disk = restore_image_disk(image, manifest_component(&image->manifest, "OS"), key, &err);
    if (!disk)
        fail_msg("%s", err.message);
    assert_int_equal(disk->bytes, 8 * MiB);
    if (!source_read(disk, 0, primary, sizeof primary, &err) || !gpt_read(primary, disk->bytes / GPT_SECTOR, &g, &err))
        fail_msg("%s", err.message);
    assert_string_equal(g.partitions[0].name, "disk image");
    assert_true(source_read(disk, 6 * MiB, again, sizeof again, NULL) && !again[0]); /* a hole */
    assert_true(source_read(disk, 4 * MiB + 8, again, 8, NULL));
    assert_memory_equal(again, "a disk\n ", 8);
    assert_true(source_read(disk, 512, again, 512, NULL)); /* and back */
    assert_memory_equal(again, primary + 512, 512);
    source_close(disk);
}

static void apple(void **state)
{
    struct apple_image o = {.work = dir, .os_bytes = 8 * MiB};
    struct archive_key key;
    memcpy(key.bytes, apple_image_key, sizeof key.bytes);
    for (unsigned encrypted = 0; encrypted < 2; encrypted++) {
        struct pome_error err = {0};
        struct pome_verify_result r;
        o.encrypted = encrypted;
        assert_true(apple_image_make(&o, bad, &err));
        struct restore_image *image = restore_image_open(bad, &err);
        if (!image || !restore_image_verify(image, &r, NULL, NULL, &err))
            fail_msg("%s", err.message);
        assert_int_equal(image->manifest.identities, 6);
        assert_string_equal(image->manifest.device_class, "vma2macosap");
        assert_string_equal(image->manifest.behavior, "Erase");
        assert_int_equal(r.unchecked, 0);
        check_os_disk(image, &key);
        if (encrypted) {
            assert_null(restore_image_disk(image, manifest_component(&image->manifest, "OS"), NULL, &err));
            assert_int_equal(err.code, POME_ERROR_NOT_SUPPORTED);
        }
        restore_image_close(image);
    }
}

/* --- wrong ones --- */

struct spoil {
    const char *member;
    size_t flip;           /* byte to change; SIZE_MAX: none */
    bool drop;
    const char *from, *to; /* text to replace (same length) in member; NULL: none */
};

static bool spoil(void *user, const char *member, uint8_t *bytes, size_t *n)
{
    const struct spoil *s = user;
    if (strcmp(member, s->member))
        return true;
    if (s->drop)
        return false;
    if (s->from) {
        uint8_t *at = memmem(bytes, *n, s->from, strlen(s->from));
        assert_non_null(at);
        memcpy(at, s->to, strlen(s->to));
    } else {
        bytes[s->flip < *n ? s->flip : *n - 1] ^= 0x40;
    }
    return true;
}

static bool check(const char *path, struct pome_error *err)
{
    struct restore_image *image = restore_image_open(path, err);
    bool ok = image && restore_image_supported(image, err) && restore_image_verify(image, NULL, NULL, NULL, err);
    restore_image_close(image);
    return ok;
}

static void wrong(void **state)
{
    static const struct {
        struct spoil s;
        const char *says;
        int32_t code;
    } rows[] = {
        {{"kernelcache.pome1.im4p", 1000, false, NULL, NULL}, "KernelCache: SHA-384", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"kernelcache.pome1.im4p", SIZE_MAX, false, NULL, NULL}, "KernelCache: SHA-384", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"OS.img.zst", 100000, false, NULL, NULL}, "OS", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"OS.img.zst", 0, false, NULL, NULL}, "OS", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"Firmware/cmdline.im4p", SIZE_MAX, false, NULL, NULL}, "KernelCommandLine: SHA-384", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"Firmware/bootramdisk.im4p", 0, true, NULL, NULL}, "BootRamDisk is missing", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, true, NULL, NULL}, "not a restore image", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, false, NULL, NULL}, "BuildManifest.plist", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, false, "<key>KernelCache</key>", "<key>KernelCachf</key>"}, "no component KernelCache", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, false, "<string>pome1ap</string>", "<string>pome9ap</string>"}, "the first is for pome9ap", POME_ERROR_NOT_SUPPORTED},
        {{"BuildManifest.plist", 0, false, "<string>0.1.0</string>", "<string>9.9.9</string>"}, "needs Pome 9.9.9", POME_ERROR_INSTALLATION_REQUIRES_UPDATE},
        {{"BuildManifest.plist", 0, false, "<string>0.1.0</string>", "<string>zebra</string>"}, "not a version", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, false, "<string>0x70</string>", "<string>0x71</string>"}, "made for board 0x71", POME_ERROR_NOT_SUPPORTED},
        {{"BuildManifest.plist", 0, false, "<string>zstd</string>", "<string>lzma</string>"}, "compression \"lzma\"", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, false, "<integer>25165824</integer>", "<integer>25161728</integer>"}, "more than the 25161728 bytes", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, false, "<integer>25165824</integer>", "<integer>99165824</integer>"}, "multiple of 4096", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"BuildManifest.plist", 0, false, "<integer>25165824</integer>", "<integer>25169920</integer>"}, "uncompresses to 25165824", POME_ERROR_INVALID_RESTORE_IMAGE},
        {{"SystemVersion.plist", 0, false, NULL, NULL}, "SystemVersion.plist", POME_ERROR_INVALID_RESTORE_IMAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pome_error err = {0};
        struct spoil s = rows[i].s;
        if (!test_image_rewrite(good, bad, spoil, &s, &err))
            fail_msg("%s", err.message);
        assert_false(check(bad, &err));
        if (!strstr(err.message, rows[i].says) || !strstr(err.message, bad) || err.code != rows[i].code)
            fail_msg("row %zu: says %d \"%s\", not \"%s\"", i, err.code, err.message, rows[i].says);
    }
}

static bool other_uncompressed_digest(void *user, const char *member, uint8_t *bytes, size_t *n)
{
    uint8_t *key = strcmp(member, "BuildManifest.plist") ? NULL : memmem(bytes, *n, "<key>UncompressedDigest</key>", 29);
    uint8_t *data = key ? memmem(key, *n - (size_t)(key - bytes), "<data>", 6) : NULL;
    if (!data)
        return true;
    for (data += 6; !isalnum(*data);)
        data++;
    *data = *data == 'A' ? 'B' : 'A';
    *(bool *)user = true;
    return true;
}

/* What the image's own digest lets through, but the manifest says otherwise of. */
static void wrong_uncompressed_digest(void **state)
{
    struct pome_error err = {0};
    bool changed = false;
    if (!test_image_rewrite(good, bad, other_uncompressed_digest, &changed, &err))
        fail_msg("%s", err.message);
    assert_true(changed);
    assert_false(check(bad, &err));
    if (!strstr(err.message, "OS (uncompressed): SHA-384 is") || err.code != POME_ERROR_INVALID_RESTORE_IMAGE)
        fail_msg("%s", err.message);
}

static bool full_at(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    return offset + n <= *(uint64_t *)user || pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "full at %llu", (unsigned long long)offset);
}

static bool take_all(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    return true;
}

static bool cancel_from(void *user, uint64_t read, uint64_t made, struct pome_error *err)
{
    return made <= *(uint64_t *)user || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "enough");
}

/* The thread that takes the OS image fails, or the user ends it, early and late. */
static void os_image_not_taken(void **state)
{
    struct restore_image *image = restore_image_open(good, NULL);
    const struct manifest_component *os = manifest_component(&image->manifest, "OS");
    for (uint64_t end = 0; end < TEST_OS_BYTES; end = end ? end + 9 * MiB : 1) {
        struct pome_error err = {0};
        uint64_t at = end;
        assert_false(restore_image_read_os(image, os, full_at, NULL, &at, &err));
        if (err.code != POME_ERROR_OUT_OF_DISK_SPACE || strncmp(err.message, "full at ", 8))
            fail_msg("%llu: %d %s", (unsigned long long)end, err.code, err.message);
        at = end;
        err = (struct pome_error){0};
        assert_false(restore_image_read_os(image, os, take_all, cancel_from, &at, &err));
        assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
    }
    restore_image_close(image);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void truncated(void **state)
{
    struct stat st;
    struct pome_error err;
    char command[400];
    stat(good, &st);
    for (int i = 0; i < 20; i++) {
        snprintf(command, sizeof command, "cp %s %s && truncate -s %lld %s", good, bad, (long long)st.st_size * i / 20, bad);
        assert_int_equal(system(command), 0);
        assert_null(restore_image_open(bad, &err));
        assert_true(err.code == POME_ERROR_INVALID_RESTORE_IMAGE);
        assert_non_null(strstr(err.message, bad));
    }
    assert_null(restore_image_open("/nonexistent/x.ipsw", &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_null(restore_image_open(dir, &err));
    write_file(bad, "PK\5\6", 4);
    assert_null(restore_image_open(bad, &err));
}

/* Any byte of the zip changed: opening and verifying end with an answer, and a change of a component is never accepted. */
static void flipped(void **state)
{
    FILE *f = fopen(good, "rb");
    static uint8_t bytes[64 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, f), directory = 0;
    fclose(f);
    for (size_t i = 0; i + 4 < n; i++)
        if (!memcmp(bytes + i, "PK\1\2", 4)) {
            directory = i;
            break;
        }
    assert_true(directory);
    int accepted = 0;
    write_file(bad, bytes, n);
    int fd = open(bad, O_WRONLY);
    for (size_t i = directory; i < n; i += 3) {
        uint8_t byte = bytes[i] ^ 0xff;
        struct pome_error err;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
        struct restore_image *image = restore_image_open(bad, &err);
        accepted += image != NULL;
        restore_image_close(image);
        assert_int_equal(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
    }
    close(fd);
    print_message("%d of %zu changes of the directory do not matter for opening\n", accepted, (n - directory) / 3);
}

static void hostile_names(void **state)
{
    static const char *const names[] = {"/etc/passwd", "../x", "a/../../x", "a\\b", "a//b", "./a", "C:x", ("a\x01" "b")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct pome_error err = {0};
        struct zipout *out = zipout_create(bad, &err);
        assert_non_null(out);
        assert_true(zipout_begin(out, names[i], 1, &err) && zipout_write(out, "x", 1, &err) && zipout_end(out, NULL, &err));
        assert_true(zipout_finish(out, &err));
        struct zipin *in = zipin_open(bad, &err);
        if (in)
            fail_msg("%s was accepted", names[i]);
        assert_non_null(strstr(err.message, "name that is not allowed"));
    }
    struct pome_error err = {0};
    struct zipout *out = zipout_create(bad, &err);
    for (int i = 0; i < 2; i++)
        assert_true(zipout_begin(out, "twice", 1, &err) && zipout_write(out, "x", 1, &err) && zipout_end(out, NULL, &err));
    assert_true(zipout_finish(out, &err));
    assert_null(zipin_open(bad, &err));
    assert_non_null(strstr(err.message, "twice"));
}

/* A stored member whose content, or whose CRC, is another: its end is never reached. From another place than its first byte on there is no CRC to compare. */
static void crc(void **state)
{
    static const char text[] = "what is stored lies in the file as it is";
    char file[4096], part[16];
    struct pome_error err = {0};
    struct zipout *out = zipout_create(bad, &err);
    assert_true(zipout_begin(out, "stored", strlen(text), &err) && zipout_write(out, text, strlen(text), &err) && zipout_end(out, NULL, &err));
    assert_true(zipout_finish(out, &err));
    FILE *f = fopen(bad, "r+");
    size_t n = fread(file, 1, sizeof file, f), size;
    char *at = memmem(file, n, text, strlen(text));
    assert_non_null(at);
    for (int damaged = 0; damaged < 2; damaged++) {
        struct zipin *in = zipin_open(bad, &err);
        assert_non_null(in);
        uint8_t *whole = zipin_read_whole(in, 0, 100, &size, &err);
        assert_int_equal(whole != NULL, !damaged);
        if (damaged)
            assert_non_null(strstr(err.message, "CRC"));
        free(whole);
        struct zipin_stream *s = zipin_stream_open(in, 0, &err);
        assert_true(zipin_seek(s, strlen(text) - 5, &err));
        assert_int_equal(zipin_read(s, part, sizeof part, &err), 5);
        assert_memory_equal(part, text + strlen(text) - 5, 5);
        assert_int_equal(zipin_read(s, part, sizeof part, &err), 0);
        zipin_stream_close(s);
        zipin_close(in);
        fseek(f, at - file, SEEK_SET);
        fputc('W', f);
        fflush(f);
    }
    fclose(f);
    unlink(bad);
}

/* A member over 4 GiB: Zip64, sizes right, written and read as a stream. Slow: only when asked for. */
static void zip64(void **state)
{
    if (!getenv("POME_TEST_LARGE")) {
        print_message("POME_TEST_LARGE is not set: no member over 4 GiB\n");
        skip();
    }
    enum { BLOCK = 1 << 20 };
    static uint8_t block[BLOCK];
    uint64_t size = (UINT64_C(4) << 30) + 12345, done = 0;
    struct pome_error err = {0};
    struct zipout *out = zipout_create(bad, &err);
    assert_true(zipout_begin(out, "large", size, &err));
    for (; done < size; done += done + BLOCK > size ? size - done : BLOCK)
        assert_true(zipout_write(out, block, done + BLOCK > size ? size - done : BLOCK, &err));
    assert_true(zipout_end(out, NULL, &err) && zipout_finish(out, &err));
    struct zipin *in = zipin_open(bad, &err);
    assert_non_null(in);
    assert_true(zipin_member(in, 0)->size == size);
    struct zipin_stream *s = zipin_stream_open(in, 0, &err);
    ssize_t n;
    for (done = 0; (n = zipin_read(s, block, BLOCK, &err)) > 0;)
        done += (uint64_t)n;
    assert_int_equal(n, 0);
    assert_true(done == size);
    zipin_stream_close(s);
    zipin_close(in);
    unlink(bad);
}

static bool cancel_soon(void *user, const struct pome_progress *p)
{
    return p->fraction < 0.3;
}

static void cancelled(void **state)
{
    struct pome_error err = {0};
    struct restore_image *image = restore_image_open(good, &err);
    assert_false(restore_image_verify(image, NULL, cancel_soon, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
    restore_image_close(image);
}

/* --- Apple's lists --- */

static uint8_t *sample(const char *name, size_t *n)
{
    char path[512];
    const char *folder = getenv("POME_SAMPLES");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : SAMPLES, name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("%s is not there: Apple's lists are not read\n", path);
        skip();
    }
    uint8_t *bytes = malloc(1 << 20);
    *n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static void apples_manifests(void **state)
{
    size_t n;
    struct manifest m;
    struct pome_error err = {0};
    uint8_t *bytes = sample("BuildManifest-iPhone14,3-iOS-15.4.1-19E258.plist", &n);
    if (!manifest_read(bytes, n, &m, &err))
        fail_msg("%s", err.message);
    assert_int_equal(m.identities, 2);
    assert_string_equal(m.version, "15.4.1");
    assert_string_equal(m.build, "19E258");
    assert_string_equal(m.behavior, "Erase");
    assert_string_equal(m.device_class, "d64ap");
    assert_true(m.n > 50);
    assert_int_equal(manifest_component(&m, "KernelCache")->digest_bytes, SHA384_BYTES);
    manifest_free(&m);
    free(bytes);
    bytes = sample("BuildManifest-BootabilityBundle-macOS-26.2-25C56.plist", &n);
    if (!manifest_read(bytes, n, &m, &err))
        fail_msg("%s", err.message);
    assert_int_equal(m.n, 1);
    manifest_free(&m);
    free(bytes);
    struct restore_plist r;
    bytes = sample("Restore-macOS-26.2-25C56.plist", &n);
    assert_true(restore_plist_read(bytes, n, "vma2macosap", &r, &err));
    assert_int_equal(r.devices, 57);
    assert_true(r.for_device);
    assert_string_equal(r.build, "25C56");
    free(bytes);
    bytes = sample("Restore-iOS-11.2.plist", &n);
    assert_true(restore_plist_read(bytes, n, "vma2macosap", &r, &err));
    assert_false(r.for_device);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),         cmocka_unit_test(extract), cmocka_unit_test(apple), cmocka_unit_test(wrong),
        cmocka_unit_test(wrong_uncompressed_digest),
        cmocka_unit_test(os_image_not_taken),     cmocka_unit_test(truncated),
        cmocka_unit_test(flipped),       cmocka_unit_test(hostile_names), cmocka_unit_test(crc), cmocka_unit_test(zip64), cmocka_unit_test(cancelled),
        cmocka_unit_test(apples_manifests),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
