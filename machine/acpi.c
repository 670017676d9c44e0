/*
 * acpi.c - ACPI tables for the generic platform (ACPI 6.5; Arm DEN0044, Base Boot Requirements), written by walking the platform's parts, as the
 * device tree is.
 *
 * The tables lie one after the other in one file; pointers between them hold offsets, and a script for the firmware says where to add addresses
 * and sum up (qemu.org, docs/specs, "etc/table-loader"). Interrupts are GSIVs: INTIDs.
 */
#include "machine/acpi.h"

#include "base/error.h"
#include "dev/fw_cfg.h"
#include "dev/gicv2m.h"

#include <stdio.h>

#define FILE_TABLES "etc/acpi/tables"
#define FILE_RSDP   "etc/acpi/rsdp"
#define FILE_LOADER "etc/table-loader"
#define HEADER      36 /* bytes of a table's header, 5.2.6 */

struct acpi {
    const struct machine *m;
    struct aml tables, loader; /* the second: commands of 128 bytes */
    uint32_t at[8];            /* where each table is that the XSDT names */
    unsigned n;
};

/* ---- commands to the firmware ---- */

enum { LOADER_ALLOCATE = 1, LOADER_POINTER = 2, LOADER_CHECKSUM = 3 };
#define LOADER_BYTES 128
#define LOADER_NAME  56

static void loader_put(struct acpi *a, const uint8_t command[LOADER_BYTES])
{
    aml_put(&a->loader, command, LOADER_BYTES);
}

static void loader_allocate(struct acpi *a, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t c[LOADER_BYTES] = {LOADER_ALLOCATE};
    memcpy(c + 4, file, strlen(file));
    le32_put(c + 4 + LOADER_NAME, align);
    c[4 + LOADER_NAME + 4] = zone;
    loader_put(a, c);
}

/* The bytes at `offset` of one file hold an offset in FILE_TABLES: the address it got is added. */
static void loader_pointer(struct acpi *a, const char *file, uint32_t offset, uint8_t bytes)
{
    uint8_t c[LOADER_BYTES] = {LOADER_POINTER};
    memcpy(c + 4, file, strlen(file));
    memcpy(c + 4 + LOADER_NAME, FILE_TABLES, strlen(FILE_TABLES));
    le32_put(c + 4 + 2 * LOADER_NAME, offset);
    c[4 + 2 * LOADER_NAME + 4] = bytes;
    loader_put(a, c);
}

static void loader_checksum(struct acpi *a, const char *file, uint32_t result, uint32_t first, uint32_t n)
{
    uint8_t c[LOADER_BYTES] = {LOADER_CHECKSUM};
    memcpy(c + 4, file, strlen(file));
    le32_put(c + 4 + LOADER_NAME, result);
    le32_put(c + 4 + LOADER_NAME + 4, first);
    le32_put(c + 4 + LOADER_NAME + 8, n);
    loader_put(a, c);
}

/* ---- tables ---- */

static void put32(struct acpi *a, uint32_t v)
{
    uint8_t b[4];
    le32_put(b, v);
    aml_put(&a->tables, b, sizeof b);
}

static void put64(struct acpi *a, uint64_t v)
{
    put32(a, (uint32_t)v);
    put32(a, (uint32_t)(v >> 32));
}

/* 5.2.6 */
static uint32_t table_begin(struct acpi *a, const char *signature, uint8_t revision)
{
    while (a->tables.n % 16)
        aml_byte(&a->tables, 0);
    uint32_t at = (uint32_t)a->tables.n;
    aml_put(&a->tables, signature, 4);
    put32(a, 0); /* length, in table_end */
    aml_byte(&a->tables, revision);
    aml_byte(&a->tables, 0); /* checksum, by the firmware */
    aml_put(&a->tables, "POME  POMEVIRT", 14);
    put32(a, 1);
    aml_put(&a->tables, "POME", 4);
    put32(a, 1);
    return at;
}

static void table_end(struct acpi *a, uint32_t at)
{
    uint32_t n = (uint32_t)a->tables.n - at;
    if (!a->tables.failed)
        le32_put(a->tables.bytes + at + 4, n);
    loader_checksum(a, FILE_TABLES, at + 9, at, n);
}

static void table_named_by_xsdt(struct acpi *a, uint32_t at)
{
    assert(a->n < ARRAY_SIZE(a->at));
    a->at[a->n++] = at;
}

/* 8.4: processors are devices with the UIDs of the MADT. */
static void declare_cpus(const struct machine *m, struct aml *aml)
{
    for (unsigned i = 0; i < m->config.n_cpus; i++) {
        char name[5];
        snprintf(name, sizeof name, "C%03X", i & 0xfff);
        size_t device = aml_device(aml, name);
        aml_name_string(aml, "_HID", "ACPI0007");
        aml_name_integer(aml, "_UID", i);
        aml_end(aml, device);
    }
}

static uint32_t write_dsdt(struct acpi *a)
{
    const struct platform *p = a->m->platform;
    uint32_t at = table_begin(a, "DSDT", 2);
    size_t scope = aml_scope(&a->tables, "\\_SB_");
    declare_cpus(a->m, &a->tables);
    for (size_t i = 0; i < p->n_parts; i++)
        if (p->parts[i].declare)
            p->parts[i].declare(a->m, &p->parts[i], &a->tables);
    aml_end(&a->tables, scope);
    table_end(a, at);
    return at;
}

/* 5.2.9: hardware-reduced, PSCI by HVC; everything else is zero. */
static void write_fadt(struct acpi *a, uint32_t dsdt)
{
    enum { BYTES = 276, FLAGS = 112, ARM_BOOT = 129, MINOR = 131, X_DSDT = 140, VENDOR = 268 };
    uint8_t t[BYTES - HEADER] = {0};
    le32_put(t + (FLAGS - HEADER), 1 << 20);
    le16_put(t + (ARM_BOOT - HEADER), 1 | 2);
    t[MINOR - HEADER] = 5;
    le64_put(t + (X_DSDT - HEADER), dsdt);
    memcpy(t + (VENDOR - HEADER), "POME", 4);
    uint32_t at = table_begin(a, "FACP", 6);
    aml_put(&a->tables, t, sizeof t);
    loader_pointer(a, FILE_TABLES, at + X_DSDT, 8);
    table_end(a, at);
    table_named_by_xsdt(a, at);
}

/* 5.2.12.14 to 17: CPU interfaces, distributor, message frame, redistributors. */
static void write_madt(struct acpi *a)
{
    const struct machine *m = a->m;
    const struct part *gic = &m->platform->parts[0];
    uint32_t at = table_begin(a, "APIC", 5);
    put64(a, 0);
    for (unsigned i = 0; i < m->config.n_cpus; i++) {
        uint8_t gicc[80] = {0x0b, sizeof gicc};
        le32_put(gicc + 4, i);
        le32_put(gicc + 8, i);
        le32_put(gicc + 12, 1); /* enabled */
        le64_put(gicc + 68, cpu_affinity(m->platform->topology, i));
        aml_put(&a->tables, gicc, sizeof gicc);
    }
    uint8_t gicd[24] = {0x0c, sizeof gicd}, frame[24] = {0x0d, sizeof frame}, gicr[16] = {0x0e, sizeof gicr};
    le64_put(gicd + 8, gic->gpa);
    gicd[20] = 3; /* GICv3 */
    aml_put(&a->tables, gicd, sizeof gicd);
    le64_put(frame + 8, machine_message_frame(m));
    aml_put(&a->tables, frame, sizeof frame);
    le64_put(gicr + 4, machine_redistributors(m));
    le32_put(gicr + 12, m->config.n_cpus * GIC_FRAME_BYTES);
    aml_put(&a->tables, gicr, sizeof gicr);
    table_end(a, at);
    table_named_by_xsdt(a, at);
}

/* 5.2.25: secure, physical, virtual, hypervisor timer; level, active high, always on. */
static void write_gtdt(struct acpi *a)
{
    static const uint32_t ppi[4] = {29, 30, 27, 26};
    uint32_t at = table_begin(a, "GTDT", 2);
    put64(a, UINT64_MAX); /* no counter in memory */
    put32(a, 0);
    for (unsigned i = 0; i < 4; i++) {
        put32(a, ppi[i]);
        put32(a, 1 << 2);
    }
    put64(a, UINT64_MAX);
    put64(a, 0); /* no timers in memory */
    table_end(a, at);
    table_named_by_xsdt(a, at);
}

/* PCI Firmware Specification 3.3, 4.1.2 */
static void write_mcfg(struct acpi *a, const struct part *pcie)
{
    uint32_t at = table_begin(a, "MCFG", 1);
    put64(a, 0);
    put64(a, pcie->gpa);
    put32(a, (uint32_t)(pcie->bytes / MiB - 1) << 24); /* segment 0, buses 0 to this */
    put32(a, 0);
    table_end(a, at);
    table_named_by_xsdt(a, at);
}

/* Serial Port Console Redirection Table, revision 2. */
static void write_spcr(struct acpi *a, const struct part *uart)
{
    uint8_t t[80 - HEADER] = {3}; /* PL011 */
    t[5] = 32;                    /* registers in memory, 32 bits */
    t[7] = 3;
    le64_put(t + 8, uart->gpa);
    t[16] = 8; /* a GIC's */
    le32_put(t + 18, 32 + (uint32_t)uart->spi);
    t[22] = 7; /* 115200 */
    t[24] = 1; /* stop bit */
    t[26] = 3; /* ANSI */
    memset(t + 28, 0xff, 4); /* no PCI device */
    uint32_t at = table_begin(a, "SPCR", 2);
    aml_put(&a->tables, t, sizeof t);
    table_end(a, at);
    table_named_by_xsdt(a, at);
}

static const struct part *part_made_by(const struct machine *m, bool (*make)(struct machine *, const struct part *, struct pome_error *))
{
    for (size_t i = 0; i < m->platform->n_parts; i++)
        if (m->platform->parts[i].make == make)
            return &m->platform->parts[i];
    return NULL;
}

static uint32_t write_xsdt(struct acpi *a)
{
    uint32_t at = table_begin(a, "XSDT", 1);
    for (unsigned i = 0; i < a->n; i++) {
        loader_pointer(a, FILE_TABLES, (uint32_t)a->tables.n, 8);
        put64(a, a->at[i]);
    }
    table_end(a, at);
    return at;
}

/* 5.2.5.3 */
static void write_rsdp(struct acpi *a, uint32_t xsdt, uint8_t rsdp[36])
{
    memcpy(rsdp, "RSD PTR \0POME  \2", 16);
    le32_put(rsdp + 20, 36);
    le64_put(rsdp + 24, xsdt);
    loader_pointer(a, FILE_RSDP, 24, 8);
    loader_checksum(a, FILE_RSDP, 8, 0, 20);
    loader_checksum(a, FILE_RSDP, 32, 0, 36);
}

bool acpi_add(struct machine *m, struct device *fw_cfg, struct pome_error *err)
{
    struct acpi a = {.m = m};
    uint8_t rsdp[36] = {0};
    loader_allocate(&a, FILE_TABLES, 64, 1);
    loader_allocate(&a, FILE_RSDP, 16, 2);
    write_fadt(&a, write_dsdt(&a));
    write_madt(&a);
    write_gtdt(&a);
    write_mcfg(&a, part_made_by(m, make_pcie));
    write_spcr(&a, part_made_by(m, make_pl011));
    write_rsdp(&a, write_xsdt(&a), rsdp);
    bool ok = !a.tables.failed && !a.loader.failed && fw_cfg_add(fw_cfg, FILE_TABLES, a.tables.bytes, a.tables.n) &&
              fw_cfg_add(fw_cfg, FILE_RSDP, rsdp, sizeof rsdp) && fw_cfg_add(fw_cfg, FILE_LOADER, a.loader.bytes, a.loader.n);
    aml_free(&a.tables);
    aml_free(&a.loader);
    return ok || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "ACPI tables");
}
