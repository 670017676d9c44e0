/*
 * decode.c - from a word to its row.
 *
 * How it works
 *   Rows are sorted by specificity (number of fixed bits, most first) and put into every bucket that their fixed bits
 *   allow; a bucket is chosen by the twelve bits of the word in which rows differ most. Within a bucket the first row
 *   that matches is the narrowest, which is the rule of a64.inc.
 */
#include "a64/table.h"
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

struct candidate {
    uint32_t mask, value;
    uint32_t op;
};

static struct candidate *pool;
static uint32_t first[BUCKETS + 1];

/* Bits 29..21 and 12..10. */
static unsigned bucket_of(uint32_t word)
{
    return (word >> 18 & 0xff8) | (word >> 10 & 7);
}

static uint32_t bucket_bits(unsigned bucket)
{
    return (bucket & 0xff8) << 18 | (bucket & 7) << 10;
}

static int by_specificity(const void *a, const void *b)
{
    const struct a64_row *rows = a64_rows();
    uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    int d = __builtin_popcount(rows[y].mask) - __builtin_popcount(rows[x].mask);
    return d ? d : x - y;
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

    const uint32_t key_bits = bucket_bits(BUCKETS - 1);
    uint32_t n = 0;
    for (int pass = 0; pass < 2; pass++) { /* count, then fill */
        n = 0;
        for (unsigned b = 0; b < BUCKETS; b++) {
            first[b] = n;
            for (unsigned k = 0; k < n_rows; k++) {
                const struct a64_row *r = &rows[order[k]];
                if ((bucket_bits(b) ^ r->value) & r->mask & key_bits)
                    continue;
                if (pass)
                    pool[n] = (struct candidate){r->mask, r->value, order[k]};
                n++;
            }
        }
        if (!pass && !(pool = malloc((n + 1) * sizeof *pool)))
            abort();
    }
    first[BUCKETS] = n;
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
