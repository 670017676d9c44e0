/* bytes.c - memory functions and integers from bytes. Also built for the host, where tests run it. */
#include "firmware/fw.h"

#ifndef FW_HOST
/*
 * Copies by aligned 64-bit words whatever the alignment of the two sides: the source is read as aligned words that
 * are joined with shifts, because an unaligned load faults while the MMU is off.
 */
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    for (; n && (uintptr_t)t % 8; n--)
        *t++ = *f++;
    unsigned shift = (uintptr_t)f % 8 * 8;
    uint64_t *tw = (uint64_t *)t;
    if (!shift) {
        const uint64_t *fw = (const uint64_t *)f;
        for (; n >= 32; n -= 32, tw += 4, fw += 4) {
            uint64_t a = fw[0], b = fw[1], c = fw[2], d = fw[3];
            tw[0] = a, tw[1] = b, tw[2] = c, tw[3] = d;
        }
        for (; n >= 8; n -= 8)
            *tw++ = *fw++;
        f = (const uint8_t *)fw;
    } else if (n >= 16) {
        const uint64_t *fw = (const uint64_t *)((uintptr_t)f & ~(uintptr_t)7);
        uint64_t low = *fw++;
        for (; n >= 16; n -= 8, f += 8) { /* 16: never reads a word that holds no byte of the source */
            uint64_t high = *fw++;
            *tw++ = low >> shift | high << (64 - shift);
            low = high;
        }
    }
    t = (uint8_t *)tw;
    while (n--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint8_t *t = to;
    uint64_t word = (uint8_t)byte * UINT64_C(0x0101010101010101);
    for (; n && (uintptr_t)t % 8; n--)
        *t++ = (uint8_t)byte;
    for (; n >= 8; n -= 8, t += 8)
        *(uint64_t *)t = word;
    while (n--)
        *t++ = (uint8_t)byte;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= n) /* not into what is still to be read: t is below, or behind the end */
        return memcpy(to, from, n);
    if ((uintptr_t)t % 8 == 0 && (uintptr_t)f % 8 == 0) {
        for (; n % 8; n--)
            t[n - 1] = f[n - 1];
        for (; n; n -= 8)
            *(uint64_t *)(t + n - 8) = *(const uint64_t *)(f + n - 8);
    }
    for (; n; n--)
        t[n - 1] = f[n - 1];
    return to;
}

void *memchr(const void *bytes, int byte, size_t n)
{
    for (const uint8_t *p = bytes; n; n--, p++)
        if (*p == (uint8_t)byte)
            return (void *)(uintptr_t)p;
    return NULL;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}
#endif

bool fw_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool fw_starts_with(const char *s, const char *prefix)
{
    while (*prefix && *s == *prefix)
        s++, prefix++;
    return !*prefix;
}

uint16_t fw_le16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t fw_le32(const void *p)
{
    const uint8_t *b = p;
    return fw_le16(b) | (uint32_t)fw_le16(b + 2) << 16;
}

uint64_t fw_le64(const void *p)
{
    const uint8_t *b = p;
    return fw_le32(b) | (uint64_t)fw_le32(b + 4) << 32;
}

uint32_t fw_be32(const void *p)
{
    return __builtin_bswap32(fw_le32(p));
}

void fw_put_le32(void *p, uint32_t v)
{
    uint8_t *b = p;
    for (int i = 0; i < 4; i++)
        b[i] = (uint8_t)(v >> i * 8);
}

void fw_put_be32(void *p, uint32_t v)
{
    fw_put_le32(p, __builtin_bswap32(v));
}

void fw_put_be64(void *p, uint64_t v)
{
    fw_put_be32(p, (uint32_t)(v >> 32));
    fw_put_be32((uint8_t *)p + 4, (uint32_t)v);
}
