/*
 * watch.c - what a machine that runs in another process does, and its end: pome/control.h.
 *
 * usage: watch NAME [stop]     prints its state and every event until it ends; "stop" presses its power button
 */
#include <pome/control.h>

#include <stdio.h>
#include <string.h>

static int fail(const struct pome_error *err)
{
    fprintf(stderr, "watch: %s: %s\n", pome_error_name(err->code), err->message);
    return pome_error_exit_status(err->code);
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    struct pome_control_status status = POME_CONTROL_STATUS_INIT;
    if (argc < 2 || argc > 3) {
        fputs("usage: watch NAME [stop]\n", stderr);
        return 2;
    }
    /* Two connections: one for calls, the other becomes the stream of events. */
    pome_control *calls = pome_control_connect(argv[1], &err);
    pome_control *events = calls ? pome_control_connect(argv[1], &err) : NULL;
    if (!events || !pome_control_status(calls, &status, &err) || !pome_control_listen(events, &err)) {
        pome_control_free(events);
        pome_control_free(calls);
        return fail(&err);
    }
    printf("process %d, %u CPUs, %llu MiB of memory\n", status.pid, status.cpu_count, (unsigned long long)(status.memory_size >> 20));
    if (argc == 3 && !strcmp(argv[2], "stop") && !pome_control_request_stop(calls, NULL, &err))
        fail(&err);
    struct pome_control_event event = POME_CONTROL_EVENT_INIT;
    while (pome_control_next_event(events, &event, -1, &err)) {
        printf("%s: %s%s%s\n", event.type, pome_vm_state_name(event.state), event.message[0] ? ": " : "", event.message);
        fflush(stdout);
    }
    if (event.state == POME_VM_STOPPED)
        printf("it has ended: %s\n", pome_stop_reason_name(event.stop_reason));
    pome_control_free(events);
    pome_control_free(calls);
    return err.code == POME_ERROR_NOT_FOUND ? 0 : fail(&err);
}
