/* make_test_image.c - writes restore images for tests of the command and for trying things out. */
#include "base/bits.h"
#include "restore/apple_image.h"
#include "restore/test_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: make_test_image FOLDER FILE                    a small image of ours\n"
    "       make_test_image --apple [options] FOLDER FILE  one shaped like macOS's\n"
    "  --encrypted         OS and cryptexes in archives (.aea); the key is printed\n"
    "  --os FILE           the raw disk of the OS image\n"
    "  --os-size MIB       of a made-up one (64)\n"
    "  --version V --build B --min-host V --without-vm\n";

static bool make_apple(int argc, char **argv, struct pome_error *err)
{
    struct apple_image o = {0};
    const struct { const char *name; const char **text; bool *flag; } options[] = {
        {"--os", &o.os, NULL}, {"--version", &o.version, NULL}, {"--build", &o.build, NULL}, {"--min-host", &o.min_host, NULL},
        {"--os-size", NULL, NULL}, {"--encrypted", NULL, &o.encrypted}, {"--without-vm", NULL, &o.without_vm},
    };
    int i = 2;
    for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
        size_t k = 0;
        while (k < ARRAY_SIZE(options) && strcmp(options[k].name, argv[i]))
            k++;
        if (k < ARRAY_SIZE(options) && options[k].flag)
            *options[k].flag = true;
        else if (k == ARRAY_SIZE(options) || ++i == argc)
            break;
        else if (options[k].text)
            *options[k].text = argv[i];
        else
            o.os_bytes = strtoull(argv[i], NULL, 10) * MiB;
    }
    if (argc - i != 2) {
        fputs(usage, stderr);
        exit(2);
    }
    o.work = argv[i];
    if (!apple_image_make(&o, argv[i + 1], err))
        return false;
    for (size_t k = 0; o.encrypted && k < sizeof apple_image_key; k++)
        printf("%02x%s", apple_image_key[k], k + 1 == sizeof apple_image_key ? "\n" : "");
    return true;
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    bool apple = argc > 1 && !strcmp(argv[1], "--apple");
    if (!apple && argc != 3) {
        fputs(usage, stderr);
        return 2;
    }
    if (apple ? make_apple(argc, argv, &err) : test_image_make(argv[1], argv[2], &err))
        return 0;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}
