/*
 * export.c - a bundle as one file.
 *
 * How it works. The file is a tar archive (pax interchange format, POSIX.1-2001; holes as GNU's sparse format 1.0) in zstd
 * frames: `tar --zstd -xSf` unpacks it too. All names are NAME.bundle/FILE. The last member, NAME.bundle/.digests, has a line for
 * each file: SHA-384, size, path. The digest is over the file's data without its holes: for each block of 64 KiB that is not all
 * zeroes its offset (8 bytes, little-endian) and its bytes, so that it does not depend on how holes were found.
 *
 * The same files give the same bytes, so an export that was cut off goes on (part.h): its key is a digest of what the host says of each file, times
 * of change included. All is read and summed up again; only compressing and writing begins where it ended.
 */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/copy.h"
#include "bundle/digests.h"
#include "bundle/libarchive.h"
#include "bundle/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct out {
    struct archive *a;
    const char *path; /* of the archive, for messages */
    struct part *part;
    struct pome_error why; /* what the part said: libarchive passes on a number only */
    struct job *job;
    uint64_t file_bytes, at; /* of the file under way: its size, and how far it is written */
    struct digest digest;
};

static bool failed(const struct out *o, const char *what, struct pome_error *err)
{
    if (o->why.code) {
        if (err)
            *err = o->why;
        return false;
    }
    int e = libarchive.archive_errno(o->a);
    errno = e > 0 ? e : EIO;
    return pome_fail_errno(err, "%s: %s", o->path, what);
}

static la_ssize_t write_out(struct archive *a, void *user, const void *bytes, size_t n)
{
    struct out *o = user;
    if (part_write(o->part, bytes, n, &o->why))
        return (la_ssize_t)n;
    libarchive.archive_set_error(a, EIO, "%s", o->why.message);
    return -1;
}

/* libarchive wants the bytes of holes too, and leaves them out by the entry's list. */
static bool write_zeroes(struct out *o, uint64_t up_to, struct pome_error *err)
{
    static const uint8_t zero[1 << 20];
    while (o->at < up_to) {
        size_t n = (size_t)MIN((uint64_t)sizeof zero, up_to - o->at);
        if (libarchive.archive_write_data(o->a, zero, n) != (la_ssize_t)n)
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
    if (libarchive.archive_write_data(o->a, bytes, n) != (la_ssize_t)n)
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
        libarchive.archive_entry_sparse_add_entry(e, data, hole - data);
    }
    if (!any && bytes)
        libarchive.archive_entry_sparse_add_entry(e, 0, 0);
}

static struct archive_entry *new_entry(const struct bundle *b, const char *path, bool folder, uint64_t bytes)
{
    char name[PATH_MAX];
    struct archive_entry *e = libarchive.archive_entry_new();
    if (!e)
        return NULL;
    snprintf(name, sizeof name, "%s.bundle%s%s", b->name, path[0] ? "/" : "", path);
    libarchive.archive_entry_set_pathname(e, name);
    libarchive.archive_entry_set_filetype(e, folder ? AE_IFDIR : AE_IFREG);
    libarchive.archive_entry_set_perm(e, folder ? 0700 : 0600);
    libarchive.archive_entry_set_size(e, (la_int64_t)bytes);
    return e;
}

static bool export_file(struct out *o, const struct bundle *b, const struct tree_file *f, struct digest_lines *l, struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    struct archive_entry *e = new_entry(b, f->path, f->folder, f->bytes);
    int fd = f->folder ? -1 : openat(b->dir_fd, f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = e ? f->folder || fd >= 0 || pome_fail_errno(err, "%s/%s: cannot open", b->path, f->path)
                : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", o->path);
    struct stat st;
    if (ok && !f->folder) {
        list_data(fd, f->bytes, e);
        if (!fstat(fd, &st))
            libarchive.archive_entry_set_mtime(e, st.st_mtim.tv_sec, st.st_mtim.tv_nsec); /* a saved machine looks at its disks' */
    }
    ok = ok && (!libarchive.archive_write_header(o->a, e) || failed(o, "cannot write", err));
    libarchive.archive_entry_free(e);
    if (ok && !f->folder) {
        o->file_bytes = f->bytes;
        o->at = 0;
        ok = digest_begin(&o->digest, err) && tree_read(fd, f->path, f->bytes, write_piece, o, o->job, err) &&
             write_zeroes(o, f->bytes, err);
        if (o->digest.sha)
            digest_end(&o->digest, digest);
        ok = ok && digest_lines_add(l, digest, f->bytes, f->path, err);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool export_digests(struct out *o, const struct bundle *b, const struct digest_lines *l, struct pome_error *err)
{
    struct archive_entry *e = new_entry(b, ARCHIVE_DIGESTS, false, l->n);
    bool ok = e && !libarchive.archive_write_header(o->a, e) && libarchive.archive_write_data(o->a, l->text, l->n) == (la_ssize_t)l->n;
    libarchive.archive_entry_free(e);
    return ok || failed(o, "cannot write", err);
}

static bool export_all(struct out *o, const struct bundle *b, const struct tree *t, struct pome_error *err)
{
    struct digest_lines l = {0};
    const struct tree_file top = {.folder = true};
    if (libarchive.archive_write_set_format_pax(o->a) || libarchive.archive_write_add_filter_none(o->a) ||
        libarchive.archive_write_set_bytes_per_block(o->a, 1 << 16) || libarchive.archive_write_set_bytes_in_last_block(o->a, 1) ||
        libarchive.archive_write_open(o->a, o, NULL, write_out, NULL))
        return failed(o, "cannot begin the archive", err);
    bool ok = job_step(o->job, part_there(o->part) ? "Going on with the archive" : "Writing the archive", 1, 1, t->data, err) && export_file(o, b, &top, &l, err);
    for (size_t i = 0; ok && i < t->n; i++)
        ok = export_file(o, b, &t->files[i], &l, err);
    ok = ok && export_digests(o, b, &l, err) && (!libarchive.archive_write_close(o->a) || failed(o, "cannot write", err));
    free(l.text);
    return ok;
}

/* What the archive is made from, as text. */
static bool describe(const struct bundle *b, const struct tree *t, char key[PART_KEY_MAX + 1], struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    struct sha384 *sha = sha384_begin();
    bool ok = sha || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a digest");
    for (size_t i = 0; ok && i < t->n; i++) {
        struct stat st;
        char line[480];
        ok = !fstatat(b->dir_fd, t->files[i].path, &st, AT_SYMLINK_NOFOLLOW) || pome_fail_errno(err, "%s/%s", b->path, t->files[i].path);
        int n = ok ? snprintf(line, sizeof line, "%s %llx %llx %llx %llx %lld.%09ld %lld.%09ld\n", t->files[i].path, (unsigned long long)st.st_dev,
                              (unsigned long long)st.st_ino, (unsigned long long)st.st_size, (unsigned long long)st.st_blocks, (long long)st.st_mtim.tv_sec,
                              st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec)
                   : 0;
        sha384_add(sha, line, (size_t)n);
    }
    if (sha)
        sha384_end(sha, digest);
    if (ok)
        hex_upper(digest, sizeof digest, key);
    return ok;
}

static bool export_to(struct bundle *b, const struct tree *t, const char *path, struct job *j, struct pome_error *err)
{
    char key[PART_KEY_MAX + 1];
    struct pome_error own = {0};
    if (!err)
        err = &own;
    if (!libarchive_load(err))
        return false;
    struct out *o = calloc(1, sizeof *o);
    if (!o || !(o->a = libarchive.archive_write_new())) {
        free(o);
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
    }
    o->path = path;
    o->job = j;
    o->part = describe(b, t, key, err) ? part_open(path, key, err) : NULL;
    bool ok = o->part && export_all(o, b, t, err) && part_finish(o->part, err);
    if (!ok)
        libarchive.archive_write_fail(o->a); /* or it would end the file as if all had come */
    libarchive.archive_write_free(o->a);
    part_close(o->part, !ok && err->code == POME_ERROR_OPERATION_CANCELLED);
    free(o);
    return ok;
}

bool bundle_export(struct bundle *b, const char *path, bool replace, struct job *j, struct pome_error *err)
{
    struct stat st;
    struct tree t;
    if (!replace && !lstat(path, &st))
        return pome_fail(err, POME_ERROR_EXISTS, "%s exists already", path);
    if (!bundle_lock(b, err) || !tree_list(b, true, &t, err))
        return false;
    bool ok = export_to(b, &t, path, j, err);
    tree_free(&t);
    return ok;
}
