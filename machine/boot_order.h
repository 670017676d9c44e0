/* boot_order.h - what UEFI firmware tries to boot, and in which order. Inside machine/ only. */
#ifndef MACHINE_BOOT_ORDER_H
#define MACHINE_BOOT_ORDER_H

#include "machine/board.h"

/* Puts the list into fw_cfg: the disks in their order, then the network if it is to be booted from. Firmware forgets other PCI devices. */
bool boot_order_add(const struct machine *m, struct device *fw_cfg, struct pome_error *err);

#endif
