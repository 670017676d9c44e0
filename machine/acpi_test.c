/* acpi_test.c - plays the firmware: reads the files of fw_cfg, links the tables, and looks whether they are whole. */
#include "machine/machine.h"

#include "base/bits.h"
#include "cpu/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define FW_CFG   UINT64_C(0x09020000)
#define TABLES   UINT64_C(0x50000000) /* where this firmware puts them */
#define RSDP     UINT64_C(0x5ff00000)
#define N_CPUS   5

static struct machine *m;
static struct loop *loop;

static void no_line(void *ctx, unsigned cpu, bool level)
{
}

static int setup(void **state)
{
    static const struct cpu_irq_port port = {.set_irq = no_line, .set_fiq = no_line};
    static const uint8_t code[4] = {0x14};
    struct pome_error err = {0};
    loop = loop_create(NULL);
    const struct machine_config c = {
        .platform = MACHINE_GENERIC, .n_cpus = N_CPUS, .ram_bytes = GiB, .loop = loop, .rom = code, .rom_bytes = sizeof code};
    m = machine_create(&c, &port, NULL, &err);
    if (!m)
        print_error("%s\n", err.message);
    return !m;
}

static int teardown(void **state)
{
    machine_destroy(m);
    loop_destroy(loop);
    return 0;
}

static void select_item(uint16_t key)
{
    const struct cpu_board *b = machine_board(m);
    assert_true(b->mmio_write(b->ctx, 0, FW_CFG + 8, 2, __builtin_bswap16(key)));
}

static void read_bytes(uint8_t *to, size_t n)
{
    const struct cpu_board *b = machine_board(m);
    for (size_t i = 0; i < n; i++) {
        uint64_t v;
        assert_true(b->mmio_read(b->ctx, 0, FW_CFG, 1, &v));
        to[i] = (uint8_t)v;
    }
}

/* The file `name` of the directory, by DMA into RAM at gpa. Its bytes. */
static uint32_t fetch(const char *name, uint64_t gpa)
{
    uint8_t count[4], entry[64], request[16] = {0}, answer[4];
    const struct cpu_board *b = machine_board(m);
    select_item(0x19);
    read_bytes(count, 4);
    for (uint32_t i = be32_get(count); i; i--) {
        read_bytes(entry, sizeof entry);
        if (strcmp((char *)entry + 8, name))
            continue;
        uint32_t n = be32_get(entry);
        be32_put(request, (uint32_t)(entry[4] << 8 | entry[5]) << 16 | 8 | 2); /* select, read */
        be32_put(request + 4, n);
        be32_put(request + 12, (uint32_t)gpa);
        assert_true(mem_write(machine_mem(m), 0x48000000, request, sizeof request));
        assert_true(b->mmio_write(b->ctx, 0, FW_CFG + 0x10, 8, __builtin_bswap64(0x48000000)));
        assert_true(mem_read(machine_mem(m), 0x48000000, answer, 4));
        assert_int_equal(be32_get(answer), 0);
        return n;
    }
    fail_msg("no file %s", name);
    return 0;
}

static uint8_t *at(uint64_t gpa, uint64_t n)
{
    uint8_t *p = mem_ptr(machine_mem(m), gpa, n, true);
    assert_non_null(p);
    return p;
}

static uint64_t place(const uint8_t *name)
{
    return strcmp((const char *)name, "etc/acpi/rsdp") ? TABLES : RSDP;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;
    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

static void run_loader(const uint8_t *c, uint32_t n)
{
    for (; n >= 128; n -= 128, c += 128) {
        uint32_t command = le32_get(c);
        if (command == 2) {
            uint8_t *p = at(place(c + 4) + le32_get(c + 116), 8);
            assert_int_equal(c[120], 8);
            le64_put(p, le64_get(p) + place(c + 60));
        } else if (command == 3) {
            uint32_t first = le32_get(c + 64), bytes = le32_get(c + 68);
            uint8_t *result = at(place(c + 4) + le32_get(c + 60), 1);
            *result = (uint8_t)(*result - sum(at(place(c + 4) + first, bytes), bytes));
        } else {
            assert_int_equal(command, 1);
        }
    }
}

static void link_tables(void)
{
    uint8_t loader[8192];
    fetch("etc/acpi/tables", TABLES);
    fetch("etc/acpi/rsdp", RSDP);
    uint32_t n = fetch("etc/table-loader", 0x49000000);
    assert_true(n && n <= sizeof loader && n % 128 == 0);
    memcpy(loader, at(0x49000000, n), n);
    run_loader(loader, n);
}

/* Every table that the XSDT names, and the DSDT: a signature each, whole. */
static const uint8_t *table(const char *signature)
{
    const uint8_t *xsdt = at(le64_get(at(RSDP, 36) + 24), 36);
    for (uint32_t i = 36; i < le32_get(xsdt + 4); i += 8) {
        uint8_t *t = at(le64_get(xsdt + i), 36);
        if (!memcmp(signature, "DSDT", 4) && !memcmp(t, "FACP", 4))
            return at(le64_get(t + 140), 36);
        if (!memcmp(t, signature, 4))
            return t;
    }
    fail_msg("no table %s", signature);
    return NULL;
}

static void tables_are_linked_and_whole(void **state)
{
    static const char *const names[] = {"FACP", "DSDT", "APIC", "GTDT", "MCFG", "SPCR"};
    link_tables();
    const uint8_t *rsdp = at(RSDP, 36);
    assert_memory_equal(rsdp, "RSD PTR ", 8);
    assert_int_equal(sum(rsdp, 20), 0);
    assert_int_equal(sum(rsdp, 36), 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const uint8_t *t = table(names[i]);
        assert_memory_equal(t, names[i], 4);
        if (sum(t, le32_get(t + 4)))
            fail_msg("%s: wrong checksum", names[i]);
    }
}

static void the_madt_tells_of_every_cpu(void **state)
{
    unsigned cpus = 0, frames = 0;
    link_tables();
    const uint8_t *madt = table("APIC"), *end = madt + le32_get(madt + 4);
    for (const uint8_t *p = madt + 44; p < end; p += p[1]) {
        assert_true(p[1] >= 16 && p[1] <= end - p);
        if (p[0] == 0x0b) {
            assert_int_equal(le64_get(p + 68), cpu_affinity(CPU_CLUSTERS, cpus) & 0xff00ffffff);
            cpus++;
        }
        frames += p[0] == 0x0d && le64_get(p + 8) == 0x08020000;
    }
    assert_int_equal(cpus, N_CPUS);
    assert_int_equal(frames, 1);
}

/* The disassembler reads it, and the compiler takes what the disassembler wrote. */
static void the_dsdt_is_acpi_machine_language(void **state)
{
    if (system("command -v iasl >/dev/null 2>&1"))
        skip(); /* package acpica-tools */
    link_tables();
    const uint8_t *dsdt = table("DSDT");
    char dir[] = "/tmp/pome-acpi-XXXXXX", command[512];
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command, "%s/dsdt.aml", dir);
    FILE *f = fopen(command, "wb");
    assert_int_equal(fwrite(dsdt, 1, le32_get(dsdt + 4), f), le32_get(dsdt + 4));
    fclose(f);
    snprintf(command, sizeof command, "cd %s && iasl -d dsdt.aml >log 2>&1 && iasl -p again dsdt.dsl >>log 2>&1 && grep -q '_OSC' dsdt.dsl && "
                                      "grep -q 'GpioInt (Edge, ActiveHigh' dsdt.dsl && grep -q 'Interrupt (ResourceConsumer, Edge, ActiveHigh' dsdt.dsl && "
                                      "grep -q ' 0 Errors' log || { cat log; false; }", dir);
    int e = system(command);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(e, 0);
}

/* What Linux looks for (drivers/virt/vmgenid.c): a device that is compatible with the counter, ADDR with two numbers, and somebody who notifies it. */
static void the_dsdt_has_the_generation_id(void **state)
{
    static const char id[] = "_CID\x0dVM_Gen_Counter", notify[] = "\x86\\._SB_VGEN\x0a\x80";
    link_tables();
    const uint8_t *dsdt = table("DSDT");
    const uint32_t n = le32_get(dsdt + 4);
    assert_non_null(memmem(dsdt, n, id, sizeof id));
    const uint8_t *p = memmem(dsdt, n, "ADDR\x12", 5);
    assert_non_null(p);
    p += 5 + 1 + (p[5] >> 6); /* the package's length */
    assert_true(p[0] == 2 && p[1] == 0x0c && p[6] == 0); /* two numbers: 32 bits, zero */
    uint8_t found[MACHINE_GENERATION_BYTES], none[MACHINE_GENERATION_BYTES] = {0};
    assert_true(mem_read(machine_mem(m), le32_get(p + 2), found, sizeof found));
    assert_memory_not_equal(found, none, sizeof found); /* drawn, as none was given */
    assert_non_null(memmem(dsdt, n, notify, sizeof notify - 1));
}

static void requests_of_fw_cfg_stay_in_memory(void **state)
{
    const struct cpu_board *b = machine_board(m);
    uint8_t request[16] = {0}, answer[4];
    be32_put(request, 2);
    be32_put(request + 4, UINT32_MAX); /* longer than memory */
    be32_put(request + 12, 0x7ffff000);
    mem_write(machine_mem(m), 0x48000000, request, sizeof request);
    b->mmio_write(b->ctx, 0, FW_CFG + 0x10, 4, 0);
    b->mmio_write(b->ctx, 0, FW_CFG + 0x14, 4, __builtin_bswap32(0x48000000));
    mem_read(machine_mem(m), 0x48000000, answer, 4);
    assert_int_equal(be32_get(answer), 1);
    assert_true(b->mmio_write(b->ctx, 0, FW_CFG + 0x10, 8, UINT64_MAX)); /* a request where no memory is */
    select_item(0x777);
    read_bytes(answer, 4);
    assert_int_equal(le32_get(answer), 0);
    select_item(0);
    read_bytes(answer, 4);
    assert_memory_equal(answer, "QEMU", 4);
}

/* Each SMBIOS structure is whole and named once; what firmware looks at before it takes them is right (DSP0134, 5.2.2, 6.1). */
static void smbios_is_whole(void **state)
{
    const uint8_t *a = at(0x4b000000, 24), *p, *end;
    unsigned seen[128] = {0};
    assert_int_equal(fetch("etc/smbios/smbios-anchor", 0x4b000000), 24);
    uint32_t n = fetch("etc/smbios/smbios-tables", 0x4b001000);
    assert_memory_equal(a, "_SM3_", 5);
    assert_true(a[6] == 24 && !sum(a, 24) && le32_get(a + 12) == n);
    for (p = at(0x4b001000, n), end = p + n; p < end;) {
        const uint8_t *texts = p + p[1];
        unsigned n_texts = 0;
        assert_true(p[0] < 128 && p[1] >= 4 && texts + 2 <= end);
        seen[p[0]]++;
        if (p[0] == 1)
            assert_string_equal((const char *)texts, "Pome");
        if (p[0] == 4)
            assert_int_equal(p[35], N_CPUS);
        if (p[0] == 17)
            assert_int_equal(le16_get(p + 12), 1024); /* MiB */
        const uint8_t type = p[0];
        for (p = texts; *p; n_texts++)
            p += strlen((const char *)p) + 1;
        p += n_texts ? 1 : 2;
        assert_true(p <= end && (type == 127) == (p == end));
    }
    static const uint8_t wanted[] = {1, 3, 4, 16, 17, 19, 32, 127};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        assert_int_equal(seen[wanted[i]], 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(tables_are_linked_and_whole), T(the_madt_tells_of_every_cpu), T(the_dsdt_is_acpi_machine_language), T(the_dsdt_has_the_generation_id), T(requests_of_fw_cfg_stay_in_memory), T(smbios_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
