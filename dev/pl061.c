/* pl061.c - Arm PrimeCell GPIO (DDI 0190B): eight pins, inputs for a power button, outputs go nowhere. */
#include "dev/pl061.h"

#include <stdlib.h>

/* DATA is 256 words: address bits 9:2 select the pins that the access touches (3.3.1). */
#define REGS(R)                                                                                              \
    R(DIR, 0x400, RW)   /* direction, 1: output      3.3.2 */                                                \
    R(IS, 0x404, RW)    /* sense, 1: level           3.3.3 */                                                \
    R(IBE, 0x408, RW)   /* both edges                3.3.4 */                                                \
    R(IEV, 0x40c, RW)   /* rising edge or high level 3.3.5 */                                                \
    R(IE, 0x410, RW)    /* mask                      3.3.6 */                                                \
    R(RIS, 0x414, RO)   /* raw interrupts            3.3.7 */                                                \
    R(MIS, 0x418, RO)   /* masked interrupts         3.3.8 */                                                \
    R(IC, 0x41c, WO)    /* clear edges               3.3.9 */                                                \
    R(AFSEL, 0x420, RW) /* mode control: kept        3.3.10 */                                               \
    R(PID0, 0xfe0, RO) R(PID1, 0xfe4, RO) R(PID2, 0xfe8, RO) R(PID3, 0xfec, RO)                              \
    R(CID0, 0xff0, RO) R(CID1, 0xff4, RO) R(CID2, 0xff8, RO) R(CID3, 0xffc, RO)
enum { REGS(REG_ENUM) };
static const struct mmio_reg regs[] = { { "DATA", 0, 256, 4, RW }, REGS(REG_ROW) };

struct pl061_state {
    uint32_t data, in, dir, is, ibe, iev, ie, edges, afsel;
};

struct pl061 {
    struct device device;
    struct pl061_state s;
    struct irq_line irq;
};

static const struct state_field state[] = {
    STATE(struct pl061_state, data), STATE(struct pl061_state, in),    STATE(struct pl061_state, dir),
    STATE(struct pl061_state, is),   STATE(struct pl061_state, ibe),   STATE(struct pl061_state, iev),
    STATE(struct pl061_state, ie),   STATE(struct pl061_state, edges), STATE(struct pl061_state, afsel),
};

static uint32_t pins(const struct pl061 *d)
{
    return (d->s.data & d->s.dir) | (d->s.in & ~d->s.dir);
}

static uint32_t raw(const struct pl061 *d)
{
    uint32_t at_level = ~(pins(d) ^ d->s.iev) & d->s.is & 0xff;
    return (at_level & ~d->s.dir) | (d->s.edges & ~d->s.is);
}

static void update(struct pl061 *d)
{
    irq_set(&d->irq, raw(d) & d->s.ie);
}

bool pl061_input_is_high(struct device *dev, unsigned pin)
{
    const struct pl061 *d = (const struct pl061 *)dev;
    return d->s.in >> (pin & 7) & 1;
}

void pl061_input(struct device *dev, unsigned pin, bool high)
{
    struct pl061 *d = (struct pl061 *)dev;
    uint32_t bit = 1u << (pin & 7), was = d->s.in & bit;
    if (!!was == high)
        return;
    d->s.in ^= bit;
    if (!(d->s.dir & bit) && (d->s.ibe & bit || !!(d->s.iev & bit) == high))
        d->s.edges |= bit;
    update(d);
}

static uint64_t pl061_read(void *dev, uint32_t reg, unsigned bytes)
{
    static const uint8_t id[8] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }; /* 3.3.11 */
    struct pl061 *d = dev;
    switch (reg) {
    case REG_DIR: return d->s.dir;
    case REG_IS: return d->s.is;
    case REG_IBE: return d->s.ibe;
    case REG_IEV: return d->s.iev;
    case REG_IE: return d->s.ie;
    case REG_RIS: return raw(d);
    case REG_MIS: return raw(d) & d->s.ie;
    case REG_AFSEL: return d->s.afsel;
    }
    return reg < REG_DIR ? pins(d) & reg >> 2 : id[(reg - REG_PID0) / 4];
}

static void pl061_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct pl061 *d = dev;
    uint32_t v = value & 0xff;
    switch (reg) {
    case REG_DIR: d->s.dir = v; break;
    case REG_IS: d->s.is = v; break;
    case REG_IBE: d->s.ibe = v; break;
    case REG_IEV: d->s.iev = v; break;
    case REG_IE: d->s.ie = v; break;
    case REG_IC: d->s.edges &= ~v; break;
    case REG_AFSEL: d->s.afsel = v; break;
    default: d->s.data = (d->s.data & ~(reg >> 2)) | (v & reg >> 2); break;
    }
    update(d);
}

static void reset(void *dev)
{
    struct pl061 *d = dev;
    d->s = (struct pl061_state){ 0 };
    update(d);
}

static void restored(void *dev)
{
    update(dev);
}

static const struct device_type pl061_type = {
    .name = "pl061",
    DEVICE_REGS(regs),
    .sizes = 1 | 2 | 4,
    .read = pl061_read,
    .write = pl061_write,
    .reset = reset,
    .restored = restored,
    .destroy = free,
    DEVICE_STATE(struct pl061, s, state),
};

struct device *pl061_create(struct irq_line irq)
{
    struct pl061 *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &pl061_type;
    d->irq = irq;
    reset(d);
    return &d->device;
}
