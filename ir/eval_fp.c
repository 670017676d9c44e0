/*
 * eval_fp.c - the meaning of the operations of ops_fp.inc: loops over lanes around fp/.
 *
 * Sums, products, quotients, roots and fused multiply-adds of singles and doubles try the host's unit first, all lanes at
 * once (fp/host.h). Results are built in a local value, so out may be an operand.
 */
#include "ir/eval_fp.h"
#include "fp/host.h"
#include "ir/eval_int.h"
#include "ir/fp_imm.h"

typedef uint64_t unary(enum fp_format f, uint64_t a, struct fp_ctx *c);
typedef uint64_t binary(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);

static uint64_t get(const union ir_value *v, enum fp_format f, unsigned lane)
{
    switch (f) {
    case FP_HALF: return v->h[lane & 7];
    case FP_SINGLE: return v->s[lane & 3];
    default: return v->d[lane & 1];
    }
}

static void put(union ir_value *v, enum fp_format f, unsigned lane, uint64_t x)
{
    switch (f) {
    case FP_HALF: v->h[lane & 7] = (uint16_t)x; break;
    case FP_SINGLE: v->s[lane & 3] = (uint32_t)x; break;
    default: v->d[lane & 1] = x; break;
    }
}

static union ir_value lanes1(unary *fn, uint64_t imm, const union ir_value *a, struct fp_ctx *c)
{
    enum fp_format f = fp_imm_format(imm);
    union ir_value r = {0};
    for (unsigned k = 0; k < fp_imm_lanes(imm); k++)
        put(&r, f, k, fn(f, get(a, f, k), c));
    return r;
}

static union ir_value lanes2(binary *fn, uint64_t imm, const union ir_value *v, struct fp_ctx *c)
{
    enum fp_format f = fp_imm_format(imm);
    union ir_value r = {0};
    for (unsigned k = 0; k < fp_imm_lanes(imm); k++)
        put(&r, f, k, fn(f, get(&v[0], f, k), get(&v[1], f, k), c));
    return r;
}

static union ir_value muladd(uint64_t imm, const union ir_value *v, struct fp_ctx *c)
{
    enum fp_format f = fp_imm_format(imm);
    uint64_t flip_product = fp_imm_own(imm) & FP_NEG_PRODUCT ? fp_sign_bit(f) : 0;
    uint64_t flip_addend = fp_imm_own(imm) & FP_NEG_ADDEND ? fp_sign_bit(f) : 0;
    union ir_value addend = {0}, product = {0}, r = {0};
    unsigned n = fp_imm_lanes(imm);
    for (unsigned k = 0; k < n; k++) {
        put(&addend, f, k, get(&v[0], f, k) ^ flip_addend);
        put(&product, f, k, get(&v[1], f, k) ^ flip_product);
    }
    if (fp_host(FP_HOST_MULADD, f, n, &addend, &product, &v[2], &r, c))
        return r;
    for (unsigned k = 0; k < n; k++)
        put(&r, f, k, fp_muladd(f, get(&addend, f, k), get(&product, f, k), get(&v[2], f, k), c));
    return r;
}

static union ir_value muladdh(uint64_t imm, const union ir_value *v, struct fp_ctx *c)
{
    unsigned n = fp_imm_lanes(imm), own = fp_imm_own(imm);
    unsigned first = own & FP_UPPER ? n : 0;
    uint64_t flip = own & FP_NEG_PRODUCT ? fp_sign_bit(FP_HALF) : 0;
    union ir_value r = {0};
    for (unsigned k = 0; k < n; k++)
        put(&r, FP_SINGLE, k,
            fp_muladdh(v[0].s[k & 3], get(&v[1], FP_HALF, first + k) ^ flip, get(&v[2], FP_HALF, first + k), c));
    return r;
}

/* FCMLA: which parts of b and c are multiplied, and which products are negated, by rotation. */
static union ir_value cmla(uint64_t imm, const union ir_value *v, struct fp_ctx *c)
{
    enum fp_format f = fp_imm_format(imm);
    unsigned rot = fp_imm_own(imm) & 3;
    uint64_t sign = fp_sign_bit(f);
    uint64_t flip_re = rot == 1 || rot == 2 ? sign : 0, flip_im = rot >= 2 ? sign : 0;
    union ir_value r = {0};
    for (unsigned k = 0; k < fp_imm_lanes(imm); k += 2) {
        uint64_t b = get(&v[1], f, k + (rot & 1));
        uint64_t for_re = get(&v[2], f, k + (rot & 1)) ^ flip_re, for_im = get(&v[2], f, k + !(rot & 1)) ^ flip_im;
        put(&r, f, k, fp_muladd(f, get(&v[0], f, k), b, for_re, c));
        put(&r, f, k + 1, fp_muladd(f, get(&v[0], f, k + 1), b, for_im, c));
    }
    return r;
}

static union ir_value cadd(uint64_t imm, const union ir_value *v, struct fp_ctx *c)
{
    enum fp_format f = fp_imm_format(imm);
    bool r270 = fp_imm_own(imm) & 1;
    uint64_t sign = fp_sign_bit(f);
    union ir_value r = {0};
    for (unsigned k = 0; k < fp_imm_lanes(imm); k += 2) {
        put(&r, f, k, fp_add(f, get(&v[0], f, k), get(&v[1], f, k + 1) ^ (r270 ? 0 : sign), c));
        put(&r, f, k + 1, fp_add(f, get(&v[0], f, k + 1), get(&v[1], f, k) ^ (r270 ? sign : 0), c));
    }
    return r;
}

static union ir_value masks(uint64_t imm, const union ir_value *v, struct fp_ctx *c)
{
    enum fp_format f = fp_imm_format(imm);
    enum fp_mask kind = fp_imm_own(imm);
    uint64_t keep = kind >= FP_MASK_ACGE ? ~fp_sign_bit(f) : ~UINT64_C(0);
    union ir_value r = {0};
    for (unsigned k = 0; k < fp_imm_lanes(imm); k++) {
        uint64_t a = get(&v[0], f, k) & keep, b = get(&v[1], f, k) & keep;
        bool holds;
        switch (kind) {
        case FP_MASK_EQ: holds = fp_compare_eq(f, a, b, c); break;
        case FP_MASK_GE:
        case FP_MASK_ACGE: holds = fp_compare_ge(f, a, b, c); break;
        default: holds = fp_compare_gt(f, a, b, c); break;
        }
        put(&r, f, k, holds ? ~UINT64_C(0) : 0);
    }
    return r;
}

static uint64_t rint_lane(enum fp_format f, uint64_t imm, uint64_t a, struct fp_ctx *c)
{
    return fp_round_int(f, a, fp_imm_rounding(imm), fp_imm_own(imm) & FP_EXACT, c);
}

static uint64_t rintn_lane(enum fp_format f, uint64_t imm, uint64_t a, struct fp_ctx *c)
{
    return fp_round_int_n(f, a, fp_imm_rounding(imm), fp_imm_own(imm) & FP_WIDE ? 64 : 32, c);
}

static uint64_t toint_lane(enum fp_format f, uint64_t imm, uint64_t a, struct fp_ctx *c)
{
    return fp_to_fixed(f, a, fp_bits(f), fp_imm_fbits(imm), fp_imm_own(imm) & FP_UNSIGNED, fp_imm_rounding(imm), c);
}

static uint64_t fromint_lane(enum fp_format f, uint64_t imm, uint64_t a, struct fp_ctx *c)
{
    return fp_from_fixed(f, a, fp_bits(f), fp_imm_fbits(imm), fp_imm_own(imm) & FP_UNSIGNED, c);
}

static union ir_value convert_lanes(uint64_t (*fn)(enum fp_format, uint64_t, uint64_t, struct fp_ctx *), uint64_t imm,
                                    const union ir_value *a, struct fp_ctx *c)
{
    enum fp_format f = fp_imm_format(imm);
    union ir_value r = {0};
    for (unsigned k = 0; k < fp_imm_lanes(imm); k++)
        put(&r, f, k, fn(f, imm, get(a, f, k), c));
    return r;
}

static union ir_value cvt(uint64_t imm, const union ir_value *a, struct fp_ctx *c)
{
    enum fp_format from = fp_imm_format(imm), to = fp_imm_to(imm);
    union ir_value r = {0};
    for (unsigned k = 0; k < fp_imm_lanes(imm); k++)
        put(&r, to, k, fp_convert(from, to, get(a, from, k), fp_imm_rounding(imm), c));
    return r;
}

static uint64_t to_general(uint64_t imm, uint64_t a, struct fp_ctx *c)
{
    unsigned own = fp_imm_own(imm);
    return fp_to_fixed(fp_imm_format(imm), a, own & FP_WIDE ? 64 : 32, fp_imm_fbits(imm), own & FP_UNSIGNED,
                       fp_imm_rounding(imm), c);
}

static uint64_t from_general(uint64_t imm, uint64_t a, struct fp_ctx *c)
{
    unsigned own = fp_imm_own(imm);
    return fp_from_fixed(fp_imm_format(imm), a, own & FP_WIDE ? 64 : 32, fp_imm_fbits(imm), own & FP_UNSIGNED, c);
}

static uint64_t javascript(uint64_t a, struct fp_ctx *c)
{
    bool exact;
    uint64_t r = fp_to_fixed_js(a, &exact, c);
    return r | (exact ? BIT(62) : 0);
}

/* NZCV (bits 3..0) as a FLAGS value */
static uint64_t flags_word(unsigned nzcv)
{
    return ir_flags_from_nzcv((uint32_t)nzcv << 28);
}

static unary *const unaries[IR_OP_COUNT] = {
    [IR_FP_SQRT] = fp_sqrt,
    [IR_FP_RECPE] = fp_recip_estimate,
    [IR_FP_RSQRTE] = fp_rsqrt_estimate,
    [IR_FP_RECPX] = fp_recpx,
};

static binary *const binaries[IR_OP_COUNT] = {
    [IR_FP_ADD] = fp_add,          [IR_FP_SUB] = fp_sub,
    [IR_FP_MUL] = fp_mul,          [IR_FP_MULX] = fp_mulx,
    [IR_FP_DIV] = fp_div,          [IR_FP_MAX] = fp_max,
    [IR_FP_MIN] = fp_min,          [IR_FP_MAXNM] = fp_maxnum,
    [IR_FP_MINNM] = fp_minnum,     [IR_FP_RECPS] = fp_recip_step,
    [IR_FP_RSQRTS] = fp_rsqrt_step,
};

/* MULX differs from MUL only where the host says "invalid". */
static bool by_host(enum ir_op op, uint64_t imm, const union ir_value *v, struct fp_ctx *c, union ir_value *r)
{
    enum fp_host_op host;
    switch (op) {
    case IR_FP_ADD: host = FP_HOST_ADD; break;
    case IR_FP_SUB: host = FP_HOST_SUB; break;
    case IR_FP_MUL:
    case IR_FP_MULX: host = FP_HOST_MUL; break;
    case IR_FP_DIV: host = FP_HOST_DIV; break;
    case IR_FP_SQRT: host = FP_HOST_SQRT; break;
    default: return false;
    }
    return fp_host(host, fp_imm_format(imm), fp_imm_lanes(imm), &v[0], op == IR_FP_SQRT ? NULL : &v[1], NULL, r, c);
}

bool ir_eval_fp(enum ir_op op, uint64_t imm, const union ir_value args[3], uint32_t fpcr, uint32_t *fpsr, union ir_value *out)
{
    struct fp_ctx c = {fpcr, *fpsr};
    union ir_value r = {0};
    switch (op) {
    case IR_FP_MULADD: r = muladd(imm, args, &c); break;
    case IR_FP_MULADDH: r = muladdh(imm, args, &c); break;
    case IR_FP_CMLA: r = cmla(imm, args, &c); break;
    case IR_FP_CADD: r = cadd(imm, args, &c); break;
    case IR_FP_CMP:
        r.u64 = flags_word(fp_compare(fp_imm_format(imm), args[0].u64, args[1].u64, fp_imm_own(imm) & 1, &c));
        break;
    case IR_FP_CMPM: r = masks(imm, args, &c); break;
    case IR_FP_RINT: r = convert_lanes(rint_lane, imm, &args[0], &c); break;
    case IR_FP_RINTN: r = convert_lanes(rintn_lane, imm, &args[0], &c); break;
    case IR_FP_CVT: r = cvt(imm, &args[0], &c); break;
    case IR_FP_TOINT: r = convert_lanes(toint_lane, imm, &args[0], &c); break;
    case IR_FP_FROMINT: r = convert_lanes(fromint_lane, imm, &args[0], &c); break;
    case IR_FP_TOGPR: r.u64 = to_general(imm, args[0].u64, &c); break;
    case IR_FP_FROMGPR: r.u64 = from_general(imm, args[0].u64, &c); break;
    case IR_FP_JCVT: r.u64 = javascript(args[0].u64, &c); break;
    case IR_V_SELECT: r = ir_cond_holds((unsigned)imm, (uint32_t)args[0].u64) ? args[1] : args[2]; break;
    default:
        if (op >= IR_OP_COUNT || (!unaries[op] && !binaries[op]))
            return false;
        if (by_host(op, imm, args, &c, &r))
            break;
        r = unaries[op] ? lanes1(unaries[op], imm, &args[0], &c) : lanes2(binaries[op], imm, args, &c);
    }
    *fpsr = c.fpsr;
    *out = r;
    return true;
}
