/*
 * virtio_pci.c - virtio over PCI, modern transport only (VIRTIO 1.2, 4.1).
 *
 * BAR 0 holds all structures (registers table below), BAR 1 the MSI-X table. The capability for accesses through
 * configuration space (4.1.4.9) reaches the same BAR 0.
 *
 * Queue addresses and sizes are frozen while a queue is enabled; only a reset unfreezes them (CVE-2026-5747's class).
 */
#include "dev/virtio_pci.h"

#include <stdlib.h>

#define VENDOR      0x1af4
#define DEVICE_BASE 0x1040
#define BAR         0
#define BAR_BYTES   0x4000
#define NO_VECTOR   0xffff

/* struct virtio_pci_common_cfg, 4.1.4.3; then the other structures at their own pages. */
#define REGS(R)                                                                                              \
    R(DEVICE_FEATURE_SELECT, 0x00, 1, 4, RW)                                                                 \
    R(DEVICE_FEATURE, 0x04, 1, 4, RO)                                                                        \
    R(DRIVER_FEATURE_SELECT, 0x08, 1, 4, RW)                                                                 \
    R(DRIVER_FEATURE, 0x0c, 1, 4, RW)                                                                        \
    R(CONFIG_VECTOR, 0x10, 1, 2, RW)                                                                         \
    R(NUM_QUEUES, 0x12, 1, 2, RO)                                                                            \
    R(STATUS, 0x14, 1, 1, RW)                                                                                \
    R(GENERATION, 0x15, 1, 1, RO)                                                                            \
    R(QUEUE_SELECT, 0x16, 1, 2, RW)                                                                          \
    R(QUEUE_SIZE, 0x18, 1, 2, RW)                                                                            \
    R(QUEUE_VECTOR, 0x1a, 1, 2, RW)                                                                          \
    R(QUEUE_ENABLE, 0x1c, 1, 2, RW)                                                                          \
    R(QUEUE_NOTIFY_OFF, 0x1e, 1, 2, RO)                                                                      \
    R(QUEUE_DESC, 0x20, 1, 8, RW)                                                                            \
    R(QUEUE_DRIVER, 0x28, 1, 8, RW)                                                                          \
    R(QUEUE_DEVICE, 0x30, 1, 8, RW)                                                                          \
    R(ISR, 0x1000, 1, 4, RO)                                                                                 \
    R(CONFIG, 0x2000, VIRTIO_CONFIG_BYTES, 1, RW)                                                            \
    R(NOTIFY, 0x3000, VIRTIO_MAX_QUEUES, 4, WO)
#define ROW(name, offset, count, bytes, access)    { #name, offset, count, bytes, access },
#define V_ENUM(name, offset, count, bytes, access) REG_##name = offset,
enum { REGS(V_ENUM) };
static const struct mmio_reg regs[] = { REGS(ROW) };

/* struct virtio_pci_cap.cfg_type, 4.1.4 */
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };

#define ISR_QUEUE  BIT(0)
#define ISR_CONFIG BIT(1)

struct virtio_pci_state {
    uint32_t device_feature_select, driver_feature_select, isr;
    uint16_t queue_select, config_vector;
};

struct virtio_pci {
    struct device device;
    struct pci_function f;
    struct virtio_pci_state s;
    struct virtio *v;
    uint8_t pci_cap; /* offset of the CAP_PCI capability */
};

static const struct state_field state[] = {
    STATE(struct virtio_pci_state, device_feature_select), STATE(struct virtio_pci_state, driver_feature_select),
    STATE(struct virtio_pci_state, isr),                   STATE(struct virtio_pci_state, queue_select),
    STATE(struct virtio_pci_state, config_vector),
};

/* The selected queue; NULL: there is none of this number. */
static struct virtq *selected(struct virtio_pci *t)
{
    return t->s.queue_select < t->v->type->n_queues ? &t->v->queue[t->s.queue_select] : NULL;
}

static uint64_t *queue_address(struct virtq_state *s, uint32_t reg)
{
    return reg < REG_QUEUE_DRIVER ? &s->desc : reg < REG_QUEUE_DEVICE ? &s->avail : &s->used;
}

static uint64_t read_queue(struct virtio_pci *t, uint32_t reg)
{
    struct virtq *q = selected(t);
    if (!q)
        return reg == REG_QUEUE_VECTOR ? NO_VECTOR : 0; /* 4.1.4.3.1: size 0 says that there is none */
    switch (reg) {
    case REG_QUEUE_SIZE: return q->s->size;
    case REG_QUEUE_VECTOR: return q->s->vector;
    case REG_QUEUE_ENABLE: return q->s->ready;
    case REG_QUEUE_NOTIFY_OFF: return t->s.queue_select;
    }
    uint64_t v = *queue_address(q->s, reg);
    return reg & 4 ? v >> 32 : v;
}

/* Reading tells and clears, and lets go of the wire (4.1.4.5). */
static uint64_t read_isr(struct virtio_pci *t)
{
    uint64_t v = t->s.isr;
    t->s.isr = 0;
    pci_intx_set(&t->f, false);
    return v;
}

static uint64_t read_config(const struct virtio_pci *t, uint32_t offset, unsigned bytes)
{
    uint64_t v = 0;
    memcpy(&v, t->v->s.config + offset, bytes); /* in range: the bus checked against the table */
    return v;
}

static uint64_t virtio_pci_read(void *dev, uint32_t reg, unsigned bytes)
{
    struct virtio_pci *t = dev;
    if (reg >= REG_CONFIG)
        return read_config(t, reg - REG_CONFIG, bytes);
    switch (reg) {
    case REG_DEVICE_FEATURE_SELECT: return t->s.device_feature_select;
    case REG_DEVICE_FEATURE:
        return t->s.device_feature_select < 2 ? t->v->offered >> 32 * t->s.device_feature_select : 0;
    case REG_DRIVER_FEATURE_SELECT: return t->s.driver_feature_select;
    case REG_DRIVER_FEATURE:
        return t->s.driver_feature_select < 2 ? t->v->s.features >> 32 * t->s.driver_feature_select : 0;
    case REG_CONFIG_VECTOR: return t->s.config_vector;
    case REG_NUM_QUEUES: return t->v->type->n_queues;
    case REG_STATUS: return virtio_status(t->v);
    case REG_GENERATION: return t->v->s.generation;
    case REG_QUEUE_SELECT: return t->s.queue_select;
    case REG_ISR: return read_isr(t);
    }
    return read_queue(t, reg);
}

static void write_driver_feature(struct virtio_pci *t, uint32_t v)
{
    if (t->v->s.status & VIRTIO_FEATURES_OK || t->s.driver_feature_select > 1)
        return; /* 3.1.1: not after FEATURES_OK */
    unsigned low = 32 * t->s.driver_feature_select;
    t->v->s.features = bits_set(t->v->s.features, low + 31, low, v);
}

static uint16_t vector_or_none(const struct virtio_pci *t, uint64_t v)
{
    return v < t->f.n_vectors ? (uint16_t)v : NO_VECTOR;
}

static void enable_queue(struct virtio_pci *t, struct virtq *q)
{
    if (!virtq_enable(q)) {
        virtio_break(t->v, t->s.queue_select, "a queue of bad size, or outside memory");
        return;
    }
    q->s->ready = 1;
}

static void write_queue(struct virtio_pci *t, uint32_t reg, unsigned bytes, uint64_t v)
{
    struct virtq *q = selected(t);
    if (!q)
        return;
    if (reg == REG_QUEUE_VECTOR) {
        q->s->vector = vector_or_none(t, v);
        return;
    }
    if (q->s->ready || t->v->resetting) {
        bus_note(t->device.bus, "%s: queue %u changed while enabled: ignored", t->v->type->name, t->s.queue_select);
        return;
    }
    switch (reg) {
    case REG_QUEUE_SIZE:
        if (is_pow2(v) && v <= q->max)
            q->s->size = (uint16_t)v;
        return;
    case REG_QUEUE_ENABLE:
        if (v == 1)
            enable_queue(t, q);
        return;
    }
    if (reg >= REG_QUEUE_DESC) {
        uint64_t *a = queue_address(q->s, reg);
        *a = bytes == 8 ? v : reg & 4 ? bits_set(*a, 63, 32, v) : bits_set(*a, 31, 0, v);
    }
}

static void virtio_pci_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct virtio_pci *t = dev;
    if (reg >= REG_NOTIFY) {
        virtio_notify(t->v, (reg - REG_NOTIFY) / 4);
        return;
    }
    if (reg >= REG_CONFIG) {
        if (t->v->type->config_written)
            t->v->type->config_written(t->v, reg - REG_CONFIG, bytes, value);
        return;
    }
    switch (reg) {
    case REG_DEVICE_FEATURE_SELECT: t->s.device_feature_select = (uint32_t)value; return;
    case REG_DRIVER_FEATURE_SELECT: t->s.driver_feature_select = (uint32_t)value; return;
    case REG_DRIVER_FEATURE: write_driver_feature(t, (uint32_t)value); return;
    case REG_CONFIG_VECTOR: t->s.config_vector = vector_or_none(t, value); return;
    case REG_STATUS: virtio_set_status(t->v, (uint8_t)value); return;
    case REG_QUEUE_SELECT: t->s.queue_select = (uint16_t)value; return;
    }
    if (reg < REG_ISR)
        write_queue(t, reg, bytes, value);
}

static void reset(void *dev)
{
    struct virtio_pci *t = dev;
    t->s = (struct virtio_pci_state){ .config_vector = NO_VECTOR };
}

static void was_reset(void *transport)
{
    struct virtio_pci *t = transport;
    reset(t);
    pci_intx_set(&t->f, false);
}

static void destroy(void *dev)
{
    free(dev);
}

static const struct device_type virtio_pci_type = {
    .name = "virtio-pci",
    DEVICE_REGS(regs),
    .sizes = 1 | 2 | 4 | 8,
    .read = virtio_pci_read,
    .write = virtio_pci_write,
    .reset = reset,
    .destroy = destroy,
    DEVICE_STATE(struct virtio_pci, s, state),
};

static void interrupt(void *transport, int queue)
{
    struct virtio_pci *t = transport;
    if (pci_msix_enabled(&t->f)) {
        pci_msix_send(&t->f, queue < 0 ? t->s.config_vector : t->v->s.queue[queue].vector);
        return;
    }
    t->s.isr |= queue < 0 ? ISR_CONFIG : ISR_QUEUE;
    pci_intx_set(&t->f, true);
}

static bool can_dma(void *transport)
{
    const struct virtio_pci *t = transport;
    return pci_can_dma(&t->f);
}

static struct virtio_pci *of_function(struct pci_function *f)
{
    return CONTAINER_OF(f, struct virtio_pci, f);
}

static uint64_t bar_read(struct pci_function *f, uint32_t offset, unsigned bytes)
{
    return device_read(&of_function(f)->device, offset, bytes);
}

static void bar_write(struct pci_function *f, uint32_t offset, unsigned bytes, uint64_t value)
{
    device_write(&of_function(f)->device, offset, bytes, value);
}

/* 4.1.4.9: the window in configuration space: bar, offset and length are the driver's, data follows them. */
static bool window(struct virtio_pci *t, uint32_t *offset, unsigned *bytes)
{
    const uint8_t *cap = t->f.s.config + t->pci_cap;
    *offset = le32_get(cap + 8);
    *bytes = le32_get(cap + 12);
    return cap[4] == BAR && (*bytes == 1 || *bytes == 2 || *bytes == 4) && *offset < BAR_BYTES && !(*offset % *bytes);
}

static bool touches_data(const struct virtio_pci *t, uint32_t offset, unsigned bytes)
{
    return offset < t->pci_cap + 20u && t->pci_cap + 16u < offset + bytes;
}

static void config_reading(struct pci_function *f, uint32_t offset, unsigned bytes)
{
    struct virtio_pci *t = of_function(f);
    uint32_t at;
    unsigned n;
    if (touches_data(t, offset, bytes) && window(t, &at, &n))
        le32_put(f->s.config + t->pci_cap + 16, (uint32_t)bar_read(f, at, n));
}

static void config_written(struct pci_function *f, uint32_t offset, unsigned bytes)
{
    struct virtio_pci *t = of_function(f);
    uint32_t at;
    unsigned n;
    if (touches_data(t, offset, bytes) && window(t, &at, &n))
        bar_write(f, at, n, le32_get(f->s.config + t->pci_cap + 16));
    if (offset <= PCI_COMMAND + 1 && offset + bytes > PCI_COMMAND && pci_can_dma(f))
        virtio_hold(t->v, t->v->held); /* bus mastering came on: look into the queues */
}

static uint8_t add_cap(struct virtio_pci *t, uint8_t type, uint32_t offset, uint32_t bytes, unsigned cap_bytes)
{
    uint8_t at = pci_function_add_cap(&t->f, PCI_CAP_VENDOR, cap_bytes);
    uint8_t *p = t->f.initial + at;
    p[2] = (uint8_t)cap_bytes;
    p[3] = type;
    p[4] = BAR;
    le32_put(p + 8, offset);
    le32_put(p + 12, bytes);
    return at;
}

static void add_caps(struct virtio_pci *t)
{
    t->pci_cap = add_cap(t, CAP_PCI, 0, 0, 20);
    uint8_t *w = t->f.writable + t->pci_cap;
    w[4] = 0xff;
    memset(w + 8, 0xff, 12);
    uint8_t notify = add_cap(t, CAP_NOTIFY, REG_NOTIFY, 4 * VIRTIO_MAX_QUEUES, 20);
    le32_put(t->f.initial + notify + 16, 4); /* notify_off_multiplier */
    if (t->v->type->config_bytes)
        add_cap(t, CAP_DEVICE, REG_CONFIG, (uint32_t)t->v->type->config_bytes, 16);
    add_cap(t, CAP_ISR, REG_ISR, 4, 16);
    add_cap(t, CAP_COMMON, 0, 0x38, 16);
}

struct virtio_pci *virtio_pci_create(struct pci_bus *pci, unsigned slot, struct virtio *v)
{
    struct virtio_pci *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->device = (struct device){ .type = &virtio_pci_type, .bus = pci->bus };
    t->v = v;
    struct pci_id id = { .vendor = v->pci.vendor ? v->pci.vendor : VENDOR,
                         .device = v->pci.vendor ? v->pci.device : (uint16_t)(DEVICE_BASE + v->type->id), .subvendor = VENDOR,
                         .subdevice = 0x1100, .class_code = v->type->class_code, .revision = 1 };
    pci_function_init(&t->f, &id);
    pci_function_add_bar(&t->f, BAR, &(struct pci_bar){ .bytes = BAR_BYTES, .read = bar_read, .write = bar_write });
    add_caps(t);
    pci_function_add_msix(&t->f, v->type->n_queues + 1);
    t->f.config_reading = config_reading;
    t->f.config_written = config_written;
    v->transport = t;
    v->interrupt = interrupt;
    v->can_dma = can_dma;
    v->was_reset = was_reset;
    reset(t);
    pci_function_plug(pci, &t->f, slot);
    return t;
}

struct device *virtio_pci_device(struct virtio_pci *t)
{
    return &t->device;
}

struct device *virtio_pci_function(struct virtio_pci *t)
{
    return &t->f.device;
}
