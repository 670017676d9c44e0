/* strings.c - the C library's string functions on short and long text. */
#include "../bench.h"

uint64_t bench_run(unsigned n)
{
    enum { N = 1 << 16 };
    static char text[N + 1], copy[N + 1];
    uint64_t seed = 41, h = 0;
    for (unsigned i = 0; i < N; i++)
        text[i] = (char)('a' + bench_random(&seed) % 24);
    for (unsigned i = 0; i < N; i += 97)
        text[i] = ' ';
    for (unsigned round = 0; round < 60 * n; round++) {
        memcpy(copy, text, N + 1);
        copy[N - 1 - round % 1000] = 'z';
        h = bench_mix(h, strlen(copy));
        h = bench_mix(h, (uint64_t)(strcmp(text, copy) < 0));
        h = bench_mix(h, (uint64_t)((const char *)memchr(copy, 'z', N) - copy));
        for (const char *p = text, *q; (q = strchr(p, ' ')); p = q + 1)
            h += (uint64_t)(q - p) + (uint64_t)(memcmp(q, p, 3) < 0);
        h = bench_mix(h, strspn(text + 1, "abcdefghijklmnopqrstuvwx"));
        h = bench_mix(h, (uint64_t)(strstr(copy, "zzz") != NULL));
    }
    return h;
}
