/* relay.c - a ring of pieces between two threads. */
#include "restore/relay.h"

#include <pthread.h>
#include <stdlib.h>

enum { PIECES = 4 };

struct relay {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned head, n; /* the oldest full piece; how many are full */
    bool ended, failed;
    size_t sizes[PIECES];
    relay_fn *take;
    void *user;
    struct pome_error err;
    uint8_t pieces[PIECES][RELAY_PIECE];
};

/* The next full piece; false at the end. */
static bool wait_for_piece(struct relay *r, unsigned *i)
{
    pthread_mutex_lock(&r->mutex);
    while (!r->n && !r->ended)
        pthread_cond_wait(&r->changed, &r->mutex);
    bool any = r->n;
    *i = r->head;
    pthread_mutex_unlock(&r->mutex);
    return any;
}

static void give_back(struct relay *r, bool ok)
{
    pthread_mutex_lock(&r->mutex);
    r->failed |= !ok;
    r->head = (r->head + 1) % PIECES;
    r->n--;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static void *run(void *user)
{
    struct relay *r = user;
    uint64_t at = 0;
    bool ok = true;
    for (unsigned i; wait_for_piece(r, &i); give_back(r, ok)) {
        ok = ok && r->take(r->user, at, r->pieces[i], r->sizes[i], &r->err);
        at += r->sizes[i];
    }
    return NULL;
}

struct relay *relay_begin(relay_fn *take, void *user)
{
    struct relay *r = malloc(sizeof *r);
    if (!r)
        return NULL;
    r->head = r->n = 0;
    r->ended = r->failed = false;
    r->take = take;
    r->user = user;
    r->err = (struct pome_error){0};
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
    if (!pthread_create(&r->thread, NULL, run, r))
        return r;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
    free(r);
    return NULL;
}

uint8_t *relay_piece(struct relay *r)
{
    pthread_mutex_lock(&r->mutex);
    while (r->n == PIECES)
        pthread_cond_wait(&r->changed, &r->mutex);
    bool failed = r->failed;
    unsigned i = (r->head + r->n) % PIECES;
    pthread_mutex_unlock(&r->mutex);
    return failed ? NULL : r->pieces[i]; /* nobody else touches a piece that is not full */
}

void relay_push(struct relay *r, size_t n)
{
    pthread_mutex_lock(&r->mutex);
    r->sizes[(r->head + r->n) % PIECES] = n;
    r->n++;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

bool relay_end(struct relay *r, struct pome_error *err)
{
    if (!r)
        return true;
    pthread_mutex_lock(&r->mutex);
    r->ended = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
    bool ok = !r->failed;
    if (!ok && err)
        *err = r->err;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
    free(r);
    return ok;
}
