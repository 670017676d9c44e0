/* watch_test.c - whatever is written to memory, by whomever, is told, once. */
#include "mem/lazy.h"
#include "mem/watch.h"

#include "base/bits.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES = 40 << 20, GPA = 1 << 30, PARTS = BYTES / MEM_WATCH_BYTES, HUGE_PARTS = (2 << 20) / MEM_WATCH_BYTES };

static struct mem *m;
static uint8_t *ram, changed[PARTS];

static int make(void **state)
{
    m = mem_create();
    assert_true(mem_add_ram(m, GPA, BYTES, NULL) && mem_add_rom(m, 0, 4096, "rom", 3, NULL));
    ram = mem_ptr(m, GPA, BYTES, true);
    return 0;
}

static int drop(void **state)
{
    mem_destroy(m);
    return 0;
}

/* Not on this host: said once, and nothing can be tested. */
static void begin(void)
{
    struct pome_error err;
    if (mem_watch_begin(m, &err))
        return;
    assert_int_equal(err.code, POME_ERROR_NOT_SUPPORTED);
    skip();
}

static size_t take(void)
{
    size_t n = 0;
    memset(changed, 0, sizeof changed);
    assert_true(mem_watch_take(m, GPA, changed, NULL));
    for (size_t i = 0; i < PARTS; i++)
        n += changed[i];
    return n;
}

static void expect(size_t part)
{
    assert_int_equal(take(), 1);
    assert_true(changed[part]);
    assert_int_equal(take(), 0);
}

static void each_once(void **state)
{
    memset(ram, 1, BYTES / 2); /* contents, perhaps in huge pages */
    begin();
    assert_false(mem_watch_begin(m, NULL));
    assert_in_range(take(), PARTS / 2, PARTS / 2 + HUGE_PARTS);
    for (size_t i = 0; i < PARTS / 2; i++)
        assert_true(changed[i]);
    assert_int_equal(take(), 0);
    for (size_t i = 0; i < 3; i++) {
        ram[7 * MEM_WATCH_BYTES + i] = 2; /* there, ... */
        expect(7);
        ram[(PARTS - 1) * (uint64_t)MEM_WATCH_BYTES + 65535] = 2; /* ... and new, perhaps with its neighbours */
        assert_in_range(take(), 1, HUGE_PARTS);
        assert_true(changed[PARTS - 1]);
        assert_int_equal(take(), 0);
    }
    volatile uint8_t seen = ram[8 * MEM_WATCH_BYTES]; /* reading is no writing */
    (void)seen;
    assert_int_equal(take(), 0);
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, ram + 9 * MEM_WATCH_BYTES, 100, 0), 100); /* a system call writes */
    close(fd);
    expect(9);
    assert_int_equal(mem_discard(m, ram + 11 * MEM_WATCH_BYTES, 8192), 8192); /* it reads as zeros */
    expect(11);
    assert_true(mem_clear(m, GPA, NULL));
    assert_int_equal(take(), PARTS);
    assert_int_equal(take(), 0);
    mem_watch_end(m);
    ram[0] = 3;
    begin();
    assert_in_range(take(), 1, HUGE_PARTS);
    assert_true(changed[0]);
}

static _Atomic bool stop;

static void *write_words(void *arg)
{
    uint64_t x = (uintptr_t)arg;
    for (uint64_t n = 0; !atomic_load(&stop); n++) {
        x = x * 6364136223846793005 + 1442695040888963407;
        const uint64_t at = (x >> 20) % (BYTES / 8 / 2) * 16 + (uintptr_t)arg * 8;
        __atomic_store_n((uint64_t *)(void *)(ram + at), x, __ATOMIC_RELAXED);
        if (n % 64 == 0)
            usleep(1);
    }
    return NULL;
}

/* As a save does it: what is told is copied, and the copy is what memory is when nobody writes any more. */
static void nothing_is_missed(void **state)
{
    uint8_t *copy = calloc(1, BYTES);
    pthread_t t[2];
    begin();
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_words, (void *)i), 0);
    for (unsigned round = 0; round <= 60; round++) {
        if (round == 60) {
            atomic_store(&stop, true);
            for (unsigned i = 0; i < 2; i++)
                pthread_join(t[i], NULL);
        } else if (round % 4 == 3) {
            mem_discard(m, ram + (round * 37 % (PARTS - 4)) * MEM_WATCH_BYTES, 3 * MEM_WATCH_BYTES);
        }
        take();
        for (size_t i = 0; i < PARTS; i++)
            if (changed[i])
                memcpy(copy + i * MEM_WATCH_BYTES, ram + i * MEM_WATCH_BYTES, MEM_WATCH_BYTES);
    }
    mem_watch_end(m);
    assert_memory_equal(copy, ram, BYTES);
    free(copy);
}

static void can_be_switched_off(void **state)
{
    struct pome_error err;
    setenv("POME_MEMORY_AHEAD", "0", 1);
    assert_false(mem_watch_begin(m, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_SUPPORTED);
    unsetenv("POME_MEMORY_AHEAD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_once, make, drop),
        cmocka_unit_test_setup_teardown(nothing_is_missed, make, drop),
        cmocka_unit_test_setup_teardown(can_be_switched_off, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
