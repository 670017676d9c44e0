/*
 * cpu.h - the virtual CPUs of one machine, as vm/ and machine/ see them.
 *
 * How it works
 *   A cpu_set is all vCPUs of a machine. It owns one host thread per vCPU (cpu_set_start to cpu_set_join) and one
 *   timer thread. Guest memory and the board (struct cpu_board) are borrowed and must outlive the set.
 *
 *   Order of calls:  create -> (board is wired: cpu_set_irq_port) -> power_on(boot CPU) -> start -> ... -> stop -> join
 *   -> either destroy, or reset -> power_on -> start for a reboot.
 *
 * Threads: unless a function says otherwise it may be called from any thread. The board's functions are called on vCPU
 * threads without any lock of cpu/ held.
 */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "base/records.h"
#include "bus/cpu_ports.h"
#include "mem/mem.h"
#include <pome/error.h>
#include <stdio.h>

enum { CPU_MAX = 64 };

enum cpu_model {
    CPU_MODEL_DEFAULT, /* the fastest honest one: no PAuth, BTI, SVE */
    CPU_MODEL_APPLE,   /* with PAuth and BTI, as an M2 shows a guest */
    CPU_MODEL_COUNT
};

/* "default", "apple"; NULL past the last. */
const char *cpu_model_name(enum cpu_model model);
/* false: no model has this name. */
bool cpu_model_find(const char *name, enum cpu_model *model);

/* Why the set came to an end. */
enum cpu_end {
    CPU_END_STOPPED,   /* cpu_set_stop */
    CPU_END_POWER_OFF, /* PSCI SYSTEM_OFF, or the last vCPU turned itself off */
    CPU_END_RESET,     /* PSCI SYSTEM_RESET, SYSTEM_RESET2 */
    CPU_END_ERROR,     /* the engine cannot go on; see the error */
};

struct cpu_options {
    unsigned n_cpus;               /* 1..CPU_MAX */
    enum cpu_model model;
    struct mem *mem;
    const struct cpu_board *board; /* copied */
    enum cpu_topology topology;    /* what MPIDR_EL1 says */
    uint64_t cntfrq_hz;            /* 0: 1 GHz. What CNTFRQ_EL0 says and CNTVCT_EL0 counts at */
    size_t code_bytes;             /* 0: 128 MiB. Size of the buffer for translated code */
    const char *cache_path;        /* file of kept translations; "on": the user's cache folder; "off"; NULL: as POME_CACHE says, else "on" */
    bool apple_calls;              /* HVC offers what Apple's hypervisor does, beside PSCI */
    bool no_psci;                  /* HVC is UNDEFINED: the machine has no firmware interface */
    /* Called once per start, on a vCPU thread, when the set ends by itself (not for STOPPED): `err` belongs to the
     * callee for the call only. All other vCPUs have been asked to stop. May be NULL. Must not call cpu_set_join. */
    void (*ended)(void *ctx, unsigned cpu, enum cpu_end why, const struct pome_error *err);
    void *ended_ctx;
};

struct cpu_set;

/* NULL and *err: the host lacks what the translator needs (NOT_SUPPORTED), or memory. Environment, for debugging:
 * POME_ENGINE=eval (run the IR evaluator instead of compiled code), POME_NOCHAIN=1, POME_MAX_INSNS=n (guest
 * instructions per block), POME_COLD=n (code is evaluated n times before it is compiled), POME_CODE_MIB=n (code buffer), POME_RANDOM_SEED=n (randomised mode), POME_TRACE=int,tlb,code,psci,block,
 * x64 (host code of every block), calls (what translated code called, counted, printed at the end),
 * POME_PERF_MAP=1 (names of translated code for perf, in /tmp/perf-PID.map). */
struct cpu_set *cpu_set_create(const struct cpu_options *options, struct pome_error *err);
/* Must not be running. NULL allowed. */
void cpu_set_destroy(struct cpu_set *set);

/* What the interrupt controller calls to move the IRQ and FIQ lines. Valid until destroy. */
struct cpu_irq_port cpu_set_irq_port(struct cpu_set *set);

/* The next start begins there: EL1h, MMU off, DAIF set, x0 as given, x1..x3 zero. Before start. */
void cpu_power_on(struct cpu_set *set, unsigned cpu, uint64_t pc, uint64_t x0);

/* The identity of this boot that guests of Apple's can ask for; without it a random one. Before start, after a reset. */
void cpu_set_boot_session(struct cpu_set *set, const uint8_t uuid[16]);

/* Creates the threads and runs. vCPUs not powered on wait for PSCI CPU_ON. */
bool cpu_set_start(struct cpu_set *set, struct pome_error *err);
/* Asks every vCPU to leave; returns at once. Also from a vCPU thread or `ended`. */
void cpu_set_stop(struct cpu_set *set);
/* Waits for the threads; returns the reason (and the error of CPU_END_ERROR). Not from a vCPU thread. */
enum cpu_end cpu_set_join(struct cpu_set *set, struct pome_error *err);
/* Back to the state after create (registers, TLBs, translations). Not while running. */
void cpu_set_reset(struct cpu_set *set);

/* Stops guest execution and returns when no vCPU runs guest code or a device function; resume continues. The guest's
 * counter (CNTVCT) stands still meanwhile. Not from a vCPU thread. Pausing a set that is not running is allowed. */
void cpu_set_pause(struct cpu_set *set);
void cpu_set_resume(struct cpu_set *set);

/* Saved state of one vCPU, and of the set: what its counter has counted, in nanoseconds. While paused, or not running. cpu_load puts a saved state
 * into a vCPU of the same model, lines from the interrupt controller excepted: load the controller after the vCPUs. On failure
 * (RESTORE: which register, saved and present) the vCPU is to be reset. Saved bytes may be hostile. */
void cpu_save(struct cpu_set *set, unsigned cpu, struct records *out);
bool cpu_load(struct cpu_set *set, unsigned cpu, const uint8_t *bytes, size_t n, struct pome_error *err);
/* Host addresses in pages of memory that the vCPU used not long ago, programs' before the kernel's, some more than once: what it is going to use when it goes on. While
 * paused, or not running. */
typedef void cpu_page_fn(void *ctx, const uint8_t *hva);
void cpu_recent_pages(struct cpu_set *set, unsigned cpu, cpu_page_fn *each, void *ctx);
/* The same of pages that were used some time: programs that ran, and, where they are few, all others that are known. */
void cpu_known_pages(struct cpu_set *set, cpu_page_fn *each, void *ctx);
/* What must be the same where a saved state goes on, as texts: model, counter frequency, every identification register. */
void cpu_set_facts(struct cpu_set *set, struct records *out);
unsigned cpu_set_count(const struct cpu_set *set);
uint64_t cpu_set_save_counter(struct cpu_set *set);
void cpu_set_load_counter(struct cpu_set *set, uint64_t counted_ns);

/* True from the moment that the set comes to its end, by itself or by cpu_set_stop, until the next start. While paused the answer holds. */
bool cpu_set_is_ending(struct cpu_set *set);

/* One page of text: registers, PSTATE, the system registers that matter. Exact only while paused or stopped. */
void cpu_dump(struct cpu_set *set, unsigned cpu, FILE *to);

/* Counters since create, summed over vCPUs; approximate while running. */
#define CPU_STATS(S)                                                                          \
    S(blocks, "blocks made")                                                                  \
    S(guest_insns, "guest instructions translated")                                           \
    S(host_bytes, "bytes of host code made")                                                  \
    S(translate_ns, "nanoseconds spent translating")                                          \
    S(cold_blocks, "blocks evaluated, as their code came for the first times")                \
    S(cold_insns, "guest instructions decoded for that")                                      \
    S(reused, "blocks taken from kept translations")                                          \
    S(reused_insns, "guest instructions in them")                                             \
    S(reuse_ns, "nanoseconds spent looking there")                                            \
    S(lookups, "dispatcher look-ups that missed the jump cache")                              \
    S(exits_pc, "exits: pc without translation or outside the page")                          \
    S(exits_state, "exits: helper or slow path set the pc")                                   \
    S(exits_pending, "exits: pending work")                                                   \
    S(links, "exits linked")                                                                  \
    S(tlb_misses, "accesses that missed the inline TLB")                                      \
    S(tlb2_misses, "accesses that missed the second level too")                               \
    S(walks, "page-table walks")                                                              \
    S(tlbi, "TLB maintenance instructions")                                                   \
    S(tlbi_large, "of those, such that took whole tables because of a large mapping")          \
    S(tlb_flushes, "TLB flushes")                                                             \
    S(code_checks, "instruction cache maintenance by address")                                \
    S(code_dropped, "blocks dropped because their guest code had changed")                    \
    S(code_resets, "times the code buffer was full")                                          \
    S(longest_pause_ns, "nanoseconds that emptying it stopped all vCPUs, at most")             \
    S(exceptions, "synchronous exceptions taken")                                             \
    S(irqs, "interrupts taken as IRQ")                                                        \
    S(fiqs, "interrupts taken as FIQ")                                                        \
    S(mmio, "device accesses")                                                                \
    S(wfi, "WFI sleeps")                                                                      \
    S(sysreg, "system register accesses that called out")

struct cpu_stats {
#define S(name, text) uint64_t name;
    CPU_STATS(S)
#undef S
};
void cpu_set_stats(struct cpu_set *set, struct cpu_stats *out);
/* As a JSON object on one line, without newline. */
void cpu_stats_print(const struct cpu_stats *stats, FILE *to);

#endif
