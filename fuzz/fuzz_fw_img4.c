/* fuzz_fw_img4.c - the firmware's IMG4 reader: whatever is accepted lies inside the input. */
#include "firmware/img4.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct img4_machine machine = {0x8877665544332211, 0x70, 0xfe70};
    struct img4 img;
    size_t at, end;
    if (!img4_peek(data, size, size, &at, &end) && (at > end || end > size))
        abort();
    if (img4_parse(data, size, &img))
        return 0;
    if (img.payload < data || img.payload_bytes > size - (size_t)(img.payload - data) || img.im4p_bytes > size)
        abort();
    img4_verify(&img, img.type, &machine);
    return 0;
}
