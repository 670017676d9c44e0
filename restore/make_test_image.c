/* make_test_image.c - for tests of the command: make_test_image FOLDER FILE writes a small restore image. */
#include "restore/test_image.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    if (argc == 3 && test_image_make(argv[1], argv[2], &err))
        return 0;
    fprintf(stderr, "%s\n", argc == 3 ? err.message : "usage: make_test_image FOLDER FILE");
    return 1;
}
