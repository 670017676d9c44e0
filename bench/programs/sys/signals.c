/* signals.c - a signal sent to oneself, and a write to a page that may not be written, repaired by the handler. */
#include "../bench.h"
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *page;
static volatile unsigned seen, faults;

static void on_signal(int s)
{
    seen += (unsigned)s;
}

static void on_fault(int s)
{
    faults++;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

uint64_t bench_run(unsigned n)
{
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGUSR1, on_signal);
    signal(SIGSEGV, on_fault);
    for (unsigned i = 0; i < 12000 * n; i++) {
        kill(getpid(), SIGUSR1);
        if (i % 4)
            continue;
        *(volatile uint8_t *)page = (uint8_t)i;
        mprotect(page, 4096, PROT_READ);
    }
    return bench_mix(seen, faults);
}
