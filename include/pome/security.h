/*
 * pome/security.h - who signs a machine's boot, and how strictly it refuses what is not signed (docs/boot.md).
 *
 * The boot tickets of machines are signed by a local authority: keys in a folder of the user's, made on first use. The folder is $POME_AUTHORITY,
 * else $POME_HOME/authority, else $XDG_DATA_HOME/pome/authority. Functions that take a bundle need a machine that is installed and
 * does not run; they lock it. One thread at a time.
 */
#ifndef POME_SECURITY_H
#define POME_SECURITY_H

#include <pome/bundle.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pome_security {
    POME_SECURITY_FULL = 0,       /* the boot set that was signed last, and no other */
    POME_SECURITY_REDUCED = 1,    /* also sets that were signed before, and sets that the guest made, if their digests are right */
    POME_SECURITY_PERMISSIVE = 2, /* also sets that the guest made whatever their digests */
};

/* "full", "reduced", "permissive". Static storage. */
POME_API const char *pome_security_name(enum pome_security security);

struct pome_boot_policy {
    size_t size; /* of this struct: POME_BOOT_POLICY_INIT */
    enum pome_security security;
    char signed_set[9];   /* the set that was signed last */
    char pending_set[9];  /* the set that the guest made; "": none waits */
    char version[64];     /* of the restore image */
    uint8_t authority[48]; /* SHA-384 of the root certificate that the machine trusts */
};
#define POME_BOOT_POLICY_INIT {sizeof(struct pome_boot_policy), POME_SECURITY_FULL, "", "", "", {0}}

/* Errors: BUSY, INVALID_STATE (not installed), INVALID_BUNDLE (its policy is damaged or missing).   Since: 0.2. */
POME_API bool pome_bundle_boot_policy(pome_bundle *bundle, struct pome_boot_policy *policy, struct pome_error *err);

/* Signs another policy. Older ones are refused by the machine from then on. Of a bundle that is not installed: the security that pome_install() gives it,
 * through this handle.
 * Errors: as above, and NOT_FOUND (there is no authority), PERMISSION (the machine trusts another one).
 * Like:   bputil(1).   Since: 0.2. */
POME_API bool pome_bundle_set_security(pome_bundle *bundle, enum pome_security security, struct pome_error *err);

/* What the machine's Recovery asks for: another security. Nobody signed it, and whatever runs in the guest can write one: it is a question
 * to the owner and no more. */
struct pome_policy_request {
    size_t size; /* of this struct: POME_POLICY_REQUEST_INIT */
    bool valid;  /* it is for this machine and for the policy that it has now */
    enum pome_security wanted, current; /* wanted: if valid */
    char why[128]; /* why it is not valid */
};
#define POME_POLICY_REQUEST_INIT {sizeof(struct pome_policy_request), false, POME_SECURITY_FULL, POME_SECURITY_FULL, ""}

/* Errors: NOT_FOUND (it asks for nothing), BUSY, and those of pome_bundle_boot_policy().   Since: 0.2. */
POME_API bool pome_bundle_policy_request(pome_bundle *bundle, struct pome_policy_request *request, struct pome_error *err);

/* The owner's answer. Approved: signs a policy of this security if that is what is asked for. Refused: takes the request away. Either way the
 * machine's log tells it.
 * Errors: as above, INVALID_STATE (approved: the request is not valid, or for another security), and those of pome_bundle_set_security().   Since: 0.2. */
POME_API bool pome_bundle_policy_approve(pome_bundle *bundle, enum pome_security security, struct pome_error *err);
POME_API bool pome_bundle_policy_deny(pome_bundle *bundle, struct pome_error *err);

/* True if full security, and Recovery always, lets this word of the NVRAM variable boot-args through to the kernel.   Since: 0.2. */
POME_API bool pome_boot_arg_allowed(const char *word);

/* Signs the boot set that the guest made; all: every ticket anew, with new nonces, by this host's authority, which the machine trusts from then on.
 * Errors: as above, and NOT_FOUND (nothing waits), INVALID_DATA (an object is damaged: it is not signed).   Since: 0.2. */
POME_API bool pome_bundle_personalize(pome_bundle *bundle, bool all, struct pome_error *err);

struct pome_authority_info {
    size_t size; /* of this struct: POME_AUTHORITY_INFO_INIT */
    char path[4096]; /* its folder, or its one file */
    char name[128];  /* its root certificate's subject */
    uint8_t digest[48]; /* SHA-384 of that certificate */
};
#define POME_AUTHORITY_INFO_INIT {sizeof(struct pome_authority_info), "", "", {0}}

/* The authority of this user; make: makes one when there is none.
 * Errors: NOT_FOUND, PERMISSION (others may read its keys), INVALID_DATA, IO.   Since: 0.2. */
POME_API bool pome_authority(bool make, struct pome_authority_info *info, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
