/* part.c - a zstd file in the making. */
#include "bundle/part.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "bundle/paths.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEVEL = 3, OUT_BYTES = 1 << 17 };

struct part {
    char path[PATH_MAX], part[PATH_MAX], state[PATH_MAX], new_state[PATH_MAX], key[PART_KEY_MAX + 1];
    int fd;
    bool finished, failed;
    uint64_t come, there; /* bytes that came; of those, how many are in the file up to `end` */
    uint64_t end;         /* of the last whole frame */
    uint64_t at;          /* where the next byte of the file goes */
    size_t frame;         /* bytes in the frame under way */
    ZSTD_CStream *zstd;
    uint8_t out[OUT_BYTES];
};

/* --- the state --- */

static int state_text(const struct part *p, char text[PART_KEY_MAX + 80], uint64_t come, uint64_t end)
{
    return snprintf(text, PART_KEY_MAX + 80, "POMEPART 1\n%s\n%" PRIu64 " %" PRIu64 "\n", p->key, come, end);
}

/* Whatever is not as state_text writes it means that nothing is there. */
static void read_state(struct part *p)
{
    char text[PART_KEY_MAX + 81] = "", again[PART_KEY_MAX + 80], key[PART_KEY_MAX + 1];
    uint64_t come, end;
    struct stat st;
    int fd = open(p->state, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0 || sscanf(text, "POMEPART 1\n%127[^\n]\n%" SCNu64 " %" SCNu64, key, &come, &end) != 3 || strcmp(key, p->key))
        return;
    state_text(p, again, come, end);
    if (strcmp(text, again) || fstat(p->fd, &st) || (uint64_t)st.st_size < end)
        return;
    p->there = come;
    p->end = end;
}

static bool write_state(const struct part *p, struct pome_error *err)
{
    char text[PART_KEY_MAX + 80];
    int n = state_text(p, text, p->come, p->at);
    int fd = open(p->new_state, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && file_write_whole(fd, text, (size_t)n) && !fsync(fd);
    if (fd >= 0 && close(fd))
        ok = false;
    return (ok && !rename(p->new_state, p->state)) || pome_fail_errno(err, "%s: cannot write", p->state);
}

/* --- compressing --- */

static bool put(struct part *p, size_t n, struct pome_error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t w = pwrite(p->fd, p->out + done, n - done, (off_t)p->at);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s: cannot write", p->part);
        done += (size_t)w;
        p->at += (size_t)w;
    }
    return true;
}

static bool compress(struct part *p, const void *bytes, size_t n, ZSTD_EndDirective what, struct pome_error *err)
{
    ZSTD_inBuffer in = {bytes, n, 0};
    for (;;) {
        ZSTD_outBuffer out = {p->out, sizeof p->out, 0};
        size_t more = ZSTD_compressStream2(p->zstd, &out, &in, what);
        if (ZSTD_isError(more))
            return pome_fail(err, POME_ERROR_INTERNAL, "%s: %s", p->part, ZSTD_getErrorName(more));
        if (!put(p, out.pos, err))
            return false;
        if (what == ZSTD_e_end ? !more : in.pos == in.size)
            return true;
    }
}

/* Ends the frame: what has come so far need not come to the compressor again. */
static bool end_frame(struct part *p, struct pome_error *err)
{
    if (!compress(p, NULL, 0, ZSTD_e_end, err))
        return false;
    if (fdatasync(p->fd))
        return pome_fail_errno(err, "%s: cannot sync", p->part);
    p->frame = 0;
    p->end = p->at;
    return write_state(p, err);
}

static bool add(struct part *p, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    while (n) {
        bool passed = p->come < p->there;
        size_t piece = (size_t)(passed ? MIN((uint64_t)n, p->there - p->come) : MIN((uint64_t)n, PART_FRAME - (uint64_t)p->frame));
        if (!passed) {
            if (!compress(p, bytes, piece, ZSTD_e_continue, err))
                return false;
            p->frame += piece;
        }
        p->come += piece;
        if (p->frame == PART_FRAME && !end_frame(p, err))
            return false;
        bytes += piece;
        n -= piece;
    }
    return true;
}

/* --- the file --- */

struct part *part_open(const char *path, const char *key, struct pome_error *err)
{
    struct part *p = calloc(1, sizeof *p);
    if (!p) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to make it", path);
        return NULL;
    }
    p->fd = -1;
    snprintf(p->key, sizeof p->key, "%s", key);
    snprintf(p->path, sizeof p->path, "%s", path);
    bool ok = (snprintf(p->part, sizeof p->part, "%s.part", path) < (int)sizeof p->part &&
               snprintf(p->state, sizeof p->state, "%s.part.state", path) < (int)sizeof p->state &&
               snprintf(p->new_state, sizeof p->new_state, "%s.part.state.new", path) < (int)sizeof p->new_state) ||
              pome_fail(err, POME_ERROR_INVALID_DATA, "%.60s: the path is too long", path);
    p->fd = ok ? open(p->part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    ok = ok && (p->fd >= 0 || pome_fail_errno(err, "%s: cannot make", p->part));
    if (ok && flock(p->fd, LOCK_EX | LOCK_NB)) {
        ok = pome_fail(err, POME_ERROR_BUSY, "%s: another process is writing it", p->part);
        close(p->fd);
        p->fd = -1; /* it is the other's */
    }
    if (ok)
        read_state(p);
    p->at = p->end;
    p->zstd = ok ? ZSTD_createCStream() : NULL;
    ok = ok && ((p->zstd && !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL))) ||
                pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to compress", path)) &&
         (!ftruncate(p->fd, (off_t)p->end) || pome_fail_errno(err, "%s: cannot cut off its end", p->part));
    if (ok)
        return p;
    part_close(p, false);
    return NULL;
}

uint64_t part_there(const struct part *p)
{
    return p->there;
}

bool part_write(struct part *p, const void *bytes, size_t n, struct pome_error *err)
{
    p->failed = p->failed || !add(p, bytes, n, err);
    return !p->failed;
}

static bool gone(const char *path)
{
    return !unlink(path) || errno == ENOENT;
}

/* The state goes first: a part without one is begun anew, a state without its part would lie about for ever. */
bool part_finish(struct part *p, struct pome_error *err)
{
    if (p->failed || !compress(p, NULL, 0, ZSTD_e_end, err))
        return false;
    if (fsync(p->fd) || !gone(p->new_state) || !gone(p->state) || rename(p->part, p->path))
        return pome_fail_errno(err, "%s: cannot write", p->path);
    p->finished = true;
    return sync_parent(p->path, err);
}

void part_close(struct part *p, bool keep)
{
    if (!p)
        return;
    if (p->fd >= 0 && !p->finished) {
        keep = keep && !p->failed && (!p->frame || end_frame(p, NULL));
        if (!keep || !p->end) {
            gone(p->new_state);
            gone(p->state);
            gone(p->part);
        }
    }
    if (p->fd >= 0)
        close(p->fd);
    ZSTD_freeCStream(p->zstd);
    free(p);
}
