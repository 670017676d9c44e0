/* sort.c - qsort of structures with a comparison by call, a merge sort of a linked list, a heap. */
#include "../bench.h"

struct item {
    uint32_t key;
    uint32_t payload[3];
    struct item *next;
};

static int by_key(const void *a, const void *b)
{
    uint32_t x = ((const struct item *)a)->key, y = ((const struct item *)b)->key;
    return x < y ? -1 : x > y;
}

static struct item *merge(struct item *a, struct item *b)
{
    struct item head, *t = &head;
    while (a && b) {
        struct item **less = a->key <= b->key ? &a : &b;
        t = t->next = *less;
        *less = (*less)->next;
    }
    t->next = a ? a : b;
    return head.next;
}

static struct item *list_sort(struct item *l, unsigned n)
{
    if (n == 1) {
        l->next = NULL;
        return l;
    }
    struct item *mid = l;
    for (unsigned i = 0; i < n / 2; i++)
        mid = mid->next;
    struct item *right = list_sort(mid, n - n / 2);
    return merge(list_sort(l, n / 2), right);
}

static void sift(uint32_t *heap, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && heap[child] < heap[child + 1];
        if (heap[at] >= heap[child])
            return;
        uint32_t t = heap[at];
        heap[at] = heap[child], heap[child] = t;
    }
}

uint64_t bench_run(unsigned n)
{
    enum { N = 40000 };
    static struct item items[N];
    static uint32_t heap[N];
    uint64_t seed = 99, h = 0;
    for (unsigned round = 0; round < 2 * n; round++) {
        for (unsigned i = 0; i < N; i++) {
            items[i] = (struct item){.key = (uint32_t)bench_random(&seed), .payload = {i}};
            heap[i] = (uint32_t)seed;
        }
        qsort(items, N, sizeof *items, by_key);
        for (unsigned i = 0; i < N; i++)
            items[i].next = &items[(i + 1) % N], items[i].key ^= items[i].payload[0] * 2654435761u;
        struct item *l = list_sort(items, N);
        for (; l; l = l->next)
            h = bench_mix(h, l->key);
        for (size_t i = N / 2; i-- > 0;)
            sift(heap, i, N);
        for (size_t m = N; m-- > 1;) {
            uint32_t t = heap[0];
            heap[0] = heap[m], heap[m] = t;
            sift(heap, 0, m);
        }
        h = bench_mix(h, heap[N / 3]);
    }
    return h;
}
