/*
 * personalize.c - the tickets of one machine (docs/boot.md section 2).
 *
 * A ticket binds components, by their digests, to one ECID and one boot nonce, and is signed by the local authority.
 */
#include "restore/personalize.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/nvram.h"
#include "restore/install.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

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

bool ticket_images(const struct im4m *m, struct image_digest images[IMAGE4_GROUPS_MAX], size_t *n, struct pome_error *err)
{
    *n = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct im4m_property *digest = im4m_property(&m->groups[i], "DGST");
        if (!strcmp(m->groups[i].name, "MANP"))
            continue;
        if (!digest || digest->size != SHA384_BYTES || *n == IMAGE4_GROUPS_MAX)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "the ticket's entry %s is not one of ours", m->groups[i].name);
        images[(*n)++] = (struct image_digest){m->groups[i].name, digest->bytes};
    }
    return true;
}

uint8_t *ticket_img4(const void *im4p, size_t im4p_size, const struct ticket *t, const uint8_t *im4r, size_t im4r_size, size_t *size,
                     struct pome_error *err)
{
    struct img4_frame *f = malloc(sizeof *f);
    bool ok = f && img4_frame(im4p_size, t->der, t->size, im4r, im4r_size, f);
    uint8_t *file = ok ? malloc(f->head_size + im4p_size + f->tail_size) : NULL;
    if (file) {
        memcpy(file, f->head, f->head_size);
        memcpy(file + f->head_size, im4p, im4p_size);
        memcpy(file + f->head_size + im4p_size, f->tail, f->tail_size);
        *size = f->head_size + im4p_size + f->tail_size;
    } else {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for an Image4 file of %zu bytes", im4p_size);
    }
    free(f);
    return file;
}

bool ticket_firmware(const void *llb, size_t llb_size, const struct ticket *t, uint64_t generator, uint8_t area[AUX_FIRMWARE_MAX],
                     struct pome_error *err)
{
    uint8_t im4r[IMAGE4_IM4R_MAX];
    size_t n = 0;
    uint8_t *img4 = ticket_img4(llb, llb_size, t, im4r, im4r_write(generator, im4r), &n, err);
    bool ok = img4 && (n <= AUX_FIRMWARE_MAX || pome_fail(err, POME_ERROR_INVALID_DATA, "%zu bytes of firmware and ticket, at most %llu fit", n,
                                                          (unsigned long long)AUX_FIRMWARE_MAX));
    if (ok) {
        memset(area, 0xff, AUX_FIRMWARE_MAX);
        memcpy(area, img4, n);
    }
    free(img4);
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

bool personalize_draw(void *bytes, size_t n, struct pome_error *err)
{
    return getrandom(bytes, n, 0) == (ssize_t)n || pome_fail_errno(err, "random numbers");
}

bool personalize_draw_nonce(uint8_t nonce[NONCE_BYTES], uint8_t hash[SHA384_BYTES], struct pome_error *err)
{
    if (!personalize_draw(nonce, NONCE_BYTES, err))
        return false;
    sha384(nonce, NONCE_BYTES, hash);
    return true;
}

bool nonces_to_nvram(uint8_t *bank, size_t at, const uint8_t *nonces, size_t n, const uint64_t *generator, struct pome_error *err)
{
    uint8_t all[NONCES_BYTES] = {0};
    char text[24];
    struct nvram_variable v;
    if (nvram_find(bank, NVRAM_SYSTEM, "boop-storage-nonces", &v) && v.size == sizeof all)
        nvram_value(&v, all);
    memcpy(all + at, nonces, n);
    snprintf(text, sizeof text, "0x%016llx", (unsigned long long)(generator ? *generator : 0));
    return (!generator || nvram_set(bank, NVRAM_COMMON, "com.apple.System.boot-nonce", text, strlen(text), err)) &&
           nvram_set(bank, NVRAM_SYSTEM, "boop-storage-nonces", all, sizeof all, err);
}

/* --- the installer's step --- */

/* The ticket for all components of a place. The digests are the manifest's; that the bytes have them is checked when they are copied. */
static bool place_ticket(struct install *in, const struct personality *who, enum component_place place, enum install_ticket which,
                         struct pome_error *err)
{
    struct image_digest images[COMPONENT_ROLES + 1];
    size_t n = 0;
    for (size_t i = 0; i < COMPONENT_ROLES; i++)
        if (component_roles[i].place == place && install_has(in, &component_roles[i]))
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
    if (!personalize_draw_nonce(in->nonces + NONCE_RPNH, rpnh, err) || !personalize_draw_nonce(in->nonces + NONCE_LPNH, in->trust.policy_nonces[0], err) ||
        !personalize_draw_nonce(in->nonces + NONCE_RONH, ronh, err) || !tickets(in, &who, err))
        return false;
    sha384(in->tickets[TICKET_OS].der, in->tickets[TICKET_OS].size, in->nsih);
    return personalize_policy(&who, &policy, &in->tickets[TICKET_POLICY], in->policy, err);
}

bool install_personalize_by(struct install *in, install_tickets_fn *tickets, struct pome_error *err)
{
    if (!personalize_draw(&in->boot_nonce, sizeof in->boot_nonce, err) || !personalize_draw(in->volume_group, sizeof in->volume_group, err))
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
