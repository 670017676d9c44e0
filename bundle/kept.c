/* kept.c - a disk as it was: the blocks that were overwritten since. See kept.h. */
#include "bundle/kept.h"

#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "bundle/paths.h"
#include "bundle/tree.h"
#include "formats/sha384.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char kept_map_name[] = "Disk.map";

enum { VERSION = 1, SUMMED = 48, AT_ONCE = 512 /* bytes of bits */ };
static const char magic[8] = "POMEKEPT";
static const uint64_t BYTES_MAX = UINT64_C(16) * 1024 * GiB;

struct kept {
    struct kept_head head;
    int disk, file, map;
    bool owns_disk;
    uint64_t n; /* bytes of bits */
    _Atomic uint8_t *bits;
    pthread_mutex_t lock; /* one copies at a time */
    char path[PATH_MAX];
};

/* ---- the head ---- */

static uint64_t bits_of(uint64_t disk_bytes)
{
    return (align_up(disk_bytes, KEPT_BLOCK) / KEPT_BLOCK + 7) / 8;
}

static void head_write(const struct kept_head *h, uint8_t out[SUMMED + SHA384_BYTES])
{
    memcpy(out, magic, sizeof magic);
    le32_put(out + 8, VERSION);
    le32_put(out + 12, KEPT_BLOCK);
    le64_put(out + 16, h->bytes);
    le64_put(out + 24, h->place);
    le64_put(out + 32, (uint64_t)h->changed_ns);
    le64_put(out + 40, 0);
    sha384(out, SUMMED, out + SUMMED);
}

static bool digest_right(const uint8_t *bytes)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#endif
    uint8_t digest[SHA384_BYTES];
    sha384(bytes, SUMMED, digest);
    return !memcmp(digest, bytes + SUMMED, SHA384_BYTES);
}

bool kept_head_read(const void *bytes, size_t n, uint64_t file_bytes, struct kept_head *out, struct pome_error *err)
{
    const uint8_t *p = bytes;
    if (n < SUMMED + SHA384_BYTES || memcmp(p, magic, sizeof magic) || !digest_right(p))
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "it is damaged: its digest is not that of its head");
    if (le32_get(p + 8) != VERSION || le32_get(p + 12) != KEPT_BLOCK)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "its version is %u and its blocks have %u bytes: needed version %d, %d bytes", le32_get(p + 8), le32_get(p + 12), VERSION,
                         KEPT_BLOCK);
    *out = (struct kept_head){le64_get(p + 16), le64_get(p + 24), (int64_t)le64_get(p + 32)};
    if (!out->bytes || out->bytes > BYTES_MAX || out->bytes % 512 || file_bytes != KEPT_HEAD + bits_of(out->bytes))
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "it has %llu bytes for a disk of %llu", (unsigned long long)file_bytes, (unsigned long long)out->bytes);
    return true;
}

static int open_map(const struct bundle *folder, struct kept_head *h, struct pome_error *err)
{
    uint8_t bytes[SUMMED + SHA384_BYTES];
    struct stat st;
    int fd = openat(folder->dir_fd, kept_map_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            pome_fail(err, POME_ERROR_NOT_FOUND, "%s: its disk is a whole one", folder->path);
        else
            pome_fail_errno(err, "%s/%s: cannot open", folder->path, kept_map_name);
        return -1;
    }
    ssize_t n = fstat(fd, &st) || !S_ISREG(st.st_mode) ? -1 : pread(fd, bytes, sizeof bytes, 0);
    if (kept_head_read(bytes, n > 0 ? (size_t)n : 0, n > 0 ? (uint64_t)st.st_size : 0, h, err))
        return fd;
    pome_fail_context(err, "%s/%s", folder->path, kept_map_name);
    close(fd);
    return -1;
}

bool kept_head_of(const struct bundle *folder, struct kept_head *out, struct pome_error *err)
{
    int fd = open_map(folder, out, err);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ---- bits ---- */

static bool bit(const struct kept *k, uint64_t block)
{
    return atomic_load(&k->bits[block / 8]) >> block % 8 & 1;
}

uint64_t kept_run(const struct kept *k, uint64_t offset, uint64_t end, bool *kept)
{
    const uint64_t last = (end - 1) / KEPT_BLOCK;
    uint64_t b = offset / KEPT_BLOCK;
    *kept = bit(k, b);
    const uint8_t same = *kept ? 0xff : 0;
    for (uint64_t n = 1; n; b += n)
        n = b > last ? 0 : b % 8 == 0 && b + 7 <= last && atomic_load(&k->bits[b / 8]) == same ? 8 : bit(k, b) == *kept;
    return MIN(b * KEPT_BLOCK, end);
}

/* In the file, and then in memory where the others look. */
static bool set_bits(struct kept *k, uint64_t first, uint64_t last, bool in_file, struct pome_error *err)
{
    uint8_t some[AT_ONCE];
    for (uint64_t at = first / 8, n; at <= last / 8; at += n) {
        n = MIN(last / 8 + 1 - at, AT_ONCE);
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t from = MAX(first, (at + i) * 8) % 8, to = MIN(last, (at + i) * 8 + 7) % 8;
            const uint8_t more = (uint8_t)(0xff >> (7 - to) & 0xff << from);
            if (in_file)
                some[i] = atomic_load(&k->bits[at + i]) | more;
            else
                atomic_fetch_or(&k->bits[at + i], more);
        }
        if (in_file && !file_write_at(k->map, k->path, some, n, KEPT_HEAD + at, err))
            return false;
    }
    return true;
}

/* ---- keeping ---- */

bool kept_copy(struct kept *k, int from, uint64_t offset, uint64_t bytes, struct job *j, struct pome_error *err)
{
    const uint64_t stop = offset + bytes;
    bool ok = true, kept;
    for (uint64_t at = offset, end; ok && at < stop; at = end) {
        end = kept_run(k, at, stop, &kept);
        ok = kept || tree_copy_part(from, k->file, k->path, at, end - at, j, err);
    }
    return ok;
}

bool kept_mark(struct kept *k, uint64_t offset, uint64_t bytes, struct pome_error *err)
{
    const uint64_t first = offset / KEPT_BLOCK, last = (offset + bytes - 1) / KEPT_BLOCK;
    return !bytes || (set_bits(k, first, last, true, err) && set_bits(k, first, last, false, err));
}

bool kept_sync(struct kept *k, struct pome_error *err)
{
    return (!fdatasync(k->file) && !fdatasync(k->map)) || pome_fail_errno(err, "%s: cannot sync", k->path);
}

bool kept_before(struct kept *k, uint64_t offset, uint64_t bytes, struct pome_error *err)
{
    struct job quiet = {0};
    bool kept = true;
    if (!bytes || offset >= k->head.bytes)
        return true;
    const uint64_t first = offset / KEPT_BLOCK, end = MIN(align_up(offset + MIN(bytes, k->head.bytes - offset), KEPT_BLOCK), k->head.bytes);
    const uint64_t begin = first * KEPT_BLOCK, last = (end - 1) / KEPT_BLOCK;
    if (kept_run(k, begin, end, &kept) == end && kept)
        return true;
    pthread_mutex_lock(&k->lock);
    bool ok = (kept_run(k, begin, end, &kept) == end && kept) || /* by another meanwhile */
              (kept_copy(k, k->disk, begin, end - begin, &quiet, err) && (!fdatasync(k->file) || pome_fail_errno(err, "%s: cannot sync", k->path)) &&
               set_bits(k, first, last, true, err) && (!fdatasync(k->map) || pome_fail_errno(err, "%s: cannot sync", k->path)) &&
               set_bits(k, first, last, false, err));
    pthread_mutex_unlock(&k->lock);
    return ok;
}

/* What has no data needs no copy. */
static bool mark_holes(struct kept *k, struct pome_error *err)
{
    for (uint64_t at = 0; at < k->head.bytes;) {
        off_t data = lseek(k->disk, (off_t)at, SEEK_DATA);
        if (data < 0 && errno != ENXIO)
            return true; /* a file system that does not know */
        const uint64_t end = data < 0 ? k->head.bytes : align_down((uint64_t)data, KEPT_BLOCK), begin = align_up(at, KEPT_BLOCK);
        if (begin < end && !kept_mark(k, begin, end - begin, err))
            return false;
        off_t hole = data < 0 ? -1 : lseek(k->disk, data, SEEK_HOLE);
        if (hole < 0)
            break;
        at = (uint64_t)hole;
    }
    return true;
}

/* ---- opening ---- */

static struct kept *new_kept(const struct bundle *folder, int disk, struct pome_error *err)
{
    struct kept *k = calloc(1, sizeof *k);
    if (!k) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
        return NULL;
    }
    k->disk = disk;
    k->file = k->map = -1;
    pthread_mutex_init(&k->lock, NULL);
    snprintf(k->path, sizeof k->path, "%.4000s/%s", folder->path, bundle_member_name(BUNDLE_DISK));
    return k;
}

static bool open_file(struct kept *k, const struct bundle *folder, int more, struct pome_error *err)
{
    struct stat st;
    k->file = openat(folder->dir_fd, bundle_member_name(BUNDLE_DISK), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | more, 0600);
    if (k->file < 0 || fstat(k->file, &st) || (more && ftruncate(k->file, (off_t)k->head.bytes)))
        return pome_fail_errno(err, "%s", k->path);
    return more || (S_ISREG(st.st_mode) && (uint64_t)st.st_size == k->head.bytes) ||
           pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: has %lld bytes, %s says %llu", k->path, (long long)st.st_size, kept_map_name, (unsigned long long)k->head.bytes);
}

static bool get_bits(struct kept *k, struct pome_error *err)
{
    k->n = bits_of(k->head.bytes);
    k->bits = calloc(k->n, 1);
    return k->bits || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for the blocks that are kept", k->path);
}

/* Those behind the end mean nothing. */
static bool read_bits(struct kept *k, struct pome_error *err)
{
    const uint64_t blocks = align_up(k->head.bytes, KEPT_BLOCK) / KEPT_BLOCK;
    return get_bits(k, err) && file_read_at(k->map, k->path, (void *)k->bits, k->n, KEPT_HEAD, err) &&
           (blocks % 8 == 0 || !(atomic_load(&k->bits[k->n - 1]) >> blocks % 8) || pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: %s has bits behind the disk's end", k->path, kept_map_name));
}

static bool make(struct kept *k, const struct bundle *folder, uint64_t place, struct pome_error *err)
{
    uint8_t head[SUMMED + SHA384_BYTES];
    struct stat st;
    if (fdatasync(k->disk) || fstat(k->disk, &st))
        return pome_fail_errno(err, "%s: cannot sync the machine's disk", k->path);
    k->head = (struct kept_head){(uint64_t)st.st_size, place, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
    head_write(&k->head, head);
    k->map = openat(folder->dir_fd, kept_map_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (k->map < 0 || ftruncate(k->map, (off_t)(KEPT_HEAD + bits_of(k->head.bytes))))
        return pome_fail_errno(err, "%s/%s: cannot make", folder->path, kept_map_name);
    return open_file(k, folder, O_CREAT, err) && get_bits(k, err) && mark_holes(k, err) && file_write_at(k->map, k->path, head, sizeof head, 0, err) &&
           ((!fsync(k->file) && !fsync(k->map)) || pome_fail_errno(err, "%s: cannot sync", k->path));
}

struct kept *kept_make(const struct bundle *folder, int disk, uint64_t place, struct pome_error *err)
{
    struct kept *k = new_kept(folder, disk, err);
    if (k && make(k, folder, place, err))
        return k;
    kept_close(k);
    return NULL;
}

static bool is_disk_of(const struct kept *k, struct pome_error *err)
{
    struct stat st;
    if (fstat(k->disk, &st))
        return pome_fail_errno(err, "%s: the machine's disk", k->path);
    return (uint64_t)st.st_size == k->head.bytes ||
           pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: is of a disk of %llu bytes, the machine's has %lld", k->path, (unsigned long long)k->head.bytes, (long long)st.st_size);
}

struct kept *kept_open(const struct bundle *folder, int disk, struct pome_error *err)
{
    struct kept *k = new_kept(folder, disk, err);
    if (k && (k->map = open_map(folder, &k->head, err)) >= 0 && is_disk_of(k, err) && open_file(k, folder, 0, err) && read_bits(k, err))
        return k;
    kept_close(k);
    return NULL;
}

void kept_own_disk(struct kept *k)
{
    k->owns_disk = true;
}

void kept_close(struct kept *k)
{
    if (!k)
        return;
    if (k->file >= 0)
        close(k->file);
    if (k->map >= 0)
        close(k->map);
    if (k->owns_disk)
        close(k->disk);
    pthread_mutex_destroy(&k->lock);
    free((void *)k->bits);
    free(k);
}

const struct kept_head *kept_head(const struct kept *k)
{
    return &k->head;
}

int kept_file(const struct kept *k)
{
    return k->file;
}

bool kept_end(struct kept *k, const struct bundle *folder, struct pome_error *err)
{
    const struct timespec changed = {.tv_sec = (time_t)(k->head.changed_ns / 1000000000), .tv_nsec = (long)(k->head.changed_ns % 1000000000)};
    return (!futimens(k->file, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, changed}) && !fsync(k->file) && !unlinkat(folder->dir_fd, kept_map_name, 0) &&
            !fsync(folder->dir_fd)) ||
           pome_fail_errno(err, "%s: cannot sync", k->path);
}
