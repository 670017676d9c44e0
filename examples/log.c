/*
 * log.c - the log of a machine, whether it runs or not: what the host did, what the guest's kernel and its programs said, on one clock.
 *
 *     log NAME [PREDICATE [follow]]        log dev 'process == "kernel" AND messageType >= error'; "follow" waits for more until it is killed
 */
#include <pome/log.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static void print(const struct pome_log_record *r)
{
    time_t s = (time_t)(r->realtime_ns / 1000000000);
    char when[32];
    strftime(when, sizeof when, "%F %T", localtime(&s));
    printf("%s.%03d %-7s %s: %s\n", when, (int)(r->realtime_ns / 1000000 % 1000), pome_log_level_name(r->level), r->process, r->message);
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    struct pome_log_record r;
    bool follow = argc == 4 && !strcmp(argv[3], "follow");
    if (argc < 2 || argc > 3 + follow) {
        fputs("usage: log NAME [PREDICATE [follow]]\n", stderr);
        return 2;
    }
    pome_log *log = pome_log_open(argv[1], &err);
    bool ok = log && pome_log_filter(log, argc > 2 && argv[2][0] ? argv[2] : NULL, POME_LOG_INFO, &err);
    if (!ok)
        fprintf(stderr, "log: %s\n", err.message);
    do {
        while (ok && pome_log_next(log, &r))
            print(&r);
        fflush(stdout);
        if (follow) /* the log is a file that grows: there is nothing to wait for but time */
            nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    } while (ok && follow && !ferror(stdout));
    pome_log_free(log);
    return !ok;
}
