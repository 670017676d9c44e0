/* cmd_bundle.c - pome bundle info, check, repair, clone, move, export, import. */
#include "cli/commands.h"
#include "cli/findings.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/state.h"

#include <pome/snapshot.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

command_run cmd_bundle_info, cmd_bundle_check, cmd_bundle_repair, cmd_bundle_clone, cmd_bundle_move, cmd_bundle_export,
    cmd_bundle_import;

static const char *no_machine(const struct pome_error *err)
{
    return err->code == POME_ERROR_NOT_FOUND        ? "\"pome list\" shows all machines"
           : err->code == POME_ERROR_INVALID_BUNDLE ? "\"pome bundle check\" tells all that is wrong"
                                                    : NULL;
}

/* --- other tools' machines --- */

static void foreign_json(const struct pome_foreign_info *i, bool importable)
{
    fputs("\"kind\":\"foreign\",\"tool\":", stdout);
    cli_json_string(stdout, i->tool);
    fputs(",\"name\":", stdout);
    cli_json_string(stdout, i->name);
    printf(",\"os\":\"%s\",\"boot\":\"%s\",\"cpu_count\":%" PRIu32 ",\"memory_bytes\":%" PRIu64 ",\"disks\":%" PRIu32
           ",\"disk_bytes\":%" PRIu64 ",\"networks\":%" PRIu32,
           i->os, i->boot, i->cpu_count, i->memory_bytes, i->disk_count, i->disk_bytes, i->network_count);
    if (i->mac_address[0])
        printf(",\"mac_address\":\"%s\"", i->mac_address);
    if (i->width)
        printf(",\"display\":{\"width\":%" PRIu32 ",\"height\":%" PRIu32 "}", i->width, i->height);
    if (i->has_ecid)
        printf(",\"ecid\":\"%016" PRIX64 "\"", i->ecid);
    if (i->has_hardware_model)
        printf(",\"hardware_model\":{\"platform_version\":%" PRIu32 ",\"minimum_os\":\"%" PRIu32 ".%" PRIu32 ".%" PRIu32 "\"}",
               i->platform_version, i->minimum_os[0], i->minimum_os[1], i->minimum_os[2]);
    printf(",\"importable\":%s", importable ? "true" : "false");
}

static void foreign_text(const struct pome_foreign_info *i)
{
    char a[16];
    printf("Machine:    %s, of %s\nGuest:      %s, boots by %s\n", i->name, i->tool, i->os,
           !strcmp(i->boot, "linux") ? "a kernel given directly" : i->boot);
    if (i->has_hardware_model)
        printf("Platform:   version %" PRIu32 ", for hosts from macOS %" PRIu32 ".%" PRIu32 "\n", i->platform_version,
               i->minimum_os[0], i->minimum_os[1]);
    if (i->has_ecid)
        printf("ECID:       %016" PRIX64 "\n", i->ecid);
    printf("CPUs:       %" PRIu32 "\nMemory:     %s\n", i->cpu_count, cli_size(i->memory_bytes, a));
    printf("Disks:      %" PRIu32 ", the first of %s\n", i->disk_count, cli_size(i->disk_bytes, a));
    if (i->network_count)
        printf("Networks:   %" PRIu32 "%s%s\n", i->network_count, i->mac_address[0] ? ", " : "", i->mac_address);
    if (i->width)
        printf("Display:    %" PRIu32 "x%" PRIu32 "\n", i->width, i->height);
}

/* Info and check are one for them: the first says also what is wrong, to standard error. */
static int foreign(const char *path, bool json, bool checks)
{
    struct pome_error err = {0};
    struct pome_foreign_info i = POME_FOREIGN_INFO_INIT;
    struct cli_findings l;
    cli_findings_begin(&l, checks ? stdout : stderr, json);
    bool ok = pome_foreign_describe(path, &i, cli_finding, &l, &err);
    if (json) {
        printf("],\"errors\":%zu,\"warnings\":%zu,", l.errors, l.warnings);
        foreign_json(&i, ok);
        puts("}");
    } else if (!checks && i.tool[0]) {
        foreign_text(&i);
    }
    if (!ok && !l.errors)
        return cli_fail(&err, NULL, "cannot look at %s", path);
    if (!json && ok)
        cli_note("Next: pome bundle import %s", path);
    return checks && !ok ? CLI_FAILED : CLI_OK;
}

/* --- info --- */

static void info_json(const pome_bundle *b, const struct pome_bundle_info *i)
{
    int pid;
    bool busy = pome_bundle_is_in_use(b, &pid);
    fputs("{\"kind\":\"pome\",\"name\":", stdout);
    cli_json_string(stdout, pome_bundle_name(b));
    fputs(",\"path\":", stdout);
    cli_json_string(stdout, pome_bundle_path(b));
    printf(",\"platform\":\"%s\",\"installed\":%s,\"in_use\":%s,\"ecid\":\"%016" PRIX64 "\"", i->platform,
           pome_bundle_is_installed(b) ? "true" : "false", busy ? "true" : "false", pome_bundle_ecid(b));
    if (i->platform_name[0]) {
        printf(",\"hardware_model\":{\"platform_version\":%" PRIu32 ",\"representation\":%" PRIu32 ",\"minimum_os\":\"%" PRIu32
               ".%" PRIu32 ".%" PRIu32 "\",\"name\":",
               i->platform_version, i->representation, i->minimum_os[0], i->minimum_os[1], i->minimum_os[2]);
        cli_json_string(stdout, i->platform_name);
        putchar('}');
    }
    printf(",\"boot\":\"%s\",\"cpu_count\":%u,\"cpu_model\":\"%s\",\"memory_bytes\":%" PRIu64 ",\"disk_bytes\":%" PRIu64
           ",\"disk_used_bytes\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"allocated_bytes\":%" PRIu64 "}\n",
           i->boot, pome_bundle_cpu_count(b), i->cpu_model, pome_bundle_memory_size(b), pome_bundle_disk_size(b),
           pome_bundle_disk_used(b), i->bytes, i->allocated_bytes);
}

static void info_text(const pome_bundle *b, const struct pome_bundle_info *i)
{
    char a[16], c[16];
    int pid;
    bool busy = pome_bundle_is_in_use(b, &pid);
    printf("Machine:    %s\nPath:       %s\n", pome_bundle_name(b), pome_bundle_path(b));
    if (i->platform_name[0])
        printf("Platform:   %s (%s, version %" PRIu32 "), for hosts from %" PRIu32 ".%" PRIu32 ".%" PRIu32 "\n", i->platform,
               i->platform_name, i->platform_version, i->minimum_os[0], i->minimum_os[1], i->minimum_os[2]);
    else
        printf("Platform:   %s, boots by %s\n", i->platform, i->boot);
    printf("ECID:       %016" PRIX64 "\n", pome_bundle_ecid(b));
    printf("State:      %s\n", busy && pome_bundle_is_installed(b) ? "in use" : machine_at_rest(b));
    printf("CPUs:       %u (%s)\nMemory:     %s\n", pome_bundle_cpu_count(b), i->cpu_model,
           cli_size(pome_bundle_memory_size(b), a));
    printf("Disk:       %s, %s on the host\n", cli_size(pome_bundle_disk_size(b), a), cli_size(pome_bundle_disk_used(b), c));
    printf("All files:  %s, %s on the host\n", cli_size(i->bytes, a), cli_size(i->allocated_bytes, c));
}

int cmd_bundle_info(int argc, char **argv)
{
    const char *name[1];
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "a JSON object", 0, 0}, {0}};
    struct pome_error err = {0};
    struct pome_bundle_info i = POME_BUNDLE_INFO_INIT;
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status != CLI_GO_ON)
        return status;
    if (pome_foreign_tool(name[0]))
        return foreign(name[0], json, false);
    pome_bundle *b = pome_bundle_open(name[0], &err);
    if (!b || !pome_bundle_info(b, &i, &err))
        status = cli_fail(&err, no_machine(&err), "cannot show \"%s\"", name[0]);
    else {
        json ? info_json(b, &i) : info_text(b, &i);
        status = CLI_OK;
    }
    pome_bundle_free(b);
    return status;
}

/* --- check and repair --- */

static void count(const char *name, const struct cli_findings *l)
{
    if (!l->json)
        cli_note("%s: %zu error%s, %zu warning%s", name, l->errors, l->errors == 1 ? "" : "s", l->warnings,
                 l->warnings == 1 ? "" : "s");
}

int cmd_bundle_check(int argc, char **argv)
{
    const char *name[1];
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "findings as JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    struct cli_findings l;
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status != CLI_GO_ON)
        return status;
    if (pome_foreign_tool(name[0]))
        return foreign(name[0], json, true);
    cli_findings_begin(&l, stdout, json);
    bool ok = pome_bundle_check(name[0], cli_finding, &l, &err);
    cli_findings_end(&l);
    if (!ok && !l.errors)
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines" : NULL, "cannot check \"%s\"",
                        name[0]);
    count(name[0], &l);
    if (l.repairable && !json)
        cli_note("Next: pome bundle repair %s", name[0]);
    return ok ? CLI_OK : CLI_FAILED;
}

/* Asks on the terminal; without one the answer is no. */
static bool agreed(const char *name, size_t n)
{
    char answer[16];
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return false;
    fprintf(stderr, "Repair %zu of these in \"%s\"? [y/N] ", n, name);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int cmd_bundle_repair(int argc, char **argv)
{
    const char *name[1];
    bool json = false, yes = false;
    const struct cli_option options[] = {
        {"yes", 'y', CLI_FLAG, &yes, NULL, "do not ask", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "what is left, as JSON", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct cli_findings l;
    unsigned mended;
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status != CLI_GO_ON)
        return status;
    if (!yes) {
        cli_findings_begin(&l, stderr, false);
        bool ok = pome_bundle_check(name[0], cli_finding, &l, &err);
        if (!ok && !l.errors)
            return cli_fail(&err, NULL, "cannot check \"%s\"", name[0]);
        if (l.repairable && !agreed(name[0], l.repairable)) {
            cli_note("Nothing was changed; \"pome bundle repair --yes %s\" does not ask.", name[0]);
            return CLI_FAILED;
        }
    }
    cli_findings_begin(&l, stdout, json);
    bool ok = pome_bundle_repair(name[0], cli_finding, &l, &mended, &err);
    cli_findings_end(&l);
    if (!ok && !l.errors)
        return cli_fail(&err, NULL, "cannot repair \"%s\"", name[0]);
    cli_note("%s: %u repaired%s", name[0], mended, mended ? "; what was replaced is kept in the bundle as *.old" : "");
    count(name[0], &l);
    return ok ? CLI_OK : CLI_FAILED;
}

/* --- copies --- */

static void print_done(const pome_bundle *b, const char *what, const struct pome_copy_result *r, bool json)
{
    if (!json) {
        if (r && r->why[0])
            cli_note("Not instant: %s.", r->why);
        cli_note("%s: %s", what, pome_bundle_path(b));
        return;
    }
    fputs("{\"event\":\"done\",\"name\":", stdout);
    cli_json_string(stdout, pome_bundle_name(b));
    fputs(",\"path\":", stdout);
    cli_json_string(stdout, pome_bundle_path(b));
    printf(",\"ecid\":\"%016" PRIX64 "\"", pome_bundle_ecid(b));
    if (r) {
        printf(",\"instant\":%s,\"why_not\":", r->instant ? "true" : "false");
        cli_json_string(stdout, r->why[0] ? r->why : NULL);
    }
    puts("}");
}

/* A port of the host leads to one machine: that is better known now than when the second one does not start. */
static void note_ports(const pome_bundle *copy, const char *original)
{
    char key[32], *port;
    snprintf(key, sizeof key, "forwards[0].hostPort");
    for (unsigned i = 0; (port = pome_bundle_config_get(copy, key, NULL)); i++, snprintf(key, sizeof key, "forwards[%u].hostPort", i)) {
        cli_note("Port %s of this host leads to \"%s\", too: before both run, pome set %s 'forwards[%u].hostPort' NUMBER", port, original, pome_bundle_name(copy), i);
        free(port);
    }
}

int cmd_bundle_clone(int argc, char **argv)
{
    const char *names[2];
    const char *snapshot = NULL;
    bool json = false, keep = false, warm = false;
    const struct cli_option options[] = {
        {"warm", 0, CLI_FLAG, &warm, NULL, "with the snapshot's memory: \"pome start NEW --resume\" goes on from there", 0, 0},
        {"from-snapshot", 0, CLI_TEXT, &snapshot, "NAME", "copy what the machine was then: disks, NVRAM, configuration", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0},
        {"keep-identity", 0, CLI_FLAG, &keep, NULL, "refused, and says why", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct pome_copy_result r = POME_COPY_RESULT_INIT;
    struct cli_progress p;
    int status = cli_options(argc, argv, options, 2, 2, names);
    if (status != CLI_GO_ON)
        return status;
    if (warm && !snapshot)
        return cli_usage(argv[0], "--warm needs --from-snapshot: memory is that of a snapshot (pome snapshot create)");
    if (keep)
        return cli_usage(argv[0],
                         "--keep-identity: two machines with one ECID would share boot tickets, and must never run together;\n"
                         "  a copy to keep in a safe place is what \"pome bundle export\" makes");
    pome_bundle *copy = NULL, *b = pome_bundle_open(names[0], &err);
    if (b) {
        cli_progress_begin(&p, "Clone", json);
        copy = warm     ? pome_snapshot_clone_warm(b, snapshot, names[1], &r, cli_progress_show, &p, &err)
             : snapshot ? pome_snapshot_clone(b, snapshot, names[1], &r, cli_progress_show, &p, &err)
                        : pome_bundle_clone(b, names[1], &r, cli_progress_show, &p, &err);
        cli_progress_end(&p, copy != NULL);
    }
    if (copy)
        print_done(copy, "Machine", &r, json);
    if (copy && !json)
        note_ports(copy, names[0]);
    status = copy ? CLI_OK
                  : cli_fail(&err,
                             b && err.code == POME_ERROR_BUSY ? "stop it first, or clone a snapshot of it (pome snapshot create, --from-snapshot)"
                             : b && warm && err.code == POME_ERROR_INVALID_STATE ? "take a snapshot while it runs: pome snapshot create"
                             : b                              ? NULL
                                                              : no_machine(&err),
                             "cannot clone \"%s\"", names[0]);
    pome_bundle_free(copy);
    pome_bundle_free(b);
    return status;
}

int cmd_bundle_move(int argc, char **argv)
{
    const char *names[2];
    bool json = false;
    const struct cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0}, {0}};
    struct pome_error err = {0};
    struct pome_copy_result r = POME_COPY_RESULT_INIT;
    struct cli_progress p;
    int status = cli_options(argc, argv, options, 2, 2, names);
    if (status != CLI_GO_ON)
        return status;
    pome_bundle *b = pome_bundle_open(names[0], &err);
    bool ok = false;
    if (b) {
        cli_progress_begin(&p, "Move", json);
        ok = pome_bundle_move(b, names[1], &r, cli_progress_show, &p, &err);
        cli_progress_end(&p, ok);
    }
    if (ok)
        print_done(b, "Machine", &r, json);
    status = ok ? CLI_OK : cli_fail(&err, b ? NULL : no_machine(&err), "cannot move \"%s\"", names[0]);
    pome_bundle_free(b);
    return status;
}

int cmd_bundle_export(int argc, char **argv)
{
    const char *words[2], *output = NULL;
    char path[4096];
    bool json = false, replace = false;
    const struct cli_option options[] = {
        {"output", 'o', CLI_TEXT, &output, "FILE", "the file to write (NAME.pomebundle.tar.zst)", 0, 0},
        {"force", 'f', CLI_FLAG, &replace, NULL, "replace an existing file", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct cli_progress p;
    struct stat st;
    int status = cli_options(argc, argv, options, 1, 1, words);
    if (status != CLI_GO_ON)
        return status;
    pome_bundle *b = pome_bundle_open(words[0], &err);
    bool ok = false;
    if (b) {
        snprintf(path, sizeof path, output ? "%s" : "%s.pomebundle.tar.zst", output ? output : pome_bundle_name(b));
        cli_progress_begin(&p, "Export", json);
        ok = pome_bundle_export(b, path, replace, cli_progress_show, &p, &err);
        cli_progress_end(&p, ok);
    }
    if (ok && json) {
        fputs("{\"event\":\"done\",\"path\":", stdout);
        cli_json_string(stdout, path);
        printf(",\"bytes\":%lld}\n", stat(path, &st) ? -1 : (long long)st.st_size);
    } else if (ok && !stat(path, &st)) {
        char size[16];
        cli_note("%s: %s", path, cli_size((uint64_t)st.st_size, size));
    }
    status = ok ? CLI_OK
                : cli_fail(&err,
                           !b                              ? no_machine(&err)
                           : err.code == POME_ERROR_EXISTS ? "choose another name, or give --force to replace it"
                           : err.code == POME_ERROR_OPERATION_CANCELLED ? "the same command goes on where this one stopped; until then the beginning is kept beside it, in FILE.part"
                                                           : NULL,
                           "cannot export \"%s\"", words[0]);
    pome_bundle_free(b);
    return status;
}

int cmd_bundle_import(int argc, char **argv)
{
    const char *words[2];
    bool json = false;
    const struct cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0}, {0}};
    struct pome_error err = {0};
    struct cli_progress p;
    int status = cli_options(argc, argv, options, 1, 2, words);
    if (status != CLI_GO_ON)
        return status;
    cli_progress_begin(&p, "Import", json);
    pome_bundle *b = pome_bundle_import(words[0], words[1], cli_progress_show, &p, &err);
    cli_progress_end(&p, b != NULL);
    if (b)
        print_done(b, "Machine", NULL, json);
    status = b ? CLI_OK
               : cli_fail(&err,
                          err.code == POME_ERROR_EXISTS           ? "give it another name: pome bundle import FILE NAME"
                          : err.code == POME_ERROR_OPERATION_CANCELLED && !pome_foreign_tool(words[0]) ? "the same command goes on where this one stopped; \"pome delete NAME\" removes what there is"
                          : err.code == POME_ERROR_NOT_SUPPORTED  ? "run it on a Mac; \"pome bundle check\" tells more"
                          : err.code == POME_ERROR_INVALID_BUNDLE ? "\"pome bundle check\" tells all that is wrong"
                                                                  : NULL,
                          "cannot import %s", words[0]);
    pome_bundle_free(b);
    return status;
}
