/*
 * pcie.c - the PCI Express bus of a machine and the virtio devices on it.
 *
 * Slots: 0 stays empty, the disks from 1 on in the order of the configuration, then the virtio console, entropy,
 * the power button, and what peripherals.c makes.
 */
#include "machine/aml.h"
#include "machine/board.h"

#include "base/error.h"
#include "dev/backdoor.h"
#include "dev/virtio_blk.h"
#include "dev/virtio_input.h"
#include "dev/virtio_pci.h"
#include "dev/virtio_rng.h"

#include <libfdt.h>

#define DISK_THREADS 4

/* Gives a virtio device its place on the bus. The machine owns it from here on, also when this fails. */
bool machine_plug(struct machine *m, unsigned slot, struct virtio *v, struct pome_error *err)
{
    if (!v)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "virtio device in slot %u", slot);
    struct virtio_pci *t = virtio_pci_create(&m->pci, slot, v);
    if (!t) {
        v->type->destroy(v);
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "virtio device in slot %u", slot);
    }
    m->virtio[slot] = v;
    return machine_add(m, &v->device, 0, 0, err) && machine_add(m, virtio_pci_device(t), 0, 0, err) &&
           machine_add(m, virtio_pci_function(t), 0, 0, err);
}

static bool plug_disk(struct machine *m, unsigned slot, const struct machine_disk *c, struct pome_error *err)
{
    if (c->serial && strlen(c->serial) > 20)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: serial \"%s\" is longer than 20 bytes", c->path,
                         c->serial);
    struct disk *d = disk_open(m->disks, c->path, c->read_only, err);
    if (!d)
        return false;
    if ((c->bytes && !disk_set_range(d, c->path, c->first_byte, c->bytes, err)) || !disk_set_modes(d, c->modes, err)) {
        disk_close(d);
        return false;
    }
    struct virtio *v = virtio_blk_create(&m->bus, d, c->serial, (uint32_t)c->role, m->config.apple_disks);
    if (v)
        m->disk[slot] = d;
    else
        disk_close(d);
    return machine_plug(m, slot, v, err);
}

bool machine_plug_disk(struct machine *m, const struct machine_disk *disk, struct pome_error *err)
{
    for (unsigned slot = PCI_SLOTS - 1; slot > 0; slot--)
        if (!m->virtio[slot] && m->n_devices + 3 <= MAX_DEVICES)
            return plug_disk(m, slot, disk, err);
    return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: no place on the PCI bus is free", disk->path);
}

struct disk *machine_disk_at(const struct machine *m, const char *path)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        if (m->disk[slot] && !strcmp(disk_path(m->disk[slot]), path))
            return m->disk[slot];
    return NULL;
}

static struct disk *disk_with_role(const struct machine *m, enum machine_disk_role role)
{
    for (unsigned i = 0; i < m->config.n_disks; i++)
        if (m->config.disks[i].role == role)
            return m->disk[machine_disk_slot(i)];
    return NULL;
}

/* Only for a boot ROM of the user's: ours reads disks through their virtio device. */
bool make_backdoor(struct machine *m, const struct part *p, struct pome_error *err)
{
    return !m->config.foreign_rom ||
           machine_add(m, backdoor_create(&m->bus, disk_with_role(m, MACHINE_DISK_ROOT), disk_with_role(m, MACHINE_DISK_AUX)), p->gpa, p->bytes, err);
}

unsigned machine_disk_slot(unsigned i)
{
    return 1 + i;
}

bool make_pcie(struct machine *m, const struct part *p, struct pome_error *err)
{
    const struct platform *pl = m->platform;
    struct irq_line intx[4];
    for (unsigned i = 0; i < 4; i++)
        intx[i] = gicv3_spi(m->gic, (unsigned)p->spi + i);
    pci_bus_init(&m->pci, &m->bus, p->gpa, p->bytes, intx);
    pci_bus_add_window(&m->pci, pl->pci_mmio_gpa, pl->pci_mmio_bytes);
    pci_bus_add_window(&m->pci, pl->pci_pio_gpa, pl->pci_pio_bytes); /* nothing has ports: reads give ones */
    m->disks = disk_pool_create(m->config.loop, DISK_THREADS, err);
    if (!m->disks)
        return false;
    unsigned slot = machine_disk_slot(0);
    for (size_t i = 0; i < m->config.n_disks; i++)
        if (!plug_disk(m, slot++, &m->config.disks[i], err))
            return false;
    if (!machine_plug(m, slot++, virtio_rng_create(&m->bus), err))
        return false;
    m->button = virtio_input_create(&m->bus);
    return machine_plug(m, slot++, m->button, err) && machine_plug_peripherals(m, slot, err);
}

/* pci/host-generic-pci.yaml. INTx of slot s, pin A, is line s % 4; so for each of four slots and pins. */
static void describe_intx(const struct part *p, void *fdt)
{
    uint8_t map[16 * 8 * 4], *at = map;
    for (uint32_t slot = 0; slot < 4; slot++)
        for (uint32_t pin = 1; pin <= 4; pin++) {
            const uint32_t row[8] = { slot << 11, 0, 0, pin, PHANDLE_GIC, 0, (uint32_t)p->spi + (slot + pin - 1) % 4, 4 };
            for (unsigned i = 0; i < 8; i++, at += 4)
                be32_put(at, row[i]);
        }
    fdt_property(fdt, "interrupt-map", map, sizeof map);
    FDT_CELLS(fdt, "interrupt-map-mask", 3 << 11, 0, 0, 7);
}

/* PCI Firmware Specification 3.3, 4.5.1: the operating system may control whatever it asks for. */
static void declare_osc(struct aml *dsdt)
{
    static const uint8_t is_pcie[] = { /* LEqual (Arg0, ToUUID ("33DB4D5B-1FF7-401C-9657-7441C03DD766")) */
        0x93, 0x68, 0x11, 0x13, 0x0a, 0x10,
        0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66,
    };
    static const uint8_t status[] = {0x8a, 0x6b, 0x00, 'C', 'D', 'W', '1'};  /* CreateDWordField (Arg3, 0, CDW1) */
    static const uint8_t return_arg3[] = {0xa4, 0x6b};
    static const uint8_t unknown_uuid[] = {0x7d, 'C', 'D', 'W', '1', 0x0a, 0x04, 'C', 'D', 'W', '1'}; /* Or (CDW1, 4, CDW1) */
    size_t method = aml_method(dsdt, "_OSC", 4);
    aml_put(dsdt, status, sizeof status);
    size_t known = aml_if(dsdt);
    aml_put(dsdt, is_pcie, sizeof is_pcie);
    aml_put(dsdt, return_arg3, sizeof return_arg3);
    aml_end(dsdt, known);
    aml_put(dsdt, unknown_uuid, sizeof unknown_uuid);
    aml_put(dsdt, return_arg3, sizeof return_arg3);
    aml_end(dsdt, method);
}

/* ACPI 6.2.13: {slot, pin, no source, GSIV}; as describe_intx, for all slots. */
static void declare_intx(const struct part *p, struct aml *dsdt)
{
    aml_name(dsdt, "_PRT");
    size_t table = aml_package(dsdt, PCI_SLOTS * 4);
    for (uint32_t slot = 0; slot < PCI_SLOTS; slot++)
        for (uint32_t pin = 0; pin < 4; pin++) {
            size_t row = aml_package(dsdt, 4);
            aml_integer(dsdt, slot << 16 | 0xffff);
            aml_integer(dsdt, pin);
            aml_integer(dsdt, 0);
            aml_integer(dsdt, 32 + (uint32_t)p->spi + (slot + pin) % 4);
            aml_end(dsdt, row);
        }
    aml_end(dsdt, table);
}

void declare_pcie(const struct machine *m, const struct part *p, struct aml *dsdt)
{
    const struct platform *pl = m->platform;
    size_t device = aml_device(dsdt, "PCI0");
    aml_name_eisa(dsdt, "_HID", "PNP0A08");
    aml_name_eisa(dsdt, "_CID", "PNP0A03");
    aml_name_integer(dsdt, "_SEG", 0);
    aml_name_integer(dsdt, "_BBN", 0);
    aml_name_integer(dsdt, "_UID", 0);
    aml_name_integer(dsdt, "_CCA", 1);
    declare_intx(p, dsdt);
    size_t crs = aml_crs(dsdt);
    aml_bus_numbers(dsdt, 0, (uint16_t)(p->bytes / MiB));
    aml_window(dsdt, AML_WINDOW_MEMORY, (uint32_t)pl->pci_mmio_gpa, (uint32_t)pl->pci_mmio_bytes, 0);
    aml_window(dsdt, AML_WINDOW_IO, 0, (uint32_t)pl->pci_pio_bytes, (uint32_t)pl->pci_pio_gpa);
    aml_crs_end(dsdt, crs);
    declare_osc(dsdt);
    aml_end(dsdt, device);
    size_t ecam = aml_device(dsdt, "RES0"); /* the configuration space is nobody else's: PCI Firmware Specification 4.1.2 */
    aml_name_eisa(dsdt, "_HID", "PNP0C02");
    size_t taken = aml_crs(dsdt);
    aml_memory(dsdt, (uint32_t)p->gpa, (uint32_t)p->bytes);
    aml_crs_end(dsdt, taken);
    aml_end(dsdt, ecam);
}

void describe_pcie(const struct machine *m, const struct part *p, void *fdt)
{
    const struct platform *pl = m->platform;
    fdt_node(fdt, p);
    FDT_STRINGS(fdt, "compatible", "pci-host-ecam-generic");
    FDT_STRINGS(fdt, "device_type", "pci");
    FDT_CELLS(fdt, "#address-cells", 3);
    FDT_CELLS(fdt, "#size-cells", 2);
    FDT_CELLS(fdt, "#interrupt-cells", 1);
    FDT_CELLS(fdt, "linux,pci-domain", 0);
    FDT_CELLS(fdt, "bus-range", 0, (uint32_t)(p->bytes / MiB - 1));
    FDT_CELLS(fdt, "ranges", 0x01000000, 0, 0, 0, (uint32_t)pl->pci_pio_gpa, 0, (uint32_t)pl->pci_pio_bytes, /* ports */
              0x02000000, 0, (uint32_t)pl->pci_mmio_gpa, 0, (uint32_t)pl->pci_mmio_gpa, 0, (uint32_t)pl->pci_mmio_bytes);
    FDT_CELLS(fdt, "msi-parent", PHANDLE_GIC);
    fdt_property(fdt, "dma-coherent", NULL, 0);
    describe_intx(p, fdt);
    fdt_end_node(fdt);
}
