/*
 * gicv3_regs.c - distributor and redistributor registers (IHI 0069H 12.9, 12.11). See gicv3.c.
 *
 * Affinity routing is always on, so the distributor's registers for INTIDs 0..31 read zero: they are in the
 * redistributors' SGI_base frames. With one security state GICD_CTLR.DS is fixed at one and the NSACR and GRPMODR
 * registers do nothing.
 */
#include "dev/gicv3_state.h"

/* Arrays over interrupts have the same layout in GICD and GICR's SGI_base. */
#define BANK_REGS(R, base, n)                                                                                \
    R(IGROUPR, base + 0x080, n, 4, RW)                                                                       \
    R(ISENABLER, base + 0x100, n, 4, RW)                                                                     \
    R(ICENABLER, base + 0x180, n, 4, RW)                                                                     \
    R(ISPENDR, base + 0x200, n, 4, RW)                                                                       \
    R(ICPENDR, base + 0x280, n, 4, RW)                                                                       \
    R(ISACTIVER, base + 0x300, n, 4, RW)                                                                     \
    R(ICACTIVER, base + 0x380, n, 4, RW)                                                                     \
    R(IPRIORITYR, base + 0x400, n * 32, 1, RW)

#define DIST_REGS(R)                                                                                         \
    R(CTLR, 0x0000, 1, 4, RW)                                                                                \
    R(TYPER, 0x0004, 1, 4, RO)                                                                               \
    R(IIDR, 0x0008, 1, 4, RO)                                                                                \
    R(TYPER2, 0x000c, 1, 4, RO)                                                                              \
    R(STATUSR, 0x0010, 1, 4, RW)                                                                             \
    R(SETSPI_NSR, 0x0040, 1, 4, WO)                                                                          \
    R(CLRSPI_NSR, 0x0048, 1, 4, WO)                                                                          \
    R(SETSPI_SR, 0x0050, 1, 4, WO)                                                                           \
    R(CLRSPI_SR, 0x0058, 1, 4, WO)                                                                           \
    BANK_REGS(R, 0x0000, 32)                                                                                 \
    R(ITARGETSR, 0x0800, 1024, 1, RW)                                                                        \
    R(ICFGR, 0x0c00, 64, 4, RW)                                                                              \
    R(IGRPMODR, 0x0d00, 32, 4, RW)                                                                           \
    R(NSACR, 0x0e00, 64, 4, RW)                                                                              \
    R(SGIR, 0x0f00, 1, 4, WO)                                                                                \
    R(CPENDSGIR, 0x0f10, 16, 1, RW)                                                                          \
    R(SPENDSGIR, 0x0f20, 16, 1, RW)                                                                          \
    R(IROUTER, 0x6100, 988, 8, RW)                                                                           \
    R(PIDR4, 0xffd0, 4, 4, RO)                                                                               \
    R(PIDR0, 0xffe0, 2, 4, RO)                                                                               \
    R(PIDR2, 0xffe8, 1, 4, RO)                                                                               \
    R(PIDR3, 0xffec, 1, 4, RO)                                                                               \
    R(CIDR, 0xfff0, 4, 4, RO)

#define SGI 0x10000
#define REDIST_REGS(R)                                                                                       \
    R(CTLR, 0x0000, 1, 4, RW)                                                                                \
    R(IIDR, 0x0004, 1, 4, RO)                                                                                \
    R(TYPER, 0x0008, 1, 8, RO)                                                                               \
    R(STATUSR, 0x0010, 1, 4, RW)                                                                             \
    R(WAKER, 0x0014, 1, 4, RW)                                                                               \
    R(PROPBASER, 0x0070, 1, 8, RW)                                                                           \
    R(PENDBASER, 0x0078, 1, 8, RW)                                                                           \
    R(PIDR4, 0xffd0, 4, 4, RO)                                                                               \
    R(PIDR0, 0xffe0, 2, 4, RO)                                                                               \
    R(PIDR2, 0xffe8, 1, 4, RO)                                                                               \
    R(PIDR3, 0xffec, 1, 4, RO)                                                                               \
    R(CIDR, 0xfff0, 4, 4, RO)                                                                                \
    BANK_REGS(R, SGI, 1)                                                                                     \
    R(ICFGR, SGI + 0x0c00, 2, 4, RW)                                                                         \
    R(IGRPMODR, SGI + 0x0d00, 1, 4, RW)                                                                      \
    R(NSACR, SGI + 0x0e00, 1, 4, RW)

#define ROW(name, offset, count, bytes, access)   { #name, offset, count, bytes, access },
#define D_ENUM(name, offset, count, bytes, access) GICD_##name = offset,
#define R_ENUM(name, offset, count, bytes, access) GICR_##name = offset,
enum { DIST_REGS(D_ENUM) };
enum { REDIST_REGS(R_ENUM) };
static const struct mmio_reg gicd_regs[] = { DIST_REGS(ROW) };
static const struct mmio_reg gicr_regs[] = { REDIST_REGS(ROW) };

#define IIDR  0x5000043bu /* ProductID 'P', implementer Arm's JEP106 code as the architecture's model shows */
#define PIDR2 0x3bu       /* ArchRev 3: GICv3 */

#define WAKER_PROCESSOR_SLEEP BIT(1)
#define WAKER_CHILDREN_ASLEEP BIT(2)

/* The bank that a register of an array over interrupts means, its first INTID in *base; NULL: RAZ/WI. `bits`: of one
 * interrupt in the register; `n`: byte offset in the array. */
static struct gic_bank *bank_of(struct gicv3 *g, int cpu, uint32_t n, unsigned bits, unsigned *base)
{
    unsigned intid = n * 8 / bits;
    *base = intid;
    if (cpu >= 0)
        return intid < 32 ? &g->s.cpu[cpu].own : NULL;
    return intid < 32 ? NULL : gic_bank(g, 0, intid);
}

static uint32_t edge_read(const struct gic_bank *b, unsigned base)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 16; i++)
        v |= (b->edge >> (base % 32 + i) & 1) << (2 * i + 1);
    return v;
}

static void edge_write(struct gic_bank *b, unsigned base, uint32_t v)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t bit = 1u << (base % 32 + i);
        b->edge = v >> (2 * i + 1) & 1 ? b->edge | bit : b->edge & ~bit;
    }
}

/* o: offset as in the distributor; cpu -1: SPIs. */
static uint32_t bank_read(struct gicv3 *g, int cpu, uint32_t o, unsigned bytes)
{
    unsigned base;
    struct gic_bank *b;
    if (o >= GICD_IPRIORITYR && o < GICD_IPRIORITYR + 1024) {
        uint32_t v = 0;
        b = bank_of(g, cpu, o - GICD_IPRIORITYR, 8, &base);
        for (unsigned i = 0; b && i < bytes; i++)
            v |= (uint32_t)b->prio[base % 32 + i] << 8 * i;
        return v;
    }
    if (o >= GICD_ICFGR) {
        b = bank_of(g, cpu, o - GICD_ICFGR, 2, &base);
        return b ? edge_read(b, base) : 0;
    }
    b = bank_of(g, cpu, o & 0x7f, 1, &base);
    if (!b)
        return 0;
    switch (o & ~0x7fu) {
    case GICD_IGROUPR: return b->group;
    case GICD_ISENABLER: case GICD_ICENABLER: return b->enable;
    case GICD_ISPENDR: case GICD_ICPENDR: return gic_pending(b);
    case GICD_ISACTIVER: case GICD_ICACTIVER: return b->active;
    }
    return 0;
}

static void bank_write(struct gicv3 *g, int cpu, uint32_t o, unsigned bytes, uint32_t v)
{
    unsigned base;
    struct gic_bank *b;
    if (o >= GICD_IPRIORITYR && o < GICD_IPRIORITYR + 1024) {
        b = bank_of(g, cpu, o - GICD_IPRIORITYR, 8, &base);
        for (unsigned i = 0; b && i < bytes; i++)
            b->prio[base % 32 + i] = v >> 8 * i & 0xf8;
        return;
    }
    if (o >= GICD_ICFGR) {
        b = bank_of(g, cpu, o - GICD_ICFGR, 2, &base);
        if (b && base >= 16) /* SGIs are edge-triggered, always */
            edge_write(b, base, v);
        return;
    }
    b = bank_of(g, cpu, o & 0x7f, 1, &base);
    if (!b)
        return;
    switch (o & ~0x7fu) {
    case GICD_IGROUPR: b->group = v; break;
    case GICD_ISENABLER: b->enable |= v; break;
    case GICD_ICENABLER: b->enable &= ~v; break;
    case GICD_ISPENDR: b->latch |= v; break;
    case GICD_ICPENDR: b->latch &= ~v; break;
    case GICD_ISACTIVER: b->active |= v; break;
    case GICD_ICACTIVER: b->active &= ~v; break;
    }
}

static bool is_bank_reg(uint32_t o)
{
    return (o >= GICD_IGROUPR && o < GICD_ITARGETSR) || (o >= GICD_ICFGR && o < GICD_IGRPMODR);
}

/* 12.9.38: ITLinesNumber, MBIS, IDbits 16, A3V, No1N, RSS. */
static uint32_t typer(const struct gicv3 *g)
{
    return (g->n_banks - 1) | BIT(16) | 15u << 19 | BIT(24) | BIT(25) | BIT(26);
}

/* GICD_SETSPI_NSR, GICD_CLRSPI_NSR: an edge-triggered SPI becomes pending; a level-sensitive one has its wire moved. */
static void message(struct gicv3 *g, unsigned intid, bool set)
{
    struct gic_bank *b = intid >= 32 ? gic_bank(g, 0, intid) : NULL;
    if (!b)
        return;
    uint32_t bit = 1u << intid % 32;
    uint32_t *word = b->edge & bit ? &b->latch : &b->line;
    *word = set ? *word | bit : *word & ~bit;
    gic_update_for(g, 0, intid);
}

void gicv3_message(void *ctx, uint64_t offset, uint32_t data)
{
    struct gicv3 *g = ctx;
    pthread_mutex_lock(&g->lock);
    if (offset == GICD_SETSPI_NSR || offset == GICD_CLRSPI_NSR)
        message(g, data & 0x3ff, offset == GICD_SETSPI_NSR);
    pthread_mutex_unlock(&g->lock);
}

static uint64_t router_read(const struct gicv3 *g, uint32_t o, unsigned bytes)
{
    unsigned intid = 32 + (o - GICD_IROUTER) / 8;
    if (intid >= g->n_banks * 32)
        return 0;
    return bytes == 4 && o & 4 ? g->s.route[intid] >> 32 : g->s.route[intid];
}

static void router_write(struct gicv3 *g, uint32_t o, unsigned bytes, uint64_t v)
{
    unsigned intid = 32 + (o - GICD_IROUTER) / 8;
    if (intid >= g->n_banks * 32)
        return;
    if (bytes == 4)
        v = o & 4 ? bits_set(g->s.route[intid], 63, 32, v) : bits_set(g->s.route[intid], 31, 0, v);
    gic_route(g, intid, v);
    gic_update_all(g);
}

static uint64_t dist_read(struct gicv3 *g, uint32_t o, unsigned bytes)
{
    if (is_bank_reg(o))
        return bank_read(g, -1, o, bytes);
    if (o >= GICD_IROUTER && o < GICD_PIDR4)
        return router_read(g, o, bytes);
    switch (o) {
    case GICD_CTLR: return g->s.ctlr;
    case GICD_TYPER: return typer(g);
    case GICD_IIDR: return IIDR;
    case GICD_PIDR2: return PIDR2;
    }
    return 0;
}

static void dist_write(struct gicv3 *g, uint32_t o, unsigned bytes, uint64_t v)
{
    if (is_bank_reg(o)) {
        bank_write(g, -1, o, bytes, (uint32_t)v);
        gic_update_all(g);
        return;
    }
    if (o >= GICD_IROUTER && o < GICD_PIDR4) {
        router_write(g, o, bytes, v);
        return;
    }
    switch (o) {
    case GICD_CTLR:
        g->s.ctlr = (uint32_t)(v & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1)) | GICD_CTLR_ARE | GICD_CTLR_DS;
        gic_update_all(g);
        break;
    case GICD_SETSPI_NSR: message(g, v & 0x3ff, true); break;
    case GICD_CLRSPI_NSR: message(g, v & 0x3ff, false); break;
    }
}

static uint64_t redist_typer(const struct gicv3 *g, unsigned cpu)
{
    return (uint64_t)cpu_affinity(g->topology, cpu) << 32 | (uint64_t)cpu << 8 | (cpu == g->n_cpus - 1 ? BIT(4) : 0);
}

static uint64_t redist_read(struct gicv3 *g, unsigned cpu, uint32_t o, unsigned bytes)
{
    if (o >= SGI)
        return is_bank_reg(o - SGI) ? bank_read(g, (int)cpu, o - SGI, bytes) : 0;
    switch (o) {
    case GICR_IIDR: return IIDR;
    case GICR_TYPER: return redist_typer(g, cpu);
    case GICR_TYPER + 4: return redist_typer(g, cpu) >> 32;
    case GICR_WAKER: return g->s.cpu[cpu].asleep ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP : 0;
    case GICR_PIDR2: return PIDR2;
    }
    return 0;
}

static void redist_write(struct gicv3 *g, unsigned cpu, uint32_t o, unsigned bytes, uint64_t v)
{
    if (o >= SGI && is_bank_reg(o - SGI))
        bank_write(g, (int)cpu, o - SGI, bytes, (uint32_t)v);
    else if (o == GICR_WAKER)
        g->s.cpu[cpu].asleep = !!(v & WAKER_PROCESSOR_SLEEP);
    gic_update(g, cpu);
}

/* Only priorities can be reached by the byte, only routes by eight; GICD_SETSPI takes 16 bits as well (12.9.36). */
static bool width_ok(uint32_t o, unsigned bytes)
{
    if (bytes == 8)
        return o >= GICD_IROUTER;
    return bytes >= 4 || (o >= GICD_IPRIORITYR && o < GICD_ICFGR) || (o >= GICD_SETSPI_NSR && o <= GICD_CLRSPI_SR);
}

static uint64_t gicd_read(void *dev, uint32_t offset, unsigned bytes)
{
    struct gicv3 *g = CONTAINER_OF(dev, struct gicv3, dist);
    if (!width_ok(offset, bytes))
        return 0;
    pthread_mutex_lock(&g->lock);
    uint64_t v = dist_read(g, offset, bytes);
    pthread_mutex_unlock(&g->lock);
    return v;
}

static void gicd_write(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    struct gicv3 *g = CONTAINER_OF(dev, struct gicv3, dist);
    if (!width_ok(offset, bytes))
        return;
    pthread_mutex_lock(&g->lock);
    dist_write(g, offset, bytes, value);
    pthread_mutex_unlock(&g->lock);
}

static bool redist_width_ok(uint32_t o, unsigned bytes)
{
    if (o >= SGI)
        return width_ok(o - SGI, bytes);
    return bytes == 4 || (bytes == 8 && (o == GICR_TYPER || o >= GICR_PROPBASER));
}

static uint64_t gicr_read(void *dev, uint32_t offset, unsigned bytes)
{
    struct gicv3 *g = CONTAINER_OF(dev, struct gicv3, redist);
    unsigned cpu = offset / GIC_FRAME_BYTES;
    uint32_t o = offset % GIC_FRAME_BYTES;
    if (cpu >= g->n_cpus || !redist_width_ok(o, bytes))
        return 0;
    pthread_mutex_lock(&g->lock);
    uint64_t v = redist_read(g, cpu, o, bytes);
    pthread_mutex_unlock(&g->lock);
    return v;
}

static void gicr_write(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    struct gicv3 *g = CONTAINER_OF(dev, struct gicv3, redist);
    unsigned cpu = offset / GIC_FRAME_BYTES;
    uint32_t o = offset % GIC_FRAME_BYTES;
    if (cpu >= g->n_cpus || !redist_width_ok(o, bytes))
        return;
    pthread_mutex_lock(&g->lock);
    redist_write(g, cpu, o, bytes, value);
    pthread_mutex_unlock(&g->lock);
}

static void nothing(void *dev)
{
    (void)dev; /* state and memory belong to the distributor's device */
}

const struct device_type gicv3_dist_type = {
    .name = "gicd",
    DEVICE_REGS(gicd_regs),
    .sizes = 1 | 2 | 4 | 8,
    .own_lock = true,
    .read = gicd_read,
    .write = gicd_write,
    .reset = gic_reset,
    .restored = gic_restored,
    .destroy = gic_destroy,
    DEVICE_STATE(struct gicv3, s, gic_fields),
};

const struct device_type gicv3_redist_type = {
    .name = "gicr",
    DEVICE_REGS(gicr_regs),
    .stride = GIC_FRAME_BYTES,
    .sizes = 1 | 2 | 4 | 8,
    .own_lock = true,
    .read = gicr_read,
    .write = gicr_write,
    .reset = nothing,
    .destroy = nothing,
};
