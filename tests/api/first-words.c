/*
 * first-words.c - who hears the guest may press its power button or pause it: nothing of the guest runs before the state is "running", neither at
 * the start nor after a pause. Threads that only count keep both apart.
 */
#include "kit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_bool over;

static void *count(void *arg)
{
    while (!atomic_load(&over))
        atomic_thread_fence(memory_order_seq_cst);
    return NULL;
}

/* The guest's next word, taken without a dispatch, so that nothing but the guest tells how far the machine is. */
static void hear(struct kit *k)
{
    struct pollfd p = {.fd = k->from_guest, .events = POLLIN};
    CHECK(poll(&p, 1, LONG_MS) == 1);
}

static void press(struct kit *k)
{
    struct pome_stop_options o = POME_STOP_OPTIONS_INIT;
    CHECK(pome_vm_request_stop(k->vm, &o, &err));
}

int main(int argc, char **argv)
{
    struct kit k;
    pthread_t busy[8];
    for (size_t i = 0; i < 8; i++)
        CHECK(!pthread_create(&busy[i], NULL, count, NULL));
    kit_open(&k, argv[1], false);
    for (int life = 0; life < 100; life++) {
        CHECK(pome_vm_start(k.vm, NULL, NULL, &err));
        hear(&k);
        press(&k);
        kit_expect(&k, "READY", NULL);
        CHECK(pome_vm_pause_wait(k.vm, LONG_MS, &err));
        kit_type(&k, "t");
        CHECK(pome_vm_resume(k.vm, NULL, NULL, &err));
        hear(&k);
        press(&k);
        kit_expect(&k, "T", NULL);
        CHECK(pome_vm_stop_wait(k.vm, LONG_MS, &err));
    }
    kit_close(&k);
    atomic_store(&over, true);
    for (size_t i = 0; i < 8; i++)
        pthread_join(busy[i], NULL);
    return 0;
}
