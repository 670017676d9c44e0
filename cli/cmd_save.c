/* cmd_save.c - pome save: a machine that runs in another process is saved and ends. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run_vm.h"
#include "cli/running.h"

#include <stdlib.h>

command_run cmd_save;

/* Pauses it unless it is, saves, ends it. What fails leaves it running. */
static bool save(pome_control *c, const struct pome_save_options *o, struct pome_error *err)
{
    struct pome_control_status s = POME_CONTROL_STATUS_INIT;
    if (!pome_control_status(c, &s, err) || (s.state != POME_VM_PAUSED && !pome_control_pause(c, err)))
        return false;
    if (pome_control_save(c, o, err))
        return pome_control_stop(c, err) || err->code == POME_ERROR_NOT_FOUND; /* its process ends, answer or not */
    if (s.state != POME_VM_PAUSED)
        pome_control_resume(c, NULL);
    return false;
}

int cmd_save(int argc, char **argv)
{
    bool json = false;
    const char *name, *key_file = NULL;
    const struct cli_option options[] = {
        {"key-file", 0, CLI_TEXT, &key_file, "FILE", "encrypt it with what is in this file; \"start --resume\" needs it too", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "print the result as JSON", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct pome_save_options o = POME_SAVE_OPTIONS_INIT;
    void *key = NULL;
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    if (!read_save_key(key_file, &o, &key, &err))
        return cli_fail(&err, NULL, "cannot read the key");
    pome_control *c = running_connect(name, "save", &status);
    if (c && save(c, &o, &err)) {
        running_wait_unlocked(name, 10000);
        status = CLI_OK;
        if (json)
            running_print(name, "saved", true);
        else
            cli_note("saved; \"pome start %s --resume\" goes on from here", name);
    } else if (c) {
        status = cli_fail(&err, running_hint(&err), "cannot save \"%s\"", name);
    }
    pome_control_free(c);
    free(key);
    return status;
}
