/*
 * personalize.c - the tickets of one machine (docs/boot.md §2).
 *
 * A ticket binds components, by their digests, to one ECID. The digests are the manifest's; that the bytes have them is checked when
 * they are copied. Tickets are not signed yet.
 */
#include "restore/install.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { NONCE = 16, RPNH = 0, LPNH = 16, RONH = 64, BNCH_BYTES = 32 };

/* Digests that the properties below point to. */
struct digests {
    uint8_t bnch[SHA384_BYTES], lpnh[SHA384_BYTES], rpnh[SHA384_BYTES], ronh[SHA384_BYTES], policy[SHA384_BYTES];
};

static void manifest_properties(const struct install *in, const struct digests *d, struct im4m_group *g)
{
    const struct platform *p = platform_of(in->bundle->model.platform);
    *g = (struct im4m_group){.name = "MANP"};
    im4m_add_octets(g, "BNCH", d->bnch, BNCH_BYTES);
    im4m_add_integer(g, "BORD", p->board);
    im4m_add_integer(g, "CEPO", 1);
    im4m_add_integer(g, "CHIP", p->chip);
    im4m_add_boolean(g, "CPRO", true);
    im4m_add_boolean(g, "CSEC", true);
    im4m_add_integer(g, "ECID", in->bundle->ecid);
    im4m_add_integer(g, "SDOM", LAYOUT_SECURITY_DOMAIN);
    const struct manifest *m = &in->image->manifest;
    im4m_add_text(g, "love", m->long_version[0] ? m->long_version : m->version);
}

static void image_properties(const char *type, const uint8_t *digest, struct im4m_group *g)
{
    *g = (struct im4m_group){0};
    memcpy(g->name, type, 4);
    im4m_add_octets(g, "DGST", digest, SHA384_BYTES);
    im4m_add_boolean(g, "EKEY", true);
    im4m_add_boolean(g, "EPRO", true);
    im4m_add_boolean(g, "ESEC", true);
}

static void policy_properties(const struct install *in, const struct digests *d, struct im4m_group *g)
{
    static const uint8_t kuid[16];
    im4m_add_boolean(g, "lobo", true);
    im4m_add_octets(g, "lpnh", d->lpnh, SHA384_BYTES);
    im4m_add_octets(g, "rpnh", d->rpnh, SHA384_BYTES);
    im4m_add_octets(g, "ronh", d->ronh, SHA384_BYTES);
    im4m_add_octets(g, "nsih", in->nsih, SHA384_BYTES);
    im4m_add_octets(g, "vuid", in->volume_group, sizeof in->volume_group);
    im4m_add_octets(g, "kuid", kuid, sizeof kuid);
}

static bool write_ticket(const struct im4m_group *g, size_t n, struct ticket *t, struct pome_error *err)
{
    t->size = im4m_write(g, n, t->der, sizeof t->der);
    return t->size || pome_fail(err, POME_ERROR_INTERNAL, "a ticket of %zu groups does not fit %d bytes", n, IMAGE4_TICKET_MAX);
}

/* The ticket for all components of a place. */
static bool place_ticket(const struct install *in, const struct digests *d, enum component_place place, struct im4m_group *g, struct ticket *t,
                         struct pome_error *err)
{
    size_t n = 1;
    manifest_properties(in, d, &g[0]);
    for (size_t i = 0; i < COMPONENT_ROLES; i++)
        if (component_roles[i].place == place)
            image_properties(component_roles[i].type, install_component(in, component_roles[i].name)->digest, &g[n++]);
    if (place == PLACE_BOOT) /* the OS image belongs to what the boot set starts */
        image_properties("rosi", install_component(in, "OS")->uncompressed_digest, &g[n++]);
    return write_ticket(g, n, t, err);
}

static bool policy_ticket(const struct install *in, struct digests *d, struct im4m_group *g, struct ticket *t, struct pome_error *err)
{
    uint8_t im4p[IMAGE4_HEAD_MAX + 1];
    size_t n = im4p_write_head("lpol", "1.0", 1, im4p);
    im4p[n++] = 0;
    sha384(im4p, n, d->policy);
    manifest_properties(in, d, &g[0]);
    policy_properties(in, d, &g[0]);
    image_properties("lpol", d->policy, &g[1]);
    return write_ticket(g, 2, t, err);
}

static bool draw(void *bytes, size_t n, struct pome_error *err)
{
    return getrandom(bytes, n, 0) == (ssize_t)n || pome_fail_errno(err, "random numbers");
}

bool install_personalize(struct install *in, struct pome_error *err)
{
    struct digests d;
    uint8_t generator[8];
    memset(in->nonces, 0, sizeof in->nonces);
    if (!draw(&in->boot_nonce, sizeof in->boot_nonce, err) || !draw(in->volume_group, sizeof in->volume_group, err) ||
        !draw(in->nonces + RPNH, NONCE, err) || !draw(in->nonces + LPNH, NONCE, err) || !draw(in->nonces + RONH, NONCE, err))
        return false;
    in->volume_group[6] = (uint8_t)((in->volume_group[6] & 0x0f) | 0x40); /* a version 4 UUID */
    in->volume_group[8] = (uint8_t)((in->volume_group[8] & 0x3f) | 0x80);
    le64_put(generator, in->boot_nonce);
    sha384(generator, sizeof generator, d.bnch);
    sha384(in->nonces + RPNH, NONCE, d.rpnh);
    sha384(in->nonces + LPNH, NONCE, d.lpnh);
    sha384(in->nonces + RONH, NONCE, d.ronh);
    struct im4m_group *g = calloc(COMPONENT_ROLES + 2, sizeof *g);
    if (!g)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for tickets");
    bool ok = place_ticket(in, &d, PLACE_FIRMWARE, g, &in->tickets[TICKET_FIRMWARE], err) &&
              place_ticket(in, &d, PLACE_BOOT, g, &in->tickets[TICKET_OS], err) &&
              place_ticket(in, &d, PLACE_RECOVERY, g, &in->tickets[TICKET_RECOVERY], err);
    if (ok) {
        sha384(in->tickets[TICKET_OS].der, in->tickets[TICKET_OS].size, in->nsih);
        ok = policy_ticket(in, &d, g, &in->tickets[TICKET_POLICY], err);
    }
    free(g);
    return ok;
}
