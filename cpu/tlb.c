/*
 * tlb.c - the soft TLB of one vCPU.
 *
 * How it works
 *   Level 1 is what translated code reads inline (struct x64_tlb_entry, direct mapped, 4 KiB lines): one table for data at
 *   EL1, and one per EL0 address space out of a small pool, so that a context switch only changes a pointer. Level 2
 *   is struct tlb2_entry in C: what a hardware TLB would hold, whatever the EL, with permissions. Behind it is the walk.
 *   Jump tables (virtual address to translated code) follow the same division.
 *
 * Invariants
 *   - Lower-half translations are tagged with the identity of (TTBR0, ASID), global or not. Upper-half ones with 0 when
 *     global. TTBR1's base, TCR, MAIR and SCTLR.M changes drop everything.
 *   - EL1's table obeys the current PAN. Its entries that depend on the context (lower half, or not global) are
 *     remembered in low[] and go when the context or PAN changes.
 *   - What is mapped by more than one granule is covered by a range in `large`: TLBI of any address in it takes the table,
 *     because one TLBI must remove all lines cut from one descriptor (D8.13.5).
 *   - A level 1 line exists only for memory; devices always come through the slow path.
 */
#include "cpu/vcpu.h"
#include "base/error.h"
#include <stdlib.h>

enum { PAGES_ONE_BY_ONE = 512 };

/* ---- tables ---- */

static void data_clear(const struct tlb *t, struct x64_tlb_entry *e)
{
    for (uint64_t i = 0; i < BIT(t->bits); i++)
        e[i].tag_read = e[i].tag_write = x64_tlb_empty(i, t->bits);
}

static void jump_empty(struct x64_jump_entry *entry, uint64_t i)
{
    entry[i].va = x64_jump_empty((unsigned)i);
}

static void touch(struct touched *t, uint64_t line)
{
    if (t->n < TOUCHED_MAX)
        t->line[t->n] = (uint16_t)line;
    if (t->n <= TOUCHED_MAX)
        t->n++;
}
static_assert(UINT16_MAX >= X64_JUMP_LINES - 1, "lines of jump and data tables have 16-bit names");

static void jump_clear_lines(struct jump_table *j)
{
    for (unsigned i = 0; i < j->touched.n; i++)
        for (unsigned k = 0; k < 2; k++) {
            j->entry[j->touched.line[i] ^ k].code = NULL;
            jump_empty(j->entry, j->touched.line[i] ^ k);
        }
}

static void jump_clear(struct jump_table *j)
{
    if (!j->used)
        return;
    if (j->touched.n <= TOUCHED_MAX) {
        jump_clear_lines(j);
    } else {
        memset(j->entry, 0xff, sizeof *j->entry * X64_JUMP_LINES);
        jump_empty(j->entry, X64_JUMP_LINES - 1);
        jump_empty(j->entry, X64_JUMP_LINES - 2);
    }
    j->touched.n = 0;
    memset(j->filter, 0, sizeof j->filter);
    j->used = false;
    j->lo = UINT64_MAX;
    j->hi = 0;
}

static unsigned filter_bit(uint64_t page)
{
    return (page ^ page >> 12 ^ page >> 24) & (JUMP_FILTER_BITS - 1);
}

static bool jump_has(const struct jump_table *j, uint64_t page)
{
    unsigned bit = filter_bit(page);
    return page >= j->lo && page <= j->hi && j->filter[bit / 64] >> (bit % 64) & 1;
}

static void jump_note(struct jump_table *j, uint64_t page)
{
    unsigned bit = filter_bit(page);
    j->filter[bit / 64] |= BIT(bit % 64);
    j->lo = MIN(j->lo, page);
    j->hi = MAX(j->hi, page);
    j->used = true;
}

static void drop_line(const struct tlb *t, struct x64_tlb_entry *e, uint64_t i)
{
    e[i].tag_read = e[i].tag_write = x64_tlb_empty(i, t->bits);
}

static bool create_tables(const struct tlb *t, struct x64_tlb_entry **data, struct jump_table *jump)
{
    size_t jump_bytes = sizeof *jump->entry * X64_JUMP_LINES;
    uint8_t *both = aligned_alloc(64, jump_bytes + (sizeof **data << t->bits));
    if (!both)
        return false;
    jump->entry = (struct x64_jump_entry *)both;
    *data = (struct x64_tlb_entry *)(both + jump_bytes);
    data_clear(t, *data);
    jump->used = true;
    jump->touched.n = TOUCHED_MAX + 1;
    jump_clear(jump);
    return true;
}

bool tlb_create(struct vcpu *c, struct pome_error *err)
{
    struct tlb *t = &c->tlb;
    bool ok = create_tables(t, &t->el1, &t->el1_jump) && (t->empty = aligned_alloc(64, sizeof *t->empty << t->bits));
    if (ok)
        data_clear(t, t->empty);
    ok = ok && create_tables(t, &t->ctx[0].data, &t->ctx[0].jump); /* the others when they are first used */
    t->l2 = calloc(1 << TLB2_BITS, sizeof *t->l2);
    t->gen = 1;
    return (ok && t->l2) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "cpu %u: no memory for its TLB", c->id);
}

void tlb_destroy(struct vcpu *c)
{
    struct tlb *t = &c->tlb;
    free(t->empty);
    free(t->el1_jump.entry);
    for (unsigned i = 0; i < TLB_CONTEXTS; i++)
        free(t->ctx[i].jump.entry);
    free(t->l2);
}

/* ---- ranges of large mappings ---- */

static bool ranges_hit(const struct tlb_ranges *r, uint64_t lo, uint64_t hi)
{
    for (unsigned i = 0; i < r->n; i++)
        if (lo < r->r[i].hi && hi > r->r[i].lo)
            return true;
    return false;
}

static void ranges_add(struct tlb_ranges *r, uint64_t lo, uint64_t hi)
{
    unsigned best = 0;
    uint64_t best_gap = UINT64_MAX;
    for (unsigned i = 0; i < r->n; i++) {
        uint64_t gap = lo > r->r[i].hi ? lo - r->r[i].hi : r->r[i].lo > hi ? r->r[i].lo - hi : 0;
        if (gap < best_gap) {
            best_gap = gap;
            best = i;
        }
    }
    if (best_gap && r->n < TLB_RANGES) {
        r->r[r->n].lo = lo;
        r->r[r->n++].hi = hi;
        return;
    }
    r->r[best].lo = MIN(r->r[best].lo, lo);
    r->r[best].hi = MAX(r->r[best].hi, hi);
}

/* ---- contexts ---- */

static void context_clear(struct tlb *t, struct tlb_context *x)
{
    if (x->data && x->data_used && x->touched.n > TOUCHED_MAX)
        data_clear(t, x->data);
    else if (x->data && x->data_used)
        for (unsigned i = 0; i < x->touched.n; i++)
            drop_line(t, x->data, x->touched.line[i]);
    x->data_used = false;
    x->touched.n = 0;
    jump_clear(&x->jump);
    x->large.n = 0;
}

uint16_t vcpu_asid(const struct vcpu *c)
{
    uint64_t tcr = c->sr[SR_TCR_EL1];
    uint64_t asid = c->sr[tcr >> 22 & 1 ? SR_TTBR1_EL1 : SR_TTBR0_EL1] >> 48;
    return tcr >> 36 & 1 ? asid : asid & 0xff;
}

/* A context whose tables are not there yet, or NULL. */
static struct tlb_context *context_new(struct tlb *t)
{
    for (unsigned i = 0; i < TLB_CONTEXTS; i++) {
        struct tlb_context *x = &t->ctx[i];
        if (x->data)
            continue;
        return create_tables(t, &x->data, &x->jump) ? x : NULL;
    }
    return NULL;
}

static struct tlb_context *context_choose(struct vcpu *c)
{
    struct tlb *t = &c->tlb;
    uint64_t ttbr0 = c->sr[SR_TTBR0_EL1] & ones(48) & ~UINT64_C(1);
    uint16_t asid = vcpu_asid(c);
    struct tlb_context *oldest = &t->ctx[0];
    for (unsigned i = 0; i < TLB_CONTEXTS; i++) {
        struct tlb_context *x = &t->ctx[i];
        if (x->id && x->ttbr0 == ttbr0 && x->asid == asid) {
            x->last_use = ++t->clock;
            return x;
        }
        if (x->data && (!x->id ? oldest->id != 0 : oldest->id && x->last_use < oldest->last_use))
            oldest = x;
    }
    if (oldest->id) {
        struct tlb_context *fresh = context_new(t);
        oldest = fresh ? fresh : oldest;
    }
    context_clear(t, oldest);
    oldest->ttbr0 = ttbr0;
    oldest->asid = asid;
    oldest->id = ++t->next_id;
    oldest->odd = false;
    oldest->last_use = ++t->clock;
    return oldest;
}

static struct tlb_context *current(struct vcpu *c)
{
    if (!c->tlb.cur) {
        c->tlb.cur = context_choose(c);
        c->s.tlb[1] = c->tlb.cur->data;
    }
    return c->tlb.cur;
}

struct jump_table *tlb_jump_table(struct vcpu *c)
{
    return c->el ? &c->tlb.el1_jump : &current(c)->jump;
}

void tlb_select(struct vcpu *c)
{
    struct jump_table *j = tlb_jump_table(c);
    if (j->mode != c->s.mode) {
        jump_clear(j);
        j->mode = c->s.mode;
    }
    c->s.tlb[1] = c->tlb.cur ? c->tlb.cur->data : c->tlb.empty;
    c->s.tlb[0] = c->el ? c->tlb.el1 : c->s.tlb[1];
}

/* ---- flushing ---- */

static void el1_clear(struct tlb *t)
{
    if (t->el1_used)
        data_clear(t, t->el1);
    t->el1_used = false;
    t->n_low = 0;
    t->el1_large.n = 0;
}

static void el1_code_clear(struct tlb *t)
{
    jump_clear(&t->el1_jump);
    t->low_code = false;
}

static void low_clear(struct tlb *t)
{
    if (t->n_low > TLB_LOW_MAX) {
        data_clear(t, t->el1);
    } else {
        for (unsigned i = 0; i < t->n_low; i++)
            drop_line(t, t->el1, t->low[i]);
    }
    t->n_low = 0;
}

static void l2_clear(struct tlb *t)
{
    if (++t->gen == 0) {
        memset(t->l2, 0, sizeof *t->l2 << TLB2_BITS);
        t->gen = 1;
    }
}

void tlb_flush_all(struct vcpu *c)
{
    struct tlb *t = &c->tlb;
    c->stats.tlb_flushes++;
    el1_clear(t);
    el1_code_clear(t);
    for (unsigned i = 0; i < TLB_CONTEXTS; i++) {
        context_clear(t, &t->ctx[i]);
        t->ctx[i].id = 0;
    }
    t->cur = NULL;
    if (t->next_id > UINT32_MAX / 2)
        t->next_id = 0;
    l2_clear(t);
    tlb_select(c);
}

void tlb_flush_code(struct vcpu *c)
{
    struct tlb *t = &c->tlb;
    el1_code_clear(t);
    for (unsigned i = 0; i < TLB_CONTEXTS; i++)
        jump_clear(&t->ctx[i].jump);
}

static void jump_drop(struct jump_table *j, uint64_t page_offset, const void *code)
{
    if (!j->used)
        return;
    /* the index has page offset bits below and page number bits above: try all of those */
    for (uint64_t i = page_offset >> 2; i < X64_JUMP_LINES; i += 1024)
        for (unsigned k = 0; k < 2; k++)
            if (j->entry[i ^ k].code == code)
                jump_empty(j->entry, i ^ k);
}

static void drop_one_code(struct tlb *t, uint64_t page_offset, const void *code)
{
    jump_drop(&t->el1_jump, page_offset, code);
    for (unsigned i = 0; i < TLB_CONTEXTS; i++)
        jump_drop(&t->ctx[i].jump, page_offset, code);
}

void tlb_regime_changed(struct vcpu *c)
{
    tlb_flush_all(c);
}

void tlb_context_changed(struct vcpu *c)
{
    struct tlb *t = &c->tlb;
    t->cur = NULL;
    low_clear(t);
    if (t->low_code)
        el1_code_clear(t);
    tlb_select(c);
}

void tlb_pan_changed(struct vcpu *c)
{
    low_clear(&c->tlb);
}

/* ---- filling ---- */

struct mmu_regime vcpu_regime(const struct vcpu *c)
{
    return (struct mmu_regime){
        .sctlr = c->sr[SR_SCTLR_EL1], .tcr = c->sr[SR_TCR_EL1], .ttbr0 = c->sr[SR_TTBR0_EL1], .ttbr1 = c->sr[SR_TTBR1_EL1],
        .mair = c->sr[SR_MAIR_EL1], .pa_bits = c->set->pa_bits, .mem = c->set->o.mem,
    };
}

static struct tlb2_entry *l2_slot(struct tlb *t, uint64_t page, uint32_t ctx)
{
    return &t->l2[(page ^ page >> TLB2_BITS ^ ctx * 0x9e5u) & ones(TLB2_BITS)];
}

/* The 4 KiB page number of a virtual address without its tag byte. */
static uint64_t page_of(const struct vcpu *c, uint64_t va)
{
    bool upper = va >> 55 & 1;
    bool tbi = c->sr[SR_TCR_EL1] >> (upper ? 38 : 37) & 1;
    return (tbi ? (uint64_t)sext(va, 56) : va) >> 12;
}

static void fill_inline(struct vcpu *c, uint64_t va, const struct tlb2_entry *e, bool el0)
{
    struct tlb *t = &c->tlb;
    uint64_t page = va & ~UINT64_C(4095), index = va >> 12 & ones(t->bits), none = x64_tlb_empty(index, t->bits);
    struct x64_tlb_entry *line = el0 ? &t->cur->data[index] : &t->el1[index];
    bool pan = c->pan && !el0;
    line->tag_read = mmu_allows(e->prot, MMU_READ, el0, pan) ? page : none;
    line->tag_write = mmu_allows(e->prot, MMU_WRITE, el0, pan) && !(e->prot & MMU_ROM) ? page : none;
    line->addend = (uint64_t)e->hva - page;
    if (el0) {
        t->cur->data_used = true;
        touch(&t->cur->touched, index);
        return;
    }
    t->el1_used = true;
    if (e->ctx) {
        if (t->n_low < TLB_LOW_MAX)
            t->low[t->n_low++] = index;
        else
            t->n_low = TLB_LOW_MAX + 1;
    }
}

/* TLBI by address covers one granule (sysop.c); more than that needs the ranges. */
static void note_large(struct vcpu *c, const struct mmu_leaf *leaf, uint64_t page)
{
    struct tlb *t = &c->tlb;
    if (leaf->size <= BIT(mmu_granule_bits(c->sr[SR_TCR_EL1], page << 12)))
        return;
    uint64_t lo = (page << 12) & ~(leaf->size - 1), hi = lo + leaf->size - 1;
    ranges_add(&t->el1_large, lo, hi);
    if (t->cur)
        ranges_add(&t->cur->large, lo, hi);
}

static void from_leaf(struct vcpu *c, struct tlb2_entry *e, const struct mmu_leaf *leaf, uint64_t page, uint32_t ctx)
{
    const struct mem_region *region = mem_find(c->set->o.mem, leaf->pa);
    *e = (struct tlb2_entry){.page = page, .ctx = ctx, .gen = c->tlb.gen, .pa_page = leaf->pa >> 12, .prot = leaf->prot};
    if (region) {
        e->hva = region->hva + (tlb2_pa(e) - region->gpa);
        if (region->read_only)
            e->prot |= MMU_ROM;
    }
}

/* The level 2 line for this page: its place depends on the context in the lower half only. The context is chosen only when
 * it matters: between the two writes of a kernel that sets ASID and TTBR0 there is a combination that nobody uses. */
static struct tlb2_entry *l2_place(struct vcpu *c, uint64_t va, uint64_t page)
{
    return l2_slot(&c->tlb, page, va >> 55 & 1 ? 0 : current(c)->id);
}

static bool in_context(const struct tlb *t, const struct tlb2_entry *e)
{
    return !e->ctx || (t->cur && e->ctx == t->cur->id);
}

const struct tlb2_entry *tlb_lookup(struct vcpu *c, uint64_t va, enum tlb_access access, bool unpriv, struct mmu_fault *fault)
{
    struct tlb *t = &c->tlb;
    bool el0 = !c->el || unpriv, upper = va >> 55 & 1;
    enum mmu_access a = access == TLB_FETCH ? MMU_FETCH : access == TLB_WRITE ? MMU_WRITE : MMU_READ;
    bool pan = c->pan && !el0;
    uint64_t page = access == TLB_FETCH ? va >> 12 : page_of(c, va);
    if (el0)
        current(c)->odd |= upper;
    struct tlb2_entry *e = l2_place(c, va, page);
    bool hit = e->gen == t->gen && e->page == page && in_context(t, e) && mmu_allows(e->prot, a, el0, pan);
    if (!hit) {
        struct mmu_regime r = vcpu_regime(c);
        struct mmu_leaf leaf;
        c->stats.tlb2_misses++;
        c->stats.walks++;
        if (!mmu_translate(&r, va, a, el0, pan, &leaf, fault))
            return NULL;
        bool global = upper && (leaf.prot & MMU_GLOBAL);
        from_leaf(c, e, &leaf, page, global ? 0 : current(c)->id);
        if (!global && (upper || leaf.prot & MMU_GLOBAL))
            current(c)->odd = true;
        note_large(c, &leaf, page);
    }
    if (access != TLB_FETCH && e->hva)
        fill_inline(c, va, e, el0);
    return e;
}

static void jump_put(struct vcpu *c, struct jump_table *j, uint64_t index, uint64_t va, const void *code)
{
    j->entry[index] = (struct x64_jump_entry){va, code};
    touch(&j->touched, index);
    jump_note(j, va >> 12);
    if (c->el && !(va >> 55 & 1))
        c->tlb.low_code = true;
}

void tlb_jump_insert(struct vcpu *c, uint64_t va, const void *code)
{
    struct jump_table *j = tlb_jump_table(c);
    uint64_t index = x64_jump_line(va);
    /* who was there may move to the neighbour, which seldom begins a block itself */
    if (j->entry[index].va != va && x64_jump_line(j->entry[index].va) == index)
        j->entry[index ^ 1] = j->entry[index];
    else if (j->entry[index ^ 1].va == va)
        jump_empty(j->entry, index ^ 1);
    jump_put(c, j, index, va, code);
}

bool tlb_jump_new_page(struct vcpu *c, uint64_t va)
{
    return !jump_has(tlb_jump_table(c), va >> 12);
}

void tlb_jump_offer(struct vcpu *c, uint64_t va, const void *code)
{
    struct jump_table *j = tlb_jump_table(c);
    uint64_t index = x64_jump_line(va);
    if (j->entry[index].va == UINT64_MAX)
        jump_put(c, j, index, va, code);
}

/* ---- TLBI ---- */

static void drop_page_in(struct tlb *t, struct x64_tlb_entry *data, struct jump_table *j, uint64_t page)
{
    uint64_t index = page & ones(t->bits);
    struct x64_tlb_entry *line = &data[index];
    uint64_t va = page << 12 & ones(56);
    /* lines may carry a tag byte */
    if ((line->tag_read & ones(56)) == va || (line->tag_write & ones(56)) == va)
        drop_line(t, data, index);
    if (jump_has(j, page))
        jump_clear(j);
}

/* Most maintenance is of one process's addresses, or of the kernel's. */
static bool concerns(const struct tlb_context *x, const struct tlbi *i)
{
    return x->odd || (!(i->va >> 55 & 1) && (i->kind != TLBI_VA || x->asid == i->asid));
}

static void drop_pages(struct vcpu *c, const struct tlbi *i)
{
    struct tlb *t = &c->tlb;
    uint64_t first = i->va >> 12, lo = i->va, hi = i->va + i->pages * 4096 - 1;
    bool el1_large = ranges_hit(&t->el1_large, lo, hi);
    if (el1_large) {
        c->stats.tlbi_large++;
        l2_clear(t);
    }
    for (uint64_t k = 0; k < i->pages && !el1_large; k++) {
        struct tlb2_entry *e = l2_slot(t, first + k, 0);
        if (e->page == first + k)
            e->gen = 0;
    }
    if (el1_large) {
        el1_clear(t);
        el1_code_clear(t);
    }
    for (uint64_t k = 0; k < i->pages; k++)
        drop_page_in(t, t->el1, &t->el1_jump, first + k);
    for (unsigned n = 0; n < TLB_CONTEXTS; n++) {
        struct tlb_context *x = &t->ctx[n];
        if (!x->id)
            continue;
        if (el1_large)
            context_clear(t, x);
        if (!concerns(x, i))
            continue;
        if (ranges_hit(&x->large, lo, hi))
            context_clear(t, x);
        for (uint64_t k = 0; k < i->pages; k++) {
            struct tlb2_entry *e = l2_slot(t, first + k, x->id);
            if (e->page == first + k)
                e->gen = 0;
            drop_page_in(t, x->data, &x->jump, first + k);
        }
    }
}

static void drop_asid(struct vcpu *c, uint16_t asid)
{
    struct tlb *t = &c->tlb;
    for (unsigned n = 0; n < TLB_CONTEXTS; n++) {
        struct tlb_context *x = &t->ctx[n];
        if (!x->id || x->asid != asid)
            continue;
        context_clear(t, x);
        x->id = ++t->next_id; /* its level 2 entries are nobody's now */
        x->odd = false;
    }
    low_clear(t);
    if (t->low_code)
        el1_code_clear(t);
}

void tlb_invalidate(struct vcpu *c, const struct tlbi *i)
{
    switch (i->kind) {
    case TLBI_CODE:
        tlb_flush_code(c);
        break;
    case TLBI_ONE_CODE:
        drop_one_code(&c->tlb, i->va, i->code);
        break;
    case TLBI_ASID:
        drop_asid(c, i->asid);
        break;
    case TLBI_VA:
    case TLBI_VAA:
        if (i->pages <= PAGES_ONE_BY_ONE)
            drop_pages(c, i);
        else
            tlb_flush_all(c);
        break;
    case TLBI_ALL:
        tlb_flush_all(c);
        break;
    }
}

/* ---- AT ---- */

void tlb_at(struct vcpu *c, uint64_t va, bool write, bool el0, bool pan)
{
    struct mmu_regime r = vcpu_regime(c);
    struct mmu_leaf leaf;
    struct mmu_fault f;
    if (!mmu_translate(&r, va, write ? MMU_WRITE : MMU_READ, el0, pan && c->pan, &leaf, &f)) {
        c->sr[SR_PAR_EL1] = BIT(11) | (uint64_t)f.fsc << 1 | 1;
        return;
    }
    /* D17.2.112: device memory reads as outer shareable */
    bool device = leaf.prot & MMU_DEVICE;
    c->sr[SR_PAR_EL1] = (uint64_t)(device && !(r.sctlr & 1) ? 0 : leaf.attr) << 56 | (leaf.pa & ones(48) & ~UINT64_C(4095)) | BIT(11) |
                        (uint64_t)(device ? 2 : leaf.sh) << 7;
}

/* ---- what was in use ---- */

enum { RECENT_CONTEXTS = 8 }; /* of the last so many changes of the context */

static void each_recent(struct tlb *t, const struct x64_tlb_entry *data, const struct jump_table *j, uint32_t id, cpu_page_fn *each, void *ctx)
{
    for (uint64_t i = 0; i < BIT(t->bits); i++) {
        const uint64_t none = x64_tlb_empty(i, t->bits), page = data[i].tag_read != none ? data[i].tag_read : data[i].tag_write;
        if (page != none)
            each(ctx, (const uint8_t *)(uintptr_t)(page + data[i].addend));
    }
    for (unsigned i = 0; j->used && i < X64_JUMP_LINES; i++) {
        const uint64_t va = j->entry[i].va;
        const struct tlb2_entry *e = l2_slot(t, va >> 12, va >> 55 & 1 ? 0 : id);
        if (va != x64_jump_empty(i) && e->gen == t->gen && e->page == va >> 12 && e->hva)
            each(ctx, e->hva);
    }
}

void cpu_recent_pages(struct cpu_set *set, unsigned cpu, cpu_page_fn *each, void *ctx)
{
    struct tlb *t = &set->cpu[cpu]->tlb;
    for (unsigned i = 0; i < TLB_CONTEXTS; i++)
        if (t->ctx[i].id && t->clock - t->ctx[i].last_use < RECENT_CONTEXTS)
            each_recent(t, t->ctx[i].data, &t->ctx[i].jump, t->ctx[i].id, each, ctx);
    each_recent(t, t->el1, &t->el1_jump, t->cur ? t->cur->id : 0, each, ctx);
}

/* More than that were not used lately. */
enum { KNOWN_MAX = 4096 };

static void each_known(const struct tlb *t, bool code, cpu_page_fn *each, void *ctx)
{
    unsigned n = 0;
    for (unsigned pass = 0; pass < 2 && n <= KNOWN_MAX; pass++)
        for (unsigned i = 0; i < BIT(TLB2_BITS); i++) {
            const struct tlb2_entry *e = &t->l2[i];
            if (e->gen != t->gen || !e->hva || code != !!(e->prot & (MMU_X0 | MMU_X1)))
                continue;
            if (pass)
                each(ctx, e->hva);
            else
                n++;
        }
}

void cpu_known_pages(struct cpu_set *set, cpu_page_fn *each, void *ctx)
{
    for (unsigned i = 0; i < set->o.n_cpus; i++) {
        each_known(&set->cpu[i]->tlb, true, each, ctx);
        each_known(&set->cpu[i]->tlb, false, each, ctx);
    }
    jit_each_page(set->jit, KNOWN_MAX, each, ctx);
}
