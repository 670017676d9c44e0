/*
 * eval_vec.c - integer vector operations, element by element (Arm ARM DDI 0487 J.a, C7.2, the operations' pseudocode).
 *
 * How it works
 *   An operation belongs to one of a few shapes: element by element (one, two or three operands), widening, narrowing,
 *   pairs, across, permutation. Each shape is a loop over elements around a function of elements. Elements travel as
 *   64-bit numbers, sign- or zero-extended as the operation wants; saturating ones are computed exactly in 128 bits and
 *   clamped at the end.
 */
#include "ir/eval_vec.h"

typedef __int128 wide;

enum { FPSR_QC = 1u << 27 };

/* ---- elements ---- */

static uint64_t get(const union ir_value *v, unsigned size, unsigned lane)
{
    switch (size) {
    case 0: return v->b[lane];
    case 1: return v->h[lane];
    case 2: return v->s[lane];
    default: return v->d[lane];
    }
}

static void put(union ir_value *v, unsigned size, unsigned lane, uint64_t x)
{
    switch (size) {
    case 0: v->b[lane] = (uint8_t)x; break;
    case 1: v->h[lane] = (uint16_t)x; break;
    case 2: v->s[lane] = (uint32_t)x; break;
    default: v->d[lane] = x; break;
    }
}

static unsigned bits_of(unsigned size)
{
    return 8u << size;
}

static unsigned lanes_of(unsigned size)
{
    return 16u >> size;
}

static int64_t sget(const union ir_value *v, unsigned size, unsigned lane)
{
    return sext(get(v, size, lane), bits_of(size));
}

static uint64_t clamp(wide x, wide lo, wide hi, bool *qc)
{
    if (x >= lo && x <= hi)
        return (uint64_t)x;
    *qc = true;
    return (uint64_t)(x < lo ? lo : hi);
}

static uint64_t clamp_s(wide x, unsigned bits, bool *qc)
{
    return clamp(x, -((wide)1 << (bits - 1)), ((wide)1 << (bits - 1)) - 1, qc);
}

static uint64_t clamp_u(wide x, unsigned bits, bool *qc)
{
    return clamp(x, 0, ((wide)1 << bits) - 1, qc);
}

/* x * 2^shift, rounded or not, exact but for clamping far outside of 64 bits. */
static wide shifted(wide x, int shift, bool round)
{
    if (shift >= 0) {
        if (x == 0)
            return 0;
        shift = MIN(shift, 64);
        wide limit = (wide)1 << 100; /* any element shifted beyond this saturates or is cut off anyway */
        if (shift > 35 && (x >= limit >> shift || x <= -(limit >> shift)))
            return x < 0 ? -limit : limit;
        return (wide)((unsigned __int128)x << shift);
    }
    int right = MIN(-shift, 100);
    if (round)
        x += (wide)1 << (right - 1);
    return x >> right;
}

/* Modulo the element: no clamping. */
static uint64_t moved(wide x, int by, bool round, unsigned bits)
{
    if (by >= 0)
        return by < (int)bits ? (uint64_t)x << by : 0;
    return (uint64_t)shifted(x, by, round);
}

static uint64_t pmul8(uint64_t a, uint64_t b)
{
    uint64_t r = 0;
    for (unsigned i = 0; i < 8; i++)
        r ^= b >> i & 1 ? a << i : 0;
    return r;
}

static void pmul64(uint64_t a, uint64_t b, union ir_value *out)
{
    unsigned __int128 r = 0;
    for (unsigned i = 0; i < 64; i++)
        r ^= b >> i & 1 ? (unsigned __int128)a << i : 0;
    out->d[0] = (uint64_t)r;
    out->d[1] = (uint64_t)(r >> 64);
}

static unsigned clz_bits(uint64_t x, unsigned bits)
{
    return x ? (unsigned)__builtin_clzll(x) - (64 - bits) : bits;
}

/* FPRecipEstimate's table as the manual computes it: 256 <= a < 512, result in the same range. */
static uint32_t recip_estimate(uint32_t a)
{
    a = a * 2 + 1;
    return ((1u << 19) / a + 1) / 2;
}

static uint32_t recip_sqrt_estimate(uint32_t a) /* 128 <= a < 512 */
{
    a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
    uint32_t b = 512;
    while (a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (b + 1) / 2;
}

/* ---- element by element ---- */

static bool unary(enum ir_op op, unsigned size, unsigned n, const union ir_value *a, union ir_value *out, bool *qc)
{
    unsigned bits = bits_of(size);
    for (unsigned i = 0; i < lanes_of(size); i++) {
        uint64_t u = get(a, size, i), r;
        int64_t s = sext(u, bits);
        switch (op) {
        case IR_VNOT: r = ~u; break;
        case IR_VNEG: r = 0 - u; break;
        case IR_VABS: r = s < 0 ? 0 - u : u; break;
        case IR_VQNEG: r = clamp_s(-(wide)s, bits, qc); break;
        case IR_VQABS: r = clamp_s(s < 0 ? -(wide)s : s, bits, qc); break;
        case IR_VSHL: r = u << n; break;
        case IR_VSHR: r = (uint64_t)shifted(u, -(int)n, false); break;
        case IR_VROL: r = u << n | (n ? u >> (bits - n) : 0); break;
        case IR_VSAR: r = (uint64_t)shifted(s, -(int)n, false); break;
        case IR_VRSHR: r = (uint64_t)shifted(u, -(int)n, true); break;
        case IR_VRSAR: r = (uint64_t)shifted(s, -(int)n, true); break;
        case IR_VCNT: r = (uint64_t)__builtin_popcountll(u); break;
        case IR_VCLZ: r = clz_bits(u, bits); break;
        case IR_VCLS: r = clz_bits((u ^ (uint64_t)(s >> 1)) & ones(bits - 1), bits - 1); break;
        case IR_VRBIT: r = (u * UINT64_C(0x0202020202) & UINT64_C(0x010884422010)) % 1023; break;
        case IR_VURECPE: r = u >> 31 ? recip_estimate((uint32_t)(u >> 23)) << 23 : UINT32_MAX; break;
        case IR_VURSQRTE: r = u >> 30 ? recip_sqrt_estimate((uint32_t)(u >> 23)) << 23 : UINT32_MAX; break;
        default: return false;
        }
        put(out, size, i, r);
    }
    return true;
}

static uint64_t compare(bool holds)
{
    return holds ? ~UINT64_C(0) : 0;
}

static bool binary(enum ir_op op, unsigned size, unsigned n, const union ir_value *va, const union ir_value *vb,
                   union ir_value *out, bool *qc)
{
    unsigned bits = bits_of(size);
    for (unsigned i = 0; i < lanes_of(size); i++) {
        uint64_t a = get(va, size, i), b = get(vb, size, i), r;
        int64_t sa = sext(a, bits), sb = sext(b, bits);
        int by = (int8_t)b;
        switch (op) {
        case IR_VAND: r = a & b; break;
        case IR_VORR: r = a | b; break;
        case IR_VXOR: r = a ^ b; break;
        case IR_VANDN: r = a & ~b; break;
        case IR_VADD: r = a + b; break;
        case IR_VSUB: r = a - b; break;
        case IR_VMUL: r = a * b; break;
        case IR_VABDS: r = sa > sb ? a - b : b - a; break;
        case IR_VABDU: r = a > b ? a - b : b - a; break;
        case IR_VMINS: r = sa < sb ? a : b; break;
        case IR_VMINU: r = a < b ? a : b; break;
        case IR_VMAXS: r = sa > sb ? a : b; break;
        case IR_VMAXU: r = a > b ? a : b; break;
        case IR_VHADDS: r = (uint64_t)(((wide)sa + sb) >> 1); break;
        case IR_VHADDU: r = (uint64_t)(((wide)a + b) >> 1); break;
        case IR_VRHADDS: r = (uint64_t)(((wide)sa + sb + 1) >> 1); break;
        case IR_VRHADDU: r = (uint64_t)(((wide)a + b + 1) >> 1); break;
        case IR_VHSUBS: r = (uint64_t)(((wide)sa - sb) >> 1); break;
        case IR_VHSUBU: r = (uint64_t)(((wide)a - b) >> 1); break;
        case IR_VCMEQ: r = compare(a == b); break;
        case IR_VCMGT: r = compare(sa > sb); break;
        case IR_VCMGE: r = compare(sa >= sb); break;
        case IR_VCMHI: r = compare(a > b); break;
        case IR_VCMHS: r = compare(a >= b); break;
        case IR_VTST: r = compare(a & b); break;
        case IR_VSLI: r = bits_set(a, bits - 1, n, b); break;
        case IR_VSRI: r = n == bits ? a : bits_set(a, bits - 1 - n, 0, b >> n); break;
        case IR_VUSHL: r = moved(a, by, false, bits); break;
        case IR_VSSHL: r = moved(sa, by, false, bits); break;
        case IR_VURSHL: r = moved(a, by, true, bits); break;
        case IR_VSRSHL: r = moved(sa, by, true, bits); break;
        case IR_VUQSHL: r = clamp_u(shifted(a, by, false), bits, qc); break;
        case IR_VSQSHL: r = clamp_s(shifted(sa, by, false), bits, qc); break;
        case IR_VSQSHLU: r = clamp_u(shifted(sa, by, false), bits, qc); break;
        case IR_VUQRSHL: r = clamp_u(shifted(a, by, true), bits, qc); break;
        case IR_VSQRSHL: r = clamp_s(shifted(sa, by, true), bits, qc); break;
        case IR_VQADDS: r = clamp_s((wide)sa + sb, bits, qc); break;
        case IR_VQADDU: r = clamp_u((wide)a + b, bits, qc); break;
        case IR_VQSUBS: r = clamp_s((wide)sa - sb, bits, qc); break;
        case IR_VQSUBU: r = clamp_u((wide)a - b, bits, qc); break;
        case IR_VSUQADD: r = clamp_s((wide)sa + b, bits, qc); break;
        case IR_VUSQADD: r = clamp_u((wide)a + sb, bits, qc); break;
        case IR_VSQDMULH: r = clamp_s(((wide)sa * sb * 2) >> bits, bits, qc); break;
        case IR_VSQRDMULH: r = clamp_s(((wide)sa * sb * 2 + ((wide)1 << (bits - 1))) >> bits, bits, qc); break;
        case IR_VPMUL: r = pmul8(a, b); break;
        default: return false;
        }
        put(out, size, i, r);
    }
    return true;
}

/* b . c of the bytes at `at`, n of them */
static uint32_t dot(enum ir_op op, const union ir_value *b, const union ir_value *c, unsigned b_at, unsigned c_at, unsigned n)
{
    bool b_signed = op == IR_VSDOT || op == IR_VSMMLA, c_signed = op != IR_VUDOT && op != IR_VUMMLA;
    int32_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        int x = b_signed ? b->sb[b_at + i] : b->b[b_at + i], y = c_signed ? c->sb[c_at + i] : c->b[c_at + i];
        sum += x * y;
    }
    return (uint32_t)sum;
}

static bool ternary(enum ir_op op, unsigned size, unsigned n, const union ir_value args[3], union ir_value *out, bool *qc)
{
    const union ir_value *a = &args[0], *b = &args[1], *c = &args[2];
    unsigned bits = bits_of(size);
    switch (op) {
    case IR_VBSL:
        for (unsigned i = 0; i < 2; i++)
            out->d[i] = (b->d[i] & a->d[i]) | (c->d[i] & ~a->d[i]);
        return true;
    case IR_VTBX:
        for (unsigned i = 0; i < 16; i++)
            out->b[i] = c->b[i] >= n && c->b[i] - n < 16 ? b->b[c->b[i] - n] : a->b[i];
        return true;
    case IR_VSQRDMLAH:
    case IR_VSQRDMLSH:
        for (unsigned i = 0; i < lanes_of(size); i++) {
            wide product = (wide)sget(b, size, i) * sget(c, size, i) * 2;
            wide sum = (wide)sget(a, size, i) * ((wide)1 << bits) + (op == IR_VSQRDMLAH ? product : -product);
            put(out, size, i, clamp_s((sum + ((wide)1 << (bits - 1))) >> bits, bits, qc));
        }
        return true;
    case IR_VSDOT:
    case IR_VUDOT:
    case IR_VUSDOT:
        for (unsigned i = 0; i < 4; i++)
            out->s[i] = a->s[i] + dot(op, b, c, 4 * i, 4 * i, 4);
        return true;
    case IR_VSMMLA:
    case IR_VUMMLA:
    case IR_VUSMMLA:
        for (unsigned i = 0; i < 4; i++) /* [2x2] += [2x8] . [2x8] transposed */
            out->s[i] = a->s[i] + dot(op, b, c, i / 2 * 8, i % 2 * 8, 8);
        return true;
    default:
        return false;
    }
}

/* ---- widths ---- */

static bool widen(enum ir_op op, unsigned size, const union ir_value args[3], union ir_value *out, bool *qc)
{
    const union ir_value *a = &args[0], *b = &args[1];
    if (op == IR_VPMULL64) {
        pmul64(a->d[0], b->d[0], out);
        return true;
    }
    for (unsigned i = 0; i < lanes_of(size) / 2; i++) {
        uint64_t r;
        switch (op) {
        case IR_VSXL: r = (uint64_t)sget(a, size, i); break;
        case IR_VZXL: r = get(a, size, i); break;
        case IR_VSMULL: r = (uint64_t)(sget(a, size, i) * sget(b, size, i)); break;
        case IR_VUMULL: r = get(a, size, i) * get(b, size, i); break;
        case IR_VSQDMULL: r = clamp_s((wide)sget(a, size, i) * sget(b, size, i) * 2, 2 * bits_of(size), qc); break;
        case IR_VPMULL: r = pmul8(get(a, size, i), get(b, size, i)); break;
        case IR_VADDLPS: r = (uint64_t)(sget(a, size, 2 * i) + sget(a, size, 2 * i + 1)); break;
        case IR_VADDLPU: r = get(a, size, 2 * i) + get(a, size, 2 * i + 1); break;
        default: return false;
        }
        put(out, size + 1, i, r);
    }
    return true;
}

static bool narrow(enum ir_op op, unsigned size, const union ir_value *a, union ir_value *out, bool *qc)
{
    unsigned bits = bits_of(size);
    out->d[1] = 0;
    for (unsigned i = 0; i < lanes_of(size) / 2; i++) {
        uint64_t r;
        switch (op) {
        case IR_VXTN: r = get(a, size + 1, i); break;
        case IR_VQXTNS: r = clamp_s(sget(a, size + 1, i), bits, qc); break;
        case IR_VQXTNU: r = clamp_u(get(a, size + 1, i), bits, qc); break;
        case IR_VQXTUN: r = clamp_u(sget(a, size + 1, i), bits, qc); break;
        default: return false;
        }
        put(out, size, i, r);
    }
    return true;
}

/* ---- pairs and across ---- */

static uint64_t choose(enum ir_op op, unsigned size, uint64_t x, uint64_t y)
{
    int64_t sx = sext(x, bits_of(size)), sy = sext(y, bits_of(size));
    switch (op) {
    case IR_VMINPS: case IR_VMINVS: return sx < sy ? x : y;
    case IR_VMINPU: case IR_VMINVU: return x < y ? x : y;
    case IR_VMAXPS: case IR_VMAXVS: return sx > sy ? x : y;
    case IR_VMAXPU: case IR_VMAXVU: return x > y ? x : y;
    default: return x + y;
    }
}

static bool pairs(enum ir_op op, unsigned size, const union ir_value *a, const union ir_value *b, union ir_value *out)
{
    unsigned half = lanes_of(size) / 2;
    switch (op) {
    case IR_VADDP: case IR_VMINPS: case IR_VMINPU: case IR_VMAXPS: case IR_VMAXPU: break;
    default: return false;
    }
    for (unsigned i = 0; i < half; i++) {
        put(out, size, i, choose(op, size, get(a, size, 2 * i), get(a, size, 2 * i + 1)));
        put(out, size, half + i, choose(op, size, get(b, size, 2 * i), get(b, size, 2 * i + 1)));
    }
    return true;
}

static bool across(enum ir_op op, unsigned size, const union ir_value *a, union ir_value *out)
{
    bool is_long = op == IR_VADDLVS || op == IR_VADDLVU, is_signed = op == IR_VADDLVS;
    switch (op) {
    case IR_VADDV: case IR_VADDLVS: case IR_VADDLVU:
    case IR_VMINVS: case IR_VMINVU: case IR_VMAXVS: case IR_VMAXVU: break;
    default: return false;
    }
    uint64_t r = is_signed ? (uint64_t)sget(a, size, 0) : get(a, size, 0);
    for (unsigned i = 1; i < lanes_of(size); i++)
        r = choose(op, size, r, is_signed ? (uint64_t)sget(a, size, i) : get(a, size, i));
    out->d[0] = out->d[1] = 0;
    put(out, size + is_long, 0, r);
    return true;
}

/* ---- lanes and permutations ---- */

static bool move(enum ir_op op, uint64_t imm, const union ir_value *a, const union ir_value *b, union ir_value *out)
{
    unsigned size = imm & 3;
    uint64_t n = imm >> 2;
    *out = (union ir_value){ .d = { 0, 0 } };
    switch (op) {
    case IR_VCONST: out->d[0] = out->d[1] = imm; return true;
    case IR_VZERO64: out->d[0] = a->d[0]; return true;
    case IR_VKEEP: put(out, size, 0, get(a, size, 0)); return true;
    case IR_VHIGH: out->d[0] = a->d[1]; return true;
    case IR_VFROM64: out->d[0] = a->u64; return true;
    case IR_VFROM64X2: out->d[0] = a->u64; out->d[1] = b->u64; return true;
    case IR_VLANE: out->u64 = get(a, size, (unsigned)n); return true;
    case IR_VDUP:
    case IR_VDUPLANE:
        for (unsigned i = 0; i < lanes_of(size); i++)
            put(out, size, i, op == IR_VDUP ? a->u64 : get(a, size, (unsigned)n));
        return true;
    case IR_VINS: *out = *a; put(out, size, (unsigned)n, b->u64); return true;
    case IR_VINSV: *out = *a; put(out, size, n & 15, get(b, size, (unsigned)(n >> 4))); return true;
    default: return false;
    }
}

static bool permute(enum ir_op op, unsigned size, unsigned n, const union ir_value *a, const union ir_value *b,
                    union ir_value *out)
{
    unsigned lanes = lanes_of(size), half = lanes / 2;
    if (op == IR_VEXT) {
        for (unsigned i = 0; i < 16; i++)
            out->b[i] = i + n < 16 ? a->b[i + n] : b->b[i + n - 16];
        return true;
    }
    for (unsigned i = 0; i < lanes; i++) {
        unsigned odd = op == IR_VZIP2 || op == IR_VUZP2 || op == IR_VTRN2;
        uint64_t r;
        switch (op) {
        case IR_VZIP1:
        case IR_VZIP2: r = get(i & 1 ? b : a, size, i / 2 + odd * half); break;
        case IR_VUZP1:
        case IR_VUZP2: r = get(i >= half ? b : a, size, 2 * (i % half) + odd); break;
        case IR_VTRN1:
        case IR_VTRN2: r = get(i & 1 ? b : a, size, (i & ~1u) + odd); break;
        case IR_VREV: r = get(a, size, i ^ ((1u << (n - size)) - 1)); break;
        default: return false;
        }
        put(out, size, i, r);
    }
    return true;
}

bool ir_eval_vec(enum ir_op op, uint64_t imm, const union ir_value args[3], union ir_value *out, uint32_t *fpsr)
{
    unsigned size = imm & 3, n = (unsigned)(imm >> 2);
    const union ir_value in[3] = { args[0], args[1], args[2] };
    bool qc = false;
    bool known = binary(op, size, n, &in[0], &in[1], out, &qc) || unary(op, size, n, &in[0], out, &qc) ||
                 move(op, imm, &in[0], &in[1], out) || permute(op, size, n, &in[0], &in[1], out) ||
                 ternary(op, size, n, in, out, &qc) || narrow(op, size, &in[0], out, &qc) ||
                 pairs(op, size, &in[0], &in[1], out) || across(op, size, &in[0], out) ||
                 ir_eval_crypto(op, in, out) || (size < 3 && widen(op, size, in, out, &qc)) ||
                 (op == IR_VPMULL64 && widen(op, 3, in, out, &qc));
    if (qc)
        *fpsr |= FPSR_QC;
    return known;
}
