/* emit_vec_move.c - vector lanes, permutations, table lookups, widening and narrowing. All need AVX. */
#include "x64/vec.h"

enum {
    PINSRB = V3A(0x20), PINSRW = V0F(0xc4), PINSRD = V3A(0x22), PINSRQ = V3AW(0x22),
    PEXTRB = V3A(0x14), PEXTRW = V0F(0xc5), PEXTRD = V3A(0x16), PEXTRQ = V3AW(0x16),
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

static bool from_two(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
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
    static const uint8_t order[4][4][16] __attribute__((aligned(16))) = {
        [1] = {[0] = {1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14}},
        [2] = {[0] = {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12},
               [1] = {2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13}},
        [3] = {[0] = {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8},
               [1] = {6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9}},
    };
    const struct ir_insn *i = x64_insn(c);
    if (vec_n(i) <= vec_size(i) || vec_n(i) > 3)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (vec_size(i) == 2)
        vrri(c, PSHUFD, d, 0, a, 0xb1);
    else
        vrt(c, PSHUFB, d, a, order[vec_n(i)][vec_size(i)]);
    return true;
}

/* PSHUFB looks at the low four bits of an index and gives zero if bit 7 is set: adding 0x70 with saturation sets it for
 * indices above 15. Where the fallback is not zero, the same bit selects it. */
static bool table(struct x64_compiler *c)
{
    static const uint8_t x70[16] __attribute__((aligned(16))) = {0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70,
                                                                 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70};
    static const uint8_t x16[3][16] __attribute__((aligned(16))) = {
        {16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16},
        {32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32},
        {48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48}};
    const struct ir_insn *i = x64_insn(c);
    unsigned base = vec_n(i);
    if (base % 16 || base > 48)
        return false;
    bool zero = vec_is_zero(c, i->a);
    unsigned b = x64_use_v(c, i->b), index = x64_use_v(c, i->c), a = zero ? 0 : x64_use_v(c, i->a);
    unsigned d = zero ? x64_def_v(c) : vec_result(c, i->a);
    if (base) {
        vrt(c, PSUBB, XMM0, index, x16[base / 16 - 1]);
        index = XMM0;
    }
    vrt(c, PADDUSB, XMM0, index, x70);
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

static bool widen(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    vrr(c, extend_opcode(i->op == IR_VSXL, vec_size(i)), d, 0, a);
    return true;
}

static bool multiply_long(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    bool is_signed = i->op == IR_VSMULL;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    uint32_t extend = extend_opcode(is_signed, size);
    vrr(c, extend, XMM0, 0, a);
    vrr(c, extend, XMM1, 0, b);
    vrr(c, size == 0 ? PMULLW : size == 1 ? PMULLD : is_signed ? PMULDQ : PMULUDQ, d, XMM0, XMM1);
    return true;
}

/* VPMOVWB, DW, QD have the source in ModRM.reg. */
static bool narrow(struct x64_compiler *c)
{
    static const uint8_t bytes[16] __attribute__((aligned(16))) = {0, 2, 4, 6, 8, 10, 12, 14, 0x80, 0x80, 0x80, 0x80,
                                                                   0x80, 0x80, 0x80, 0x80};
    static const uint8_t words[16] __attribute__((aligned(16))) = {0, 1, 4, 5, 8, 9, 12, 13, 0x80, 0x80, 0x80, 0x80,
                                                                   0x80, 0x80, 0x80, 0x80};
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (size == 2) {
        vzero(c, XMM0);
        vrri(c, SHUFPS, d, a, XMM0, 0x08); /* elements 0 and 2, then zeros */
    } else {
        vrt(c, PSHUFB, d, a, size ? words : bytes);
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
