/* gicv3_test.c - delivery, priorities, preemption, SGIs, messages; and against a simple model, at random. */
#include "dev/gicv3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIST   UINT64_C(0x08000000)
#define REDIST UINT64_C(0x080a0000)
#define CPUS   20

static struct mem *mem;
static struct bus bus;
static struct gicv3 *g;
static bool irq[CPUS], fiq[CPUS];

static void set_irq(void *ctx, unsigned cpu, bool level)
{
    assert_int_not_equal(irq[cpu], level); /* changes only */
    irq[cpu] = level;
}
static void set_fiq(void *ctx, unsigned cpu, bool level)
{
    assert_int_not_equal(fiq[cpu], level);
    fiq[cpu] = level;
}

static int setup(void **state)
{
    static const struct cpu_irq_port port = { .set_irq = set_irq, .set_fiq = set_fiq };
    memset(irq, 0, sizeof irq);
    memset(fiq, 0, sizeof fiq);
    mem = mem_create();
    bus_init(&bus, mem, NULL);
    g = gicv3_create(CPUS, CPU_CLUSTERS, 256, &port);
    bus_map(&bus, DIST, GIC_DIST_BYTES, gicv3_dist(g));
    bus_map(&bus, REDIST, CPUS * GIC_FRAME_BYTES, gicv3_redist(g));
    return 0;
}

static int teardown(void **state)
{
    gicv3_dist(g)->type->destroy(gicv3_dist(g));
    bus_finish(&bus);
    mem_destroy(mem);
    return 0;
}

static uint64_t rd(uint64_t gpa, unsigned bytes)
{
    uint64_t v = 0;
    assert_true(bus_read(&bus, gpa, bytes, &v));
    return v;
}
static void wr(uint64_t gpa, unsigned bytes, uint64_t v)
{
    assert_true(bus_write(&bus, gpa, bytes, v));
}
static uint64_t frame(unsigned cpu)
{
    return REDIST + cpu * (uint64_t)GIC_FRAME_BYTES;
}
static uint64_t sgi_frame(unsigned cpu)
{
    return frame(cpu) + 0x10000;
}

/* As Linux brings it up: everything group 1, priority 0xa0; wired SPIs to CPU 0. */
static void bring_up(void)
{
    wr(DIST, 4, 0x13);
    for (unsigned i = 1; i < 9; i++) {
        wr(DIST + 0x80 + 4 * i, 4, ~0u);
        for (unsigned n = 0; n < 32; n += 4)
            wr(DIST + 0x400 + 32 * i + n, 4, 0xa0a0a0a0);
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        wr(frame(cpu) + 0x14, 4, 0);
        assert_int_equal(rd(frame(cpu) + 0x14, 4), 0);
        wr(sgi_frame(cpu) + 0x80, 4, ~0u);
        wr(sgi_frame(cpu) + 0x100, 4, 0xffff);
        for (unsigned n = 0; n < 32; n += 4)
            wr(sgi_frame(cpu) + 0x400 + n, 4, 0xa0a0a0a0);
        gicv3_icc_write(g, cpu, ICC_PMR, 0xf0);
        gicv3_icc_write(g, cpu, ICC_IGRPEN1, 1);
        gicv3_icc_write(g, cpu, ICC_BPR1, 0);
    }
}

static void enable_spi(unsigned intid)
{
    wr(DIST + 0x100 + intid / 32 * 4, 4, 1u << intid % 32);
}
static uint64_t ack(unsigned cpu)
{
    return gicv3_icc_read(g, cpu, ICC_IAR1);
}
static void eoi(unsigned cpu, uint64_t intid)
{
    gicv3_icc_write(g, cpu, ICC_EOIR1, intid);
}

static void identity(void **state)
{
    assert_int_equal(rd(DIST + 0xffe8, 4) & 0xf0, 0x30);
    assert_int_equal(rd(DIST + 4, 4) & 0x1f, 8);
    assert_int_equal(rd(DIST + 4, 4) >> 16 & 1, 1);
    assert_int_equal(rd(DIST, 4), 0x50); /* ARE, DS */
    assert_int_equal(rd(frame(3) + 8, 8), UINT64_C(3) << 32 | 3 << 8);
    assert_int_equal(rd(frame(17) + 8, 8) >> 32, 0x101);
    assert_int_equal(rd(frame(CPUS - 1) + 8, 4) & 0x10, 0x10);
    assert_int_equal(rd(frame(0) + 0x14, 4), 0); /* awake */
    assert_int_equal(gicv3_icc_read(g, 0, ICC_SRE), 7);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_CTLR) >> 8 & 7, 4);
    assert_int_equal(ack(0), 1023);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xff);
}

static void level_interrupts_stay_until_the_wire_falls(void **state)
{
    bring_up();
    struct irq_line line = gicv3_spi(g, 1);
    enable_spi(33);
    irq_set(&line, true);
    assert_true(irq[0]);
    assert_int_equal(rd(DIST + 0x204, 4), 2);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_HPPIR1), 33);
    assert_int_equal(ack(0), 33);
    assert_false(irq[0]);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xa0);
    assert_int_equal(rd(DIST + 0x304, 4), 2);
    assert_int_equal(ack(0), 1023);
    eoi(0, 33);
    assert_true(irq[0]);
    assert_int_equal(ack(0), 33);
    irq_set(&line, false);
    eoi(0, 33);
    assert_false(irq[0]);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xff);
}

static void edges_are_remembered_once(void **state)
{
    bring_up();
    struct irq_line line = gicv3_spi(g, 2);
    wr(DIST + 0xc08, 4, 2u << 4);
    enable_spi(34);
    irq_set(&line, true);
    irq_set(&line, false);
    assert_true(irq[0]);
    assert_int_equal(ack(0), 34);
    irq_set(&line, true); /* again while active */
    assert_false(irq[0]);
    eoi(0, 34);
    assert_true(irq[0]);
    assert_int_equal(ack(0), 34);
    eoi(0, 34);
    assert_false(irq[0]); /* still high: no new edge */
}

static void messages_are_edges(void **state)
{
    bring_up();
    wr(DIST + 0xc00 + 4 * (100 / 16), 4, 2u << 2 * (100 % 16));
    enable_spi(100);
    wr(DIST + 0x6000 + 8 * 100, 8, 0x102); /* CPU 18 */
    gicv3_message(g, 0x40, 100);
    assert_true(irq[18]);
    assert_int_equal(ack(18), 100);
    eoi(18, 100);
    assert_false(irq[18]);
    wr(DIST + 0x40, 4, 100);
    assert_true(irq[18]);
    wr(DIST + 0x48, 4, 100);
    assert_false(irq[18]);
    gicv3_message(g, 0x40, 5); /* not an SPI, not there, not a doorbell */
    gicv3_message(g, 0x40, 1023);
    gicv3_message(g, 0x0, 0);
    assert_int_equal(rd(DIST, 4), 0x53);
    wr(DIST + 0x6000 + 8 * 100, 8, 0x700); /* nobody */
    gicv3_message(g, 0x40, 100);
    for (unsigned i = 0; i < CPUS; i++)
        assert_false(irq[i]);
    wr(DIST + 0x6000 + 8 * 100 + 4, 4, 0);
    wr(DIST + 0x6000 + 8 * 100, 4, 3);
    assert_true(irq[3]);
}

static void priorities_preempt(void **state)
{
    bring_up();
    struct irq_line a = gicv3_spi(g, 1), b = gicv3_spi(g, 2), c = gicv3_spi(g, 3);
    wr(DIST + 0x400 + 34, 1, 0x80);
    wr(DIST + 0x400 + 35, 1, 0x87); /* low bits are not kept */
    assert_int_equal(rd(DIST + 0x400 + 32, 4), 0x8080a0a0);
    enable_spi(33);
    enable_spi(34);
    enable_spi(35);
    irq_set(&a, true);
    assert_int_equal(ack(0), 33);
    irq_set(&b, true);
    assert_true(irq[0]);
    assert_int_equal(ack(0), 34);
    irq_set(&c, true);
    assert_false(irq[0]); /* same priority does not preempt */
    assert_int_equal(gicv3_icc_read(g, 0, ICC_AP1R0), 1u << 0x10 | 1u << 0x14);
    irq_set(&b, false);
    eoi(0, 34);
    assert_true(irq[0]);
    assert_int_equal(ack(0), 35);
    irq_set(&c, false);
    eoi(0, 35);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xa0);
    irq_set(&a, false);
    eoi(0, 33);
    gicv3_icc_write(g, 0, ICC_PMR, 0x80); /* masks 0x80 and below */
    irq_set(&b, true);
    assert_false(irq[0]);
    gicv3_icc_write(g, 0, ICC_PMR, 0x88);
    assert_true(irq[0]);
    gicv3_icc_write(g, 0, ICC_IGRPEN1, 0);
    assert_false(irq[0]);
    gicv3_icc_write(g, 0, ICC_IGRPEN1, 1);
    gicv3_icc_write(g, 0, ICC_BPR1, 7); /* only bit 7 counts for preemption */
    irq_set(&b, false);
    irq_set(&a, true);
    gicv3_icc_write(g, 0, ICC_PMR, 0xf8);
    assert_int_equal(ack(0), 33);
    irq_set(&c, true);
    assert_false(irq[0]);
}

static void split_end_of_interrupt(void **state)
{
    bring_up();
    struct irq_line a = gicv3_spi(g, 1);
    enable_spi(33);
    gicv3_icc_write(g, 0, ICC_CTLR, 2);
    irq_set(&a, true);
    assert_int_equal(ack(0), 33);
    eoi(0, 33);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xff);
    assert_false(irq[0]); /* still active */
    gicv3_icc_write(g, 0, ICC_DIR, 33);
    assert_true(irq[0]);
    gicv3_icc_write(g, 0, ICC_DIR, 5000);
    eoi(0, 1023);
    eoi(0, 5000);
}

static void sgis_reach_their_targets(void **state)
{
    bring_up();
    gicv3_icc_write(g, 1, ICC_SGI1R, UINT64_C(5) << 24 | 0x0005); /* CPUs 0 and 2 of cluster 0 */
    assert_true(irq[0] && irq[2] && !irq[1] && !irq[16]);
    assert_int_equal(ack(0), 5);
    assert_int_equal(ack(2), 5);
    eoi(0, 5);
    eoi(2, 5);
    gicv3_icc_write(g, 0, ICC_SGI1R, UINT64_C(6) << 24 | 1 << 16 | 0x0002); /* cluster 1: CPU 17 */
    assert_true(irq[17] && !irq[1]);
    assert_int_equal(ack(17), 6);
    gicv3_icc_write(g, 0, ICC_SGI1R, UINT64_C(6) << 24 | UINT64_C(1) << 44 | 1); /* range 1: Aff0 16..31, none */
    for (unsigned i = 0; i < CPUS; i++)
        assert_false(irq[i]);
    gicv3_icc_write(g, 3, ICC_SGI1R, BIT(40) | 7 << 24); /* everybody else */
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(irq[i], i != 3 && i != 17); /* 17 runs at the same priority */
    gicv3_icc_write(g, 3, ICC_SGI0R, BIT(40) | 8 << 24); /* SGI 8 is of group 1: nothing */
    assert_int_equal(rd(sgi_frame(0) + 0x200, 4), 1u << 7);
}

/* One cluster of 32: the target list counts from Aff0's range of 16. */
static void flat_numbers(void **state)
{
    static const struct cpu_irq_port port = { .set_irq = set_irq, .set_fiq = set_fiq };
    struct gicv3 *clustered = g;
    struct bus other;
    g = gicv3_create(CPUS, CPU_FLAT, 256, &port);
    bus_init(&other, mem, NULL);
    bus_map(&other, DIST, GIC_DIST_BYTES, gicv3_dist(g));
    bus_map(&other, REDIST, CPUS * GIC_FRAME_BYTES, gicv3_redist(g));
    struct bus first = bus;
    bus = other;
    bring_up();
    assert_int_equal(rd(frame(18) + 8, 8) >> 32, 18);
    gicv3_icc_write(g, 0, ICC_SGI1R, UINT64_C(6) << 24 | UINT64_C(1) << 44 | 4);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(irq[i], i == 18);
    assert_int_equal(ack(18), 6);
    enable_spi(33);
    wr(DIST + 0x6000 + 8 * 33, 8, 19);
    struct irq_line line = gicv3_spi(g, 1);
    irq_set(&line, true);
    assert_true(irq[19]);
    gicv3_dist(g)->type->destroy(gicv3_dist(g));
    bus_finish(&bus);
    bus = first;
    g = clustered;
}

/* ---- group 0: what XNU does with its timer ---- */

static uint64_t ack0(unsigned cpu)
{
    return gicv3_icc_read(g, cpu, ICC_IAR0);
}
static void eoi0(unsigned cpu, uint64_t intid)
{
    gicv3_icc_write(g, cpu, ICC_EOIR0, intid);
}

/* PPIs 25 to 30 in group 0, the rest in group 1; both groups on. */
static void bring_up_like_xnu(unsigned cpu)
{
    wr(sgi_frame(cpu) + 0x80, 4, 0x81ffffff);
    assert_int_equal(rd(sgi_frame(cpu) + 0x80, 4), 0x81ffffff);
    wr(sgi_frame(cpu) + 0x100, 4, 1u << 27);
    gicv3_icc_write(g, cpu, ICC_BPR0, 0);
    assert_int_equal(gicv3_icc_read(g, cpu, ICC_BPR0), 2);
    gicv3_icc_write(g, cpu, ICC_PMR, 0xff);
    gicv3_icc_write(g, cpu, ICC_IGRPEN0, 1);
    assert_int_equal(gicv3_icc_read(g, cpu, ICC_IGRPEN0), 1);
}

static void the_timer_as_fiq_beside_irqs(void **state)
{
    bring_up();
    for (unsigned cpu = 0; cpu < 2; cpu++)
        bring_up_like_xnu(cpu);
    gicv3_ppi(g, 1, 27, true);
    assert_true(fiq[1] && !irq[1] && !fiq[0]);
    assert_int_equal(gicv3_icc_read(g, 1, ICC_HPPIR0), 27);
    assert_int_equal(gicv3_icc_read(g, 1, ICC_HPPIR1), 1023);
    assert_int_equal(ack(1), 1023); /* not of group 1, and not acknowledged by the attempt */
    assert_true(fiq[1]);
    assert_int_equal(ack0(1), 0x1b);
    assert_false(fiq[1]);
    assert_int_equal(gicv3_icc_read(g, 1, ICC_AP0R0), 1u << (0xa0 >> 3));
    assert_int_equal(gicv3_icc_read(g, 1, ICC_AP1R0), 0);
    gicv3_icc_write(g, 0, ICC_SGI1R, UINT64_C(4) << 24 | 2);
    assert_false(irq[1]); /* the same priority */
    eoi(1, 27); /* of the wrong group: ignored */
    assert_int_equal(gicv3_icc_read(g, 1, ICC_RPR), 0xa0);
    gicv3_ppi(g, 1, 27, false);
    eoi0(1, 27);
    assert_true(irq[1] && !fiq[1]);
    assert_int_equal(ack0(1), 1023);
    assert_int_equal(ack(1), 4);
    eoi(1, 4);
    assert_int_equal(gicv3_icc_read(g, 1, ICC_RPR), 0xff);
    /* each group has two switches */
    gicv3_ppi(g, 1, 27, true);
    wr(DIST, 4, 0x12);
    assert_false(fiq[1]);
    wr(DIST, 4, 0x13);
    assert_true(fiq[1]);
    gicv3_icc_write(g, 1, ICC_IGRPEN0, 0);
    assert_false(fiq[1]);
    gicv3_icc_write(g, 1, ICC_IGRPEN0, 1);
    wr(sgi_frame(1) + 0x80, 4, ~0u); /* moved to the other group while pending */
    assert_true(irq[1] && !fiq[1]);
}

static void groups_preempt_each_other(void **state)
{
    bring_up();
    bring_up_like_xnu(0);
    struct irq_line spi = gicv3_spi(g, 1);
    enable_spi(33);
    wr(DIST + 0x84, 4, ~2u); /* an SPI of group 0, and one above it of group 1 */
    struct irq_line other = gicv3_spi(g, 2);
    enable_spi(34);
    wr(DIST + 0x400 + 34, 1, 0x40);
    irq_set(&spi, true);
    assert_true(fiq[0] && !irq[0]);
    assert_int_equal(ack0(0), 33);
    irq_set(&other, true);
    assert_true(irq[0] && !fiq[0]); /* only the best is signalled */
    assert_int_equal(ack(0), 34);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0x40);
    eoi0(0, 33); /* not what runs: ignored */
    assert_int_equal(gicv3_icc_read(g, 0, ICC_AP0R0), 1u << 0x14);
    wr(sgi_frame(0) + 0x400 + 27, 1, 0x20);
    gicv3_ppi(g, 0, 27, true);
    assert_true(fiq[0] && !irq[0]);
    assert_int_equal(ack0(0), 27);
    gicv3_ppi(g, 0, 27, false);
    irq_set(&spi, false);
    irq_set(&other, false);
    eoi0(0, 27);
    eoi(0, 34);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xa0);
    eoi0(0, 33);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xff);
    /* group 0's binary point is its own, unless ICC_CTLR.CBPR makes it everybody's */
    gicv3_icc_write(g, 0, ICC_BPR0, 7); /* nothing preempts */
    irq_set(&spi, true);
    assert_int_equal(ack0(0), 33);
    gicv3_ppi(g, 0, 27, true);
    assert_false(fiq[0]);
    gicv3_icc_write(g, 0, ICC_BPR0, 2);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_AP0R0), 1); /* that is how it was noted */
    gicv3_ppi(g, 0, 27, false);
    eoi0(0, 33);
    gicv3_icc_write(g, 0, ICC_CTLR, 1);
    gicv3_icc_write(g, 0, ICC_BPR0, 5);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_BPR1), 6);
    gicv3_icc_write(g, 0, ICC_BPR1, 3);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_BPR1), 6);
}

static void group_0_ends_in_two_steps(void **state)
{
    bring_up();
    bring_up_like_xnu(0);
    gicv3_icc_write(g, 0, ICC_CTLR, 2); /* EOImode */
    gicv3_ppi(g, 0, 27, true);
    assert_int_equal(ack0(0), 27);
    eoi0(0, 27);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xff);
    assert_false(fiq[0]);
    gicv3_icc_write(g, 0, ICC_DIR, 27);
    assert_true(fiq[0]);
}

static void sgis_and_groups(void **state)
{
    static const struct { enum icc_reg reg; bool reaches_group_1; } way[] = {{ICC_SGI0R, false}, {ICC_SGI1R, true}, {ICC_ASGI1R, false}};
    bring_up();
    for (unsigned cpu = 0; cpu < 3; cpu++)
        gicv3_icc_write(g, cpu, ICC_IGRPEN0, 1);
    wr(sgi_frame(2) + 0x80, 4, ~(1u << 3)); /* group 0 at CPU 2, group 1 at CPU 1 */
    for (size_t i = 0; i < ARRAY_SIZE(way); i++) {
        gicv3_icc_write(g, 0, way[i].reg, UINT64_C(3) << 24 | 6);
        assert_true(fiq[2] && !irq[2] && !fiq[1]);
        assert_int_equal(irq[1], way[i].reaches_group_1);
        assert_int_equal(ack0(2), 3);
        eoi0(2, 3);
        assert_int_equal(ack(1), way[i].reaches_group_1 ? 3 : 1023);
        eoi(1, 3);
    }
}

static void group_0_is_saved(void **state)
{
    bring_up();
    bring_up_like_xnu(0);
    gicv3_icc_write(g, 0, ICC_BPR0, 4);
    gicv3_ppi(g, 0, 27, true);
    wr(sgi_frame(0) + 0x400 + 27, 1, 0x40);
    assert_int_equal(ack0(0), 27);
    wr(sgi_frame(0) + 0x80, 4, 0x81ffffff & ~(1u << 2));
    wr(sgi_frame(0) + 0x400 + 2, 1, 0);
    gicv3_icc_write(g, 1, ICC_SGI0R, UINT64_C(2) << 24 | 1);
    assert_true(fiq[0]);
    size_t n = device_save_bytes(gicv3_dist(g)->type);
    uint8_t *saved = malloc(n);
    device_save(gicv3_dist(g), saved);
    gicv3_dist(g)->type->reset(gicv3_dist(g));
    assert_false(fiq[0]);
    assert_true(device_load(gicv3_dist(g), saved, n));
    free(saved);
    assert_true(fiq[0] && !irq[0]);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_BPR0), 4);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0x40);
    assert_int_equal(ack0(0), 2);
    eoi0(0, 2);
    eoi0(0, 27);
    assert_int_equal(gicv3_icc_read(g, 0, ICC_RPR), 0xff);
    assert_true(fiq[0]); /* the wire is still high */
}

static void timers_are_private(void **state)
{
    bring_up();
    wr(sgi_frame(4) + 0x100, 4, 1u << 27);
    gicv3_ppi(g, 4, 27, true);
    gicv3_ppi(g, 5, 27, true);
    assert_true(irq[4]);
    assert_false(irq[5]);
    assert_int_equal(ack(4), 27);
    gicv3_ppi(g, 4, 27, false);
    eoi(4, 27);
    assert_false(irq[4]);
    wr(sgi_frame(4) + 0x180, 4, 1u << 27);
    gicv3_ppi(g, 4, 27, true);
    assert_false(irq[4]);
}

static void sleeping_cpus_get_nothing(void **state)
{
    bring_up();
    wr(frame(2) + 0x14, 4, 2);
    gicv3_icc_write(g, 0, ICC_SGI1R, 4);
    assert_false(irq[2]);
    wr(frame(2) + 0x14, 4, 0);
    assert_true(irq[2]);
}

static void reset_is_like_new(void **state)
{
    size_t n = device_save_bytes(gicv3_dist(g)->type);
    uint8_t *before = malloc(n), *after = malloc(n);
    device_save(gicv3_dist(g), before);
    bring_up();
    gicv3_icc_write(g, 1, ICC_SGI1R, 0xffff);
    ack(0);
    gicv3_dist(g)->type->reset(gicv3_dist(g));
    device_save(gicv3_dist(g), after);
    assert_memory_equal(before, after, n);
    for (unsigned i = 0; i < CPUS; i++)
        assert_false(irq[i]);
    free(before);
    free(after);
}

/* ---- against a model: one CPU, every interrupt its own few fields, the answer by searching all of them ---- */

struct model_irq {
    bool enable, pending, level, active, edge, line;
    unsigned prio, group;
};
static struct model_irq model[64];
static bool group_on[2];
static unsigned stack[64], depth; /* priorities of what is being handled */

static unsigned model_best(void)
{
    unsigned best = 1023, prio = 0xf8;
    for (unsigned i = 0; i < 64; i++) {
        bool pending = model[i].pending || (model[i].line && !model[i].edge);
        if (pending && model[i].enable && !model[i].active && group_on[model[i].group] && model[i].prio < prio) {
            best = i;
            prio = model[i].prio;
        }
    }
    return depth && best != 1023 && prio >= stack[depth - 1] ? 1023 : best;
}

static void agrees_with_a_model(void **state)
{
    bring_up();
    gicv3_icc_write(g, 0, ICC_PMR, 0xf8);
    wr(sgi_frame(0) + 0x180, 4, ~0u);
    memset(model, 0, sizeof model);
    for (unsigned i = 0; i < 64; i++)
        model[i] = (struct model_irq){ .prio = 0xa0, .edge = i < 16, .group = 1 };
    unsigned handled[64], handled_group[64];
    group_on[0] = false;
    group_on[1] = true;
    depth = 0;
    srand(7);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % 64, bit = 1u << i % 32;
        uint64_t base = i < 32 ? sgi_frame(0) : DIST + 4;
        struct model_irq *m = &model[i];
        switch (rand() % 11) {
        case 0: wr(base + 0x100, 4, bit); m->enable = true; break;
        case 1: wr(base + 0x180, 4, bit); m->enable = false; break;
        case 2: wr(base + 0x200, 4, bit); m->pending = true; break;
        case 3: wr(base + 0x280, 4, bit); m->pending = false; break;
        case 4:
            m->prio = (unsigned)(rand() % 31) << 3;
            wr((i < 32 ? sgi_frame(0) : DIST) + 0x400 + i, 1, m->prio);
            break;
        case 5:
            if (i >= 16) {
                bool level = rand() % 2;
                if (level && !m->line && m->edge)
                    m->pending = true;
                m->line = level;
                struct irq_line line = i >= 32 ? gicv3_spi(g, i - 32) : (struct irq_line){ 0 };
                if (i >= 32)
                    irq_set(&line, level);
                else
                    gicv3_ppi(g, 0, i, level);
            }
            break;
        case 6:
        case 7: {
            unsigned group = (unsigned)rand() % 2, best = model_best(), want = best != 1023 && model[best].group == group ? best : 1023;
            unsigned got = (unsigned)(group ? ack(0) : ack0(0));
            if (want != got)
                fail_msg("step %u: acknowledged %u in group %u, the model says %u", step, got, group, want);
            if (got < 64) {
                model[got].active = true;
                model[got].pending = false;
                handled[depth] = got;
                handled_group[depth] = group;
                stack[depth++] = model[got].prio;
            }
            break;
        }
        case 8:
            if (depth) {
                depth--;
                (handled_group[depth] ? eoi : eoi0)(0, handled[depth]);
                model[handled[depth]].active = false;
            }
            break;
        case 9:
            m->group ^= 1;
            wr(base + 0x80, 4, rd(base + 0x80, 4) ^ bit);
            break;
        case 10:
            if (rand() % 8 == 0) {
                group_on[i % 2] ^= 1;
                gicv3_icc_write(g, 0, i % 2 ? ICC_IGRPEN1 : ICC_IGRPEN0, group_on[i % 2]);
            }
            break;
        }
        unsigned best = model_best();
        if (irq[0] != (best != 1023 && model[best].group) || fiq[0] != (best != 1023 && !model[best].group))
            fail_msg("step %u: the inputs are %d and %d, the best is %u", step, irq[0], fiq[0], best);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity),           T(level_interrupts_stay_until_the_wire_falls),
        T(edges_are_remembered_once), T(messages_are_edges),
        T(priorities_preempt), T(split_end_of_interrupt),
        T(sgis_reach_their_targets),  T(the_timer_as_fiq_beside_irqs),
        T(groups_preempt_each_other), T(group_0_ends_in_two_steps),
        T(flat_numbers),       T(sgis_and_groups),    T(group_0_is_saved),
        T(timers_are_private), T(sleeping_cpus_get_nothing),
        T(reset_is_like_new),  T(agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
