/*
 * install_state.c - the member Install.state: how far an installation of macOS has come, and what its steps drew.
 *
 * "POMEINS1", u32 steps done, u32 security, SHA-384 of BuildManifest.plist, u64 boot nonce generator, volume group (16 bytes), nonces (112), nsih (48), the policy's
 * IM4P (22), four tickets {u32 size, DER}, SHA-384 of all that. Numbers are little-endian. What is read is not believed: the tickets must be signed
 * by this host's authority, for this machine and for these nonces.
 */
#include "restore/install.h"
#include "base/bits.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_MAX = 4096 + TICKETS * IMAGE4_TICKET_MAX };
static const char magic[8] = "POMEINS1";

/* One list of fields for both directions. */
struct stream {
    uint8_t *bytes;
    size_t at, n; /* n: how many there are (reading), or may be (writing) */
    bool writing, ok;
};

static void field(struct stream *s, void *bytes, size_t n)
{
    s->ok = s->ok && n <= s->n - s->at;
    if (!s->ok)
        return;
    memcpy(s->writing ? s->bytes + s->at : bytes, s->writing ? bytes : s->bytes + s->at, n);
    s->at += n;
}

static void number(struct stream *s, uint64_t *v)
{
    uint8_t bytes[8];
    le64_put(bytes, *v);
    field(s, bytes, sizeof bytes);
    *v = le64_get(bytes);
}

static void walk(struct stream *s, struct install *in, uint64_t *done, uint64_t *security, uint8_t manifest[SHA384_BYTES])
{
    char head[8];
    memcpy(head, magic, sizeof head);
    field(s, head, sizeof head);
    s->ok = s->ok && !memcmp(head, magic, sizeof head);
    number(s, done);
    number(s, security);
    field(s, manifest, SHA384_BYTES);
    number(s, &in->boot_nonce);
    field(s, in->volume_group, sizeof in->volume_group);
    field(s, in->nonces, sizeof in->nonces);
    field(s, in->nsih, sizeof in->nsih);
    field(s, in->policy, sizeof in->policy);
    for (int t = 0; t < TICKETS; t++) {
        uint64_t size = in->tickets[t].size;
        number(s, &size);
        s->ok = s->ok && size <= sizeof in->tickets[t].der;
        if (s->ok)
            field(s, in->tickets[t].der, in->tickets[t].size = (size_t)size);
    }
}

static bool digest_manifest(const struct install *in, uint8_t digest[SHA384_BYTES], struct pome_error *err)
{
    size_t n;
    int64_t member = zipin_find(in->image->zip, image_list_names[LIST_BUILD_MANIFEST]);
    uint8_t *bytes = member < 0 ? NULL : zipin_read_whole(in->image->zip, (size_t)member, 64 * MiB, &n, err);
    if (bytes)
        sha384(bytes, n, digest);
    free(bytes);
    return bytes != NULL;
}

bool install_state_write(struct install *in, size_t done, struct pome_error *err)
{
    uint64_t steps = done, security = in->security;
    uint8_t manifest[SHA384_BYTES];
    if (fdatasync(in->disk_fd))
        return pome_fail_errno(err, "%s/Disk.img: cannot sync", in->bundle->path);
    if (!digest_manifest(in, manifest, err))
        return false;
    struct stream s = {.bytes = malloc(STATE_MAX), .n = STATE_MAX - SHA384_BYTES, .writing = true, .ok = true};
    if (!s.bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to note how far the installation is");
    walk(&s, in, &steps, &security, manifest);
    sha384(s.bytes, s.at, s.bytes + s.at);
    bool ok = s.ok ? bundle_member_write(in->bundle, BUNDLE_INSTALL_STATE, s.bytes, s.at + SHA384_BYTES, err)
                   : pome_fail(err, POME_ERROR_INTERNAL, "the state of the installation does not fit %d bytes", STATE_MAX);
    free(s.bytes);
    return ok;
}

/* Signed by the authority and for this machine. */
static bool ticket_ours(const struct install *in, const struct ticket *t, struct im4m *m)
{
    const struct im4m_group *g;
    const struct im4m_property *ecid, *nonce;
    return ticket_verify(t->der, t->size, in->trust.anchor, NULL) && im4m_read(t->der, t->size, m, NULL) && (g = im4m_group(m, "MANP")) &&
           (ecid = im4m_property(g, "ECID")) && ecid->integer == in->bundle->ecid && (nonce = im4m_property(g, "BNCH")) &&
           nonce->size == AUX_NONCE_BYTES && !memcmp(nonce->bytes, in->trust.boot_nonce, AUX_NONCE_BYTES);
}

/* What the nonces make the machine trust; whether the tickets are what it will take. */
static bool trustworthy(struct install *in)
{
    uint8_t nsih[SHA384_BYTES];
    struct authority *authority = authority_open(NULL, false, NULL);
    struct im4m *m = malloc(sizeof *m);
    bool ok = authority && m;
    if (ok) {
        in->trust = (struct aux_trust){0};
        memcpy(in->trust.anchor, authority_anchor(authority), SHA384_BYTES);
        personalize_boot_nonce(in->boot_nonce, in->trust.boot_nonce);
        sha384(in->nonces + NONCE_LPNH, NONCE_BYTES, in->trust.policy_nonces[0]);
        sha384(in->tickets[TICKET_OS].der, in->tickets[TICKET_OS].size, nsih);
        ok = !memcmp(nsih, in->nsih, sizeof nsih);
    }
    for (int t = 0; ok && t < TICKETS; t++)
        ok = ticket_ours(in, &in->tickets[t], m);
    free(m);
    authority_close(authority);
    return ok;
}

size_t install_state_read(struct install *in)
{
    uint64_t done = 0, security = 0;
    uint8_t noted[SHA384_BYTES], manifest[SHA384_BYTES], digest[SHA384_BYTES], *bytes = malloc(STATE_MAX);
    int fd = bytes ? bundle_member_open(in->bundle, BUNDLE_INSTALL_STATE, O_RDONLY, NULL) : -1;
    ssize_t n = fd < 0 ? -1 : pread(fd, bytes, STATE_MAX, 0);
    if (fd >= 0)
        close(fd);
    bool ok = n > SHA384_BYTES;
    if (ok) {
        struct stream s = {.bytes = bytes, .n = (size_t)n - SHA384_BYTES, .ok = true};
        sha384(bytes, s.n, digest);
        walk(&s, in, &done, &security, noted);
        ok = s.ok && s.at == s.n && !memcmp(digest, bytes + s.n, sizeof digest) && security == in->security && digest_manifest(in, manifest, NULL) &&
             !memcmp(noted, manifest, sizeof noted) && trustworthy(in);
    }
    free(bytes);
    return ok ? (size_t)done : 0;
}
