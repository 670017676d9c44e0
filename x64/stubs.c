/*
 * stubs.c - code that all blocks share: entry, exits, and the bridges to C.
 *
 * Stubs save the allocatable
 * registers that C may change (variant 1: vectors too), so that for translated code a call changes RAX, RCX, RDX only.
 * Pinned guest registers are stored to the state before C runs and loaded again after it, so C finds and changes guest
 * registers in the state alone. When C raised they are not: the state is left as C made it.
 *
 *   memory: RAX address, RDX value, ECX memop | page offset << 16, further operands in FRAME_ARGS; result RAX or FRAME_ARGS
 *   call:   RAX, RDX, RCX operands, FRAME_CALL helper | page offset << 16; result RAX
 *   pure:   operands in FRAME_ARGS, ECX operation, RDX immediate; result in FRAME_ARGS
 */
#include "ir/fp_imm.h"
#include "x64/compile.h"

static const uint8_t saved_gpr[] = {RSI, RDI, R8, R9, R10, R11};
enum { BELOW = 24 }; /* what a stub puts below its return address: alignment, and a place for a seventh argument */

/* No instruction is at an odd address. */
#define NO_RETURN UINT64_MAX

struct maker {
    struct x64_asm a;
    struct x64_code *code;
    const struct x64_config *config;
    const uint8_t *leave_raised; /* leaves with X64_EXIT_STATE, pinned registers being in the state */
};

static struct x64_mem state_mem(const struct maker *m, uint32_t offset)
{
    return mem_at(RBP, (int32_t)offset - (int32_t)m->config->state_bias);
}

static struct x64_mem frame_mem(const struct maker *m, int32_t offset)
{
    return state_mem(m, m->config->frame_offset + (uint32_t)offset);
}

/* C changes the mask registers. */
static void load_masks(struct maker *m)
{
    if (!x64_host()->avx512vl)
        return;
    kmovb_km(&m->a, K_LANE_1, mem_code(CODE_MASK_1));
    kmovb_km(&m->a, K_LANES_2, mem_code(CODE_MASK_2));
}

static void align(struct maker *m)
{
    nops(&m->a, (unsigned)(0 - (uintptr_t)m->a.p) & 15);
}

static bool is_pinned(const struct maker *m, unsigned host)
{
    return m->code->pins.hosts >> host & 1;
}

static void store_pins(struct maker *m)
{
    const struct x64_pins *p = &m->code->pins;
    for (unsigned i = 0; i < ARRAY_SIZE(p->host); i++)
        if (p->host[i] != NO_REG)
            mov_mr(&m->a, true, state_mem(m, 8 * i), p->host[i]);
}

static void load_pins(struct maker *m)
{
    const struct x64_pins *p = &m->code->pins;
    for (unsigned i = 0; i < ARRAY_SIZE(p->host); i++)
        if (p->host[i] != NO_REG)
            mov_rm(&m->a, true, p->host[i], state_mem(m, 8 * i));
}

/* The pinned vector registers, if they are loaded. Changes the flags. */
static void move_v_pins(struct maker *m, bool load)
{
    const struct x64_pins *p = &m->code->pins;
    if (!p->v_hosts)
        return;
    alu_mi(&m->a, ALU_CMP, false, frame_mem(m, FRAME_V_HERE), 0);
    jcc_near(&m->a, CC_E, m->a.p + 6);
    uint8_t *absent = m->a.p;
    for (unsigned i = 0; i < ARRAY_SIZE(p->v_host); i++) {
        struct x64_mem at = state_mem(m, m->config->v_offset + 16 * i);
        if (p->v_host[i] != NO_REG && load)
            movups_rm(&m->a, p->v_host[i], at);
        else if (p->v_host[i] != NO_REG)
            movups_mr(&m->a, at, p->v_host[i]);
    }
    le32_put(absent - 4, (uint32_t)(m->a.p - absent));
}

static void begin(struct maker *m, bool vectors)
{
    alu_ri(&m->a, ALU_SUB, true, RSP, BELOW);
    store_pins(m);
    move_v_pins(m, false);
    for (unsigned i = 0; i < ARRAY_SIZE(saved_gpr); i++)
        if (!is_pinned(m, saved_gpr[i]))
            mov_mr(&m->a, true, frame_mem(m, FRAME_GPR + 8 * (int32_t)i), saved_gpr[i]);
    for (unsigned i = 3; vectors && i < 16; i++)
        movups_mr(&m->a, frame_mem(m, FRAME_XMM + 16 * (int32_t)(i - 3)), i);
}

static void end(struct maker *m, bool vectors)
{
    for (unsigned i = 3; vectors && i < 16; i++)
        movups_rm(&m->a, i, frame_mem(m, FRAME_XMM + 16 * (int32_t)(i - 3)));
    for (unsigned i = 0; i < ARRAY_SIZE(saved_gpr); i++)
        if (!is_pinned(m, saved_gpr[i]))
            mov_rm(&m->a, true, saved_gpr[i], frame_mem(m, FRAME_GPR + 8 * (int32_t)i));
    load_pins(m);
    move_v_pins(m, true);
    mov_rm(&m->a, true, X64_TLB, state_mem(m, m->config->tlb_offset[0])); /* C may have chosen another */
    load_masks(m);
    alu_ri(&m->a, ALU_ADD, true, RSP, BELOW);
    ret(&m->a);
}

/* C runs with the MXCSR that it expects; what it leaves there is forgotten. */
static void begin_c(struct maker *m)
{
    stmxcsr(&m->a, frame_mem(m, FRAME_MXCSR));
    ldmxcsr(&m->a, mem_code(CODE_MXCSR_C));
}

static void end_c(struct maker *m)
{
    ldmxcsr(&m->a, frame_mem(m, FRAME_MXCSR));
}

static void call_c(struct maker *m, const void *function)
{
    begin_c(m);
    mov_ri(&m->a, RAX, (uint64_t)(uintptr_t)function);
    call_r(&m->a, RAX);
    end_c(m);
}

/* Leaves translated code if the call raised. */
static void check_raised(struct maker *m)
{
    alu_mi(&m->a, ALU_CMP, false, state_mem(m, m->config->env.raised_offset), 0);
    uint8_t *fine = jcc_short(&m->a, CC_E);
    jmp_near(&m->a, m->leave_raised);
    jump_here(&m->a, fine);
}

static void state_to_rdi(struct maker *m)
{
    lea(&m->a, true, RDI, mem_at(RBP, -(int32_t)m->config->state_bias));
}

/* How the arguments after (state, va) of an environment function look: V vector in args[k], D desired in args[0], M memop,
 * P page offset, R value in RDX, O result into args[k]. */
static void memory_stub(struct maker *m, enum x64_stub stub, const void *function, const char *shape)
{
    static const uint8_t order[] = {RDX, RCX, R8, R9};
    for (unsigned vectors = 0; vectors < 2; vectors++) {
        unsigned arg = 0, vector = 0;
        align(m);
        m->code->stub[stub][vectors] = m->a.p;
        begin(m, vectors);
        mov_rr(&m->a, true, RSI, RAX);
        mov_rr(&m->a, false, RAX, RCX); /* memop | pc << 16; RCX and RDX are about to be arguments */
        state_to_rdi(m);
        for (const char *s = shape; *s; s++, arg++) {
            unsigned reg = arg < ARRAY_SIZE(order) ? order[arg] : RAX;
            switch (*s) {
            case 'R': break; /* in RDX already */
            case 'D': mov_rm(&m->a, true, reg, frame_mem(m, FRAME_ARGS)); break;
            case 'V': lea(&m->a, true, reg, frame_mem(m, FRAME_ARGS + 16 * (int32_t)vector++)); break;
            case 'O': lea(&m->a, true, reg, frame_mem(m, FRAME_ARGS + 16 * (int32_t)vector++)); break;
            case 'M': movzx_rr(&m->a, 1, reg, RAX); break;
            case 'P':
                mov_rr(&m->a, false, reg, RAX);
                shift_ri(&m->a, SH_SHR, false, reg, 16);
                break;
            }
            if (arg >= ARRAY_SIZE(order))
                mov_mr(&m->a, true, mem_at(RSP, 0), RAX);
        }
        call_c(m, function);
        check_raised(m);
        end(m, vectors);
    }
}

static void helper_arguments(struct maker *m)
{
    mov_rr(&m->a, true, RSI, RAX);
    state_to_rdi(m);
    mov_rm(&m->a, false, R8, frame_mem(m, FRAME_CALL));
    movzx_rr(&m->a, 1, R9, R8);
    shift_ri(&m->a, SH_SHR, false, R8, 16);
    mov_ri(&m->a, RAX, (uint64_t)(uintptr_t)m->config->env.helper);
}

static void call_stub(struct maker *m)
{
    for (unsigned vectors = 0; vectors < 2; vectors++) {
        align(m);
        m->code->stub[STUB_CALL][vectors] = m->a.p;
        begin(m, vectors);
        helper_arguments(m);
        begin_c(m);
        call_m(&m->a, mem_indexed(RAX, R9, 3, 0));
        end_c(m);
        end(m, vectors);
    }
}

uint64_t *x64_pure_calls;

static void pure(union ir_value *args, uint64_t imm, uint32_t op, const uint32_t *fpcr, uint32_t *fpsr)
{
    uint32_t accumulated = *fpsr;
    if (x64_pure_calls)
        x64_pure_calls[op]++;
    args[0] = ir_eval_pure((enum ir_op)op, imm, args, *fpcr, &accumulated);
    if (accumulated != *fpsr)
        *fpsr = accumulated;
}

static void pure_stub(struct maker *m)
{
    for (unsigned vectors = 0; vectors < 2; vectors++) {
        align(m);
        m->code->stub[STUB_PURE][vectors] = m->a.p;
        begin(m, vectors);
        lea(&m->a, true, RDI, frame_mem(m, FRAME_ARGS));
        mov_rr(&m->a, true, RSI, RDX);
        mov_rr(&m->a, false, RDX, RCX);
        lea(&m->a, true, RCX, state_mem(m, m->config->env.fpcr_offset));
        lea(&m->a, true, R8, state_mem(m, m->config->env.fpsr_offset));
        call_c(m, (const void *)(uintptr_t)pure);
        end(m, vectors);
    }
}

static void get_v_stub(struct maker *m)
{
    align(m);
    m->code->stub[STUB_GET_V][0] = m->code->stub[STUB_GET_V][1] = m->a.p;
    mov_mi(&m->a, false, frame_mem(m, FRAME_V_HERE), 1);
    move_v_pins(m, true);
    ret(&m->a);
}

/* The inline look-up of emit_mem.c, for groups (group.c). */
static void look_up_stubs(struct maker *m)
{
    const struct x64_config *g = m->config;
    for (unsigned k = 0; k < 4; k++) {
        align(m);
        m->code->stub[STUB_LOOK_UP + k][0] = m->code->stub[STUB_LOOK_UP + k][1] = m->a.p;
        mov_rr(&m->a, false, RCX, RAX);
        shift_ri(&m->a, SH_SHR, false, RCX, 12 - X64_TLB_SHIFT);
        alu_ri(&m->a, ALU_AND, false, RCX, (int32_t)(ones(g->tlb_bits) << X64_TLB_SHIFT));
        alu_rm(&m->a, ALU_ADD, true, RCX, state_mem(m, g->tlb_offset[k >> 1]));
        alu_rr(&m->a, ALU_ADD, true, RDX, RAX);
        alu_ri(&m->a, ALU_AND, true, RDX, (int32_t)0xfffff000);
        alu_rm(&m->a, ALU_CMP, true, RDX,
               mem_at(RCX, k & 1 ? offsetof(struct x64_tlb_entry, tag_write) : offsetof(struct x64_tlb_entry, tag_read)));
        mov_rm(&m->a, true, RDX, mem_at(RCX, offsetof(struct x64_tlb_entry, addend)));
        ret(&m->a);
    }
}

static void exit_stub(struct maker *m, enum x64_stub stub)
{
    align(m);
    m->code->stub[stub][0] = m->code->stub[stub][1] = m->a.p;
}

static const uint8_t callee_saved[] = {RBX, RBP, R12, R13, R14, R15};

/* MXCSR's flags become FPSR's (how they are shared: emit_fp.c), and MXCSR what C expects. Keeps RAX. */
static void mxcsr_leave(struct maker *m)
{
    struct x64_mem mxcsr = frame_mem(m, FRAME_MXCSR);
    stmxcsr(&m->a, mxcsr);
    mov_rm(&m->a, false, RCX, mxcsr);
    alu_ri(&m->a, ALU_AND, false, RCX, MXCSR_FPSR);
    uint8_t *clear = jcc_short(&m->a, CC_E);
    shift_ri(&m->a, SH_SHR, false, RCX, 1);
    op_rm(&m->a, false, 0x09, RCX, state_mem(m, m->config->env.fpsr_offset)); /* or */
    jump_here(&m->a, clear);
    ldmxcsr(&m->a, mem_code(CODE_MXCSR_C));
}
static_assert(MXCSR_ZE >> 1 == FPSR_DZC && MXCSR_OE >> 1 == FPSR_OFC && MXCSR_PE >> 1 == FPSR_IXC, "shifted by one");

/* MXCSR for what FPCR says: rounding, which has its two bits the other way round, and denormal operands unmasked where they
 * are to be flushed; division by zero, too, which comes before them. */
static void mxcsr_enter(struct maker *m)
{
    struct x64_asm *a = &m->a;
    struct x64_mem mxcsr = frame_mem(m, FRAME_MXCSR);
    mov_rm(a, false, RAX, state_mem(m, m->config->env.fpcr_offset));
    ldmxcsr(a, mem_code(CODE_MXCSR_GUEST));
    test_ri(a, false, RAX, (int32_t)(3u << FPCR_RMODE_SHIFT | FPCR_FZ));
    uint8_t *plain = jcc_short(a, CC_E);
    mov_rr(a, false, RCX, RAX);
    mov_rr(a, false, RDX, RAX);
    shift_ri(a, SH_SHR, false, RCX, FPCR_RMODE_SHIFT + 1);
    alu_ri(a, ALU_AND, false, RCX, 1);
    shift_ri(a, SH_SHR, false, RDX, FPCR_RMODE_SHIFT);
    alu_ri(a, ALU_AND, false, RDX, 1);
    lea(a, false, RCX, mem_indexed(RCX, RDX, 1, 0));
    shift_ri(a, SH_SHL, false, RCX, MXCSR_RC);
    alu_ri(a, ALU_OR, false, RCX, MXCSR_GUEST);
    test_ri(a, false, RAX, FPCR_FZ);
    uint8_t *no_flush = jcc_short(a, CC_E);
    alu_ri(a, ALU_AND, false, RCX, ~((MXCSR_DE | MXCSR_ZE) << MXCSR_MASKS));
    jump_here(a, no_flush);
    mov_mr(a, false, mxcsr, RCX);
    ldmxcsr(a, mxcsr);
    jump_here(a, plain);
}

static void leave_c(struct maker *m)
{
    mov_rm(&m->a, true, RSP, frame_mem(m, FRAME_BASE));
    alu_ri(&m->a, ALU_ADD, true, RSP, 24);
    for (unsigned i = ARRAY_SIZE(callee_saved); i-- > 0;)
        pop_r(&m->a, callee_saved[i]);
    ret(&m->a);
}

/* The state becomes what translated code expects, which RSI is the address of. */
static void reenter(struct maker *m)
{
    struct x64_asm *a = &m->a;
    mov_rm(a, true, X64_TLB, state_mem(m, m->config->tlb_offset[0]));
    mov_mi(a, false, frame_mem(m, FRAME_V_HERE), 0);
    mxcsr_enter(m);
    load_masks(m);
    mov_rr(a, true, RAX, RSI);
    load_pins(m);
    jmp_r(a, RAX);
}

/* Instead of leaving, C is asked where to go on. It may have done anything: so the return stack is good only if C says so. */
static void next_or_leave(struct maker *m, const uint8_t *leave)
{
    struct x64_asm *a = &m->a;
    if (!m->config->next || !x64_host()->stay) {
        jmp_near(a, leave);
        return;
    }
    mov_rr(a, true, RSI, RAX);
    state_to_rdi(m);
    mov_ri(a, RAX, (uint64_t)(uintptr_t)m->config->next);
    call_r(a, RAX);
    mov_rr(a, true, RSI, RAX);
    mov_ri(a, RAX, X64_EXIT_STATE);
    test_rr(a, true, RSI, RSI);
    jcc_near(a, CC_E, leave);
    test_rr(a, false, RDX, RDX);
    uint8_t *keep = jcc_short(a, CC_NE);
    mov_rm(a, true, RSP, frame_mem(m, FRAME_BASE));
    jump_here(a, keep);
    reenter(m);
}

static void exits(struct maker *m)
{
    struct x64_asm *a = &m->a;
    struct x64_mem pc = state_mem(m, m->config->env.pc_offset);

    align(m);
    exit_stub(m, STUB_EXIT);
    store_pins(m);
    move_v_pins(m, false);
    mxcsr_leave(m);
    const uint8_t *out = a->p;
    leave_c(m);

    align(m);
    uint8_t *const next = a->p; /* RAX: why; the state is complete, MXCSR as C wants it */
    next_or_leave(m, out);

    exit_stub(m, STUB_CALL_END);
    store_pins(m);
    move_v_pins(m, false);
    mov_rr(a, true, RDI, RCX);
    mxcsr_leave(m); /* changes RCX */
    mov_rr(a, true, RCX, RDI);
    mov_rm(a, true, RSP, frame_mem(m, FRAME_BASE));
    helper_arguments(m);
    call_m(a, mem_indexed(RAX, R9, 3, 0));
    mov_ri(a, RAX, X64_EXIT_STATE);
    jmp_near(a, next);

    m->leave_raised = a->p; /* vectors are in the state, too */
    mxcsr_leave(m);
    mov_rm(a, true, RSP, frame_mem(m, FRAME_BASE));
    mov_ri(a, RAX, X64_EXIT_STATE);
    jmp_near(a, next);

    const uint8_t *leave = a->p;
    store_pins(m);
    move_v_pins(m, false);
    mxcsr_leave(m);
    jmp_near(a, next);

    exit_stub(m, STUB_EXIT_STATE);
    mov_ri(a, RAX, X64_EXIT_STATE);
    jmp_near(a, leave);

    exit_stub(m, STUB_EXIT_LINK);
    movsx_rr(a, 2, true, RAX, RAX);
    alu_rm(a, ALU_ADD, true, RAX, state_mem(m, m->config->env.pc_page_offset));
    mov_mr(a, true, pc, RAX);
    mov_rr(a, false, RAX, RDX);
    shift_ri(a, SH_SHL, true, RAX, 32); /* X64_EXIT_PC is 0 */
    jmp_near(a, leave);

    exit_stub(m, STUB_EXIT_PENDING);
    movsx_rr(a, 2, true, RAX, RAX);
    alu_rm(a, ALU_ADD, true, RAX, state_mem(m, m->config->env.pc_page_offset));
    exit_stub(m, STUB_EXIT_PENDING_PC);
    mov_mr(a, true, pc, RAX);
    mov_ri(a, RAX, X64_EXIT_PENDING);
    jmp_near(a, m->code->stub[STUB_EXIT][0]);

    exit_stub(m, STUB_JUMP_MISS);
    mov_rr(a, false, RDX, RAX);
    alu_ri(a, ALU_AND, false, RDX, X64_JUMP_LOW);
    alu_ri(a, ALU_XOR, false, RDX, 1 << 2); /* the neighbour */
    lea(a, true, RDX, mem_indexed(X64_TLB, RDX, 2, X64_JUMP_AT));
    alu_rm(a, ALU_CMP, true, RAX, mem_at(RDX, offsetof(struct x64_jump_entry, va)));
    uint8_t *miss = jcc_short(a, CC_NE);
    jmp_m(a, mem_at(RDX, offsetof(struct x64_jump_entry, code)));
    jump_here(a, miss);
    exit_stub(m, STUB_EXIT_PC);
    mov_mr(a, true, pc, RAX);
    alu_rr(a, ALU_XOR, false, RAX, RAX);
    jmp_near(a, leave);

    exit_stub(m, STUB_RETURN_EMPTY);
    mov_rm(a, true, RSP, frame_mem(m, FRAME_BASE));
    mov_ri(a, RAX, NO_RETURN);
    jmp_near(a, m->code->stub[STUB_EXIT_PC][0]);
}
static_assert(X64_EXIT_PC == 0, "STUB_EXIT_LINK and STUB_EXIT_PC say so");

/* Six pushes and the return address leave rsp 8 off a multiple of 16. The return stack (emit_exit.c) lies below; its bottom is
 * an entry for an address that is none: a guest that returns there leaves. */
static void entry(struct maker *m)
{
    struct x64_asm *a = &m->a;
    align(m);
    m->code->enter = m->code->rx + (a->p - m->code->rw);
    for (unsigned i = 0; i < ARRAY_SIZE(callee_saved); i++)
        push_r(a, callee_saved[i]);
    lea(a, true, RBP, mem_at(RDI, (int32_t)m->config->state_bias));
    alu_ri(a, ALU_SUB, true, RSP, 8);
    mov_ri(a, RAX, NO_RETURN);
    push_r(a, RAX);
    mov_ri(a, RAX, (uint64_t)(uintptr_t)(m->code->rx + (m->code->stub[STUB_RETURN_EMPTY][0] - m->code->rw)));
    push_r(a, RAX);
    mov_mr(a, true, frame_mem(m, FRAME_BASE), RSP);
    lea(a, true, RAX, mem_at(RSP, -RETURN_STACK_BYTES));
    mov_mr(a, true, frame_mem(m, FRAME_LIMIT), RAX);
    reenter(m);
}

static void in_all_lanes(struct maker *m, uint64_t v)
{
    put64(&m->a, v);
    put64(&m->a, v);
}

/* A byte's shift to the right as a matrix of its bits (GF2P8AFFINEQB): bit k is the sum of the bits that byte 7 - k names. */
static uint64_t shift_matrix(int n, bool is_signed)
{
    uint64_t matrix = 0;
    for (int bit = 0; bit < 8; bit++) {
        int from = is_signed ? MIN(bit + n, 7) : bit + n;
        if (from >= 0 && from < 8)
            matrix |= UINT64_C(1) << from << 8 * (7 - bit);
    }
    return matrix;
}

/* In the order of compile.h's CODE_... . Offset 0 names no link. */
static void constants(struct maker *m)
{
    nops(&m->a, CODE_HALF_DOUBLE);
    in_all_lanes(m, UINT64_C(0x3fe0000000000000));
    in_all_lanes(m, UINT64_C(0x3f0000003f000000));
    put32(&m->a, MXCSR_C);
    put32(&m->a, MXCSR_GUEST);
    put8(&m->a, 1);
    put8(&m->a, 3);
    nops(&m->a, CODE_FP_FLAGS - CODE_MASK_2 - 1);
    for (unsigned swapped = 0; swapped < 2; swapped++)
        for (unsigned ah = 0; ah < 0x48; ah++) { /* SF ZF 0 AF 0 PF 1 CF */
            unsigned nzcv = ah == 0x42 ? 6 : ah == 0x47 ? 3 : ah == (swapped ? 2 : 3) ? 8 : 2;
            unsigned word = ir_flags_from_nzcv(nzcv << 28);
            put8(&m->a, word & 0xff);
            put8(&m->a, word >> 8);
        }
    static const uint64_t lanes[] = {
        0x8000000000000000, 0x8000000080000000, 0x3fdfffffffffffff, 0x3effffff3effffff,
        0x0101010101010101, 0x0001000100010001, 0x00ff00ff00ff00ff, 0x0000ffff0000ffff, UINT64_MAX, 0x7070707070707070};
    for (unsigned k = 0; k < ARRAY_SIZE(lanes); k++)
        in_all_lanes(m, lanes[k]);
    for (int n = 0; n <= 7; n++)
        in_all_lanes(m, shift_matrix(-n, false));
    for (unsigned is_signed = 0; is_signed < 2; is_signed++)
        for (int n = 0; n <= 8; n++)
            in_all_lanes(m, shift_matrix(n, is_signed));
    in_all_lanes(m, 0x8040201008040201);
    static const uint64_t orders[][2] = {
        {0x0e0c0a0806040200, 0x8080808080808080}, {0x0d0c090805040100, 0x8080808080808080}, {0x0607040502030001, 0x0e0f0c0d0a0b0809},
        {0x0405060700010203, 0x0c0d0e0f08090a0b}, {0x0504070601000302, 0x0d0c0f0e09080b0a}, {0x0001020304050607, 0x08090a0b0c0d0e0f},
        {0x0100030205040706, 0x09080b0a0d0c0f0e}};
    for (unsigned k = 0; k < ARRAY_SIZE(orders); k++) {
        put64(&m->a, orders[k][0]);
        put64(&m->a, orders[k][1]);
    }
}

bool x64_stubs_make(struct x64_code *code, const struct x64_config *config)
{
    code->stub[STUB_PREPARE][0] = code->stub[STUB_PREPARE][1] = code->rw; /* never called if there is none */
    struct maker m = {.a = {.p = code->rw, .base = code->rw}, .code = code, .config = config};
    const struct ir_env *e = &config->env;
    x64_pins_choose(&code->pins, config);
    code->env_copy = *e;
    code->state_bias = config->state_bias;
    constants(&m);
    exits(&m);
    entry(&m);
    memory_stub(&m, STUB_LOAD, (const void *)(uintptr_t)e->load, "MP");
    memory_stub(&m, STUB_STORE, (const void *)(uintptr_t)e->store, "RMP");
    memory_stub(&m, STUB_LOADV, (const void *)(uintptr_t)e->load128, "MPO");
    memory_stub(&m, STUB_STOREV, (const void *)(uintptr_t)e->store128, "VMP");
    memory_stub(&m, STUB_ATOMIC, (const void *)(uintptr_t)e->atomic, "RMP");
    memory_stub(&m, STUB_CAS, (const void *)(uintptr_t)e->cas, "RDMP");
    memory_stub(&m, STUB_CAS128, (const void *)(uintptr_t)e->cas128, "VVMPO");
    memory_stub(&m, STUB_LOADX, (const void *)(uintptr_t)e->load_ex, "MP");
    memory_stub(&m, STUB_LOADXV, (const void *)(uintptr_t)e->load_ex128, "MPO");
    memory_stub(&m, STUB_STOREX, (const void *)(uintptr_t)e->store_ex, "RMP");
    memory_stub(&m, STUB_STOREXV, (const void *)(uintptr_t)e->store_ex128, "VMP");
    if (e->prepare)
        memory_stub(&m, STUB_PREPARE, (const void *)(uintptr_t)e->prepare, "MP");
    call_stub(&m);
    pure_stub(&m);
    get_v_stub(&m);
    look_up_stubs(&m);
    align(&m);
    code->used = code->reset_to = (size_t)(m.a.p - code->rw);
    return true;
}

void x64_call_stub(struct x64_compiler *c, enum x64_stub stub, bool vectors)
{
    bool saves = stub >= STUB_LOAD && stub <= STUB_PURE;
    if (saves)
        x64_loop_leave_call(c);
    call_near(&c->a, c->code->stub[stub][vectors]);
    if (saves)
        x64_loop_enter_call(c);
}
