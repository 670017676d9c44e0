/*
 * guest.c - a driver that breaks the rules: every virtio device on the PCI bus gets malformed rings, again and again.
 *
 * For each device, queue and row of `cases`: reset, initialise, do what the row says, notify. What VIRTIO 1.2 asks for is then seen from here: a ring that
 * cannot be followed sets DEVICE_NEEDS_RESET (2.1.2) in devices that looked at it; one that is only odd breaks nothing; and after the next reset the device
 * works (blk, rng and balloon answer a request). MMU off: memory is a device to the CPU, nothing is reordered.
 *
 * Says a line for each device, "BAD ..." for each surprise, and "VIRTIO-GUEST-END"; then powers off (PSCI).
 */
#include <stdbool.h>
#include <stdint.h>

#define ECAM   UINT64_C(0x3f000000)
#define WINDOW UINT64_C(0x10000000)
#define UART   UINT64_C(0x09000000)
#define RAM    UINT64_C(0x40000000)

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, SIZE = 16, MAX_QUEUES = 8, DEVICES = 32 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };
enum { NET = 1, BLK = 2, CONSOLE = 3, RNG = 4, BALLOON = 5, INPUT = 18, VSOCK = 19, FS = 26 };
#define F_INDIRECT  (UINT64_C(1) << 28)
#define F_VERSION_1 (UINT64_C(1) << 32)
#define F_MULTIPORT (UINT64_C(1) << 1) /* of the console, 5.3.3 */

/* Registers of the structures that the capabilities point to: struct virtio_pci_common_cfg, 4.1.4.3. */
enum { FEATURE_SELECT = 0, FEATURE = 4, DRIVER_SELECT = 8, DRIVER_FEATURE = 12, NUM_QUEUES = 0x12, STATUS = 0x14, QUEUE_SELECT = 0x16, QUEUE_SIZE = 0x18,
       QUEUE_ENABLE = 0x1c, NOTIFY_OFF = 0x1e, QUEUE_DESC = 0x20, QUEUE_DRIVER = 0x28, QUEUE_DEVICE = 0x30 };

#define REG(bits, at) (*(volatile uint##bits##_t *)(at))

struct desc {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};
struct ring {
    _Alignas(4096) volatile struct desc desc[SIZE];
    _Alignas(64) volatile struct { uint16_t flags, idx, ring[SIZE], event; } avail;
    _Alignas(64) volatile struct { uint16_t flags, idx; struct { uint32_t head, bytes; } ring[SIZE]; uint16_t event; } used;
};
static struct ring rings[MAX_QUEUES];
static volatile struct desc table[SIZE];
static _Alignas(4096) volatile uint8_t buffer[8192];
static uint64_t ram_end;

struct dev {
    unsigned slot, type, n_queues;
    uint64_t common, notify, multiplier, offered;
};
static unsigned bad;

/* ---- saying ---- */

static void say(const char *s)
{
    for (; *s; s++) {
        while (REG(32, UART + 0x18) & 0x20)
            ; /* FR.TXFF */
        REG(32, UART) = (uint8_t)*s;
    }
}

static void say_number(uint64_t n)
{
    char b[24], *p = b + 23;
    *p = 0;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    say(p);
}

static void surprise(const struct dev *d, unsigned queue, const char *name, const char *what)
{
    bad++;
    say("BAD device ");
    say_number(d->type);
    say(" queue ");
    say_number(queue);
    say(": ");
    say(name);
    say(": ");
    say(what);
    say("\n");
}

#define ENOUGH_US 60000000 /* for what must happen: the host may be busy */

static uint64_t now_us(void)
{
    uint64_t t, f;
    asm volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0" : "=r"(t), "=r"(f));
    return t / (f / 1000) * 1000 + t % (f / 1000) * 1000 / (f / 1000);
}

/* ---- PCI ---- */

static uint64_t config_of(unsigned slot)
{
    return ECAM + slot * UINT64_C(0x8000);
}

/* Sizes and places every BAR at an address of its own. */
static uint64_t place_bars(unsigned slot, uint64_t at, uint64_t bar[6])
{
    uint64_t c = config_of(slot);
    for (unsigned i = 0; i < 6; i++) {
        bar[i] = 0;
        REG(32, c + 0x10 + 4 * i) = 0xffffffff;
        uint32_t mask = REG(32, c + 0x10 + 4 * i);
        if (!mask || mask & 1)
            continue;
        bool wide = (mask & 6) == 4;
        uint64_t bytes = ~(uint64_t)(0xffffffff00000000 | (mask & ~UINT32_C(15))) + 1;
        at = (at + bytes - 1) & ~(bytes - 1);
        bar[i] = at;
        REG(32, c + 0x10 + 4 * i) = (uint32_t)at;
        if (wide)
            REG(32, c + 0x10 + 4 * ++i) = 0;
        at += bytes;
    }
    REG(16, c + 4) = 6; /* memory, bus master */
    return at;
}

/* 4.1.4: the structures. */
static bool find_structures(struct dev *d, const uint64_t bar[6])
{
    uint64_t c = config_of(d->slot);
    for (unsigned at = REG(8, c + 0x34); at; at = REG(8, c + at + 1)) {
        if (REG(8, c + at) != 9)
            continue;
        uint64_t place = bar[REG(8, c + at + 4) % 6] + REG(32, c + at + 8);
        if (REG(8, c + at + 3) == 1)
            d->common = place;
        if (REG(8, c + at + 3) == 2) {
            d->notify = place;
            d->multiplier = REG(32, c + at + 16);
        }
    }
    return d->common && d->notify;
}

/* ---- a driver ---- */

static uint8_t status(const struct dev *d)
{
    return REG(8, d->common + STATUS);
}

static bool reset(const struct dev *d)
{
    uint64_t end = now_us() + ENOUGH_US;
    REG(8, d->common + STATUS) = 0;
    while (status(d))
        if (now_us() > end)
            return false;
    return true;
}

static uint64_t offered(const struct dev *d)
{
    REG(32, d->common + FEATURE_SELECT) = 0;
    uint64_t f = REG(32, d->common + FEATURE);
    REG(32, d->common + FEATURE_SELECT) = 1;
    return f | (uint64_t)REG(32, d->common + FEATURE) << 32;
}

static bool negotiate(const struct dev *d, uint64_t features)
{
    REG(8, d->common + STATUS) = ACKNOWLEDGE;
    REG(8, d->common + STATUS) = ACKNOWLEDGE | DRIVER;
    REG(32, d->common + DRIVER_SELECT) = 0;
    REG(32, d->common + DRIVER_FEATURE) = (uint32_t)features;
    REG(32, d->common + DRIVER_SELECT) = 1;
    REG(32, d->common + DRIVER_FEATURE) = (uint32_t)(features >> 32);
    REG(8, d->common + STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    return status(d) & FEATURES_OK;
}

static void clear(volatile void *p, unsigned n)
{
    for (volatile uint8_t *b = p; n--; b++)
        *b = 0;
}

static void set64(uint64_t at, uint64_t v)
{
    REG(32, at) = (uint32_t)v;
    REG(32, at + 4) = (uint32_t)(v >> 32);
}

static void set_queue(const struct dev *d, unsigned q, uint64_t used)
{
    struct ring *r = &rings[q % MAX_QUEUES];
    clear(r, sizeof *r);
    REG(16, d->common + QUEUE_SELECT) = (uint16_t)q;
    REG(16, d->common + QUEUE_SIZE) = SIZE;
    set64(d->common + QUEUE_DESC, (uint64_t)r->desc);
    set64(d->common + QUEUE_DRIVER, (uint64_t)&r->avail);
    set64(d->common + QUEUE_DEVICE, used ? used : (uint64_t)&r->used);
    REG(16, d->common + QUEUE_ENABLE) = 1;
}

static uint64_t wanted(const struct dev *d)
{
    return F_VERSION_1 | (d->offered & (F_INDIRECT | (d->type == CONSOLE ? F_MULTIPORT : 0)));
}

static bool start(const struct dev *d, uint64_t features)
{
    if (!reset(d) || !negotiate(d, features))
        return false;
    for (unsigned q = 0; q < d->n_queues && q < MAX_QUEUES; q++)
        set_queue(d, q, 0);
    REG(8, d->common + STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    return true;
}

static void put(unsigned q, unsigned i, uint64_t gpa, uint32_t bytes, uint16_t flags, uint16_t next)
{
    rings[q].desc[i].gpa = gpa;
    rings[q].desc[i].bytes = bytes;
    rings[q].desc[i].flags = flags;
    rings[q].desc[i].next = next;
}

static void put_inner(unsigned i, uint64_t gpa, uint32_t bytes, uint16_t flags, uint16_t next)
{
    table[i].gpa = gpa;
    table[i].bytes = bytes;
    table[i].flags = flags;
    table[i].next = next;
}

static void offer(unsigned q, uint16_t head)
{
    uint16_t i = rings[q].avail.idx;
    rings[q].avail.ring[i % SIZE] = head;
    rings[q].avail.idx = (uint16_t)(i + 1);
}

static void notify(const struct dev *d, unsigned q)
{
    REG(16, d->common + QUEUE_SELECT) = (uint16_t)q;
    REG(16, d->notify + REG(16, d->common + NOTIFY_OFF) * d->multiplier) = (uint16_t)q;
}

/* ---- is the device alive ---- */

static bool answers(unsigned q, uint16_t n)
{
    uint64_t end = now_us() + ENOUGH_US;
    while (rings[q].used.idx != n)
        if (now_us() > end)
            return false;
    return true;
}

/* After a reset: what can be asked without anybody outside is asked. */
static const char *works(const struct dev *d)
{
    if (!start(d, wanted(d)))
        return "cannot be started again";
    clear(buffer, 64);
    buffer[1000] = 0xee;
    switch (d->type) {
    case BLK: /* read a sector: 5.2.6 */
        put(0, 0, (uint64_t)buffer, 16, NEXT, 1);
        put(0, 1, (uint64_t)buffer + 16, 512, NEXT | WRITE, 2);
        put(0, 2, (uint64_t)buffer + 1000, 1, WRITE, 0);
        break;
    case RNG: put(0, 0, (uint64_t)buffer, 64, WRITE, 0); break;
    case BALLOON: put(0, 0, (uint64_t)buffer, 4, 0, 0); break;
    default: return status(d) & NEEDS_RESET ? "needs a reset at once" : 0;
    }
    offer(0, 0);
    notify(d, 0);
    if (!answers(0, 1))
        return "does not answer after a reset";
    return d->type == BLK && buffer[1000] ? "answers with an error after a reset" : 0;
}

/* ---- cases ---- */

#define B ((uint64_t)buffer)

/* Each puts a chain into the queue. */
static void loop(const struct dev *d, unsigned q) { put(q, 0, B, 16, NEXT, 1); put(q, 1, B, 16, NEXT, 0); offer(q, 0); }
static void loop_of_one(const struct dev *d, unsigned q) { put(q, 3, B, 16, NEXT, 3); offer(q, 3); }
static void next_outside(const struct dev *d, unsigned q) { put(q, 0, B, 16, NEXT, SIZE); offer(q, 0); }
static void next_far_outside(const struct dev *d, unsigned q) { put(q, 0, B, 16, NEXT, 0xffff); offer(q, 0); }
static void head_outside(const struct dev *d, unsigned q) { offer(q, SIZE); }
static void head_far_outside(const struct dev *d, unsigned q) { offer(q, 0xffff); }
static void index_ahead(const struct dev *d, unsigned q) { rings[q].avail.idx = SIZE + 1; }
static void index_far_ahead(const struct dev *d, unsigned q) { rings[q].avail.idx = 0x8000; }
static void nowhere(const struct dev *d, unsigned q) { put(q, 0, UINT64_C(0xdead00000000), 512, WRITE, 0); offer(q, 0); }
static void at_zero(const struct dev *d, unsigned q) { put(q, 0, 0x08000000, 512, WRITE, 0); offer(q, 0); }
static void wraps(const struct dev *d, unsigned q) { put(q, 0, UINT64_MAX - 15, 64, 0, 0); offer(q, 0); }
static void straddles(const struct dev *d, unsigned q) { put(q, 0, ram_end - 16, 64, WRITE, 0); offer(q, 0); }
static void before_ram(const struct dev *d, unsigned q) { put(q, 0, RAM - 16, 64, 0, 0); offer(q, 0); }
static void registers(const struct dev *d, unsigned q) { put(q, 0, UART, 64, WRITE, 0); offer(q, 0); }
static void own_registers(const struct dev *d, unsigned q) { put(q, 0, d->notify, 16, WRITE, 0); offer(q, 0); }
static void four_gigabytes(const struct dev *d, unsigned q) { put(q, 0, B, 0xffffffff, 0, 0); offer(q, 0); }
static void second_nowhere(const struct dev *d, unsigned q) { put(q, 0, B, 16, NEXT, 1); put(q, 1, UINT64_MAX, 1, 0, 0); offer(q, 0); }
static void read_after_write(const struct dev *d, unsigned q) { put(q, 0, B, 16, NEXT | WRITE, 1); put(q, 1, B, 16, 0, 0); offer(q, 0); }
static void indirect_twice(const struct dev *d, unsigned q)
{
    put_inner(0, (uint64_t)table, 32, INDIRECT, 0);
    put(q, 0, (uint64_t)table, 16, INDIRECT, 0);
    offer(q, 0);
}
static void indirect_empty(const struct dev *d, unsigned q) { put(q, 0, (uint64_t)table, 0, INDIRECT, 0); offer(q, 0); }
static void indirect_odd(const struct dev *d, unsigned q) { put_inner(0, B, 16, 0, 0); put(q, 0, (uint64_t)table, 24, INDIRECT, 0); offer(q, 0); }
static void indirect_huge(const struct dev *d, unsigned q) { put(q, 0, RAM, 16 * 70000, INDIRECT, 0); offer(q, 0); }
static void indirect_nowhere(const struct dev *d, unsigned q) { put(q, 0, ram_end - 16, 32, INDIRECT, 0); offer(q, 0); }
static void indirect_and_next(const struct dev *d, unsigned q)
{
    put_inner(0, B, 16, 0, 0);
    put(q, 0, (uint64_t)table, 16, INDIRECT | NEXT, 1);
    put(q, 1, B, 16, 0, 0);
    offer(q, 0);
}
static void indirect_loop(const struct dev *d, unsigned q)
{
    put_inner(0, B, 16, NEXT, 1);
    put_inner(1, B, 16, NEXT, 0);
    put(q, 0, (uint64_t)table, 32, INDIRECT, 0);
    offer(q, 0);
}
static void indirect_next_outside(const struct dev *d, unsigned q) { put_inner(0, B, 16, NEXT, 2); put(q, 0, (uint64_t)table, 32, INDIRECT, 0); offer(q, 0); }
static void zero_length(const struct dev *d, unsigned q) { put(q, 0, B, 0, 0, 0); offer(q, 0); }
static void zero_length_in(const struct dev *d, unsigned q) { put(q, 0, B, 0, WRITE, 0); offer(q, 0); }
static void all_readable(const struct dev *d, unsigned q) { for (unsigned i = 0; i < 3; i++) put(q, i, B + 512 * i, 512, i < 2 ? NEXT : 0, (uint16_t)(i + 1)); offer(q, 0); }
static void all_writable(const struct dev *d, unsigned q) { for (unsigned i = 0; i < 3; i++) put(q, i, B + 512 * i, 512, WRITE | (i < 2 ? NEXT : 0), (uint16_t)(i + 1)); offer(q, 0); }
static void one_byte(const struct dev *d, unsigned q) { put(q, 0, B, 1, 0, 0); offer(q, 0); }
static void noise(const struct dev *d, unsigned q)
{
    uint64_t x = now_us() | 1;
    for (unsigned i = 0; i < 64; i++, x = x * UINT64_C(6364136223846793005) + 1442695040888963407)
        buffer[i] = (uint8_t)(x >> 40);
    put(q, 0, B, 48, NEXT, 1);
    put(q, 1, B + 1024, 1024, WRITE, 0);
    offer(q, 0);
}
static void same_head_often(const struct dev *d, unsigned q) { put(q, 0, B, 32, 0, 0); for (unsigned i = 0; i < SIZE; i++) offer(q, 0); }

enum { BREAKS, MAY }; /* what the device does that looks at it: BREAKS: it must say that it needs a reset; MAY: it may, or answer, or wait */
static const struct {
    const char *name;
    void (*make)(const struct dev *d, unsigned q);
    uint8_t then;
    bool indirect; /* makes sense only where indirect tables were agreed on */
} cases[] = {
#define CASE(f, then) {#f, f, then, false},
#define INNER(f, then) {#f, f, then, true},
    CASE(loop, BREAKS) CASE(loop_of_one, BREAKS) CASE(next_outside, BREAKS) CASE(next_far_outside, BREAKS) CASE(head_outside, BREAKS)
    CASE(head_far_outside, BREAKS) CASE(index_ahead, BREAKS) CASE(index_far_ahead, BREAKS) CASE(nowhere, BREAKS) CASE(at_zero, BREAKS) CASE(wraps, BREAKS)
    CASE(straddles, BREAKS) CASE(before_ram, BREAKS) CASE(registers, BREAKS) CASE(own_registers, BREAKS) CASE(four_gigabytes, BREAKS)
    CASE(second_nowhere, BREAKS) CASE(read_after_write, BREAKS) INNER(indirect_twice, BREAKS) INNER(indirect_empty, BREAKS) INNER(indirect_odd, BREAKS)
    INNER(indirect_huge, BREAKS) INNER(indirect_nowhere, BREAKS) INNER(indirect_and_next, BREAKS) INNER(indirect_loop, BREAKS)
    INNER(indirect_next_outside, BREAKS) CASE(zero_length, MAY) CASE(zero_length_in, MAY) CASE(all_readable, MAY) CASE(all_writable, MAY) CASE(one_byte, MAY)
    CASE(noise, MAY) CASE(same_head_often, MAY)
};

/* Whether a notification makes the device look at what is in the queue at once; else it waits until it has something to say. */
static bool looks(const struct dev *d, unsigned q)
{
    switch (d->type) {
    case BLK: case RNG: case FS: return true;
    case NET: return q == 1;
    case CONSOLE: return q % 2; /* of each port, and of control messages */
    case VSOCK: return q == 1;
    case BALLOON: return q < 2;
    case INPUT: return q == 1;
    }
    return false;
}

static bool waits_for_break(const struct dev *d, uint64_t us)
{
    uint64_t end = now_us() + us;
    while (!(status(d) & NEEDS_RESET))
        if (now_us() > end)
            return false;
    return true;
}

static void run(const struct dev *d, unsigned q, unsigned i, uint64_t features)
{
    if (!start(d, features)) {
        surprise(d, q, cases[i].name, "cannot be started");
        return;
    }
    cases[i].make(d, q);
    notify(d, q);
    bool must = cases[i].then == BREAKS && looks(d, q);
    bool broken = waits_for_break(d, must ? ENOUGH_US : 300);
    if (must && !broken)
        surprise(d, q, cases[i].name, "the device does not say that it needs a reset");
    if (broken && rings[q].used.idx && must)
        surprise(d, q, cases[i].name, "answered a ring that it cannot follow");
    const char *why = reset(d) ? works(d) : "is not reset within a minute";
    if (why)
        surprise(d, q, cases[i].name, why);
}

/* ---- registers ---- */

static void registers_of(const struct dev *d)
{
    if (reset(d) && negotiate(d, ~d->offered | F_VERSION_1) && ~d->offered)
        surprise(d, 0, "features", "agrees to what it does not offer");
    if (reset(d) && negotiate(d, 0))
        surprise(d, 0, "features", "agrees to be a legacy device");
    if (!reset(d))
        surprise(d, 0, "reset", "is not reset");
    REG(8, d->common + STATUS) = ACKNOWLEDGE | DRIVER | DRIVER_OK; /* without features: it must not run */
    notify(d, 0);
    static const uint16_t sizes[] = {0, 3, 0xffff, 0x8000, 2048};
    for (unsigned i = 0; i < 5; i++) {
        if (!reset(d) || !negotiate(d, wanted(d)))
            surprise(d, 0, "size", "cannot be started");
        set_queue(d, 0, 0);
        REG(8, d->common + STATUS) = 0;
        reset(d);
        negotiate(d, wanted(d));
        REG(16, d->common + QUEUE_SELECT) = 0;
        REG(16, d->common + QUEUE_SIZE) = sizes[i];
        REG(16, d->common + QUEUE_ENABLE) = 1;
        REG(8, d->common + STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
        notify(d, 0);
    }
    static const uint64_t places[] = {0, 4, UINT64_C(0xfffffffffffffff0), UINT64_C(0x09000000), RAM - 8, 1};
    for (unsigned i = 0; i < 6; i++) { /* rings in no memory, or not aligned */
        for (unsigned which = 0; which < 4; which++) {
            reset(d);
            negotiate(d, wanted(d));
            set_queue(d, 1 % d->n_queues, 0);
            REG(16, d->common + QUEUE_SELECT) = 0;
            REG(16, d->common + QUEUE_SIZE) = SIZE;
            set64(d->common + QUEUE_DESC, which == 0 || which == 3 ? places[i] : (uint64_t)rings[0].desc);
            set64(d->common + QUEUE_DRIVER, which == 1 || which == 3 ? places[i] : (uint64_t)&rings[0].avail);
            set64(d->common + QUEUE_DEVICE, which == 2 || which == 3 ? places[i] : (uint64_t)&rings[0].used);
            REG(16, d->common + QUEUE_ENABLE) = 1;
            REG(8, d->common + STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
            notify(d, 0);
        }
    }
    /* Rings that move after they were enabled: they must not. */
    start(d, wanted(d));
    REG(16, d->common + QUEUE_SELECT) = 0;
    set64(d->common + QUEUE_DEVICE, UINT64_C(0xdead0000));
    set64(d->common + QUEUE_DESC, UINT64_C(0xdead0000));
    REG(16, d->common + QUEUE_SIZE) = 2;
    put(0, 0, B, 64, d->type == RNG ? WRITE : 0, 0);
    offer(0, 0);
    notify(d, 0);
    if (d->type == RNG && !answers(0, 1))
        surprise(d, 0, "moved ring", "the ring was changed while it was enabled");
    start(d, wanted(d)); /* queues that are not there */
    for (unsigned q = 0; q < 64; q++)
        REG(16, d->notify + (q % 8) * d->multiplier) = (uint16_t)(0xffff - q);
    REG(16, d->common + QUEUE_SELECT) = 0xffff;
    REG(16, d->common + QUEUE_SIZE) = 4;
    REG(16, d->common + QUEUE_ENABLE) = 1;
    if (status(d) & NEEDS_RESET)
        surprise(d, 0, "queues that are not there", "break it");
    const char *why = reset(d) ? works(d) : "is not reset within a minute";
    if (why)
        surprise(d, 0, "registers", why);
}

/* A queue that is not enabled is left alone. */
static void disabled_queue(const struct dev *d)
{
    reset(d);
    negotiate(d, wanted(d));
    clear(&rings[0], sizeof rings[0]);
    REG(8, d->common + STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    put(0, 0, B, 64, WRITE, 0);
    offer(0, 0);
    notify(d, 0);
    for (uint64_t end = now_us() + 500; now_us() < end;)
        ;
    if (rings[0].used.idx || status(d) & NEEDS_RESET)
        surprise(d, 0, "notified while disabled", "the device did something");
}

/* Reset while requests are under way, many times. */
static void resets_in_the_middle(const struct dev *d)
{
    for (unsigned i = 0; i < 200; i++) {
        if (!start(d, wanted(d))) {
            surprise(d, 0, "reset in the middle", "cannot be started");
            return;
        }
        for (unsigned q = 0; q < d->n_queues && q < MAX_QUEUES; q++) {
            clear(buffer, 16);
            put(q, 0, B, 16, NEXT, 1);
            put(q, 1, B + 512, 4096, NEXT | WRITE, 2);
            put(q, 2, B + 16, 1, WRITE, 0);
            for (unsigned k = 0; k < 5; k++)
                offer(q, 0);
            notify(d, q);
        }
        if (!reset(d))
            surprise(d, 0, "reset in the middle", "is not reset within a minute");
    }
    const char *why = works(d);
    if (why)
        surprise(d, 0, "reset in the middle", why);
}

/* ---- control messages of the console: 5.3.6.2 ---- */

enum { CONTROL_IN = 2, CONTROL_OUT, DEVICE_READY = 0, DEVICE_ADD, PORT_OPEN = 6, MESSAGE = 8 };

static void say_control(const struct dev *d, uint32_t port, uint16_t event, uint16_t value, uint32_t bytes)
{
    REG(32, B) = port;
    REG(16, B + 4) = event;
    REG(16, B + 6) = value;
    put(CONTROL_OUT, 0, B, bytes, 0, 0);
    offer(CONTROL_OUT, 0);
    notify(d, CONTROL_OUT);
}

/* Every event for ports that are there and that are not, while there is no buffer for an answer; then buffers that are too small for one. */
static void control_messages(const struct dev *d)
{
    static const uint32_t ports[] = {0, 1, 2, 31, 0xffffffff};
    static const uint16_t values[] = {0, 1, 0xffff};
    uint16_t said = 0;
    if (!(wanted(d) & F_MULTIPORT))
        return;
    start(d, wanted(d));
    for (unsigned i = 0; i < 5; i++)
        for (uint16_t event = 0; event < 10; event++)
            for (unsigned k = 0; k < 3; k++) {
                say_control(d, ports[i], event, values[k], MESSAGE + (event == 9));
                if (!answers(CONTROL_OUT, ++said))
                    surprise(d, CONTROL_OUT, "control message", "is not taken");
            }
    say_control(d, 0, PORT_OPEN, 1, 3); /* half of one */
    if (!answers(CONTROL_OUT, ++said) || status(d) & NEEDS_RESET)
        surprise(d, CONTROL_OUT, "half a control message", "breaks it");

    start(d, wanted(d));
    put(CONTROL_IN, 0, B + 512, 64, WRITE, 0);
    offer(CONTROL_IN, 0);
    say_control(d, 0, DEVICE_READY, 1, MESSAGE);
    if (!answers(CONTROL_IN, 1) || REG(32, B + 512) != 0 || REG(16, B + 516) != DEVICE_ADD)
        surprise(d, CONTROL_IN, "device ready", "does not tell of port 0");

    start(d, wanted(d));
    put(CONTROL_IN, 0, B + 512, MESSAGE - 1, WRITE, 0);
    offer(CONTROL_IN, 0);
    say_control(d, 0, DEVICE_READY, 1, MESSAGE);
    if (!waits_for_break(d, ENOUGH_US))
        surprise(d, CONTROL_IN, "too small for a control message", "the device does not say that it needs a reset");
    const char *why = reset(d) ? works(d) : "is not reset within a minute";
    if (why)
        surprise(d, CONTROL_IN, "control messages", why);
}

static void torture(struct dev *d)
{
    unsigned before = bad;
    reset(d);
    d->n_queues = REG(16, d->common + NUM_QUEUES);
    d->offered = offered(d);
    registers_of(d);
    disabled_queue(d);
    for (unsigned q = 0; q < d->n_queues && q < MAX_QUEUES; q++)
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            run(d, q, i, wanted(d));
            if (cases[i].indirect) /* never agreed on: as bad */
                run(d, q, i, F_VERSION_1);
        }
    resets_in_the_middle(d);
    if (d->type == CONSOLE)
        control_messages(d);
    say("DEVICE ");
    say_number(d->type);
    say(" in slot ");
    say_number(d->slot);
    say(" queues ");
    say_number(d->n_queues);
    say(bad == before ? " ok\n" : " BAD\n");
}

void guest_main(void)
{
    uint64_t at = WINDOW, bar[6];
    struct dev d[DEVICES];
    unsigned n = 0;
    ram_end = RAM + UINT64_C(256) * 1024 * 1024; /* as the test says */
    for (unsigned slot = 0; slot < 32; slot++) {
        uint32_t id = REG(32, config_of(slot));
        if ((id & 0xffff) != 0x1af4)
            continue;
        d[n] = (struct dev){.slot = slot, .type = (id >> 16) - 0x1040};
        at = place_bars(slot, at, bar);
        n += find_structures(&d[n], bar);
    }
    for (unsigned i = 0; i < n; i++)
        torture(&d[i]);
    say("DEVICES ");
    say_number(n);
    say(" BAD ");
    say_number(bad);
    say("\nVIRTIO-GUEST-END\n");
    register uint64_t x0 asm("x0") = 0x84000008;
    asm volatile("hvc #0" : "+r"(x0) : : "memory");
    for (;;)
        asm volatile("wfi");
}
