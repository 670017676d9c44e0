/* smbios.h - what the machine is, for programs that look it up in SMBIOS (dmidecode, /sys/class/dmi). Inside machine/ only. */
#ifndef MACHINE_SMBIOS_H
#define MACHINE_SMBIOS_H

#include "machine/board.h"

/* Puts the structures and their entry point into the machine's fw_cfg. */
bool smbios_add(struct machine *m, struct device *fw_cfg, struct pome_error *err);

#endif
