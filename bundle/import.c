/*
 * import.c - a bundle from one file (export.c has the format).
 *
 * An archive is hostile input: names, kinds, sizes and counts are checked before a byte is written, every file is made in a folder of its
 * own (NAME.bundle.import), and what does not have its digest never gets the machine's name.
 *
 * An import that was cut off leaves that folder, with the key of the archive in .import: its size, time and first bytes. The next import of the same archive under
 * the same name reads and sums up all of it again, and writes what is not there yet.
 */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/copy.h"
#include "bundle/digests.h"
#include "bundle/libarchive.h"
#include "bundle/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MEMBERS = 4096 };
static const uint64_t max_bytes = UINT64_C(16) << 40;

struct in {
    struct archive *a;
    const char *path; /* of the archive */
    char top[260];    /* "NAME.bundle" */
    struct bundle *to;
    bool resumed; /* files may be there already */
    struct job *job;
    struct digest digest;
    struct digest_lines made, names; /* the digests of what came; its names, a line each */
    char *given;       /* the archive's own list */
    size_t given_bytes, members;
    uint64_t bytes;
};

static bool hostile(const struct in *i, const char *name, const char *what, struct pome_error *err)
{
    return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: member %zu, \"%.80s\": %s", i->path, i->members, name ? name : "", what);
}

static bool broken(const struct in *i, struct pome_error *err)
{
    const char *why = libarchive.archive_error_string(i->a);
    return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: after %zu members: %s", i->path, i->members,
                     why ? why : "it cannot be read");
}

/* One part of a path that is a plain name. */
static bool part_ok(const char *part, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if ((unsigned char)part[k] < 0x20 || part[k] == 0x7f)
            return false;
    return n && n < 200 && part[0] != '.';
}

/* "dev.bundle/Log/00000001.log" -> "Log/00000001.log"; "" for the bundle itself; NULL: a name that no export of ours has. */
static const char *inner_name(struct in *i, const char *name)
{
    size_t top = strcspn(name, "/");
    if (!i->top[0]) {
        if (top < 8 || top >= sizeof i->top || !part_ok(name, top) || memcmp(name + top - 7, ".bundle", 7))
            return NULL;
        memcpy(i->top, name, top);
    }
    if (strncmp(name, i->top, top) || i->top[top])
        return NULL;
    const char *inner = name + top + (name[top] == '/');
    if (!strcmp(inner, ARCHIVE_DIGESTS))
        return inner;
    int depth = 0;
    for (const char *p = inner; *p; depth++) {
        size_t n = strcspn(p, "/");
        if (!part_ok(p, n) || depth == 4)
            return NULL;
        p += n + (p[n] == '/');
    }
    return strlen(inner) < sizeof((struct tree_file *)0)->path ? inner : NULL;
}

/* What an import that was cut off has written is there: it need not be written again. */
static bool is_there(int fd, uint64_t offset, const uint8_t *bytes, size_t n)
{
    uint8_t there[TREE_PIECE];
    for (size_t done = 0; done < n;) {
        size_t piece = MIN(sizeof there, n - done);
        if (pread(fd, there, piece, (off_t)(offset + done)) != (ssize_t)piece || memcmp(there, bytes + done, piece))
            return false;
        done += piece;
    }
    return true;
}

static bool write_run(struct in *i, int fd, const char *name, uint64_t offset, const uint8_t *bytes, size_t n,
                      struct pome_error *err)
{
    if (i->resumed && is_there(fd, offset, bytes, n))
        return true;
    for (size_t done = 0; done < n;) {
        ssize_t w = pwrite(fd, bytes + done, n - done, (off_t)(offset + done));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s/%s: cannot write", i->to->path, name);
        done += (size_t)w;
    }
    return true;
}

/* Blocks of zeroes become holes again; what is between them is written in one run. */
static bool write_block(struct in *i, int fd, const char *name, uint64_t offset, const uint8_t *bytes, size_t n,
                        struct pome_error *err)
{
    for (size_t at = 0, begin = 0; at < n;) {
        size_t piece = MIN((size_t)(4096 - (offset + at) % 4096), n - at);
        bool zero = !bytes[at] && !memcmp(bytes + at, bytes + at + 1, piece - 1);
        at += piece;
        if (zero || at == n) {
            size_t end = zero ? at - piece : at;
            if (end > begin && !write_run(i, fd, name, offset + begin, bytes + begin, end - begin, err))
                return false;
            begin = at;
        }
    }
    return job_advance(i->job, n, err);
}

static bool import_data(struct in *i, int fd, const char *name, uint64_t bytes, struct pome_error *err)
{
    const void *block;
    size_t n;
    la_int64_t offset;
    uint64_t end = 0;
    for (int r; (r = libarchive.archive_read_data_block(i->a, &block, &n, &offset)) != ARCHIVE_EOF;) {
        if (r != ARCHIVE_OK)
            return broken(i, err);
        if (offset < 0 || (uint64_t)offset < end || (uint64_t)offset > bytes || n > bytes - (uint64_t)offset)
            return hostile(i, name, "its data lies outside the file", err);
        end = (uint64_t)offset + n;
        digest_add(&i->digest, (uint64_t)offset, block, n, bytes);
        if (n && !write_block(i, fd, name, (uint64_t)offset, block, n, err))
            return false;
    }
    return true;
}

static bool import_file(struct in *i, const char *name, uint64_t bytes, struct archive_entry *e, struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    int fd = openat(i->to->dir_fd, name, O_RDWR | O_CREAT | (i->resumed ? 0 : O_EXCL) | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return pome_fail_errno(err, "%s/%s: cannot make", i->to->path, name);
    bool ok = (!ftruncate(fd, (off_t)bytes) ||
               pome_fail_errno(err, "%s/%s: cannot make it %llu bytes long", i->to->path, name, (unsigned long long)bytes)) &&
              digest_begin(&i->digest, err) && import_data(i, fd, name, bytes, err);
    if (i->digest.sha)
        digest_end(&i->digest, digest);
    /* With its time, as tree_copy_open: a saved machine tells by it that a disk is what it was. The digests vouch for the content. */
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {libarchive.archive_entry_mtime(e), libarchive.archive_entry_mtime_nsec(e)}};
    ok = ok && (!libarchive.archive_entry_mtime_is_set(e) || !futimens(fd, times) || pome_fail_errno(err, "%s/%s: cannot set its time", i->to->path, name));
    ok = ok && (!fsync(fd) || pome_fail_errno(err, "%s/%s: cannot sync", i->to->path, name)) &&
         digest_lines_add(&i->made, digest, bytes, name, err);
    close(fd);
    return ok;
}

static bool import_digests(struct in *i, uint64_t bytes, struct pome_error *err)
{
    if (i->given || !bytes || bytes > ARCHIVE_DIGESTS_MAX)
        return hostile(i, ARCHIVE_DIGESTS, "is there twice, or has an impossible size", err);
    i->given = malloc(bytes);
    if (!i->given)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", i->path);
    i->given_bytes = bytes;
    return libarchive.archive_read_data(i->a, i->given, bytes) == (la_ssize_t)bytes || broken(i, err);
}

/* False: it came before. */
static bool first_of_its_name(struct in *i, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = i->names.text, *line; p && *p; p = line + 1) {
        line = strchr(p, '\n');
        if ((size_t)(line - p) == n && !memcmp(p, name, n))
            return false;
    }
    char *more = realloc(i->names.text, i->names.n + n + 2);
    if (!more)
        return false;
    i->names.text = more;
    i->names.n += (size_t)sprintf(more + i->names.n, "%s\n", name);
    return true;
}

static bool import_member(struct in *i, struct archive_entry *e, struct pome_error *err)
{
    const char *full = libarchive.archive_entry_pathname(e), *name = full ? inner_name(i, full) : NULL;
    uint64_t bytes = (uint64_t)libarchive.archive_entry_size(e);
    if (++i->members > MAX_MEMBERS)
        return hostile(i, full, "there are too many", err);
    if (i->given)
        return hostile(i, full, "comes after the digests", err);
    if (!name)
        return hostile(i, full, "a name that no bundle has", err);
    if (libarchive.archive_entry_hardlink(e) || libarchive.archive_entry_symlink(e) ||
        (libarchive.archive_entry_filetype(e) != AE_IFREG && libarchive.archive_entry_filetype(e) != AE_IFDIR))
        return hostile(i, full, "is neither a file nor a folder", err);
    if (!first_of_its_name(i, name))
        return hostile(i, full, "is there twice", err);
    if (libarchive.archive_entry_filetype(e) == AE_IFDIR)
        return !name[0] || !mkdirat(i->to->dir_fd, name, 0700) || (i->resumed && errno == EEXIST) ||
               hostile(i, full, "the folder cannot be made", err);
    if (!libarchive.archive_entry_size_is_set(e) || libarchive.archive_entry_size(e) < 0 || bytes > max_bytes - i->bytes)
        return hostile(i, full, "its size is not possible", err);
    i->bytes += bytes;
    return !strcmp(name, ARCHIVE_DIGESTS) ? import_digests(i, bytes, err)
           : name[0]                   ? import_file(i, name, bytes, e, err)
                                       : hostile(i, full, "has no name", err);
}

static bool compare_digests(const struct in *i, struct pome_error *err)
{
    if (!i->given)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: its end is missing: there is no list of digests", i->path);
    if (i->given_bytes == i->made.n && !memcmp(i->given, i->made.text, i->made.n))
        return true;
    size_t at = 0, line = 0;
    while (at < i->given_bytes && at < i->made.n && i->given[at] == i->made.text[at])
        line = i->made.text[at++] == '\n' ? at : line;
    const char *name = i->made.n > line ? i->made.text + line + 2 * SHA384_BYTES + 2 : "";
    return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: \"%.*s\" does not have its digest", i->path, (int)strcspn(name, "\n"),
                     name);
}

/* The name comes from the first member, before there is a folder. */
static bool first_member(struct in *i, struct archive_entry **e, char name[256], struct pome_error *err)
{
    if (libarchive.archive_read_next_header(i->a, e) != ARCHIVE_OK)
        return broken(i, err);
    const char *full = libarchive.archive_entry_pathname(*e);
    if (!full || !inner_name(i, full))
        return hostile(i, full, "no exported bundle begins like this", err);
    snprintf(name, 256, "%.*s", (int)(strlen(i->top) - 7), i->top);
    return true;
}

static bool import_all(struct in *i, struct archive_entry *e, struct pome_error *err)
{
    int r = ARCHIVE_OK;
    do
        if (!import_member(i, e, err))
            return false;
    while ((r = libarchive.archive_read_next_header(i->a, &e)) == ARCHIVE_OK);
    return (r == ARCHIVE_EOF || broken(i, err)) && compare_digests(i, err);
}

/* Which archive it is, for one that goes on. */
static bool describe(const char *path, char key[STAGE_KEY_MAX + 1], struct pome_error *err)
{
    uint8_t head[4096], digest[SHA384_BYTES];
    char hex[2 * SHA384_BYTES + 1];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 || fstat(fd, &st) ? -1 : pread(fd, head, sizeof head, 0);
    if (n < 0)
        pome_fail_errno(err, "%s", path);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return false;
    sha384(head, (size_t)n, digest);
    hex_upper(digest, sizeof digest, hex);
    snprintf(key, STAGE_KEY_MAX + 1, "%.64s %lld %lld.%09ld\n", hex, (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    return true;
}

static struct bundle *import(struct in *i, const char *name, struct pome_error *err)
{
    char own_name[256], key[STAGE_KEY_MAX + 1];
    struct stage s;
    struct archive_entry *e;
    if (libarchive.archive_read_open_filename(i->a, i->path, 1 << 16)) {
        broken(i, err);
        return NULL;
    }
    if (!describe(i->path, key, err) || !first_member(i, &e, own_name, err) || !stage_resume(&s, name ? name : own_name, key, &i->resumed, err))
        return NULL;
    i->to = s.b;
    /* How much data there is nobody knows yet: the archive's own size stands for it. */
    bool ok = job_step(i->job, i->resumed ? "Going on with the archive" : "Reading the archive", 1, 1, 0, err) && import_all(i, e, err);
    if (!ok && err->code == POME_ERROR_OPERATION_CANCELLED) {
        stage_keep(&s);
        return NULL;
    }
    return stage_end(&s, ok, err);
}

struct bundle *bundle_import(const char *path, const char *name, struct job *j, struct pome_error *err)
{
    struct pome_error own = {0};
    if (!err)
        err = &own;
    if (!libarchive_load(err))
        return NULL;
    struct in *i = calloc(1, sizeof *i);
    if (!i || !(i->a = libarchive.archive_read_new())) {
        free(i);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
        return NULL;
    }
    i->path = path;
    i->job = j;
    libarchive.archive_read_support_format_tar(i->a);
    libarchive.archive_read_support_filter_zstd(i->a);
    struct bundle *b = import(i, name, err);
    libarchive.archive_read_free(i->a);
    free(i->given);
    free(i->made.text);
    free(i->names.text);
    free(i);
    return b;
}

bool bundle_is_archive(const char *path)
{
    static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd}; /* RFC 8878, 3.1.1 */
    uint8_t head[4];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = fd >= 0 && pread(fd, head, sizeof head, 0) == sizeof head && !memcmp(head, magic, sizeof magic);
    if (fd >= 0)
        close(fd);
    return ok;
}
