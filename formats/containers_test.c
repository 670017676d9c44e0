/* containers_test.c - UDIF, AEA and trust caches: every kind of run, any place, damage. */
#include "base/bits.h"
#include "formats/test_files.h"
#include "formats/trust_cache.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

enum { DISK = 5 << 20 };

static const enum udif_kind all_kinds[] = {UDIF_RAW, UDIF_ADC, UDIF_ZLIB, UDIF_BZIP2, UDIF_LZFSE, UDIF_LZMA};
static uint8_t disk[DISK];

/* A third of it is holes. */
static int make_disk(void **state)
{
    for (size_t i = 0; i < DISK; i += 65536)
        if (i >> 16 & 4 || i >> 19 == 3)
            test_fill(3, i, disk + i, 65536);
    return 0;
}

/* Writes through `write` into memory. */
static uint8_t *written(bool (*write)(struct source *from, const void *user, FILE *out), const void *user, size_t *n)
{
    char *bytes = NULL;
    struct source *from = source_memory(disk, sizeof disk, "disk");
    FILE *f = open_memstream(&bytes, n);
    assert_true(write(from, user, f));
    fclose(f);
    source_close(from);
    return (uint8_t *)bytes;
}

static bool write_udif(struct source *from, const void *user, FILE *out)
{
    return test_udif(from, all_kinds, ARRAY_SIZE(all_kinds), *(const size_t *)user, out);
}

/* From the first to the last byte, and at odd places forwards and back. */
static void compare(struct source *s)
{
    static uint8_t got[DISK];
    struct pome_error err = {0};
    assert_int_equal(s->bytes, DISK);
    if (!source_read(s, 0, got, DISK, &err))
        fail_msg("%s", err.message);
    assert_memory_equal(got, disk, DISK);
    uint64_t at = 12345;
    for (unsigned i = 0; i < 200; i++) {
        at = at * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t place = (at >> 20) % DISK;
        size_t n = (size_t)MIN(at >> 50, DISK - place);
        assert_true(source_read(s, place, got, n, NULL));
        assert_memory_equal(got, disk + place, n);
    }
    assert_false(source_read(s, DISK - 1, got, 2, NULL));
}

static void udif(void **state)
{
    for (size_t tables = 1; tables < 4; tables++) {
        size_t n;
        struct pome_error err = {0};
        bool is = false;
        uint8_t *image = written(write_udif, &tables, &n);
        struct source *in = source_memory(image, n, "test.dmg");
        assert_true(udif_is(in, &is, NULL) && is);
        struct source *u = udif_open(in, &err);
        if (!u)
            fail_msg("%s", err.message);
        const struct udif_info *info = udif_info(u);
        assert_int_equal(info->tables, tables);
        for (size_t i = 0; i < UDIF_KINDS; i++)
            assert_true(info->runs_of[i] > 0);
        compare(u);
        if (!udif_verify(u, NULL, NULL, &err))
            fail_msg("%s", err.message);
        image[n / 3] ^= 1;
        assert_false(udif_verify(u, NULL, NULL, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
        source_close(u);
        free(image);
    }
}

static bool never(void *user, uint64_t bytes)
{
    return false;
}

static void udif_damage(void **state)
{
    size_t n, tables = 2;
    static uint8_t got[65536];
    uint8_t *image = written(write_udif, &tables, &n);
    struct pome_error err = {0};
    struct source *u = udif_open(source_memory(image, n, "test.dmg"), &err);
    assert_false(udif_verify(u, never, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
    source_close(u);
    for (size_t i = 0; i < UDIF_TRAILER; i++) { /* each byte of the trailer */
        image[n - UDIF_TRAILER + i] ^= 0x81;
        struct source *in = source_memory(image, n, "test.dmg");
        u = udif_open(in, &err);
        if (u)
            source_read(u, 0, got, MIN(sizeof got, u->bytes), NULL);
        source_close(u ? u : in);
        image[n - UDIF_TRAILER + i] ^= 0x81;
    }
    free(image);
}

static const struct test_aea plain = {.key = "0123456789abcdefghijklmnopqrstu", .compression = '-', .checksum = 0, .segment_bytes = 65536,
                                      .cluster_segments = 8, .auth = NULL};

static bool write_aea(struct source *from, const void *user, FILE *out)
{
    return test_aea(from, user, out);
}

static void aea(void **state)
{
    static const uint8_t letters[] = "-exz";
    uint8_t auth[128];
    for (unsigned i = 0; i < 12; i++) {
        struct test_aea o = plain;
        struct pome_error err = {0};
        size_t n;
        o.compression = letters[i % 4];
        o.checksum = (uint8_t)(i / 4);
        o.segment_bytes = i == 5 ? 1 << 20 : 40000; /* the last segment is not full */
        o.auth = auth;
        o.auth_bytes = i % 2 ? test_aea_auth("org.pome.test", "a value", auth) : 0;
        uint8_t *archive = written(write_aea, &o, &n);
        struct source *in = source_memory(archive, n, "test.aea");
        struct aea_info info;
        const char *key;
        const uint8_t *value;
        size_t at = 0, value_bytes;
        assert_true(aea_info_read(in, &info, NULL));
        assert_int_equal(info.profile, 1);
        assert_int_equal(aea_auth_next(&info, &at, &key, &value, &value_bytes), i % 2);
        if (i % 2) {
            assert_string_equal(key, "org.pome.test");
            assert_int_equal(value_bytes, 7);
            assert_memory_equal(value, "a value", 7);
        }
        aea_info_free(&info);
        struct source *a = aea_open(in, o.key, &err);
        if (!a)
            fail_msg("%s", err.message);
        assert_int_equal(aea_root(a)->archive_bytes, n);
        compare(a);
        source_close(a);
        free(archive);
    }
}

static void aea_damage(void **state)
{
    size_t n;
    static uint8_t got[DISK];
    uint8_t *archive = written(write_aea, &plain, &n);
    uint8_t key[AEA_KEY_BYTES];
    struct pome_error err = {0};
    memcpy(key, plain.key, sizeof key);
    key[31] ^= 1;
    struct source *in = source_memory(archive, n, "test.aea");
    assert_null(aea_open(in, key, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
    assert_non_null(strstr(err.message, "another key"));
    static const size_t places[] = {0, 4, 8, 13, 45, 80, 130, 160, 200, 600, 5000, 100000, 1000000, DISK};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) { /* wherever a bit flips: nothing comes out of there */
        archive[places[i]] ^= 0x10;
        struct source *a = aea_open(in, plain.key, &err);
        assert_false(a && source_read(a, 0, got, DISK, &err));
        archive[places[i]] ^= 0x10;
        source_close(a ? a : in);
        in = source_memory(archive, n, "test.aea");
    }
    source_close(in);
    in = source_memory(archive, n - 1, "test.aea");
    assert_null(aea_open(in, plain.key, &err)); /* cut */
    source_close(in);
    archive[4] = 3;
    in = source_memory(archive, n, "test.aea");
    assert_null(aea_open(in, plain.key, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_SUPPORTED);
    source_close(in);
    free(archive);
}

/* A disk in an image in an archive: what a restore image of macOS 15 holds. */
static void nested(void **state)
{
    size_t n, m, tables = 1;
    char *bytes = NULL;
    uint8_t *image = written(write_udif, &tables, &n);
    struct source *from = source_memory(image, n, "disk.dmg");
    FILE *f = open_memstream(&bytes, &m);
    assert_true(test_aea(from, &plain, f));
    fclose(f);
    source_close(from);
    struct source *s = udif_open(aea_open(source_memory(bytes, m, "disk.dmg.aea"), plain.key, NULL), NULL);
    assert_non_null(s);
    compare(s);
    source_close(s);
    free(image);
    free(bytes);
}

static void trust_caches(void **state)
{
    static uint8_t bytes[24 + 24 * 50];
    struct trust_cache t;
    for (uint32_t version = 1; version <= 2; version++) {
        size_t n = test_trust_cache(version, 50, bytes);
        assert_true(trust_cache_read(bytes, n, &t, NULL));
        assert_int_equal(t.count, 50);
        assert_true(t.sorted);
        struct trust_cache_entry e = trust_cache_entry(&t, 3);
        assert_int_equal(be32_get(e.cdhash), 3 * 0x10001 + 5);
        assert_string_equal(trust_cache_hash_name(e.type), "SHA-256");
        assert_int_equal(e.constraint, version == 2 ? 3 : 0);
        assert_false(trust_cache_read(bytes, n - 1, &t, NULL));
        assert_false(trust_cache_read(bytes, 23, &t, NULL));
        bytes[24] = 0xff;
        assert_true(trust_cache_read(bytes, n, &t, NULL) && !t.sorted);
        bytes[0] = 3;
        assert_false(trust_cache_read(bytes, n, &t, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(udif), cmocka_unit_test(udif_damage), cmocka_unit_test(aea), cmocka_unit_test(aea_damage), cmocka_unit_test(nested),
        cmocka_unit_test(trust_caches),
    };
    return cmocka_run_group_tests(tests, make_disk, NULL);
}
