/* gicv3_icc.c - the CPU interface, ICC_* system registers (IHI 0069H 12.2); one security state. See gicv3.c. */
#include "dev/gicv3_state.h"

/* ICC_CTLR_EL1, 12.2.6 */
#define CTLR_CBPR         BIT(0)
#define CTLR_EOIMODE      BIT(1)
#define CTLR_PRIBITS(n)   ((uint64_t)(n - 1) << 8)
#define CTLR_A3V          BIT(15)
#define CTLR_RSS          BIT(18)

#define MIN_BPR0 2u /* with 5 bits of priority: gggggsss */

static unsigned lowest(uint32_t word)
{
    return word ? (unsigned)__builtin_ctz(word) : 32;
}

static uint32_t running_prio(const struct gic_cpu *c)
{
    uint32_t active = c->ap[0] | c->ap[1];
    return active ? lowest(active) << 3 : GIC_IDLE_PRIO;
}

/* Active: pending no more (the latch; a wire stays), not offered again until deactivated. */
static uint64_t acknowledge(struct gicv3 *g, unsigned cpu, unsigned group)
{
    struct gic_cpu *c = &g->s.cpu[cpu];
    struct gic_best best = gic_best(g, cpu);
    if (!gic_can_signal(g, cpu, &best) || best.group != group)
        return GIC_SPURIOUS;
    struct gic_bank *b = gic_bank(g, cpu, best.intid);
    uint32_t bit = 1u << best.intid % 32;
    b->active |= bit;
    b->latch &= ~bit;
    c->ap[group] |= 1u << ((best.prio & gic_group_mask(c, group)) >> 3);
    gic_update_for(g, cpu, best.intid);
    gic_update(g, cpu);
    return best.intid;
}

static void deactivate(struct gicv3 *g, unsigned cpu, unsigned intid)
{
    struct gic_bank *b = gic_bank(g, cpu, intid);
    if (!b)
        return;
    b->active &= ~(1u << intid % 32);
    gic_update_for(g, cpu, intid);
}

/* Priority drop, then deactivation unless EOImode leaves that to ICC_DIR. */
static void end_of_interrupt(struct gicv3 *g, unsigned cpu, unsigned group, uint64_t value)
{
    struct gic_cpu *c = &g->s.cpu[cpu];
    unsigned intid = value & 0xffffff;
    if (intid >= 1020 || lowest(c->ap[group]) == 32 || lowest(c->ap[group]) > lowest(c->ap[!group]))
        return;
    c->ap[group] &= c->ap[group] - 1;
    if (!c->eoi_mode)
        deactivate(g, cpu, intid);
    gic_update(g, cpu);
}

static bool sgi_selects(const struct gicv3 *g, unsigned cpu, unsigned target, uint64_t v)
{
    if (v & BIT(40)) /* IRM: everybody but this one */
        return target != cpu;
    uint32_t aff = cpu_affinity(g->topology, target);
    uint32_t cluster = (uint32_t)(bits_get(v, 23, 16) | bits_get(v, 39, 32) << 8 | bits_get(v, 55, 48) << 16);
    uint32_t aff0 = aff & 0xff;
    return aff >> 8 == cluster && aff0 / 16 == bits_get(v, 47, 44) && v >> aff0 % 16 & 1;
}

/* 4.4 and 12.2.19, 12.2.20, one security state: ICC_SGI1R makes an SGI pending in whichever group the receiving CPU has it, ICC_SGI0R only
 * where that is group 0; ICC_ASGI1R (12.2.3) has no other security state to mean, and is ICC_SGI0R. */
static void send_sgi(struct gicv3 *g, unsigned cpu, bool group_0_only, uint64_t v)
{
    uint32_t bit = 1u << bits_get(v, 27, 24);
    for (unsigned i = 0; i < g->n_cpus; i++) {
        struct gic_bank *b = &g->s.cpu[i].own;
        if (!sgi_selects(g, cpu, i, v) || (group_0_only && b->group & bit))
            continue;
        b->latch |= bit;
        gic_update(g, i);
    }
}

static uint64_t hppir(const struct gicv3 *g, unsigned cpu, unsigned group)
{
    struct gic_best best = gic_best(g, cpu);
    return best.intid != GIC_SPURIOUS && best.group == group ? best.intid : GIC_SPURIOUS;
}

static uint64_t read_ctlr(const struct gic_cpu *c)
{
    return CTLR_PRIBITS(5) | CTLR_A3V | CTLR_RSS | (c->cbpr ? CTLR_CBPR : 0) | (c->eoi_mode ? CTLR_EOIMODE : 0);
}

static uint64_t icc_read(struct gicv3 *g, unsigned cpu, enum icc_reg reg)
{
    const struct gic_cpu *c = &g->s.cpu[cpu];
    switch (reg) {
    case ICC_IAR0: return acknowledge(g, cpu, 0);
    case ICC_IAR1: return acknowledge(g, cpu, 1);
    case ICC_HPPIR0: return hppir(g, cpu, 0);
    case ICC_HPPIR1: return hppir(g, cpu, 1);
    case ICC_BPR0: return c->bpr[0];
    case ICC_BPR1: return c->cbpr ? MIN(c->bpr[0] + 1, 7) : c->bpr[1];
    case ICC_AP0R0: return c->ap[0];
    case ICC_AP1R0: return c->ap[1];
    case ICC_RPR: return running_prio(c);
    case ICC_CTLR: return read_ctlr(c);
    case ICC_SRE: return 7; /* SRE, DFB, DIB: there is no other interface, no bypass */
    case ICC_IGRPEN0: return c->grpen[0];
    case ICC_IGRPEN1: return c->grpen[1];
    case ICC_PMR: return c->pmr;
    case ICC_EOIR0: case ICC_EOIR1: case ICC_DIR: case ICC_SGI1R: case ICC_ASGI1R: case ICC_SGI0R: case ICC_REG_COUNT:
        break; /* write-only: the CPU does not let reads get here */
    }
    return 0;
}

static void icc_write(struct gicv3 *g, unsigned cpu, enum icc_reg reg, uint64_t v)
{
    struct gic_cpu *c = &g->s.cpu[cpu];
    switch (reg) {
    case ICC_EOIR0: end_of_interrupt(g, cpu, 0, v); return;
    case ICC_EOIR1: end_of_interrupt(g, cpu, 1, v); return;
    case ICC_SGI0R: case ICC_ASGI1R: send_sgi(g, cpu, true, v); return;
    case ICC_SGI1R: send_sgi(g, cpu, false, v); return;
    case ICC_DIR:
        if (c->eoi_mode)
            deactivate(g, cpu, v & 0xffffff);
        return;
    case ICC_BPR0: c->bpr[0] = MAX((uint32_t)(v & 7), MIN_BPR0); break;
    case ICC_BPR1:
        if (!c->cbpr)
            c->bpr[1] = MAX((uint32_t)(v & 7), MIN_BPR0 + 1);
        break;
    case ICC_AP0R0: c->ap[0] = (uint32_t)v; break;
    case ICC_AP1R0: c->ap[1] = (uint32_t)v; break;
    case ICC_CTLR:
        c->cbpr = !!(v & CTLR_CBPR);
        c->eoi_mode = !!(v & CTLR_EOIMODE);
        break;
    case ICC_IGRPEN0: c->grpen[0] = v & 1; break;
    case ICC_IGRPEN1: c->grpen[1] = v & 1; break;
    case ICC_PMR: c->pmr = v & 0xf8; break;
    case ICC_SRE: /* all ones, always */
    case ICC_IAR0: case ICC_IAR1: case ICC_HPPIR0: case ICC_HPPIR1: case ICC_RPR: case ICC_REG_COUNT:
        return;
    }
    gic_update(g, cpu);
}

uint64_t gicv3_icc_read(struct gicv3 *g, unsigned cpu, enum icc_reg reg)
{
    assert(cpu < g->n_cpus);
    pthread_mutex_lock(&g->lock);
    uint64_t v = icc_read(g, cpu, reg);
    pthread_mutex_unlock(&g->lock);
    return v;
}

void gicv3_icc_write(struct gicv3 *g, unsigned cpu, enum icc_reg reg, uint64_t value)
{
    assert(cpu < g->n_cpus);
    pthread_mutex_lock(&g->lock);
    icc_write(g, cpu, reg, value);
    pthread_mutex_unlock(&g->lock);
}
