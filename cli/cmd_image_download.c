/* cmd_image_download.c - pome image latest, download: restore images of macOS from the public catalogue, or any from a URL. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <pome/download.h>
#include <pome/inspect.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

command_run cmd_image_download, cmd_image_latest;

static const char catalogue_help[] = "URL of the catalogue (default: $POME_IMAGE_CATALOGUE, or Apple's)";

static int no_catalogue(const struct pome_error *err)
{
    return cli_fail(err, err->code == POME_ERROR_RESTORE_IMAGE_CATALOG_LOAD_FAILED ? "look at the network, or give another catalogue with --catalogue" : NULL,
                    "cannot read the catalogue of restore images");
}

/* --- latest --- */

static void print_image(const struct pome_catalogue_image *i, bool json, bool first)
{
    if (!json) {
        printf("%smacOS %s (%s)\n  %s\n", first ? "" : "\n", i->version, i->build, i->url);
        if (i->sha1)
            printf("  SHA-1 %s\n", i->sha1);
        return;
    }
    const struct { const char *key, *value; } rows[] = {{"version", i->version}, {"build", i->build}, {"url", i->url}, {"sha1", i->sha1}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        printf("%s\"%s\":", r ? "," : first ? "[{" : ",\n {", rows[r].key);
        cli_json_string(stdout, rows[r].value);
    }
    putchar('}');
}

int cmd_image_latest(int argc, char **argv)
{
    const char *catalogue = NULL;
    bool json = false, all = false;
    const struct cli_option options[] = {
        {"all", 'a', CLI_FLAG, &all, NULL, "every image of the catalogue, newest first", 0, 0},
        {"catalogue", 0, CLI_TEXT, &catalogue, "URL", catalogue_help, 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "print a JSON array", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct pome_catalogue_image image;
    int status = cli_options(argc, argv, options, 0, 0, NULL);
    if (status != CLI_GO_ON)
        return status;
    pome_catalogue *c = pome_catalogue_fetch(catalogue, &err);
    if (!c)
        return no_catalogue(&err);
    for (size_t i = 0; pome_catalogue_image(c, i, &image) && (all || !i); i++)
        print_image(&image, json, !i);
    if (json)
        puts("]");
    pome_catalogue_free(c);
    return CLI_OK;
}

/* --- download --- */

struct wish {
    const char *url, *version, *build, *catalogue, *out, *sha1;
    bool json;
};

/* The catalogue's image of this version or build; the newest when none is named. */
static bool choose(pome_catalogue *c, const struct wish *w, struct pome_catalogue_image *image)
{
    for (size_t i = 0; pome_catalogue_image(c, i, image); i++)
        if ((!w->version || !strcmp(w->version, image->version)) && (!w->build || !strcmp(w->build, image->build)))
            return true;
    return false;
}

/* The last part of a URL's path, "" when it has none that is a name. */
static const char *name_in(const char *url, char name[256])
{
    size_t n = strcspn(url, "?#"), begin = n;
    while (begin && url[begin - 1] != '/')
        begin--;
    bool host = begin >= 2 && url[begin - 2] == '/'; /* http://host */
    snprintf(name, 256, "%.*s", host || n - begin > 255 ? 0 : (int)(n - begin), url + begin);
    return strcmp(name, ".") && strcmp(name, "..") ? name : "";
}

/* A download that broke leaves FILE.part, unless nothing came at all. */
static const char *what_to_do(const struct pome_error *err, const char *output)
{
    char part[4096];
    snprintf(part, sizeof part, "%s.part", output);
    bool kept = !access(part, F_OK);
    switch (err->code) {
    case POME_ERROR_EXISTS: return "choose another name with -o";
    case POME_ERROR_NOT_FOUND: return "check the URL; \"pome image latest --all\" shows those of the catalogue";
    case POME_ERROR_NETWORK:
    case POME_ERROR_OPERATION_CANCELLED: return kept ? "the same command again goes on where it stopped" : "nothing came; look at the URL and the network";
    case POME_ERROR_INVALID_DATA: return "nothing was kept; try again, or another source";
    default: return NULL;
    }
}

static int get(const struct wish *w, const char *url, const char *sha1)
{
    char name[256];
    struct pome_download_options o = POME_DOWNLOAD_OPTIONS_INIT;
    struct pome_error err = {0};
    struct cli_progress p;
    o.url = url;
    o.sha1 = w->sha1 ? w->sha1 : sha1;
    o.output = w->out ? w->out : name_in(url, name);
    if (!*o.output)
        return cli_usage("image download", "the URL names no file: give one with -o");
    cli_progress_begin(&p, o.output, w->json);
    bool ok = pome_download(&o, cli_progress_show, &p, &err);
    cli_progress_end(&p, ok);
    if (!ok)
        return cli_fail(&err, what_to_do(&err, o.output), "cannot download %s", url);
    if (w->json)
        printf("{\"event\":\"done\",\"path\":"), cli_json_string(stdout, o.output), puts("}");
    else if (!o.sha1)
        cli_note("there was no SHA-1 to compare; \"pome image verify %s\" reads what is in it", o.output);
    return CLI_OK;
}

int cmd_image_download(int argc, char **argv)
{
    struct wish w = {0};
    const struct cli_option options[] = {
        {"version", 0, CLI_TEXT, &w.version, "VERSION", "of the catalogue, the image of this version (default: the newest)", 0, 0},
        {"build", 0, CLI_TEXT, &w.build, "BUILD", "of the catalogue, the image of this build", 0, 0},
        {"output", 'o', CLI_TEXT, &w.out, "FILE", "where to (default: the name in the URL)", 0, 0},
        {"sha1", 0, CLI_TEXT, &w.sha1, "HEX", "what its SHA-1 must be (default: what the catalogue says)", 0, 0},
        {"catalogue", 0, CLI_TEXT, &w.catalogue, "URL", catalogue_help, 0, 0},
        {"json", 0, CLI_FLAG, &w.json, NULL, "progress as JSON lines", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct pome_catalogue_image image;
    const char *url[1];
    int status = cli_options(argc, argv, options, 0, 1, url);
    if (status != CLI_GO_ON)
        return status;
    if (url[0] && (w.version || w.build || w.catalogue))
        return cli_usage("image download", "a URL, or --version, --build and --catalogue: not both");
    if (url[0])
        return get(&w, url[0], NULL);
    pome_catalogue *c = pome_catalogue_fetch(w.catalogue, &err);
    if (!c)
        return no_catalogue(&err);
    if (choose(c, &w, &image)) {
        if (!w.json)
            cli_note("macOS %s (%s)", image.version, image.build);
        status = get(&w, image.url, image.sha1);
    } else {
        err = (struct pome_error){.code = POME_ERROR_NOT_FOUND};
        snprintf(err.message, sizeof err.message, "the catalogue has no image of %s%.40s%s%.40s; it lists the newest only", w.version ? "version " : "build ",
                 w.version ? w.version : w.build, w.version && w.build ? ", build " : "", w.version && w.build ? w.build : "");
        status = cli_fail(&err, "\"pome image latest --all\" shows what there is; older images can be given by URL", "cannot download an image");
    }
    pome_catalogue_free(c);
    return status;
}
