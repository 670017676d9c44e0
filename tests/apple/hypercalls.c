/* hypercalls.c - what HVC #0 answers, and which registers it leaves alone. */
#include "tests/apple/guest.h"

#define UNKNOWN (-(uint64_t)1)

static uint64_t pac_a(uint64_t p, uint64_t modifier)
{
    asm volatile(".arch armv8.5-a\n pacia %0, %1" : "+r"(p) : "r"(modifier));
    return p;
}
static uint64_t pac_b(uint64_t p, uint64_t modifier)
{
    asm volatile(".arch armv8.5-a\n pacdb %0, %1" : "+r"(p) : "r"(modifier));
    return p;
}
static uint64_t pac_g(uint64_t p, uint64_t modifier)
{
    uint64_t r;
    asm volatile(".arch armv8.5-a\n pacga %0, %1, %2" : "=r"(r) : "r"(p), "r"(modifier));
    return r;
}
static void el0_pac_a(uint64_t p) { asm volatile(".arch armv8.5-a\n mov x1, #77\n pacia %0, x1\n mov x0, %0\n svc #0" : : "r"(p) : "x0", "x1"); }

/* Calls with garbage in x1..x4 but for what is given; more than `outputs` registers from x0 on may not change. */
static void call(uint64_t fn, uint64_t x1, uint64_t x2, unsigned outputs, uint64_t out[32])
{
    const uint64_t in[5] = {fn, x1, x2, 0x3333, 0x4444};
    watched_hvc(in, out);
    for (unsigned i = outputs; i < 5; i++)
        CHECK_EQ(out[i], in[i]);
    for (unsigned i = 5; i < 30; i++)
        CHECK_EQ(out[i], 0x111 * (uint64_t)(i - 4));
    CHECK_EQ(out[31], 0xa0000000);
}

static void general_queries(void)
{
    static const uint32_t uid[4] = {0x9cbb6ebb, 0x9dc9d679, 0xaa624e1f, 0x3b878185}; /* 3B878185-AA62-4E1F-9DC9-D6799CBB6EBB from its end */
    uint64_t out[32];
    for (uint64_t range = 0x81000000; range <= 0x83000000; range += 0x02000000) {
        call(range | 0xff01, 1, 2, 4, out);
        for (unsigned i = 0; i < 4; i++)
            CHECK_EQ(out[i] & 0xffffffff, uid[i]);
        call(range | 0xff03, 1, 2, 2, out);
        CHECK_EQ(out[0], 1);
        CHECK_EQ(out[1], 0);
        call(range | 0xfeff, 0xc3000004, 2, 1, out);
        CHECK_EQ(out[0], 0);
        call(range | 0xfeff, 0xc1000006, 2, 1, out);
        CHECK_EQ(out[0], 0);
        call(range | 0xfeff, 0xc3000007, 2, 1, out);
        CHECK_EQ(out[0], UNKNOWN);
    }
    static const uint64_t nobody[] = {0xc1000007, 0xc10000f1, 0x81000000, 0xc1010000, 0xc3000000, 0xc3000001, 0xc3000007, 0xc2000000, 0};
    for (unsigned i = 0; i < sizeof nobody / 8; i++) {
        call(nobody[i], 1, 2, 1, out);
        CHECK_EQ(out[0], UNKNOWN);
    }
    register uint64_t x0 asm("x0") = 0xc10000f0;
    asm volatile("hvc #1" : "+r"(x0) : : "memory"); /* not the conduit */
    CHECK_EQ(x0, UNKNOWN);
}

static void keys(void)
{
    const uint64_t p = 0x71000000, m = 77, t0sz = MRS(tcr_el1);
    uint64_t out[32], sctlr = MRS(sctlr_el1);
    MSR(tcr_el1, 17 | 17 << 16); /* bits 63:56, 54:47 of pointers can hold a code */
    call(0xc1000000, 1, 2, 1, out);
    CHECK_EQ(out[0], 0);
    CHECK_EQ(pac_a(p, m), p); /* not enabled by the call */
    MSR(sctlr_el1, sctlr | 1u << 31 | 1u << 30 | 1u << 27 | 1u << 13);
    uint64_t a = pac_a(p, m), b = pac_b(p, m), g = pac_g(p, m);
    CHECK(a != p && b != p && g);
    call(0xc1000001, 1, 2, 5, out);
    uint64_t value_a = out[1], value_b = out[2], diversifier = out[3], value_g = out[4];
    CHECK_EQ(out[0], 0);
    CHECK_EQ(MRS(S3_0_C2_C1_0), value_a); /* APIAKeyLo_EL1 */
    CHECK_EQ(MRS(S3_0_C2_C1_1), value_a + 1);
    CHECK_EQ(MRS(S3_0_C2_C2_2), value_b + 2); /* APDBKeyLo_EL1 */
    CHECK_EQ(MRS(S3_0_C2_C3_1), value_g + 1); /* APGAKeyHi_EL1 */

    call(0xc1000003, value_b + 1000, 2, 1, out);
    CHECK(pac_b(p, m) != b);
    CHECK_EQ(pac_a(p, m), a);
    call(0xc1000003, value_b, 2, 1, out);
    CHECK_EQ(pac_b(p, m), b);
    call(0xc1000002, value_a + 1000, 2, 1, out);
    CHECK(pac_a(p, m) != a);
    call(0xc1000002, value_a, 2, 1, out);
    CHECK_EQ(pac_a(p, m), a);
    call(0xc1000006, value_g + 1, 2, 1, out);
    CHECK(pac_g(p, m) != g);
    call(0xc1000006, value_g, 2, 1, out);
    CHECK_EQ(pac_g(p, m), g);

    /* the next instruction uses the new key, without ISB */
    register uint64_t x0 asm("x0") = 0xc1000003, x1 asm("x1") = value_b + 5;
    uint64_t first = p, second;
    asm volatile(".arch armv8.5-a\n hvc #0\n pacdb %2, %3" : "+r"(x0), "+r"(x1), "+r"(first) : "r"(m) : "x2", "x3", "memory");
    second = pac_b(p, m);
    CHECK_EQ(first, second);
    CHECK(first != b);

    /* at EL0 the A keys are others, and at EL1 while the kernel asks for it */
    uint64_t user = run_el0((uint64_t)el0_pac_a, 0x3c0, p);
    CHECK_EQ(seen.vector, 0x400);
    CHECK(user != a && user != p);
    call(0xc1000005, 1, diversifier, 1, out);
    CHECK_EQ(pac_a(p, m), user);
    CHECK_EQ(run_el0((uint64_t)el0_pac_a, 0x3c0, p), user);
    call(0xc1000005, 0, diversifier, 1, out);
    CHECK_EQ(pac_a(p, m), a);
    call(0xc1000004, diversifier + 9, 2, 1, out);
    CHECK(run_el0((uint64_t)el0_pac_a, 0x3c0, p) != user);
    CHECK_EQ(pac_a(p, m), a);
    call(0xc1000004, diversifier, 2, 1, out);
    CHECK_EQ(run_el0((uint64_t)el0_pac_a, 0x3c0, p), user);
    call(0xc10000f0, 1, 2, 1, out);
    CHECK_EQ(out[0], 0);
    call(0xc1000000, 1, 2, 1, out); /* of the same boot: the same keys */
    CHECK_EQ(pac_b(p, m), b);
    MSR(sctlr_el1, sctlr);
    MSR(tcr_el1, t0sz);
}

static void host_and_boot(void)
{
    uint64_t out[32], again[32];
    call(0xc3000004, 1, 2, 5, out);
    CHECK_EQ(out[0], 0);
    CHECK(out[1] | out[2] | out[3] | out[4]);
    call(0xc3000004, 1, 2, 5, again);
    for (unsigned i = 1; i < 5; i++) {
        CHECK_EQ(out[i], again[i]);
        CHECK_EQ(out[i] >> 32, 0);
    }
    call(0xc3000003, 1, 2, 2, out);
    CHECK_EQ(out[0], 0);
    call(0xc3000003, 1, 2, 2, again);
    CHECK_EQ(again[1], out[1]); /* one number, however long the host keeps us waiting in between */
    /* a kick that came first ends the wait */
    call(0xc3000006, me(), 2, 1, out);
    CHECK_EQ(out[0], 0);
    call(0xc3000005, 0, 2, 1, out);
    CHECK_EQ(out[0], 0);
    call(0xc3000006, 99, 2, 1, out);
    CHECK_EQ(out[0], UNKNOWN);
    /* an interrupt that is pending does, when it may */
    timer_in(24);
    call(0xc3000005, 1, 2, 1, out);
    while (!MRS(isr_el1))
        ;
    timer_off();
}

static void psci(void)
{
    static const struct { uint64_t fn; uint64_t features; } functions[] = {
        {0x84000000, 0}, {0x84000001, 0}, {0xc4000001, 0}, {0x84000002, 0}, {0xc4000003, 0}, {0xc4000004, 0}, {0x84000008, 0}, {0x84000009, 0},
        {0x8400000a, 0}, {0xc400000e, 0}, {0xc4000012, 0}, {0x80000000, 0}, {0x84000099, UNKNOWN}, {0xc400000a, UNKNOWN},
    };
    uint64_t out[32];
    call(0x84000000, 1, 2, 1, out);
    CHECK_EQ(out[0], 0x10001);
    for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) {
        call(0x8400000a, functions[i].fn, 2, 1, out);
        CHECK_EQ(out[0], functions[i].features);
    }
    call(0xc4000003, 0, RAM, 1, out);
    CHECK_EQ(out[0], -(uint64_t)4); /* is on */
    call(0xc4000003, n_cpus(), RAM, 1, out);
    CHECK_EQ(out[0], -(uint64_t)2);
    call(0xc4000003, 0x100, RAM, 1, out); /* no clusters here */
    CHECK_EQ(out[0], -(uint64_t)2);
    call(0xc4000004, 0, 0, 1, out);
    CHECK_EQ(out[0], 0);
    if (n_cpus() > 1) {
        call(0xc4000004, n_cpus() - 1, 0, 1, out);
        CHECK_EQ(out[0], 1);
        call(0xc4000003, 1, UINT64_C(0x600000000), 1, out); /* nothing is there */
        CHECK_EQ(out[0], -(uint64_t)9);
    }
    call(0xc400000e, RAM + 2, 0, 1, out);
    CHECK_EQ(out[0], -(uint64_t)9);
}

void test_hypercalls(void)
{
    general_queries();
    keys();
    host_and_boot();
    psci();
}

/* The boot CPU sleeps as XNU's does: an interrupt brings it back through its entry, as after power-on. */
void test_suspend(void)
{
    uint64_t start = MRS(cntvct_el0);
    unsigned n = seen.n_fiq;
    MSR(tpidr_el1, 0x1234);
    timer_in(48000);
    CHECK_EQ(suspend_system(0x5678), 0x5678);
    CHECK(MRS(cntvct_el0) - start >= 48000);
    CHECK_EQ(MRS(tpidr_el1), 0); /* lost, as all of the CPU's state is */
    CHECK_EQ(MRS(sctlr_el1) & 1, 0);
    CHECK_EQ(MRS(daif), 0x3c0);
    CHECK_EQ(MRS(cntv_ctl_el0) & 1, 0);
    CHECK_EQ(seen.n_fiq, n);
    gic_start();
}
