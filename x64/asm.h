/*
 * asm.h - x86-64 instructions as bytes: one inline function per instruction form.
 *
 * Sources: Intel SDM vol. 2 (encodings: chapter 2; opcodes: chapters 3-5 and appendix A). Registers are numbers 0..15;
 * memory operands are base + displacement or base + index + displacement; `w` chooses 64-bit (true) or 32-bit operands.
 * Nothing here checks for room: the compiler keeps X64_OP_BYTES free before every operation.
 */
#ifndef X64_ASM_H
#define X64_ASM_H

#include "base/bits.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, RIP, NO_REG = 0xff };

/* Condition codes of Jcc, SETcc, CMOVcc. */
enum x64_cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

/* A place in the code that means something outside of it: what moving the code must change (move.c). */
enum x64_ref_kind {
    REF_STUB,  /* rel32 to shared code or constants before the block */
    REF_LINK,  /* imm32: a link's name, which is an offset in the code buffer */
    REF_IMAGE, /* imm64: address of a table of ours */
};
struct x64_ref {
    uint32_t at : 24, kind : 8; /* offset from the block's start */
};
enum { X64_MAX_REFS = 1024 };

struct x64_asm {
    uint8_t *p;            /* next byte, in the writable mapping */
    const uint8_t *base;   /* what mem_code counts from */
    const uint8_t *start;  /* of the block; NULL: references are not kept */
    struct x64_ref *refs;  /* X64_MAX_REFS of them */
    unsigned n_refs;       /* more than that: they do not fit */
};

static inline void ref_add(struct x64_asm *a, enum x64_ref_kind kind, const uint8_t *at)
{
    if (a->n_refs < X64_MAX_REFS)
        a->refs[a->n_refs] = (struct x64_ref){.at = (uint32_t)(at - a->start) & 0xffffff, .kind = kind};
    a->n_refs++;
}

struct x64_mem {
    uint8_t base, index; /* index NO_REG: none */
    uint8_t scale;       /* log2 */
    int32_t disp;
};

static inline struct x64_mem mem_at(unsigned base, int32_t disp)
{
    return (struct x64_mem){.base = (uint8_t)base, .index = NO_REG, .disp = disp};
}

static inline struct x64_mem mem_indexed(unsigned base, unsigned index, unsigned log2_scale, int32_t disp)
{
    return (struct x64_mem){.base = (uint8_t)base, .index = (uint8_t)index, .scale = (uint8_t)log2_scale, .disp = disp};
}

/* Data in the code memory, relative to RIP; not for instructions that end in an immediate. */
static inline struct x64_mem mem_code(int32_t offset)
{
    return mem_at(RIP, offset);
}

/* ---- bytes ---- */
static inline void put8(struct x64_asm *a, unsigned v)
{
    *a->p++ = (uint8_t)v;
}

static inline void put32(struct x64_asm *a, uint32_t v)
{
    le32_put(a->p, v);
    a->p += 4;
}

static inline void put64(struct x64_asm *a, uint64_t v)
{
    le64_put(a->p, v);
    a->p += 8;
}

/* Displacement to an address. It is the last thing of its instruction. */
static inline void put_rel32(struct x64_asm *a, const uint8_t *to)
{
    if (to < a->start)
        ref_add(a, REF_STUB, a->p);
    put32(a, (uint32_t)(to - a->p - 4));
}

/* ModRM, SIB and displacement for a memory operand. */
static inline void put_mem(struct x64_asm *a, unsigned reg, struct x64_mem m)
{
    if (m.base == RIP) {
        put8(a, (reg & 7) << 3 | 5);
        put_rel32(a, a->base + m.disp);
        return;
    }
    unsigned small = m.disp == (int8_t)m.disp, mod = m.disp == 0 && (m.base & 7) != RBP ? 0 : small ? 1 : 2;
    if (m.index == NO_REG && (m.base & 7) != RSP) {
        put8(a, mod << 6 | (reg & 7) << 3 | (m.base & 7));
    } else {
        unsigned index = m.index == NO_REG ? RSP : m.index & 7;
        put8(a, mod << 6 | (reg & 7) << 3 | RSP);
        put8(a, (unsigned)m.scale << 6 | index << 3 | (m.base & 7));
    }
    if (mod == 1)
        put8(a, (uint8_t)m.disp);
    else if (mod == 2)
        put32(a, (uint32_t)m.disp);
}

static inline void put_rex(struct x64_asm *a, bool w, unsigned reg, unsigned index, unsigned base, bool force)
{
    unsigned rex = (w ? 8u : 0) | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1);
    if (rex || force)
        put8(a, 0x40 | rex);
}

static inline unsigned index_bit(struct x64_mem m)
{
    return m.index == NO_REG ? 0 : m.index;
}

/* opcode: one byte, or 0x0fNN, 0x0f38NN, 0x0f3aNN */
static inline void put_opcode(struct x64_asm *a, unsigned opcode)
{
    if (opcode > 0xffff)
        put8(a, opcode >> 16);
    if (opcode > 0xff)
        put8(a, opcode >> 8 & 0xff);
    put8(a, opcode & 0xff);
}

/* op reg, r/m with a register; byte: low byte registers take part (SIL..DIL need a REX) */
static inline void op_rr(struct x64_asm *a, bool w, unsigned opcode, unsigned reg, unsigned rm)
{
    put_rex(a, w, reg, 0, rm, false);
    put_opcode(a, opcode);
    put8(a, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void op_rr8(struct x64_asm *a, bool w, unsigned opcode, unsigned reg, unsigned rm)
{
    put_rex(a, w, reg, 0, rm, true);
    put_opcode(a, opcode);
    put8(a, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void op_rm(struct x64_asm *a, bool w, unsigned opcode, unsigned reg, struct x64_mem m)
{
    put_rex(a, w, reg, index_bit(m), m.base, false);
    put_opcode(a, opcode);
    put_mem(a, reg, m);
}

static inline void op_rm8(struct x64_asm *a, unsigned opcode, unsigned reg, struct x64_mem m)
{
    put_rex(a, false, reg, index_bit(m), m.base, true);
    put_opcode(a, opcode);
    put_mem(a, reg, m);
}

/* ---- moves ---- */
static inline void mov_rr(struct x64_asm *a, bool w, unsigned d, unsigned s)
{
    op_rr(a, w, 0x8b, d, s);
}

static inline void mov_rm(struct x64_asm *a, bool w, unsigned d, struct x64_mem m)
{
    op_rm(a, w, 0x8b, d, m);
}

static inline void mov_mr(struct x64_asm *a, bool w, struct x64_mem m, unsigned s)
{
    op_rm(a, w, 0x89, s, m);
}

/* The shortest move of a constant that leaves the flags alone. */
static inline void mov_ri(struct x64_asm *a, unsigned d, uint64_t v)
{
    if (v >> 32 == 0) {
        put_rex(a, false, 0, 0, d, false);
        put8(a, 0xb8 | (d & 7));
        put32(a, (uint32_t)v);
    } else if ((int64_t)v == (int32_t)v) {
        op_rr(a, true, 0xc7, 0, d);
        put32(a, (uint32_t)v);
    } else {
        put_rex(a, true, 0, 0, d, false);
        put8(a, 0xb8 | (d & 7));
        put64(a, v);
    }
}

/* The address of a constant table of ours. Tables are named by this only: their addresses change from run to run. */
static inline void mov_table(struct x64_asm *a, unsigned d, const void *table)
{
    put_rex(a, true, 0, 0, d, false);
    put8(a, 0xb8 | (d & 7));
    if (a->start)
        ref_add(a, REF_IMAGE, a->p);
    put64(a, (uint64_t)(uintptr_t)table);
}

/* mov [m], imm: 64 bits with the imm32 sign-extended, or 32 bits */
static inline void mov_mi(struct x64_asm *a, bool w, struct x64_mem m, int32_t v)
{
    op_rm(a, w, 0xc7, 0, m);
    put32(a, (uint32_t)v);
}

/* Sized stores and loads, log2 = 0..3. */
static inline void mov_store(struct x64_asm *a, unsigned log2, struct x64_mem m, unsigned s)
{
    if (log2 == 1)
        put8(a, 0x66);
    if (log2 == 0)
        op_rm8(a, 0x88, s, m);
    else
        op_rm(a, log2 == 3, 0x89, s, m);
}

static inline void mov_store_imm(struct x64_asm *a, unsigned log2, struct x64_mem m, int32_t v)
{
    if (log2 == 1)
        put8(a, 0x66);
    op_rm(a, log2 == 3, log2 == 0 ? 0xc6 : 0xc7, 0, m);
    if (log2 == 0)
        put8(a, (uint8_t)v);
    else if (log2 == 1)
        put8(a, (uint8_t)v), put8(a, (uint8_t)(v >> 8));
    else
        put32(a, (uint32_t)v);
}

static inline void mov_load_zx(struct x64_asm *a, unsigned log2, unsigned d, struct x64_mem m)
{
    if (log2 == 0)
        op_rm(a, false, 0x0fb6, d, m);
    else if (log2 == 1)
        op_rm(a, false, 0x0fb7, d, m);
    else
        op_rm(a, log2 == 3, 0x8b, d, m);
}

static inline void mov_load_sx(struct x64_asm *a, unsigned log2, bool to64, unsigned d, struct x64_mem m)
{
    if (log2 == 0)
        op_rm(a, to64, 0x0fbe, d, m);
    else if (log2 == 1)
        op_rm(a, to64, 0x0fbf, d, m);
    else if (log2 == 2 && to64)
        op_rm(a, true, 0x63, d, m);
    else
        op_rm(a, log2 == 3, 0x8b, d, m);
}

/* Register to register, from 1 << log2 bytes. */
static inline void movzx_rr(struct x64_asm *a, unsigned log2, unsigned d, unsigned s)
{
    if (log2 == 0)
        op_rr8(a, false, 0x0fb6, d, s);
    else if (log2 == 1)
        op_rr(a, false, 0x0fb7, d, s);
    else
        op_rr(a, log2 == 3, 0x8b, d, s);
}

static inline void movzx_ah(struct x64_asm *a, unsigned d) /* d = AH; d is RAX..RDI */
{
    put8(a, 0x0f);
    put8(a, 0xb6);
    put8(a, 0xc4 | d << 3);
}

static inline void movsx_rr(struct x64_asm *a, unsigned log2, bool to64, unsigned d, unsigned s)
{
    if (log2 == 0)
        op_rr8(a, to64, 0x0fbe, d, s);
    else if (log2 == 1)
        op_rr(a, to64, 0x0fbf, d, s);
    else
        op_rr(a, to64 || log2 == 3, log2 == 2 && to64 ? 0x63 : 0x8b, d, s);
}

static inline void lea(struct x64_asm *a, bool w, unsigned d, struct x64_mem m)
{
    op_rm(a, w, 0x8d, d, m);
}

/* ---- arithmetic ---- */
enum x64_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

static inline void alu_rr(struct x64_asm *a, enum x64_alu op, bool w, unsigned d, unsigned s)
{
    op_rr(a, w, (unsigned)op << 3 | 3, d, s);
}

static inline void alu_rm(struct x64_asm *a, enum x64_alu op, bool w, unsigned d, struct x64_mem m)
{
    op_rm(a, w, (unsigned)op << 3 | 3, d, m);
}

static inline void alu_ri(struct x64_asm *a, enum x64_alu op, bool w, unsigned d, int32_t v)
{
    if (v == (int8_t)v) {
        op_rr(a, w, 0x83, op, d);
        put8(a, (uint8_t)v);
    } else if (d == RAX) {
        put_rex(a, w, 0, 0, 0, false);
        put8(a, (unsigned)op << 3 | 5);
        put32(a, (uint32_t)v);
    } else {
        op_rr(a, w, 0x81, op, d);
        put32(a, (uint32_t)v);
    }
}

static inline void alu_mi(struct x64_asm *a, enum x64_alu op, bool w, struct x64_mem m, int32_t v)
{
    bool small = v == (int8_t)v;
    op_rm(a, w, small ? 0x83 : 0x81, op, m);
    if (small)
        put8(a, (uint8_t)v);
    else
        put32(a, (uint32_t)v);
}

static inline void test_rr(struct x64_asm *a, bool w, unsigned x, unsigned y)
{
    op_rr(a, w, 0x85, y, x);
}

static inline void test_ri(struct x64_asm *a, bool w, unsigned x, int32_t v)
{
    op_rr(a, w, 0xf7, 0, x);
    put32(a, (uint32_t)v);
}

static inline void test_mi(struct x64_asm *a, bool w, struct x64_mem m, int32_t v)
{
    op_rm(a, w, 0xf7, 0, m);
    put32(a, (uint32_t)v);
}

/* test r8, imm8 */
static inline void test_ri8(struct x64_asm *a, unsigned x, unsigned v)
{
    op_rr8(a, false, 0xf6, 0, x);
    put8(a, v);
}

static inline void bt_ri(struct x64_asm *a, bool w, unsigned x, unsigned bit)
{
    op_rr(a, w, 0x0fba, 4, x);
    put8(a, bit);
}

enum x64_unary { UN_NOT = 2, UN_NEG = 3, UN_MUL = 4, UN_IMUL = 5, UN_DIV = 6, UN_IDIV = 7 };

static inline void unary_r(struct x64_asm *a, enum x64_unary op, bool w, unsigned r)
{
    op_rr(a, w, 0xf7, op, r);
}

static inline void imul_rr(struct x64_asm *a, bool w, unsigned d, unsigned s)
{
    op_rr(a, w, 0x0faf, d, s);
}

static inline void imul_rm(struct x64_asm *a, bool w, unsigned d, struct x64_mem m)
{
    op_rm(a, w, 0x0faf, d, m);
}

static inline void imul_rri(struct x64_asm *a, bool w, unsigned d, unsigned s, int32_t v)
{
    bool small = v == (int8_t)v;
    op_rr(a, w, small ? 0x6b : 0x69, d, s);
    if (small)
        put8(a, (uint8_t)v);
    else
        put32(a, (uint32_t)v);
}

enum x64_shift { SH_ROL, SH_ROR, SH_SHL = 4, SH_SHR, SH_SAR = 7 };

static inline void shift_ri(struct x64_asm *a, enum x64_shift op, bool w, unsigned d, unsigned n)
{
    op_rr(a, w, 0xc1, op, d);
    put8(a, n);
}

static inline void shift_rcl(struct x64_asm *a, enum x64_shift op, bool w, unsigned d)
{
    op_rr(a, w, 0xd3, op, d);
}

static inline void shrd_rri(struct x64_asm *a, bool w, unsigned d, unsigned high, unsigned n)
{
    op_rr(a, w, 0x0fac, high, d);
    put8(a, n);
}

static inline void bswap_r(struct x64_asm *a, bool w, unsigned d)
{
    put_rex(a, w, 0, 0, d, false);
    put8(a, 0x0f);
    put8(a, 0xc8 | (d & 7));
}

static inline void bsr_rr(struct x64_asm *a, bool w, unsigned d, unsigned s)
{
    op_rr(a, w, 0x0fbd, d, s);
}

static inline void lzcnt_rr(struct x64_asm *a, bool w, unsigned d, unsigned s)
{
    put8(a, 0xf3);
    op_rr(a, w, 0x0fbd, d, s);
}

static inline void tzcnt_rr(struct x64_asm *a, bool w, unsigned d, unsigned s)
{
    put8(a, 0xf3);
    op_rr(a, w, 0x0fbc, d, s);
}

/* crc32 d, s of 1 << log2 bytes (SSE4.2) */
static inline void crc32_rr(struct x64_asm *a, unsigned log2, unsigned d, unsigned s)
{
    if (log2 == 1)
        put8(a, 0x66);
    put8(a, 0xf2);
    put_rex(a, log2 == 3, d, 0, s, log2 == 0);
    put_opcode(a, log2 == 0 ? 0x0f38f0 : 0x0f38f1);
    put8(a, 0xc0 | (d & 7) << 3 | (s & 7));
}

/* ---- conditions ---- */
static inline void ldmxcsr(struct x64_asm *a, struct x64_mem m) { op_rm(a, false, 0x0fae, 2, m); }
static inline void stmxcsr(struct x64_asm *a, struct x64_mem m) { op_rm(a, false, 0x0fae, 3, m); }

static inline void setcc_r(struct x64_asm *a, enum x64_cc cc, unsigned d)
{
    op_rr8(a, false, 0x0f90 | cc, 0, d);
}

static inline void cmov_rr(struct x64_asm *a, enum x64_cc cc, bool w, unsigned d, unsigned s)
{
    op_rr(a, w, 0x0f40 | cc, d, s);
}

static inline void cmov_rm(struct x64_asm *a, enum x64_cc cc, bool w, unsigned d, struct x64_mem m)
{
    op_rm(a, w, 0x0f40 | cc, d, m);
}

static inline void lahf(struct x64_asm *a) { put8(a, 0x9f); }
static inline void sahf(struct x64_asm *a) { put8(a, 0x9e); }
static inline void cmc(struct x64_asm *a) { put8(a, 0xf5); }
static inline void clc(struct x64_asm *a) { put8(a, 0xf8); }
static inline void stc(struct x64_asm *a) { put8(a, 0xf9); }

/* add al, imm8 */
static inline void add_al(struct x64_asm *a, unsigned v)
{
    put8(a, 0x04);
    put8(a, v);
}

/* ---- control ---- */
/* Short forward jumps inside one operation: returns the place to give to jump_here. */
static inline uint8_t *jcc_short(struct x64_asm *a, enum x64_cc cc)
{
    put8(a, 0x70 | cc);
    put8(a, 0);
    return a->p;
}

static inline uint8_t *jmp_short(struct x64_asm *a)
{
    put8(a, 0xeb);
    put8(a, 0);
    return a->p;
}

static inline void jump_here(struct x64_asm *a, uint8_t *from)
{
    assert(a->p - from < 128);
    from[-1] = (uint8_t)(a->p - from);
}

/* Backward, to a place already emitted near by. */
static inline void jcc_back(struct x64_asm *a, enum x64_cc cc, const uint8_t *to)
{
    put8(a, 0x70 | cc);
    put8(a, (uint8_t)(to - a->p - 1));
}

static inline void jcc_near(struct x64_asm *a, enum x64_cc cc, const uint8_t *to)
{
    put8(a, 0x0f);
    put8(a, 0x80 | cc);
    put_rel32(a, to);
}

static inline void jmp_near(struct x64_asm *a, const uint8_t *to)
{
    put8(a, 0xe9);
    put_rel32(a, to);
}

static inline void call_near(struct x64_asm *a, const uint8_t *to)
{
    put8(a, 0xe8);
    put_rel32(a, to);
}

static inline void jmp_r(struct x64_asm *a, unsigned r) { op_rr(a, false, 0xff, 4, r); }
static inline void jmp_m(struct x64_asm *a, struct x64_mem m) { op_rm(a, false, 0xff, 4, m); }
static inline void call_r(struct x64_asm *a, unsigned r) { op_rr(a, false, 0xff, 2, r); }
static inline void call_m(struct x64_asm *a, struct x64_mem m) { op_rm(a, false, 0xff, 2, m); }
static inline void ret(struct x64_asm *a) { put8(a, 0xc3); }

static inline void push_r(struct x64_asm *a, unsigned r)
{
    put_rex(a, false, 0, 0, r, false);
    put8(a, 0x50 | (r & 7));
}

static inline void pop_r(struct x64_asm *a, unsigned r)
{
    put_rex(a, false, 0, 0, r, false);
    put8(a, 0x58 | (r & 7));
}

static inline void int3(struct x64_asm *a) { put8(a, 0xcc); }

/* n bytes that do nothing (SDM vol. 2, NOP: recommended multi-byte sequences). */
static inline void nops(struct x64_asm *a, unsigned n)
{
    static const uint8_t nop[9][9] = {
        {0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0}, {0x0f, 0x1f, 0x40, 0}, {0x0f, 0x1f, 0x44, 0, 0}, {0x66, 0x0f, 0x1f, 0x44, 0, 0},
        {0x0f, 0x1f, 0x80, 0, 0, 0, 0}, {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, {0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}};
    while (n) {
        unsigned k = MIN(n, 9u);
        memcpy(a->p, nop[k - 1], k);
        a->p += k;
        n -= k;
    }
}

/* ---- atomics: sizes 1 << log2; r is the register operand ---- */
static inline void sized_locked(struct x64_asm *a, unsigned log2, bool lock, unsigned opcode8, struct x64_mem m, unsigned r)
{
    if (lock)
        put8(a, 0xf0);
    if (log2 == 1)
        put8(a, 0x66);
    if (log2 == 0)
        op_rm8(a, opcode8, r, m);
    else
        op_rm(a, log2 == 3, opcode8 | 1, r, m);
}

static inline void lock_xadd(struct x64_asm *a, unsigned log2, struct x64_mem m, unsigned r)
{
    sized_locked(a, log2, true, 0x0fc0, m, r);
}

static inline void lock_cmpxchg(struct x64_asm *a, unsigned log2, struct x64_mem m, unsigned r)
{
    sized_locked(a, log2, true, 0x0fb0, m, r);
}

/* RDX:RAX, RCX:RBX; the place must be aligned */
static inline void lock_cmpxchg16b(struct x64_asm *a, struct x64_mem m)
{
    put8(a, 0xf0);
    op_rm(a, true, 0x0fc7, 1, m);
}

static inline void xchg_mr(struct x64_asm *a, unsigned log2, struct x64_mem m, unsigned r)
{
    sized_locked(a, log2, false, 0x86, m, r);
}

/* ---- SSE, AVX: an opcode names prefix, map and W at once; the same number serves the legacy and the VEX form ---- */
enum { PP_NONE, PP_66, PP_F3, PP_F2 };
enum { MAP_0F = 1, MAP_0F38, MAP_0F3A };
#define X64_V(pp, map, w, op) ((uint32_t)(pp) << 16 | (uint32_t)(map) << 12 | (uint32_t)(w) << 18 | (uint32_t)(op))
#define X64_V_PP(v)  ((v) >> 16 & 3)
#define X64_V_MAP(v) ((v) >> 12 & 15)
#define X64_V_W(v)   ((v) >> 18 & 1)
#define X64_V_OP(v)  ((v) & 0xff)

static inline void put_legacy_prefix(struct x64_asm *a, uint32_t v)
{
    static const uint8_t prefix[4] = {0, 0x66, 0xf3, 0xf2};
    if (X64_V_PP(v))
        put8(a, prefix[X64_V_PP(v)]);
}

static inline void put_legacy_opcode(struct x64_asm *a, uint32_t v)
{
    put8(a, 0x0f);
    if (X64_V_MAP(v) == MAP_0F38)
        put8(a, 0x38);
    if (X64_V_MAP(v) == MAP_0F3A)
        put8(a, 0x3a);
    put8(a, X64_V_OP(v));
}

static inline void sse_rr(struct x64_asm *a, uint32_t v, unsigned reg, unsigned rm)
{
    put_legacy_prefix(a, v);
    put_rex(a, X64_V_W(v), reg, 0, rm, false);
    put_legacy_opcode(a, v);
    put8(a, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void sse_rm(struct x64_asm *a, uint32_t v, unsigned reg, struct x64_mem m)
{
    put_legacy_prefix(a, v);
    put_rex(a, X64_V_W(v), reg, index_bit(m), m.base, false);
    put_legacy_opcode(a, v);
    put_mem(a, reg, m);
}

/* VEX, three-byte form only where needed; nds 0..15 (15 - inverted - when there is none: pass 0). L: 0 128 bits, 1 256. */
static inline void put_vex(struct x64_asm *a, uint32_t v, unsigned l, unsigned reg, unsigned nds, unsigned index, unsigned base)
{
    unsigned r = ~reg >> 3 & 1, x = ~index >> 3 & 1, b = ~base >> 3 & 1, vvvv = ~nds & 15;
    if (x && b && !X64_V_W(v) && X64_V_MAP(v) == MAP_0F) {
        put8(a, 0xc5);
        put8(a, r << 7 | vvvv << 3 | l << 2 | X64_V_PP(v));
    } else {
        put8(a, 0xc4);
        put8(a, r << 7 | x << 6 | b << 5 | X64_V_MAP(v));
        put8(a, X64_V_W(v) << 7 | vvvv << 3 | l << 2 | X64_V_PP(v));
    }
    put8(a, X64_V_OP(v));
}

static inline void vex_rrr(struct x64_asm *a, uint32_t v, unsigned d, unsigned nds, unsigned rm)
{
    put_vex(a, v, 0, d, nds, 0, rm);
    put8(a, 0xc0 | (d & 7) << 3 | (rm & 7));
}

static inline void vex_rrm(struct x64_asm *a, uint32_t v, unsigned d, unsigned nds, struct x64_mem m)
{
    put_vex(a, v, 0, d, nds, index_bit(m), m.base);
    put_mem(a, d, m);
}

/* 256-bit forms */
static inline void vex256_rrr(struct x64_asm *a, uint32_t v, unsigned d, unsigned nds, unsigned rm)
{
    put_vex(a, v, 1, d, nds, 0, rm);
    put8(a, 0xc0 | (d & 7) << 3 | (rm & 7));
}

/* EVEX, registers 0..31, no memory operands; l: 0 128, 1 256, 2 512; k: mask register (0 none), z: zeroing; b: broadcast or
 * static rounding (SDM vol. 2, 2.7). */
static inline void evex_rrr(struct x64_asm *a, uint32_t v, unsigned l, unsigned d, unsigned nds, unsigned rm, unsigned k, bool z,
                            bool b)
{
    put8(a, 0x62);
    put8(a, (~d >> 3 & 1) << 7 | (~rm >> 4 & 1) << 6 | (~rm >> 3 & 1) << 5 | (~d >> 4 & 1) << 4 | X64_V_MAP(v));
    put8(a, X64_V_W(v) << 7 | (~nds & 15) << 3 | 4 | X64_V_PP(v));
    put8(a, (unsigned)z << 7 | l << 5 | (unsigned)b << 4 | (~nds >> 4 & 1) << 3 | k);
    put8(a, X64_V_OP(v));
    put8(a, 0xc0 | (d & 7) << 3 | (rm & 7));
}

/* Loads a mask register from a byte. */
static inline void kmovb_km(struct x64_asm *a, unsigned k, struct x64_mem m)
{
    vex_rrm(a, X64_V(PP_66, MAP_0F, 0, 0x90), k, 0, m);
}

/* BMI: andn d = ~s1 & s2; shlx/shrx/sarx d = s shifted by n; rorx; mulx high, low = rdx * s */
static inline void andn_rrr(struct x64_asm *a, bool w, unsigned d, unsigned inverted, unsigned s)
{
    vex_rrr(a, X64_V(PP_NONE, MAP_0F38, w, 0xf2), d, inverted, s);
}

static inline void shlx_rrr(struct x64_asm *a, bool w, unsigned d, unsigned s, unsigned n)
{
    vex_rrr(a, X64_V(PP_66, MAP_0F38, w, 0xf7), d, n, s);
}

static inline void shrx_rrr(struct x64_asm *a, bool w, unsigned d, unsigned s, unsigned n)
{
    vex_rrr(a, X64_V(PP_F2, MAP_0F38, w, 0xf7), d, n, s);
}

static inline void sarx_rrr(struct x64_asm *a, bool w, unsigned d, unsigned s, unsigned n)
{
    vex_rrr(a, X64_V(PP_F3, MAP_0F38, w, 0xf7), d, n, s);
}

static inline void rorx_rri(struct x64_asm *a, bool w, unsigned d, unsigned s, unsigned n)
{
    vex_rrr(a, X64_V(PP_F2, MAP_0F3A, w, 0xf0), d, 0, s);
    put8(a, n);
}

static inline void mulx_rrr(struct x64_asm *a, bool w, unsigned high, unsigned low, unsigned s)
{
    vex_rrr(a, X64_V(PP_F2, MAP_0F38, w, 0xf6), high, low, s);
}

/* EVEX with a memory operand; its displacement counts in units of 2^log2 bytes, the size of what is read. */
static inline void evex_rrm(struct x64_asm *a, uint32_t v, unsigned log2, unsigned d, unsigned nds, struct x64_mem m)
{
    unsigned base = m.base == RIP ? 0 : m.base, index = index_bit(m);
    put8(a, 0x62);
    put8(a, (~d >> 3 & 1) << 7 | (~index >> 3 & 1) << 6 | (~base >> 3 & 1) << 5 | (~d >> 4 & 1) << 4 | X64_V_MAP(v));
    put8(a, X64_V_W(v) << 7 | (~nds & 15) << 3 | 4 | X64_V_PP(v));
    put8(a, (~nds >> 4 & 1) << 3);
    put8(a, X64_V_OP(v));
    int32_t scaled = m.disp >> log2;
    if (m.base == RIP || (scaled == (int8_t)scaled && !(m.disp & ((1 << log2) - 1)))) {
        m.disp = m.base == RIP ? m.disp : scaled;
        put_mem(a, d, m);
        return;
    }
    bool sib = m.index != NO_REG || (m.base & 7) == RSP;
    put8(a, 0x80 | (d & 7) << 3 | (sib ? RSP : m.base & 7));
    if (sib)
        put8(a, (unsigned)m.scale << 6 | (m.index == NO_REG ? RSP : m.index & 7) << 3 | (m.base & 7));
    put32(a, (uint32_t)m.disp);
}

/* Vector moves that both SSE and AVX code use: legacy forms leave the upper lanes of the 128 bits as described. Registers 16..31:
 * EVEX forms, with W as w. */
static inline void vmove_rr(struct x64_asm *a, uint32_t v, bool w, unsigned reg, unsigned rm)
{
    if ((reg | rm) < 16)
        sse_rr(a, v, reg, rm);
    else
        evex_rrr(a, v | (uint32_t)w << 18, 0, reg, 0, rm, 0, false, false);
}

static inline void vmove_rm(struct x64_asm *a, uint32_t v, bool w, unsigned log2, unsigned reg, struct x64_mem m)
{
    if (reg < 16)
        sse_rm(a, v, reg, m);
    else
        evex_rrm(a, v | (uint32_t)w << 18, log2, reg, 0, m);
}

static inline void movups_rm(struct x64_asm *a, unsigned d, struct x64_mem m) { vmove_rm(a, X64_V(PP_NONE, MAP_0F, 0, 0x10), 0, 4, d, m); }
static inline void movups_mr(struct x64_asm *a, struct x64_mem m, unsigned s) { vmove_rm(a, X64_V(PP_NONE, MAP_0F, 0, 0x11), 0, 4, s, m); }
static inline void movaps_rr(struct x64_asm *a, unsigned d, unsigned s) { vmove_rr(a, X64_V(PP_NONE, MAP_0F, 0, 0x28), 0, d, s); }
/* General register to vector and back; the rest of the vector is zeroed. */
static inline void movd_vr(struct x64_asm *a, bool w, unsigned d, unsigned s) { vmove_rr(a, X64_V(PP_66, MAP_0F, w, 0x6e), w, d, s); }
static inline void movd_rv(struct x64_asm *a, bool w, unsigned d, unsigned s) { vmove_rr(a, X64_V(PP_66, MAP_0F, w, 0x7e), w, s, d); }
static inline void movd_vm(struct x64_asm *a, unsigned d, struct x64_mem m) { vmove_rm(a, X64_V(PP_66, MAP_0F, 0, 0x6e), 0, 2, d, m); }
static inline void movd_mv(struct x64_asm *a, struct x64_mem m, unsigned s) { vmove_rm(a, X64_V(PP_66, MAP_0F, 0, 0x7e), 0, 2, s, m); }
static inline void movq_vm(struct x64_asm *a, unsigned d, struct x64_mem m) { vmove_rm(a, X64_V(PP_F3, MAP_0F, 0, 0x7e), 1, 3, d, m); }
static inline void movq_mv(struct x64_asm *a, struct x64_mem m, unsigned s) { vmove_rm(a, X64_V(PP_66, MAP_0F, 0, 0xd6), 1, 3, s, m); }
static inline void movq_vv(struct x64_asm *a, unsigned d, unsigned s) { vmove_rr(a, X64_V(PP_F3, MAP_0F, 0, 0x7e), 1, d, s); }

#endif
