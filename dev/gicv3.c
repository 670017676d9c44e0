/*
 * gicv3.c - interrupt controller: which interrupt goes to which CPU, and when (IHI 0069H).
 *
 * How it works. Interrupts live in banks of 32, one bit each: enabled, active, level of the wire, and "latch", the pending
 * state that a write or an edge left behind. An interrupt is pending when its latch is set, or its wire is high and it is
 * level-sensitive. Nothing else about pending interrupts is stored: gic_best() looks for the best one of a CPU whenever
 * something changed (with 288 interrupts that is nine words), and gic_update() drives the CPU's IRQ (group 1) and FIQ
 * (group 0) inputs if the answer differs from what they are.
 *
 * Priorities have 5 bits, so there are 32 preemption levels and one active-priority register per group; the running
 * priority is the lowest bit set in them.
 *
 * Files: gicv3.c (this), gicv3_regs.c (memory-mapped registers), gicv3_icc.c (system registers).
 * Lock: g->lock guards everything; it nests inside the machine lock, and set_irq/set_fiq are called with it held.
 *
 * Missing on purpose: LPIs and ITS, 1-of-N routing (GICD_TYPER.No1N says so), a second security state.
 */
#include "dev/gicv3_state.h"

#include <stdlib.h>

struct gic_bank *gic_bank(struct gicv3 *g, unsigned cpu, unsigned intid)
{
    if (intid < 32)
        return &g->s.cpu[cpu].own;
    return intid < g->n_banks * 32 ? &g->s.spi[intid / 32] : NULL;
}

/* Keeps the best of `candidates` (bits of bank b, first INTID `base`). Ties go to the lower INTID. */
static void consider(struct gic_best *best, const struct gic_bank *b, uint32_t candidates, unsigned base)
{
    for (; candidates; candidates &= candidates - 1) {
        unsigned i = (unsigned)__builtin_ctz(candidates);
        if (b->prio[i] < best->prio)
            *best = (struct gic_best){ .intid = base + i, .prio = b->prio[i], .group = b->group >> i & 1 };
    }
}

/* Bits of b that could be delivered, given the groups that are on. */
static uint32_t ready(const struct gic_bank *b, uint32_t group0_on, uint32_t group1_on)
{
    return gic_pending(b) & b->enable & ~b->active & ((b->group & group1_on) | (~b->group & group0_on));
}

struct gic_best gic_best(const struct gicv3 *g, unsigned cpu)
{
    const struct gic_cpu *c = &g->s.cpu[cpu];
    struct gic_best best = { .intid = GIC_SPURIOUS, .prio = 0x100 };
    if (c->asleep)
        return best;
    uint32_t on0 = g->s.ctlr & GICD_CTLR_GRP0 && c->grpen[0] ? ~0u : 0;
    uint32_t on1 = g->s.ctlr & GICD_CTLR_GRP1 && c->grpen[1] ? ~0u : 0;
    if (!on0 && !on1)
        return best;
    consider(&best, &c->own, ready(&c->own, on0, on1), 0);
    for (unsigned i = 1; i < g->n_banks; i++) {
        uint32_t mine = g->target[cpu][i];
        if (mine)
            consider(&best, &g->s.spi[i], ready(&g->s.spi[i], on0, on1) & mine, i * 32);
    }
    return best;
}

/* 4.8: which bits of a priority count for preemption. Group 1 has its own binary point unless CBPR says otherwise. */
uint32_t gic_group_mask(const struct gic_cpu *c, unsigned group)
{
    unsigned shift = group && !c->cbpr ? c->bpr[1] : c->bpr[0] + 1;
    return ~0u << shift & 0xff;
}

bool gic_can_signal(const struct gicv3 *g, unsigned cpu, const struct gic_best *best)
{
    const struct gic_cpu *c = &g->s.cpu[cpu];
    if (best->intid == GIC_SPURIOUS || best->prio >= c->pmr)
        return false;
    uint32_t running = c->ap[0] | c->ap[1];
    return !running || (best->prio & gic_group_mask(c, best->group)) < (uint32_t)__builtin_ctz(running) << 3;
}

void gic_update(struct gicv3 *g, unsigned cpu)
{
    struct gic_best best = gic_best(g, cpu);
    bool signal = gic_can_signal(g, cpu, &best);
    bool irq = signal && best.group, fiq = signal && !best.group;
    if (irq != g->irq[cpu]) {
        g->irq[cpu] = irq;
        g->port.set_irq(g->port.ctx, cpu, irq);
    }
    if (fiq != g->fiq[cpu]) {
        g->fiq[cpu] = fiq;
        g->port.set_fiq(g->port.ctx, cpu, fiq);
    }
}

void gic_update_all(struct gicv3 *g)
{
    for (unsigned i = 0; i < g->n_cpus; i++)
        gic_update(g, i);
}

void gic_update_for(struct gicv3 *g, unsigned cpu, unsigned intid)
{
    if (intid < 32) {
        gic_update(g, cpu);
        return;
    }
    for (unsigned i = 0; i < g->n_cpus; i++)
        if (g->target[i][intid / 32] >> intid % 32 & 1)
            gic_update(g, i);
}

/* GICD_IROUTER: Aff3 39:32, Aff2..0 23:0. A route to no CPU of ours leaves the interrupt pending at nobody. */
void gic_route(struct gicv3 *g, unsigned intid, uint64_t route)
{
    g->s.route[intid] = route & UINT64_C(0xff00ffffff);
    for (unsigned i = 0; i < g->n_cpus; i++) {
        uint32_t *word = &g->target[i][intid / 32], bit = 1u << intid % 32;
        *word = g->s.route[intid] == cpu_affinity(g->topology, i) ? *word | bit : *word & ~bit;
    }
}

static void set_line(struct gicv3 *g, unsigned cpu, unsigned intid, bool level)
{
    pthread_mutex_lock(&g->lock);
    struct gic_bank *b = gic_bank(g, cpu, intid);
    uint32_t bit = 1u << intid % 32;
    if (level != !!(b->line & bit)) {
        b->line ^= bit;
        if (level && b->edge & bit)
            b->latch |= bit;
        gic_update_for(g, cpu, intid);
    }
    pthread_mutex_unlock(&g->lock);
}

static void spi_set(void *ctx, unsigned number, bool level)
{
    set_line(ctx, 0, 32 + number, level);
}

struct irq_line gicv3_spi(struct gicv3 *g, unsigned n)
{
    assert(n + 32 < g->n_banks * 32);
    return (struct irq_line){ .set = spi_set, .ctx = g, .number = n };
}

void gicv3_ppi(struct gicv3 *g, unsigned cpu, unsigned intid, bool level)
{
    assert(cpu < g->n_cpus && intid >= 16 && intid < 32);
    set_line(g, cpu, intid, level);
}

void gic_cpu_reset(struct gic_cpu *c)
{
    uint32_t line = c->own.line; /* wires are driven by others, not by us */
    *c = (struct gic_cpu){ .bpr = { 2, 3 } }; /* awake, as the firmware at EL3 leaves it that answers our PSCI calls: EDK2 relies on it */
    c->own.edge = 0xffff;
    c->own.line = line;
}

void gic_reset(void *dev)
{
    struct gicv3 *g = CONTAINER_OF(dev, struct gicv3, dist);
    pthread_mutex_lock(&g->lock);
    uint32_t line[GIC_MAX_BANKS];
    for (unsigned i = 0; i < GIC_MAX_BANKS; i++)
        line[i] = g->s.spi[i].line;
    memset(g->s.spi, 0, sizeof g->s.spi);
    for (unsigned i = 0; i < GIC_MAX_BANKS; i++)
        g->s.spi[i].line = line[i];
    g->s.ctlr = GICD_CTLR_ARE | GICD_CTLR_DS;
    g->s.statusr = 0;
    for (unsigned i = 32; i < g->n_banks * 32; i++)
        gic_route(g, i, 0);
    for (unsigned i = 0; i < GIC_MAX_CPUS; i++)
        gic_cpu_reset(&g->s.cpu[i]);
    gic_update_all(g);
    pthread_mutex_unlock(&g->lock);
}

/* A saved state is hostile: values that index or shift are brought back into range. */
void gic_restored(void *dev)
{
    struct gicv3 *g = CONTAINER_OF(dev, struct gicv3, dist);
    pthread_mutex_lock(&g->lock);
    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        struct gic_cpu *c = &g->s.cpu[i];
        c->bpr[0] = MIN(MAX(c->bpr[0], 2), 7);
        c->bpr[1] = MIN(MAX(c->bpr[1], 3), 7);
    }
    for (unsigned i = 32; i < g->n_banks * 32; i++)
        gic_route(g, i, g->s.route[i]);
    gic_update_all(g);
    pthread_mutex_unlock(&g->lock);
}

void gic_destroy(void *dev)
{
    struct gicv3 *g = CONTAINER_OF(dev, struct gicv3, dist);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

const struct state_field gic_fields[GIC_N_FIELDS] = {
    STATE(struct gic_state, ctlr), STATE(struct gic_state, statusr), STATE(struct gic_state, spi),
    STATE(struct gic_state, route), STATE(struct gic_state, cpu),
};

struct gicv3 *gicv3_create(unsigned n_cpus, enum cpu_topology topology, unsigned n_spis, const struct cpu_irq_port *port)
{
    assert(n_cpus && n_cpus <= GIC_MAX_CPUS && n_spis && n_spis % 32 == 0 && n_spis <= 960);
    struct gicv3 *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->dist.type = &gicv3_dist_type;
    g->redist.type = &gicv3_redist_type;
    pthread_mutex_init(&g->lock, NULL);
    g->port = *port;
    g->n_cpus = n_cpus;
    g->topology = topology;
    g->n_banks = 1 + n_spis / 32;
    gic_reset(&g->dist);
    return g;
}

struct device *gicv3_dist(struct gicv3 *g)
{
    return &g->dist;
}

struct device *gicv3_redist(struct gicv3 *g)
{
    return &g->redist;
}
