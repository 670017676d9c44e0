/* embed.c - build step: writes a binary file as a C array. Usage: embed NAME IN OUT. Runs on the build machine. */
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: embed NAME IN OUT\n");
        return 2;
    }
    FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "w");
    if (!in || !out) {
        perror(in ? argv[3] : argv[2]);
        return 1;
    }
    size_t n = 0;
    fprintf(out, "#include \"firmware/firmware.h\"\n\nconst unsigned char %s[] = {", argv[1]);
    for (int c; (c = getc(in)) != EOF; n++)
        fprintf(out, "%s%d,", n % 32 ? "" : "\n", c);
    fprintf(out, "\n};\nconst size_t %s_bytes = %zu;\n", argv[1], n);
    if (ferror(in) || fclose(out)) {
        perror(argv[3]);
        return 1;
    }
    fclose(in);
    return 0;
}
