/*
 * authority.h - the local signing authority: the keys that sign boot tickets on this host (docs/boot.md section 2).
 *
 * A folder of its user's (0700) with root.pem, root.key, signer.pem and signer.key (0600). The root signs the signer's certificate once
 * and may then be kept elsewhere; the signer signs tickets. Both are RSA, 3072 bits. Machines know the digest of root.pem (DER). In the place of the folder there may be one PEM file (0600) with the signer's key, its
 * certificate, and the root's.
 */
#ifndef RESTORE_AUTHORITY_H
#define RESTORE_AUTHORITY_H

#include "formats/sha384.h"

#include <pome/error.h>

#include <limits.h>

struct authority;

/* Where it is: POME_AUTHORITY, else $POME_HOME/authority, else $XDG_DATA_HOME/pome/authority, else ~/.local/share/pome/authority. */
bool authority_folder(char path[PATH_MAX], struct pome_error *err);

/* Opens the one in `folder` (NULL: authority_folder); makes it when there is none and `make`. Every file is checked: modes, that the signer's
 * certificate is from the root and of its key. Errors: NOT_FOUND, PERMISSION, INVALID_DATA, IO. */
struct authority *authority_open(const char *folder, bool make, struct pome_error *err);
void authority_close(struct authority *a); /* NULL is fine */

/* SHA-384 of the root certificate: what machines trust. */
const uint8_t *authority_anchor(const struct authority *a);

/* Text for people, until authority_close: the folder, the root's subject. */
const char *authority_path(const struct authority *a);
const char *authority_name(const struct authority *a);

/* DER of the root certificate. */
const uint8_t *authority_root(const struct authority *a, size_t *n);

/* Signs an unsigned ticket: im4m[0..*n) in a buffer of `room` bytes. Errors: INTERNAL (no room). */
bool authority_sign(const struct authority *a, uint8_t *im4m, size_t *n, size_t room, struct pome_error *err);

/* Checks what the boot ROM checks of a ticket: certificates up to a root with this digest, and the signature. Errors: INVALID_DATA. */
bool ticket_verify(const void *im4m, size_t n, const uint8_t anchor[SHA384_BYTES], struct pome_error *err);

#endif
