/* emit_state.c - guest state and calls. GETs cost nothing until their value is wanted in a register (regs.c). */
#include "ir/fp_imm.h"
#include "x64/compile.h"

/* ---- FPSR: some of it may still be in MXCSR (emit_fp.c) ---- */

static void get_fpsr(struct x64_compiler *c)
{
    struct x64_mem fpsr = x64_state(c, c->config->env.fpsr_offset);
    stmxcsr(&c->a, x64_frame(c, FRAME_LOCK));
    mov_rm(&c->a, false, RAX, x64_frame(c, FRAME_LOCK));
    alu_ri(&c->a, ALU_AND, false, RAX, MXCSR_FPSR);
    shift_ri(&c->a, SH_SHR, false, RAX, 1);
    alu_rm(&c->a, ALU_OR, false, RAX, fpsr);
    mov_mr(&c->a, false, fpsr, RAX);
    mov_rr(&c->a, false, x64_def(c), RAX);
}

static void forget_exceptions(struct x64_compiler *c)
{
    stmxcsr(&c->a, x64_frame(c, FRAME_LOCK));
    alu_mi(&c->a, ALU_AND, false, x64_frame(c, FRAME_LOCK), ~MXCSR_FLAGS);
    ldmxcsr(&c->a, x64_frame(c, FRAME_LOCK));
    x64_flags_lost(c);
}

/* ---- pinned guest registers; halves of them are rare ---- */

static void get_pinned(struct x64_compiler *c, unsigned pin)
{
    uint64_t at = x64_insn(c)->imm;
    c->cc_kept = true;
    if (x64_insn(c)->op == IR_GET64) {
        x64_pin_get(c, pin);
        return;
    }
    mov_mr(&c->a, true, x64_state(c, align_down(at, 8)), pin);
    mov_rm(&c->a, false, x64_def(c), x64_state(c, at));
}

static void set_pinned(struct x64_compiler *c, unsigned pin)
{
    const struct ir_insn *i = x64_insn(c);
    struct x64_mem whole = x64_state(c, align_down(i->imm, 8));
    c->cc_kept = true;
    if (i->op == IR_SET64) {
        x64_pin_set(c, pin, i->a);
        return;
    }
    x64_load_into(c, i->a, RAX);
    x64_pin_lost(c, pin);
    mov_mr(&c->a, true, whole, pin);
    mov_mr(&c->a, false, x64_state(c, i->imm), RAX);
    mov_rm(&c->a, true, pin, whole);
}

static void get(struct x64_compiler *c, unsigned bytes)
{
    const struct ir_insn *i = x64_insn(c);
    ir_ref n = (ir_ref)c->n;
    uint64_t at = i->imm;
    if (at == c->config->env.fpsr_offset) {
        get_fpsr(c);
        return;
    }
    if (i->op != IR_GETV && x64_pin(c, at) != NO_REG) {
        get_pinned(c, x64_pin(c, at));
        return;
    }
    if (i->op == IR_GETV && x64_pin_v(c, at) != NO_REG) {
        x64_pin_get_v(c, x64_pin_v(c, at));
        c->cc_kept = true;
        return;
    }
    bool tracked = at + bytes <= 8 * X64_HOMES, taken = false;
    for (uint64_t k = align_down(at, 8); tracked && k < at + bytes; k += 8) {
        ir_ref owner = c->home_owner[k / 8];
        taken |= owner && c->value[owner].home && c->value[owner].last > n;
    }
    c->cc_kept = true;
    if (tracked && !taken) {
        x64_home_set(c, at, bytes, n);
    } else if (i->op == IR_GETV) {
        movups_rm(&c->a, x64_def_v(c), x64_state(c, at));
    } else {
        mov_rm(&c->a, bytes == 8, x64_def(c), x64_state(c, at));
    }
}

static void set_int(struct x64_compiler *c, unsigned bytes)
{
    const struct ir_insn *i = x64_insn(c);
    int32_t imm;
    c->cc_kept = true;
    if (x64_pin(c, i->imm) != NO_REG) {
        set_pinned(c, x64_pin(c, i->imm));
        return;
    }
    if (i->imm == c->config->env.fpsr_offset)
        forget_exceptions(c);
    if (x64_imm32(c, i->a, bytes == 8, &imm) && x64_where(c, i->a) == NO_REG) {
        x64_home_lost(c, i->imm, bytes, 0);
        mov_mi(&c->a, bytes == 8, x64_state(c, i->imm), imm);
        return;
    }
    unsigned r = x64_use(c, i->a);
    x64_home_lost(c, i->imm, bytes, i->a);
    mov_mr(&c->a, bytes == 8, x64_state(c, i->imm), r);
    if (bytes == 8 && c->ir->insn[i->a].op != IR_CONST && c->ir->insn[i->a].op != IR_GET32)
        x64_home_set(c, i->imm, 8, i->a);
}

static void set_vector(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    c->cc_kept = true;
    if (x64_pin_v(c, i->imm) != NO_REG) {
        x64_pin_set_v(c, x64_pin_v(c, i->imm), i->a);
        return;
    }
    unsigned r = x64_any_v(c, i->a);
    x64_home_lost(c, i->imm, 16, i->a);
    movups_mr(&c->a, x64_state(c, i->imm), r);
    x64_home_set(c, i->imm, 16, i->a);
}

static void set_flags(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned op = c->ir->insn[i->a].op, r = x64_where(c, i->a);
    c->cc_kept = true;
    c->later = c->value[c->n].offset ? i->a : 0;
    c->later_until = (unsigned)c->value[c->n].offset;
    if (c->later) {
        x64_home_lost(c, i->imm, 4, 0);
        return;
    }
    if (c->loop.flags && c->n == c->loop.last_setf) {
        x64_home_lost(c, i->imm, 4, 0);
        return;
    }
    if (op == IR_FCONST) {
        x64_home_lost(c, i->imm, 4, 0);
        mov_mi(&c->a, false, x64_state(c, i->imm), (int32_t)ir_flags_from_nzcv((uint32_t)c->ir->insn[i->a].imm << 28));
        return;
    }
    if (r == NO_REG && x64_flags_lazy(c, i->a)) {
        x64_flags_word_in_rax(c, i->a);
        r = RAX;
    } else {
        r = x64_use(c, i->a);
    }
    x64_home_lost(c, i->imm, 4, i->a);
    mov_mr(&c->a, false, x64_state(c, i->imm), r);
    if (!x64_flags_lazy(c, i->a))
        x64_home_set(c, i->imm, 4, i->a);
}

static void pc(struct x64_compiler *c)
{
    uint64_t offset = x64_insn(c)->imm;
    unsigned d = x64_def(c);
    mov_rm(&c->a, true, d, x64_state(c, c->config->env.pc_page_offset));
    if (offset == 0) {
        c->cc_kept = true;
    } else if ((int64_t)offset == (int32_t)offset) {
        lea(&c->a, true, d, mem_at(d, (int32_t)offset));
        c->cc_kept = true;
    } else {
        mov_ri(&c->a, RAX, offset);
        alu_rr(&c->a, ALU_ADD, true, d, RAX);
    }
}

static void load_argument(struct x64_compiler *c, ir_ref ref, unsigned reg)
{
    if (ref)
        x64_load_into(c, ref, reg);
    else
        alu_rr(&c->a, ALU_XOR, false, reg, reg);
}

static void call(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    x64_flags_lost(c);
    load_argument(c, i->a, RAX);
    load_argument(c, i->b, RDX);
    load_argument(c, i->c, RCX);
    x64_homes_lost(c, (i->imm & IR_CALL_REGS) != 0);
    mov_mi(&c->a, true, x64_frame(c, FRAME_CALL), (int32_t)((i->imm & IR_CALL_HELPER_MASK) | c->pc_off << 16));
    if (x64_call_ends(c, c->n)) {
        jmp_near(&c->a, c->code->stub[STUB_CALL_END][0]);
        return;
    }
    x64_call_stub(c, STUB_CALL, x64_vectors_live(c));
    if (i->imm & IR_CALL_RAISES) {
        alu_mi(&c->a, ALU_CMP, false, x64_state(c, c->config->env.raised_offset), 0);
        jcc_near(&c->a, CC_NE, c->code->stub[STUB_EXIT_STATE][0]);
    }
    if (c->value[c->n].last)
        mov_rr(&c->a, true, x64_def(c), RAX);
}

bool x64_emit_state(struct x64_compiler *c)
{
    switch (x64_insn(c)->op) {
    case IR_GET64: get(c, 8); break;
    case IR_GET32: case IR_GETF: get(c, 4); break;
    case IR_GETV: get(c, 16); break;
    case IR_SET64: set_int(c, 8); break;
    case IR_SET32: set_int(c, 4); break;
    case IR_SETV: set_vector(c); break;
    case IR_SETF: set_flags(c); break;
    case IR_PC: pc(c); break;
    case IR_CALL: call(c); break;
    default: return false;
    }
    return true;
}

/* Operands into the frame, result out of it; operation and immediate in registers. */
void x64_emit_pure_call(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    const struct ir_op_info *info = &ir_ops[i->op];
    const ir_ref arg[3] = {i->a, i->b, i->c};
    for (unsigned k = 0; k < 3; k++) {
        struct x64_mem at = x64_frame(c, FRAME_ARGS + 16 * (int32_t)k);
        if (info->arg[k] == IR_V128)
            movups_mr(&c->a, at, x64_use_v(c, arg[k]));
        else if (info->arg[k] == IR_FLAGS)
            x64_flags_word_in_rax(c, arg[k]), mov_mr(&c->a, true, at, RAX);
        else if (info->arg[k] == IR_I64)
            mov_mr(&c->a, true, at, x64_use(c, arg[k]));
        x64_operands_done(c);
    }
    mov_ri(&c->a, RCX, i->op);
    mov_ri(&c->a, RDX, i->imm);
    x64_call_stub(c, STUB_PURE, x64_vectors_live(c));
    x64_flags_lost(c);
    if (info->result == IR_V128)
        movups_rm(&c->a, x64_def_v(c), x64_frame(c, FRAME_ARGS));
    else
        mov_rm(&c->a, true, x64_def(c), x64_frame(c, FRAME_ARGS));
}
