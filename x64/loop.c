/*
 * loop.c - a block that jumps back to its own beginning, as one unit.
 *
 * How it works
 *   Such a block is made a second time when it proved to be hot (cpu/jit/blocks.c), and cut behind the last jump back (ir_loop_cut). This
 *   second translation is entered like any block, with the pinned registers where they belong. Before the first turn it exchanges
 *   those that the loop does not use for guest registers that it does use, and for addends; every way out exchanges them back:
 *
 *       entry: pinned vectors there?          cold.c's jumps, exits:   call leave; go on as other blocks do
 *              exchange; forget limits        slow paths:              call leave; call stub; call enter
 *              jmp top
 *       leave: exchange back; ret
 *       enter: exchange; forget limits; ret
 *       top:   poll
 *              the guest's code
 *              jcc top
 *
 *   So between turns the guest's state is in registers and in the state just as it is between blocks, only in other registers.
 *
 *   A group of accesses (group.c) whose base rises (or falls) from turn to turn by what can be told beforehand needs no look-up: it keeps the
 *   addend of its page, and the limit that the base must not reach, unless it soon would. Only there it looks up again, as all groups do, and may have to leave the
 *   loop at this instruction.
 *   Arrays that are walked through by one index are a family: groups whose base is the same value plus each a register that the loop does not
 *   write. That register becomes part of the addend, so that the index is the base of all, and the first group's limit holds for all: the
 *   nearest. There all of them are looked up, as other groups are.
 *
 *   Translations may change only while C code runs or this vCPU is at a safe point: then the limits are forgotten.
 */
#include "x64/compile.h"

enum {
    MAX_STEP = 1 << 19,
    MAX_PAYING = 512, /* bases that move faster would look up again after too few turns: it costs more than looking up in every turn */
    MAX_SHIFT = 18, /* of what is added by up to MAX_STEP in a turn: no overflow */
    FAR = 1 << 19,  /* of a group from its base */
    EDGE = 2 << 20, /* no limits in so much at both ends of the address space: base + step must not come round */
    REGS = IR_STATE_X_BYTES / 8,
    FAMILY = 8, /* members, whose cold code is one piece */
};

/* ---- what a turn adds ---- */

static bool known(const struct x64_loop *l, unsigned reg)
{
    return l->low[reg] <= l->high[reg];
}

static void forget(struct x64_loop *l, unsigned reg)
{
    l->low[reg] = INT64_MAX, l->high[reg] = INT64_MIN;
}

/* At a jump back, where a register has the value `now` (0: what it had). */
static void turn(struct x64_compiler *c, unsigned reg, ir_ref now, bool first)
{
    struct x64_loop *l = &c->loop;
    int64_t step = 0;
    if (now) {
        ir_ref base = x64_base_of(c->ir, now, &step);
        if (!base || c->ir->insn[base].op != IR_GET64 || c->ir->insn[base].imm != 8 * reg)
            step = INT64_MIN;
    }
    if (step == INT64_MIN || (!first && !known(l, reg))) {
        forget(l, reg);
        return;
    }
    l->low[reg] = first ? step : MIN(l->low[reg], step);
    l->high[reg] = first ? step : MAX(l->high[reg], step);
}

static bool jumps(const struct ir_insn *i)
{
    return ir_ops[i->op].effects & IR_EFF_SIDE_EXIT ? i->op != IR_RAISE_NZ : i->op == IR_EXIT_DIRECT;
}

static void find_steps(struct x64_compiler *c)
{
    const struct ir_block *b = c->ir;
    ir_ref now[REGS] = {0};
    uint32_t unknown = 0;
    bool first = true;
    for (unsigned n = 1; n < b->n; n++) {
        const struct ir_insn *i = &b->insn[n];
        unsigned reg = (unsigned)MIN(i->imm / 8, (uint64_t)REGS);
        if (i->op == IR_SET64 && reg < REGS)
            now[reg] = i->a;
        else if (reg < REGS && (i->op == IR_SET32 || (i->op == IR_GET64 && now[reg])))
            unknown |= 1u << reg; /* a GET is to mean the value at the top */
        if (!jumps(i) || !x64_loop_turns(c, ir_exit_offset(i->imm)))
            continue;
        for (unsigned k = 0; k < REGS; k++)
            turn(c, k, now[k], first);
        first = false;
    }
    for (unsigned k = 0; k < REGS; k++)
        if (first || unknown >> k & 1)
            forget(&c->loop, k);
}

/* What a turn adds to a value: [*low, *high]. */
static bool step_of(const struct x64_compiler *c, ir_ref ref, int64_t *low, int64_t *high, unsigned depth)
{
    const struct ir_insn *i = &c->ir->insn[ref];
    int64_t l, h;
    uint64_t k;
    *low = *high = 0;
    if (i->op == IR_CONST || i->op == IR_PC)
        return true;
    if (i->op == IR_GET64 && i->imm < IR_STATE_X_BYTES) {
        *low = c->loop.low[i->imm / 8], *high = c->loop.high[i->imm / 8];
        return *low <= *high && *low >= -MAX_STEP && *high <= MAX_STEP;
    }
    if (!depth || (i->op != IR_ADD64 && i->op != IR_SUB64 && i->op != IR_SHL64) || !step_of(c, i->a, low, high, depth - 1))
        return false;
    if (i->op == IR_SHL64) {
        if (!ir_is_const(c->ir, i->b, &k) || k > MAX_SHIFT)
            return false;
        *low *= INT64_C(1) << k, *high *= INT64_C(1) << k;
    } else {
        if (!step_of(c, i->b, &l, &h, depth - 1))
            return false;
        *low += i->op == IR_ADD64 ? l : -h;
        *high += i->op == IR_ADD64 ? h : -l;
    }
    return *low >= -MAX_STEP && *high <= MAX_STEP;
}

/* ---- who gets which register ---- */

static void count_uses(const struct x64_compiler *c, uint16_t *uses, uint32_t *written)
{
    for (unsigned n = 1; n < c->ir->n; n++) {
        const struct ir_insn *i = &c->ir->insn[n];
        bool set = i->op == IR_SET64 || i->op == IR_SET32, get = i->op == IR_GET64 || i->op == IR_GET32;
        if ((!set && !get) || i->imm >= IR_STATE_X_BYTES)
            continue;
        uses[i->imm / 8]++;
        *written |= set ? 1u << i->imm / 8 : 0;
    }
}

/* The most used register that has none. */
static unsigned next_inside(const struct x64_compiler *c, const uint16_t *uses)
{
    unsigned best = NO_REG;
    for (unsigned k = 0; k < REGS; k++)
        if (uses[k] && c->pins.host[k] == NO_REG && (best == NO_REG || uses[k] > uses[best]))
            best = k;
    return best;
}

void x64_loop_plan(struct x64_compiler *c)
{
    struct x64_loop *l = &c->loop;
    uint16_t uses[REGS] = {0};
    uint32_t written = 0;
    l->on = c->config->loop && c->host->loop;
    l->n_moved = 0;
    l->flags = 0;
    if (!l->on)
        return;
    find_steps(c);
    x64_loop_flags_plan(c);
    count_uses(c, uses, &written);
    l->written = written;
    for (unsigned k = 0; k < REGS && l->n_moved < ARRAY_SIZE(l->moved); k++) {
        unsigned host = c->code->pins.host[k];
        if (host == NO_REG || uses[k])
            continue;
        unsigned inside = next_inside(c, uses);
        l->moved[l->n_moved++] = (struct x64_moved){.host = (uint8_t)host, .outside = (uint8_t)k, .inside = (uint8_t)inside, .group = NO_REG,
                                                    .written = inside != NO_REG && written >> inside & 1};
        c->pins.host[k] = NO_REG;
        if (inside != NO_REG)
            c->pins.host[inside] = (uint8_t)host;
        else
            c->pins.hosts &= ~(1u << host);
    }
}

/* The group with most members that has no register for its addend. */
static unsigned next_group(const struct x64_compiler *c)
{
    unsigned best = NO_REG;
    for (unsigned k = 0; k < MIN(c->n_groups, (unsigned)X64_LOOP_GROUPS); k++) {
        const struct x64_group *g = &c->group[k];
        if (g->way && g->addend == NO_REG && (best == NO_REG || g->count > c->group[best].count))
            best = k;
    }
    return best;
}

/* Whether a value rises (1) or falls (-1) from turn to turn, so slowly that it pays to keep its page; 0: not. */
static int8_t way_of(const struct x64_compiler *c, ir_ref ref)
{
    int64_t low, high;
    if (!step_of(c, ref, &low, &high, 4) || low < -MAX_PAYING || high > MAX_PAYING)
        return 0;
    return low >= 0 ? 1 : high <= 0 ? -1 : 0;
}

static bool is_small(const struct x64_group *g)
{
    return !g->late && g->min >= -FAR && g->end <= FAR;
}

/* ---- families ---- */

static bool is_invariant(const struct x64_compiler *c, ir_ref ref)
{
    const struct ir_insn *i = &c->ir->insn[ref];
    return i->op == IR_GET64 && i->imm < IR_STATE_X_BYTES && i->imm % 8 == 0 && !(c->loop.written >> i->imm / 8 & 1);
}

/* The part of a group's base that turns change, 0: it is not such a sum; *plus: the other, a guest register. */
static ir_ref index_of(const struct x64_compiler *c, const struct x64_group *g, unsigned *plus)
{
    const struct ir_insn *i = &c->ir->insn[g->base];
    if (i->op != IR_ADD64 || !is_small(g) || g->maybe)
        return 0;
    bool left = is_invariant(c, i->a);
    ir_ref index = left ? i->b : i->a, other = left ? i->a : i->b;
    *plus = (unsigned)(c->ir->insn[other].imm / 8);
    return is_invariant(c, other) && !is_invariant(c, index) && way_of(c, index) ? index : 0;
}

/* Is it certain that who accesses one accesses the other? */
static bool together(const struct x64_compiler *c, const struct x64_group *first, const struct x64_group *second)
{
    for (unsigned n = first->first; n < second->first; n++)
        if (ir_ops[c->ir->insn[n].op].effects & (IR_EFF_SIDE_EXIT | IR_EFF_CALL))
            return false;
    return true;
}

static void find_families(struct x64_compiler *c)
{
    unsigned n = MIN(c->n_groups, (unsigned)X64_LOOP_GROUPS), plus[X64_LOOP_GROUPS];
    ir_ref index[X64_LOOP_GROUPS];
    for (unsigned k = 0; k < n; k++)
        index[k] = index_of(c, &c->group[k], &plus[k]);
    for (unsigned k = 0; k < n; k++) {
        struct x64_group *member[FAMILY];
        unsigned size = 0;
        for (unsigned m = k; index[k] && c->group[k].plus == NO_REG && m < n && size < FAMILY; m++)
            if (index[m] == index[k] && c->group[m].plus == NO_REG && together(c, &c->group[k], &c->group[m]))
                member[size++] = &c->group[m];
        for (unsigned m = 0; size > 1 && m < size; m++) {
            member[m]->leader = (uint8_t)k;
            member[m]->plus = (uint8_t)plus[member[m] - c->group];
            member[m]->base = index[k];
        }
    }
}

void x64_loop_groups(struct x64_compiler *c)
{
    struct x64_loop *l = &c->loop;
    if (l->on && c->host->family)
        find_families(c);
    for (unsigned k = 0; l->on && k < c->n_groups; k++) {
        struct x64_group *g = &c->group[k];
        if (k < X64_LOOP_GROUPS && is_small(g))
            g->way = way_of(c, g->base);
        if (!g->way && g->count == 1 && g->min == 0)
            c->value[g->first].group = 0;
    }
    for (unsigned k = 0; k < l->n_moved; k++) {
        struct x64_moved *m = &l->moved[k];
        unsigned group = m->inside == NO_REG ? next_group(c) : (unsigned)NO_REG;
        if (group == NO_REG)
            continue;
        m->group = (uint8_t)group;
        c->group[group].addend = m->host;
        c->pins.hosts |= 1u << m->host;
    }
}

/* ---- the exchange ---- */

struct x64_mem x64_loop_limit(const struct x64_compiler *c, const struct x64_group *g)
{
    return x64_frame(c, FRAME_LOOP + 16 * (int32_t)(g - c->group));
}

struct x64_mem x64_loop_addend(const struct x64_compiler *c, const struct x64_group *g)
{
    return x64_frame(c, FRAME_LOOP + 16 * (int32_t)(g - c->group) + 8);
}

/* Where a register's contents are while it does its outside work. */
static struct x64_mem place_inside(const struct x64_compiler *c, unsigned k)
{
    const struct x64_moved *m = &c->loop.moved[k];
    if (m->inside != NO_REG)
        return x64_state(c, 8u * m->inside);
    return m->group != NO_REG ? x64_loop_addend(c, &c->group[m->group]) : x64_frame(c, FRAME_LOOP_REGS + 8 * (int32_t)k);
}

/* The limit is one that every base has reached. Keeps registers and flags. */
static void forget_limit(struct x64_compiler *c, const struct x64_group *g)
{
    struct x64_mem limit = x64_loop_limit(c, g);
    bool family = g->plus != NO_REG;
    if (family && &c->group[g->leader] != g)
        return;
    mov_mi(&c->a, true, limit, g->way > 0 ? 0 : -1);
    if (!family)
        return;
    limit.disp += 4; /* compared as signed numbers */
    mov_mi(&c->a, false, limit, g->way > 0 ? INT32_MIN : INT32_MAX);
}

static void enter(struct x64_compiler *c)
{
    for (unsigned k = 0; k < c->loop.n_moved; k++) {
        const struct x64_moved *m = &c->loop.moved[k];
        mov_mr(&c->a, true, x64_state(c, 8u * m->outside), m->host);
        mov_rm(&c->a, true, m->host, place_inside(c, k));
    }
    for (unsigned k = 0; k < c->n_groups; k++)
        if (c->group[k].way)
            forget_limit(c, &c->group[k]);
}

/* Keeps the flags. */
void x64_loop_leave(struct x64_compiler *c)
{
    for (unsigned k = 0; c->loop.on && k < c->loop.n_moved; k++) {
        const struct x64_moved *m = &c->loop.moved[k];
        if (m->inside == NO_REG ? m->group == NO_REG : m->written)
            mov_mr(&c->a, true, place_inside(c, k), m->host);
        mov_rm(&c->a, true, m->host, x64_state(c, 8u * m->outside));
    }
}

void x64_loop_begin(struct x64_compiler *c)
{
    enter(c);
    jmp_near(&c->a, c->a.p + 5);
    uint8_t *past = c->a.p;
    c->loop.leave = c->a.p;
    x64_loop_leave(c);
    ret(&c->a);
    c->loop.enter = c->a.p;
    enter(c);
    ret(&c->a);
    le32_put(past - 4, (uint32_t)(c->a.p - past));
    c->loop.top = c->a.p;
    x64_loop_poll(c);
}

void x64_loop_leave_call(struct x64_compiler *c)
{
    if (c->loop.on)
        call_near(&c->a, c->loop.leave);
}

void x64_loop_enter_call(struct x64_compiler *c)
{
    if (c->loop.on)
        call_near(&c->a, c->loop.enter);
}

/* ---- a base reached its limit ---- */

/* RAX: the group's lowest address, RDX: the addend. */
static void keep_page(struct x64_compiler *c, const struct x64_group *g)
{
    mov_mr(&c->a, true, x64_loop_addend(c, g), RDX);
    lea(&c->a, true, RCX, mem_at(RAX, -EDGE));
    alu_ri(&c->a, ALU_CMP, true, RCX, -2 * EDGE);
    uint8_t *edge = jcc_short(&c->a, CC_AE);
    if (g->way > 0)
        alu_ri(&c->a, ALU_OR, true, RAX, 0xfff);
    else
        alu_ri(&c->a, ALU_AND, true, RAX, -4096);
    lea(&c->a, true, RAX, mem_at(RAX, g->way > 0 ? 2 - g->end : -g->min - 1));
    mov_mr(&c->a, true, x64_loop_limit(c, g), RAX);
    jump_here(&c->a, edge);
}

static void reached(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct x64_group *g = &c->group[k->reg3];
    x64_group_look_up(c, k);
    jcc_near(&c->a, CC_E, c->a.p + 6);
    uint8_t *hit = c->a.p;
    x64_group_find_page(c, k);
    le32_put(hit - 4, (uint32_t)(c->a.p - hit));
    keep_page(c, g);
    if (k->addend != NO_REG)
        mov_rr(&c->a, true, k->addend, RDX);
    jmp_near(&c->a, k->back);
}

/* ---- ... of a family ---- */

/* RCX: the limit of a group whose lowest address is RAX and whose index is in `index`. */
static void limit_of(struct x64_compiler *c, const struct x64_group *g, unsigned index)
{
    if (g->way > 0) {
        unary_r(&c->a, UN_NOT, false, RAX);
        alu_ri(&c->a, ALU_AND, false, RAX, 0xfff);
        lea(&c->a, true, RCX, mem_indexed(index, RAX, 0, 1 - (g->end - 1 - g->min)));
    } else {
        alu_ri(&c->a, ALU_AND, false, RAX, 0xfff);
        lea(&c->a, true, RCX, mem_at(index, -1));
        alu_rr(&c->a, ALU_SUB, true, RCX, RAX);
    }
}

/* Looks one page up. What makes a line forgets the limit, and so the next turn looks all of them up once more. */
static void reached_by_one(struct x64_compiler *c, const struct x64_cold *k, const struct x64_group *g)
{
    const struct x64_group *leader = &c->group[g->leader];
    struct x64_mem limit = x64_loop_limit(c, leader);
    struct x64_cold one = *k;
    one.reg3 = (uint8_t)(g - c->group);
    x64_group_look_up(c, &one);
    jcc_near(&c->a, CC_E, c->a.p + 6);
    uint8_t *hit = c->a.p;
    x64_group_find_page(c, &one);
    le32_put(hit - 4, (uint32_t)(c->a.p - hit));
    x64_group_plus(c, g, RCX);
    alu_rr(&c->a, ALU_ADD, true, RDX, RCX);
    mov_mr(&c->a, true, x64_loop_addend(c, g), RDX);
    if (g->addend != NO_REG)
        mov_rr(&c->a, true, g->addend, RDX);
    limit_of(c, g, k->reg);
    uint8_t *farther = NULL;
    if (g != leader) {
        alu_rm(&c->a, ALU_CMP, true, RCX, limit);
        farther = jcc_short(&c->a, g->way > 0 ? CC_GE : CC_LE);
    }
    mov_mr(&c->a, true, limit, RCX);
    if (farther)
        jump_here(&c->a, farther);
}

static void family_reached(struct x64_compiler *c, const struct x64_cold *k)
{
    enum { INDEX_BITS = 62 }; /* of an index that no limit comes round for */
    const struct x64_group *leader = &c->group[k->reg3];
    for (unsigned m = k->reg3; m < c->n_groups; m++)
        if (c->group[m].plus != NO_REG && c->group[m].leader == k->reg3)
            reached_by_one(c, k, &c->group[m]);
    mov_rr(&c->a, true, RCX, k->reg);
    shift_ri(&c->a, SH_SAR, true, RCX, INDEX_BITS);
    alu_ri(&c->a, ALU_ADD, false, RCX, 1);
    alu_ri(&c->a, ALU_CMP, false, RCX, 1);
    jcc_near(&c->a, CC_BE, k->back);
    forget_limit(c, leader);
    jmp_near(&c->a, k->back);
}

/* ---- the check ---- */

static void check_family(struct x64_compiler *c, const struct x64_group *g, unsigned base)
{
    alu_rm(&c->a, ALU_CMP, true, base, x64_loop_limit(c, g));
    jcc_near(&c->a, g->way > 0 ? CC_GE : CC_LE, c->a.p + 6);
    x64_flags_lost(c);
    struct x64_cold *k = x64_cold_add(c, family_reached);
    k->from = k->back = c->a.p;
    k->reg = (uint8_t)base;
    k->reg3 = (uint8_t)(g - c->group);
    k->vectors = x64_vectors_live(c);
}

void x64_loop_check(struct x64_compiler *c, const struct x64_group *g, unsigned base, unsigned addend)
{
    if (g->plus != NO_REG) {
        if (&c->group[g->leader] == g)
            check_family(c, g, base);
        else
            c->cc_kept = true;
        if (g->addend == NO_REG)
            mov_rm(&c->a, true, addend, x64_loop_addend(c, g));
        return;
    }
    alu_rm(&c->a, ALU_CMP, true, base, x64_loop_limit(c, g));
    jcc_near(&c->a, g->way > 0 ? CC_AE : CC_BE, c->a.p + 6);
    x64_flags_lost(c);
    struct x64_cold *k = x64_cold_add(c, reached);
    k->from = c->a.p;
    k->reg = (uint8_t)base;
    k->reg3 = (uint8_t)(g - c->group);
    k->addend = (uint8_t)addend;
    k->vectors = x64_vectors_live(c);
    if (g->addend == NO_REG)
        mov_rm(&c->a, true, addend, x64_loop_addend(c, g));
    k->back = c->a.p;
}
