/* emit_vec_move.c - vector lanes, permutations, table lookups, widening and narrowing. All need AVX. */
#include "x64/vec.h"

enum {
    PINSRB = V3A(0x20), PINSRW = V0F(0xc4), PINSRD = V3A(0x22),
    PEXTRB = V3A(0x14), PEXTRW = V0F(0xc5), PEXTRD = V3A(0x16),
    INSERTPS = V3A(0x21), SHUFPD = V0F(0xc6), PBLENDVB = V3A(0x4c),
};

/* ---- lanes and general registers ---- */

static void insert_lane(struct x64_compiler *c, unsigned size, unsigned d, unsigned a, unsigned general, unsigned lane)
{
    static const uint32_t v[4] = {PINSRB, PINSRW, PINSRD, PINSRQ};
    vrri(c, v[size], d, a, general, lane);
}

/* To a general register, zero-extended. PEXTRW alone has the general register in ModRM.reg. */
static void extract_lane(struct x64_compiler *c, unsigned size, unsigned general, unsigned a, unsigned lane)
{
    if (lane == 0 && size >= 2)
        movd_rv(&c->a, size == 3, general, a);
    else if (size == 1)
        vrri(c, PEXTRW, general, 0, a, lane);
    else
        vrri(c, size == 0 ? PEXTRB : size == 2 ? PEXTRD : PEXTRQ, a, 0, general, lane);
}

static bool is_const(const struct x64_compiler *c, ir_ref r)
{
    return c->ir->insn[r].op == IR_CONST;
}

static bool is_known(const struct x64_compiler *c, ir_ref r)
{
    const struct ir_insn *i = &c->ir->insn[r];
    return i->op == IR_VFROM64X2 && is_const(c, i->a) && is_const(c, i->b);
}

/* Cold "code": 16 bytes that the instruction before k->from reads. */
static void put_known(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct ir_insn *i = &c->ir->insn[k->n];
    put64(&c->a, c->ir->insn[i->a].imm);
    put64(&c->a, c->ir->insn[i->b].imm);
}

/* The known vector as an operand, whose place comes once the instruction is there: known_end. */
static struct x64_mem known(const struct x64_compiler *c)
{
    return mem_code((int32_t)(c->a.p - c->a.base));
}

static void known_end(struct x64_compiler *c, ir_ref r)
{
    struct x64_cold *k = x64_cold_add(c, put_known);
    k->from = c->a.p;
    k->n = r;
}

static bool from_two(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    if (is_known(c, (ir_ref)c->n)) {
        movups_rm(&c->a, x64_def_v(c), known(c));
        known_end(c, (ir_ref)c->n);
        return true;
    }
    unsigned a = x64_use(c, i->a), b = x64_use(c, i->b), d = x64_def_v(c);
    movd_vr(&c->a, true, d, a);
    insert_lane(c, 3, d, d, b, 1);
    return true;
}

static bool lane(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = x64_def(c);
    extract_lane(c, vec_size(i), d, a, vec_n(i));
    return true;
}

static bool insert(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use(c, i->b), d = vec_result(c, i->a);
    insert_lane(c, vec_size(i), d, a, b, vec_n(i));
    return true;
}

static bool insert_from_lane(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), to = vec_n(i) & 15, from = vec_n(i) >> 4;
    if (size == 2 && to == 0 && ir_is_zero(c->ir, i->a)) {
        unsigned b = x64_use_v(c, i->b), d = vec_result(c, i->b);
        vrri(c, INSERTPS, d, b, b, from << 6 | 0xe);
        return true;
    }
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (size == 3) {
        if (to == 0)
            vrri(c, SHUFPD, d, b, a, from | 2);
        else
            vrri(c, SHUFPD, d, a, b, from << 1);
    } else if (size == 2) {
        vrri(c, INSERTPS, d, a, b, from << 6 | to << 4);
    } else {
        extract_lane(c, size, RAX, b, from);
        insert_lane(c, size, d, a, RAX, to);
    }
    return true;
}

/* ---- copies in all lanes ---- */

static void broadcast(struct x64_compiler *c, unsigned size, unsigned d, unsigned a)
{
    if (size == 3)
        vrr(c, PUNPCKLQDQ, d, a, a);
    else if (size == 2)
        vrri(c, PSHUFD, d, 0, a, 0);
    else
        vrr(c, size ? V38(0x79) : V38(0x78), d, 0, a); /* VPBROADCASTW, B: AVX2 */
}

static bool dup(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    if (size < 2 && !c->host->avx2)
        return false;
    unsigned a = x64_use(c, i->a), d = x64_def_v(c);
    movd_vr(&c->a, size == 3, d, a);
    broadcast(c, size, d, d);
    return true;
}

static bool dup_lane(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), n = vec_n(i);
    if (size < 2 && !c->host->avx2)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (size == 3) {
        vrri(c, PSHUFD, d, 0, a, n ? 0xee : 0x44);
    } else if (size == 2) {
        vrri(c, PSHUFD, d, 0, a, n * 0x55);
    } else {
        if (n) {
            vshift(c, SHIFT_BYTES_RIGHT, 3, XMM0, a, n << size);
            a = XMM0;
        }
        broadcast(c, size, d, a);
    }
    return true;
}

static bool keep(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    vkeep(c, vec_size(i), d, a);
    return true;
}

static bool high(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    vshift(c, SHIFT_BYTES_RIGHT, 3, d, a, 8);
    return true;
}

/* ---- permutations ---- */

static bool ext(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vrri(c, PALIGNR, d, b, a, vec_n(i));
    return true;
}

static bool transpose(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), bits = 8u << size;
    bool second = i->op == IR_VTRN2;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (size == 2) {
        vrri(c, SHUFPS, XMM0, a, b, second ? 0xdd : 0x88);
        vrri(c, PSHUFD, d, 0, XMM0, 0xd8);
        return true;
    }
    if (second) { /* odd elements: a's moved down, b's stay */
        vshift(c, SHIFT_RIGHT, size + 1, XMM0, a, bits);
        vshift(c, SHIFT_RIGHT, size + 1, XMM1, b, bits);
        vshift(c, SHIFT_LEFT, size + 1, XMM1, XMM1, bits);
    } else {
        vshift(c, SHIFT_LEFT, size + 1, XMM0, b, bits);
        vshift(c, SHIFT_LEFT, size + 1, XMM1, a, bits);
        vshift(c, SHIFT_RIGHT, size + 1, XMM1, XMM1, bits);
    }
    vrr(c, POR, d, XMM0, XMM1);
    return true;
}

static bool reverse(struct x64_compiler *c)
{
    static const uint16_t order[4] = {0, CODE_REV16, CODE_REV32, CODE_REV64};
    const struct ir_insn *i = x64_insn(c);
    if (vec_n(i) <= vec_size(i) || vec_n(i) > 3)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (vec_size(i) == 2)
        vrri(c, PSHUFD, d, 0, a, 0xb1);
    else
        vrc(c, PSHUFB, d, a, order[vec_n(i)] + 16 * vec_size(i));
    return true;
}

/* Known indices, each of which PSHUFB takes as VTBX does. */
static bool indices_fit(const struct x64_compiler *c, ir_ref index)
{
    const struct ir_insn *i = &c->ir->insn[index];
    if (!is_known(c, index))
        return false;
    for (unsigned k = 0; k < 16; k++) {
        unsigned byte = c->ir->insn[k < 8 ? i->a : i->b].imm >> 8 * (k % 8) & 0xff;
        if (byte > 15 && byte < 128)
            return false;
    }
    return true;
}

/* PSHUFB looks at the low four bits of an index and gives zero if bit 7 is set: adding 0x70 with saturation sets it for
 * indices above 15. Where the fallback is not zero, the same bit selects it. */
static bool table(struct x64_compiler *c)
{
    static const uint8_t x16[3][16] __attribute__((aligned(16))) = {
        {16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16},
        {32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32},
        {48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48}};
    const struct ir_insn *i = x64_insn(c);
    unsigned base = vec_n(i);
    if (base % 16 || base > 48)
        return false;
    bool zero = ir_is_zero(c->ir, i->a);
    if (c->value[i->c].fused) {
        unsigned from = x64_use_v(c, i->b), to = vec_result(c, i->b);
        vex_rrm(&c->a, PSHUFB, to, from, known(c));
        known_end(c, i->c);
        return true;
    }
    unsigned b = x64_use_v(c, i->b), index = x64_use_v(c, i->c), a = zero ? 0 : x64_use_v(c, i->a);
    unsigned d = zero ? x64_def_v(c) : vec_result(c, i->a);
    if (zero && !base && indices_fit(c, i->c)) {
        vrr(c, PSHUFB, d, b, index);
        return true;
    }
    if (base) {
        vrt(c, PSUBB, XMM0, index, x16[base / 16 - 1]);
        index = XMM0;
    }
    vrc(c, PADDUSB, XMM0, index, CODE_ABOVE_15);
    if (zero) {
        vrr(c, PSHUFB, d, b, XMM0);
        return true;
    }
    vrr(c, PSHUFB, XMM1, b, XMM0);
    vrri(c, PBLENDVB, d, XMM1, a, XMM0 << 4);
    return true;
}

/* ---- widths ---- */

static uint32_t extend_opcode(bool is_signed, unsigned size)
{
    static const uint32_t sx[3] = {V38(0x20), V38(0x23), V38(0x25)}, zx[3] = {V38(0x30), V38(0x33), V38(0x35)};
    return is_signed ? sx[size] : zx[size];
}

/* An operand; high: the upper half of what is in the register. */
struct half {
    ir_ref ref;
    unsigned reg;
    bool high;
};

static struct half use_half(struct x64_compiler *c, ir_ref ref)
{
    bool high = c->value[ref].fused;
    struct half h = {.ref = high ? c->ir->insn[ref].a : ref, .high = high};
    h.reg = x64_use_v(c, h.ref);
    return h;
}

static bool takes_high(const struct ir_insn *i)
{
    switch (i->op) {
    case IR_VZXL: case IR_VUMULL: return true;
    case IR_VSMULL: return vec_size(i) > 0;
    default: return false;
    }
}

bool x64_vec_takes(const struct x64_compiler *c, const struct ir_insn *i, ir_ref operand)
{
    if (!c->host->high || !c->host->avx)
        return false;
    if (i->op == IR_VTBX)
        return operand == i->c && operand != i->b && vec_n(i) == 0 && ir_is_zero(c->ir, i->a) && indices_fit(c, operand);
    return takes_high(i) && c->ir->insn[operand].op == IR_VHIGH;
}

/* d = the half's elements, twice as wide. Changes XMM2. */
static void extend(struct x64_compiler *c, bool is_signed, unsigned size, unsigned d, struct half h)
{
    if (!h.high) {
        vrr(c, extend_opcode(is_signed, size), d, 0, h.reg);
        return;
    }
    vzero(c, XMM2);
    vrr(c, V0F(0x68 + size), d, h.reg, XMM2); /* PUNPCKHBW, HWD, HDQ */
}

/* The upper half as the lower one of XMM2. */
static void lower(struct x64_compiler *c, struct half *h)
{
    vshift(c, SHIFT_BYTES_RIGHT, 3, XMM2, h->reg, 8);
    h->reg = XMM2;
    h->high = false;
}

static bool widen(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    struct half a = use_half(c, i->a);
    unsigned d = vec_result(c, a.ref);
    extend(c, i->op == IR_VSXL, vec_size(i), d, a);
    return true;
}

static bool multiply_long(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    bool is_signed = i->op == IR_VSMULL;
    struct half a = use_half(c, i->a), b = use_half(c, i->b);
    unsigned d = vec_result(c, a.ref);
    if (size == 1) { /* the products' halves, which PMULLD takes twice as long for */
        if (a.high != b.high)
            lower(c, a.high ? &a : &b);
        vrr(c, PMULLW, XMM0, a.reg, b.reg);
        vrr(c, is_signed ? V0F(0xe5) : V0F(0xe4), XMM1, a.reg, b.reg);
        vrr(c, a.high ? V0F(0x69) : V0F(0x61), d, XMM0, XMM1); /* PUNPCKHWD, LWD */
        return true;
    }
    extend(c, is_signed, size, XMM0, a); /* of doublewords PMULDQ sees the lower halves only */
    extend(c, is_signed, size, XMM1, b);
    vrr(c, size == 0 ? PMULLW : is_signed ? PMULDQ : PMULUDQ, d, XMM0, XMM1);
    return true;
}

static bool narrow(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (size == 2) {
        vzero(c, XMM0);
        vrri(c, SHUFPS, d, a, XMM0, 0x08); /* elements 0 and 2, then zeros */
    } else {
        vrc(c, PSHUFB, d, a, CODE_NARROW + 16 * size);
    }
    return true;
}

bool x64_emit_vec_move(struct x64_compiler *c)
{
    switch (x64_insn(c)->op) {
    case IR_VFROM64X2: return from_two(c);
    case IR_VLANE: return lane(c);
    case IR_VINS: return insert(c);
    case IR_VINSV: return insert_from_lane(c);
    case IR_VDUP: return dup(c);
    case IR_VDUPLANE: return dup_lane(c);
    case IR_VKEEP: return keep(c);
    case IR_VHIGH: return high(c);
    case IR_VEXT: return ext(c);
    case IR_VTRN1: case IR_VTRN2: return transpose(c);
    case IR_VREV: return reverse(c);
    case IR_VTBX: return table(c);
    case IR_VSXL: case IR_VZXL: return widen(c);
    case IR_VSMULL: case IR_VUMULL: return multiply_long(c);
    case IR_VXTN: return narrow(c);
    default: return false;
    }
}
