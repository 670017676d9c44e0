/* cmd_image_build.c - pome image build: a restore image from Debian's packages or from a root file system. */
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
    case POME_ERROR_INVALID_CONFIGURATION:
        return "\"pome image build --help\" lists what can be given";
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
    bool ok = pome_image_build(o, cli_progress_show, &progress, &err);
    cli_progress_end(&progress, ok);
    if (!ok)
        return cli_fail(&err, hint_for(&err), "cannot build %s", o->output);
    if (json) {
        fputs("{\"event\":\"done\",\"path\":", stdout);
        cli_json_string(stdout, o->output);
        printf(",\"bytes\":%llu}\n", stat(o->output, &s) ? 0ULL : (unsigned long long)s.st_size);
    } else if (!stat(o->output, &s)) {
        cli_note("%s: %s\nnext: pome create NAME --image %s%s", o->output, cli_size((uint64_t)s.st_size, size), o->output,
                 o->darwin ? " --cpu-model apple" : "");
    }
    return CLI_OK;
}

int cmd_image_build(int argc, char **argv)
{
    struct pome_image_build_options o = POME_IMAGE_BUILD_OPTIONS_INIT;
    struct cli_list overlays = {0}, keys = {0}, includes = {0};
    const char *what[1];
    bool json = false;
    const struct cli_option options[] = {
        {"output", 'o', CLI_TEXT, &o.output, "FILE", "the restore image to write", 0, 0},
        {"force", 'f', CLI_FLAG, &o.replace, NULL, "replace an existing file", 0, 0},
        {"suite", 's', CLI_TEXT, &o.suite, "NAME", "Debian suite (bookworm)", 0, 0},
        {"include", 'p', CLI_TEXT, &o.packages, "A,B", "further packages", 0, 0},
        {"packages", 0, CLI_TEXT, &o.packages, "A,B", "the same as --include", 0, 0},
        {"package-list", 0, CLI_TEXT, &o.package_list, "FILE", "further packages, from a file", 0, 0},
        {"mirror", 0, CLI_TEXT, &o.mirror, "URL", "Debian mirror (those of the host's apt)", 0, 0},
        {"rootfs", 'r', CLI_TEXT, &o.rootfs, "PATH", "a tar archive or folder with a system, instead of Debian", 0, 0},
        {"darwin", 0, CLI_FLAG, &o.darwin, NULL, "of a Darwin kernel: --kernel and --ramdisk, no system", 0, 0},
        {"kernel", 'k', CLI_TEXT, &o.kernel, "FILE", "arm64 Image (Debian's cloud kernel); Darwin: Mach-O", 0, 0},
        {"ramdisk", 0, CLI_TEXT, &o.ramdisk, "FILE", "the same as --initramfs; Darwin: its root (rd=md0)", 0, 0},
        {"device-tree", 0, CLI_TEXT, &o.device_tree, "FILE", "Darwin: an Apple device tree (the machine's)", 0, 0},
        {"trust-cache", 0, CLI_TEXT, &o.trust_cache, "FILE", "Darwin: a trust cache", 0, 0},
        {"os-image", 0, CLI_TEXT, &o.os_image, "FILE", "Darwin: content of the main container (empty)", 0, 0},
        {"modules", 0, CLI_TEXT, &o.modules, "DIR", "lib/modules/VERSION of that kernel", 0, 0},
        {"initramfs", 0, CLI_TEXT, &o.ramdisk, "FILE", "initramfs of the normal start (Pome's)", 0, 0},
        {"recovery-ramdisk", 0, CLI_TEXT, &o.recovery_ramdisk, "FILE", "initramfs of Recovery (Pome's)", 0, 0},
        {"recovery-include", 0, CLI_LIST, &includes, "DIR", "folder to copy into Pome's Recovery; may be repeated", 0, 0},
        {"firmware", 0, CLI_TEXT, &o.firmware, "FILE", "stage-2 firmware (Pome's)", 0, 0},
        {"command-line", 0, CLI_TEXT, &o.command_line, "TEXT", "of the kernel", 0, 0},
        {"recovery-command-line", 0, CLI_TEXT, &o.recovery_command_line, "TEXT", "of Recovery's kernel", 0, 0},
        {"name", 0, CLI_TEXT, &o.name, "TEXT", "name of the product (the system's)", 0, 0},
        {"version", 0, CLI_TEXT, &o.version, "TEXT", "version of the product (the system's)", 0, 0},
        {"build", 0, CLI_TEXT, &o.build, "TEXT", "build number (from version and date)", 0, 0},
        {"size", 0, CLI_SIZE, &o.os_bytes, "SIZE", "of the file system (as needed; a machine grows it)", UINT64_C(16) << 20, UINT64_C(64) << 30},
        {"hostname", 0, CLI_TEXT, &o.hostname, "NAME", "of the system", 0, 0},
        {"root-password-file", 0, CLI_TEXT, &o.root_password_file, "FILE", "its first line: root's password, or its hash", 0, 0},
        {"ssh-key", 0, CLI_LIST, &keys, "FILE", "public keys that may log in as root; may be repeated", 0, 0},
        {"overlay", 0, CLI_LIST, &overlays, "DIR", "folder to copy over the system; may be repeated", 0, 0},
        {"cache-dir", 0, CLI_TEXT, &o.cache, "DIR", "where packages are kept ($XDG_CACHE_HOME/pome)", 0, 0},
        {"offline", 0, CLI_FLAG, &o.offline, NULL, "use only what is kept there", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 0, 1, what);
    if (status != CLI_GO_ON)
        return status;
    if (o.darwin && (what[0] || o.rootfs))
        return cli_usage(argv[0], "--darwin excludes \"debian\" and --rootfs");
    if (!what[0] && !o.rootfs && !o.darwin)
        return cli_usage(argv[0], "\"debian\", --rootfs PATH or --darwin is needed");
    if (what[0] && (o.rootfs || strcmp(what[0], "debian")))
        return cli_usage(argv[0], o.rootfs ? "\"%s\" and --rootfs exclude each other" : "\"%s\" cannot be built: debian can", what[0]);
    if (!o.output)
        return cli_usage(argv[0], "-o FILE is needed");
    o.overlays = overlays.items, o.n_overlays = overlays.n;
    o.ssh_keys = keys.items, o.n_ssh_keys = keys.n;
    o.recovery_includes = includes.items, o.n_recovery_includes = includes.n;
    return build(&o, json);
}
