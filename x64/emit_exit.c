/*
 * emit_exit.c - leaving a block.
 *
 * A direct exit inside the page is a jump whose displacement is 4-byte aligned and can be pointed at the target's code
 * (x64_link); until then it goes to cold code that returns with the link's name. A direct exit to another page and an
 * indirect one update pc_page and look the address up in the jump cache, which R15 leads to. Exits that can close a loop (backward, or
 * indirect) look at `pending` first.
 *
 * Calls and returns
 *   are the host's, so that it predicts them. A call pushes the guest's return address and calls the target; a return compares
 *   its address with the one that lies there and returns, to the call's "landing", which makes pc_page right and goes on
 *   with the code behind the call. If they differ (another task's stack, longjmp, a return used as a jump), everything
 *   pushed so far is forgotten and the jump cache is asked. So is it when the stack is full and when translated code is left:
 *   what lies there was pushed since translated code was entered, in the same context, and is as good as a link inside a
 *   page. Code that changes the exception level or the mapping without leaving has to set RSP to FRAME_BASE itself.
 *   A return that matches need not poll: it only goes forward from a call, so every loop has another jump that polls.
 *   POME_X64_WITHOUT=pair: calls and returns are jumps.
 */
#include "x64/compile.h"

static struct x64_mem pending(const struct x64_compiler *c)
{
    return x64_state(c, c->config->pending_offset);
}

enum transfer { JUMP, CALL };

/* ---- through the jump cache ---- */

/* The target, in k->reg, is not in its line. */
static void jump_missed(struct x64_compiler *c, const struct x64_cold *k)
{
    if (k->reg != RAX)
        mov_rr(&c->a, true, RAX, k->reg);
    jmp_near(&c->a, c->code->stub[STUB_JUMP_MISS][0]);
}

static void call_missed(struct x64_compiler *c, const struct x64_cold *k)
{
    if (k->reg != RAX)
        mov_rr(&c->a, true, RAX, k->reg);
    call_near(&c->a, c->code->stub[STUB_JUMP_MISS][0]);
    jmp_near(&c->a, k->back);
}

/* Continues at the address in register r; pc_page is right already. RDX: X64_JUMP_LOW of the address, less `rest`. */
static void to_line(struct x64_compiler *c, unsigned r, int32_t rest, enum transfer how)
{
    int32_t line = (int32_t)X64_JUMP_AT + X64_JUMP_SCALE * rest;
    struct x64_mem code = mem_indexed(X64_TLB, RDX, 2, line + (int32_t)offsetof(struct x64_jump_entry, code));
    alu_rm(&c->a, ALU_CMP, true, r, mem_indexed(X64_TLB, RDX, 2, line + (int32_t)offsetof(struct x64_jump_entry, va)));
    if (how == JUMP && r == RAX) {
        jcc_near(&c->a, CC_NE, c->code->stub[STUB_JUMP_MISS][0]);
        jmp_m(&c->a, code);
        return;
    }
    jcc_near(&c->a, CC_NE, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, how == JUMP ? jump_missed : call_missed);
    k->from = c->a.p;
    k->reg = (uint8_t)r;
    if (how == JUMP)
        jmp_m(&c->a, code);
    else
        call_m(&c->a, code);
    k->back = c->a.p;
}

/* Continues at the address in register r. */
static void to_address(struct x64_compiler *c, unsigned r, enum transfer how)
{
    mov_rr(&c->a, true, RCX, r);
    alu_ri(&c->a, ALU_AND, true, RCX, (int32_t)0xfffff000);
    mov_mr(&c->a, true, x64_state(c, c->config->env.pc_page_offset), RCX);
    mov_rr(&c->a, false, RDX, r);
    alu_ri(&c->a, ALU_AND, false, RDX, X64_JUMP_LOW); /* the guest may jump to where no instruction can be */
    to_line(c, r, 0, how);
}

/* To the page at this distance: pc_page and RAX. */
static void page_to_rax(struct x64_compiler *c, int64_t distance)
{
    struct x64_mem pc_page = x64_state(c, c->config->env.pc_page_offset);
    mov_rm(&c->a, true, RAX, pc_page);
    if (distance == (int32_t)distance) {
        alu_ri(&c->a, ALU_ADD, true, RAX, (int32_t)distance);
    } else {
        mov_ri(&c->a, RCX, (uint64_t)distance);
        alu_rr(&c->a, ALU_ADD, true, RAX, RCX);
    }
    mov_mr(&c->a, true, pc_page, RAX);
}

/* ---- inside the page ---- */

/* k->memop: its number in code->patches */
static void unlinked(struct x64_compiler *c, const struct x64_cold *k)
{
    struct x64_patch *p = &c->code->patches[k->memop];
    p->unlinked = (uint32_t)(c->a.p - c->code->rw);
    mov_ri(&c->a, RAX, (uint32_t)k->target);
    mov_ri(&c->a, RDX, k->linked ? p->patch : 0); /* nobody would know how to undo a link that is not in out->link */
    if (k->linked)
        ref_add(&c->a, REF_LINK, c->a.p - 4);
    jmp_near(&c->a, c->code->stub[STUB_EXIT_LINK][0]);
}

static void interrupted(struct x64_compiler *c, const struct x64_cold *k)
{
    mov_ri(&c->a, RAX, (uint32_t)k->target);
    jmp_near(&c->a, c->code->stub[STUB_EXIT_PENDING][0]);
}

/* Emits the jump with a displacement that lies in an aligned 8 bytes, and records the link. cc: a condition, or: */
enum { ALWAYS = -1, CALLED = -2 };
enum { PREFIX_CS = 0x2e };
static void linked_jump(struct x64_compiler *c, int cc, int64_t target, bool alone)
{
    struct x64_code *code = c->code;
    unsigned at = (unsigned)(c->a.p - code->rw) + (cc < 0 ? 1 : 2);
    for (unsigned n = (at & 7) > 4 ? 8 - (at & 7) : 0; n; n--)
        put8(&c->a, PREFIX_CS); /* of the jump, means nothing: one instruction less than a NOP */
    if (cc == ALWAYS)
        jmp_near(&c->a, c->a.p + 5);
    else if (cc == CALLED)
        call_near(&c->a, c->a.p + 5);
    else
        jcc_near(&c->a, (enum x64_cc)cc, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, unlinked);
    k->from = c->a.p;
    k->target = target;
    k->memop = (uint32_t)code->n_patches;
    uint32_t patch = (uint32_t)(c->a.p - 4 - code->rw);
    if (code->n_patches == code->max_patches) {
        c->failed = true;
        return;
    }
    code->patches[code->n_patches++] = (struct x64_patch){.patch = patch};
    k->linked = alone || c->out->n_links < X64_MAX_LINKS - X64_MAX_GROUPS; /* without a name nobody would know that it is alone */
    if (k->linked)
        c->out->link[c->out->n_links++] = (struct x64_link){.patch = patch, .target = target, .alone = alone};
}

static void linkable_jump(struct x64_compiler *c, int cc, int64_t target)
{
    linked_jump(c, cc, target, false);
}

/* The registers are those of the loop here. */
static void loop_interrupted(struct x64_compiler *c, const struct x64_cold *k)
{
    x64_loop_flags_store(c, 0);
    x64_loop_leave_call(c);
    interrupted(c, k);
}

void x64_loop_poll(struct x64_compiler *c)
{
    alu_mi(&c->a, ALU_CMP, false, pending(c), 0);
    jcc_near(&c->a, CC_NE, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, loop_interrupted);
    k->from = c->a.p;
    k->target = c->ir->page_offset;
}

static void poll(struct x64_compiler *c, int64_t target)
{
    alu_mi(&c->a, ALU_CMP, false, pending(c), 0);
    jcc_near(&c->a, CC_NE, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, interrupted);
    k->from = c->a.p;
    k->target = target;
}

static bool in_page(int64_t target)
{
    return target >= 0 && target < 4096;
}

static bool backward(const struct x64_compiler *c, int64_t target)
{
    return target <= (int64_t)c->pc_off;
}

/* ---- calls ---- */

static void return_stack_full(struct x64_compiler *c, const struct x64_cold *k)
{
    mov_rm(&c->a, true, RSP, x64_frame(c, FRAME_BASE));
    jmp_near(&c->a, k->back);
}

/* Right before the call instruction. */
static void push_return(struct x64_compiler *c, ir_ref address)
{
    alu_rm(&c->a, ALU_CMP, true, RSP, x64_frame(c, FRAME_LIMIT));
    jcc_near(&c->a, CC_B, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, return_stack_full);
    k->from = k->back = c->a.p;
    push_r(&c->a, x64_use(c, address));
}

static void direct(struct x64_compiler *c, int64_t target);

/* Right behind the call instruction: the return address is on top of the stack. */
static void landing(struct x64_compiler *c)
{
    int32_t next = (int32_t)c->pc_off + 4;
    pop_r(&c->a, RAX);
    alu_ri(&c->a, ALU_SUB, true, RAX, next);
    mov_mr(&c->a, true, x64_state(c, c->config->env.pc_page_offset), RAX);
    direct(c, next);
}

/* ---- direct ---- */

/* To another page, flags and registers free to use; address: of a call. */
static void far_jump(struct x64_compiler *c, int64_t target, ir_ref address)
{
    if (address)
        x64_use(c, address);
    int32_t rest = (int32_t)(target & 4095);
    page_to_rax(c, target - rest);
    movzx_rr(&c->a, 1, RDX, RAX);
    if (rest)
        alu_ri(&c->a, ALU_ADD, true, RAX, rest);
    if (backward(c, target)) {
        alu_mi(&c->a, ALU_CMP, false, pending(c), 0);
        jcc_near(&c->a, CC_NE, c->code->stub[STUB_EXIT_PENDING_PC][0]);
    }
    if (address)
        push_return(c, address);
    to_line(c, RAX, rest, address ? CALL : JUMP);
}

static void far_cold(struct x64_compiler *c, const struct x64_cold *k)
{
    c->pc_off = k->pc_off;
    far_jump(c, k->target, 0);
}

static void direct(struct x64_compiler *c, int64_t target)
{
    if (!in_page(target)) {
        far_jump(c, target, 0);
        return;
    }
    if (backward(c, target))
        poll(c, target);
    linkable_jump(c, ALWAYS, target);
}

static void left(struct x64_compiler *c, const struct x64_cold *k)
{
    x64_loop_flags_store(c, k->n);
    x64_flags_cold(c, k);
    x64_loop_leave_call(c);
    direct(c, k->target);
}

void x64_exit_alone(struct x64_compiler *c)
{
    x64_loop_leave_call(c);
    linked_jump(c, ALWAYS, c->pc_off, true);
}

static void direct_call(struct x64_compiler *c, int64_t target, ir_ref address)
{
    if (in_page(target)) {
        x64_use(c, address);
        if (backward(c, target))
            poll(c, target);
        push_return(c, address);
        linkable_jump(c, CALLED, target);
    } else {
        far_jump(c, target, address);
    }
    landing(c);
}

/* Leaves if the host's condition holds. */
static void conditional(struct x64_compiler *c, enum x64_cc cc, int64_t target)
{
    if (x64_loop_turns(c, target)) {
        jcc_near(&c->a, cc, c->loop.top);
    } else if (c->loop.on || c->later || !in_page(target)) {
        jcc_near(&c->a, cc, c->a.p + 6);
        struct x64_cold *k = x64_cold_add(c, c->loop.on || c->later ? left : far_cold);
        k->from = c->a.p;
        k->target = target;
    } else if (!backward(c, target)) {
        linkable_jump(c, (int)cc, target);
    } else {
        uint8_t *skip = jcc_short(&c->a, cc ^ 1);
        poll(c, target);
        linkable_jump(c, ALWAYS, target);
        jump_here(&c->a, skip);
        x64_flags_lost(c); /* unchanged when the jump is not taken, but nothing depends on it */
    }
    c->cc_kept = true;
}

/* For good: what follows is never reached. */
static void leave_to(struct x64_compiler *c, int64_t target)
{
    if (x64_loop_turns(c, target)) {
        jmp_near(&c->a, c->loop.top);
        return;
    }
    if (c->loop.on && c->loop.flags) {
        x64_flags_word_in_rax(c, c->loop.flags);
        mov_mr(&c->a, false, x64_state(c, c->config->env.flags_offset), RAX);
    }
    x64_loop_leave(c);
    direct(c, target);
}

static void conditional_flags(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    int64_t target = ir_exit_offset(i->imm);
    if (i->b >= 14) {
        leave_to(c, target);
        return;
    }
    ir_ref f = i->a;
    enum x64_cc cc = x64_flags_cond(c, f, i->b);
    enum x64_form form = c->cc_form;
    conditional(c, cc, target);
    c->cc = f, c->cc_form = form; /* not taken: the flags are what they were */
}

/* Compares with zero what a fused AND or ZEXT32 would be; returns the condition for "not zero". */
static enum x64_cc test_part(struct x64_compiler *c, const struct ir_insn *part)
{
    struct x64_operand o = x64_operand(c, part->a, true);
    if (o.kind == OPERAND_IMM)
        o = (struct x64_operand){.kind = OPERAND_REG, .reg = x64_use(c, part->a)};
    uint64_t mask = part->op == IR_ZEXT32 ? 0 : c->ir->insn[part->b].imm;
    if (mask > INT32_MAX) { /* one bit */
        bt_ri(&c->a, true, o.kind == OPERAND_MEM ? x64_use(c, part->a) : o.reg, (unsigned)__builtin_ctzll(mask));
        return CC_B;
    }
    if (part->op == IR_ZEXT32 && o.kind == OPERAND_MEM)
        alu_mi(&c->a, ALU_CMP, false, o.mem, 0);
    else if (part->op == IR_ZEXT32)
        test_rr(&c->a, false, o.reg, o.reg);
    else if (o.kind == OPERAND_MEM)
        test_mi(&c->a, false, o.mem, (int32_t)mask);
    else
        test_ri(&c->a, false, o.reg, (int32_t)mask);
    return CC_NE;
}

/* The condition for "the value is not zero". */
static enum x64_cc test_not_zero(struct x64_compiler *c, ir_ref ref)
{
    enum x64_cc cc = CC_NE;
    if (c->value[ref].fused) {
        cc = test_part(c, &c->ir->insn[ref]);
    } else {
        struct x64_operand o = x64_operand(c, ref, true);
        if (o.kind == OPERAND_MEM) {
            alu_mi(&c->a, ALU_CMP, true, o.mem, 0);
        } else {
            unsigned a = x64_use(c, ref);
            test_rr(&c->a, true, a, a);
        }
    }
    x64_flags_lost(c);
    return cc;
}

static void conditional_zero(struct x64_compiler *c, bool if_zero)
{
    const struct ir_insn *i = x64_insn(c);
    enum x64_cc cc = test_not_zero(c, i->a);
    conditional(c, if_zero ? cc ^ 1 : cc, ir_exit_offset(i->imm));
}

/* ---- indirect ---- */

static void jump_interrupted(struct x64_compiler *c, const struct x64_cold *k)
{
    mov_rr(&c->a, true, RAX, k->reg);
    jmp_near(&c->a, c->code->stub[STUB_EXIT_PENDING_PC][0]);
}

static void return_missed(struct x64_compiler *c, const struct x64_cold *k)
{
    mov_rr(&c->a, true, RAX, k->reg);
    mov_rm(&c->a, true, RSP, x64_frame(c, FRAME_BASE));
    alu_mi(&c->a, ALU_CMP, false, pending(c), 0);
    jcc_near(&c->a, CC_NE, c->code->stub[STUB_EXIT_PENDING_PC][0]);
    to_address(c, RAX, JUMP);
}

static void guest_return(struct x64_compiler *c)
{
    unsigned r = x64_use(c, x64_insn(c)->a);
    alu_rm(&c->a, ALU_CMP, true, r, mem_at(RSP, 8));
    jcc_near(&c->a, CC_NE, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, return_missed);
    k->from = c->a.p;
    k->reg = (uint8_t)r;
    ret(&c->a);
}

static void indirect(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    ir_ref address = c->host->pair ? i->b : 0;
    if (i->imm == IR_JUMP_RET && c->host->pair && !address) {
        guest_return(c);
        return;
    }
    if (address)
        x64_use(c, address);
    unsigned r = x64_use(c, i->a);
    alu_mi(&c->a, ALU_CMP, false, pending(c), 0);
    jcc_near(&c->a, CC_NE, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, jump_interrupted);
    k->from = c->a.p;
    k->reg = (uint8_t)r;
    if (address)
        push_return(c, address);
    to_address(c, r, address ? CALL : JUMP);
    if (address)
        landing(c);
}

static void final_direct(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    if (i->a && c->host->pair)
        direct_call(c, ir_exit_offset(i->imm), i->a);
    else
        leave_to(c, ir_exit_offset(i->imm));
}

static void leave(struct x64_compiler *c)
{
    if (!x64_call_ends(c, c->n - 1))
        jmp_near(&c->a, c->code->stub[STUB_EXIT_STATE][0]);
}

static void raise(struct x64_compiler *c, const struct x64_cold *k)
{
    alu_rr(&c->a, ALU_XOR, false, RAX, RAX);
    alu_rr(&c->a, ALU_XOR, false, RDX, RDX);
    alu_rr(&c->a, ALU_XOR, false, RCX, RCX);
    mov_mi(&c->a, true, x64_frame(c, FRAME_CALL), (int32_t)(k->memop | k->pc_off << 16));
    x64_loop_leave_call(c);
    jmp_near(&c->a, c->code->stub[STUB_CALL_END][0]);
}

static void raise_if_not_zero(struct x64_compiler *c)
{
    enum x64_cc cc = test_not_zero(c, x64_insn(c)->a);
    jcc_near(&c->a, cc, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, raise);
    k->from = c->a.p;
    k->memop = (uint32_t)x64_insn(c)->imm;
    c->cc_kept = true;
}

bool x64_emit_exit(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    switch (i->op) {
    case IR_EXIT_DIRECT: final_direct(c); break;
    case IR_EXIT_INDIRECT: indirect(c); break;
    case IR_EXIT_STATE: leave(c); break;
    case IR_EXIT_COND: conditional_flags(c); break;
    case IR_EXIT_NZ: conditional_zero(c, false); break;
    case IR_EXIT_Z: conditional_zero(c, true); break;
    case IR_RAISE_NZ: raise_if_not_zero(c); break;
    default: return false;
    }
    return true;
}
