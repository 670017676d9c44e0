/* dp_reg.c - Data processing: register. */
#include "cpu/jit/translate/functions.h"

/* Rn or Rm in the instruction's width, zero-extended: for 64-bit consumers. */
static ir_ref reg_sf(struct tr *t, const struct a64_insn *i, unsigned n)
{
    return i->sf ? reg(t, n) : reg_w(t, n);
}

/* ---- two sources, one source ---- */
#define TWO_SOURCES(row, op)                                                              \
    void translate_##row(struct tr *t, const struct a64_insn *i)                          \
    {                                                                                     \
        write_reg(t, i->rd, BY_SF(op, reg(t, i->rn), reg(t, i->rm)));                     \
    }
TWO_SOURCES(UDIV, UDIV)
TWO_SOURCES(SDIV, SDIV)
TWO_SOURCES(LSLV, SHL)
TWO_SOURCES(LSRV, SHR)
TWO_SOURCES(ASRV, SAR)
TWO_SOURCES(RORV, ROR)

#define ONE_SOURCE(row, op)                                                               \
    void translate_##row(struct tr *t, const struct a64_insn *i)                          \
    {                                                                                     \
        write_reg(t, i->rd, BY_SF1(op, reg(t, i->rn)));                                   \
    }
ONE_SOURCE(RBIT, RBIT)
ONE_SOURCE(CLZ, CLZ)
ONE_SOURCE(CLS, CLS)

void translate_CRC32(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E2(CRC32, reg_w(t, i->rn), reg(t, i->rm), 1u << i->size));
}

void translate_CRC32C(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E2(CRC32C, reg_w(t, i->rn), reg(t, i->rm), 1u << i->size));
}

void translate_REV16(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E1(BSWAP16X4, reg_sf(t, i, i->rn), 0));
}

void translate_REV_32(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E1(BSWAP32, reg(t, i->rn), 0));
}

void translate_REV32(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E1(BSWAP32X2, reg(t, i->rn), 0));
}

void translate_REV_64(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E1(BSWAP64, reg(t, i->rn), 0));
}

/* ---- logical, add and subtract (shifted register) ---- */
static ir_ref shifted(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = reg(t, i->rm), amount;
    if (!i->imm6)
        return v;
    amount = konst(t, (uint64_t)i->imm6);
    switch (i->shift) {
    case 0: return BY_SF(SHL, v, amount);
    case 1: return BY_SF(SHR, v, amount);
    case 2: return BY_SF(SAR, v, amount);
    default: return BY_SF(ROR, v, amount);
    }
}

void translate_AND_shift(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, BY_SF(AND, reg(t, i->rn), shifted(t, i)));
}

void translate_BIC_shift(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, BY_SF(ANDN, reg(t, i->rn), shifted(t, i)));
}

/* MOV (register) is the form that matters. */
void translate_ORR_shift(struct tr *t, const struct a64_insn *i)
{
    ir_ref v;
    if (i->rn == 31 && !i->imm6)
        v = reg_sf(t, i, i->rm);
    else if (i->rn == 31)
        v = shifted(t, i);
    else
        v = BY_SF(OR, reg(t, i->rn), shifted(t, i));
    write_reg(t, i->rd, v);
}

void translate_ORN_shift(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = BY_SF1(NOT, shifted(t, i));
    write_reg(t, i->rd, i->rn == 31 ? v : BY_SF(OR, reg(t, i->rn), v));
}

void translate_EOR_shift(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, BY_SF(XOR, reg(t, i->rn), shifted(t, i)));
}

void translate_EON_shift(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, BY_SF(XOR, reg(t, i->rn), BY_SF1(NOT, shifted(t, i))));
}

void translate_ANDS_shift(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = BY_SF(AND, reg(t, i->rn), shifted(t, i));
    write_reg(t, i->rd, v);
    write_flags(t, BY_SF1(FLOGIC, v));
}

void translate_BICS_shift(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = BY_SF(ANDN, reg(t, i->rn), shifted(t, i));
    write_reg(t, i->rd, v);
    write_flags(t, BY_SF1(FLOGIC, v));
}

/* Both operands are read before the result is written: reading a register that was just SET is right but slower. */
static void add(struct tr *t, const struct a64_insn *i, ir_ref a, ir_ref b)
{
    write_reg(t, i->rd, BY_SF(ADD, a, b));
}

static void adds(struct tr *t, const struct a64_insn *i, ir_ref a, ir_ref b)
{
    write_reg(t, i->rd, BY_SF(ADD, a, b));
    write_flags(t, BY_SF(FADD, a, b));
}

static void sub(struct tr *t, const struct a64_insn *i, ir_ref a, ir_ref b)
{
    write_reg(t, i->rd, BY_SF(SUB, a, b));
}

static void subs(struct tr *t, const struct a64_insn *i, ir_ref a, ir_ref b)
{
    write_reg(t, i->rd, BY_SF(SUB, a, b));
    write_flags(t, BY_SF(FSUB, a, b));
}

void translate_ADD_shift(struct tr *t, const struct a64_insn *i)
{
    add(t, i, reg(t, i->rn), shifted(t, i));
}

void translate_ADDS_shift(struct tr *t, const struct a64_insn *i)
{
    adds(t, i, reg(t, i->rn), shifted(t, i));
}

void translate_SUB_shift(struct tr *t, const struct a64_insn *i)
{
    if (i->rn == 31)
        write_reg(t, i->rd, BY_SF1(NEG, shifted(t, i)));
    else
        sub(t, i, reg(t, i->rn), shifted(t, i));
}

void translate_SUBS_shift(struct tr *t, const struct a64_insn *i)
{
    subs(t, i, reg(t, i->rn), shifted(t, i));
}

/* ---- add and subtract (extended register) ---- */
static ir_ref extended(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = extend(t, reg(t, i->rm), (unsigned)i->option);
    return i->imm3 ? E2(SHL64, v, konst(t, (uint64_t)i->imm3), 0) : v;
}

void translate_ADD_ext(struct tr *t, const struct a64_insn *i)
{
    write_reg_sp(t, i->rd, BY_SF(ADD, reg_sp(t, i->rn), extended(t, i)));
}

void translate_ADDS_ext(struct tr *t, const struct a64_insn *i)
{
    adds(t, i, reg_sp(t, i->rn), extended(t, i));
}

void translate_SUB_ext(struct tr *t, const struct a64_insn *i)
{
    write_reg_sp(t, i->rd, BY_SF(SUB, reg_sp(t, i->rn), extended(t, i)));
}

void translate_SUBS_ext(struct tr *t, const struct a64_insn *i)
{
    subs(t, i, reg_sp(t, i->rn), extended(t, i));
}

/* ---- with carry ---- */
static ir_ref with_carry(struct tr *t, const struct a64_insn *i, enum ir_op op64, enum ir_op op32)
{
    return ir_emit(t->b, i->sf ? op64 : op32, reg(t, i->rn), reg(t, i->rm), flags(t), 0);
}

void translate_ADC(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, with_carry(t, i, IR_ADC64, IR_ADC32));
}

void translate_SBC(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, with_carry(t, i, IR_SBC64, IR_SBC32));
}

void translate_ADCS(struct tr *t, const struct a64_insn *i)
{
    ir_ref f = with_carry(t, i, IR_FADC64, IR_FADC32);
    write_reg(t, i->rd, with_carry(t, i, IR_ADC64, IR_ADC32));
    write_flags(t, f);
}

void translate_SBCS(struct tr *t, const struct a64_insn *i)
{
    ir_ref f = with_carry(t, i, IR_FSBC64, IR_FSBC32);
    write_reg(t, i->rd, with_carry(t, i, IR_SBC64, IR_SBC32));
    write_flags(t, f);
}

/* ---- flags ---- */
enum { NZCV_N = 1u << 31, NZCV_Z = 1u << 30, NZCV_C = 1u << 29, NZCV_V = 1u << 28 };

static ir_ref and_const(struct tr *t, ir_ref a, uint64_t mask)
{
    return E2(AND64, a, konst(t, mask), 0);
}

static void write_nzcv(struct tr *t, ir_ref nzcv)
{
    write_flags(t, E1(F_FROM_NZCV, nzcv, 0));
}

static ir_ref read_nzcv(struct tr *t)
{
    return E1(F_TO_NZCV, flags(t), 0);
}

void translate_RMIF(struct tr *t, const struct a64_insn *i)
{
    ir_ref turned = E2(ROR64, reg(t, i->rn), konst(t, (uint64_t)i->imm6), 0);
    uint64_t mask = (uint64_t)i->mask << 28;
    ir_ref fresh = and_const(t, E2(SHL64, turned, konst(t, 28), 0), mask);
    write_nzcv(t, E2(OR64, and_const(t, read_nzcv(t), 0xf0000000 & ~mask), fresh, 0));
}

/* N and Z of the low `bits` bits, V = bit `bits` xor bit `bits - 1`; C stays. */
static void setf(struct tr *t, const struct a64_insn *i, unsigned bits)
{
    ir_ref v = reg(t, i->rn);
    ir_ref top = E2(SHL32, v, konst(t, 32 - bits), 0);
    ir_ref nz = and_const(t, E1(F_TO_NZCV, E1(FLOGIC32, top, 0), 0), NZCV_N | NZCV_Z);
    ir_ref differ = E2(XOR64, v, E2(SHR64, v, konst(t, 1), 0), 0);
    ir_ref overflow = E2(SHL64, E1(UBFX, differ, (bits - 1) | 1 << 8), konst(t, 28), 0);
    ir_ref c = and_const(t, read_nzcv(t), NZCV_C);
    write_nzcv(t, E2(OR64, nz, E2(OR64, overflow, c, 0), 0));
}

void translate_SETF8(struct tr *t, const struct a64_insn *i)
{
    setf(t, i, 8);
}

void translate_SETF16(struct tr *t, const struct a64_insn *i)
{
    setf(t, i, 16);
}

void translate_CFINV(struct tr *t, const struct a64_insn *i)
{
    write_nzcv(t, E2(XOR64, read_nzcv(t), konst(t, NZCV_C), 0));
}

/* The flag conversions are functions of 16 values: a table of nibbles, two constants of 32 bits, would do as well; these
 * are the manual's equations. */
void translate_AXFLAG(struct tr *t, const struct a64_insn *i)
{
    ir_ref f = read_nzcv(t);
    ir_ref v = E1(UBFX, f, 28 | 1 << 8), c = E1(UBFX, f, 29 | 1 << 8), z = E1(UBFX, f, 30 | 1 << 8);
    ir_ref new_z = E2(SHL64, E2(OR64, z, v, 0), konst(t, 30), 0);
    ir_ref new_c = E2(SHL64, E2(ANDN64, c, v, 0), konst(t, 29), 0);
    write_nzcv(t, E2(OR64, new_z, new_c, 0));
}

void translate_XAFLAG(struct tr *t, const struct a64_insn *i)
{
    ir_ref f = read_nzcv(t), one = konst(t, 1);
    ir_ref c = E1(UBFX, f, 29 | 1 << 8), z = E1(UBFX, f, 30 | 1 << 8);
    ir_ref not_c = E2(XOR64, c, one, 0);
    ir_ref new_n = E2(SHL64, E2(ANDN64, not_c, z, 0), konst(t, 31), 0);
    ir_ref new_z = E2(SHL64, E2(AND64, z, c, 0), konst(t, 30), 0);
    ir_ref new_c = E2(SHL64, E2(OR64, c, z, 0), konst(t, 29), 0);
    ir_ref new_v = E2(SHL64, E2(AND64, not_c, z, 0), konst(t, 28), 0);
    write_nzcv(t, E2(OR64, E2(OR64, new_n, new_z, 0), E2(OR64, new_c, new_v, 0), 0));
}

/* ---- conditional ---- */
static void conditional_compare(struct tr *t, const struct a64_insn *i, ir_ref compared)
{
    if (i->cond < 14)
        compared = E3(FSELECT, flags(t), compared, E0(FCONST, (uint64_t)i->nzcv), (uint64_t)i->cond);
    write_flags(t, compared);
}

void translate_CCMN_reg(struct tr *t, const struct a64_insn *i)
{
    conditional_compare(t, i, BY_SF(FADD, reg(t, i->rn), reg(t, i->rm)));
}

void translate_CCMP_reg(struct tr *t, const struct a64_insn *i)
{
    conditional_compare(t, i, BY_SF(FSUB, reg(t, i->rn), reg(t, i->rm)));
}

void translate_CCMN_imm(struct tr *t, const struct a64_insn *i)
{
    conditional_compare(t, i, BY_SF(FADD, reg(t, i->rn), konst(t, (uint64_t)i->imm5)));
}

void translate_CCMP_imm(struct tr *t, const struct a64_insn *i)
{
    conditional_compare(t, i, BY_SF(FSUB, reg(t, i->rn), konst(t, (uint64_t)i->imm5)));
}

static void select_reg(struct tr *t, const struct a64_insn *i, ir_ref otherwise)
{
    ir_ref v = reg_sf(t, i, i->rn);
    if (i->cond < 14)
        v = E3(SELECT, flags(t), v, otherwise, (uint64_t)i->cond);
    write_reg(t, i->rd, v);
}

void translate_CSEL(struct tr *t, const struct a64_insn *i)
{
    select_reg(t, i, reg_sf(t, i, i->rm));
}

/* CSET is the form that matters. */
void translate_CSINC(struct tr *t, const struct a64_insn *i)
{
    if (i->rn == 31 && i->rm == 31 && i->cond < 14)
        write_reg(t, i->rd, E1(COND, flags(t), (uint64_t)i->cond ^ 1));
    else
        select_reg(t, i, BY_SF(ADD, reg(t, i->rm), konst(t, 1)));
}

void translate_CSINV(struct tr *t, const struct a64_insn *i)
{
    select_reg(t, i, BY_SF1(NOT, reg(t, i->rm)));
}

void translate_CSNEG(struct tr *t, const struct a64_insn *i)
{
    select_reg(t, i, BY_SF1(NEG, reg(t, i->rm)));
}

/* ---- three sources ---- */
void translate_MADD(struct tr *t, const struct a64_insn *i)
{
    ir_ref product = BY_SF(MUL, reg(t, i->rn), reg(t, i->rm));
    write_reg(t, i->rd, i->ra == 31 ? product : BY_SF(ADD, reg(t, i->ra), product));
}

void translate_MSUB(struct tr *t, const struct a64_insn *i)
{
    ir_ref product = BY_SF(MUL, reg(t, i->rn), reg(t, i->rm));
    write_reg(t, i->rd, i->ra == 31 ? BY_SF1(NEG, product) : BY_SF(SUB, reg(t, i->ra), product));
}

static ir_ref long_product(struct tr *t, const struct a64_insn *i, bool is_signed)
{
    enum ir_op ext = is_signed ? IR_SEXT32 : IR_ZEXT32;
    ir_ref a = ir_emit(t->b, ext, reg(t, i->rn), 0, 0, 0), b = ir_emit(t->b, ext, reg(t, i->rm), 0, 0, 0);
    return E2(MUL64, a, b, 0);
}

#define LONG_MULTIPLY(row, op, is_signed)                                                           \
    void translate_##row(struct tr *t, const struct a64_insn *i)                                    \
    {                                                                                               \
        write_reg(t, i->rd, E2(op, reg(t, i->ra), long_product(t, i, is_signed), 0));               \
    }
LONG_MULTIPLY(SMADDL, ADD64, true)
LONG_MULTIPLY(SMSUBL, SUB64, true)
LONG_MULTIPLY(UMADDL, ADD64, false)
LONG_MULTIPLY(UMSUBL, SUB64, false)

void translate_SMULH(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E2(SMULH, reg(t, i->rn), reg(t, i->rm), 0));
}

void translate_UMULH(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, E2(UMULH, reg(t, i->rn), reg(t, i->rm), 0));
}
