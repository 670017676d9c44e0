/*
 * case.h - one case of the oracle test: an instruction with everything it may read, and what it left behind.
 *
 * How it works
 *   make.c     invents cases: a random instruction of a row, random registers, and base registers moved until every access
 *              falls into the case's window of memory.
 *   ours.c     runs a case through translate_block and the executors: the evaluator, the evaluator on optimised IR, and
 *              compiled code (compiled.c).
 *   theirs.c   writes a static AArch64 program that loads the registers, executes the instruction and stores the
 *              registers, for thousands of cases, and runs it under qemu-aarch64.
 *   oracle_test.c  compares.
 *   fp_oracle_test.c  does the same with floating point alone, in loops, for great numbers.
 *
 * Guest memory: each case has CASE_CODE_BYTES of code, and a record in a file that the guest program maps, which is its
 * output: the registers, then the window.
 */
#ifndef TESTS_A64_CASE_H
#define TESTS_A64_CASE_H

#include "a64/a64.h"
#include "ir/ir.h"

enum {
    CASE_CODE_BYTES = 1024, /* divides a page: a case never crosses one */
    WINDOW_BYTES = 1024,
    MAX_WORDS = 16,
};
#define CODE_BASE   UINT64_C(0x01000000)
#define INPUT_BASE  UINT64_C(0x20000000)
#define OUTPUT_BASE UINT64_C(0x30000000)

/* Guest layout; theirs.c knows the offsets. */
struct registers {
    uint64_t x[31], sp;
    uint64_t nzcv, fpcr, fpsr;
    uint64_t taken; /* not zero: the instruction went to the landing pad */
    uint64_t done;
    uint64_t pad[3];
    union ir_value v[32];
};
static_assert(offsetof(struct registers, v) == 320, "theirs.c has these offsets in its code");

struct record {
    struct registers regs;
    uint8_t pad[1024 - sizeof(struct registers)];
    uint8_t window[WINDOW_BYTES];
};
static_assert(sizeof(struct record) == 2048, "stride of records");

struct test_case {
    enum a64_op op;
    unsigned n_words;
    uint32_t word[MAX_WORDS];
    struct registers in;
    uint8_t window[WINDOW_BYTES];
};

/* Addresses of case n of a batch. */
static inline uint64_t window_address(unsigned n)
{
    return OUTPUT_BASE + n * sizeof(struct record) + offsetof(struct record, window);
}
static inline uint64_t code_address(unsigned n)
{
    return CODE_BASE + (uint64_t)n * CASE_CODE_BYTES;
}
/* Where the instruction is, and the landing pad of branches (theirs.c pads with NOPs up to it). */
enum { WORDS_OFFSET = 256, FALL_OFFSET = WORDS_OFFSET + 4 * MAX_WORDS, PAD_OFFSET = FALL_OFFSET + 64 };

/* ---- make.c ---- */
uint64_t test_random(void *seed); /* seed: uint64_t, not zero */
enum make_result {
    MADE,
    NOT_COMPARABLE, /* the row has effects that a user program cannot show, or the architecture allows several results */
    RAISES,         /* our translation raises an exception */
    NO_PLACE,       /* no base register found that keeps the accesses in the window */
};
/* Why a row is never compared, or NULL. */
const char *not_comparable(enum a64_op op);
enum make_result make_case(enum a64_op op, unsigned n, uint64_t *seed, struct test_case *c);
/* Corner values and others: of a double (kind 0), single (1), half (2), or an integer. */
uint64_t random_lane(uint64_t *seed, unsigned kind);
uint64_t random_integer(uint64_t *seed);
/* Where qemu-aarch64 7.2 is wrong. */
bool qemu_is_wrong(const struct a64_insn *i);
/* Several instructions in a row without memory: op is A64_UNALLOCATED. */
enum make_result make_sequence(unsigned n, uint64_t *seed, struct test_case *c);

/* ---- ours.c ---- */
enum executor { EVALUATOR, OPTIMISED, COMPILED, EXECUTORS };
extern const char *const executor_names[EXECUTORS];
struct our_run {
    bool raised;
    bool outside;       /* an access missed the window, or was not aligned where it must be */
    uint64_t first;     /* address of the first access */
    unsigned n_accesses;
    unsigned alignment; /* what that access needs */
};
/* Runs case n of a batch; out is complete if neither raised nor outside. */
struct our_run run_ours(const struct test_case *c, unsigned n, enum executor e, struct record *out);
/* The same, but access number fault_at (from 1) raises an exception. */
struct our_run run_ours_faulting(const struct test_case *c, unsigned n, enum executor e, unsigned fault_at,
                                 struct record *out);
struct cpu_state;
extern const struct ir_env our_env; /* a user program without memory other than the window */
/* compiled.c: host code of an optimised block, good until the next one is compiled; NULL: this host cannot. */
const void *compile(const struct ir_block *b, const struct ir_env *env, bool fpcr_is_zero);
void run_code(struct cpu_state *s, const void *entry);
/* compiled.c: runs an optimised block. False: this host cannot. The window lies in a page that the inline TLB knows, or not. */
enum { COMPILED_TAIL_BYTES = 26 * 1024 }; /* what there must be behind s */
bool run_compiled(struct cpu_state *s, const struct ir_block *b, const struct ir_env *env, uint64_t page_va, uint8_t *page,
                  bool use_tlb);
bool can_compile(const struct ir_env *env);
bool executor_exists(enum executor e);
void print_ir(const struct test_case *c, unsigned n);

/* ---- theirs.c ---- */
/* Runs n cases, fills out[0..n). Returns how many ran (the next one killed the program), or -1: qemu-aarch64 cannot run. */
int run_theirs(const struct test_case *cases, unsigned n, struct record *out);

#endif
