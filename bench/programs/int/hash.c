/* hash.c - a hash table of words: count, look up, delete, grow. */
#include "../bench.h"

struct entry {
    char word[16];
    unsigned count;
    struct entry *next;
};

struct table {
    struct entry **slot;
    unsigned bits, used;
};

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    while (*s)
        h = (h ^ (uint8_t)*s++) * 16777619u;
    return h ^ h >> 15;
}

static void grow(struct table *t)
{
    struct table bigger = {calloc(2u << t->bits, sizeof *bigger.slot), t->bits + 1, t->used};
    for (unsigned i = 0; i < 1u << t->bits; i++)
        while (t->slot[i]) {
            struct entry *e = t->slot[i], **to = &bigger.slot[hash(e->word) & ((1u << bigger.bits) - 1)];
            t->slot[i] = e->next;
            e->next = *to;
            *to = e;
        }
    free(t->slot);
    *t = bigger;
}

static struct entry **find(struct table *t, const char *word)
{
    struct entry **at = &t->slot[hash(word) & ((1u << t->bits) - 1)];
    while (*at && strcmp((*at)->word, word))
        at = &(*at)->next;
    return at;
}

uint64_t bench_run(unsigned n)
{
    struct table t = {calloc(16, sizeof *t.slot), 4, 0};
    uint64_t seed = 88172645463325252, h = 0;
    for (unsigned i = 0; i < 250000 * n; i++) {
        uint64_t r = bench_random(&seed);
        char word[16];
        unsigned length = 2 + (unsigned)(r >> 32) % 4;
        for (unsigned k = 0; k < length; k++)
            word[k] = (char)('a' + (r >> 5 * k) % 20);
        word[length] = 0;
        struct entry **at = find(&t, word), *e = *at;
        if (!e) {
            e = *at = calloc(1, sizeof *e);
            strcpy(e->word, word);
            if (++t.used > 2u << t.bits)
                grow(&t);
        }
        e->count++;
        if (e->count == 7) {
            at = find(&t, word);
            *at = e->next;
            h = bench_mix(h, hash(e->word));
            free(e);
            t.used--;
        }
    }
    return bench_mix(h, t.used);
}
