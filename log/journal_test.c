/* journal_test.c - the guest's journal becomes records, whatever the guest sends; what the kernel says on its console as well is shown once. */
#include "log/journal.h"
#include "log/record.h"
#include "log/timeline.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT "_BOOT_ID=7d3fcd0b3b8b4c1c8a2f1a2b3c4d5e6f\n"
static const char sshd[] = "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1\n__MONOTONIC_TIMESTAMP=7654321\n" BOOT
                           "PRIORITY=3\n_TRANSPORT=syslog\nSYSLOG_IDENTIFIER=sshd\n_COMM=x\n_PID=812\n_SYSTEMD_UNIT=ssh.service\nMESSAGE=no supported = key\n\n";
static const char kernel[] = "__MONOTONIC_TIMESTAMP=7654400\n" BOOT "PRIORITY=6\n_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=kernel\n"
                             "_SOURCE_MONOTONIC_TIMESTAMP=1200034\nMESSAGE=virtio_blk virtio0: [vda] failed over\n\n";
static const char lines[] = "__MONOTONIC_TIMESTAMP=7654500\n" BOOT "MESSAGE\n\x09\0\0\0\0\0\0\0one\ntwo\x01\n\nPRIORITY=7\n_COMM=cat\n\n";

static struct journal j;

/* Feeds text; the records' messages go to said, each followed by '|'; returns the last record. */
static struct log_record feed(const char *bytes, size_t n, char *said)
{
    struct log_record r, last = {0};
    for (size_t i = 0; i < n; i++)
        if (journal_feed(&j, (uint8_t)bytes[i], &r)) {
            last = r;
            strcat(strcat(said, r.message), "|");
        }
    return last;
}
#define FEED(text, said) feed(text, sizeof(text) - 1, said)

static void entries_become_records(void **state)
{
    char said[256] = "";
    journal_init(&j);
    struct log_record r = FEED(sshd, said);
    assert_string_equal(r.process, "sshd");
    assert_string_equal(r.subsystem, "ssh.service");
    assert_string_equal(r.category, "syslog");
    assert_string_equal(r.message, "no supported = key");
    assert_int_equal(r.pid, 812);
    assert_int_equal(r.level, LOG_LEVEL_ERROR);
    assert_int_equal(r.guest_ns, 7654321000);
    r = FEED(kernel, said); /* the kernel's own time, not journald's */
    assert_string_equal(r.process, "kernel");
    assert_string_equal(r.category, "kernel");
    assert_int_equal(r.level, LOG_LEVEL_INFO);
    assert_int_equal(r.guest_ns, 1200034000);
    r = FEED(lines, said);
    assert_string_equal(r.process, "cat");
    assert_int_equal(r.level, LOG_LEVEL_DEBUG);
    assert_string_equal(r.message, "one\ntwo\x01");
}

static void priorities_are_levels(void **state)
{
    static const enum log_level want[] = {4, 4, 4, 3, 2, 2, 1, 0, 2};
    for (int p = 0; p < 9; p++) {
        char text[128], said[16] = "";
        journal_init(&j);
        int n = snprintf(text, sizeof text, "__MONOTONIC_TIMESTAMP=1\nPRIORITY=%d\nMESSAGE=a\n\n", p);
        assert_int_equal(feed(text, (size_t)n, said).level, want[p]);
        assert_string_equal(said, "a|");
    }
}

static void what_is_no_entry_is_skipped(void **state)
{
    static const char garbage[] = "x = y\n__MONOTONIC_TIMESTAMP=1\nMESSAGE=not this\n\n"               /* no field's name */
                                  "MESSAGE=no time\n\n\n\n"
                                  "__MONOTONIC_TIMESTAMP=-5\nMESSAGE=before time\n\n"
                                  "__MONOTONIC_TIMESTAMP=99999999999999999999\nMESSAGE=after time\n\n"
                                  "__MONOTONIC_TIMESTAMP=1\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff" "rest\n\n" /* a length that nothing has */
                                  "__MONOTONIC_TIMESTAMP=1\nMESSAGE\n\1\0\0\0\0\0\0\0ab\nMESSAGE=wrong\n\n"      /* longer than it says */
                                  "__MONOTONIC_TIMESTAMP=1\nMESSAGE\n\0\0\0\0\0\0\0\0\n\n";                   /* nothing said */
    char said[256] = "";
    journal_init(&j);
    FEED(garbage, said);
    FEED(sshd, said);
    assert_string_equal(said, "no supported = key|");
}

static void long_ones_are_cut(void **state)
{
    char said[LOG_MESSAGE_MAX + 16] = "";
    journal_init(&j);
    FEED("__MONOTONIC_TIMESTAMP=1\nUNKNOWN=", said);
    for (int i = 0; i < 200000; i++)
        FEED("u", said);
    FEED("\nMESSAGE=", said);
    for (int i = 0; i < 200000; i++)
        FEED("m", said);
    uint8_t bytes[LOG_JOURNAL_UNFINISHED_MAX];
    assert_int_equal(journal_unfinished(&j, bytes), 0);
    FEED("\n\n", said);
    assert_int_equal(strlen(said), LOG_MESSAGE_MAX + 1);
}

/* A reader that was started again gives all of the boot once more. */
static void repeated_ones_are_left_out(void **state)
{
    static const char three[] = "__MONOTONIC_TIMESTAMP=10\n" BOOT "MESSAGE=a\n\n__MONOTONIC_TIMESTAMP=11\n" BOOT "MESSAGE=b\n\n"
                                "__MONOTONIC_TIMESTAMP=11\n" BOOT "MESSAGE=c\n\n";
    static const char fourth[] = "__MONOTONIC_TIMESTAMP=11\n" BOOT "MESSAGE=d\n\n__MONOTONIC_TIMESTAMP=12\n" BOOT "MESSAGE=e\n\n";
    static const char another[] = "__MONOTONIC_TIMESTAMP=3\n_BOOT_ID=8\nMESSAGE=f\n\n";
    char said[64] = "";
    journal_init(&j);
    FEED(three, said);
    FEED(three, said);
    FEED(fourth, said);
    FEED(three, said);
    FEED(fourth, said);
    FEED(another, said);
    assert_string_equal(said, "a|b|c|d|e|f|");
}

/* Cut anywhere, by a save: the rest goes to another reader. */
static void unfinished_entries_go_on_elsewhere(void **state)
{
    for (size_t cut = 0; cut < sizeof lines - 1; cut++) {
        char said[64] = "";
        uint8_t bytes[LOG_JOURNAL_UNFINISHED_MAX];
        journal_init(&j);
        FEED(sshd, said);
        said[0] = 0;
        feed(lines, cut, said);
        size_t n = journal_unfinished(&j, bytes);
        journal_init(&j);
        feed((const char *)bytes, n, said);
        feed(lines + cut, sizeof lines - 1 - cut, said);
        assert_string_equal(said, "one\ntwo\x01|");
    }
}

/* --- with the store --- */

static char dir[64];

static void remove_dir(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

/* "process level message|" of all that a reader shows. */
static void show(struct log_timeline *t, char *text, size_t size)
{
    struct log_record r;
    for (*text = 0; log_timeline_next(t, &r);)
        if (r.guest_ns >= 0)
            snprintf(text + strlen(text), size - strlen(text), "%s %s %s|", r.process, log_level_name(r.level), r.message);
}

static void the_kernel_is_heard_once(void **state)
{
    static const char console[] = "[    1.200034] virtio_blk virtio0: [vda] failed over\r\n[    1.300000] only on the console\r\n"
                                  "[    1.300000] systemd[1]: first\r\n[    1.300000] second\r\n";
    static const char more[] = "__MONOTONIC_TIMESTAMP=8000000\n" BOOT "_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=systemd\nPRIORITY=4\n"
                               "_SOURCE_MONOTONIC_TIMESTAMP=1300000\nMESSAGE\n\x0c\0\0\0\0\0\0\0first\nsecond\n\n";
    char uuid[37], text[512];
    strcpy(dir, "/tmp/pome-journal-XXXXXX");
    assert_non_null(mkdtemp(dir));
    struct log *l = log_open(dir, NULL);
    log_boot_begin(l, uuid);
    log_guest_console(l, LOG_CONSOLE_SERIAL, console, sizeof console - 1);
    struct log_timeline *stream = log_timeline_open(log_read_open(dir, NULL));
    show(stream, text, sizeof text);
    assert_string_equal(text, "kernel Error virtio_blk virtio0: [vda] failed over|kernel Default only on the console|systemd Default first|kernel Default second|");
    log_guest_journal(l, sshd, sizeof sshd - 1);
    log_guest_journal(l, kernel, sizeof kernel - 1);
    log_guest_journal(l, more, sizeof more - 1);
    show(stream, text, sizeof text); /* who saw the lines does not see them again */
    assert_string_equal(text, "sshd Error no supported = key|");
    log_timeline_close(stream);
    struct log_timeline *t = log_timeline_open(log_read_open(dir, NULL));
    show(t, text, sizeof text);
    assert_string_equal(text, "kernel Info virtio_blk virtio0: [vda] failed over|kernel Default only on the console|systemd Default first\nsecond|"
                              "sshd Error no supported = key|");
    log_timeline_close(t);
    t = log_timeline_open(log_read_open(dir, NULL)); /* by the true level, not by the guess */
    log_timeline_filter(t, NULL, LOG_LEVEL_ERROR);
    show(t, text, sizeof text);
    assert_string_equal(text, "sshd Error no supported = key|");
    log_timeline_close(t);
    log_close(l);
    remove_dir();
}

/* A kernel with two consoles, one of which comes late and tells all from the beginning. */
static void a_kernel_on_two_consoles_is_heard_once(void **state)
{
    static const char serial[] = "firmware\r\n[    0.000000] Linux\r\n[    0.000000] same\r\n[    0.000000] same\r\n[    1.500000] usb error\r\n";
    static const char late[] = "[    0.000000] Linux\r\n[    0.000000] same\r\n[    0.000000] same\r\n[    1.500000] usb error\r\n[    1.600000] hvc0 is there\r\nlogin: \r\n";
    static const char now[] = "[    2.000000] now\r\n";
    static const char once[] = "kernel Default Linux|kernel Default same|kernel Default same|kernel Error usb error|kernel Default hvc0 is there|";
    char uuid[37], text[512];
    struct log_record r;
    strcpy(dir, "/tmp/pome-journal-XXXXXX");
    assert_non_null(mkdtemp(dir));
    struct log *l = log_open(dir, NULL);
    log_boot_begin(l, uuid);
    log_guest_console(l, LOG_CONSOLE_SERIAL, serial, sizeof serial - 1);
    struct log_timeline *stream = log_timeline_open(log_read_open(dir, NULL));
    show(stream, text, sizeof text);
    log_guest_console(l, LOG_CONSOLE_VIRTIO, late, sizeof late - 1);
    show(stream, text, sizeof text);
    assert_string_equal(text, "kernel Default hvc0 is there|");
    log_guest_console(l, LOG_CONSOLE_VIRTIO, now, 5); /* both at once, in pieces */
    log_guest_console(l, LOG_CONSOLE_SERIAL, now, sizeof now - 1);
    log_guest_console(l, LOG_CONSOLE_VIRTIO, now + 5, sizeof now - 6);
    show(stream, text, sizeof text);
    assert_string_equal(text, "kernel Default now|");
    log_timeline_close(stream);
    log_close(l);

    struct log_timeline *t = log_timeline_open(log_read_open(dir, NULL));
    show(t, text, sizeof text);
    assert_memory_equal(text, once, sizeof once - 1);
    assert_string_equal(text + sizeof once - 1, "kernel Default now|");
    log_timeline_close(t);
    struct log_reader *reader = log_read_open(dir, NULL); /* unmarked lines of hvc0 are no firmware's */
    while (log_read_next(reader, &r))
        if (!strcmp(r.message, "firmware") || !strcmp(r.message, "login:"))
            assert_string_equal(r.process, r.message[0] == 'f' ? "firmware" : "console");
    log_read_close(reader);
    remove_dir();
}

/* The guest's clock stands still while the machine is paused. */
static void a_pause_moves_the_guests_clock(void **state)
{
    static const struct log_record in[] = {
        {.realtime_ns = 1000, .monotonic_ns = 100, .guest_ns = -1, .level = 2, .process = "", .boot = "A", .message = "boot A"},
        {.realtime_ns = 1100, .monotonic_ns = 200, .guest_ns = 50, .level = 2, .process = "kernel", .message = "before"},
        {.realtime_ns = 9000, .monotonic_ns = 8100, .guest_ns = -1, .level = 2, .process = "pome", .subsystem = "org.pome.machine", .category = "state",
         .message = "resumed after 0.000 s"},
        {.realtime_ns = 9010, .monotonic_ns = 8110, .guest_ns = 60, .level = 2, .process = "kernel", .message = "after"},
    };
    char path[96], line[LOG_LINE_MAX];
    struct log_record r;
    strcpy(dir, "/tmp/pome-journal-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/00000001.log", dir);
    FILE *f = fopen(path, "wb");
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        fwrite(line, 1, record_write(&in[i], line), f);
    fclose(f);
    struct log_timeline *t = log_timeline_open(log_read_open(dir, NULL));
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        assert_true(log_timeline_next(t, &r));
        assert_string_equal(r.message, in[i].message);
        assert_int_equal(r.realtime_ns, in[i].realtime_ns);
    }
    log_timeline_close(t);
    remove_dir();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_become_records),
        cmocka_unit_test(priorities_are_levels),
        cmocka_unit_test(what_is_no_entry_is_skipped),
        cmocka_unit_test(long_ones_are_cut),
        cmocka_unit_test(repeated_ones_are_left_out),
        cmocka_unit_test(unfinished_entries_go_on_elsewhere),
        cmocka_unit_test(the_kernel_is_heard_once),
        cmocka_unit_test(a_kernel_on_two_consoles_is_heard_once),
        cmocka_unit_test(a_pause_moves_the_guests_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
