/*
 * boot_state.h - what an installed machine's LocalPolicy and boot sets say, and the changes that only the host can sign (docs/boot.md).
 *
 * All functions need a bundle that is locked and installed. A change can be cut off at any moment: the machine starts as before or as after
 * (bundle/changes.h).
 */
#ifndef RESTORE_BOOT_STATE_H
#define RESTORE_BOOT_STATE_H

#include "bundle/bundle.h"
#include "restore/personalize.h"

struct boot_state {
    enum policy_security security;
    char active[9], pending[9]; /* names of sets; "": none */
    bool pending_signed;        /* it has a ticket */
    char version[64];           /* love of the policy */
    uint8_t anchor[SHA384_BYTES], policy_nonce[SHA384_BYTES];
};

/* Errors: INVALID_BUNDLE (a volume or the policy is damaged, or the policy is not the machine's), INVALID_STATE (not installed). */
bool boot_state_read(struct bundle *b, struct boot_state *s, struct pome_error *err);

/* Signs a policy of this security, with a new policy nonce: older ones are refused from then on.
 * Errors: as above, and NOT_FOUND (no authority), PERMISSION (the machine trusts another one). */
bool boot_set_security(struct bundle *b, enum policy_security security, struct pome_error *err);

/* Issues a ticket for the set that the guest made, and a policy that names it. Its objects are compared with DIGESTS before.
 * Errors: as above, and NOT_FOUND (no set is pending), INVALID_DATA (an object is not what DIGESTS says). */
bool boot_sign_pending(struct bundle *b, struct pome_error *err);

/* Issues every ticket anew, for the bundle's ECID, with a new boot nonce and by this host's authority, which the machine trusts from then on: for
 * copies of a machine, and after the authority was replaced. Of the sets: the one that ACTIVE names, which must be LocalPolicy's (nsih), and Recovery. Their
 * tickets and objects are checked before. An old LocalPolicy (of another nonce) counts as one of full security. Errors: as above, and INVALID_DATA (a set
 * is not what its ticket, or not the one that LocalPolicy, says). */
bool boot_sign_all(struct bundle *b, struct pome_error *err);

#endif
