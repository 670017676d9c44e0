/* fuzz_lzss.c - "complzss", and what our encoder makes of the same bytes (formats/lzss.h). */
#include "formats/lzss.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 20 };

struct gathered {
    const uint8_t *want; /* NULL: anything */
    size_t n;
};

static bool take(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct gathered *g = user;
    if (n > MOST - g->n || (g->want && memcmp(g->want + g->n, bytes, n)))
        abort();
    g->n += n;
    return true;
}

static bool decode(const uint8_t *data, size_t size, struct gathered *g)
{
    struct pome_error err;
    struct lzss_stream *s = lzss_begin(MOST, take, g);
    bool ok = s && lzss_add(s, data, size / 2, &err) && lzss_add(s, data + size / 2, size - size / 2, &err) && lzss_end(s, &err);
    lzss_free(s);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t packed[LZSS_HEAD + 8192 * 9 / 8 + 1];
    struct gathered g = {0}, same = {data, 0};
    decode(data, size, &g);
    if (size <= 8192 && (!decode(packed, lzss_encode(data, size, packed), &same) || same.n != size))
        abort();
    return 0;
}
