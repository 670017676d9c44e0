/* cmd_config.c - pome config get, set, validate: what the user chose for a machine. */
#include "cli/commands.h"
#include "cli/findings.h"
#include "cli/options.h"
#include "cli/output.h"

#include <pome/config.h>
#include <pome/control.h>

#include <stdlib.h>
#include <string.h>

command_run cmd_config_get, cmd_config_set, cmd_config_validate;

/* A text without its quotes, unless JSON is wanted: for scripts. */
static void print_value(const char *text, bool json)
{
    size_t n = strlen(text);
    bool plain = !json && n >= 2 && text[0] == '"' && !strchr(text, '\\');
    printf("%.*s\n", plain ? (int)n - 2 : (int)n, plain ? text + 1 : text);
}

/* Of the process that runs the machine, if one does: it alone may write. NULL: nobody runs it, or *err. */
static pome_control *running_process(const char *name, struct pome_error *err)
{
    pome_control *c = pome_control_connect(name, err);
    if (!c && (err->code == POME_ERROR_INVALID_STATE || err->code == POME_ERROR_BUSY))
        *err = (struct pome_error){0}; /* if it is busy, opening it and writing will say so */
    return c;
}

static char *read_config(const char *name, const char *key, char generation[POME_GENERATION_BYTES], struct pome_error *err)
{
    pome_control *c = running_process(name, err);
    pome_bundle *b = c || err->code ? NULL : pome_bundle_open(name, err);
    char *text = c                                                           ? pome_control_config_get(c, key, generation, err)
                 : b && pome_bundle_config_generation(b, generation, err) ? pome_bundle_config_get(b, key, err)
                                                                             : NULL;
    pome_bundle_free(b);
    pome_control_free(c);
    return text;
}

int cmd_config_get(int argc, char **argv)
{
    const char *words[2];
    char generation[POME_GENERATION_BYTES] = "";
    bool json = false, only_generation = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "texts with quotes too", 0, 0},
                                         {"generation", 0, CLI_FLAG, &only_generation, NULL, "print the generation instead: for set --if-generation", 0, 0},
                                         {0}};
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 2, words);
    if (status != CLI_GO_ON)
        return status;
    char *text = read_config(words[0], words[1] ? words[1] : "", generation, &err);
    if (text && only_generation)
        puts(generation);
    else if (text)
        print_value(text, json);
    char hint[80];
    snprintf(hint, sizeof hint, "\"pome %s NAME\" shows all keys", argv[0]);
    status = text ? CLI_OK
                  : cli_fail(&err, words[1] ? hint : "\"pome list\" shows all machines",
                             "cannot read the configuration of \"%s\"", words[0]);
    free(text);
    return status;
}

struct change {
    const char *name, *key, *value, *if_generation;
};

/* *running: the process of a machine that runs has done it. */
static bool change(const struct change *a, bool *running, struct cli_findings *l, struct pome_error *err)
{
    pome_control *c = running_process(a->name, err);
    pome_bundle *b = c || err->code ? NULL : pome_bundle_open(a->name, err);
    *running = c != NULL;
    bool ok = c ? pome_control_config_set(c, a->if_generation, a->key, a->value, cli_finding, l, err)
                : b && pome_bundle_config_set_if(b, a->if_generation, a->key, a->value, cli_finding, l, err);
    pome_bundle_free(b);
    pome_control_free(c);
    return ok;
}

static void print_changed(const struct change *a, bool running)
{
    struct pome_error err = {0};
    char generation[POME_GENERATION_BYTES] = "";
    free(read_config(a->name, "", generation, &err));
    fputs("{\"name\":", stdout);
    cli_json_string(stdout, a->name);
    fputs(",\"key\":", stdout);
    cli_json_string(stdout, a->key);
    printf(",\"generation\":\"%s\",\"running\":%s}\n", generation, running ? "true" : "false");
}

int cmd_config_set(int argc, char **argv)
{
    const char *words[3];
    struct change a = {0};
    bool json = false, running;
    const struct cli_option options[] = {
        {"if-generation", 0, CLI_TEXT, &a.if_generation, "G", "only if nobody has changed it since (get --generation)", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "print the new generation as JSON", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct cli_findings l;
    int status = cli_options(argc, argv, options, 3, 3, words);
    if (status != CLI_GO_ON)
        return status;
    a.name = words[0];
    a.key = words[1];
    a.value = words[2];
    cli_findings_begin(&l, stderr, false);
    if (!change(&a, &running, &l, &err))
        return cli_fail(&err,
                        l.errors                             ? "as said above; nothing was changed"
                        : err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines; \"pome config validate\" tells all that is wrong"
                        : err.code == POME_ERROR_CONFLICT  ? "read it again (get --generation) and repeat"
                                                             : NULL,
                        "cannot set %s of \"%s\"", a.key, a.name);
    if (json)
        print_changed(&a, running);
    else if (running)
        cli_note("\"%s\" runs: this holds from its next start on.", a.name);
    return CLI_OK;
}

static int print_rules(bool json)
{
    struct pome_config_rule r;
    for (unsigned i = 0; pome_config_rule(i, &r); i++) {
        if (!json) {
            printf("%-24s %-8s %s (%s)\n", r.code, pome_severity_name(r.severity), r.expected, r.source);
            continue;
        }
        fputs(i ? ",\n {\"code\":" : "[{\"code\":", stdout);
        cli_json_string(stdout, r.code);
        printf(",\"severity\":\"%s\",\"expected\":", pome_severity_name(r.severity));
        cli_json_string(stdout, r.expected);
        fputs(",\"advice\":", stdout);
        cli_json_string(stdout, r.advice);
        fputs(",\"source\":", stdout);
        cli_json_string(stdout, r.source);
        putchar('}');
    }
    if (json)
        puts("]");
    return CLI_OK;
}

int cmd_config_validate(int argc, char **argv)
{
    const char *name[1];
    bool json = false, rules = false;
    const struct cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "findings as JSON", 0, 0},
        {"rules", 0, CLI_FLAG, &rules, NULL, "list all rules instead", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    struct cli_findings l;
    int status = cli_options(argc, argv, options, 0, 1, name);
    if (status != CLI_GO_ON)
        return status;
    if (rules)
        return print_rules(json);
    if (!name[0])
        return cli_usage(argv[0], "the name of a machine, or the path of a Config.json, is missing");
    cli_findings_begin(&l, stdout, json);
    bool ok = pome_bundle_config_validate(name[0], cli_finding, &l, &err);
    cli_findings_end(&l);
    if (!ok && !l.errors) /* it could not be read */
        return cli_fail(&err, NULL, "cannot check the configuration of \"%s\"", name[0]);
    if (!json)
        cli_note("%s: %zu error%s, %zu warning%s", name[0], l.errors, l.errors == 1 ? "" : "s", l.warnings,
                 l.warnings == 1 ? "" : "s");
    return ok ? CLI_OK : CLI_FAILED;
}
