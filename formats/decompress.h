/* decompress.h - one piece of a container, compressed one of several ways, into memory. */
#ifndef FORMATS_DECOMPRESS_H
#define FORMATS_DECOMPRESS_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum codec { CODEC_NONE, CODEC_ADC, CODEC_ZLIB, CODEC_BZIP2, CODEC_LZFSE, CODEC_XZ, CODECS };

const char *codec_name(enum codec c);

/* Decompresses n bytes into exactly size bytes. Errors: INVALID_DATA (damaged, or another size comes out), OUT_OF_MEMORY. */
bool decompress(enum codec c, const void *bytes, size_t n, void *out, size_t size, struct pome_error *err);

#endif
