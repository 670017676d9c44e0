/*
 * archive.c - a bundle as one file.
 *
 * How it works. The file is a tar archive (pax interchange format, POSIX.1-2001; holes as GNU's sparse format 1.0) in a zstd
 * stream: `tar --zstd -xSf` unpacks it too. All names are NAME.bundle/FILE. The last member, NAME.bundle/.digests, has a line for
 * each file: SHA-384, size, path. The digest is over the file's data without its holes: for each block of 64 KiB that is not all
 * zeroes its offset (8 bytes, little-endian) and its bytes, so that it does not depend on how holes were found.
 *
 * An archive is hostile input: names, kinds, sizes and counts are checked before a byte is written, every file is made anew
 * (O_EXCL) in a folder that nobody else knows, and what does not have its digest never gets the machine's name.
 */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/copy.h"
#include "bundle/paths.h"
#include "bundle/stage.h"
#include "formats/sha384.h"

#include <archive.h>
#include <archive_entry.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MEMBERS = 4096, DIGESTS_MAX = 4 << 20 };
static const uint64_t max_bytes = UINT64_C(16) << 40;
static const char digests_name[] = ".digests";

/* --- digests --- */

struct digest {
    struct sha384 *sha;
    uint8_t block[TREE_PIECE]; /* what has come of the block at `at` */
    uint64_t at;
    size_t n;
};

static void digest_flush(struct digest *d)
{
    uint8_t offset[8];
    bool zero = !d->n || (!d->block[0] && !memcmp(d->block, d->block + 1, d->n - 1));
    le64_put(offset, d->at);
    if (!zero) {
        sha384_add(d->sha, offset, sizeof offset);
        sha384_add(d->sha, d->block, d->n);
    }
    d->n = 0;
}

/* Bytes at an offset that never goes back. */
static void digest_add(struct digest *d, uint64_t offset, const uint8_t *bytes, size_t n, uint64_t file_bytes)
{
    while (n) {
        uint64_t block = align_down(offset, TREE_PIECE);
        if (!d->n || block != d->at) {
            digest_flush(d);
            d->at = block;
            d->n = (size_t)MIN((uint64_t)TREE_PIECE, file_bytes - block);
            memset(d->block, 0, d->n);
        }
        size_t in = (size_t)(offset - block), piece = MIN(n, d->n - in);
        memcpy(d->block + in, bytes, piece);
        offset += piece;
        bytes += piece;
        n -= piece;
    }
}

static bool digest_begin(struct digest *d, struct pome_error *err)
{
    d->n = 0;
    d->at = 0;
    d->sha = sha384_begin();
    return d->sha || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a digest");
}

static void digest_end(struct digest *d, uint8_t out[SHA384_BYTES])
{
    digest_flush(d);
    sha384_end(d->sha, out);
    d->sha = NULL;
}

/* The lines of .digests, as they are made. */
struct lines {
    char *text;
    size_t n;
};

static bool add_line(struct lines *l, const uint8_t digest[SHA384_BYTES], uint64_t bytes, const char *path, struct pome_error *err)
{
    char hex[2 * SHA384_BYTES + 1];
    hex_upper(digest, SHA384_BYTES, hex);
    char *more = realloc(l->text, l->n + sizeof hex + 24 + strlen(path) + 4);
    if (!more)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the list of digests");
    l->text = more;
    l->n += (size_t)sprintf(l->text + l->n, "%s  %llu  %s\n", hex, (unsigned long long)bytes, path);
    return true;
}

/* --- export --- */

struct out {
    struct archive *a;
    const char *path; /* of the archive, for messages */
    struct job *job;
    uint64_t file_bytes, at; /* of the file under way: its size, and how far it is written */
    struct digest digest;
};

static bool failed(const struct out *o, const char *what, struct pome_error *err)
{
    int e = archive_errno(o->a);
    errno = e > 0 ? e : EIO;
    return pome_fail_errno(err, "%s: %s", o->path, what);
}

/* libarchive wants the bytes of holes too, and leaves them out by the entry's list. */
static bool write_zeroes(struct out *o, uint64_t up_to, struct pome_error *err)
{
    static const uint8_t zero[1 << 20];
    while (o->at < up_to) {
        size_t n = (size_t)MIN((uint64_t)sizeof zero, up_to - o->at);
        if (archive_write_data(o->a, zero, n) != (la_ssize_t)n)
            return failed(o, "cannot write", err);
        o->at += n;
    }
    return true;
}

static bool write_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct out *o = user;
    if (!write_zeroes(o, offset, err))
        return false;
    digest_add(&o->digest, offset, bytes, n, o->file_bytes);
    if (archive_write_data(o->a, bytes, n) != (la_ssize_t)n)
        return failed(o, "cannot write", err);
    o->at += n;
    return true;
}

/* Where the data of a file is: SEEK_DATA and SEEK_HOLE. */
static void list_data(int fd, uint64_t bytes, struct archive_entry *e)
{
    bool any = false;
    for (off_t hole = 0, data; (data = lseek(fd, hole, SEEK_DATA)) >= 0 && (uint64_t)data < bytes; any = true) {
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return; /* no holes to be known here */
        archive_entry_sparse_add_entry(e, data, hole - data);
    }
    if (!any && bytes)
        archive_entry_sparse_add_entry(e, 0, 0);
}

static struct archive_entry *new_entry(const struct bundle *b, const char *path, bool folder, uint64_t bytes)
{
    char name[PATH_MAX];
    struct archive_entry *e = archive_entry_new();
    if (!e)
        return NULL;
    snprintf(name, sizeof name, "%s.bundle%s%s", b->name, path[0] ? "/" : "", path);
    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(e, folder ? 0700 : 0600);
    archive_entry_set_size(e, (la_int64_t)bytes);
    return e;
}

static bool export_file(struct out *o, const struct bundle *b, const struct tree_file *f, struct lines *l, struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    struct archive_entry *e = new_entry(b, f->path, f->folder, f->bytes);
    int fd = f->folder ? -1 : openat(b->dir_fd, f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = e ? f->folder || fd >= 0 || pome_fail_errno(err, "%s/%s: cannot open", b->path, f->path)
                : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", o->path);
    if (ok && !f->folder)
        list_data(fd, f->bytes, e);
    ok = ok && (!archive_write_header(o->a, e) || failed(o, "cannot write", err));
    archive_entry_free(e);
    if (ok && !f->folder) {
        o->file_bytes = f->bytes;
        o->at = 0;
        ok = digest_begin(&o->digest, err) && tree_read(fd, f->path, f->bytes, write_piece, o, o->job, err) &&
             write_zeroes(o, f->bytes, err);
        if (o->digest.sha)
            digest_end(&o->digest, digest);
        ok = ok && add_line(l, digest, f->bytes, f->path, err);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool export_digests(struct out *o, const struct bundle *b, const struct lines *l, struct pome_error *err)
{
    struct archive_entry *e = new_entry(b, digests_name, false, l->n);
    bool ok = e && !archive_write_header(o->a, e) && archive_write_data(o->a, l->text, l->n) == (la_ssize_t)l->n;
    archive_entry_free(e);
    return ok || failed(o, "cannot write", err);
}

static bool export_all(struct out *o, const struct bundle *b, const struct tree *t, int fd, struct pome_error *err)
{
    struct lines l = {0};
    const struct tree_file top = {.folder = true};
    if (archive_write_set_format_pax(o->a) || archive_write_add_filter_zstd(o->a) ||
        archive_write_set_bytes_per_block(o->a, 1 << 16) || archive_write_set_bytes_in_last_block(o->a, 1) ||
        archive_write_open_fd(o->a, fd))
        return failed(o, "cannot begin the archive", err);
    bool ok = job_step(o->job, "Writing the archive", 1, 1, t->data, err) && export_file(o, b, &top, &l, err);
    for (size_t i = 0; ok && i < t->n; i++)
        ok = export_file(o, b, &t->files[i], &l, err);
    ok = ok && export_digests(o, b, &l, err) && (!archive_write_close(o->a) || failed(o, "cannot write", err));
    free(l.text);
    return ok;
}

bool bundle_export(struct bundle *b, const char *path, bool replace, struct job *j, struct pome_error *err)
{
    char temporary[PATH_MAX];
    struct stat st;
    struct tree t;
    if (!replace && !lstat(path, &st))
        return pome_fail(err, POME_ERROR_EXISTS, "%s exists already", path);
    /* A name that the next export takes again: a crash leaves at most one such file. */
    if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%.60s: the path is too long", path);
    if (!bundle_lock(b, err) || !tree_list(b, true, &t, err))
        return false;
    struct out *o = calloc(1, sizeof *o);
    int fd = o ? open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    bool ok = fd >= 0 || pome_fail_errno(err, "%s: cannot make", temporary);
    if (ok) {
        *o = (struct out){.a = archive_write_new(), .path = path, .job = j};
        ok = o->a ? export_all(o, b, &t, fd, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
        archive_write_free(o->a);
        ok = ok && ((!fsync(fd) && !rename(temporary, path)) || pome_fail_errno(err, "%s: cannot write", path)) &&
             sync_parent(path, err);
        if (!ok)
            unlink(temporary);
        close(fd);
    }
    free(o);
    tree_free(&t);
    return ok;
}

/* --- import --- */

struct in {
    struct archive *a;
    const char *path; /* of the archive */
    char top[260];    /* "NAME.bundle" */
    struct bundle *to;
    struct job *job;
    struct digest digest;
    struct lines made; /* the digests of what came */
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
    const char *why = archive_error_string(i->a);
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
    if (!strcmp(inner, digests_name))
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

static bool write_run(struct in *i, int fd, const char *name, uint64_t offset, const uint8_t *bytes, size_t n,
                      struct pome_error *err)
{
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
    for (int r; (r = archive_read_data_block(i->a, &block, &n, &offset)) != ARCHIVE_EOF;) {
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

static bool import_file(struct in *i, const char *name, uint64_t bytes, struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    int fd = openat(i->to->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? hostile(i, name, "is there twice", err)
                               : pome_fail_errno(err, "%s/%s: cannot make", i->to->path, name);
    bool ok = (!ftruncate(fd, (off_t)bytes) ||
               pome_fail_errno(err, "%s/%s: cannot make it %llu bytes long", i->to->path, name, (unsigned long long)bytes)) &&
              digest_begin(&i->digest, err) && import_data(i, fd, name, bytes, err);
    if (i->digest.sha)
        digest_end(&i->digest, digest);
    ok = ok && (!fsync(fd) || pome_fail_errno(err, "%s/%s: cannot sync", i->to->path, name)) &&
         add_line(&i->made, digest, bytes, name, err);
    close(fd);
    return ok;
}

static bool import_digests(struct in *i, uint64_t bytes, struct pome_error *err)
{
    if (i->given || !bytes || bytes > DIGESTS_MAX)
        return hostile(i, digests_name, "is there twice, or has an impossible size", err);
    i->given = malloc(bytes);
    if (!i->given)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", i->path);
    i->given_bytes = bytes;
    return archive_read_data(i->a, i->given, bytes) == (la_ssize_t)bytes || broken(i, err);
}

static bool import_member(struct in *i, struct archive_entry *e, struct pome_error *err)
{
    const char *full = archive_entry_pathname(e), *name = full ? inner_name(i, full) : NULL;
    uint64_t bytes = (uint64_t)archive_entry_size(e);
    if (++i->members > MAX_MEMBERS)
        return hostile(i, full, "there are too many", err);
    if (i->given)
        return hostile(i, full, "comes after the digests", err);
    if (!name)
        return hostile(i, full, "a name that no bundle has", err);
    if (archive_entry_hardlink(e) || archive_entry_symlink(e) ||
        (archive_entry_filetype(e) != AE_IFREG && archive_entry_filetype(e) != AE_IFDIR))
        return hostile(i, full, "is neither a file nor a folder", err);
    if (archive_entry_filetype(e) == AE_IFDIR)
        return !name[0] || !mkdirat(i->to->dir_fd, name, 0700) ||
               hostile(i, full, errno == EEXIST ? "is there twice" : "the folder cannot be made", err);
    if (!archive_entry_size_is_set(e) || archive_entry_size(e) < 0 || bytes > max_bytes - i->bytes)
        return hostile(i, full, "its size is not possible", err);
    i->bytes += bytes;
    return !strcmp(name, digests_name) ? import_digests(i, bytes, err)
           : name[0]                   ? import_file(i, name, bytes, err)
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
    if (archive_read_next_header(i->a, e) != ARCHIVE_OK)
        return broken(i, err);
    const char *full = archive_entry_pathname(*e);
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
    while ((r = archive_read_next_header(i->a, &e)) == ARCHIVE_OK);
    return (r == ARCHIVE_EOF || broken(i, err)) && compare_digests(i, err);
}

struct bundle *bundle_import(const char *path, const char *name, struct job *j, struct pome_error *err)
{
    char own_name[256];
    struct stat st;
    struct stage s;
    struct archive_entry *e;
    struct bundle *b = NULL;
    if (stat(path, &st)) {
        pome_fail_errno(err, "%s", path);
        return NULL;
    }
    struct in *i = calloc(1, sizeof *i);
    if (!i || !(i->a = archive_read_new())) {
        free(i);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
        return NULL;
    }
    i->path = path;
    i->job = j;
    archive_read_support_format_tar(i->a);
    archive_read_support_filter_zstd(i->a);
    if (archive_read_open_filename(i->a, path, 1 << 16))
        broken(i, err);
    else if (first_member(i, &e, own_name, err) && stage_begin(&s, name ? name : own_name, err)) {
        i->to = s.b;
        /* How much data there is nobody knows yet: the archive's own size stands for it. */
        b = stage_end(&s, job_step(j, "Reading the archive", 1, 1, 0, err) && import_all(i, e, err), err);
    }
    archive_read_free(i->a);
    free(i->given);
    free(i->made.text);
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
