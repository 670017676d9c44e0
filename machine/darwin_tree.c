/*
 * darwin_tree.c - writes the Apple device tree by walking the platform's parts: names and properties that XNU and Apple's drivers look for
 * (XNU, pexpert/arm/pe_identify_machine.c, pe_init.c, pexpert/gicv3.c).
 *
 * /arm-io holds the devices, with addresses from its `ranges` on. What the two cells of an interrupt mean is not published, and no open driver reads
 * them, so devices are described without interrupts.
 */
#include "machine/board.h"

#include "darwin/adt.h"

#include <stdio.h>

#define TREE_PHANDLE_GIC  1
#define TREE_PHANDLE_UART 2

/* Parents see /arm-io begin at the first part: a base of zero is none to XNU. */
static uint64_t io_base(const struct machine *m)
{
    return m->platform->parts[0].gpa;
}

static size_t io_node(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io, const char *name)
{
    size_t node = adt_add(t, arm_io, name);
    ADT_SET_U64S(t, node, "reg", p->gpa - io_base(m), p->bytes);
    return node;
}

/* Strings one after the other, each with its zero. */
#define SET_STRINGS(t, node, name, literal) adt_set(t, node, name, literal, sizeof(literal))

void darwin_gic(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io)
{
    size_t node = adt_add(t, arm_io, "gic");
    SET_STRINGS(t, node, "compatible", "gic,vmapple1\0ARM,gicv3");
    adt_set_text(t, node, "device_type", "interrupt-controller");
    adt_set_text(t, node, "interrupt-controller", "master");
    adt_set_u32(t, node, "#address-cells", 0);
    adt_set_u32(t, node, "#interrupt-cells", 2);
    adt_set_u32(t, node, "AAPL,phandle", TREE_PHANDLE_GIC);
    ADT_SET_U64S(t, node, "reg", p->gpa - io_base(m), p->bytes, machine_redistributors(m) - io_base(m), (uint64_t)m->config.n_cpus * GIC_FRAME_BYTES);
}

void darwin_pl011(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io)
{
    size_t node = io_node(m, p, t, arm_io, "uart0");
    SET_STRINGS(t, node, "compatible", "arm,pl011\0arm,primecell");
    adt_set_text(t, node, "device_type", "uart");
    adt_set_text(t, node, "boot-console", "");
    adt_set_u32(t, node, "AAPL,phandle", TREE_PHANDLE_UART);
}

void darwin_pl031(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io)
{
    size_t node = io_node(m, p, t, arm_io, "rtc");
    SET_STRINGS(t, node, "compatible", "arm,pl031\0arm,primecell");
    adt_set_text(t, node, "device_type", "rtc");
}

void darwin_pl061(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io)
{
    size_t node = io_node(m, p, t, arm_io, "gpio");
    SET_STRINGS(t, node, "compatible", "arm,pl061\0arm,primecell");
    adt_set_text(t, node, "device_type", "gpio");
}

void darwin_pvpanic(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io)
{
    size_t node = io_node(m, p, t, arm_io, "pvpanic");
    adt_set_text(t, node, "compatible", "qemu,pvpanic-mmio");
}

/* PCI Bus Binding to IEEE 1275, 2.2.1: an address is a word of flags and 64 bits; ports, then memory of 32 bits. */
static void set_windows(const struct machine *m, struct adt *t, size_t node)
{
    const struct platform *pl = m->platform;
    const struct {
        uint32_t kind;
        uint64_t bus, gpa, bytes;
    } rows[] = {
        {0x01000000, 0, pl->pci_pio_gpa, pl->pci_pio_bytes},
        {0x02000000, pl->pci_mmio_gpa, pl->pci_mmio_gpa, pl->pci_mmio_bytes},
    };
    uint8_t le[2 * 28];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        le32_put(le + 28 * i, rows[i].kind);
        le64_put(le + 28 * i + 4, rows[i].bus);
        le64_put(le + 28 * i + 12, rows[i].gpa - io_base(m));
        le64_put(le + 28 * i + 20, rows[i].bytes);
    }
    adt_set(t, node, "ranges", le, sizeof le);
}

void darwin_pcie(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io)
{
    size_t node = io_node(m, p, t, arm_io, "pcie");
    uint8_t buses[8] = {0};
    le32_put(buses + 4, (uint32_t)(p->bytes / MiB - 1));
    SET_STRINGS(t, node, "compatible", "pcie,vmapple1");
    adt_set_text(t, node, "device_type", "pci");
    adt_set_u32(t, node, "#address-cells", 3);
    adt_set_u32(t, node, "#size-cells", 2);
    adt_set(t, node, "bus-range", buses, sizeof buses);
    set_windows(m, t, node);
}

/* No cluster-type: XNU's configuration for virtual machines has one kind of core and stops at another. */
static void write_cpus(const struct machine *m, struct adt *t)
{
    size_t cpus = adt_add(t, ADT_ROOT, "cpus");
    adt_set_u32(t, cpus, "#address-cells", 1);
    adt_set_u32(t, cpus, "#size-cells", 0);
    for (unsigned i = 0; i < m->config.n_cpus; i++) {
        char name[16];
        snprintf(name, sizeof name, "cpu%u", i);
        size_t cpu = adt_add(t, cpus, name);
        adt_set_text(t, cpu, "device_type", "cpu");
        adt_set_u32(t, cpu, "cpu-id", i);
        adt_set_u32(t, cpu, "reg", cpu_affinity(m->platform->topology, i));
    }
}

static void write_arm_io(const struct machine *m, struct adt *t)
{
    const struct platform *p = m->platform;
    size_t arm_io = adt_add(t, ADT_ROOT, "arm-io");
    SET_STRINGS(t, arm_io, "compatible", "arm-io,vmapple1");
    adt_set_text(t, arm_io, "device_type", "vmapple2-io");
    adt_set_text(t, arm_io, "soc-generation", "VMApple2");
    adt_set_u32(t, arm_io, "#address-cells", 2);
    adt_set_u32(t, arm_io, "#size-cells", 2);
    ADT_SET_U64S(t, arm_io, "ranges", 0, io_base(m), p->ram_gpa - io_base(m));
    for (size_t i = 0; i < p->n_parts; i++)
        if (p->parts[i].darwin)
            p->parts[i].darwin(m, &p->parts[i], t, arm_io);
}

/* arm/psci.yaml says it for the other kind of tree; XNU calls by HVC without looking. */
static void write_psci(struct adt *t)
{
    size_t psci = adt_add(t, ADT_ROOT, "psci");
    SET_STRINGS(t, psci, "compatible", "arm,psci-1.0");
    adt_set_text(t, psci, "method", "hvc");
}

static void write_memory(const struct machine *m, struct adt *t)
{
    size_t memory = adt_add(t, ADT_ROOT, "memory");
    adt_set_text(t, memory, "device_type", "memory");
    ADT_SET_U64S(t, memory, "reg", m->platform->ram_gpa, m->config.ram_bytes);
}

void darwin_tree_write(const struct machine *m, struct adt *t)
{
    SET_STRINGS(t, ADT_ROOT, "compatible", "AppleVirtualPlatformARM");
    adt_set_text(t, ADT_ROOT, "model", "VirtualMac2,1");
    adt_set_text(t, ADT_ROOT, "target-type", "VMA2MACOS");
    adt_set_u32(t, ADT_ROOT, "#address-cells", 2);
    adt_set_u32(t, ADT_ROOT, "#size-cells", 2);
    adt_add(t, ADT_ROOT, "chosen");
    adt_add(t, ADT_ROOT, "options");
    size_t defaults = adt_add(t, ADT_ROOT, "defaults");
    adt_set_u32(t, defaults, "serial-device", TREE_PHANDLE_UART);
    adt_set_u32(t, defaults, "vmm-present", 1);
    adt_add(t, ADT_ROOT, "product");
    write_memory(m, t);
    write_cpus(m, t);
    write_psci(t);
    write_arm_io(m, t);
}
