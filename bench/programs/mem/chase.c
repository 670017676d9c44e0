/* chase.c - a list through 32 MiB, every node in another page than the one before. */
#include "../bench.h"

enum { NODES = 1 << 19 };

uint64_t bench_run(unsigned n)
{
    struct node {
        uint32_t next;
        uint32_t pad[15];
    } *x = malloc(NODES * sizeof *x);
    uint32_t *order = malloc(NODES * sizeof *order), at = 0;
    uint64_t seed = 53;
    for (uint32_t i = 0; i < NODES; i++)
        order[i] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        uint32_t k = (uint32_t)(bench_random(&seed) % i), t = order[i];
        order[i] = order[k], order[k] = t;
    }
    for (uint32_t i = 0; i < NODES; i++)
        x[order[i]].next = order[(i + 1) % NODES];
    for (unsigned i = 0; i < 2000000 * n; i++)
        at = x[at].next;
    free(order);
    free(x);
    return at;
}
