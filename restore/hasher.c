/* hasher.c - SHA-384 of a stream on a thread of its own: a ring of pieces, one writer, one reader. */
#include "restore/hasher.h"
#include "base/bits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 4 };

struct hasher {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned head, n; /* the oldest full piece; how many are full */
    bool ended;
    size_t sizes[PIECES];
    struct sha384 *sum;
    uint8_t pieces[PIECES][HASHER_PIECE];
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

uint8_t *hasher_piece(struct hasher *h)
{
    pthread_mutex_lock(&h->mutex);
    while (h->n == PIECES)
        pthread_cond_wait(&h->changed, &h->mutex);
    unsigned i = (h->head + h->n) % PIECES;
    pthread_mutex_unlock(&h->mutex);
    return h->pieces[i]; /* nobody else touches a piece that is not full */
}

void hasher_push(struct hasher *h, size_t n)
{
    pthread_mutex_lock(&h->mutex);
    h->sizes[(h->head + h->n) % PIECES] = n;
    h->n++;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->mutex);
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
