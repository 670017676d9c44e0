/* fuzz_fat.c - FAT32 volumes (formats/fat.h). */
#include "formats/fat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"BOOT/ACTIVE", "ACTIVE", "POLICY/LOCAL.IM4", "A/B/C/D/E"};
    static uint8_t out[1 << 16];
    struct pome_error err;
    struct fat_entry e;
    struct fat f;
    if (!fat_open(data, size, &f, &err))
        return 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (fat_find(&f, paths[i], &e, &err)) {
            fat_read(&f, &e, 0, out, sizeof out);
            fat_read(&f, &e, e.size / 2, out, sizeof out);
        }
    for (size_t k = 0; k < 64 && fat_list(&f, f.root, k, &e); k++)
        fat_read(&f, &e, 0, out, sizeof out);
    return 0;
}
