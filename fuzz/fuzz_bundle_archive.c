/*
 * fuzz_bundle_archive.c - bundle_import (bundle/copy.h). The input is the tar archive; it is put into a zstd stream first, so that a fuzzer need not find
 * out how to compress. What is written stays in one folder, which is looked at afterwards.
 */
#include "bundle/copy.h"
#include "bundle/paths.h"

#include <zstd.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64], packed[96], vms[96];

static void remove_folder(void)
{
    remove_tree(folder);
}

static void prepare(void)
{
    strcpy(folder, "/tmp/pome-fuzz-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    setenv("POME_HOME", folder, 1);
    snprintf(packed, sizeof packed, "%s/in.tar.zst", folder);
    snprintf(vms, sizeof vms, "%s/vms", folder);
    atexit(remove_folder);
}

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pome_error err = {0};
    struct job j = {0};
    if (!folder[0])
        prepare();
    if (size > 1 << 20)
        return 0;
    size_t room = ZSTD_compressBound(size);
    void *zstd = malloc(room);
    size_t n = zstd ? ZSTD_compress(zstd, room, data, size, 1) : 0;
    FILE *f = fopen(packed, "wb");
    if (!f || ZSTD_isError(n) || fwrite(zstd, 1, n, f) != n || fclose(f))
        abort();
    free(zstd);
    struct bundle *b = bundle_import(packed, "fuzz", &j, &err);
    if (!b && !err.message[0])
        abort();
    bundle_close(b);
    /* Nothing but the archive and the folder of machines; in that nothing, or the one machine. */
    if (entries(folder) > 2 || entries(vms) > (b ? 1 : 0))
        abort();
    remove_tree(vms);
    return 0;
}
