/*
 * adopt.h - a copy of an installed machine gets an identity of its own.
 *
 * How it works. Everything that is bound to the old ECID is issued anew for the new one, by this host's authority: the tickets of
 * the firmware, of the boot set and of Recovery, for the digests that the old tickets have, and the LocalPolicy with the security
 * it had; all nonces are drawn anew. A ticket that does not verify against the authority that the machine trusted is not copied:
 * nobody's changes get a signature by being cloned. The two FAT containers are made anew with their files; the main container is
 * not touched.
 */
#ifndef RESTORE_ADOPT_H
#define RESTORE_ADOPT_H

#include "bundle/bundle.h"

/* A bundle_adopt_fn (bundle/copy.h); user is not used. staged has its files, MachineIdentifier among them.
 * Errors: INVALID_BUNDLE (an old ticket or its place is damaged: which), and those of the authority. */
bool restore_adopt(void *user, const struct bundle *from, struct bundle *staged, uint64_t ecid, struct pome_error *err);

#endif
