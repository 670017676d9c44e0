/* one.c - one busy thread; two.c is two of it. */
#include "../bench.h"
#include "busy.h"

uint64_t bench_run(unsigned n)
{
    return bench_busy(n, 1);
}
