/* inspect.h - files of every kind that belongs to restore images: what they are, what is in them, whether it is right. See pome/inspect.h. */
#ifndef RESTORE_INSPECT_H
#define RESTORE_INSPECT_H

#include "formats/sha384.h"
#include "restore/facts.h"
#include "restore/sources.h"

enum pome_file_kind inspect_kind(struct source *s, struct pome_error *err);

bool inspect_describe(const char *path, const struct archive_key *key, struct facts *f, struct pome_error *err);
bool inspect_verify(const char *path, const struct archive_key *key, uint64_t *bytes, pome_progress_fn *progress, void *user,
                    struct pome_error *err);
bool inspect_extract(const char *path, const struct archive_key *key, const char *out_path, pome_progress_fn *progress, void *user,
                     struct pome_error *err);

/* One kind each; the outermost group is open. An archive's source is closed; a disk is what udif_open gave. */
bool describe_image4(struct source *s, struct facts *f, struct pome_error *err);
bool describe_trust_cache(struct source *s, struct facts *f, struct pome_error *err);
/* A Darwin kernel or an Apple device tree, also as the payload of an Image4 file; what is neither tells nothing. Reads all of it into memory. */
bool describe_darwin(struct source *s, struct facts *f, struct pome_error *err);
bool describe_plist(struct source *s, struct facts *f, struct pome_error *err);
struct pl;
void describe_plist_node(struct facts *f, const char *key, const struct pl *node); /* with all that is in it */
bool describe_disk(struct source *s, struct facts *f, struct pome_error *err);
bool describe_archive(struct source *s, const struct archive_key *key, struct facts *f, struct pome_error *err);
/* The container at a place of a disk; false: there is none, and nothing was told. */
bool describe_apfs(struct source *disk, uint64_t at, uint64_t bytes, struct facts *f);
/* What partitions the disk has, and what is in them. */
bool describe_raw_disk(struct source *disk, struct facts *f);
void describe_restore_image(struct restore_image *image, struct facts *f);

/* SHA-384 of a part of a source. each (NULL allowed) gets the count of bytes read so far; false cancels. */
bool source_sha384(struct source *s, uint64_t at, uint64_t n, uint8_t digest[SHA384_BYTES], bool (*each)(void *user, uint64_t done), void *user,
                   struct pome_error *err);

#endif
