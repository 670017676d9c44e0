/*
 * decode.c - from a word to its row.
 *
 * How it works
 *   Rows are sorted by specificity (number of fixed bits, most first) and put into every bucket that their fixed bits
 *   allow; a bucket is chosen by the thirteen bits of the word in which rows differ most. Within a bucket the first row
 *   that matches is the narrowest, which is the rule of a64.inc.
 */
#include "a64/table.h"
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 8192 };

struct candidate {
    uint32_t mask, value;
    uint32_t op;
};

static struct candidate *pool;
static uint32_t first[BUCKETS + 1];

/* Bits 31..21 and 11..10: of the choices tried on a C library's code, the first candidate is then nearly always right. */
static unsigned bucket_of(uint32_t word)
{
    return word >> 21 << 2 | (word >> 10 & 3);
}

static int by_specificity(const void *a, const void *b)
{
    const struct a64_row *rows = a64_rows();
    uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    int d = __builtin_popcount(rows[y].mask) - __builtin_popcount(rows[x].mask);
    return d ? d : x - y;
}

/* Calls visit for every bucket that words of this row fall into. */
static void for_buckets(const struct a64_row *r, uint32_t op, void (*visit)(unsigned bucket, const struct a64_row *r, uint32_t op))
{
    unsigned fixed = bucket_of(r->mask), free_bits = ~fixed & (BUCKETS - 1), some = 0;
    do {
        visit((bucket_of(r->value) & fixed) | some, r, op);
        some = (some - free_bits) & free_bits; /* the next subset of free_bits */
    } while (some);
}

static void count(unsigned bucket, const struct a64_row *r, uint32_t op)
{
    first[bucket + 1]++;
}

static uint32_t filled[BUCKETS];

static void fill(unsigned bucket, const struct a64_row *r, uint32_t op)
{
    pool[first[bucket] + filled[bucket]++] = (struct candidate){r->mask, r->value, op};
}

static void build(void)
{
    const struct a64_row *rows = a64_rows();
    static uint16_t order[A64_OP_COUNT];
    unsigned n_rows = 0;
    for (unsigned op = 1; op < A64_OP_COUNT; op++)
        if (!rows[op].error[0])
            order[n_rows++] = (uint16_t)op;
    qsort(order, n_rows, sizeof *order, by_specificity);
    for (unsigned k = 0; k < n_rows; k++)
        for_buckets(&rows[order[k]], order[k], count);
    for (unsigned b = 0; b < BUCKETS; b++)
        first[b + 1] += first[b];
    pool = malloc((first[BUCKETS] + 1) * sizeof *pool);
    if (!pool)
        abort();
    for (unsigned k = 0; k < n_rows; k++)
        for_buckets(&rows[order[k]], order[k], fill);
}

void a64_decode(uint32_t word, struct a64_insn *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build);
    unsigned b = bucket_of(word);
    const struct a64_row *rows = a64_rows();
    for (uint32_t k = first[b]; k < first[b + 1]; k++)
        if ((word & pool[k].mask) == pool[k].value && a64_row_matches(&rows[pool[k].op], word, out))
            return;
    *out = (struct a64_insn){.word = word, .op = A64_UNALLOCATED};
}
