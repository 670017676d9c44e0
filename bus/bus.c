/* bus.c - the map of registers, the checks before a device is entered, notes and traces (see bus.h). */
#include "bus/bus.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NOTES_PER_SECOND 10

void bus_init(struct bus *bus, struct mem *mem, struct loop *loop)
{
    memset(bus, 0, sizeof *bus);
    pthread_mutex_init(&bus->lock, NULL);
    pthread_mutex_init(&bus->note_lock, NULL);
    bus->mem = mem;
    bus->loop = loop;
}

void bus_finish(struct bus *bus)
{
    pthread_mutex_destroy(&bus->lock);
    pthread_mutex_destroy(&bus->note_lock);
}

void bus_map(struct bus *bus, uint64_t gpa, uint64_t bytes, struct device *dev)
{
    assert(bus->n_ranges < BUS_MAX_RANGES && bytes && dev->type);
    size_t i = bus->n_ranges++;
    for (; i && bus->range[i - 1].gpa > gpa; i--)
        bus->range[i] = bus->range[i - 1];
    bus->range[i] = (struct bus_range){ .gpa = gpa, .bytes = bytes, .dev = dev };
    assert(!i || bus->range[i - 1].gpa + bus->range[i - 1].bytes <= gpa);
    assert(i + 1 == bus->n_ranges || gpa + bytes <= bus->range[i + 1].gpa);
    dev->bus = bus;
}

static const struct bus_range *range_find(const struct bus *bus, uint64_t gpa, unsigned bytes)
{
    size_t low = 0, high = bus->n_ranges;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (bus->range[mid].gpa <= gpa)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low)
        return NULL;
    const struct bus_range *r = &bus->range[low - 1];
    uint64_t inside = gpa - r->gpa;
    return inside < r->bytes && bytes <= r->bytes - inside ? r : NULL;
}

bool bus_trace_on(const char *word)
{
    const char *list = getenv("POME_TRACE");
    size_t n = strlen(word);
    for (; list && *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == n && !memcmp(list, word, n))
            return true;
    return false;
}

static bool tracing(void)
{
    static int on = -1;
    int v = __atomic_load_n(&on, __ATOMIC_RELAXED);
    if (v < 0) {
        v = bus_trace_on("mmio");
        __atomic_store_n(&on, v, __ATOMIC_RELAXED);
    }
    return v;
}

static void trace(const struct device *dev, const struct mmio_reg *r, uint32_t offset, unsigned bytes, bool write,
                  uint64_t value)
{
    char name[32];
    uint32_t o = dev->type->stride ? offset % dev->type->stride : offset;
    if (r && r->count > 1)
        snprintf(name, sizeof name, "%s+0x%x", r->name, (unsigned)(o - r->offset));
    else
        snprintf(name, sizeof name, "%s", r ? r->name : "-");
    fprintf(stderr, "mmio %s %s %s[0x%x].%u 0x%" PRIx64 "\n", write ? "write" : "read", dev->type->name, name,
            (unsigned)offset, bytes, value);
}

/* The row for this access; *ok says whether it may reach the device. Devices without a table take every aligned access. */
static const struct mmio_reg *check(struct device *dev, uint32_t offset, unsigned bytes, bool write, bool *ok)
{
    const struct device_type *t = dev->type;
    const char *why = NULL;
    const struct mmio_reg *r = NULL;
    if (!(t->sizes & bytes) || offset & (bytes - 1))
        why = "size or alignment";
    else if (t->regs) {
        uint32_t o = t->stride ? offset % t->stride : offset;
        r = mmio_reg_find(t, o, bytes);
        if (!r)
            why = "no register";
        else if (!(r->access & (write ? WO : RO)))
            why = write ? "read-only" : "write-only";
        else if (r->bytes > 1 && bytes > r->bytes)
            why = "more than a register";
        else if (r->bytes < 8 && (o - r->offset) % r->bytes)
            why = "part of a register";
    }
    if (why && dev->bus)
        bus_note(dev->bus, "%s: guest %s of %u bytes at 0x%x: %s", t->name, write ? "write" : "read", bytes,
                 (unsigned)offset, why);
    *ok = !why;
    return r;
}

uint64_t device_read(struct device *dev, uint32_t offset, unsigned bytes)
{
    bool ok;
    const struct mmio_reg *r = check(dev, offset, bytes, false, &ok);
    uint64_t value = ok ? dev->type->read(dev, offset, bytes) & ones(bytes * 8) : 0;
    if (tracing())
        trace(dev, r, offset, bytes, false, value);
    return value;
}

void device_write(struct device *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    bool ok;
    value &= ones(bytes * 8);
    const struct mmio_reg *r = check(dev, offset, bytes, true, &ok);
    if (tracing())
        trace(dev, r, offset, bytes, true, value);
    if (ok)
        dev->type->write(dev, offset, bytes, value);
}

bool bus_read(struct bus *bus, uint64_t gpa, unsigned size_bytes, uint64_t *value)
{
    const struct bus_range *r = range_find(bus, gpa, size_bytes);
    if (!r)
        return false;
    bool lock = !r->dev->type->own_lock;
    if (lock)
        bus_lock(bus);
    *value = device_read(r->dev, (uint32_t)(gpa - r->gpa), size_bytes);
    if (lock)
        bus_unlock(bus);
    return true;
}

bool bus_write(struct bus *bus, uint64_t gpa, unsigned size_bytes, uint64_t value)
{
    const struct bus_range *r = range_find(bus, gpa, size_bytes);
    if (!r)
        return false;
    bool lock = !r->dev->type->own_lock;
    if (lock)
        bus_lock(bus);
    device_write(r->dev, (uint32_t)(gpa - r->gpa), size_bytes, value);
    if (lock)
        bus_unlock(bus);
    return true;
}

bool bus_message(struct bus *bus, uint64_t gpa, uint32_t data)
{
    if (!bus->doorbell.ring || gpa & 3 || gpa - bus->doorbell.gpa >= bus->doorbell.bytes) {
        bus_note(bus, "message interrupt to 0x%" PRIx64 ": nothing there", gpa);
        return false;
    }
    bus->doorbell.ring(bus->doorbell.ctx, gpa - bus->doorbell.gpa, data);
    return true;
}

/* How many notes were dropped before this one, or -1 when this one is to be dropped as well. */
static int note_pass(struct bus *bus)
{
    uint64_t now = loop_now_ns();
    int dropped = -1;
    pthread_mutex_lock(&bus->note_lock);
    if (now - bus->note_window_ns >= 1000000000) {
        bus->note_window_ns = now;
        bus->notes = 0;
    }
    if (bus->notes < NOTES_PER_SECOND) {
        bus->notes++;
        dropped = (int)bus->notes_dropped;
        bus->notes_dropped = 0;
    } else if (bus->notes_dropped < 1000000000) {
        bus->notes_dropped++;
    }
    pthread_mutex_unlock(&bus->note_lock);
    return dropped;
}

void bus_note(struct bus *bus, const char *format, ...)
{
    if (!bus->note)
        return;
    int dropped = note_pass(bus);
    if (dropped < 0)
        return;
    char text[240];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (dropped && n >= 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, " (%d more dropped)", dropped);
    bus->note(bus->note_ctx, text);
}

void bus_fault(struct bus *bus, const char *format, ...)
{
    char text[240];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    bus_note(bus, "%s", text);
    if (bus->fault)
        bus->fault(bus->note_ctx, text);
}
