/* fuzz_saved.c - any bytes as the file of a saved machine (save/file.h): read whole, or refused. */
#include "save/file.h"
#include "save/seal.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_section(const struct save_reader *r, const struct save_section *s)
{
    struct save_chunks c;
    uint8_t *bytes = save_reader_bytes(r, s, NULL);
    free(bytes);
    if (!bytes || !save_reader_chunks(r, s, &c, NULL))
        return;
    static uint8_t chunk[SAVE_CHUNK_BYTES];
    struct sealer sealer = {0};
    for (size_t i = 0; i < c.n_chunks && i < 64; i++)
        save_reader_chunk(r, &sealer, &c, i, chunk, NULL);
    sealer_finish(&sealer);
    save_chunks_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct save_reader *r = fd >= 0 && write(fd, data, size) == (ssize_t)size ? save_reader_create(fd, NULL, NULL) : NULL;
    for (size_t i = 0; r && i < 8 && save_reader_section(r, i); i++)
        read_section(r, save_reader_section(r, i));
    save_reader_free(r);
    close(fd);
    return 0;
}
