/* zipin.c - reading zip files through libzip. The CRCs of stored members, which may be large, are computed here: libzip's way costs several times as much. */
#include "restore/zipfile.h"
#include "base/error.h"
#include "formats/checksum.h"

#include <zip.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct zipin {
    zip_t *zip;
    int fd; /* of the file, too: the zip has its own */
    char *path;
    uint64_t bytes;
    size_t n;
    struct zip_member *members;
    size_t *by_name; /* indices, sorted by name */
};

struct zipin_stream {
    struct zipin *archive;
    const struct zip_member *member;
    zip_file_t *file;
    uint64_t done, summed; /* summed: bytes from the first one on that crc is of (stored members) */
    uint32_t crc;
};

/* --- the directory --- */

/* A name that stays inside the folder it is extracted to, on any system. */
static bool name_is_safe(const char *name)
{
    size_t n = strlen(name);
    if (!n || n > ZIP_NAME_MAX || name[0] == '/')
        return false;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p < 0x20 || *p == 0x7f || *p == '\\' || *p == ':')
            return false;
    for (const char *part = name; *part;) {
        size_t length = strcspn(part, "/");
        if (!length || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length;
        if (*part == '/')
            part++;
    }
    return true;
}

static bool read_member(struct zipin *a, size_t i, struct pome_error *err)
{
    zip_stat_t st;
    struct zip_member *m = &a->members[i];
    const uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(a->zip, i, ZIP_FL_ENC_RAW, &st) || (st.valid & needed) != needed)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: directory entry %zu cannot be read", a->path, i);
    if (!name_is_safe(st.name))
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: entry %zu has a name that is not allowed: \"%.80s\"", a->path, i, st.name);
    if (st.valid & ZIP_STAT_ENCRYPTION_METHOD && st.encryption_method != ZIP_EM_NONE)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s is encrypted", a->path, st.name);
    if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s has compression method %u, only stored and deflated are known",
                         a->path, st.name, st.comp_method);
    if (st.comp_size > a->bytes || (st.comp_method == ZIP_CM_STORE && st.size != st.comp_size))
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s claims %llu bytes in a file of %llu", a->path, st.name,
                         (unsigned long long)st.comp_size, (unsigned long long)a->bytes);
    *m = (struct zip_member){.name = st.name, .size = st.size, .stored_size = st.comp_size, .crc = st.crc,
                                 .compressed = st.comp_method == ZIP_CM_DEFLATE, .directory = st.name[strlen(st.name) - 1] == '/',
                                 .modified = st.valid & ZIP_STAT_MTIME ? st.mtime : 0};
    return true;
}

static int compare_names(const void *x, const void *y, void *user)
{
    const struct zip_member *m = user;
    return strcmp(m[*(const size_t *)x].name, m[*(const size_t *)y].name);
}

static bool read_directory(struct zipin *a, struct pome_error *err)
{
    int64_t n = zip_get_num_entries(a->zip, 0);
    if (n < 0 || n > ZIP_MEMBERS_MAX)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %lld entries, at most %d are allowed", a->path, (long long)n,
                         ZIP_MEMBERS_MAX);
    a->n = (size_t)n;
    a->members = calloc(a->n + 1, sizeof *a->members);
    a->by_name = calloc(a->n + 1, sizeof *a->by_name);
    if (!a->members || !a->by_name)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %zu entries", a->path, a->n);
    uint64_t total = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!read_member(a, i, err))
            return false;
        a->by_name[i] = i;
        total += a->members[i].stored_size;
    }
    if (total > a->bytes) /* entries that share bytes: a zip bomb's trick */
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: its entries claim %llu bytes, the file has %llu (overlapping entries)",
                         a->path, (unsigned long long)total, (unsigned long long)a->bytes);
    qsort_r(a->by_name, a->n, sizeof *a->by_name, compare_names, a->members);
    for (size_t i = 1; i < a->n; i++)
        if (!compare_names(&a->by_name[i - 1], &a->by_name[i], a->members))
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s stands twice in it", a->path, a->members[a->by_name[i]].name);
    return true;
}

/* name: how the file is opened; messages have a->path. */
static bool open_zip(struct zipin *a, const char *name, struct pome_error *err)
{
    struct stat st;
    int code = 0;
    a->fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (a->fd < 0)
        return pome_fail_errno(err, "%s", a->path);
    if (fstat(a->fd, &st) || !S_ISREG(st.st_mode))
        return pome_fail(err, POME_ERROR_RESTORE_IMAGE_LOAD_FAILED, "%s: not a regular file", a->path);
    a->bytes = (uint64_t)st.st_size;
    int fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return pome_fail_errno(err, "%s", a->path);
    a->zip = zip_fdopen(fd, 0, &code);
    if (a->zip)
        return true;
    close(fd);
    zip_error_t e;
    zip_error_init_with_code(&e, code);
    pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %llu bytes are not a whole zip file: %s", a->path, (unsigned long long)a->bytes,
              zip_error_strerror(&e));
    zip_error_fini(&e);
    return false;
}

static struct zipin *open_as(const char *path, const char *name, struct pome_error *err)
{
    struct zipin *a = calloc(1, sizeof *a);
    if (!a || !(a->path = strdup(path))) {
        free(a);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    if (!open_zip(a, name, err) || !read_directory(a, err)) {
        zipin_close(a);
        return NULL;
    }
    return a;
}

struct zipin *zipin_open(const char *path, struct pome_error *err)
{
    return open_as(path, path, err);
}

/* By the descriptor: the path may have become another file's. */
struct zipin *zipin_again(const struct zipin *a, struct pome_error *err)
{
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", a->fd);
    return open_as(a->path, name, err);
}

void zipin_close(struct zipin *a)
{
    if (!a)
        return;
    if (a->zip)
        zip_discard(a->zip);
    if (a->fd >= 0)
        close(a->fd);
    free(a->members);
    free(a->by_name);
    free(a->path);
    free(a);
}

const char *zipin_path(const struct zipin *a)
{
    return a->path;
}

uint64_t zipin_bytes(const struct zipin *a)
{
    return a->bytes;
}

size_t zipin_count(const struct zipin *a)
{
    return a->n;
}

const struct zip_member *zipin_member(const struct zipin *a, size_t i)
{
    return &a->members[i];
}

int64_t zipin_find(const struct zipin *a, const char *name)
{
    size_t lo = 0, hi = a->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = strcmp(name, a->members[a->by_name[mid]].name);
        if (!order)
            return (int64_t)a->by_name[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return -1;
}

/* --- contents --- */

static zip_file_t *open_member(struct zipin *a, size_t i)
{
    return zip_fopen_index(a->zip, i, a->members[i].compressed ? 0 : ZIP_FL_COMPRESSED);
}

struct zipin_stream *zipin_stream_open(struct zipin *a, size_t i, struct pome_error *err)
{
    struct zipin_stream *s = calloc(1, sizeof *s);
    if (!s) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read %s", a->path, a->members[i].name);
        return NULL;
    }
    *s = (struct zipin_stream){a, &a->members[i], open_member(a, i), 0, 0, 0};
    if (!s->file) {
        pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: cannot open %s: %s", a->path, s->member->name, zip_strerror(a->zip));
        free(s);
        return NULL;
    }
    return s;
}

/* Of a stored member: the sum goes on where it stands; at the end, of a member that was read from its first byte on, it must be right. */
static bool sum_up(struct zipin_stream *s, const void *bytes, size_t n)
{
    if (s->member->compressed || s->done != s->summed)
        return true;
    s->crc = crc32_add(s->crc, bytes, n);
    s->summed += n;
    return n || s->summed != s->member->size || s->crc == s->member->crc;
}

ssize_t zipin_read(struct zipin_stream *s, void *bytes, size_t n, struct pome_error *err)
{
    int64_t got = zip_fread(s->file, bytes, n);
    bool right = got < 0 || !n || sum_up(s, bytes, (size_t)got);
    if (got < 0 || !right) {
        pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s is damaged after byte %llu: %s", s->archive->path, s->member->name,
                  (unsigned long long)s->done, right ? zip_file_strerror(s->file) : "CRC error");
        return -1;
    }
    s->done += (uint64_t)got;
    if (s->done > s->member->size || (!got && n && s->done != s->member->size)) {
        pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s has %llu bytes, its entry says %llu", s->archive->path, s->member->name,
                  (unsigned long long)s->done, (unsigned long long)s->member->size);
        return -1;
    }
    return (ssize_t)got;
}

static bool skip(struct zipin_stream *s, uint64_t n, struct pome_error *err)
{
    uint8_t bytes[16384];
    while (n) {
        ssize_t got = zipin_read(s, bytes, n < sizeof bytes ? (size_t)n : sizeof bytes, err);
        if (got <= 0)
            return got < 0 ? false : pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %s ends early", s->archive->path, s->member->name);
        n -= (uint64_t)got;
    }
    return true;
}

bool zipin_seek(struct zipin_stream *s, uint64_t at, struct pome_error *err)
{
    if (at == s->done)
        return true;
    if (!s->member->compressed) {
        if (at > s->member->size || zip_fseek(s->file, (zip_int64_t)at, SEEK_SET))
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: cannot go to byte %llu of %s", s->archive->path, (unsigned long long)at,
                             s->member->name);
        s->done = at;
        return true;
    }
    if (at < s->done) {
        zip_file_t *again = open_member(s->archive, (size_t)(s->member - s->archive->members));
        if (!again)
            return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: cannot open %s: %s", s->archive->path, s->member->name,
                             zip_strerror(s->archive->zip));
        zip_fclose(s->file);
        s->file = again;
        s->done = 0;
    }
    return skip(s, at - s->done, err);
}

void zipin_stream_close(struct zipin_stream *s)
{
    if (!s)
        return;
    zip_fclose(s->file);
    free(s);
}

uint8_t *zipin_read_whole(struct zipin *a, size_t i, size_t max, size_t *n, struct pome_error *err)
{
    const struct zip_member *m = &a->members[i];
    if (m->size > max) {
        pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %s has %llu bytes, at most %zu are allowed", a->path, m->name,
                  (unsigned long long)m->size, max);
        return NULL;
    }
    size_t size = (size_t)m->size, done = 0;
    uint8_t *bytes = malloc(size + 1);
    struct zipin_stream *s = bytes ? zipin_stream_open(a, i, err) : NULL;
    ssize_t got = -1;
    if (!bytes)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %s", a->path, m->name);
    /* One byte more than there is: the read that gives 0 has checked the CRC. */
    while (s && (got = zipin_read(s, bytes + done, size + 1 - done, err)) > 0)
        done += (size_t)got;
    zipin_stream_close(s);
    if (got < 0) {
        free(bytes);
        return NULL;
    }
    bytes[size] = 0;
    *n = size;
    return bytes;
}
