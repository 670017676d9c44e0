/*
 * fuzz_zip.c - zip files and what restore images keep in them (restore/zipfile.h, restore_image.h). An input that begins with "PK" is a zip
 * file, read as it is and, when a CRC in it was wrong, again with all of them right. Any other is a list of members (which
 * name, flags, 16 bits of length, the bytes), of which a zip file is made.
 */
#include "base/bits.h"
#include "formats/checksum.h"
#include "restore/restore_image.h"

#include <zlib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOCAL = 30, CENTRAL = 46, END = 22, MOST = 1 << 20, MEMBERS = 32 };

/* --- CRCs made right --- */

/* Of a member's content; false when it cannot be said. */
static bool crc_of_member(const uint8_t *p, size_t n, unsigned method, uint32_t *crc, uint32_t *bytes)
{
    static uint8_t out[MOST];
    if (!method) {
        *crc = crc32_of(p, n);
        *bytes = (uint32_t)n;
        return true;
    }
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)p, .avail_in = (uInt)n, .next_out = out, .avail_out = sizeof out};
    if (method != 8 || inflateInit2(&z, -15) != Z_OK)
        return false;
    bool ok = inflate(&z, Z_FINISH) == Z_STREAM_END;
    *crc = crc32_of(out, z.total_out);
    *bytes = (uint32_t)z.total_out;
    inflateEnd(&z);
    return ok;
}

static void put(uint8_t *p, uint32_t value, bool *changed)
{
    *changed |= le32_get(p) != value;
    le32_put(p, value);
}

/* The entry at `c` of the directory and its local header. */
static void mend_member(uint8_t *zip, size_t n, uint8_t *c, bool *changed)
{
    uint32_t local = le32_get(c + 42), packed = le32_get(c + 20), crc, bytes;
    if (local > n - LOCAL || memcmp(zip + local, "PK\3\4", 4))
        return;
    uint8_t *l = zip + local;
    size_t at = (size_t)local + LOCAL + le16_get(l + 26) + le16_get(l + 28);
    if (at > n || packed > n - at || !crc_of_member(zip + at, packed, le16_get(c + 10), &crc, &bytes))
        return;
    put(l + 14, crc, changed);
    put(c + 16, crc, changed);
    put(l + 18, packed, changed);
    put(l + 22, bytes, changed);
    put(c + 24, bytes, changed);
}

static bool mend(uint8_t *zip, size_t n)
{
    size_t end = n < END ? 0 : n - END + 1;
    while (end && memcmp(zip + end - 1, "PK\5\6", 4))
        end--;
    if (!end--)
        return false;
    bool changed = false;
    size_t at = le32_get(zip + end + 16);
    for (size_t i = 0; i < MEMBERS && at <= n && n - at >= CENTRAL && !memcmp(zip + at, "PK\1\2", 4); i++) {
        uint8_t *c = zip + at;
        mend_member(zip, n, c, &changed);
        at += (size_t)CENTRAL + le16_get(c + 28) + le16_get(c + 30) + le16_get(c + 32);
    }
    return changed;
}

/* --- zips made of a list --- */

static const char *const names[] = {
    "BuildManifest.plist", "Restore.plist", "RestoreVersion.plist", "SystemVersion.plist", "Firmware/all_flash/LLB.pome1.im4p", "boot/krnl.im4p",
    "Firmware/a.im4p", "kernelcache", "os.img.zst", "folder/", "a/../b", "../c", "/d", "", "a", "a/",
};

struct made {
    uint8_t *bytes;
    size_t n;
};

static void add(struct made *m, const void *bytes, size_t n)
{
    memcpy(m->bytes + m->n, bytes, n);
    m->n += n;
}

/* What is the same in a local header and in the directory: version, flags, method, time, CRC, sizes, length of the name. */
static void add_header(struct made *m, const char *magic, size_t skip, const char *name, uint16_t method, uint32_t packed)
{
    uint8_t h[CENTRAL] = {0};
    memcpy(h, magic, 4);
    h[skip] = 20;
    le16_put(h + skip + 4, method);
    le32_put(h + skip + 14, packed);
    le16_put(h + skip + 22, (uint16_t)strlen(name));
    add(m, h, skip == 4 ? LOCAL : CENTRAL);
}

static struct made make_zip(const uint8_t *data, size_t size)
{
    struct { const char *name; uint16_t method; uint32_t at, packed; } member[MEMBERS];
    struct made m = {malloc(size + MEMBERS * (LOCAL + CENTRAL + 128) + END), 0};
    size_t n = 0;
    if (!m.bytes)
        abort();
    for (; n < MEMBERS && size >= 4; n++) {
        size_t length = MIN(le16_get(data + 2), size - 4);
        member[n].name = names[data[0] % ARRAY_SIZE(names)];
        member[n].method = data[1] & 1 ? 8 : 0;
        member[n].at = (uint32_t)m.n;
        member[n].packed = (uint32_t)length;
        add_header(&m, "PK\3\4", 4, member[n].name, member[n].method, member[n].packed);
        add(&m, member[n].name, strlen(member[n].name));
        add(&m, data + 4, length);
        data += 4 + length;
        size -= 4 + length;
    }
    size_t directory = m.n;
    for (size_t i = 0; i < n; i++) {
        add_header(&m, "PK\1\2", 6, member[i].name, member[i].method, member[i].packed);
        le32_put(m.bytes + m.n - 4, member[i].at);
        add(&m, member[i].name, strlen(member[i].name));
    }
    uint8_t end[END] = "PK\5\6";
    le16_put(end + 8, (uint16_t)n);
    le16_put(end + 10, (uint16_t)n);
    le32_put(end + 12, (uint32_t)(m.n - directory));
    le32_put(end + 16, (uint32_t)directory);
    add(&m, end, sizeof end);
    return m;
}

/* --- reading --- */

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

static void read_members(const char *path)
{
    struct pome_error err;
    struct zipin *z = zipin_open(path, &err);
    for (size_t i = 0; z && i < zipin_count(z) && i < 8; i++) {
        const char *name = zipin_member(z, i)->name;
        if (*name == '/' || !strncmp(name, "../", 3) || strstr(name, "/../") || zipin_find(z, name) != (int64_t)i)
            abort();
        read_member(z, i);
    }
    zipin_close(z);
}

static void read_image(const char *path)
{
    struct pome_error err;
    struct im4p p;
    struct findings found = {0};
    struct restore_image *image = restore_image_open(path, &err);
    if (!image)
        return;
    restore_image_supported(image, &err);
    restore_image_installable(image, &err);
    restore_image_min_disk(image);
    restore_image_check_machine(image, 1, 1 << 20, 1 << 20, &found);
    for (size_t i = 0; i < image->manifest.n && i < 8; i++)
        restore_image_im4p(image, &image->manifest.components[i], NULL, &p, &err);
    findings_free(&found);
    restore_image_close(image);
}

static void read_zip(const uint8_t *zip, size_t n)
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || (n && write(fd, zip, n) != (ssize_t)n))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_members(path);
    read_image(path);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || memcmp(data, "PK", 2)) {
        struct made m = make_zip(data, size);
        mend(m.bytes, m.n);
        read_zip(m.bytes, m.n);
        free(m.bytes);
        return 0;
    }
    struct made m = {malloc(size), 0};
    if (!m.bytes)
        abort();
    add(&m, data, size);
    read_zip(m.bytes, m.n);
    if (mend(m.bytes, m.n))
        read_zip(m.bytes, m.n);
    free(m.bytes);
    return 0;
}
