/* archive_key.h - the options --key and --key-file: 32 bytes that open an encrypted archive. */
#ifndef CLI_ARCHIVE_KEY_H
#define CLI_ARCHIVE_KEY_H

#include "cli/options.h"

#include <pome/inspect.h>

struct cli_archive_key {
    const char *text, *file; /* the options' values */
    uint8_t bytes[32];
};

/* Two rows of an option table. */
#define CLI_ARCHIVE_KEY(k)                                                                                                           \
    {"key", 'k', CLI_TEXT, &(k).text, "KEY", "key of an encrypted archive: 64 hexadecimal digits, or base64", 0, 0},                 \
    {"key-file", 0, CLI_TEXT, &(k).file, "FILE", "the same from a file (32 bytes, or text)", 0, 0}

/* Reads what was given; *key is NULL when nothing was. Returns CLI_GO_ON or an exit status, the mistake said. */
int cli_archive_key(struct cli_archive_key *k, const char *verb, const uint8_t **key);

#endif
