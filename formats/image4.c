/* image4.c - Image4 containers. Field meanings: docs/boot.md §2. */
#include "formats/image4.h"
#include "base/bits.h"
#include "base/error.h"

#include <assert.h>
#include <string.h>

static bool is_4cc(const uint8_t *s, size_t n)
{
    if (n != 4)
        return false;
    for (size_t i = 0; i < 4; i++)
        if (s[i] < 0x20 || s[i] > 0x7e)
            return false;
    return true;
}

static uint32_t tag_of(const char *name)
{
    return be32_get(name);
}

/* The next element must be the IA5String `magic`. */
static bool expect_magic(struct der *d, const char *magic, struct pome_error *err)
{
    struct der_element e;
    if (!der_expect(d, DER_UNIVERSAL, DER_IA5, magic, &e, err))
        return false;
    if (e.size != 4 || memcmp(e.data, magic, 4))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: another name stands there: not an %s", magic, magic);
    return true;
}

/* --- IM4P --- */

bool im4p_read_head(const void *bytes, size_t n, uint64_t total, struct im4p *p, struct pome_error *err)
{
    struct der d = der_over(bytes, n);
    struct der_element outer, type, text, payload;
    *p = (struct im4p){0};
    if (!der_next_header(&d, &outer, err))
        return pome_fail_context(err, "IM4P");
    if (outer.class != DER_UNIVERSAL || outer.tag != DER_SEQUENCE)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P: does not begin with a sequence: not an Image4 payload");
    if (outer.whole_size > total)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P: header says %zu bytes, %llu are there", outer.whole_size, (unsigned long long)total);
    if (outer.size < (size_t)(d.end - d.at))
        d.end = d.at + outer.size;
    if (!expect_magic(&d, "IM4P", err) || !der_expect(&d, DER_UNIVERSAL, DER_IA5, "IM4P type", &type, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_IA5, "IM4P description", &text, err))
        return false;
    if (!is_4cc(type.data, type.size))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P type: %zu bytes, needed a four-character code", type.size);
    if (!der_next_header(&d, &payload, err))
        return pome_fail_context(err, "IM4P payload");
    if (payload.class != DER_UNIVERSAL || payload.tag != DER_OCTETS)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P payload: found tag %u, needed an octet string", payload.tag);
    p->payload_offset = (uint64_t)(payload.data - (const uint8_t *)bytes);
    p->payload_size = payload.size;
    p->size = outer.whole_size;
    if (p->payload_offset + p->payload_size > p->size)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P payload: says %zu bytes, %llu are left", payload.size,
                         (unsigned long long)(p->size - p->payload_offset));
    memcpy(p->type, type.data, 4);
    for (size_t i = 0; i < text.size && i + 1 < sizeof p->description; i++)
        p->description[i] = (char)(text.data[i] < 0x20 || text.data[i] > 0x7e ? '?' : text.data[i]);
    return true;
}

/* KBAG: an octet string that holds SEQ{ SEQ{ INT kind, OCTETS iv, OCTETS key } ... }. */
static bool read_keybags(const struct der_element *bag, struct im4p_tail *t, struct pome_error *err)
{
    struct der d = der_inside(bag);
    struct der_element list, one, kind, iv, key;
    if (!bag->size)
        return true;
    if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4P keybag", &list, err))
        return false;
    for (d = der_inside(&list); !der_at_end(&d);) {
        if (t->keybags == IMAGE4_KEYBAGS_MAX)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P: more than %d keybags", IMAGE4_KEYBAGS_MAX);
        struct im4p_keybag *k = &t->keybag[t->keybags];
        if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4P keybag", &one, err))
            return false;
        struct der in = der_inside(&one);
        if (!der_expect(&in, DER_UNIVERSAL, DER_INTEGER, "IM4P keybag kind", &kind, err) ||
            !der_expect(&in, DER_UNIVERSAL, DER_OCTETS, "IM4P keybag IV", &iv, err) ||
            !der_expect(&in, DER_UNIVERSAL, DER_OCTETS, "IM4P keybag key", &key, err))
            return false;
        *k = (struct im4p_keybag){0, iv.data, key.data, iv.size, key.size};
        if (!der_integer(&kind, &k->kind))
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P keybag: its kind is not a number");
        t->keybags++;
    }
    return true;
}

static bool read_compression(const struct der_element *e, struct im4p_tail *t, struct pome_error *err)
{
    struct der in = der_inside(e);
    struct der_element kind, size;
    if (!der_expect(&in, DER_UNIVERSAL, DER_INTEGER, "IM4P compression", &kind, err) ||
        !der_expect(&in, DER_UNIVERSAL, DER_INTEGER, "IM4P uncompressed size", &size, err))
        return false;
    t->has_compression = true;
    return (der_integer(&kind, &t->compression) && der_integer(&size, &t->uncompressed_bytes)) ||
           pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P compression: a number is out of range");
}

/* [0]{ SEQ{ "PAYP", SET } } */
static bool read_properties(const struct der_element *e, struct im4p_tail *t, struct pome_error *err)
{
    struct der in = der_inside(e);
    struct der_element seq, set;
    if (!der_expect(&in, DER_UNIVERSAL, DER_SEQUENCE, "IM4P properties", &seq, err))
        return false;
    in = der_inside(&seq);
    if (!expect_magic(&in, "PAYP", err) || !der_expect(&in, DER_UNIVERSAL, DER_SET, "IM4P properties", &set, err))
        return false;
    t->properties = set.data;
    t->properties_bytes = set.size;
    return true;
}

bool im4p_read_tail(const void *bytes, size_t n, struct im4p_tail *t, struct pome_error *err)
{
    *t = (struct im4p_tail){0};
    for (struct der d = der_over(bytes, n); !der_at_end(&d);) {
        struct der_element e;
        bool ok;
        if (!der_next(&d, &e, err))
            return pome_fail_context(err, "IM4P after its payload");
        if (e.class == DER_UNIVERSAL && e.tag == DER_OCTETS)
            ok = read_keybags(&e, t, err);
        else if (e.class == DER_UNIVERSAL && e.tag == DER_SEQUENCE)
            ok = read_compression(&e, t, err);
        else if (e.class == DER_CONTEXT && e.constructed && !e.tag)
            ok = read_properties(&e, t, err);
        else
            ok = pome_fail(err, POME_ERROR_INVALID_DATA, "IM4P after its payload: found class %d tag %u", e.class, e.tag);
        if (!ok)
            return false;
    }
    return true;
}

/* What is at the end of the writer's buffer moves to its beginning. */
static size_t finish(struct der_writer *w)
{
    if (w->overflow)
        return 0;
    memmove(w->buffer, w->buffer + w->at, w->size - w->at);
    return w->size - w->at;
}

size_t im4p_write_head(const char *type, const char *description, uint64_t payload_size, uint8_t *head)
{
    struct der_writer w = der_writer_over(head, IMAGE4_HEAD_MAX);
    if (strlen(type) != 4 || strlen(description) > 127)
        return 0;
    der_put_header(&w, DER_UNIVERSAL, false, DER_OCTETS, payload_size);
    der_put_ia5(&w, description);
    der_put_ia5(&w, type);
    der_put_ia5(&w, "IM4P");
    der_put_header(&w, DER_UNIVERSAL, true, DER_SEQUENCE, w.size - w.at + payload_size);
    return finish(&w);
}

/* --- IM4M: reading --- */

static bool read_value(const struct der_element *e, struct im4m_property *p)
{
    bool flag = false;
    p->bytes = e->data;
    p->size = e->size;
    p->kind = IM4M_OCTETS;
    if (e->class != DER_UNIVERSAL)
        return true;
    if (e->tag == DER_INTEGER) {
        p->kind = IM4M_INTEGER;
        return der_integer(e, &p->integer);
    }
    if (e->tag == DER_BOOLEAN) {
        p->kind = IM4M_BOOLEAN;
        bool ok = der_boolean(e, &flag);
        p->integer = flag;
        return ok;
    }
    if (e->tag == DER_IA5)
        p->kind = IM4M_TEXT;
    return true;
}

/* A private tag around SEQ{ IA5 name, value }: leaves the name and the value's element. */
static bool read_named(struct der *d, char name[5], struct der_element *value, struct pome_error *err)
{
    struct der_element outer, seq, text;
    if (!der_next(d, &outer, err))
        return pome_fail_context(err, "IM4M property");
    if (outer.class != DER_PRIVATE || !outer.constructed)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M property: found class %d tag %u, needed a private constructed tag",
                         outer.class, outer.tag);
    struct der in = der_inside(&outer);
    if (!der_expect(&in, DER_UNIVERSAL, DER_SEQUENCE, "IM4M property", &seq, err))
        return false;
    in = der_inside(&seq);
    if (!der_expect(&in, DER_UNIVERSAL, DER_IA5, "IM4M property name", &text, err) || !der_next(&in, value, err))
        return pome_fail_context(err, "IM4M property");
    if (!is_4cc(text.data, text.size) || be32_get(text.data) != outer.tag)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M property: name and tag 0x%08x differ", outer.tag);
    memcpy(name, text.data, 4);
    name[4] = 0;
    return true;
}

static bool read_group(struct der *d, struct im4m_group *g, struct pome_error *err)
{
    struct der_element set;
    *g = (struct im4m_group){0};
    if (!read_named(d, g->name, &set, err))
        return false;
    if (set.class != DER_UNIVERSAL || set.tag != DER_SET)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M group %s: found tag %u, needed a set", g->name, set.tag);
    for (struct der in = der_inside(&set); !der_at_end(&in);) {
        struct der_element value;
        if (g->n == IMAGE4_PROPERTIES_MAX)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M group %s: more than %d properties", g->name, IMAGE4_PROPERTIES_MAX);
        struct im4m_property *p = &g->properties[g->n];
        if (!read_named(&in, p->name, &value, err))
            return pome_fail_context(err, "group %s", g->name);
        if (im4m_property(g, p->name))
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M group %s: %s stands twice", g->name, p->name);
        if (!read_value(&value, p))
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M group %s: the value of %s is not valid", g->name, p->name);
        g->n++;
    }
    return true;
}

bool im4m_read(const void *bytes, size_t n, struct im4m *m, struct pome_error *err)
{
    struct der d = der_over(bytes, n);
    struct der_element outer, version, body, set, signature, certificates;
    char name[5];
    uint64_t v;
    m->n = 0;
    if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4M", &outer, err))
        return false;
    m->whole = outer.whole;
    m->whole_size = outer.whole_size;
    d = der_inside(&outer);
    if (!expect_magic(&d, "IM4M", err) || !der_expect(&d, DER_UNIVERSAL, DER_INTEGER, "IM4M version", &version, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_SET, "IM4M body", &body, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_OCTETS, "IM4M signature", &signature, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4M certificates", &certificates, err))
        return false;
    if (!der_integer(&version, &v) || v)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M version: only 0 is known");
    m->signature_size = signature.size;
    m->certificate_size = certificates.size;
    d = der_inside(&body);
    if (!read_named(&d, name, &set, err))
        return false;
    if (strcmp(name, "MANB") || set.class != DER_UNIVERSAL || set.tag != DER_SET || !der_at_end(&d))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M body: found %s, needed exactly one MANB with a set", name);
    for (d = der_inside(&set); !der_at_end(&d);) {
        if (m->n == IMAGE4_GROUPS_MAX)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M: more than %d groups", IMAGE4_GROUPS_MAX);
        struct im4m_group *g = &m->groups[m->n];
        if (!read_group(&d, g, err))
            return false;
        if (im4m_group(m, g->name))
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M: group %s stands twice", g->name);
        m->n++;
    }
    return true;
}

bool image4_walk_set(const void *bytes, size_t n, const struct im4m_visitor *v, struct pome_error *err)
{
    for (struct der d = der_over(bytes, n); !der_at_end(&d);) {
        struct im4m_property p = {0};
        struct der_element value;
        if (!read_named(&d, p.name, &value, err))
            return false;
        if (!read_value(&value, &p)) { /* a number over 64 bits: its bytes */
            p.kind = IM4M_OCTETS;
            p.bytes = value.data;
            p.size = value.size;
        }
        if (!v->property(v->user, &p))
            return false;
    }
    return true;
}

static bool walk_groups(struct der d, const struct im4m_visitor *v, struct pome_error *err)
{
    while (!der_at_end(&d)) {
        struct der_element set;
        char name[5];
        if (!read_named(&d, name, &set, err))
            return false;
        if (set.class != DER_UNIVERSAL || set.tag != DER_SET)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M group %s: found tag %u, needed a set", name, set.tag);
        if (!v->group(v->user, name))
            return false;
        if (!image4_walk_set(set.data, set.size, v, err))
            return pome_fail_context(err, "group %s", name);
        if (!v->group_end(v->user))
            return false;
    }
    return true;
}

bool im4m_walk(const void *bytes, size_t n, const struct im4m_visitor *v, size_t *signature_bytes, size_t *certificates, struct pome_error *err)
{
    struct der d = der_over(bytes, n), in;
    struct der_element outer, version, body, set, signature, chain, one;
    char name[5];
    if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4M", &outer, err))
        return false;
    d = der_inside(&outer);
    if (!expect_magic(&d, "IM4M", err) || !der_expect(&d, DER_UNIVERSAL, DER_INTEGER, "IM4M version", &version, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_SET, "IM4M body", &body, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_OCTETS, "IM4M signature", &signature, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4M certificates", &chain, err))
        return false;
    *signature_bytes = signature.size;
    *certificates = 0;
    for (in = der_inside(&chain); !der_at_end(&in); ++*certificates)
        if (!der_next(&in, &one, err))
            return pome_fail_context(err, "IM4M certificates");
    in = der_inside(&body);
    if (!read_named(&in, name, &set, err))
        return false;
    if (strcmp(name, "MANB") || set.class != DER_UNIVERSAL || set.tag != DER_SET)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M body: found %s, needed MANB with a set", name);
    return walk_groups(der_inside(&set), v, err);
}

const struct im4m_group *im4m_group(const struct im4m *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->groups[i].name, name))
            return &m->groups[i];
    return NULL;
}

const struct im4m_property *im4m_property(const struct im4m_group *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (!strcmp(g->properties[i].name, name))
            return &g->properties[i];
    return NULL;
}

/* --- IM4M: writing --- */

static struct im4m_property *add(struct im4m_group *g, const char *name, enum im4m_kind kind)
{
    assert(g->n < IMAGE4_PROPERTIES_MAX && strlen(name) == 4);
    struct im4m_property *p = &g->properties[g->n++];
    *p = (struct im4m_property){.kind = kind};
    memcpy(p->name, name, 4);
    return p;
}

void im4m_add_integer(struct im4m_group *g, const char *name, uint64_t value)
{
    add(g, name, IM4M_INTEGER)->integer = value;
}

void im4m_add_boolean(struct im4m_group *g, const char *name, bool value)
{
    add(g, name, IM4M_BOOLEAN)->integer = value;
}

void im4m_add_octets(struct im4m_group *g, const char *name, const void *bytes, size_t n)
{
    struct im4m_property *p = add(g, name, IM4M_OCTETS);
    p->bytes = bytes;
    p->size = n;
}

void im4m_add_text(struct im4m_group *g, const char *name, const char *text)
{
    struct im4m_property *p = add(g, name, IM4M_TEXT);
    p->bytes = (const uint8_t *)text;
    p->size = strlen(text);
}

static void put_value(struct der_writer *w, const struct im4m_property *p)
{
    size_t mark = w->at;
    switch (p->kind) {
    case IM4M_INTEGER: der_put_integer(w, p->integer); break;
    case IM4M_BOOLEAN: der_put_boolean(w, p->integer); break;
    case IM4M_OCTETS: der_put_octets(w, p->bytes, p->size); break;
    case IM4M_TEXT:
        der_put(w, p->bytes, p->size);
        der_wrap(w, mark, DER_UNIVERSAL, false, DER_IA5);
        break;
    }
}

/* The value was written since mark: makes it the property `name`. */
static void wrap_named(struct der_writer *w, size_t mark, const char *name)
{
    der_put_ia5(w, name);
    der_wrap(w, mark, DER_UNIVERSAL, true, DER_SEQUENCE);
    der_wrap(w, mark, DER_PRIVATE, true, tag_of(name));
}

/* Sets are in the order of their tags and we write backwards: each round takes the largest name below the last one. */
static void put_properties(struct der_writer *w, const struct im4m_group *g)
{
    size_t set = w->at;
    for (const char *below = NULL;;) {
        const struct im4m_property *best = NULL;
        for (size_t i = 0; i < g->n; i++) {
            const struct im4m_property *p = &g->properties[i];
            if ((!below || strcmp(p->name, below) < 0) && (!best || strcmp(p->name, best->name) > 0))
                best = p;
        }
        if (!best)
            break;
        size_t mark = w->at;
        put_value(w, best);
        wrap_named(w, mark, best->name);
        below = best->name;
    }
    der_wrap(w, set, DER_UNIVERSAL, true, DER_SET);
}

static void put_groups(struct der_writer *w, const struct im4m_group *groups, size_t n)
{
    size_t set = w->at;
    for (const char *below = NULL;;) {
        const struct im4m_group *best = NULL;
        for (size_t i = 0; i < n; i++)
            if ((!below || strcmp(groups[i].name, below) < 0) && (!best || strcmp(groups[i].name, best->name) > 0))
                best = &groups[i];
        if (!best)
            break;
        size_t mark = w->at;
        put_properties(w, best);
        wrap_named(w, mark, best->name);
        below = best->name;
    }
    der_wrap(w, set, DER_UNIVERSAL, true, DER_SET);
}

size_t im4m_write(const struct im4m_group *groups, size_t n, uint8_t *out, size_t size)
{
    struct der_writer w = der_writer_over(out, size);
    der_put_header(&w, DER_UNIVERSAL, true, DER_SEQUENCE, 0); /* no certificates */
    der_put_octets(&w, NULL, 0);                               /* no signature */
    size_t mark = w.at;
    put_groups(&w, groups, n);
    wrap_named(&w, mark, "MANB");
    der_wrap(&w, mark, DER_UNIVERSAL, true, DER_SET);
    der_put_integer(&w, 0);
    der_put_ia5(&w, "IM4M");
    der_wrap(&w, size, DER_UNIVERSAL, true, DER_SEQUENCE);
    return finish(&w);
}

/* --- IM4R --- */

size_t im4r_write(uint64_t generator, uint8_t out[IMAGE4_IM4R_MAX])
{
    struct der_writer w = der_writer_over(out, IMAGE4_IM4R_MAX);
    uint8_t bytes[8];
    le64_put(bytes, generator);
    der_put_octets(&w, bytes, sizeof bytes);
    wrap_named(&w, w.size, "BNCN");
    der_wrap(&w, w.size, DER_UNIVERSAL, true, DER_SET);
    der_put_ia5(&w, "IM4R");
    der_wrap(&w, w.size, DER_UNIVERSAL, true, DER_SEQUENCE);
    return finish(&w);
}

bool im4r_set(const void *bytes, size_t n, const uint8_t **inside, size_t *inside_bytes, struct pome_error *err)
{
    struct der d = der_over(bytes, n);
    struct der_element outer, set;
    if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4R", &outer, err))
        return false;
    d = der_inside(&outer);
    if (!expect_magic(&d, "IM4R", err) || !der_expect(&d, DER_UNIVERSAL, DER_SET, "IM4R", &set, err))
        return false;
    *inside = set.data;
    *inside_bytes = set.size;
    return true;
}

bool im4r_read(const void *bytes, size_t n, uint64_t *generator, struct pome_error *err)
{
    struct der d = der_over(bytes, n);
    struct der_element outer, set, value;
    if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4R", &outer, err))
        return false;
    d = der_inside(&outer);
    if (!expect_magic(&d, "IM4R", err) || !der_expect(&d, DER_UNIVERSAL, DER_SET, "IM4R", &set, err))
        return false;
    for (d = der_inside(&set); !der_at_end(&d);) {
        char name[5];
        if (!read_named(&d, name, &value, err))
            return pome_fail_context(err, "IM4R");
        if (!strcmp(name, "BNCN") && value.tag == DER_OCTETS && value.size == 8) {
            *generator = le64_get(value.data);
            return true;
        }
    }
    return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4R: no BNCN of 8 bytes");
}

/* --- IMG4 --- */

bool img4_frame(uint64_t im4p_size, const uint8_t *im4m, size_t im4m_size, const uint8_t *im4r, size_t im4r_size, struct img4_frame *f)
{
    struct der_writer tail = der_writer_over(f->tail, sizeof f->tail);
    if (im4r_size) {
        size_t mark = tail.at;
        der_put(&tail, im4r, im4r_size);
        der_wrap(&tail, mark, DER_CONTEXT, true, 1);
    }
    size_t mark = tail.at;
    der_put(&tail, im4m, im4m_size);
    der_wrap(&tail, mark, DER_CONTEXT, true, 0);
    f->tail_size = finish(&tail);

    struct der_writer head = der_writer_over(f->head, sizeof f->head);
    der_put_ia5(&head, "IMG4");
    der_put_header(&head, DER_UNIVERSAL, true, DER_SEQUENCE, head.size - head.at + im4p_size + f->tail_size);
    f->head_size = finish(&head);
    return f->head_size && f->tail_size;
}

bool img4_read(const void *bytes, size_t n, struct img4 *i, struct pome_error *err)
{
    struct der d = der_over(bytes, n);
    struct der_element outer, e;
    *i = (struct img4){0};
    if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IMG4", &outer, err))
        return false;
    i->size = outer.whole_size;
    d = der_inside(&outer);
    if (!expect_magic(&d, "IMG4", err) || !der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IMG4 payload", &e, err))
        return false;
    i->im4p_bytes = e.whole;
    i->im4p_size = e.whole_size;
    if (!im4p_read_head(e.whole, e.whole_size, e.whole_size, &i->im4p, err))
        return false;
    while (!der_at_end(&d)) {
        if (!der_next(&d, &e, err))
            return pome_fail_context(err, "IMG4");
        if (e.class != DER_CONTEXT || !e.constructed || e.tag > 1)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IMG4: found class %d tag %u after the payload", e.class, e.tag);
        if (e.tag == 0 ? i->im4m_bytes != NULL : i->im4r_bytes != NULL)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IMG4: part [%u] stands twice", e.tag);
        if (e.tag == 0) {
            i->im4m_bytes = e.data;
            i->im4m_size = e.size;
        } else {
            i->im4r_bytes = e.data;
            i->im4r_size = e.size;
        }
    }
    return true;
}
