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

TRANSLATE(AESE) { d_n(t, i, IR_VAESE); }
TRANSLATE(AESD) { d_n(t, i, IR_VAESD); }

/* Compilers and libraries write AESE and AESMC next to each other: then the state written last is Vn's, from AESE, and both
 * are done at once from AESE's operands. */
static void mix_columns(struct tr *t, const struct a64_insn *i, enum ir_op op, enum ir_op round, enum ir_op both)
{
    const struct ir_insn *set = &t->b->insn[t->b->n >= 2 ? t->b->n - 2 : 0]; /* before this instruction's INSN mark */
    const struct ir_insn *value = &t->b->insn[set->a];
    if (fp_trapped(t, i))
        return;
    if (set->op == IR_SETV && set->imm == CPU_V(i->rn) && value->op == round)
        write_vreg(t, i->rd, v2(t, both, value->a, value->b, 0));
    else
        write_vreg(t, i->rd, v1(t, op, vreg(t, i->rn), 0));
}

TRANSLATE(AESMC) { mix_columns(t, i, IR_VAESMC, IR_VAESE, IR_VAESEMC); }
TRANSLATE(AESIMC) { mix_columns(t, i, IR_VAESIMC, IR_VAESD, IR_VAESDIMC); }
TRANSLATE(SHA1C) { d_n_m(t, i, IR_VSHA1C); }
TRANSLATE(SHA1P) { d_n_m(t, i, IR_VSHA1P); }
TRANSLATE(SHA1M) { d_n_m(t, i, IR_VSHA1M); }
TRANSLATE(SHA1H) { n_only(t, i, IR_VSHA1H); }
TRANSLATE(SHA1SU0) { d_n_m(t, i, IR_VSHA1SU0); }
TRANSLATE(SHA1SU1) { d_n(t, i, IR_VSHA1SU1); }
TRANSLATE(SHA256H) { d_n_m(t, i, IR_VSHA256H); }
TRANSLATE(SHA256H2) { d_n_m(t, i, IR_VSHA256H2); }
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
    return E2(VORR, E1(VSHR, v, sized(SIZE_D, by)), E1(VSHL, v, sized(SIZE_D, 64 - by)), 0);
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
