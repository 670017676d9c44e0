/* log_styles.c - one record of a log as text. */
#include "cli/log_styles.h"

#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    char thread[24], activity[24];
    snprintf(thread, sizeof thread, "0x%" PRIx64, r->thread);
    snprintf(activity, sizeof activity, "0x%" PRIx64, r->activity);
    printf("%-31s %-10s %-11s %-20s %-6u %-4d ", local_time(r->realtime_ns, true).text, thread, pome_log_level_name(r->level), activity, r->pid, 0);
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
    printf(",\"messageType\":\"%s\",\"eventType\":\"logEvent\",\"processID\":%u,\"threadID\":%" PRIu64 ",\"activityIdentifier\":%" PRIu64 ",\"process\":",
           pome_log_level_name(r->level), r->pid, r->thread, r->activity);
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

static const struct log_style styles[] = {
    {"default", header_default, style_default, NULL, ""},
    {"compact", NULL, style_compact, NULL, ""},
    {"syslog", NULL, style_syslog, NULL, ""},
    {"json", begin_json, style_json, end_json, ",\n "},
    {"ndjson", NULL, style_ndjson, NULL, ""},
};

const struct log_style *log_style_find(const char *name)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (!strcmp(styles[i].name, name))
            return &styles[i];
    return NULL;
}
