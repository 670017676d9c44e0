/*
 * guest.h - a bare guest that tests the Apple-style platform from the inside: a boot ROM of our own, at EL1, with the board's real devices.
 *
 * It drives them as XNU does (GIC with the virtual timer in group 0, PL011 without interrupts, PSCI and PAC by HVC) and says on the serial port
 * "ok NAME" for each test, "all passed" at the end, or what was found and needed.
 */
#ifndef TESTS_APPLE_GUEST_H
#define TESTS_APPLE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#define CPUS_MAX 32
#define CFG      UINT64_C(0x00400000)
#define GICD     UINT64_C(0x10000000)
#define GICR     UINT64_C(0x10010000)
#define UART     UINT64_C(0x20010000)
#define RTC      UINT64_C(0x20050000)
#define GPIO     UINT64_C(0x20060000)
#define PVPANIC  UINT64_C(0x20070000)
#define BACKDOOR UINT64_C(0x30000000)
#define ECAM     UINT64_C(0x40000000)
#define RAM      UINT64_C(0x70000000)

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

/* GIC CPU interface */
#define ICC_PMR     S3_0_C4_C6_0
#define ICC_IAR0    S3_0_C12_C8_0
#define ICC_EOIR0   S3_0_C12_C8_1
#define ICC_BPR0    S3_0_C12_C8_3
#define ICC_SGI1R   S3_0_C12_C11_5
#define ICC_SGI0R   S3_0_C12_C11_7
#define ICC_IAR1    S3_0_C12_C12_0
#define ICC_EOIR1   S3_0_C12_C12_1
#define ICC_CTLR    S3_0_C12_C12_4
#define ICC_SRE     S3_0_C12_C12_5
#define ICC_IGRPEN0 S3_0_C12_C12_6
#define ICC_IGRPEN1 S3_0_C12_C12_7
#define READ_ICC_(reg) MRS(reg)
#define READ_ICC(reg) READ_ICC_(reg)
#define WRITE_ICC_(reg, v) MSR(reg, v)
#define WRITE_ICC(reg, v) WRITE_ICC_(reg, v)

static inline uint32_t rd32(uint64_t at) { return *(volatile uint32_t *)at; }
static inline void wr32(uint64_t at, uint32_t v) { *(volatile uint32_t *)at = v; }
static inline uint64_t rd64(uint64_t at) { return *(volatile uint64_t *)at; }
static inline void wr64(uint64_t at, uint64_t v) { *(volatile uint64_t *)at = v; }

#define DAIF_F 1
#define DAIF_I 2
#define UNMASK(bits) asm volatile("msr daifclr, %0" : : "i"(bits) : "memory")
#define MASK(bits)   asm volatile("msr daifset, %0" : : "i"(bits) : "memory")

/* What exceptions left behind, each CPU its own. */
struct witness {
    volatile uint64_t vector, esr, elr, spsr, far; /* of the last one */
    volatile unsigned n_sync, n_irq, n_fiq;
    volatile uint64_t iar;                         /* what the last interrupt was acknowledged with */
    volatile unsigned sgi[16];
    volatile unsigned ticks;                       /* timer interrupts */
    volatile uint64_t rearm;                       /* their distance in ticks of the counter; 0: only one */
    uint64_t redistributor;
} __attribute__((aligned(64)));
extern struct witness witnesses[CPUS_MAX];
static inline unsigned me(void) { return MRS(mpidr_el1) & 0xff; }
#define seen (witnesses[me()])

void say(const char *text);
_Noreturn void fail(const char *file, int line, const char *what, uint64_t found, uint64_t needed);
#define CHECK_EQ(a, b)                                      \
    do {                                                    \
        uint64_t a_ = (a), b_ = (b);                        \
        if (a_ != b_)                                       \
            fail(__FILE_NAME__, __LINE__, #a " == " #b, a_, b_); \
    } while (0)
#define CHECK(a) CHECK_EQ(!!(a), 1)

unsigned n_cpus(void);
int64_t hvc(uint64_t fn, uint64_t a, uint64_t b, uint64_t c);
void watched_hvc(const uint64_t in[5], uint64_t out[32]);
uint64_t run_el0(uint64_t pc, uint64_t spsr, uint64_t arg);
uint64_t suspend_system(uint64_t context);
void secondary_start(void);
void guest_secondary(uint64_t context);

void timer_in(uint64_t ticks);   /* CNTV, once */
void timer_off(void);
void gic_start(void);            /* this CPU's redistributor and interface, as XNU sets them up */
void mmu_on(void);               /* 16 KiB pages, physical = virtual, as XNU's TCR; WINDOW for tests */
#define WINDOW UINT64_C(0x400000000)
volatile uint64_t *window_entry(unsigned page); /* its level 3 descriptors, 2048 */

void test_entry(uint64_t fdt);
void test_gic(void);
void test_hypercalls(void);
void test_suspend(void);
void test_features(void);
void test_devices(void);
void test_boot_rom(void);
void test_smp(void);

#endif
