/* log.c - pome/log.h. */
#include "log/timeline.h"
#include "base/error.h"
#include "bundle/bundle.h"

#include <pome/log.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* The handle is the timeline itself. */
static struct log_timeline *inner(pome_log *log)
{
    return (struct log_timeline *)log;
}

pome_log *pome_log_open(const char *name, struct pome_error *err)
{
    struct bundle b;
    struct stat st;
    char path[PATH_MAX];
    /* Not bundle_open: a damaged bundle's log is worth reading more than any other. */
    if (!bundle_resolve(name, b.path, err))
        return NULL;
    if (stat(b.path, &st)) {
        if (errno == ENOENT)
            pome_fail(err, POME_ERROR_NOT_FOUND, "there is no bundle at %s", b.path);
        else
            pome_fail_errno(err, "%s", b.path);
        return NULL;
    }
    if (!bundle_log_path(&b, path)) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", b.path);
        return NULL;
    }
    struct log_reader *r = log_read_open(path, err);
    struct log_timeline *t = r ? log_timeline_open(r) : NULL;
    if (r && !t)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read the log", path);
    return (pome_log *)t;
}

void pome_log_free(pome_log *log)
{
    log_timeline_close(inner(log));
}

bool pome_log_next(pome_log *log, struct pome_log_record *out)
{
    struct log_record r;
    if (!log_timeline_next(inner(log), &r))
        return false;
    *out = (struct pome_log_record){
        .realtime_ns = r.realtime_ns, .monotonic_ns = r.monotonic_ns, .guest_ns = r.guest_ns, .level = (enum pome_log_level)r.level,
        .pid = r.pid, .thread = r.thread, .process = r.process, .subsystem = r.subsystem, .category = r.category, .message = r.message,
        .boot = r.boot,
    };
    return true;
}

bool pome_log_seek_last_boot(pome_log *log)
{
    return log_timeline_seek_last_boot(inner(log));
}

const char *pome_log_level_name(enum pome_log_level level)
{
    return log_level_name((enum log_level)level);
}
