/* run_vm.h - runs a machine on this terminal, or in the background: what `pome boot` and `pome start` have in common. */
#ifndef CLI_RUN_VM_H
#define CLI_RUN_VM_H

#include "cli/terminal.h"
#include <pome/control_server.h>
#include <pome/save.h>

struct run_options {
    bool stats;  /* counters as one JSON line on standard error at the end */
    bool resume; /* it goes on from the saved machine, which is then removed, instead of starting */
    const char *saved;     /* file of the saved machine; NULL: the bundle's */
    bool can_be_saved;     /* Ctrl-A s and SIGUSR1 save it */
    struct pome_save_options save;
    pome_bundle *bundle;   /* serve its control socket; NULL: none */
    int from_guest;        /* with a bundle: the reading end of the guest's output, which goes to copy_to (-1: nowhere) and to viewers */
    int copy_to;
    /* The machine runs and can be reached; false: it is not wanted any more. May be NULL. */
    bool (*running)(void *user, const pome_control_server *server);
    void *user;
};

/* Starts the machine and passes the terminal's input on until the machine ends. Returns the exit status: 0 the guest
 * powered off (or rebooted, where that ends it) or was saved, 1 it crashed or could not start, 130 the user left. */
int run_vm(pome_vm *vm, struct terminal *terminal, const struct run_options *o);

/* Reads the file that encrypts or opens a saved machine, all of it but a line feed at the end. *key is to be freed. */
bool read_save_key(const char *path, struct pome_save_options *o, void **key, struct pome_error *err);

#endif
