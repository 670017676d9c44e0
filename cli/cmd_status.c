/* cmd_status.c - pome status: what a machine does at this moment. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

command_run cmd_status;

static void time_text(int64_t ns, char text[40])
{
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm;
    strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
}

static void print_json(const pome_bundle *b, const struct machine_state *m)
{
    char started[40], generation[POME_GENERATION_BYTES] = "";
    pome_bundle_config_generation(b, generation, NULL);
    fputs("{\"name\":", stdout);
    cli_json_string(stdout, pome_bundle_name(b));
    fputs(",\"path\":", stdout);
    cli_json_string(stdout, pome_bundle_path(b));
    printf(",\"state\":\"%s\"", m->name);
    if (m->pid)
        printf(",\"pid\":%d", m->pid);
    if (m->serves) {
        time_text(m->status.started_ns, started);
        printf(",\"started\":\"%s\",\"console_viewers\":%u,\"socket\":", started, m->status.viewers);
        cli_json_string(stdout, m->socket);
    }
    printf(",\"cpu_count\":%u,\"memory_bytes\":%" PRIu64 ",\"disk_bytes\":%" PRIu64 ",\"disk_used_bytes\":%" PRIu64
           ",\"ecid\":\"%016" PRIX64 "\",\"generation\":\"%s\"}\n",
           pome_bundle_cpu_count(b), pome_bundle_memory_size(b), pome_bundle_disk_size(b), pome_bundle_disk_used(b), pome_bundle_ecid(b),
           m->serves ? m->status.generation : generation);
}

static void print_text(const pome_bundle *b, const struct machine_state *m)
{
    char memory[16], disk[16], used[16], started[40];
    printf("%-10s %s\n%-10s %s\n", "Machine:", pome_bundle_name(b), "State:", m->name);
    if (m->pid)
        printf("%-10s %d\n", "Process:", m->pid);
    if (m->serves) {
        time_text(m->status.started_ns, started);
        printf("%-10s %s\n%-10s %u attached\n%-10s %s\n", "Started:", started, "Console:", m->status.viewers, "Socket:", m->socket);
    }
    printf("%-10s %u\n%-10s %s\n%-10s %s, %s in use\n%-10s %s\n", "CPUs:", pome_bundle_cpu_count(b), "Memory:",
           cli_size(pome_bundle_memory_size(b), memory), "Disk:", cli_size(pome_bundle_disk_size(b), disk), cli_size(pome_bundle_disk_used(b), used),
           "Bundle:", pome_bundle_path(b));
}

int cmd_status(int argc, char **argv)
{
    const char *name;
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print it as JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    struct machine_state m;
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    pome_bundle *b = pome_bundle_open(name, &err);
    if (!b)
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines" : NULL, "cannot show \"%s\"", name);
    machine_state(b, &m);
    if (json)
        print_json(b, &m);
    else
        print_text(b, &m);
    pome_bundle_free(b);
    return CLI_OK;
}
