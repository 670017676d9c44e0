/*
 * warm.h - whom a saved machine was before it became another: a warm clone.
 *
 * How it works. A clone of a snapshot with its memory gets SaveFile.pomesave as it is (a hard link to the snapshot's: it is never changed in place, and all
 * clones read the same pages of the host's cache), its own identity, and Warm.json, which says whose memory it is: the saved machine's identity and
 * addresses. A restore expects these in the file instead of the machine's own, tells the guest who it is now, and removes Warm.json with the saved machine.
 */
#ifndef BUNDLE_WARM_H
#define BUNDLE_WARM_H

#include "bundle/bundle.h"

struct bundle_warm {
    uint64_t ecid;
    size_t n_macs;
    uint8_t mac[SETTINGS_MAX_ITEMS][6]; /* of network devices, bridged ones left out, in order */
};

/* Of a machine as its settings and identity say. */
void bundle_warm_of(const struct settings *s, uint64_t ecid, struct bundle_warm *out);

bool bundle_warm_write(struct bundle *b, const struct bundle_warm *w, struct pome_error *err);

/* *there: false: it is no warm clone that has not gone on yet. Errors: INVALID_BUNDLE. */
bool bundle_warm_read(const struct bundle *b, struct bundle_warm *out, bool *there, struct pome_error *err);

/* The text of a Warm.json, n bytes. false: it is none. */
bool bundle_warm_parse(const void *text, size_t n, struct bundle_warm *out);

#endif
