/*
 * virtio_ops.h - an input as a list of operations of a driver: mostly sensible ones, so that they get far, and stores of
 * anything to anywhere in between.
 */
#ifndef FUZZ_VIRTIO_OPS_H
#define FUZZ_VIRTIO_OPS_H

#include "dev/test_rig.h"

struct virtio_ops {
    const uint8_t *data;
    size_t left;
};

static inline uint8_t ops_byte(struct virtio_ops *o)
{
    if (!o->left)
        return 0;
    o->left--;
    return *o->data++;
}

static inline uint64_t ops_number(struct virtio_ops *o, unsigned bytes)
{
    uint64_t v = 0;
    while (bytes--)
        v = v << 8 | ops_byte(o);
    return v;
}

/* Addresses: mostly in the first MiB behind the rings, at its edges, in a ring, or anything. */
static inline uint64_t ops_gpa(struct virtio_ops *o)
{
    uint8_t kind = ops_byte(o);
    uint64_t v = ops_number(o, 2);
    switch (kind % 16) {
    case 0: return RIG_RAM + RIG_RAM_BYTES - v % 64;
    case 1: return RIG_RAM + v % 0x4000;
    case 2: return UINT64_MAX - v;
    case 3: return RIG_BAR + v;
    case 4: return ops_number(o, 8);
    default: return RIG_RAM + 0x100000 + v * 16;
    }
}

static inline uint32_t ops_length(struct virtio_ops *o)
{
    static const uint32_t usual[] = { 0, 1, 16, 17, 20, 512, 1024, 4096, 65536, 1u << 20, UINT32_MAX };
    uint8_t kind = ops_byte(o);
    return kind < 128 ? usual[kind % ARRAY_SIZE(usual)] : (uint32_t)ops_number(o, 2);
}

static inline void ops_start(struct rig *r)
{
    struct device *f = virtio_pci_function(r->t);
    bus_lock(&r->bus);
    f->type->reset(f);
    bus_unlock(&r->bus);
    rig_write(r, RIG_CFG(PCI_BAR0), 4, RIG_BAR);
    rig_write(r, RIG_CFG(PCI_BAR0 + 4), 4, RIG_MSIX);
    rig_write(r, RIG_CFG(PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    rig_reset(r);
    for (int i = 0; i < 1000 && rig_read(r, RIG_COMMON + 0x14, 1); i++)
        rig_run_loop(r, 1);
    rig_start(r, r->v->offered);
}

static inline void ops_store(struct rig *r, uint64_t gpa, uint64_t mask, struct virtio_ops *o)
{
    uint64_t at = gpa + (ops_number(o, 2) & mask);
    unsigned bytes = 1u << (ops_byte(o) & 3);
    if (ops_byte(o) & 1)
        rig_write(r, at, bytes, ops_number(o, bytes));
    else
        rig_read(r, at, bytes);
}

static inline void ops_run(struct rig *r, const uint8_t *data, size_t size)
{
    struct virtio_ops o = { data, size };
    ops_start(r);
    for (unsigned n = 0; o.left && n < 400; n++) {
        uint8_t op = ops_byte(&o);
        unsigned q = op >> 6 & 1;
        if (r->v->type->n_queues > 4)
            q = ops_byte(&o) % r->v->type->n_queues;
        if (q >= r->v->type->n_queues)
            q = 0;
        switch (op & 15) {
        case 0: case 1: case 2: {
            uint8_t i = ops_byte(&o), flags = ops_byte(&o);
            uint64_t gpa = ops_gpa(&o);
            rig_desc(r, q, i % RIG_QUEUE, gpa, ops_length(&o), flags & 0xf8 ? flags & 3 : flags & 7,
                     flags & 0x80 ? ops_byte(&o) : (uint16_t)((i + 1) % RIG_QUEUE));
            break;
        }
        case 3: case 4: rig_offer(r, q, ops_byte(&o) % (RIG_QUEUE + 1)); break;
        case 5: case 6: rig_notify(r, q); break;
        case 7: rig_run_loop(r, 0); break;
        case 8: ops_store(r, RIG_BAR, 0x3fff, &o); break;
        case 9: ops_store(r, RIG_COMMON, 0x3f, &o); break;
        case 10: ops_store(r, RIG_CFG(0), 0xff, &o); break;
        case 11: ops_store(r, RIG_MSIX, 0xfff, &o); break;
        case 12: case 13: {
            uint64_t gpa = ops_gpa(&o);
            uint8_t bytes[16];
            for (unsigned i = 0; i < sizeof bytes; i++)
                bytes[i] = ops_byte(&o);
            mem_write(r->mem, gpa, bytes, sizeof bytes);
            break;
        }
        case 14: ops_start(r); break;
        case 15:
            bus_lock(&r->bus);
            virtio_hold(r->v, !r->v->held);
            bus_unlock(&r->bus);
            break;
        }
    }
    bus_lock(&r->bus);
    r->v->held = false;
    bus_unlock(&r->bus);
}

#endif
