/* checksum_test.c - CRC-32 and Adler-32 against their definitions. Built twice: checksum.c, and checksum_plain.c with CHECKSUM_PLAIN. */
#include "formats/checksum.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static uint8_t bytes[12000];

static void make_bytes(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
}

static void known(void **state)
{
    assert_int_equal(crc32_of("123456789", 9), 0xcbf43926); /* the catalogue's check value */
    assert_int_equal(crc32_of("", 0), 0);
    assert_int_equal(adler32_of("Wikipedia", 9), 0x11e60398);
    assert_int_equal(adler32_of("", 0), 1);
}

/* Every length and place around the steps it takes, whole and in two parts, bit by bit. */
static void crc(void **state)
{
    make_bytes();
    for (size_t begin = 0; begin < 17; begin++) {
        uint32_t c = UINT32_MAX;
        for (size_t n = 0; n < 1200; n++) {
            if (crc32_of(bytes + begin, n) != ~c)
                fail_msg("%zu bytes from %zu on", n, begin);
#ifndef CHECKSUM_PLAIN
            if (crc32_add(crc32_of(bytes + begin, n / 3), bytes + begin + n / 3, n - n / 3) != ~c)
                fail_msg("%zu bytes from %zu on, in two parts", n, begin);
#endif
            c ^= bytes[begin + n];
            for (int bit = 0; bit < 8; bit++)
                c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        }
    }
}

/* Past 5552 bytes, where sums that were not reduced would overflow. */
static void adler(void **state)
{
    uint32_t a = 1, b = 0;
    for (size_t n = 0; n < sizeof bytes; n++)
        bytes[n] = 0xff;
    for (size_t n = 0; n < sizeof bytes; n++) {
        if ((n % 97 == 0 || (n > 5500 && n < 5600)) && adler32_of(bytes, n) != (b << 16 | a))
            fail_msg("%zu bytes", n);
        a = (a + bytes[n]) % 65521;
        b = (b + a) % 65521;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known), cmocka_unit_test(crc), cmocka_unit_test(adler)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
