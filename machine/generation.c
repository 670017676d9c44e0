/*
 * generation.c - the virtual machine generation ID (Microsoft, "Virtual Machine Generation ID", 2018; Linux devicetree binding
 * rng/microsoft,vmgenid.yaml): 16 bytes by which a guest learns that it, as it stands in memory, is one more copy of a machine, so that what must be unique is not any more.
 *
 * The bytes begin a page of their own that the guest can only read. When they change, an interrupt tells: by ACPI through a Generic Event
 * Device (ACPI 6.5, 5.6.9), by device tree itself. Who the bytes are for is not known here: machine_set_generation.
 */
#include "machine/board.h"

#include "base/error.h"
#include "machine/aml.h"

#include <libfdt.h>
#include <sys/random.h>

#define GED "ACPI0013"

static bool generation_is_known(const uint8_t id[MACHINE_GENERATION_BYTES])
{
    static const uint8_t none[MACHINE_GENERATION_BYTES];
    return memcmp(id, none, sizeof none);
}

bool make_generation(struct machine *m, const struct part *p, struct pome_error *err)
{
    uint8_t id[MACHINE_GENERATION_BYTES];
    memcpy(id, m->config.generation, sizeof id);
    if (!generation_is_known(id) && getrandom(id, sizeof id, 0) != sizeof id)
        return pome_fail_errno(err, "random bytes for the generation ID");
    m->generation = p;
    return mem_add_rom(m->mem, p->gpa, p->bytes, id, sizeof id, err);
}

void describe_generation(const struct machine *m, const struct part *p, void *fdt)
{
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "microsoft,vmgenid");
    FDT_CELLS(fdt, "interrupts", 0, (uint32_t)p->spi, 1 /* edge, rising */);
    fdt_end_node(fdt);
}

/* "ADDR": the lower and the upper half of where the bytes are. */
void declare_generation(const struct machine *m, const struct part *p, struct aml *dsdt)
{
    static const uint8_t notify[] = {0x86, '\\', '.', '_', 'S', 'B', '_', 'V', 'G', 'E', 'N', 0x0a, 0x80}; /* Notify (\_SB.VGEN, 0x80) */
    size_t device = aml_device(dsdt, "VGEN");
    aml_name_string(dsdt, "_HID", "POME0001");
    aml_name_string(dsdt, "_CID", "VM_Gen_Counter");
    aml_name_string(dsdt, "_DDN", "VM_Gen_Counter");
    aml_name(dsdt, "ADDR");
    size_t halves = aml_package(dsdt, 2);
    aml_integer(dsdt, (uint32_t)p->gpa);
    aml_integer(dsdt, p->gpa >> 32);
    aml_end(dsdt, halves);
    aml_end(dsdt, device);
    size_t events = aml_device(dsdt, "GED0");
    aml_name_string(dsdt, "_HID", GED);
    aml_name_integer(dsdt, "_UID", 0);
    size_t crs = aml_crs(dsdt);
    aml_edge_interrupt(dsdt, 32 + (uint32_t)p->spi);
    aml_crs_end(dsdt, crs);
    size_t method = aml_method(dsdt, "_EVT", 1); /* there is one event: which interrupt it was need not be asked */
    aml_put(dsdt, notify, sizeof notify);
    aml_end(dsdt, method);
    aml_end(dsdt, events);
}

bool machine_set_generation(struct machine *m, const uint8_t id[MACHINE_GENERATION_BYTES])
{
    const struct part *p = m->generation;
    uint8_t present[MACHINE_GENERATION_BYTES];
    if (!generation_is_known(id) || !mem_read(m->mem, p->gpa, present, sizeof present) || !memcmp(present, id, sizeof present) ||
        !mem_rom_write(m->mem, p->gpa, id, sizeof present))
        return false;
    const struct irq_line line = gicv3_spi(m->gic, (unsigned)p->spi);
    bus_lock(&m->bus);
    irq_set(&line, true); /* an edge: the interrupt controller remembers it */
    irq_set(&line, false);
    bus_unlock(&m->bus);
    return true;
}
