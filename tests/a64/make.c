/* make.c - random cases in which corner values are frequent. */
#include "tests/a64/case.h"
#include "tests/a64/known.h"

uint64_t test_random(void *seed)
{
    uint64_t *s = seed;
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- which rows can be compared ---- */
static const struct {
    enum a64_op op;
    const char *reason;
} skipped[] = {
    {A64_UDF, "raises"}, {A64_SVC, "raises"}, {A64_HVC, "raises"}, {A64_SMC, "raises"}, {A64_BRK, "raises"},
    {A64_HLT, "raises"}, {A64_DCPS1, "raises"}, {A64_DCPS2, "raises"}, {A64_DCPS3, "raises"},
    {A64_ERET, "EL1"}, {A64_ERETA, "EL1"}, {A64_DRPS, "debug state"},
    {A64_WFI, "waits"}, {A64_WFE, "waits"}, {A64_WFET, "waits"}, {A64_WFIT, "waits"},
    {A64_MSR_imm, "EL1 for the most part"}, {A64_SYS, "depends on the machine"}, {A64_SYSL, "depends on the machine"},
    {A64_BRAZ, "FEAT_PAuth is off in this test"}, {A64_BLRAZ, "FEAT_PAuth is off in this test"},
    {A64_BRA, "FEAT_PAuth is off in this test"}, {A64_BLRA, "FEAT_PAuth is off in this test"},
    {A64_RETA, "FEAT_PAuth is off in this test"}, {A64_PACGA, "FEAT_PAuth is off in this test"},
    {A64_PACI, "FEAT_PAuth is off in this test"}, {A64_PACD, "FEAT_PAuth is off in this test"},
    {A64_AUTI, "FEAT_PAuth is off in this test"}, {A64_AUTD, "FEAT_PAuth is off in this test"},
    {A64_PACIZ, "FEAT_PAuth is off in this test"}, {A64_PACDZ, "FEAT_PAuth is off in this test"},
    {A64_AUTIZ, "FEAT_PAuth is off in this test"}, {A64_AUTDZ, "FEAT_PAuth is off in this test"},
    {A64_XPAC, "FEAT_PAuth is off in this test"}, {A64_LDRA, "FEAT_PAuth is off in this test"},
    {A64_LDRA_pre, "FEAT_PAuth is off in this test"},
};

const char *not_comparable(enum a64_op op)
{
    if (a64_is_todo(op))
        return "TODO row";
    for (unsigned k = 0; k < ARRAY_SIZE(skipped); k++)
        if (skipped[k].op == op)
            return skipped[k].reason;
    return NULL;
}

bool qemu_is_wrong(const struct a64_insn *i)
{
    switch (i->op) {
    case A64_CASP: return i->rs == 30; /* writes SP in place of XZR */
    case A64_FCVTZS_sfix: return (i->immh & 14) == 2; /* half precision: sign-extends into bits 31..16 */
    default: return false;
    }
}

/* MRS and MSR: registers of EL0 whose value is ours to set. TPIDR_EL0 carries x0 in theirs.c. */
static uint32_t system_register(uint32_t word, uint64_t *seed)
{
    static const uint32_t registers[] = {0x1b4200, 0x1b4400, 0x1b4420}; /* NZCV, FPCR, FPSR */
    uint32_t r = registers[test_random(seed) % ARRAY_SIZE(registers)];
    return (word & ~UINT32_C(0x1fffe0)) | (r & 0x1fffe0);
}

/* Branches go to the landing pad. */
static uint32_t aim(const struct a64_insn *i, uint64_t *seed)
{
    uint32_t words = (PAD_OFFSET - WORDS_OFFSET) / 4;
    switch (i->op) {
    case A64_B: case A64_BL: return (i->word & 0xfc000000) | words;
    case A64_B_cond: case A64_CBZ: case A64_CBNZ: return (i->word & ~(UINT32_C(0x7ffff) << 5)) | words << 5;
    case A64_TBZ: case A64_TBNZ: return (i->word & ~(UINT32_C(0x3fff) << 5)) | words << 5;
    case A64_MRS: case A64_MSR: return system_register(i->word, seed);
    case A64_LDR_lit: case A64_LDRSW_lit: case A64_LDR_lit_v: return (i->word & ~(UINT32_C(0x7ffff) << 5)) | 2 << 5;
    default: return i->word;
    }
}

/* A literal load is followed by a branch over the literal. */
static void add_literal(struct test_case *c, uint64_t *seed)
{
    if (c->op != A64_LDR_lit && c->op != A64_LDRSW_lit && c->op != A64_LDR_lit_v)
        return;
    c->word[1] = 0x14000005;
    for (unsigned k = 2; k < 6; k++)
        c->word[k] = (uint32_t)test_random(seed);
    c->n_words = 6;
}

/* ---- registers ---- */
uint64_t random_integer(uint64_t *seed)
{
    uint64_t r = test_random(seed), v = test_random(seed);
    switch (r & 15) {
    case 0: return 0;
    case 1: return 1;
    case 2: return ~UINT64_C(0);
    case 3: return BIT(63);
    case 4: return BIT(63) - 1;
    case 5: return BIT(31);
    case 6: return BIT(31) - 1;
    case 7: return ones(32);
    case 8: return v & 127;
    case 9: return -(v & 127);
    case 10: return BIT(v & 63);
    case 11: return ones((unsigned)(v & 63) + 1);
    case 12: return (uint32_t)v;
    default: return v;
    }
}

/* Corner encodings of an IEEE format by its sizes, and random values around 1. */
static uint64_t random_float(uint64_t *seed, unsigned exponent, unsigned fraction)
{
    uint64_t r = test_random(seed), v = test_random(seed) & ones(fraction);
    uint64_t emax = ones(exponent), bias = emax >> 1, sign = (r >> 32 & 1) << (exponent + fraction);
    uint64_t e = bias, f = v;
    switch (r & 31) {
    case 0: e = 0, f = 0; break;
    case 1: e = emax, f = 0; break;
    case 2: f = 0; break;
    case 3: e = emax, f = BIT(fraction - 1); break;
    case 4: e = emax, f = v | BIT(fraction - 1); break;
    case 5: e = emax, f = (v & ones(fraction - 1)) | 1; break;
    case 6: e = 0; break;
    case 7: e = 0, f = 1; break;
    case 8: e = 0, f = ones(fraction); break;
    case 9: e = 1, f = 0; break;
    case 10: e = emax - 1, f = ones(fraction); break;
    case 11: e = emax - 1 - (r >> 8 & 3); break;
    case 12: e = 1 + (r >> 8 & 3); break;
    case 13: e = bias - 1, f = 0; break;
    case 14: e = bias + (r >> 8) % (fraction + 4); break;
    case 15: e = bias + (r >> 8) % (fraction + 4), f = v & ~ones((unsigned)(r >> 16) % (fraction + 1)); break;
    case 16: e = bias + exponent * 4 + (r >> 8 & 15); break;
    case 17: case 18: case 19: e = bias - 4 + (r >> 8 & 7); break;
    case 20: case 21: case 22: e = r >> 8; break;
    case 23: e = bias + (r >> 8 & 7), f = v & (ones(2) << (fraction - 2)); break;
    default: e = bias - 8 + (r >> 8 & 15);
    }
    return sign | (e & emax) << fraction | (f & ones(fraction));
}

uint64_t random_lane(uint64_t *seed, unsigned kind)
{
    switch (kind) {
    case 0: return random_float(seed, 11, 52);
    case 1: return random_float(seed, 8, 23);
    case 2: return random_float(seed, 5, 10);
    default: return random_integer(seed);
    }
}

static union ir_value random_vector(uint64_t *seed)
{
    static const uint8_t lane_bytes[8] = {8, 4, 2, 1, 2, 4, 8, 4};
    union ir_value v;
    unsigned kind = (unsigned)test_random(seed) & 7, bytes = lane_bytes[kind];
    for (unsigned k = 0; k < 16; k += bytes) {
        uint64_t lane = random_lane(seed, kind == 7 ? 1 : kind);
        memcpy(&v.b[k], &lane, bytes);
    }
    return v;
}

enum { FPCR_BITS = 0x07c80000, FPSR_BITS = 0x0800009f };

static void random_registers(struct registers *r, uint64_t *seed)
{
    for (unsigned k = 0; k < 31; k++)
        r->x[k] = random_integer(seed);
    for (unsigned k = 0; k < 32; k++)
        r->v[k] = random_vector(seed);
    r->sp = random_integer(seed);
    r->nzcv = test_random(seed) & 0xf0000000;
    r->fpcr = test_random(seed) & 1 ? 0 : test_random(seed) & FPCR_BITS;
    r->fpsr = test_random(seed) & 3 ? 0 : test_random(seed) & FPSR_BITS;
}

/* Operands that are equal or nearly so, for compares and compare-and-swap. */
static void relate(struct test_case *c, const struct a64_insn *i, uint64_t *seed)
{
    uint64_t r = test_random(seed);
    if (i->rm < 31 && i->rn < 31 && !(r & 7))
        c->in.x[i->rm] = c->in.x[i->rn] + (r >> 8) % 3 - 1;
    if (!(r & 0x70))
        c->in.v[i->rm] = c->in.v[i->rn];
}

/* ---- a case ---- */
static uint64_t *base_register(struct registers *r, unsigned n)
{
    return n == 31 ? &r->sp : &r->x[n];
}

/* Indirect branches land on the pad. FPCR and FPSR get bits that AArch64-only CPUs have. */
static void aim_register(struct test_case *c, const struct a64_insn *i, unsigned n)
{
    if ((i->op == A64_BR || i->op == A64_BLR || i->op == A64_RET) && i->rn != 31)
        c->in.x[i->rn] = code_address(n) + PAD_OFFSET;
    if (i->op == A64_MSR && i->crm == 4 && i->rt != 31)
        c->in.x[i->rt] &= i->op2 ? FPSR_BITS : FPCR_BITS;
    if (i->op == A64_FJCVTZS && !(c->in.v[i->rn].d[0] & ones(11) << 52)) /* QEMU: flushed denormals count as exact */
        c->in.fpcr &= ~BIT(24);
}

/* Memory near the base equals the registers now and then, so that CAS succeeds. */
static void plant(struct test_case *c, const struct a64_insn *i, uint64_t va, unsigned n, uint64_t *seed)
{
    uint64_t offset = va - window_address(n);
    if (test_random(seed) & 1 || offset > WINDOW_BYTES - 16)
        return;
    uint64_t pair[2] = {i->rs < 31 ? c->in.x[i->rs] : 0, i->rs < 30 ? c->in.x[i->rs + 1] : 0};
    bool word_pair = i->op == A64_CASP && !i->sf;
    memcpy(&c->window[offset], &pair[0], 8);
    memcpy(&c->window[offset + (word_pair ? 4 : 8)], &pair[1], 8);
}

/* Moves the base register until all accesses are in the window. */
static enum make_result place(struct test_case *c, const struct a64_insn *i, unsigned n, uint64_t *seed)
{
    static struct record scratch;
    for (unsigned tries = 0; tries < 8; tries++) {
        struct our_run run = run_ours(c, n, EVALUATOR, &scratch);
        if (run.raised)
            return RAISES;
        if (!run.n_accesses)
            return MADE;
        if (!run.outside && tries) {
            plant(c, i, run.first, n, seed);
            return MADE;
        }
        uint64_t offset = 256 + test_random(seed) % 512;
        if (run.alignment > 1 || test_random(seed) & 1)
            offset &= ~(uint64_t)15;
        *base_register(&c->in, (unsigned)i->rn) += window_address(n) + offset - run.first;
    }
    return NO_PLACE;
}

/* A store-exclusive is preceded by the matching load-exclusive half of the time. */
static void add_load_exclusive(struct test_case *c, uint64_t *seed)
{
    bool is_store = c->op == A64_STXR || c->op == A64_STLXR || c->op == A64_STXP || c->op == A64_STLXP;
    if (!is_store || test_random(seed) & 1)
        return;
    bool pair = c->op == A64_STXP || c->op == A64_STLXP;
    c->word[1] = c->word[0];
    c->word[0] = (c->word[1] | 1u << 22 | 31u << 16) & ~UINT32_C(0x1f);
    c->word[0] |= 31; /* Rt and Rt2 of the load: ZR */
    if (pair)
        c->word[0] = (c->word[0] & ~UINT32_C(0x7c1f)) | 29u << 10 | 31;
    else
        c->word[0] |= 31u << 10;
    c->n_words = 2;
}

enum make_result make_case(enum a64_op op, unsigned n, uint64_t *seed, struct test_case *c)
{
    struct a64_insn i;
    memset(c, 0, sizeof *c);
    do {
        a64_decode(a64_random(op, test_random, seed), &i);
    } while (unpredictable(&i) || qemu_is_wrong(&i));
    c->op = op;
    c->word[0] = aim(&i, seed);
    c->n_words = 1;
    a64_decode(c->word[0], &i);
    random_registers(&c->in, seed);
    relate(c, &i, seed);
    for (unsigned k = 0; k < WINDOW_BYTES; k += 8) {
        uint64_t v = test_random(seed);
        memcpy(&c->window[k], &v, 8);
    }
    if ((op == A64_BR || op == A64_BLR || op == A64_RET) && i.rn == 31)
        return NOT_COMPARABLE;
    aim_register(c, &i, n);
    add_load_exclusive(c, seed);
    add_literal(c, seed);
    if (c->n_words == 6)
        return MADE;
    return place(c, &i, n, seed);
}

/* Instructions that touch registers only and go on behind themselves. */
static bool fits_sequence(enum a64_op op, const struct a64_insn *i)
{
    bool load_store = (i->word >> 25 & 5) == 4, branch_or_system = (i->word >> 26 & 7) == 5;
    return !not_comparable(op) && !load_store && !branch_or_system;
}

/* Registers 0, 1, 16, 17 only, so that instructions feed each other. */
static uint32_t crowd(uint32_t word)
{
    return word & ~UINT32_C(0xe01ce);
}

enum make_result make_sequence(unsigned n, uint64_t *seed, struct test_case *c)
{
    struct a64_insn i;
    memset(c, 0, sizeof *c);
    c->op = A64_UNALLOCATED;
    unsigned wanted = 2 + (unsigned)(test_random(seed) % (MAX_WORDS - 1));
    while (c->n_words < wanted) {
        enum a64_op op = 1 + (enum a64_op)(test_random(seed) % (A64_OP_COUNT - 1));
        a64_decode(a64_random(op, test_random, seed), &i);
        if (!fits_sequence(op, &i))
            continue;
        struct a64_insn crowded;
        a64_decode(crowd(i.word), &crowded);
        if (crowded.op == i.op)
            i = crowded;
        if (!qemu_is_wrong(&i) && i.op != A64_FJCVTZS)
            c->word[c->n_words++] = i.word;
    }
    random_registers(&c->in, seed);
    static struct record scratch;
    return run_ours(c, n, EVALUATOR, &scratch).raised ? RAISES : MADE;
}
