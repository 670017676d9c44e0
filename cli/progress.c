/* progress.c - showing a long call. */
#include "cli/progress.h"
#include "cli/output.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_MS = 100, LINE_MS = 5000 };

static volatile sig_atomic_t cancelled;
static struct sigaction old_int, old_term;

static void on_signal(int signo)
{
    cancelled = 1;
    signal(signo, SIG_DFL); /* the second one ends us at once */
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void cli_progress_begin(struct cli_progress *p, const char *title, bool json)
{
    struct sigaction a = {.sa_handler = on_signal};
    *p = (struct cli_progress){.json = json, .title = title, .begun_ms = now_ms(), .shown_percent = -1};
    p->part_begun_ms = p->begun_ms;
    const char *term = getenv("TERM");
    p->terminal = !json && !cli_quiet() && isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
    cancelled = 0;
    sigaction(SIGINT, &a, &old_int);
    sigaction(SIGTERM, &a, &old_term);
}

static void duration(double s, char text[16])
{
    unsigned v = s < 0 || s > 359999 ? 359999 : (unsigned)(s + 0.5);
    if (v >= 3600)
        snprintf(text, 16, "%u:%02u:%02u", v / 3600 % 100, v / 60 % 60, v % 60);
    else
        snprintf(text, 16, "%u:%02u", v / 60, v % 60);
}

static unsigned columns(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || w.ws_col < 40)
        return 80;
    return w.ws_col;
}

static void draw_bar(struct cli_progress *p, const struct pome_progress *r, int64_t now)
{
    char tail[96] = "", rate[24] = "", eta[24] = "", elapsed[16], size[16];
    double step_s = (double)(now - p->step_begun_ms) / 1000, all_s = (double)(now - p->begun_ms) / 1000;
    double part_s = (double)(now - p->part_begun_ms) / 1000;
    if (r->total && step_s > 0.5) {
        cli_size((uint64_t)((double)r->done / step_s) >> 10 << 10, size);
        snprintf(rate, sizeof rate, " %s/s", size);
    }
    if (r->fraction > 0.02 && r->fraction < 1 && part_s > 1) {
        char left[16];
        duration(part_s * (1 - r->fraction) / r->fraction, left);
        snprintf(eta, sizeof eta, " ETA %s", left);
    }
    duration(all_s, elapsed);
    snprintf(tail, sizeof tail, " %3d%% %s%s%s", (int)(r->fraction * 100), elapsed, eta, rate);
    unsigned width = columns() - 1, text = 30, room;
    room = width > text + 3 + strlen(tail) ? width - text - 3 - (unsigned)strlen(tail) : 10;
    if (room > 40)
        room = 40;
    unsigned full = (unsigned)(r->fraction * room + 0.5);
    fprintf(stderr, "\r%-*.*s [", (int)text, (int)text, r->step);
    for (unsigned i = 0; i < room; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "]%s\033[K", tail);
    fflush(stderr);
    p->drawn = true;
}

static void print_event(const struct cli_progress *p, const struct pome_progress *r, int64_t now)
{
    fputs("{\"event\":\"progress\",\"step\":", stdout);
    cli_json_string(stdout, r->step);
    printf(",\"step_number\":%" PRIu32 ",\"step_count\":%" PRIu32 ",\"done_bytes\":%" PRIu64 ",\"total_bytes\":%" PRIu64
           ",\"fraction\":%.4f,\"elapsed_ms\":%" PRId64 "}\n",
           r->step_number, r->step_count, r->done, r->total, r->fraction, now - p->begun_ms);
    fflush(stdout);
}

bool cli_progress_show(void *user, const struct pome_progress *r)
{
    struct cli_progress *p = user;
    int64_t now = now_ms();
    bool new_step = r->step_number != p->step_number || strncmp(r->step, p->step, sizeof p->step - 1), end = r->fraction >= 1;
    if (new_step) {
        p->step_number = r->step_number;
        snprintf(p->step, sizeof p->step, "%s", r->step);
        p->step_begun_ms = now;
    }
    if (r->fraction < p->fraction) /* what had to be done first is done */
        p->part_begun_ms = now;
    p->fraction = r->fraction;
    int percent = (int)(r->fraction * 100);
    if (p->terminal) {
        if (new_step || end || now - p->shown_ms >= REDRAW_MS) {
            draw_bar(p, r, now);
            p->shown_ms = now;
        }
    } else if (new_step || (percent != p->shown_percent && now - p->shown_ms >= (p->json ? 250 : LINE_MS))) {
        if (p->json)
            print_event(p, r, now);
        else
            cli_note("%3d%% %s", percent, r->step);
        p->shown_ms = now;
        p->shown_percent = percent;
    }
    return !cancelled;
}

void cli_progress_end(struct cli_progress *p, bool ok)
{
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    if (p->drawn)
        fputs("\r\033[K", stderr);
    if (!ok || p->json)
        return;
    char text[16];
    duration((double)(now_ms() - p->begun_ms) / 1000, text);
    cli_note("%s: done in %s", p->title, text);
}
