/*
 * gicv3.h - Arm GICv3 without LPIs: distributor, redistributors, CPU interface (IHI 0069H), one security state.
 *
 * Message interrupts are SPIs made pending by a store to GICD_SETSPI_NSR (what Linux calls MBI). The controller has its
 * own lock; every function here may be called from any thread.
 */
#ifndef DEV_GICV3_H
#define DEV_GICV3_H

#include "bus/bus.h"
#include "bus/cpu_ports.h"

#define GIC_MAX_CPUS 32
#define GIC_FRAME_BYTES 0x20000u /* one redistributor: RD_base and SGI_base frames */
#define GIC_DIST_BYTES  0x10000u

struct gicv3;

/* n_cpus 1..GIC_MAX_CPUS, n_spis a multiple of 32, 32..960. */
struct gicv3 *gicv3_create(unsigned n_cpus, enum cpu_topology topology, unsigned n_spis, const struct cpu_irq_port *port);

struct device *gicv3_dist(struct gicv3 *g);   /* to be mapped: GIC_DIST_BYTES; owns the state and the memory */
struct device *gicv3_redist(struct gicv3 *g); /* to be mapped: n_cpus * GIC_FRAME_BYTES */

/* The wire into SPI n (INTID 32 + n). */
struct irq_line gicv3_spi(struct gicv3 *g, unsigned n);

/* Level of a private interrupt, intid 16..31. */
void gicv3_ppi(struct gicv3 *g, unsigned cpu, unsigned intid, bool level);

/* The message doorbell: offset from the start of the distributor. */
void gicv3_message(void *g, uint64_t offset, uint32_t data);

uint64_t gicv3_icc_read(struct gicv3 *g, unsigned cpu, enum icc_reg reg);
void gicv3_icc_write(struct gicv3 *g, unsigned cpu, enum icc_reg reg, uint64_t value);

#endif
