/*
 * emit_mem.c - guest memory.
 *
 * How it works
 *   Look the address up in the inline TLB: entry (va >> 12) & mask; the distance from its tag must be that of a place in the page
 *   behind which all bytes of the access still lie in it, or, where alignment is
 *   demanded, its tag must equal the address with the page offset but the low bits removed. On a hit RDX is the addend and [va + RDX] the
 *   host's memory. On a miss cold code calls the environment through a stub and joins again.
 *   The lines of ordinary accesses are addressed off R15; RCX is the offset of the line.
 *   Exclusives leave in the state where the host has what was loaded (struct ir_monitor): the store compares places, then exchanges.
 *   Accesses off one base share a look-up (group.c): the first checks the whole range and keeps the addend, the others use it.
 *
 * Order (x86-TSO under Arm's rules)
 *   Plain loads are acquires, plain stores releases; a store-release is an XCHG so that a later load-acquire cannot pass
 *   it (RCsc). A full barrier is a locked OR on the stack. Locked operations are full barriers.
 */
#include "x64/compile.h"
#include "x64/vec.h"

static void slow_args(struct x64_compiler *c, const struct x64_cold *k)
{
    mov_ri(&c->a, RCX, (k->memop & 0xffff) | k->pc_off << 16);
    x64_call_stub(c, (enum x64_stub)k->stub, k->vectors);
}

static uint32_t memop_arg(const struct x64_compiler *c, uint64_t memop)
{
    return (uint32_t)(memop & 0xffff) | c->pc_off << 16;
}

/* The value's extension from EAX or RAX, after a slow path. */
static void extend_into(struct x64_compiler *c, unsigned d, uint64_t memop)
{
    unsigned log2 = memop & IR_MEM_SIZE_MASK;
    if (memop & (IR_MEM_SEXT64 | IR_MEM_SEXT32))
        movsx_rr(&c->a, log2, (memop & IR_MEM_SEXT64) != 0, d, RAX);
    else
        movzx_rr(&c->a, log2, d, RAX);
}

/* ---- addresses ---- */

/* Where the current instruction's address is: reg + disp. */
struct place {
    unsigned reg;
    int32_t disp;
};

/* To be called with the other uses. The group's addend is in a register from here on. */
static struct place address(struct x64_compiler *c)
{
    const struct x64_group *g = x64_group_of(c, c->n);
    if (!g)
        return (struct place){x64_use(c, x64_insn(c)->a), 0};
    struct place p = {x64_use(c, g->base), c->value[c->n].offset};
    if (g->addend != NO_REG || g->count == 1)
        return p;
    if (g->first == c->n)
        x64_bind_new(c, x64_addend_of(c, c->n));
    else
        x64_use(c, x64_addend_of(c, c->n));
    return p;
}

/* May a result take the address's register? */
static unsigned def_for_load(struct x64_compiler *c)
{
    const struct x64_group *g = x64_group_of(c, c->n);
    ir_ref base = g ? g->base : x64_insn(c)->a;
    return x64_dies(c, base) && x64_where(c, base) != NO_REG ? x64_def_over(c, base) : x64_def(c);
}

/* A field of the line that RCX names: an offset from R15, or for unprivileged accesses its address. */
static struct x64_mem line(bool unpriv, size_t field)
{
    return unpriv ? mem_at(RCX, (int32_t)field) : mem_indexed(X64_TLB, RCX, 0, (int32_t)field);
}

/* Compares the page of `bytes` bytes at reg + first with the tag of its line; returns the condition for a miss. They may lie over its end,
 * or must be aligned, or reg + first is the page itself. */
enum place_in_page { ANYWHERE, ALIGNED, PAGE };
static enum x64_cc compare_tag(struct x64_compiler *c, unsigned reg, int32_t first, int32_t bytes, enum place_in_page where, bool write,
                               bool unpriv)
{
    const struct x64_config *g = c->config;
    if (first)
        lea(&c->a, true, RAX, mem_at(reg, first));
    else
        mov_rr(&c->a, true, RAX, reg);
    if (c->host->bmi2) {
        rorx_rri(&c->a, false, RCX, first ? RAX : reg, 12 - X64_TLB_SHIFT); /* what comes round is masked off */
    } else {
        mov_rr(&c->a, false, RCX, RAX);
        shift_ri(&c->a, SH_SHR, false, RCX, 12 - X64_TLB_SHIFT);
    }
    alu_ri(&c->a, ALU_AND, false, RCX, (int32_t)(ones(g->tlb_bits) << X64_TLB_SHIFT));
    if (unpriv)
        alu_rm(&c->a, ALU_ADD, true, RCX, x64_state(c, g->tlb_offset[1]));
    struct x64_mem tag = line(unpriv, write ? offsetof(struct x64_tlb_entry, tag_write) : offsetof(struct x64_tlb_entry, tag_read));
    if (where == ANYWHERE) {
        alu_rm(&c->a, ALU_SUB, true, RAX, tag);
        alu_ri(&c->a, ALU_CMP, true, RAX, 4096 - bytes);
        return CC_A;
    }
    if (where == ALIGNED)
        alu_ri(&c->a, ALU_AND, true, RAX, (int32_t)(0xfffff000 | ((uint32_t)bytes - 1)));
    alu_rm(&c->a, ALU_CMP, true, RAX, tag);
    return CC_NE;
}

static int32_t page_of_group(const struct x64_compiler *c, const struct x64_group *g)
{
    return (int32_t)((g->page << 12) - c->ir->insn[g->base].imm);
}

typedef void slow_fn(struct x64_compiler *c, const struct x64_cold *k);

static void group_failed(struct x64_compiler *c, const struct x64_cold *k)
{
    x64_group_find_page(c, k);
    mov_rr(&c->a, true, k->addend, RDX);
    jmp_near(&c->a, k->back);
}

static void look_up_group(struct x64_compiler *c, const struct x64_group *g, unsigned reg, unsigned addend)
{
    enum x64_cc miss = g->page == NO_PAGE ? compare_tag(c, reg, g->min, g->end - g->min, ANYWHERE, g->write, g->unpriv)
                                          : compare_tag(c, reg, page_of_group(c, g), 0, PAGE, g->write, g->unpriv);
    jcc_near(&c->a, miss, c->a.p + 6);
    x64_flags_lost(c);
    struct x64_cold *k = x64_cold_add(c, group_failed);
    k->from = c->a.p;
    k->reg = (uint8_t)reg;
    k->reg3 = (uint8_t)(g - c->group);
    k->addend = (uint8_t)addend;
    k->vectors = x64_vectors_live(c);
    mov_rm(&c->a, true, addend, line(g->unpriv, offsetof(struct x64_tlb_entry, addend)));
    k->back = c->a.p;
}

/* The first access of a group looks its page up, or did so in an earlier turn of the loop. None has a slow path of its own. */
static struct x64_mem in_group(struct x64_compiler *c, const struct x64_group *g, struct place p)
{
    unsigned addend = g->addend != NO_REG ? g->addend : g->count > 1 ? x64_where(c, x64_addend_of(c, c->n)) : (unsigned)RDX;
    if (g->first != c->n)
        c->cc_kept = true;
    else if (g->way)
        x64_loop_check(c, g, p.reg, addend);
    else
        look_up_group(c, g, p.reg, addend);
    return mem_indexed(p.reg, addend, 0, p.disp);
}

/* Emits what must hold before the access, and remembers the cold code for when it does not; *m is the host's memory. */
static struct x64_cold *look_up(struct x64_compiler *c, struct place p, bool write, enum x64_stub stub, slow_fn *slow,
                                struct x64_mem *m)
{
    uint64_t memop = x64_insn(c)->imm;
    int32_t size = 1 << (memop & IR_MEM_SIZE_MASK);
    bool unpriv = memop & IR_MEM_UNPRIV, aligned = c->config->align_check || memop & IR_MEM_ALIGNED;
    const struct x64_group *g = x64_group_of(c, c->n);
    if (g && (g->way || g->count > 1)) {
        *m = in_group(c, g, p);
        c->no_cold = (struct x64_cold){.memop = (uint32_t)memop};
        return &c->no_cold;
    }
    enum x64_cc miss = g && g->page != NO_PAGE ? compare_tag(c, p.reg, page_of_group(c, g), 0, PAGE, write, unpriv)
                                               : compare_tag(c, p.reg, p.disp, size, aligned ? ALIGNED : ANYWHERE, write, unpriv);
    jcc_near(&c->a, miss, c->a.p + 6);
    x64_flags_lost(c);
    struct x64_cold *k = x64_cold_add(c, slow);
    k->from = c->a.p;
    k->reg = (uint8_t)p.reg;
    k->disp = p.disp;
    k->memop = (uint32_t)memop;
    k->stub = (uint8_t)stub;
    k->vectors = x64_vectors_live(c);
    mov_rm(&c->a, true, RDX, line(unpriv, offsetof(struct x64_tlb_entry, addend)));
    *m = mem_indexed(p.reg, RDX, 0, p.disp);
    return k;
}

/* Begins cold code: the address in RAX. */
static void begin_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    x64_loop_flags_store(c, k->n);
    x64_flags_cold(c, k);
    if (k->disp)
        lea(&c->a, true, RAX, mem_at(k->reg, k->disp));
    else
        mov_rr(&c->a, true, RAX, k->reg);
}

/* ---- loads ---- */

static void load_access(struct x64_compiler *c, const struct x64_cold *k, struct x64_mem m)
{
    unsigned log2 = k->memop & IR_MEM_SIZE_MASK;
    if (k->memop & (IR_MEM_SEXT64 | IR_MEM_SEXT32))
        mov_load_sx(&c->a, log2, (k->memop & IR_MEM_SEXT64) != 0, k->reg2, m);
    else
        mov_load_zx(&c->a, log2, k->reg2, m);
}

static void load_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    begin_slow(c, k);
    slow_args(c, k);
    extend_into(c, k->reg2, k->memop);
    jmp_near(&c->a, k->back);
}

static void load(struct x64_compiler *c)
{
    struct x64_mem m;
    struct place p = address(c);
    unsigned d = def_for_load(c);
    struct x64_cold *k = look_up(c, p, false, STUB_LOAD, load_slow, &m);
    k->reg2 = (uint8_t)d;
    load_access(c, k, m);
    k->back = c->a.p;
}

static void load_vector_access(struct x64_compiler *c, const struct x64_cold *k, struct x64_mem m)
{
    unsigned log2 = k->memop & IR_MEM_SIZE_MASK, d = k->reg2;
    if (log2 == 4) {
        movups_rm(&c->a, d, m);
    } else if (log2 == 3) {
        movq_vm(&c->a, d, m);
    } else if (log2 == 2) {
        movd_vm(&c->a, d, m);
    } else {
        mov_load_zx(&c->a, log2, RAX, m);
        movd_vr(&c->a, false, d, RAX);
    }
}

static void load_vector_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    begin_slow(c, k);
    slow_args(c, k);
    movups_rm(&c->a, k->reg2, x64_frame(c, FRAME_ARGS));
    jmp_near(&c->a, k->back);
}

static void load_vector(struct x64_compiler *c)
{
    struct x64_mem m;
    struct place p = address(c);
    unsigned d = x64_def_any_v(c);
    struct x64_cold *k = look_up(c, p, false, STUB_LOADV, load_vector_slow, &m);
    k->reg2 = (uint8_t)d;
    load_vector_access(c, k, m);
    k->back = c->a.p;
}

/* ---- stores: the value is in reg2, or (NO_REG) the immediate `target` ---- */

static void store_access(struct x64_compiler *c, const struct x64_cold *k, struct x64_mem m)
{
    unsigned log2 = k->memop & IR_MEM_SIZE_MASK;
    if (k->memop & IR_MEM_RELEASE) {
        mov_rr(&c->a, true, RCX, k->reg2);
        xchg_mr(&c->a, log2, m, RCX);
    } else if (k->reg2 == NO_REG) {
        mov_store_imm(&c->a, log2, m, (int32_t)k->target);
    } else {
        mov_store(&c->a, log2, m, k->reg2);
    }
}

static void store_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    unsigned log2 = k->memop & IR_MEM_SIZE_MASK;
    begin_slow(c, k);
    if (k->reg2 == NO_REG)
        mov_ri(&c->a, RDX, (uint64_t)k->target & ones(8u << log2));
    else
        movzx_rr(&c->a, log2, RDX, k->reg2);
    slow_args(c, k);
    jmp_near(&c->a, k->back);
}

static void store(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    struct place p = address(c);
    struct x64_mem m;
    unsigned log2 = i->imm & IR_MEM_SIZE_MASK, r = NO_REG;
    int32_t imm = 0;
    bool release = i->imm & IR_MEM_RELEASE;
    if (release || !x64_imm32(c, i->b, log2 == 3, &imm) || x64_where(c, i->b) != NO_REG)
        r = x64_use(c, i->b);
    struct x64_cold *k = look_up(c, p, true, STUB_STORE, store_slow, &m);
    k->reg2 = (uint8_t)r;
    k->target = imm;
    store_access(c, k, m);
    k->back = c->a.p;
}

static void store_vector_access(struct x64_compiler *c, const struct x64_cold *k, struct x64_mem m)
{
    unsigned log2 = k->memop & IR_MEM_SIZE_MASK, v = k->reg2;
    if (log2 == 4) {
        movups_mr(&c->a, m, v);
    } else if (log2 == 3) {
        movq_mv(&c->a, m, v);
    } else if (log2 == 2) {
        movd_mv(&c->a, m, v);
    } else {
        movd_rv(&c->a, false, RCX, v);
        mov_store(&c->a, log2, m, RCX);
    }
}

static void store_vector_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    begin_slow(c, k);
    movups_mr(&c->a, x64_frame(c, FRAME_ARGS), k->reg2);
    slow_args(c, k);
    jmp_near(&c->a, k->back);
}

static void store_vector(struct x64_compiler *c)
{
    struct x64_mem m;
    struct place p = address(c);
    unsigned v = x64_any_v(c, x64_insn(c)->b);
    struct x64_cold *k = look_up(c, p, true, STUB_STOREV, store_vector_slow, &m);
    k->reg2 = (uint8_t)v;
    store_vector_access(c, k, m);
    k->back = c->a.p;
}

/* ---- atomics ---- */

static void atomic_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    begin_slow(c, k);
    movzx_rr(&c->a, k->memop & IR_MEM_SIZE_MASK, RDX, (unsigned)k->target);
    slow_args(c, k);
    extend_into(c, k->reg2, k->memop);
    jmp_near(&c->a, k->back);
}

/* RCX = RAX op r, for a compare-and-exchange loop */
static void modify(struct x64_compiler *c, unsigned rmw, bool w, unsigned r)
{
    static const uint8_t keep_old[] = {[IR_RMW_SMAX] = CC_GE, [IR_RMW_SMIN] = CC_LE, [IR_RMW_UMAX] = CC_AE, [IR_RMW_UMIN] = CC_BE};
    switch (rmw) {
    case IR_RMW_CLR:
        mov_rr(&c->a, true, RCX, r);
        unary_r(&c->a, UN_NOT, true, RCX);
        alu_rr(&c->a, ALU_AND, true, RCX, RAX);
        break;
    case IR_RMW_EOR:
        mov_rr(&c->a, true, RCX, r);
        alu_rr(&c->a, ALU_XOR, true, RCX, RAX);
        break;
    case IR_RMW_SET:
        mov_rr(&c->a, true, RCX, r);
        alu_rr(&c->a, ALU_OR, true, RCX, RAX);
        break;
    default:
        mov_rr(&c->a, true, RCX, r);
        alu_rr(&c->a, ALU_CMP, w, RAX, r);
        cmov_rr(&c->a, keep_old[rmw], true, RCX, RAX);
        break;
    }
}

static void slow_only(struct x64_compiler *c, enum x64_stub stub);

static void atomic(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned log2 = i->imm & IR_MEM_SIZE_MASK, rmw = i->imm >> IR_MEM_RMW_SHIFT & 15;
    if (log2 < 2 && rmw >= IR_RMW_SMAX && rmw <= IR_RMW_UMIN) {
        slow_only(c, STUB_ATOMIC); /* rare: bytes and halfwords would need extending in the loop */
        return;
    }
    struct x64_mem m;
    struct place p = address(c);
    unsigned r = x64_use(c, i->b), d = x64_def(c);
    struct x64_cold *k = look_up(c, p, true, STUB_ATOMIC, atomic_slow, &m);
    k->reg2 = (uint8_t)d;
    k->target = r;
    lea(&c->a, true, RDX, m);
    m = mem_at(RDX, 0);
    if (rmw == IR_RMW_ADD || rmw == IR_RMW_SWP) {
        mov_rr(&c->a, true, RAX, r);
        if (rmw == IR_RMW_ADD)
            lock_xadd(&c->a, log2, m, RAX);
        else
            xchg_mr(&c->a, log2, m, RAX);
    } else {
        mov_load_zx(&c->a, log2, RAX, m);
        const uint8_t *again = c->a.p;
        modify(c, rmw, log2 == 3, r);
        lock_cmpxchg(&c->a, log2, m, RCX);
        jcc_back(&c->a, CC_NE, again);
    }
    movzx_rr(&c->a, log2, d, RAX);
    k->back = c->a.p;
}

static void cas_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    begin_slow(c, k);
    movzx_rr(&c->a, k->memop & IR_MEM_SIZE_MASK, RDX, (unsigned)k->target);
    mov_mr(&c->a, true, x64_frame(c, FRAME_ARGS), RDX);
    mov_load_zx(&c->a, k->memop & IR_MEM_SIZE_MASK, RDX, x64_frame(c, FRAME_ARGS + 16));
    slow_args(c, k);
    extend_into(c, k->reg2, k->memop);
    jmp_near(&c->a, k->back);
}

static void cas(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned log2 = i->imm & IR_MEM_SIZE_MASK;
    struct x64_mem m, expected = x64_frame(c, FRAME_ARGS + 16); /* four registers are too many */
    x64_load_into(c, i->b, RAX);
    mov_mr(&c->a, true, expected, RAX);
    struct place p = address(c);
    unsigned desired = x64_use(c, i->c), d = x64_def(c);
    struct x64_cold *k = look_up(c, p, true, STUB_CAS, cas_slow, &m);
    k->reg2 = (uint8_t)d;
    k->target = desired;
    mov_rm(&c->a, true, RAX, expected);
    lock_cmpxchg(&c->a, log2, m, desired);
    movzx_rr(&c->a, log2, d, RAX);
    k->back = c->a.p;
}

static void cas128_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    begin_slow(c, k);
    movups_mr(&c->a, x64_frame(c, FRAME_ARGS), k->reg3);
    movups_mr(&c->a, x64_frame(c, FRAME_ARGS + 16), (unsigned)k->target);
    slow_args(c, k);
    movups_rm(&c->a, k->reg2, x64_frame(c, FRAME_ARGS + 32));
    jmp_near(&c->a, k->back);
}

/* CMPXCHG16B wants RBX, which may be a guest's, and leaves no scratch register for the address: R15 is loaded again. */
static void cas128(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    struct x64_mem m, rbx = x64_frame(c, FRAME_ARGS);
    struct place p = address(c);
    unsigned expected = x64_use_v(c, i->b), desired = x64_use_v(c, i->c), d = x64_def_v(c);
    struct x64_cold *k = look_up(c, p, true, STUB_CAS128, cas128_slow, &m);
    k->reg2 = (uint8_t)d;
    k->reg3 = (uint8_t)expected;
    k->target = desired;
    lea(&c->a, true, X64_TLB, m);
    mov_mr(&c->a, true, rbx, RBX);
    movd_rv(&c->a, true, RAX, expected);
    vrri(c, PEXTRQ, expected, 0, RDX, 1);
    movd_rv(&c->a, true, RBX, desired);
    vrri(c, PEXTRQ, desired, 0, RCX, 1);
    lock_cmpxchg16b(&c->a, mem_at(X64_TLB, 0));
    mov_rm(&c->a, true, RBX, rbx);
    mov_rm(&c->a, true, X64_TLB, x64_state(c, c->config->tlb_offset[0]));
    movd_vr(&c->a, true, d, RAX);
    vrri(c, PINSRQ, d, d, RDX, 1);
    k->back = c->a.p;
}

/* ---- exclusives ---- */

static struct x64_mem monitor(const struct x64_compiler *c, size_t field)
{
    return x64_state(c, c->config->monitor_offset + field);
}

static void load_ex(struct x64_compiler *c)
{
    uint64_t memop = x64_insn(c)->imm;
    struct x64_mem m;
    struct place p = address(c);
    unsigned log2 = memop & IR_MEM_SIZE_MASK, d = x64_def(c);
    struct x64_cold *k = look_up(c, p, false, STUB_LOADX, load_slow, &m);
    k->reg2 = (uint8_t)d;
    lea(&c->a, true, RDX, m);
    mov_load_zx(&c->a, log2, RAX, mem_at(RDX, 0));
    mov_mr(&c->a, true, monitor(c, offsetof(struct ir_monitor, place)), RDX);
    mov_store_imm(&c->a, 3, monitor(c, offsetof(struct ir_monitor, bytes)), 1 << log2);
    mov_mr(&c->a, true, monitor(c, offsetof(struct ir_monitor, value)), RAX);
    extend_into(c, d, memop);
    k->back = c->a.p;
}

static void store_ex_slow(struct x64_compiler *c, const struct x64_cold *k)
{
    begin_slow(c, k);
    movzx_rr(&c->a, k->memop & IR_MEM_SIZE_MASK, RDX, (unsigned)k->target);
    slow_args(c, k);
    mov_rr(&c->a, true, k->reg2, RAX);
    jmp_near(&c->a, k->back);
}

static void store_ex(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    struct x64_mem m;
    struct place p = address(c);
    unsigned log2 = i->imm & IR_MEM_SIZE_MASK, r = x64_use(c, i->b), d = x64_def(c);
    struct x64_cold *k = look_up(c, p, true, STUB_STOREX, store_ex_slow, &m);
    k->reg2 = (uint8_t)d;
    k->target = r;
    lea(&c->a, true, RDX, m);
    alu_rm(&c->a, ALU_CMP, true, RDX, monitor(c, offsetof(struct ir_monitor, place)));
    uint8_t *elsewhere = jcc_short(&c->a, CC_NE);
    alu_mi(&c->a, ALU_CMP, true, monitor(c, offsetof(struct ir_monitor, bytes)), 1 << log2);
    uint8_t *other_size = jcc_short(&c->a, CC_NE);
    mov_rm(&c->a, true, RAX, monitor(c, offsetof(struct ir_monitor, value)));
    lock_cmpxchg(&c->a, log2, mem_at(RDX, 0), r);
    jump_here(&c->a, elsewhere);
    jump_here(&c->a, other_size);
    setcc_r(&c->a, CC_NE, RAX);
    movzx_rr(&c->a, 0, d, RAX);
    mov_store_imm(&c->a, 3, monitor(c, offsetof(struct ir_monitor, bytes)), 0);
    k->back = c->a.p;
}

/* ---- without a fast path ---- */

/* One address and at most one integer operand; the result, if there is one, is an integer. */
static void slow_only(struct x64_compiler *c, enum x64_stub stub)
{
    const struct ir_insn *i = x64_insn(c);
    x64_load_into(c, i->a, RAX);
    if (ir_ops[i->op].arg[1] == IR_I64) {
        x64_load_into(c, i->b, RDX);
        movzx_rr(&c->a, i->imm & IR_MEM_SIZE_MASK, RDX, RDX);
    }
    mov_ri(&c->a, RCX, memop_arg(c, i->imm));
    x64_call_stub(c, stub, x64_vectors_live(c));
    x64_flags_lost(c);
    if (i->op == IR_STOREX || i->op == IR_STOREX128)
        mov_rr(&c->a, true, x64_def(c), RAX);
    else if (ir_ops[i->op].result == IR_I64)
        extend_into(c, x64_def(c), i->imm);
}

static void slow_only_vector(struct x64_compiler *c, enum x64_stub stub, int32_t result_at)
{
    const struct ir_insn *i = x64_insn(c);
    if (ir_ops[i->op].arg[1] == IR_V128)
        movups_mr(&c->a, x64_frame(c, FRAME_ARGS), x64_use_v(c, i->b));
    if (ir_ops[i->op].arg[2] == IR_V128)
        movups_mr(&c->a, x64_frame(c, FRAME_ARGS + 16), x64_use_v(c, i->c));
    slow_only(c, stub);
    if (ir_ops[i->op].result == IR_V128)
        movups_rm(&c->a, x64_def_v(c), x64_frame(c, result_at));
}

static void barrier(struct x64_compiler *c)
{
    c->cc_kept = true;
    if (x64_insn(c)->imm != 3)
        return; /* loads stay before loads and stores, stores before stores */
    put8(&c->a, 0xf0);
    alu_mi(&c->a, ALU_OR, false, x64_frame(c, FRAME_LOCK), 0);
    x64_flags_lost(c);
}

/* CMPXCHG16B faults where a guest's access would not have to be aligned. */
static bool inline_cas128(const struct x64_compiler *c)
{
    return c->host->exclusive && (c->config->align_check || x64_insn(c)->imm & IR_MEM_ALIGNED);
}

bool x64_emit_mem(struct x64_compiler *c)
{
    bool exclusives = c->host->exclusive && c->config->monitor_offset;
    switch (x64_insn(c)->op) {
    case IR_LOAD: load(c); break;
    case IR_STORE: store(c); break;
    case IR_LOADV: load_vector(c); break;
    case IR_STOREV: store_vector(c); break;
    case IR_ATOMIC: atomic(c); break;
    case IR_CAS: cas(c); break;
    case IR_CAS128: inline_cas128(c) ? cas128(c) : slow_only_vector(c, STUB_CAS128, FRAME_ARGS + 32); break;
    case IR_LOADX: exclusives ? load_ex(c) : slow_only(c, STUB_LOADX); break;
    case IR_LOADX128: slow_only_vector(c, STUB_LOADXV, FRAME_ARGS); break;
    case IR_STOREX: exclusives ? store_ex(c) : slow_only(c, STUB_STOREX); break;
    case IR_STOREX128: slow_only_vector(c, STUB_STOREXV, 0); break;
    case IR_BARRIER: barrier(c); break;
    default: return false;
    }
    return true;
}
