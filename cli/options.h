/* options.h - a verb's options as a table: parsing, help and errors come from it. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_option_type {
    CLI_FLAG,   /* bool *: set true */
    CLI_TEXT,   /* const char **: borrowed from argv */
    CLI_NUMBER, /* uint64_t *: decimal, min..max */
    CLI_SIZE,   /* uint64_t *: bytes: 512MiB, 4GiB, 4G, 65536; min..max */
    CLI_LIST,   /* struct cli_list *: may be given several times */
};

enum { CLI_LIST_MAX = 32 };

struct cli_list {
    size_t n;
    const char *items[CLI_LIST_MAX];
};

struct cli_option {
    const char *name;     /* long name without dashes; NULL ends the table */
    char letter;          /* short form, or 0 */
    enum cli_option_type type;
    void *value;          /* where it goes, by type */
    const char *argument; /* name of the argument in help ("FILE"), NULL for a flag */
    const char *help;
    uint64_t min, max;    /* of CLI_NUMBER and CLI_SIZE; max 0 = no limit */
};

enum { CLI_GO_ON = -1 };

/* Reads options and operands of a verb. argv[0] is the verb. Operands may stand before or between options; after "--" all are
 * operands. They are gathered in operands[0..max_operands-1], the rest NULL. `--help` prints the
 * verb's help from the command table and `options`.
 * Returns CLI_GO_ON, or the exit status to end with (0 after help, CLI_USAGE after a mistake, which was said). */
int cli_options(int argc, char **argv, const struct cli_option *options, size_t min_operands, size_t max_operands,
                const char **operands);

/* "512MiB" -> bytes. K, KiB, M, MiB, ... are powers of 1024, KB, MB, GB, TB of 1000, none or B bytes. False when it is not a size. */
bool cli_parse_size(const char *text, uint64_t *bytes);

#endif
