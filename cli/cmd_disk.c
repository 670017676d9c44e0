/* cmd_disk.c - pome disk resize: a machine's disk grows. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <pome/installer.h>

#include <inttypes.h>

command_run cmd_disk_resize;

static void print_result(const pome_bundle *b, bool json)
{
    if (json) {
        printf("{\"event\":\"done\",\"disk_bytes\":%" PRIu64 "}\n", pome_bundle_disk_size(b));
        return;
    }
    char size[16];
    cli_note("Disk:    %s", cli_size(pome_bundle_disk_size(b), size));
    if (pome_bundle_can_start(b, NULL))
        cli_note("Next:    start it: a Debian image grows its file system by itself; elsewhere \"resize2fs /dev/vda2\" in the guest");
}

int cmd_disk_resize(int argc, char **argv)
{
    const char *words[2];
    bool json = false;
    uint64_t size;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0}, {0}};
    struct pome_error err = {0};
    struct cli_progress p;
    int status = cli_options(argc, argv, options, 2, 2, words);
    if (status != CLI_GO_ON)
        return status;
    if (!cli_parse_size(words[1], &size))
        return cli_usage("disk resize", "%s: not a size (write 64GiB, or a number of bytes)", words[1]);
    pome_bundle *b = pome_bundle_open(words[0], &err);
    bool ok = b;
    if (b) {
        cli_progress_begin(&p, "Resizing", json);
        ok = pome_bundle_disk_resize(b, size, cli_progress_show, &p, &err);
        cli_progress_end(&p, ok);
    }
    if (ok)
        print_result(b, json);
    else
        status = cli_fail(&err, err.code == POME_ERROR_OPERATION_CANCELLED ? "the same command completes it; the machine starts as it is" : NULL,
                          "cannot resize the disk of \"%s\"", words[0]);
    pome_bundle_free(b);
    return ok ? CLI_OK : status;
}
