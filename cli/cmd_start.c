/* cmd_start.c - pome start: an installed machine with its console on this terminal, or in the background. */
#include "cli/commands.h"
#include "cli/detach.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/policy_request.h"
#include "cli/run_vm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

command_run cmd_start;

struct start_arguments {
    const char *name, *approve, *key_file, *rom, *medium, *netboot, *netboot_root;
    uint64_t memory;
    bool recovery, verbose, no_reboot, stats, dfu, stop1, stop2, picker, resume, resume_or_start, discard, detach, json;
};

static void print_json(const char *name, const pome_control_server *server)
{
    fputs("{\"name\":", stdout);
    cli_json_string(stdout, name);
    printf(",\"state\":\"running\",\"pid\":%d,\"socket\":", (int)getpid());
    cli_json_string(stdout, pome_control_server_path(server));
    fputs("}\n", stdout);
}

/* The machine runs: the one who waits is told, and then this process is on its own. */
static bool running(void *user, const pome_control_server *server)
{
    const struct start_arguments *a = user;
    if (a->json)
        print_json(a->name, server);
    else if (a->detach)
        cli_note("\"%s\" runs in process %d. Next: pome console %s, pome stop %s", a->name, (int)getpid(), a->name, a->name);
    return detach_ready();
}

static int run(pome_vm *vm, pome_bundle *bundle, struct terminal *terminal, int from_guest, struct start_arguments *a)
{
    struct pome_error err = {0};
    void *key;
    struct run_options o = {
        .stats = a->stats, .resume = a->resume, .can_be_saved = true, .save = POME_SAVE_OPTIONS_INIT, .bundle = bundle, .from_guest = from_guest,
        .copy_to = a->detach ? -1 : STDOUT_FILENO, .running = running, .user = a,
    };
    if (terminal->is_tty)
        fprintf(stderr, "\"%s\" %s. Ctrl-A ? helps, Ctrl-A x leaves.\r\n", a->name, a->resume ? "goes on" : "starts");
    int status;
    if (read_save_key(a->key_file, &o.save, &key, &err))
        status = run_vm(vm, terminal, &o);
    else
        status = (terminal_close(terminal), cli_fail(&err, NULL, "cannot read the key"));
    free(key);
    return status;
}

/* What can be done about it, for a start that did not come to be; NULL: nothing special. */
static const char *start_hint(const struct pome_error *err, const char *name, char text[512])
{
    unsigned i;
    const char *forward = strstr(err->message, "forwards["); /* the setting that the error is about */
    if (err->code == POME_ERROR_INVALID_STATE)
        snprintf(text, 512, "complete it with \"pome install %s --image FILE\"", name);
    else if (err->code == POME_ERROR_BUSY && forward && sscanf(forward, "forwards[%u]", &i) == 1)
        snprintf(text, 512, "stop that process, or give this machine another port: pome set %s 'forwards[%u].hostPort' NUMBER", name, i);
    else
        return NULL;
    return text;
}

static int start(pome_bundle *bundle, struct start_arguments *a)
{
    struct pome_error err = {0};
    struct terminal terminal;
    int out[2];
    if (!terminal_open(&terminal, &err))
        return cli_fail(&err, NULL, "cannot set up the console");
    if (pipe2(out, O_CLOEXEC)) {
        terminal_close(&terminal);
        return cli_fail(&(struct pome_error){.code = POME_ERROR_IO}, NULL, "cannot set up the console");
    }
    struct pome_start_options o = POME_START_OPTIONS_INIT;
    o.recovery = a->recovery;
    o.verbose = a->verbose;
    o.dfu = a->dfu;
    o.stop_in_stage1 = a->stop1;
    o.stop_in_stage2 = a->stop2;
    o.picker = a->picker;
    o.medium = a->medium;
    o.rom = a->rom;
    o.netboot_file = a->netboot;
    o.netboot_root = a->netboot_root ? a->netboot_root : ".";
    o.memory_size = a->memory;
    o.stops_at_reset = a->no_reboot;
    o.console_in = terminal.guest_in[0];
    o.console_out = out[1];
    pome_vm *vm = pome_vm_new_from_bundle(bundle, &o, &err);
    int status;
    if (vm) {
        status = run(vm, bundle, &terminal, out[0], a);
    } else {
        terminal_close(&terminal);
        char hint[512];
        status = cli_fail(&err, start_hint(&err, a->name, hint), "cannot start \"%s\"", a->name);
    }
    pome_vm_free(vm);
    close(out[0]);
    close(out[1]);
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

/* In the background from here on, if that is wanted. */
static int open_and_start(struct start_arguments *a)
{
    struct pome_error err = {0};
    if (a->detach)
        detach_close_inherited();
    pome_bundle *bundle = pome_bundle_open(a->name, &err);
    if (!bundle)
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "see what there is with \"pome list\"" : NULL, "cannot start \"%s\"", a->name);
    if (a->approve)
        policy_request_clear(bundle);
    a->resume |= a->resume_or_start && pome_bundle_is_saved(bundle);
    int status = check_saved(bundle, a->name, a);
    if (status == CLI_OK)
        status = !a->detach || detach_begin(&err) ? start(bundle, a) : cli_fail(&err, NULL, "cannot go into the background");
    if (!a->detach)
        status = policy_request_settle(bundle, a->name, a->approve, isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && status < 128, status);
    pome_bundle_free(bundle);
    detach_failed(status);
    return status;
}

int cmd_start(int argc, char **argv)
{
    struct start_arguments a = {0};
    enum pome_security level;
    const struct cli_option options[] = {
        {"recovery", 'r', CLI_FLAG, &a.recovery, NULL, "start into Recovery, this time only", 0, 0},
        {"picker", 0, CLI_FLAG, &a.picker, NULL, "ask on the console what to start", 0, 0},
        {"dfu", 0, CLI_FLAG, &a.dfu, NULL, "wait for a restore: the boot ROM says who the machine is and starts nothing", 0, 0},
        {"stop-in-stage1", 0, CLI_FLAG, &a.stop1, NULL, "stop in the boot ROM", 0, 0},
        {"stop-in-stage2", 0, CLI_FLAG, &a.stop2, NULL, "stop in the stage-2 firmware, which was verified", 0, 0},
        {"rom", 0, CLI_TEXT, &a.rom, "FILE", "this boot ROM instead of ours, for this start (machines of the platform \"apple\")", 0, 0},
        {"medium", 0, CLI_TEXT, &a.medium, "FILE", "one more disk for this start, read-only: an installer's image (machines made with --efi)", 0, 0},
        {"netboot", 0, CLI_TEXT, &a.netboot, "FILE", "what UEFI firmware gets from the network when no disk boots (machines made with --efi)", 0, 0},
        {"netboot-root", 0, CLI_TEXT, &a.netboot_root, "DIR", "the folder that FILE is in, which the guest can read; FILE is relative to it (default: here)", 0, 0},
        {"memory", 'm', CLI_SIZE, &a.memory, "SIZE", "memory for this start", pome_config_min_memory_size(),
         pome_config_max_memory_size()},
        {"approve-policy", 0, CLI_TEXT, &a.approve, "LEVEL", "with --recovery: what Recovery may ask for and gets: full, reduced or permissive", 0, 0},
        {"resume", 0, CLI_FLAG, &a.resume, NULL, "go on where the machine was saved", 0, 0},
        {"resume-or-start", 0, CLI_FLAG, &a.resume_or_start, NULL, "go on where the machine was saved, or start it if it was not", 0, 0},
        {"discard-saved", 0, CLI_FLAG, &a.discard, NULL, "start anew although it was saved; what it was doing is lost", 0, 0},
        {"key-file", 0, CLI_TEXT, &a.key_file, "FILE", "what encrypts and opens the saved machine", 0, 0},
        {"verbose", 'v', CLI_FLAG, &a.verbose, NULL, "the boot stages say more", 0, 0},
        {"no-reboot", 0, CLI_FLAG, &a.no_reboot, NULL, "end when the guest reboots", 0, 0},
        {"detach", 'd', CLI_FLAG, &a.detach, NULL, "return when the machine runs; it goes on in the background", 0, 0},
        {"json", 0, CLI_FLAG, &a.json, NULL, "with --detach: say which process and socket, as JSON", 0, 0},
        {"stats", 0, CLI_FLAG, &a.stats, NULL, "print the engine's counters as JSON at the end", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, &a.name);
    if (status != CLI_GO_ON)
        return status;
    if (a.recovery + a.dfu + a.stop1 + a.stop2 + a.picker > 1)
        return cli_usage("start", "--recovery, --picker, --dfu, --stop-in-stage1 and --stop-in-stage2 exclude each other");
    if (a.approve && !a.recovery)
        return cli_usage("start", "--approve-policy is for a start with --recovery");
    if (a.approve && !cli_security("start", a.approve, &level))
        return CLI_USAGE;
    if ((a.resume || a.resume_or_start) && (a.discard || a.recovery + a.dfu + a.stop1 + a.stop2 + a.picker))
        return cli_usage("start", "--resume and --resume-or-start go on: no other kind of start, and no --discard-saved");
    if (a.approve && a.detach)
        return cli_usage("start", "--approve-policy acts when the machine has ended: not with --detach");
    if (a.json && !a.detach)
        return cli_usage("start", "--json needs --detach: standard output is the guest's console");
    return open_and_start(&a);
}
