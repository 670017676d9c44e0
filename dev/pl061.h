/* pl061.h - Arm PrimeCell GPIO (DDI 0190B), eight pins. */
#ifndef DEV_PL061_H
#define DEV_PL061_H

#include "bus/bus.h"

struct device *pl061_create(struct irq_line irq); /* NULL: no memory */

/* Level of an input pin, 0..7. Machine lock held. */
/* What the wire into a pin is now. */
bool pl061_input_is_high(struct device *dev, unsigned pin);
void pl061_input(struct device *dev, unsigned pin, bool level);

#endif
