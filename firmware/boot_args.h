/* boot_args.h - which words of the NVRAM variable boot-args full security lets through (docs/boot.md section 2). Also compiled for the host. */
#ifndef FIRMWARE_BOOT_ARGS_H
#define FIRMWARE_BOOT_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* The next word of text[*at..n), ended by blanks; its length, 0 at the end. *at goes behind it. */
size_t boot_args_word(const char *text, size_t n, size_t *at, const char **word);

bool boot_args_allowed(const char *word, size_t n);

/* For messages: the words that are let through, separated by blanks; "loglevel=" stands for one with any plain value. */
extern const char boot_args_list[];

#endif
