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

/* The images that a ticket is for, which keep pointing into it. Errors: INVALID_DATA (one without a SHA-384 digest). */
bool ticket_images(const struct im4m *m, struct image_digest images[IMAGE4_GROUPS_MAX], size_t *n, struct pome_error *err);

/* An IM4P and its ticket as IMG4, for free(). im4r may be NULL. */
uint8_t *ticket_img4(const void *im4p, size_t im4p_size, const struct ticket *t, const uint8_t *im4r, size_t im4r_size, size_t *size,
                     struct pome_error *err);

/* The firmware area with an LLB and its ticket, which is bound to this boot nonce generator, erased behind it. Errors: INVALID_DATA (they do not fit). */
bool ticket_firmware(const void *llb, size_t llb_size, const struct ticket *t, uint64_t generator, uint8_t area[AUX_FIRMWARE_MAX],
                     struct pome_error *err);

/* The security that a LocalPolicy's ticket states; full when it states none. */
enum policy_security personalize_security(const struct im4m *policy);

/* The signed ticket of a LocalPolicy, and the IM4P that it is for. */
bool personalize_policy(const struct personality *who, const struct policy_content *policy, struct ticket *out, uint8_t im4p[POLICY_IM4P_BYTES],
                        struct pome_error *err);

/* BNCH of a boot nonce generator. */
void personalize_boot_nonce(uint64_t generator, uint8_t out[AUX_NONCE_BYTES]);

/* Random bytes. */
bool personalize_draw(void *bytes, size_t n, struct pome_error *err);

/* Where boop-storage-nonces has which nonce. */
enum { NONCE_BYTES = 16, NONCE_RPNH = 0, NONCE_LPNH = 16, NONCE_RONH = 64, NONCES_BYTES = 112 };

/* Puts n of the bytes of boop-storage-nonces, from `at`, and the boot nonce's generator (NULL: as it is) into an NVRAM bank, which is then to be
 * finished. */
bool nonces_to_nvram(uint8_t *bank, size_t at, const uint8_t *nonces, size_t n, const uint64_t *generator, struct pome_error *err);

/* A random nonce and its hash. */
bool personalize_draw_nonce(uint8_t nonce[NONCE_BYTES], uint8_t hash[SHA384_BYTES], struct pome_error *err);

#endif
