/*
 * fdt.c - writes the device tree by walking the platform's parts (Devicetree Specification 0.4; Linux bindings).
 *
 * The sequential writer of libfdt remembers its first failure, so the helpers do not check; fdt_write does, at the end.
 */
#include "machine/board.h"

#include "base/error.h"
#include "dev/pl011.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define FDT_ROOM (64 * KiB)

void fdt_cells(void *fdt, const char *name, const uint32_t *cells, size_t n)
{
    uint8_t be[128];
    assert(n * 4 <= sizeof be);
    for (size_t i = 0; i < n; i++)
        be32_put(be + 4 * i, cells[i]);
    fdt_property(fdt, name, be, (int)n * 4);
}

void fdt_strings(void *fdt, const char *name, const char *strings, size_t bytes)
{
    fdt_property(fdt, name, strings, (int)bytes);
}

void fdt_node(void *fdt, const struct part *p)
{
    char name[40];
    snprintf(name, sizeof name, "%s@%llx", p->name, (unsigned long long)p->gpa);
    fdt_begin_node(fdt, name);
    FDT_CELLS(fdt, "reg", (uint32_t)(p->gpa >> 32), (uint32_t)p->gpa, (uint32_t)(p->bytes >> 32), (uint32_t)p->bytes);
}

void fdt_spi(void *fdt, unsigned spi)
{
    FDT_CELLS(fdt, "interrupts", 0, spi, 4 /* level, high */);
}

static void write_chosen(const struct machine *m, const struct fdt_chosen *chosen, void *fdt)
{
    uint8_t seed[64];
    fdt_begin_node(fdt, "chosen");
    fdt_property_string(fdt, "stdout-path", m->console_path);
    if (chosen->cmdline)
        fdt_property_string(fdt, "bootargs", chosen->cmdline);
    if (chosen->initrd_bytes) {
        fdt_property_u64(fdt, "linux,initrd-start", chosen->initrd_gpa);
        fdt_property_u64(fdt, "linux,initrd-end", chosen->initrd_gpa + chosen->initrd_bytes);
    }
    if (getrandom(seed, sizeof seed, 0) == sizeof seed) {
        fdt_property(fdt, "kaslr-seed", seed, 8);
        fdt_property(fdt, "rng-seed", seed + 8, sizeof seed - 8);
    }
    fdt_end_node(fdt);
}

/* arm/cpus.yaml */
static void write_cpus(const struct machine *m, void *fdt)
{
    fdt_begin_node(fdt, "cpus");
    FDT_CELLS(fdt, "#address-cells", 1);
    FDT_CELLS(fdt, "#size-cells", 0);
    for (unsigned i = 0; i < m->config.n_cpus; i++) {
        char name[16];
        snprintf(name, sizeof name, "cpu@%x", cpu_affinity(m->platform->topology, i));
        fdt_begin_node(fdt, name);
        FDT_STRINGS(fdt, "device_type", "cpu");
        FDT_STRINGS(fdt, "compatible", "arm,armv8");
        FDT_STRINGS(fdt, "enable-method", "psci");
        FDT_CELLS(fdt, "reg", cpu_affinity(m->platform->topology, i));
        fdt_end_node(fdt);
    }
    fdt_end_node(fdt);
}

static void write_memory(const struct machine *m, void *fdt)
{
    struct part ram = { .name = "memory", .gpa = m->platform->ram_gpa, .bytes = m->config.ram_bytes };
    fdt_node(fdt, &ram);
    FDT_STRINGS(fdt, "device_type", "memory");
    fdt_end_node(fdt);
}

/* arm/psci.yaml; timer/arm,arch_timer.yaml: secure 29, physical 30, virtual 27, hypervisor 26 as PPI numbers */
static void write_cpu_parts(void *fdt)
{
    fdt_begin_node(fdt, "psci");
    FDT_STRINGS(fdt, "compatible", "arm,psci-1.0\0arm,psci-0.2");
    FDT_STRINGS(fdt, "method", "hvc");
    fdt_end_node(fdt);
    fdt_begin_node(fdt, "timer");
    FDT_STRINGS(fdt, "compatible", "arm,armv8-timer");
    FDT_CELLS(fdt, "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    fdt_property(fdt, "always-on", NULL, 0);
    fdt_end_node(fdt);
    fdt_begin_node(fdt, "apb-pclk");
    FDT_STRINGS(fdt, "compatible", "fixed-clock");
    FDT_CELLS(fdt, "#clock-cells", 0);
    FDT_CELLS(fdt, "clock-frequency", PL011_CLOCK_HZ);
    FDT_STRINGS(fdt, "clock-output-names", "clk24mhz");
    FDT_CELLS(fdt, "phandle", PHANDLE_CLOCK);
    fdt_end_node(fdt);
}

static size_t strings_bytes(const char *list)
{
    size_t n = strlen(list) + 1;
    return list[n] ? n + strings_bytes(list + n) : n;
}

static void write_tree(const struct machine *m, const struct fdt_chosen *chosen, void *fdt)
{
    const struct platform *p = m->platform;
    fdt_begin_node(fdt, "");
    fdt_strings(fdt, "compatible", p->compatible, strings_bytes(p->compatible));
    fdt_property_string(fdt, "model", p->model);
    FDT_CELLS(fdt, "#address-cells", 2);
    FDT_CELLS(fdt, "#size-cells", 2);
    FDT_CELLS(fdt, "interrupt-parent", PHANDLE_GIC);
    fdt_property(fdt, "dma-coherent", NULL, 0);
    fdt_begin_node(fdt, "aliases");
    fdt_property_string(fdt, "serial0", m->console_path);
    fdt_end_node(fdt);
    write_chosen(m, chosen, fdt);
    write_cpus(m, fdt);
    write_memory(m, fdt);
    write_cpu_parts(fdt);
    for (size_t i = 0; i < p->n_parts; i++)
        p->parts[i].describe(m, &p->parts[i], fdt);
    fdt_end_node(fdt);
}

void *fdt_write(const struct machine *m, const struct fdt_chosen *chosen, size_t *bytes, struct pome_error *err)
{
    size_t room = FDT_ROOM + (chosen->cmdline ? strlen(chosen->cmdline) : 0);
    void *fdt = room < INT32_MAX ? malloc(room) : NULL;
    if (!fdt) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "device tree");
        return NULL;
    }
    fdt_create(fdt, (int)room);
    fdt_finish_reservemap(fdt);
    write_tree(m, chosen, fdt);
    int e = fdt_finish(fdt);
    if (e) {
        pome_fail(err, POME_ERROR_INTERNAL, "device tree: %s", fdt_strerror(e));
        free(fdt);
        return NULL;
    }
    *bytes = fdt_totalsize(fdt);
    return fdt;
}
