/*
 * aea.h - Apple Encrypted Archive, profile 1 (symmetric key, HKDF-SHA256, AES-256-CTR, HMAC-SHA256): what .dmg.aea files are.
 *
 * prologue, auth data (names and values in clear), salt, root header, then clusters: a header that lists the segments' sizes and holds
 * their MACs and the next cluster's, then the segments. Nothing is used before its MAC was compared. Read at any place, with the memory
 * of one cluster header and one segment.
 */
#ifndef FORMATS_AEA_H
#define FORMATS_AEA_H

#include "formats/source.h"

enum {
    AEA_PROLOGUE = 12, AEA_KEY_BYTES = 32, AEA_PROFILE_SYMMETRIC = 1, AEA_PROFILES = 6,
    AEA_AUTH_MAX = 1 << 20, AEA_SEGMENT_MAX = 32 << 20, AEA_CLUSTER_SEGMENTS_MAX = 1 << 14,
};

/* What can be read without a key. */
struct aea_info {
    uint32_t profile, scrypt_strength;
    uint8_t *auth;      /* aea_info_free */
    size_t auth_bytes;
};

/* Errors: INVALID_DATA (not an archive), OUT_OF_MEMORY, the source's. */
bool aea_info_read(struct source *in, struct aea_info *info, struct pome_error *err);
void aea_info_free(struct aea_info *info);

/* "HKDF-SHA256, AES-CTR, HMAC, symmetric key"; "unknown". */
const char *aea_profile_name(uint32_t profile);

/* The next entry of the auth data after *at (0 at first): its key, and value of n bytes. False at the end or at damage. */
bool aea_auth_next(const struct aea_info *info, size_t *at, const char **key, const uint8_t **value, size_t *n);

/* What the root header says. */
struct aea_root {
    uint64_t bytes, archive_bytes; /* content; the whole file */
    uint32_t segment_bytes, cluster_segments;
    uint8_t compression, checksum; /* '-', 'e', ...; 0 none, 1 Murmur, 2 SHA-256 */
};

/* The archive's content. On success it owns `in`. Errors: INVALID_DATA (damaged, or another key), NOT_SUPPORTED (another profile or
 * compression), OUT_OF_MEMORY, the source's. */
struct source *aea_open(struct source *in, const uint8_t key[AEA_KEY_BYTES], struct pome_error *err);
const struct aea_root *aea_root(const struct source *aea);

/* "LZFSE" of 'e'. NULL: unknown. */
const char *aea_compression_name(uint8_t compression);

#endif
