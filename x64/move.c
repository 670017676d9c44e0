/*
 * move.c - compiled code taken out of the buffer it was made in, and put into another (or the same).
 *
 * How it works
 *   Code depends on its place in three ways, which the assembler records while it emits (struct x64_ref): displacements to the stubs, the
 *   names of links (offsets in the buffer), and addresses of our constant tables, which differ from process to process. The traps of
 *   its floating-point instructions (traps.c) go with it. Saved, a displacement is the stub's offset in the buffer, a name is
 *   relative to the block, an address relative to `anchor`. All else is relative to rip, rbp or rsp. Stubs begin every buffer,
 *   equal for equal configurations; x64_move_identity says whether they are.
 *
 *   Loading believes nothing: sizes and places are checked, so that a wrong file leads to wrong guest code at worst; cpu/jit checks
 *   digests before.
 */
#include "x64/compile.h"

struct saved {
    uint32_t bytes;
    uint16_t n_links, n_refs, n_traps, zero;
    /* struct saved_link, struct x64_trap (SAVED_FROM is the block's start), struct x64_ref, code */
};

struct saved_link {
    struct x64_link link; /* patch: relative to the block */
    uint32_t unlinked;    /* likewise */
    uint32_t zero;
};

/* Offsets of traps count from here, since a patch at 0 means none. */
enum { SAVED_FROM = 16, MAX_TRAPS = 1024 };

static const uint8_t anchor;

static size_t size_of(const struct saved *s)
{
    return sizeof *s + s->n_links * sizeof(struct saved_link) + s->n_traps * sizeof(struct x64_trap) + s->n_refs * sizeof(struct x64_ref) + s->bytes;
}

/* The code at p as it is in a file (from: offset of the block in the buffer), or back. */
static void save_ref(uint8_t *p, enum x64_ref_kind kind, uint32_t from, uint32_t at)
{
    switch (kind) {
    case REF_STUB: le32_put(p, le32_get(p) + from + at + 4); break;
    case REF_LINK: le32_put(p, le32_get(p) - from); break;
    case REF_IMAGE: le64_put(p, le64_get(p) - (uint64_t)(uintptr_t)&anchor); break;
    }
}

static void load_ref(uint8_t *p, enum x64_ref_kind kind, uint32_t to, uint32_t at)
{
    switch (kind) {
    case REF_STUB: le32_put(p, le32_get(p) - to - at - 4); break;
    case REF_LINK: le32_put(p, le32_get(p) + to); break;
    case REF_IMAGE: le64_put(p, le64_get(p) + (uint64_t)(uintptr_t)&anchor); break;
    }
}

/* How many traps the block has that was compiled last and begins at offset `from`. */
static size_t traps_since(const struct x64_code *c, uint32_t from)
{
    size_t n = 0;
    while (n < c->n_traps && c->traps[c->n_traps - n - 1].at >= from)
        n++;
    return n;
}

static struct x64_trap trap_moved(struct x64_trap t, uint32_t by)
{
    return (struct x64_trap){.at = t.at + by, .to = t.to + by, .patch = t.patch ? t.patch + by : 0, .slow = t.slow ? t.slow + by : 0, .comparison = t.comparison != 0};
}

size_t x64_move_save(const struct x64_code *c, const struct x64_block *b, uint8_t *to, size_t room)
{
    const struct x64_asm *a = &c->compiler->a;
    uint32_t from = (uint32_t)((const uint8_t *)b->entry - c->rx);
    size_t n_traps = traps_since(c, from), n_patches = 0;
    while (n_patches < c->n_patches && c->patches[c->n_patches - n_patches - 1].patch >= from)
        n_patches++;
    struct saved s = {.bytes = b->bytes, .n_links = (uint16_t)b->n_links, .n_refs = (uint16_t)a->n_refs, .n_traps = (uint16_t)n_traps};
    /* a jump that looks like a link but has no name (X64_MAX_LINKS) could not be undone after a move */
    if (a->n_refs > X64_MAX_REFS || n_patches != b->n_links || n_traps > MAX_TRAPS || room < size_of(&s))
        return 0;
    const struct x64_patch *patch = c->patches + c->n_patches - b->n_links;
    memcpy(to, &s, sizeof s);
    uint8_t *p = to + sizeof s;
    for (unsigned i = 0; i < b->n_links; i++, p += sizeof(struct saved_link)) {
        struct saved_link l = {.link = b->link[i], .unlinked = patch[i].unlinked - from};
        assert(patch[i].patch == l.link.patch);
        l.link.patch -= from;
        memcpy(p, &l, sizeof l);
    }
    for (unsigned i = 0; i < s.n_traps; i++, p += sizeof(struct x64_trap)) {
        struct x64_trap t = trap_moved(c->traps[c->n_traps - n_traps + i], SAVED_FROM - from);
        memcpy(p, &t, sizeof t);
    }
    memcpy(p, a->refs, a->n_refs * sizeof *a->refs);
    p += a->n_refs * sizeof *a->refs;
    memcpy(p, c->rw + from, b->bytes);
    for (unsigned i = 0; i < a->n_refs; i++)
        save_ref(p + a->refs[i].at, a->refs[i].kind, from, a->refs[i].at);
    return size_of(&s);
}

/* Is a field of `width` bytes at `at` inside? */
static bool inside(const struct saved *s, uint32_t at, uint32_t width)
{
    return at <= s->bytes && s->bytes - at >= width;
}

static bool refs_fit(const struct saved *s, const struct x64_ref *ref)
{
    for (unsigned i = 0; i < s->n_refs; i++)
        if (ref[i].kind > REF_IMAGE || !inside(s, ref[i].at, ref[i].kind == REF_IMAGE ? 8 : 4))
            return false;
    return true;
}

static bool links_fit(const struct saved *s, const struct saved_link *link)
{
    for (unsigned i = 0; i < s->n_links; i++)
        if (!inside(s, link[i].link.patch, 4) || link[i].link.patch % 8 > 4 || !inside(s, link[i].unlinked, 1) ||
            (i && link[i].link.patch <= link[i - 1].link.patch))
            return false;
    return true;
}

static bool traps_fit(const struct saved *s, const struct x64_trap *t)
{
    for (unsigned i = 0; i < s->n_traps; i++)
        if (t[i].at < SAVED_FROM || t[i].to < SAVED_FROM || !inside(s, t[i].at - SAVED_FROM, 1) || !inside(s, t[i].to - SAVED_FROM, 1) ||
            (t[i].patch && (t[i].patch < SAVED_FROM || t[i].patch % 16 > 11 || !inside(s, t[i].patch - SAVED_FROM, 5))) ||
            (t[i].slow && (t[i].slow < SAVED_FROM || !inside(s, t[i].slow - SAVED_FROM, 1))) || (i && t[i].at <= t[i - 1].at))
            return false;
    return true;
}

bool x64_move_load(struct x64_code *c, const uint8_t *from, size_t bytes, struct x64_block *out)
{
    struct saved s;
    struct saved_link link[X64_MAX_LINKS];
    struct x64_ref ref[X64_MAX_REFS];
    struct x64_trap trap[MAX_TRAPS];
    out->bytes = 0;
    if (bytes < sizeof s)
        return false;
    memcpy(&s, from, sizeof s);
    if (s.n_links > X64_MAX_LINKS || s.n_refs > X64_MAX_REFS || s.n_traps > MAX_TRAPS || s.bytes > bytes || bytes != size_of(&s))
        return false;
    from += sizeof s;
    memcpy(link, from, s.n_links * sizeof *link);
    from += s.n_links * sizeof *link;
    memcpy(trap, from, s.n_traps * sizeof *trap);
    from += s.n_traps * sizeof *trap;
    memcpy(ref, from, s.n_refs * sizeof *ref);
    from += s.n_refs * sizeof *ref;
    if (!refs_fit(&s, ref) || !links_fit(&s, link) || !traps_fit(&s, trap))
        return false;

    size_t start = align_up(c->used, 16);
    out->bytes = s.bytes;
    if (start + s.bytes > c->size || c->n_patches + s.n_links > c->max_patches || c->n_traps + s.n_traps > c->max_traps)
        return false;
    x64_code_populate(c, start + s.bytes);
    memcpy(c->rw + start, from, s.bytes);
    for (unsigned i = 0; i < s.n_refs; i++)
        load_ref(c->rw + start + ref[i].at, ref[i].kind, (uint32_t)start, ref[i].at);
    out->entry = c->rx + start;
    out->n_links = s.n_links;
    for (unsigned i = 0; i < s.n_links; i++) {
        out->link[i] = link[i].link;
        out->link[i].patch += (uint32_t)start;
        c->patches[c->n_patches++] = (struct x64_patch){out->link[i].patch, link[i].unlinked + (uint32_t)start};
    }
    for (unsigned i = 0; i < s.n_traps; i++)
        c->traps[c->n_traps + i] = trap_moved(trap[i], (uint32_t)start - SAVED_FROM);
    __atomic_store_n(&c->n_traps, c->n_traps + s.n_traps, __ATOMIC_RELEASE); /* the handler looks them up */
    c->used = start + s.bytes;
    return true;
}

static uint64_t add(uint64_t h, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t x64_move_identity(const struct x64_code *c, const struct x64_config *config)
{
    uint64_t h = add(UINT64_C(0xcbf29ce484222325), x64_host(), sizeof *x64_host());
    h = add(h, &config->state_bias, sizeof *config - offsetof(struct x64_config, state_bias));
    for (unsigned i = 0; i < STUB_COUNT; i++)
        for (unsigned k = 0; k < 2; k++) {
            uint32_t at = (uint32_t)(c->stub[i][k] - c->rw);
            h = add(h, &at, sizeof at);
        }
    return add(h, &c->reset_to, sizeof c->reset_to);
}
