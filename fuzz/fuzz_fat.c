/*
 * fuzz_fat.c - FAT32 volumes (formats/fat.h): read, and then changed, as one is that a guest writes, too. No write may leave the
 * volume or hit its boot sector.
 */
#include "base/bits.h"
#include "formats/fat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct fat *f)
{
    static const char *const paths[] = {"BOOT/ACTIVE", "ACTIVE", "POLICY/LOCAL.IM4", "A/B/C/D/E"};
    static uint8_t out[1 << 13];
    struct pome_error err;
    struct fat_entry e;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (fat_find(f, paths[i], &e, &err)) {
            fat_read(f, &e, 0, out, sizeof out);
            fat_read(f, &e, e.size / 2, out, sizeof out);
        }
    for (size_t k = 0; k < 16 && fat_list(f, f->root, k, &e); k++)
        fat_read(f, &e, 0, out, sizeof out);
}

struct volume {
    uint8_t *bytes;
    size_t n;
};

static bool write_volume(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct volume *v = user;
    if (offset < 512 || offset > v->n || n > v->n - offset)
        abort();
    memcpy(v->bytes + offset, bytes, n);
    return true;
}

static bool sync_volume(void *user, struct pome_error *err)
{
    return true;
}

static void change(struct volume *v, const uint8_t *data, size_t size)
{
    struct pome_error err;
    struct fat_edit e = {.write = write_volume, .sync = sync_volume, .user = v};
    if (!fat_open(v->bytes, v->n, &e.fat, &err))
        return;
    fat_replace(&e, "ACTIVE", data, MIN(size, (size_t)300), &err);
    fat_replace(&e, "BOOT/ACTIVE", data, MIN(size, (size_t)1500), &err);
    fat_replace(&e, "POLICY/LOCAL.IM4", data, 0, &err);
    fat_remove(&e, "ACTIVE", &err);
    fat_remove(&e, "BOOT/ACTIVE", &err);
    read_all(&e.fat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pome_error err;
    struct fat f;
    if (!fat_open(data, size, &f, &err))
        return 0;
    read_all(&f);
    struct volume v = {malloc(size), size};
    if (!v.bytes)
        abort();
    memcpy(v.bytes, data, size);
    change(&v, data, size);
    free(v.bytes);
    return 0;
}
