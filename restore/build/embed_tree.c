/*
 * embed_tree.c - build step: writes files as one table of bytes. Usage: embed_tree OUT ROOT FILE|NAME=PATH...
 * FILE is relative to ROOT and keeps that name; PATH is made in the build and gets NAME. A file that its owner may execute is
 * marked so.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int write_bytes(FILE *out, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        return 1;
    }
    size_t n = 0;
    for (int c; (c = getc(in)) != EOF; n++)
        fprintf(out, "%s%d,", n % 32 ? "" : "\n", c);
    return fclose(in) != 0;
}

static const char *path_of(const char *root, const char *word, char path[4096])
{
    const char *equals = strchr(word, '=');
    if (equals)
        return equals + 1;
    snprintf(path, 4096, "%s/%s", root, word);
    return path;
}

int main(int argc, char **argv)
{
    FILE *out = argc > 3 ? fopen(argv[1], "w") : NULL;
    if (!out) {
        fprintf(stderr, "usage: embed_tree OUT ROOT FILE...\n");
        return 2;
    }
    fprintf(out, "#include \"restore/build/embedded.h\"\n");
    char path[4096];
    for (int i = 3; i < argc; i++) {
        fprintf(out, "static const unsigned char f%d[] = {", i);
        if (write_bytes(out, path_of(argv[2], argv[i], path)))
            return 1;
        fprintf(out, "0};\n");
    }
    fprintf(out, "const struct embedded_file embedded_files[] = {\n");
    for (int i = 3; i < argc; i++) {
        struct stat s;
        if (stat(path_of(argv[2], argv[i], path), &s))
            return 1;
        fprintf(out, "{\"%.*s\", f%d, sizeof f%d - 1, %d},\n", (int)strcspn(argv[i], "="), argv[i], i, i, !!(s.st_mode & S_IXUSR));
    }
    fprintf(out, "};\nconst size_t n_embedded_files = sizeof embedded_files / sizeof *embedded_files;\n");
    return fclose(out) != 0;
}
