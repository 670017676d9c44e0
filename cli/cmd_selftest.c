/* cmd_selftest.c - pome selftest cpu: is this host's engine right? */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <pome/selftest.h>
#include <inttypes.h>

static void print_json(const struct pome_selftest *t)
{
    printf("{\"seed\":%" PRIu64 ",\"instructions\":%" PRIu32 ",\"examples\":%" PRIu32 ",\"blocks\":%" PRIu64 ",\"failures\":%" PRIu64
           ",\"first_failure\":", t->seed, t->instructions, t->examples, t->blocks, t->failures);
    cli_json_string(stdout, t->first_failure[0] ? t->first_failure : NULL);
    printf("}\n");
}

command_run cmd_selftest_cpu;

int cmd_selftest_cpu(int argc, char **argv)
{
    uint64_t seconds = 5;
    bool json = false;
    struct pome_selftest t = {.seed = 1};
    struct pome_error err;
    const struct cli_option options[] = {
        {"seconds", 0, CLI_NUMBER, &seconds, "N", "how long (5; 0: once through all instructions)", 0, 86400},
        {"seed", 0, CLI_NUMBER, &t.seed, "N", "where the random code begins (1)", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "the result as JSON", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 0, 0, NULL);
    if (status != CLI_GO_ON)
        return status;
    t.seconds = (double)seconds;
    struct cli_progress p;
    if (seconds)
        cli_progress_begin(&p, "Self test", json);
    bool ok = pome_selftest_cpu(&t, seconds ? cli_progress_show : NULL, &p, &err);
    if (seconds)
        cli_progress_end(&p, ok);
    if (!ok)
        return cli_fail(&err, NULL, "cannot test the engine");
    if (json)
        print_json(&t);
    else
        printf("%" PRIu64 " pieces of random code with %" PRIu32 " kinds of instructions, %" PRIu32 " examples, seed %" PRIu64 ": %s\n",
               t.blocks, t.instructions, t.examples, t.seed, t.failures ? "FAILED" : "all right");
    if (t.failures && !json)
        printf("%" PRIu64 " failed; the first: %s\n", t.failures, t.first_failure);
    return t.failures ? CLI_FAILED : CLI_OK;
}
