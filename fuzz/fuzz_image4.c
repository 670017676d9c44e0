/* fuzz_image4.c - DER, IM4P, IM4M, IM4R, IMG4 (formats/image4.h). */
#include "formats/image4.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool group(void *user, const char name[5])
{
    if (strlen(name) != 4)
        abort();
    return true;
}

static bool property(void *user, const struct im4m_property *p)
{
    size_t *sum = user;
    for (size_t i = 0; (p->kind == IM4M_OCTETS || p->kind == IM4M_TEXT) && i < p->size; i++)
        *sum += p->bytes[i];
    return true;
}

static bool group_end(void *user)
{
    return true;
}

/* What only describing files uses. */
static void describe(const uint8_t *data, size_t size, const struct im4p *p)
{
    size_t sum = 0, signature, certificates, n;
    const struct im4m_visitor v = {&sum, group, property, group_end};
    struct pome_error err;
    struct im4p_tail t;
    const uint8_t *set;
    im4m_walk(data, size, &v, &signature, &certificates, &err);
    if (im4r_set(data, size, &set, &n, &err))
        image4_walk_set(set, n, &v, &err);
    uint64_t end = p ? p->payload_offset + p->payload_size : 0;
    if (p && im4p_read_tail(data + end, (size_t)(p->size - end), &t, &err)) {
        for (size_t i = 0; i < t.keybags; i++)
            for (size_t k = 0; k < t.keybag[i].key_bytes; k++)
                sum += t.keybag[i].key[k];
        if (t.properties)
            image4_walk_set(t.properties, t.properties_bytes, &v, &err);
    }
}

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
    describe(data, size, im4p_read_head(data, size, size, &p, &err) ? &p : NULL);
    return 0;
}
