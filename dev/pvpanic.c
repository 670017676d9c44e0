/* pvpanic.c - one byte register: reads say which events are understood, a write reports one (see pvpanic.h). */
#include "dev/pvpanic.h"

#include <stdlib.h>

static const struct mmio_reg regs[] = { { "EVENT", 0, 2, 1, RW } };

struct pvpanic_state {
    uint32_t last;
};

struct pvpanic {
    struct device device;
    struct pvpanic_state s;
    void (*report)(void *ctx, unsigned event);
    void *ctx;
};

static const struct state_field state[] = { STATE(struct pvpanic_state, last) };

static uint64_t pvpanic_read(void *dev, uint32_t reg, unsigned bytes)
{
    return reg ? 0 : PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

static void pvpanic_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct pvpanic *d = dev;
    unsigned event = value & (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
    if (reg || !event)
        return;
    d->s.last = event;
    d->report(d->ctx, event);
}

static void reset(void *dev)
{
    struct pvpanic *d = dev;
    d->s.last = 0;
}

static const struct device_type pvpanic_type = {
    .name = "pvpanic",
    DEVICE_REGS(regs),
    .sizes = 1 | 2,
    .read = pvpanic_read,
    .write = pvpanic_write,
    .reset = reset,
    .destroy = free,
    DEVICE_STATE(struct pvpanic, s, state),
};

struct device *pvpanic_create(void (*report)(void *ctx, unsigned event), void *ctx)
{
    struct pvpanic *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &pvpanic_type;
    d->report = report;
    d->ctx = ctx;
    return &d->device;
}
