/*
 * personalize.c - the tickets of one machine (docs/boot.md section 2).
 *
 * A ticket binds components, by their digests, to one ECID and one boot nonce, and is signed by the local authority.
 */
#include "restore/personalize.h"
#include "base/bits.h"
#include "base/error.h"
#include "restore/install.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { NONCE = 16, RPNH = 0, LPNH = 16, RONH = 64 };

static void machine_properties(const struct personality *who, struct im4m_group *g)
{
    *g = (struct im4m_group){.name = "MANP"};
    im4m_add_octets(g, "BNCH", who->boot_nonce, AUX_NONCE_BYTES);
    im4m_add_integer(g, "BORD", who->board);
    im4m_add_integer(g, "CEPO", 1);
    im4m_add_integer(g, "CHIP", who->chip);
    im4m_add_boolean(g, "CPRO", true);
    im4m_add_boolean(g, "CSEC", true);
    im4m_add_integer(g, "ECID", who->ecid);
    im4m_add_integer(g, "SDOM", LAYOUT_SECURITY_DOMAIN);
    im4m_add_text(g, "love", who->version);
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

static void policy_properties(const struct policy_content *p, struct im4m_group *g)
{
    static const uint8_t kuid[16];
    im4m_add_boolean(g, "lobo", true);
    im4m_add_octets(g, "lpnh", p->lpnh, SHA384_BYTES);
    im4m_add_octets(g, "rpnh", p->rpnh, SHA384_BYTES);
    im4m_add_octets(g, "ronh", p->ronh, SHA384_BYTES);
    im4m_add_octets(g, "nsih", p->nsih, SHA384_BYTES);
    im4m_add_octets(g, "vuid", p->volume_group, 16);
    im4m_add_octets(g, "kuid", kuid, sizeof kuid);
    if (p->security >= POLICY_REDUCED) /* full security is that they are absent */
        im4m_add_boolean(g, "smb0", true);
    if (p->security >= POLICY_PERMISSIVE)
        im4m_add_boolean(g, "smb1", true);
}

static bool sign(const struct personality *who, const struct im4m_group *g, size_t n, struct ticket *t, struct pome_error *err)
{
    t->size = im4m_write(g, n, t->der, sizeof t->der);
    if (!t->size)
        return pome_fail(err, POME_ERROR_INTERNAL, "a ticket of %zu groups does not fit %d bytes", n, IMAGE4_TICKET_MAX);
    return authority_sign(who->authority, t->der, &t->size, sizeof t->der, err);
}

bool personalize_images(const struct personality *who, const struct image_digest *images, size_t n, struct ticket *out, struct pome_error *err)
{
    struct im4m_group *g = n < IMAGE4_GROUPS_MAX ? calloc(n + 1, sizeof *g) : NULL;
    if (!g)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    machine_properties(who, &g[0]);
    for (size_t i = 0; i < n; i++)
        image_properties(images[i].type, images[i].digest, &g[i + 1]);
    bool ok = sign(who, g, n + 1, out, err);
    free(g);
    return ok;
}

enum policy_security personalize_security(const struct im4m *policy)
{
    const struct im4m_group *manp = im4m_group(policy, "MANP");
    const struct im4m_property *reduced = manp ? im4m_property(manp, "smb0") : NULL;
    const struct im4m_property *permissive = manp ? im4m_property(manp, "smb1") : NULL;
    if (!reduced || !reduced->integer)
        return POLICY_FULL;
    return permissive && permissive->integer ? POLICY_PERMISSIVE : POLICY_REDUCED;
}

bool personalize_policy(const struct personality *who, const struct policy_content *policy, struct ticket *out, uint8_t im4p[POLICY_IM4P_BYTES],
                        struct pome_error *err)
{
    uint8_t head[IMAGE4_HEAD_MAX], digest[SHA384_BYTES];
    size_t n = im4p_write_head("lpol", "1.0", 1, head);
    head[n++] = 0;
    if (n != POLICY_IM4P_BYTES)
        return pome_fail(err, POME_ERROR_INTERNAL, "the policy has %zu bytes, needed %d", n, POLICY_IM4P_BYTES);
    memcpy(im4p, head, n);
    sha384(im4p, n, digest);
    struct im4m_group *g = calloc(2, sizeof *g);
    if (!g)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    machine_properties(who, &g[0]);
    policy_properties(policy, &g[0]);
    image_properties("lpol", digest, &g[1]);
    bool ok = sign(who, g, 2, out, err);
    free(g);
    return ok;
}

void personalize_boot_nonce(uint64_t generator, uint8_t out[AUX_NONCE_BYTES])
{
    uint8_t bytes[8], digest[SHA384_BYTES];
    le64_put(bytes, generator);
    sha384(bytes, sizeof bytes, digest);
    memcpy(out, digest, AUX_NONCE_BYTES);
}

static bool draw(void *bytes, size_t n, struct pome_error *err)
{
    return getrandom(bytes, n, 0) == (ssize_t)n || pome_fail_errno(err, "random numbers");
}

bool personalize_draw_nonce(uint8_t nonce[16], uint8_t hash[SHA384_BYTES], struct pome_error *err)
{
    if (!draw(nonce, NONCE, err))
        return false;
    sha384(nonce, NONCE, hash);
    return true;
}

/* --- the installer's step --- */

/* The ticket for all components of a place. The digests are the manifest's; that the bytes have them is checked when they are copied. */
static bool place_ticket(struct install *in, const struct personality *who, enum component_place place, enum install_ticket which,
                         struct pome_error *err)
{
    struct image_digest images[COMPONENT_ROLES + 1];
    size_t n = 0;
    for (size_t i = 0; i < COMPONENT_ROLES; i++)
        if (component_roles[i].place == place)
            images[n++] = (struct image_digest){component_roles[i].type, install_component(in, component_roles[i].name)->digest};
    if (place == PLACE_BOOT) /* the OS image belongs to what the boot set starts */
        images[n++] = (struct image_digest){"rosi", install_component(in, "OS")->uncompressed_digest};
    return personalize_images(who, images, n, &in->tickets[which], err);
}

static bool place_tickets(struct install *in, const struct personality *who, struct pome_error *err)
{
    return place_ticket(in, who, PLACE_FIRMWARE, TICKET_FIRMWARE, err) && place_ticket(in, who, PLACE_BOOT, TICKET_OS, err) &&
           place_ticket(in, who, PLACE_RECOVERY, TICKET_RECOVERY, err);
}

static bool issue(struct install *in, const struct authority *authority, install_tickets_fn *tickets, struct pome_error *err)
{
    const struct platform *p = platform_of(in->bundle->model.platform);
    const struct manifest *m = &in->image->manifest;
    uint8_t rpnh[SHA384_BYTES], ronh[SHA384_BYTES];
    const struct personality who = {authority, in->bundle->ecid, p->board, p->chip, in->trust.boot_nonce,
                                    m->long_version[0] ? m->long_version : m->version};
    const struct policy_content policy = {in->security, in->nsih, in->trust.policy_nonces[0], rpnh, ronh, in->volume_group};
    memset(in->nonces, 0, sizeof in->nonces);
    memcpy(in->trust.anchor, authority_anchor(authority), SHA384_BYTES);
    personalize_boot_nonce(in->boot_nonce, in->trust.boot_nonce);
    if (!personalize_draw_nonce(in->nonces + RPNH, rpnh, err) || !personalize_draw_nonce(in->nonces + LPNH, in->trust.policy_nonces[0], err) ||
        !personalize_draw_nonce(in->nonces + RONH, ronh, err) || !tickets(in, &who, err))
        return false;
    sha384(in->tickets[TICKET_OS].der, in->tickets[TICKET_OS].size, in->nsih);
    return personalize_policy(&who, &policy, &in->tickets[TICKET_POLICY], in->policy, err);
}

bool install_personalize_by(struct install *in, install_tickets_fn *tickets, struct pome_error *err)
{
    if (!draw(&in->boot_nonce, sizeof in->boot_nonce, err) || !draw(in->volume_group, sizeof in->volume_group, err))
        return false;
    in->volume_group[6] = (uint8_t)((in->volume_group[6] & 0x0f) | 0x40); /* a version 4 UUID */
    in->volume_group[8] = (uint8_t)((in->volume_group[8] & 0x3f) | 0x80);
    in->trust = (struct aux_trust){0};
    struct authority *authority = authority_open(NULL, true, err);
    if (!authority)
        return pome_fail_context(err, "signing authority");
    bool ok = issue(in, authority, tickets, err);
    if (ok)
        log_host(in->log, "org.pome.install", "authority", LOG_LEVEL_DEFAULT, "tickets signed by %s (%s)", authority_name(authority),
                 authority_path(authority));
    authority_close(authority);
    return ok;
}

bool install_personalize(struct install *in, struct pome_error *err)
{
    return install_personalize_by(in, place_tickets, err);
}
