/* describe_image4.c - facts about Image4 files and trust caches. */
#include "restore/inspect.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/guid.h"
#include "formats/image4_names.h"
#include "formats/lzss.h"
#include "formats/trust_cache.h"
#include "formats/image4_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { TRUST_CACHE_MAX = 64 << 20, ROOT_HASH_SHOWN = 512 };

/* --- properties --- */

static bool tell_property(void *user, const struct im4m_property *p)
{
    struct facts *f = user;
    const char *title = image4_property_name(p->name);
    char text[256];
    switch (p->kind) {
    case IM4M_INTEGER: fact_hex(f, p->name, title, p->integer); break;
    case IM4M_BOOLEAN: fact_flag(f, p->name, title, p->integer); break;
    case IM4M_OCTETS: fact_data(f, p->name, title, p->bytes, p->size); break;
    case IM4M_TEXT:
        snprintf(text, sizeof text, "%.*s", (int)MIN(p->size, sizeof text - 1), (const char *)p->bytes);
        fact_text(f, p->name, title, text);
        break;
    }
    return !f->stopped;
}

static bool begin_group(void *user, const char name[5])
{
    struct facts *f = user;
    fact_dict(f, name, image4_type_name(name));
    return !f->stopped;
}

static bool end_group(void *user)
{
    struct facts *f = user;
    fact_end(f);
    return !f->stopped;
}

static bool tell_set(struct facts *f, const char *key, const char *title, const uint8_t *set, size_t n, struct pome_error *err)
{
    const struct im4m_visitor v = {f, begin_group, tell_property, end_group};
    fact_dict(f, key, title);
    if (!image4_walk_set(set, n, &v, err))
        return false;
    fact_end(f);
    return true;
}

static bool tell_ticket(struct facts *f, const uint8_t *im4m, size_t n, struct pome_error *err)
{
    const struct im4m_visitor v = {f, begin_group, tell_property, end_group};
    uint8_t digest[SHA384_BYTES];
    size_t signature, certificates;
    fact_dict(f, "groups", "Ticket");
    if (!im4m_walk(im4m, n, &v, &signature, &certificates, err))
        return false;
    fact_end(f);
    fact_number(f, "signature_bytes", "Signature bytes", signature);
    fact_number(f, "certificates", "Certificates", certificates);
    sha384(im4m, n, digest);
    fact_data(f, "im4m_sha384", "SHA-384 of the ticket", digest, sizeof digest);
    return true;
}

static bool tell_restore_info(struct facts *f, const uint8_t *im4r, size_t n, struct pome_error *err)
{
    const uint8_t *set;
    size_t set_bytes;
    return im4r_set(im4r, n, &set, &set_bytes, err) && tell_set(f, "restore_info", "Restore info", set, set_bytes, err);
}

/* --- trust caches --- */

static void tell_entries(struct facts *f, const struct trust_cache *t)
{
    f->detail++;
    fact_list(f, "entries", "Entries");
    for (size_t i = 0; i < t->count && !f->stopped; i++) {
        struct trust_cache_entry e = trust_cache_entry(t, i);
        char name[2 * CDHASH_BYTES + 1];
        hex_upper(e.cdhash, CDHASH_BYTES, name);
        fact_dict(f, name, NULL);
        fact_data(f, "cdhash", "CDHash", e.cdhash, CDHASH_BYTES);
        if (trust_cache_hash_name(e.type))
            fact_text(f, "hash", "Hash", trust_cache_hash_name(e.type));
        else
            fact_number(f, "hash", "Hash", e.type);
        fact_hex(f, "flags", "Flags", e.flags);
        if (t->version == 2)
            fact_number(f, "constraint", "Constraint", e.constraint);
        fact_end(f);
    }
    fact_end(f);
    f->detail--;
}

static bool tell_trust_cache(struct facts *f, const void *bytes, size_t n, struct pome_error *err)
{
    struct trust_cache t;
    char uuid[GUID_TEXT];
    if (!trust_cache_read(bytes, n, &t, err))
        return false;
    fact_dict(f, "trust_cache", "Trust cache");
    fact_number(f, "version", "Version", t.version);
    guid_text_raw(t.uuid, uuid);
    fact_text(f, "uuid", "UUID", uuid);
    fact_number(f, "count", "Code hashes", t.count);
    fact_flag(f, "sorted", "Sorted", t.sorted);
    tell_entries(f, &t);
    fact_end(f);
    return true;
}

bool describe_trust_cache(struct source *s, struct facts *f, struct pome_error *err)
{
    if (s->bytes > TRUST_CACHE_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: too large for a trust cache", s->name);
    uint8_t *bytes = malloc((size_t)s->bytes + 1);
    bool ok = bytes ? source_read(s, 0, bytes, (size_t)s->bytes, err) && tell_trust_cache(f, bytes, (size_t)s->bytes, err)
                    : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name);
    free(bytes);
    return ok;
}

/* --- payloads --- */

static void tell_keybags(struct facts *f, const struct im4p_tail *t)
{
    static const char *const kinds[] = {"unknown", "production", "development"};
    if (!t->keybags)
        return;
    fact_list(f, "keybags", "Key bags");
    for (size_t i = 0; i < t->keybags; i++) {
        const struct im4p_keybag *k = &t->keybag[i];
        const char *kind = kinds[k->kind < ARRAY_SIZE(kinds) ? k->kind : 0];
        fact_dict(f, kind, NULL);
        fact_text(f, "kind", "Kind", kind);
        fact_data(f, "iv", "Wrapped IV", k->iv, k->iv_bytes);
        fact_data(f, "key", "Wrapped key", k->key, k->key_bytes);
        fact_end(f);
    }
    fact_end(f);
}

static bool is_one_of(const char *type, const char *const *types)
{
    while (*types && strcmp(*types, type))
        types++;
    return *types;
}

/* What is in payloads of a kind that we know. */
static bool tell_content(struct source *s, const struct image4_file *i, struct facts *f, struct pome_error *err)
{
    static const char *const caches[] = {"trst", "rtsc", "bstc", "trcs", "trca", "trbb", "ltrs", NULL};
    static const char *const hashes[] = {"isys", "csys", "cssy", "casy", NULL};
    static const char *const darwin[] = {"krnl", "rkrn", "dtre", "rdtr", NULL};
    if (is_one_of(i->im4p.type, darwin))
        return i->tail.keybags || describe_darwin(s, f, err);
    bool cache = is_one_of(i->im4p.type, caches), hash = is_one_of(i->im4p.type, hashes);
    if ((!cache && !hash) || i->codec != PAYLOAD_PLAIN || i->im4p.payload_size > TRUST_CACHE_MAX || (hash && i->im4p.payload_size > ROOT_HASH_SHOWN))
        return true;
    size_t n = (size_t)i->im4p.payload_size;
    uint8_t *bytes = malloc(n + 1);
    if (!bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name);
    bool ok = source_read(s, i->im4p_at + i->im4p.payload_offset, bytes, n, err);
    if (ok && cache)
        ok = tell_trust_cache(f, bytes, n, err);
    else if (ok)
        fact_data(f, "root_hash", "Root hash", bytes, n);
    free(bytes);
    return ok;
}

static bool uncompressed_size(struct source *s, const struct image4_file *i, uint64_t *bytes, struct pome_error *err)
{
    uint8_t head[LZSS_HEAD];
    struct lzss_head h;
    *bytes = i->tail.has_compression ? i->tail.uncompressed_bytes : 0;
    if (i->codec != PAYLOAD_LZSS || i->im4p.payload_size < sizeof head)
        return true;
    if (!source_read(s, i->im4p_at + i->im4p.payload_offset, head, sizeof head, err) || !lzss_read_head(head, &h, err))
        return false;
    *bytes = h.bytes;
    return true;
}

static bool tell_payload(struct source *s, const struct image4_file *i, struct facts *f, struct pome_error *err)
{
    uint64_t uncompressed;
    uint8_t digest[SHA384_BYTES];
    fact_text(f, "type", "Type", i->im4p.type);
    fact_text(f, "type_name", "What it is", image4_type_name(i->im4p.type));
    fact_text(f, "description", "Description", i->im4p.description);
    fact_size(f, "payload_bytes", "Payload", i->im4p.payload_size);
    fact_text(f, "compression", "Compression", payload_codec_name(i->codec));
    if (!uncompressed_size(s, i, &uncompressed, err))
        return false;
    if (uncompressed)
        fact_size(f, "uncompressed_bytes", "Uncompressed", uncompressed);
    fact_flag(f, "encrypted", "Encrypted", i->tail.keybags);
    tell_keybags(f, &i->tail);
    if (i->tail.properties && !tell_set(f, "properties", "Payload properties", i->tail.properties, i->tail.properties_bytes, err))
        return false;
    if (!source_sha384(s, i->im4p_at, i->im4p.size, digest, NULL, NULL, err))
        return false;
    fact_data(f, "im4p_sha384", "SHA-384", digest, sizeof digest);
    return tell_content(s, i, f, err);
}

bool describe_image4(struct source *s, struct facts *f, struct pome_error *err)
{
    struct image4_file i;
    if (!image4_file_open(s, &i, err))
        return false;
    bool ok = (i.kind != IMAGE4_IM4P && i.kind != IMAGE4_IMG4) || tell_payload(s, &i, f, err);
    ok = ok && (!i.im4m || tell_ticket(f, i.im4m, i.im4m_bytes, err)) && (!i.im4r || tell_restore_info(f, i.im4r, i.im4r_bytes, err));
    image4_file_close(&i);
    return ok;
}
