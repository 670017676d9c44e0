/*
 * test_rig.h - for tests and fuzzers: memory, a bus, a PCI bus, one virtio device, and a small driver for it that talks as
 * a guest does: through configuration space, BARs and rings in memory.
 */
#ifndef DEV_TEST_RIG_H
#define DEV_TEST_RIG_H

#include "bus/pci.h"
#include "dev/virtio.h"
#include "dev/virtio_pci.h"

#define RIG_RAM        UINT64_C(0x40000000)
#define RIG_RAM_BYTES  (4 * MiB)
#define RIG_ECAM       UINT64_C(0x3f000000)
#define RIG_WINDOW     UINT64_C(0x10000000)
#define RIG_BAR        (RIG_WINDOW + 0x100000)
#define RIG_MSIX       (RIG_WINDOW + 0x200000)
#define RIG_DOORBELL   UINT64_C(0x08000000)
#define RIG_COMMON     RIG_BAR
#define RIG_CONFIG     (RIG_BAR + 0x2000)
#define RIG_NOTIFY     (RIG_BAR + 0x3000)
#define RIG_QUEUE      16 /* descriptors used by the driver */

struct rig_queue {
    uint64_t desc, avail, used; /* gpa */
    uint16_t index, seen, size;
};

struct rig {
    struct mem *mem;
    struct loop *loop;
    struct bus bus;
    struct pci_bus pci;
    struct virtio *v;
    struct virtio_pci *t;
    struct rig_queue q[VIRTIO_MAX_QUEUES];
    unsigned messages, last_message;
    bool intx[4];
    unsigned notes;
};

void rig_init(struct rig *r);                  /* memory and buses */
void rig_plug(struct rig *r, struct virtio *v); /* slot 1, BARs assigned, memory and bus mastering on */
void rig_finish(struct rig *r);

uint64_t rig_read(struct rig *r, uint64_t gpa, unsigned bytes);
void rig_write(struct rig *r, uint64_t gpa, unsigned bytes, uint64_t value);
#define RIG_CFG(reg) (RIG_ECAM + (1 << 15) + (reg))

/* Brings the device to DRIVER_OK with all its queues of RIG_QUEUE descriptors. Returns the device status then. */
uint8_t rig_start(struct rig *r, uint64_t features);
void rig_reset(struct rig *r);

/* Writes a descriptor; makes a head available; notifies. */
void rig_desc(struct rig *r, unsigned queue, unsigned i, uint64_t gpa, uint32_t bytes, uint16_t flags, uint16_t next);
void rig_offer(struct rig *r, unsigned queue, uint16_t head);
void rig_notify(struct rig *r, unsigned queue);
/* Runs the loop until the queue has a new used entry (at most a minute); its length, or -1. */
int64_t rig_wait(struct rig *r, unsigned queue);
void rig_run_loop(struct rig *r, unsigned ms);

#endif
