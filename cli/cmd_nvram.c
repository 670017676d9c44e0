/*
 * cmd_nvram.c - pome nvram get, set, delete, list, print: the variables of a machine that does not run.
 *
 * Values are shown as Apple's nvram(8) does: bytes that cannot be printed, and '%' itself, as %xx; and read back the same way.
 */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"

#include <pome/nvram.h>
#include <pome/security.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

command_run cmd_nvram_get, cmd_nvram_set, cmd_nvram_delete, cmd_nvram_list, cmd_nvram_print;

struct access {
    pome_bundle *bundle;
    pome_nvram *nvram;
    struct pome_error err;
};

static bool begin(struct access *a, const char *name)
{
    *a = (struct access){0};
    a->bundle = pome_bundle_open(name, &a->err);
    a->nvram = a->bundle ? pome_nvram_open(a->bundle, &a->err) : NULL;
    return a->nvram != NULL;
}

/* Closes; says what failed, if anything did. */
static int end(struct access *a, bool ok, const char *what, const char *name)
{
    const char *hint = !a->bundle && a->err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows all machines"
                       : a->err.code == POME_ERROR_NOT_FOUND             ? "\"pome nvram list NAME\" shows all variables"
                       : a->err.code == POME_ERROR_BUSY           ? "stop the machine first: its guest owns the NVRAM while it runs"
                       : a->err.code == POME_ERROR_INVALID_BUNDLE ? "\"pome bundle repair NAME\" makes NVRAM anew"
                       : a->err.code == POME_ERROR_OUT_OF_DISK_SPACE && a->nvram ? "delete variables, or use a shorter value"
                                                                                 : NULL;
    int status = ok ? CLI_OK : cli_fail(&a->err, hint, "cannot %s the NVRAM of \"%s\"", what, name);
    pome_nvram_free(a->nvram);
    pome_bundle_free(a->bundle);
    return status;
}

static bool partition_of(const char *text, enum pome_nvram_partition without, enum pome_nvram_partition *p)
{
    *p = without;
    if (!text)
        return true;
    for (int i = POME_NVRAM_COMMON; i <= POME_NVRAM_SYSTEM; i++)
        if (!strcmp(text, pome_nvram_partition_name((enum pome_nvram_partition)i))) {
            *p = (enum pome_nvram_partition)i;
            return true;
        }
    return false;
}

static bool is_text(const struct pome_nvram_variable *v)
{
    for (size_t i = 0; i < v->value_size; i++)
        if (!isprint(v->value[i]))
            return false;
    return true;
}

static void print_escaped(const struct pome_nvram_variable *v)
{
    for (size_t i = 0; i < v->value_size; i++)
        if (isprint(v->value[i]) && v->value[i] != '%')
            putchar(v->value[i]);
        else
            printf("%%%02x", v->value[i]);
}

static void print_json(const struct pome_nvram_variable *v)
{
    fputs("{\"name\":", stdout);
    cli_json_string(stdout, v->name);
    printf(",\"partition\":\"%s\",\"bytes\":%zu,", pome_nvram_partition_name(v->partition), v->value_size);
    if (is_text(v)) {
        fputs("\"text\":", stdout);
        cli_json_string(stdout, (const char *)v->value);
    } else {
        fputs("\"hex\":\"", stdout);
        for (size_t i = 0; i < v->value_size; i++)
            printf("%02x", v->value[i]);
        putchar('"');
    }
    putchar('}');
}

/* --- reading --- */

int cmd_nvram_get(int argc, char **argv)
{
    const char *words[2], *partition = NULL;
    bool json = false, raw = false;
    enum pome_nvram_partition p;
    const struct cli_option options[] = {
        {"partition", 'p', CLI_TEXT, &partition, "NAME", "common or system (the first that has it)", 0, 0},
        {"raw", 0, CLI_FLAG, &raw, NULL, "the bytes as they are, without a newline", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "a JSON object: text, or hex when it is none", 0, 0},
        {0},
    };
    struct access a;
    struct pome_nvram_variable v;
    int status = cli_options(argc, argv, options, 2, 2, words);
    if (status != CLI_GO_ON)
        return status;
    if (!partition_of(partition, POME_NVRAM_ANY, &p))
        return cli_usage(argv[0], "--partition %s: there are common and system", partition);
    bool ok = begin(&a, words[0]) && pome_nvram_get(a.nvram, p, words[1], &v, &a.err);
    if (ok && raw) {
        fwrite(v.value, 1, v.value_size, stdout);
    } else if (ok) {
        json ? print_json(&v) : print_escaped(&v);
        putchar('\n');
    }
    return end(&a, ok, "read", words[0]);
}

struct listing {
    bool json, values, any;
    enum pome_nvram_partition partition;
    size_t n;
};

static bool show(void *user, const struct pome_nvram_variable *v)
{
    struct listing *l = user;
    if (l->partition != POME_NVRAM_ANY && l->partition != v->partition)
        return true;
    if (l->json) {
        fputs(l->n ? ",\n " : "", stdout);
        print_json(v);
    } else if (l->values) {
        printf("%s\t", v->name);
        print_escaped(v);
        putchar('\n');
    } else {
        printf("%-8s %7zu  %s\n", pome_nvram_partition_name(v->partition), v->value_size, v->name);
    }
    l->n++;
    return true;
}

static int list(int argc, char **argv, bool values)
{
    const char *name[1], *partition = NULL;
    struct listing l = {.values = values};
    const struct cli_option options[] = {
        {"partition", 'p', CLI_TEXT, &partition, "NAME", "only common, or only system", 0, 0},
        {"json", 0, CLI_FLAG, &l.json, NULL, "a JSON array with all values", 0, 0},
        {0},
    };
    struct access a;
    int status = cli_options(argc, argv, options, 1, 1, name);
    if (status != CLI_GO_ON)
        return status;
    if (!partition_of(partition, POME_NVRAM_ANY, &l.partition))
        return cli_usage(argv[0], "--partition %s: there are common and system", partition);
    bool ok = begin(&a, name[0]);
    if (ok) {
        fputs(l.json ? "[" : values ? "" : "PARTITION  BYTES  NAME\n", stdout);
        pome_nvram_each(a.nvram, show, &l);
        fputs(l.json ? "]\n" : "", stdout);
        if (!l.json && !values)
            cli_note("Bank %d, generation %u; free: %zu bytes in common, %zu in system.", pome_nvram_bank(a.nvram),
                     pome_nvram_generation(a.nvram), pome_nvram_free_bytes(a.nvram, POME_NVRAM_COMMON),
                     pome_nvram_free_bytes(a.nvram, POME_NVRAM_SYSTEM));
    }
    return end(&a, ok, "read", name[0]);
}

int cmd_nvram_list(int argc, char **argv)
{
    return list(argc, argv, false);
}

int cmd_nvram_print(int argc, char **argv)
{
    return list(argc, argv, true);
}

/* --- changing --- */

static bool hex_byte(const char *p, uint8_t *byte)
{
    char pair[3] = {p[0], p[0] ? p[1] : 0, 0};
    if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
        return false;
    *byte = (uint8_t)strtoul(pair, NULL, 16);
    return true;
}

/* The bytes that a text stands for, in its own memory or more; -1: not of that form. */
static ssize_t decode(const char *text, bool hex, uint8_t *out)
{
    size_t n = 0;
    while (*text) {
        if (hex || *text == '%') {
            if (!hex_byte(text + !hex, &out[n++]))
                return -1;
            text += hex ? 2 : 3;
        } else {
            out[n++] = (uint8_t)*text++;
        }
    }
    return (ssize_t)n;
}

/* The firmware leaves some words out: better said now than found out at the next start. */
static void tell_filtered(const struct access *a, const char *value, size_t n)
{
    struct pome_boot_policy policy = POME_BOOT_POLICY_INIT;
    struct pome_error err;
    bool full = !pome_bundle_boot_policy(a->bundle, &policy, &err) || policy.security == POME_SECURITY_FULL;
    char *words = strndup(value, n), *rest = NULL;
    for (char *w = words ? strtok_r(words, " \t\n", &rest) : NULL; w; w = strtok_r(NULL, " \t\n", &rest))
        if (!pome_boot_arg_allowed(w))
            cli_note(full ? "\"%s\" is left out: the machine has full security (\"pome security set NAME reduced\" changes that, but for Recovery)"
                          : "\"%s\" is left out in Recovery", w);
    free(words);
}

int cmd_nvram_set(int argc, char **argv)
{
    const char *words[3], *partition = NULL;
    bool hex = false, json = false;
    enum pome_nvram_partition p;
    const struct cli_option options[] = {
        {"partition", 'p', CLI_TEXT, &partition, "NAME", "common (the default) or system", 0, 0},
        {"hex", 0, CLI_FLAG, &hex, NULL, "VALUE is hexadecimal digits, two for each byte", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "what the variable is now, as a JSON object", 0, 0},
        {0},
    };
    struct access a;
    struct pome_nvram_variable v;
    int status = cli_options(argc, argv, options, 3, 3, words);
    if (status != CLI_GO_ON)
        return status;
    if (!partition_of(partition, POME_NVRAM_COMMON, &p))
        return cli_usage(argv[0], "--partition %s: there are common and system", partition);
    uint8_t *value = malloc(strlen(words[2]) + 1);
    ssize_t n = value ? decode(words[2], hex, value) : -1;
    if (n < 0) {
        free(value);
        return cli_usage(argv[0],
                         hex ? "%s: not pairs of hexadecimal digits"
                             : "%s: after %% two hexadecimal digits are needed; %% itself is %%25",
                         words[2]);
    }
    bool ok = begin(&a, words[0]) && pome_nvram_set(a.nvram, p, words[1], value, (size_t)n, &a.err);
    if (ok && p == POME_NVRAM_COMMON && !strcmp(words[1], "boot-args"))
        tell_filtered(&a, (const char *)value, (size_t)n);
    free(value);
    if (ok && json && (ok = pome_nvram_get(a.nvram, p, words[1], &v, &a.err))) {
        print_json(&v);
        putchar('\n');
    }
    return end(&a, ok, "change", words[0]);
}

int cmd_nvram_delete(int argc, char **argv)
{
    const char *words[2], *partition = NULL;
    bool json = false;
    enum pome_nvram_partition p;
    const struct cli_option options[] = {
        {"partition", 'p', CLI_TEXT, &partition, "NAME", "common or system (the first that has it)", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "which one it was, as a JSON object", 0, 0},
        {0},
    };
    struct access a;
    struct pome_nvram_variable v;
    int status = cli_options(argc, argv, options, 2, 2, words);
    if (status != CLI_GO_ON)
        return status;
    if (!partition_of(partition, POME_NVRAM_ANY, &p))
        return cli_usage(argv[0], "--partition %s: there are common and system", partition);
    bool ok = begin(&a, words[0]) && pome_nvram_get(a.nvram, p, words[1], &v, &a.err);
    p = ok ? v.partition : p;
    ok = ok && pome_nvram_delete(a.nvram, p, words[1], &a.err);
    if (ok && json) {
        fputs("{\"name\":", stdout);
        cli_json_string(stdout, words[1]);
        printf(",\"partition\":\"%s\"}\n", pome_nvram_partition_name(p));
    }
    return end(&a, ok, "change", words[0]);
}
