/* port_holder.h - which process of this host listens at a port. */
#ifndef BACKEND_PORT_HOLDER_H
#define BACKEND_PORT_HOLDER_H

#include <stdbool.h>
#include <stdint.h>

enum { PORT_HOLDER_TEXT = 96 };

/* "process 1867 (pome start dev)" into text, from /proc, which tells it of processes of the same user only; else "another process". Returns text. */
const char *port_holder(bool udp, uint16_t port, char text[PORT_HOLDER_TEXT]);

#endif
