/*
 * asm_test.c - what asm.h encodes, decoded again by an independent decoder (Zydis).
 *
 * Each form is emitted with random registers, memory operands and immediates; mnemonic, operands and length must come back.
 */
#include "x64/asm.h"
#include <Zydis/Zydis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 400 };

static uint8_t space[16384];
static uint8_t *const buffer = space + 8192; /* jumps lead around it */
static struct x64_asm a;
static uint64_t seed = 1;

static unsigned below(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(seed >> 33) % n;
}

/* An expected operand. */
struct want {
    enum { NOTHING, REG, MEM, IMM } kind;
    ZydisRegister reg;
    struct x64_mem mem;
    int64_t imm;
    unsigned bits; /* of the memory operand, 0: do not care */
};

static struct want gpr(unsigned r, unsigned bits)
{
    static const ZydisRegister byte[16] = {
        ZYDIS_REGISTER_AL, ZYDIS_REGISTER_CL, ZYDIS_REGISTER_DL, ZYDIS_REGISTER_BL, ZYDIS_REGISTER_SPL, ZYDIS_REGISTER_BPL,
        ZYDIS_REGISTER_SIL, ZYDIS_REGISTER_DIL, ZYDIS_REGISTER_R8B, ZYDIS_REGISTER_R9B, ZYDIS_REGISTER_R10B,
        ZYDIS_REGISTER_R11B, ZYDIS_REGISTER_R12B, ZYDIS_REGISTER_R13B, ZYDIS_REGISTER_R14B, ZYDIS_REGISTER_R15B};
    ZydisRegister reg = bits == 8    ? byte[r]
                        : bits == 16 ? (ZydisRegister)(ZYDIS_REGISTER_AX + r)
                        : bits == 32 ? (ZydisRegister)(ZYDIS_REGISTER_EAX + r)
                                     : (ZydisRegister)(ZYDIS_REGISTER_RAX + r);
    return (struct want){.kind = REG, .reg = reg};
}

static struct want xmm(unsigned r)
{
    return (struct want){.kind = REG, .reg = (ZydisRegister)(ZYDIS_REGISTER_XMM0 + r)};
}

static struct want mem(struct x64_mem m, unsigned bits)
{
    return (struct want){.kind = MEM, .mem = m, .bits = bits};
}

static struct want imm(int64_t v)
{
    return (struct want){.kind = IMM, .imm = v};
}

static void check_operand(const ZydisDecodedOperand *o, const struct want *w)
{
    switch (w->kind) {
    case REG:
        assert_int_equal(o->type, ZYDIS_OPERAND_TYPE_REGISTER);
        assert_int_equal(o->reg.value, w->reg);
        break;
    case MEM:
        assert_int_equal(o->type, ZYDIS_OPERAND_TYPE_MEMORY);
        assert_int_equal(o->mem.base, gpr(w->mem.base, 64).reg);
        assert_int_equal(o->mem.index, w->mem.index == NO_REG ? ZYDIS_REGISTER_NONE : gpr(w->mem.index, 64).reg);
        if (w->mem.index != NO_REG)
            assert_int_equal(o->mem.scale, 1 << w->mem.scale);
        assert_int_equal(o->mem.disp.value, w->mem.disp);
        if (w->bits)
            assert_int_equal(o->size, w->bits);
        break;
    case IMM:
        assert_int_equal(o->type, ZYDIS_OPERAND_TYPE_IMMEDIATE);
        assert_int_equal(o->imm.value.s, w->imm);
        break;
    default: break;
    }
}

static void check(ZydisMnemonic mnemonic, struct want x, struct want y, struct want z)
{
    const struct want want[3] = {x, y, z};
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    size_t n = (size_t)(a.p - buffer);
    memset(a.p, 0x90, 16);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, buffer, 64, &insn, operand)))
        fail_msg("not an instruction: %02x %02x %02x %02x %02x", buffer[0], buffer[1], buffer[2], buffer[3], buffer[4]);
    if (insn.mnemonic != mnemonic)
        fail_msg("%s, not %s", ZydisMnemonicGetString(insn.mnemonic), ZydisMnemonicGetString(mnemonic));
    assert_int_equal(insn.length, n);
    for (unsigned k = 0; k < 3; k++)
        check_operand(&operand[k], &want[k]);
    a.p = buffer;
}

#define NONE ((struct want){.kind = NOTHING})
#define M(name) ZYDIS_MNEMONIC_##name

static struct x64_mem random_mem(void)
{
    int32_t disp = below(3) == 0 ? 0 : below(2) ? (int32_t)below(256) - 128 : (int32_t)(below(1u << 30) - (1u << 29));
    unsigned index = below(16);
    if (below(2) || index == RSP)
        return mem_at(below(16), disp);
    return mem_indexed(below(16), index, below(4), disp);
}

static int32_t random_imm(void)
{
    return below(2) ? (int32_t)below(256) - 128 : (int32_t)(below(1u << 30) * 4 + below(4));
}

static void moves(void **state)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool w = below(2);
        unsigned d = below(16), s = below(16), bits = w ? 64 : 32, log2 = below(4);
        struct x64_mem m = random_mem();
        int32_t v = random_imm();
        mov_rr(&a, w, d, s), check(M(MOV), gpr(d, bits), gpr(s, bits), NONE);
        mov_rm(&a, w, d, m), check(M(MOV), gpr(d, bits), mem(m, bits), NONE);
        mov_mr(&a, w, m, s), check(M(MOV), mem(m, bits), gpr(s, bits), NONE);
        mov_mi(&a, w, m, v), check(M(MOV), mem(m, bits), imm(v), NONE);
        mov_store(&a, log2, m, s), check(M(MOV), mem(m, 8u << log2), gpr(s, 8u << log2), NONE);
        mov_store_imm(&a, log2, m, v);
        check(M(MOV), mem(m, 8u << log2), imm(log2 == 0 ? (int8_t)v : log2 == 1 ? (int16_t)v : v), NONE);
        lea(&a, w, d, m), check(M(LEA), gpr(d, bits), mem(m, 0), NONE);
        mov_load_zx(&a, log2, d, m);
        check(log2 < 2 ? M(MOVZX) : M(MOV), gpr(d, log2 == 3 ? 64 : 32), mem(m, 8u << log2), NONE);
        mov_load_sx(&a, log2, true, d, m);
        check(log2 < 2 ? M(MOVSX) : log2 == 2 ? M(MOVSXD) : M(MOV), gpr(d, 64), mem(m, 8u << log2), NONE);
        movzx_rr(&a, log2, d, s);
        check(log2 < 2 ? M(MOVZX) : M(MOV), gpr(d, log2 == 3 ? 64 : 32), gpr(s, log2 < 2 ? 8u << log2 : log2 == 3 ? 64 : 32), NONE);
        movsx_rr(&a, log2, true, d, s);
        check(log2 < 2 ? M(MOVSX) : log2 == 2 ? M(MOVSXD) : M(MOV), gpr(d, 64), gpr(s, 8u << log2), NONE);
        uint64_t k = (uint64_t)v * (below(2) ? 1 : UINT64_C(0x123456789));
        mov_ri(&a, d, k);
        check(M(MOV), gpr(d, k >> 32 ? 64 : 32), imm(k >> 32 ? (int64_t)k : (int64_t)(int32_t)k), NONE);
    }
}

static void arithmetic(void **state)
{
    static const ZydisMnemonic alu[8] = {M(ADD), M(OR), M(ADC), M(SBB), M(AND), M(SUB), M(XOR), M(CMP)};
    static const ZydisMnemonic shift[8] = {M(ROL), M(ROR), 0, 0, M(SHL), M(SHR), 0, M(SAR)};
    static const ZydisMnemonic unary[8] = {0, 0, M(NOT), M(NEG), M(MUL), M(IMUL), M(DIV), M(IDIV)};
    static const uint8_t shifts[] = {SH_ROL, SH_ROR, SH_SHL, SH_SHR, SH_SAR};
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool w = below(2);
        unsigned d = below(16), s = below(16), t = below(16), bits = w ? 64 : 32, op = below(8), sh = shifts[below(5)], n = below(bits);
        struct x64_mem m = random_mem();
        int32_t v = random_imm();
        alu_rr(&a, op, w, d, s), check(alu[op], gpr(d, bits), gpr(s, bits), NONE);
        alu_rm(&a, op, w, d, m), check(alu[op], gpr(d, bits), mem(m, bits), NONE);
        alu_ri(&a, op, w, d, v), check(alu[op], gpr(d, bits), imm(v), NONE);
        alu_mi(&a, op, w, m, v), check(alu[op], mem(m, bits), imm(v), NONE);
        test_rr(&a, w, d, s), check(M(TEST), gpr(d, bits), gpr(s, bits), NONE);
        test_ri(&a, w, d, v), check(M(TEST), gpr(d, bits), imm(v), NONE);
        test_mi(&a, w, m, v), check(M(TEST), mem(m, bits), imm(v), NONE);
        test_ri8(&a, d, 1), check(M(TEST), gpr(d, 8), imm(1), NONE);
        bt_ri(&a, w, d, n), check(M(BT), gpr(d, bits), imm((int8_t)n), NONE);
        op = 2 + below(6);
        unary_r(&a, op, w, d);
        check(unary[op], op < 4 ? gpr(d, bits) : NONE, NONE, NONE);
        imul_rr(&a, w, d, s), check(M(IMUL), gpr(d, bits), gpr(s, bits), NONE);
        imul_rm(&a, w, d, m), check(M(IMUL), gpr(d, bits), mem(m, bits), NONE);
        imul_rri(&a, w, d, s, v), check(M(IMUL), gpr(d, bits), gpr(s, bits), imm(v));
        shift_ri(&a, sh, w, d, n), check(shift[sh], gpr(d, bits), imm((int8_t)n), NONE);
        shift_rcl(&a, sh, w, d), check(shift[sh], gpr(d, bits), gpr(RCX, 8), NONE);
        shrd_rri(&a, w, d, s, n), check(M(SHRD), gpr(d, bits), gpr(s, bits), imm((int8_t)n));
        bswap_r(&a, w, d), check(M(BSWAP), gpr(d, bits), NONE, NONE);
        bsr_rr(&a, w, d, s), check(M(BSR), gpr(d, bits), gpr(s, bits), NONE);
        lzcnt_rr(&a, w, d, s), check(M(LZCNT), gpr(d, bits), gpr(s, bits), NONE);
        tzcnt_rr(&a, w, d, s), check(M(TZCNT), gpr(d, bits), gpr(s, bits), NONE);
        andn_rrr(&a, w, d, s, t), check(M(ANDN), gpr(d, bits), gpr(s, bits), gpr(t, bits));
        shlx_rrr(&a, w, d, s, t), check(M(SHLX), gpr(d, bits), gpr(s, bits), gpr(t, bits));
        shrx_rrr(&a, w, d, s, t), check(M(SHRX), gpr(d, bits), gpr(s, bits), gpr(t, bits));
        sarx_rrr(&a, w, d, s, t), check(M(SARX), gpr(d, bits), gpr(s, bits), gpr(t, bits));
        rorx_rri(&a, w, d, s, n), check(M(RORX), gpr(d, bits), gpr(s, bits), imm((int8_t)n));
        mulx_rrr(&a, w, d, s, t), check(M(MULX), gpr(d, bits), gpr(s, bits), gpr(t, bits));
        unsigned log2 = below(4);
        crc32_rr(&a, log2, d, s), check(M(CRC32), gpr(d, log2 == 3 ? 64 : 32), gpr(s, 8u << log2), NONE);
    }
}

static void conditions_and_control(void **state)
{
    static const ZydisMnemonic set[16] = {M(SETO), M(SETNO), M(SETB), M(SETNB), M(SETZ), M(SETNZ), M(SETBE), M(SETNBE),
                                          M(SETS), M(SETNS), M(SETP), M(SETNP), M(SETL), M(SETNL), M(SETLE), M(SETNLE)};
    static const ZydisMnemonic cmov[16] = {M(CMOVO), M(CMOVNO), M(CMOVB), M(CMOVNB), M(CMOVZ), M(CMOVNZ), M(CMOVBE), M(CMOVNBE),
                                           M(CMOVS), M(CMOVNS), M(CMOVP), M(CMOVNP), M(CMOVL), M(CMOVNL), M(CMOVLE), M(CMOVNLE)};
    static const ZydisMnemonic jump[16] = {M(JO), M(JNO), M(JB), M(JNB), M(JZ), M(JNZ), M(JBE), M(JNBE),
                                           M(JS), M(JNS), M(JP), M(JNP), M(JL), M(JNL), M(JLE), M(JNLE)};
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool w = below(2);
        unsigned d = below(16), s = below(16), bits = w ? 64 : 32, cc = below(16);
        struct x64_mem m = random_mem();
        setcc_r(&a, cc, d), check(set[cc], gpr(d, 8), NONE, NONE);
        cmov_rr(&a, cc, w, d, s), check(cmov[cc], gpr(d, bits), gpr(s, bits), NONE);
        cmov_rm(&a, cc, w, d, m), check(cmov[cc], gpr(d, bits), mem(m, bits), NONE);
        jcc_near(&a, cc, buffer + 0x1234), check(jump[cc], imm(0x1234 - 6), NONE, NONE);
        jmp_near(&a, buffer - 0x1234), check(M(JMP), imm(-0x1234 - 5), NONE, NONE);
        call_near(&a, buffer + 77), check(M(CALL), imm(77 - 5), NONE, NONE);
        jmp_r(&a, d), check(M(JMP), gpr(d, 64), NONE, NONE);
        jmp_m(&a, m), check(M(JMP), mem(m, 64), NONE, NONE);
        call_r(&a, d), check(M(CALL), gpr(d, 64), NONE, NONE);
        call_m(&a, m), check(M(CALL), mem(m, 64), NONE, NONE);
        push_r(&a, d), check(M(PUSH), gpr(d, 64), NONE, NONE);
        pop_r(&a, d), check(M(POP), gpr(d, 64), NONE, NONE);
        unsigned n = 1 + below(9);
        nops(&a, n), check(M(NOP), NONE, NONE, NONE);
        uint8_t *from = jcc_short(&a, cc);
        nops(&a, 5);
        jump_here(&a, from);
        a.p = from;
        check(jump[cc], imm(5), NONE, NONE);
    }
}

static void atomics_and_vectors(void **state)
{
    const uint32_t paddd = X64_V(PP_66, MAP_0F, 0, 0xfe), pshufb = X64_V(PP_66, MAP_0F38, 0, 0x00);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned d = below(16), s = below(16), t = below(16), log2 = below(4);
        bool w = below(2);
        struct x64_mem m = random_mem();
        lock_xadd(&a, log2, m, s), check(M(XADD), mem(m, 8u << log2), gpr(s, 8u << log2), NONE);
        lock_cmpxchg(&a, log2, m, s), check(M(CMPXCHG), mem(m, 8u << log2), gpr(s, 8u << log2), NONE);
        lock_cmpxchg16b(&a, m), check(M(CMPXCHG16B), mem(m, 128), NONE, NONE);
        xchg_mr(&a, log2, m, s), check(M(XCHG), mem(m, 8u << log2), gpr(s, 8u << log2), NONE);
        sse_rr(&a, paddd, d, s), check(M(PADDD), xmm(d), xmm(s), NONE);
        sse_rm(&a, pshufb, d, m), check(M(PSHUFB), xmm(d), mem(m, 128), NONE);
        vex_rrr(&a, paddd, d, s, t), check(M(VPADDD), xmm(d), xmm(s), xmm(t));
        vex_rrm(&a, pshufb, d, s, m), check(M(VPSHUFB), xmm(d), xmm(s), mem(m, 128));
        movups_rm(&a, d, m), check(M(MOVUPS), xmm(d), mem(m, 128), NONE);
        movups_mr(&a, m, s), check(M(MOVUPS), mem(m, 128), xmm(s), NONE);
        movaps_rr(&a, d, s), check(M(MOVAPS), xmm(d), xmm(s), NONE);
        movd_vr(&a, w, d, s), check(w ? M(MOVQ) : M(MOVD), xmm(d), gpr(s, w ? 64 : 32), NONE);
        movd_rv(&a, w, d, s), check(w ? M(MOVQ) : M(MOVD), gpr(d, w ? 64 : 32), xmm(s), NONE);
        movd_vm(&a, d, m), check(M(MOVD), xmm(d), mem(m, 32), NONE);
        movd_mv(&a, m, s), check(M(MOVD), mem(m, 32), xmm(s), NONE);
        movq_vm(&a, d, m), check(M(MOVQ), xmm(d), mem(m, 64), NONE);
        movq_mv(&a, m, s), check(M(MOVQ), mem(m, 64), xmm(s), NONE);
        movq_vv(&a, d, s), check(M(MOVQ), xmm(d), xmm(s), NONE);
        unsigned D = below(32), S = below(32), T = below(32), H = 16 + below(16);
        movups_rm(&a, H, m), check(M(VMOVUPS), xmm(H), NONE, mem(m, 128));
        movups_mr(&a, m, H), check(M(VMOVUPS), mem(m, 128), NONE, xmm(H));
        movaps_rr(&a, H, S), check(M(VMOVAPS), xmm(H), NONE, xmm(S)); /* the mask comes second */
        movd_vr(&a, w, H, s), check(w ? M(VMOVQ) : M(VMOVD), xmm(H), gpr(s, w ? 64 : 32), NONE);
        movd_rv(&a, w, d, H), check(w ? M(VMOVQ) : M(VMOVD), gpr(d, w ? 64 : 32), xmm(H), NONE);
        movd_vm(&a, H, m), check(M(VMOVD), xmm(H), mem(m, 32), NONE);
        movd_mv(&a, m, H), check(M(VMOVD), mem(m, 32), xmm(H), NONE);
        movq_vm(&a, H, m), check(M(VMOVQ), xmm(H), mem(m, 64), NONE);
        movq_mv(&a, m, H), check(M(VMOVQ), mem(m, 64), xmm(H), NONE);
        movq_vv(&a, S, H), check(M(VMOVQ), xmm(S), xmm(H), NONE);
        evex_rrm(&a, paddd, 4, D, S, m), check(M(VPADDD), xmm(D), (struct want){.kind = NOTHING}, NONE);
        kmovb_km(&a, d & 7, m), check(M(KMOVB), (struct want){.kind = NOTHING}, mem(m, 8), NONE);
        ldmxcsr(&a, m), check(M(LDMXCSR), mem(m, 32), NONE, NONE);
        stmxcsr(&a, m), check(M(STMXCSR), mem(m, 32), NONE, NONE);
        evex_rrr(&a, paddd, 0, D, S, T, 0, false, false);
        check(M(VPADDD), xmm(D), (struct want){.kind = NOTHING}, NONE);
    }
}

static int set_up(void **state)
{
    a.p = buffer;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(moves, set_up), cmocka_unit_test_setup(arithmetic, set_up),
        cmocka_unit_test_setup(conditions_and_control, set_up), cmocka_unit_test_setup(atomics_and_vectors, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
