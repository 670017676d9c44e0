/*
 * guest.c - a guest that is entered as XNU is and checks what XNU counts on: registers, boot_args, device tree, devices, secondary CPUs, the timer's
 * interrupt. It says on the serial port what it found and powers off; "darwin guest: all good" is the end that the test waits for.
 *
 * No tables of pointers: they would hold virtual addresses.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CPUS_MAX = 8, PAGE = 0x4000 };
#define MiB UINT64_C(0x100000)

struct boot_args { /* XNU, pexpert/pexpert/arm64/boot.h */
    uint16_t revision, version;
    uint64_t virt_base, phys_base, mem_size, top;
    uint64_t video[6];
    uint32_t machine_type;
    uint64_t tree;
    uint32_t tree_bytes;
    char command_line[1024];
    uint64_t flags, mem_size_actual;
};

void guest_main(struct boot_args *args, uint64_t here, uint64_t linked);
void guest_secondary(uint64_t context);
void trap(unsigned vector);
extern char secondary_start[] __attribute__((visibility("hidden"))); /* not through a table of addresses */

static uint32_t initialised = 0x12345678; /* in .data */
static uint32_t zero[64];                 /* in .bss */
static volatile uint64_t arrived[CPUS_MAX];
static volatile uint32_t fiqs, acknowledged;
static uint64_t uart; /* physical; 0: not known yet */
static unsigned failures;

/* --- memory, text --- */

static uint32_t read32(uint64_t at) { return *(volatile uint32_t *)at; }
static void write32(uint64_t at, uint32_t v) { *(volatile uint32_t *)at = v; }

static uint64_t le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = n; i--;)
        v = v << 8 | p[i];
    return v;
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void put(const char *s)
{
    for (; uart && *s; s++) {
        while (read32(uart + 0x18) & 0x20)
            ;
        write32(uart, (uint8_t)*s);
    }
}

static void put_hex(uint64_t v)
{
    char text[19] = "0x";
    for (unsigned i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[v >> (60 - 4 * i) & 15];
    text[18] = 0;
    put(text);
}

static void expect(const char *what, uint64_t found, uint64_t wanted)
{
    if (found == wanted)
        return;
    failures++;
    put("FAILED: ");
    put(what);
    put(": found ");
    put_hex(found);
    put(", wanted ");
    put_hex(wanted);
    put("\n");
}

#define READ(reg) ({ uint64_t v_; __asm__ volatile("mrs %0, " reg : "=r"(v_)); v_; })
#define WRITE(reg, v) __asm__ volatile("msr " reg ", %0" : : "r"((uint64_t)(v)))

static uint64_t hvc(uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    register uint64_t r0 __asm__("x0") = x0, r1 __asm__("x1") = x1, r2 __asm__("x2") = x2, r3 __asm__("x3") = x3;
    __asm__ volatile("hvc #0" : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : : "memory");
    return r0;
}

/* --- the device tree: XNU's own way through it --- */

static const uint8_t *after_properties(const uint8_t *node)
{
    const uint8_t *p = node + 8;
    for (uint64_t i = le(node, 4); i--;)
        p += 36 + ((le(p + 32, 4) & 0x7fffffff) + 3) / 4 * 4;
    return p;
}

static const uint8_t *after(const uint8_t *node)
{
    const uint8_t *p = after_properties(node);
    for (uint64_t i = le(node + 4, 4); i--;)
        p = after(p);
    return p;
}

static const uint8_t *property(const uint8_t *node, const char *name, uint64_t *n)
{
    const uint8_t *p = node + 8;
    for (uint64_t i = node ? le(node, 4) : 0; i--;) {
        *n = le(p + 32, 4) & 0x7fffffff;
        if (same((const char *)p, name))
            return p + 36;
        p += 36 + (*n + 3) / 4 * 4;
    }
    *n = 0;
    return NULL;
}

static const uint8_t *child(const uint8_t *node, const char *name)
{
    uint64_t n;
    const uint8_t *p = node ? after_properties(node) : NULL;
    for (uint64_t i = node ? le(node + 4, 4) : 0; i--; p = after(p)) {
        const char *is = (const char *)property(p, "name", &n);
        if (is && same(is, name))
            return p;
    }
    return NULL;
}

/* A number of a property: part i of `bytes` bytes each; a missing one is a failure. */
static uint64_t number(const uint8_t *node, const char *name, unsigned i, unsigned bytes)
{
    uint64_t n;
    const uint8_t *p = property(node, name, &n);
    if (p && n >= (i + 1) * (uint64_t)bytes)
        return le(p + i * bytes, bytes);
    failures++;
    put("FAILED: no property ");
    put(name);
    put("\n");
    return 0;
}

/* --- what is checked --- */

static void check_entry(uint64_t args, uint64_t here, uint64_t linked, const struct boot_args *a)
{
    expect("exception level", READ("CurrentEL") >> 2, 1);
    expect("SCTLR_EL1 M, C", READ("sctlr_el1") & 5, 0);
    expect("boot_args on a page", args % PAGE, 0);
    expect("boot_args below topOfKernelData", args < a->top, 1);
    expect("entry: physical = virtual - virtBase + physBase", linked - a->virt_base + a->phys_base, here);
    expect("same place in 32 MiB", here % (32 * MiB), linked % (32 * MiB));
    expect("header's magic", read32(here / PAGE * PAGE - PAGE), 0xfeedfacf);
    expect(".data", initialised, 0x12345678);
    for (unsigned i = 0; i < 64; i++)
        expect(".bss", zero[i], 0);
}

static void check_boot_args(const struct boot_args *a)
{
    expect("Revision", a->revision, 2);
    expect("Version", a->version, 2);
    expect("virtBase", a->virt_base, 0xfffffe0006000000);
    expect("machineType", a->machine_type, 0);
    expect("bootFlags", a->flags, 0);
    expect("memSize within memSizeActual", a->mem_size <= a->mem_size_actual, 1);
    expect("topOfKernelData in memory", a->top > a->phys_base && a->top < a->phys_base + a->mem_size, 1);
    expect("topOfKernelData on a page", a->top % PAGE, 0);
    expect("video in memory above memSize", a->video[0] >= a->phys_base + a->mem_size, 1);
    expect("video ends in memory", a->video[0] + a->video[2] * a->video[4] <= a->phys_base + a->mem_size_actual, 1);
    expect("video width", a->video[3] != 0, 1);
    expect("video depth", a->video[5], 32);
    put("boot-args: ");
    put(a->command_line);
    put("\n");
}

static void check_range(const uint8_t *map, const char *name, const struct boot_args *a)
{
    uint64_t n, at, bytes;
    const uint8_t *p = property(map, name, &n);
    if (!p)
        return;
    at = le(p, 8);
    bytes = le(p + 8, 8);
    expect(name, at >= a->phys_base && bytes && at + bytes <= a->top, 1);
    put(name);
    put(": first bytes ");
    put_hex(le((const uint8_t *)at, 8));
    put(" bytes ");
    put_hex(bytes);
    put("\n");
}

static void check_chosen(const uint8_t *root, const struct boot_args *a)
{
    const uint8_t *chosen = child(root, "chosen"), *map = child(chosen, "memory-map"), *seed, *nvram;
    uint64_t n, sum = 0;
    expect("dram-base", number(chosen, "dram-base", 0, 8), a->phys_base);
    expect("dram-size", number(chosen, "dram-size", 0, 8), a->mem_size_actual);
    seed = property(chosen, "random-seed", &n);
    for (uint64_t i = 0; seed && i < n; i++)
        sum |= seed[i];
    expect("random-seed", n >= 64 && sum == 0xff, 1);
    nvram = property(chosen, "nvram-proxy-data", &n);
    expect("nvram-proxy-data: a CHRP header", nvram ? nvram[0] : 0, 0x5a);
    expect("nvram-bank-size", number(chosen, "nvram-bank-size", 0, 4), n);
    expect("/chosen/memory-map", map != NULL, 1);
    expect("/options", child(root, "options") != NULL, 1);
    expect("/defaults", child(root, "defaults") != NULL, 1);
    check_range(map, "RAMDisk", a);
    check_range(map, "TrustCache", a);
    expect("DeviceTree in memory-map", number(map, "DeviceTree", 0, 8), a->tree - a->virt_base + a->phys_base);
}

static uint64_t io_base(const uint8_t *arm_io)
{
    return number(arm_io, "ranges", 1, 8) - number(arm_io, "ranges", 0, 8);
}

static void find_uart(const uint8_t *root)
{
    const uint8_t *arm_io = child(root, "arm-io");
    uart = io_base(arm_io) + number(child(arm_io, "uart0"), "reg", 0, 8);
}

static unsigned count_cpus(const uint8_t *root)
{
    const uint8_t *cpus = child(root, "cpus");
    return cpus ? (unsigned)le(cpus + 4, 4) : 0;
}

/* What the interrupt controller says of itself, where the tree says that it is (IHI 0069: GICD_PIDR2, GICR_TYPER). */
static void check_gic(const uint8_t *root)
{
    const uint8_t *arm_io = child(root, "arm-io"), *gic = child(arm_io, "gic");
    uint64_t dist = io_base(arm_io) + number(gic, "reg", 0, 8), redist = io_base(arm_io) + number(gic, "reg", 2, 8);
    uint64_t bytes = number(gic, "reg", 3, 8);
    unsigned n = count_cpus(root);
    expect("GICD_PIDR2: architecture", read32(dist + 0xffe8) >> 4 & 15, 3);
    expect("GICD_CTLR.DS: one security state", read32(dist) >> 6 & 1, 1);
    expect("redistributors", bytes, n * UINT64_C(0x20000));
    for (unsigned i = 0; i < n; i++) {
        uint64_t typer = read32(redist + i * 0x20000 + 8) | (uint64_t)read32(redist + i * 0x20000 + 12) << 32;
        expect("GICR_TYPER: affinity", typer >> 32, i);
        expect("GICR_TYPER: last", typer >> 4 & 1, i == n - 1);
    }
}

static void check_uart(void)
{
    expect("UART's PrimeCell part number", (read32(uart + 0xfe0) & 0xff) | (read32(uart + 0xfe4) & 15) << 8, 0x011);
}

static void check_counter(const uint8_t *root)
{
    expect("CNTFRQ_EL0", READ("cntfrq_el0"), 24000000);
    expect("timebase-frequency", number(child(child(root, "cpus"), "cpu0"), "timebase-frequency", 0, 4), 24000000);
}

static void check_cpus(const uint8_t *root)
{
    const uint8_t *cpus = child(root, "cpus");
    char name[] = "cpu0";
    uint64_t n;
    for (unsigned i = 0; i < count_cpus(root); i++) {
        name[3] = (char)('0' + i);
        const uint8_t *cpu = child(cpus, name);
        const char *state = (const char *)property(cpu, "state", &n);
        expect("cpu's state", state && same(state, i ? "waiting" : "running"), 1);
        expect("cluster-type", property(cpu, "cluster-type", &n) != NULL, 0);
        uint64_t reg = number(cpu, "reg", 0, 4);
        if (!i) {
            expect("cpu0's reg", reg, READ("mpidr_el1") & 0xff);
            continue;
        }
        expect("PSCI CPU_ON", hvc(0xc4000003, reg, (uint64_t)secondary_start, 0x100 + i), 0);
        for (uint64_t patience = 1 << 28; !arrived[i] && patience; patience--)
            ;
        expect("secondary CPU: its context", arrived[i], 0x100 + i);
    }
}

void guest_secondary(uint64_t context)
{
    uint64_t cpu = READ("mpidr_el1") & 0xff;
    if (READ("sctlr_el1") & 1)
        return;
    arrived[cpu % CPUS_MAX] = context;
}

/* As pexpert/gicv3.c: the virtual timer's PPI 27 is in group 0, and comes as FIQ. */
static void check_timer(const uint8_t *root)
{
    const uint8_t *arm_io = child(root, "arm-io"), *gic = child(arm_io, "gic");
    uint64_t dist = io_base(arm_io) + number(gic, "reg", 0, 8), sgi = io_base(arm_io) + number(gic, "reg", 2, 8) + 0x10000;
    uint64_t rd = sgi - 0x10000;
    write32(rd + 0x14, read32(rd + 0x14) & ~2u); /* GICR_WAKER.ProcessorSleep */
    while (read32(rd + 0x14) & 4)
        ;
    write32(sgi + 0x80, 0x81ffffff); /* GICR_IGROUPR0 */
    write32(sgi + 0x100, 1u << 27);  /* GICR_ISENABLER0 */
    WRITE("S3_0_C12_C12_5", READ("S3_0_C12_C12_5") | 7); /* ICC_SRE_EL1 */
    __asm__ volatile("isb");
    WRITE("S3_0_C12_C8_3", 0);    /* ICC_BPR0_EL1 */
    WRITE("S3_0_C4_C6_0", 0xff);  /* ICC_PMR_EL1 */
    WRITE("S3_0_C12_C12_4", 0);   /* ICC_CTLR_EL1 */
    write32(dist, read32(dist) | 1); /* GICD_CTLR.EnableGrp0 */
    WRITE("S3_0_C12_C12_6", 1);   /* ICC_IGRPEN0_EL1 */
    WRITE("cntv_tval_el0", 24000); /* 1 ms */
    WRITE("cntv_ctl_el0", 1);
    __asm__ volatile("isb; msr daifclr, #1" : : : "memory");
    uint64_t begin = READ("cntvct_el0"); /* a minute, as the host may be busy */
    while (!fiqs && READ("cntvct_el0") - begin < UINT64_C(60) * 24000000)
        __asm__ volatile("wfe");
    __asm__ volatile("msr daifset, #1" : : : "memory");
    expect("FIQs of the virtual timer", fiqs, 1);
    expect("ICC_IAR0_EL1", acknowledged, 27);
}

void trap(unsigned vector)
{
    if (vector != 6) { /* FIQ at EL1 with its own stack */
        put("FAILED: exception ");
        put_hex(vector);
        put(" ESR ");
        put_hex(READ("esr_el1"));
        put(" ELR ");
        put_hex(READ("elr_el1"));
        put("\n");
        hvc(0x84000008, 0, 0, 0);
    }
    acknowledged = (uint32_t)READ("S3_0_C12_C8_0");
    WRITE("cntv_ctl_el0", 0);
    __asm__ volatile("isb");
    WRITE("S3_0_C12_C8_1", acknowledged);
    fiqs++;
}

void guest_main(struct boot_args *a, uint64_t here, uint64_t linked)
{
    const uint8_t *root = (const uint8_t *)(a->tree - a->virt_base + a->phys_base);
    find_uart(root);
    put("darwin guest: begins\n");
    check_entry((uint64_t)a, here, linked, a);
    check_boot_args(a);
    check_chosen(root, a);
    check_gic(root);
    check_uart();
    check_counter(root);
    check_cpus(root);
    check_timer(root);
    put(failures ? "darwin guest: failures\n" : "darwin guest: all good\n");
    hvc(0x84000008, 0, 0, 0);
}
