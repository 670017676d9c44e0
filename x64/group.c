/*
 * group.c - which memory accesses share one look-up.
 *
 * How it works
 *   An address is a base value plus a constant (ADD and SUB of constants are looked through). Accesses off the same base whose
 *   bytes lie close together form a group: the first one looks up the line of the lowest address and compares its tag with the
 *   page of the highest byte, so one comparison says that the whole range is in one page that may be accessed. If any
 *   member writes, the page must be writable (which in the A64 translation regimes implies readable).
 *   An access that may not be reached (a side exit comes first) must not make the check much harder to pass: it joins only if
 *   it lies near, so that the page seldom ends between. A store does, too, since what is written at times mostly can be written. When it
 *   cannot, nothing is done about it before the store is reached (maybe).
 *   Of addresses relative to pc (literals, globals) the place in the page is known: accesses to one page share a look-up however far apart
 *   they are, and only the page is compared.
 *   A call ends all groups: it may change the translation.
 *   Accesses that must be aligned stay alone, since one comparison cannot check the alignment of several.
 *
 *   When the line is not the page's, it is made (env.prepare). If even that is of no use - a fault, a device, a range over the end of a
 *   page - the block is left at this instruction, for a translation that knows no groups (struct x64_link.alone). So the others of the group
 *   need to ask nothing and have no slow path. That is possible since the state is exact at the start of every instruction up to its last
 *   access (ir.h), and since an instruction may be begun again, if this is its first access.
 */
#include "x64/compile.h"

enum { RANGE = 1024, NEAR = 256, ACTIVE = 4 };

struct scan {
    struct x64_compiler *c;
    uint16_t active[ACTIVE]; /* numbers of groups + 1, youngest first */
    unsigned side_exit;      /* the last one seen */
    bool accessed;           /* this instruction had an access */
};

ir_ref x64_base_of(const struct ir_block *b, ir_ref ref, int64_t *offset)
{
    uint64_t k;
    *offset = 0;
    for (;;) {
        const struct ir_insn *i = &b->insn[ref];
        if (i->op == IR_ADD64 && ir_is_const(b, i->b, &k)) {
            ref = i->a;
        } else if (i->op == IR_ADD64 && ir_is_const(b, i->a, &k)) {
            ref = i->b;
        } else if (i->op == IR_SUB64 && ir_is_const(b, i->b, &k)) {
            ref = i->a;
            k = 0 - k;
        } else {
            return ref;
        }
        if ((int64_t)k > INT32_MAX / 2 || (int64_t)k < INT32_MIN / 2 || *offset > INT32_MAX / 4 || *offset < INT32_MIN / 4)
            return 0;
        *offset += (int64_t)k;
    }
}

/* Which page after pc_page the access lies in, if its base is an address relative to pc; NO_PAGE: not known, or in two. */
static uint64_t page_of(const struct ir_block *b, ir_ref base, int64_t offset, int64_t end)
{
    uint64_t at = b->insn[base].imm;
    bool one = b->insn[base].op == IR_PC && (at + (uint64_t)offset) >> 12 == (at + (uint64_t)end - 1) >> 12;
    return one ? (at + (uint64_t)offset) >> 12 : NO_PAGE;
}

static bool can_join(const struct scan *s, const struct x64_group *g, ir_ref base, int64_t offset, int64_t end, uint64_t page, bool unpriv)
{
    bool certain = g->first > s->side_exit;
    if (g->late || g->unpriv != unpriv || g->page != page)
        return false;
    return page != NO_PAGE ||
           (g->base == base && MAX(end, (int64_t)g->end) - MIN(offset, (int64_t)g->min) <= (certain ? RANGE : NEAR));
}

static void join(struct scan *s, struct x64_group *g, unsigned n, int64_t offset, int64_t end, bool write)
{
    struct x64_compiler *c = s->c;
    g->min = (int32_t)MIN(offset, (int64_t)g->min);
    g->end = (int32_t)MAX(end, (int64_t)g->end);
    g->last = (uint16_t)n;
    g->count++;
    g->maybe |= write && !g->write && g->first < s->side_exit;
    g->write |= write;
    c->value[n].group = (uint16_t)(g - c->group + 1);
    c->value[n].offset = (int32_t)offset;
}

static void visit(struct scan *s, unsigned n, bool write)
{
    struct x64_compiler *c = s->c;
    const struct ir_insn *i = &c->ir->insn[n];
    int64_t offset, end;
    bool unpriv = i->imm & IR_MEM_UNPRIV, late = s->accessed;
    s->accessed = true;
    ir_ref base = x64_base_of(c->ir, i->a, &offset);
    end = offset + (1 << (i->imm & IR_MEM_SIZE_MASK));
    if (!base || c->ir->insn[base].op == IR_CONST || i->imm & (IR_MEM_ALIGNED | IR_MEM_RELEASE))
        return;
    uint64_t page = page_of(c->ir, base, offset, end);
    for (unsigned k = 0; k < ACTIVE && s->active[k]; k++) { /* the newest first, then none */
        struct x64_group *g = &c->group[s->active[k] - 1];
        if (!can_join(s, g, base, offset, end, page, unpriv))
            continue;
        int64_t apart = page == NO_PAGE ? 0 : (int64_t)(c->ir->insn[base].imm - c->ir->insn[g->base].imm);
        join(s, g, n, offset + apart, end + apart, write);
        return;
    }
    if (c->n_groups == X64_MAX_GROUPS)
        return;
    struct x64_group *g = &c->group[c->n_groups++];
    *g = (struct x64_group){.base = base, .min = (int32_t)offset, .end = (int32_t)end, .first = (uint16_t)n, .unpriv = unpriv, .page = page, .late = late};
    join(s, g, n, offset, end, write);
    memmove(s->active + 1, s->active, sizeof s->active - sizeof *s->active);
    s->active[0] = (uint16_t)c->n_groups;
}

void x64_groups_find(struct x64_compiler *c)
{
    struct scan s = {.c = c};
    c->n_groups = 0;
    if (c->config->align_check || !c->config->share || !c->host->share)
        return;
    for (unsigned n = 1; n < c->ir->n; n++) {
        switch (c->ir->insn[n].op) {
        case IR_LOAD: case IR_LOADV: visit(&s, n, false); break;
        case IR_STORE: case IR_STOREV: visit(&s, n, true); break;
        case IR_INSN: s.accessed = false; break;
        case IR_CALL: memset(s.active, 0, sizeof s.active); break;
        case IR_EXIT_COND: case IR_EXIT_NZ: case IR_EXIT_Z: case IR_RAISE_NZ: s.side_exit = n; break;
        }
    }
    for (unsigned k = 0; k < c->n_groups; k++) {
        struct x64_group *g = &c->group[k];
        g->addend = g->plus = NO_REG;
        if (g->count == 1 && g->min == 0 && g->page == NO_PAGE && !c->loop.on)
            c->value[g->first].group = 0;
        c->value[IR_MAX_INSNS + k] = (struct x64_value){.reg = NO_REG, .target = NO_REG, .last = g->last};
    }
}

/* ---- cold code ---- */

void x64_group_plus(struct x64_compiler *c, const struct x64_group *g, unsigned reg)
{
    if (c->pins.host[g->plus] != NO_REG)
        mov_rr(&c->a, true, reg, c->pins.host[g->plus]);
    else
        mov_rm(&c->a, true, reg, x64_state(c, 8u * g->plus));
}

/* reg = the address of the group's base, and so many bytes more */
static void address(struct x64_compiler *c, const struct x64_cold *k, unsigned reg, int32_t offset)
{
    const struct x64_group *g = &c->group[k->reg3];
    if (g->plus == NO_REG) {
        lea(&c->a, true, reg, mem_at(k->reg, offset));
        return;
    }
    x64_group_plus(c, g, reg);
    lea(&c->a, true, reg, mem_indexed(reg, k->reg, 0, offset));
}

static void look_up(struct x64_compiler *c, const struct x64_cold *k, bool write)
{
    const struct x64_group *g = &c->group[k->reg3];
    address(c, k, RAX, g->min);
    mov_ri(&c->a, RDX, (uint32_t)(g->end - 1 - g->min));
    x64_call_stub(c, (enum x64_stub)(STUB_LOOK_UP + write + 2 * g->unpriv), false);
}

void x64_group_look_up(struct x64_compiler *c, const struct x64_cold *k)
{
    look_up(c, k, c->group[k->reg3].write);
}

/* A jump whose place is returned for here(). */
static uint8_t *jump_if(struct x64_compiler *c, enum x64_cc cc)
{
    jcc_near(&c->a, cc, c->a.p + 6);
    return c->a.p;
}

static void here(struct x64_compiler *c, uint8_t *from)
{
    if (from)
        le32_put(from - 4, (uint32_t)(c->a.p - from));
}

static uint8_t *if_over_two_pages(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct x64_group *g = &c->group[k->reg3];
    address(c, k, RAX, g->min);
    address(c, k, RDX, g->end - 1);
    alu_rr(&c->a, ALU_XOR, true, RDX, RAX);
    shift_ri(&c->a, SH_SHR, true, RDX, 12);
    return jump_if(c, CC_NE);
}

/* Makes the line; whatever comes of that is seen by looking again. */
static void prepare(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct x64_group *g = &c->group[k->reg3];
    uint32_t write = g->write && !g->maybe ? IR_MEM_PREPARE_WRITE : 0;
    address(c, k, RAX, g->min);
    mov_ri(&c->a, RCX, write | (g->unpriv ? IR_MEM_UNPRIV : 0) | k->pc_off << 16);
    x64_call_stub(c, STUB_PREPARE, k->vectors);
}

void x64_group_find_page(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct x64_group *g = &c->group[k->reg3];
    uint8_t *apart = NULL, *read_only = NULL, *now = NULL;
    if (c->config->env.prepare) {
        apart = if_over_two_pages(c, k);
        if (g->maybe) {
            look_up(c, k, false);
            read_only = jump_if(c, CC_E);
        }
        prepare(c, k);
        x64_group_look_up(c, k);
        now = jump_if(c, CC_E);
    }
    here(c, apart);
    here(c, read_only);
    x64_loop_flags_store(c, k->n);
    x64_flags_cold(c, k);
    x64_exit_alone(c);
    here(c, now);
}
