/* recursion.c - calls and returns: queens, Takeuchi's function, a parser that descends, calls through pointers. */
#include "../bench.h"

static unsigned queens(unsigned all, unsigned columns, unsigned left, unsigned right)
{
    unsigned n = 0;
    if (columns == all)
        return 1;
    for (unsigned free_ = all & ~(columns | left | right); free_; free_ &= free_ - 1) {
        unsigned bit = free_ & -free_;
        n += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return n;
}

static int tak(int x, int y, int z)
{
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static long expression(const char **p);

static long factor(const char **p)
{
    long v = 0;
    if (**p == '(') {
        ++*p;
        v = expression(p);
        ++*p;
        return v;
    }
    while (**p >= '0' && **p <= '9')
        v = v * 10 + *(*p)++ - '0';
    return v;
}

static long term(const char **p)
{
    long v = factor(p);
    while (**p == '*')
        ++*p, v = v * factor(p) % 1000003;
    return v;
}

static long expression(const char **p)
{
    long v = term(p);
    while (**p == '+' || **p == '-') {
        char op = *(*p)++;
        v = op == '+' ? v + term(p) : v - term(p);
    }
    return v;
}

static uint64_t add(uint64_t x) { return x + 0x1234567; }
static uint64_t twist(uint64_t x) { return x << 7 ^ x >> 3; }
static uint64_t times(uint64_t x) { return x * 0x9e3779b97f4a7c15; }
static uint64_t flip(uint64_t x) { return ~x; }

uint64_t bench_run(unsigned n)
{
    static uint64_t (*const step[4])(uint64_t) = {add, twist, times, flip};
    uint64_t h = 0;
    for (unsigned i = 0; i < n; i++) {
        h = bench_mix(h, queens(0x3ff, 0, 0, 0));
        h = bench_mix(h, (uint64_t)tak(16, 11, 5));
        for (unsigned k = 0; k < 20000; k++) {
            const char *text = "(12+3*(45-6))*((7+8)*9-10)+11*(12+13*(14+15*(16)))";
            h = bench_mix(h, (uint64_t)expression(&text) + k);
        }
        for (unsigned k = 0; k < 1000000; k++)
            h = step[h >> 61 & 3](h + k);
    }
    return h;
}
