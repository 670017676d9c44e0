/* emit_vec_test.c - every vector operation, compiled, gives what the evaluator gives: corner and random operands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "x64/x64.h"

struct guest {
    uint64_t x[2];
    uint64_t pc, pc_page;
    uint32_t flags, raised, pending, fpcr, fpsr;
    union ir_value v[4];
    void *tlb[2];
    uint8_t frame[X64_FRAME_BYTES] __attribute__((aligned(16)));
};

/* What imm >> 2 may be: nothing, 0..esize-1, 1..esize, a lane, two lanes, 0..15, a multiple of 16 below 64, a container */
enum number { NONE, LEFT, RIGHT, LANE, LANES2, BYTE, TABLE, CONTAINER };

static const struct {
    uint16_t op;
    uint8_t sizes; /* bit mask */
    uint8_t number;
} shapes[] = {
    {IR_VZERO64, 1, NONE}, {IR_VKEEP, 15, NONE}, {IR_VHIGH, 1, NONE}, {IR_VFROM64, 1, NONE}, {IR_VFROM64X2, 1, NONE},
    {IR_VLANE, 15, LANE}, {IR_VDUP, 15, NONE}, {IR_VDUPLANE, 15, LANE}, {IR_VINS, 15, LANE}, {IR_VINSV, 15, LANES2},
    {IR_VAND, 1, NONE}, {IR_VORR, 1, NONE}, {IR_VXOR, 1, NONE}, {IR_VANDN, 1, NONE}, {IR_VNOT, 1, NONE}, {IR_VBSL, 1, NONE},
    {IR_VADD, 15, NONE}, {IR_VSUB, 15, NONE}, {IR_VMUL, 7, NONE}, {IR_VNEG, 15, NONE}, {IR_VABS, 15, NONE},
    {IR_VABDS, 15, NONE}, {IR_VABDU, 15, NONE}, {IR_VMINS, 7, NONE}, {IR_VMINU, 7, NONE}, {IR_VMAXS, 7, NONE},
    {IR_VMAXU, 7, NONE}, {IR_VHADDS, 7, NONE}, {IR_VHADDU, 7, NONE}, {IR_VRHADDS, 7, NONE}, {IR_VRHADDU, 7, NONE},
    {IR_VHSUBS, 7, NONE}, {IR_VHSUBU, 7, NONE},
    {IR_VCMEQ, 15, NONE}, {IR_VCMGT, 15, NONE}, {IR_VCMGE, 15, NONE}, {IR_VCMHI, 15, NONE}, {IR_VCMHS, 15, NONE},
    {IR_VTST, 15, NONE},
    {IR_VSHL, 15, LEFT}, {IR_VSHR, 15, RIGHT}, {IR_VSAR, 15, RIGHT}, {IR_VRSHR, 15, RIGHT}, {IR_VRSAR, 15, RIGHT},
    {IR_VSLI, 15, LEFT}, {IR_VSRI, 15, RIGHT}, {IR_VROL, 15, LEFT},
    {IR_VUSHL, 15, NONE}, {IR_VSSHL, 15, NONE}, {IR_VURSHL, 15, NONE}, {IR_VSRSHL, 15, NONE}, {IR_VUQSHL, 15, NONE},
    {IR_VSQSHL, 15, NONE}, {IR_VSQSHLU, 15, NONE}, {IR_VUQRSHL, 15, NONE}, {IR_VSQRSHL, 15, NONE},
    {IR_VQADDS, 15, NONE}, {IR_VQADDU, 15, NONE}, {IR_VQSUBS, 15, NONE}, {IR_VQSUBU, 15, NONE}, {IR_VSUQADD, 15, NONE},
    {IR_VUSQADD, 15, NONE}, {IR_VQABS, 15, NONE}, {IR_VQNEG, 15, NONE}, {IR_VSQDMULH, 6, NONE}, {IR_VSQRDMULH, 6, NONE},
    {IR_VSQRDMLAH, 6, NONE}, {IR_VSQRDMLSH, 6, NONE}, {IR_VSQDMULL, 6, NONE},
    {IR_VSXL, 7, NONE}, {IR_VZXL, 7, NONE}, {IR_VXTN, 7, NONE}, {IR_VQXTNS, 7, NONE}, {IR_VQXTNU, 7, NONE},
    {IR_VQXTUN, 7, NONE}, {IR_VSMULL, 7, NONE}, {IR_VUMULL, 7, NONE},
    {IR_VADDP, 15, NONE}, {IR_VMINPS, 7, NONE}, {IR_VMINPU, 7, NONE}, {IR_VMAXPS, 7, NONE}, {IR_VMAXPU, 7, NONE},
    {IR_VADDLPS, 7, NONE}, {IR_VADDLPU, 7, NONE}, {IR_VADDV, 15, NONE}, {IR_VADDLVS, 7, NONE}, {IR_VADDLVU, 7, NONE},
    {IR_VMINVS, 7, NONE}, {IR_VMINVU, 7, NONE}, {IR_VMAXVS, 7, NONE}, {IR_VMAXVU, 7, NONE},
    {IR_VZIP1, 15, NONE}, {IR_VZIP2, 15, NONE}, {IR_VUZP1, 15, NONE}, {IR_VUZP2, 15, NONE}, {IR_VTRN1, 15, NONE},
    {IR_VTRN2, 15, NONE}, {IR_VEXT, 1, BYTE}, {IR_VREV, 7, CONTAINER}, {IR_VTBX, 1, TABLE},
    {IR_VCNT, 1, NONE}, {IR_VCLZ, 7, NONE}, {IR_VCLS, 7, NONE}, {IR_VRBIT, 1, NONE}, {IR_VURECPE, 4, NONE},
    {IR_VURSQRTE, 4, NONE}, {IR_VSDOT, 4, NONE}, {IR_VUDOT, 4, NONE}, {IR_VUSDOT, 4, NONE}, {IR_VSMMLA, 4, NONE},
    {IR_VUMMLA, 4, NONE}, {IR_VUSMMLA, 4, NONE}, {IR_VPMUL, 1, NONE}, {IR_VPMULL, 1, NONE}, {IR_VPMULL64, 1, NONE},
    {IR_VAESMC, 1, NONE}, {IR_VAESIMC, 1, NONE}, {IR_VAESENC, 1, NONE}, {IR_VAESENCL, 1, NONE}, {IR_VAESDEC, 1, NONE},
    {IR_VAESDECL, 1, NONE}, {IR_VSHA1C, 1, NONE},
    {IR_VSHA1P, 1, NONE}, {IR_VSHA1M, 1, NONE}, {IR_VSHA1H, 1, NONE}, {IR_VSHA1SU0, 1, NONE}, {IR_VSHA1SU1, 1, NONE},
    {IR_VSHA256RNDS2, 1, NONE}, {IR_VSHA256SU0, 1, NONE}, {IR_VSHA256SU1, 1, NONE},
    {IR_VSHA512H, 1, NONE}, {IR_VSHA512H2, 1, NONE}, {IR_VSHA512SU0, 1, NONE}, {IR_VSHA512SU1, 1, NONE},
};

static uint64_t seed = 20260101;

static uint64_t rng(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x9e3779b97f4a7c15);
}

static uint8_t corner_byte(void)
{
    static const uint8_t bytes[8] = {0, 0, 0xff, 0xff, 0x80, 0x7f, 1, 0xfe};
    return bytes[rng() >> 61];
}

/* Random, corner bytes, small numbers (shift counts, indices), or elements that repeat */
static uint64_t operand(void)
{
    uint64_t v = 0;
    switch (rng() >> 62) {
    case 0: return rng();
    case 1:
        for (unsigned k = 0; k < 8; k++)
            v = v << 8 | corner_byte();
        return v;
    case 2:
        for (unsigned k = 0; k < 8; k++)
            v = v << 8 | (uint8_t)((rng() >> 32) % 80 - 16);
        return v;
    default:
        v = corner_byte() | (uint64_t)corner_byte() << 8;
        return rng() >> 63 ? v * UINT64_C(0x0001000100010001) : v << 48;
    }
}

static uint64_t number(enum number kind, unsigned size)
{
    unsigned bits = 8u << size, lanes = 16u >> size;
    uint64_t r = rng() >> 32;
    switch (kind) {
    case LEFT: return r % bits;
    case RIGHT: return r % bits + 1;
    case LANE: return r % lanes;
    case LANES2: return r % lanes | (rng() >> 32) % lanes << 4;
    case BYTE: return r % 16;
    case TABLE: return r % 4 * 16;
    case CONTAINER: return size + 1 + r % (3 - size);
    default: return 0;
    }
}

#define AT(member) ((uint32_t)offsetof(struct guest, member))

static struct x64_config config = {
    .env = {.pc_page_offset = AT(pc_page), .pc_offset = AT(pc), .flags_offset = AT(flags), .raised_offset = AT(raised),
            .fpcr_offset = AT(fpcr), .fpsr_offset = AT(fpsr)},
    .frame_offset = AT(frame), .pending_offset = AT(pending), .tlb_offset = {AT(tlb), AT(tlb) + 8}, .tlb_bits = 1,
};

/* A block of one operation; keep: operands are used again afterwards, so the result may not take their registers. */
static void build(struct ir_block *b, unsigned op, uint64_t imm, bool keep, bool same)
{
    const struct ir_op_info *info = &ir_ops[op];
    ir_ref args[3] = {0, 0, 0};
    ir_block_init(b, 0);
    ir_emit(b, IR_INSN, 0, 0, 0, 0);
    for (unsigned k = 0; k < 3; k++) {
        if (info->arg[k] == IR_I64)
            args[k] = ir_emit(b, IR_GET64, 0, 0, 0, AT(x) + 8 * (k & 1));
        else if (info->arg[k] == IR_V128)
            args[k] = same && k && info->arg[0] == IR_V128 ? args[0] : ir_emit(b, IR_GETV, 0, 0, 0, AT(v) + 16 * k);
    }
    ir_ref r = ir_emit(b, (enum ir_op)op, args[0], args[1], args[2], imm);
    ir_emit(b, info->result == IR_I64 ? IR_SET64 : IR_SETV, r, 0, 0, info->result == IR_I64 ? AT(x) : AT(v) + 48);
    for (unsigned k = 0; keep && k < 3; k++)
        if (info->arg[k] == IR_V128)
            ir_emit(b, IR_SETV, args[k], 0, 0, AT(v) + 16 * ((k + 1) % 3));
    ir_emit(b, IR_EXIT_DIRECT, 0, 0, 0, 4096);
    b->n_guest = 1;
}

static void check(struct x64_code *code, const struct ir_block *b, unsigned op, uint64_t imm)
{
    static struct {
        struct x64_jump_entry jump[X64_JUMP_LINES];
        struct x64_tlb_entry tlb[2];
    } tables = {.tlb = {{~UINT64_C(0), ~UINT64_C(0), 0, 0}, {~UINT64_C(0), ~UINT64_C(0), 0, 0}}};
    struct x64_block out;
    struct guest start = {.pc_page = 0x10000, .tlb = {tables.tlb, tables.tlb}};
    if (!x64_compile(code, &config, b, &out)) {
        x64_code_reset(code);
        assert_true(x64_compile(code, &config, b, &out));
    }
    for (unsigned k = 0; k < 8; k++) {
        uint32_t patch;
        start.x[0] = operand(), start.x[1] = operand();
        for (unsigned n = 0; n < 4; n++)
            start.v[n].d[0] = operand(), start.v[n].d[1] = operand();
        struct guest one = start, two = start;
        ir_eval(b, &one, &config.env);
        x64_run(code, &two, out.entry, &patch);
        if (memcmp(one.v, two.v, sizeof one.v) || one.x[0] != two.x[0] || one.fpsr != two.fpsr)
            fail_msg("%s imm %#llx: %016llx%016llx x0 %llx fpsr %x, evaluated %016llx%016llx x0 %llx fpsr %x", ir_ops[op].name,
                     (unsigned long long)imm, (unsigned long long)two.v[3].d[1], (unsigned long long)two.v[3].d[0],
                     (unsigned long long)two.x[0], two.fpsr, (unsigned long long)one.v[3].d[1],
                     (unsigned long long)one.v[3].d[0], (unsigned long long)one.x[0], one.fpsr);
    }
}

static void compiled_as_evaluated(void **state)
{
    static struct ir_block b;
    struct pome_error err;
    struct x64_code *code = x64_code_create(4 * MiB, &err);
    const char *wanted = getenv("POME_TEST_ROUNDS");
    unsigned rounds = wanted ? (unsigned)strtoul(wanted, NULL, 0) : 20;
    assert_non_null(code);
    assert_true(x64_code_prepare(code, &config, &err));
    for (unsigned k = 0; k < ARRAY_SIZE(shapes); k++) {
        for (unsigned n = 0; n < rounds; n++) {
            unsigned size = (unsigned)(rng() >> 62);
            if (!(shapes[k].sizes >> size & 1))
                continue;
            uint64_t imm = number(shapes[k].number, size) << 2 | size;
            build(&b, shapes[k].op, imm, rng() >> 63, rng() >> 61 == 0);
            check(code, &b, shapes[k].op, imm);
        }
    }
    x64_code_destroy(code);
}

/* The list above has every operation but VCONST, whose imm is all its meaning. */
static void list_is_complete(void **state)
{
    bool listed[IR_OP_COUNT] = {[IR_VCONST] = true};
    for (unsigned k = 0; k < ARRAY_SIZE(shapes); k++)
        listed[shapes[k].op] = true;
    for (unsigned op = IR_FIRST_VEC; op < IR_FIRST_FP; op++)
        assert_true(listed[op]);
}

static void constants(void **state)
{
    static const uint64_t values[] = {0, ~UINT64_C(0), 1, 0x8000000000000000, 0x00ff00ff00ff00ff};
    static struct ir_block b;
    struct pome_error err;
    struct x64_code *code = x64_code_create(4 * MiB, &err);
    assert_non_null(code);
    assert_true(x64_code_prepare(code, &config, &err));
    for (unsigned k = 0; k < ARRAY_SIZE(values); k++) {
        build(&b, IR_VCONST, values[k], false, false);
        check(code, &b, IR_VCONST, values[k]);
    }
    x64_code_destroy(code);
}

/* Permutations by constants, as LD3 and ST3 are made of: all of the indices name a byte or nothing, or some are for the next table. */
static void known_indices(void **state)
{
    static struct ir_block b;
    struct pome_error err;
    struct x64_code *code = x64_code_create(4 * MiB, &err);
    assert_non_null(code);
    assert_true(x64_code_prepare(code, &config, &err));
    for (unsigned n = 0; n < 200; n++) {
        uint64_t half[2] = {0, 0};
        for (unsigned k = 0; k < 16; k++) {
            uint64_t r = rng() >> 32, index = r % 4 == 0 ? 0xff - r % 64 : n % 4 == 0 ? r % 40 : r % 16;
            half[k / 8] |= index << 8 * (k % 8);
        }
        ir_block_init(&b, 0);
        ir_emit(&b, IR_INSN, 0, 0, 0, 0);
        ir_ref index = ir_emit(&b, IR_VFROM64X2, ir_const(&b, half[0]), ir_const(&b, half[1]), 0, 0);
        ir_ref other = n % 3 ? ir_emit(&b, IR_VCONST, 0, 0, 0, 0) : ir_emit(&b, IR_GETV, 0, 0, 0, AT(v));
        ir_ref r = ir_emit(&b, IR_VTBX, other, ir_emit(&b, IR_GETV, 0, 0, 0, AT(v) + 16), index, (n % 5 == 0 ? 16u : 0) << 2);
        ir_emit(&b, IR_SETV, r, 0, 0, AT(v) + 48);
        ir_emit(&b, IR_EXIT_DIRECT, 0, 0, 0, 4096);
        b.n_guest = 1;
        check(code, &b, IR_VTBX, half[0]);
    }
    x64_code_destroy(code);
}

/* Widening operations of halves, as UMULL2 and its kin are made of: upper halves with one user and with several, beside lower ones. */
static void upper_halves(void **state)
{
    static const enum ir_op users[] = {IR_VZXL, IR_VSXL, IR_VUMULL, IR_VSMULL};
    static struct ir_block b;
    struct pome_error err;
    struct x64_code *code = x64_code_create(4 * MiB, &err);
    assert_non_null(code);
    assert_true(x64_code_prepare(code, &config, &err));
    for (unsigned n = 0; n < 2000; n++) {
        ir_ref operand[4];
        ir_block_init(&b, 0);
        ir_emit(&b, IR_INSN, 0, 0, 0, 0);
        for (unsigned k = 0; k < 4; k++) {
            operand[k] = ir_emit(&b, IR_GETV, 0, 0, 0, AT(v) + 16 * (k % 3));
            if (k || n % 2)
                operand[k] = ir_emit(&b, IR_VHIGH, operand[k], 0, 0, 0);
        }
        for (unsigned k = 0; k < 3; k++) {
            enum ir_op op = users[rng() >> 62];
            ir_ref first = operand[rng() >> 62], second = ir_ops[op].arg[1] ? operand[rng() >> 62] : 0;
            ir_emit(&b, IR_SETV, ir_emit(&b, op, first, second, 0, (rng() >> 32) % 3), 0, 0, AT(v) + 16 * (3 - k));
        }
        ir_emit(&b, IR_EXIT_DIRECT, 0, 0, 0, 4096);
        b.n_guest = 1;
        check(code, &b, IR_VHIGH, n);
    }
    x64_code_destroy(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_complete),
        cmocka_unit_test(constants),
        cmocka_unit_test(known_indices),
        cmocka_unit_test(upper_halves),
        cmocka_unit_test(compiled_as_evaluated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
