/* policy.h - the LocalPolicy: which boot set is this machine's, and how strictly others are refused. */
#ifndef FIRMWARE_POLICY_H
#define FIRMWARE_POLICY_H

#include "firmware/img4.h"

enum security {
    SECURITY_FULL,       /* the one set that the policy names */
    SECURITY_REDUCED,    /* also older sets that were signed for this machine, and sets made in it */
    SECURITY_PERMISSIVE, /* also such sets without, or with wrong, digests */
};

struct policy {
    enum security security;
    uint8_t nsih[SHA384_BYTES]; /* digest of the ticket of the set */
};

/* data: the IMG4. */
fw_why policy_open(struct der data, const struct machine *machine, struct policy *out);

/* "full" */
const char *security_name(enum security s);

#endif
