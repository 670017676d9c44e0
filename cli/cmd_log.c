/*
 * cmd_log.c - pome log show, stream, collect, stats, erase: the machine's own log, as log(1) on a Mac shows its.
 */
#include "cli/commands.h"
#include "cli/log_styles.h"
#include "cli/options.h"
#include "cli/output.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

command_run cmd_log_show, cmd_log_stream, cmd_log_collect, cmd_log_stats, cmd_log_erase;

/* ---- times ---- */

/* "5m" -> nanoseconds. */
static bool parse_duration(const char *text, int64_t *ns)
{
    char *end;
    unsigned long n = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    if (!n || n > 100000)
        return false;
    int64_t unit = !strcmp(end, "") || !strcmp(end, "s") ? 1 : !strcmp(end, "m") ? 60 : !strcmp(end, "h") ? 3600 : !strcmp(end, "d") ? 86400 : 0;
    *ns = (int64_t)n * unit * 1000000000;
    return unit != 0;
}

/* "2026-11-22", "2026-11-22 20:37:16" (local time), "@1795399831" -> nanoseconds since 1970. */
static bool parse_time(const char *text, int64_t *ns)
{
    struct tm tm = {.tm_isdst = -1};
    char *end;
    if (*text == '@') {
        unsigned long long s = isdigit((unsigned char)text[1]) ? strtoull(text + 1, &end, 10) : 0;
        *ns = (int64_t)s * 1000000000;
        return s && !*end && s < 1ULL << 33;
    }
    if ((end = strptime(text, "%Y-%m-%d", &tm)) && (*end == ' ' || *end == 'T'))
        end = strptime(end + 1, "%H:%M:%S", &tm);
    time_t s = end && !*end ? mktime(&tm) : -1;
    *ns = (int64_t)s * 1000000000;
    return s != -1;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- what to show ---- */

struct wish {
    const char *name, *predicate, *process, *style_name;
    bool json, info, debug, no_info, no_debug;
    const struct log_style *style;
    int64_t from, to;
    size_t shown;
};

/* As log(1) on a Mac: default, error and fault always; info and debug each when it is asked for. */
static bool shows(const struct wish *w, enum pome_log_level level)
{
    return level == POME_LOG_DEBUG ? w->debug && !w->no_debug : level != POME_LOG_INFO || (w->info && !w->no_info);
}

static enum pome_log_level lowest(const struct wish *w)
{
    enum pome_log_level level = POME_LOG_DEBUG;
    while (!shows(w, level))
        level++;
    return level;
}

static void print_record(struct wish *w, const struct pome_log_record *r)
{
    if (r->realtime_ns < w->from || r->realtime_ns > w->to || !shows(w, r->level))
        return;
    if (w->shown++)
        fputs(w->style->between, stdout);
    w->style->print(r);
}

/* --process P is a predicate too: both must hold. */
static char *whole_predicate(const struct wish *w)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = w->process || w->predicate ? open_memstream(&text, &n) : NULL;
    if (!f)
        return NULL;
    if (w->process) {
        fputs("process == \"", f);
        for (const char *p = w->process; *p; p++)
            fprintf(f, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
        fputs(w->predicate ? "\" AND (" : "\"", f);
    }
    if (w->predicate)
        fprintf(f, w->process ? "%s)" : "%s", w->predicate);
    fclose(f);
    return text;
}

/* Opens the log with what is wished. NULL: said why, *status is the exit status. */
static pome_log *open_log(struct wish *w, const char *what, int *status)
{
    struct pome_error err = {0};
    w->style = log_style_find(w->json ? "ndjson" : w->style_name);
    if (!w->style) {
        *status = cli_usage(what, "--style %s: there are default, compact, syslog, json and ndjson", w->style_name);
        return NULL;
    }
    pome_log *log = pome_log_open(w->name, &err);
    if (!log) {
        *status = cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines" : NULL, "cannot show the log of \"%s\"", w->name);
        return NULL;
    }
    char *predicate = whole_predicate(w);
    bool ok = pome_log_filter(log, predicate, lowest(w), &err);
    if (ok && w->predicate && w->style->begin && !strcmp(w->style->name, "default"))
        printf("Filtering the log data using \"%s\"\n", predicate);
    free(predicate);
    if (ok)
        return log;
    pome_log_free(log);
    cli_fail(&err, "\"pome help log show\" tells the keys and operators", "cannot use the predicate");
    *status = CLI_USAGE;
    return NULL;
}

#define WISH_OPTIONS(w)                                                                                                            \
    {"predicate", 'p', CLI_TEXT, &(w).predicate, "P", "only records for which this holds: 'process == \"kernel\"'", 0, 0},         \
    {"process", 0, CLI_TEXT, &(w).process, "NAME", "only this process's", 0, 0},                                                   \
    {"style", 's', CLI_TEXT, &(w).style_name, "STYLE", "default, compact, syslog, json or ndjson", 0, 0},                          \
    {"json", 0, CLI_FLAG, &(w).json, NULL, "the same as --style ndjson", 0, 0},                                                    \
    {"info", 0, CLI_FLAG, &(w).info, NULL, "info messages too", 0, 0},                                                             \
    {"debug", 0, CLI_FLAG, &(w).debug, NULL, "debug messages too", 0, 0},                                                          \
    {"no-info", 0, CLI_FLAG, &(w).no_info, NULL, "no info messages, whatever else says so", 0, 0},                                 \
    {"no-debug", 0, CLI_FLAG, &(w).no_debug, NULL, "no debug messages, whatever else says so", 0, 0}

/* ---- show ---- */

static int time_usage(const char *option, const char *text)
{
    return cli_usage("log show", "--%s %s: needs YYYY-MM-DD, \"YYYY-MM-DD HH:MM:SS\" or @SECONDS", option, text);
}

int cmd_log_show(int argc, char **argv)
{
    struct wish w = {.style_name = "default", .from = INT64_MIN, .to = INT64_MAX};
    const char *last = NULL, *start = NULL, *end = NULL;
    const struct cli_option options[] = {
        {"last", 'l', CLI_TEXT, &last, "WHAT", "\"boot\", or a time: 30s, 5m, 2h, 1d", 0, 0},
        {"start", 0, CLI_TEXT, &start, "TIME", "from then on: YYYY-MM-DD, \"YYYY-MM-DD HH:MM:SS\", @SECONDS", 0, 0},
        {"end", 0, CLI_TEXT, &end, "TIME", "until then", 0, 0},
        WISH_OPTIONS(w),
        {0},
    };
    int64_t span;
    int status = cli_options(argc, argv, options, 1, 1, &w.name);
    if (status != CLI_GO_ON)
        return status;
    bool boot = last && !strcmp(last, "boot");
    if (last && !boot) {
        if (!parse_duration(last, &span))
            return cli_usage(argv[0], "--last %s: needs \"boot\" or a time such as 30s, 5m, 2h, 1d", last);
        w.from = now_ns() - span;
    }
    if (start && !parse_time(start, &w.from))
        return time_usage("start", start);
    if (end && !parse_time(end, &w.to))
        return time_usage("end", end);
    pome_log *log = open_log(&w, argv[0], &status);
    if (!log)
        return status;
    if (boot)
        pome_log_seek_last_boot(log);
    struct pome_log_record r;
    if (w.style->begin)
        w.style->begin();
    while (pome_log_next(log, &r))
        print_record(&w, &r);
    if (w.style->end)
        w.style->end();
    if (!w.shown)
        cli_note("The log holds no such records.");
    pome_log_free(log);
    return CLI_OK;
}

/* ---- stream ---- */

static volatile sig_atomic_t interrupted;

static void interrupt(int sig)
{
    interrupted = sig;
}

/* --level says what --info and --debug say. */
static bool take_level(struct wish *w, const char *level)
{
    const bool debug = !strcmp(level, "debug"), info = debug || !strcmp(level, "info");
    w->debug |= debug;
    w->info |= info;
    return info || !strcmp(level, "default");
}

/* The store has no bell: looks five times a second. */
int cmd_log_stream(int argc, char **argv)
{
    static const struct timespec pause = {0, 200000000};
    struct wish w = {.style_name = "default", .from = INT64_MIN, .to = INT64_MAX};
    uint64_t timeout = 0;
    const char *level = NULL;
    const struct cli_option options[] = {
        {"level", 0, CLI_TEXT, &level, "LEVEL", "default; info: info messages too; debug: info and debug messages too", 0, 0},
        {"timeout", 't', CLI_NUMBER, &timeout, "SECONDS", "end after that long (default: with Ctrl-C)", 1, 86400},
        WISH_OPTIONS(w),
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, &w.name);
    if (status != CLI_GO_ON)
        return status;
    if (level && !take_level(&w, level))
        return cli_usage(argv[0], "--level %s: there are default, info and debug", level);
    pome_log *log = open_log(&w, argv[0], &status);
    if (!log)
        return status;
    struct sigaction sa = {.sa_handler = interrupt};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    int64_t end = timeout ? now_ns() + (int64_t)timeout * 1000000000 : INT64_MAX;
    struct pome_log_record r;
    pome_log_seek_end(log);
    if (w.style->begin)
        w.style->begin();
    while (!interrupted && now_ns() < end && !fflush(stdout)) {
        while (pome_log_next(log, &r))
            print_record(&w, &r);
        if (fflush(stdout))
            break;
        nanosleep(&pause, NULL);
    }
    if (w.style->end)
        w.style->end();
    pome_log_free(log);
    return CLI_OK;
}

/* ---- collect, stats, erase ---- */

int cmd_log_collect(int argc, char **argv)
{
    const char *name, *to = NULL;
    char own[320];
    bool json = false;
    const struct cli_option options[] = {
        {"output", 'o', CLI_TEXT, &to, "FOLDER", "what to make (NAME.logarchive)", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "print its path as JSON", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    const char *slash = strrchr(name, '/');
    snprintf(own, sizeof own, "%.255s.logarchive", slash && slash[1] ? slash + 1 : name);
    if (!to)
        to = own;
    if (!pome_log_collect(name, to, &err))
        return cli_fail(&err, err.code == POME_ERROR_EXISTS ? "choose another with --output" : err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines" : NULL,
                        "cannot collect the log of \"%s\"", name);
    if (json) {
        fputs("{\"path\":", stdout);
        cli_json_string(stdout, to);
        fputs("}\n", stdout);
    } else {
        cli_note("Collected: %s. \"pome log show %s\" shows it, here and elsewhere.", to, to);
    }
    return CLI_OK;
}

struct counts {
    uint64_t records, levels[5], boots;
    int64_t first_ns, last_ns;
    size_t n;
    struct {
        char name[64];
        uint64_t n;
    } processes[64]; /* the others are not named */
};

static void count(struct counts *c, const struct pome_log_record *r)
{
    c->first_ns = c->records ? c->first_ns : r->realtime_ns;
    c->last_ns = r->realtime_ns;
    c->records++;
    c->levels[(unsigned)r->level < 5 ? r->level : 2]++;
    c->boots += r->boot[0] != 0;
    size_t i = 0;
    while (i < c->n && strcmp(c->processes[i].name, r->process))
        i++;
    if (i == c->n && c->n < 64)
        snprintf(c->processes[c->n++].name, 64, "%.63s", r->process);
    if (i < c->n)
        c->processes[i].n++;
}

static void print_stats(const struct counts *c, const struct pome_log_store *s, bool json)
{
    static const char *const names[] = {"debug", "info", "default", "error", "fault"};
    char size[16];
    if (!json)
        printf("Records:  %" PRIu64 " of %" PRIu64 " boots, in %s (%u segments)\nTypes:   ", c->records, c->boots, cli_size(s->bytes, size), s->segments);
    else
        printf("{\"records\":%" PRIu64 ",\"boots\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"segments\":%u,\"first_ns\":%" PRId64 ",\"last_ns\":%" PRId64 ",\"types\":{", c->records, c->boots,
               s->bytes, s->segments, c->first_ns, c->last_ns);
    for (int i = 0; i < 5; i++)
        printf(json ? "%s\"%s\":%" PRIu64 : "%s %s %" PRIu64, i ? "," : "", names[i], c->levels[i]);
    fputs(json ? "},\"processes\":{" : "\nProcesses:\n", stdout);
    for (size_t i = 0; i < c->n; i++) {
        if (!json) {
            printf("  %10" PRIu64 "  %s\n", c->processes[i].n, c->processes[i].name[0] ? c->processes[i].name : "(none)");
            continue;
        }
        fputs(i ? "," : "", stdout);
        cli_json_string(stdout, c->processes[i].name);
        printf(":%" PRIu64, c->processes[i].n);
    }
    if (json)
        puts("}}");
}

int cmd_log_stats(int argc, char **argv)
{
    const char *name;
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print it as JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    struct pome_log_store store = POME_LOG_STORE_INIT;
    struct pome_log_record r;
    struct counts c = {0};
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    pome_log *log = pome_log_open(name, &err);
    if (!log || !pome_log_store_info(name, &store, &err)) {
        pome_log_free(log);
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines" : NULL, "cannot read the log of \"%s\"", name);
    }
    while (pome_log_next(log, &r))
        count(&c, &r);
    pome_log_free(log);
    print_stats(&c, &store, json);
    return CLI_OK;
}

int cmd_log_erase(int argc, char **argv)
{
    const char *name;
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print the result as JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    if (!pome_log_erase(name, &err))
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines" : NULL,
                        "cannot erase the log of \"%s\"", name);
    if (json)
        puts("{\"erased\":true}");
    else
        cli_note("The log of \"%s\" is empty.", name);
    return CLI_OK;
}
