/*
 * check.c - is the table itself right? Patterns, conditions, forms, aliases, overlap.
 *
 * Overlap: two rows whose fixed bits agree where both fix them match common words. That is fine if they are nested (the
 * decoder takes the narrower), and if no common word meets both conditions. The latter is tried on all values of
 * the bits that both leave free when there are few, on random ones otherwise.
 */
#include "a64/table.h"
#include <stdarg.h>
#include <stdio.h>

enum { EXHAUSTIVE_BITS = 12, SAMPLES = 1 << 12 };

struct report {
    char *buf;
    size_t size, used;
    unsigned count;
};

__attribute__((format(printf, 2, 3))) static void report(struct report *r, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    r->count++;
    if (r->used < r->size) {
        int n = vsnprintf(r->buf + r->used, r->size - r->used, format, ap);
        r->used += (size_t)MAX(n, 0);
    }
    va_end(ap);
}

static uint64_t next_random(void *ctx)
{
    uint64_t *s = ctx;
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Bits of `value` spread to the ones of `mask`. */
static uint32_t deposit(uint32_t value, uint32_t mask)
{
    uint32_t out = 0;
    for (uint32_t bit = 1; mask; bit <<= 1, mask &= mask - 1)
        if (value & bit)
            out |= mask & -mask;
    return out;
}

static bool both_match(const struct a64_row *a, const struct a64_row *b, uint32_t *word)
{
    uint32_t fixed = a->mask | b->mask, value = a->value | b->value, free_bits = ~fixed;
    unsigned n = (unsigned)__builtin_popcount(free_bits);
    uint32_t tries = n <= EXHAUSTIVE_BITS ? UINT32_C(1) << n : SAMPLES;
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (uint32_t k = 0; k < tries; k++) {
        struct a64_insn i;
        *word = value | (n <= EXHAUSTIVE_BITS ? deposit(k, free_bits) : (uint32_t)next_random(&seed) & free_bits);
        if (a64_row_matches(a, *word, &i) && a64_row_matches(b, *word, &i))
            return true;
    }
    return false;
}

static void check_overlaps(struct report *out, const struct a64_row *rows)
{
    for (unsigned x = 1; x < A64_OP_COUNT; x++) {
        for (unsigned y = x + 1; y < A64_OP_COUNT; y++) {
            const struct a64_row *a = &rows[x], *b = &rows[y];
            uint32_t common = a->mask & b->mask, word;
            if ((a->value ^ b->value) & common)
                continue;
            bool nested = a->mask != b->mask && (common == a->mask || common == b->mask);
            if (!nested && both_match(a, b, &word))
                report(out, "%s and %s both match %08x\n", a->name, b->name, word);
        }
    }
}

static void check_row(struct report *out, unsigned op)
{
    const struct a64_row *r = &a64_rows()[op];
    if (r->error[0]) {
        report(out, "%s: %s\n", r->name, r->error);
        return;
    }
    uint64_t seed = 1 + op;
    uint32_t word = a64_random(op, next_random, &seed);
    struct a64_insn i;
    a64_decode(word, &i);
    if (i.op != op)
        report(out, "%s: no word decodes to this row\n", r->name);
    char text[160], error[96];
    struct a64_out o = {text, text + sizeof text - 1};
    if (!a64_print_form(&o, r->form, &i, 0, error, sizeof error))
        report(out, "%s: %s\n", r->name, error);
}

bool a64_check_table(char *buf, size_t size)
{
    struct report out = {.buf = buf, .size = size};
    if (size)
        *buf = 0;
    for (unsigned op = 1; op < A64_OP_COUNT; op++)
        check_row(&out, op);
    unsigned n;
    const struct a64_alias *a = a64_aliases(&n);
    for (unsigned k = 0; k < n; k++) {
        char text[160], error[96];
        struct a64_out o = {text, text + sizeof text - 1};
        struct a64_insn i = {.op = (uint16_t)a[k].op};
        if (a[k].error[0])
            report(&out, "alias of %s: %s\n", a64_name(a[k].op), a[k].error);
        else if (!a64_print_form(&o, a[k].form, &i, 0, error, sizeof error))
            report(&out, "alias of %s: %s\n", a64_name(a[k].op), error);
    }
    check_overlaps(&out, a64_rows());
    return out.count == 0;
}
