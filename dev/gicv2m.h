/* gicv2m.h - the message frame of a GICv2m (Arm SBSA, "GICv2m"): how ACPI tells guests about message-based SPIs. */
#ifndef DEV_GICV2M_H
#define DEV_GICV2M_H

#include "dev/gicv3.h"

#define GICV2M_BYTES 0x1000u

/* Messages for SPIs first..first+n-1 (INTIDs 32 more) of the controller, which is borrowed. NULL: no memory. */
struct device *gicv2m_create(struct gicv3 *gic, unsigned first_spi, unsigned n);

#endif
