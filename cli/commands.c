/*
 * commands.c - every verb of pome, one row each.
 *
 * A new verb: cmd_x.c with one function, its declaration and its row here, the file in meson.build.
 */
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

command_run cmd_boot, cmd_image, cmd_version;

const struct command commands[] = {
    /* name, synopsis, help, function */
    {"boot", "boot --kernel FILE [options]", "Boot a kernel in a throw-away machine", cmd_boot},
    {"image", "image build debian -o FILE [options]", "Build a restore image", cmd_image},
    {"version", "version", "Print the version", cmd_version},
    {NULL, NULL, NULL, NULL},
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
    size_t near = 3;
    for (const struct command *c = commands; c->name; c++) {
        size_t d = distance(name, c->name);
        if (d < near && d < strlen(c->name)) {
            near = d;
            best = c->name;
        }
    }
    return best;
}
