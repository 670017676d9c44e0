/* run_vm.h - runs a machine on this terminal: what `pome boot` and `pome start` have in common. */
#ifndef CLI_RUN_VM_H
#define CLI_RUN_VM_H

#include "cli/terminal.h"
#include <pome/vm.h>

/* Starts the machine and passes the terminal's input on until the machine ends. Returns the exit status: 0 the guest
 * powered off (or rebooted, where that ends it), 1 it crashed or could not start, 130 the user left. print_stats: counters as one
 * JSON line on standard error at the end. */
int run_vm(pome_vm *vm, struct terminal *terminal, bool print_stats);

#endif
