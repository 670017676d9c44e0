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

/* What decoding needs of a row, in one or two lines of cache. */
static struct fields {
    const struct a64_condition *condition;
    uint8_t n;
    struct {
        uint8_t member, up, down; /* int32_t of struct a64_insn; shift left by `up`, then right */
        bool is_signed;
    } field[A64_MAX_SLOTS];
} fields[A64_OP_COUNT];
static_assert(sizeof(struct a64_insn) / 4 <= UINT8_MAX, "members fit");

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

static void copy_fields(struct fields *f, const struct a64_row *r)
{
    f->condition = r->condition;
    f->n = (uint8_t)r->n_slots;
    for (unsigned k = 0; k < r->n_slots; k++) {
        const struct a64_slot *s = &r->slot[k];
        f->field[k].member = (uint8_t)(s->member / 4);
        f->field[k].up = (uint8_t)(32 - s->shift - s->bits);
        f->field[k].down = (uint8_t)(32 - s->bits);
        f->field[k].is_signed = s->is_signed;
    }
}

static bool ready;

static void build(void)
{
    const struct a64_row *rows = a64_rows();
    for (unsigned op = 0; op < A64_OP_COUNT; op++)
        copy_fields(&fields[op], &rows[op]);
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
    __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
}

static bool extract(const struct fields *f, unsigned op, uint32_t word, struct a64_insn *out)
{
    int32_t *member = (int32_t *)(void *)out;
    memset(out, 0, sizeof *out);
    out->word = word;
    out->op = (uint16_t)op;
    for (unsigned k = 0; k < f->n; k++) {
        uint32_t raw = word << f->field[k].up;
        member[f->field[k].member] = f->field[k].is_signed ? (int32_t)raw >> f->field[k].down : (int32_t)(raw >> f->field[k].down);
    }
    return !f->condition || a64_condition_holds(f->condition, out);
}

void a64_decode(uint32_t word, struct a64_insn *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
        pthread_once(&once, build);
    unsigned b = bucket_of(word);
    for (uint32_t k = first[b]; k < first[b + 1]; k++)
        if ((word & pool[k].mask) == pool[k].value && extract(&fields[pool[k].op], pool[k].op, word, out))
            return;
    *out = (struct a64_insn){.word = word, .op = A64_UNALLOCATED};
}
