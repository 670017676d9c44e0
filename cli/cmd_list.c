/* cmd_list.c - pome list: all machines. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/state.h"

#include <pome/bundle.h>

#include <inttypes.h>

command_run cmd_list;

struct listing {
    bool json;
    size_t n;
};

static void print_json(const char *name, const char *path, const pome_bundle *b, const struct pome_error *why, bool first)
{
    struct machine_state m;
    machine_state(b, &m);
    printf("%s{\"name\":", first ? "" : ",\n ");
    cli_json_string(stdout, name);
    fputs(",\"path\":", stdout);
    cli_json_string(stdout, path);
    fputs(",\"state\":", stdout);
    cli_json_string(stdout, m.name);
    if (m.pid)
        printf(",\"pid\":%d", m.pid);
    if (b)
        printf(",\"cpu_count\":%u,\"memory_bytes\":%" PRIu64 ",\"disk_bytes\":%" PRIu64 ",\"disk_used_bytes\":%" PRIu64 ",\"ecid\":\"%016" PRIX64 "\"",
               pome_bundle_cpu_count(b), pome_bundle_memory_size(b), pome_bundle_disk_size(b), pome_bundle_disk_used(b), pome_bundle_ecid(b));
    if (!b) {
        fputs(",\"error\":", stdout);
        cli_json_string(stdout, why->message);
    }
    putchar('}');
}

static void print_row(const char *name, const pome_bundle *b, const struct pome_error *why, bool first)
{
    char memory[16], disk[16], used[16];
    struct machine_state m;
    if (first)
        printf("%-20s %-14s %4s %10s %10s %10s\n", "NAME", "STATE", "CPUS", "MEMORY", "DISK", "USED");
    machine_state(b, &m);
    const char *state = m.name;
    if (b)
        printf("%-20s %-14s %4u %10s %10s %10s\n", name, state, pome_bundle_cpu_count(b), cli_size(pome_bundle_memory_size(b), memory),
               cli_size(pome_bundle_disk_size(b), disk), cli_size(pome_bundle_disk_used(b), used));
    else
        printf("%-20s %-14s %s\n", name, state, why->message);
}

static bool found(void *user, const char *name, const char *path, const pome_bundle *b, const struct pome_error *why)
{
    struct listing *l = user;
    if (l->json)
        print_json(name, path, b, why, !l->n);
    else
        print_row(name, b, why, !l->n);
    l->n++;
    return true;
}

int cmd_list(int argc, char **argv)
{
    struct listing l = {0};
    struct pome_error err = {0};
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &l.json, NULL, "print a JSON array", 0, 0}, {0}};
    int status = cli_options(argc, argv, options, 0, 0, NULL);
    if (status != CLI_GO_ON)
        return status;
    if (l.json)
        putchar('[');
    if (!pome_bundle_list(found, &l, &err))
        return cli_fail(&err, NULL, "cannot list the machines");
    if (l.json)
        puts("]");
    else if (!l.n)
        cli_note("No machines yet. \"pome create NAME --image FILE\" makes one.");
    return CLI_OK;
}
