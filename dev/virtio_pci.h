/* virtio_pci.h - virtio over PCI, modern (VIRTIO 1.2, 4.1). */
#ifndef DEV_VIRTIO_PCI_H
#define DEV_VIRTIO_PCI_H

#include "bus/pci.h"
#include "dev/virtio.h"

struct virtio_pci;

/* Puts the device into a slot. The device stays its maker's; the transport is freed with virtio_pci_device's destroy,
 * before the device. NULL: no memory. */
struct virtio_pci *virtio_pci_create(struct pci_bus *pci, unsigned slot, struct virtio *v);
struct device *virtio_pci_device(struct virtio_pci *t);   /* registers; owns the memory */
struct device *virtio_pci_function(struct virtio_pci *t); /* configuration space */

#endif
