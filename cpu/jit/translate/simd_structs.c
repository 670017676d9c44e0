/*
 * simd_structs.c - loads and stores of structures: LD1-LD4, ST1-ST4 (whole registers, one lane), LD1R-LD4R.
 *
 * How it works
 *   Whole registers: memory holds n-element structures, element e of structure s at (s * n + e) << size; register e
 *   takes the e-th elements. One, two and four registers are moved in 16-byte chunks and permuted by ZIP or UZP; three
 *   by table lookups. When alignment is checked (SCTLR_ELx.A) an access may be no wider than an element, so then, and
 *   for lanes, it goes element by element.
 *   All loads come before the first register is written.
 */
#include "cpu/jit/translate/simd.h"

enum { MAX_CHUNKS = 4 };

static unsigned list(const struct a64_insn *i, unsigned k)
{
    return (unsigned)(i->rt + (int)k) & 31;
}

static ir_ref at(struct tr *t, ir_ref base, unsigned bytes)
{
    return bytes ? E2(ADD64, base, konst(t, bytes), 0) : base;
}

/* Post-index: by Xm, or by what was moved if m is 31 */
static void advance(struct tr *t, const struct a64_insn *i, ir_ref base, unsigned bytes)
{
    ir_ref by = i->rm == 31 ? konst(t, bytes) : reg(t, i->rm);
    write_reg_sp(t, i->rn, E2(ADD64, base, by, 0));
}

static void write_list(struct tr *t, const struct a64_insn *i, const ir_ref *v, unsigned n, bool cut)
{
    for (unsigned k = 0; k < n; k++)
        write_vreg(t, list(i, k), cut ? zero_above_64(t, v[k]) : v[k]);
}

/* ---- element by element ---- */

static void load_elements(struct tr *t, const struct a64_insn *i, unsigned n, bool interleaved, ir_ref base)
{
    unsigned per_register = (8u << i->q) >> i->size;
    ir_ref v[4];
    for (unsigned r = 0; r < n; r++)
        v[r] = E0(VCONST, 0);
    for (unsigned e = 0; e < per_register * n; e++) {
        unsigned r = interleaved ? e % n : e / per_register, lane = interleaved ? e / n : e % per_register;
        ir_ref x = E1(LOAD, at(t, base, e << i->size), memop(t, i->size, 0));
        v[r] = E2(VINS, v[r], x, sized(i->size, lane));
    }
    write_list(t, i, v, n, false);
}

static void store_elements(struct tr *t, const struct a64_insn *i, unsigned n, bool interleaved, ir_ref base)
{
    unsigned per_register = (8u << i->q) >> i->size;
    for (unsigned e = 0; e < per_register * n; e++) {
        unsigned r = interleaved ? e % n : e / per_register, lane = interleaved ? e / n : e % per_register;
        ir_ref x = E1(VLANE, vreg(t, list(i, r)), sized(i->size, lane));
        E2(STORE, at(t, base, e << i->size), x, memop(t, i->size, 0));
    }
}

/* ---- in chunks ---- */

static unsigned chunk_size(unsigned total, unsigned at_byte)
{
    return total - at_byte >= 16 ? 4 : 3;
}

static void load_chunks(struct tr *t, ir_ref base, unsigned total, ir_ref *chunk)
{
    for (unsigned k = 0; 16 * k < total; k++)
        chunk[k] = E1(LOADV, at(t, base, 16 * k), memop(t, chunk_size(total, 16 * k), 0));
}

static void store_chunks(struct tr *t, ir_ref base, unsigned total, const ir_ref *chunk)
{
    for (unsigned k = 0; 16 * k < total; k++)
        E2(STOREV, at(t, base, 16 * k), chunk[k], memop(t, chunk_size(total, 16 * k), 0));
}

static ir_ref bytes16(struct tr *t, const uint8_t *b)
{
    return E2(VFROM64X2, konst(t, le64_get(b)), konst(t, le64_get(b + 8)), 0);
}

/* The vector whose byte k is byte from[k] of the n_in vectors in a row; from[k] = 0xff: 0. */
static ir_ref gather(struct tr *t, const ir_ref *in, unsigned n_in, const uint8_t from[16])
{
    ir_ref zero = E0(VCONST, 0), v = zero;
    for (unsigned c = 0; c < n_in; c++) {
        uint8_t index[16];
        bool any = false;
        for (unsigned k = 0; k < 16; k++) {
            bool here = from[k] != 0xff && from[k] / 16 == c;
            index[k] = here ? from[k] % 16 : 0xff;
            any |= here;
        }
        ir_ref part = any ? E3(VTBX, zero, in[c], bytes16(t, index), sized(SIZE_B, 0)) : zero;
        v = v == zero ? part : part == zero ? v : E2(VORR, v, part, 0);
    }
    return v;
}

static void split3(struct tr *t, unsigned size, unsigned width, const ir_ref *chunk, ir_ref *v)
{
    for (unsigned r = 0; r < 3; r++) {
        uint8_t from[16];
        for (unsigned k = 0; k < 16; k++) {
            unsigned lane = k >> size, byte = k & ((1u << size) - 1);
            from[k] = k < width ? (uint8_t)(((lane * 3 + r) << size) + byte) : 0xff;
        }
        v[r] = gather(t, chunk, 3 * width > 32 ? 3 : 2, from);
    }
}

static void join3(struct tr *t, unsigned size, unsigned width, const ir_ref *v, ir_ref *chunk)
{
    for (unsigned c = 0; 16 * c < 3 * width; c++) {
        uint8_t from[16];
        for (unsigned k = 0; k < 16; k++) {
            unsigned e = (16 * c + k) >> size, byte = k & ((1u << size) - 1);
            from[k] = 16 * c + k < 3 * width ? (uint8_t)(16 * (e % 3) + ((e / 3) << size) + byte) : 0xff;
        }
        chunk[c] = gather(t, v, 3, from);
    }
}

/* Elements of chunks to registers. With Q = 0 there are half as many chunks, and results have garbage above. */
static void split(struct tr *t, const struct a64_insn *i, unsigned n, ir_ref *c, ir_ref *v)
{
    uint64_t s = (uint64_t)i->size;
    if (n == 3) {
        split3(t, i->size, 8u << i->q, c, v);
    } else if (n == 2) {
        ir_ref hi = i->q ? c[1] : c[0];
        v[0] = E2(VUZP1, c[0], hi, s);
        v[1] = E2(VUZP2, c[0], hi, s);
    } else {
        ir_ref even = E2(VUZP1, c[0], c[1], s), odd = E2(VUZP2, c[0], c[1], s);
        ir_ref even_hi = i->q ? E2(VUZP1, c[2], c[3], s) : even, odd_hi = i->q ? E2(VUZP2, c[2], c[3], s) : odd;
        v[0] = E2(VUZP1, even, even_hi, s);
        v[1] = E2(VUZP1, odd, odd_hi, s);
        v[2] = E2(VUZP2, even, even_hi, s);
        v[3] = E2(VUZP2, odd, odd_hi, s);
    }
}

static void join(struct tr *t, const struct a64_insn *i, unsigned n, const ir_ref *v, ir_ref *c)
{
    uint64_t s = (uint64_t)i->size;
    if (n == 3) {
        join3(t, i->size, 8u << i->q, v, c);
    } else if (n == 2) {
        c[0] = E2(VZIP1, v[0], v[1], s);
        c[1] = i->q ? E2(VZIP2, v[0], v[1], s) : 0;
    } else {
        ir_ref x = E2(VZIP1, v[0], v[2], s), y = E2(VZIP1, v[1], v[3], s);
        c[0] = E2(VZIP1, x, y, s);
        c[1] = E2(VZIP2, x, y, s);
        if (!i->q)
            return;
        x = E2(VZIP2, v[0], v[2], s), y = E2(VZIP2, v[1], v[3], s);
        c[2] = E2(VZIP1, x, y, s);
        c[3] = E2(VZIP2, x, y, s);
    }
}

static void load_whole(struct tr *t, const struct a64_insn *i, unsigned n, ir_ref base)
{
    ir_ref chunk[MAX_CHUNKS] = {0}, v[4];
    load_chunks(t, base, (8u << i->q) * n, chunk);
    split(t, i, n, chunk, v);
    write_list(t, i, v, n, !i->q);
}

static void store_whole(struct tr *t, const struct a64_insn *i, unsigned n, ir_ref base)
{
    ir_ref chunk[MAX_CHUNKS] = {0}, v[4];
    for (unsigned k = 0; k < n; k++)
        v[k] = vreg(t, list(i, k));
    join(t, i, n, v, chunk);
    store_chunks(t, base, (8u << i->q) * n, chunk);
}

/* ---- one register after the other ---- */

static void load_plain(struct tr *t, const struct a64_insn *i, unsigned n, ir_ref base)
{
    ir_ref v[4];
    for (unsigned k = 0; k < n; k++)
        v[k] = E1(LOADV, at(t, base, k * (8u << i->q)), memop(t, 3u + (unsigned)i->q, 0));
    write_list(t, i, v, n, false);
}

static void store_plain(struct tr *t, const struct a64_insn *i, unsigned n, ir_ref base)
{
    for (unsigned k = 0; k < n; k++)
        E2(STOREV, at(t, base, k * (8u << i->q)), vreg(t, list(i, k)), memop(t, 3u + (unsigned)i->q, 0));
}

static void multiple(struct tr *t, const struct a64_insn *i, bool load, unsigned n, bool interleaved, bool post)
{
    if (fp_trapped(t, i))
        return;
    ir_ref base = base_reg(t, i->rn);
    if (t->mode & CPU_MODE_ALIGN)
        (load ? load_elements : store_elements)(t, i, n, interleaved, base);
    else if (interleaved)
        (load ? load_whole : store_whole)(t, i, n, base);
    else
        (load ? load_plain : store_plain)(t, i, n, base);
    if (post)
        advance(t, i, base, n * (8u << i->q));
}

#define MULTIPLE(name, n, interleaved)                                             \
    TRANSLATE(LD##name) { multiple(t, i, true, n, interleaved, false); }           \
    TRANSLATE(LD##name##_post) { multiple(t, i, true, n, interleaved, true); }     \
    TRANSLATE(ST##name) { multiple(t, i, false, n, interleaved, false); }          \
    TRANSLATE(ST##name##_post) { multiple(t, i, false, n, interleaved, true); }
MULTIPLE(1_1, 1, false)
MULTIPLE(1_2, 2, false)
MULTIPLE(1_3, 3, false)
MULTIPLE(1_4, 4, false)
MULTIPLE(2, 2, true)
MULTIPLE(3, 3, true)
MULTIPLE(4, 4, true)

/* ---- one lane, replication ---- */

/* opcode<2:1> (here opc) says B, H, or S and D; the index is as many of Q:S:size as there are lanes */
static void single(struct tr *t, const struct a64_insn *i, bool load, unsigned n, bool post)
{
    if (fp_trapped(t, i))
        return;
    unsigned scale = i->opc == 2 && i->size == 1 ? SIZE_D : (unsigned)i->opc;
    unsigned lane = (unsigned)(i->q << 3 | i->s << 2 | i->size) >> scale;
    ir_ref base = base_reg(t, i->rn), x[4];
    for (unsigned k = 0; k < n; k++) {
        ir_ref va = at(t, base, k << scale);
        if (load)
            x[k] = E1(LOAD, va, memop(t, scale, 0));
        else
            E2(STORE, va, E1(VLANE, vreg(t, list(i, k)), sized(scale, lane)), memop(t, scale, 0));
    }
    for (unsigned k = 0; load && k < n; k++)
        write_vreg(t, list(i, k), E2(VINS, vreg(t, list(i, k)), x[k], sized(scale, lane)));
    if (post)
        advance(t, i, base, n << scale);
}

static void replicate(struct tr *t, const struct a64_insn *i, unsigned n, bool post)
{
    if (fp_trapped(t, i))
        return;
    ir_ref base = base_reg(t, i->rn), v[4];
    for (unsigned k = 0; k < n; k++)
        v[k] = E1(LOAD, at(t, base, k << i->size), memop(t, i->size, 0));
    for (unsigned k = 0; k < n; k++)
        v[k] = E1(VDUP, v[k], i->size);
    write_list(t, i, v, n, !i->q);
    if (post)
        advance(t, i, base, n << i->size);
}

#define SINGLE(n)                                                       \
    TRANSLATE(LD##n##_lane) { single(t, i, true, n, false); }           \
    TRANSLATE(LD##n##_lane_post) { single(t, i, true, n, true); }       \
    TRANSLATE(ST##n##_lane) { single(t, i, false, n, false); }          \
    TRANSLATE(ST##n##_lane_post) { single(t, i, false, n, true); }      \
    TRANSLATE(LD##n##R) { replicate(t, i, n, false); }                  \
    TRANSLATE(LD##n##R_post) { replicate(t, i, n, true); }
SINGLE(1)
SINGLE(2)
SINGLE(3)
SINGLE(4)
