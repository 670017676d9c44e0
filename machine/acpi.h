/* acpi.h - the machine's ACPI tables, for firmware that hands them to the operating system. Inside machine/ only. */
#ifndef MACHINE_ACPI_H
#define MACHINE_ACPI_H

#include "machine/aml.h"
#include "machine/board.h"

/* Puts the tables and the commands that link them into the machine's fw_cfg. */
bool acpi_add(struct machine *m, struct device *fw_cfg, struct pome_error *err);

#endif
