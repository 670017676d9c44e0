/* pl011.h - Arm PrimeCell UART (DDI 0183G). */
#ifndef DEV_PL011_H
#define DEV_PL011_H

#include "backend/console.h"
#include "bus/bus.h"

#define PL011_CLOCK_HZ 24000000

/* console: borrowed, NULL: output is dropped, no input. NULL: no memory. The device is to be mapped on a bus before the
 * loop runs. */
struct device *pl011_create(struct irq_line irq, struct console *console);

/* Gives the console what the transmit FIFO holds; true if that was nothing. Machine lock held. */
bool pl011_flush(struct device *dev);

#endif
