/*
 * emit_vec_masked.c - vector operations that are short with AVX-512's masks, 256-bit forms and saturating moves, and are called
 * on other hosts: shifts by elements that saturate or are of bytes, sums of signed with unsigned, SQRDMLAH, narrowing of 64 bits.
 *
 * Bytes, and whatever is computed at twice its width, use 256 bits of XMM0..XMM2 and of the result's register; VZEROUPPER
 * clears what is above the guest's 128. Masks: K_NEGATIVE, K_SATURATED.
 */
#include "x64/vec.h"

enum { K_NEGATIVE = 1, K_SATURATED = 2, FPSR_QC = 1 << 27, COMPARE_LESS = 1, COMPARE_UNEQUAL = 4 };
#define VF3(w, op) X64_V(PP_F3, MAP_0F38, w, op)

/* By element size; bytes where there are such. */
static const uint32_t add[4] = {PADDB, PADDW, PADDD, X64_V(PP_66, MAP_0F, 1, 0xd4)}, subtract[4] = {0, 0, PSUBD, X64_V(PP_66, MAP_0F, 1, 0xfb)},
                      left[4] = {0, V38W(0x12), V38(0x47), V38W(0x47)}, right[4] = {0, V38W(0x10), V38(0x45), V38W(0x45)},
                      right_signed[4] = {0, V38W(0x11), V38(0x46), V38W(0x46)}, absolute[4] = {0, V38(0x1d), V38(0x1e), V38W(0x1f)},
                      sign_mask[4] = {0, VF3(1, 0x29), VF3(0, 0x39), VF3(1, 0x39)},
                      compare[4] = {V3A(0x3f), V3AW(0x3f), V3A(0x1f), V3AW(0x1f)},
                      compare_unsigned[4] = {V3A(0x3e), V3AW(0x3e), V3A(0x1e), V3AW(0x1e)},
                      move[4] = {X64_V(PP_F2, MAP_0F, 0, 0x6f), X64_V(PP_F2, MAP_0F, 1, 0x6f), X64_V(PP_66, MAP_0F, 0, 0x6f),
                                 X64_V(PP_66, MAP_0F, 1, 0x6f)};
enum { WIDEN_SIGNED = 0x20, WIDEN = 0x30, NARROW = 0x30, NARROW_SIGNED = 0x20, NARROW_UNSIGNED = 0x10 }; /* + 0 bytes, 3 words, 5 doublewords */
static const uint8_t widths[3] = {0, 3, 5};

/* l: 1 for 256 bits; k: lanes that are written, 0: all */
static void ev(struct x64_compiler *c, uint32_t v, unsigned l, unsigned d, unsigned a, unsigned b, unsigned k)
{
    evex_rrr(&c->a, v, l, d, a, b, k, false, false);
}

static void ev_imm(struct x64_compiler *c, uint32_t v, unsigned l, unsigned d, unsigned a, unsigned b, unsigned imm)
{
    ev(c, v, l, d, a, b, 0);
    put8(&c->a, imm);
}

/* d = s shifted by a constant; elements of size 1..3 */
static void shift_all(struct x64_compiler *c, enum shift_kind kind, unsigned l, unsigned size, unsigned d, unsigned s, unsigned n)
{
    static const uint32_t v[4] = {0, PSLLW, PSLLD, X64_V(PP_66, MAP_0F, 1, 0x73)};
    bool signed_64 = size == 3 && kind == SHIFT_SIGNED;
    ev_imm(c, signed_64 ? X64_V(PP_66, MAP_0F, 1, 0x72) : v[size], l, kind, d, s, n);
}

static void all_ones(struct x64_compiler *c, unsigned l, unsigned d)
{
    ev_imm(c, V3A(0x25), l, d, d, d, 0xff); /* VPTERNLOGD */
}

/* d = 1 << bit in every element */
static void one_bit(struct x64_compiler *c, unsigned l, unsigned size, unsigned d, unsigned bit)
{
    all_ones(c, l, d);
    shift_all(c, SHIFT_RIGHT, l, size, d, d, (8u << size) - 1);
    shift_all(c, SHIFT_LEFT, l, size, d, d, bit);
}

static void exclusive_or(struct x64_compiler *c, unsigned l, unsigned d, unsigned a, unsigned b)
{
    ev(c, PXOR, l, d, a, b, 0);
}

static void clear_uppers(struct x64_compiler *c)
{
    put8(&c->a, 0xc5), put8(&c->a, 0xf8), put8(&c->a, 0x77);
}

/* QC if K_SATURATED is not empty */
static void note_mask(struct x64_compiler *c)
{
    vrr(c, X64_V(PP_NONE, MAP_0F, 0, 0x98), K_SATURATED, 0, K_SATURATED); /* KORTESTW */
    uint8_t *none = jcc_short(&c->a, CC_E);
    alu_mi(&c->a, ALU_OR, false, x64_state(c, c->config->env.fpsr_offset), FPSR_QC);
    jump_here(&c->a, none);
}

/* d = the elements of s, twice as wide, at half their width; they are compared with s if they saturate. temp is lost */
static void narrow_all(struct x64_compiler *c, unsigned l, unsigned size, unsigned how, unsigned d, unsigned s, unsigned clamped, unsigned temp)
{
    ev(c, VF3(0, how + widths[size]), l, clamped, 0, d, 0); /* VPMOV..: the source is in the field of the result */
    if (how == NARROW)
        return;
    ev(c, V38((how == NARROW_SIGNED ? WIDEN_SIGNED : WIDEN) + widths[size]), l, temp, 0, d, 0);
    ev_imm(c, compare[size + 1], l, K_SATURATED, temp, s, COMPARE_UNEQUAL);
    note_mask(c);
}

/* ---- shifts by elements: left by XMM0 where that is not negative, else right by what it is below zero ---- */

/* Lanes K_NEGATIVE of XMM2 = x >> |XMM0|, plus the last bit shifted out if wanted. XMM0, and for that d and XMM1 are lost */
static void shift_right(struct x64_compiler *c, const uint32_t *by, bool round, unsigned l, unsigned size, unsigned d, unsigned x)
{
    unsigned last = (8u << size) - 1;
    ev(c, sign_mask[size], l, K_NEGATIVE, 0, XMM0, 0);
    ev(c, absolute[size], l, XMM0, 0, XMM0, 0);
    if (!round) {
        ev(c, by[size], l, XMM2, x, XMM0, K_NEGATIVE);
        return;
    }
    all_ones(c, l, d);
    ev(c, add[size], l, d, d, XMM0, 0);
    ev(c, by[size], l, d, x, d, 0);
    shift_all(c, SHIFT_LEFT, l, size, d, d, last);
    shift_all(c, SHIFT_RIGHT, l, size, d, d, last);
    ev(c, by[size], l, XMM1, x, XMM0, 0);
    ev(c, add[size], l, XMM2, XMM1, d, K_NEGATIVE);
}

struct kind {
    bool is_signed, round, saturates, to_unsigned;
};

static struct kind kind_of(unsigned op)
{
    switch (op) {
    case IR_VUSHL: return (struct kind){0};
    case IR_VSSHL: return (struct kind){.is_signed = true};
    case IR_VURSHL: return (struct kind){.round = true};
    case IR_VSRSHL: return (struct kind){.is_signed = true, .round = true};
    case IR_VUQSHL: return (struct kind){.saturates = true};
    case IR_VSQSHL: return (struct kind){.is_signed = true, .saturates = true};
    case IR_VSQSHLU: return (struct kind){.is_signed = true, .saturates = true, .to_unsigned = true};
    case IR_VUQRSHL: return (struct kind){.round = true, .saturates = true};
    default: return (struct kind){.is_signed = true, .round = true, .saturates = true};
    }
}

/* As words. Shifted left by eight, none but zero fits a byte: no count needs to be more. */
static void shift_bytes_by_elements(struct x64_compiler *c, struct kind k, unsigned d, unsigned a, unsigned b)
{
    ev(c, V38(WIDEN_SIGNED), 1, XMM0, 0, b, 0);
    ev(c, V38(k.is_signed ? WIDEN_SIGNED : WIDEN), 1, XMM1, 0, a, 0);
    if (k.saturates) {
        one_bit(c, 1, 1, d, 3);
        ev(c, V0F(0xea), 1, XMM2, XMM0, d, 0); /* VPMINSW */
        ev(c, left[1], 1, XMM2, XMM1, XMM2, 0);
    } else {
        ev(c, left[1], 1, XMM2, XMM1, XMM0, 0);
    }
    shift_right(c, k.is_signed ? right_signed : right, k.round, 1, 1, d, XMM1);
    unsigned clamped = XMM2;
    if (k.to_unsigned) {
        exclusive_or(c, 1, XMM1, XMM1, XMM1);
        ev(c, V0F(0xee), 1, clamped = XMM1, XMM1, XMM2, 0); /* VPMAXSW */
    }
    narrow_all(c, 1, 0, !k.saturates ? NARROW : k.is_signed && !k.to_unsigned ? NARROW_SIGNED : NARROW_UNSIGNED, d, XMM2, clamped, XMM0);
    clear_uppers(c);
}

/* What shifted back is not what it was did not fit. */
static void saturating_shift(struct x64_compiler *c, struct kind k, unsigned size, unsigned d, unsigned a, unsigned b)
{
    unsigned bits = 8u << size;
    const uint32_t *by = k.is_signed && !k.to_unsigned ? right_signed : right;
    shift_all(c, SHIFT_LEFT, 0, size, XMM0, b, bits - 8); /* the low byte, sign-extended */
    shift_all(c, SHIFT_SIGNED, 0, size, XMM0, XMM0, bits - 8);
    ev(c, left[size], 0, XMM2, a, XMM0, 0);
    ev(c, by[size], 0, XMM1, XMM2, XMM0, 0);
    ev(c, sign_mask[size], 0, K_NEGATIVE, 0, XMM0, 0);
    ev(c, move[size], 0, XMM1, 0, a, K_NEGATIVE);
    if (k.to_unsigned) { /* negative numbers become 0, and so differ in any case */
        shift_all(c, SHIFT_SIGNED, 0, size, d, a, bits - 1);
        vrr(c, PANDN, XMM1, d, XMM1);
    }
    ev_imm(c, compare[size], 0, K_SATURATED, XMM1, a, COMPARE_UNEQUAL);
    shift_right(c, by, k.round, 0, size, d, a);
    all_ones(c, 0, XMM0);
    if (k.is_signed)
        shift_all(c, SHIFT_SIGNED, 0, size, XMM1, a, bits - 1);
    if (k.is_signed && !k.to_unsigned)
        shift_all(c, SHIFT_RIGHT, 0, size, XMM0, XMM0, 1);
    if (k.is_signed)
        exclusive_or(c, 0, XMM0, XMM0, XMM1);
    ev(c, move[size], 0, XMM2, 0, XMM0, K_SATURATED);
    vmove(c, d, XMM2);
    note_mask(c);
}

static bool shift_by_elements(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    struct kind k = kind_of(i->op);
    unsigned size = vec_size(i);
    if (size && !k.saturates)
        return false; /* emit_vec.c does those */
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = x64_def_v(c);
    if (size)
        saturating_shift(c, k, size, d, a, b);
    else
        shift_bytes_by_elements(c, k, d, a, b);
    return true;
}

/* ---- sums ---- */

/* d = the least signed number of that size in every element */
static void least(struct x64_compiler *c, unsigned size, unsigned d)
{
    all_ones(c, 0, d);
    if (size == 0) { /* bytes of 1, moved inside of words */
        vrr(c, V38(0x1c), d, 0, d);
        shift_all(c, SHIFT_LEFT, 0, 1, d, d, 7);
    } else {
        shift_all(c, SHIFT_LEFT, 0, size, d, d, (8u << size) - 1);
    }
}

/* Signed a + unsigned b, signed: with a's sign turned over it is an unsigned sum. */
static void signed_plus_unsigned(struct x64_compiler *c, unsigned size, unsigned d, unsigned a, unsigned b)
{
    least(c, size, XMM0);
    vrr(c, PXOR, XMM1, a, XMM0);
    ev(c, add[size], 0, XMM2, XMM1, b, 0);
    ev_imm(c, compare_unsigned[size], 0, K_SATURATED, XMM2, XMM1, COMPARE_LESS);
    all_ones(c, 0, XMM1);
    ev(c, move[size], 0, XMM2, 0, XMM1, K_SATURATED);
    vrr(c, PXOR, d, XMM2, XMM0);
}

/* Unsigned a + signed b, unsigned: with a negative b the sum must be less, which turning all bits over makes more. */
static void unsigned_plus_signed(struct x64_compiler *c, unsigned size, unsigned d, unsigned a, unsigned b)
{
    static const uint32_t greater[4] = {PCMPGTB, PCMPGTW, PCMPGTD, PCMPGTQ};
    vzero(c, XMM0);
    vrr(c, greater[size], XMM0, XMM0, b);
    ev(c, add[size], 0, XMM2, a, b, 0);
    vrr(c, PXOR, XMM1, a, XMM0);
    vrr(c, PXOR, d, XMM2, XMM0);
    ev_imm(c, compare_unsigned[size], 0, K_SATURATED, d, XMM1, COMPARE_LESS);
    all_ones(c, 0, XMM1);
    vrr(c, PXOR, XMM0, XMM0, XMM1);
    ev(c, move[size], 0, XMM2, 0, XMM0, K_SATURATED);
    vmove(c, d, XMM2);
}

static bool mixed_sum(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = x64_def_v(c);
    if (i->op == IR_VSUQADD)
        signed_plus_unsigned(c, vec_size(i), d, a, b);
    else
        unsigned_plus_signed(c, vec_size(i), d, a, b);
    note_mask(c);
    return true;
}

/* a and the product of b and c, at twice the width, with one bit less than 2ab has: no sum of them overflows. */
static bool multiply_add_high(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), wide = size + 1, bits = 8u << size;
    unsigned a = x64_use_v(c, i->a), x = x64_use_v(c, i->b), y = x64_use_v(c, i->c), d = x64_def_v(c);
    uint32_t widen = V38(WIDEN_SIGNED + widths[size]);
    ev(c, widen, 1, XMM0, 0, x, 0);
    ev(c, widen, 1, XMM1, 0, y, 0);
    ev(c, size == 1 ? PMULLD : V38W(0x28), 1, XMM0, XMM0, XMM1, 0); /* VPMULDQ: of the low halves */
    ev(c, widen, 1, XMM1, 0, a, 0);
    shift_all(c, SHIFT_LEFT, 1, wide, XMM1, XMM1, bits - 1);
    ev(c, i->op == IR_VSQRDMLAH ? add[wide] : subtract[wide], 1, XMM1, XMM1, XMM0, 0);
    one_bit(c, 1, wide, XMM0, bits - 2);
    ev(c, add[wide], 1, XMM1, XMM1, XMM0, 0);
    shift_all(c, SHIFT_SIGNED, 1, wide, XMM1, XMM1, bits - 1);
    narrow_all(c, 1, size, NARROW_SIGNED, d, XMM1, XMM1, XMM0);
    clear_uppers(c);
    return true;
}

static bool narrow_64(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    if (vec_size(i) != 2)
        return false;
    unsigned a = x64_use_v(c, i->a), d = x64_def_v(c), clamped = a;
    if (i->op == IR_VQXTUN) {
        vzero(c, XMM1);
        ev(c, V38W(0x3d), 0, clamped = XMM1, XMM1, a, 0); /* VPMAXSQ */
    }
    narrow_all(c, 0, 2, i->op == IR_VQXTNS ? NARROW_SIGNED : NARROW_UNSIGNED, d, a, clamped, XMM0);
    return true;
}

bool x64_emit_vec_masked(struct x64_compiler *c)
{
    if (!c->host->masked)
        return false;
    switch (x64_insn(c)->op) {
    case IR_VUSHL: case IR_VSSHL: case IR_VURSHL: case IR_VSRSHL:
    case IR_VUQSHL: case IR_VSQSHL: case IR_VSQSHLU: case IR_VUQRSHL: case IR_VSQRSHL: return shift_by_elements(c);
    case IR_VSUQADD: case IR_VUSQADD: return mixed_sum(c);
    case IR_VSQRDMLAH: case IR_VSQRDMLSH: return multiply_add_high(c);
    case IR_VQXTNS: case IR_VQXTNU: case IR_VQXTUN: return narrow_64(c);
    default: return false;
    }
}
