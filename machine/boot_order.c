/*
 * boot_order.c - the file "bootorder" of fw_cfg: Open Firmware paths, one to a line, a zero at the end (qemu.org, docs/system/bootindex).
 *
 * Without it EDK2 tries every network card, by PXE and HTTP, IPv4 and IPv6, which takes minutes when nobody answers. Variables of boot entries that an
 * operating system made for a disk are kept, and come in the place of the disk.
 */
#include "machine/boot_order.h"

#include "base/error.h"
#include "dev/fw_cfg.h"
#include "machine/peripherals.h"

#include <stdio.h>

bool boot_order_add(const struct machine *m, struct device *fw_cfg, struct pome_error *err)
{
    char text[64 * (MAX_DISKS + 2)] = "";
    size_t n = 0;
    for (unsigned i = 0; i < m->config.n_disks; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "/pci@i0cf8/scsi@%x/disk@0,0\n", machine_disk_slot(i));
    const struct machine_peripherals *p = m->config.peripherals;
    if (p && p->n_networks && p->networks[0].user.boot_file)
        n += (size_t)snprintf(text + n, sizeof text - n, "/pci@i0cf8/ethernet@%x/ethernet-phy@0\n", machine_network_slot(0));
    text[n - (n > 0)] = 0; /* in the place of the last line feed */
    return !n || fw_cfg_add(fw_cfg, "bootorder", text, n) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "boot order");
}
