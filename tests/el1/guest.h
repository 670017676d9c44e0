/*
 * guest.h - a bare guest at EL1 that tests the vCPU from the inside.
 *
 * The host (el1_test.c) loads it at 0x40000000, MMU off. Devices: a byte written to CONSOLE is printed; a word written to RESULT
 * ends a test (0 good); LINE raises (1) or lowers (0) the IRQ line of the writing vCPU. PPIs raise the IRQ line too.
 */
#ifndef TESTS_EL1_GUEST_H
#define TESTS_EL1_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#define CONSOLE UINT64_C(0x09000000)
#define RESULT  UINT64_C(0x09000008)
#define LINE    UINT64_C(0x09000010)
#define NOTHING UINT64_C(0x0a000000) /* no device: external abort */

#define MRS(reg)                                                       \
    ({                                                                 \
        uint64_t v_;                                                   \
        asm volatile("mrs %0, " #reg : "=r"(v_) : : "memory");         \
        v_;                                                            \
    })
#define MSR(reg, value)                                                                         \
    do {                                                                                        \
        uint64_t v_ = (value);                                                                  \
        asm volatile("msr " #reg ", %0\n isb" : : "r"(v_) : "memory");                          \
    } while (0)

struct trap_record {
    unsigned n;      /* how many so far */
    uint64_t vector; /* offset in the table */
    uint64_t esr, far, elr, spsr;
};
extern struct trap_record traps[9];
unsigned my_number(void);
#define trap (traps[my_number()])

/* EC and ISS of the last trap */
#define EC  (trap.esr >> 26)
#define ISS (trap.esr & 0x1ffffff)

void fail(const char *what, int line, uint64_t found, uint64_t needed);
#define CHECK_EQ(a, b)                                  \
    do {                                                \
        uint64_t a_ = (a), b_ = (b);                    \
        if (a_ != b_)                                   \
            fail(#a " == " #b, __LINE__, a_, b_);       \
    } while (0)
#define CHECK(a) CHECK_EQ(!!(a), 1)

/* Runs asm that must raise exactly one exception, which is skipped. */
#define RAISES(...)                         \
    do {                                    \
        unsigned n_ = trap.n;               \
        asm volatile(__VA_ARGS__);          \
        CHECK_EQ(trap.n, n_ + 1);           \
    } while (0)

int64_t psci(uint64_t fn, uint64_t a, uint64_t b, uint64_t c);
/* Runs fn(arg) at EL0 on a stack of its own; it ends by its first exception (done(): SVC 0xff). */
void el0(void (*fn)(uint64_t), uint64_t arg);
static inline void done(uint64_t value)
{
    register uint64_t x0 asm("x0") = value;
    asm volatile("svc #0xff" : : "r"(x0) : "memory");
}
extern uint64_t el0_alias;  /* where EL0 sees this program: added to code and stack */
extern uint64_t el0_result; /* x0 at its last exception */

extern uint64_t steps;      /* software step exceptions so far */

/* mmu.c */
void mmu_on(void);
uint64_t *pte(uint64_t va);  /* level 3 descriptor of an address in the test window */
void tlbi_all(void);
#define WINDOW UINT64_C(0x80000000)

void test_exceptions(void);
void test_el0(void);
void test_mmu(void);
void test_timers(void);
void test_code(void);
void test_debug(void);
void test_exclusives(void);
void test_psci(void);
void test_smp(void);

#endif
