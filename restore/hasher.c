/* hasher.c - SHA-384 of a stream, on a relay's thread. */
#include "restore/hasher.h"

#include <stdlib.h>

struct hasher {
    struct relay *relay;
    struct sha384 *sum;
};

static bool add(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct hasher *h = user;
    sha384_add(h->sum, bytes, n);
    return true;
}

struct hasher *hasher_begin(void)
{
    struct hasher *h = malloc(sizeof *h);
    if (!h)
        return NULL;
    h->sum = sha384_begin();
    h->relay = h->sum ? relay_begin(add, h) : NULL;
    if (h->relay)
        return h;
    sha384_end(h->sum, NULL);
    free(h);
    return NULL;
}

uint8_t *hasher_piece(struct hasher *h)
{
    return relay_piece(h->relay);
}

void hasher_push(struct hasher *h, size_t n)
{
    relay_push(h->relay, n);
}

void hasher_end(struct hasher *h, uint8_t digest[SHA384_BYTES])
{
    if (!h)
        return;
    relay_end(h->relay, NULL);
    sha384_end(h->sum, digest);
    free(h);
}
