/* digests.h - the file DIGESTS of a boot set that a guest made: what sha384sum(1) prints for its three objects. */
#ifndef FIRMWARE_DIGESTS_H
#define FIRMWARE_DIGESTS_H

#include "firmware/fw.h"
#include "firmware/sha384.h"

/* text: n characters, one line for each of the names, in any order, and nothing else. */
fw_why digests_parse(const char *text, size_t n, const char *const *names, unsigned n_names, uint8_t (*digests)[SHA384_BYTES]);

#endif
