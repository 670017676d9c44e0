/* image4_test.c - DER and Image4: golden bytes, what is written is read back, damage is refused. */
#include "formats/image4.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* The LocalPolicy's IM4P of facts/formats.md §5.4, byte for byte. */
static void golden_im4p(void **state)
{
    static const uint8_t want[22] = {0x30, 0x14, 0x16, 4, 'I', 'M', '4', 'P', 0x16, 4, 'l', 'p', 'o', 'l',
                                     0x16, 3, '1', '.', '0', 4, 1, 0};
    uint8_t got[IMAGE4_HEAD_MAX];
    struct im4p p;
    size_t n = im4p_write_head("lpol", "1.0", 1, got);
    assert_int_equal(n, 21);
    got[n++] = 0;
    assert_memory_equal(got, want, sizeof want);
    assert_true(im4p_read_head(got, n, n, &p, NULL));
    assert_string_equal(p.type, "lpol");
    assert_string_equal(p.description, "1.0");
    assert_int_equal(p.payload_offset, 21);
    assert_int_equal(p.payload_size, 1);
}

/* Tag "ECID" is FF 84 AA 8D 92 44 and its property is as macosvm finds it in real AuxiliaryStorage: 16 04 "ECID" 02 08 ... */
static void golden_property(void **state)
{
    static const uint8_t want[] = {0xff, 0x84, 0xaa, 0x8d, 0x92, 0x44, 0x12, 0x30, 0x10, 0x16, 0x04, 'E', 'C', 'I', 'D', 0x02, 0x08,
                                   0x18, 0x70, 0xb2, 0x3c, 0x11, 0x22, 0x33, 0x44};
    struct im4m_group g = {.name = "MANP"};
    uint8_t out[512];
    im4m_add_integer(&g, "ECID", 0x1870b23c11223344);
    size_t n = im4m_write(&g, 1, out, sizeof out);
    assert_true(n > 0);
    assert_non_null(memmem(out, n, want, sizeof want));
}

static void lengths_and_tags(void **state)
{
    static const uint64_t sizes[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffff, 0x1000000, 0xffffff00};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t b[32];
        struct der_writer w = der_writer_over(b, sizeof b);
        struct der_element e;
        der_put_header(&w, DER_PRIVATE, true, 0x45434944, sizes[i]);
        assert_false(w.overflow);
        struct der d = der_over(b + w.at, w.size - w.at);
        assert_true(der_next_header(&d, &e, NULL));
        assert_int_equal(e.size, sizes[i]);
        assert_int_equal(e.tag, 0x45434944);
        assert_int_equal(e.class, DER_PRIVATE);
    }
    uint8_t b[16];
    struct der_writer w = der_writer_over(b, sizeof b);
    der_put_header(&w, DER_UNIVERSAL, false, DER_OCTETS, UINT64_C(1) << 32);
    assert_true(w.overflow);
}

static void integers(void **state)
{
    static const uint64_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x8000, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t b[16];
        uint64_t v = 0;
        struct der_writer w = der_writer_over(b, sizeof b);
        struct der_element e;
        der_put_integer(&w, values[i]);
        struct der d = der_over(b + w.at, w.size - w.at);
        assert_true(der_next(&d, &e, NULL) && der_integer(&e, &v));
        assert_true(v == values[i]);
    }
}

/* Keybags, SEQ{ 1, 77 }, [0]{ SEQ{ "PAYP", ...: what stands after a payload. */
static void tail(void **state)
{
    static const uint8_t bytes[] = {
        0x04, 0x0e, 0x30, 0x0c, 0x30, 0x0a, 0x02, 1, 1, 0x04, 2, 'i', 'v', 0x04, 1, 'k',          /* KBAG: production */
        0x30, 0x06, 0x02, 1, 1, 0x02, 1, 77,                                                     /* LZFSE, 77 bytes */
        0xa0, 0x1b, 0x30, 0x19, 0x16, 4, 'P', 'A', 'Y', 'P', 0x31, 0x11,                         /* PAYP */
        0xff, 0x86, 0xdb, 0x8d, 0xca, 0x70, 0x09, 0x30, 0x07, 0x16, 4, 'k', 'c', 'e', 'p', 0x02, /* cut on purpose */
    };
    struct im4p_tail t;
    assert_true(im4p_read_tail(bytes, 24, &t, NULL));
    assert_int_equal(t.keybags, 1);
    assert_int_equal(t.keybag[0].kind, 1);
    assert_memory_equal(t.keybag[0].iv, "iv", 2);
    assert_memory_equal(t.keybag[0].key, "k", 1);
    assert_true(t.has_compression);
    assert_int_equal(t.compression, IMAGE4_LZFSE);
    assert_int_equal(t.uncompressed_bytes, 77);
    assert_null(t.properties);
    assert_true(im4p_read_tail(bytes, 0, &t, NULL));
    assert_false(im4p_read_tail(bytes, sizeof bytes, &t, NULL));
    for (size_t n = 1; n < 24; n++)
        assert_true(n == 16 || !im4p_read_tail(bytes, n, &t, NULL));
}

static bool take_group(void *user, const char name[5])
{
    strcat(user, name);
    return true;
}

static bool take_property(void *user, const struct im4m_property *p)
{
    strcat(strcat(user, " "), p->name);
    return strcmp(p->name, "STOP");
}

static bool take_end(void *user)
{
    strcat(user, ";");
    return true;
}

/* A ticket is walked in its order, and as far as the visitor wants. */
static void walk(void **state)
{
    struct im4m_group g[2] = {{.name = "MANP"}, {.name = "krnl"}};
    char said[64] = "";
    uint8_t out[512];
    const struct im4m_visitor v = {said, take_group, take_property, take_end};
    size_t signature = 9, certificates = 9;
    im4m_add_integer(&g[0], "BORD", 32);
    im4m_add_boolean(&g[1], "EPRO", true);
    im4m_add_octets(&g[1], "DGST", "12", 2);
    size_t n = im4m_write(g, 2, out, sizeof out);
    assert_true(im4m_walk(out, n, &v, &signature, &certificates, NULL));
    assert_string_equal(said, "MANP BORD;krnl DGST EPRO;");
    assert_int_equal(signature + certificates, 0);
    im4m_add_text(&g[1], "STOP", "x");
    n = im4m_write(g, 2, out, sizeof out);
    said[0] = 0;
    assert_false(im4m_walk(out, n, &v, &signature, &certificates, NULL));
    assert_false(im4m_walk(out, n - 1, &v, &signature, &certificates, NULL));
}

static void not_der(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {{"", 0},           {"\x30", 1},         {"\x30\x80", 2},         {"\x30\x81\x05zzzzz", 8}, {"\x30\x82\x00\x81", 4},
               {"\x30\x02\x00", 3}, {"\x30\x85\x01\x01\x01\x01\x01", 7}, {"\x1f\x80\x7f\x00", 4},     {"\xff\xff\xff\xff\xff\xff\x7f\x00", 8},
               {"\x1f\x05\x00", 3}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pome_error err;
        struct der_element e;
        struct der d = der_over(bad[i].bytes, bad[i].n);
        assert_false(der_next(&d, &e, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
    }
}

static size_t make_ticket(uint8_t *out, size_t size, uint8_t digest[SHA384_BYTES])
{
    struct im4m_group g[3] = {{.name = "krnl"}, {.name = "MANP"}, {.name = "illb"}};
    memset(digest, 0xa5, SHA384_BYTES);
    im4m_add_octets(&g[0], "DGST", digest, SHA384_BYTES);
    im4m_add_boolean(&g[0], "EPRO", true);
    im4m_add_boolean(&g[0], "ESEC", false);
    im4m_add_integer(&g[1], "ECID", 0xfedcba9876543210);
    im4m_add_integer(&g[1], "BORD", 0x70);
    im4m_add_integer(&g[1], "CHIP", 0xfe70);
    im4m_add_text(&g[1], "love", "12.0.0.0.0,0");
    im4m_add_octets(&g[2], "DGST", digest, SHA384_BYTES);
    return im4m_write(g, 3, out, size);
}

static void ticket(void **state)
{
    uint8_t out[IMAGE4_TICKET_MAX], digest[SHA384_BYTES];
    size_t n = make_ticket(out, sizeof out, digest);
    struct im4m *m = malloc(sizeof *m);
    struct pome_error err = {0};
    assert_true(n > 0);
    if (!im4m_read(out, n, m, &err))
        fail_msg("%s", err.message);
    assert_int_equal(m->n, 3);
    assert_string_equal(m->groups[0].name, "MANP"); /* sets are ordered */
    assert_string_equal(m->groups[1].name, "illb");
    assert_int_equal(m->signature_size, 0);
    assert_int_equal(m->whole_size, n);
    assert_true(im4m_property(im4m_group(m, "MANP"), "ECID")->integer == 0xfedcba9876543210);
    assert_int_equal(im4m_property(im4m_group(m, "krnl"), "DGST")->size, SHA384_BYTES);
    assert_memory_equal(im4m_property(im4m_group(m, "krnl"), "DGST")->bytes, digest, SHA384_BYTES);
    assert_int_equal(im4m_property(im4m_group(m, "krnl"), "EPRO")->integer, 1);
    assert_int_equal(im4m_property(im4m_group(m, "krnl"), "ESEC")->integer, 0);
    assert_null(im4m_group(m, "rkrn"));
    assert_int_equal(im4m_write(m->groups, m->n, out, 40), 0); /* does not fit */

    /* Any one byte changed gives a ticket or an error, never anything else (run under ASan). */
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            uint8_t copy[IMAGE4_TICKET_MAX];
            memcpy(copy, out, n);
            make_ticket(copy, sizeof copy, digest);
            copy[i] ^= (uint8_t)(1 << bit);
            im4m_read(copy, n, m, &err);
        }
    for (size_t i = 0; i < n; i++)
        assert_false(im4m_read(out, i, m, &err));
    free(m);
}

static void whole_img4(void **state)
{
    uint8_t im4m[IMAGE4_TICKET_MAX], digest[SHA384_BYTES], im4r[IMAGE4_IM4R_MAX], im4p[IMAGE4_HEAD_MAX + 300], all[20000];
    struct img4_frame *f = malloc(sizeof *f);
    size_t m = make_ticket(im4m, sizeof im4m, digest), r = im4r_write(0x1122334455667788, im4r);
    size_t p = im4p_write_head("illb", "stage 2", 300, im4p);
    memset(im4p + p, 0x5a, 300);
    p += 300;
    assert_true(img4_frame(p, im4m, m, im4r, r, f));
    memcpy(all, f->head, f->head_size);
    memcpy(all + f->head_size, im4p, p);
    memcpy(all + f->head_size + p, f->tail, f->tail_size);
    size_t n = f->head_size + p + f->tail_size;
    struct img4 i;
    struct pome_error err = {0};
    if (!img4_read(all, n + 17, &i, &err))
        fail_msg("%s", err.message);
    assert_int_equal(i.size, n);
    assert_int_equal(i.im4p_size, p);
    assert_string_equal(i.im4p.type, "illb");
    assert_int_equal(i.im4m_size, m);
    assert_memory_equal(i.im4m_bytes, im4m, m);
    uint64_t generator;
    assert_true(im4r_read(i.im4r_bytes, i.im4r_size, &generator, &err));
    assert_true(generator == 0x1122334455667788);
    for (size_t k = 0; k < n; k++)
        assert_false(img4_read(all, k, &i, &err));
    free(f);
}

static void sha384_vector(void **state)
{
    uint8_t d[SHA384_BYTES], e[SHA384_BYTES];
    sha384("abc", 3, d); /* FIPS 180-4 example */
    char text[97];
    hex_upper(d, sizeof d, text);
    assert_string_equal(text, "CB00753F45A35E8BB5A03D699AC65007272C32AB0EDED1631A8B605A43FF5BED8086072BA1E7CC2358BAECA134C825A7");
    assert_true(hex_parse(text, e, sizeof e));
    assert_memory_equal(d, e, sizeof d);
    assert_false(hex_parse("0g", e, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha384_vector),    cmocka_unit_test(golden_im4p), cmocka_unit_test(golden_property),
        cmocka_unit_test(lengths_and_tags), cmocka_unit_test(integers),    cmocka_unit_test(tail), cmocka_unit_test(walk), cmocka_unit_test(not_der),
        cmocka_unit_test(ticket),           cmocka_unit_test(whole_img4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
