/* cmd_delete.c - pome delete, rename. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/running.h"

#include <stdio.h>
#include <string.h>

command_run cmd_delete, cmd_rename;

/* Ends it as pulling the plug does, if it runs: all that it has is to be deleted. */
static bool end_if_running(const char *name, struct pome_error *err)
{
    pome_control *c = pome_control_connect(name, err);
    bool ok = c ? pome_control_stop(c, err) || err->code == POME_ERROR_NOT_FOUND : err->code == POME_ERROR_INVALID_STATE;
    pome_control_free(c);
    if (c && ok)
        running_wait_unlocked(name, 10000);
    return ok || err->code == POME_ERROR_INVALID_BUNDLE;
}

int cmd_delete(int argc, char **argv)
{
    const char *name[1];
    bool force = false, json = false;
    const struct cli_option options[] = {
        {"force", 'f', CLI_FLAG, &force, NULL, "end it first if it runs, as pulling the plug does", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "print the result as JSON", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status != CLI_GO_ON)
        return status;
    if ((force && !end_if_running(name[0], &err)) || !pome_bundle_delete(name[0], &err))
        return cli_fail(&err,
                        err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines"
                        : err.code == POME_ERROR_BUSY    ? "stop it first (pome stop NAME), or end and delete it with --force"
                                                         : NULL,
                        "cannot delete \"%s\"", name[0]);
    if (json)
        running_print(name[0], "deleted", true);
    else
        cli_note("Deleted %s", name[0]);
    return CLI_OK;
}

/* What bundle move does, within the folder of machines: one rename(2), so that it has happened or has not. */
int cmd_rename(int argc, char **argv)
{
    const char *names[2];
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print the result as JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 2, 2, names);
    if (status != CLI_GO_ON)
        return status;
    for (int i = 0; i < 2; i++)
        if (strchr(names[i], '/'))
            return cli_usage("rename", "%s: a name has no slash; \"pome bundle move\" moves a machine to another folder", names[i]);
    pome_bundle *b = pome_bundle_open(names[0], &err);
    bool ok = b && pome_bundle_move(b, names[1], NULL, NULL, NULL, &err);
    pome_bundle_free(b);
    if (!ok)
        return cli_fail(&err,
                        err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines"
                        : err.code == POME_ERROR_BUSY    ? "stop it first: pome stop NAME"
                                                         : NULL,
                        "cannot rename \"%s\"", names[0]);
    if (json)
        running_print(names[1], "stopped", true);
    else
        cli_note("\"%s\" is called \"%s\" now.", names[0], names[1]);
    return CLI_OK;
}
