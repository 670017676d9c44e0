/* machine_test.c - configuration checks, the device tree, loading a kernel, reset. */
#include "machine/board.h"

#include "base/bits.h"
#include "dev/gicv3.h"

#include <elf.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static bool irq_level[8];
static void set_irq(void *ctx, unsigned cpu, bool level)
{
    irq_level[cpu] = level;
}
static void set_fiq(void *ctx, unsigned cpu, bool level)
{
}
static const struct cpu_irq_port port = { .set_irq = set_irq, .set_fiq = set_fiq };

static struct loop *loop;
static struct machine *create(struct machine_config c, struct pome_error *err)
{
    c.loop = loop;
    return machine_create(&c, &port, NULL, err);
}

static struct machine *create_ok(enum machine_platform platform, unsigned n_cpus, uint64_t ram_bytes)
{
    struct pome_error err = { 0 };
    struct machine *m =
        create((struct machine_config){ .platform = platform, .n_cpus = n_cpus, .ram_bytes = ram_bytes }, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static void bad_configurations_are_named(void **state)
{
    static const struct {
        struct machine_config c;
        const char *word;
    } rows[] = {
        { { .n_cpus = 0, .ram_bytes = 256 * MiB }, "cpuCount" },
        { { .n_cpus = 33, .ram_bytes = 256 * MiB }, "cpuCount" },
        { { .n_cpus = 1, .ram_bytes = 127 * MiB }, "memory" },
        { { .n_cpus = 1, .ram_bytes = 256 * GiB }, "memory" },
        { { .n_cpus = 1, .ram_bytes = 256 * MiB + 4096 }, "memory" },
        { { .n_cpus = 1, .ram_bytes = 256 * MiB, .n_disks = 17 }, "disks" },
        { { .n_cpus = 1, .ram_bytes = 256 * MiB, .platform = 7 }, "platform" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pome_error err = { 0 };
        assert_null(create(rows[i].c, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
        assert_non_null(strstr(err.message, rows[i].word));
    }
}

static char *write_file(const char *name, const void *bytes, size_t n)
{
    char *path;
    const char *dir = getenv("TMPDIR");
    assert_true(asprintf(&path, "%s/pome-machine-%d-%s", dir ? dir : "/tmp", (int)getpid(), name) > 0);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    return path;
}

static void forget_file(char *path)
{
    unlink(path);
    free(path);
}

/* A header that booting.rst would accept, and nothing behind it but a pattern. */
static void make_image(uint8_t *image, size_t n, uint64_t text_offset, uint64_t image_size)
{
    for (size_t i = 0; i < n; i++)
        image[i] = (uint8_t)(i * 7 + 1);
    le64_put(image + 8, text_offset);
    le64_put(image + 16, image_size);
    le64_put(image + 24, 0xa);
    le32_put(image + 56, 0x644d5241);
}

static void check_dtc(const void *fdt, size_t bytes)
{
    char *path = write_file("dtb", fdt, bytes), command[256], line[256];
    snprintf(command, sizeof command, "dtc -I dtb -O dts -o /dev/null %s 2>&1", path);
    FILE *f = popen(command, "r");
    bool any = false;
    while (fgets(line, sizeof line, f)) {
        print_message("%s", line);
        any |= !strstr(line, "not found"); /* no dtc on this host */
    }
    pclose(f);
    forget_file(path);
    assert_false(any);
}

static void the_tree_is_clean_and_complete(void **state)
{
    static const struct {
        enum machine_platform platform;
        uint64_t ram_gpa;
    } rows[] = { { MACHINE_GENERIC, 0x40000000 }, { MACHINE_APPLE, 0x70000000 } };
    uint8_t image[8192];
    make_image(image, sizeof image, 0, 64 * KiB);
    char *kernel = write_file("kernel", image, sizeof image), *initrd = write_file("initrd", "ramdisk", 7);
    for (size_t i = 0; i < 2; i++) {
        struct machine *m = create_ok(rows[i].platform, 4, 20 * GiB);
        struct machine_kernel what = { .kernel_path = kernel, .initrd_path = initrd, .cmdline = "console=ttyAMA0 x" };
        assert_true(machine_load_kernel(m, &what, NULL));
        size_t bytes;
        const void *fdt = machine_fdt(m, &bytes);
        check_dtc(fdt, bytes);
        assert_int_equal(fdt_check_full(fdt, bytes), 0);
        int chosen = fdt_path_offset(fdt, "/chosen"), len;
        assert_string_equal(fdt_getprop(fdt, chosen, "bootargs", &len), "console=ttyAMA0 x");
        assert_true(fdt_path_offset(fdt, fdt_getprop(fdt, chosen, "stdout-path", &len)) > 0);
        uint64_t start = be64_get(fdt_getprop(fdt, chosen, "linux,initrd-start", &len));
        assert_int_equal(be64_get(fdt_getprop(fdt, chosen, "linux,initrd-end", &len)), start + 7);
        assert_memory_equal(mem_ptr(machine_mem(m), start, 7, false), "ramdisk", 7);
        int memory = fdt_node_offset_by_prop_value(fdt, -1, "device_type", "memory", 7);
        const uint8_t *reg = fdt_getprop(fdt, memory, "reg", &len);
        assert_int_equal(len, 16);
        assert_int_equal(be64_get(reg), rows[i].ram_gpa);
        assert_int_equal(be64_get(reg + 8), 20 * GiB);
        assert_true(fdt_path_offset(fdt, "/cpus/cpu@3") > 0);
        struct machine_entry e;
        assert_true(machine_entry(m, &e));
        assert_int_equal(e.pc, rows[i].ram_gpa);
        assert_memory_equal(mem_ptr(machine_mem(m), e.pc, sizeof image, false), image, sizeof image);
        assert_memory_equal(mem_ptr(machine_mem(m), e.x0, bytes, false), fdt, bytes);
        machine_destroy(m);
    }
    forget_file(kernel);
    forget_file(initrd);
}

static void gzip_is_unpacked(void **state)
{
    static uint8_t image[300000], packed[400000];
    make_image(image, sizeof image, 0x80000, 1 * MiB);
    z_stream z = { 0 };
    deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    z.next_in = image;
    z.avail_in = sizeof image;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    struct machine *m = create_ok(MACHINE_GENERIC, 1, 128 * MiB);
    char *path = write_file("gz", packed, n);
    assert_true(machine_load_kernel(m, &(struct machine_kernel){ .kernel_path = path }, NULL));
    struct machine_entry e;
    assert_true(machine_entry(m, &e));
    assert_int_equal(e.pc, 0x40080000);
    assert_memory_equal(mem_ptr(machine_mem(m), e.pc, sizeof image, false), image, sizeof image);
    forget_file(path);
    path = write_file("gz-short", packed, n / 2);
    struct pome_error err;
    assert_false(machine_load_kernel(m, &(struct machine_kernel){ .kernel_path = path }, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
    assert_false(machine_entry(m, &e));
    forget_file(path);
    machine_destroy(m);
}

/* One segment of code at a physical address, linked elsewhere. */
static size_t make_elf(uint8_t *file, uint64_t physical, uint64_t entry)
{
    Elf64_Ehdr e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC, .e_machine = EM_AARCH64, .e_version = 1,
                     .e_entry = entry, .e_phoff = sizeof e, .e_ehsize = sizeof e, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 };
    Elf64_Phdr p = { .p_type = PT_LOAD, .p_flags = 5, .p_offset = 256, .p_vaddr = 0xffff000000001000, .p_paddr = physical, .p_filesz = 8, .p_memsz = 0x3000 };
    memset(file, 0, 512);
    memcpy(file, &e, sizeof e);
    memcpy(file + sizeof e, &p, sizeof p);
    memcpy(file + 256, "the code", 8);
    return 264;
}

static void an_elf_program_goes_to_its_physical_addresses(void **state)
{
    static const struct {
        uint64_t physical, entry;
        int machine;
        const char *says;
    } rows[] = {
        { 0x40200000, 0xffff000000001004, EM_AARCH64, NULL },
        { 0x30000000, 0xffff000000001004, EM_AARCH64, "physical address 0x30000000" },
        { 0x40000000 + 128 * MiB - 0x1000, 0xffff000000001004, EM_AARCH64, "physical address" },
        { UINT64_MAX - 0x1000, 0xffff000000001004, EM_AARCH64, "physical address" },
        { 0x40200000, 0xffff000000004000, EM_AARCH64, "lies in no segment" },
        { 0x40200000, 0xffff000000001004, EM_X86_64, "machine 62" },
    };
    struct machine *m = create_ok(MACHINE_GENERIC, 1, 128 * MiB);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t file[512];
        size_t n = make_elf(file, rows[i].physical, rows[i].entry);
        file[18] = (uint8_t)rows[i].machine;
        char *path = write_file("elf", file, n);
        struct pome_error err = { 0 };
        struct machine_entry e;
        assert_int_equal(machine_load_kernel(m, &(struct machine_kernel){ .kernel_path = path }, &err), !rows[i].says);
        assert_int_equal(machine_entry(m, &e), !rows[i].says);
        if (rows[i].says && !strstr(err.message, rows[i].says))
            fail_msg("row %zu: \"%s\"", i, err.message);
        if (!rows[i].says) {
            assert_true(e.pc == 0x40200004 && e.x0 == 0x40400000);
            assert_memory_equal(mem_ptr(machine_mem(m), 0x40200000, 8, false), "the code", 8);
            assert_int_equal(be32_get(mem_ptr(machine_mem(m), e.x0, 4, false)), FDT_MAGIC);
        }
        forget_file(path);
    }
    machine_destroy(m);
}

static void bad_kernels_are_refused(void **state)
{
    static uint8_t image[4096];
    struct machine *m = create_ok(MACHINE_GENERIC, 1, 128 * MiB);
    static const struct {
        uint64_t text_offset, image_size, flags;
        uint32_t magic;
        size_t n;
        int32_t code;
    } rows[] = {
        { 0, 4096, 0xa, 0, 4096, POME_ERROR_INVALID_DATA },
        { 0, 4096, 0xa, 0x644d5241, 63, POME_ERROR_INVALID_DATA },
        { 0, 4096, 0xb, 0x644d5241, 4096, POME_ERROR_NOT_SUPPORTED },
        { 0, 129 * MiB, 0xa, 0x644d5241, 4096, POME_ERROR_INVALID_CONFIGURATION },
        { UINT64_MAX - 4095, 8192, 0xa, 0x644d5241, 4096, POME_ERROR_INVALID_CONFIGURATION },
        { 127 * MiB, UINT64_MAX, 0xa, 0x644d5241, 4096, POME_ERROR_INVALID_CONFIGURATION },
        { 128 * MiB - 4096, 4096, 0xa, 0x644d5241, 2048, POME_ERROR_INVALID_CONFIGURATION }, /* no room for the tree */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        make_image(image, sizeof image, rows[i].text_offset, rows[i].image_size);
        le64_put(image + 24, rows[i].flags);
        le32_put(image + 56, rows[i].magic);
        char *path = write_file("bad", image, rows[i].n);
        struct pome_error err = { 0 };
        assert_false(machine_load_kernel(m, &(struct machine_kernel){ .kernel_path = path }, &err));
        assert_int_equal(err.code, rows[i].code);
        assert_non_null(strstr(err.message, i + 1 < ARRAY_SIZE(rows) ? path : "device tree"));
        forget_file(path);
    }
    struct pome_error err;
    assert_false(machine_load_kernel(m, &(struct machine_kernel){ .kernel_path = "/nonexistent" }, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_false(machine_load_kernel(m, &(struct machine_kernel){ .kernel_path = "/" }, &err));
    machine_destroy(m);
}

static void a_rom_machine_starts_in_its_rom(void **state)
{
    struct machine *m = create((struct machine_config){ .platform = MACHINE_APPLE, .n_cpus = 2, .ram_bytes = 512 * MiB,
                                                        .rom = "boot", .rom_bytes = 4, .ecid = 0x1234, .boot_flags = 1 },
                               NULL);
    struct machine_entry e;
    assert_true(machine_entry(m, &e));
    assert_int_equal(e.pc, 0x100000);
    assert_int_equal(fdt_check_header(mem_ptr(machine_mem(m), e.x0, 4096, false)), 0);
    assert_int_equal(le64_get(mem_ptr(machine_mem(m), 0x400018, 8, false)), 0x1234);
    assert_int_equal(le32_get(mem_ptr(machine_mem(m), 0x400060, 4, false)), 1);
    assert_int_equal(le64_get(mem_ptr(machine_mem(m), 0x400068, 8, false)), e.x0);
    memset(mem_ptr(machine_mem(m), e.x0, 4096, true), 0, 4096);
    machine_reset(m);
    assert_int_equal(fdt_check_header(mem_ptr(machine_mem(m), e.x0, 4096, false)), 0);
    machine_destroy(m);
}

/* The UART's interrupt through the distributor to a CPU: what wires a board together. */
static void wires_are_connected(void **state)
{
    struct machine *m = create_ok(MACHINE_GENERIC, 2, 128 * MiB);
    const struct cpu_board *b = machine_board(m);
    uint64_t v;
    assert_true(b->mmio_write(b->ctx, 0, 0x08000000, 4, 2));          /* GICD_CTLR: group 1 */
    assert_true(b->mmio_write(b->ctx, 0, 0x08000084, 4, 2));          /* SPI 1: group 1 */
    assert_true(b->mmio_write(b->ctx, 0, 0x08000104, 4, 2));          /* enabled */
    assert_true(b->mmio_write(b->ctx, 0, 0x08006000 + 33 * 8, 8, 1)); /* to CPU 1 */
    assert_true(b->mmio_write(b->ctx, 1, 0x080a0000 + 0x20014, 4, 0)); /* redistributor 1 awake */
    b->icc_write(b->ctx, 1, ICC_PMR, 0xff);
    b->icc_write(b->ctx, 1, ICC_IGRPEN1, 1);
    assert_true(b->mmio_write(b->ctx, 0, 0x09000038, 4, 0x20)); /* UARTIMSC: transmit */
    assert_true(b->mmio_write(b->ctx, 0, 0x09000000, 4, 'x'));
    assert_true(irq_level[1]);
    assert_false(irq_level[0]);
    assert_int_equal(b->icc_read(b->ctx, 1, ICC_IAR1), 33);
    assert_false(irq_level[1]);
    assert_true(b->mmio_write(b->ctx, 0, 0x09000044, 4, 0x7ff));
    b->icc_write(b->ctx, 1, ICC_EOIR1, 33);
    assert_false(irq_level[1]);
    assert_true(b->mmio_read(b->ctx, 0, 0x09010000, 4, &v)); /* the clock tells a date after 2026 */
    assert_true(v > 1767225600);
    assert_false(b->mmio_read(b->ctx, 0, 0x09100000, 4, &v));
    assert_false(b->mmio_write(b->ctx, 0, 0x09100000, 4, 0));
    machine_destroy(m);
}

static void parts_lie_apart(void **state)
{
    static const struct platform *const platforms[] = {&platform_generic, &platform_apple};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < platforms[k]->n_parts; i++)
            for (size_t j = 0; j < i; j++) {
                const struct part *a = &platforms[k]->parts[i], *b = &platforms[k]->parts[j];
                if (a->gpa < b->gpa + b->bytes && b->gpa < a->gpa + a->bytes)
                    fail_msg("%s and %s", a->name, b->name);
                assert_true(a->spi < 0 || a->spi != b->spi);
            }
}

/* A guest finds the generation ID in a page that it cannot change, and an edge tells it of another one. */
static void another_generation_is_told(void **state)
{
    static const uint8_t ids[3][MACHINE_GENERATION_BYTES] = {"first", "second", {0}};
    const struct {
        enum machine_platform platform;
        uint64_t gic, redistributor;
    } rows[] = {{MACHINE_GENERIC, 0x08000000, 0x080a0000}, {MACHINE_APPLE, 0x10000000, 0x10010000}};
    for (size_t i = 0; i < 2; i++) {
        struct machine_config c = {.platform = rows[i].platform, .n_cpus = 2, .ram_bytes = 128 * MiB};
        uint8_t image[8192], found[MACHINE_GENERATION_BYTES];
        memcpy(c.generation, ids[0], sizeof c.generation);
        struct machine *m = create(c, NULL);
        const struct cpu_board *b = machine_board(m);
        make_image(image, sizeof image, 0, 64 * KiB);
        char *kernel = write_file("kernel", image, sizeof image);
        assert_true(machine_load_kernel(m, &(struct machine_kernel){.kernel_path = kernel}, NULL));
        forget_file(kernel);
        size_t bytes;
        const void *fdt = machine_fdt(m, &bytes);
        int len, node = fdt_node_offset_by_compatible(fdt, -1, "microsoft,vmgenid");
        const uint8_t *reg = fdt_getprop(fdt, node, "reg", &len), *irq = fdt_getprop(fdt, node, "interrupts", &len);
        assert_true(node > 0 && reg && irq && len == 12);
        const uint64_t gpa = be64_get(reg);
        const unsigned spi = be32_get(irq + 4), intid = 32 + spi;
        assert_true(be32_get(irq) == 0 && be32_get(irq + 8) == 1 && spi < 32);
        assert_true(mem_read(machine_mem(m), gpa, found, sizeof found) && !mem_write(machine_mem(m), gpa, found, sizeof found));
        assert_memory_equal(found, ids[0], sizeof found);
        assert_true(b->mmio_write(b->ctx, 0, rows[i].gic, 4, 2));                     /* group 1 */
        assert_true(b->mmio_write(b->ctx, 0, rows[i].gic + 0x84, 4, 1u << spi));
        assert_true(b->mmio_write(b->ctx, 0, rows[i].gic + 0x104, 4, 1u << spi));     /* enabled */
        assert_true(b->mmio_write(b->ctx, 0, rows[i].gic + 0xc00 + intid / 16 * 4, 4, 2u << 2 * (intid % 16))); /* edge */
        assert_true(b->mmio_write(b->ctx, 0, rows[i].gic + 0x6000 + intid * 8, 8, 1)); /* to CPU 1 */
        assert_true(b->mmio_write(b->ctx, 1, rows[i].redistributor + 0x20014, 4, 0));
        b->icc_write(b->ctx, 1, ICC_PMR, 0xff);
        b->icc_write(b->ctx, 1, ICC_IGRPEN1, 1);
        assert_false(machine_set_generation(m, ids[0])); /* it has this one */
        assert_false(machine_set_generation(m, ids[2])); /* none is known: whatever it has stays */
        assert_false(irq_level[1]);
        assert_true(machine_set_generation(m, ids[1]));
        assert_true(mem_read(machine_mem(m), gpa, found, sizeof found));
        assert_memory_equal(found, ids[1], sizeof found);
        assert_true(irq_level[1]);
        assert_int_equal(b->icc_read(b->ctx, 1, ICC_IAR1), intid);
        b->icc_write(b->ctx, 1, ICC_EOIR1, intid);
        assert_false(irq_level[1]); /* once */
        machine_destroy(m);
    }
}

/* Reads a PCI configuration register of a slot of the generic machine. */
static uint32_t pci(struct machine *m, unsigned slot, unsigned reg)
{
    const struct cpu_board *b = machine_board(m);
    uint64_t v = 0;
    assert_true(b->mmio_read(b->ctx, 0, 0x3f000000 + (slot << 15) + reg, 4, &v));
    return (uint32_t)v;
}

static void disks_are_on_the_bus(void **state)
{
    static const uint8_t empty[4096];
    char *a = write_file("a.img", empty, 4096), *b = write_file("b.img", empty, 1024), *odd = write_file("odd.img", empty, 1000);
    struct machine_disk disks[] = { { .path = a, .serial = "root", .role = MACHINE_DISK_ROOT }, { .path = b, .read_only = true } };
    struct machine_config c = { .n_cpus = 1, .ram_bytes = 128 * MiB, .disks = disks, .n_disks = 2 };
    struct pome_error err = { 0 };
    struct machine *m = create(c, &err);
    assert_non_null(m);
    assert_int_equal(pci(m, 0, 0), 0xffffffff);
    assert_int_equal(pci(m, 1, 0), 0x10421af4);
    assert_int_equal(pci(m, 2, 0), 0x10421af4);
    assert_int_equal(pci(m, 3, 0), 0x10441af4); /* entropy */
    assert_int_equal(pci(m, 4, 0), 0x10521af4); /* power button */
    assert_int_equal(pci(m, 5, 0), 0xffffffff);
    assert_null(create(c, &err)); /* the disk is ours */
    assert_int_equal(err.code, POME_ERROR_BUSY);
    machine_power_button(m);
    assert_true(machine_quiesce(m, 1000));
    machine_unquiesce(m);
    assert_true(machine_output_done(m));
    machine_reset(m);
    machine_destroy(m);
    disks[1].path = "/nonexistent.img";
    assert_null(create(c, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    disks[1].path = odd; /* half a sector cannot be written */
    disks[1].read_only = false;
    assert_null(create(c, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    disks[1].read_only = true;
    m = create(c, &err);
    assert_non_null(m);
    machine_destroy(m);
    disks[1].path = b;
    disks[1].serial = "a serial that is much too long";
    assert_null(create(c, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
    disks[1].serial = NULL;
    m = create(c, &err); /* nothing of the failed ones stayed locked */
    assert_non_null(m);
    machine_destroy(m);
    forget_file(a);
    forget_file(b);
    forget_file(odd);
}

static char told[64];
static void tell_off(void *ctx)
{
    strcat(told, "off ");
}
static void tell_reset(void *ctx)
{
    strcat(told, "reset ");
}
static void tell_panic(void *ctx, const char *what)
{
    strcat(told, what);
}

static void panics_and_power_are_told_apart(void **state)
{
    struct machine_events events = { .power_off = tell_off, .reset = tell_reset, .panicked = tell_panic };
    struct machine_config c = { .n_cpus = 1, .ram_bytes = 128 * MiB, .loop = loop };
    struct machine *m = machine_create(&c, &port, &events, NULL);
    const struct cpu_board *b = machine_board(m);
    uint64_t v;
    b->system_off(b->ctx, 0, false);
    b->system_off(b->ctx, 0, true);
    assert_true(b->mmio_read(b->ctx, 0, 0x09070000, 1, &v));
    assert_int_equal(v, 3);
    assert_true(b->mmio_write(b->ctx, 0, 0x09070000, 1, 1));
    assert_string_equal(told, "off reset panic");
    b->note(b->ctx, 0, "a note that nobody wants");
    machine_destroy(m);
}

static int setup(void **state)
{
    loop = loop_create(NULL);
    return !loop;
}

static int teardown(void **state)
{
    loop_destroy(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configurations_are_named),    cmocka_unit_test(the_tree_is_clean_and_complete),
        cmocka_unit_test(gzip_is_unpacked),                cmocka_unit_test(an_elf_program_goes_to_its_physical_addresses),
        cmocka_unit_test(bad_kernels_are_refused),
        cmocka_unit_test(a_rom_machine_starts_in_its_rom), cmocka_unit_test(wires_are_connected),
        cmocka_unit_test(disks_are_on_the_bus),            cmocka_unit_test(panics_and_power_are_told_apart),
        cmocka_unit_test(parts_lie_apart), cmocka_unit_test(another_generation_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
