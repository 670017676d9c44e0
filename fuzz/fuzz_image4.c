/* fuzz_image4.c - DER, IM4P, IM4M, IM4R, IMG4 (formats/image4.h). */
#include "formats/image4.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct im4m m;
    struct pome_error err;
    struct img4 i;
    struct im4p p;
    uint64_t nonce;
    if (img4_read(data, size, &i, &err)) {
        if (i.size > size || i.im4p.payload_offset + i.im4p.payload_size > i.im4p_size)
            abort();
        if (i.im4m_bytes && im4m_read(i.im4m_bytes, i.im4m_size, &m, &err)) { /* what was read can be written again */
            static uint8_t out[1 << 20];
            if (size < 1 << 16 && !im4m_write(m.groups, m.n, out, sizeof out))
                abort();
        }
        if (i.im4r_bytes)
            im4r_read(i.im4r_bytes, i.im4r_size, &nonce, &err);
    }
    im4m_read(data, size, &m, &err);
    im4p_read_head(data, size, size, &p, &err);
    return 0;
}
