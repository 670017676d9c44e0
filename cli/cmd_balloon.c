/* cmd_balloon.c - pome balloon: how much memory a running guest keeps, and telling it to keep less or more. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/running.h"

#include <inttypes.h>
#include <stdio.h>

command_run cmd_balloon;

static void print_line(const char *what, uint64_t bytes)
{
    char text[16];
    if (bytes != UINT64_MAX)
        printf("%-11s %s\n", what, cli_size(bytes, text));
}

static void print_member(const char *key, uint64_t value)
{
    if (value != UINT64_MAX)
        printf(",\"%s\":%" PRIu64, key, value);
}

static void print(const char *name, const struct pome_balloon_status *s, bool json)
{
    if (!json) {
        print_line("Target:", s->target_size);
        print_line("Keeps:", s->actual_size);
        print_line("Returned:", s->returned_size);
        print_line("Total:", s->total);
        print_line("Free:", s->free);
        print_line("Available:", s->available);
        print_line("Caches:", s->caches);
        return;
    }
    fputs("{\"name\":", stdout);
    cli_json_string(stdout, name);
    print_member("target_bytes", s->target_size);
    print_member("actual_bytes", s->actual_size);
    print_member("returned_bytes", s->returned_size);
    print_member("total_bytes", s->total);
    print_member("free_bytes", s->free);
    print_member("available_bytes", s->available);
    print_member("cache_bytes", s->caches);
    print_member("major_faults", s->major_faults);
    puts("}");
}

int cmd_balloon(int argc, char **argv)
{
    const char *args[2] = {0};
    uint64_t target = 0;
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print it as JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    struct pome_balloon_status s = POME_BALLOON_STATUS_INIT;
    int status = cli_options(argc, argv, options, 1, 2, args);
    if (status != CLI_GO_ON)
        return status;
    if (args[1] && !cli_parse_size(args[1], &target))
        return cli_usage("balloon", "%s: not a size (write 512MiB, or a number of bytes)", args[1]);
    pome_control *c = running_connect(args[0], args[1] ? "set the balloon of" : "show the balloon of", &status);
    if (!c)
        return status;
    if ((!args[1] || pome_control_balloon_set_target(c, target, &err)) && pome_control_balloon_status(c, &s, &err)) {
        print(args[0], &s, json);
        status = CLI_OK;
    } else {
        status = cli_fail(&err, err.code == POME_ERROR_INVALID_CONFIGURATION ? "give it one: pome config set NAME balloons '[{}]', and start it again" : running_hint(&err),
                          "cannot %s the balloon of \"%s\"", args[1] ? "set" : "show", args[0]);
    }
    pome_control_free(c);
    return status;
}
