/* check_installed.c - for tests of the command: check_installed BUNDLE [--one-map] exits 0 when it is what the test's image makes. */
#include "restore/installed_check.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    struct bundle *b = argc == 2 || argc == 3 ? bundle_open(argv[1], &err) : NULL;
    if (!b || !b->installed) {
        fprintf(stderr, "%s\n", argc < 2 ? "usage: check_installed BUNDLE [--one-map]" : b ? "it is not installed" : err.message);
        return 1;
    }
    if (!bundle_lock(b, &err)) { /* which makes the changes of a command that was cut off */
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    installed_check_disk(b, argc == 2);
    installed_check_aux(b);
    bundle_close(b);
    return 0;
}
