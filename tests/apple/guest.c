/* guest.c - the frame of the platform's test guest: exceptions, reporting, the list of tests. */
#include "tests/apple/guest.h"

struct witness witnesses[CPUS_MAX];

/* As XNU's driver does: wait while the FIFO is full, write. */
static void put(char c)
{
    while (rd32(UART + 0x18) & 1 << 5)
        ;
    wr32(UART, (uint8_t)c);
}

void say(const char *text)
{
    while (*text)
        put(*text++);
}

static void say_hex(uint64_t v)
{
    for (int i = 60; i >= 0; i -= 4)
        put("0123456789abcdef"[v >> i & 15]);
}

static void uart_start(void)
{
    wr32(UART + 0x30, 0);
    wr32(UART + 0x04, 0);
    wr32(UART + 0x2c, 0x70);
    wr32(UART + 0x24, 13);
    wr32(UART + 0x28, 1);
    wr32(UART + 0x38, 0);
    wr32(UART + 0x44, 0x7ff);
    wr32(UART + 0x30, 0x301);
}

static _Noreturn void power_off(void)
{
    hvc(0x84000008, 0, 0, 0);
    for (;;)
        ;
}

void fail(const char *file, int line, const char *what, uint64_t found, uint64_t needed)
{
    char digits[8];
    int n = 0;
    say("FAILED on CPU ");
    put((char)('0' + me() / 10));
    put((char)('0' + me() % 10));
    say(" ");
    say(file);
    say(":");
    for (; line; line /= 10)
        digits[n++] = (char)('0' + line % 10);
    while (n)
        put(digits[--n]);
    say(" ");
    say(what);
    say(": found ");
    say_hex(found);
    say(", needed ");
    say_hex(needed);
    say("; last exception: vector ");
    say_hex(seen.vector);
    say(" esr ");
    say_hex(seen.esr);
    say(" elr ");
    say_hex(seen.elr);
    say(" far ");
    say_hex(seen.far);
    say("\n");
    power_off();
}

int64_t hvc(uint64_t fn, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 asm("x0") = fn, x1 asm("x1") = a, x2 asm("x2") = b, x3 asm("x3") = c;
    asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "x4", "memory");
    return (int64_t)x0;
}

unsigned n_cpus(void)
{
    return rd32(CFG + 4);
}

/* Interrupts are acknowledged in their group; the timer's (PPI 27) is stopped or set anew. */
static void interrupt(struct witness *s, bool fiq)
{
    s->iar = fiq ? READ_ICC(ICC_IAR0) : READ_ICC(ICC_IAR1);
    if (fiq)
        s->n_fiq++;
    else
        s->n_irq++;
    if (s->iar < 16)
        s->sgi[s->iar]++;
    if (s->iar == 27) {
        s->ticks++;
        if (s->rearm)
            MSR(cntv_tval_el0, s->rearm);
        else
            timer_off();
    }
    if (s->iar >= 1020)
        return;
    if (fiq)
        WRITE_ICC(ICC_EOIR0, s->iar);
    else
        WRITE_ICC(ICC_EOIR1, s->iar);
}

void left_el0(void);
void trap_handler(uint64_t vector, uint64_t *frame);
void trap_handler(uint64_t vector, uint64_t *frame)
{
    struct witness *s = &seen;
    s->vector = vector;
    s->elr = MRS(elr_el1);
    s->spsr = MRS(spsr_el1);
    if ((vector & 0x180) == 0x080 || (vector & 0x180) == 0x100) {
        interrupt(s, (vector & 0x180) == 0x100);
    } else {
        s->esr = MRS(esr_el1);
        s->far = MRS(far_el1);
        s->n_sync++;
        if (s->esr >> 26 != 0x15)
            MSR(elr_el1, s->elr + 4);
    }
    if (vector >= 0x400) { /* from EL0: back to who called run_el0 */
        MSR(elr_el1, (uint64_t)left_el0);
        MSR(spsr_el1, 0x3c5);
    }
}

void guest_main(uint64_t fdt);
void guest_main(uint64_t fdt)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"gic", test_gic}, {"hypercalls", test_hypercalls}, {"suspend", test_suspend}, {"features", test_features},
        {"devices", test_devices}, {"boot rom", test_boot_rom}, {"smp", test_smp},
    };
    test_entry(fdt);
    uart_start();
    say("ok entry\n");
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].run();
        say("ok ");
        say(tests[i].name);
        say("\n");
    }
    say("all passed\n");
    power_off();
}
