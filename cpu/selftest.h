/* selftest.h - the engine checked against its own definition, on the user's host. */
#ifndef CPU_SELFTEST_H
#define CPU_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

struct cpu_selftest {
    uint64_t seed;         /* what to begin with */
    unsigned rows;         /* of the instruction table that random code contained: all that are implemented */
    unsigned golden;       /* examples whose result is known from elsewhere */
    uint64_t blocks;       /* pieces of random code */
    uint64_t failures;
    char first[800];       /* the first failure, in words; empty: none */
};

/* Runs until `more` says no, but at least once through all rows and examples. t->seed is the caller's. One at a time. */
void cpu_selftest_run(struct cpu_selftest *t, bool (*more)(void *ctx, const struct cpu_selftest *t), void *ctx);

#endif
