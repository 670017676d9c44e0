/* object.h - headers and checksums of objects, and the hash of names. */
#ifndef APFS_OBJECT_H
#define APFS_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills the header of an object of n bytes (a multiple of 4) whose other bytes are final, checksum last. */
void apfs_object_seal(uint8_t *object, size_t n, uint64_t oid, uint64_t xid, uint32_t type, uint32_t subtype);

/* True when the checksum is right. */
bool apfs_object_intact(const uint8_t *object, size_t n);

/* The hash that orders names in a folder, shifted to its place in the key. fold: of a volume that does not tell case apart. False when the
 * name is no valid UTF-8, empty, longer than 255 bytes or has a '/'. */
bool apfs_name_hash(const char *name, bool fold, uint32_t *hash);

/* True when such a volume takes both for the same name. */
bool apfs_name_same(const char *a, const char *b, bool fold);

#endif
