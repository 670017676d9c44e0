/* bits.h - bit fields, little- and big-endian access, checked sizes. Header only. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BIT(n)        (UINT64_C(1) << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))
#define KiB           UINT64_C(1024)
#define MiB           (KiB * 1024)
#define GiB           (MiB * 1024)

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* n ones from bit 0; n may be 64. */
static inline uint64_t ones(unsigned n)
{
    return n >= 64 ? ~UINT64_C(0) : BIT(n) - 1;
}

static inline uint64_t bits_get(uint64_t v, unsigned hi, unsigned lo)
{
    return v >> lo & ones(hi - lo + 1);
}

static inline uint64_t bits_set(uint64_t v, unsigned hi, unsigned lo, uint64_t field)
{
    uint64_t mask = ones(hi - lo + 1) << lo;
    return (v & ~mask) | (field << lo & mask);
}

/* Sign-extends the low n bits, 1 <= n <= 64. */
static inline int64_t sext(uint64_t v, unsigned n)
{
    return (int64_t)(v << (64 - n)) >> (64 - n);
}

static inline uint64_t align_down(uint64_t v, uint64_t a)
{
    return v & ~(a - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t a)
{
    return (v + a - 1) & ~(a - 1);
}

static inline bool is_pow2(uint64_t v)
{
    return v && !(v & (v - 1));
}

#define LE_ACCESS(n)                                                                                         \
    static inline uint##n##_t le##n##_get(const void *p)                                                     \
    {                                                                                                        \
        uint##n##_t v;                                                                                       \
        memcpy(&v, p, sizeof v);                                                                             \
        return v;                                                                                            \
    }                                                                                                        \
    static inline void le##n##_put(void *p, uint##n##_t v)                                                   \
    {                                                                                                        \
        memcpy(p, &v, sizeof v);                                                                             \
    }                                                                                                        \
    static inline uint##n##_t be##n##_get(const void *p)                                                     \
    {                                                                                                        \
        return __builtin_bswap##n(le##n##_get(p));                                                           \
    }                                                                                                        \
    static inline void be##n##_put(void *p, uint##n##_t v)                                                   \
    {                                                                                                        \
        le##n##_put(p, __builtin_bswap##n(v));                                                               \
    }
LE_ACCESS(16)
LE_ACCESS(32)
LE_ACCESS(64)
#undef LE_ACCESS
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Pome runs on little-endian hosts");

static inline bool add_overflows(uint64_t a, uint64_t b, uint64_t *sum)
{
    return __builtin_add_overflow(a, b, sum);
}

static inline bool mul_overflows(uint64_t a, uint64_t b, uint64_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}

#endif
