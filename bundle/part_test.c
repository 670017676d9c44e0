/* part_test.c - a file in the making is cut off anywhere, goes on, and is the file. */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/part.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <zstd.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 300000 };
static uint8_t text[BYTES];
static char folder[] = "/tmp/pome-part-XXXXXX", path[PATH_MAX], state_path[PATH_MAX], part_path[PATH_MAX];

static int make_folder(void **state)
{
    for (size_t i = 0; i < BYTES; i++)
        text[i] = (uint8_t)(i * i >> 7 ^ i);
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(part_path, sizeof part_path, "%s/file.part", folder);
    snprintf(state_path, sizeof state_path, "%s/file.part.state", folder);
    return 0;
}

static int remove_folder(void **state)
{
    return rmdir(folder); /* nothing is left */
}

static void write_up_to(struct part *p, size_t from, size_t to)
{
    for (size_t at = from, n; at < to; at += n) {
        n = MIN((size_t)7777, to - at);
        assert_true(part_write(p, text + at, n, NULL));
    }
}

/* Frame by frame. */
static void check_file(void)
{
    static uint8_t packed[2 * BYTES], got[BYTES + 1];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(packed, 1, sizeof packed, f);
    fclose(f);
    assert_int_equal(ZSTD_decompress(got, sizeof got, packed, n), BYTES);
    assert_memory_equal(got, text, BYTES);
    assert_true(access(part_path, F_OK) && access(state_path, F_OK));
    assert_int_equal(unlink(path), 0);
}

static void begin_and_leave(const char *key, size_t bytes)
{
    struct part *p = part_open(path, key, NULL);
    assert_non_null(p);
    write_up_to(p, 0, bytes);
    part_close(p, true);
}

static void goes_on(void **state)
{
    static const size_t cuts[] = {1, 7777, 100000, BYTES};
    for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
        begin_and_leave("a", cuts[i]);
        begin_and_leave("a", cuts[i] / 2); /* cut off before it came to what is new */
        struct part *p = part_open(path, "a", NULL);
        assert_int_equal(part_there(p), cuts[i]);
        write_up_to(p, 0, BYTES);
        assert_true(part_finish(p, NULL));
        part_close(p, false);
        check_file();
    }
}

static void spoil(const char *name, const char *bytes, size_t n, bool whole)
{
    int fd = open(name, O_WRONLY | (whole ? O_TRUNC : 0));
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

/* Another key, a state that is damaged or missing, a part that is too short: from the beginning. What lies behind the state's end does not count. */
static void begins_anew(void **state)
{
    for (int how = 0; how < 6; how++) {
        begin_and_leave("a", 100000);
        if (how == 1)
            spoil(state_path, "POMEPART 1\na\n99999999999999999999 1\n", 37, true);
        else if (how == 2)
            spoil(state_path, "P", 1, false), spoil(state_path, "X", 1, false);
        else if (how == 3)
            assert_int_equal(unlink(state_path), 0);
        else if (how == 4)
            assert_int_equal(truncate(part_path, 100), 0);
        else if (how == 5) {
            FILE *f = fopen(part_path, "ab");
            assert_int_equal(fwrite(text, 1, 5000, f), 5000);
            fclose(f);
        }
        struct part *p = part_open(path, how ? "a" : "b", NULL);
        assert_int_equal(part_there(p), how == 5 ? 100000 : 0);
        write_up_to(p, 0, BYTES);
        assert_true(part_finish(p, NULL));
        part_close(p, false);
        check_file();
    }
}

static void one_at_a_time(void **state)
{
    struct pome_error err = {0};
    struct part *p = part_open(path, "a", NULL);
    write_up_to(p, 0, 1000);
    assert_null(part_open(path, "a", &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    part_close(p, false); /* given up: nothing is left */
    assert_true(access(part_path, F_OK) && access(state_path, F_OK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(goes_on), cmocka_unit_test(begins_anew), cmocka_unit_test(one_at_a_time)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
