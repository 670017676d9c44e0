/*
 * oracle_test.c - every row that a user program may execute, against qemu-aarch64.
 *
 * POME_TEST_SCALE=n   n times as many cases (default 1)
 * POME_A64_ROWS=text  only rows whose name contains the text (several: separated by commas; "=ADD_imm": exactly this one)
 *                     "SEQUENCES": several instructions in a row
 * POME_TEST_SEED=n    another seed
 * -v                  one line per row
 */
#include "tests/a64/case.h"
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2048, CASES_PER_ROW = 24, SEQUENCES = 2000, SHOW_PER_ROW = 3, SKIP = 77 };

static struct {
    unsigned compared, different, raised, no_place;
} rows[A64_OP_COUNT];

static struct test_case cases[BATCH];
static struct record theirs[BATCH];
static unsigned n_cases, total, failures;

static void print_difference(const char *what, uint64_t in, uint64_t ours, uint64_t want)
{
    if (ours != want)
        printf("    %-8s in %016llx  ours %016llx  theirs %016llx\n", what, (unsigned long long)in,
               (unsigned long long)ours, (unsigned long long)want);
}

static void print_inputs(const struct test_case *c)
{
    struct a64_insn i;
    a64_decode(c->word[c->n_words - 1], &i);
    printf("    fpcr %08llx fpsr %08llx nzcv %llx", (unsigned long long)c->in.fpcr, (unsigned long long)c->in.fpsr,
           (unsigned long long)c->in.nzcv >> 28);
    const int32_t used[] = {i.rn, i.rm, i.ra, i.rd, i.rs, i.rt};
    for (unsigned k = 0; k < ARRAY_SIZE(used); k++) {
        bool seen = false;
        for (unsigned m = 0; m < k; m++)
            seen |= used[m] == used[k];
        if (seen)
            continue;
        printf("\n    x%d %016llx  v%d %016llx_%016llx", used[k],
               (unsigned long long)(used[k] < 31 ? c->in.x[used[k]] : c->in.sp), used[k],
               (unsigned long long)c->in.v[used[k]].d[1], (unsigned long long)c->in.v[used[k]].d[0]);
    }
    printf("\n");
}

static void print_differences(const struct test_case *c, unsigned n, enum executor e, const struct record *ours,
                              const struct record *want)
{
    char text[160], name[24];
    printf("%s: %s, case", a64_name(c->op), executor_names[e]);
    for (unsigned k = 0; k < c->n_words; k++) {
        struct a64_insn i;
        a64_decode(c->word[k], &i);
        a64_print(&i, 0, text, sizeof text);
        printf("  %08x  %s", c->word[k], text);
    }
    printf("\n");
    print_inputs(c);
    for (unsigned k = 0; k < 31; k++) {
        snprintf(name, sizeof name, "x%u", k);
        print_difference(name, c->in.x[k], ours->regs.x[k], want->regs.x[k]);
    }
    print_difference("sp", c->in.sp, ours->regs.sp, want->regs.sp);
    print_difference("nzcv", c->in.nzcv, ours->regs.nzcv, want->regs.nzcv);
    print_difference("fpcr", c->in.fpcr, ours->regs.fpcr, want->regs.fpcr);
    print_difference("fpsr", c->in.fpsr, ours->regs.fpsr, want->regs.fpsr);
    print_difference("taken", 0, ours->regs.taken, want->regs.taken);
    for (unsigned k = 0; k < 64; k++) {
        snprintf(name, sizeof name, "v%u.%s", k / 2, k & 1 ? "hi" : "lo");
        print_difference(name, c->in.v[k / 2].d[k & 1], ours->regs.v[k / 2].d[k & 1], want->regs.v[k / 2].d[k & 1]);
    }
    for (unsigned k = 0; k < WINDOW_BYTES; k += 8) {
        snprintf(name, sizeof name, "[+%u]", k);
        print_difference(name, le64_get(c->window + k), le64_get(ours->window + k), le64_get(want->window + k));
    }
    print_ir(c, n);
}

static bool same(const struct record *a, const struct record *b)
{
    return !memcmp(a->window, b->window, WINDOW_BYTES) && !memcmp(a->regs.v, b->regs.v, sizeof a->regs.v) &&
           !memcmp(a->regs.x, b->regs.x, sizeof a->regs.x) && a->regs.sp == b->regs.sp && a->regs.nzcv == b->regs.nzcv &&
           a->regs.fpcr == b->regs.fpcr && a->regs.fpsr == b->regs.fpsr && a->regs.taken == b->regs.taken;
}

static void compare(unsigned n)
{
    const struct test_case *c = &cases[n];
    theirs[n].regs.taken = theirs[n].regs.taken != 0;
    rows[c->op].compared++;
    total++;
    for (enum executor e = 0; e < EXECUTORS; e++) {
        static struct record ours;
        if (!executor_exists(e))
            continue;
        run_ours(c, n, e, &ours);
        if (same(&ours, &theirs[n]))
            continue;
        failures++;
        if (rows[c->op].different++ < SHOW_PER_ROW)
            print_differences(c, n, e, &ours, &theirs[n]);
        return;
    }
}

/* Runs what has been collected. Code addresses depend on the number in the batch, so a batch that dies is not shortened but
 * its killer replaced by a NOP. */
static bool flush_batch(void)
{
    while (n_cases) {
        int ran = run_theirs(cases, n_cases, theirs);
        if (ran < 0)
            return false;
        if ((unsigned)ran == n_cases)
            break;
        struct test_case *killer = &cases[ran];
        struct a64_insn i;
        char text[160];
        a64_decode(killer->word[0], &i);
        a64_print(&i, 0, text, sizeof text);
        if (rows[killer->op].different++ < SHOW_PER_ROW)
            printf("%s: %08x %s: qemu-aarch64 stopped here\n", a64_name(killer->op), killer->word[0], text);
        failures++;
        killer->word[0] = 0xd503201f;
        killer->n_words = 1;
    }
    for (unsigned n = 0; n < n_cases; n++)
        compare(n);
    n_cases = 0;
    return true;
}

static bool add_cases(enum a64_op op, unsigned wanted, uint64_t *seed)
{
    unsigned made = 0;
    for (unsigned tries = 0; made < wanted && tries < 4 * wanted; tries++) {
        enum make_result result = op ? make_case(op, n_cases, seed, &cases[n_cases])
                                     : make_sequence(n_cases, seed, &cases[n_cases]);
        rows[op].raised += result == RAISES;
        rows[op].no_place += result == NO_PLACE;
        if (result != MADE)
            continue;
        made++;
        if (++n_cases == BATCH && !flush_batch())
            return false;
    }
    return true;
}

static bool selected(const char *name)
{
    const char *p = getenv("POME_A64_ROWS");
    if (!p || !*p)
        return true;
    while (*p) {
        size_t n = strcspn(p, ",");
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)n, p);
        if (text[0] == '=' ? !strcmp(name, text + 1) : strstr(name, text) != NULL)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static void report(bool verbose)
{
    unsigned compared = 0, skipped = 0, silent = 0;
    for (unsigned op = 0; op < A64_OP_COUNT; op++) {
        const char *reason = op ? not_comparable(op) : NULL;
        if (!selected(op ? a64_name(op) : "SEQUENCES"))
            continue;
        skipped += reason != NULL;
        compared += rows[op].compared != 0;
        silent += !reason && !rows[op].compared;
        if (!reason && !rows[op].compared)
            printf("%-16s never compared: %u raised, %u without a place\n", a64_name(op), rows[op].raised,
                   rows[op].no_place);
        else if (verbose || rows[op].different)
            printf("%-16s %6u compared, %u different%s%s\n", op ? a64_name(op) : "SEQUENCES", rows[op].compared, rows[op].different,
                   reason ? ", skipped: " : "", reason ? reason : "");
    }
    printf("%u cases of %u rows compared, %u different; %u rows skipped, %u rows never compared\n", total, compared, failures,
           skipped, silent);
    failures += silent;
}

int main(int argc, char **argv)
{
    const char *scale_text = getenv("POME_TEST_SCALE"), *seed_text = getenv("POME_TEST_SEED");
    unsigned wanted = (unsigned)(CASES_PER_ROW * (scale_text ? atof(scale_text) : 1));
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : 0x5eed;
    printf("seed %#llx, %u cases per row; executors:", (unsigned long long)seed, wanted);
    for (enum executor e = 0; e < EXECUTORS; e++)
        if (executor_exists(e))
            printf(" %s", executor_names[e]);
    printf("\n");
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        if (!not_comparable(op) && selected(a64_name(op)) && !add_cases(op, wanted, &seed)) {
            printf("SKIP: qemu-aarch64 (package qemu-user) does not run here\n");
            return SKIP;
        }
    }
    if ((selected("SEQUENCES") && !add_cases(A64_UNALLOCATED, wanted * SEQUENCES / CASES_PER_ROW, &seed)) || !flush_batch()) {
        printf("SKIP: qemu-aarch64 (package qemu-user) does not run here\n");
        return SKIP;
    }
    report(argc > 1 && !strcmp(argv[1], "-v"));
    return failures != 0;
}
