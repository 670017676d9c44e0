/* cache_test.c - kept translations: found again, never wrong, whatever happened to the file. */
#include "cpu/jit/cache.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOCKS = 300 };

static char folder[] = "/tmp/pome-cache-XXXXXX", path[64];
static unsigned notes;

static void count_note(void *ctx, const char *text)
{
    notes++;
}

static struct cache *open_with(uint64_t identity, uint64_t max_bytes)
{
    notes = 0;
    return cache_open(&(struct cache_options){.path = path, .identity = identity, .max_bytes = max_bytes, .note = count_note});
}

static struct cache *open_it(void)
{
    return open_with(7, 64 << 20);
}

/* Block n: 1 to 20 words of its own, an image that follows from it. Several share their first words and their place. */
static unsigned words_of(unsigned n, uint32_t words[24])
{
    unsigned count = 1 + n % 20;
    for (unsigned i = 0; i < 24; i++)
        words[i] = i < 3 ? n % 11 + i : n * 2654435761u + i;
    return count;
}

static size_t image_of(unsigned n, uint8_t image[600])
{
    size_t bytes = 250 + n;
    for (size_t i = 0; i < bytes; i++)
        image[i] = (uint8_t)(n + i * 7);
    return bytes;
}

static void add(struct cache *k, unsigned n)
{
    uint32_t words[24];
    uint8_t image[600];
    struct cache_block b = {n % 3, (uint16_t)(n % 8 * 4), (uint16_t)words_of(n, words), n, words, 24};
    cache_add(k, &b, image, image_of(n, image));
}

static bool find(struct cache *k, unsigned n)
{
    uint32_t words[24];
    uint8_t image[600];
    struct cache_block b;
    size_t bytes;
    unsigned count = words_of(n, words);
    const uint8_t *found = cache_find(k, n % 3, (uint16_t)(n % 8 * 4), (const uint8_t *)words, 24, &b, &bytes);
    if (!found)
        return false;
    if (b.n_guest != n && b.n_words < count) /* another block that this code begins with: right as well */
        return false;
    assert_int_equal(b.n_words, count);
    assert_memory_equal(b.words, words, 4 * count);
    assert_int_equal(b.n_guest, n);
    assert_int_equal(bytes, image_of(n, image));
    assert_memory_equal(found, image, bytes);
    return true;
}

static unsigned found_in(struct cache *k)
{
    unsigned n = 0;
    for (unsigned i = 0; i < BLOCKS; i++)
        n += find(k, i);
    return n;
}

static void write_it(void)
{
    unlink(path);
    struct cache *k = open_it();
    assert_non_null(k);
    for (unsigned i = 0; i < BLOCKS; i++)
        add(k, i);
    assert_true(found_in(k) > BLOCKS * 3 / 4);
    cache_close(k);
}

static void what_was_added_is_found(void **state)
{
    struct stat s;
    write_it();
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    struct cache *k = open_it();
    assert_true(found_in(k) > BLOCKS * 3 / 4);
    assert_int_equal(notes, 0);
    cache_close(k);
}

static void other_code_is_not_found(void **state)
{
    uint32_t words[24];
    struct cache_block b;
    size_t bytes;
    write_it();
    struct cache *k = open_it();
    for (unsigned n = 0; n < BLOCKS; n++) {
        unsigned count = words_of(n, words);
        for (unsigned i = 0; i < count; i++) {
            words[i] ^= 0x100;
            const uint8_t *f = cache_find(k, n % 3, (uint16_t)(n % 8 * 4), (const uint8_t *)words, 24, &b, &bytes);
            assert_true(!f || b.n_words <= i);
            words[i] ^= 0x100;
        }
        assert_null(cache_find(k, 3, (uint16_t)(n % 8 * 4), (const uint8_t *)words, 24, &b, &bytes));
        assert_null(cache_find(k, n % 3, 2048, (const uint8_t *)words, 24, &b, &bytes));
        if (count > 3) /* the page ends before the block does; a shorter one may begin like it */
            assert_true(!cache_find(k, n % 3, (uint16_t)(n % 8 * 4), (const uint8_t *)words, 3, &b, &bytes) || b.n_words <= 3);
    }
    cache_close(k);
}

static void more_is_added_to_the_old(void **state)
{
    write_it();
    struct cache *k = open_it();
    for (unsigned i = BLOCKS; i < 3 * BLOCKS; i++) {
        uint32_t words[24];
        uint8_t image[600] = {0};
        struct cache_block b = {9, 64, (uint16_t)words_of(i, words), i, words, 24};
        cache_add(k, &b, image, 500);
    }
    cache_close(k);
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    k = open_it();
    assert_true(found_in(k) > BLOCKS * 3 / 4);
    cache_close(k);
    assert_true(s.st_size > 300000);
}

static void it_stays_in_its_bounds(void **state)
{
    struct stat s;
    unlink(path);
    for (unsigned round = 0; round < 4; round++) {
        struct cache *k = open_with(7, 200000);
        for (unsigned i = 0; i < 3 * BLOCKS; i++) {
            uint32_t words[24];
            uint8_t image[600] = {0};
            struct cache_block b = {round, 64, (uint16_t)words_of(i, words), i, words, 24};
            cache_add(k, &b, image, 500);
        }
        cache_close(k);
        assert_int_equal(stat(path, &s), 0);
        assert_in_range(s.st_size, 100000, 400000);
    }
}

static void foreign_files_are_not_read(void **state)
{
    write_it();
    struct cache *k = open_with(8, 64 << 20);
    assert_int_equal(found_in(k), 0);
    assert_int_equal(notes, 1);
    cache_close(k);
    chmod(path, 0644);
    k = open_it();
    assert_int_equal(found_in(k), 0);
    assert_int_equal(notes, 1);
    cache_close(k);
    chmod(path, 0600);
    char real[80];
    snprintf(real, sizeof real, "%s.real", path);
    assert_int_equal(rename(path, real), 0);
    assert_int_equal(symlink(real, path), 0);
    k = open_it();
    assert_int_equal(found_in(k), 0);
    assert_int_equal(notes, 1);
    cache_close(k);
    unlink(path);
    unlink(real);
}

/* Any byte changed, any length: what is found is right (find asserts that), and nothing else happens. */
static void damaged_files_do_no_harm(void **state)
{
    static uint8_t data[1 << 20], changed[1 << 20];
    write_it();
    int f = open(path, O_RDONLY);
    ssize_t size = read(f, data, sizeof data);
    close(f);
    assert_in_range(size, 1000, sizeof data - 1);
    for (unsigned round = 0; round < 400; round++) {
        size_t n = (size_t)size;
        memcpy(changed, data, n);
        unsigned r = round * 2654435761u;
        if (round % 4 == 3)
            n = r % n;
        else if (round < 150)
            changed[round] ^= (uint8_t)(1 + r % 255);
        else
            changed[r % n] ^= (uint8_t)(1 << r % 8);
        f = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(f, changed, n), (ssize_t)n);
        close(f);
        struct cache *k = open_it();
        found_in(k);
        cache_close(k);
    }
    unlink(path);
}

/* Two at once: both work, one of the files is there at the end. */
static void two_at_once(void **state)
{
    unlink(path);
    struct cache *a = open_it(), *b = open_it();
    for (unsigned i = 0; i < BLOCKS; i++)
        add(i % 2 ? a : b, i), add(i % 2 ? b : a, i);
    cache_close(a);
    assert_true(found_in(b) > BLOCKS / 2);
    cache_close(b);
    a = open_it();
    assert_true(found_in(a) > BLOCKS * 3 / 4);
    cache_close(a);
}

/* Whoever dies while writing leaves the old file or the new one, and nothing but the second name beside it. */
static void killed_while_writing(void **state)
{
    write_it();
    for (unsigned round = 0; round < 60; round++) {
        pid_t p = fork();
        if (!p) {
            struct cache *k = open_it();
            for (unsigned i = 0; i < BLOCKS; i++)
                add(k, i);
            cache_close(k);
            _exit(0);
        }
        usleep(round * 50);
        kill(p, SIGKILL);
        waitpid(p, NULL, 0);
        struct cache *k = open_it();
        assert_int_equal(notes, 0);
        assert_true(found_in(k) > BLOCKS * 3 / 4);
        cache_close(k);
    }
    char second[80];
    snprintf(second, sizeof second, "%s.new", path);
    write_it(); /* nobody is in the way of the next */
    assert_int_equal(access(second, F_OK), -1);
}

static int make_folder(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/cache", folder);
    return 0;
}

static int remove_folder(void **state)
{
    unlink(path);
    return rmdir(folder); /* nothing else may be left there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found), cmocka_unit_test(other_code_is_not_found), cmocka_unit_test(more_is_added_to_the_old),
        cmocka_unit_test(it_stays_in_its_bounds), cmocka_unit_test(foreign_files_are_not_read),
        cmocka_unit_test(damaged_files_do_no_harm), cmocka_unit_test(two_at_once), cmocka_unit_test(killed_while_writing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
