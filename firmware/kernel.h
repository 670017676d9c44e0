/* kernel.h - the header of an arm64 Linux Image (Linux Documentation/arm64/booting.rst). */
#ifndef FIRMWARE_KERNEL_H
#define FIRMWARE_KERNEL_H

#include "firmware/fw.h"

/* What the Image asks for; n is the payload's length. */
struct kernel_image {
    uint64_t text_offset; /* from a 2 MiB boundary to the Image's first byte */
    uint64_t memory_bytes; /* from that byte on, bss included */
};

fw_why kernel_parse(const uint8_t *image, size_t n, struct kernel_image *out);

#endif
