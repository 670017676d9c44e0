/*
 * boot_report.h - Pome's own: the firmware says what it is about to start, so that Recovery gets the devices that only it may see.
 *
 * One register of 4 bytes. The first value after a reset counts, so it is the firmware's; whoever runs later is not listened to.
 */
#ifndef DEV_BOOT_REPORT_H
#define DEV_BOOT_REPORT_H

#include "bus/bus.h"

enum { BOOT_REPORT_SYSTEM = 1, BOOT_REPORT_RECOVERY = 2 };

/* report(ctx, what) is called with the machine lock held. NULL: no memory. */
struct device *boot_report_create(void (*report)(void *ctx, unsigned what), void *ctx);

#endif
