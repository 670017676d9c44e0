/* kit.h - what the API's tests share: a machine around the guest of guest/guest.c, its console on pipes, and checks. */
#ifndef TESTS_API_KIT_H
#define TESTS_API_KIT_H

#include <pome/vm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 60000 }; /* a wait that ends sooner in any case but a bug */

struct kit {
    pome_vm *vm;
    int to_guest, from_guest, guest_ends[2];
    char said[8192]; /* what the guest said and was not looked at yet */
    size_t n_said;
    /* Events, counted as they are told. */
    unsigned events[16];
    enum pome_vm_state last_state;
    struct pome_error last_error;
    unsigned order_errors; /* a state event that does not begin where the one before it ended */
};

#define CHECK(x)                                                                                                                   \
    do {                                                                                                                           \
        if (!(x)) {                                                                                                                \
            fprintf(stderr, "%s:%d: not true: %s (last error: %s)\n", __FILE__, __LINE__, #x, err.message);                        \
            exit(1);                                                                                                               \
        }                                                                                                                          \
    } while (0)
extern struct pome_error err;

/* argv[1] of every test: the guest's image. */
void kit_open(struct kit *k, const char *kernel, bool stops_at_reset);
void kit_close(struct kit *k);
void kit_start(struct kit *k); /* and waits for READY */
void kit_type(struct kit *k, const char *text);
/* Waits until the guest said it, dispatching; what comes after it in the line goes to rest (may be NULL). */
void kit_expect(struct kit *k, const char *text, char rest[64]);
/* Dispatches until it is so. */
void kit_until_event(struct kit *k, enum pome_vm_event_kind kind, unsigned count);
void kit_until_state(struct kit *k, enum pome_vm_state state);
/* Counts for a completion: ok, failed, and the last error. */
struct outcome {
    unsigned ok, failed;
    struct pome_error error;
};
void kit_done(void *outcome, const struct pome_error *err);

#endif
