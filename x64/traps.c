/*
 * traps.c - floating-point exceptions of the host that translated code provokes on purpose.
 *
 * How it works
 *   Translated code runs with MXCSR's "invalid" and "underflow" unmasked (emit_fp.c says why). The instructions that may raise
 *   them are in a table of the code memory, ascending by address since code is only ever appended. The handler of SIGFPE finds
 *   the instruction there and goes on at its cold code, which does the whole operation in C and comes back; nothing of a
 *   faulting instruction was written, so the operands are intact. A comparison goes on behind itself, with the host's flags
 *   "unordered" and FPSR.IOC set: that is all a NaN does to it.
 *
 *   A signal costs about 1.5 us. An operation that has raised PATCH_AFTER of them is replaced by a jump to its cold code
 *   for good: the jump is written over its first five bytes, which lie inside of one aligned unit of 16 bytes, by one atomic
 *   store; another thread's instruction fetch sees the old instruction or the jump, as with links (code.c).
 *
 *   The handler runs on the thread that raised, knows from a thread-local variable which code memory that thread is in, and
 *   calls nothing. Entries are written before their number is published, and code runs only after that. Exceptions from
 *   elsewhere go to the handler that was there before.
 *
 *   A blocked synchronous signal kills the process: threads that call x64_run unblock it (x64_traps_unblock).
 */
#include "ir/fp_imm.h"
#include "x64/traps.h"
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

enum { PATCH_AFTER = 16, JUMP_BYTES = 5, PATCH_UNIT = 16 };

__thread struct x64_code *x64_running;

static struct sigaction before;

/* ---- making the table ---- */

static void add(struct x64_compiler *c, const uint8_t *at, const uint8_t *to, const uint8_t *patch)
{
    struct x64_code *code = c->code;
    if (code->n_traps == code->max_traps) {
        c->failed = true;
        return;
    }
    code->traps[code->n_traps] = (struct x64_trap){
        .at = (uint32_t)(at - code->rw), .to = to ? (uint32_t)(to - code->rw) : 0, .patch = patch ? (uint32_t)(patch - code->rw) : 0};
    __atomic_store_n(&code->n_traps, code->n_traps + 1, __ATOMIC_RELEASE);
}

void x64_trap_here(struct x64_compiler *c, const uint8_t *patch)
{
    add(c, c->a.p, NULL, patch);
}

void x64_traps_land(struct x64_compiler *c, const struct x64_cold *k)
{
    uint32_t here = (uint32_t)(c->a.p - c->code->rw);
    for (struct x64_trap *t = c->code->traps + k->trap, *end = c->code->traps + k->trap_end; t < end; t++)
        *(t->to ? &t->slow : &t->to) = here;
}

void x64_trap_compare(struct x64_compiler *c, const uint8_t *start, bool patch)
{
    add(c, start, c->a.p, patch ? start : NULL);
    if (!c->failed)
        c->code->traps[c->code->n_traps - 1].comparison = true;
}

void x64_trap_align(struct x64_compiler *c)
{
    unsigned at = (uintptr_t)c->a.p % PATCH_UNIT;
    if (at > PATCH_UNIT - JUMP_BYTES)
        nops(&c->a, PATCH_UNIT - at);
}

/* ---- the handler ---- */

static struct x64_trap *find(const struct x64_code *c, uint32_t at)
{
    size_t low = 0, high = __atomic_load_n(&c->n_traps, __ATOMIC_ACQUIRE);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->traps[mid].at < at)
            low = mid + 1;
        else if (c->traps[mid].at > at)
            high = mid;
        else
            return &c->traps[mid];
    }
    return NULL;
}

/* The 16 bytes at p (aligned) become `new` if they still are `old`. */
static bool swap16(void *p, uint64_t old[2], const uint64_t new[2])
{
    bool done;
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(*(uint64_t(*)[2])p), "+a"(old[0]), "+d"(old[1])
                     : "b"(new[0]), "c"(new[1]));
    return done;
}

static void patch(struct x64_code *c, const struct x64_trap *t)
{
    uint8_t *unit = c->rw + (t->patch & ~15u), jump[JUMP_BYTES] = {0xe9};
    uint64_t old[2], new[2];
    le32_put(jump + 1, (t->slow ? t->slow : t->to) - t->patch - JUMP_BYTES);
    memcpy(old, unit, sizeof old);
    do {
        memcpy(new, old, sizeof new);
        memcpy((uint8_t *)new + (t->patch & 15), jump, sizeof jump);
    } while (!swap16(unit, old, new));
}

/* What a comparison that is unordered leaves: ZF, PF, CF. */
static void unordered(struct x64_code *c, ucontext_t *u)
{
    enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800 };
    greg_t *r = u->uc_mcontext.gregs;
    uint32_t *fpsr = (uint32_t *)(uintptr_t)(r[REG_RBP] - c->state_bias + c->env_copy.fpsr_offset);
    *fpsr |= FPSR_IOC;
    r[REG_EFL] = (r[REG_EFL] & ~(greg_t)(AF | SF | OF)) | CF | PF | ZF;
}

static bool in_translated_code(ucontext_t *u)
{
    struct x64_code *c = x64_running;
    greg_t *rip = &u->uc_mcontext.gregs[REG_RIP];
    uintptr_t at = (uintptr_t)*rip;
    if (!c || at - (uintptr_t)c->rx >= c->size)
        return false;
    struct x64_trap *t = find(c, (uint32_t)(at - (uintptr_t)c->rx));
    if (!t)
        return false;
    if (t->comparison)
        unordered(c, u);
    if (t->patch && ++t->count == PATCH_AFTER)
        patch(c, t);
    c->trapped++;
    *rip = (greg_t)((uintptr_t)c->rx + t->to);
    u->uc_mcontext.fpregs->mxcsr &= ~(uint32_t)(MXCSR_IE | MXCSR_DE | MXCSR_UE);
    return true;
}

static void on_sigfpe(int sig, siginfo_t *info, void *context)
{
    if (in_translated_code(context))
        return;
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(sig, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(sig);
    else
        sigaction(sig, &before, NULL); /* the instruction raises again, and ends the process */
}

void x64_traps_install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction sa = {.sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART}, now;
    sigemptyset(&sa.sa_mask);
    pthread_mutex_lock(&lock);
    sigaction(SIGFPE, NULL, &now);
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_sigfpe) {
        before = now;
        sigaction(SIGFPE, &sa, NULL);
    }
    pthread_mutex_unlock(&lock);
}

void x64_traps_unblock(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGFPE);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
