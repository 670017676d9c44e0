/*
 * el1_test.c - runs the bare guest of guest.h on every engine: the evaluator and compiled code, one and several vCPUs, and in
 * randomised mode (POME_TEST_SEEDS=n: so many seeds, default 2).
 */
#include "base/bits.h"
#include "cpu/cpu.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { RAM_BYTES = 16 << 20, CPUS_MAX = 8 };
#define RAM UINT64_C(0x40000000)

static const char *image_path;

struct board {
    struct cpu_irq_port port;
    pthread_mutex_t lock;
    bool line[CPUS_MAX], ppi[CPUS_MAX][32];
    uint32_t result;
    char text[4096];
    size_t n;
};

/* lock held */
static void update_line(struct board *b, unsigned cpu)
{
    bool level = b->line[cpu];
    for (unsigned i = 16; i < 32; i++)
        level |= b->ppi[cpu][i];
    b->port.set_irq(b->port.ctx, cpu, level);
}

static bool mmio_read(void *ctx, unsigned cpu, uint64_t gpa, unsigned bytes, uint64_t *v)
{
    *v = 0;
    return gpa >> 12 == 0x9000;
}

static bool mmio_write(void *ctx, unsigned cpu, uint64_t gpa, unsigned bytes, uint64_t v)
{
    struct board *b = ctx;
    pthread_mutex_lock(&b->lock);
    if (gpa == 0x09000000 && b->n + 1 < sizeof b->text)
        b->text[b->n++] = (char)v;
    if (gpa == 0x09000000 && getenv("POME_TEST_VERBOSE"))
        fputc((int)v, stderr);
    if (gpa == 0x09000008)
        b->result = (uint32_t)v;
    if (gpa == 0x09000010) {
        b->line[cpu] = v & 1;
        update_line(b, cpu);
    }
    pthread_mutex_unlock(&b->lock);
    return gpa >> 12 == 0x9000;
}

static uint64_t icc_read(void *ctx, unsigned cpu, enum icc_reg reg) { return 0; }
static void icc_write(void *ctx, unsigned cpu, enum icc_reg reg, uint64_t v) {}

static void ppi_set(void *ctx, unsigned cpu, unsigned intid, bool level)
{
    struct board *b = ctx;
    pthread_mutex_lock(&b->lock);
    b->ppi[cpu][intid] = level;
    update_line(b, cpu);
    pthread_mutex_unlock(&b->lock);
}

static void load_image(struct mem *m)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(image_path, "rb");
    assert_non_null(f);
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    assert_true(n > 0 && n < sizeof data);
    assert_true(mem_write(m, RAM, data, n));
}

enum disturbance { NONE, PAUSES, STOPS };

/* A second life: stopped somewhere, put back, started again. */
static void stop_somewhere(struct cpu_set *set, struct mem *m, struct board *b)
{
    for (unsigned i = 0; i < 5; i++) {
        usleep(1000 * (i + 1));
        cpu_set_stop(set);
        enum cpu_end end = cpu_set_join(set, NULL);
        assert_true(end == CPU_END_STOPPED || end == CPU_END_POWER_OFF);
        cpu_set_reset(set);
        memset(mem_ptr(m, RAM, RAM_BYTES, true), 0, RAM_BYTES);
        load_image(m);
        memset(b->line, 0, sizeof b->line);
        memset(b->ppi, 0, sizeof b->ppi);
        b->n = 0;
        cpu_power_on(set, 0, RAM, 0);
        assert_true(cpu_set_start(set, NULL));
    }
}

static void pause_often(struct cpu_set *set, struct board *b)
{
    for (unsigned i = 0; i < 200; i++) {
        usleep(200);
        cpu_set_pause(set);
        size_t n = b->n; /* nothing happens now */
        usleep(100);
        assert_int_equal(n, b->n);
        cpu_set_resume(set);
    }
}

static void run_disturbed(unsigned n_cpus, uint64_t hz, enum disturbance how)
{
    struct pome_error err = {0};
    struct board b = {.lock = PTHREAD_MUTEX_INITIALIZER, .result = 0xffffffff};
    const struct cpu_board board = {
        .ctx = &b, .mmio_read = mmio_read, .mmio_write = mmio_write, .icc_read = icc_read, .icc_write = icc_write, .ppi_set = ppi_set,
    };
    struct mem *m = mem_create();
    assert_true(mem_add_ram(m, RAM, RAM_BYTES, &err));
    load_image(m);
    const struct cpu_options o = {.n_cpus = n_cpus, .mem = m, .board = &board, .cntfrq_hz = hz, .code_bytes = 8 << 20};
    struct cpu_set *set = cpu_set_create(&o, &err);
    if (!set)
        fail_msg("%s", err.message);
    b.port = cpu_set_irq_port(set);
    cpu_power_on(set, 0, RAM, 0);
    assert_true(cpu_set_start(set, &err));
    if (how == STOPS)
        stop_somewhere(set, m, &b);
    if (how == PAUSES)
        pause_often(set, &b);
    enum cpu_end end = cpu_set_join(set, &err);
    if (b.result || end != CPU_END_POWER_OFF) {
        fputs(b.text, stderr);
        for (unsigned i = 0; i < n_cpus; i++)
            cpu_dump(set, i, stderr);
        fail_msg("%u CPUs: result %u, end %d", n_cpus, b.result, (int)end);
    }
    cpu_set_destroy(set);
    mem_destroy(m);
}

static void run(unsigned n_cpus, uint64_t hz)
{
    run_disturbed(n_cpus, hz, NONE);
}

static void paused(void **state)
{
    run_disturbed(1, 0, PAUSES);
    run_disturbed(3, 0, PAUSES);
}

static void stopped_and_reset(void **state)
{
    run_disturbed(1, 0, STOPS);
    run_disturbed(3, 24000000, STOPS);
}

static void evaluator(void **state)
{
    setenv("POME_ENGINE", "eval", 1);
    run(1, 0);
    run(2, 24000000);
    unsetenv("POME_ENGINE");
}

static void compiled(void **state)
{
    run(1, 0);
    run(1, 24000000);
    run(2, 62500000);
    run(4, 0);
}

static void unchained(void **state)
{
    setenv("POME_NOCHAIN", "1", 1);
    setenv("POME_MAX_INSNS", "1", 1);
    run(2, 0);
    unsetenv("POME_NOCHAIN");
    unsetenv("POME_MAX_INSNS");
}

/* Never, always for a while, and nearly everything: what is evaluated and what is compiled meet at other places each time. */
static void cold(void **state)
{
    static const char *const visits[] = {"0", "1", "200"};
    for (unsigned i = 0; i < ARRAY_SIZE(visits); i++) {
        setenv("POME_COLD", visits[i], 1);
        run(1 + i, 0);
    }
    unsetenv("POME_COLD");
}

static void randomised(void **state)
{
    const char *text = getenv("POME_TEST_SEEDS");
    int n = text ? atoi(text) : 2;
    for (int i = 1; i <= n; i++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", i);
        setenv("POME_RANDOM_SEED", seed, 1);
        run(1 + (unsigned)i % 3, 0);
    }
    unsetenv("POME_RANDOM_SEED");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluator),
        cmocka_unit_test(compiled),
        cmocka_unit_test(unchained),
        cmocka_unit_test(cold),
        cmocka_unit_test(randomised),
        cmocka_unit_test(paused),
        cmocka_unit_test(stopped_and_reset),
    };
    if (argc < 2)
        return 2;
    image_path = argv[1];
    cmocka_set_test_filter(argc > 2 ? argv[2] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
