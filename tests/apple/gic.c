/* gic.c - entry, the interrupt controller and the timer as XNU uses them: the virtual timer in group 0, as FIQ. */
#include "tests/apple/guest.h"

void test_entry(uint64_t fdt)
{
    CHECK_EQ(MRS(currentel), 4);
    CHECK_EQ(MRS(sctlr_el1) & (1 | 1 << 2 | 1 << 12), 0); /* MMU and caches off */
    CHECK_EQ(MRS(daif), 0x3c0);
    CHECK_EQ(MRS(cntfrq_el0), 24000000);
    CHECK_EQ(MRS(mpidr_el1), UINT64_C(1) << 31);
    CHECK_EQ(rd32(fdt), 0xedfe0dd0);
    CHECK_EQ(rd32(CFG), 2);
    CHECK(n_cpus() >= 1 && n_cpus() <= CPUS_MAX);
    CHECK_EQ(rd64(CFG + 0x20) % 0x100000, 0);
}

void timer_in(uint64_t ticks)
{
    MSR(cntv_tval_el0, ticks);
    MSR(cntv_ctl_el0, 1);
}

void timer_off(void)
{
    MSR(cntv_ctl_el0, 0);
}

/* By affinity, Aff1:Aff0, as XNU looks for it. */
static uint64_t find_redistributor(void)
{
    for (uint64_t at = GICR;; at += 0x20000) {
        uint64_t typer = rd64(at + 8);
        if ((typer >> 32 & 0xffff) == (MRS(mpidr_el1) & 0xffff))
            return at;
        CHECK_EQ(typer >> 4 & 1, 0); /* Last */
    }
}

void gic_start(void)
{
    struct witness *s = &seen;
    s->redistributor = find_redistributor();
    wr32(s->redistributor + 0x14, rd32(s->redistributor + 0x14) & ~2u);
    while (rd32(s->redistributor + 0x14) & 4)
        ;
    wr32(s->redistributor + 0x10080, 0x81ffffff); /* PPIs 25 to 30: group 0 */
    CHECK_EQ(rd32(s->redistributor + 0x10080), 0x81ffffff);
    for (unsigned i = 0; i < 32; i += 4)
        wr32(s->redistributor + 0x10400 + i, 0xa0a0a0a0);
    wr32(s->redistributor + 0x10100, 1u << 27 | 0xffff);
    WRITE_ICC(ICC_SRE, READ_ICC(ICC_SRE) | 1);
    CHECK_EQ(READ_ICC(ICC_SRE), 7);
    WRITE_ICC(ICC_BPR0, 0);
    WRITE_ICC(ICC_PMR, 0xff);
    WRITE_ICC(ICC_CTLR, READ_ICC(ICC_CTLR) & ~UINT64_C(2));
    wr32(GICD, rd32(GICD) | 3);
    WRITE_ICC(ICC_IGRPEN0, 1);
    WRITE_ICC(ICC_IGRPEN1, 1);
}

static void send_sgi(unsigned n)
{
    WRITE_ICC(ICC_SGI1R, (uint64_t)n << 24 | (uint64_t)(me() / 16) << 44 | 1u << me() % 16);
}

static void wait_pending(uint64_t isr)
{
    while (MRS(isr_el1) != isr)
        ;
}

static void el0_loop(void) { asm volatile("1: b 1b"); }

void test_gic(void)
{
    struct witness *s = &seen;
    CHECK_EQ(rd32(GICD) & 0x50, 0x50); /* one security state, affinity routing */
    gic_start();

    /* a running loop is interrupted */
    timer_in(2400);
    UNMASK(DAIF_F);
    while (!s->n_fiq)
        ;
    MASK(DAIF_F);
    CHECK_EQ(s->vector, 0x300);
    CHECK_EQ(s->iar, 0x1b);
    CHECK_EQ(s->spsr & 0x3cf, 0x385); /* F was clear, the rest set, EL1h */
    CHECK_EQ(MRS(isr_el1), 0);

    /* each mask concerns its own */
    timer_in(1);
    wait_pending(1 << 6);
    UNMASK(DAIF_I);
    asm volatile("nop\n nop");
    CHECK_EQ(s->n_fiq, 1);
    CHECK_EQ(s->n_irq, 0);
    CHECK_EQ(READ_ICC(ICC_IAR1), 1023);
    MASK(DAIF_I);
    UNMASK(DAIF_F);
    CHECK_EQ(s->n_fiq, 2);
    send_sgi(3);
    wait_pending(1 << 7);
    asm volatile("nop\n nop");
    CHECK_EQ(s->n_irq, 0);
    CHECK_EQ(READ_ICC(ICC_IAR0), 1023);
    UNMASK(DAIF_I);
    CHECK_EQ(s->n_irq, 1);
    CHECK_EQ(s->vector, 0x280);
    CHECK_EQ(s->sgi[3], 1);
    MASK(DAIF_I | DAIF_F);

    /* the better one is signalled, then the other */
    *(volatile uint8_t *)(s->redistributor + 0x10400 + 27) = 0x40;
    send_sgi(4);
    wait_pending(1 << 7);
    timer_in(1);
    wait_pending(1 << 6);
    UNMASK(DAIF_I | DAIF_F);
    CHECK_EQ(s->n_fiq, 3);
    CHECK_EQ(s->n_irq, 2);
    CHECK_EQ(s->vector, 0x280);
    MASK(DAIF_I | DAIF_F);
    *(volatile uint8_t *)(s->redistributor + 0x10400 + 27) = 0xa0;

    /* a masked FIQ ends WFI */
    timer_in(24000);
    while (!MRS(isr_el1))
        asm volatile("wfi");
    CHECK_EQ(s->n_fiq, 3);
    UNMASK(DAIF_F);
    MASK(DAIF_F);
    CHECK_EQ(s->n_fiq, 4);

    /* an SGI of group 0, by either register */
    wr32(s->redistributor + 0x10080, 0x81ffffff & ~(1u << 5));
    WRITE_ICC(ICC_SGI0R, 5 << 24 | 1);
    UNMASK(DAIF_F);
    MASK(DAIF_F);
    send_sgi(5);
    UNMASK(DAIF_F);
    MASK(DAIF_F);
    CHECK_EQ(s->sgi[5], 2);
    CHECK_EQ(s->n_fiq, 6);
    wr32(s->redistributor + 0x10080, 0x81ffffff);

    /* from EL0, with I masked and F not */
    timer_in(2400);
    run_el0((uint64_t)el0_loop, 0x380, 0);
    CHECK_EQ(s->vector, 0x500);
    CHECK_EQ(s->iar, 27);
    CHECK_EQ(MRS(daif), 0x3c0);
}
