/* sha384.h - SHA-384 (FIPS 180-4) of one piece of memory. */
#ifndef FIRMWARE_SHA384_H
#define FIRMWARE_SHA384_H

#include <stddef.h>
#include <stdint.h>

#define SHA384_BYTES 48

void sha384(const void *data, size_t n, uint8_t digest[SHA384_BYTES]);

#endif
