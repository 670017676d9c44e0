/*
 * timeline.c - records in the order in which things happened, each once.
 *
 * What the kernel says comes twice when the guest sends its journal: as a line of the console, with a level that was guessed, and as a record with
 * the true one. Both have the kernel's own time to the microsecond, so they meet when records are put in order, and the line goes. That is why both are
 * gathered whatever is wanted, and looked at again afterwards. A line that was shown before its record came (a stream) is remembered for a while, and
 * the record goes. A kernel that speaks on two consoles at once is heard on the one that comes first in the log.
 */
#include "log/timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCHES = 256, SHOWN = 256, MOST_AT_ONCE = 64, MOST_AT_START = 256 }; /* a kernel's clock stands at 0 for its first hundred lines */

struct item {
    struct log_record r; /* its texts are offsets into `text` while items are gathered */
    size_t order;
    unsigned stretch;
    bool twice;  /* said better by another */
    bool paired; /* on both consoles */
};

struct log_timeline {
    struct log_reader *reader;
    struct item *items;
    size_t n, room, at;
    char *text;
    size_t text_n, text_room;
    bool in_boot;           /* what is gathered belongs to a boot */
    char boot[37];          /* that one; after an erasure it is marked once more */
    bool held;              /* `first` begins the next boot */
    struct log_record first;
    char first_text[LOG_MESSAGE_MAX + 512];
    const struct log_predicate *predicate; /* NULL: all */
    enum log_level lowest;
    /* CLOCK_MONOTONIC of the guest's time 0, in each stretch of this boot; INT64_MAX: not known. A pause, in which that clock stands, ends a stretch. */
    int64_t guest_zero_ns[STRETCHES];
    unsigned stretch;
    struct {
        int64_t guest_ns;
        uint64_t hash;
        bool hvc0;
    } shown[SHOWN]; /* console lines of the kernel, the newest ones */
    unsigned n_shown;
};

static void forget_guest_clock(struct log_timeline *t)
{
    t->stretch = 0;
    t->guest_zero_ns[0] = INT64_MAX;
    t->n_shown = 0;
}

struct log_timeline *log_timeline_open(struct log_reader *r)
{
    struct log_timeline *t = calloc(1, sizeof *t);
    if (!t) {
        log_read_close(r);
        return NULL;
    }
    t->reader = r;
    forget_guest_clock(t);
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

/* A record that begins another boot. */
static bool begins(struct log_timeline *t, const struct log_record *r)
{
    if (!*r->boot || !strcmp(r->boot, t->boot))
        return false;
    snprintf(t->boot, sizeof t->boot, "%s", r->boot);
    return true;
}

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

/* As vm/ writes it. */
static bool ends_pause(const struct log_record *r)
{
    return !strcmp(r->category, "state") && !strcmp(r->subsystem, "org.pome.machine") && !strncmp(r->message, "resumed", 7);
}

/* A line's arrival is never before it was said: the smallest difference is the best. */
static void note_guest_clock(struct log_timeline *t, const struct log_record *r)
{
    int64_t *zero = &t->guest_zero_ns[t->stretch];
    if (r->guest_ns >= 0 && r->monotonic_ns - r->guest_ns < *zero)
        *zero = r->monotonic_ns - r->guest_ns;
    if (ends_pause(r) && t->stretch + 1 < STRETCHES)
        t->guest_zero_ns[++t->stretch] = INT64_MAX;
}

static bool on_hvc0(const struct log_record *r)
{
    return !strcmp(r->category, LOG_HVC0) && !*r->subsystem;
}

static bool kernel_line(const struct log_record *r)
{
    return r->guest_ns >= 0 && ((!*r->category && !*r->subsystem) || on_hvc0(r));
}

static bool kernel_record(const struct log_record *r)
{
    return r->guest_ns >= 0 && !strcmp(r->category, "kernel");
}

static bool add(struct log_timeline *t, const struct log_record *r)
{
    note_guest_clock(t, r);
    if (!wanted(t, r) && !kernel_line(r) && !kernel_record(r))
        return true;
    const char *const texts[] = {r->process, r->subsystem, r->category, r->message, r->boot};
    size_t n = 0;
    for (size_t i = 0; i < 5; i++)
        n += strlen(texts[i]) + 1;
    if (!grow((void **)&t->items, &t->room, t->n + 1, sizeof *t->items) || !grow((void **)&t->text, &t->text_room, t->text_n + n, 1))
        return false;
    struct item *i = &t->items[t->n];
    *i = (struct item){.r = *r, .order = t->n, .stretch = t->stretch};
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
        forget_guest_clock(t);
        t->in_boot = true;
        if (!add(t, &t->first))
            return false;
    }
    bool any = t->n > 0;
    while (log_read_next(t->reader, &r)) {
        const bool another = begins(t, &r);
        if (*r.boot && !another)
            continue;
        if (another && (t->n || any)) {
            hold(t, &r);
            break;
        }
        any = true;
        if (another) {
            forget_guest_clock(t);
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

static void align(const struct log_timeline *t, struct item *i)
{
    struct log_record *r = &i->r;
    if (r->guest_ns < 0)
        return;
    int64_t said = t->guest_zero_ns[i->stretch] + r->guest_ns;
    r->realtime_ns -= r->monotonic_ns - said;
    r->monotonic_ns = said;
}

/* --- once --- */

/* FNV-1a, of the first line. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *text && *text != '\n'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3;
    return h;
}

/* A record: as a line of a console. A line: as one of the other console. */
static bool was_shown(const struct log_timeline *t, const struct log_record *r)
{
    uint64_t h = hash(r->message);
    for (unsigned i = 0; i < SHOWN && i < t->n_shown; i++)
        if (t->shown[i].guest_ns == r->guest_ns && t->shown[i].hash == h && (kernel_record(r) || t->shown[i].hvc0 != on_hvc0(r)))
            return true;
    return false;
}

static void remember(struct log_timeline *t, const struct log_record *r)
{
    t->shown[t->n_shown % SHOWN].guest_ns = r->guest_ns;
    t->shown[t->n_shown % SHOWN].hvc0 = on_hvc0(r);
    t->shown[t->n_shown++ % SHOWN].hash = hash(r->message);
}

/* The lines of the record at i, which are its neighbours. A record may have several lines. */
static bool mark_lines(struct log_timeline *t, size_t i, int step)
{
    const struct log_record *record = &t->items[i].r;
    bool any = false;
    for (size_t n = 0, k = i + (size_t)step; n < MOST_AT_ONCE && k < t->n && t->items[k].r.guest_ns == record->guest_ns; n++, k += (size_t)step)
        if (kernel_line(&t->items[k].r) && strstr(record->message, t->items[k].r.message))
            t->items[k].twice = any = true;
    return any;
}

/* The line of the serial port that is the same as the one of hvc0 at i, among the neighbours of one side. Each stands for one. */
static bool pair_line(struct log_timeline *t, size_t i, int step)
{
    const struct log_record *line = &t->items[i].r;
    for (size_t n = 0, k = i + (size_t)step; n < MOST_AT_START && k < t->n && t->items[k].r.guest_ns == line->guest_ns; n++, k += (size_t)step) {
        struct item *other = &t->items[k];
        if (kernel_line(&other->r) && !on_hvc0(&other->r) && !other->paired && !strcmp(other->r.message, line->message))
            return other->paired = true;
    }
    return false;
}

static void keep_each_once(struct log_timeline *t)
{
    bool again = t->n_shown != 0; /* part of this boot was shown before */
    for (size_t i = 0; i < t->n; i++)
        if (kernel_line(&t->items[i].r))
            t->items[i].twice = (on_hvc0(&t->items[i].r) && (pair_line(t, i, -1) || pair_line(t, i, 1))) || (again && was_shown(t, &t->items[i].r));
    for (size_t i = 0; i < t->n; i++)
        if (kernel_record(&t->items[i].r) && !mark_lines(t, i, -1) && !mark_lines(t, i, 1))
            t->items[i].twice = was_shown(t, &t->items[i].r);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->items[i].twice || !wanted(t, &t->items[i].r))
            continue;
        if (kernel_line(&t->items[i].r))
            remember(t, &t->items[i].r);
        t->items[n++] = t->items[i];
    }
    t->n = n;
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
        align(t, &t->items[i]);
    }
    /* What the installer wrote before a reboot of the host has another clock's times: only a boot is put in order. */
    if (t->in_boot || *t->items[0].r.boot || t->guest_zero_ns[0] != INT64_MAX)
        qsort(t->items, t->n, sizeof *t->items, by_time);
    keep_each_once(t);
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
        do
            if (gather(t, &more))
                order(t);
        while (more && !t->n);
        if (!t->n)
            return false;
    }
    *record = t->items[t->at++].r;
    return true;
}

bool log_timeline_seek_last_boot(struct log_timeline *t)
{
    t->n = t->at = 0;
    t->held = false;
    t->boot[0] = 0;
    forget_guest_clock(t);
    return log_read_seek_last_boot(t->reader);
}

void log_timeline_seek_end(struct log_timeline *t)
{
    struct log_record r;
    t->n = t->at = 0;
    t->held = false;
    forget_guest_clock(t);
    log_read_seek_last_boot(t->reader);
    while (log_read_next(t->reader, &r)) {
        t->in_boot |= begins(t, &r);
        note_guest_clock(t, &r);
    }
}
