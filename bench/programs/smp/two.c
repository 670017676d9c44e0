/* two.c - two threads, each with the work of one.c. */
#include "../bench.h"
#include "busy.h"

uint64_t bench_run(unsigned n)
{
    return bench_busy(n, 2);
}
