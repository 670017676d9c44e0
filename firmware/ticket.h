/* ticket.h - tickets (IM4M): signed lists of digests, made for one machine. */
#ifndef FIRMWARE_TICKET_H
#define FIRMWARE_TICKET_H

#include "firmware/der.h"
#include "firmware/machine.h"

struct ticket {
    struct der machine; /* SET of MANP's properties */
    struct der images;  /* SET of MANP and one entry for each image */
};

/* Checks certificates, signature, and that the ticket is for this machine, its boot nonce included. whole: exactly the
 * IM4M. *out is set only when NULL is returned, and points into the bytes. */
fw_why ticket_open(struct der whole, const struct machine *machine, struct ticket *out);

/* The ticket's digest for images of a type: SHA384_BYTES inside it; NULL: it lists none. */
const uint8_t *ticket_digest(const struct ticket *t, const char *type);

/* MANP's properties. False when there is none of that name, kind and length. */
bool ticket_number(const struct ticket *t, const char *name, uint64_t *number);
bool ticket_true(const struct ticket *t, const char *name);
bool ticket_octets(const struct ticket *t, const char *name, size_t n, const uint8_t **bytes);

#endif
