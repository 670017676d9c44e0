/* decompress.c - pieces of disk images and archives: ADC, zlib, bzip2, LZFSE, xz. The only file that knows libbz2 and liblzma. */
#include "formats/decompress.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/lzfse.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>

enum { XZ_MEMORY = 256 << 20 };

/* Each writes at most size bytes and says how many in *got; false when the bytes are damaged. */
typedef bool decoder(const uint8_t *in, size_t n, uint8_t *out, size_t size, size_t *got);

static bool none(const uint8_t *in, size_t n, uint8_t *out, size_t size, size_t *got)
{
    if (n > size)
        return false;
    memcpy(out, in, n);
    *got = n;
    return true;
}

/* Apple Data Compression: 1LLLLLLL literals; 00LLLLDD D8 and 01LLLLLL D16: a match of length + 3 or + 4, distance - 1. */
static bool adc(const uint8_t *in, size_t n, uint8_t *out, size_t size, size_t *got)
{
    size_t at = 0;
    for (size_t i = 0; i < n;) {
        unsigned b = in[i], bytes = b & 0x80 ? 1 : b & 0x40 ? 3 : 2;
        size_t length = b & 0x80 ? (b & 0x7f) + 1u : b & 0x40 ? (b & 0x3f) + 4u : (b >> 2 & 15) + 3u;
        if (bytes > n - i || length > size - at)
            return false;
        if (bytes == 1) {
            if (length > n - i - 1)
                return false;
            memcpy(out + at, in + i + 1, length);
            i += length;
        } else {
            size_t distance = 1 + (bytes == 3 ? (size_t)in[i + 1] << 8 | in[i + 2] : (size_t)(b & 3) << 8 | in[i + 1]);
            if (distance > at)
                return false;
            for (size_t k = 0; k < length; k++)
                out[at + k] = out[at + k - distance];
        }
        at += length;
        i += bytes;
    }
    *got = at;
    return true;
}

/* With zlib's header, or bare deflate. */
static bool zlib(const uint8_t *in, size_t n, uint8_t *out, size_t size, size_t *got)
{
    bool header = n > 1 && (in[0] & 15) == 8 && !(be16_get(in) % 31);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)size};
    if (n > UINT32_MAX || size > UINT32_MAX || inflateInit2(&z, header ? 15 : -15) != Z_OK)
        return false;
    int code = inflate(&z, Z_FINISH);
    *got = z.total_out;
    inflateEnd(&z);
    return code == Z_STREAM_END;
}

static bool bzip2(const uint8_t *in, size_t n, uint8_t *out, size_t size, size_t *got)
{
    unsigned room = (unsigned)size;
    if (n > UINT32_MAX || size > UINT32_MAX || BZ2_bzBuffToBuffDecompress((char *)out, &room, (char *)(uintptr_t)in, (unsigned)n, 0, 0) != BZ_OK)
        return false;
    *got = room;
    return true;
}

static bool lzfse(const uint8_t *in, size_t n, uint8_t *out, size_t size, size_t *got)
{
    return lzfse_decode(in, n, out, size, got, NULL);
}

static bool xz(const uint8_t *in, size_t n, uint8_t *out, size_t size, size_t *got)
{
    uint64_t memory = XZ_MEMORY;
    size_t in_at = 0;
    *got = 0;
    return lzma_stream_buffer_decode(&memory, 0, NULL, in, &in_at, n, out, got, size) == LZMA_OK;
}

static const struct {
    const char *name;
    decoder *decode;
} codecs[CODECS] = {
    [CODEC_NONE] = {"none", none},    [CODEC_ADC] = {"ADC", adc},       [CODEC_ZLIB] = {"zlib", zlib},
    [CODEC_BZIP2] = {"bzip2", bzip2}, [CODEC_LZFSE] = {"LZFSE", lzfse}, [CODEC_XZ] = {"LZMA", xz},
};

const char *codec_name(enum codec c)
{
    return codecs[c].name;
}

bool decompress(enum codec c, const void *bytes, size_t n, void *out, size_t size, struct pome_error *err)
{
    size_t got = 0;
    if (!codecs[c].decode(bytes, n, out, size, &got))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%zu bytes of %s data are damaged or give more than %zu bytes", n, codecs[c].name, size);
    return got == size || pome_fail(err, POME_ERROR_INVALID_DATA, "%zu bytes of %s data give %zu bytes, needed %zu", n, codecs[c].name, got, size);
}
