/* tool.h - runs one program of a build: its output goes to the build's log, cancellation ends it with all its children. */
#ifndef RESTORE_BUILD_TOOL_H
#define RESTORE_BUILD_TOOL_H

#include <pome/error.h>

#include <stdio.h>
#include <sys/types.h>

/* What the program prints decides what people see: a line "== text" is what it does now, "!! text" why it fails. */
struct tool {
    const char *const *argv;        /* ends with NULL; argv[0] is looked up in PATH */
    const char *const *environment; /* "NAME=value" added to ours; ends with NULL */
    const char *directory;          /* where it runs */
    bool drop_rights;               /* as root: run as nobody, without groups */
    FILE *log;
    const char *log_path;           /* named in the error */
    /* Called for each line of output (NULL as line: nothing came for a while). Returning false cancels. */
    bool (*line)(void *user, const char *line);
    void *user;
};

/* The user that gets no rights: the one that root becomes for packages' scripts. */
enum { TOOL_NOBODY = 65534 };

/* Runs it to its end. Errors: MISSING_PROGRAM, OPERATION_CANCELLED, IO (ended with a status other than 0: the text of
 * its last "!!" line, or its last line). */
bool tool_run(const struct tool *t, struct pome_error *err);

/* True if PATH, /usr/sbin or /sbin has an executable of this name. */
bool tool_exists(const char *name);

#endif
