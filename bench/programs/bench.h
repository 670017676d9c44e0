/*
 * bench.h - what the programs of `make bench` share.
 *
 * A program is one file: bench_run(n) does its work n times over and returns a checksum, which must be the same on every machine. Programs
 * use libc and the kernel only, no clock: whoever runs them takes the time.
 */
#ifndef BENCH_H
#define BENCH_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t bench_run(unsigned n);

static inline uint64_t bench_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static inline uint64_t bench_mix_double(uint64_t h, double d)
{
    uint64_t v;
    memcpy(&v, &d, sizeof v);
    return bench_mix(h, v);
}

/* The same numbers everywhere. */
static inline uint64_t bench_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Keeps the compiler from knowing a value. */
#define BENCH_HIDE(x) __asm__ volatile("" : "+r"(x))

#endif
