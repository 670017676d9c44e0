/* log.c - pome/log.h. */
#include "log/timeline.h"
#include "base/error.h"
#include "bundle/bundle.h"

#include <pome/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct pome_log {
    struct log_timeline *timeline;
    struct log_predicate *predicate; /* NULL: all */
};

/* Where the store is: of a bundle, also a damaged one, whose log is worth reading more than any other; or a collected one. */
static bool store_path(const char *name, char path[PATH_MAX], struct pome_error *err)
{
    static const char archive[] = ".logarchive";
    struct bundle b;
    struct stat st;
    size_t n = strlen(name);
    bool collected = n > sizeof archive - 1 && !strcmp(name + n - (sizeof archive - 1), archive);
    if (collected ? snprintf(b.path, sizeof b.path, "%s", name) >= (int)sizeof b.path : !bundle_resolve(name, b.path, err))
        return !collected ? false : pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", name);
    if (stat(b.path, &st))
        return errno == ENOENT ? pome_fail(err, POME_ERROR_NOT_FOUND, collected ? "there is no log at %s" : "there is no bundle at %s", b.path)
                               : pome_fail_errno(err, "%s", b.path);
    if (collected)
        strcpy(path, b.path);
    return collected || bundle_log_path(&b, path) || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", b.path);
}

pome_log *pome_log_open(const char *name, struct pome_error *err)
{
    char path[PATH_MAX];
    if (!store_path(name, path, err))
        return NULL;
    pome_log *log = calloc(1, sizeof *log);
    struct log_reader *r = log ? log_read_open(path, err) : NULL;
    if (r)
        log->timeline = log_timeline_open(r);
    if (log && log->timeline)
        return log;
    if (!log || r)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read the log", path);
    free(log);
    return NULL;
}

void pome_log_free(pome_log *log)
{
    if (!log)
        return;
    log_timeline_close(log->timeline);
    log_predicate_free(log->predicate);
    free(log);
}

bool pome_log_filter(pome_log *log, const char *predicate, enum pome_log_level lowest, struct pome_error *err)
{
    struct log_predicate *p = predicate ? log_predicate_parse(predicate, err) : NULL;
    if (predicate && !p)
        return false;
    log_predicate_free(log->predicate);
    log->predicate = p;
    log_timeline_filter(log->timeline, p, (enum log_level)lowest);
    return true;
}

void pome_log_seek_end(pome_log *log)
{
    log_timeline_seek_end(log->timeline);
}

bool pome_log_store_info(const char *name, struct pome_log_store *store, struct pome_error *err)
{
    char path[PATH_MAX];
    struct log_size size;
    if (!store_path(name, path, err))
        return false;
    log_store_size(path, &size);
    const struct pome_log_store s = {.size = store->size, .segments = size.segments, .bytes = size.bytes};
    memcpy(store, &s, store->size < sizeof s ? store->size : sizeof s);
    return true;
}

bool pome_log_collect(const char *name, const char *to, struct pome_error *err)
{
    char path[PATH_MAX];
    const char *end = strrchr(to, '.');
    if (!end || strcmp(end, ".logarchive"))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.120s: does not end in .logarchive", to);
    return store_path(name, path, err) && log_store_copy(path, to, err);
}

bool pome_log_erase(const char *name, struct pome_error *err)
{
    char path[PATH_MAX];
    return store_path(name, path, err) && log_store_erase(path, err);
}

bool pome_log_next(pome_log *log, struct pome_log_record *out)
{
    struct log_record r;
    if (!log_timeline_next(log->timeline, &r))
        return false;
    *out = (struct pome_log_record){
        .realtime_ns = r.realtime_ns, .monotonic_ns = r.monotonic_ns, .guest_ns = r.guest_ns, .level = (enum pome_log_level)r.level,
        .pid = r.pid, .thread = r.thread, .process = r.process, .subsystem = r.subsystem, .category = r.category, .message = r.message,
        .boot = r.boot, .activity = r.activity,
    };
    return true;
}

bool pome_log_seek_last_boot(pome_log *log)
{
    return log_timeline_seek_last_boot(log->timeline);
}

const char *pome_log_level_name(enum pome_log_level level)
{
    return log_level_name((enum log_level)level);
}
