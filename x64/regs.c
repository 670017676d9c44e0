/*
 * regs.c - which host register holds which value.
 *
 * Invariant: owner[r] == v exactly if value[v].reg == r. A value that is still needed is in at least one place: register,
 * slot, home, or it is a constant. Evicting a value that has another place costs nothing; otherwise it is spilled.
 *
 * Pinned guest registers
 *   Some guest registers (struct x64_config.pin) live in host registers in all translated code. Such a register always holds what
 *   the guest's does, and is never given out. A GET of it costs nothing: the value is bound to the pinned register itself. Before
 *   the guest register changes, a value in it that is needed later moves to another register (lost). A SET is a move, or
 *   nothing: a result that a SET will want soon, with nothing in between that could look at the guest register, is
 *   computed in place ("target", found while last uses are).
 *   Stubs store the pinned registers to the state before C code runs, and load them again after it.
 *
 *   RDX is what look-ups, divisions and calls work with. Between two of these it holds values that are gone before the second (may_be_in_rdx):
 *   most of what is computed.
 *
 *   Vector registers likewise, in xmm8..15 and, with AVX-512, xmm16..31. Most code has nothing to do with them and should not
 *   pay for that: they are in the state until a block comes that touches one, which loads all of them (x64_compile), and
 *   FRAME_V_HERE tells the stubs. Only some emitters can name xmm16..31 (x64_any_v, x64_def_any_v); for the others a value
 *   there is copied, which costs next to nothing.
 */
#include "x64/compile.h"
#include <stdlib.h>

static_assert(X64_HOMES % 64 == 0 && IR_STATE_X_BYTES / 8 < 64, "words of c->homes");

/* Addends of groups are values without an instruction: integers. */
static bool is_addend(ir_ref ref)
{
    return ref >= IR_MAX_INSNS;
}

static bool is_vector(const struct x64_compiler *c, ir_ref ref)
{
    return !is_addend(ref) && ir_ops[c->ir->insn[ref].op].result == IR_V128;
}

static struct x64_class *class_of(struct x64_compiler *c, ir_ref ref)
{
    return is_vector(c, ref) ? &c->xmm : &c->gpr;
}

static bool is_pin(const struct x64_class *k, unsigned reg)
{
    return reg != NO_REG && k->pins >> reg & 1;
}

static void class_init(struct x64_class *k, uint32_t registers, uint32_t pins)
{
    memset(k->owner, 0, sizeof k->owner);
    memset(k->twin, 0, sizeof k->twin);
    k->free = k->allocatable = registers & ~pins;
    k->pins = pins;
    k->busy = 0;
    k->n_slots = k->used_slots = 0;
}

void x64_regs_init(struct x64_compiler *c)
{
    class_init(&c->gpr, X64_GPRS, c->pins.hosts);
    class_init(&c->xmm, X64_XMMS, c->pins.v_hosts);
    for (unsigned w = 0; w < ARRAY_SIZE(c->homes); w++) {
        for (; c->homes[w]; c->homes[w] &= c->homes[w] - 1)
            c->home_owner[64 * w + (unsigned)__builtin_ctzll(c->homes[w])] = 0;
    }
}

/* ---- slots ---- */

static unsigned slot_take(struct x64_compiler *c, struct x64_class *k)
{
    if (k->n_slots)
        return k->slots[--k->n_slots];
    if (k->used_slots == N_SLOTS) {
        c->failed = true;
        return 0;
    }
    return k->used_slots++;
}

static struct x64_mem slot_mem(const struct x64_compiler *c, unsigned slot, bool vector)
{
    return x64_frame(c, (int32_t)(vector ? FRAME_VSLOTS + 16 * slot : FRAME_SLOTS + 8 * slot));
}

/* ---- moving values ---- */

/* Where in memory the value is; it has a slot or a home. */
static struct x64_mem value_mem(const struct x64_compiler *c, ir_ref ref)
{
    const struct x64_value *v = &c->value[ref];
    return v->home ? x64_state(c, v->home - 1u) : slot_mem(c, v->slot - 1u, is_vector(c, ref));
}

/* Homes of these are 4 bytes wide, zero-extended when read. */
static bool narrow_home(const struct x64_compiler *c, ir_ref ref)
{
    return c->value[ref].home && (c->ir->insn[ref].op == IR_GET32 || ir_ops[c->ir->insn[ref].op].result == IR_FLAGS);
}

static void load_const(struct x64_compiler *c, unsigned r, uint64_t v)
{
    if (v == 0 && c->cc == 0)
        alu_rr(&c->a, ALU_XOR, false, r, r);
    else
        mov_ri(&c->a, r, v);
}

static bool constant(const struct x64_compiler *c, ir_ref ref, uint64_t *v)
{
    const struct ir_insn *i = &c->ir->insn[is_addend(ref) ? 0 : ref];
    if (i->op == IR_FCONST)
        *v = ir_flags_from_nzcv((uint32_t)i->imm << 28);
    else if (i->op == IR_CONST)
        *v = i->imm;
    else
        return false;
    return true;
}

void x64_load_into(struct x64_compiler *c, ir_ref ref, unsigned reg)
{
    const struct x64_value *v = &c->value[ref];
    uint64_t k;
    if (v->reg != NO_REG)
        mov_rr(&c->a, true, reg, v->reg);
    else if (constant(c, ref, &k))
        load_const(c, reg, k);
    else
        mov_rm(&c->a, !narrow_home(c, ref), reg, value_mem(c, ref));
}

void x64_load_into_v(struct x64_compiler *c, ir_ref ref, unsigned reg)
{
    if (c->value[ref].reg != NO_REG)
        movaps_rr(&c->a, reg, c->value[ref].reg);
    else
        movups_rm(&c->a, reg, value_mem(c, ref));
}

struct x64_operand x64_place(const struct x64_compiler *c, ir_ref ref)
{
    struct x64_operand o = {.kind = OPERAND_IMM};
    const struct x64_value *v = &c->value[ref];
    if (constant(c, ref, &o.value))
        return o;
    o.kind = v->reg != NO_REG ? OPERAND_REG : OPERAND_MEM;
    o.reg = v->reg;
    if (o.kind == OPERAND_MEM) {
        assert(v->home || v->slot);
        o.mem = value_mem(c, ref);
        o.narrow = narrow_home(c, ref);
    }
    return o;
}

static bool has_copy(const struct x64_compiler *c, ir_ref ref)
{
    uint64_t k;
    return c->value[ref].home || c->value[ref].slot || constant(c, ref, &k);
}

static void spill(struct x64_compiler *c, struct x64_class *k, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    v->slot = (uint16_t)(slot_take(c, k) + 1);
    if (k == &c->xmm)
        movups_mr(&c->a, slot_mem(c, v->slot - 1u, true), v->reg);
    else
        mov_mr(&c->a, true, slot_mem(c, v->slot - 1u, false), v->reg);
}

/* ---- choosing ---- */

static uint64_t next_random(struct x64_compiler *c)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return c->random;
}

static unsigned pick(struct x64_compiler *c, uint32_t set)
{
    if (c->random)
        for (unsigned skip = next_random(c) % (unsigned)__builtin_popcount(set); skip; skip--)
            set &= set - 1;
    return (unsigned)__builtin_ctz(set);
}

/* The register to take from somebody: one whose value can be had back for nothing, then the one needed last. */
static unsigned victim(struct x64_compiler *c, const struct x64_class *k)
{
    uint32_t set = k->allocatable & ~k->busy;
    unsigned best = NO_REG, best_score = 0;
    assert(set);
    if (c->random)
        return pick(c, set);
    for (; set; set &= set - 1) {
        unsigned r = (unsigned)__builtin_ctz(set);
        ir_ref v = k->owner[r];
        unsigned score = c->value[v].last + (has_copy(c, v) ? IR_MAX_INSNS : 0) + 1;
        if (score > best_score)
            best = r, best_score = score;
    }
    return best;
}

/* Is the value gone before the next operation that uses RDX itself, a look-up for example? */
static bool may_be_in_rdx(const struct x64_compiler *c, ir_ref ref)
{
    return c->value[ref].last < c->value[c->n].rdx_until;
}

static bool rdx_will_do(const struct x64_compiler *c, const struct x64_class *k, ir_ref ref)
{
    return k == &c->gpr && c->host->rdx && !k->owner[RDX] && !(k->busy >> RDX & 1) && may_be_in_rdx(c, ref);
}

static unsigned take(struct x64_compiler *c, struct x64_class *k, ir_ref ref)
{
    unsigned r;
    if (rdx_will_do(c, k, ref)) {
        r = RDX;
    } else if (k->free) {
        r = pick(c, k->free);
    } else {
        r = victim(c, k);
        ir_ref v = k->owner[r];
        if (!has_copy(c, v))
            spill(c, k, v);
        c->value[v].reg = NO_REG;
    }
    k->free &= ~(1u << r);
    k->busy |= 1u << r;
    k->owner[r] = 0;
    return r;
}

static void bind(struct x64_compiler *c, struct x64_class *k, ir_ref ref, unsigned r)
{
    k->owner[r] = ref;
    c->value[ref].reg = (uint8_t)r;
}

static void give_up(struct x64_compiler *c, struct x64_class *k, ir_ref ref)
{
    unsigned r = c->value[ref].reg;
    k->owner[r] = 0;
    k->free |= 1u << r & k->allocatable;
    c->value[ref].reg = NO_REG;
}

/* The pinned register that holds the value as well, and no other. */
static unsigned twin_of(const struct x64_class *k, ir_ref ref)
{
    for (uint32_t pins = k->pins; pins; pins &= pins - 1) {
        unsigned pin = (unsigned)__builtin_ctz(pins);
        if (k->twin[pin] == ref && !k->owner[pin])
            return pin;
    }
    return NO_REG;
}

/* The pinned register is about to change. */
static void lost(struct x64_compiler *c, struct x64_class *k, unsigned pin)
{
    ir_ref ref = k->owner[pin];
    k->twin[pin] = 0;
    if (!ref)
        return;
    give_up(c, k, ref);
    if (c->value[ref].last <= c->n)
        return;
    unsigned twin = c->host->twin ? twin_of(k, ref) : NO_REG;
    if (twin != NO_REG) {
        bind(c, k, ref, twin);
        return;
    }
    if (has_copy(c, ref))
        return;
    uint32_t busy = k->busy;
    unsigned r = take(c, k, ref);
    k->busy = busy;
    if (k == &c->xmm)
        movaps_rr(&c->a, r, pin);
    else
        mov_rr(&c->a, true, r, pin);
    bind(c, k, ref, r);
}

/* A register for the current operation's result: where a SET will want it, unless an operand is there. */
static unsigned take_for_result(struct x64_compiler *c, struct x64_class *k, unsigned registers)
{
    unsigned target = c->value[c->n].target;
    if (target >= registers || k->busy >> target & 1)
        return take(c, k, (ir_ref)c->n);
    lost(c, k, target);
    k->busy |= 1u << target;
    return target;
}

unsigned x64_use(struct x64_compiler *c, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    if (v->reg == NO_REG) {
        unsigned r = take(c, &c->gpr, ref);
        x64_load_into(c, ref, r);
        bind(c, &c->gpr, ref, r);
    }
    c->gpr.busy |= 1u << v->reg;
    return v->reg;
}

unsigned x64_any_v(struct x64_compiler *c, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    if (v->reg == NO_REG) {
        unsigned r = take(c, &c->xmm, ref);
        x64_load_into_v(c, ref, r);
        bind(c, &c->xmm, ref, r);
    }
    c->xmm.busy |= 1u << v->reg;
    return v->reg;
}

unsigned x64_use_v(struct x64_compiler *c, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    if (v->reg != NO_REG && v->reg >= 16) {
        unsigned r = take(c, &c->xmm, ref);
        movaps_rr(&c->a, r, v->reg);
        give_up(c, &c->xmm, ref);
        bind(c, &c->xmm, ref, r);
    }
    return x64_any_v(c, ref);
}

unsigned x64_bind_new(struct x64_compiler *c, ir_ref ref)
{
    unsigned r = take(c, &c->gpr, ref);
    bind(c, &c->gpr, ref, r);
    return r;
}

unsigned x64_def(struct x64_compiler *c)
{
    unsigned r = take_for_result(c, &c->gpr, 16);
    bind(c, &c->gpr, (ir_ref)c->n, r);
    return r;
}

unsigned x64_def_v(struct x64_compiler *c)
{
    unsigned r = take_for_result(c, &c->xmm, 16);
    bind(c, &c->xmm, (ir_ref)c->n, r);
    return r;
}

unsigned x64_def_any_v(struct x64_compiler *c)
{
    unsigned r = take_for_result(c, &c->xmm, 32);
    bind(c, &c->xmm, (ir_ref)c->n, r);
    return r;
}

/* The register of a value that dies here, handed on to the result. */
static unsigned inherit(struct x64_compiler *c, struct x64_class *k, ir_ref ref)
{
    unsigned r = c->value[ref].reg;
    c->value[ref].reg = NO_REG;
    bind(c, k, (ir_ref)c->n, r);
    k->busy |= 1u << r;
    return r;
}

unsigned x64_def_over(struct x64_compiler *c, ir_ref ref)
{
    unsigned was = c->value[ref].reg;
    if (was != NO_REG && x64_dies(c, ref))
        return inherit(c, &c->gpr, ref);
    unsigned r = take_for_result(c, &c->gpr, 16);
    if (r != was)
        x64_load_into(c, ref, r);
    bind(c, &c->gpr, (ir_ref)c->n, r);
    return r;
}

unsigned x64_def_over_v(struct x64_compiler *c, ir_ref ref)
{
    unsigned was = c->value[ref].reg;
    if (was < 16 && x64_dies(c, ref))
        return inherit(c, &c->xmm, ref);
    unsigned r = take_for_result(c, &c->xmm, 16);
    if (r != was)
        x64_load_into_v(c, ref, r);
    bind(c, &c->xmm, (ir_ref)c->n, r);
    return r;
}

unsigned x64_def_in_v(struct x64_compiler *c, ir_ref a, ir_ref b)
{
    unsigned target = c->value[c->n].target;
    const ir_ref operands[2] = {c->value[b].reg == target ? b : a, c->value[b].reg == target ? a : b};
    for (unsigned k = 0; k < 2 && c->host->over; k++)
        if (x64_where(c, operands[k]) != NO_REG && x64_dies(c, operands[k]))
            return inherit(c, &c->xmm, operands[k]);
    return x64_def_any_v(c);
}

unsigned x64_where(const struct x64_compiler *c, ir_ref ref)
{
    return c->value[ref].reg;
}

static bool ends(const struct x64_compiler *c, ir_ref ref)
{
    return c->value[ref].last <= c->n;
}

bool x64_in_pin(const struct x64_compiler *c, ir_ref ref)
{
    return is_pin(&c->gpr, c->value[ref].reg);
}

bool x64_dies(const struct x64_compiler *c, ir_ref ref)
{
    const struct x64_class *k = is_vector(c, ref) ? &c->xmm : &c->gpr;
    unsigned reg = c->value[ref].reg, target = c->value[c->n].target;
    if (!ends(c, ref) || reg == target)
        return ends(c, ref);
    if (k == &c->gpr && reg == RDX && !may_be_in_rdx(c, (ir_ref)c->n))
        return false;
    return !is_pin(k, reg) && (target == NO_REG || k->busy >> target & 1); /* else the result had better be made in its target */
}

bool x64_imm32(const struct x64_compiler *c, ir_ref ref, bool wide, int32_t *imm)
{
    uint64_t v;
    if (c->ir->insn[ref].op != IR_CONST)
        return false;
    v = c->ir->insn[ref].imm;
    *imm = (int32_t)v;
    return !wide || (int64_t)v == (int32_t)v;
}

struct x64_operand x64_operand(struct x64_compiler *c, ir_ref ref, bool wide)
{
    struct x64_operand o = {.kind = OPERAND_REG};
    const struct x64_value *v = &c->value[ref];
    if (x64_imm32(c, ref, wide, &o.imm)) {
        o.kind = OPERAND_IMM;
    } else if (v->reg == NO_REG && (v->home || v->slot) && (ends(c, ref) || !c->gpr.free) && !(wide && narrow_home(c, ref))) {
        o.kind = OPERAND_MEM;
        o.mem = value_mem(c, ref);
    } else {
        o.reg = x64_use(c, ref);
    }
    return o;
}

struct x64_operand x64_operand_v(struct x64_compiler *c, ir_ref ref)
{
    struct x64_operand o = {.kind = OPERAND_REG};
    const struct x64_value *v = &c->value[ref];
    if (v->reg == NO_REG && ends(c, ref)) {
        o.kind = OPERAND_MEM;
        o.mem = value_mem(c, ref);
    } else {
        o.reg = x64_use_v(c, ref);
    }
    return o;
}

/* ---- homes ---- */

/* Takes the home of a value away; it is loaded first if it lives nowhere else and is still needed. */
static void unhome(struct x64_compiler *c, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    uint64_t k;
    if (v->last > c->n && v->reg == NO_REG && !v->slot && !constant(c, ref, &k)) {
        uint32_t gprs = c->gpr.busy, xmms = c->xmm.busy; /* there may be more of them than registers */
        if (is_vector(c, ref))
            x64_use_v(c, ref);
        else
            x64_use(c, ref);
        c->gpr.busy = gprs, c->xmm.busy = xmms;
    }
    v->home = 0;
}

void x64_home_lost(struct x64_compiler *c, uint64_t offset, unsigned bytes, ir_ref writer)
{
    for (uint64_t at = align_down(offset, 8); at < offset + bytes && at / 8 < X64_HOMES; at += 8) {
        ir_ref owner = c->home_owner[at / 8];
        c->home_owner[at / 8] = 0;
        if (owner && owner != writer && c->value[owner].home)
            unhome(c, owner);
        else if (owner && owner == writer)
            c->value[owner].home = 0; /* it is in a register: about to be stored */
    }
}

void x64_home_set(struct x64_compiler *c, uint64_t offset, unsigned bytes, ir_ref ref)
{
    if (offset + bytes > 8 * X64_HOMES || c->value[ref].home)
        return;
    c->value[ref].home = (uint16_t)(offset + 1);
    for (uint64_t at = align_down(offset, 8); at < offset + bytes; at += 8) {
        c->home_owner[at / 8] = ref;
        c->homes[at / 512] |= BIT(at / 8 % 64);
    }
}

void x64_homes_lost(struct x64_compiler *c, bool all)
{
    for (unsigned w = 0; w < ARRAY_SIZE(c->homes); w++)
        for (uint64_t set = c->homes[w] & (all || w ? ~UINT64_C(0) : ~ones(IR_STATE_X_BYTES / 8)); set; set &= set - 1) {
            unsigned i = 64 * w + (unsigned)__builtin_ctzll(set);
            ir_ref owner = c->home_owner[i];
            if (!owner || (!all && ir_ops[c->ir->insn[owner].op].result != IR_I64))
                continue;
            c->home_owner[i] = 0;
            if (c->value[owner].home)
                unhome(c, owner);
        }
    if (all) { /* none is left to go to */
        memset(c->gpr.twin, 0, sizeof c->gpr.twin);
        memset(c->xmm.twin, 0, sizeof c->xmm.twin);
    }
    for (uint32_t pins = all ? c->gpr.pins : 0; pins; pins &= pins - 1)
        lost(c, &c->gpr, (unsigned)__builtin_ctz(pins));
    for (uint32_t pins = all ? c->xmm.pins : 0; pins; pins &= pins - 1)
        lost(c, &c->xmm, (unsigned)__builtin_ctz(pins));
}

/* ---- pinned guest registers ---- */

/* First those that stubs have to save anyway. The others must suffice for the operation with the most operands: three. */
static const uint8_t pin_hosts[] = {RSI, RDI, R8, R9, R10, R11, RBX};
static_assert(ARRAY_SIZE(pin_hosts) <= X64_MAX_PINS, "");

void x64_pins_choose(struct x64_pins *p, const struct x64_config *config)
{
    memset(p->host, NO_REG, sizeof p->host);
    p->hosts = 0;
    for (unsigned i = 0; x64_host()->pin && i < MIN(config->n_pins, (unsigned)ARRAY_SIZE(pin_hosts)); i++) {
        p->host[config->pin[i] / 8] = pin_hosts[i];
        p->hosts |= 1u << pin_hosts[i];
    }
    enum { FIRST = 8 }; /* five below are left, for operations with four operands */
    unsigned end = x64_host()->avx512vl ? 32 : 16;
    memset(p->v_host, NO_REG, sizeof p->v_host);
    p->v_hosts = 0;
    bool random = getenv("POME_RANDOM_SEED"); /* tests have few: then the others' turn */
    for (unsigned i = 0; x64_host()->vpin && i < config->n_v_pins && FIRST + i < end; i++) {
        unsigned host = random ? end - 1 - i : FIRST + i;
        p->v_host[config->v_pin[i]] = (uint8_t)host;
        p->v_hosts |= 1u << host;
    }
}

/* Of the 8, or for vectors 16, bytes at offset. */
static bool touches(const struct ir_insn *i, uint64_t offset, unsigned bytes)
{
    return i->op != IR_PC && i->imm < offset + bytes && i->imm + 16 > offset;
}

void x64_pin_target(struct x64_compiler *c, unsigned n)
{
    enum { FAR = 16 };
    const struct ir_insn *set = &c->ir->insn[n], *made = &c->ir->insn[set->a];
    if (ir_ops[made->op].effects & IR_EFF_READ || made->op == IR_CONST || n - set->a > FAR)
        return;
    for (unsigned k = set->a + 1u; k < n; k++) {
        const struct ir_insn *i = &c->ir->insn[k];
        uint16_t effects = ir_ops[i->op].effects;
        if (effects & (IR_EFF_RAISE | IR_EFF_CALL | IR_EFF_EXIT | IR_EFF_SIDE_EXIT) ||
            (effects & (IR_EFF_READ | IR_EFF_WRITE) && touches(i, set->imm, set->op == IR_SETV ? 16 : 8)))
            return;
    }
    c->value[set->a].target = (uint8_t)(set->op == IR_SETV ? x64_pin_v(c, set->imm) : x64_pin(c, set->imm));
}

void x64_pin_lost(struct x64_compiler *c, unsigned pin)
{
    lost(c, &c->gpr, pin);
}

void x64_pin_get(struct x64_compiler *c, unsigned pin)
{
    unsigned r = pin;
    if (c->gpr.owner[pin]) { /* by another value that is the same now, but may live longer */
        r = take(c, &c->gpr, (ir_ref)c->n);
        mov_rr(&c->a, true, r, pin);
    }
    bind(c, &c->gpr, (ir_ref)c->n, r);
}

void x64_pin_set(struct x64_compiler *c, unsigned pin, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    uint64_t k;
    if (v->reg == pin)
        return;
    if (v->reg != NO_REG)
        c->gpr.busy |= 1u << v->reg;
    lost(c, &c->gpr, pin);
    x64_load_into(c, ref, pin);
    if (v->last <= c->n || constant(c, ref, &k))
        return;
    if (is_pin(&c->gpr, v->reg)) {
        c->gpr.twin[pin] = ref;
        return;
    }
    if (v->reg != NO_REG)
        give_up(c, &c->gpr, ref);
    bind(c, &c->gpr, ref, pin);
}

void x64_pin_get_v(struct x64_compiler *c, unsigned pin)
{
    if (!c->xmm.owner[pin]) {
        bind(c, &c->xmm, (ir_ref)c->n, pin);
        return;
    }
    unsigned r = take(c, &c->xmm, (ir_ref)c->n);
    movaps_rr(&c->a, r, pin);
    bind(c, &c->xmm, (ir_ref)c->n, r);
}

/* A value that is in another register stays there: all emitters can use it. */
void x64_pin_set_v(struct x64_compiler *c, unsigned pin, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    if (v->reg == pin)
        return;
    if (v->reg != NO_REG)
        c->xmm.busy |= 1u << v->reg;
    lost(c, &c->xmm, pin);
    x64_load_into_v(c, ref, pin);
    if (v->last <= c->n)
        return;
    if (v->reg != NO_REG) {
        c->xmm.twin[pin] = is_pin(&c->xmm, v->reg) ? ref : 0;
        return;
    }
    bind(c, &c->xmm, ref, pin);
}

/* ---- the end of an operation ---- */

static void release(struct x64_compiler *c, ir_ref ref);

/* Gives back what a value that died has. */
static void let_go(struct x64_compiler *c, ir_ref ref)
{
    struct x64_value *v = &c->value[ref];
    const struct ir_insn *i = &c->ir->insn[is_addend(ref) ? 0 : ref];
    struct x64_class *k = class_of(c, ref);
    if (v->reg != NO_REG)
        give_up(c, k, ref);
    if (v->slot) {
        k->slots[k->n_slots++] = (uint16_t)(v->slot - 1);
        v->slot = 0;
    }
    v->home = 0;
    if (v->fused || (!is_addend(ref) && x64_flags_lazy(c, ref))) { /* what it would have been recomputed from */
        release(c, i->a);
        release(c, i->b);
    }
}

static inline void release(struct x64_compiler *c, ir_ref ref)
{
    if (ref && c->value[ref].last <= c->n)
        let_go(c, ref);
}

void x64_op_end(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    release(c, i->a);
    if (i->op != IR_EXIT_COND)
        release(c, i->b);
    release(c, i->c);
    if (c->value[c->n].group) {
        release(c, x64_group_of(c, c->n)->base);
        release(c, x64_addend_of(c, c->n));
    }
    release(c, (ir_ref)c->n);
    c->gpr.busy = c->xmm.busy = 0;
}

bool x64_vectors_live(const struct x64_compiler *c)
{
    for (uint32_t busy = c->xmm.allocatable & ~c->xmm.free; busy; busy &= busy - 1) {
        ir_ref v = c->xmm.owner[__builtin_ctz(busy)];
        if (v && v != c->n && c->value[v].last > c->n)
            return true;
    }
    return false;
}
