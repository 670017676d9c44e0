/* random.c - random valid instructions of one row. */
#include "a64/table.h"

/* Corner values are more frequent in fields than chance would make them. */
static uint32_t random_fields(const struct a64_row *r, uint64_t (*rng)(void *ctx), void *ctx)
{
    uint32_t word = (uint32_t)rng(ctx);
    for (unsigned k = 0; k < r->n_slots; k++) {
        uint32_t field = (uint32_t)ones(r->slot[k].bits) << r->slot[k].shift;
        unsigned dice = (unsigned)rng(ctx) & 31;
        if (dice == 0)
            word &= ~field;
        else if (dice == 1)
            word |= field;
    }
    return (word & ~(r->mask | r->should_mask)) | r->value | r->should;
}

uint32_t a64_random(enum a64_op op, uint64_t (*rng)(void *ctx), void *ctx)
{
    const struct a64_row *r = &a64_rows()[op];
    for (unsigned tries = 0; tries < 1000000; tries++) {
        uint32_t word = random_fields(r, rng, ctx);
        struct a64_insn i;
        a64_decode(word, &i);
        if (i.op == op)
            return word;
    }
    return 0; /* the table check reports rows that no word reaches */
}
