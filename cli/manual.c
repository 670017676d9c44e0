/* manual.c - finds a verb's page where it was installed, or beside the executable of a build folder. */
#include "cli/manual.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* "image info" -> "pome-image-info.1". */
static void page_name(const char *verb, char name[80])
{
    snprintf(name, 80, "pome-%.60s.1", verb);
    for (char *p = name; *p; p++)
        if (*p == ' ')
            *p = '-';
}

void manual_show(const char *verb)
{
    char name[80], program[PATH_MAX], path[PATH_MAX + 128];
    if (!isatty(STDOUT_FILENO))
        return;
    page_name(verb, name);
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n < 0 ? 0 : n] = 0;
    snprintf(path, sizeof path, "%s/docs/man/%s", dirname(program), name);
    if (access(path, R_OK))
        snprintf(path, sizeof path, "%s/man1/%s", POME_MAN_DIR, name);
    if (!access(path, R_OK))
        execlp("man", "man", path, (char *)NULL);
}
