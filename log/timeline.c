/* timeline.c - records in the order in which things happened. */
#include "log/timeline.h"

#include <stdlib.h>
#include <string.h>

struct item {
    struct log_record r; /* its texts are offsets into `text` while items are gathered */
    size_t order;
};

struct log_timeline {
    struct log_reader *reader;
    struct item *items;
    size_t n, room, at;
    char *text;
    size_t text_n, text_room;
    bool in_boot;           /* what is gathered belongs to a boot */
    bool held;              /* `first` begins the next boot */
    struct log_record first;
    char first_text[LOG_MESSAGE_MAX + 512];
    const struct log_predicate *predicate; /* NULL: all */
    enum log_level lowest;
    int64_t guest_zero_ns;  /* CLOCK_MONOTONIC of the guest's time 0 in this boot; INT64_MAX: not known */
};

struct log_timeline *log_timeline_open(struct log_reader *r)
{
    struct log_timeline *t = calloc(1, sizeof *t);
    if (!t) {
        log_read_close(r);
        return NULL;
    }
    t->reader = r;
    t->guest_zero_ns = INT64_MAX;
    return t;
}

void log_timeline_close(struct log_timeline *t)
{
    if (!t)
        return;
    log_read_close(t->reader);
    free(t->items);
    free(t->text);
    free(t);
}

/* --- gathering --- */

static bool grow(void **memory, size_t *room, size_t needed, size_t unit)
{
    if (needed <= *room)
        return true;
    size_t more = *room ? 2 * *room : 1024;
    while (more < needed)
        more *= 2;
    void *p = realloc(*memory, more * unit);
    if (!p)
        return false;
    *memory = p;
    *room = more;
    return true;
}

/* Texts move when the buffer grows: kept as offsets, turned into pointers at the end. */
static const char *keep(struct log_timeline *t, const char *s)
{
    size_t n = strlen(s) + 1, at = t->text_n;
    memcpy(t->text + at, s, n);
    t->text_n += n;
    return (const char *)(uintptr_t)at;
}

static bool wanted(const struct log_timeline *t, const struct log_record *r)
{
    return r->level >= t->lowest && (!t->predicate || log_predicate_holds(t->predicate, r));
}

/* A line's arrival is never before it was said: the smallest difference is the best. */
static void note_guest_clock(struct log_timeline *t, const struct log_record *r)
{
    if (r->guest_ns >= 0 && r->monotonic_ns - r->guest_ns < t->guest_zero_ns)
        t->guest_zero_ns = r->monotonic_ns - r->guest_ns;
}

static bool add(struct log_timeline *t, const struct log_record *r)
{
    note_guest_clock(t, r);
    if (!wanted(t, r))
        return true;
    const char *const texts[] = {r->process, r->subsystem, r->category, r->message, r->boot};
    size_t n = 0;
    for (size_t i = 0; i < 5; i++)
        n += strlen(texts[i]) + 1;
    if (!grow((void **)&t->items, &t->room, t->n + 1, sizeof *t->items) || !grow((void **)&t->text, &t->text_room, t->text_n + n, 1))
        return false;
    struct item *i = &t->items[t->n];
    *i = (struct item){*r, t->n};
    i->r.process = keep(t, r->process);
    i->r.subsystem = keep(t, r->subsystem);
    i->r.category = keep(t, r->category);
    i->r.message = keep(t, r->message);
    i->r.boot = keep(t, r->boot);
    t->n++;
    return true;
}

/* Keeps the record that begins the next boot for the next round. */
static void hold(struct log_timeline *t, const struct log_record *r)
{
    size_t boot = strlen(r->boot) + 1, message = strlen(r->message) + 1;
    t->first = *r;
    t->held = boot + message <= sizeof t->first_text;
    if (!t->held)
        return;
    memcpy(t->first_text, r->boot, boot);
    memcpy(t->first_text + boot, r->message, message);
    t->first.boot = t->first_text;
    t->first.message = t->first_text + boot;
    t->first.process = t->first.subsystem = t->first.category = "";
}

/* A boot's records that are wanted; none: *more says whether there may be some in the next. */
static bool gather(struct log_timeline *t, bool *more)
{
    struct log_record r;
    t->n = t->at = t->text_n = 0;
    if (t->held) {
        t->held = false;
        t->guest_zero_ns = INT64_MAX;
        t->in_boot = true;
        if (!add(t, &t->first))
            return false;
    }
    bool any = t->n > 0;
    while (log_read_next(t->reader, &r)) {
        if (*r.boot && (t->n || any)) {
            hold(t, &r);
            break;
        }
        any = true;
        if (*r.boot) {
            t->guest_zero_ns = INT64_MAX;
            t->in_boot = true;
        }
        if (!add(t, &r))
            break;
    }
    *more = any || t->held;
    return t->n > 0;
}

/* --- ordering --- */

static int by_time(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->r.monotonic_ns != y->r.monotonic_ns)
        return x->r.monotonic_ns < y->r.monotonic_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void resolve(const struct log_timeline *t, const char **text)
{
    *text = t->text + (uintptr_t)*text;
}

static void order(struct log_timeline *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct log_record *r = &t->items[i].r;
        resolve(t, &r->process);
        resolve(t, &r->subsystem);
        resolve(t, &r->category);
        resolve(t, &r->message);
        resolve(t, &r->boot);
        if (r->guest_ns < 0)
            continue;
        int64_t said = t->guest_zero_ns + r->guest_ns;
        r->realtime_ns -= r->monotonic_ns - said;
        r->monotonic_ns = said;
    }
    /* What the installer wrote before a reboot of the host has another clock's times: only a boot is put in order. */
    if (t->in_boot || *t->items[0].r.boot || t->guest_zero_ns != INT64_MAX)
        qsort(t->items, t->n, sizeof *t->items, by_time);
}

void log_timeline_filter(struct log_timeline *t, const struct log_predicate *predicate, enum log_level lowest)
{
    t->predicate = predicate;
    t->lowest = lowest;
}

bool log_timeline_next(struct log_timeline *t, struct log_record *record)
{
    if (t->at == t->n) {
        bool more = true;
        while (more && !gather(t, &more))
            ;
        if (!t->n)
            return false;
        order(t);
    }
    *record = t->items[t->at++].r;
    return true;
}

bool log_timeline_seek_last_boot(struct log_timeline *t)
{
    t->n = t->at = 0;
    t->held = false;
    t->guest_zero_ns = INT64_MAX;
    return log_read_seek_last_boot(t->reader);
}

void log_timeline_seek_end(struct log_timeline *t)
{
    struct log_record r;
    t->n = t->at = 0;
    t->held = false;
    t->guest_zero_ns = INT64_MAX;
    log_read_seek_last_boot(t->reader);
    while (log_read_next(t->reader, &r)) {
        t->in_boot |= *r.boot != 0;
        note_guest_clock(t, &r);
    }
}
