/* log_test.c - the log store: what is written is read back, also after a torn write and across segments. */
#include "log/console.h"
#include "log/log.h"
#include "log/record.h"
#include "log/timeline.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

/* Instead of the C library's: the host's disk takes as long as a test wants. */
static bool disk_is_slow;
static sem_t disk_is_done;
static off_t synced_bytes;

int fdatasync(int fd)
{
    struct stat st;
    if (disk_is_slow)
        sem_wait(&disk_is_done);
    fstat(fd, &st);
    synced_bytes = st.st_size;
    return fsync(fd);
}

static int make_dir(void **state)
{
    strcpy(dir, "/tmp/pome-log-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int remove_dir(void **state)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(dir);
    return 0;
}

static void round_trip(void **state)
{
    char line[LOG_LINE_MAX];
    struct log_record a = {.realtime_ns = 1763838000123456789, .monotonic_ns = 5, .guest_ns = 123456000, .level = LOG_LEVEL_ERROR,
                           .pid = 7, .thread = 99, .process = "kernel", .subsystem = "s", .category = "c", .boot = "",
                           .message = "quote \" back \\ tab \t bell \x01 umlaut \xc3\xa4 broken \xff end"}, b;
    size_t n = record_write(&a, line);
    assert_int_equal(line[n - 1], '\n');
    assert_true(record_read(line, n - 1, &b));
    assert_true(a.realtime_ns == b.realtime_ns && a.monotonic_ns == b.monotonic_ns && a.guest_ns == b.guest_ns);
    assert_true(a.level == b.level && a.pid == b.pid && a.thread == b.thread);
    assert_string_equal(b.process, "kernel");
    assert_string_equal(b.message, "quote \" back \\ tab \t bell \x01 umlaut \xc3\xa4 broken \xef\xbf\xbd end");
}

static void foreign_lines(void **state)
{
    static const char *const bad[] = {"", "{", "{}", "x", "{\"t\":1,\"l\":2,\"x\":\"a\"", "{\"t\":1,\"l\":9,\"x\":\"a\"}",
                                      "{\"t\":1,\"l\":2,\"x\":\"a\\\"}", "{\"t\":1,\"l\":2,\"x\":\"\\u12\"}", "{\"t\":99999999999999999999,\"l\":2,\"x\":\"\"}",
                                      "{\"t\":1,\"l\":2}", "{\"t\":1,\"l\":2,\"x\":\"a\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[128];
        struct log_record r;
        strcpy(line, bad[i]);
        assert_false(record_read(line, strlen(line), &r));
    }
}

static void console_lines(void **state)
{
    static const struct {
        const char *line, *process, *message;
        int64_t guest_ns;
        uint32_t pid;
        enum log_level level;
    } rows[] = {
        {":: stage 2", "firmware", ":: stage 2", -1, 0, LOG_LEVEL_DEFAULT},
        {"[    0.000000] Linux version 6.1", "kernel", "Linux version 6.1", 0, 0, LOG_LEVEL_DEFAULT},
        {"[   12.345678] systemd[1]: Started x", "systemd", "Started x", 12345678000, 1, LOG_LEVEL_DEFAULT},
        {"[    1.000001][    T1] hello", "kernel", "hello", 1000001000, 0, LOG_LEVEL_DEFAULT},
        {"[    1.5] short", "console", "[    1.5] short", -1, 0, LOG_LEVEL_DEFAULT},
        {"[  OK  ] Started", "console", "[  OK  ] Started", -1, 0, LOG_LEVEL_DEFAULT},
        {"[    2.000000] Kernel panic - not syncing", "kernel", "Kernel panic - not syncing", 2000000000, 0, LOG_LEVEL_FAULT},
        {"[FAILED] Failed to start", "console", "[FAILED] Failed to start", -1, 0, LOG_LEVEL_ERROR},
    };
    enum console_speaker speaker = CONSOLE_FIRMWARE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[128];
        struct log_record r = {0};
        strcpy(line, rows[i].line);
        console_line_parse(line, &speaker, &r);
        assert_string_equal(r.process, rows[i].process);
        assert_string_equal(r.message, rows[i].message);
        assert_true(r.guest_ns == rows[i].guest_ns);
        assert_int_equal(r.pid, rows[i].pid);
        assert_int_equal(r.level, rows[i].level);
    }
}

/* As a virtual machine's macOS prints (XNU marks nothing). */
static void darwin_lines(void **state)
{
    static const struct {
        const char *line, *process;
        enum log_level level;
    } rows[] = {
        {"pome stage2: version 0.1.0", "firmware", LOG_LEVEL_DEFAULT},
        {"pome stage2: starting the Darwin kernel after 139 ms", "firmware", LOG_LEVEL_DEFAULT},
        {"kprintf initialized", "kernel", LOG_LEVEL_DEFAULT},
        {"Darwin Kernel Version 21.6.0: today; root:xnu.obj/DEVELOPMENT_ARM64_VMAPPLE", "kernel", LOG_LEVEL_DEFAULT},
        {"arm_cpu_init(): cpu 1 online", "kernel", LOG_LEVEL_DEFAULT},
        {"panic(cpu 0 caller 0xfffffe0007c0): no root", "kernel", LOG_LEVEL_FAULT},
        {"load_init_program: attempting to load /sbin/launchd", "kernel", LOG_LEVEL_DEFAULT},
        {"hello from pid 1", "console", LOG_LEVEL_DEFAULT},
    };
    for (size_t first = 0; first < 3; first += 2) { /* with and without our firmware's word */
        enum console_speaker speaker = CONSOLE_FIRMWARE;
        for (size_t i = first; i < sizeof rows / sizeof *rows; i++) {
            char line[128];
            struct log_record r = {0};
            strcpy(line, rows[i].line);
            console_line_parse(line, &speaker, &r);
            assert_string_equal(r.process, rows[i].process);
            assert_string_equal(r.message, rows[i].line);
            assert_int_equal(r.level, rows[i].level);
        }
    }
}

static void write_and_read(void **state)
{
    static const char console[] = ":: firmware\r\n[    0.000000] Linux\r\n\x1b[0;32m[ OK ]\x1b[0m up\nlogin: ";
    char uuid[37];
    struct log *l = log_open(dir, NULL);
    assert_non_null(l);
    log_boot_begin(l, uuid);
    log_host(l, "org.pome.machine", "boot", LOG_LEVEL_INFO, "cpu %d online", 1);
    log_guest_console(l, LOG_CONSOLE_SERIAL, console, 20);
    log_guest_console(l, LOG_CONSOLE_SERIAL, console + 20, sizeof console - 21);
    log_close(l);

    static const char *const want[][2] = {{"", NULL}, {"pome", "cpu 1 online"}, {"firmware", ":: firmware"},
                                          {"kernel", "Linux"}, {"console", "[ OK ] up"}, {"console", "login: "}, {"pome", "log closed"}};
    struct log_reader *r = log_read_open(dir, NULL);
    struct log_record record;
    assert_non_null(r);
    int64_t last = 0;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(log_read_next(r, &record));
        assert_string_equal(record.process, want[i][0]);
        if (want[i][1])
            assert_string_equal(record.message, want[i][1]);
        else
            assert_string_equal(record.boot, uuid);
        assert_true(record.monotonic_ns >= last);
        last = i == 1 ? 0 : record.monotonic_ns;
    }
    assert_false(log_read_next(r, &record));
    log_read_close(r);
}

static void torn_line(void **state)
{
    struct log *l = log_open(dir, NULL);
    log_host(l, "s", "c", LOG_LEVEL_INFO, "first");
    log_close(l);
    char path[96];
    snprintf(path, sizeof path, "%s/00000001.log", dir);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"t\":1,\"l\":2,\"x\":\"to", 20), 20);
    close(fd);
    l = log_open(dir, NULL);
    log_host(l, "s", "c", LOG_LEVEL_INFO, "second");
    log_close(l);
    struct log_reader *r = log_read_open(dir, NULL);
    struct log_record record;
    static const char *const want[] = {"first", "log closed", "second", "log closed"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(log_read_next(r, &record));
        assert_string_equal(record.message, want[i]);
    }
    assert_false(log_read_next(r, &record));
    assert_int_equal(log_read_skipped(r), 1);
    log_read_close(r);
}

static void bounded_and_last_boot(void **state)
{
    char uuid[37] = "", text[901];
    memset(text, 'x', 900);
    text[900] = 0;
    struct log *l = log_open(dir, NULL);
    unsigned n = LOG_SEGMENTS * (LOG_SEGMENT_BYTES / 1000) + 12000;
    for (unsigned i = 0; i < n; i++) {
        if (i % 5000 == 0)
            log_boot_begin(l, uuid);
        log_host(l, "s", "c", LOG_LEVEL_INFO, "%u %s", i, text);
    }
    log_close(l);
    uint64_t bytes = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] != '.' && !fstatat(dirfd(d), e->d_name, &st, 0))
            bytes += (uint64_t)st.st_size;
    }
    closedir(d);
    struct log_size size;
    log_store_size(dir, &size);
    assert_int_equal(size.segments, LOG_SEGMENTS);
    assert_int_equal(size.bytes, bytes);
    assert_true(bytes < (uint64_t)2 * LOG_SEGMENT_BYTES); /* all but the last are compressed */
    struct log_reader *r = log_read_open(dir, NULL);
    struct log_record record;
    assert_true(log_read_seek_last_boot(r));
    assert_true(log_read_next(r, &record));
    assert_string_equal(record.boot, uuid);
    unsigned after = 0;
    while (log_read_next(r, &record))
        after++;
    assert_int_equal(after, (n % 5000 ? n % 5000 : 5000) + 1); /* and the closing record */
    log_read_close(r);
}

/* The index finds the last boot; one that is torn, lies, or is not there costs time, no more. */
static void index_of_boots(void **state)
{
    static char first[128]; /* of the first boot: it has missed the others */
    static const char *const indexes[] = {NULL, "", "1 0 5\n", "1 17 5 0C1AA82E-D9DC-46C7-9A8A-ECB0C329EE10\n", "99 0 5 0C1AA82E-D9DC-46C7-9A8A-ECB0C329EE10\n",
                                          "1 99999999999 5 0C1AA82E-D9DC-46C7-9A8A-ECB0C329EE10\n", "\n\n\xff\xff 1 2 3 4", first};
    char uuid[37], path[128];
    struct log *l = log_open(dir, NULL);
    for (int i = 0; i < 3; i++) {
        log_boot_begin(l, uuid);
        log_host(l, "s", "c", LOG_LEVEL_INFO, "in boot %d", i);
    }
    log_close(l);
    snprintf(path, sizeof path, "%s/boots", dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    FILE *whole = fopen(path, "r");
    assert_non_null(fgets(first, sizeof first, whole));
    fclose(whole);
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        struct log_record record;
        if (indexes[i]) {
            FILE *f = fopen(path, "w");
            fputs(indexes[i], f);
            fclose(f);
        }
        struct log_reader *r = log_read_open(dir, NULL);
        assert_true(log_read_seek_last_boot(r));
        assert_true(log_read_next(r, &record));
        assert_string_equal(record.boot, uuid);
        assert_true(record.activity == strtoul(uuid, NULL, 16));
        assert_true(log_read_next(r, &record));
        assert_string_equal(record.message, "in boot 2");
        assert_true(record.activity == strtoul(uuid, NULL, 16));
        log_read_close(r);
    }
}

/* A copy reads the same; an erased store is empty and can be written again; a damaged compressed segment loses its own records only. */
static void copied_and_erased(void **state)
{
    char text[901], to[128], path[160];
    memset(text, 'y', 900);
    text[900] = 0;
    struct log *l = log_open(dir, NULL);
    for (unsigned i = 0; i < 13000; i++) /* three segments */
        log_host(l, "s", "c", LOG_LEVEL_INFO, "%u %s", i, text);
    snprintf(to, sizeof to, "%s/copy.logarchive", dir);
    assert_true(log_store_copy(dir, to, NULL));
    assert_false(log_store_copy(dir, to, NULL));
    log_close(l);
    struct log_size size;
    log_store_size(to, &size);
    assert_true(size.segments == 3 || size.segments == 4);
    struct log_record record;
    unsigned n = 0;
    struct log_reader *r = log_read_open(to, NULL);
    while (log_read_next(r, &record))
        assert_int_equal(strtoul(record.message, NULL, 10), n++);
    assert_int_equal(n, 13000);
    log_read_close(r);
    snprintf(path, sizeof path, "%s/00000002.log.zst", to);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fseek(f, 20, SEEK_SET);
    fputs("xxxxxxxxxxxxxxxxxxxx", f);
    fclose(f);
    r = log_read_open(to, NULL);
    for (n = 0; log_read_next(r, &record);)
        n++;
    assert_true(n > 13000 / 3 && n < 13000);
    log_read_close(r);
    assert_true(log_store_erase(to, NULL));
    log_store_size(to, &size);
    assert_true(!size.segments && !size.bytes);
    assert_int_equal(rmdir(to), 0);
}

static void expect_next(struct log_reader *r, const char *message)
{
    struct log_record record;
    assert_true(log_read_next(r, &record));
    assert_string_equal(record.message, message);
}

/* Who writes and who reads while the log is erased go on, the former closed and opened again, too. */
static void erased_in_use(void **state)
{
    struct log_record record;
    struct log *l = log_open(dir, NULL);
    log_host(l, "s", "c", LOG_LEVEL_INFO, "old");
    struct log_reader *at_end = log_read_open(dir, NULL), *nowhere = log_read_open(dir, NULL);
    expect_next(at_end, "old");
    assert_true(log_store_erase(dir, NULL));
    assert_false(log_read_next(at_end, &record));
    log_host(l, "s", "c", LOG_LEVEL_INFO, "first");
    log_host(l, "s", "c", LOG_LEVEL_INFO, "second");
    for (int i = 0; i < 2; i++) {
        struct log_reader *r = i ? nowhere : at_end;
        expect_next(r, "first");
        expect_next(r, "second");
        assert_false(log_read_next(r, &record));
    }
    log_close(l);
    assert_true(log_store_erase(dir, NULL));
    l = log_open(dir, NULL);
    log_host(l, "s", "c", LOG_LEVEL_INFO, "third");
    for (int i = 0; i < 2; i++) {
        struct log_reader *r = i ? nowhere : at_end;
        do /* neither had seen the end of what was erased */
            assert_true(log_read_next(r, &record));
        while (strcmp(record.message, "third"));
        assert_false(log_read_next(r, &record));
        log_read_close(r);
    }
    log_close(l);
}

/* A process killed at any moment leaves whole records and at most one torn line. */
static void killed_writer(void **state)
{
    int ready[2]; /* the child has written a thousand */
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (!child) {
        struct log *l = log_open(dir, NULL);
        for (unsigned i = 0;; i++) {
            log_host(l, "s", "c", LOG_LEVEL_INFO, "%u", i);
            if (i == 1000 && write(ready[1], "", 1) != 1)
                _exit(1);
        }
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    usleep(60000);
    close(ready[0]);
    close(ready[1]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    struct log_reader *r = log_read_open(dir, NULL);
    struct log_record record;
    unsigned n = 0;
    for (; log_read_next(r, &record); n++)
        assert_int_equal(atoi(record.message), n);
    assert_true(n > 0);
    assert_int_equal(log_read_skipped(r), 0);
    log_read_close(r);

    for (int boot = 0; boot < 2; boot++) { /* the next boot says so, the one after it does not */
        char uuid[37];
        struct log *l = log_open(dir, NULL);
        log_boot_begin(l, uuid);
        log_close(l);
        r = log_read_open(dir, NULL);
        assert_true(log_read_seek_last_boot(r) && log_read_next(r, &record));
        assert_string_equal(record.boot, uuid);
        assert_true(log_read_next(r, &record));
        assert_int_equal(strstr(record.message, "was not closed") != NULL, boot == 0);
        log_read_close(r);
    }
}

/* A full disk loses records, counts them, and says so when there is room again. */
static void full_disk(void **state)
{
    pid_t child = fork();
    if (!child) {
        struct rlimit small = {1500, RLIM_INFINITY}, large = {RLIM_INFINITY, RLIM_INFINITY};
        signal(SIGXFSZ, SIG_IGN);
        struct log *l = log_open(dir, NULL);
        setrlimit(RLIMIT_FSIZE, &small);
        for (unsigned i = 0; i < 100; i++)
            log_host(l, "s", "c", LOG_LEVEL_INFO, "%u", i);
        setrlimit(RLIMIT_FSIZE, &large);
        log_host(l, "s", "c", LOG_LEVEL_INFO, "room again");
        log_close(l);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    struct log_reader *r = log_read_open(dir, NULL);
    struct log_record record;
    unsigned written = 0, lost = 0;
    char last[64] = "";
    while (log_read_next(r, &record)) {
        if (strstr(record.message, "could not be written"))
            lost = (unsigned)atoi(record.message);
        else if (!strcmp(record.message, "log closed"))
            continue;
        else if (strcmp(record.message, "room again"))
            written++;
        snprintf(last, sizeof last, "%.60s", record.message);
    }
    log_read_close(r);
    assert_string_equal(last, "room again");
    assert_true(lost > 0);
    assert_int_equal(written + lost, 100);
}

/* The kernel's early lines come in one go; the timeline puts them between what the host did meanwhile. */
static void timeline(void **state)
{
    static const struct log_record in[] = {
        {.realtime_ns = 1000, .monotonic_ns = 100, .guest_ns = -1, .level = 2, .process = "", .subsystem = "", .category = "", .boot = "A", .message = "boot A"},
        {.realtime_ns = 1010, .monotonic_ns = 110, .guest_ns = -1, .level = 2, .process = "pome", .subsystem = "", .category = "", .boot = "", .message = "start"},
        {.realtime_ns = 1400, .monotonic_ns = 500, .guest_ns = -1, .level = 2, .process = "pome", .subsystem = "", .category = "", .boot = "", .message = "cpu 1"},
        {.realtime_ns = 1900, .monotonic_ns = 1000, .guest_ns = 0, .level = 2, .process = "kernel", .subsystem = "", .category = "", .boot = "", .message = "zero"},
        {.realtime_ns = 1900, .monotonic_ns = 1000, .guest_ns = 350, .level = 2, .process = "kernel", .subsystem = "", .category = "", .boot = "", .message = "late"},
        {.realtime_ns = 1901, .monotonic_ns = 1001, .guest_ns = 801, .level = 2, .process = "kernel", .subsystem = "", .category = "", .boot = "", .message = "now"},
        {.realtime_ns = 3000, .monotonic_ns = 50, .guest_ns = -1, .level = 2, .process = "", .subsystem = "", .category = "", .boot = "B", .message = "boot B"},
        {.realtime_ns = 3050, .monotonic_ns = 100, .guest_ns = 10, .level = 2, .process = "kernel", .subsystem = "", .category = "", .boot = "", .message = "other"},
    };
    static const struct {
        const char *message;
        int64_t realtime_ns;
    } want[] = {{"boot A", 1000}, {"start", 1010}, {"zero", 1100}, {"cpu 1", 1400}, {"late", 1450}, {"now", 1901}, {"boot B", 3000}, {"other", 3050}};
    char path[96], line[LOG_LINE_MAX];
    snprintf(path, sizeof path, "%s/00000001.log", dir);
    FILE *f = fopen(path, "wb");
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        fwrite(line, 1, record_write(&in[i], line), f);
    fclose(f);
    struct log_timeline *t = log_timeline_open(log_read_open(dir, NULL));
    struct log_record r;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(log_timeline_next(t, &r));
        assert_string_equal(r.message, want[i].message);
        assert_int_equal(r.realtime_ns, want[i].realtime_ns);
    }
    assert_false(log_timeline_next(t, &r));
    assert_true(log_timeline_seek_last_boot(t));
    assert_true(log_timeline_next(t, &r));
    assert_string_equal(r.boot, "B");
    log_timeline_close(t);
}

/* What is logged after the log was erased stands under the mark of the boot that runs, once for who watched
 * it, and until the next boot. */
static void erased_in_boot(void **state)
{
    static const char *const messages[] = {"later", "again", ""};
    char uuid[2][37];
    struct log_record r;
    struct log *l = log_open(dir, NULL);
    log_boot_begin(l, uuid[0]);
    log_host(l, "s", "c", LOG_LEVEL_DEFAULT, "old");
    struct log_timeline *watching = log_timeline_open(log_read_open(dir, NULL));
    log_timeline_seek_end(watching);
    for (int i = 0; i < 3; i++) {
        assert_true(log_store_erase(dir, NULL));
        if (i == 2)
            log_boot_begin(l, uuid[1]);
        else
            log_host(l, "s", "c", LOG_LEVEL_DEFAULT, "%s", messages[i]);
        struct log_timeline *t = log_timeline_open(log_read_open(dir, NULL));
        assert_true(i == 1 ? log_timeline_seek_last_boot(t) && log_timeline_next(t, &r)
                           : log_timeline_next(t, &r));
        assert_string_equal(r.boot, uuid[i == 2]);
        assert_true(r.activity == strtoul(uuid[i == 2], NULL, 16));
        if (i < 2) {
            assert_true(log_timeline_next(t, &r));
            assert_string_equal(r.message, messages[i]);
            assert_true(r.activity == strtoul(uuid[0], NULL, 16));
        }
        assert_false(log_timeline_next(t, &r));
        log_timeline_close(t);
        assert_true(log_timeline_next(watching, &r));
        assert_string_equal(r.boot, i == 2 ? uuid[1] : "");
        assert_string_equal(i == 2 ? "" : r.message, messages[i]);
        assert_false(log_timeline_next(watching, &r));
    }
    log_timeline_close(watching);
    log_close(l);
}

/* Nobody who starts a machine waits for the host's disk; who closes the log does. */
static void boot_is_synced_later(void **state)
{
    char uuid[37];
    assert_int_equal(sem_init(&disk_is_done, 0, 0), 0);
    struct log *l = log_open(dir, NULL);
    disk_is_slow = true;
    synced_bytes = 0;
    log_boot_begin(l, uuid);
    assert_int_equal(synced_bytes, 0);
    sem_post(&disk_is_done); /* for the boot's record, */
    sem_post(&disk_is_done); /* and for the end */
    log_close(l);
    disk_is_slow = false;
    assert_int_equal(sem_trywait(&disk_is_done), -1);
    assert_true(synced_bytes > 0);
    sem_destroy(&disk_is_done);
}

static void no_folder(void **state)
{
    struct log_reader *r = log_read_open("/nonexistent/Log", NULL);
    struct log_record record;
    assert_non_null(r);
    assert_false(log_read_next(r, &record));
    assert_false(log_read_seek_last_boot(r));
    log_read_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(foreign_lines),
        cmocka_unit_test(console_lines),
        cmocka_unit_test(darwin_lines),
        cmocka_unit_test_setup_teardown(write_and_read, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(torn_line, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(bounded_and_last_boot, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(index_of_boots, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(copied_and_erased, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(erased_in_use, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(erased_in_boot, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(killed_writer, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(full_disk, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(timeline, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(boot_is_synced_later, make_dir, remove_dir),
        cmocka_unit_test(no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
