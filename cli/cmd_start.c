/* cmd_start.c - pome start: an installed machine with its console on this terminal. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/policy_request.h"
#include "cli/run_vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

command_run cmd_start;

struct start_arguments {
    uint64_t memory;
    bool recovery, verbose, no_reboot, stats, dfu, stop1, stop2, picker, resume, discard;
    const char *key_file;
};

static int start(pome_bundle *bundle, const char *name, const struct start_arguments *a)
{
    struct pome_error err = {0};
    struct terminal terminal;
    if (!terminal_open(&terminal, &err))
        return cli_fail(&err, NULL, "cannot set up the console");
    struct pome_start_options o = POME_START_OPTIONS_INIT;
    o.recovery = a->recovery;
    o.verbose = a->verbose;
    o.dfu = a->dfu;
    o.stop_in_stage1 = a->stop1;
    o.stop_in_stage2 = a->stop2;
    o.picker = a->picker;
    o.memory_size = a->memory;
    o.stops_at_reset = a->no_reboot;
    o.console_in = terminal.guest_in[0];
    o.console_out = STDOUT_FILENO;
    pome_vm *vm = pome_vm_new_from_bundle(bundle, &o, &err);
    if (!vm) {
        terminal_close(&terminal);
        char hint[512];
        snprintf(hint, sizeof hint, "complete it with \"pome install %s --image FILE\"", name);
        return cli_fail(&err, err.code == POME_ERROR_INVALID_STATE ? hint : NULL, "cannot start \"%s\"", name);
    }
    if (terminal.is_tty)
        fprintf(stderr, "\"%s\" %s. Ctrl-A ? helps, Ctrl-A x leaves.\r\n", name, a->resume ? "goes on" : "starts");
    struct run_options run = {.stats = a->stats, .resume = a->resume, .can_be_saved = true, .save = POME_SAVE_OPTIONS_INIT};
    void *key;
    int status;
    if (read_save_key(a->key_file, &run.save, &key, &err))
        status = run_vm(vm, &terminal, &run);
    else
        status = (terminal_close(&terminal), cli_fail(&err, NULL, "cannot read the key"));
    free(key);
    pome_vm_free(vm);
    return status;
}

/* A start would make the saved machine worthless, so that is not left to chance. */
static int check_saved(pome_bundle *bundle, const char *name, const struct start_arguments *a)
{
    struct pome_error err = {.code = POME_ERROR_INVALID_STATE, .message = "it is saved"};
    char hint[512];
    if (pome_bundle_is_saved(bundle) == a->resume)
        return CLI_OK;
    if (a->resume) {
        snprintf(err.message, sizeof err.message, "it is not saved");
        return cli_fail(&err, "start it without --resume", "cannot resume \"%s\"", name);
    }
    snprintf(hint, sizeof hint, "\"pome start %s --resume\" goes on where it was, --discard-saved starts it anew", name);
    if (!a->discard)
        return cli_fail(&err, hint, "cannot start \"%s\"", name);
    return pome_bundle_discard_saved(bundle, &err) ? CLI_OK : cli_fail(&err, NULL, "cannot start \"%s\"", name);
}

int cmd_start(int argc, char **argv)
{
    struct start_arguments a = {0};
    enum pome_security level;
    const char *approve = NULL;
    const struct cli_option options[] = {
        {"recovery", 'r', CLI_FLAG, &a.recovery, NULL, "start into Recovery, this time only", 0, 0},
        {"picker", 0, CLI_FLAG, &a.picker, NULL, "ask on the console what to start", 0, 0},
        {"dfu", 0, CLI_FLAG, &a.dfu, NULL, "wait for a restore: the boot ROM says who the machine is and starts nothing", 0, 0},
        {"stop-in-stage1", 0, CLI_FLAG, &a.stop1, NULL, "stop in the boot ROM", 0, 0},
        {"stop-in-stage2", 0, CLI_FLAG, &a.stop2, NULL, "stop in the stage-2 firmware, which was verified", 0, 0},
        {"memory", 'm', CLI_SIZE, &a.memory, "SIZE", "memory for this start", pome_config_min_memory_size(),
         pome_config_max_memory_size()},
        {"approve-policy", 0, CLI_TEXT, &approve, "LEVEL", "with --recovery: what Recovery may ask for and gets: full, reduced or permissive", 0, 0},
        {"resume", 0, CLI_FLAG, &a.resume, NULL, "go on where the machine was saved", 0, 0},
        {"discard-saved", 0, CLI_FLAG, &a.discard, NULL, "start anew although it was saved; what it was doing is lost", 0, 0},
        {"key-file", 0, CLI_TEXT, &a.key_file, "FILE", "what encrypts and opens the saved machine", 0, 0},
        {"verbose", 'v', CLI_FLAG, &a.verbose, NULL, "the boot stages say more", 0, 0},
        {"no-reboot", 0, CLI_FLAG, &a.no_reboot, NULL, "end when the guest reboots", 0, 0},
        {"stats", 0, CLI_FLAG, &a.stats, NULL, "print the engine's counters as JSON at the end", 0, 0},
        {0},
    };
    const char *name;
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    if (a.recovery + a.dfu + a.stop1 + a.stop2 + a.picker > 1)
        return cli_usage("start", "--recovery, --picker, --dfu, --stop-in-stage1 and --stop-in-stage2 exclude each other");
    if (approve && !a.recovery)
        return cli_usage("start", "--approve-policy is for a start with --recovery");
    if (approve && !cli_security("start", approve, &level))
        return CLI_USAGE;
    if (a.resume && (a.discard || a.recovery + a.dfu + a.stop1 + a.stop2 + a.picker))
        return cli_usage("start", "--resume goes on: no other kind of start, and no --discard-saved");
    struct pome_error err = {0};
    pome_bundle *bundle = pome_bundle_open(name, &err);
    if (!bundle)
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "see what there is with \"pome list\"" : NULL, "cannot start \"%s\"", name);
    if (approve)
        policy_request_clear(bundle);
    status = check_saved(bundle, name, &a);
    if (status == CLI_OK)
        status = start(bundle, name, &a);
    status = policy_request_settle(bundle, name, approve, isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && status < 128, status);
    pome_bundle_free(bundle);
    return status;
}
