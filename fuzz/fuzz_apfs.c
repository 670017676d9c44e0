/*
 * fuzz_apfs.c - containers of the Apple File System (apfs/apfs.h). The input is a list of changes to a good container: {u24 offset, u8 value}, each in
 * a block of the metadata; checksums are made right again, so that what lies behind them is reached.
 */
#include "apfs/apfs.h"
#include "apfs/disk.h"
#include "apfs/object.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The container, but for what nobody wrote: block numbers and bytes of those that were. */
enum { BLOCKS_MAX = 4096 };
static struct {
    uint64_t block;
    uint8_t good[APFS_BLOCK], bytes[APFS_BLOCK];
} blocks[BLOCKS_MAX];
static size_t n_blocks;
static const uint64_t container = 128 * MiB, grown = 192 * MiB;
static uint16_t where[192 * MiB / APFS_BLOCK]; /* a block's place in blocks, and one; 0: nobody wrote it */

static uint8_t *block_at(uint64_t block)
{
    return where[block] ? blocks[where[block] - 1].bytes : NULL;
}

static bool keep(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    for (size_t at = 0; at < n; at += APFS_BLOCK) {
        if (n_blocks == BLOCKS_MAX)
            return pome_fail(err, POME_ERROR_INTERNAL, "too many blocks");
        blocks[n_blocks].block = (offset + at) / APFS_BLOCK;
        memcpy(blocks[n_blocks].good, (const uint8_t *)bytes + at, APFS_BLOCK);
        where[blocks[n_blocks].block] = (uint16_t)(n_blocks + 1);
        memcpy(blocks[n_blocks].bytes, blocks[n_blocks].good, APFS_BLOCK);
        n_blocks++;
    }
    return true;
}

static uint64_t end = 128 * MiB; /* of what may be asked for */

/* What growing writes is not kept: only that it stays inside. */
static bool drop(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    if (offset > grown || n > grown - offset)
        abort();
    return true;
}

static bool sync_nothing(void *user, struct pome_error *err)
{
    return true;
}

static bool get(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *err)
{
    if (offset > end || n > end - offset)
        abort(); /* the reader must not ask for what is behind the container */
    for (size_t done = 0; done < n;) {
        const uint8_t *block = block_at((offset + done) / APFS_BLOCK);
        size_t at = (offset + done) % APFS_BLOCK, k = MIN(n - done, APFS_BLOCK - at);
        if (block)
            memcpy((uint8_t *)bytes + done, block + at, k);
        else
            memset((uint8_t *)bytes + done, 0, k);
        done += k;
    }
    return true;
}

static bool make(void)
{
    struct pome_error err;
    char name[64];
    uint64_t id;
    struct apfs_maker *m = apfs_make_begin(&(struct apfs_container_spec){.bytes = container}, keep, NULL, &err);
    struct apfs_volume *v = m ? apfs_make_volume(m, &(struct apfs_volume_spec){.name = "Fuzz"}, &err) : NULL;
    bool ok = v && apfs_make_folders(v, APFS_ROOT, "a/b", &id, &err) && apfs_make_symlink(v, id, "link", "file", NULL, &err);
    for (int i = 0; ok && i < 150; i++) {
        snprintf(name, sizeof name, "a file with the number %d", i);
        ok = apfs_make_file(v, id, name, name, sizeof name, NULL, &err);
    }
    ok = ok && apfs_make_finish(m, &err);
    apfs_make_free(m);
    return ok;
}

static bool look(void *user, const char *name, uint64_t id, unsigned type)
{
    struct apfs *a = user;
    struct apfs_item item;
    struct pome_error err;
    uint8_t bytes[512];
    if (id % 16) /* each item is a walk through the trees, with checksums: some of them do */
        return true;
    if (apfs_item(a, 0, id, &item, &err)) {
        apfs_read_file(a, 0, &item, 0, bytes, sizeof bytes, &err);
        apfs_read_file(a, 0, &item, item.size / 2, bytes, sizeof bytes, &err);
    }
    apfs_xattr(a, 0, id, "com.apple.fs.symlink", bytes, sizeof bytes, &err);
    return true;
}

static void look_around(struct apfs *a)
{
    struct pome_error err;
    struct apfs_item item;
    if (apfs_find(a, 0, "a/b", &item, &err))
        apfs_list(a, 0, item.id, look, a, &err);
    apfs_find(a, 0, "a/b/a file with the number 77", &item, &err);
    apfs_list(a, 0, APFS_ROOT, look, a, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pome_error err;
    if (!n_blocks && !make())
        abort();
    for (size_t i = 0; i + 4 <= size && i < 64; i += 4) {
        uint32_t at = data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16;
        uint8_t *block = blocks[at / APFS_BLOCK % n_blocks].bytes;
        block[at % APFS_BLOCK] = data[i + 3];
        apfs_object_seal(block, APFS_BLOCK, le64_get(block + O_OID), le64_get(block + O_XID), le32_get(block + O_TYPE), le32_get(block + O_SUBTYPE));
    }
    struct apfs *a = apfs_open(container, get, NULL, &err);
    if (a)
        look_around(a);
    apfs_close(a);
    end = grown;
    apfs_grow(grown, get, drop, sync_nothing, NULL, &err);
    end = container;
    for (size_t i = 0; i + 4 <= size && i < 64; i += 4) { /* good again for the next input */
        size_t k = (data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16) / APFS_BLOCK % n_blocks;
        memcpy(blocks[k].bytes, blocks[k].good, APFS_BLOCK);
    }
    return 0;
}
