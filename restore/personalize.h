/* personalize.h - issues the tickets of one machine (docs/boot.md section 2). */
#ifndef RESTORE_PERSONALIZE_H
#define RESTORE_PERSONALIZE_H

#include "formats/aux_storage.h"
#include "formats/image4.h"
#include "restore/authority.h"

enum policy_security { POLICY_FULL, POLICY_REDUCED, POLICY_PERMISSIVE }; /* as enum pome_security */

struct ticket {
    size_t size;
    uint8_t der[IMAGE4_TICKET_MAX];
};

/* For whom. All borrowed. */
struct personality {
    const struct authority *authority;
    uint64_t ecid;
    uint32_t board, chip;
    const uint8_t *boot_nonce; /* BNCH: AUX_NONCE_BYTES */
    const char *version;       /* love */
};

struct image_digest {
    const char *type;
    const uint8_t *digest; /* SHA384_BYTES */
};

/* What a LocalPolicy says, besides. All borrowed. */
struct policy_content {
    enum policy_security security;
    const uint8_t *nsih, *lpnh, *rpnh, *ronh; /* SHA384_BYTES each */
    const uint8_t *volume_group;              /* 16 bytes */
};

enum { POLICY_IM4P_BYTES = 22 };

/* A signed ticket for these images. */
bool personalize_images(const struct personality *who, const struct image_digest *images, size_t n, struct ticket *out, struct pome_error *err);

/* The security that a LocalPolicy's ticket states; full when it states none. */
enum policy_security personalize_security(const struct im4m *policy);

/* The signed ticket of a LocalPolicy, and the IM4P that it is for. */
bool personalize_policy(const struct personality *who, const struct policy_content *policy, struct ticket *out, uint8_t im4p[POLICY_IM4P_BYTES],
                        struct pome_error *err);

/* BNCH of a boot nonce generator. */
void personalize_boot_nonce(uint64_t generator, uint8_t out[AUX_NONCE_BYTES]);

/* A random 16-byte nonce and its hash. */
bool personalize_draw_nonce(uint8_t nonce[16], uint8_t hash[SHA384_BYTES], struct pome_error *err);

#endif
