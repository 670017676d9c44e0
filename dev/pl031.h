/* pl031.h - Arm PrimeCell real-time clock (DDI 0224C). */
#ifndef DEV_PL031_H
#define DEV_PL031_H

#include "bus/bus.h"

struct device *pl031_create(struct irq_line irq, struct loop *loop); /* NULL: no memory */

#endif
