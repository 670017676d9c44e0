/*
 * rsa.c - RSASSA-PKCS1-v1_5 verification (RFC 8017, 8.2.2).
 *
 * How it works: signature^65537 mod n by sixteen squarings and one multiplication, in Montgomery's form (a is held as
 * aR mod n, R = 2^3072), so that no division is needed. What must come out is known to the last byte: it is
 * written down and compared whole; nothing of the result is parsed. All values are public: time may depend on them.
 */
#include "firmware/rsa.h"

#define LIMBS (RSA_BYTES / 8) /* of 64 bits, the least first */

/* DER of AlgorithmIdentifier sha384 and the head of the digest (RFC 8017, 9.2 note 1). */
static const uint8_t digest_info[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                      0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};

static void load(uint64_t out[LIMBS], const uint8_t *bytes)
{
    for (int i = 0; i < LIMBS; i++, bytes += 8)
        out[LIMBS - 1 - i] = (uint64_t)fw_be32(bytes) << 32 | fw_be32(bytes + 4);
}

static bool less(const uint64_t a[LIMBS], const uint64_t b[LIMBS])
{
    for (int i = LIMBS; i--;)
        if (a[i] != b[i])
            return a[i] < b[i];
    return false;
}

/* a -= b, modulo R */
static void subtract(uint64_t a[LIMBS], const uint64_t b[LIMBS])
{
    uint64_t borrow = 0;
    for (int i = 0; i < LIMBS; i++) {
        uint64_t d = a[i] - b[i], next = a[i] < b[i] || d < borrow;
        a[i] = d - borrow;
        borrow = next;
    }
}

/* a = 2a mod n */
static void twice(uint64_t a[LIMBS], const uint64_t n[LIMBS])
{
    uint64_t carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        uint64_t next = a[i] >> 63;
        a[i] = a[i] << 1 | carry;
        carry = next;
    }
    if (carry || !less(a, n))
        subtract(a, n);
}

/* r = ab/R mod n for a, b < n. inverse: -1/n modulo 2^64. Koc, Acar, Kaliski 1996: CIOS. r may be a or b. */
static void multiply(uint64_t r[LIMBS], const uint64_t a[LIMBS], const uint64_t b[LIMBS], const uint64_t n[LIMBS], uint64_t inverse)
{
    uint64_t t[LIMBS + 2] = {0};
    for (int i = 0; i < LIMBS; i++) {
        unsigned __int128 sum = 0;
        for (int j = 0; j < LIMBS; j++) {
            sum += (unsigned __int128)a[j] * b[i] + t[j];
            t[j] = (uint64_t)sum;
            sum >>= 64;
        }
        sum += t[LIMBS];
        t[LIMBS] = (uint64_t)sum;
        t[LIMBS + 1] = (uint64_t)(sum >> 64);
        uint64_t m = t[0] * inverse;
        sum = ((unsigned __int128)m * n[0] + t[0]) >> 64;
        for (int j = 1; j < LIMBS; j++) {
            sum += (unsigned __int128)m * n[j] + t[j];
            t[j - 1] = (uint64_t)sum;
            sum >>= 64;
        }
        sum += t[LIMBS];
        t[LIMBS - 1] = (uint64_t)sum;
        t[LIMBS] = t[LIMBS + 1] + (uint64_t)(sum >> 64);
    }
    bool over = t[LIMBS] || !less(t, n);
    for (int i = 0; i < LIMBS; i++)
        r[i] = t[i];
    if (over)
        subtract(r, n);
}

/* s^65537 mod n */
static void power(uint64_t out[LIMBS], const uint64_t s[LIMBS], const uint64_t n[LIMBS])
{
    uint64_t x[LIMBS] = {0}, inverse = n[0]; /* right in three bits; each round doubles them */
    for (int i = 0; i < 5; i++)
        inverse *= 2 - n[0] * inverse;
    inverse = -inverse;
    subtract(x, n); /* R mod n: n has its top bit */
    for (int i = 0; i < 3; i++)
        twice(x, n); /* 2^3 R */
    for (int i = 0; i < 10; i++)
        multiply(x, x, x, n, inverse); /* squares the factor before R: 2^(3 * 1024) R = R^2 */
    multiply(x, x, s, n, inverse); /* sR */
    for (int i = 0; i < 16; i++)
        multiply(x, x, x, n, inverse);
    multiply(out, x, s, n, inverse); /* s itself, not sR: takes the R away */
}

bool rsa_verify(const uint8_t *modulus, const uint8_t *signature, const uint8_t digest[SHA384_BYTES])
{
    uint64_t n[LIMBS], s[LIMBS], found[LIMBS], needed[LIMBS];
    uint8_t em[RSA_BYTES];
    load(n, modulus);
    load(s, signature);
    if (!(n[0] & 1) || !(n[LIMBS - 1] >> 63) || !less(s, n))
        return false;
    memset(em, 0xff, sizeof em);
    em[0] = 0;
    em[1] = 1;
    em[RSA_BYTES - SHA384_BYTES - sizeof digest_info - 1] = 0;
    memcpy(em + RSA_BYTES - SHA384_BYTES - sizeof digest_info, digest_info, sizeof digest_info);
    memcpy(em + RSA_BYTES - SHA384_BYTES, digest, SHA384_BYTES);
    load(needed, em);
    power(found, s, n);
    return !memcmp(found, needed, sizeof found);
}
