/* random_block.h - random blocks for tests: valid, of every operation, touching a known state and known memory. */
#ifndef IR_RANDOM_BLOCK_H
#define IR_RANDOM_BLOCK_H

#include "ir/ir.h"

/* The guest state of the tests. */
struct test_state {
    uint64_t x[32];
    uint64_t pc, pc_page;
    uint32_t flags, raised, pending, pad;
    uint32_t fpcr, fpsr;
    uint64_t other[3];
    union ir_value v[8];
    void *tlb[2]; /* for x64 */
    struct test_memory *memory;
    struct ir_monitor monitor;
    uint8_t frame[25 * 1024] __attribute__((aligned(16))); /* X64_FRAME_BYTES */
};

enum { TEST_MEMORY_PAGES = 16, TEST_MEMORY_BASE = 0x10000000 };
/* Memory at TEST_MEMORY_BASE. Elsewhere a byte reads as a function of its address, stores are summed up in `outside`; the last
 * two pages raise. */
struct test_memory {
    uint8_t bytes[TEST_MEMORY_PAGES * 4096] __attribute__((aligned(16)));
    uint64_t outside;
};

/* Where the byte of an address inside is: neighbouring pages are not neighbours in `bytes`. */
uint8_t *test_memory_at(struct test_memory *m, uint64_t va);

/* Functions over struct test_state; helper 0: a hash of its operands; 1: changes X, V, FLAGS; 2: raises sometimes. */
extern const struct ir_env test_env;

struct test_random {
    uint64_t s;
};
uint64_t test_random_next(struct test_random *r);
/* 0..n-1 */
unsigned test_random_below(struct test_random *r, unsigned n);
/* Likely corner cases: 0, -1, small, powers of two and neighbours, anything. */
uint64_t test_random_value(struct test_random *r);

/* Fills b with about n_ops operations that a verifier accepts; `ops`: NULL for all, or which may appear. */
void test_random_block(struct test_random *r, struct ir_block *b, unsigned n_ops, bool (*wanted)(enum ir_op op));
void test_random_state(struct test_random *r, struct test_state *s, struct test_memory *m);

/* NULL if both are the same but for what may differ (unused bits of the flags word, pc_page), else what differs. */
const char *test_state_difference(const struct test_state *a, const struct test_state *b);

#endif
