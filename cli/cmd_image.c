/* cmd_image.c - pome image info, verify, list, extract: looking at restore images. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <pome/restore_image.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

command_run cmd_image_extract, cmd_image_info, cmd_image_list, cmd_image_verify;

/* Reads a verb's options and its operands, the first of which is a restore image, and opens that. NULL: the verb ends with
 * *status. */
static pome_restore_image *open_image(int argc, char **argv, const struct cli_option *options, size_t n_operands, const char **operands,
                                      int *status)
{
    struct pome_error err = {0};
    *status = cli_options(argc, argv, options, n_operands, n_operands, operands);
    if (*status != CLI_GO_ON)
        return NULL;
    pome_restore_image *image = pome_restore_image_load(operands[0], &err);
    if (!image)
        *status = cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome image build debian -o FILE\" makes one" : NULL,
                           "cannot open %s", operands[0]);
    return image;
}

static void print_hex(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", bytes[i]);
}

/* --- info --- */

static void json_text(const char *key, const char *text)
{
    printf(",\"%s\":", key);
    cli_json_string(stdout, text);
}

static void info_json(const pome_restore_image *image, bool supported, const struct pome_error *why)
{
    fputs("{\"path\":", stdout);
    cli_json_string(stdout, pome_restore_image_path(image));
    json_text("product_name", pome_restore_image_product_name(image));
    json_text("version", pome_restore_image_version(image));
    json_text("build", pome_restore_image_build(image));
    json_text("device_class", pome_restore_image_device_class(image));
    json_text("variant", pome_restore_image_variant(image));
    printf(",\"bytes\":%" PRIu64 ",\"minimum_cpu_count\":%u,\"minimum_memory_bytes\":%" PRIu64 ",\"minimum_disk_bytes\":%" PRIu64 ",\"supported\":%s",
           pome_restore_image_bytes(image), pome_restore_image_minimum_cpu_count(image), pome_restore_image_minimum_memory_size(image),
           pome_restore_image_minimum_disk_size(image), supported ? "true" : "false");
    if (!supported)
        json_text("reason", why->message);
    fputs(",\"components\":[", stdout);
    struct pome_component c;
    for (size_t i = 0; pome_restore_image_component(image, i, &c); i++) {
        printf("%s{\"name\":", i ? "," : "");
        cli_json_string(stdout, c.name);
        json_text("path", c.path);
        printf(",\"bytes\":%" PRIu64 ",\"present\":%s,\"digest\":\"", c.bytes, c.present ? "true" : "false");
        print_hex(c.digest, c.digest_bytes);
        fputs("\"}", stdout);
    }
    puts("]}");
}

static void info_text(const pome_restore_image *image, bool supported, const struct pome_error *why)
{
    char size[16], memory[16], disk[16];
    printf("Product:      %s %s (%s)\n", pome_restore_image_product_name(image), pome_restore_image_version(image), pome_restore_image_build(image));
    printf("For:          %s, %s\n", pome_restore_image_device_class(image), pome_restore_image_variant(image));
    printf("Size:         %s\n", cli_size(pome_restore_image_bytes(image), size));
    unsigned cpus = pome_restore_image_minimum_cpu_count(image);
    if (cpus)
        printf("Needs:        %u CPU%s, %s of memory", cpus, cpus == 1 ? "" : "s",
               cli_size(pome_restore_image_minimum_memory_size(image), memory));
    else
        fputs("Needs:        it does not say", stdout);
    if (pome_restore_image_minimum_disk_size(image))
        printf(", a disk of %s", cli_size(pome_restore_image_minimum_disk_size(image), disk));
    putchar('\n');
    printf("Installable:  %s%s%s\n", supported ? "yes" : "no", supported ? "" : ": ", supported ? "" : why->message);
    puts("Components:");
    struct pome_component c;
    for (size_t i = 0; pome_restore_image_component(image, i, &c); i++)
        printf("  %-28s %10s  %s\n", c.name, c.present ? cli_size(c.bytes, size) : "missing", c.path);
}

int cmd_image_info(int argc, char **argv)
{
    const char *path[1];
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    int status;
    pome_restore_image *image = open_image(argc, argv, options, 1, path, &status);
    if (!image)
        return status;
    bool supported = pome_restore_image_is_supported(image, &err);
    (json ? info_json : info_text)(image, supported, &err);
    pome_restore_image_free(image);
    return CLI_OK;
}

/* --- list --- */

int cmd_image_list(int argc, char **argv)
{
    const char *path[1];
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print a JSON array", 0, 0}, {0}};
    int status;
    pome_restore_image *image = open_image(argc, argv, options, 1, path, &status);
    if (!image)
        return status;
    struct pome_member m;
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

/* --- verify --- */

int cmd_image_verify(int argc, char **argv)
{
    const char *path[1];
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "progress and result as JSON lines", 0, 0}, {0}};
    struct pome_error err = {0};
    struct cli_progress p;
    struct pome_verify_result r;
    int status;
    pome_restore_image *image = open_image(argc, argv, options, 1, path, &status);
    if (!image)
        return status;
    cli_progress_begin(&p, "Verification", json);
    bool ok = pome_restore_image_verify(image, &r, cli_progress_show, &p, &err);
    cli_progress_end(&p, ok);
    pome_restore_image_free(image);
    if (!ok) {
        if (json) {
            fputs("{\"event\":\"done\",\"valid\":false,\"error\":", stdout);
            cli_json_string(stdout, err.message);
            puts("}");
        }
        return cli_fail(&err, err.code == POME_ERROR_INVALID_RESTORE_IMAGE ? "get or build the image again" : NULL, "%s does not verify", path[0]);
    }
    char size[16];
    if (json)
        printf("{\"event\":\"done\",\"valid\":true,\"checked\":%zu,\"unchecked\":%zu,\"bytes\":%" PRIu64 "}\n", r.checked, r.unchecked, r.bytes);
    else if (r.unchecked)
        printf("%s: %zu components checked (%s), %zu have no SHA-384 digest\n", path[0], r.checked, cli_size(r.bytes, size), r.unchecked);
    else
        printf("%s: all %zu components are right (%s)\n", path[0], r.checked, cli_size(r.bytes, size));
    return CLI_OK;
}

/* --- extract --- */

int cmd_image_extract(int argc, char **argv)
{
    const char *words[2], *out = NULL;
    bool payload = false, json = false;
    const struct cli_option options[] = {
        {"output", 'o', CLI_TEXT, &out, "FILE", "where to (default: the last part of its path)", 0, 0},
        {"payload", 'p', CLI_FLAG, &payload, NULL, "only what is inside the Image4 payload", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "progress as JSON lines", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct cli_progress p;
    int status;
    pome_restore_image *image = open_image(argc, argv, options, 2, words, &status);
    if (!image)
        return status;
    struct pome_component c;
    if (!out) { /* a component's file, or the member itself */
        const char *from = words[1];
        for (size_t i = 0; pome_restore_image_component(image, i, &c); i++)
            if (!strcmp(c.name, words[1]))
                from = c.path;
        const char *slash = strrchr(from, '/');
        out = slash ? slash + 1 : from;
    }
    cli_progress_begin(&p, out, json);
    bool ok = pome_restore_image_extract(image, words[1], out, payload, cli_progress_show, &p, &err);
    cli_progress_end(&p, ok);
    status = ok ? CLI_OK
                : cli_fail(&err,
                           err.code == POME_ERROR_NOT_FOUND ? "\"pome image list FILE\" and \"pome image info FILE\" show what there is"
                           : err.code == POME_ERROR_EXISTS  ? "choose another name with -o"
                                                            : NULL,
                           "cannot extract %s", words[1]);
    pome_restore_image_free(image);
    return status;
}
