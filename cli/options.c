/* options.c - a verb's options as a table, over getopt_long. */
#include "cli/options.h"
#include "cli/commands.h"
#include "cli/output.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 32, HELP_VALUE = 1000 };

static const struct {
    const char *suffix;
    uint64_t factor;
} units[] = {
    {"", 1},
    {"B", 1},
    {"K", UINT64_C(1) << 10},   {"KiB", UINT64_C(1) << 10}, {"KB", UINT64_C(1000)},
    {"M", UINT64_C(1) << 20},   {"MiB", UINT64_C(1) << 20}, {"MB", UINT64_C(1000000)},
    {"G", UINT64_C(1) << 30},   {"GiB", UINT64_C(1) << 30}, {"GB", UINT64_C(1000000000)},
    {"T", UINT64_C(1) << 40},   {"TiB", UINT64_C(1) << 40}, {"TB", UINT64_C(1000000000000)},
};

bool cli_parse_size(const char *text, uint64_t *bytes)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (errno)
        return false;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcasecmp(end, units[i].suffix))
            return !__builtin_mul_overflow(n, units[i].factor, bytes);
    return false;
}

static void print_help(const char *verb, const struct cli_option *options)
{
    const struct command *c = command_find(verb);
    printf("Usage: pome %s\n\n%s.\n", c ? c->synopsis : verb, c ? c->help : "");
    if (options->name)
        puts("\nOptions:");
    for (const struct cli_option *o = options; o->name; o++) {
        char left[64];
        int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                          : snprintf(left, sizeof left, "      --%s", o->name);
        if (o->argument)
            snprintf(left + n, sizeof left - (size_t)n, " %s", o->argument);
        printf("%-28s %s\n", left, o->help);
    }
}

static int set_number(const char *verb, const struct cli_option *o, const char *text)
{
    uint64_t v;
    if (o->type == CLI_SIZE) {
        if (!cli_parse_size(text, &v))
            return cli_usage(verb, "--%s %s: not a size (write 512MiB, 4GiB or a number of bytes)", o->name, text);
    } else {
        char *end;
        errno = 0;
        v = strtoull(text, &end, 10);
        if (errno || *end || !isdigit((unsigned char)*text))
            return cli_usage(verb, "--%s %s: not a number", o->name, text);
    }
    uint64_t max = o->max ? o->max : UINT64_MAX;
    if (v < o->min || v > max) {
        char a[16], b[16];
        if (o->type == CLI_SIZE)
            return cli_usage(verb, "--%s %s: must be %s to %s", o->name, text, cli_size(o->min, a), cli_size(max, b));
        return cli_usage(verb, "--%s %s: must be %" PRIu64 " to %" PRIu64, o->name, text, o->min, max);
    }
    *(uint64_t *)o->value = v;
    return CLI_GO_ON;
}

static int set(const char *verb, const struct cli_option *o, const char *text)
{
    struct cli_list *list = o->value;
    switch (o->type) {
    case CLI_FLAG: *(bool *)o->value = true; break;
    case CLI_TEXT: *(const char **)o->value = text; break;
    case CLI_NUMBER:
    case CLI_SIZE: return set_number(verb, o, text);
    case CLI_LIST:
        if (list->n == CLI_LIST_MAX)
            return cli_usage(verb, "--%s: given more than %d times", o->name, CLI_LIST_MAX);
        list->items[list->n++] = text;
        break;
    }
    return CLI_GO_ON;
}

int cli_options(int argc, char **argv, const struct cli_option *options, size_t min_operands, size_t max_operands,
                const char **operands)
{
    struct option longs[MAX_OPTIONS + 2] = {{"help", no_argument, NULL, HELP_VALUE}};
    char shorts[3 * MAX_OPTIONS + 4] = "-:h", *s = shorts + 3;
    const char *verb = argv[0];
    size_t n = 0, found = 0;
    for (; options[n].name && n < MAX_OPTIONS; n++) {
        bool takes = options[n].type != CLI_FLAG;
        longs[n + 1] = (struct option){options[n].name, takes ? required_argument : no_argument, NULL, (int)n + 2000};
        if (options[n].letter) {
            *s++ = options[n].letter;
            if (takes)
                *s++ = ':';
        }
    }
    *s = 0;
    for (size_t i = 0; i < max_operands; i++)
        operands[i] = NULL;
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        const struct cli_option *o = NULL;
        if (c == HELP_VALUE || c == 'h') {
            print_help(verb, options);
            return CLI_OK;
        }
        if (c == '?' || c == ':') {
            const char *word = argv[optind - 1];
            if (c == ':')
                return cli_usage(verb, "%s: needs an argument", word);
            return cli_usage(verb, "%s: no such option, or one that takes no argument", word);
        }
        if (c == 1) {
            if (found == max_operands)
                return cli_usage(verb, "\"%s\": one word too many", optarg);
            operands[found++] = optarg;
            continue;
        }
        for (size_t i = 0; i < n && !o; i++)
            if (c == (int)i + 2000 || (options[i].letter && c == options[i].letter))
                o = &options[i];
        int status = set(verb, o, optarg);
        if (status != CLI_GO_ON)
            return status;
    }
    for (; optind < argc; optind++) {
        if (found == max_operands)
            return cli_usage(verb, "\"%s\": one word too many", argv[optind]);
        operands[found++] = argv[optind];
    }
    if (found < min_operands) {
        const struct command *c = command_find(verb);
        return cli_usage(verb, "something is missing: pome %s", c ? c->synopsis : verb);
    }
    return CLI_GO_ON;
}
