/* fuzz_zip.c - zip files and what restore images keep in them (restore/zipfile.h, restore_image.h). */
#include "restore/restore_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_member(struct zipin *z, size_t i)
{
    static uint8_t block[65536];
    struct pome_error err;
    uint64_t total = 0;
    struct zipin_stream *s = zipin_stream_open(z, i, &err);
    if (!s)
        return;
    for (ssize_t n; total < 16 << 20 && (n = zipin_read(s, block, sizeof block, &err)) > 0;)
        total += (uint64_t)n;
    if (total > zipin_member(z, i)->size)
        abort();
    zipin_stream_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct pome_error err;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct zipin *z = zipin_open(path, &err);
    for (size_t i = 0; z && i < zipin_count(z) && i < 8; i++) {
        const char *name = zipin_member(z, i)->name;
        if (*name == '/' || !strncmp(name, "../", 3) || strstr(name, "/../"))
            abort();
        read_member(z, i);
    }
    zipin_close(z);
    struct restore_image *image = restore_image_open(path, &err);
    if (image)
        restore_image_supported(image, &err);
    restore_image_close(image);
    close(fd);
    return 0;
}
