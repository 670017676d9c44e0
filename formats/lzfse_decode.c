/*
 * lzfse_decode.c - reading LZFSE.
 *
 * How it works. Blocks are decoded into `struct out`, a window: the caller's whole buffer, or 1 MiB that slides over the stream and
 * keeps the last 256 KiB for matches. A block of the entropy-coded kind is two bit streams that are read from their last byte to their first:
 * literals through four interleaved state machines, then triples (L literals, match of M bytes, distance D) through three. A state
 * machine's entry says how many bits to take and what to add to them for the next state.
 */
#include "formats/lzfse.h"
#include "base/error.h"
#include "formats/lzfse_tables.h"

#include <stdlib.h>

enum { WINDOW = 1 << 20, HISTORY = 1 << 18, LZVN_MAX = 16 << 20 };

static bool damaged(struct pome_error *err, const char *what)
{
    return pome_fail(err, POME_ERROR_INVALID_DATA, "LZFSE: %s", what);
}

/* --- output --- */

struct out {
    uint8_t *bytes;
    size_t size, at, flushed; /* bytes[flushed..at) have not been given to sink */
    uint64_t left;            /* bytes that may still come */
    uint64_t total;
    bytes_sink *sink;         /* NULL: bytes is the caller's, nothing slides */
    void *user;
};

static bool flush(struct out *o, struct pome_error *err)
{
    bool ok = o->at == o->flushed || o->sink(o->user, o->bytes + o->flushed, o->at - o->flushed, err);
    size_t keep = MIN(o->at, HISTORY);
    memmove(o->bytes, o->bytes + o->at - keep, keep);
    o->at = o->flushed = keep;
    return ok;
}

/* Makes room for n bytes, n <= WINDOW - HISTORY when it slides. */
static bool room(struct out *o, size_t n, struct pome_error *err)
{
    if (n > o->left)
        return damaged(err, "more comes out than was announced");
    o->left -= n;
    o->total += n;
    return n <= o->size - o->at || (o->sink && flush(o, err));
}

static bool put(struct out *o, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    while (n) {
        size_t piece = MIN(n, (size_t)WINDOW - HISTORY);
        if (!room(o, piece, err))
            return false;
        memcpy(o->bytes + o->at, bytes, piece);
        o->at += piece;
        bytes += piece;
        n -= piece;
    }
    return true;
}

/* n <= WINDOW - HISTORY: both kinds of match are far shorter. */
static bool match(struct out *o, size_t distance, size_t n, struct pome_error *err)
{
    if (!distance || distance > o->at || distance > HISTORY)
        return damaged(err, "a match reaches before the first byte");
    if (!room(o, n, err))
        return false;
    uint8_t *to = o->bytes + o->at;
    const uint8_t *from = to - distance;
    o->at += n;
    if (distance >= n) {
        memcpy(to, from, n);
        return true;
    }
    for (; n >= 8 && distance >= 8; n -= 8, to += 8, from += 8)
        memcpy(to, from, 8);
    while (n--)
        *to++ = *from++;
    return true;
}

/* --- LZVN: bytes that say "L literals, then M bytes from D back" --- */

/* What the first byte says. Lower-case: field in the byte; the following bytes hold the rest. */
struct lzvn_op {
    size_t bytes, literals, match, distance; /* distance 0: the one before */
};

enum lzvn_kind { OP, NOTHING, END, WRONG };

static enum lzvn_kind lzvn_read(const uint8_t *p, size_t n, struct lzvn_op *op)
{
    unsigned b = p[0], low = b & 7;
    uint8_t next[2] = {n > 1 ? p[1] : 0, n > 2 ? p[2] : 0};
    *op = (struct lzvn_op){.bytes = 1};
    if (b >= 0xf0) { /* only a match; 15 or less, or 16 and more in a byte */
        op->bytes += b == 0xf0;
        op->match = b == 0xf0 ? 16u + next[0] : b & 15;
    } else if (b >= 0xe0) { /* only literals */
        op->bytes += b == 0xe0;
        op->literals = b == 0xe0 ? 16u + next[0] : b & 15;
    } else if (b >= 0xa0 && b < 0xc0) { /* 101LLMMM DDDDDDMM DDDDDDDD */
        unsigned word = le16_get(next);
        *op = (struct lzvn_op){3, b >> 3 & 3, (low << 2 | (word & 3)) + 3, word >> 2};
    } else if ((b >= 0x70 && b < 0x80) || (b >= 0xd0)) {
        return WRONG;
    } else if (low == 6 && b < 0x40) {
        return b == 6 ? END : b == 0x0e || b == 0x16 ? NOTHING : WRONG;
    } else { /* LLMMMDDD */
        op->literals = b >> 6;
        op->match = (b >> 3 & 7) + 3;
        if (low == 7) {
            op->bytes = 3;
            op->distance = le16_get(next);
        } else if (low != 6) {
            op->bytes = 2;
            op->distance = low << 8 | next[0];
        }
        if (low != 6 && !op->distance)
            return WRONG;
    }
    return op->bytes > n ? WRONG : OP;
}

static bool decode_lzvn(const uint8_t *p, size_t n, uint32_t raw_bytes, struct out *o, struct pome_error *err)
{
    uint64_t begin = o->total;
    size_t distance = 0;
    while (n) {
        struct lzvn_op op;
        enum lzvn_kind kind = lzvn_read(p, n, &op);
        if (kind == END)
            return o->total - begin == raw_bytes || damaged(err, "an LZVN block gives another number of bytes than it says");
        if (kind == WRONG)
            return damaged(err, "an LZVN instruction that does not exist or is cut");
        p += op.bytes;
        n -= op.bytes;
        if (kind == NOTHING)
            continue;
        if (op.distance)
            distance = op.distance;
        if (op.literals > n || !put(o, p, op.literals, err))
            return op.literals > n ? damaged(err, "an LZVN block ends in its literals") : false;
        p += op.literals;
        n -= op.literals;
        if ((op.match && !match(o, distance, op.match, err)))
            return false;
        if (o->total - begin > raw_bytes)
            return damaged(err, "an LZVN block gives more bytes than it says");
    }
    return damaged(err, "an LZVN block has no end");
}

/* --- bits, from the last byte to the first --- */

struct bits_in {
    uint64_t accum;
    unsigned n;              /* bits in accum */
    const uint8_t *at, *begin;
    bool wrong;
};

/* unused: 0 .. -7. The bytes before a stream (its block's header) may be loaded, never used by a right stream. */
static struct bits_in bits_over(const uint8_t *block, const uint8_t *end, int unused)
{
    unsigned take = unused ? 8 : 7;
    struct bits_in b = {.begin = block, .at = end - take};
    if ((size_t)(end - block) < 8) {
        b.wrong = true;
        return b;
    }
    b.accum = unused ? le64_get(end - 8) : le64_get(end - 8) >> 8;
    b.n = (unsigned)((int)(8 * take) + unused);
    b.wrong = b.accum >> b.n; /* n is 49..63 */
    b.accum &= ones(b.n);
    return b;
}

/* At least 56 bits in accum. */
static void refill(struct bits_in *b)
{
    unsigned take = (63 - b->n) & ~7u;
    if (!take)
        return;
    if ((size_t)(b->at - b->begin) < take / 8 || b->wrong) {
        b->wrong = true;
        b->n = 63;
        b->accum = 0;
        return;
    }
    b->at -= take / 8;
    b->accum = b->accum << take | (le64_get(b->at) & ones(take));
    b->n += take;
}

static unsigned pull(struct bits_in *b, unsigned n)
{
    b->n -= n;
    unsigned v = (unsigned)(b->accum >> b->n);
    b->accum &= ones(b->n);
    return v;
}

/* --- state machines --- */

struct step {
    uint8_t bits, value_bits; /* to take in all; of these, the value's extra bits */
    int16_t delta;
    uint32_t base;
};

/* Each symbol gets as many states as its frequency says. states is a power of two. */
static bool make_steps(const uint16_t *frequency, unsigned symbols, unsigned states, const uint8_t *extra, bool distances, struct step *steps)
{
    unsigned used = 0, base = 0;
    for (unsigned s = 0; s < symbols; s++) {
        unsigned f = frequency[s], value_bits = extra ? extra[s] : distances ? d_extra(s) : 0;
        unsigned value = extra || distances ? base : s;
        base += 1u << value_bits;
        if (!f)
            continue;
        if (f > states - used)
            return false;
        unsigned k = (unsigned)__builtin_clz(f) - (unsigned)__builtin_clz(states), wide = (2 * states >> k) - f;
        for (unsigned j = 0; j < f; j++) {
            unsigned bits = j < wide ? k : k - 1;
            int delta = j < wide ? (int)((f + j) << k) - (int)states : (int)((j - wide) << bits);
            steps[used + j] = (struct step){(uint8_t)(bits + value_bits), (uint8_t)value_bits, (int16_t)delta, value};
        }
        used += f;
    }
    for (; used < states; used++) /* states no right stream reaches */
        steps[used] = (struct step){0};
    return true;
}

static uint32_t take(struct bits_in *b, const struct step *steps, uint16_t *state)
{
    const struct step *s = &steps[*state];
    unsigned v = pull(b, s->bits);
    *state = (uint16_t)(s->delta + (int)(v >> s->value_bits));
    return s->base + (v & (uint32_t)ones(s->value_bits));
}

/* --- block headers --- */

/* Frequencies: small numbers have short codes. */
static bool read_frequencies(const uint8_t *p, const uint8_t *end, uint16_t *frequency)
{
    static const uint8_t bits[32] = {2, 3, 2, 5, 2, 3, 2, 8, 2, 3, 2, 5, 2, 3, 2, 14, 2, 3, 2, 5, 2, 3, 2, 8, 2, 3, 2, 5, 2, 3, 2, 14};
    static const uint8_t value[32] = {0, 2, 1, 4, 0, 3, 1, 0, 0, 2, 1, 5, 0, 3, 1, 0, 0, 2, 1, 6, 0, 3, 1, 0, 0, 2, 1, 7, 0, 3, 1, 0};
    uint32_t accum = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < ALL_SYMBOLS; i++) {
        for (; n < 14 && p < end; n += 8)
            accum |= (uint32_t)*p++ << n;
        unsigned code = accum & 31, width = bits[code];
        if (width > n)
            return false;
        frequency[i] = width == 8 ? 8 + (accum >> 4 & 15) : width == 14 ? 24 + (accum >> 4 & 1023) : value[code];
        accum >>= width;
        n -= width;
    }
    return n < 8 && p == end;
}

static bool read_v2(const uint8_t *p, size_t n, struct lzfse_head *h)
{
    uint64_t a = le64_get(p + 8), b = le64_get(p + 16), c = le64_get(p + 24);
    *h = (struct lzfse_head){
        .raw_bytes = le32_get(p + 4), .header_bytes = (uint32_t)c,
        .literals = (uint32_t)bits_get(a, 19, 0), .literal_bytes = (uint32_t)bits_get(a, 39, 20), .matches = (uint32_t)bits_get(a, 59, 40),
        .literal_bits = (int)bits_get(a, 62, 60) - 7,
        .lmd_bytes = (uint32_t)bits_get(b, 59, 40), .lmd_bits = (int)bits_get(b, 62, 60) - 7,
        .l_state = (uint16_t)bits_get(c, 41, 32), .m_state = (uint16_t)bits_get(c, 51, 42), .d_state = (uint16_t)bits_get(c, 61, 52),
    };
    for (unsigned i = 0; i < 4; i++)
        h->literal_state[i] = (uint16_t)bits_get(b, 10 * i + 9, 10 * i);
    if (h->header_bytes < LZFSE_V2_HEAD_MIN || h->header_bytes > n)
        return false;
    return h->header_bytes == LZFSE_V2_HEAD_MIN || read_frequencies(p + LZFSE_V2_HEAD_MIN, p + h->header_bytes, h->frequency);
}

static void read_v1(const uint8_t *p, struct lzfse_head *h)
{
    *h = (struct lzfse_head){
        .raw_bytes = le32_get(p + 4), .header_bytes = LZFSE_V1_HEAD, .literals = le32_get(p + 12), .matches = le32_get(p + 16),
        .literal_bytes = le32_get(p + 20), .lmd_bytes = le32_get(p + 24), .literal_bits = (int)le32_get(p + 28), .lmd_bits = (int)le32_get(p + 40),
        .l_state = le16_get(p + 44), .m_state = le16_get(p + 46), .d_state = le16_get(p + 48),
    };
    for (unsigned i = 0; i < 4; i++)
        h->literal_state[i] = le16_get(p + 32 + 2 * i);
    for (unsigned i = 0; i < ALL_SYMBOLS; i++)
        h->frequency[i] = le16_get(p + 50 + 2 * i);
}

static bool head_ok(const struct lzfse_head *h)
{
    bool ok = h->literals <= LITERALS_MAX && h->matches <= MATCHES_MAX && h->literal_bytes < 1 << 20 && h->lmd_bytes < 1 << 20 &&
              h->literal_bits <= 0 && h->literal_bits >= -7 && h->lmd_bits <= 0 && h->lmd_bits >= -7 && h->l_state < L_STATES &&
              h->m_state < M_STATES && h->d_state < D_STATES;
    for (unsigned i = 0; i < 4; i++)
        ok = ok && h->literal_state[i] < LITERAL_STATES;
    return ok;
}

/* --- entropy-coded blocks --- */

struct tables {
    struct step l[L_STATES], m[M_STATES], d[D_STATES], literal[LITERAL_STATES];
    uint8_t literals[LITERALS_MAX + 4];
};

static bool decode_literals(const struct lzfse_head *h, const uint8_t *block, const uint8_t *end, struct tables *t)
{
    struct bits_in in = bits_over(block, end, h->literal_bits);
    uint16_t state[4];
    memcpy(state, h->literal_state, sizeof state);
    for (uint32_t i = 0; i < h->literals; i += 4) {
        refill(&in);
        for (unsigned k = 0; k < 4; k++)
            t->literals[i + k] = (uint8_t)take(&in, t->literal, &state[k]);
    }
    return !in.wrong;
}

static bool decode_matches(const struct lzfse_head *h, const uint8_t *block, const uint8_t *end, struct tables *t, struct out *o,
                           struct pome_error *err)
{
    struct bits_in in = bits_over(block, end, h->lmd_bits);
    uint16_t l_state = h->l_state, m_state = h->m_state, d_state = h->d_state;
    uint32_t used = 0, distance = 0;
    uint64_t begin = o->total;
    for (uint32_t i = 0; i < h->matches; i++) {
        refill(&in);
        uint32_t l = take(&in, t->l, &l_state), m = take(&in, t->m, &m_state), d = take(&in, t->d, &d_state);
        if (in.wrong || l > h->literals - used)
            return damaged(err, "a block's literals do not suffice");
        if (d)
            distance = d;
        if (!put(o, t->literals + used, l, err) || (m && !match(o, distance, m, err)))
            return false;
        used += l;
        if (o->total - begin > h->raw_bytes)
            return damaged(err, "a block gives more bytes than it says");
    }
    return o->total - begin == h->raw_bytes || damaged(err, "a block gives fewer bytes than it says");
}

static bool decode_entropy(const uint8_t *block, const struct lzfse_head *h, struct tables *t, struct out *o, struct pome_error *err)
{
    const uint16_t *f = h->frequency;
    const uint8_t *literals_end = block + h->header_bytes + h->literal_bytes;
    if (!make_steps(f, L_SYMBOLS, L_STATES, l_extra, false, t->l) || !make_steps(f += L_SYMBOLS, M_SYMBOLS, M_STATES, m_extra, false, t->m) ||
        !make_steps(f += M_SYMBOLS, D_SYMBOLS, D_STATES, NULL, true, t->d) ||
        !make_steps(f += D_SYMBOLS, LITERAL_SYMBOLS, LITERAL_STATES, NULL, false, t->literal))
        return damaged(err, "a block's frequencies are too many");
    if (h->literals && !decode_literals(h, block, literals_end, t))
        return damaged(err, "a block's literals are damaged");
    return decode_matches(h, block, literals_end + h->lmd_bytes, t, o, err);
}

/* --- blocks --- */

/* What the first n bytes of a block say about its length: false: more bytes are needed first (*need). Plain blocks: only the header. */
struct block {
    uint32_t magic;
    size_t bytes;      /* of the block; of a plain one, its header */
    uint32_t raw_bytes;
    struct lzfse_head head;
};

static bool block_size(const uint8_t *p, size_t n, struct block *b, size_t *need, struct pome_error *err)
{
    *need = 4;
    if (n < 4)
        return true;
    b->magic = le32_get(p);
    switch (b->magic) {
    case LZFSE_END: *need = b->bytes = 4; return true;
    case LZFSE_PLAIN: *need = b->bytes = LZFSE_PLAIN_HEAD; break;
    case LZFSE_LZVN: *need = LZFSE_LZVN_HEAD; break;
    case LZFSE_V1: *need = LZFSE_V1_HEAD; break;
    case LZFSE_V2: *need = n < LZFSE_V2_HEAD_MIN ? LZFSE_V2_HEAD_MIN : le32_get(p + 24); break;
    default: return damaged(err, "a block of an unknown kind");
    }
    if (*need > LZFSE_V1_HEAD || (b->magic == LZFSE_V2 && *need < LZFSE_V2_HEAD_MIN))
        return damaged(err, "a block's header is damaged");
    if (n < *need)
        return true;
    b->raw_bytes = le32_get(p + 4);
    if (b->magic == LZFSE_LZVN) {
        b->bytes = LZFSE_LZVN_HEAD + (size_t)le32_get(p + 8);
        if (b->bytes > LZVN_MAX)
            return damaged(err, "an LZVN block of more than 16 MiB");
    } else if (b->magic != LZFSE_PLAIN) {
        bool ok = true;
        if (b->magic == LZFSE_V1)
            read_v1(p, &b->head);
        else
            ok = read_v2(p, *need, &b->head);
        if (!ok || !head_ok(&b->head))
            return damaged(err, "a block's header is damaged");
        b->bytes = (size_t)b->head.header_bytes + b->head.literal_bytes + b->head.lmd_bytes;
    }
    *need = b->bytes;
    return true;
}

static bool decode_block(const uint8_t *p, const struct block *b, struct tables *t, struct out *o, struct pome_error *err)
{
    return b->magic == LZFSE_LZVN ? decode_lzvn(p + LZFSE_LZVN_HEAD, b->bytes - LZFSE_LZVN_HEAD, b->raw_bytes, o, err)
                                  : decode_entropy(p, &b->head, t, o, err);
}

struct lzfse_stream {
    struct out out;
    struct tables tables;
    uint8_t *in;          /* of the block that is not whole yet */
    size_t in_size, in_n;
    uint64_t plain_left;  /* of a plain block */
    bool ended;
};

/* Takes what it can from p; returns how much. Bytes stay behind when the block is not whole. */
static bool run(struct lzfse_stream *s, const uint8_t *p, size_t n, size_t *used, struct pome_error *err)
{
    *used = 0;
    while (!s->ended) {
        if (s->plain_left) {
            size_t piece = (size_t)MIN(s->plain_left, n - *used);
            if (!piece)
                return true;
            if (!put(&s->out, p + *used, piece, err))
                return false;
            s->plain_left -= piece;
            *used += piece;
            continue;
        }
        struct block b = {0};
        size_t need;
        if (!block_size(p + *used, n - *used, &b, &need, err))
            return false;
        if (need > n - *used)
            return true;
        if (b.magic == LZFSE_END)
            s->ended = true;
        else if (b.magic == LZFSE_PLAIN)
            s->plain_left = b.raw_bytes;
        else if (!decode_block(p + *used, &b, &s->tables, &s->out, err))
            return false;
        *used += b.bytes;
    }
    return true;
}

struct lzfse_stream *lzfse_begin(uint64_t max_out, bytes_sink *sink, void *user)
{
    struct lzfse_stream *s = calloc(1, sizeof *s);
    uint8_t *window = malloc(WINDOW);
    if (!s || !window) {
        free(s);
        free(window);
        return NULL;
    }
    s->out = (struct out){.bytes = window, .size = WINDOW, .left = max_out, .sink = sink, .user = user};
    return s;
}

static bool keep(struct lzfse_stream *s, const uint8_t *p, size_t n, struct pome_error *err)
{
    if (!n)
        return true;
    if (n > s->in_size - s->in_n) {
        size_t size = MAX(s->in_n + n, 2 * s->in_size);
        uint8_t *in = realloc(s->in, size);
        if (!in)
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "LZFSE: no memory for %zu bytes", size);
        s->in = in;
        s->in_size = size;
    }
    memcpy(s->in + s->in_n, p, n);
    s->in_n += n;
    return true;
}

bool lzfse_add(struct lzfse_stream *s, const void *bytes, size_t n, struct pome_error *err)
{
    const uint8_t *p = bytes;
    size_t used;
    while (n && !s->ended) {
        if (!s->in_n) { /* straight from the caller's bytes */
            if (!run(s, p, n, &used, err))
                return false;
            return s->ended || keep(s, p + used, n - used, err);
        }
        struct block b = {0};
        size_t need;
        if (!block_size(s->in, s->in_n, &b, &need, err))
            return false;
        size_t piece = need > s->in_n ? MIN(n, need - s->in_n) : 0;
        if (!keep(s, p, piece, err))
            return false;
        p += piece;
        n -= piece;
        if (!run(s, s->in, s->in_n, &used, err))
            return false;
        memmove(s->in, s->in + used, s->in_n - used);
        s->in_n -= used;
    }
    return true;
}

bool lzfse_end(struct lzfse_stream *s, struct pome_error *err)
{
    return s->ended ? flush(&s->out, err) : damaged(err, "the stream has no end");
}

uint64_t lzfse_produced(const struct lzfse_stream *s)
{
    return s->out.total;
}

void lzfse_free(struct lzfse_stream *s)
{
    if (!s)
        return;
    free(s->out.bytes);
    free(s->in);
    free(s);
}

bool lzfse_decode(const void *bytes, size_t n, void *out, size_t size, size_t *produced, struct pome_error *err)
{
    struct lzfse_stream *s = calloc(1, sizeof *s);
    size_t used;
    if (!s)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "LZFSE: no memory");
    s->out = (struct out){.bytes = out, .size = size, .left = size};
    bool ok = run(s, bytes, n, &used, err) && (s->ended || damaged(err, "the stream has no end"));
    *produced = (size_t)s->out.total;
    free(s);
    return ok;
}
