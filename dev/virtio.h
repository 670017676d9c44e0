/*
 * virtio.h - what a virtio device is, without transport (VIRTIO 1.2, 2).
 *
 * A device gives one struct virtio_type; a transport (virtio_pci) finds registers and interrupts for it. Machine lock held
 * in every function.
 */
#ifndef DEV_VIRTIO_H
#define DEV_VIRTIO_H

#include "dev/virtq.h"

#define VIRTIO_MAX_QUEUES   32 /* at most as many as again_queues has bits */
#define VIRTIO_CONFIG_BYTES 64

/* Device status, 2.1 */
#define VIRTIO_DRIVER_OK   BIT(2)
#define VIRTIO_FEATURES_OK BIT(3)
#define VIRTIO_NEEDS_RESET BIT(6)

/* Reserved feature bits, 6 */
#define VIRTIO_F_INDIRECT_DESC BIT(28)
#define VIRTIO_F_EVENT_IDX     BIT(29)
#define VIRTIO_F_VERSION_1     BIT(32)

struct virtio_type {
    const char *name;
    uint16_t id;         /* 5 */
    uint32_t class_code; /* for PCI */
    unsigned n_queues;
    uint16_t queue_max;
    uint64_t features; /* the device's own; a device may take some away in its `offered` */
    size_t config_bytes;
    void (*notify)(struct virtio *v, unsigned queue); /* the driver put something into the queue */
    /* The driver wrote to configuration bytes that lie in the table; NULL: none are writable. */
    void (*config_written)(struct virtio *v, uint32_t offset, unsigned bytes, uint64_t value);
    void (*reset)(struct virtio *v);                  /* no request is under way; NULL: nothing to do */
    void (*destroy)(struct virtio *v);                /* frees the device */
    /* Guest-visible state besides virtio's own: name, state table, restored; offsets count from the struct virtio. NULL: none. */
    const struct device_type *own;
};

struct virtio_state {
    uint64_t features; /* accepted by the driver */
    uint32_t status;
    uint32_t generation; /* of config */
    struct virtq_state queue[VIRTIO_MAX_QUEUES];
    uint8_t config[VIRTIO_CONFIG_BYTES];
};

/* What a driver finds the device by on PCI, when it is not VIRTIO's own (4.1.2). */
struct virtio_pci_id {
    uint16_t vendor, device; /* 0: VIRTIO's */
};

struct virtio {
    struct device device;
    const struct virtio_type *type;
    struct virtio_pci_id pci;
    struct virtio_state s;
    uint64_t offered;
    uint8_t initial_config[VIRTIO_CONFIG_BYTES];
    struct virtq queue[VIRTIO_MAX_QUEUES];
    bool resetting; /* the driver asked for it while requests were under way */
    bool held;      /* the machine is being paused: nothing is popped */
    struct loop_task again; /* looks into the queues in again_queues */
    unsigned again_queues;
    /* The transport's: queue -1: the configuration changed. */
    void (*interrupt)(void *transport, int queue);
    bool (*can_dma)(void *transport);
    void (*was_reset)(void *transport);
    void *transport;
};

/* Fills the common part of a device. */
void virtio_init(struct virtio *v, const struct virtio_type *type, struct bus *bus);

/* Registers of the transport. */
void virtio_set_status(struct virtio *v, uint8_t status);
uint8_t virtio_status(const struct virtio *v);
void virtio_notify(struct virtio *v, unsigned queue);

/* The guest broke the rules: the device needs reset. `why` goes to the log. */
void virtio_break(struct virtio *v, unsigned queue, const char *why);

/* May the device work now? (driver ready, not broken, not held, not resetting) */
bool virtio_runs(const struct virtio *v);

/* Called by a device after it gave a chain back late (from a completion): finishes a reset that waited for it. */
void virtio_done(struct virtio *v);

/* A device that answers chains at once counts them with this. True after as many as the queue holds: it stops, so that a
 * driver that refills forever does not keep the machine lock; the loop comes back to the queue later. */
bool virtio_had_its_turn(struct virtq *q, unsigned *turns);

/* Stops taking requests; or goes on, looking into all queues. */
void virtio_hold(struct virtio *v, bool held);

/* Writes configuration fields that changed, and tells the driver. */
void virtio_config_changed(struct virtio *v, size_t offset, const void *bytes, size_t n);

static inline struct virtio *virtio_of(struct device *dev)
{
    return CONTAINER_OF(dev, struct virtio, device);
}

#endif
