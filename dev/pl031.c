/*
 * pl031.c - Arm PrimeCell real-time clock (DDI 0224C).
 *
 * The counter is "host seconds + offset"; only the offset is state, so a restored machine keeps its own idea of the date
 * while host time moves on. A timer on the loop stands for the comparator.
 */
#include "dev/pl031.h"

#include <stdlib.h>
#include <time.h>

#define REGS(R)                                                                                              \
    R(DR, 0x000, RO)   /* counter, seconds       3.3.1 */                                                    \
    R(MR, 0x004, RW)   /* match                  3.3.2 */                                                    \
    R(LR, 0x008, RW)   /* load: sets the counter 3.3.3 */                                                    \
    R(CR, 0x00c, RW)   /* bit 0: counts          3.3.4 */                                                    \
    R(IMSC, 0x010, RW) /* bit 0: mask            3.3.5 */                                                    \
    R(RIS, 0x014, RO)  /* raw interrupt          3.3.6 */                                                    \
    R(MIS, 0x018, RO)  /* masked interrupt       3.3.7 */                                                    \
    R(ICR, 0x01c, WO)  /* bit 0: clear           3.3.8 */                                                    \
    R(PID0, 0xfe0, RO) R(PID1, 0xfe4, RO) R(PID2, 0xfe8, RO) R(PID3, 0xfec, RO)                              \
    R(CID0, 0xff0, RO) R(CID1, 0xff4, RO) R(CID2, 0xff8, RO) R(CID3, 0xffc, RO)
enum { REGS(REG_ENUM) };
static const struct mmio_reg regs[] = { REGS(REG_ROW) };

struct pl031_state {
    uint32_t offset, match, load, mask, raw;
};

struct pl031 {
    struct device device;
    struct pl031_state s;
    struct irq_line irq;
    struct loop *loop;
    struct loop_timer timer;
};

static const struct state_field state[] = {
    STATE(struct pl031_state, offset), STATE(struct pl031_state, match), STATE(struct pl031_state, load),
    STATE(struct pl031_state, mask),   STATE(struct pl031_state, raw),
};

static uint64_t host_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint32_t counter(const struct pl031 *d)
{
    return (uint32_t)(host_ns() / 1000000000) + d->s.offset;
}

static void update(struct pl031 *d)
{
    irq_set(&d->irq, d->s.raw & d->s.mask);
}

/* Arms the timer for the second in which the counter reaches the match register. */
static void arm(struct pl031 *d)
{
    uint64_t now = host_ns();
    uint32_t left = d->s.match - ((uint32_t)(now / 1000000000) + d->s.offset);
    if (!left)
        left = 1; /* it compares when it counts: equal now has passed unless the guest set it just now */
    loop_timer_set(d->loop, &d->timer, loop_now_ns() + (uint64_t)left * 1000000000 - now % 1000000000);
}

static void expired(void *ctx)
{
    struct pl031 *d = ctx;
    bus_lock(d->device.bus);
    if ((int32_t)(counter(d) - d->s.match) >= 0) {
        d->s.raw = 1;
        update(d);
    } else {
        arm(d);
    }
    bus_unlock(d->device.bus);
}

static uint64_t pl031_read(void *dev, uint32_t reg, unsigned bytes)
{
    static const uint8_t id[8] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }; /* 3.3.9 */
    struct pl031 *d = dev;
    switch (reg) {
    case REG_DR: return counter(d);
    case REG_MR: return d->s.match;
    case REG_LR: return d->s.load;
    case REG_CR: return 1; /* it cannot be stopped */
    case REG_IMSC: return d->s.mask;
    case REG_RIS: return d->s.raw;
    case REG_MIS: return d->s.raw & d->s.mask;
    }
    return reg >= REG_PID0 ? id[(reg - REG_PID0) / 4] : 0;
}

static void pl031_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct pl031 *d = dev;
    uint32_t v = (uint32_t)value;
    switch (reg) {
    case REG_MR:
        d->s.match = v;
        arm(d);
        break;
    case REG_LR:
        d->s.load = v;
        d->s.offset += v - counter(d);
        arm(d);
        break;
    case REG_IMSC: d->s.mask = v & 1; break;
    case REG_ICR: d->s.raw &= ~v; break;
    }
    update(d);
}

static void reset(void *dev)
{
    struct pl031 *d = dev;
    loop_timer_cancel(d->loop, &d->timer);
    d->s = (struct pl031_state){ 0 };
    update(d);
}

static void restored(void *dev)
{
    struct pl031 *d = dev;
    arm(d);
    update(d);
}

static void destroy(void *dev)
{
    struct pl031 *d = dev;
    loop_timer_cancel(d->loop, &d->timer);
    free(d);
}

static const struct device_type pl031_type = {
    .name = "pl031",
    DEVICE_REGS(regs),
    .sizes = 1 | 2 | 4, /* firmware reads the identification a byte at a time */
    .read = pl031_read,
    .write = pl031_write,
    .reset = reset,
    .restored = restored,
    .destroy = destroy,
    DEVICE_STATE(struct pl031, s, state),
};

struct device *pl031_create(struct irq_line irq, struct loop *loop)
{
    struct pl031 *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &pl031_type;
    d->irq = irq;
    d->loop = loop;
    d->timer = (struct loop_timer){ .fn = expired, .ctx = d };
    reset(d);
    return &d->device;
}
