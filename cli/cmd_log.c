/*
 * cmd_log.c - pome log show: the machine's own log in the styles of macOS's log(1).
 */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"

#include <pome/log.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

command_run cmd_log_show;

struct time_text {
    char text[64];
};

/* "2026-11-22 20:00:00.123456+0000" in local time. */
static struct time_text local_time(int64_t ns, bool micros)
{
    struct time_text t;
    char date[32], zone[16];
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm;
    localtime_r(&s, &tm);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
    strftime(zone, sizeof zone, "%z", &tm);
    if (micros)
        snprintf(t.text, sizeof t.text, "%s.%06d%s", date, (int)(ns / 1000 % 1000000), zone);
    else
        snprintf(t.text, sizeof t.text, "%s.%03d", date, (int)(ns / 1000000 % 1000));
    return t;
}

static struct time_text rfc3339(int64_t ns)
{
    struct time_text t;
    char date[32];
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(t.text, sizeof t.text, "%s.%06dZ", date, (int)(ns / 1000 % 1000000));
    return t;
}

/* --- styles --- */

/* Control characters of a guest must not reach the reader's terminal. */
static void print_message(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
            printf("\\x%02x", (unsigned char)*s);
        else
            putchar(*s);
    putchar('\n');
}

static void print_source(const struct pome_log_record *r)
{
    if (r->subsystem[0])
        printf("[%s:%s] ", r->subsystem, r->category);
}

static void header_default(void)
{
    puts("Timestamp                       Thread     Type        Activity             PID    TTL  ");
}

static void style_default(const struct pome_log_record *r)
{
    char thread[24];
    snprintf(thread, sizeof thread, "0x%" PRIx64, r->thread);
    printf("%-31s %-10s %-11s %-20s %-6u %-4d ", local_time(r->realtime_ns, true).text, thread, pome_log_level_name(r->level), "0x0", r->pid, 0);
    if (r->process[0])
        printf("%s: ", r->process);
    print_source(r);
    print_message(r->message);
}

static void style_compact(const struct pome_log_record *r)
{
    static const char *const types[] = {"Db", "I ", "Df", "E ", "F "};
    printf("%s %s %s[%u:%" PRIx64 "] ", local_time(r->realtime_ns, false).text, (unsigned)r->level < 5 ? types[r->level] : "? ",
           r->process[0] ? r->process : "-", r->pid, r->thread);
    print_source(r);
    print_message(r->message);
}

static void style_syslog(const struct pome_log_record *r)
{
    char host[64] = "localhost";
    gethostname(host, sizeof host - 1);
    printf("%s %s %s[%u]: ", local_time(r->realtime_ns, true).text, host, r->process[0] ? r->process : "-", r->pid);
    print_source(r);
    print_message(r->message);
}

static void style_json(const struct pome_log_record *r)
{
    printf("{\"timestamp\":\"%s\",\"monotonicNs\":%" PRId64, rfc3339(r->realtime_ns).text, r->monotonic_ns);
    if (r->guest_ns >= 0)
        printf(",\"guestNs\":%" PRId64, r->guest_ns);
    printf(",\"messageType\":\"%s\",\"processID\":%u,\"threadID\":%" PRIu64 ",\"process\":", pome_log_level_name(r->level), r->pid, r->thread);
    cli_json_string(stdout, r->process);
    if (r->subsystem[0]) {
        fputs(",\"subsystem\":", stdout);
        cli_json_string(stdout, r->subsystem);
        fputs(",\"category\":", stdout);
        cli_json_string(stdout, r->category);
    }
    if (r->boot[0]) {
        fputs(",\"bootUUID\":", stdout);
        cli_json_string(stdout, r->boot);
    }
    fputs(",\"eventMessage\":", stdout);
    cli_json_string(stdout, r->message);
    putchar('}');
}

static void style_ndjson(const struct pome_log_record *r)
{
    style_json(r);
    putchar('\n');
}

static void begin_json(void)
{
    putchar('[');
}

static void end_json(void)
{
    puts("]");
}

static const struct style {
    const char *name;
    void (*begin)(void);
    void (*print)(const struct pome_log_record *r);
    void (*end)(void);
    const char *between; /* records */
} styles[] = {
    {"default", header_default, style_default, NULL, ""},
    {"compact", NULL, style_compact, NULL, ""},
    {"syslog", NULL, style_syslog, NULL, ""},
    {"json", begin_json, style_json, end_json, ",\n "},
    {"ndjson", NULL, style_ndjson, NULL, ""},
};

static const struct style *find_style(const char *name)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (!strcmp(styles[i].name, name))
            return &styles[i];
    return NULL;
}

/* --- what to show --- */

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

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static size_t show(pome_log *log, const struct style *style, int64_t since, enum pome_log_level lowest)
{
    struct pome_log_record r;
    size_t n = 0;
    if (style->begin)
        style->begin();
    while (pome_log_next(log, &r)) {
        if (r.realtime_ns < since || r.level < lowest)
            continue;
        if (n++)
            fputs(style->between, stdout);
        style->print(&r);
    }
    if (style->end)
        style->end();
    return n;
}

int cmd_log_show(int argc, char **argv)
{
    const char *name[1], *last = NULL, *style_name = "default";
    bool json = false, debug = false, quiet_info = false;
    const struct cli_option options[] = {
        {"last", 'l', CLI_TEXT, &last, "WHAT", "\"boot\", or a time: 30s, 5m, 2h, 1d", 0, 0},
        {"style", 's', CLI_TEXT, &style_name, "STYLE", "default, compact, syslog, json or ndjson", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "the same as --style ndjson", 0, 0},
        {"debug", 0, CLI_FLAG, &debug, NULL, "debug messages too", 0, 0},
        {"no-info", 0, CLI_FLAG, &quiet_info, NULL, "no info messages", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    int64_t since = INT64_MIN, span;
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status != CLI_GO_ON)
        return status;
    const struct style *style = find_style(json ? "ndjson" : style_name);
    if (!style)
        return cli_usage(argv[0], "--style %s: there are default, compact, syslog, json and ndjson", style_name);
    bool boot = last && !strcmp(last, "boot");
    if (last && !boot) {
        if (!parse_duration(last, &span))
            return cli_usage(argv[0], "--last %s: needs \"boot\" or a time such as 30s, 5m, 2h, 1d", last);
        since = now_ns() - span;
    }
    pome_log *log = pome_log_open(name[0], &err);
    if (!log)
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines" : NULL, "cannot show the log of \"%s\"", name[0]);
    if (boot)
        pome_log_seek_last_boot(log);
    if (!show(log, style, since, debug ? POME_LOG_DEBUG : quiet_info ? POME_LOG_DEFAULT : POME_LOG_INFO))
        cli_note("The log holds no such records.");
    pome_log_free(log);
    return CLI_OK;
}
