/*
 * fault_test.c - an instruction whose memory access raises an exception has not happened.
 *
 * For every row that accesses memory, each of its accesses in turn raises; no register, flag or status bit may differ from
 * before (memory may: stores before the fault are allowed to be seen). Needs no other engine.
 */
#include "tests/a64/case.h"
#include <stdio.h>
#include <stdlib.h>

enum { CASES = 8, MAX_ACCESSES = 64 };

static bool untouched(const struct registers *in, const struct registers *out)
{
    return !memcmp(in->x, out->x, sizeof in->x) && in->sp == out->sp && in->nzcv == out->nzcv && in->fpcr == out->fpcr &&
           in->fpsr == out->fpsr && !memcmp(in->v, out->v, sizeof in->v);
}

static unsigned check(const struct test_case *c, enum executor e, unsigned *faults)
{
    static struct record out;
    unsigned n = run_ours(c, 0, EVALUATOR, &out).n_accesses, failures = 0;
    for (unsigned k = 1; k <= n && k <= MAX_ACCESSES; k++) {
        run_ours_faulting(c, 0, e, k, &out);
        ++*faults;
        if (untouched(&c->in, &out.regs))
            continue;
        failures++;
        struct a64_insn i;
        char text[128];
        a64_decode(c->word[0], &i);
        a64_print(&i, 0, text, sizeof text);
        printf("%s: %s: access %u of %u raises: %08x %s: registers changed\n", a64_name(c->op), executor_names[e], k, n,
               c->word[0], text);
        print_ir(c, 0);
    }
    return failures;
}

int main(void)
{
    uint64_t seed = 0x5eed;
    unsigned failures = 0, faults = 0, rows = 0;
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        unsigned before = faults;
        for (unsigned k = 0; k < CASES && !not_comparable(op) && failures < 20; k++) {
            struct test_case c;
            if (make_case(op, 0, &seed, &c) != MADE || c.n_words != 1)
                continue;
            for (enum executor e = 0; e < EXECUTORS; e++)
                if (executor_exists(e))
                    failures += check(&c, e, &faults);
        }
        rows += faults != before;
    }
    printf("%u faults in %u rows, %u left traces\n", faults, rows, failures);
    return failures != 0 || faults == 0;
}
