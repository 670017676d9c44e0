/* fuzz_lzfse.c - LZFSE and LZVN: whole, and in pieces, which must give the same (formats/lzfse.h). */
#include "formats/lzfse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4 << 20 };

struct gathered {
    const uint8_t *want;
    size_t n;
};

static bool compare(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct gathered *g = user;
    if (n > MOST - g->n || memcmp(g->want + g->n, bytes, n))
        abort();
    g->n += n;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[MOST];
    struct pome_error err;
    size_t produced, step = size ? 1 + data[size - 1] : 1;
    bool ok = lzfse_decode(data, size, out, MOST, &produced, &err);
    if (produced > MOST)
        abort();
    struct gathered g = {out, 0};
    struct lzfse_stream *s = lzfse_begin(MOST, compare, &g);
    bool again = s;
    for (size_t at = 0; again && at < size; at += step)
        again = lzfse_add(s, data + at, size - at < step ? size - at : step, &err);
    again = again && lzfse_end(s, &err);
    if (s && (ok != again || (ok && g.n != produced)))
        abort();
    lzfse_free(s);
    return 0;
}
