/* guest-time.c - the guest's counter and timers stand still while it is paused: it does not see the time that passed. */
#include "kit.h"

#include <time.h>

#define PAUSE_S 2

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_for_a_while(struct kit *k)
{
    CHECK(pome_vm_pause_wait(k->vm, LONG_MS, &err));
    nanosleep(&(struct timespec){.tv_sec = PAUSE_S}, NULL);
    CHECK(pome_vm_resume_wait(k->vm, LONG_MS, &err));
}

static double counter(struct kit *k)
{
    char rest[64];
    kit_type(k, "t");
    kit_expect(k, "T", rest);
    return (double)strtoull(rest, NULL, 16) / 1e9; /* the generic platform counts nanoseconds */
}

int main(int argc, char **argv)
{
    struct kit k;
    kit_open(&k, argv[1], false);
    kit_start(&k);

    /* What the guest counted lies within what passed here, less the pause. */
    double host = now(), guest = counter(&k);
    pause_for_a_while(&k);
    guest = counter(&k) - guest;
    host = now() - host;
    CHECK(guest > 0 && guest <= host - PAUSE_S);

    /* A timer that was running fires after the rest of its time: not during the pause, and it does fire. */
    char rest[64], *end;
    host = now();
    kit_type(&k, "w");
    pause_for_a_while(&k);
    kit_expect(&k, "W", rest);
    host = now() - host;
    double before = (double)strtoull(rest, &end, 16) / 1e9, after = (double)strtoull(end, NULL, 16) / 1e9;
    CHECK(after - before >= 0.2 && after - before <= host - PAUSE_S);
    kit_close(&k);
    return 0;
}
