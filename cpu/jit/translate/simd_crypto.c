/* simd_crypto.c - AES, SHA-1, SHA-256, SHA-512 and SHA-3 instructions. */
#include "cpu/jit/translate/simd.h"

/* Vd and Vn are sources, or only Vn, or all three */
static void d_n(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, vreg(t, i->rd), vreg(t, i->rn), 0));
}

static void n_only(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v1(t, op, vreg(t, i->rn), 0));
}

static void d_n_m(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, ir_emit(t->b, op, vreg(t, i->rd), vreg(t, i->rn), vreg(t, i->rm), 0));
}

/* What comes next may be the key that FIPS 197's round ends with (ir/pass_const.c). */
static void substitute(struct tr *t, const struct a64_insn *i, enum ir_op last_round)
{
    if (fp_trapped(t, i))
        return;
    ir_ref with_key = E2(VXOR, vreg(t, i->rd), vreg(t, i->rn), 0);
    write_vreg(t, i->rd, v2(t, last_round, with_key, E0(VCONST, 0), 0));
}

TRANSLATE(AESE) { substitute(t, i, IR_VAESENCL); }
TRANSLATE(AESD) { substitute(t, i, IR_VAESDECL); }

/* Compilers and libraries write AESE and AESMC next to each other: then the state written last is Vn's, from AESE, and both
 * are one round. */
static void mix_columns(struct tr *t, const struct a64_insn *i, enum ir_op op, enum ir_op last_round, enum ir_op round)
{
    const struct ir_insn *set = &t->b->insn[t->b->n >= 2 ? t->b->n - 2 : 0]; /* before this instruction's INSN mark */
    const struct ir_insn *value = &t->b->insn[set->a];
    if (fp_trapped(t, i))
        return;
    if (set->op == IR_SETV && set->imm == CPU_V(i->rn) && value->op == last_round)
        write_vreg(t, i->rd, v2(t, round, value->a, value->b, 0));
    else
        write_vreg(t, i->rd, v1(t, op, vreg(t, i->rn), 0));
}

TRANSLATE(AESMC) { mix_columns(t, i, IR_VAESMC, IR_VAESENCL, IR_VAESENC); }
TRANSLATE(AESIMC) { mix_columns(t, i, IR_VAESIMC, IR_VAESDECL, IR_VAESDEC); }
TRANSLATE(SHA1C) { d_n_m(t, i, IR_VSHA1C); }
TRANSLATE(SHA1P) { d_n_m(t, i, IR_VSHA1P); }
TRANSLATE(SHA1M) { d_n_m(t, i, IR_VSHA1M); }
TRANSLATE(SHA1H) { n_only(t, i, IR_VSHA1H); }
TRANSLATE(SHA1SU0) { d_n_m(t, i, IR_VSHA1SU0); }
TRANSLATE(SHA1SU1) { d_n(t, i, IR_VSHA1SU1); }

/* Words of a vector swapped in pairs */
static ir_ref swapped(struct tr *t, ir_ref v)
{
    return E1(VREV, v, sized(SIZE_S, SIZE_D));
}

/*
 * Four rounds on x (a, b, c, d) and y (e, f, g, h), as two times two on the host's order (f, e, b, a) and (h, g, d, c). SHA256H wants the
 * new x, SHA256H2 the new y: both say the same until the last operation, so that next to each other they share the rounds, and what turns
 * the lanes for the next four undoes what turned them back.
 */
static void sha256_rounds(struct tr *t, const struct a64_insn *i, bool second)
{
    if (fp_trapped(t, i))
        return;
    ir_ref d = vreg(t, i->rd), n = vreg(t, i->rn), w = vreg(t, i->rm), x = second ? n : d, y = second ? d : n;
    ir_ref feba = swapped(t, E2(VZIP1, y, x, SIZE_D)), hgdc = swapped(t, E2(VZIP2, y, x, SIZE_D));
    ir_ref middle = E3(VSHA256RNDS2, hgdc, feba, w, 0), last = E3(VSHA256RNDS2, feba, middle, E1(VHIGH, w, 0), 0);
    ir_ref ef_ab = swapped(t, last), gh_cd = swapped(t, middle);
    write_vreg(t, i->rd, second ? E2(VZIP1, ef_ab, gh_cd, SIZE_D) : E2(VZIP2, ef_ab, gh_cd, SIZE_D));
}

TRANSLATE(SHA256H) { sha256_rounds(t, i, false); }
TRANSLATE(SHA256H2) { sha256_rounds(t, i, true); }
TRANSLATE(SHA256SU0) { d_n(t, i, IR_VSHA256SU0); }
TRANSLATE(SHA256SU1) { d_n_m(t, i, IR_VSHA256SU1); }
TRANSLATE(SHA512H) { d_n_m(t, i, IR_VSHA512H); }
TRANSLATE(SHA512H2) { d_n_m(t, i, IR_VSHA512H2); }
TRANSLATE(SHA512SU0) { d_n(t, i, IR_VSHA512SU0); }
TRANSLATE(SHA512SU1) { d_n_m(t, i, IR_VSHA512SU1); }

TRANSLATE(EOR3)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E2(VXOR, E2(VXOR, vreg(t, i->rn), vreg(t, i->rm), 0), vreg(t, i->ra), 0));
}

TRANSLATE(BCAX)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E2(VXOR, vreg(t, i->rn), E2(VANDN, vreg(t, i->rm), vreg(t, i->ra), 0), 0));
}

static ir_ref rotate_right(struct tr *t, ir_ref v, unsigned by) /* 1..63 */
{
    return E1(VROL, v, sized(SIZE_D, 64 - by));
}

TRANSLATE(RAX1)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E2(VXOR, vreg(t, i->rn), rotate_right(t, vreg(t, i->rm), 63), 0));
}

TRANSLATE(XAR)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = E2(VXOR, vreg(t, i->rn), vreg(t, i->rm), 0);
    write_vreg(t, i->rd, i->imm6 ? rotate_right(t, v, (unsigned)i->imm6) : v);
}
