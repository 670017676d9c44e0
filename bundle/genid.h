/*
 * genid.h - a machine's generation ID (machine/generation.c): other bytes for every copy of a machine whose state is one that was before.
 *
 * How it works. It is a digest of the identity and of GenerationID, 16 random bytes that each restore of a snapshot draws anew (none: no snapshot was restored).
 * So a clone has its own, a restored snapshot, too, and a machine that is saved and goes on, or starts again, keeps the one that it had.
 */
#ifndef BUNDLE_GENID_H
#define BUNDLE_GENID_H

#include "bundle/bundle.h"

enum { BUNDLE_GENID_BYTES = 16 };

/* Errors: INVALID_BUNDLE, IO. */
bool bundle_genid(const struct bundle *b, uint8_t id[BUNDLE_GENID_BYTES], struct pome_error *err);

/* Writes a GenerationID into b, or a folder that is going to be part of one. */
bool bundle_genid_draw(struct bundle *b, struct pome_error *err);

#endif
