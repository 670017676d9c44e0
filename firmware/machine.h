/* machine.h - who this machine is and whom it trusts: what tickets are checked against. */
#ifndef FIRMWARE_MACHINE_H
#define FIRMWARE_MACHINE_H

#include "firmware/sha384.h"

#include <stdbool.h>

#define BOOT_NONCE_BYTES 32

struct machine {
    uint64_t ecid;
    uint32_t board, chip, domain;
    uint8_t anchor[SHA384_BYTES];          /* digest of the authority's root certificate; all zero: it has none */
    uint8_t boot_nonce[BOOT_NONCE_BYTES];  /* BNCH of tickets */
    uint8_t policy_nonces[2][SHA384_BYTES]; /* lpnh of policies: the second while the host changes it, else zero */
};

/* From the configuration region. */
struct machine fw_this_machine(void);

#endif
