/* hasher.c - SHA-384 of a stream on a thread of its own: a ring of pieces, one writer, one reader. */
#include "restore/hasher.h"
#include "base/bits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 4, PIECE = 1 << 20 };

struct hasher {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned head, n; /* the oldest full piece; how many are full */
    bool ended;
    size_t sizes[PIECES];
    struct sha384 *sum;
    uint8_t pieces[PIECES][PIECE];
};

static void *run(void *user)
{
    struct hasher *h = user;
    pthread_mutex_lock(&h->mutex);
    for (;;) {
        while (!h->n && !h->ended)
            pthread_cond_wait(&h->changed, &h->mutex);
        if (!h->n)
            break;
        unsigned i = h->head;
        pthread_mutex_unlock(&h->mutex);
        sha384_add(h->sum, h->pieces[i], h->sizes[i]);
        pthread_mutex_lock(&h->mutex);
        h->head = (i + 1) % PIECES;
        h->n--;
        pthread_cond_signal(&h->changed);
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

struct hasher *hasher_begin(void)
{
    struct hasher *h = malloc(sizeof *h);
    struct sha384 *sum = h ? sha384_begin() : NULL;
    if (!sum) {
        free(h);
        return NULL;
    }
    h->head = h->n = 0;
    h->ended = false;
    h->sum = sum;
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->changed, NULL);
    if (pthread_create(&h->thread, NULL, run, h)) {
        sha384_end(sum, NULL);
        free(h);
        return NULL;
    }
    return h;
}

void hasher_add(struct hasher *h, const void *bytes, size_t n)
{
    for (const uint8_t *p = bytes; n;) {
        size_t k = MIN(n, PIECE);
        pthread_mutex_lock(&h->mutex);
        while (h->n == PIECES)
            pthread_cond_wait(&h->changed, &h->mutex);
        unsigned i = (h->head + h->n) % PIECES;
        pthread_mutex_unlock(&h->mutex);
        memcpy(h->pieces[i], p, k); /* nobody else touches a piece that is not full */
        h->sizes[i] = k;
        pthread_mutex_lock(&h->mutex);
        h->n++;
        pthread_cond_signal(&h->changed);
        pthread_mutex_unlock(&h->mutex);
        p += k;
        n -= k;
    }
}

void hasher_end(struct hasher *h, uint8_t digest[SHA384_BYTES])
{
    if (!h)
        return;
    pthread_mutex_lock(&h->mutex);
    h->ended = true;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->mutex);
    pthread_join(h->thread, NULL);
    sha384_end(h->sum, digest);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}
