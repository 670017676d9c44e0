/* board.c - the machine under the firmware: UART, counter, cfg region, power. */
#include "firmware/cfg.h"
#include "firmware/fw.h"
#include "firmware/machine.h"
#include "firmware/platform.h"

#define UART_DR        0x00
#define UART_FR        0x18
#define UART_LCR_H     0x2c
#define UART_CR        0x30
#define UART_FR_RXFE   (1u << 4)
#define UART_FR_TXFF   (1u << 5)
#define UART_LCR_FIFO8 0x70  /* FIFOs on, 8 bits */
#define UART_CR_ON     0x301 /* UART, transmit, receive enabled */

#define PSCI_SYSTEM_OFF UINT64_C(0x84000008)
#define PVPANIC_PANICKED 1 /* QEMU docs/specs/pvpanic.rst */

static volatile uint32_t *uart(uint32_t reg)
{
    return (volatile uint32_t *)(uintptr_t)(FW_UART_BASE + reg);
}

static void put(char c)
{
    if (c == '\n')
        put('\r');
    while (*uart(UART_FR) & UART_FR_TXFF)
        ;
    *uart(UART_DR) = (uint8_t)c;
}

void fw_uart_start(void);
void fw_uart_start(void)
{
    *uart(UART_LCR_H) = UART_LCR_FIFO8;
    *uart(UART_CR) = UART_CR_ON;
}

static void put_number(uint64_t v, unsigned base, unsigned width, char pad)
{
    char text[24];
    unsigned n = 0;
    do {
        text[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    for (; width > n; width--)
        put(pad);
    while (n)
        put(text[--n]);
}

void fw_print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            put(*p);
            continue;
        }
        char pad = ' ';
        unsigned width = 0, longs = 0;
        if (*++p == '0')
            pad = '0';
        for (; *p >= '0' && *p <= '9'; p++)
            width = width * 10 + (unsigned)(*p - '0');
        for (; *p == 'l'; p++)
            longs++;
        switch (*p) {
        case 's':
            for (const char *s = va_arg(list, const char *); *s; s++)
                put(*s);
            break;
        case 'c':
            put((char)va_arg(list, int));
            break;
        case 'u':
        case 'x':
            put_number(longs ? va_arg(list, uint64_t) : va_arg(list, uint32_t), *p == 'u' ? 10 : 16, width, pad);
            break;
        default:
            put(*p);
        }
    }
    va_end(list);
}

uint64_t fw_now_us(void)
{
    uint64_t count, hz;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(count));
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz ? count / hz * 1000000 + count % hz * 1000000 / hz : 0;
}

uint32_t fw_cfg32(uint32_t offset)
{
    return *(volatile uint32_t *)(uintptr_t)(FW_CFG_BASE + offset);
}

uint64_t fw_cfg64(uint32_t offset)
{
    return *(volatile uint64_t *)(uintptr_t)(FW_CFG_BASE + offset);
}

struct machine fw_this_machine(void)
{
    struct machine m = {fw_cfg64(FW_CFG_ECID), fw_cfg32(FW_CFG_BOARD), FW_CHIP_ID, FW_SECURITY_DOMAIN, {0}, {0}, {{0}}};
    memcpy(m.anchor, (const void *)(uintptr_t)(FW_CFG_BASE + FW_CFG_ANCHOR), sizeof m.anchor);
    memcpy(m.boot_nonce, (const void *)(uintptr_t)(FW_CFG_BASE + FW_CFG_BOOT_NONCE), sizeof m.boot_nonce);
    memcpy(m.policy_nonces, (const void *)(uintptr_t)(FW_CFG_BASE + FW_CFG_POLICY_NONCE), sizeof m.policy_nonces);
    return m;
}

int fw_key(uint64_t timeout_us)
{
    uint64_t begin = fw_now_us();
    while (*uart(UART_FR) & UART_FR_RXFE) {
        if (fw_now_us() - begin >= timeout_us)
            return -1;
        __asm__ volatile("wfe"); /* may end at any time, and does: nothing sends an event */
    }
    return *uart(UART_DR) & 0xff;
}

_Noreturn void fw_wait(void)
{
    for (;;)
        __asm__ volatile("wfi");
}

_Noreturn void fw_power_off(void)
{
    register uint64_t x0 __asm__("x0") = PSCI_SYSTEM_OFF;
    __asm__ volatile("hvc #0" : "+r"(x0) : : "memory");
    fw_print("power off: the machine did not answer\n");
    fw_wait();
}

_Noreturn void fw_give_up(void)
{
    if (FW_PVPANIC)
        *(volatile uint8_t *)(uintptr_t)FW_PVPANIC = PVPANIC_PANICKED;
    fw_power_off();
}

/* Called by the exception vectors of start.S: any exception in firmware is a fault of it, or of the machine. */
_Noreturn void fw_exception(uint64_t vector, uint64_t esr, uint64_t elr, uint64_t far);
_Noreturn void fw_exception(uint64_t vector, uint64_t esr, uint64_t elr, uint64_t far)
{
    fw_print("\nboot failed: firmware, exception %lu, esr 0x%lx elr 0x%lx far 0x%lx\n", vector, esr, elr, far);
    fw_give_up();
}
