/* cmd_snapshot.c - pome snapshot create, list, restore, delete. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/running.h"

#include <pome/snapshot.h>
#include <pome/task.h>

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

command_run cmd_snapshot_create, cmd_snapshot_list, cmd_snapshot_restore, cmd_snapshot_delete;

static const char *hint(const struct pome_error *err)
{
    return err->code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows the machines, \"pome snapshot list NAME\" a machine's snapshots"
           : err->code == POME_ERROR_BUSY    ? "stop or save the machine first: pome stop NAME, pome save NAME"
                                             : NULL;
}

/* What the file system made of it. */
static void how(const struct pome_copy_result *r)
{
    if (!r->instant)
        cli_note("data was copied: %s", r->why);
}

typedef bool operation(pome_bundle *bundle, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user,
                       struct pome_error *err);

static int operate(int argc, char **argv, operation *fn, const char *title, const char *failed)
{
    bool json = false;
    const struct cli_option options[] = {{"json", 'j', CLI_FLAG, &json, NULL, "progress and result as JSON", 0, 0}, {0}};
    const char *names[2];
    int status = cli_options(argc, argv, options, 2, 2, names);
    if (status != CLI_GO_ON)
        return status;
    struct pome_error err = {0};
    struct pome_copy_result result = {.size = sizeof result};
    struct cli_progress p;
    pome_bundle *b = pome_bundle_open(names[0], &err);
    bool ok = b;
    if (b) {
        cli_progress_begin(&p, title, json);
        ok = fn(b, names[1], &result, cli_progress_show, &p, &err);
        cli_progress_end(&p, ok);
    }
    pome_bundle_free(b);
    if (!ok)
        return cli_fail(&err, hint(&err), failed, names[1], names[0]);
    if (json)
        printf("{\"event\":\"done\",\"instant\":%s}\n", result.instant ? "true" : "false");
    else
        how(&result);
    return CLI_OK;
}

/* The process of a machine that runs, which does it then. NULL: there is none, or it is not to be reached: whoever locks the bundle says who has it. */
static pome_control *running_machine(pome_bundle *bundle)
{
    return pome_bundle_is_in_use(bundle, NULL) ? pome_control_connect(pome_bundle_path(bundle), NULL) : NULL;
}

static bool create(pome_bundle *bundle, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    pome_control *c = running_machine(bundle);
    if (!c)
        return pome_snapshot_create(bundle, name, result, progress, user, err);
    bool ok = pome_control_snapshot(c, name, NULL, err);
    pome_control_free(c);
    result->instant = true;
    return ok;
}

int cmd_snapshot_create(int argc, char **argv)
{
    return operate(argc, argv, create, "Taking a snapshot", "cannot make snapshot \"%s\" of \"%s\"");
}

int cmd_snapshot_restore(int argc, char **argv)
{
    return operate(argc, argv, pome_snapshot_restore, "Going back", "cannot go back to snapshot \"%s\" of \"%s\"");
}

struct listing {
    bool json;
    size_t n;
};

static bool show_json(struct listing *l, const struct pome_snapshot *s)
{
    printf("%s{\"name\":", l->n ? ",\n " : "");
    cli_json_string(stdout, s->name);
    fputs(",\"parent\":", stdout);
    cli_json_string(stdout, s->parent);
    printf(",\"created\":%" PRId64 ",\"memory\":%s,\"current\":%s,\"allocated_bytes\":%" PRIu64 "}", s->created, s->has_memory ? "true" : "false",
           s->is_current ? "true" : "false", s->allocated_bytes);
    return true;
}

static bool show(void *user, const struct pome_snapshot *s)
{
    struct listing *l = user;
    char when[32], size[16];
    time_t t = (time_t)s->created;
    struct tm tm;
    if (l->json)
        show_json(l, s);
    else {
        if (!l->n)
            printf("%-28s %-19s  %-9s  %s\n", "NAME", "TAKEN", "ON DISK", "");
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
        int indent = (int)(s->depth < 8 ? s->depth : 8) * 2;
        printf("%*s%-*s %-19s  %-9s  %s%s\n", indent, "", 28 - indent, s->name, when, cli_size(s->allocated_bytes, size),
               s->has_memory ? "with memory" : "disks", s->is_current ? ", current" : "");
    }
    l->n++;
    return true;
}

int cmd_snapshot_list(int argc, char **argv)
{
    struct listing l = {0};
    const struct cli_option options[] = {{"json", 'j', CLI_FLAG, &l.json, NULL, "as JSON", 0, 0}, {0}};
    const char *name;
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    struct pome_error err = {0};
    pome_bundle *b = pome_bundle_open(name, &err);
    if (b && l.json)
        putchar('[');
    bool ok = b && pome_snapshot_list(b, show, &l, &err);
    if (b && l.json)
        puts("]");
    pome_bundle_free(b);
    if (!ok)
        return cli_fail(&err, hint(&err), "cannot list the snapshots of \"%s\"", name);
    if (!l.json && !l.n)
        cli_note("\"%s\" has no snapshots", name);
    return CLI_OK;
}

/* As a task: pome_snapshot_delete() itself says nothing on its way. */
static bool delete_here(pome_bundle *bundle, const char *name, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct pome_task_options o = POME_TASK_OPTIONS_INIT;
    o.kind = POME_TASK_SNAPSHOT_DELETE;
    o.bundle = bundle;
    o.snapshot = name;
    pome_task *t = pome_task_start(&o, progress, NULL, NULL, user, err);
    bool ok = t && pome_task_wait(t, -1, err);
    pome_task_free(t);
    return ok;
}

static bool delete(pome_bundle *bundle, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    pome_control *c = running_machine(bundle);
    result->instant = true;
    if (!c)
        return delete_here(bundle, name, progress, user, err);
    bool ok = pome_control_snapshot_delete(c, name, err);
    pome_control_free(c);
    return ok;
}

int cmd_snapshot_delete(int argc, char **argv)
{
    return operate(argc, argv, delete, "Removing the snapshot", "cannot remove snapshot \"%s\" of \"%s\"");
}
