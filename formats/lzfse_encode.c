/*
 * lzfse_encode.c - writing LZFSE.
 *
 * A greedy search (a hash table of the last four places of each four bytes) makes triples of literals, match and distance; a block is full
 * of them, or the end is reached; then it is written in the second header form, or plain when that is shorter. The format: lzfse_decode.c.
 */
#include "formats/lzfse.h"
#include "formats/lzfse_tables.h"

#include <stdlib.h>

enum { HASH_BITS = 14, WAYS = 4, MATCH_MIN = 4, GOOD_ENOUGH = 64 };

struct triple {
    uint32_t l, m, d;
};

struct encoder {
    const uint8_t *in;
    size_t n, at;                 /* in[..at) is in triples */
    size_t (*places)[WAYS];       /* by hash: place + 1, 0 for none */
    uint32_t matches, literals;   /* of the block being gathered */
    struct triple triples[MATCHES_MAX];
    uint8_t literal[LITERALS_MAX + 4];
};

/* --- bits, from the first byte to the last; the decoder goes the other way --- */

struct bits_out {
    uint64_t accum;
    unsigned n;
    uint8_t *at;
};

static void push(struct bits_out *b, unsigned n, uint64_t v)
{
    b->accum |= v << b->n;
    b->n += n;
}

static void drain(struct bits_out *b)
{
    for (; b->n >= 8; b->n -= 8, b->accum >>= 8)
        *b->at++ = (uint8_t)b->accum;
}

/* Returns 0 .. -7: the unused bits of the last byte. */
static int finish(struct bits_out *b)
{
    drain(b);
    int unused = b->n ? (int)b->n - 8 : 0;
    if (b->n)
        *b->at++ = (uint8_t)b->accum;
    return unused;
}

/* --- state machines --- */

struct coding {
    int16_t first, delta_high, delta_low; /* states from `first` on take `bits` bits, those before it one less */
    uint8_t bits;
};

/* Scales counts so that they sum to states and none that is used becomes 0. */
static void normalise(const uint32_t *count, unsigned symbols, unsigned states, uint16_t *frequency)
{
    uint64_t sum = 0;
    int left = (int)states;
    unsigned top = 0;
    for (unsigned i = 0; i < symbols; i++)
        sum += count[i];
    for (unsigned i = 0; i < symbols; i++) {
        uint64_t f = count[i] ? (count[i] * (uint64_t)states + sum / 2) / sum : 0;
        frequency[i] = (uint16_t)(count[i] && !f ? 1 : f);
        left -= frequency[i];
        if (frequency[i] > frequency[top])
            top = i;
    }
    for (; left < 0; left++) { /* the largest gives */
        for (unsigned i = 0; i < symbols; i++)
            if (frequency[i] > frequency[top])
                top = i;
        frequency[top]--;
    }
    frequency[top] = (uint16_t)(frequency[top] + left);
}

static void make_codings(const uint16_t *frequency, unsigned symbols, unsigned states, struct coding *c)
{
    int offset = 0;
    for (unsigned i = 0; i < symbols; i++) {
        int f = frequency[i];
        if (!f)
            continue;
        int k = __builtin_clz((unsigned)f) - __builtin_clz(states);
        c[i] = (struct coding){(int16_t)((f << k) - (int)states), (int16_t)(offset - f + (int)(states >> k)),
                               (int16_t)(offset - f + (int)(2 * states >> k)), (uint8_t)k};
        offset += f;
    }
}

static void code(struct bits_out *b, const struct coding *c, uint16_t *state)
{
    int s = *state;
    bool high = s >= c->first;
    unsigned bits = high ? c->bits : c->bits - 1u;
    push(b, bits, (uint64_t)s & ones(bits));
    *state = (uint16_t)((high ? c->delta_high : c->delta_low) + (s >> bits));
}

/* --- symbols --- */

struct symbol {
    uint8_t symbol, bits;
    uint32_t extra;
};

static struct symbol symbol_of(uint32_t value, unsigned symbols, const uint8_t *extra)
{
    uint32_t base = 0;
    for (unsigned s = 0;; s++) {
        unsigned bits = extra ? extra[s] : d_extra(s);
        if (value < base + (1u << bits) || s == symbols - 1)
            return (struct symbol){(uint8_t)s, (uint8_t)bits, value - base};
        base += 1u << bits;
    }
}

/* --- a block --- */

struct coded {
    struct lzfse_head head;
    struct symbol l[MATCHES_MAX], m[MATCHES_MAX], d[MATCHES_MAX];
    struct coding codings[LITERAL_SYMBOLS];
};

static void count_symbols(const struct encoder *e, struct coded *c)
{
    uint32_t count[ALL_SYMBOLS] = {0}, *l = count, *m = l + L_SYMBOLS, *d = m + M_SYMBOLS, *literal = d + D_SYMBOLS;
    uint16_t *f = c->head.frequency;
    for (uint32_t i = 0; i < e->matches; i++) {
        c->l[i] = symbol_of(e->triples[i].l, L_SYMBOLS, l_extra);
        c->m[i] = symbol_of(e->triples[i].m, M_SYMBOLS, m_extra);
        c->d[i] = symbol_of(e->triples[i].d, D_SYMBOLS, NULL);
        l[c->l[i].symbol]++;
        m[c->m[i].symbol]++;
        d[c->d[i].symbol]++;
    }
    for (uint32_t i = 0; i < c->head.literals; i++)
        literal[e->literal[i]]++;
    normalise(l, L_SYMBOLS, L_STATES, f);
    normalise(m, M_SYMBOLS, M_STATES, f + L_SYMBOLS);
    normalise(d, D_SYMBOLS, D_STATES, f + L_SYMBOLS + M_SYMBOLS);
    if (c->head.literals)
        normalise(literal, LITERAL_SYMBOLS, LITERAL_STATES, f + L_SYMBOLS + M_SYMBOLS + D_SYMBOLS);
    else
        f[L_SYMBOLS + M_SYMBOLS + D_SYMBOLS] = LITERAL_STATES;
}

static uint8_t *put_literals(const struct encoder *e, struct coded *c, uint8_t *to)
{
    struct bits_out b = {.at = to};
    uint16_t *state = c->head.literal_state;
    make_codings(c->head.frequency + L_SYMBOLS + M_SYMBOLS + D_SYMBOLS, LITERAL_SYMBOLS, LITERAL_STATES, c->codings);
    for (uint32_t i = c->head.literals; i;) {
        for (unsigned k = 4; k--;)
            code(&b, &c->codings[e->literal[--i]], &state[k]);
        drain(&b);
    }
    c->head.literal_bits = finish(&b);
    c->head.literal_bytes = (uint32_t)(b.at - to);
    return b.at;
}

static void put_symbol(struct bits_out *b, const struct symbol *s, const struct coding *codings, uint16_t *state)
{
    push(b, s->bits, s->extra);
    code(b, &codings[s->symbol], state);
    drain(b);
}

static uint8_t *put_triples(const struct encoder *e, struct coded *c, uint8_t *to)
{
    struct bits_out b = {.at = to + 8}; /* 8 zeroes first: decoders load words that reach below the stream */
    struct coding *l = c->codings, *m = l + L_SYMBOLS, *d = m + M_SYMBOLS;
    const uint16_t *f = c->head.frequency;
    memset(to, 0, 8);
    make_codings(f, L_SYMBOLS, L_STATES, l);
    make_codings(f + L_SYMBOLS, M_SYMBOLS, M_STATES, m);
    make_codings(f + L_SYMBOLS + M_SYMBOLS, D_SYMBOLS, D_STATES, d);
    for (uint32_t i = e->matches; i--;) {
        put_symbol(&b, &c->d[i], d, &c->head.d_state);
        put_symbol(&b, &c->m[i], m, &c->head.m_state);
        put_symbol(&b, &c->l[i], l, &c->head.l_state);
    }
    c->head.lmd_bits = finish(&b);
    c->head.lmd_bytes = (uint32_t)(b.at - to);
    return b.at;
}

static uint8_t *put_frequencies(const uint16_t *frequency, uint8_t *to)
{
    static const struct { uint8_t bits, code; } small[8] = {{2, 0}, {2, 2}, {3, 1}, {3, 5}, {5, 3}, {5, 11}, {5, 19}, {5, 27}};
    struct bits_out b = {.at = to};
    for (unsigned i = 0; i < ALL_SYMBOLS; i++) {
        unsigned f = frequency[i];
        if (f < 8)
            push(&b, small[f].bits, small[f].code);
        else if (f < 24)
            push(&b, 8, (f - 8) << 4 | 7);
        else
            push(&b, 14, (f - 24) << 4 | 15);
        drain(&b);
    }
    finish(&b);
    return b.at;
}

static void put_head(const struct lzfse_head *h, uint8_t *to)
{
    le32_put(to, LZFSE_V2);
    le32_put(to + 4, h->raw_bytes);
    le64_put(to + 8, h->literals | (uint64_t)h->literal_bytes << 20 | (uint64_t)h->matches << 40 | (uint64_t)(h->literal_bits + 7) << 60);
    uint64_t states = 0;
    for (unsigned i = 0; i < 4; i++)
        states |= (uint64_t)h->literal_state[i] << 10 * i;
    le64_put(to + 16, states | (uint64_t)h->lmd_bytes << 40 | (uint64_t)(h->lmd_bits + 7) << 60);
    le64_put(to + 24, h->header_bytes | (uint64_t)h->l_state << 32 | (uint64_t)h->m_state << 42 | (uint64_t)h->d_state << 52);
}

static uint8_t *put_plain(const uint8_t *bytes, size_t n, uint8_t *to)
{
    le32_put(to, LZFSE_PLAIN);
    le32_put(to + 4, (uint32_t)n);
    memcpy(to + LZFSE_PLAIN_HEAD, bytes, n);
    return to + LZFSE_PLAIN_HEAD + n;
}

enum { BODY_MAX = 8 + LITERALS_MAX * 2 + MATCHES_MAX * 8 };

/* Writes in[begin..at), whose triples are gathered, at `to`. scratch[BODY_MAX]. */
static uint8_t *put_block(struct encoder *e, size_t begin, struct coded *c, uint8_t *scratch, uint8_t *to)
{
    size_t raw = e->at - begin;
    uint8_t head[LZFSE_V2_HEAD_MAX];
    memset(c, 0, sizeof *c);
    while (e->literals % 4) /* four machines take turns */
        e->literal[e->literals++] = 0;
    c->head.raw_bytes = (uint32_t)raw;
    c->head.literals = e->literals;
    c->head.matches = e->matches;
    count_symbols(e, c);
    uint8_t *end = put_triples(e, c, put_literals(e, c, scratch));
    size_t body = (size_t)(end - scratch);
    c->head.header_bytes = (uint32_t)(put_frequencies(c->head.frequency, head + LZFSE_V2_HEAD_MIN) - head);
    e->matches = e->literals = 0;
    if (c->head.header_bytes + body >= LZFSE_PLAIN_HEAD + raw)
        return put_plain(e->in + begin, raw, to);
    put_head(&c->head, head);
    memcpy(to, head, c->head.header_bytes);
    memcpy(to + c->head.header_bytes, scratch, body);
    return to + c->head.header_bytes + body;
}

/* --- the search --- */

static size_t common(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t differ = le64_get(a + i) ^ le64_get(b + i);
        if (differ)
            return i + (size_t)__builtin_ctzll(differ) / 8;
    }
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static size_t *places_of(struct encoder *e, size_t at)
{
    return e->places[le32_get(e->in + at) * 2654435761u >> (32 - HASH_BITS)];
}

static void remember(struct encoder *e, size_t at)
{
    size_t *p = places_of(e, at);
    memmove(p + 1, p, (WAYS - 1) * sizeof *p);
    p[0] = at + 1;
}

/* The longest match for what is at `at`; 0 when there is none. */
static size_t search(struct encoder *e, size_t at, uint32_t *distance)
{
    const size_t *p = places_of(e, at);
    size_t best = 0, most = MIN(e->n - at, (size_t)M_MAX);
    for (unsigned i = 0; i < WAYS && p[i] && at - (p[i] - 1) <= D_MAX; i++) {
        size_t n = common(e->in + p[i] - 1, e->in + at, most);
        if (n > best && n >= MATCH_MIN) {
            best = n;
            *distance = (uint32_t)(at - (p[i] - 1));
        }
    }
    return best;
}

static bool block_full(const struct encoder *e)
{
    return e->matches == MATCHES_MAX - 1 || e->literals > LITERALS_MAX - L_MAX - 4;
}

/* Gathers one triple, or a run of literals as long as one takes. */
static void gather(struct encoder *e, uint32_t *last_distance)
{
    struct triple *t = &e->triples[e->matches++];
    *t = (struct triple){0};
    size_t m = 0;
    uint32_t d = 0;
    while (e->at + t->l < e->n && t->l < L_MAX) {
        size_t at = e->at + t->l;
        if (at + MATCH_MIN <= e->n) {
            m = search(e, at, &d);
            remember(e, at);
            if (m)
                break;
        }
        t->l++;
    }
    memcpy(e->literal + e->literals, e->in + e->at, t->l);
    e->literals += t->l;
    e->at += t->l;
    t->m = (uint32_t)m;
    if (m) {
        t->d = d == *last_distance ? 0 : d;
        *last_distance = d;
    } else if (!*last_distance) {
        t->d = *last_distance = 1; /* not used, but decoders look at it */
    }
    for (size_t i = 1; i < m && i < GOOD_ENOUGH && e->at + i + MATCH_MIN <= e->n; i++)
        remember(e, e->at + i);
    e->at += m;
}

size_t lzfse_bound(size_t n)
{
    return n + (n / 4096 + 2) * LZFSE_PLAIN_HEAD + 4;
}

size_t lzfse_encode(const void *bytes, size_t n, void *out)
{
    struct encoder *e = calloc(1, sizeof *e);
    struct coded *c = malloc(sizeof *c);
    uint8_t *scratch = malloc(BODY_MAX), *to = out;
    if (e)
        e->places = calloc(BIT(HASH_BITS), sizeof *e->places);
    if (e && c && scratch && e->places) {
        e->in = bytes;
        e->n = n;
        while (e->at < n) {
            size_t begin = e->at;
            for (uint32_t distance = 0; e->at < n && !block_full(e);)
                gather(e, &distance);
            to = put_block(e, begin, c, scratch, to);
        }
        le32_put(to, LZFSE_END);
        to += 4;
    }
    if (e)
        free(e->places);
    free(e);
    free(c);
    free(scratch);
    return (size_t)(to - (uint8_t *)out);
}
