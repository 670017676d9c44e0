/* cmd_config.c - pome config get, set, validate: what the user chose for a machine. */
#include "cli/commands.h"
#include "cli/findings.h"
#include "cli/options.h"
#include "cli/output.h"

#include <pome/bundle.h>
#include <pome/config.h>

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

int cmd_config_get(int argc, char **argv)
{
    const char *words[2];
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "texts with quotes too", 0, 0}, {0}};
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 2, words);
    if (status != CLI_GO_ON)
        return status;
    pome_bundle *b = pome_bundle_open(words[0], &err);
    char *text = b ? pome_bundle_config_get(b, words[1] ? words[1] : "", &err) : NULL;
    if (text)
        print_value(text, json);
    status = text ? CLI_OK
                  : cli_fail(&err, b ? "\"pome config get NAME\" shows all keys" : "\"pome list\" shows all machines",
                             "cannot read the configuration of \"%s\"", words[0]);
    free(text);
    pome_bundle_free(b);
    return status;
}

int cmd_config_set(int argc, char **argv)
{
    const char *words[3];
    static const struct cli_option options[] = {{0}};
    struct pome_error err = {0};
    struct cli_findings l;
    int status = cli_options(argc, argv, options, 3, 3, words);
    if (status != CLI_GO_ON)
        return status;
    pome_bundle *b = pome_bundle_open(words[0], &err);
    cli_findings_begin(&l, stderr, false);
    if (!b || !pome_bundle_config_set(b, words[1], words[2], cli_finding, &l, &err))
        status = cli_fail(&err,
                          !b         ? "\"pome list\" shows all machines; \"pome config validate\" tells all that is wrong"
                          : l.errors ? "as said above; nothing was changed"
                                     : NULL,
                          "cannot set %s of \"%s\"", words[1], words[0]);
    else
        status = CLI_OK;
    pome_bundle_free(b);
    return status;
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
