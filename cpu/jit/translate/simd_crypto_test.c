/*
 * simd_crypto_test.c - whole algorithms out of A64 instructions, against the examples of their standards: AES-128
 * (FIPS 197, C.1) with its pairs of instructions, SHA-256 (FIPS 180-4 example "abc").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/jit/translate/translate.h"

enum { MAX_WORDS = 512 };

struct program {
    uint32_t word[MAX_WORDS];
    unsigned n;
};

static void put(struct program *p, uint32_t opcode, unsigned rd, unsigned rn, unsigned rm)
{
    assert_true(p->n < MAX_WORDS);
    p->word[p->n++] = opcode | rm << 16 | rn << 5 | rd;
}

enum {
    AESE = 0x4e284800, AESD = 0x4e285800, AESMC = 0x4e286800, AESIMC = 0x4e287800, EOR = 0x6e201c00, ADD_4S = 0x4ea08400,
    MOV = 0x4ea01c00, SHA256H = 0x5e004000, SHA256H2 = 0x5e005000, SHA256SU0 = 0x5e282800, SHA256SU1 = 0x5e006000,
};

/* Translates and evaluates the whole program; `optimise` as the compiler would have it. */
static struct ir_block b;

static void run(const struct program *p, struct cpu_state *s, bool optimise)
{
    const struct ir_env env = {
        .pc_page_offset = offsetof(struct cpu_state, pc_page), .pc_offset = offsetof(struct cpu_state, pc),
        .flags_offset = offsetof(struct cpu_state, flags), .raised_offset = offsetof(struct cpu_state, raised),
        .fpcr_offset = offsetof(struct cpu_state, fpcr), .fpsr_offset = offsetof(struct cpu_state, fpsr)};
    char message[200];
    translate_block(&b, p->word, p->n, 0, 0, p->n);
    assert_int_equal(b.n_guest, p->n);
    assert_true(ir_verify(&b, message, sizeof message));
    if (optimise)
        ir_optimise(&b);
    ir_eval(&b, s, &env);
}

/* Those whose value somebody wants. */
static unsigned count(enum ir_op op)
{
    bool wanted[IR_MAX_INSNS + 1] = {0};
    unsigned n = 0;
    for (unsigned k = b.n - 1; k; k--) {
        const struct ir_insn *i = &b.insn[k];
        if (!wanted[k] && ir_ops[i->op].effects == IR_EFF_PURE)
            continue;
        n += i->op == op;
        wanted[i->a] = wanted[i->b] = wanted[i->c] = true;
    }
    return n;
}

/* FIPS 197, 5.2 and A.1: the round keys of key 00 01 .. 0f, as bytes of v1..v11 */
static void expand_key(union ir_value key[11])
{
    static const uint8_t w[176] = {
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
        0xd6, 0xaa, 0x74, 0xfd, 0xd2, 0xaf, 0x72, 0xfa, 0xda, 0xa6, 0x78, 0xf1, 0xd6, 0xab, 0x76, 0xfe,
        0xb6, 0x92, 0xcf, 0x0b, 0x64, 0x3d, 0xbd, 0xf1, 0xbe, 0x9b, 0xc5, 0x00, 0x68, 0x30, 0xb3, 0xfe,
        0xb6, 0xff, 0x74, 0x4e, 0xd2, 0xc2, 0xc9, 0xbf, 0x6c, 0x59, 0x0c, 0xbf, 0x04, 0x69, 0xbf, 0x41,
        0x47, 0xf7, 0xf7, 0xbc, 0x95, 0x35, 0x3e, 0x03, 0xf9, 0x6c, 0x32, 0xbc, 0xfd, 0x05, 0x8d, 0xfd,
        0x3c, 0xaa, 0xa3, 0xe8, 0xa9, 0x9f, 0x9d, 0xeb, 0x50, 0xf3, 0xaf, 0x57, 0xad, 0xf6, 0x22, 0xaa,
        0x5e, 0x39, 0x0f, 0x7d, 0xf7, 0xa6, 0x92, 0x96, 0xa7, 0x55, 0x3d, 0xc1, 0x0a, 0xa3, 0x1f, 0x6b,
        0x14, 0xf9, 0x70, 0x1a, 0xe3, 0x5f, 0xe2, 0x8c, 0x44, 0x0a, 0xdf, 0x4d, 0x4e, 0xa9, 0xc0, 0x26,
        0x47, 0x43, 0x87, 0x35, 0xa4, 0x1c, 0x65, 0xb9, 0xe0, 0x16, 0xba, 0xf4, 0xae, 0xbf, 0x7a, 0xd2,
        0x54, 0x99, 0x32, 0xd1, 0xf0, 0x85, 0x57, 0x68, 0x10, 0x93, 0xed, 0x9c, 0xbe, 0x2c, 0x97, 0x4e,
        0x13, 0x11, 0x1d, 0x7f, 0xe3, 0x94, 0x4a, 0x17, 0xf3, 0x07, 0xa7, 0x8b, 0x4d, 0x2b, 0x30, 0xc5};
    memcpy(key, w, sizeof w);
}

static void aes(bool optimise)
{
    static const uint8_t plain[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                      0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    static const uint8_t cipher[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                       0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
    static struct program p, q;
    static struct cpu_state s;
    p.n = q.n = 0;
    for (unsigned r = 0; r < 10; r++) {
        put(&p, AESE, 0, 1 + r, 0);
        if (r < 9)
            put(&p, AESMC, 0, 0, 0);
    }
    put(&p, EOR, 0, 0, 11);
    memset(&s, 0, sizeof s);
    memcpy(&s.v[0], plain, 16);
    expand_key(&s.v[1]);
    run(&p, &s, optimise);
    assert_memory_equal(&s.v[0], cipher, 16);
    assert_int_equal(count(IR_VAESENC), 9); /* pairs are seen, */
    assert_int_equal(count(IR_VXOR), optimise ? 1 : 11); /* and each key but the first is that of the round before it */

    for (unsigned r = 0; r < 10; r++) { /* the equivalent inverse cipher: inner round keys through AESIMC into v20 */
        if (r > 0)
            put(&q, AESIMC, 20, 11 - r, 0);
        put(&q, AESD, 0, r ? 20 : 11, 0);
        if (r < 9)
            put(&q, AESIMC, 0, 0, 0);
    }
    put(&q, EOR, 0, 0, 1);
    run(&q, &s, optimise);
    assert_int_equal(count(IR_VAESDEC), 9);
    assert_int_equal(count(IR_VXOR), optimise ? 1 : 11);
    assert_memory_equal(&s.v[0], plain, 16);
}

static void aes_128(void **state)
{
    aes(false);
    aes(true);
}

/* FIPS 180-4, 4.2.2 */
static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void sha_256(void **state)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static const uint32_t digest[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    static struct cpu_state s;
    memset(&s, 0, sizeof s);
    memcpy(&s.v[0], initial, sizeof initial); /* v0 abcd, v1 efgh, v4..v7 the schedule */
    s.v[4].s[0] = 0x61626380;
    s.v[7].s[3] = 24;
    for (unsigned r = 0; r < 16; r++) {
        struct program p = {.n = 0};
        unsigned w = 4 + r % 4, w1 = 4 + (r + 1) % 4, w2 = 4 + (r + 2) % 4, w3 = 4 + (r + 3) % 4;
        memcpy(&s.v[8], &k256[4 * r], 16);
        put(&p, ADD_4S, 9, w, 8);
        put(&p, MOV, 10, 0, 0);
        put(&p, SHA256H, 0, 1, 9);
        put(&p, SHA256H2, 1, 10, 9);
        put(&p, SHA256SU0, w, w1, 0);
        put(&p, SHA256SU1, w, w2, w3);
        run(&p, &s, r & 1);
    }
    for (unsigned k = 0; k < 8; k++)
        assert_int_equal(s.v[k / 4].s[k % 4] + initial[k], digest[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(aes_128), cmocka_unit_test(sha_256)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
