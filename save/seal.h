/* seal.h - one blob of a saved machine: compressed, encrypted, digested; and back. Inside save/ only. */
#ifndef SAVE_SEAL_H
#define SAVE_SEAL_H

#include "save/file.h"

enum { SAVE_TAG_BYTES = 16 };
enum save_method { SAVE_PLAIN, SAVE_ZSTD };

/* The key of one file. */
struct save_key {
    bool on;
    uint32_t log2_n, r, p;
    uint8_t salt[32], bytes[SAVE_KEY_BYTES];
};

bool save_key_make(struct save_key *k, const struct save_secret *secret, struct pome_error *err); /* a new salt; secret NULL: off */
/* From salt and parameters that were read. Errors: RESTORE (parameters out of range). */
bool save_key_derive(struct save_key *k, const struct save_secret *secret, struct pome_error *err);

/* Contexts of one thread. */
struct sealer {
    void *zstd_in, *zstd_out, *cipher;
};
void sealer_finish(struct sealer *s);

/* First half: what has to be known before the place is: writes at most n bytes plus the tag's to `to`, fills method, plain, stored. */
bool seal_pack(struct sealer *s, const struct save_key *k, const void *from, size_t n, uint8_t *to, struct save_blob *b);
/* Second half, with b->offset set: encrypts `to` in place, makes the digest. */
bool seal_close(struct sealer *s, const struct save_key *k, uint8_t *to, struct save_blob *b);

extern const char seal_wrong_key[];
/* From b->stored bytes (used up) to b->plain ones. `why`: what is wrong; seal_wrong_key itself for that. */
bool seal_open(struct sealer *s, const struct save_key *k, const struct save_blob *b, uint8_t *stored, uint8_t *to, const char **why);

#endif
