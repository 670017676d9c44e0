/* emit_int.c - integer arithmetic, bit fields, choices, and FLAGS operations that are not lazy (flags.c). */
#include "x64/compile.h"

static void apply(struct x64_compiler *c, enum x64_alu op, bool w, unsigned d, struct x64_operand o)
{
    if (o.kind == OPERAND_IMM)
        alu_ri(&c->a, op, w, d, o.imm);
    else if (o.kind == OPERAND_MEM)
        alu_rm(&c->a, op, w, d, o.mem);
    else
        alu_rr(&c->a, op, w, d, o.reg);
}

static bool in_reg(const struct x64_compiler *c, ir_ref ref)
{
    return x64_where(c, ref) != NO_REG;
}

/* d = a op b */
static void binary(struct x64_compiler *c, enum x64_alu op, bool w, bool commutes)
{
    const struct ir_insn *i = x64_insn(c);
    ir_ref x = i->a, y = i->b;
    int32_t imm;
    if (commutes && in_reg(c, y) && x64_dies(c, y) && !(in_reg(c, x) && x64_dies(c, x)))
        x = i->b, y = i->a;
    else if (commutes && x64_imm32(c, x, w, &imm) && !x64_imm32(c, y, w, &imm))
        x = i->b, y = i->a;
    struct x64_operand o = x64_operand(c, y, w);
    unsigned d = x64_def_over(c, x);
    apply(c, op, w, d, o);
    x64_flags_follow(c, op == ALU_ADD ? FORM_ADD : op == ALU_SUB ? FORM_SUB : FORM_LOGIC, w);
}

/* Additions that need a third register and no flags. */
static bool add_by_lea(struct x64_compiler *c, bool w, bool subtract)
{
    const struct ir_insn *i = x64_insn(c);
    int32_t imm;
    bool constant = x64_imm32(c, i->b, w, &imm);
    if (x64_dies(c, i->a) || c->ir->insn[i->a].op == IR_CONST || (subtract && (!constant || imm == INT32_MIN)) || x64_flags_wanted(c))
        return false;
    if (!constant && !in_reg(c, i->b))
        return false;
    unsigned a = x64_use(c, i->a), b = constant ? 0 : x64_use(c, i->b), d = x64_def(c);
    lea(&c->a, w, d, constant ? mem_at(a, subtract ? -imm : imm) : mem_indexed(a, b, 0, 0));
    c->cc_kept = true;
    return true;
}

/* a + (s << 1..3), the shift being part of this */
static bool add_shifted(struct x64_compiler *c, bool w)
{
    const struct ir_insn *i = x64_insn(c), *shift = &c->ir->insn[i->b];
    if (!c->value[i->b].fused)
        return false;
    unsigned a = x64_use(c, i->a), s = x64_use(c, shift->a), n = (unsigned)c->ir->insn[shift->b].imm;
    unsigned d = x64_dies(c, i->a) ? x64_def_over(c, i->a) : x64_def(c);
    lea(&c->a, w, d, mem_indexed(a, s, n, 0));
    c->cc_kept = true;
    return true;
}

static void unary(struct x64_compiler *c, enum x64_unary op, bool w)
{
    unsigned d = x64_def_over(c, x64_insn(c)->a);
    unary_r(&c->a, op, w, d);
}

/*
 * ADC, SBC; the host's carry is Arm's inverted in FORM_SUB: what SBB wants.
 *
 * ADCS and SBCS are two operations, the FLAGS one first. It is left to the other, whose flags are the same; and these stay in the host's
 * alone if all that wants them are sums like it, with nothing but moves and products between, as in long numbers' arithmetic.
 */
static unsigned sum_with_flags(unsigned op)
{
    switch (op) {
    case IR_FADC64: return IR_ADC64;
    case IR_FADC32: return IR_ADC32;
    case IR_FSBC64: return IR_SBC64;
    case IR_FSBC32: return IR_SBC32;
    default: return IR_NOP;
    }
}

/* Is n the FLAGS of the sum at k? */
static bool flags_of_sum(const struct x64_compiler *c, unsigned n, unsigned k)
{
    const struct ir_insn *f = &c->ir->insn[n], *s = &c->ir->insn[k];
    return c->host->carry && s->op != IR_NOP && sum_with_flags(f->op) == s->op && f->a == s->a && f->b == s->b && f->c == s->c;
}

/* The sum behind the FLAGS at n, 0: there is none. */
static unsigned sum_of(const struct x64_compiler *c, unsigned n)
{
    unsigned k = n + 1;
    while (k < c->ir->n && c->ir->insn[k].op == IR_NOP)
        k++;
    return k < c->ir->n && c->value[k].last && flags_of_sum(c, n, k) ? k : 0;
}

/* The FLAGS that were left to the sum at n, 0: none. */
static ir_ref left_to(const struct x64_compiler *c, unsigned n)
{
    unsigned k = n - 1;
    while (k && c->ir->insn[k].op == IR_NOP)
        k--;
    return c->value[k].last && flags_of_sum(c, k, n) ? (ir_ref)k : 0;
}

/* Do the host's flags outlive the operation at n, which has no use for them? */
static bool keeps_flags(const struct x64_compiler *c, unsigned n)
{
    const struct ir_insn *i = &c->ir->insn[n];
    int32_t imm;
    switch (i->op) {
    case IR_NOP: case IR_INSN: case IR_GET64: case IR_SET64: case IR_CONST: return true;
    case IR_MUL64: return c->host->bmi2 && !x64_imm32(c, i->b, true, &imm);
    case IR_UMULH: return c->host->bmi2;
    default: return false;
    }
}

/* Are they still there for the last who wants f, made by the current operation? */
static bool stays_in_host(const struct x64_compiler *c, ir_ref f)
{
    unsigned n = c->n + 1, last = c->value[f].last;
    while (n < last && keeps_flags(c, n))
        n++;
    const struct ir_insn *i = &c->ir->insn[n];
    bool carries = sum_with_flags(i->op) != IR_NOP ? sum_of(c, n) == last : n == last && (i->op == IR_ADC64 || i->op == IR_SBC64);
    return carries && i->c == f;
}

static void with_carry(struct x64_compiler *c, enum x64_alu op, bool w, bool flags_only)
{
    const struct ir_insn *i = x64_insn(c);
    enum x64_form form = op == ALU_ADC ? FORM_ADD : FORM_SUB;
    unsigned d = RAX;
    if (flags_only && sum_of(c, c->n)) {
        c->cc_kept = true;
        return;
    }
    ir_ref f = flags_only ? 0 : left_to(c, c->n);
    x64_flags_carry(c, i->c, form); /* may use RAX; what follows are moves */
    x64_operands_done(c);
    struct x64_operand o = x64_operand(c, i->b, w);
    if (flags_only)
        x64_load_into(c, i->a, RAX);
    else
        d = x64_def_over(c, i->a);
    apply(c, op, w, d, o);
    c->cc_form = form;
    if (flags_only) {
        x64_flags_define(c);
    } else if (f) {
        c->cc = f;
        c->cc_kept = true;
        if (!stays_in_host(c, f))
            x64_flags_keep(c, f);
    }
}

/* The host's flags hold what is wanted later and cannot be made again: MULX lets them be. */
static bool flags_matter(const struct x64_compiler *c)
{
    return c->host->bmi2 && c->cc && c->value[c->cc].last > c->n && !x64_flags_lazy(c, c->cc);
}

/* RDX is an operand of MULX, and may hold a value. */
static void multiply_beside_flags(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use(c, i->b);
    if (!c->gpr.owner[RDX]) {
        c->gpr.busy |= 1u << RDX;
        x64_load_into(c, i->a, RDX);
        mulx_rrr(&c->a, true, RAX, x64_def(c), b);
        return;
    }
    unsigned a = x64_use(c, i->a), d = x64_def(c);
    bool other = a != RDX && b != RDX;
    if (other)
        mov_rr(&c->a, true, RCX, RDX), mov_rr(&c->a, true, RDX, a);
    mulx_rrr(&c->a, true, RAX, d, b == RDX ? a : b);
    if (other)
        mov_rr(&c->a, true, RDX, RCX);
}

static void multiply(struct x64_compiler *c, bool w)
{
    const struct ir_insn *i = x64_insn(c);
    int32_t imm;
    if (w && flags_matter(c) && !x64_imm32(c, i->b, w, &imm)) {
        multiply_beside_flags(c);
        c->cc_kept = true;
        return;
    }
    if (x64_imm32(c, i->b, w, &imm)) {
        unsigned a = x64_use(c, i->a), d = x64_dies(c, i->a) ? x64_def_over(c, i->a) : x64_def(c);
        imul_rri(&c->a, w, d, a, imm);
        return;
    }
    struct x64_operand o = x64_operand(c, i->b, w);
    unsigned d = x64_def_over(c, i->a);
    if (o.kind == OPERAND_MEM)
        imul_rm(&c->a, w, d, o.mem);
    else
        imul_rr(&c->a, w, d, o.reg);
}

static void multiply_high(struct x64_compiler *c, enum x64_unary op)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use(c, i->b);
    if (op == UN_MUL && c->host->bmi2) {
        x64_load_into(c, i->a, RDX);
        mulx_rrr(&c->a, true, x64_def(c), RAX, b);
        c->cc_kept = true;
        return;
    }
    x64_load_into(c, i->a, RAX);
    unary_r(&c->a, op, true, b);
    mov_rr(&c->a, true, x64_def(c), RDX);
}

/* A64 division: by zero gives 0; the least number by -1 gives itself (DIV and IDIV would trap). */
static void divide(struct x64_compiler *c, bool w, bool is_signed)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use(c, i->b);
    x64_load_into(c, i->a, RCX);
    alu_rr(&c->a, ALU_XOR, false, RAX, RAX);
    test_rr(&c->a, w, b, b);
    uint8_t *zero = jcc_short(&c->a, CC_E), *minus = NULL, *done = NULL;
    mov_rr(&c->a, w, RAX, RCX);
    if (is_signed) {
        alu_ri(&c->a, ALU_CMP, w, b, -1);
        minus = jcc_short(&c->a, CC_E);
        if (w)
            put8(&c->a, 0x48);
        put8(&c->a, 0x99); /* CDQ, CQO */
        unary_r(&c->a, UN_IDIV, w, b);
        done = jmp_short(&c->a);
        jump_here(&c->a, minus);
        unary_r(&c->a, UN_NEG, w, RAX);
        jump_here(&c->a, done);
    } else {
        alu_rr(&c->a, ALU_XOR, false, RDX, RDX);
        unary_r(&c->a, UN_DIV, w, b);
    }
    jump_here(&c->a, zero);
    mov_rr(&c->a, w, x64_def(c), RAX);
}

static void and_not(struct x64_compiler *c, bool w)
{
    const struct ir_insn *i = x64_insn(c);
    if (c->host->bmi1) {
        unsigned a = x64_use(c, i->a), b = x64_use(c, i->b), d = x64_dies(c, i->a) ? x64_def_over(c, i->a) : x64_def(c);
        andn_rrr(&c->a, w, d, b, a);
        return;
    }
    x64_load_into(c, i->b, RAX);
    unary_r(&c->a, UN_NOT, w, RAX);
    unsigned d = x64_def_over(c, i->a);
    alu_rr(&c->a, ALU_AND, w, d, RAX);
}

static void shift(struct x64_compiler *c, enum x64_shift op, bool w)
{
    const struct ir_insn *i = x64_insn(c);
    uint64_t n;
    if (ir_is_const(c->ir, i->b, &n)) {
        unsigned d = x64_def_over(c, i->a);
        n &= w ? 63 : 31;
        if (n)
            shift_ri(&c->a, op, w, d, (unsigned)n);
        else if (!w)
            mov_rr(&c->a, false, d, d);
        return;
    }
    if (c->host->bmi2 && op != SH_ROR) {
        unsigned a = x64_use(c, i->a), b = x64_use(c, i->b), d = x64_dies(c, i->a) ? x64_def_over(c, i->a) : x64_def(c);
        if (op == SH_SHL)
            shlx_rrr(&c->a, w, d, a, b);
        else if (op == SH_SHR)
            shrx_rrr(&c->a, w, d, a, b);
        else
            sarx_rrr(&c->a, w, d, a, b);
        c->cc_kept = true;
        return;
    }
    x64_load_into(c, i->b, RCX);
    unsigned d = x64_def_over(c, i->a);
    shift_rcl(&c->a, op, w, d);
    if (!w)
        mov_rr(&c->a, false, d, d); /* a count of 0 leaves the upper half as it was */
}

static void extract(struct x64_compiler *c, bool w)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use(c, i->a), d = x64_def_over(c, i->b);
    if (i->imm)
        shrd_rri(&c->a, w, d, a, (unsigned)i->imm);
    else if (!w)
        mov_rr(&c->a, false, d, d);
}

/* Reads the operand into the result through a one-instruction move. */
static void extend(struct x64_compiler *c, unsigned log2, bool is_signed)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use(c, i->a), d = x64_dies(c, i->a) ? x64_def_over(c, i->a) : x64_def(c);
    if (is_signed)
        movsx_rr(&c->a, log2, true, d, a);
    else
        movzx_rr(&c->a, log2, d, a);
    c->cc_kept = true;
}

static void field(struct x64_compiler *c, bool w, bool is_signed)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned lsb = i->imm & 0xff, width = i->imm >> 8 & 0xff, all = w ? 64 : 32;
    unsigned d = x64_def_over(c, i->a);
    if (!is_signed && lsb + width <= 32)
        w = false, all = 32;
    if (!is_signed && width < 32 && lsb + width < all) {
        if (lsb)
            shift_ri(&c->a, SH_SHR, w, d, lsb);
        alu_ri(&c->a, ALU_AND, false, d, (int32_t)ones(width));
        return;
    }
    unsigned left = all - lsb - width, right = all - width;
    if (left)
        shift_ri(&c->a, SH_SHL, w, d, left);
    if (right)
        shift_ri(&c->a, is_signed ? SH_SAR : SH_SHR, w, d, right);
    if (!left && !right && !w)
        mov_rr(&c->a, false, d, d);
}

static void and_const(struct x64_compiler *c, unsigned d, uint64_t mask, unsigned scratch)
{
    if ((int64_t)mask == (int32_t)mask) {
        alu_ri(&c->a, ALU_AND, true, d, (int32_t)mask);
    } else {
        mov_ri(&c->a, scratch, mask);
        alu_rr(&c->a, ALU_AND, true, d, scratch);
    }
}

static void insert(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned lsb = i->imm & 0xff, width = i->imm >> 8 & 0xff;
    x64_load_into(c, i->b, RAX);
    if (width < 64)
        and_const(c, RAX, ones(width), RCX);
    if (lsb)
        shift_ri(&c->a, SH_SHL, true, RAX, lsb);
    unsigned d = x64_def_over(c, i->a);
    and_const(c, d, ~(ones(width) << lsb), RCX);
    alu_rr(&c->a, ALU_OR, true, d, RAX);
}

/* d = leading zeros of s; d and s may be the same */
static void leading_zeros(struct x64_compiler *c, bool w, unsigned d, unsigned s)
{
    if (c->host->lzcnt) {
        lzcnt_rr(&c->a, w, d, s);
        return;
    }
    mov_ri(&c->a, RCX, w ? 127 : 63);
    bsr_rr(&c->a, w, RDX, s);
    cmov_rr(&c->a, CC_E, true, RDX, RCX);
    alu_ri(&c->a, ALU_XOR, false, RDX, w ? 63 : 31);
    mov_rr(&c->a, false, d, RDX);
}

static void count(struct x64_compiler *c, bool w, bool sign_bits)
{
    const struct ir_insn *i = x64_insn(c);
    if (c->value[i->a].fused) { /* zeros below the lowest one: CLZ of RBIT */
        ir_ref part = c->ir->insn[i->a].a;
        unsigned s = x64_use(c, part);
        tzcnt_rr(&c->a, w, x64_dies(c, part) ? x64_def_over(c, part) : x64_def(c), s);
        return;
    }
    unsigned a = x64_use(c, i->a), d = x64_dies(c, i->a) ? x64_def_over(c, i->a) : x64_def(c);
    if (!sign_bits) {
        leading_zeros(c, w, d, a);
        return;
    }
    mov_rr(&c->a, w, RAX, a); /* clz(a ^ (a >> 63 signed)) - 1 */
    shift_ri(&c->a, SH_SAR, w, RAX, w ? 63 : 31);
    alu_rr(&c->a, ALU_XOR, w, RAX, a);
    leading_zeros(c, w, d, RAX);
    alu_ri(&c->a, ALU_SUB, false, d, 1);
}

/* Exchanges neighbouring groups of `n` bits: d = (d >> n & mask) | (d & mask) << n */
static void swap_groups(struct x64_compiler *c, unsigned d, unsigned n, uint64_t mask)
{
    mov_ri(&c->a, RCX, mask);
    mov_rr(&c->a, true, RAX, d);
    shift_ri(&c->a, SH_SHR, true, RAX, n);
    alu_rr(&c->a, ALU_AND, true, RAX, RCX);
    alu_rr(&c->a, ALU_AND, true, d, RCX);
    shift_ri(&c->a, SH_SHL, true, d, n);
    alu_rr(&c->a, ALU_OR, true, d, RAX);
}

static void reverse_bits(struct x64_compiler *c, bool w)
{
    unsigned d = x64_def_over(c, x64_insn(c)->a);
    if (c->host->gfni) { /* the bits of each byte by an affine transformation (GF2P8AFFINEQB), then the bytes */
        mov_ri(&c->a, RAX, UINT64_C(0x8040201008040201));
        movd_vr(&c->a, true, 0, d);
        movd_vr(&c->a, true, 1, RAX);
        sse_rr(&c->a, X64_V(PP_66, MAP_0F3A, 1, 0xce), 0, 1);
        put8(&c->a, 0);
        movd_rv(&c->a, w, d, 0);
        bswap_r(&c->a, w, d);
        c->cc_kept = true;
        return;
    }
    if (!w)
        mov_rr(&c->a, false, d, d);
    bswap_r(&c->a, w, d);
    swap_groups(c, d, 4, 0x0f0f0f0f0f0f0f0f);
    swap_groups(c, d, 2, 0x3333333333333333);
    swap_groups(c, d, 1, 0x5555555555555555);
}

static void reverse_bytes(struct x64_compiler *c, unsigned op)
{
    unsigned d = x64_def_over(c, x64_insn(c)->a);
    if (op == IR_BSWAP16X4) {
        swap_groups(c, d, 8, 0x00ff00ff00ff00ff);
        return;
    }
    bswap_r(&c->a, op != IR_BSWAP32, d);
    if (op == IR_BSWAP32X2)
        shift_ri(&c->a, SH_ROR, true, d, 32);
}

static void crc32c(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use(c, i->b), d = x64_def_over(c, i->a);
    crc32_rr(&c->a, (unsigned)__builtin_ctzll(i->imm), d, b);
    mov_rr(&c->a, false, d, d);
}

/* ---- choices ---- */

/* d = cond ? b : c; the flags first (their operands may be many), what follows are moves */
static void choose(struct x64_compiler *c, ir_ref f, unsigned cond, ir_ref yes, ir_ref no)
{
    if (cond >= 14)
        no = yes;
    c->cc_kept = true;
    if (cond >= 14) {
        x64_def_over(c, yes);
        return;
    }
    enum x64_cc cc = x64_flags_cond(c, f, cond);
    x64_operands_done(c);
    unsigned y = x64_use(c, yes);
    x64_use(c, no);
    if (x64_dies(c, yes) && !x64_dies(c, no)) { /* keep y's register: condition the other way round */
        unsigned n = x64_use(c, no), d = x64_def_over(c, yes);
        cmov_rr(&c->a, cc ^ 1, true, d, n);
    } else {
        unsigned d = x64_def_over(c, no);
        cmov_rr(&c->a, cc, true, d, y);
    }
}

static void choose_nonzero(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use(c, i->a), y = x64_use(c, i->b);
    unsigned d = x64_def_over(c, i->c);
    test_rr(&c->a, true, a, a);
    cmov_rr(&c->a, CC_NE, true, d, y);
}

static void cond(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned d = NO_REG;
    c->cc_kept = true;
    if (i->imm >= 14) {
        mov_ri(&c->a, x64_def(c), 1);
        return;
    }
    enum x64_cc cc = x64_flags_cond(c, i->a, (unsigned)i->imm);
    setcc_r(&c->a, cc, RAX);
    d = x64_def(c);
    movzx_rr(&c->a, 0, d, RAX);
}

/* FLAGS: condition on a: b, else c. Without room for the operands of all three: both words are made, one is chosen. */
static void flags_select_words(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    struct x64_mem b = x64_frame(c, FRAME_ARGS);
    x64_flags_word_in_rax(c, i->b);
    mov_mr(&c->a, false, b, RAX);
    x64_operands_done(c);
    x64_flags_word_in_rax(c, i->c);
    mov_rr(&c->a, false, x64_def(c), RAX);
    c->gpr.busy = 1u << x64_where(c, (ir_ref)c->n);
    enum x64_cc cc = x64_flags_cond(c, i->a, (unsigned)i->imm);
    mov_rm(&c->a, false, RAX, b);
    cmov_rr(&c->a, cc, false, x64_where(c, (ir_ref)c->n), RAX);
}

static void flags_select(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    if (i->imm >= 14) { /* always */
        x64_flags_uniform(c, i->b);
        x64_operands_done(c);
        x64_flags_define(c);
        return;
    }
    if (x64_flags_registers(c, i->a) + x64_flags_registers(c, i->b) + x64_flags_registers(c, i->c) >=
        (unsigned)__builtin_popcount(c->gpr.allocatable)) {
        flags_select_words(c);
        return;
    }
    x64_flags_prepare(c, i->a);
    x64_flags_prepare(c, i->b);
    x64_flags_prepare(c, i->c);
    enum x64_cc cc = x64_flags_cond(c, i->a, (unsigned)i->imm);
    uint8_t *otherwise = jcc_short(&c->a, cc ^ 1);
    ir_ref held = c->cc;
    enum x64_form form = c->cc_form;
    x64_flags_uniform(c, i->b);
    uint8_t *done = jmp_short(&c->a);
    jump_here(&c->a, otherwise);
    c->cc = held, c->cc_form = form;
    x64_flags_uniform(c, i->c);
    jump_here(&c->a, done);
    c->cc_form = FORM_SUB;
    x64_flags_define(c);
}

/* NZCV in bits 31..28 to the word and back. */
static void flags_from_nzcv(struct x64_compiler *c)
{
    unsigned a = x64_use(c, x64_insn(c)->a);
    mov_rr(&c->a, false, RAX, a);
    shift_ri(&c->a, SH_SHR, false, RAX, 16); /* N 15, Z 14, C 13, V 12 */
    mov_rr(&c->a, false, RCX, RAX);
    mov_rr(&c->a, false, RDX, RAX);
    alu_ri(&c->a, ALU_AND, false, RAX, 0xc000);
    shift_ri(&c->a, SH_SHR, false, RCX, 5); /* C 8 */
    alu_ri(&c->a, ALU_AND, false, RCX, 0x100);
    alu_ri(&c->a, ALU_XOR, false, RCX, 0x100);
    alu_rr(&c->a, ALU_OR, false, RAX, RCX);
    shift_ri(&c->a, SH_SHR, false, RDX, 12); /* V 0 */
    alu_ri(&c->a, ALU_AND, false, RDX, 1);
    alu_rr(&c->a, ALU_OR, false, RAX, RDX);
    mov_rr(&c->a, false, x64_def(c), RAX);
}

static void flags_to_nzcv(struct x64_compiler *c)
{
    x64_flags_word_in_rax(c, x64_insn(c)->a);
    unsigned d = x64_def(c);
    mov_rr(&c->a, false, RCX, RAX);
    mov_rr(&c->a, false, d, RAX);
    alu_ri(&c->a, ALU_AND, false, d, 0xc000);
    shift_ri(&c->a, SH_SHL, false, d, 16);
    shift_ri(&c->a, SH_SHL, false, RCX, 21);
    alu_ri(&c->a, ALU_AND, false, RCX, 1 << 29);
    alu_ri(&c->a, ALU_XOR, false, RCX, 1 << 29);
    alu_rr(&c->a, ALU_OR, false, d, RCX);
    alu_ri(&c->a, ALU_AND, false, RAX, 1);
    shift_ri(&c->a, SH_SHL, false, RAX, 28);
    alu_rr(&c->a, ALU_OR, false, d, RAX);
}

bool x64_emit_int(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    switch (i->op) {
    case IR_CONST: c->cc_kept = true; break; /* made where it is used */
    case IR_ADD64: case IR_ADD32:
        if (!add_shifted(c, i->op == IR_ADD64) && !add_by_lea(c, i->op == IR_ADD64, false))
            binary(c, ALU_ADD, i->op == IR_ADD64, true);
        break;
    case IR_SUB64: case IR_SUB32:
        if (!add_by_lea(c, i->op == IR_SUB64, true))
            binary(c, ALU_SUB, i->op == IR_SUB64, false);
        break;
    case IR_AND64: case IR_AND32: binary(c, ALU_AND, i->op == IR_AND64, true); break;
    case IR_OR64: case IR_OR32: binary(c, ALU_OR, i->op == IR_OR64, true); break;
    case IR_XOR64: case IR_XOR32: binary(c, ALU_XOR, i->op == IR_XOR64, true); break;
    case IR_ADC64: case IR_ADC32: with_carry(c, ALU_ADC, i->op == IR_ADC64, false); break;
    case IR_SBC64: case IR_SBC32: with_carry(c, ALU_SBB, i->op == IR_SBC64, false); break;
    case IR_FADC64: case IR_FADC32: with_carry(c, ALU_ADC, i->op == IR_FADC64, true); break;
    case IR_FSBC64: case IR_FSBC32: with_carry(c, ALU_SBB, i->op == IR_FSBC64, true); break;
    case IR_MUL64: case IR_MUL32: multiply(c, i->op == IR_MUL64); break;
    case IR_UMULH: multiply_high(c, UN_MUL); break;
    case IR_SMULH: multiply_high(c, UN_IMUL); break;
    case IR_UDIV64: case IR_UDIV32: divide(c, i->op == IR_UDIV64, false); break;
    case IR_SDIV64: case IR_SDIV32: divide(c, i->op == IR_SDIV64, true); break;
    case IR_ANDN64: case IR_ANDN32: and_not(c, i->op == IR_ANDN64); break;
    case IR_NOT64: case IR_NOT32: unary(c, UN_NOT, i->op == IR_NOT64); break;
    case IR_NEG64: case IR_NEG32: unary(c, UN_NEG, i->op == IR_NEG64); break;
    case IR_SHL64: case IR_SHL32: shift(c, SH_SHL, i->op == IR_SHL64); break;
    case IR_SHR64: case IR_SHR32: shift(c, SH_SHR, i->op == IR_SHR64); break;
    case IR_SAR64: case IR_SAR32: shift(c, SH_SAR, i->op == IR_SAR64); break;
    case IR_ROR64: case IR_ROR32: shift(c, SH_ROR, i->op == IR_ROR64); break;
    case IR_EXTR64: case IR_EXTR32: extract(c, i->op == IR_EXTR64); break;
    case IR_UBFX: field(c, true, false); break;
    case IR_SBFX64: case IR_SBFX32: field(c, i->op == IR_SBFX64, true); break;
    case IR_BFI: insert(c); break;
    case IR_ZEXT8: extend(c, 0, false); break;
    case IR_ZEXT16: extend(c, 1, false); break;
    case IR_ZEXT32: extend(c, 2, false); break;
    case IR_SEXT8: extend(c, 0, true); break;
    case IR_SEXT16: extend(c, 1, true); break;
    case IR_SEXT32: extend(c, 2, true); break;
    case IR_CLZ64: case IR_CLZ32: count(c, i->op == IR_CLZ64, false); break;
    case IR_CLS64: case IR_CLS32: count(c, i->op == IR_CLS64, true); break;
    case IR_RBIT64: case IR_RBIT32: reverse_bits(c, i->op == IR_RBIT64); break;
    case IR_BSWAP64: case IR_BSWAP32: case IR_BSWAP32X2: case IR_BSWAP16X4: reverse_bytes(c, i->op); break;
    case IR_CRC32C: crc32c(c); break;
    case IR_FADD64: case IR_FADD32: case IR_FSUB64: case IR_FSUB32: case IR_FLOGIC64: case IR_FLOGIC32: case IR_FCONST:
        c->cc_kept = true; /* lazy */
        break;
    case IR_FSELECT: flags_select(c); break;
    case IR_F_FROM_NZCV: flags_from_nzcv(c); break;
    case IR_F_TO_NZCV: flags_to_nzcv(c); break;
    case IR_COND: cond(c); break;
    case IR_SELECT: choose(c, i->a, (unsigned)i->imm, i->b, i->c); break;
    case IR_SELNZ: choose_nonzero(c); break;
    default: return false;
    }
    return true;
}
