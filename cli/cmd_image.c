/* cmd_image.c - pome image info, list, verify, extract, diff: looking at restore images and the files in them. */
#include "cli/archive_key.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <pome/inspect.h>
#include <pome/restore_image.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

command_run cmd_image_diff, cmd_image_extract, cmd_image_info, cmd_image_list, cmd_image_verify;

static int cannot_open(const struct pome_error *err, const char *path)
{
    return cli_fail(err,
                    err->code == POME_ERROR_NOT_FOUND ? "\"pome image build debian -o FILE\" makes a restore image, \"pome image download\" gets one" : NULL,
                    "cannot open %s", path);
}

/* What to do about a file that cannot be read, if it is that an archive's key is missing. */
static const char *no_key(const struct pome_error *err, const struct pome_inspect_options *o)
{
    bool missing = !o->archive_key && err->code == POME_ERROR_NOT_SUPPORTED && strstr(err->message, "no key was given");
    return missing ? "give its key with --key or --key-file; \"pome image info\" shows what the archive says about it" : NULL;
}

/* Describes a file. NULL: the verb ends with *status. */
static struct fact_node *gather(const char *path, struct cli_archive_key *k, const char *verb, int *status)
{
    struct pome_error err = {0};
    struct pome_inspect_options o = POME_INSPECT_OPTIONS_INIT;
    *status = cli_archive_key(k, verb, &o.archive_key);
    if (*status != CLI_GO_ON)
        return NULL;
    struct fact_node *tree = facts_gather(path, &o, &err);
    *status = tree ? CLI_OK : cannot_open(&err, path);
    return tree;
}

/* --- info --- */

int cmd_image_info(int argc, char **argv)
{
    const char *path[1];
    bool json = false, all = false;
    struct cli_archive_key key = {0};
    const struct cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "print JSON: everything, with every key of every list", 0, 0},
        {"all", 'a', CLI_FLAG, &all, NULL, "print everything as text too", 0, 0},
        CLI_ARCHIVE_KEY(key),
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, path);
    struct fact_node *tree = status == CLI_GO_ON ? gather(path[0], &key, "image info", &status) : NULL;
    if (tree && json)
        facts_print_json(stdout, tree);
    else if (tree)
        facts_print(stdout, tree, all);
    facts_free(tree);
    return status;
}

/* --- diff --- */

int cmd_image_diff(int argc, char **argv)
{
    const char *path[2];
    bool json = false, all = false;
    struct cli_archive_key key = {0};
    const struct cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "print a JSON array of changes", 0, 0},
        {"all", 'a', CLI_FLAG, &all, NULL, "compare everything, every key of every list", 0, 0},
        CLI_ARCHIVE_KEY(key),
        {0},
    };
    int status = cli_options(argc, argv, options, 2, 2, path);
    struct fact_node *a = status == CLI_GO_ON ? gather(path[0], &key, "image diff", &status) : NULL, *b = a ? gather(path[1], &key, "image diff", &status) : NULL;
    if (a && b && !facts_diff(stdout, a, b, all, json) && !json)
        puts("no difference");
    facts_free(a);
    facts_free(b);
    return status;
}

/* --- list --- */

static int list_members(const char *path, bool json)
{
    struct pome_error err = {0};
    pome_restore_image *image = pome_restore_image_load(path, &err);
    struct pome_member m;
    if (!image)
        return cannot_open(&err, path);
    for (size_t i = 0; pome_restore_image_member(image, i, &m); i++) {
        if (json) {
            fputs(i ? ",\n {\"path\":" : "[{\"path\":", stdout);
            cli_json_string(stdout, m.path);
            printf(",\"bytes\":%" PRIu64 ",\"stored_bytes\":%" PRIu64 ",\"compressed\":%s}", m.bytes, m.stored_bytes, m.compressed ? "true" : "false");
        } else {
            printf("%12" PRIu64 " %s %s\n", m.bytes, m.compressed ? "deflated" : "stored  ", m.path);
        }
    }
    if (json)
        puts("]");
    pome_restore_image_free(image);
    return CLI_OK;
}

/* What has no members lists what it holds: partitions, code hashes, tickets. */
int cmd_image_list(int argc, char **argv)
{
    const char *path[1];
    bool json = false;
    struct cli_archive_key key = {0};
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print JSON: of a restore image, an array", 0, 0}, CLI_ARCHIVE_KEY(key), {0}};
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 1, path);
    if (status != CLI_GO_ON)
        return status;
    if (pome_file_kind(path[0], &err) == POME_FILE_RESTORE_IMAGE)
        return list_members(path[0], json);
    struct fact_node *tree = gather(path[0], &key, "image list", &status);
    if (tree && json)
        facts_print_json(stdout, tree);
    else if (tree)
        facts_print(stdout, tree, true);
    facts_free(tree);
    return status;
}

/* --- verify --- */

/* Every digest of a restore image, every checksum of another file. */
static bool verify(const char *path, const struct pome_inspect_options *o, struct cli_progress *p, struct pome_verify_result *r, bool *zip,
                   struct pome_error *err)
{
    enum pome_file_kind kind = pome_file_kind(path, err);
    *zip = kind == POME_FILE_RESTORE_IMAGE;
    if (!*zip)
        return kind != POME_FILE_UNKNOWN && pome_file_verify(path, o, &r->bytes, cli_progress_show, p, err);
    pome_restore_image *image = pome_restore_image_load(path, err);
    bool ok = image && pome_restore_image_verify(image, r, cli_progress_show, p, err);
    pome_restore_image_free(image);
    return ok;
}

static bool is_damage(const struct pome_error *err)
{
    return err->code == POME_ERROR_INVALID_RESTORE_IMAGE || err->code == POME_ERROR_INVALID_DISK_IMAGE || err->code == POME_ERROR_INVALID_DATA;
}

int cmd_image_verify(int argc, char **argv)
{
    const char *path[1];
    bool json = false, zip = false;
    struct cli_archive_key key = {0};
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines", 0, 0}, CLI_ARCHIVE_KEY(key), {0}};
    struct pome_inspect_options o = POME_INSPECT_OPTIONS_INIT;
    struct pome_error err = {0};
    struct cli_progress p;
    struct pome_verify_result r = {0};
    int status = cli_options(argc, argv, options, 1, 1, path);
    if (status != CLI_GO_ON || (status = cli_archive_key(&key, "image verify", &o.archive_key)) != CLI_GO_ON)
        return status;
    cli_progress_begin(&p, "Verification", json);
    bool ok = verify(path[0], &o, &p, &r, &zip, &err);
    cli_progress_end(&p, ok);
    if (!ok) {
        if (json) {
            fputs("{\"event\":\"done\",\"valid\":false,\"error\":", stdout);
            cli_json_string(stdout, err.message);
            puts("}");
        }
        return err.code == POME_ERROR_NOT_FOUND ? cannot_open(&err, path[0])
                                                : cli_fail(&err, is_damage(&err) ? "get or build it again" : no_key(&err, &o), "%s does not verify", path[0]);
    }
    char size[16];
    if (json)
        printf("{\"event\":\"done\",\"valid\":true,\"checked\":%zu,\"unchecked\":%zu,\"bytes\":%" PRIu64 "}\n", r.checked, r.unchecked, r.bytes);
    else if (!zip)
        printf("%s: all of it is right (%s)\n", path[0], cli_size(r.bytes, size));
    else if (r.unchecked)
        printf("%s: %zu components checked (%s), %zu have no SHA-384 digest\n", path[0], r.checked, cli_size(r.bytes, size), r.unchecked);
    else
        printf("%s: all %zu components are right (%s)\n", path[0], r.checked, cli_size(r.bytes, size));
    return CLI_OK;
}

/* --- extract --- */

/* The last part of a component's path, or of the member's own. */
static const char *default_output(const pome_restore_image *image, const char *name)
{
    struct pome_component c;
    const char *from = name, *slash;
    for (size_t i = 0; pome_restore_image_component(image, i, &c); i++)
        if (!strcmp(c.name, name))
            from = c.path;
    slash = strrchr(from, '/');
    return slash ? slash + 1 : from;
}

static bool extract_member(const char *path, const char *name, const char *out, bool inside, const uint8_t *key, bool json, struct pome_error *err)
{
    struct cli_progress p;
    pome_restore_image *image = pome_restore_image_load(path, err);
    if (!image)
        return false;
    out = out ? out : default_output(image, name);
    cli_progress_begin(&p, out, json);
    bool ok = pome_restore_image_extract(image, name, out, inside, key, cli_progress_show, &p, err);
    cli_progress_end(&p, ok);
    pome_restore_image_free(image);
    return ok;
}

static bool extract_inside(const char *path, const char *out, const struct pome_inspect_options *o, bool json, struct pome_error *err)
{
    struct cli_progress p;
    cli_progress_begin(&p, out, json);
    bool ok = pome_file_extract(path, o, out, cli_progress_show, &p, err);
    cli_progress_end(&p, ok);
    return ok;
}

int cmd_image_extract(int argc, char **argv)
{
    const char *words[2], *out = NULL;
    bool inside = false, json = false;
    struct cli_archive_key key = {0};
    const struct cli_option options[] = {
        {"output", 'o', CLI_TEXT, &out, "FILE", "where to (default, for components: the last part of its path)", 0, 0},
        {"payload", 'p', CLI_FLAG, &inside, NULL, "what is inside the component: payload, uncompressed; disk", 0, 0},
        CLI_ARCHIVE_KEY(key),
        {"json", 0, CLI_FLAG, &json, NULL, "progress as JSON lines", 0, 0},
        {0},
    };
    struct pome_inspect_options o = POME_INSPECT_OPTIONS_INIT;
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 2, words);
    if (status != CLI_GO_ON || (status = cli_archive_key(&key, "image extract", &o.archive_key)) != CLI_GO_ON)
        return status;
    enum pome_file_kind kind = pome_file_kind(words[0], &err);
    if (kind == POME_FILE_UNKNOWN)
        return cannot_open(&err, words[0]);
    bool zip = kind == POME_FILE_RESTORE_IMAGE;
    if (zip && !words[1])
        return cli_usage("image extract", "%s is a restore image: name a component or a file in it", words[0]);
    if (!zip && words[1])
        return cli_usage("image extract", "%s is no restore image (%s): there are no components in it to name", words[0], pome_file_kind_name(kind));
    if (!zip && !out)
        return cli_usage("image extract", "-o FILE is missing: where to put what is inside");
    bool ok = zip ? extract_member(words[0], words[1], out, inside, o.archive_key, json, &err) : extract_inside(words[0], out, &o, json, &err);
    return ok ? CLI_OK
              : cli_fail(&err,
                         err.code == POME_ERROR_NOT_FOUND ? "\"pome image list FILE\" and \"pome image info FILE\" show what there is"
                         : err.code == POME_ERROR_EXISTS  ? "choose another name with -o"
                                                          : no_key(&err, &o),
                         "cannot extract %s", words[zip]);
}
