/*
 * writer_memory.c - guest memory into the file.
 *
 * A thread takes a batch of 64 chunks (4 MiB), leaves out those that are zero, and compresses the others into its buffer. Then it
 * waits for its turn to be given a place, behind the batch before: so the same memory makes the same file, however many threads there
 * are. (Memory that is written again, because it changed meanwhile, takes another place; the one before stays unused.) Encrypting, digests and writing happen after that, by all threads at once.
 */
#include "save/writer.h"

#include "base/bits.h"
#include "base/error.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_ROOM = SAVE_CHUNK_BYTES + SAVE_TAG_BYTES };

struct save_written {
    struct save_writer *w;
    struct save_memory m;
    const uint8_t *wanted; /* by chunk; NULL: all */
    bool moves; /* the memory changes meanwhile */
    size_t n_chunks;
    struct save_blob *blobs; /* by chunk; plain 0: it is zero */
    pthread_mutex_t lock;
    pthread_cond_t turn_came;
    size_t turn; /* the batch that is given a place next */
    bool failed;
    struct pome_error error;
};

static bool is_zero(const uint8_t *p, size_t n)
{
    return !p[0] && !memcmp(p, p + 1, n - 1);
}

static size_t chunk_bytes(const struct save_memory *m, size_t chunk)
{
    return (size_t)MIN((uint64_t)SAVE_CHUNK_BYTES, m->bytes - (uint64_t)chunk * SAVE_CHUNK_BYTES);
}

static bool fail(struct save_written *s, const struct pome_error *why)
{
    pthread_mutex_lock(&s->lock);
    if (!s->failed)
        s->error = *why;
    s->failed = true;
    pthread_cond_broadcast(&s->turn_came);
    pthread_mutex_unlock(&s->lock);
    return false;
}

static bool is_wanted(const struct save_written *s, size_t chunk)
{
    return !s->wanted || s->wanted[chunk];
}

/* Gives the batch's blobs their places when all batches before it have theirs. */
static bool take_place(struct save_written *s, size_t batch, size_t first, size_t end)
{
    pthread_mutex_lock(&s->lock);
    while (s->turn != batch && !s->failed)
        pthread_cond_wait(&s->turn_came, &s->lock);
    for (size_t i = first; i < end; i++)
        if (is_wanted(s, i) && s->blobs[i].plain) {
            s->blobs[i].offset = s->w->end;
            s->w->end += s->blobs[i].stored;
        }
    s->turn++;
    pthread_cond_broadcast(&s->turn_came);
    bool ok = !s->failed;
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static bool pack(struct save_written *s, struct sealer *sealer, size_t first, size_t end, uint8_t *buffer)
{
    uint8_t still[SAVE_CHUNK_BYTES];
    for (size_t i = first; i < end; i++) {
        const uint8_t *from = s->m.from + (uint64_t)i * SAVE_CHUNK_BYTES;
        size_t n = chunk_bytes(&s->m, i);
        if (!is_wanted(s, i))
            continue;
        s->blobs[i].plain = 0;
        if (s->moves)
            from = memcpy(still, from, n);
        if (is_zero(from, n))
            continue;
        if (!seal_pack(sealer, &s->w->key, from, n, buffer, &s->blobs[i]))
            return false;
        buffer += s->blobs[i].stored;
    }
    return true;
}

static bool write_out(struct save_written *s, struct sealer *sealer, size_t first, size_t end, uint8_t *buffer, struct pome_error *err)
{
    uint8_t *at = buffer;
    uint64_t offset = 0;
    for (size_t i = first; i < end; i++) {
        if (!is_wanted(s, i) || !s->blobs[i].plain)
            continue;
        if (at == buffer)
            offset = s->blobs[i].offset;
        if (!seal_close(sealer, &s->w->key, at, &s->blobs[i]))
            return pome_fail(err, POME_ERROR_INTERNAL, "guest memory cannot be encrypted");
        at += s->blobs[i].stored;
    }
    bool ok = writer_put(s->w, buffer, (size_t)(at - buffer), offset, err);
    if (ok && at > buffer)
        sync_file_range(s->w->fd, (off_t)offset, at - buffer, SYNC_FILE_RANGE_WRITE); /* begins now: the guest stands until all is on the disk. A hint */
    return ok;
}

static bool save_batch(void *user, struct sealer *sealer, size_t batch)
{
    struct save_written *s = user;
    struct pome_error err = {.code = POME_ERROR_OUT_OF_MEMORY, .message = "no memory to save guest memory"};
    size_t first = batch * BATCH_CHUNKS, end = MIN(first + BATCH_CHUNKS, s->n_chunks);
    if (s->wanted && !memchr(s->wanted + first, 1, end - first))
        return take_place(s, batch, first, end);
    uint8_t *buffer = malloc((size_t)BATCH_CHUNKS * CHUNK_ROOM);
    bool ok = buffer && pack(s, sealer, first, end, buffer);
    ok = ok && take_place(s, batch, first, end) && write_out(s, sealer, first, end, buffer, &err);
    free(buffer);
    return ok || fail(s, &err);
}

static bool put_list(struct save_written *s, const char *name, struct pome_error *err)
{
    size_t n = 0, bytes = MEMORY_HEAD_BYTES;
    for (size_t i = 0; i < s->n_chunks; i++)
        bytes += s->blobs[i].plain ? MEMORY_ENTRY_BYTES : 0;
    uint8_t *list = calloc(1, bytes);
    if (!list)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save guest memory");
    for (size_t i = 0; i < s->n_chunks; i++) {
        const struct save_blob *b = &s->blobs[i];
        uint8_t *at = list + MEMORY_HEAD_BYTES + n * MEMORY_ENTRY_BYTES;
        if (!b->plain)
            continue;
        le32_put(at, (uint32_t)i);
        le32_put(at + 4, b->method);
        le64_put(at + 8, b->offset);
        le32_put(at + 16, (uint32_t)b->stored);
        memcpy(at + 24, b->digest, SAVE_DIGEST_BYTES);
        n++;
    }
    le64_put(list, s->m.gpa);
    le64_put(list + 8, s->m.bytes);
    le32_put(list + 16, s->m.read_only);
    le32_put(list + 20, (uint32_t)n);
    bool ok = save_writer_section(s->w, name, MEMORY_VERSION, list, bytes, err);
    free(list);
    return ok;
}

struct save_written *save_writer_memory_begin(struct save_writer *w, const struct save_memory *m, struct pome_error *err)
{
    struct save_written *s = calloc(1, sizeof *s);
    if (s) {
        *s = (struct save_written){.w = w, .m = *m, .lock = PTHREAD_MUTEX_INITIALIZER, .turn_came = PTHREAD_COND_INITIALIZER};
        s->n_chunks = (size_t)((m->bytes + SAVE_CHUNK_BYTES - 1) / SAVE_CHUNK_BYTES);
        s->blobs = calloc(s->n_chunks + 1, sizeof *s->blobs);
    }
    if (s && s->blobs)
        return s;
    free(s);
    pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save guest memory");
    return NULL;
}

bool save_writer_memory_chunks(struct save_written *s, const uint8_t *wanted, bool moves, const struct save_progress *progress, struct pome_error *err)
{
    size_t n_batches = (s->n_chunks + BATCH_CHUNKS - 1) / BATCH_CHUNKS;
    s->wanted = wanted;
    s->moves = moves;
    s->turn = 0;
    bool ok = save_batches(n_batches, (uint64_t)BATCH_CHUNKS * SAVE_CHUNK_BYTES, s->m.bytes, save_batch, s, progress, err);
    if (s->failed && err)
        *err = s->error;
    return ok;
}

bool save_writer_memory_end(struct save_written *s, const char *name, struct pome_error *err)
{
    return put_list(s, name, err);
}

void save_written_free(struct save_written *s)
{
    if (s)
        free(s->blobs);
    free(s);
}

bool save_writer_memory(struct save_writer *w, const char *name, const struct save_memory *m, const struct save_progress *progress,
                        struct pome_error *err)
{
    struct save_written *s = save_writer_memory_begin(w, m, err);
    bool ok = s && save_writer_memory_chunks(s, NULL, false, progress, err) && save_writer_memory_end(s, name, err);
    save_written_free(s);
    return ok;
}
