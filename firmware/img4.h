/* img4.h - Image4 payloads (IM4P), alone or with their ticket (IMG4). */
#ifndef FIRMWARE_IMG4_H
#define FIRMWARE_IMG4_H

#include "firmware/ticket.h"

/* Where things lie in the bytes given. */
struct im4p {
    struct der whole; /* what digests are over */
    struct der payload;
    char type[5];
};

/* From the first bytes of a file that is an IM4P (4 KiB are plenty): where its payload starts and ends. *end <= file_bytes. */
fw_why im4p_peek(const uint8_t *data, size_t n, size_t file_bytes, size_t *start, size_t *end);

/* Structure only. data: exactly the IM4P. */
fw_why im4p_parse(struct der data, struct im4p *out);

/* It is of that type, and has the digest. */
fw_why im4p_verify(const struct im4p *p, const char *type, const uint8_t digest[SHA384_BYTES]);

/* An IMG4 at the start of data: its ticket is checked (ticket_open), and that the ticket lists the payload. What follows it
 * is ignored (flash, sector padding). A boot nonce generator in it must be the machine's. */
fw_why img4_open(struct der data, const char *type, const struct machine *machine, struct im4p *payload, struct ticket *ticket);

#endif
