/*
 * make_log.c - make-log FOLDER.logarchive RECORDS BOOTS: a machine's log as large as wanted, for bench/log.py. Written by the log's own writer: kernel and
 * programs through the guest's journal, the console, the host.
 */
#include "log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void journal(struct log *l, unsigned long i)
{
    static const char *const units[] = {"ssh.service", "cron.service", "systemd-networkd.service", "nginx.service", "postgresql.service"};
    char text[512];
    bool kernel = i % 4 == 0;
    int n = snprintf(text, sizeof text,
                     "__CURSOR=s=1;i=%lx\n__REALTIME_TIMESTAMP=%lu\n__MONOTONIC_TIMESTAMP=%lu\nPRIORITY=%lu\nSYSLOG_IDENTIFIER=%s\n_PID=%lu\n_TRANSPORT=%s\n"
                     "_SYSTEMD_UNIT=%s\nMESSAGE=request %lu from 10.0.2.%lu was answered with status %lu after %lu us\n\n",
                     i, 1700000000000000 + i * 1000, 1000000 + i * 1000, i % 211 == 0 ? 3 : 6 - i % 3, kernel ? "kernel" : units[i % 5], 100 + i % 900,
                     kernel ? "kernel" : "syslog", kernel ? "init.scope" : units[i % 5], i, i % 254, 200 + i % 7 * 50, i * 7919 % 100000);
    log_guest_journal(l, text, (size_t)n);
}

static void record(struct log *l, unsigned long i)
{
    char line[160];
    if (i % 10 == 0) {
        log_host(l, "org.pome.machine", "device", LOG_LEVEL_INFO, "virtio-blk: request %lu, %lu sectors", i, i % 256);
    } else if (i % 5 == 0) {
        int n = snprintf(line, sizeof line, "[%5lu.%06lu] usb 1-1: new high-speed device number %lu\r\n", i / 1000, i % 1000 * 1000, i % 128);
        log_guest_console(l, LOG_CONSOLE_SERIAL, line, (size_t)n);
    } else {
        journal(l, i);
    }
}

int main(int argc, char **argv)
{
    struct pome_error err;
    char uuid[37];
    unsigned long records = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, boots = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (!records || !boots) {
        fprintf(stderr, "usage: make-log FOLDER.logarchive RECORDS BOOTS\n");
        return 2;
    }
    struct log *l = log_open(argv[1], &err);
    if (!l) {
        fprintf(stderr, "make-log: %s\n", err.message);
        return 1;
    }
    for (unsigned long i = 0; i < records; i++) {
        if (i % (records / boots) == 0)
            log_boot_begin(l, uuid);
        record(l, i);
    }
    log_close(l);
    return 0;
}
