/*
 * fdt_edit.c - copies a flattened device tree (Devicetree Specification 0.4, chapter 5) and sets /chosen.
 *
 * One pass over the structure block: tokens are copied as they come; below /chosen the properties that we set are left
 * out and ours are written right after the node's name. Their names are appended to the copied strings block.
 */
#include "firmware/fdt_edit.h"

#define MAGIC      0xd00dfeed
#define HEADER     40
#define BEGIN_NODE 1
#define END_NODE   2
#define PROP       3
#define NOP        4
#define END        9

static const char names[] = "bootargs\0linux,initrd-start\0linux,initrd-end\0pome,security\0pome,boot-set\0pome,ecid\0pome,policy-nonce\0pome,boot-failure";
#define NAME_START    9
#define NAME_END      28
#define NAME_SECURITY 45
#define NAME_BOOT_SET 59
#define NAME_ECID     73
#define NAME_NONCE    83
#define NAME_FAILURE  101

struct tree {
    const uint8_t *structure, *strings, *reservations;
    uint32_t structure_bytes, strings_bytes, reservation_bytes;
};

struct out {
    uint8_t *p;
    size_t room, at;
    bool full;
};

static fw_why open_tree(const uint8_t *fdt, size_t n, struct tree *t)
{
    if (n < HEADER || fw_be32(fdt) != MAGIC || fw_be32(fdt + 4) > n || fw_be32(fdt + 20) < 17)
        return "is not a device tree";
    uint32_t total = fw_be32(fdt + 4), at = fw_be32(fdt + 8), strings = fw_be32(fdt + 12);
    uint32_t reserve = fw_be32(fdt + 16), end = reserve;
    t->strings_bytes = fw_be32(fdt + 32);
    t->structure_bytes = fw_be32(fdt + 36);
    if (at > total || t->structure_bytes > total - at || strings > total || t->strings_bytes > total - strings ||
        at % 4 || reserve % 8)
        return "device tree header has impossible values";
    do {
        if (end > total || total - end < 16)
            return "device tree has an endless reservation list";
        end += 16;
    } while (fw_be32(fdt + end - 8) | fw_be32(fdt + end - 4) | fw_be32(fdt + end - 16) | fw_be32(fdt + end - 12));
    t->structure = fdt + at;
    t->strings = fdt + strings;
    t->reservations = fdt + reserve;
    t->reservation_bytes = end - reserve;
    return NULL;
}

static void put(struct out *o, const void *data, size_t n)
{
    size_t padded = (n + 3) & ~(size_t)3;
    if (padded > o->room - o->at) {
        o->full = true;
        return;
    }
    memcpy(o->p + o->at, data, n);
    memset(o->p + o->at + n, 0, padded - n);
    o->at += padded;
}

static void put32(struct out *o, uint32_t v)
{
    uint8_t b[4];
    fw_put_be32(b, v);
    put(o, b, 4);
}

static void put_property(struct out *o, uint32_t name, const void *value, size_t n)
{
    put32(o, PROP);
    put32(o, (uint32_t)n);
    put32(o, name);
    put(o, value, n);
}

static void put_text(struct out *o, uint32_t name, const char *text)
{
    if (text)
        put_property(o, name, text, strlen(text) + 1);
}

static void put_chosen(struct out *o, uint32_t name, const struct fdt_chosen *c)
{
    uint8_t b[8];
    put_text(o, name, c->bootargs);
    put_text(o, name + NAME_SECURITY, c->security);
    put_text(o, name + NAME_BOOT_SET, c->boot_set);
    put_text(o, name + NAME_ECID, c->ecid);
    put_text(o, name + NAME_NONCE, c->policy_nonce);
    put_text(o, name + NAME_FAILURE, c->failure);
    if (c->initrd_start == c->initrd_end)
        return;
    fw_put_be64(b, c->initrd_start);
    put_property(o, name + NAME_START, b, 8);
    fw_put_be64(b, c->initrd_end);
    put_property(o, name + NAME_END, b, 8);
}

/* One token of the structure block. at: of the token; *next: of the one after it. False: leaves the block. */
struct token {
    uint32_t kind, value_bytes;
    const uint8_t *value; /* node name or property value */
    const char *name;     /* of a property */
};

static bool read_token(const struct tree *t, uint32_t at, struct token *k, uint32_t *next)
{
    const uint8_t *s = t->structure;
    if (at % 4 || t->structure_bytes < 4 || at > t->structure_bytes - 4)
        return false;
    *k = (struct token){.kind = fw_be32(s + at)};
    at += 4;
    uint32_t left = t->structure_bytes - at;
    if (k->kind == BEGIN_NODE) {
        uint32_t n = 0;
        while (n < left && s[at + n])
            n++;
        if (n == left)
            return false;
        k->value = s + at;
        k->value_bytes = n + 1;
        at += (n + 4) & ~3u;
    } else if (k->kind == PROP) {
        if (left < 8)
            return false;
        k->value_bytes = fw_be32(s + at);
        uint32_t name = fw_be32(s + at + 4), end = name;
        if (k->value_bytes > left - 8 || name >= t->strings_bytes)
            return false;
        while (end < t->strings_bytes && t->strings[end])
            end++;
        if (end == t->strings_bytes)
            return false;
        k->name = (const char *)t->strings + name;
        k->value = s + at + 8;
        at += 8 + ((k->value_bytes + 3) & ~3u);
    } else if (k->kind != END_NODE && k->kind != NOP && k->kind != END) {
        return false;
    }
    *next = at;
    return true;
}

static bool ours(const char *name)
{
    for (const char *n = names; n < names + sizeof names; n += strlen(n) + 1)
        if (fw_same(name, n))
            return true;
    return false;
}

static fw_why copy_structure(const struct tree *t, const struct fdt_chosen *chosen, struct out *o)
{
    struct token k;
    uint32_t at = 0, next, depth = 0, name = t->strings_bytes;
    bool in_chosen = false, done = false;
    do {
        if (!read_token(t, at, &k, &next))
            return "device tree is malformed";
        if (k.kind == BEGIN_NODE) {
            depth++;
            in_chosen = depth == 2 && !done && fw_same((const char *)k.value, "chosen");
        } else if (k.kind == END_NODE) {
            if (!depth)
                return "device tree is malformed";
            if (depth == 1 && !done) {
                put32(o, BEGIN_NODE);
                put(o, "chosen", 7);
                put_chosen(o, name, chosen);
                put32(o, END_NODE);
                done = true;
            }
            depth--;
            in_chosen = false;
        }
        if (!(k.kind == PROP && in_chosen && ours(k.name)) && k.kind != NOP) {
            uint32_t n = (next < t->structure_bytes ? next : t->structure_bytes) - at;
            put(o, t->structure + at, n);
        }
        if (k.kind == BEGIN_NODE && in_chosen) {
            put_chosen(o, name, chosen);
            done = true;
        }
        at = next;
    } while (k.kind != END);
    return depth || !done ? "device tree is malformed" : o->full ? "device tree grows too large" : NULL;
}

fw_why fdt_edit_chosen(const uint8_t *fdt, size_t n, const struct fdt_chosen *chosen, uint8_t *to, size_t room,
                       size_t *bytes)
{
    struct tree t;
    struct out o = {to, room, HEADER};
    fw_why why = room < HEADER ? "no room for the device tree" : open_tree(fdt, n, &t);
    if (why)
        return why;
    memcpy(to, fdt, HEADER);
    put(&o, t.reservations, t.reservation_bytes);
    size_t structure = o.at;
    why = copy_structure(&t, chosen, &o);
    if (why)
        return why;
    size_t strings = o.at;
    if (t.strings_bytes + sizeof names > o.room - o.at)
        return "device tree grows too large";
    memcpy(to + strings, t.strings, t.strings_bytes);
    memcpy(to + strings + t.strings_bytes, names, sizeof names);
    *bytes = strings + t.strings_bytes + sizeof names;
    fw_put_be32(to + 4, (uint32_t)*bytes);
    fw_put_be32(to + 8, (uint32_t)structure);
    fw_put_be32(to + 12, (uint32_t)strings);
    fw_put_be32(to + 16, HEADER);
    fw_put_be32(to + 32, (uint32_t)(t.strings_bytes + sizeof names));
    fw_put_be32(to + 36, (uint32_t)(strings - structure));
    return NULL;
}

const char *fdt_bootargs(const uint8_t *fdt, size_t fdt_bytes, size_t *n)
{
    struct tree t;
    struct token k;
    uint32_t at = 0, depth = 0;
    bool in_chosen = false;
    if (open_tree(fdt, fdt_bytes, &t))
        return NULL;
    while (read_token(&t, at, &k, &at) && k.kind != END) {
        if (k.kind == BEGIN_NODE)
            in_chosen = ++depth == 2 && fw_same((const char *)k.value, "chosen");
        else if (k.kind == END_NODE)
            depth--, in_chosen = false;
        else if (k.kind == PROP && in_chosen && fw_same(k.name, "bootargs") && k.value_bytes &&
                 !k.value[k.value_bytes - 1]) {
            *n = strlen((const char *)k.value);
            return (const char *)k.value;
        }
    }
    return NULL;
}
