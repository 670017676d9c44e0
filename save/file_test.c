/* file_test.c - the file of a saved machine: what was written is read, and nothing else is. */
#include "save/file.h"
#include "save/seal.h"

#include "base/bits.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { MEMORY = 9 << 20 };

static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* Memory as guests have it: much zero, some text, some noise. */
static uint8_t *make_memory(void)
{
    uint8_t *m = calloc(1, MEMORY);
    for (size_t chunk = 0; chunk < MEMORY / 4096; chunk++) {
        unsigned kind = random64() % 4;
        for (size_t i = 0; kind > 1 && i < 4096; i += 8)
            le64_put(m + chunk * 4096 + i, kind == 2 ? UINT64_C(0x2065682074616874) + i / 64 : random64());
    }
    return m;
}

static int new_file(void)
{
    int fd = memfd_create("save", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static const char small[] = "cpuCount=2\nmemory=1073741824\n";

static int write_file(const struct save_secret *secret, const uint8_t *memory)
{
    struct pome_error err;
    int fd = new_file();
    struct save_writer *w = save_writer_create(fd, secret, &err);
    const struct save_memory m = {.gpa = 0x40000000, .bytes = MEMORY, .from = memory};
    assert_non_null(w);
    assert_true(save_writer_section(w, "machine", 1, small, sizeof small, &err));
    assert_true(save_writer_section(w, "empty", 7, NULL, 0, &err));
    assert_true(save_writer_memory(w, "memory", &m, NULL, &err));
    assert_true(save_writer_finish(w, &err));
    save_writer_free(w);
    return fd;
}

static void check_file(int fd, const struct save_secret *secret, const uint8_t *memory)
{
    struct pome_error err;
    struct save_reader *r = save_reader_create(fd, secret, &err);
    if (!r)
        fail_msg("%s", err.message);
    const struct save_section *s = save_reader_find(r, "machine");
    assert_non_null(s);
    uint8_t *bytes = save_reader_bytes(r, s, &err);
    assert_int_equal(s->blob.plain, sizeof small);
    assert_memory_equal(bytes, small, sizeof small);
    free(bytes);
    s = save_reader_find(r, "empty");
    assert_int_equal(s->version, 7);
    free(save_reader_bytes(r, s, &err));
    assert_null(save_reader_find(r, "nothing"));
    assert_null(save_reader_section(r, 3));
    struct save_chunks c;
    assert_true(save_reader_chunks(r, save_reader_find(r, "memory"), &c, &err));
    assert_int_equal(c.bytes, MEMORY);
    uint8_t *to = calloc(1, MEMORY);
    struct sealer sealer = {0};
    assert_true(save_reader_memory(r, &c, to, NULL, &err));
    assert_memory_equal(to, memory, MEMORY);
    for (unsigned i = 0; i < 50; i++) {
        uint8_t one[SAVE_CHUNK_BYTES];
        size_t chunk = random64() % c.n_chunks;
        assert_true(save_reader_chunk(r, &sealer, &c, chunk, one, &err));
        assert_memory_equal(one, memory + chunk * SAVE_CHUNK_BYTES, SAVE_CHUNK_BYTES);
    }
    free(to);
    sealer_finish(&sealer);
    save_chunks_free(&c);
    save_reader_free(r);
}

/* Memory that changes meanwhile: the last that was said of a chunk is what is read, encrypted too. */
static void written_again_and_again(void **state)
{
    static const struct save_secret key = {"secret", 6};
    uint8_t *memory = make_memory(), *wanted = malloc(MEMORY / SAVE_CHUNK_BYTES + 1);
    for (unsigned i = 0; i < 2; i++) {
        struct pome_error err;
        const struct save_secret *secret = i ? &key : NULL;
        int fd = new_file();
        struct save_writer *w = save_writer_create(fd, secret, &err);
        const struct save_memory m = {.gpa = 0x40000000, .bytes = MEMORY, .from = memory};
        struct save_written *s = save_writer_memory_begin(w, &m, &err);
        assert_true(save_writer_section(w, "machine", 1, small, sizeof small, &err) && save_writer_section(w, "empty", 7, NULL, 0, &err));
        assert_true(save_writer_memory_chunks(s, NULL, true, NULL, &err));
        for (unsigned round = 0; round < 4; round++) {
            memset(wanted, 0, MEMORY / SAVE_CHUNK_BYTES + 1);
            for (unsigned n = 0; n < 20; n++) {
                const size_t chunk = random64() % ((MEMORY + SAVE_CHUNK_BYTES - 1) / SAVE_CHUNK_BYTES), at = chunk * SAVE_CHUNK_BYTES;
                const size_t bytes = MIN((size_t)MEMORY - at, (size_t)SAVE_CHUNK_BYTES);
                wanted[chunk] = 1;
                for (size_t k = 0; k < bytes; k++)
                    memory[at + k] = n % 3 ? (uint8_t)random64() : 0; /* some become zero, some are zero no more */
            }
            assert_true(save_writer_memory_chunks(s, wanted, round < 3, NULL, &err));
        }
        assert_true(save_writer_memory_end(s, "memory", &err) && save_writer_finish(w, &err));
        save_written_free(s);
        save_writer_free(w);
        check_file(fd, secret, memory);
        close(fd);
    }
    free(wanted);
    free(memory);
}

static void what_was_written_is_read(void **state)
{
    uint8_t *memory = make_memory();
    int fd = write_file(NULL, memory), again = write_file(NULL, memory);
    check_file(fd, NULL, memory);
    off_t n = lseek(fd, 0, SEEK_END);
    assert_true(n < MEMORY * 2 / 3); /* zeros are not in it, text is compressed */
    assert_int_equal(n, lseek(again, 0, SEEK_END));
    uint8_t *a = mmap(NULL, (size_t)n, PROT_READ, MAP_SHARED, fd, 0), *b = mmap(NULL, (size_t)n, PROT_READ, MAP_SHARED, again, 0);
    assert_memory_equal(a, b, n); /* whichever thread was first */
    munmap(a, (size_t)n);
    munmap(b, (size_t)n);
    close(fd);
    close(again);
    free(memory);
}

static bool contains(int fd, const char *text)
{
    size_t n = (size_t)lseek(fd, 0, SEEK_END);
    uint8_t *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    bool found = memmem(p, n, text, strlen(text));
    munmap(p, n);
    return found;
}

static void a_key_opens_what_it_closed(void **state)
{
    const struct save_secret right = {"correct horse", 13}, wrong = {"correct house", 13};
    struct pome_error err;
    uint8_t *memory = make_memory();
    int fd = write_file(&right, memory), open_one = write_file(NULL, memory);
    check_file(fd, &right, memory);
    assert_null(save_reader_create(fd, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_PERMISSION);
    assert_null(save_reader_create(fd, &wrong, &err));
    assert_int_equal(err.code, POME_ERROR_PERMISSION);
    assert_false(contains(fd, "that he")); /* of the memory's text; nor a name of a section */
    assert_false(contains(fd, "machine"));
    assert_true(contains(open_one, "machine"));
    close(fd);
    close(open_one);
    free(memory);
}

/* Reads all there is; false: something was refused. */
static bool readable(int fd)
{
    struct pome_error err = {0};
    struct save_reader *r = save_reader_create(fd, NULL, &err);
    if (!r)
        return false;
    bool ok = true;
    struct save_chunks c = {0};
    for (size_t i = 0; ok && save_reader_section(r, i); i++) {
        uint8_t *bytes = save_reader_bytes(r, save_reader_section(r, i), &err);
        ok = bytes != NULL;
        free(bytes);
    }
    const struct save_section *s = save_reader_find(r, "memory");
    ok = ok && s && save_reader_chunks(r, s, &c, &err);
    uint8_t one[SAVE_CHUNK_BYTES];
    struct sealer sealer = {0};
    for (size_t i = 0; ok && i < c.n_chunks; i++)
        ok = save_reader_chunk(r, &sealer, &c, i, one, &err);
    sealer_finish(&sealer);
    save_chunks_free(&c);
    save_reader_free(r);
    return ok;
}

static void damage_is_noticed(void **state)
{
    uint8_t *memory = make_memory();
    int fd = write_file(NULL, memory);
    off_t n = lseek(fd, 0, SEEK_END);
    assert_true(readable(fd));
    for (unsigned i = 0; i < 120; i++) { /* any bit but those of nothing: every byte is under a digest */
        off_t at = i < 60 ? (off_t)(random64() % SAVE_HEADER_BYTES) : (off_t)(random64() % (uint64_t)n);
        uint8_t byte, other;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = byte ^ (uint8_t)(1u << random64() % 8);
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        if (readable(fd))
            fail_msg("byte %lld of %lld changed from %02x to %02x and nobody noticed", (long long)at, (long long)n, byte, other);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_true(readable(fd));
    for (off_t cut = n - 1; cut > 0; cut -= 1 + (off_t)(random64() % (uint64_t)(n / 60))) {
        assert_int_equal(ftruncate(fd, cut), 0);
        assert_false(readable(fd));
    }
    close(fd);
    free(memory);
}

static bool give_up(void *user, uint64_t done, uint64_t total)
{
    unsigned *calls = user;
    assert_true(done <= total);
    return ++*calls < 1; /* how often it asks depends on the threads */
}

static void saving_can_be_given_up(void **state)
{
    struct pome_error err;
    unsigned calls = 0;
    const struct save_progress p = {give_up, &calls};
    uint8_t *memory = make_memory();
    const struct save_memory m = {.gpa = 0, .bytes = MEMORY, .from = memory};
    int fd = new_file();
    struct save_writer *w = save_writer_create(fd, NULL, &err);
    assert_false(save_writer_memory(w, "memory", &m, &p, &err));
    assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
    save_writer_free(w);
    close(fd);
    free(memory);
}

/* A full disk is told as what it is. */
static void a_full_disk_is_told(void **state)
{
    struct pome_error err;
    uint8_t *memory = make_memory();
    const struct save_memory m = {.gpa = 0, .bytes = MEMORY, .from = memory};
    int fd = open("/dev/full", O_WRONLY);
    struct save_writer *w = save_writer_create(fd, NULL, &err);
    assert_false(save_writer_memory(w, "memory", &m, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_OUT_OF_DISK_SPACE);
    save_writer_free(w);
    close(fd);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read), cmocka_unit_test(written_again_and_again), cmocka_unit_test(a_key_opens_what_it_closed), cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(saving_can_be_given_up),   cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
