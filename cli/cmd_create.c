/* cmd_create.c - pome create, install: bundles come. */
#include "cli/archive_key.h"
#include "cli/commands.h"
#include "cli/findings.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/policy_request.h"
#include "cli/progress.h"

#include <pome/config.h>
#include <pome/installer.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

command_run cmd_create, cmd_install;

static bool install(pome_bundle *b, pome_restore_image *image, enum pome_security security, bool again, bool json, struct pome_error *err)
{
    struct cli_progress p;
    bool over = pome_bundle_is_installed(b); /* then its policy is another machine's until this one is installed */
    if (!over && !pome_bundle_set_security(b, security, err))
        return false;
    cli_progress_begin(&p, "Installation", json);
    bool ok = pome_install(b, image, again, cli_progress_show, &p, err);
    cli_progress_end(&p, ok);
    return ok && (!over || security == POME_SECURITY_FULL || pome_bundle_set_security(b, security, err));
}

/* `name` as the user gave it: a path when the machine lies outside the folder of machines. */
static void print_result(const pome_bundle *b, const char *name, enum pome_security security, bool json)
{
    struct pome_error why = {0};
    bool can_start = pome_bundle_can_start(b, &why);
    if (json) {
        fputs("{\"event\":\"done\",\"name\":", stdout);
        cli_json_string(stdout, pome_bundle_name(b));
        fputs(",\"path\":", stdout);
        cli_json_string(stdout, pome_bundle_path(b));
        printf(",\"security\":\"%s\",\"installed\":%s,\"can_start\":%s", pome_security_name(security), pome_bundle_is_installed(b) ? "true" : "false", can_start ? "true" : "false");
        if (!can_start) {
            fputs(",\"why\":", stdout);
            cli_json_string(stdout, why.message);
        }
        fputs("}\n", stdout);
        return;
    }
    cli_note("Machine: %s", pome_bundle_path(b));
    if (can_start)
        cli_note("Next:    pome start %s", name);
    else
        cli_note("It cannot start: %s\n\"pome log show %s\" says what was installed.", why.message, name);
}

static int create(const char *name, const char *path, const uint8_t *key, const struct pome_bundle_options *o, enum pome_security security, bool keep, bool json)
{
    struct pome_error err = {0};
    int status = CLI_OK;
    pome_bundle *b = NULL;
    pome_restore_image *image = pome_restore_image_load(path, &err);
    if (!image)
        return cli_fail(&err, NULL, "cannot create \"%s\"", name);
    pome_restore_image_set_archive_key(image, key);
    struct cli_findings l;
    cli_findings_begin(&l, stderr, false);
    if (pome_bundle_options_check(o, image, cli_finding, &l, &err))
        b = pome_bundle_create(name, image, o, &err);
    if (!b) {
        char hint[320];
        snprintf(hint, sizeof hint, "choose another name, or remove it with \"pome delete %.200s\"", name);
        status = cli_fail(&err, err.code == POME_ERROR_EXISTS ? hint : l.errors ? "as said above; nothing was made" : err.code == POME_ERROR_INVALID_CONFIGURATION ? "see --cpus, --memory and --disk" : NULL,
                          "cannot create \"%s\"", name);
        goto end;
    }
    if ((keep && !pome_bundle_keep_image(b, image, &err)) || !install(b, image, security, false, json, &err)) {
        /* Nothing is left of a creation that failed: the name is free again. Closing first gives the lock back. */
        struct pome_error second = {0};
        status = cli_fail(&err, NULL, "cannot install \"%s\"", name);
        pome_bundle_free(b);
        b = NULL;
        if (!pome_bundle_delete(name, &second))
            cli_fail(&second, NULL, "cannot remove what was made of \"%s\"", name);
        goto end;
    }
    print_result(b, name, security, json);
end:
    pome_bundle_free(b);
    pome_restore_image_free(image);
    return status;
}

/* Nothing is installed: the machine's first start does that, from an installer's medium. */
static int create_efi(const char *name, const struct pome_bundle_options *o, bool json)
{
    struct pome_error err = {0};
    struct cli_findings l;
    cli_findings_begin(&l, stderr, false);
    pome_bundle *b = pome_bundle_options_check(o, NULL, cli_finding, &l, &err) ? pome_bundle_create_efi(name, o, &err) : NULL;
    if (!b)
        return cli_fail(&err, l.errors ? "as said above; nothing was made" : err.code == POME_ERROR_EXISTS ? "choose another name" : NULL, "cannot create \"%s\"", name);
    if (json) {
        fputs("{\"event\":\"done\",\"name\":", stdout);
        cli_json_string(stdout, pome_bundle_name(b));
        fputs(",\"path\":", stdout);
        cli_json_string(stdout, pome_bundle_path(b));
        fputs(",\"installed\":true,\"can_start\":true}\n", stdout);
    } else {
        cli_note("Machine: %s", pome_bundle_path(b));
        cli_note("Next:    pome start %s --medium FILE    (an installer's image)", name);
    }
    pome_bundle_free(b);
    return CLI_OK;
}

int cmd_create(int argc, char **argv)
{
    const char *image = NULL, *security = "full", *authority = NULL, *name[1];
    enum pome_security level;
    struct cli_archive_key archive = {0};
    const uint8_t *key;
    struct pome_bundle_options o = POME_BUNDLE_OPTIONS_INIT;
    uint64_t cpus = o.cpu_count;
    bool json = false, keep = false, efi = false;
    const struct cli_option options[] = {
        {"image", 'i', CLI_TEXT, &image, "FILE", "restore image to install", 0, 0},
        {"efi", 'e', CLI_FLAG, &efi, NULL, "instead of an image: an empty disk, and UEFI firmware that boots from it", 0, 0},
        {"keep-image", 0, CLI_FLAG, &keep, NULL, "keep it in the bundle: Recovery can install it again", 0, 0},
        {"cpus", 'c', CLI_NUMBER, &cpus, "N", "virtual CPUs, fixed from now on (default 2)", pome_config_min_cpu_count(), pome_config_max_cpu_count()},
        {"memory", 'm', CLI_SIZE, &o.memory_size, "SIZE", "memory: 512MiB, 4GiB, ... (default 2GiB)", pome_config_min_memory_size(),
         pome_config_max_memory_size()},
        {"disk", 'd', CLI_SIZE, &o.disk_size, "SIZE", "size of the disk, which is sparse (default 8GiB)", UINT64_C(1) << 20, UINT64_C(1) << 44},
        {"security", 0, CLI_TEXT, &security, "LEVEL", "how strictly its boot is checked: full (default), reduced or permissive", 0, 0},
        {"authority", 0, CLI_TEXT, &authority, "PATH", "the authority that signs its boot: a folder, or one PEM file", 0, 0},
        {"cpu-model", 0, CLI_TEXT, &o.cpu_model, "MODEL", "\"default\" or \"apple\"", 0, 0},
        CLI_ARCHIVE_KEY(archive),
        {"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status != CLI_GO_ON)
        return status;
    o.cpu_count = (unsigned)cpus;
    if (efi && (image || keep || authority || strcmp(security, "full")))
        return cli_usage("create", "--efi makes a machine of the generic platform: it has no --image, --keep-image, --security or --authority");
    if (efi)
        return create_efi(name[0], &o, json);
    if (!image)
        return cli_usage("create", "--image FILE is missing (or --efi); \"pome image build debian -o FILE\" makes one");
    if (!cli_security("create", security, &level))
        return CLI_USAGE;
    if ((status = cli_archive_key(&archive, "create", &key)) != CLI_GO_ON)
        return status;
    cli_use_authority(authority);
    return create(name[0], image, key, &o, level, keep, json);
}

int cmd_install(int argc, char **argv)
{
    const char *path = NULL, *security = "full", *authority = NULL, *name[1];
    enum pome_security level;
    struct cli_archive_key archive = {0};
    const uint8_t *key;
    bool json = false, again = false;
    const struct cli_option options[] = {
        {"image", 'i', CLI_TEXT, &path, "FILE", "restore image to install (required)", 0, 0},
        {"security", 0, CLI_TEXT, &security, "LEVEL", "how strictly its boot is checked: full (default), reduced or permissive", 0, 0},
        {"authority", 0, CLI_TEXT, &authority, "PATH", "the authority that signs its boot: a folder, or one PEM file", 0, 0},
        {"erase", 0, CLI_FLAG, &again, NULL, "install again over an installed machine: its disk is lost", 0, 0},
        CLI_ARCHIVE_KEY(archive),
        {"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines on standard output", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status == CLI_OK) { /* help was asked for */
        puts("\nIt begins again at the first of these steps; an OS image that was restored whole stays:");
        for (unsigned i = 0; i < pome_install_step_count(); i++)
            printf("  %u. %s\n", i + 1, pome_install_step_name(i));
    }
    if (status != CLI_GO_ON)
        return status;
    if (!path)
        return cli_usage("install", "--image FILE is missing");
    if (!cli_security("install", security, &level))
        return CLI_USAGE;
    if ((status = cli_archive_key(&archive, "install", &key)) != CLI_GO_ON)
        return status;
    cli_use_authority(authority);
    struct pome_error err = {0};
    pome_restore_image *image = NULL;
    pome_bundle *b = pome_bundle_open(name[0], &err);
    bool ok = b && (image = pome_restore_image_load(path, &err));
    if (ok)
        pome_restore_image_set_archive_key(image, key);
    if (!ok || !install(b, image, level, again, json, &err))
        status = cli_fail(&err,
                          err.code == POME_ERROR_INVALID_STATE         ? "--erase installs again; all that is on the machine's disk is lost"
                          : err.code == POME_ERROR_OPERATION_CANCELLED ? "the same command starts the installation again"
                                                                       : NULL,
                          "cannot install \"%s\"", name[0]);
    else {
        print_result(b, name[0], level, json);
        status = CLI_OK;
    }
    pome_restore_image_free(image);
    pome_bundle_free(b);
    return status;
}
