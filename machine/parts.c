/*
 * parts.c - the kinds of parts that platforms are made of: how each is made and wired, and its node in the device tree
 * (Linux Documentation/devicetree/bindings, named at each).
 */
#include "machine/acpi.h"
#include "machine/boot_order.h"
#include "machine/smbios.h"

#include "base/error.h"
#include "dev/boot_report.h"
#include "dev/cfi_flash.h"
#include "dev/fw_cfg.h"
#include "dev/gicv2m.h"
#include "dev/pl011.h"
#include "dev/pl031.h"
#include "dev/pl061.h"
#include "dev/pvpanic.h"

#include <libfdt.h>
#include <stdio.h>

#define POWER_PIN 3

bool machine_add(struct machine *m, struct device *dev, uint64_t gpa, uint64_t bytes, struct pome_error *err)
{
    if (!dev)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "device at 0x%llx", (unsigned long long)gpa);
    assert(m->n_devices < MAX_DEVICES);
    m->device[m->n_devices++] = dev;
    if (bytes)
        bus_map(&m->bus, gpa, bytes, dev);
    return true;
}

static struct irq_line line(const struct machine *m, const struct part *p)
{
    return gicv3_spi(m->gic, (unsigned)p->spi);
}

/* The distributor at gpa, the redistributors behind it: at +0x10000 on the Apple-style platform, +0xa0000 on the generic
 * one, where the GICv2 of old firmware lies in between. */
static uint64_t redist_gpa(const struct machine *m, const struct part *p)
{
    return p->gpa + (m->platform == &platform_apple ? 0x10000 : 0xa0000);
}

uint64_t machine_redistributors(const struct machine *m)
{
    return redist_gpa(m, &m->platform->parts[0]);
}

bool make_gic(struct machine *m, const struct part *p, struct pome_error *err)
{
    m->gic = gicv3_create(m->config.n_cpus, m->platform->topology, m->platform->n_spis, &m->irq_port);
    if (!m->gic)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "interrupt controller");
    machine_add(m, gicv3_dist(m->gic), p->gpa, p->bytes, err);
    bus_map(&m->bus, redist_gpa(m, p), (uint64_t)m->config.n_cpus * GIC_FRAME_BYTES, gicv3_redist(m->gic));
    m->bus.doorbell.gpa = p->gpa;
    m->bus.doorbell.bytes = p->bytes;
    m->bus.doorbell.ring = gicv3_message;
    m->bus.doorbell.ctx = m->gic;
    return true;
}

#define MESSAGE_FRAME 0x20000 /* from the distributor on */

uint64_t machine_message_frame(const struct machine *m)
{
    return m->platform->parts[0].gpa + MESSAGE_FRAME;
}

/* The doorbells of distributor and frame are at the same offset. */
static void ring(void *ctx, uint64_t offset, uint32_t data)
{
    gicv3_message(ctx, offset < MESSAGE_FRAME ? offset : offset - MESSAGE_FRAME, data);
}

/* A second doorbell, for guests that know the machine by ACPI. */
bool make_message_frame(struct machine *m, const struct part *p, struct pome_error *err)
{
    const struct platform *pl = m->platform;
    assert(p->gpa == machine_message_frame(m));
    m->bus.doorbell.bytes = MESSAGE_FRAME + p->bytes;
    m->bus.doorbell.ring = ring;
    return machine_add(m, gicv2m_create(m->gic, pl->first_msi_spi, pl->n_spis - pl->first_msi_spi), p->gpa, p->bytes, err);
}

void describe_nothing(const struct machine *m, const struct part *p, void *fdt)
{
}

/* interrupt-controller/arm,gic-v3.yaml; mbi-ranges are INTIDs */
void describe_gic(const struct machine *m, const struct part *p, void *fdt)
{
    uint64_t redist = redist_gpa(m, p), bytes = (uint64_t)m->config.n_cpus * GIC_FRAME_BYTES;
    char name[40];
    snprintf(name, sizeof name, "%s@%llx", p->name, (unsigned long long)p->gpa);
    fdt_begin_node(fdt, name);
    FDT_STRINGS(fdt, "compatible", "arm,gic-v3");
    FDT_CELLS(fdt, "reg", (uint32_t)(p->gpa >> 32), (uint32_t)p->gpa, 0, (uint32_t)p->bytes, (uint32_t)(redist >> 32),
              (uint32_t)redist, 0, (uint32_t)bytes);
    FDT_CELLS(fdt, "#interrupt-cells", 3);
    FDT_CELLS(fdt, "#address-cells", 0);
    fdt_property(fdt, "interrupt-controller", NULL, 0);
    fdt_property(fdt, "msi-controller", NULL, 0);
    FDT_CELLS(fdt, "mbi-ranges", 32 + m->platform->first_msi_spi, m->platform->n_spis - m->platform->first_msi_spi);
    FDT_CELLS(fdt, "phandle", PHANDLE_GIC);
    fdt_end_node(fdt);
}

bool make_pl011(struct machine *m, const struct part *p, struct pome_error *err)
{
    snprintf(m->console_path, sizeof m->console_path, "/%s@%llx", p->name, (unsigned long long)p->gpa);
    m->uart = pl011_create(line(m, p), m->config.console);
    return machine_add(m, m->uart, p->gpa, p->bytes, err);
}

static void primecell_clock(void *fdt)
{
    FDT_CELLS(fdt, "clocks", PHANDLE_CLOCK);
    FDT_STRINGS(fdt, "clock-names", "apb_pclk");
}

/* serial/pl011.yaml */
void describe_pl011(const struct machine *m, const struct part *p, void *fdt)
{
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "arm,pl011\0arm,primecell");
    FDT_CELLS(fdt, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    FDT_STRINGS(fdt, "clock-names", "uartclk\0apb_pclk");
    fdt_spi(fdt, (unsigned)p->spi);
    fdt_end_node(fdt);
}

void declare_pl011(const struct machine *m, const struct part *p, struct aml *dsdt)
{
    size_t device = aml_device(dsdt, "COM0");
    aml_name_string(dsdt, "_HID", "ARMH0011");
    aml_name_integer(dsdt, "_UID", 0);
    size_t crs = aml_crs(dsdt);
    aml_memory(dsdt, (uint32_t)p->gpa, (uint32_t)p->bytes);
    aml_interrupt(dsdt, 32 + (uint32_t)p->spi);
    aml_crs_end(dsdt, crs);
    aml_end(dsdt, device);
}

bool make_pl031(struct machine *m, const struct part *p, struct pome_error *err)
{
    return machine_add(m, pl031_create(line(m, p), m->config.loop), p->gpa, p->bytes, err);
}

/* rtc/arm,pl031.yaml */
void describe_pl031(const struct machine *m, const struct part *p, void *fdt)
{
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "arm,pl031\0arm,primecell");
    primecell_clock(fdt);
    fdt_spi(fdt, (unsigned)p->spi);
    fdt_end_node(fdt);
}

bool make_pl061(struct machine *m, const struct part *p, struct pome_error *err)
{
    m->gpio = pl061_create(line(m, p));
    return machine_add(m, m->gpio, p->gpa, p->bytes, err);
}

/* gpio/pl061-gpio.yaml, input/gpio-keys.yaml: KEY_POWER (116) on pin 3 */
void describe_pl061(const struct machine *m, const struct part *p, void *fdt)
{
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "arm,pl061\0arm,primecell");
    primecell_clock(fdt);
    fdt_spi(fdt, (unsigned)p->spi);
    fdt_property(fdt, "gpio-controller", NULL, 0);
    FDT_CELLS(fdt, "#gpio-cells", 2);
    FDT_CELLS(fdt, "phandle", PHANDLE_GPIO);
    fdt_end_node(fdt);
    fdt_begin_node(fdt, "gpio-keys");
    FDT_STRINGS(fdt, "compatible", "gpio-keys");
    fdt_begin_node(fdt, "poweroff");
    FDT_STRINGS(fdt, "label", "Power Button");
    FDT_CELLS(fdt, "linux,code", 116);
    FDT_CELLS(fdt, "gpios", PHANDLE_GPIO, POWER_PIN, 0);
    fdt_end_node(fdt);
    fdt_end_node(fdt);
}

/* The GPIO with the power button on its pin: an event (_AEI, _E03) tells the button's device (ACPI 5.6.5, 4.8.3.1.1). */
void declare_pl061(const struct machine *m, const struct part *p, struct aml *dsdt)
{
    static const uint8_t notify[] = {0x86, '\\', '.', '_', 'S', 'B', '_', 'P', 'W', 'R', 'B', 0x0a, 0x80}; /* Notify (\_SB.PWRB, 0x80) */
    size_t device = aml_device(dsdt, "GPI0");
    aml_name_string(dsdt, "_HID", "ARMH0061");
    aml_name_integer(dsdt, "_UID", 0);
    size_t crs = aml_crs(dsdt);
    aml_memory(dsdt, (uint32_t)p->gpa, (uint32_t)p->bytes);
    aml_interrupt(dsdt, 32 + (uint32_t)p->spi);
    aml_crs_end(dsdt, crs);
    size_t events = aml_events(dsdt);
    aml_gpio_interrupt(dsdt, POWER_PIN, "GPI0");
    aml_crs_end(dsdt, events);
    size_t method = aml_method(dsdt, "_E03", 0);
    aml_put(dsdt, notify, sizeof notify);
    aml_end(dsdt, method);
    aml_end(dsdt, device);
    size_t button = aml_device(dsdt, "PWRB");
    aml_name_eisa(dsdt, "_HID", "PNP0C0C");
    aml_name_integer(dsdt, "_UID", 0);
    aml_end(dsdt, button);
}

/* Only with firmware, which hands the tables in it to the operating system; the parts before it are in them. */
bool make_fw_cfg(struct machine *m, const struct part *p, struct pome_error *err)
{
    if (!m->config.rom_bytes)
        return true;
    struct device *d = m->fw_cfg = fw_cfg_create();
    return machine_add(m, d, p->gpa, p->bytes, err) && acpi_add(m, d, err) && smbios_add(m, d, err) && boot_order_add(m, d, err);
}

/* firmware/qemu,fw-cfg-mmio.yaml */
void describe_fw_cfg(const struct machine *m, const struct part *p, void *fdt)
{
    if (!m->config.rom_bytes)
        return;
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "qemu,fw-cfg-mmio");
    fdt_property(fdt, "dma-coherent", NULL, 0);
    fdt_end_node(fdt);
}

void declare_fw_cfg(const struct machine *m, const struct part *p, struct aml *dsdt)
{
    size_t device = aml_device(dsdt, "FWCF");
    aml_name_string(dsdt, "_HID", "QEMU0002");
    aml_name_integer(dsdt, "_STA", 0xb);
    aml_name_integer(dsdt, "_CCA", 1);
    size_t crs = aml_crs(dsdt);
    aml_memory(dsdt, (uint32_t)p->gpa, (uint32_t)p->bytes);
    aml_crs_end(dsdt, crs);
    aml_end(dsdt, device);
}

/* Only with firmware: the flash it is in, of which the reads are memory's, and the one where it keeps variables. */
bool make_flash(struct machine *m, const struct part *p, struct pome_error *err)
{
    if (!m->config.rom_bytes)
        return true;
    if (!machine_add(m, write_protected_flash_create(), m->platform->rom_gpa, m->platform->rom_bytes, err))
        return false;
    struct flash_image *image = flash_image_open(m->config.variables, p->bytes, m->config.loop, err);
    if (!image)
        return false;
    struct device *flash = cfi_flash_create(image);
    if (flash)
        m->flash = image;
    else
        flash_image_close(image);
    return machine_add(m, flash, p->gpa, p->bytes, err);
}

/* mtd/mtd-physmap.yaml */
void describe_flash(const struct machine *m, const struct part *p, void *fdt)
{
    if (!m->config.rom_bytes)
        return;
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "cfi-flash");
    FDT_CELLS(fdt, "bank-width", 4);
    fdt_end_node(fdt);
}

static void report_panic(void *ctx, unsigned event)
{
    struct machine *m = ctx;
    if (m->events.panicked)
        m->events.panicked(m->events.ctx, event & PVPANIC_PANICKED ? "panic" : "crash kernel loaded");
}

bool make_pvpanic(struct machine *m, const struct part *p, struct pome_error *err)
{
    return machine_add(m, pvpanic_create(report_panic, m), p->gpa, p->bytes, err);
}

static void report_start(void *ctx, unsigned what)
{
    struct machine *m = ctx;
    if (m->events.starting)
        m->events.starting(m->events.ctx, what == BOOT_REPORT_RECOVERY);
}

bool make_boot_report(struct machine *m, const struct part *p, struct pome_error *err)
{
    return machine_add(m, boot_report_create(report_start, m), p->gpa, p->bytes, err);
}

/* misc/pvpanic-mmio.txt */
void describe_pvpanic(const struct machine *m, const struct part *p, void *fdt)
{
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "qemu,pvpanic-mmio");
    fdt_end_node(fdt);
}
