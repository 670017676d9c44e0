/* boot_report.c - one register: what the firmware starts (see boot_report.h). */
#include "dev/boot_report.h"

#include <stdlib.h>

static const struct mmio_reg regs[] = { { "STARTING", 0, 1, 4, RW } };

struct boot_report_state {
    uint32_t starting; /* 0: nothing was said yet */
};

struct boot_report {
    struct device device;
    struct boot_report_state s;
    void (*report)(void *ctx, unsigned what);
    void *ctx;
};

static const struct state_field state[] = { STATE(struct boot_report_state, starting) };

static uint64_t boot_report_read(void *dev, uint32_t reg, unsigned bytes)
{
    struct boot_report *d = dev;
    return d->s.starting;
}

static void boot_report_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct boot_report *d = dev;
    if (d->s.starting || !value)
        return;
    d->s.starting = value == BOOT_REPORT_RECOVERY ? BOOT_REPORT_RECOVERY : BOOT_REPORT_SYSTEM;
    d->report(d->ctx, d->s.starting);
}

static void reset(void *dev)
{
    struct boot_report *d = dev;
    d->s.starting = 0;
}

static const struct device_type boot_report_type = {
    .name = "boot_report",
    DEVICE_REGS(regs),
    .sizes = 4,
    .read = boot_report_read,
    .write = boot_report_write,
    .reset = reset,
    .destroy = free,
    DEVICE_STATE(struct boot_report, s, state),
};

struct device *boot_report_create(void (*report)(void *ctx, unsigned what), void *ctx)
{
    struct boot_report *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &boot_report_type;
    d->report = report;
    d->ctx = ctx;
    return &d->device;
}
