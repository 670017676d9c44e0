/*
 * gicv2m.c - a message frame beside a GICv3 (Arm DEN0029, Server Base System Architecture 3.1, appendix E).
 *
 * A store of an INTID to MSI_SETSPI_NS makes the SPI pending, as GICD_SETSPI_NSR of the distributor does. The device tree says so of the
 * distributor (mbi-ranges); ACPI can only name frames like this one.
 */
#include "dev/gicv2m.h"

#include <stdlib.h>

#define REGS(R)                                                     \
    R(MSI_TYPER, 0x008, RO)     /* 25:16 first INTID, 9:0 number */ \
    R(MSI_SETSPI_NS, 0x040, WO) /* 9:0 INTID */                     \
    R(MSI_IIDR, 0xfcc, RO)
enum { REGS(REG_ENUM) };
static const struct mmio_reg regs[] = { REGS(REG_ROW) };

struct gicv2m {
    struct device device;
    uint32_t typer;
    struct gicv3 *gic;
};

static uint64_t gicv2m_read(void *dev, uint32_t reg, unsigned bytes)
{
    const struct gicv2m *d = dev;
    return reg == REG_MSI_TYPER ? d->typer : 0;
}

static void gicv2m_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct gicv2m *d = dev;
    gicv3_message(d->gic, reg, (uint32_t)value & 0x3ff);
}

/* It has no state. */
static void reset(void *dev)
{
}

static const struct device_type gicv2m_type = {
    .name = "gicv2m",
    DEVICE_REGS(regs),
    .sizes = 4,
    .read = gicv2m_read,
    .write = gicv2m_write,
    .reset = reset,
    .destroy = free,
};

struct device *gicv2m_create(struct gicv3 *gic, unsigned first_spi, unsigned n)
{
    struct gicv2m *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &gicv2m_type;
    d->gic = gic;
    d->typer = (32 + first_spi) << 16 | n;
    return &d->device;
}
