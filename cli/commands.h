/* commands.h - the table of verbs. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stddef.h>

/* A verb of pome, one word or two. argv[0] is the verb itself ("create", "log show"). Returns the exit status. */
typedef int command_run(int argc, char **argv);

struct command {
    const char *name;     /* one word, or two: "image info" */
    const char *synopsis; /* what follows "pome " in usage: "create NAME --image FILE [options]" */
    const char *help;     /* one line, no full stop */
    command_run *run;
    const char *family; /* `pome --help` names all of a family on one line, under this title; NULL: a line of its own */
};

/* In the order of `pome --help`; ends with a row whose name is NULL. */
extern const struct command commands[];

/* The first words of two-word verbs, with what `pome --help` says of each; ends with a row whose word is NULL. */
struct command_group {
    const char *word, *help;
};
extern const struct command_group command_groups[];

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

/* The verb spelled most like `name`, or NULL when none is near. */
const char *command_suggest(const char *name);

#endif
