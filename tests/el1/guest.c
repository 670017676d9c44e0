/* guest.c - the frame of the EL1 test guest: traps, reporting, the list of tests. */
#include "tests/el1/guest.h"

struct trap_record traps[9];
uint64_t el0_result, el0_alias, steps;

unsigned my_number(void)
{
    return MRS(mpidr_el1) & 15;
}

static void put(const char *s)
{
    while (*s)
        *(volatile uint8_t *)CONSOLE = (uint8_t)*s++;
}

static void put_hex(uint64_t v)
{
    for (int i = 60; i >= 0; i -= 4)
        *(volatile uint8_t *)CONSOLE = (uint8_t) "0123456789abcdef"[v >> i & 15];
}

int64_t psci(uint64_t fn, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 asm("x0") = fn, x1 asm("x1") = a, x2 asm("x2") = b, x3 asm("x3") = c;
    asm volatile("hvc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3) : "memory");
    return (int64_t)x0;
}

static void finish(uint32_t result)
{
    *(volatile uint32_t *)RESULT = result;
    psci(0x84000008, 0, 0, 0);
    for (;;)
        ;
}

void fail(const char *what, int line, uint64_t found, uint64_t needed)
{
    put(what);
    put(": found ");
    put_hex(found);
    put(", needed ");
    put_hex(needed);
    put(", line ");
    put_hex((uint64_t)line);
    put(", last trap: vector ");
    put_hex(trap.vector);
    put(" esr ");
    put_hex(trap.esr);
    put(" elr ");
    put_hex(trap.elr);
    put(" far ");
    put_hex(trap.far);
    put("\n");
    finish((uint32_t)line);
}

/* SVC returns behind itself; other synchronous exceptions are skipped; interrupts end by turning their source off. */
uint64_t trap_handler(uint64_t vector, uint64_t *frame)
{
    trap.vector = vector;
    trap.esr = MRS(esr_el1);
    trap.far = MRS(far_el1);
    trap.elr = MRS(elr_el1);
    trap.spsr = MRS(spsr_el1);
    trap.n++;
    if ((vector & 0x180) == 0x080) {
        MSR(cntv_ctl_el0, 0);
        MSR(cntp_ctl_el0, 0);
        *(volatile uint32_t *)LINE = 0;
        return 0;
    }
    if (EC == 0x32) { /* software step: one more */
        steps++;
        MSR(spsr_el1, trap.spsr | 1 << 21);
        return 0;
    }
    if (vector >= 0x400) {
        el0_result = frame[0];
        return 1;
    }
    if (EC == 0x0e) /* illegal state: the frame's PSTATE has IL */
        MSR(spsr_el1, trap.spsr & ~(UINT64_C(1) << 20));
    else if (EC == 0x22) /* PC alignment: back to the caller */
        MSR(elr_el1, frame[30]);
    else if (EC == 0x21)
        MSR(elr_el1, frame[30]);
    else if (EC != 0x15)
        MSR(elr_el1, trap.elr + 4);
    return 0;
}

static uint8_t el0_stack[4096] __attribute__((aligned(16)));
void enter_el0(uint64_t pc, uint64_t sp, uint64_t arg);

void el0(void (*fn)(uint64_t), uint64_t arg)
{
    enter_el0((uint64_t)fn + el0_alias, (uint64_t)el0_stack + sizeof el0_stack + el0_alias, arg);
}

void guest_main(void);
void guest_main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"exceptions", test_exceptions}, {"el0", test_el0},     {"psci", test_psci}, {"mmu", test_mmu},
        {"code", test_code},             {"exclusives", test_exclusives}, {"timers", test_timers}, {"debug", test_debug}, {"smp", test_smp},
    };
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        put(tests[i].name);
        put("\n");
        tests[i].run();
    }
    finish(0);
}
