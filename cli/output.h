/* output.h - what the command says: three-part errors, exit statuses, sizes, JSON strings. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <pome/error.h>

#include <stdint.h>
#include <stdio.h>

enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
};

/* Says on standard error what failed, why, and what to do, and returns the exit status of err's code:
 *     pome create: cannot create "dev"
 *       why: /home/a/.local/share/pome/vms/dev.bundle exists already
 *       do:  choose another name, or remove it with "pome delete dev"
 * hint may be NULL; then the code's own advice is used, if it has any. */
int cli_fail(const struct pome_error *err, const char *hint, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* A mistake on the command line: says it and where help is; returns CLI_USAGE. verb may be NULL. */
int cli_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A note on standard error, unless --quiet. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The verb in front of messages: set by main(). */
void cli_set_verb(const char *verb);
void cli_set_quiet(bool quiet);
bool cli_quiet(void);

/* "12.3 MiB" into text[16]; returns text. */
const char *cli_size(uint64_t bytes, char text[16]);

/* Writes s as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. NULL is written as null. */
void cli_json_string(FILE *f, const char *s);

#endif
