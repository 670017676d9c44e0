/* simd_element.c - Advanced SIMD vector and scalar by indexed element, integer. */
#include "cpu/jit/translate/simd.h"

/* The element of Vm in every lane. 16-bit lanes: Vm is V0..V15 and the index has three bits. */
static ir_ref element(struct tr *t, const struct a64_insn *i)
{
    if (i->size == SIZE_H)
        return E1(VDUPLANE, vreg(t, i->rm4), sized(SIZE_H, (unsigned)(i->h << 2 | i->l << 1 | i->m)));
    return E1(VDUPLANE, vreg(t, (unsigned)(i->m << 4 | i->rm4)), sized(SIZE_S, (unsigned)(i->h << 1 | i->l)));
}

static void plain(struct tr *t, const struct a64_insn *i, enum ir_op join)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = E2(VMUL, vreg(t, i->rn), element(t, i), i->size);
    write_lanes(t, i, join ? v2(t, join, vreg(t, i->rd), v, i->size) : v);
}

static void long_op(struct tr *t, const struct a64_insn *i, enum ir_op op, enum ir_op join)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = v2(t, op, half(t, i, i->rn), element(t, i), i->size);
    write_vreg(t, i->rd, join ? v2(t, join, vreg(t, i->rd), v, i->size + 1) : v);
}

static void long_scalar(struct tr *t, const struct a64_insn *i, enum ir_op join)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = E2(VSQDMULL, scalar(t, i->rn, i->size), element(t, i), i->size);
    write_vreg(t, i->rd, join ? v2(t, join, scalar(t, i->rd, i->size + 1), v, i->size + 1) : v);
}

static void high(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, lanes(t, i, i->rn), element(t, i), i->size));
}

static void high_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, scalar(t, i->rn, i->size), element(t, i), i->size));
}

static void high_add(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, ir_emit(t->b, op, lanes(t, i, i->rd), lanes(t, i, i->rn), element(t, i), i->size));
}

static void high_add_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd,
               ir_emit(t->b, op, scalar(t, i->rd, i->size), scalar(t, i->rn, i->size), element(t, i), i->size));
}

/* Groups of four bytes of Vm, the same for every lane; swapped: Vn holds the signed ones of USDOT's operation */
static void dot(struct tr *t, const struct a64_insn *i, enum ir_op op, bool swapped)
{
    if (fp_trapped(t, i))
        return;
    ir_ref n = vreg(t, i->rn);
    ir_ref m = E1(VDUPLANE, vreg(t, (unsigned)(i->m << 4 | i->rm4)), sized(SIZE_S, (unsigned)(i->h << 1 | i->l)));
    write_lanes(t, i, ir_emit(t->b, op, vreg(t, i->rd), swapped ? m : n, swapped ? n : m, SIZE_S));
}

TRANSLATE(MUL_e) { plain(t, i, IR_NOP); }
TRANSLATE(MLA_e) { plain(t, i, IR_VADD); }
TRANSLATE(MLS_e) { plain(t, i, IR_VSUB); }
TRANSLATE(SMULL_e) { long_op(t, i, IR_VSMULL, IR_NOP); }
TRANSLATE(UMULL_e) { long_op(t, i, IR_VUMULL, IR_NOP); }
TRANSLATE(SMLAL_e) { long_op(t, i, IR_VSMULL, IR_VADD); }
TRANSLATE(UMLAL_e) { long_op(t, i, IR_VUMULL, IR_VADD); }
TRANSLATE(SMLSL_e) { long_op(t, i, IR_VSMULL, IR_VSUB); }
TRANSLATE(UMLSL_e) { long_op(t, i, IR_VUMULL, IR_VSUB); }
TRANSLATE(SQDMULL_e) { long_op(t, i, IR_VSQDMULL, IR_NOP); }
TRANSLATE(SQDMLAL_e) { long_op(t, i, IR_VSQDMULL, IR_VQADDS); }
TRANSLATE(SQDMLSL_e) { long_op(t, i, IR_VSQDMULL, IR_VQSUBS); }
TRANSLATE(SQDMULH_e) { high(t, i, IR_VSQDMULH); }
TRANSLATE(SQRDMULH_e) { high(t, i, IR_VSQRDMULH); }
TRANSLATE(SQRDMLAH_e) { high_add(t, i, IR_VSQRDMLAH); }
TRANSLATE(SQRDMLSH_e) { high_add(t, i, IR_VSQRDMLSH); }
TRANSLATE(SDOT_e) { dot(t, i, IR_VSDOT, false); }
TRANSLATE(UDOT_e) { dot(t, i, IR_VUDOT, false); }
TRANSLATE(USDOT_e) { dot(t, i, IR_VUSDOT, false); }
TRANSLATE(SUDOT_e) { dot(t, i, IR_VUSDOT, true); }

TRANSLATE(SQDMULL_es) { long_scalar(t, i, IR_NOP); }
TRANSLATE(SQDMLAL_es) { long_scalar(t, i, IR_VQADDS); }
TRANSLATE(SQDMLSL_es) { long_scalar(t, i, IR_VQSUBS); }
TRANSLATE(SQDMULH_es) { high_scalar(t, i, IR_VSQDMULH); }
TRANSLATE(SQRDMULH_es) { high_scalar(t, i, IR_VSQRDMULH); }
TRANSLATE(SQRDMLAH_es) { high_add_scalar(t, i, IR_VSQRDMLAH); }
TRANSLATE(SQRDMLSH_es) { high_add_scalar(t, i, IR_VSQRDMLSH); }
