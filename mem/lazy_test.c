/* lazy_test.c - memory that comes when it is touched: what is read is what the source says, whoever reads it and when. */
#include "mem/lazy.h"

#include "base/bits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { CHUNK = 65536, BYTES = 40 << 20, THREADS = 3, PAGE = 4096, SOON = 4 };

struct source {
    _Atomic unsigned filled, released, failed;
    _Atomic bool busy[MEM_LAZY_WORKERS];
    bool fails, slow;
    const uint32_t *soon; /* pages, in parts of SOON */
    size_t n_soon, n_told; /* parts; how many were asked for */
    bool too_early; /* a chunk that nobody waited for came before all of them */
};

/* Of three chunks one is zero. */
static bool is_zero(void *ctx, size_t chunk)
{
    return chunk % 3 == 1;
}

static uint64_t word_of(uint64_t offset)
{
    return is_zero(NULL, offset / CHUNK) ? 0 : offset * 0x9e3779b97f4a7c15 + 1;
}

static bool fill(void *ctx, unsigned worker, size_t chunk, uint8_t *to)
{
    struct source *s = ctx;
    if (atomic_exchange(&s->busy[worker], true))
        abort();
    s->filled++;
    s->too_early |= worker == 1 && s->n_told <= s->n_soon;
    if (s->slow)
        usleep(300);
    for (size_t i = 0; i < CHUNK; i += 8)
        le64_put(to + i, word_of((uint64_t)chunk * CHUNK + i));
    atomic_store(&s->busy[worker], false);
    s->failed += s->fails;
    return !s->fails;
}

static size_t first(void *ctx, unsigned worker, size_t i, const uint32_t **pages, uint8_t *to)
{
    struct source *s = ctx;
    s->n_told++;
    if (i >= s->n_soon)
        return 0;
    *pages = s->soon + i * SOON;
    for (size_t k = 0; k < SOON * PAGE; k += 8)
        le64_put(to + k, word_of((*pages)[k / PAGE] * (uint64_t)PAGE + k % PAGE));
    return SOON;
}

static void release(void *ctx)
{
    ((struct source *)ctx)->released++;
}

static struct mem *start(struct source *s)
{
    struct pome_error err;
    struct mem *m = mem_create();
    assert_true(mem_add_ram(m, 0x40000000, BYTES, NULL));
    memset(mem_ptr(m, 0x40000000, 4096, true), 7, 4096);
    assert_true(mem_clear(m, 0x40000000, NULL));
    const struct mem_source source = {.chunk_bytes = CHUNK, .is_zero = is_zero, .fill = fill, .release = release, .ctx = s,
                                      .first = s->soon ? first : NULL};
    if (!mem_lazy_start(m, 0x40000000, &source, &err)) {
        assert_int_equal(err.code, POME_ERROR_NOT_SUPPORTED);
        mem_destroy(m);
        return NULL;
    }
    return m;
}

static uint64_t random64(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

struct reader {
    struct mem *m;
    uint64_t seed;
    unsigned wrong;
};

static void *read_at_random(void *arg)
{
    struct reader *r = arg;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t offset = random64(&r->seed) % BYTES / 8 * 8;
        const volatile uint64_t *p = mem_ptr(r->m, 0x40000000 + offset, 8, false);
        r->wrong += *p != word_of(offset);
    }
    return NULL;
}

static void readers_find_what_the_source_says(void **state)
{
    struct source s = {.slow = true};
    struct mem *m = start(&s);
    if (!m)
        skip();
    pthread_t t[THREADS];
    struct reader r[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        r[i] = (struct reader){m, i * 77 + 88172645463325252, 0};
        pthread_create(&t[i], NULL, read_at_random, &r[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(r[i].wrong, 0);
    }
    mem_settle(m);
    assert_int_equal(s.released, 1);
    for (uint64_t offset = 0; offset < BYTES; offset += 8) {
        const uint64_t *p = mem_ptr(m, 0x40000000 + offset, 8, false);
        if (*p != word_of(offset))
            fail_msg("at 0x%llx", (unsigned long long)offset);
    }
    assert_int_equal(s.filled, BYTES / CHUNK - BYTES / CHUNK / 3); /* each once, zeros never */
    mem_destroy(m);
    assert_int_equal(s.released, 1);
}

/* Writes are kept, whether they come before or after the chunk. */
static void writes_stay(void **state)
{
    struct source s = {.slow = true};
    struct mem *m = start(&s);
    if (!m)
        skip();
    uint64_t x = 5;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t offset = random64(&x) % BYTES / 8 * 8;
        *(uint64_t *)mem_ptr(m, 0x40000000 + offset, 8, true) = offset ^ 0xabcdef;
    }
    mem_settle(m);
    x = 5;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t offset = random64(&x) % BYTES / 8 * 8;
        assert_int_equal(*(uint64_t *)mem_ptr(m, 0x40000000 + offset, 8, true), offset ^ 0xabcdef);
    }
    mem_destroy(m);
}

/* The kernel does not wait for chunks: what it is given has to be touched. */
static void system_calls_get_touched_memory(void **state)
{
    struct source s = {.slow = true};
    struct mem *m = start(&s);
    int p[2];
    if (!m)
        skip();
    assert_int_equal(pipe(p), 0);
    for (uint64_t offset = BYTES - 2 * CHUNK; offset > BYTES / 2; offset -= 5 * CHUNK + 4096) {
        uint8_t *at = mem_ptr(m, 0x40000000 + offset, 32768, true), copy[32768];
        mem_touch(m, at, sizeof copy);
        assert_int_equal(write(p[1], at, sizeof copy), sizeof copy);
        assert_int_equal(read(p[0], copy, sizeof copy), sizeof copy);
        assert_int_equal(le64_get(copy + 8192), word_of(offset + 8192));
    }
    close(p[0]);
    close(p[1]);
    mem_destroy(m);
}

/* Some pages are known to be wanted soon; a list may say anything. What is written to them stays. */
static void what_is_wanted_soon_comes_first(void **state)
{
    enum { LAST = BYTES / PAGE - 1 };
    static const uint32_t soon[] = {33, 34, 35, 47, 48, 99, LAST - 1, LAST, 5, 5, LAST, LAST + 1, 1000000, UINT32_MAX - 1, UINT32_MAX, 0};
    struct source s = {.soon = soon, .n_soon = ARRAY_SIZE(soon) / SOON};
    struct mem *m = start(&s);
    if (!m)
        skip();
    for (unsigned i = 33; i <= 35; i++)
        *(uint64_t *)mem_ptr(m, 0x40000000 + i * PAGE, 8, true) = i;
    mem_settle(m);
    assert_false(s.too_early);
    assert_int_equal(s.n_told, s.n_soon + 1);
    assert_int_equal(s.filled, BYTES / CHUNK - BYTES / CHUNK / 3);
    for (uint64_t offset = 0; offset < BYTES; offset += 8) {
        const uint64_t page = offset / PAGE, *p = mem_ptr(m, 0x40000000 + offset, 8, false);
        if (*p != (page >= 33 && page <= 35 && !(offset % PAGE) ? page : word_of(offset)))
            fail_msg("at 0x%llx", (unsigned long long)offset);
    }
    mem_destroy(m);
}

static void ending_early_is_fine(void **state)
{
    struct source s = {.slow = true};
    struct mem *m = start(&s);
    if (!m)
        skip();
    mem_destroy(m);
    assert_int_equal(s.released, 1);
    assert_true(s.filled < BYTES / CHUNK / 2);
}

static void what_cannot_be_had_is_told(void **state)
{
    struct source s = {.fails = true};
    struct mem *m = start(&s);
    if (!m)
        skip();
    assert_int_equal(*(uint64_t *)mem_ptr(m, 0x40000000, 8, true), 0);
    assert_true(s.failed);
    mem_settle(m);
    mem_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_find_what_the_source_says), cmocka_unit_test(writes_stay), cmocka_unit_test(system_calls_get_touched_memory),
        cmocka_unit_test(what_is_wanted_soon_comes_first),   cmocka_unit_test(ending_early_is_fine),              cmocka_unit_test(what_cannot_be_had_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
