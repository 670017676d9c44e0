/* panic_watch.c - notices from its console that a guest's kernel panicked. */
#include "vm/panic_watch.h"

#include "base/bits.h"

#include <stdio.h>

static const char panic[] = "Kernel panic - not syncing", end[] = "---[ end Kernel panic", boot_failed[] = "boot failed: ";
static const char darwin_panic[] = "panic(cpu ";
static const uint64_t silence_ns = 1000000000;

static void fire(void *ctx)
{
    struct panic_watch *w = ctx;
    w->dead(w->ctx, w->why);
}

void panic_watch_init(struct panic_watch *w, struct loop *loop, void (*dead)(void *ctx, const char *why), void *ctx)
{
    *w = (struct panic_watch){.loop = loop, .dead = dead, .ctx = ctx, .timer = {.fn = fire, .ctx = w}};
}

void panic_watch_reset(struct panic_watch *w)
{
    loop_timer_cancel(w->loop, &w->timer);
    w->armed = w->linux_spoke = false;
    w->n = 0;
    w->why[0] = w->boot_failed[0] = 0;
}

/* The text behind the kernel's time stamp "[    1.234567] ", or NULL. */
static const char *kernel_text(const char *line)
{
    if (*line++ != '[')
        return NULL;
    line += strspn(line, " 0123456789.");
    /* CONFIG_PRINTK_CALLER adds "[   T1]" or "[   C0]" */
    if (line[0] == ']' && line[1] == '[')
        line += 2 + strcspn(line + 2, "]");
    return line[0] == ']' && line[1] == ' ' ? line + 2 : NULL;
}

/* The firmware's, Darwin's, or a program's. */
static void other_line(struct panic_watch *w)
{
    if (!strncmp(w->line, boot_failed, sizeof boot_failed - 1))
        snprintf(w->boot_failed, sizeof w->boot_failed, "%s", w->line);
    else if (!w->linux_spoke && !w->why[0] && !strncmp(w->line, darwin_panic, sizeof darwin_panic - 1))
        snprintf(w->why, sizeof w->why, "%s", w->line);
}

static void whole_line(struct panic_watch *w)
{
    w->line[w->n] = 0;
    w->n = 0;
    const char *text = kernel_text(w->line);
    if (!text) {
        other_line(w);
        return;
    }
    w->linux_spoke = true;
    w->boot_failed[0] = 0;
    if (!w->why[0] && !strncmp(text, panic, sizeof panic - 1))
        snprintf(w->why, sizeof w->why, "%s", text);
    if (w->why[0] && !strncmp(text, end, sizeof end - 1)) {
        w->armed = true;
        loop_timer_set(w->loop, &w->timer, loop_now_ns() + silence_ns);
    }
}

void panic_watch_bytes(struct panic_watch *w, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (w->armed) { /* it still speaks */
            w->armed = false;
            loop_timer_cancel(w->loop, &w->timer);
        }
        if (bytes[i] == '\n')
            whole_line(w);
        else if (bytes[i] != '\r' && w->n < sizeof w->line - 1)
            w->line[w->n++] = (char)bytes[i];
    }
}
