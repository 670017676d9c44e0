/*
 * cpu_ports.h - the few wires between vCPUs and the board, so that dev/ never includes cpu/ and the other way round.
 *
 * `machine` fills these structs: cpu/ calls struct cpu_board; the interrupt controller calls struct cpu_irq_port.
 */
#ifndef BUS_CPU_PORTS_H
#define BUS_CPU_PORTS_H

#include <stdbool.h>
#include <stdint.h>

/* GICv3 CPU interface registers, as the system-register table of cpu/ names them (IHI 0069, 12.2). */
enum icc_reg {
    ICC_IAR0, ICC_EOIR0, ICC_HPPIR0, ICC_BPR0, ICC_AP0R0, ICC_AP1R0, ICC_DIR, ICC_RPR, ICC_SGI1R, ICC_ASGI1R,
    ICC_SGI0R, ICC_IAR1, ICC_EOIR1, ICC_HPPIR1, ICC_BPR1, ICC_CTLR, ICC_SRE, ICC_IGRPEN0, ICC_IGRPEN1, ICC_PMR,
    ICC_REG_COUNT
};

/* How vCPUs are numbered. */
enum cpu_topology {
    CPU_CLUSTERS, /* 16 to a cluster, so that one ICC_SGI1R write reaches a whole cluster */
    CPU_FLAT,     /* one cluster: XNU finds a CPU's data by Aff0 alone */
};

/* Affinity of vCPU n as in MPIDR_EL1 (Aff0 bits 7:0, Aff1 15:8). The vCPU's MPIDR_EL1, the redistributor's GICR_TYPER and the device
 * tree's cpu@N/reg agree through it. */
static inline uint32_t cpu_affinity(enum cpu_topology topology, unsigned cpu)
{
    return topology == CPU_FLAT ? cpu : cpu % 16 | cpu / 16 << 8;
}

/* What a vCPU can ask of the board. Every function is thread-safe (takes the locks it needs itself). */
struct cpu_board {
    void *ctx;
    /* Physical accesses that are not memory. size_bytes 1, 2, 4, 8. false: nothing answers (external abort). */
    bool (*mmio_read)(void *ctx, unsigned cpu, uint64_t gpa, unsigned size_bytes, uint64_t *value);
    bool (*mmio_write)(void *ctx, unsigned cpu, uint64_t gpa, unsigned size_bytes, uint64_t value);
    /* GIC CPU interface. */
    uint64_t (*icc_read)(void *ctx, unsigned cpu, enum icc_reg reg);
    void (*icc_write)(void *ctx, unsigned cpu, enum icc_reg reg, uint64_t value);
    /* Level of a private peripheral interrupt of this vCPU, intid 16..31 (timers, PMU). */
    void (*ppi_set)(void *ctx, unsigned cpu, unsigned intid, bool level);
    /* PSCI SYSTEM_OFF / SYSTEM_RESET reached the board; the vCPU stops after this returns. */
    void (*system_off)(void *ctx, unsigned cpu, bool reset);
    /* Something worth a line in the machine's log (CPU brought online, undefined instruction storm...). */
    void (*note)(void *ctx, unsigned cpu, const char *text);
};

/* What the interrupt controller does to vCPUs: may be called from any thread, with the controller's lock held. */
struct cpu_irq_port {
    void *ctx;
    void (*set_irq)(void *ctx, unsigned cpu, bool level);
    void (*set_fiq)(void *ctx, unsigned cpu, bool level);
};

#endif
