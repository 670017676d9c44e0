/* identity_test.c - hardware models and machine identifiers: golden bytes, and the real samples when they are there. */
#include "formats/identity.h"
#include "formats/plist.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* facts/formats.md §1: offsets, lengths and the order of objects. */
static void golden_model(void **state)
{
    static const uint8_t offsets[] = {0x08, 0x0f, 0x2b, 0x3d, 0x52, 0x63, 0x65, 0x69, 0x6b};
    struct hardware_model m = {.representation = 1, .platform = 2, .minimum_os = {13, 0, 0}}, r;
    uint8_t b[HARDWARE_MODEL_MAX];
    assert_int_equal(hardware_model_write(&m, b), 150);
    assert_memory_equal(b, "bplist00\xd3\x01\x02\x03\x04\x05\x06", 15);
    assert_memory_equal(b + 0x6d, offsets, sizeof offsets);
    assert_true(hardware_model_read(b, 150, &r, NULL));
    assert_memory_equal(&m, &r, sizeof m);
    m.short_version = true;
    assert_int_equal(hardware_model_write(&m, b), 135);
    assert_true(hardware_model_read(b, 135, &r, NULL));
    assert_true(r.short_version);
    m = (struct hardware_model){.representation = 2, .platform = 2, .minimum_os = {13, 0, 0}};
    assert_int_equal(hardware_model_write(&m, b), 132);
    assert_memory_equal(b + 8, "\xd3\x01\x02\x03\x04\x04\x05", 7);
}

static void our_model(void **state)
{
    struct hardware_model m = {.representation = 1, .platform = PLATFORM_POME, .minimum_os = {0, 1, 0}}, r;
    uint8_t b[HARDWARE_MODEL_MAX];
    size_t n = hardware_model_write(&m, b);
    assert_true(hardware_model_read(b, n, &r, NULL));
    assert_memory_equal(&m, &r, sizeof m);
    assert_int_equal(platform_of(r.platform)->board, 0x70);
    assert_int_equal(platform_of(r.platform)->chip, 0xfe70);
    assert_null(platform_of(77));
    struct pl *p = pl_parse(b, n, "model", NULL); /* libplist reads the same */
    uint64_t v;
    assert_true(pl_integer(pl_get(p, "PlatformVersion"), &v) && v == 112);
    assert_int_equal(pl_count(pl_get(p, "MinimumSupportedOS")), 3);
    pl_free(p);
}

static void machine_identifiers(void **state)
{
    static const struct {
        uint64_t ecid;
        size_t n;
    } rows[] = {{0, 60}, {1761095950350937684, 60}, {0x7fffffffffffffff, 60}, {0x8000000000000000, 68}, {UINT64_MAX, 68}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t b[MACHINE_IDENTIFIER_MAX];
        uint64_t ecid;
        assert_int_equal(machine_identifier_write(rows[i].ecid, b), rows[i].n);
        assert_true(machine_identifier_read(b, rows[i].n, &ecid, NULL));
        assert_true(ecid == rows[i].ecid);
        for (size_t k = 0; k < rows[i].n; k++) { /* damage never crashes */
            b[k] ^= 0x55;
            machine_identifier_read(b, rows[i].n, &ecid, NULL);
            b[k] ^= 0x55;
            machine_identifier_read(b, k, &ecid, NULL);
        }
    }
}

/* Lists that other writers make of the same facts: read as what they say, written again as Apple would. */
static void other_encodings(void **state)
{
    static const struct {
        uint8_t bytes[80];
        size_t n;
        uint64_t ecid;
    } identifiers[] = {
        /* a small ECID in one byte, in two, in four; eight bytes' worth in sixteen */
        {"bplist00\xd1\x01\x02" "TECID" "\x10\x2a" "\x08\x0b\x10" "\0\0\0\0\0\0\x01\x01" "\0\0\0\0\0\0\0\x03" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\x12", 53, 42},
        {"bplist00\xd1\x01\x02" "TECID" "\x11\x01\x02" "\x08\x0b\x10" "\0\0\0\0\0\0\x01\x01" "\0\0\0\0\0\0\0\x03" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\x13", 54, 0x102},
        {"bplist00\xd1\x01\x02" "TECID" "\x12\x01\x02\x03\x04" "\x08\x0b\x10" "\0\0\0\0\0\0\x01\x01" "\0\0\0\0\0\0\0\x03" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\x15", 56,
         0x1020304},
        {"bplist00\xd1\x01\x02" "TECID" "\x14\0\0\0\0\0\0\0\0\x11\x22\x33\x44\x55\x66\x77\x88" "\x08\x0b\x10" "\0\0\0\0\0\0\x01\x01" "\0\0\0\0\0\0\0\x03" "\0\0\0\0\0\0\0\0"
         "\0\0\0\0\0\0\0\x21", 68, 0x1122334455667788},
    };
    for (size_t i = 0; i < sizeof identifiers / sizeof *identifiers; i++) {
        uint64_t ecid;
        uint8_t out[MACHINE_IDENTIFIER_MAX];
        struct pome_error err = {0};
        if (!machine_identifier_read(identifiers[i].bytes, identifiers[i].n, &ecid, &err))
            fail_msg("%zu: %s", i, err.message);
        assert_true(ecid == identifiers[i].ecid);
        assert_int_equal(machine_identifier_write(ecid, out), 60);
    }
    /* An ECID of more than 64 bits is none. */
    uint8_t wide[80];
    uint64_t ecid;
    memcpy(wide, identifiers[3].bytes, sizeof wide);
    wide[17] = 1;
    assert_false(machine_identifier_read(wide, identifiers[3].n, &ecid, NULL));
}

static void real_samples(void **state)
{
    const char *dir = getenv("POME_TEST_SAMPLES") ? getenv("POME_TEST_SAMPLES") : getenv("POME_SAMPLES");
    DIR *d = opendir(dir ? dir : SAMPLES);
    if (!d) {
        print_message("%s is not there: the real samples are not compared\n", dir ? dir : SAMPLES);
        skip();
    }
    int compared = 0;
    for (struct dirent *e; (e = readdir(d));) {
        bool model = !strncmp(e->d_name, "hardwaremodel", 13), identifier = !strncmp(e->d_name, "machineidentifier", 17);
        if (!model && !identifier)
            continue;
        char path[512];
        uint8_t in[512], out[HARDWARE_MODEL_MAX];
        snprintf(path, sizeof path, "%s/%s", dir ? dir : SAMPLES, e->d_name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t n = fread(in, 1, sizeof in, f), got;
        fclose(f);
        struct pome_error err = {0};
        struct hardware_model m;
        uint64_t ecid;
        if (model ? !hardware_model_read(in, n, &m, &err) : !machine_identifier_read(in, n, &ecid, &err))
            fail_msg("%s: %s", e->d_name, err.message);
        got = model ? hardware_model_write(&m, out) : machine_identifier_write(ecid, out);
        assert_int_equal(got, n);
        assert_memory_equal(in, out, n);
        compared++;
    }
    closedir(d);
    assert_true(compared >= 9);
}

static void plist_limits(void **state)
{
    enum { DEEP = 100000 };
    char *xml = malloc(DEEP * 16 + 64), *p = xml;
    struct pome_error err;
    p += sprintf(p, "<plist version=\"1.0\">");
    for (int i = 0; i < DEEP; i++)
        p += sprintf(p, "<array>");
    assert_null(pl_parse(xml, (size_t)(p - xml), "deep", &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
    free(xml);
    /* A binary list whose array holds itself, and one whose arrays double at each level. */
    uint8_t self[] = {'b', 'p', 'l', 'i', 's', 't', '0', '0', 0xa1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1,
                      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10};
    assert_null(pl_parse(self, sizeof self, "self", &err));
    uint8_t bomb[8 + 31 * 3 + 1 + 32 + 32] = "bplist00";
    size_t n = 8;
    uint8_t offsets[32];
    for (int i = 0; i < 31; i++) {
        offsets[i] = (uint8_t)n;
        bomb[n++] = 0xa2;
        bomb[n++] = (uint8_t)(i + 1);
        bomb[n++] = (uint8_t)(i + 1);
    }
    offsets[31] = (uint8_t)n;
    bomb[n++] = 0x08;
    size_t table = n;
    memcpy(bomb + n, offsets, 32);
    n += 32;
    bomb[n + 6] = bomb[n + 7] = 1;
    bomb[n + 15] = 32;
    bomb[n + 31] = (uint8_t)table;
    assert_null(pl_parse(bomb, n + 32, "bomb", &err));
    assert_null(pl_parse("", 0, "empty", &err));
    assert_null(pl_parse("hello", 5, "text", &err));
}

static void plist_round_trip(void **state)
{
    struct pl *root = pl_new_dict(), *list = pl_new_array();
    uint8_t bytes[] = {0, 1, 254};
    size_t n;
    pl_set(root, "Text", pl_new_text("a <b> & c"));
    pl_set(root, "Data", pl_new_data(bytes, sizeof bytes));
    pl_set(root, "Number", pl_new_integer(UINT64_C(1) << 40));
    pl_set(root, "Yes", pl_new_boolean(true));
    pl_append(list, pl_new_integer(7));
    pl_set(root, "List", list);
    char *xml = pl_write_xml(root, &n);
    pl_free(root);
    root = pl_parse(xml, n, "list", NULL);
    free(xml);
    uint64_t v;
    bool yes;
    size_t size;
    assert_string_equal(pl_text(pl_get(root, "Text")), "a <b> & c");
    const uint8_t *data = pl_data(pl_get(root, "Data"), &size);
    assert_int_equal(size, 3);
    assert_memory_equal(data, bytes, 3);
    assert_true(pl_integer(pl_get(root, "Number"), &v) && v == UINT64_C(1) << 40);
    assert_true(pl_boolean(pl_get(root, "Yes"), &yes) && yes);
    assert_true(pl_integer(pl_item(pl_get(root, "List"), 0), &v) && v == 7);
    assert_null(pl_text(pl_get(root, "Number")));
    assert_null(pl_get(root, "Missing"));
    assert_null(pl_get(NULL, "x"));
    pl_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_model), cmocka_unit_test(our_model),    cmocka_unit_test(machine_identifiers),
        cmocka_unit_test(other_encodings), cmocka_unit_test(real_samples), cmocka_unit_test(plist_limits), cmocka_unit_test(plist_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
