/* checksum.c - CRC-32 and Adler-32, as fast as memory gives the bytes: libdeflate's (carry-less products where the host has them). */
#include "formats/checksum.h"

#include <libdeflate.h>

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n)
{
    return n ? libdeflate_crc32(crc, bytes, n) : crc; /* it takes "no buffer" for "begin" */
}

uint32_t crc32_of(const void *bytes, size_t n)
{
    return crc32_add(0, bytes, n);
}

uint32_t adler32_of(const void *bytes, size_t n)
{
    return n ? libdeflate_adler32(1, bytes, n) : 1;
}
