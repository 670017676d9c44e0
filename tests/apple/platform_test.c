/*
 * platform_test.c - runs the guest of guest.h as the boot ROM of Apple-style machines of 1 to 32 CPUs, on compiled code, the evaluator, and in
 * randomised mode (POME_TEST_SEEDS=n: so many seeds, default 1). POME_TEST_ROUNDS=n: all of it so often.
 */
#include "vm/vm.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_MS 90000

static uint8_t rom[1 << 20];
static size_t rom_bytes;

/* What the guest says until it powers off. */
static void listen(struct vm *vm, int fd, char *text, size_t room)
{
    size_t n = 0;
    for (int waited = 0; waited < TIMEOUT_MS; waited += 20) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        bool running = vm_state(vm) == POME_VM_RUNNING;
        if (poll(&p, 1, running ? 20 : 0) > 0) {
            ssize_t got = read(fd, text + n, room - 1 - n);
            n += got > 0 ? (size_t)got : 0;
            waited -= 20;
        } else if (!running) {
            break;
        }
        text[n] = 0;
        if (n == room - 1)
            break;
    }
}

static void run_with(unsigned n_cpus, struct machine_disk *disks, size_t n_disks)
{
    struct pome_error err = {0};
    static char text[65536];
    int out[2];
    assert_int_equal(pipe(out), 0);
    const struct vm_config config = {
        .platform = MACHINE_APPLE, .cpu_model = CPU_MODEL_APPLE, .n_cpus = n_cpus, .ram_bytes = 256 << 20, .rom = rom, .rom_bytes = rom_bytes,
        .disks = disks, .n_disks = n_disks, .foreign_rom = n_disks, .apple_disks = n_disks, .console_in = -1, .console_out = out[1], .stops_at_reset = true, .translation_cache = "off",
    };
    struct vm *vm = vm_create(&config, &err);
    if (!vm)
        fail_msg("%s", err.message);
    if (!vm_operate_wait(vm, POME_VM_OP_START, NULL, &err))
        fail_msg("%s", err.message);
    text[0] = 0;
    listen(vm, out[0], text, sizeof text);
    if (!strstr(text, "all passed\n") || vm_state(vm) != POME_VM_STOPPED) {
        for (unsigned i = 0; i < n_cpus; i++)
            cpu_dump(vm_cpus(vm), i, stderr);
        fail_msg("%u CPUs, state %d: %s", n_cpus, (int)vm_state(vm), text);
    }
    assert_int_equal(vm_stop_reason(vm), POME_STOP_GUEST_OFF);
    struct cpu_stats stats;
    vm_stats(vm, &stats);
    assert_true(stats.fiqs >= 3 * n_cpus && stats.irqs >= n_cpus);
    vm_destroy(vm);
    close(out[0]);
    close(out[1]);
}

static void run(unsigned n_cpus)
{
    run_with(n_cpus, NULL, 0);
}

/* A disk whose sectors begin with their numbers. */
static void make_disk(char path[], uint32_t sectors)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (uint32_t i = 0; i < sectors; i++)
        assert_int_equal(pwrite(fd, (uint32_t[128]){i}, 512, i * 512), 512);
    close(fd);
}

/* As a ROM of the user's: Apple's configuration region, disks by the backdoor. */
static void as_the_users_rom(void **state)
{
    char root[] = "/tmp/pome-rom-root-XXXXXX", aux[] = "/tmp/pome-rom-aux-XXXXXX";
    uint32_t written = 0;
    make_disk(root, 2048);
    make_disk(aux, 64);
    struct machine_disk disks[] = {{.path = root, .role = MACHINE_DISK_ROOT}, {.path = aux, .role = MACHINE_DISK_AUX}};
    run_with(2, disks, 2);
    FILE *f = fopen(aux, "rb");
    assert_true(f && !fseek(f, 5 * 512, SEEK_SET) && fread(&written, 4, 1, f) == 1);
    fclose(f);
    unlink(root);
    unlink(aux);
    assert_int_equal(written, 0xabcd0005);
}

static void compiled(void **state)
{
    static const unsigned n[] = {1, 2, 4, 8, 32};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++)
        run(n[i]);
}

static void evaluator(void **state)
{
    setenv("POME_ENGINE", "eval", 1);
    run(2);
    unsetenv("POME_ENGINE");
}

static void randomised(void **state)
{
    const char *text = getenv("POME_TEST_SEEDS");
    int n = text ? atoi(text) : 1;
    for (int i = 1; i <= n; i++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", i);
        setenv("POME_RANDOM_SEED", seed, 1);
        run(1 + (unsigned)i % 4);
    }
    unsetenv("POME_RANDOM_SEED");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(compiled), cmocka_unit_test(as_the_users_rom), cmocka_unit_test(evaluator), cmocka_unit_test(randomised)};
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!f)
        return 2;
    rom_bytes = fread(rom, 1, sizeof rom, f);
    fclose(f);
    cmocka_set_test_filter(argc > 2 ? argv[2] : NULL);
    int failed = 0;
    for (int rounds = getenv("POME_TEST_ROUNDS") ? atoi(getenv("POME_TEST_ROUNDS")) : 1; rounds > 0 && !failed; rounds--)
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed;
}
