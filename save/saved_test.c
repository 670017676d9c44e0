/* saved_test.c - whole machines: random states survive, and every difference is told. */
#include "save/saved.h"

#include "backend/console.h"
#include "base/bits.h"
#include "mem/mem.h"
#include "save/recent.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
    struct loop *loop;
    struct console *console;
    struct machine *machine;
    struct cpu_set *cpus;
    struct records facts;
    char disk[64];
    struct save_subject subject;
};

static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static void set_irq(void *ctx, unsigned cpu, bool level)
{
    struct rig *r = ctx;
    if (r->cpus) {
        struct cpu_irq_port p = cpu_set_irq_port(r->cpus);
        p.set_irq(p.ctx, cpu, level);
    }
}

static void set_fiq(void *ctx, unsigned cpu, bool level)
{
}

static char disk_path[64];

static void make(struct rig *r, unsigned n_cpus, uint64_t ram, bool disk, const char *identity)
{
    struct pome_error err;
    const struct machine_disk d = {.path = disk_path};
    memset(r, 0, sizeof *r);
    r->loop = loop_create(&err);
    r->console = console_create(r->loop, &(struct console_options){.in_fd = -1, .out_fd = -1}, &err);
    const struct machine_config c = {.n_cpus = n_cpus, .ram_bytes = ram, .loop = r->loop, .console = r->console, .disks = &d, .n_disks = disk};
    r->machine = machine_create(&c, &(struct cpu_irq_port){r, set_irq, set_fiq}, NULL, &err);
    if (!r->machine)
        fail_msg("%s", err.message);
    r->cpus = cpu_set_create(&(struct cpu_options){.n_cpus = n_cpus, .mem = machine_mem(r->machine), .board = machine_board(r->machine),
                                                   .code_bytes = 1 << 20, .cache_path = "off"}, &err);
    if (!r->cpus)
        fail_msg("%s", err.message);
    records_put_text(&r->facts, "machine identity", identity);
    r->subject = (struct save_subject){r->machine, r->cpus, &r->facts};
    machine_quiesce(r->machine, 1000);
    cpu_set_pause(r->cpus);
}

static void drop(struct rig *r)
{
    cpu_set_resume(r->cpus);
    machine_destroy(r->machine);
    cpu_set_destroy(r->cpus);
    console_destroy(r->console, 0);
    loop_destroy(r->loop);
    records_free(&r->facts);
}

/* What a guest could do to its board, blindly. */
static void stir(struct rig *r)
{
    static const uint64_t places[] = {0x08000000, 0x080a0000, 0x080b0000, 0x09000000, 0x09010000, 0x09030000, 0x3f008000, 0x3f010000};
    const struct cpu_board *b = machine_board(r->machine);
    machine_unquiesce(r->machine);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t gpa = places[random64() % ARRAY_SIZE(places)] + random64() % 0x1000 / 4 * 4;
        b->mmio_write(b->ctx, 0, gpa, 4, random64());
    }
    machine_quiesce(r->machine, 1000);
    while (!(console_flush(r->console, 1000) && machine_output_done(r->machine)))
        ; /* what has to wait in the serial port would go out after loading */
    for (unsigned i = 0; i < 300; i++) {
        uint64_t word = random64(), gpa = 0x40000000 + random64() % (100 * MiB);
        mem_write(machine_mem(r->machine), gpa, &word, sizeof word);
    }
    console_type(r->console, (const uint8_t *)"typed ahead", 11);
}

static int save(struct rig *r)
{
    struct pome_error err = {0};
    int fd = memfd_create("save", MFD_CLOEXEC);
    if (!saved_write(&r->subject, fd, NULL, NULL, &err))
        fail_msg("%s", err.message);
    return fd;
}

static void on_trouble(void *ctx, const struct pome_error *why)
{
    fail_msg("%s", why->message);
}

static void load(struct rig *r, int fd, bool lazy)
{
    static const struct save_trouble trouble = {on_trouble, NULL};
    struct pome_error err = {0};
    struct findings l = {0};
    struct saved *f = saved_open(dup(fd), NULL, &err);
    if (!f || !saved_compare(f, &r->subject, &l, &err) || !findings_ok(&l, POME_ERROR_RESTORE, "restore", &err) || !saved_load(f, &r->subject, lazy ? &trouble : NULL, NULL, &err))
        fail_msg("%s", err.message);
    findings_free(&l);
    saved_free(f);
}

static void assert_equal_files(int a, int b)
{
    struct save_reader *p = save_reader_create(a, NULL, NULL), *q = save_reader_create(b, NULL, NULL);
    const struct save_section *s, *t;
    for (size_t i = 0; (s = save_reader_section(p, i)); i++) {
        t = save_reader_section(q, i);
        assert_non_null(t);
        assert_string_equal(s->name, t->name);
        uint8_t *x = save_reader_bytes(p, s, NULL), *y = save_reader_bytes(q, t, NULL);
        for (size_t k = 0; k < s->blob.plain; k++)
            if (s->blob.plain != t->blob.plain || x[k] != y[k])
                fail_msg("section %s: byte %zu is not what it was", s->name, k);
        free(x);
        free(y);
    }
    save_reader_free(p);
    save_reader_free(q);
}

static void assert_equal_memory(int a, int b)
{
    struct save_reader *r[2] = {save_reader_create(a, NULL, NULL), save_reader_create(b, NULL, NULL)};
    uint8_t *bytes[2];
    struct save_chunks c[2];
    for (unsigned i = 0; i < 2; i++) {
        assert_true(save_reader_chunks(r[i], save_reader_find(r[i], "memory/40000000"), &c[i], NULL));
        bytes[i] = calloc(1, c[i].bytes);
        assert_true(save_reader_memory(r[i], &c[i], bytes[i], NULL, NULL));
    }
    assert_int_equal(c[0].bytes, c[1].bytes);
    assert_memory_equal(bytes[0], bytes[1], c[0].bytes);
    for (unsigned i = 0; i < 2; i++) {
        free(bytes[i]);
        save_chunks_free(&c[i]);
        save_reader_free(r[i]);
    }
}

/* The same machine, saved again, is the same file: nothing was lost or made up. */
static void machines_survive(void **state)
{
    for (unsigned i = 0; i < 5; i++) {
        struct rig r;
        make(&r, 2, 128 * MiB, true, "one");
        stir(&r);
        int a = save(&r);
        drop(&r);
        make(&r, 2, 128 * MiB, true, "one");
        load(&r, a, i % 2);
        int b = save(&r);
        assert_equal_files(a, b);
        drop(&r);
        close(a);
        close(b);
    }
}

static _Atomic bool enough;

/* A guest that writes to its memory, and gives some back. */
static void *write_memory(void *arg)
{
    struct mem *mem = arg;
    uint64_t word = 1;
    for (uint64_t n = 1; !atomic_load(&enough); n++) {
        word = word * 6364136223846793005 + 1442695040888963407;
        mem_write(mem, 0x40000000 + (word >> 30) % (100 * MiB), &word, sizeof word);
        if (n % 1000 == 0)
            mem_discard(mem, mem_ptr(mem, 0x40000000 + (word >> 20) % (100 * MiB), 65536, true), 65536);
        if (n % 100 == 0)
            usleep(10);
    }
    return NULL;
}

/* Saved in two parts, while its memory is written to and at rest, a machine is what it is when it is saved in one. */
static void saved_while_it_runs(void **state)
{
    for (unsigned i = 0; i < 3; i++) {
        struct rig r;
        struct saved_ahead *a;
        struct pome_error err;
        pthread_t t;
        make(&r, 2, 128 * MiB, true, "one");
        stir(&r);
        atomic_store(&enough, false);
        assert_int_equal(pthread_create(&t, NULL, write_memory, machine_mem(r.machine)), 0);
        int fd = memfd_create("ahead", MFD_CLOEXEC);
        assert_true(saved_ahead_begin(r.machine, fd, NULL, NULL, &a, &err));
        usleep(20000); /* what is written now is what is left */
        atomic_store(&enough, true);
        pthread_join(t, NULL);
        if (!a) /* not on this host */
            skip();
        assert_true(saved_ahead_finish(a, &r.subject, NULL, &err));
        saved_ahead_free(a);
        int whole = save(&r);
        drop(&r);
        make(&r, 2, 128 * MiB, true, "one");
        load(&r, fd, i % 2);
        int again = save(&r);
        assert_equal_files(whole, again);
        assert_equal_memory(fd, whole);
        drop(&r);
        close(fd);
        close(whole);
        close(again);
    }
}

static bool has(const struct findings *l, const char *field, const char *saved, const char *present)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].field, field) && strstr(l->items[i].expected, saved) && strstr(l->items[i].found, present))
            return true;
    return false;
}

static void every_difference_is_told(void **state)
{
    struct rig r;
    struct findings l = {0};
    struct pome_error err = {0};
    make(&r, 2, 256 * MiB, true, "one");
    int fd = save(&r);
    drop(&r);
    make(&r, 1, 128 * MiB, false, "another");
    struct saved *f = saved_open(dup(fd), NULL, &err);
    assert_true(saved_compare(f, &r.subject, &l, &err));
    assert_true(has(&l, "CPUs", "2", "1"));
    assert_true(has(&l, "memory", "268435456", "134217728"));
    assert_true(has(&l, "machine identity", "one", "another"));
    assert_true(has(&l, "PCI slot 1", "virtio-blk", "virtio-rng"));
    assert_true(has(&l, "disk in PCI slot 1: size", "1048576 bytes", "none"));
    assert_true(has(&l, "device/virtio-blk.1", "there", "none"));
    assert_true(has(&l, "memory/40000000", "268435456", "134217728"));
    assert_false(findings_ok(&l, POME_ERROR_RESTORE, "restore", &err));
    assert_false(saved_load(f, &r.subject, NULL, NULL, &err));
    findings_free(&l);
    saved_free(f);
    drop(&r);
    close(fd);
}

static void a_changed_disk_is_noticed(void **state)
{
    struct rig r;
    struct findings l = {0};
    struct pome_error err = {0};
    make(&r, 1, 128 * MiB, true, "one");
    int fd = save(&r), disk = open(disk_path, O_WRONLY);
    drop(&r);
    usleep(20000); /* the host's file times may have steps of some milliseconds */
    assert_int_equal(pwrite(disk, "x", 1, 512), 1);
    close(disk);
    make(&r, 1, 128 * MiB, true, "one");
    struct saved *f = saved_open(dup(fd), NULL, &err);
    assert_true(saved_compare(f, &r.subject, &l, &err));
    assert_int_equal(l.n, 1);
    assert_string_equal(l.items[0].field, "disk in PCI slot 1: written to last");
    findings_free(&l);
    saved_free(f);
    drop(&r);
    close(fd);
}

/* Every section with its bytes damaged but its digest right: taken or refused. */
static void hostile_states_do_no_harm(void **state)
{
    struct rig r;
    struct pome_error err = {0};
    unsigned refused = 0;
    make(&r, 2, 128 * MiB, true, "one");
    stir(&r);
    int fd = save(&r);
    struct save_reader *from = save_reader_create(fd, NULL, &err);
    for (unsigned i = 0; i < 60; i++) {
        int to = memfd_create("hostile", MFD_CLOEXEC);
        struct save_writer *w = save_writer_create(to, NULL, &err);
        const struct save_section *s;
        for (size_t k = 0; (s = save_reader_section(from, k)); k++) {
            uint8_t *bytes = save_reader_bytes(from, s, &err);
            for (unsigned n = random64() % 4; s->blob.plain && n && strncmp(s->name, "memory", 6); n--)
                bytes[random64() % s->blob.plain] = (uint8_t)random64();
            assert_true(save_writer_section(w, s->name, s->version, bytes, s->blob.plain, &err));
            free(bytes);
        }
        assert_true(save_writer_finish(w, &err));
        save_writer_free(w);
        struct saved *f = saved_open(dup(to), NULL, &err);
        struct findings l = {0};
        assert_non_null(f);
        saved_compare(f, &r.subject, &l, NULL);
        refused += !saved_load(f, &r.subject, NULL, NULL, NULL);
        findings_free(&l);
        saved_free(f);
        close(to);
        machine_reset(r.machine);
        machine_quiesce(r.machine, 1000);
        cpu_set_reset(r.cpus);
    }
    assert_true(refused > 5);
    save_reader_free(from);
    drop(&r);
    close(fd);
}

/* Pages that are wanted first: as many as the list says, or none. */
static void what_was_used_last_may_say_anything(void **state)
{
    enum { PAGE = 4096, PAGES = 40 };
    static const struct {
        uint32_t version;
        size_t listed, held;
        bool good;
    } cases[] = {{2, PAGES, PAGES, true}, {2, 1, 1, true}, {2, PAGES - 1, PAGES, false}, {2, PAGES, PAGES - 1, false}, {1, PAGES, PAGES, false}};
    static uint8_t pages[PAGES * PAGE], to[SAVE_CHUNK_BYTES];
    struct pome_error err;
    uint8_t list[4 * PAGES];
    for (size_t i = 0; i < PAGES; i++) {
        le32_put(list + 4 * i, (uint32_t)(i * 7));
        memset(pages + i * PAGE, (int)i, PAGE); /* the first is zero */
    }
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        int fd = memfd_create("recent", MFD_CLOEXEC);
        struct save_writer *w = save_writer_create(fd, NULL, &err);
        const struct save_memory m = {.bytes = cases[k].held * PAGE, .from = pages};
        assert_true(save_writer_section(w, "recent", cases[k].version, list, 4 * cases[k].listed, &err));
        assert_true(save_writer_memory(w, "recent/memory", &m, NULL, &err) && save_writer_finish(w, &err));
        save_writer_free(w);
        struct save_reader *r = save_reader_create(fd, NULL, &err);
        struct sealer s = {0};
        struct recent recent;
        const uint32_t *numbers;
        size_t found = 0, n;
        recent_read(r, &recent);
        for (size_t i = 0; (n = recent_pages(&recent, r, &s, i, &numbers, to)); i++)
            for (size_t p = 0; p < n; p++, found++) {
                assert_int_equal(numbers[p], found * 7);
                assert_memory_equal(to + p * PAGE, pages + found * PAGE, PAGE);
            }
        assert_int_equal(found, cases[k].good ? cases[k].held : 0);
        recent_free(&recent);
        sealer_finish(&s);
        save_reader_free(r);
        close(fd);
    }
}

static int make_disk(void **state)
{
    const char *dir = getenv("TMPDIR");
    snprintf(disk_path, sizeof disk_path, "%s/pome-saved-%d", dir ? dir : "/tmp", (int)getpid());
    int fd = open(disk_path, O_RDWR | O_CREAT | O_EXCL, 0600);
    int bad = fd < 0 || ftruncate(fd, 1048576);
    close(fd);
    return bad;
}

static int remove_disk(void **state)
{
    return unlink(disk_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_survive),
        cmocka_unit_test(saved_while_it_runs),
        cmocka_unit_test(every_difference_is_told),
        cmocka_unit_test(a_changed_disk_is_noticed),
        cmocka_unit_test(hostile_states_do_no_harm),
        cmocka_unit_test(what_was_used_last_may_say_anything),
    };
    return cmocka_run_group_tests(tests, make_disk, remove_disk);
}
