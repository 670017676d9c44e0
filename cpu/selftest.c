/*
 * selftest.c - the engine checked on the user's host: every row of the instruction table in random code, three ways (jit/agree.c), and
 * a few examples with results from the manual, FIPS 197, RFC 3720 and IEEE arithmetic done by hand.
 */
#include "cpu/selftest.h"
#include "a64/a64.h"
#include "cpu/jit/agree.h"
#include <stdio.h>
#include <string.h>

enum { LOOP_WORDS = 8, LOOP_COUNTER = 27, MAX_WORDS = 6, ANY_FLAGS = 16, GOLDEN_WORDS = 8 };

/* Code, x1 and x2 before, x0 and NZCV after. x0 is all ones before. */
static const struct golden {
    const char *what;
    uint32_t code[GOLDEN_WORDS];
    uint64_t x1, x2, x0;
    unsigned nzcv;
} golden[] = {
    {"ADDS overflows", {0xab020020}, INT64_MAX, 1, UINT64_C(1) << 63, 9},
    {"ADDS carries", {0xab020020}, UINT64_MAX, 1, 0, 6},
    {"SUBS borrows", {0xeb020020}, 1, 2, UINT64_MAX, 8},
    {"SDIV by zero", {0x9ac20c20}, 7, 0, 0, ANY_FLAGS},
    {"SDIV of the least by -1", {0x9ac20c20}, UINT64_C(1) << 63, UINT64_MAX, UINT64_C(1) << 63, ANY_FLAGS},
    {"UMULH", {0x9bc27c20}, UINT64_MAX, UINT64_MAX, UINT64_MAX - 1, ANY_FLAGS},
    {"SMULH", {0x9b427c20}, UINT64_MAX, UINT64_MAX, 0, ANY_FLAGS},
    {"RBIT", {0xdac00020}, 1, 0, UINT64_C(1) << 63, ANY_FLAGS},
    {"CLZ of zero", {0xdac01020}, 0, 0, 64, ANY_FLAGS},
    {"REV", {0xdac00c20}, UINT64_C(0x0102030405060708), 0, UINT64_C(0x0807060504030201), ANY_FLAGS},
    {"CRC32C of 32 zero bytes (RFC 3720)", {0x92800000 + 0, 0x9ac25c00, 0x9ac25c00, 0x9ac25c00, 0x9ac25c00}, 0, 0, 0x756ec955, ANY_FLAGS},
    {"FADD 0.1 + 0.2", {0x9e670021, 0x9e670042, 0x1e622820, 0x9e660000}, UINT64_C(0x3fb999999999999a), UINT64_C(0x3fc999999999999a),
     UINT64_C(0x3fd3333333333334), ANY_FLAGS},
    {"FDIV 1 / 3", {0x9e670021, 0x9e670042, 0x1e621820, 0x9e660000}, UINT64_C(0x3ff0000000000000), UINT64_C(0x4008000000000000),
     UINT64_C(0x3fd5555555555555), ANY_FLAGS},
    {"FSQRT 2", {0x9e670021, 0x1e61c020, 0x9e660000}, UINT64_C(0x4000000000000000), 0, UINT64_C(0x3ff6a09e667f3bcd), ANY_FLAGS},
    {"FDIV 0 / 0 is Arm's NaN", {0x9e670021, 0x9e670042, 0x1e621820, 0x9e660000}, 0, 0, UINT64_C(0x7ff8000000000000), ANY_FLAGS},
    {"FCVTZS of infinity", {0x9e670021, 0x9e780020}, UINT64_C(0x7ff0000000000000), 0, INT64_MAX, ANY_FLAGS},
    {"FCVTZS of a NaN", {0x9e670021, 0x9e780020}, UINT64_C(0x7ff8000000000000), 0, 0, ANY_FLAGS},
    {"AESE, AESMC (a round of FIPS 197)", {0x9e670020, 0x9eaf0040, 0x6f00e401, 0x4e284820, 0x4e286800, 0x9e660000},
     UINT64_C(0x63746f725d53475d), UINT64_C(0x7b5b546573745665), UINT64_C(0xd0573e3dacb88bc8), ANY_FLAGS},
};

static void failed(struct cpu_selftest *t, const char *what, const char *why)
{
    if (!t->failures++)
        snprintf(t->first, sizeof t->first, "%s: %s", what, why);
}

static void run_golden(struct cpu_selftest *t)
{
    for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
        const struct golden *g = &golden[i];
        struct cpu_state s = {.x = {UINT64_MAX, g->x1, g->x2}, .flags = ir_flags_from_nzcv(0)};
        unsigned n = 0;
        while (n < GOLDEN_WORDS && g->code[n])
            n++;
        engine_run(g->code, n, &s);
        unsigned nzcv = ir_flags_to_nzcv(s.flags) >> 28;
        char why[100];
        snprintf(why, sizeof why, "x0 %#llx, NZCV %#x", (unsigned long long)s.x[0], nzcv);
        if (s.x[0] != g->x0 || (g->nzcv != ANY_FLAGS && nzcv != g->nzcv))
            failed(t, g->what, why);
        t->golden++;
    }
}

static uint64_t next(void *ctx)
{
    uint64_t *s = ctx;
    *s += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = (*s ^ *s >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Code that contains this row, among others. */
static void run_row(struct cpu_selftest *t, enum a64_op op, uint64_t seed)
{
    uint32_t words[MAX_WORDS], mode = (uint32_t)next(&seed) & 0xff;
    unsigned n = 1 + (unsigned)(next(&seed) % MAX_WORDS), where = (unsigned)(next(&seed) % n);
    char why[500], what[120];
    for (unsigned k = 0; k < n; k++) {
        enum a64_op other = 1 + (enum a64_op)(next(&seed) % (A64_OP_COUNT - 1));
        words[k] = a64_random(k == where || a64_is_todo(other) ? op : other, next, &seed);
    }
    struct agree_code code = {words, n, (uint32_t)(next(&seed) % (1024 - MAX_WORDS)) * 4, mode, next(&seed)};
    t->blocks++;
    if (engine_agrees(&code, why, sizeof why))
        return;
    snprintf(what, sizeof what, "%s, block %llu of seed %#llx, mode %#x", a64_name(op), (unsigned long long)t->blocks,
             (unsigned long long)t->seed, mode);
    failed(t, what, why);
}

/* ---- loops ---- */

/* What loops are made of: fixed bits, and where registers and immediates go. Registers: x0..x7, x19..x22, SP is left alone. */
static const struct form {
    uint32_t bits;
    uint8_t rd, rn, rm; /* lowest bits, NONE: no such field */
    uint8_t imm, width; /* likewise */
} forms[] = {
#define NONE 32
    {0xf8400400, 0, 5, NONE, 12, 9},   /* LDR Xt, [Xn], #imm */
    {0xf8000400, 0, 5, NONE, 12, 9},   /* STR */
    {0xf8400c00, 0, 5, NONE, 12, 9},   /* LDR Xt, [Xn, #imm]! */
    {0x38400400, 0, 5, NONE, 12, 4},   /* LDRB Wt, [Xn], #imm */
    {0x38000400, 0, 5, NONE, 12, 4},   /* STRB */
    {0x78c00400, 0, 5, NONE, 12, 4},   /* LDRSH Wt, [Xn], #imm */
    {0xf8607800, 0, 5, 16, NONE, 0},   /* LDR Xt, [Xn, Xm, LSL #3] */
    {0xf8207800, 0, 5, 16, NONE, 0},   /* STR */
    {0xb9400000, 0, 5, NONE, 10, 8},   /* LDR Wt, [Xn, #imm] */
    {0xf9000000, 0, 5, NONE, 10, 8},   /* STR Xt, [Xn, #imm] */
    {0xa8c01c00, 0, 5, NONE, 15, 7},   /* LDP Xt, X7, [Xn], #imm */
    {0xa9001c00, 0, 5, NONE, 15, 7},   /* STP Xt, X7, [Xn, #imm] */
    {0x3cc00400, 0, 5, NONE, 12, 9},   /* LDR Qt, [Xn], #imm */
    {0x3c800400, 0, 5, NONE, 12, 9},   /* STR */
    {0x4cdf7800, 0, 5, NONE, NONE, 0}, /* LD1 {Vt.4S}, [Xn], #16 */
    {0x91000000, 0, 5, NONE, 10, 6},   /* ADD Xd, Xn, #imm */
    {0xd1000000, 0, 5, NONE, 10, 6},   /* SUB Xd, Xn, #imm */
    {0x8b000000, 0, 5, 16, NONE, 0},   /* ADD Xd, Xn, Xm */
    {0x8b000000, 0, 5, 16, 10, 6},     /* ADD Xd, Xn, Xm, LSL #imm */
    {0xeb00001f, NONE, 5, 16, NONE, 0}, /* CMP Xn, Xm */
    {0xb1000000, 0, 5, NONE, 10, 6},   /* ADDS Xd, Xn, #imm */
    {0x9a800000, 0, 5, 16, 12, 4},     /* CSEL Xd, Xn, Xm, cond (AL and NV too) */
    {0x4e60d400, 0, 5, 16, NONE, 0},   /* FADD Vd.2D, Vn.2D, Vm.2D */
    {0x1e620800, 0, 5, 16, NONE, 0},   /* FMUL Dd, Dn, Dm */
};

/* What walks through arrays, x0..x3, by one index, x19, that nothing else changes; registers: x4..x7. */
static const struct form array_forms[] = {
    {0xf8736800, 0, 5, NONE, NONE, 0}, /* LDR Xt, [Xn, X19] */
    {0xf8336800, 0, 5, NONE, NONE, 0}, /* STR */
    {0x3cf36800, 0, 5, NONE, NONE, 0}, /* LDR Qt, [Xn, X19] */
    {0x38336800, 0, 5, NONE, NONE, 0}, /* STRB Wt, [Xn, X19] */
    {0xf8737800, 0, 5, NONE, NONE, 0}, /* LDR Xt, [Xn, X19, LSL #3] */
    {0xfc337800, 0, 5, NONE, NONE, 0}, /* STR Dt */
    {0x91000273, NONE, NONE, NONE, 10, 6}, /* ADD X19, X19, #imm */
    {0xd1000273, NONE, NONE, NONE, 10, 6}, /* SUB */
#undef NONE
};

static uint32_t loop_word(uint64_t *seed, bool arrays)
{
    static const uint8_t regs[] = {0, 1, 2, 3, 4, 5, 6, 7, 19, 20, 21, 22};
    const struct form *f = arrays ? &array_forms[next(seed) % ARRAY_SIZE(array_forms)] : &forms[next(seed) % ARRAY_SIZE(forms)];
    const uint8_t field[] = {f->rd, f->rn, f->rm};
    uint32_t w = f->bits;
    for (unsigned k = 0; k < 3; k++)
        w |= field[k] < 32 ? (uint32_t)regs[k == 1 ? next(seed) % 4 : arrays ? 4 + next(seed) % 4 : next(seed) % ARRAY_SIZE(regs)] << field[k] : 0;
    return w | (f->imm < 32 ? (uint32_t)(next(seed) & ones(f->width)) << f->imm : 0);
}

/* How a loop goes on: what comes first, what comes last, and the jump without its distance. */
static const struct {
    uint32_t first, last, jump;
} turns[] = {
#define X27 (LOOP_COUNTER << 5 | LOOP_COUNTER)
    {0xd1000400 | X27, 0xd503201f, 0xb5000000 | LOOP_COUNTER},          /* SUB; NOP, CBNZ */
    {0xd503201f, 0xf1000400 | X27, 0x54000001},                         /* NOP; SUBS, B.NE */
    {0xd503201f, 0x71000400 | X27, 0x54000001},                         /* the same of W27 */
    {0xd1000400 | X27, 0xf100001f | LOOP_COUNTER << 5, 0x5400000c},     /* SUB; CMP x27, #0, B.GT */
    {0xd1000400 | X27, 0xb100001f | LOOP_COUNTER << 5, 0x54000001},     /* SUB; CMN x27, #0, B.NE */
    {0x51000400 | X27, 0x6a00001f | LOOP_COUNTER << 5 | LOOP_COUNTER << 16, 0x54000001}, /* SUB w27; TST w27, w27, B.NE */
    {0x51000400 | X27, 0x7100001f | LOOP_COUNTER << 5, 0x5400000c},     /* SUB w27; CMP w27, #0, B.GT */
    {0x51000400 | X27, 0x3100001f | LOOP_COUNTER << 5, 0x54000001},     /* SUB w27; CMN w27, #0, B.NE */
#undef X27
};

/* Now and then one that leaves, or turns round early (and then has decremented the counter, too). */
static void run_loop(struct cpu_selftest *t, uint64_t seed)
{
    uint32_t words[LOOP_WORDS + 4], start = (uint32_t)seed, how = (uint32_t)(next(&seed) % ARRAY_SIZE(turns));
    unsigned n = 1 + (unsigned)(next(&seed) % LOOP_WORDS), side = (unsigned)(next(&seed) % (2 * LOOP_WORDS));
    char why[500], what[120];
    bool arrays = next(&seed) % 3 == 0;
    words[0] = turns[how].first;
    for (unsigned k = 1; k <= n; k++)
        words[k] = k == side ? 0x54000000 | (uint32_t)(next(&seed) % 14) | (n + 3 - k) << 5 : loop_word(&seed, arrays);
    if (side == 1 && n > 2 && words[0] != 0xd503201f)
        words[2] = 0xb5000000 | (-2 & 0x7ffff) << 5 | LOOP_COUNTER; /* CBNZ x27, start */
    words[n + 1] = turns[how].last;
    words[n + 2] = turns[how].jump | ((0u - n - 2) & 0x7ffff) << 5;
    struct agree_code code = {words, n + 3, 0x100 + (uint32_t)(next(&seed) % 512) * 4, CPU_MODE_EL1, next(&seed)};
    t->blocks++;
    if (engine_loop_agrees(&code, LOOP_COUNTER, 1 + (unsigned)(next(&seed) % 300), why, sizeof why))
        return;
    int at = snprintf(what, sizeof what, "loop of seed %#x:", start);
    for (unsigned k = 0; k < code.n && at < (int)sizeof what; k++)
        at += snprintf(what + at, sizeof what - (size_t)at, " %08x", words[k]);
    failed(t, what, why);
}

void cpu_selftest_run(struct cpu_selftest *t, bool (*more)(void *ctx, const struct cpu_selftest *t), void *ctx)
{
    uint64_t seed = t->seed;
    *t = (struct cpu_selftest){.seed = seed};
    run_golden(t);
    for (bool first = true; first || more(ctx, t); first = false)
        for (enum a64_op op = 1; op < A64_OP_COUNT && (first || more(ctx, t)); op++)
            if (!a64_is_todo(op)) {
                run_row(t, op, next(&seed));
                run_loop(t, next(&seed));
                t->rows += first;
            }
}
