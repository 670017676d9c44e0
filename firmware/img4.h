/* img4.h - reads IMG4 (payload with ticket) and checks that it was made for this machine. */
#ifndef FIRMWARE_IMG4_H
#define FIRMWARE_IMG4_H

#include "firmware/fw.h"

/* Who this machine is: what a ticket must name. */
struct img4_machine {
    uint64_t ecid;
    uint32_t board, chip;
};

/* Where things lie in the bytes given to img4_parse. */
struct img4 {
    const uint8_t *im4p; /* the whole IM4P element: what the digest covers */
    size_t im4p_bytes;
    const uint8_t *payload;
    size_t payload_bytes;
    const uint8_t *manifest; /* inside of the IM4M sequence */
    size_t manifest_bytes;
    char type[5];
};

/* From the first bytes of a file (4 KiB are plenty): where its payload starts and ends. *payload_end <= file_bytes. */
fw_why img4_peek(const uint8_t *data, size_t n, size_t file_bytes, size_t *payload_at, size_t *payload_end);

/* Structure only. n: at least the whole IMG4; what follows it is ignored (flash, sector padding). */
fw_why img4_parse(const uint8_t *data, size_t n, struct img4 *out);

/* Type is `type`; ticket's ECID, BORD and CHIP are this machine's; ticket's digest for `type` is that of the IM4P. */
fw_why img4_verify(const struct img4 *img, const char *type, const struct img4_machine *machine);

/* The same without a digest: for objects that are all ticket (LocalPolicy). */
fw_why img4_verify_binding(const struct img4 *img, const char *type, const struct img4_machine *machine);

#endif
