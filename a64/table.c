/*
 * table.c - the rows of a64.inc, parsed once at the first use.
 *
 * Parsing takes about a millisecond; nothing but this file reads patterns.
 */
#include "a64/table.h"
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>

const struct a64_field a64_fields[] = {
#define A64_FIELD(name, member, bits, is_signed) {#name, offsetof(struct a64_insn, member), bits, is_signed},
#include "a64/fields.inc"
#undef A64_FIELD
};
const unsigned a64_n_fields = ARRAY_SIZE(a64_fields);

static struct a64_row rows[A64_OP_COUNT] = {
    [A64_UNALLOCATED] = {.name = "UNALLOCATED", .pattern = "", .form = "<unknown>", .section = "", .condition_text = ""},
#define ROW(n, p, f, feat, s, c, t) \
    [A64_##n] = {.name = #n, .pattern = p, .form = f, .feature = A64_FEAT_##feat, .section = s, .condition_text = c, .todo = t},
#define A64(n, p, f, feat, s, c)      ROW(n, p, f, feat, s, c, false)
#define A64_TODO(n, p, f, feat, s, c) ROW(n, p, f, feat, s, c, true)
#include "a64/a64.inc"
#undef A64
#undef A64_TODO
#undef ROW
};

static struct a64_alias aliases[] = {
#define A64_ALIAS(row, c, f) {.op = A64_##row, .condition_text = c, .form = f},
#include "a64/aliases.inc"
#undef A64_ALIAS
    {.op = A64_UNALLOCATED, .condition_text = "0 == 1", .form = ""},
};

static struct a64_condition conditions[A64_OP_COUNT];

const struct a64_field *a64_find_field(const char *name, size_t n)
{
    for (unsigned k = 0; k < a64_n_fields; k++)
        if (strlen(a64_fields[k].name) == n && !memcmp(a64_fields[k].name, name, n))
            return &a64_fields[k];
    return NULL;
}

static unsigned add_field(struct a64_row *r, const char *name, size_t n, int top)
{
    const struct a64_field *f = a64_find_field(name, n);
    if (!f || r->n_slots == A64_MAX_SLOTS || f->bits > top) {
        snprintf(r->error, sizeof r->error, "%s: %.*s", !f ? "unknown field" : "does not fit", (int)n, name);
        return 0;
    }
    r->slot[r->n_slots++] = (struct a64_slot){f->member, (uint8_t)(top - f->bits), f->bits, f->is_signed};
    return f->bits;
}

/* One token of a pattern whose first bit is top - 1; returns the bits it took, 0 if it is wrong. */
static unsigned parse_token(struct a64_row *r, const char *p, size_t n, int top)
{
    if (strspn(p, "01x()") < n)
        return add_field(r, p, n, top);
    unsigned bits = 0;
    bool should = false;
    for (size_t k = 0; k < n; k++) {
        if (p[k] == '(' || p[k] == ')') {
            should = p[k] == '(';
            continue;
        }
        if ((int)++bits > top)
            return bits;
        uint32_t bit = UINT32_C(1) << (top - (int)bits);
        if (p[k] == 'x')
            continue;
        *(should ? &r->should_mask : &r->mask) |= bit;
        if (p[k] == '1')
            *(should ? &r->should : &r->value) |= bit;
    }
    return bits;
}

static void parse_row(struct a64_row *r, struct a64_condition *c)
{
    int top = 32;
    for (const char *p = r->pattern; *p && !r->error[0];) {
        size_t n = strcspn(p, " ");
        if (n)
            top -= (int)parse_token(r, p, n, top);
        p += n + strspn(p + n, " ");
    }
    if (!r->error[0] && top != 0)
        snprintf(r->error, sizeof r->error, "pattern has %d bits", 32 - top);
    if (r->condition_text[0] &&
        a64_condition_parse(r->condition_text, strlen(r->condition_text), c, r->error, sizeof r->error))
        r->condition = c;
}

static void build(void)
{
    for (unsigned op = 1; op < A64_OP_COUNT; op++)
        parse_row(&rows[op], &conditions[op]);
    for (unsigned k = 0; k < ARRAY_SIZE(aliases); k++)
        a64_condition_parse(aliases[k].condition_text, strlen(aliases[k].condition_text), &aliases[k].condition,
                            aliases[k].error, sizeof aliases[k].error);
}

const struct a64_row *a64_rows(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build);
    return rows;
}

const struct a64_alias *a64_aliases(unsigned *n)
{
    a64_rows();
    *n = ARRAY_SIZE(aliases) - 1;
    return aliases;
}

void a64_extract(const struct a64_row *r, uint32_t word, struct a64_insn *out)
{
    memset(out, 0, sizeof *out);
    out->word = word;
    out->op = (uint16_t)(r - rows);
    for (unsigned k = 0; k < r->n_slots; k++) {
        const struct a64_slot *s = &r->slot[k];
        uint32_t raw = word << (32 - s->shift - s->bits);
        int32_t v = s->is_signed ? (int32_t)raw >> (32 - s->bits) : (int32_t)(raw >> (32 - s->bits));
        memcpy((char *)out + s->member, &v, sizeof v);
    }
}

bool a64_row_matches(const struct a64_row *r, uint32_t word, struct a64_insn *out)
{
    if ((word & r->mask) != r->value)
        return false;
    a64_extract(r, word, out);
    return !r->condition || a64_condition_holds(r->condition, out);
}

const char *a64_name(enum a64_op op)
{
    return rows[op].name;
}

enum a64_feature a64_feature_of(enum a64_op op)
{
    return rows[op].feature;
}

bool a64_is_todo(enum a64_op op)
{
    return rows[op].todo;
}

bool a64_is_proper(const struct a64_insn *i)
{
    const struct a64_row *r = &a64_rows()[i->op];
    return (i->word & r->should_mask) == r->should;
}
