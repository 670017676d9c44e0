/* checksum.h - CRC-32 (ISO-HDLC, as GPT and zip use it) and Adler-32 (RFC 1950). */
#ifndef FORMATS_CHECKSUM_H
#define FORMATS_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Not in checksum_plain.c: the CRC-32 of what had the CRC-32 `crc` (0: nothing) and these bytes after it. */
uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n);
uint32_t crc32_of(const void *bytes, size_t n);
uint32_t adler32_of(const void *bytes, size_t n);

#endif
