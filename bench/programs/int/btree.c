/* btree.c - a B-tree of 64-bit keys: inserts, look-ups, ordered walks. */
#include "../bench.h"

enum { ORDER = 16 };

struct node {
    unsigned n;
    bool leaf;
    uint64_t key[2 * ORDER - 1];
    struct node *child[2 * ORDER];
};

static struct node *new_node(bool leaf)
{
    struct node *x = calloc(1, sizeof *x);
    x->leaf = leaf;
    return x;
}

static void split(struct node *parent, unsigned at)
{
    struct node *left = parent->child[at], *right = new_node(left->leaf);
    right->n = ORDER - 1;
    memcpy(right->key, left->key + ORDER, (ORDER - 1) * sizeof *left->key);
    if (!left->leaf)
        memcpy(right->child, left->child + ORDER, ORDER * sizeof *left->child);
    left->n = ORDER - 1;
    memmove(parent->child + at + 2, parent->child + at + 1, (parent->n - at) * sizeof *parent->child);
    memmove(parent->key + at + 1, parent->key + at, (parent->n - at) * sizeof *parent->key);
    parent->child[at + 1] = right;
    parent->key[at] = left->key[ORDER - 1];
    parent->n++;
}

static unsigned lower(const struct node *x, uint64_t key)
{
    unsigned lo = 0, hi = x->n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (x->key[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void insert(struct node **root, uint64_t key)
{
    if ((*root)->n == 2 * ORDER - 1) {
        struct node *top = new_node(false);
        top->child[0] = *root;
        split(top, 0);
        *root = top;
    }
    for (struct node *x = *root;;) {
        unsigned at = lower(x, key);
        if (at < x->n && x->key[at] == key)
            return;
        if (x->leaf) {
            memmove(x->key + at + 1, x->key + at, (x->n - at) * sizeof *x->key);
            x->key[at] = key;
            x->n++;
            return;
        }
        if (x->child[at]->n == 2 * ORDER - 1) {
            split(x, at);
            if (x->key[at] == key)
                return;
            at += key > x->key[at];
        }
        x = x->child[at];
    }
}

static bool has(const struct node *x, uint64_t key)
{
    for (;;) {
        unsigned at = lower(x, key);
        if (at < x->n && x->key[at] == key)
            return true;
        if (x->leaf)
            return false;
        x = x->child[at];
    }
}

static uint64_t walk(const struct node *x, uint64_t h)
{
    for (unsigned i = 0; i < x->n; i++) {
        if (!x->leaf)
            h = walk(x->child[i], h);
        h = bench_mix(h, x->key[i]);
    }
    return x->leaf ? h : walk(x->child[x->n], h);
}

uint64_t bench_run(unsigned n)
{
    struct node *root = new_node(true);
    uint64_t seed = 1234567, found = 0;
    for (unsigned i = 0; i < 60000; i++)
        insert(&root, bench_random(&seed) % 200000);
    for (unsigned i = 0; i < 250000 * n; i++)
        found += has(root, bench_random(&seed) % 200000);
    return walk(root, found);
}
