/*
 * replay.c - runs a fuzz target without libFuzzer: over every file of a corpus folder, then over inputs made from them and
 * from nothing by a small deterministic mutator (POME_TEST_SCALE times 2000). Under ASan and UBSan this is what
 * `make test` does with the fuzz targets.
 */
#include "base/bits.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

enum { MAX_FILES = 256, MAX_BYTES = 1 << 16 };

static struct {
    uint8_t *data;
    size_t size;
} files[MAX_FILES];
static size_t n_files;

static uint64_t rng_state = 0x9e3779b97f4a7c15;

static uint64_t rng(void) /* xorshift64* */
{
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * 0x2545f4914f6cdd1d;
}

/* Hands the target exactly `size` heap bytes, so that ASan sees a read past the end. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void load(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) && n_files < MAX_FILES;) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!f)
            continue;
        files[n_files].data = malloc(MAX_BYTES);
        files[n_files].size = files[n_files].data ? fread(files[n_files].data, 1, MAX_BYTES, f) : 0;
        n_files++;
        fclose(f);
    }
    closedir(d);
}

/* A corpus file or random bytes, with a few bytes changed, cut or repeated. */
static size_t make_input(uint8_t *out)
{
    size_t size;
    if (n_files && rng() % 4) {
        size_t i = rng() % n_files;
        size = files[i].size;
        memcpy(out, files[i].data, size);
    } else {
        size = rng() % 512;
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)rng();
    }
    static const uint8_t interesting[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x10, 0x20};
    for (uint64_t n = rng() % 8; n && size; n--) {
        size_t at = rng() % size;
        switch (rng() % 4) {
        case 0: out[at] = (uint8_t)rng(); break;
        case 1: out[at] ^= (uint8_t)(1 << rng() % 8); break;
        case 2: out[at] = interesting[rng() % sizeof interesting]; break;
        default: size = at; break;
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    if (argc > 1)
        load(argv[1]);
    for (size_t i = 0; i < n_files; i++)
        run_one(files[i].data, files[i].size);
    const char *scale = getenv("POME_TEST_SCALE");
    unsigned long n = 2000 * (scale ? strtoul(scale, NULL, 10) : 1);
    static uint8_t input[MAX_BYTES];
    for (unsigned long i = 0; i < n; i++) {
        size_t size = make_input(input);
        run_one(input, size);
    }
    printf("%zu corpus files, %lu made-up inputs\n", n_files, n);
    for (size_t i = 0; i < n_files; i++)
        free(files[i].data);
    return 0;
}
