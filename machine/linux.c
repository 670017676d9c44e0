/*
 * linux.c - places an arm64 Linux kernel, its initial ramdisk and the device tree (Linux Documentation/arm64/booting.rst).
 *
 *     RAM start + text_offset   kernel, image_size bytes
 *     next 2 MiB boundary       device tree
 *     next 2 MiB boundary       initial ramdisk
 *
 * The kernel is the file as it is ("Image", also Debian's vmlinuz), or gzip'ed; files are read straight into guest
 * memory, a gzip'ed one through zlib with the room in memory as the limit.
 */
#include "machine/board.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define HEADER_BYTES   64
#define OLD_TEXT_OFFSET 0x80000 /* when image_size is 0: before Linux 3.17 */
#define BLOCK          (2 * MiB)
#define WINDOW         (32 * GiB) /* kernel and ramdisk lie in one such window */

/* A file being read: plain, or through inflate. */
struct source {
    const char *path;
    int fd;
    uint64_t file_bytes;
    bool gzip;
    z_stream z;
    bool z_end;
    uint8_t buffer[64 * KiB];
};

static bool source_open(struct source *s, const char *path, struct pome_error *err)
{
    struct stat st;
    memset(&s->z, 0, sizeof s->z);
    s->path = path;
    s->gzip = s->z_end = false;
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (s->fd < 0)
        return pome_fail_errno(err, "%s", path);
    if (fstat(s->fd, &st))
        pome_fail_errno(err, "%s", path);
    else if (!S_ISREG(st.st_mode))
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: not a regular file", path);
    else {
        s->file_bytes = (uint64_t)st.st_size;
        return true;
    }
    close(s->fd);
    return false;
}

static void source_close(struct source *s)
{
    if (s->gzip)
        inflateEnd(&s->z);
    close(s->fd);
}

/* Reads up to n bytes of the file; -1 and *err on failure. */
static ssize_t file_read(struct source *s, void *to, size_t n, struct pome_error *err)
{
    ssize_t got;
    do
        got = read(s->fd, to, n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        pome_fail_errno(err, "%s", s->path);
    return got;
}

static bool source_fill(struct source *s, struct pome_error *err)
{
    ssize_t got = file_read(s, s->buffer, sizeof s->buffer, err);
    if (!got)
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the gzip stream ends early", s->path);
    s->z.next_in = s->buffer;
    s->z.avail_in = got > 0 ? (unsigned)got : 0;
    return got > 0;
}

/* Fills `to` as far as the source goes; *got how far. */
static bool source_read(struct source *s, uint8_t *to, uint64_t n, uint64_t *got, struct pome_error *err)
{
    *got = 0;
    while (*got < n && !s->z_end) {
        size_t want = (size_t)MIN(n - *got, 1 * GiB);
        if (!s->gzip) {
            ssize_t some = file_read(s, to + *got, want, err);
            if (some < 0)
                return false;
            if (!some)
                break;
            *got += (uint64_t)some;
            continue;
        }
        if (!s->z.avail_in && !source_fill(s, err))
            return false;
        s->z.next_out = to + *got;
        s->z.avail_out = (unsigned)want;
        int e = inflate(&s->z, Z_NO_FLUSH);
        if (e != Z_OK && e != Z_STREAM_END && e != Z_BUF_ERROR)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: bad gzip data (%s)", s->path, s->z.msg ? s->z.msg : "?");
        *got += want - s->z.avail_out;
        s->z_end = e == Z_STREAM_END;
    }
    return true;
}

static bool source_start_gzip(struct source *s, struct pome_error *err)
{
    uint8_t magic[2];
    if (pread(s->fd, magic, 2, 0) != 2 || magic[0] != 0x1f || magic[1] != 0x8b)
        return true;
    if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: starting zlib", s->path);
    s->gzip = true;
    return true;
}

struct image {
    uint64_t gpa, bytes, room; /* where, file's bytes, bytes that must be free from gpa on */
};

/* booting.rst 3. */
static bool check_header(const struct machine *m, const char *path, const uint8_t *h, uint64_t n, struct image *image,
                         struct pome_error *err)
{
    if (n == HEADER_BYTES && !memcmp(h + 4, "zimg", 4))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED,
                         "%s: an EFI compressed kernel (zboot); needed an Image or Image.gz", path);
    if (n != HEADER_BYTES || le32_get(h + 56) != 0x644d5241)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: not an arm64 Linux Image (no \"ARM\\x64\" at offset 56)",
                         path);
    if (le64_get(h + 24) & 1)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a big-endian kernel", path);
    uint64_t offset = le64_get(h + 8), size = le64_get(h + 16), ram = m->config.ram_bytes;
    if (!size)
        offset = OLD_TEXT_OFFSET;
    if (offset >= ram || size > ram - offset || offset % 4096)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "%s: the kernel needs %" PRIu64 " MiB at offset 0x%" PRIx64 ", the machine has %" PRIu64 " MiB",
                         path, size / MiB + 1, offset, ram / MiB);
    image->gpa = m->platform->ram_gpa + offset;
    image->room = size;
    return true;
}

static bool read_kernel(const struct machine *m, struct source *s, struct image *image, struct pome_error *err)
{
    uint8_t header[HEADER_BYTES];
    uint64_t n;
    if (!source_start_gzip(s, err) || !source_read(s, header, sizeof header, &n, err) ||
        !check_header(m, s->path, header, n, image, err))
        return false;
    uint64_t room = m->platform->ram_gpa + m->config.ram_bytes - image->gpa;
    uint8_t *to = mem_ptr(m->mem, image->gpa, room, true);
    if (!to || room < HEADER_BYTES)
        return pome_fail(err, POME_ERROR_INTERNAL, "%s: no memory at 0x%" PRIx64, s->path, image->gpa);
    memcpy(to, header, HEADER_BYTES);
    if (!source_read(s, to + HEADER_BYTES, room - HEADER_BYTES, &n, err))
        return false;
    image->bytes = n + HEADER_BYTES;
    if (image->bytes == room)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: larger than the machine's memory, %" PRIu64 " MiB",
                         s->path, m->config.ram_bytes / MiB);
    if (!pe_is_whole(s->path, to, image->bytes, err))
        return false;
    image->room = MAX(image->room, image->bytes);
    return true;
}

static bool read_initrd(const struct machine *m, struct source *s, struct image *image, struct pome_error *err)
{
    uint64_t end = m->platform->ram_gpa + m->config.ram_bytes, n;
    image->bytes = s->file_bytes;
    if (image->gpa >= end || s->file_bytes > end - image->gpa)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "%s: %" PRIu64 " MiB do not fit behind the kernel in %" PRIu64 " MiB of memory", s->path,
                         s->file_bytes / MiB + 1, m->config.ram_bytes / MiB);
    if (image->gpa + s->file_bytes - align_down(m->platform->ram_gpa, GiB) > WINDOW)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %" PRIu64 " MiB, too large for a ramdisk", s->path,
                         s->file_bytes / MiB);
    if (!source_read(s, mem_ptr(m->mem, image->gpa, s->file_bytes, true), s->file_bytes, &n, err))
        return false;
    if (n != s->file_bytes)
        return pome_fail(err, POME_ERROR_IO, "%s: it became shorter while it was read", s->path);
    return true;
}

static bool load(const struct machine *m, const char *path, struct image *image,
                 bool (*read_it)(const struct machine *, struct source *, struct image *, struct pome_error *),
                 struct pome_error *err)
{
    struct source *s = malloc(sizeof *s);
    if (!s)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s", path);
    bool ok = source_open(s, path, err);
    if (ok) {
        ok = read_it(m, s, image, err);
        source_close(s);
    }
    free(s);
    return ok;
}

bool place_companions(struct machine *m, const struct machine_kernel *what, uint64_t kernel_end, uint64_t entry, struct pome_error *err)
{
    uint64_t fdt_gpa = align_up(kernel_end, BLOCK);
    struct image initrd = { .gpa = fdt_gpa + BLOCK };
    if (what->initrd_path && !load(m, what->initrd_path, &initrd, read_initrd, err))
        return false;
    struct fdt_chosen chosen = {
        .cmdline = what->cmdline ? what->cmdline : "",
        .initrd_gpa = initrd.gpa,
        .initrd_bytes = initrd.bytes,
    };
    size_t bytes;
    void *fdt = fdt_write(m, &chosen, &bytes, err);
    if (!fdt || !machine_place_fdt(m, fdt, bytes, fdt_gpa, err))
        return false;
    m->entry = (struct machine_entry){ .pc = entry, .x0 = fdt_gpa };
    m->has_entry = true;
    return true;
}

bool load_linux(struct machine *m, const struct machine_kernel *what, struct pome_error *err)
{
    struct image kernel = { 0 };
    return load(m, what->kernel_path, &kernel, read_kernel, err) && place_companions(m, what, kernel.gpa + kernel.room, kernel.gpa, err);
}
