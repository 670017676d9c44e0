/* sha384.h - SHA-384 (FIPS 180-4), the digest of everything in a restore image. Over libcrypto. */
#ifndef FORMATS_SHA384_H
#define FORMATS_SHA384_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA384_BYTES = 48 };

/* Of n bytes at once. */
void sha384(const void *bytes, size_t n, uint8_t digest[SHA384_BYTES]);

/* Of a stream: begin allocates (NULL when there is no memory), end writes the digest (NULL: thrown away) and frees. */
struct sha384;
struct sha384 *sha384_begin(void);
void sha384_add(struct sha384 *s, const void *bytes, size_t n);
void sha384_end(struct sha384 *s, uint8_t digest[SHA384_BYTES]);

/* Upper-case hexadecimal and NUL. text holds 2 * n + 1 characters. */
void hex_upper(const uint8_t *bytes, size_t n, char *text);

/* The other way; either case. False unless text is exactly 2 * n digits. */
bool hex_parse(const char *text, uint8_t *bytes, size_t n);

#endif
