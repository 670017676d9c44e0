/* gicv3_state.h - what the three files of the interrupt controller share; see gicv3.c for how it works. */
#ifndef DEV_GICV3_STATE_H
#define DEV_GICV3_STATE_H

#include "dev/gicv3.h"

#define GIC_SPURIOUS  1023u
#define GIC_IDLE_PRIO 0xffu
#define GIC_MAX_BANKS 31 /* banks of 32 INTIDs below 992; bank 0 is private to each CPU */

/* GICD_CTLR, IHI 0069H 12.9.4, one security state. */
#define GICD_CTLR_GRP0 BIT(0)
#define GICD_CTLR_GRP1 BIT(1)
#define GICD_CTLR_ARE  BIT(4)
#define GICD_CTLR_DS   BIT(6)

/* 32 interrupts, one bit each. */
struct gic_bank {
    uint32_t group, enable, latch, line, active, edge;
    uint8_t prio[32];
};

struct gic_cpu {
    struct gic_bank own; /* SGIs 0..15, PPIs 16..31 */
    uint32_t asleep;     /* GICR_WAKER.ProcessorSleep */
    uint32_t pmr, bpr[2], ap[2], grpen[2];
    uint32_t eoi_mode, cbpr; /* of ICC_CTLR */
};

struct gic_state {
    uint32_t ctlr, statusr;
    struct gic_bank spi[GIC_MAX_BANKS]; /* [0] is not used: INTIDs below 32 are in gic_cpu.own */
    uint64_t route[GIC_MAX_BANKS * 32]; /* GICD_IROUTER<n>; the first 32 are not used */
    struct gic_cpu cpu[GIC_MAX_CPUS];
};

struct gicv3 {
    struct device dist, redist;
    pthread_mutex_t lock;
    struct cpu_irq_port port;
    enum cpu_topology topology;
    unsigned n_cpus, n_banks; /* n_banks counts bank 0 */
    struct gic_state s;
    /* Made from s: which SPIs are routed to which CPU, and what each CPU's inputs are now. */
    uint32_t target[GIC_MAX_CPUS][GIC_MAX_BANKS];
    bool irq[GIC_MAX_CPUS], fiq[GIC_MAX_CPUS];
};

extern const struct device_type gicv3_dist_type, gicv3_redist_type;

/* All with the lock held. */

struct gic_best { /* the highest priority pending interrupt of a CPU */
    unsigned intid, prio, group; /* intid GIC_SPURIOUS: none */
};
struct gic_best gic_best(const struct gicv3 *g, unsigned cpu);

/* The bank that intid belongs to as seen by cpu, or NULL when there is no such interrupt. */
struct gic_bank *gic_bank(struct gicv3 *g, unsigned cpu, unsigned intid);

static inline uint32_t gic_pending(const struct gic_bank *b)
{
    return b->latch | (b->line & ~b->edge);
}

bool gic_can_signal(const struct gicv3 *g, unsigned cpu, const struct gic_best *best);
void gic_update(struct gicv3 *g, unsigned cpu); /* drives the CPU's IRQ and FIQ inputs */
void gic_update_all(struct gicv3 *g);
void gic_update_for(struct gicv3 *g, unsigned cpu, unsigned intid); /* whoever sees intid */
void gic_route(struct gicv3 *g, unsigned intid, uint64_t route);
void gic_cpu_reset(struct gic_cpu *c);

uint32_t gic_group_mask(const struct gic_cpu *c, unsigned group); /* the bits of a priority that count for preemption */

/* Members of gicv3_dist_type. */
void gic_reset(void *dev);
void gic_restored(void *dev);
void gic_destroy(void *dev);
#define GIC_N_FIELDS 5
extern const struct state_field gic_fields[GIC_N_FIELDS];

#endif
