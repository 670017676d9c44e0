/* boot_info.h - the configuration region of the Apple-style platform. */
#ifndef MACHINE_BOOT_INFO_H
#define MACHINE_BOOT_INFO_H

#include "machine/machine.h"

/* Once the device tree is placed; on platforms without such a region: nothing to do. */
bool boot_info_place(struct machine *m, struct pome_error *err);
void boot_info_forget_options(struct machine *m); /* at a reset */

#endif
