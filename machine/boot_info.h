/* boot_info.h - the configuration region of the Apple-style platform. */
#ifndef MACHINE_BOOT_INFO_H
#define MACHINE_BOOT_INFO_H

#include "machine/machine.h"

#define DARWIN_TREE_AT MiB     /* from the start of RAM: the Apple device tree for a boot ROM, behind the FDT */

/* Once the device tree is placed; on platforms without such a region: nothing to do. */
bool boot_info_place(struct machine *m, struct pome_error *err);
void boot_info_forget_options(struct machine *m); /* at a reset */

#endif
