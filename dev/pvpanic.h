/* pvpanic.h - the guest says that it panicked (QEMU docs/specs/pvpanic.rst; Linux drivers/misc/pvpanic). */
#ifndef DEV_PVPANIC_H
#define DEV_PVPANIC_H

#include "bus/bus.h"

#define PVPANIC_PANICKED     BIT(0)
#define PVPANIC_CRASH_LOADED BIT(1) /* panicked, and a crash kernel takes over */

/* report(ctx, event) is called with the machine lock held. NULL: no memory. */
struct device *pvpanic_create(void (*report)(void *ctx, unsigned event), void *ctx);

#endif
