/*
 * commands.c - every verb of pome, one row each.
 *
 * A new verb: cmd_x.c with one function, its declaration and its row here, the file in meson.build, and its page docs/man/pome-x.scd.
 */
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

command_run cmd_authority_create, cmd_authority_show, cmd_personalize, cmd_security_approve, cmd_security_deny, cmd_security_get, cmd_security_set;
command_run cmd_bundle_check, cmd_bundle_clone, cmd_bundle_export, cmd_bundle_import, cmd_bundle_info, cmd_bundle_move, cmd_bundle_repair;
command_run cmd_log_collect, cmd_log_erase, cmd_log_stats, cmd_log_stream;
command_run cmd_balloon, cmd_console, cmd_pause, cmd_rename, cmd_resume, cmd_status, cmd_stop, cmd_wait;
command_run cmd_save, cmd_snapshot_create, cmd_snapshot_delete, cmd_snapshot_list, cmd_snapshot_restore;
command_run cmd_boot, cmd_config_get, cmd_config_set, cmd_config_validate, cmd_create, cmd_delete, cmd_disk_resize, cmd_image_build,
    cmd_image_diff, cmd_image_download, cmd_image_extract, cmd_image_info, cmd_image_latest, cmd_image_list, cmd_image_verify, cmd_install,
    cmd_list, cmd_log_show, cmd_nvram_delete, cmd_nvram_get, cmd_nvram_list, cmd_nvram_print, cmd_nvram_set, cmd_selftest_cpu, cmd_start, cmd_version, cmd_vsock;

/* Families of one-word verbs. */
static const char machines[] = "Machines", running[] = "Running machines";

const struct command commands[] = {
    /* name, synopsis, help, function, family */
    {"boot", "boot --kernel FILE [options]", "Boot a kernel in a throw-away machine", cmd_boot},
    {"create", "create NAME --image FILE [options]", "Make a machine and install a restore image into it", cmd_create},
    {"install", "install NAME --image FILE [options]", "Complete an installation that was interrupted", cmd_install},
    {"start", "start NAME [--detach] [--recovery] [options]", "Start a machine, its console on this terminal", cmd_start},
    {"list", "list [--json]", "List the machines", cmd_list, machines},
    {"status", "status NAME [--json]", "Show what a machine does at this moment", cmd_status, machines},
    {"get", "get NAME [KEY] [--json]", "Show a machine's configuration, or one value of it", cmd_config_get, machines},
    {"set", "set NAME KEY VALUE [options]", "Change a value of a machine's configuration", cmd_config_set, machines},
    {"rename", "rename NAME NEW [--json]", "Give a machine another name", cmd_rename, machines},
    {"snapshot create", "snapshot create NAME SNAPSHOT [--json]", "Keep what a machine is now under a name", cmd_snapshot_create},
    {"snapshot list", "snapshot list NAME [--json]", "List a machine's snapshots", cmd_snapshot_list},
    {"snapshot restore", "snapshot restore NAME SNAPSHOT [--json]", "Make a machine what it was", cmd_snapshot_restore},
    {"snapshot delete", "snapshot delete NAME SNAPSHOT [--json]", "Remove a snapshot", cmd_snapshot_delete},
    {"delete", "delete NAME [--force] [--json]", "Delete a machine", cmd_delete, machines},
    {"stop", "stop NAME [--timeout SECONDS] [--force] [--json]", "Ask a running machine to power off, or end it", cmd_stop, running},
    {"pause", "pause NAME [--json]", "Freeze a running machine", cmd_pause, running},
    {"resume", "resume NAME [--json]", "Let a paused machine go on", cmd_resume, running},
    {"balloon", "balloon NAME [SIZE] [--json]", "How much memory a running guest keeps; have it keep SIZE", cmd_balloon, running},
    {"save", "save NAME [--key-file FILE] [--json]", "Save a running machine and end it", cmd_save, running},
    {"console", "console NAME [--read-only]", "The console of a running machine on this terminal", cmd_console, running},
    {"wait", "wait NAME [--for stopped|running] [--timeout SECONDS]", "Wait until a machine has stopped, or runs", cmd_wait, running},
    {"vsock", "vsock NAME PORT", "Connect with a program in a running guest", cmd_vsock, running},
    {"disk resize", "disk resize NAME SIZE [--json]", "Grow a machine's disk", cmd_disk_resize},
    {"bundle info", "bundle info NAME [--json]", "Show what a machine is", cmd_bundle_info},
    {"bundle check", "bundle check NAME [--json]", "Check every file of a machine", cmd_bundle_check},
    {"bundle repair", "bundle repair NAME [--yes]", "Mend what can be mended safely", cmd_bundle_repair},
    {"bundle clone", "bundle clone NAME NEW [--json]", "Copy a machine, with an identity of its own", cmd_bundle_clone},
    {"clone", "clone NAME NEW [--from-snapshot SNAPSHOT [--warm]] [--json]", "Copy a machine, with an identity of its own", cmd_bundle_clone, machines},
    {"bundle move", "bundle move NAME NEW [--json]", "Give a machine another name or place", cmd_bundle_move},
    {"bundle export", "bundle export NAME [-o FILE]", "Write a machine as one file", cmd_bundle_export},
    {"bundle import", "bundle import FILE|FOLDER [NAME]", "Make a machine from an exported one, or another tool's", cmd_bundle_import},
    {"config get", "config get NAME [KEY] [--json]", "Show a machine's configuration, or one value of it", cmd_config_get},
    {"config set", "config set NAME KEY VALUE [options]", "Change a value of a machine's configuration", cmd_config_set},
    {"config validate", "config validate NAME|FILE [--json]", "Check a configuration against every rule", cmd_config_validate},
    {"log show", "log show NAME [--last boot|5m|2h|1d] [--predicate P] [options]", "Show what a machine and its host did", cmd_log_show},
    {"log stream", "log stream NAME [--predicate P] [options]", "Show what a machine and its host do, as it happens", cmd_log_stream},
    {"log collect", "log collect NAME [-o FOLDER.logarchive] [--json]", "Copy a machine's log, to show it elsewhere", cmd_log_collect},
    {"log stats", "log stats NAME [--json]", "Count what a machine's log holds", cmd_log_stats},
    {"log erase", "log erase NAME [--json]", "Remove all records of a machine's log", cmd_log_erase},
    {"nvram get", "nvram get NAME VARIABLE [options]", "Show an NVRAM variable", cmd_nvram_get},
    {"nvram set", "nvram set NAME VARIABLE VALUE [options]", "Set an NVRAM variable", cmd_nvram_set},
    {"nvram delete", "nvram delete NAME VARIABLE [options]", "Delete an NVRAM variable", cmd_nvram_delete},
    {"nvram list", "nvram list NAME [options]", "List the NVRAM variables of a machine", cmd_nvram_list},
    {"nvram print", "nvram print NAME [options]", "Show all NVRAM variables with their values", cmd_nvram_print},
    {"security get", "security get NAME [--json]", "Show how strictly a machine's boot is checked", cmd_security_get},
    {"security set", "security set NAME full|reduced|permissive [options]", "Set how strictly a machine's boot is checked", cmd_security_set},
    {"security approve", "security approve NAME [full|reduced|permissive] [options]", "Give a machine the security that its Recovery asks for", cmd_security_approve},
    {"security deny", "security deny NAME", "Refuse what a machine's Recovery asks for", cmd_security_deny},
    {"personalize", "personalize NAME [--all] [options]", "Sign the boot set that a machine's guest made", cmd_personalize},
    {"authority show", "authority show [options]", "Show the authority that signs boot tickets", cmd_authority_show},
    {"authority create", "authority create [options]", "Make the authority that signs boot tickets, if there is none", cmd_authority_create},
    {"image build", "image build debian|--rootfs PATH -o FILE [options]", "Build a restore image from Debian's packages or a root file system", cmd_image_build},
    {"image info", "image info FILE [--all|--json]", "Show what a restore image, disk image or Image4 file is and needs", cmd_image_info},
    {"image verify", "image verify FILE [--json]", "Read a restore image and compare every digest", cmd_image_verify},
    {"image list", "image list FILE [--json]", "List the files in a restore image", cmd_image_list},
    {"image extract", "image extract FILE [NAME] [-o OUT] [--payload]", "Copy a component out of a restore image, or what is inside a file",
     cmd_image_extract},
    {"image latest", "image latest [--all] [--json]", "Show the newest macOS restore image for virtual machines", cmd_image_latest},
    {"image download", "image download [URL|--version V|--build B] [-o FILE]", "Download a restore image, going on where it stopped", cmd_image_download},
    {"image diff", "image diff A B [--all|--json]", "Show what differs between two images", cmd_image_diff},
    {"selftest cpu", "selftest cpu [--seconds N] [--json]", "Check the CPU engine on this host", cmd_selftest_cpu},
    {"version", "version", "Print the version", cmd_version},
    {NULL, NULL, NULL, NULL},
};

const struct command_group command_groups[] = {
    {"bundle", "Machines"},
    {"config", "What you chose for a machine"},
    {"disk", "A machine's disk"},
    {"snapshot", "What a machine was"},
    {"log", "The machine's own log"},
    {"nvram", "A machine's NVRAM variables"},
    {"security", "What a machine's firmware starts"},
    {"authority", "Who signs boot tickets"},
    {"image", "Restore images"},
    {"selftest", "Is this host right?"},
    {NULL, NULL},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

/* Letters to insert, delete or replace to get from a to b (Levenshtein), one row of the matrix at a time. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b);
    if (n >= sizeof row / sizeof *row)
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t replace = diagonal + (*a != b[j - 1]);
            diagonal = row[j];
            size_t gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = replace < gap ? replace : gap;
        }
    }
    return row[n];
}

const char *command_suggest(const char *name)
{
    const char *best = NULL;
    size_t near = 3, length = strlen(name);
    for (const struct command *c = commands; c->name; c++) {
        /* "image": the first of the verbs that begin so */
        size_t d = !strncmp(c->name, name, length) && c->name[length] == ' ' ? 0 : distance(name, c->name);
        if (d < near && d < strlen(c->name)) {
            near = d;
            best = c->name;
        }
    }
    return best;
}
