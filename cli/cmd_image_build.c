/* cmd_image_build.c - pome image build: a restore image from a distribution's own packages. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <pome/image.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

command_run cmd_image_build;

static const char *hint_for(const struct pome_error *err)
{
    switch (err->code) {
    case POME_ERROR_EXISTS:
        return "choose another name, or give --force to replace it";
    case POME_ERROR_IO:
        return "the log named above says what happened; run it again once that is solved (packages are kept)";
    }
    return NULL;
}

static int build(const struct pome_image_build_options *o, bool json)
{
    struct pome_error err = {0};
    struct cli_progress progress;
    struct stat s;
    char size[16];
    cli_progress_begin(&progress, "building the restore image", json);
    bool ok = pome_image_build_debian(o, cli_progress_show, &progress, &err);
    cli_progress_end(&progress, ok);
    if (!ok)
        return cli_fail(&err, hint_for(&err), "cannot build %s", o->output);
    if (!stat(o->output, &s))
        cli_note("%s: %s\nnext: pome create NAME --image %s", o->output, cli_size((uint64_t)s.st_size, size), o->output);
    return CLI_OK;
}

int cmd_image_build(int argc, char **argv)
{
    struct pome_image_build_options o = POME_IMAGE_BUILD_OPTIONS_INIT;
    const char *what[1];
    bool json = false;
    const struct cli_option options[] = {
        {"output", 'o', CLI_TEXT, &o.output, "FILE", "the restore image to write", 0, 0},
        {"suite", 's', CLI_TEXT, &o.suite, "NAME", "Debian suite (bookworm)", 0, 0},
        {"packages", 'p', CLI_TEXT, &o.packages, "A,B", "further packages", 0, 0},
        {"mirror", 0, CLI_TEXT, &o.mirror, "URL", "Debian mirror (those of the host's apt)", 0, 0},
        {"force", 'f', CLI_FLAG, &o.replace, NULL, "replace an existing file", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "progress as JSON, one object per line", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, what);
    if (status != CLI_GO_ON)
        return status;
    if (strcmp(what[0], "debian"))
        return cli_usage(argv[0], "\"%s\" cannot be built: debian can", what[0]);
    if (!o.output)
        return cli_usage(argv[0], "-o FILE is needed");
    return build(&o, json);
}
