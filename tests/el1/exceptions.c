/* exceptions.c - vectors, syndromes, return addresses; traps from EL0; PSCI; timers. */
#include "tests/el1/guest.h"

#define PSTATE_DAIF 0x3c0
#define EL1H 5

void test_exceptions(void)
{
    asm volatile("svc #0x1234");
    CHECK_EQ(trap.n, 1);
    CHECK_EQ(trap.vector, 0x200);
    CHECK_EQ(EC, 0x15);
    CHECK_EQ(trap.esr & 0x2ffffff, 0x2001234);
    CHECK_EQ(trap.spsr & 0x3df, PSTATE_DAIF | EL1H);

    RAISES("brk #0x77");
    CHECK_EQ(trap.esr, (uint64_t)0x3c << 26 | 1 << 25 | 0x77);

    RAISES(".word 0x00000000"); /* UDF */
    CHECK_EQ(trap.esr, 1 << 25);
    RAISES("smc #0"); /* no EL3 */
    CHECK_EQ(trap.esr, 1 << 25);
    RAISES("mrs x9, S3_0_C9_C12_0" : : : "x9"); /* PMU: not there */
    CHECK_EQ(EC, 0);
    RAISES("mrs x9, S3_4_C1_C1_0" : : : "x9"); /* SCTLR_EL2 */
    CHECK_EQ(EC, 0);
    RAISES("msr midr_el1, x9");
    CHECK_EQ(EC, 0);

    /* FP trapped by CPACR_EL1.FPEN */
    MSR(cpacr_el1, 0);
    RAISES("fmov d0, #1.0");
    CHECK_EQ(trap.esr, (uint64_t)7 << 26 | 1 << 25 | 0x1e00000);
    MSR(cpacr_el1, 3 << 20);
    unsigned n = trap.n;
    asm volatile("fmov d0, #1.0" : : : "v0");
    CHECK_EQ(trap.n, n);

    /* PC alignment: ELR is the target, the handler returns to x30 */
    RAISES("adr x9, 1f\n add x9, x9, #2\n adr x30, 1f\n br x9\n 1:" : : : "x9", "x30");
    CHECK_EQ(EC, 0x22);
    CHECK_EQ(trap.far & 3, 2);
    CHECK_EQ(trap.elr, trap.far);

    /* SCTLR_EL1.A */
    static uint64_t data[2];
    uint64_t v;
    MSR(sctlr_el1, MRS(sctlr_el1) | 2);
    RAISES("ldr %0, [%1, #1]" : "=r"(v) : "r"(data) : "memory");
    CHECK_EQ(trap.esr, (uint64_t)0x25 << 26 | 1 << 25 | 0x21);
    CHECK_EQ(trap.far, (uint64_t)data + 1);
    RAISES("str %0, [%1, #1]" : : "r"(v), "r"(data) : "memory");
    CHECK_EQ(ISS, 0x61);
    MSR(sctlr_el1, MRS(sctlr_el1) & ~UINT64_C(2));

    /* nothing there */
    RAISES("ldr %w0, [%1]" : "=r"(v) : "r"(NOTHING) : "memory");
    CHECK_EQ(trap.esr, (uint64_t)0x25 << 26 | 1 << 25 | 0x10);
    CHECK_EQ(trap.far, NOTHING);
    RAISES("ldxr %w0, [%1]" : "=r"(v) : "r"(CONSOLE) : "memory"); /* exclusive on a device */
    CHECK_EQ(ISS, 0x35);

    /* illegal return: stays at EL1, IL set; the next instruction raises */
    n = trap.n;
    asm volatile("mov x9, #0x3c9\n msr spsr_el1, x9\n adr x9, 1f\n msr elr_el1, x9\n eret\n 1: nop" : : : "x9", "memory");
    CHECK_EQ(trap.n, n + 1);
    CHECK_EQ(EC, 0x0e);
    CHECK_EQ(trap.vector, 0x200);

    /* SPSel 0: its own vectors, SP_EL0 not accessible */
    asm volatile("mov x9, sp\n msr sp_el0, x9\n msr spsel, #0\n svc #1\n msr spsel, #1" : : : "x9", "memory");
    CHECK_EQ(trap.vector, 0x000);
    CHECK_EQ(trap.spsr & 15, 4);
    RAISES("mov x9, sp\n msr sp_el0, x9\n msr spsel, #0\n mrs x10, sp_el0\n msr spsel, #1" : : : "x9", "x10", "memory");
    CHECK_EQ(EC, 0);

    /* interrupts: masked, then taken at once when unmasked */
    n = trap.n;
    *(volatile uint32_t *)LINE = 1;
    CHECK_EQ(MRS(isr_el1), 1 << 7);
    CHECK_EQ(trap.n, n);
    asm volatile("msr daifclr, #2\n nop\n msr daifset, #2" : : : "memory");
    CHECK_EQ(trap.n, n + 1);
    CHECK_EQ(trap.vector, 0x280);
    CHECK_EQ(MRS(isr_el1), 0);
}

/* ---- EL0 ---- */

static void el0_svc(uint64_t x) { asm volatile("svc #5"); }
static void el0_value(uint64_t x) { done(x * 3); }
static void el0_wfi(uint64_t x) { asm volatile("wfi"); done(0); }
static void el0_daif(uint64_t x) { asm volatile("mrs x9, daif" : : : "x9"); done(0); }
static void el0_daifset(uint64_t x) { asm volatile("msr daifset, #2"); done(0); }
static void el0_ctr(uint64_t x) { done(MRS(ctr_el0)); }
static void el0_id(uint64_t x) { done(MRS(id_aa64isar0_el1)); }
static void el0_sctlr(uint64_t x) { done(MRS(sctlr_el1)); }
static void el0_zva(uint64_t x) { asm volatile("dc zva, %0" : : "r"(x) : "memory"); done(0); }
static void el0_ivau(uint64_t x) { asm volatile("ic ivau, %0" : : "r"(x) : "memory"); done(0); }
static void el0_tlbi(uint64_t x) { asm volatile("tlbi vmalle1" : : : "memory"); done(0); }
static void el0_hvc(uint64_t x) { asm volatile("hvc #0" : : : "memory"); done(0); }
static void el0_cntvct(uint64_t x) { done(MRS(cntvct_el0)); }
static void el0_fp(uint64_t x) { asm volatile("fmov d0, #1.0" : : : "v0"); done(0); }

static uint64_t trapped(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2, unsigned rt, unsigned read)
{
    return (uint64_t)0x18 << 26 | 1 << 25 | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | read;
}
#define RT ((trap.esr >> 5) & 31) /* the compiler chose it */

void test_el0(void)
{
    static uint8_t block[8192] __attribute__((aligned(4096)));
    uint64_t sctlr = MRS(sctlr_el1);
    el0(el0_svc, 0);
    CHECK_EQ(trap.vector, 0x400);
    CHECK_EQ(trap.esr, (uint64_t)0x15 << 26 | 1 << 25 | 5);
    CHECK_EQ(trap.spsr & 0x1f, 0);
    el0(el0_value, 14);
    CHECK_EQ(el0_result, 42);

    MSR(sctlr_el1, sctlr & ~(UINT64_C(1) << 16 | 1 << 18 | 1 << 9 | 1 << 15 | 1 << 14 | 1 << 26));
    el0(el0_wfi, 0);
    CHECK_EQ(trap.esr, (uint64_t)1 << 26 | 1 << 25 | 1 << 24 | 0xe << 20);
    el0(el0_daif, 0);
    CHECK_EQ(trap.esr, trapped(3, 3, 4, 2, 1, 9, 1));
    el0(el0_daifset, 0);
    CHECK_EQ(trap.esr, trapped(0, 3, 4, 2, 6, 31, 0));
    el0(el0_ctr, 0);
    CHECK_EQ(trap.esr, trapped(3, 3, 0, 0, 1, RT, 1));
    el0(el0_zva, (uint64_t)block);
    CHECK_EQ(EC, 0x18);
    el0(el0_ivau, (uint64_t)block);
    CHECK_EQ(trap.esr, trapped(1, 3, 7, 5, 1, RT, 0));
    MSR(sctlr_el1, sctlr | 1 << 16 | 1 << 18 | 1 << 9 | 1 << 15 | 1 << 14 | 1 << 26);
    el0(el0_daif, 0);
    CHECK_EQ(trap.esr & 0xffff, 0xff);
    el0(el0_ctr, 0);
    CHECK_EQ(el0_result, MRS(ctr_el0));
    block[0] = block[4095] = block[4096] = 1;
    el0(el0_zva, (uint64_t)block);
    CHECK_EQ(block[0], 0);
    CHECK_EQ(block[4096], 1);
    el0(el0_ivau, (uint64_t)block);
    CHECK_EQ(trap.esr & 0xffff, 0xff);
    MSR(sctlr_el1, sctlr);

    el0(el0_id, 0); /* FEAT_IDST */
    CHECK_EQ(trap.esr, trapped(3, 0, 0, 6, 0, RT, 1));
    el0(el0_sctlr, 0);
    CHECK_EQ(trap.esr, 1 << 25);
    el0(el0_tlbi, 0);
    CHECK_EQ(trap.esr, 1 << 25);
    el0(el0_hvc, 0);
    CHECK_EQ(trap.esr, 1 << 25);
    MSR(cntkctl_el1, 0);
    el0(el0_cntvct, 0);
    CHECK_EQ(trap.esr, trapped(3, 3, 14, 0, 2, RT, 1));
    MSR(cntkctl_el1, 2);
    el0(el0_cntvct, 0);
    CHECK_EQ(trap.esr & 0xffff, 0xff);
    MSR(cpacr_el1, 1 << 20); /* EL0 only */
    el0(el0_fp, 0);
    CHECK_EQ(trap.esr, (uint64_t)7 << 26 | 1 << 25 | 0x1e00000);
    unsigned n = trap.n;
    asm volatile("fmov d0, #1.0" : : : "v0");
    CHECK_EQ(trap.n, n);
    MSR(cpacr_el1, 3 << 20);
    CHECK_EQ(MRS(currentel), 4);
}

void test_psci(void)
{
    CHECK_EQ(psci(0x84000000, 0, 0, 0), 0x10001);
    CHECK_EQ(psci(0x80000000, 0, 0, 0), 0x10001);
    CHECK_EQ((uint64_t)psci(0x8400000a, 0x84000003, 0, 0), 0);
    CHECK_EQ((uint64_t)psci(0x8400000a, 0xc4000003, 0, 0), 0);
    CHECK_EQ((uint64_t)psci(0x8400000a, 0x84000013, 0, 0), (uint64_t)-1);
    CHECK_EQ((uint64_t)psci(0x84001234, 0, 0, 0), (uint64_t)-1);
    CHECK_EQ((uint64_t)psci(0x84000006, 0, 0, 0), 2);
    CHECK_EQ((uint64_t)psci(0xc4000003, 0, 0x40000000, 0), (uint64_t)-4);          /* on already */
    CHECK_EQ((uint64_t)psci(0xc4000003, 0x00ffff00, 0x40000000, 0), (uint64_t)-2); /* no such */
    CHECK_EQ((uint64_t)psci(0xc4000004, 0, 0, 0), 0);
    CHECK_EQ((uint64_t)psci(0x80000001, 0x80008000, 0, 0), 1);
    CHECK_EQ((uint64_t)psci(0x80000001, 0x80007fff, 0, 0), (uint64_t)-2);
    CHECK_EQ((uint64_t)psci(0x80000001, 0x8000dead, 0, 0), (uint64_t)-1);
}

/* ---- timers ---- */

void test_timers(void)
{
    uint64_t hz = MRS(cntfrq_el0), start = MRS(cntvct_el0);
    CHECK(hz >= 1000000);
    while (MRS(cntvct_el0) == start)
        ;
    /* the level appears when the count passes CVAL, and is masked by IMASK */
    MSR(cntv_cval_el0, start);
    MSR(cntv_ctl_el0, 1);
    CHECK_EQ(MRS(cntv_ctl_el0), 5);
    CHECK_EQ(MRS(isr_el1), 1 << 7);
    MSR(cntv_ctl_el0, 3);
    CHECK_EQ(MRS(cntv_ctl_el0), 7);
    CHECK_EQ(MRS(isr_el1), 0);
    MSR(cntv_ctl_el0, 0);
    /* WFI until a deadline, with the interrupt masked: it ends, nothing is taken */
    unsigned n = trap.n;
    start = MRS(cntvct_el0);
    MSR(cntv_tval_el0, hz / 200);
    MSR(cntv_ctl_el0, 1);
    while (!(MRS(cntv_ctl_el0) & 4))
        asm volatile("wfi" : : : "memory");
    CHECK(MRS(cntvct_el0) - start >= hz / 200);
    CHECK_EQ(trap.n, n);
    asm volatile("msr daifclr, #2\n nop\n msr daifset, #2" : : : "memory");
    CHECK_EQ(trap.n, n + 1);
    CHECK_EQ(trap.vector, 0x280);
    /* an interrupt arrives in a running loop */
    n = trap.n;
    MSR(cntp_tval_el0, hz / 500);
    MSR(cntp_ctl_el0, 1);
    asm volatile("msr daifclr, #2" : : : "memory");
    while (*(volatile unsigned *)&trap.n == n)
        ;
    asm volatile("msr daifset, #2" : : : "memory");
    CHECK_EQ(trap.n, n + 1);
    MSR(cntp_tval_el0, (uint64_t)-5);
    CHECK_EQ(MRS(cntp_tval_el0) >> 31, 1);
}
