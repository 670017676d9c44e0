/* lzfse_tables.h - what encoder and decoder of LZFSE share: magics, alphabets, header fields. */
#ifndef FORMATS_LZFSE_TABLES_H
#define FORMATS_LZFSE_TABLES_H

#include "base/bits.h"

enum {
    LZFSE_END = 0x24787662,   /* "bvx$" */
    LZFSE_PLAIN = 0x2d787662, /* "bvx-" */
    LZFSE_V1 = 0x31787662,    /* "bvx1" */
    LZFSE_V2 = 0x32787662,    /* "bvx2" */
    LZFSE_LZVN = 0x6e787662,  /* "bvxn" */

    LZFSE_PLAIN_HEAD = 8, LZFSE_LZVN_HEAD = 12, LZFSE_V1_HEAD = 770, LZFSE_V2_HEAD_MIN = 32, LZFSE_V2_HEAD_MAX = 32 + 2 * 360,

    L_SYMBOLS = 20, M_SYMBOLS = 20, D_SYMBOLS = 64, LITERAL_SYMBOLS = 256, ALL_SYMBOLS = 360,
    L_STATES = 64, M_STATES = 64, D_STATES = 256, LITERAL_STATES = 1024,
    LITERALS_MAX = 40000, MATCHES_MAX = 10000, /* in a block */
    L_MAX = 315, M_MAX = 2359, D_MAX = 262139,
};

/* A length or distance is a symbol and some extra bits: base[s] + bits, of width extra[s]. */
static const uint8_t l_extra[L_SYMBOLS] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 5, 8};
static const uint8_t m_extra[M_SYMBOLS] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 5, 8, 11};
/* Of distances: four symbols for each width from 0 to 15. */
static inline unsigned d_extra(unsigned symbol)
{
    return symbol / 4;
}

/* The three packed words of the second header form. */
struct lzfse_head {
    uint32_t raw_bytes, header_bytes;
    uint32_t literals, literal_bytes, matches, lmd_bytes;
    int literal_bits, lmd_bits; /* 0 .. -7: unused bits at the top of the last byte */
    uint16_t literal_state[4], l_state, m_state, d_state;
    uint16_t frequency[ALL_SYMBOLS]; /* L, M, D, literals */
};

#endif
