/*
 * guest.c - a guest that does as it is told, one letter on its serial port each:
 *
 *   o  powers off          r  reboots              p  writes to pvpanic, then spins     l  a Linux kernel's last words, then spins
 *   t  "T<counter>"        w  "W<counter before> <counter after>": sleeps for a fifth of a second by the virtual timer
 *   b  powers off when the power button is pressed; until it is told so, it ignores the button
 *
 * It prints READY when it begins. MMU off: everything is Device memory, strictly aligned.
 */
#include <stdint.h>

#define UART 0x09000000ul
#define GPIO 0x09030000ul
#define PANIC 0x09070000ul
#define UART_RX_EMPTY 0x10
#define UART_TX_FULL 0x20
#define BUTTON (1 << 3)

static uint32_t load(uint64_t a)
{
    return *(volatile uint32_t *)a;
}

static void put_char(char c)
{
    while (load(UART + 0x18) & UART_TX_FULL)
        ;
    *(volatile uint32_t *)UART = (uint8_t)c;
}

static void put(const char *s)
{
    while (*s)
        put_char(*s++);
}

static void put_hex(uint64_t v)
{
    for (int i = 60; i >= 0; i -= 4)
        put_char("0123456789abcdef"[v >> i & 15]);
}

static void psci(uint64_t fn)
{
    register uint64_t x0 asm("x0") = fn;
    asm volatile("hvc #0" : "+r"(x0) : : "memory", "x1", "x2", "x3");
}

static uint64_t counter(void)
{
    uint64_t v;
    asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v));
    return v;
}

/* A fifth of a second in WFI: the timer's PPI, masked at the CPU, ends it. */
static void nap(void)
{
    uint64_t hz, begun = counter();
    asm volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    asm volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1" : : "r"(begun + hz / 5), "r"(1ul));
    while (counter() < begun + hz / 5)
        asm volatile("wfi");
    asm volatile("msr cntv_ctl_el0, xzr");
    put("W");
    put_hex(begun);
    put(" ");
    put_hex(counter());
    put("\n");
}

/* PPI 27 must reach the CPU for WFI to end: distributor and redistributor of the first CPU (IHI 0069). */
static void timer_interrupt_on(void)
{
    volatile uint32_t *gicd = (void *)0x08000000ul, *gicr = (void *)0x080a0000ul;
    gicd[0] = 0x12;               /* affinity routing, group 1 */
    gicr[0x14 / 4] &= ~2u;        /* awake */
    gicr[0x10080 / 4] = ~0u;      /* all in group 1 */
    gicr[0x10100 / 4] = 1u << 27; /* enabled */
    asm volatile("msr S3_0_C12_C12_5, %0\n\tisb" : : "r"(7ul));     /* ICC_SRE_EL1 */
    asm volatile("msr S3_0_C4_C6_0, %0" : : "r"(0xfful));           /* ICC_PMR_EL1 */
    asm volatile("msr S3_0_C12_C12_7, %0\n\tisb" : : "r"(1ul));     /* ICC_IGRPEN1_EL1 */
}

static void obey(char c, int *cares)
{
    switch (c) {
    case 'o': psci(0x84000008); break;
    case 'r': psci(0x84000009); break;
    case 'p': *(volatile uint8_t *)PANIC = 1; break;
    case 'l':
        put("[    1.000000] Kernel panic - not syncing: told so\n[    1.000001] ---[ end Kernel panic - not syncing: told so ]---\n");
        for (;;)
            ;
    case 't':
        put("T");
        put_hex(counter());
        put("\n");
        break;
    case 'w': nap(); break;
    case 'b':
        *cares = 1;
        put("CARES\n");
        break;
    }
}

void guest_main(void)
{
    int cares = 0;
    *(volatile uint32_t *)(UART + 0x2c) = 0x70;  /* LCR_H: 8 bits, FIFOs */
    *(volatile uint32_t *)(UART + 0x30) = 0x301; /* CR: on, both directions */
    timer_interrupt_on();
    put("READY\n");
    for (;;) {
        if (!(load(UART + 0x18) & UART_RX_EMPTY))
            obey((char)load(UART), &cares);
        if (cares && load(GPIO + BUTTON * 4))
            psci(0x84000008);
    }
}
