/* sources.h - members of restore images as sources (formats/source.h); what lies in them taken apart down to the disk. */
#ifndef RESTORE_SOURCES_H
#define RESTORE_SOURCES_H

#include "backend/file_source.h"
#include "formats/source.h"
#include "restore/restore_image.h"

/* A member of an image's zip, which must outlive it. Any place is cheap in stored members; deflated ones are for reading forwards.
 * Digests are not compared. */
struct source *source_member(struct zipin *zip, size_t member, struct pome_error *err);

/* A key for an archive (.aea): 32 bytes; NULL: none. */
struct archive_key {
    uint8_t bytes[32];
};

/* Takes the layers off: an encrypted archive with its key, a UDIF disk image; what is neither is the disk itself. On success
 * it owns `in`; on failure `in` is closed too. in NULL: NULL (*err is filled already). Errors: NOT_SUPPORTED (an archive without a key),
 * and the containers'. */
struct source *source_disk(struct source *in, const struct archive_key *key, struct pome_error *err);

/* The disk in a component of an image ("OS", "BaseSystem", "Cryptex1,SystemOS"), read at any place. Its digest is
 * not compared by that: see restore_image_check_begin(). */
struct source *restore_image_disk(struct restore_image *image, const struct manifest_component *c, const struct archive_key *key,
                                  struct pome_error *err);

#endif
