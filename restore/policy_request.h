/*
 * policy_request.h - what Recovery asks of the host: another security for this machine (docs/boot.md section 6).
 *
 * The guest holds no signing key. Recovery writes a request into NVRAM; nobody signs it, and whatever runs in the guest can write one: it is a
 * question to the host's owner and no more. It names the machine and the nonce of the policy that it is to replace, so that it is of use
 * once at most. All functions need a bundle that is locked.
 */
#ifndef RESTORE_POLICY_REQUEST_H
#define RESTORE_POLICY_REQUEST_H

#include "restore/boot_state.h"

struct policy_request {
    enum policy_security wanted, current; /* if valid */
    bool valid;
    char why[128]; /* it is not */
};

/* Errors: NOT_FOUND (there is none), and those of boot_state_read. */
bool policy_request_read(struct bundle *b, struct policy_request *r, struct pome_error *err);

/* Signs the policy, if the request is valid and is for `security`, and takes the request away; the log tells it.
 * Errors: as above, INVALID_STATE (not valid, or for another security), and those of boot_set_security. */
bool policy_request_approve(struct bundle *b, enum policy_security security, struct pome_error *err);

/* Takes it away unanswered; the log tells it, with the reason. Errors: NOT_FOUND, IO. */
bool policy_request_deny(struct bundle *b, const char *reason, struct pome_error *err);

/* True if full security lets this word of boot-args through. */
bool boot_arg_allowed(const char *word);

#endif
