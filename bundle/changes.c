/* changes.c - changes to a machine's disk and AuxiliaryStorage: all of them or none. */
#include "bundle/changes.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/paths.h"
#include "bundle/snapshot_line.h"
#include "formats/sha384.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 16, ENTRY = 16, FILES = 2, BYTES_MAX = 32 << 20, PLACES_MAX = 65536 };
static const char magic[8] = "POMECHG1";
static const enum bundle_member members[FILES] = {BUNDLE_DISK, BUNDLE_AUX};

struct place {
    uint32_t file; /* index in members */
    uint64_t offset;
    size_t n;
};

struct changes {
    struct bundle *bundle;
    uint8_t *maps[FILES];
    uint64_t sizes[FILES];
    size_t n_places, room;
    struct place *places;
};

/* --- the member Changes --- */

bool changes_next(const void *bytes, size_t n, size_t *at, struct change *c)
{
    const uint8_t *p = (const uint8_t *)bytes + HEAD + *at;
    uint64_t total = le64_get((const uint8_t *)bytes + 8);
    if (*at >= total || total - *at < ENTRY)
        return false;
    *c = (struct change){members[le32_get(p) % FILES], le64_get(p + 8), p + ENTRY, le32_get(p + 4)};
    *at += ENTRY + c->n;
    return *at <= total;
}

static bool digest_right(const uint8_t *bytes, size_t n)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#endif
    uint8_t digest[SHA384_BYTES];
    sha384(bytes, n - SHA384_BYTES, digest);
    return !memcmp(digest, bytes + n - SHA384_BYTES, SHA384_BYTES);
}

bool changes_check(const void *bytes, size_t n, struct pome_error *err)
{
    const uint8_t *p = bytes;
    struct change c;
    size_t at = 0;
    if (n < HEAD + SHA384_BYTES || n > BYTES_MAX || memcmp(p, magic, sizeof magic) || le64_get(p + 8) != n - HEAD - SHA384_BYTES || !digest_right(p, n))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%zu bytes are no changes, or damaged ones", n);
    for (size_t before = 0; changes_next(bytes, n, &at, &c); before = at)
        if (le32_get(p + HEAD + before) >= FILES)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "the change at byte %zu is to file %u", before, le32_get(p + HEAD + before));
    return at == le64_get(p + 8) || pome_fail(err, POME_ERROR_INVALID_DATA, "the change at byte %zu ends behind the last", at);
}

/* What was noted, as it is now, in new memory. */
static uint8_t *encode(const struct changes *c, size_t *n)
{
    size_t total = 0;
    for (size_t i = 0; i < c->n_places; i++)
        total += ENTRY + c->places[i].n;
    uint8_t *bytes = total <= BYTES_MAX - HEAD - SHA384_BYTES ? malloc(HEAD + total + SHA384_BYTES) : NULL, *p = bytes;
    if (!bytes)
        return NULL;
    memcpy(p, magic, sizeof magic);
    le64_put(p + 8, total);
    p += HEAD;
    for (size_t i = 0; i < c->n_places; i++) {
        const struct place *k = &c->places[i];
        le32_put(p, k->file);
        le32_put(p + 4, (uint32_t)k->n);
        le64_put(p + 8, k->offset);
        memcpy(p + ENTRY, c->maps[k->file] + k->offset, k->n);
        p += ENTRY + k->n;
    }
    sha384(bytes, (size_t)(p - bytes), p);
    *n = HEAD + total + SHA384_BYTES;
    return bytes;
}

/* --- making them --- */

static bool write_entry(struct bundle *b, int fd, uint64_t size, const struct change *c, struct pome_error *err)
{
    const char *name = bundle_member_name(c->member);
    if (c->offset > size || c->n > size - c->offset)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: has %llu bytes, a change begins at %llu", b->path, name, (unsigned long long)size,
                         (unsigned long long)c->offset);
    for (size_t done = 0; done < c->n;) {
        ssize_t w = pwrite(fd, c->bytes + done, c->n - done, (off_t)(c->offset + done));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s/%s: cannot write", b->path, name);
        done += (size_t)w;
    }
    return true;
}

/* Those to one file, synced. */
static bool write_file(struct bundle *b, enum bundle_member m, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    struct change c;
    struct stat st;
    bool ok = true, any = false;
    for (size_t at = 0; changes_next(bytes, n, &at, &c);)
        any |= c.member == m;
    if (!any)
        return true;
    struct kept *k = NULL;
    if (m == BUNDLE_DISK && !snapshots_keep(b, &k, err))
        return false;
    int fd = member_open(b, m, O_RDWR, err);
    if (fd < 0 || fstat(fd, &st))
        ok = fd >= 0 && pome_fail_errno(err, "%s/%s", b->path, bundle_member_name(m));
    for (size_t at = 0; ok && changes_next(bytes, n, &at, &c);)
        if (c.member == m)
            ok = (!k || kept_before(k, c.offset, c.n, err)) && write_entry(b, fd, (uint64_t)st.st_size, &c, err);
    if (ok && fdatasync(fd))
        ok = pome_fail_errno(err, "%s/%s: cannot sync", b->path, bundle_member_name(m));
    if (fd >= 0)
        close(fd);
    kept_close(k);
    return ok;
}

/* The folder is synced last: a guest may have written what old changes would undo. */
static bool make(struct bundle *b, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    for (size_t i = 0; i < FILES; i++)
        if (!write_file(b, members[i], bytes, n, err))
            return false;
    return (!unlinkat(b->dir_fd, bundle_member_name(BUNDLE_CHANGES), 0) && !fsync(b->dir_fd)) ||
           pome_fail_errno(err, "%s/%s: cannot remove", b->path, bundle_member_name(BUNDLE_CHANGES));
}

/* The member, checked, for free(). */
static uint8_t *read_member(const struct bundle *b, size_t *n, struct pome_error *err)
{
    struct stat st;
    int fd = bundle_member_open(b, BUNDLE_CHANGES, O_RDONLY, err);
    if (fd < 0)
        return NULL;
    *n = !fstat(fd, &st) && st.st_size <= BYTES_MAX ? (size_t)st.st_size : 0;
    uint8_t *bytes = malloc(*n + 1);
    bool ok = bytes && pread(fd, bytes, *n, 0) == (ssize_t)*n;
    close(fd);
    if (!ok)
        pome_fail_errno(err, "%s/%s: cannot read", b->path, bundle_member_name(BUNDLE_CHANGES));
    else if (!(ok = changes_check(bytes, *n, err))) {
        pome_fail_context(err, "%s/%s", b->path, bundle_member_name(BUNDLE_CHANGES));
        if (err)
            err->code = POME_ERROR_INVALID_BUNDLE;
    }
    if (!ok) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

bool changes_waiting(const struct bundle *b)
{
    struct stat st;
    return !fstatat(b->dir_fd, bundle_member_name(BUNDLE_CHANGES), &st, AT_SYMLINK_NOFOLLOW) || errno != ENOENT;
}

bool changes_whole(const struct bundle *b, struct pome_error *err)
{
    size_t n;
    uint8_t *bytes = read_member(b, &n, err);
    bool whole = bytes;
    free(bytes);
    return whole;
}

bool changes_finish(struct bundle *b, struct pome_error *err)
{
    size_t n;
    if (!changes_waiting(b))
        return true;
    uint8_t *bytes = read_member(b, &n, err);
    bool ok = bytes && make(b, bytes, n, err);
    free(bytes);
    return ok;
}

/* --- deciding on them --- */

static bool map_file(struct changes *c, size_t i, struct pome_error *err)
{
    struct stat st;
    int fd = bundle_member_open(c->bundle, members[i], O_RDONLY, err);
    if (fd < 0)
        return false;
    void *map = fstat(fd, &st) ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return pome_fail_errno(err, "%s/%s: cannot map it", c->bundle->path, bundle_member_name(members[i]));
    c->maps[i] = map;
    c->sizes[i] = (uint64_t)st.st_size;
    return true;
}

struct changes *changes_begin(struct bundle *b, struct pome_error *err)
{
    assert(b->locked);
    struct changes *c = calloc(1, sizeof *c);
    if (!c) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for changes", b->path);
        return NULL;
    }
    c->bundle = b;
    for (size_t i = 0; i < FILES; i++)
        if (!map_file(c, i, err)) {
            changes_end(c);
            return NULL;
        }
    return c;
}

void changes_end(struct changes *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < FILES; i++)
        if (c->maps[i])
            munmap(c->maps[i], c->sizes[i]);
    free(c->places);
    free(c);
}

static size_t index_of(enum bundle_member m)
{
    assert(m == BUNDLE_DISK || m == BUNDLE_AUX);
    return m == BUNDLE_DISK ? 0 : 1;
}

const uint8_t *changes_bytes(const struct changes *c, enum bundle_member m, uint64_t *n)
{
    *n = c->sizes[index_of(m)];
    return c->maps[index_of(m)];
}

static struct place *new_place(struct changes *c)
{
    if (c->n_places == c->room) {
        size_t room = c->room ? 2 * c->room : 64;
        struct place *more = room <= PLACES_MAX ? realloc(c->places, room * sizeof *more) : NULL;
        if (!more)
            return NULL;
        c->places = more;
        c->room = room;
    }
    return &c->places[c->n_places++];
}

bool changes_write(struct changes *c, enum bundle_member m, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    size_t i = index_of(m);
    if (offset > c->sizes[i] || n > c->sizes[i] - offset || n > BYTES_MAX)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: %zu bytes at %llu are not in its %llu", c->bundle->path, bundle_member_name(m), n,
                         (unsigned long long)offset, (unsigned long long)c->sizes[i]);
    struct place *p = new_place(c);
    if (!p)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for changes", c->bundle->path);
    *p = (struct place){(uint32_t)i, offset, n};
    memmove(c->maps[i] + offset, bytes, n);
    return true;
}

bool changes_commit(struct changes *c, struct pome_error *err)
{
    size_t n = 0;
    if (!c->n_places)
        return true;
    uint8_t *bytes = encode(c, &n);
    if (!bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for changes", c->bundle->path);
    bool ok = bundle_member_write(c->bundle, BUNDLE_CHANGES, bytes, n, err) && make(c->bundle, bytes, n, err);
    free(bytes);
    return ok;
}
