/* pome/selftest.h - is this host's engine right? */
#ifndef POME_SELFTEST_H
#define POME_SELFTEST_H

#include <pome/error.h>
#include <pome/progress.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a self test of the CPU engine found. */
struct pome_selftest {
    uint64_t seed;         /* in: where the random code begins; the same seed gives the same code on every host */
    double seconds;        /* in: how long at least, 0..86400; 0: once through all instructions */
    uint32_t instructions; /* kinds of instructions in the random code: all that are implemented */
    uint32_t examples;     /* with results known from standards */
    uint64_t blocks;       /* pieces of random code that were run */
    uint64_t failures;     /* of blocks and examples */
    char first_failure[800]; /* what the first one was; empty: none */
};

/* Runs random guest code of every instruction through the translator and through the definition of the instructions, and examples with
 * known results. Blocks the calling thread, which must not block SIGFPE; one at a time in a process, and no machine need run. `progress` (may
 * be NULL) as in pome/progress.h. False: cancelled (OPERATION_CANCELLED) or INVALID_CONFIGURATION; failures of the engine are no error of the call. */
POME_API bool pome_selftest_cpu(struct pome_selftest *test, pome_progress_fn *progress, void *user, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
