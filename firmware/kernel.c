/* kernel.c - the header of an arm64 Linux Image: 64 bytes, little-endian (Documentation/arm64/booting.rst, section 4). */
#include "firmware/kernel.h"

#define HEADER_BYTES 64
#define MAGIC        0x644d5241 /* "ARM\x64" at 56 */
#define FLAG_BE      1

fw_why kernel_parse(const uint8_t *image, size_t n, struct kernel_image *out)
{
    if (n < HEADER_BYTES || fw_le32(image + 56) != MAGIC)
        return "is not an arm64 Linux Image";
    *out = (struct kernel_image){fw_le64(image + 8), fw_le64(image + 16)};
    if (!out->memory_bytes)
        return "Image is older than Linux 3.17";
    if (fw_le64(image + 24) & FLAG_BE)
        return "Image is big-endian";
    if (out->text_offset >= 0x200000 || out->text_offset % 8)
        return "Image has an impossible text offset";
    if (out->memory_bytes < n)
        out->memory_bytes = n;
    return NULL;
}
