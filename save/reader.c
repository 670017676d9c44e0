/* reader.c - reading the file of a saved machine, which is hostile. See file.h. */
#include "save/file.h"

#include "base/bits.h"
#include "base/error.h"
#include "save/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct save_reader {
    int fd;
    uint64_t file_bytes;
    struct save_key key;
    struct save_section *sections;
    size_t n;
};

static bool get(const struct save_reader *r, uint8_t *to, size_t n, uint64_t offset, struct pome_error *err)
{
    while (n) {
        ssize_t done = pread(r->fd, to, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return pome_fail_errno(err, "reading the saved machine");
        if (!done)
            return pome_fail(err, POME_ERROR_RESTORE, "the file ends at byte %" PRIu64, offset);
        to += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return true;
}

static bool in_file(const struct save_reader *r, const struct save_blob *b, uint64_t max)
{
    return b->method <= SAVE_ZSTD && b->plain <= max && b->stored <= b->plain + SAVE_TAG_BYTES && b->offset >= SAVE_HEADER_BYTES &&
           b->offset <= r->file_bytes && b->stored <= r->file_bytes - b->offset;
}

/* `to` has room for b->plain bytes. */
static bool get_blob(const struct save_reader *r, struct sealer *s, const char *name, const struct save_blob *b, uint8_t *to,
                     struct pome_error *err)
{
    const char *why;
    uint8_t *stored = malloc((size_t)b->stored + 1);
    if (!stored)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %" PRIu64 " bytes", name, b->stored);
    bool ok = get(r, stored, (size_t)b->stored, b->offset, err) &&
              (seal_open(s, &r->key, b, stored, to, &why) ||
               pome_fail(err, why == seal_wrong_key ? POME_ERROR_PERMISSION : POME_ERROR_RESTORE, "%s: %s", name, why));
    free(stored);
    return ok;
}

static uint8_t *get_bytes(const struct save_reader *r, const char *name, const struct save_blob *b, struct pome_error *err)
{
    struct sealer s = {0};
    uint8_t *to = malloc((size_t)b->plain + 1);
    bool ok = to || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %" PRIu64 " bytes", name, b->plain);
    ok = ok && get_blob(r, &s, name, b, to, err);
    sealer_finish(&s);
    if (ok)
        return to;
    free(to);
    return NULL;
}

/* ---- header and table ---- */

static bool check_header(const uint8_t *h, struct pome_error *err)
{
    uint8_t digest[SAVE_DIGEST_BYTES];
    if (memcmp(h, "PomeSave", 8))
        return pome_fail(err, POME_ERROR_RESTORE, "it is not a saved machine");
    if (le32_get(h + HEADER_VERSION) != SAVE_FILE_VERSION)
        return pome_fail(err, POME_ERROR_RESTORE, "format version: saved %u, present %u", le32_get(h + HEADER_VERSION), SAVE_FILE_VERSION);
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    if (EVP_Digest(h, HEADER_DIGEST, digest, NULL, EVP_sha256(), NULL) != 1 || memcmp(digest, h + HEADER_DIGEST, sizeof digest))
        return pome_fail(err, POME_ERROR_RESTORE, "the digest of its header is wrong: the file is damaged");
#else
    (void)digest;
#endif
    if (le32_get(h + HEADER_CHUNK) != SAVE_CHUNK_BYTES)
        return pome_fail(err, POME_ERROR_RESTORE, "memory chunk: saved %u bytes, needed %u", le32_get(h + HEADER_CHUNK), SAVE_CHUNK_BYTES);
    return true;
}

static bool read_key(struct save_key *k, const uint8_t *h, const struct save_secret *secret, struct pome_error *err)
{
    uint32_t kind = le32_get(h + HEADER_KEY);
    *k = (struct save_key){.log2_n = le32_get(h + HEADER_KEY + 4), .r = le32_get(h + HEADER_KEY + 8), .p = le32_get(h + HEADER_KEY + 12)};
    memcpy(k->salt, h + HEADER_SALT, sizeof k->salt);
    if (!kind)
        return true;
    if (kind != 1)
        return pome_fail(err, POME_ERROR_RESTORE, "it is encrypted in a way (%u) that is not known here", kind);
    if (!secret)
        return pome_fail(err, POME_ERROR_PERMISSION, "it is encrypted, and no key was given");
    return save_key_derive(k, secret, err);
}

/* Bytes of the entry, or 0. */
static size_t read_entry(const struct save_reader *r, const uint8_t *at, size_t left, struct save_section *s)
{
    if (!left || !at[0] || at[0] > SAVE_NAME_MAX || left - 1 < at[0] + (size_t)TABLE_ENTRY_BYTES)
        return 0;
    memcpy(s->name, at + 1, at[0]);
    const uint8_t *p = at + 1 + at[0];
    s->version = le32_get(p);
    s->blob = (struct save_blob){.method = le32_get(p + 4), .offset = le64_get(p + 8), .stored = le64_get(p + 16), .plain = le64_get(p + 24)};
    memcpy(s->blob.digest, p + 32, SAVE_DIGEST_BYTES);
    return strlen(s->name) == at[0] && in_file(r, &s->blob, SAVE_SECTION_BYTES_MAX) ? 1 + at[0] + (size_t)TABLE_ENTRY_BYTES : 0;
}

static bool read_table(struct save_reader *r, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    size_t most = MIN(n / (TABLE_ENTRY_BYTES + 2), SAVE_SECTIONS_MAX);
    r->sections = calloc(most + 1, sizeof *r->sections);
    if (!r->sections)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for its table of contents");
    for (size_t at = 0; at < n;) {
        size_t used = r->n < most ? read_entry(r, bytes + at, n - at, &r->sections[r->n]) : 0;
        if (!used)
            return pome_fail(err, POME_ERROR_RESTORE, "its table of contents is wrong at entry %zu", r->n);
        at += used;
        r->n++;
    }
    return true;
}

static bool open_file(struct save_reader *r, const struct save_secret *secret, struct pome_error *err)
{
    uint8_t h[SAVE_HEADER_BYTES];
    struct stat st;
    if (fstat(r->fd, &st))
        return pome_fail_errno(err, "reading the saved machine");
    r->file_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    if (r->file_bytes < sizeof h)
        return pome_fail(err, POME_ERROR_RESTORE, "it has %" PRIu64 " bytes: it is not a saved machine", r->file_bytes);
    if (!get(r, h, sizeof h, 0, err) || !check_header(h, err) || !read_key(&r->key, h, secret, err))
        return false;
    struct save_blob b = {.offset = le64_get(h + HEADER_TABLE), .stored = le64_get(h + HEADER_TABLE + 8),
                          .plain = le64_get(h + HEADER_TABLE + 16), .method = le32_get(h + HEADER_TABLE + 24)};
    memcpy(b.digest, h + HEADER_TABLE_DIGEST, SAVE_DIGEST_BYTES);
    if (!in_file(r, &b, SAVE_TABLE_BYTES_MAX))
        return pome_fail(err, POME_ERROR_RESTORE, "its table of contents (%" PRIu64 " bytes at %" PRIu64 ") lies outside the file", b.stored,
                         b.offset);
    uint8_t *table = get_bytes(r, "table of contents", &b, err); /* the first that the key opens */
    bool ok = table && read_table(r, table, (size_t)b.plain, err);
    free(table);
    return ok;
}

struct save_reader *save_reader_create(int fd, const struct save_secret *secret, struct pome_error *err)
{
    struct save_reader *r = calloc(1, sizeof *r);
    if (!r) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to read a saved machine");
        return NULL;
    }
    r->fd = fd;
    if (open_file(r, secret, err))
        return r;
    save_reader_free(r);
    return NULL;
}

void save_reader_free(struct save_reader *r)
{
    if (!r)
        return;
    free(r->sections);
    free(r);
}

bool save_reader_encrypted(const struct save_reader *r)
{
    return r->key.on;
}

const struct save_section *save_reader_section(const struct save_reader *r, size_t i)
{
    return i < r->n ? &r->sections[i] : NULL;
}

const struct save_section *save_reader_find(const struct save_reader *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->sections[i].name, name))
            return &r->sections[i];
    return NULL;
}

uint8_t *save_reader_bytes(const struct save_reader *r, const struct save_section *s, struct pome_error *err)
{
    return get_bytes(r, s->name, &s->blob, err);
}

/* ---- guest memory ---- */

static size_t chunk_bytes(const struct save_chunks *c, size_t chunk)
{
    return (size_t)MIN((uint64_t)SAVE_CHUNK_BYTES, c->bytes - (uint64_t)chunk * SAVE_CHUNK_BYTES);
}

static bool read_list(const struct save_reader *r, const uint8_t *list, struct save_chunks *c)
{
    int64_t last = -1;
    for (size_t i = 0; i < c->n_blobs; i++) {
        const uint8_t *at = list + MEMORY_HEAD_BYTES + i * MEMORY_ENTRY_BYTES;
        uint32_t chunk = le32_get(at);
        if ((int64_t)chunk <= last || chunk >= c->n_chunks)
            return false;
        c->blobs[i] = (struct save_blob){.method = le32_get(at + 4), .offset = le64_get(at + 8), .stored = le32_get(at + 16),
                                         .plain = chunk_bytes(c, chunk)};
        memcpy(c->blobs[i].digest, at + 24, SAVE_DIGEST_BYTES);
        if (!in_file(r, &c->blobs[i], SAVE_CHUNK_BYTES))
            return false;
        c->place[chunk] = (uint32_t)i + 1;
        last = chunk;
    }
    return true;
}

bool save_reader_chunks(const struct save_reader *r, const struct save_section *s, struct save_chunks *out, struct pome_error *err)
{
    *out = (struct save_chunks){0};
    uint8_t *list = save_reader_bytes(r, s, err);
    if (!list)
        return false;
    bool ok = s->version == MEMORY_VERSION && s->blob.plain >= MEMORY_HEAD_BYTES;
    if (ok) {
        out->gpa = le64_get(list);
        out->bytes = le64_get(list + 8);
        out->read_only = le32_get(list + 16);
        out->n_blobs = le32_get(list + 20);
        ok = out->bytes && !(out->bytes % 4096) && out->bytes <= BIT(40) &&
             s->blob.plain == MEMORY_HEAD_BYTES + (uint64_t)out->n_blobs * MEMORY_ENTRY_BYTES;
    }
    if (ok) {
        out->n_chunks = (size_t)((out->bytes + SAVE_CHUNK_BYTES - 1) / SAVE_CHUNK_BYTES);
        out->place = calloc(out->n_chunks, sizeof *out->place);
        out->blobs = calloc(out->n_blobs + 1, sizeof *out->blobs);
        ok = out->place && out->blobs && read_list(r, list, out);
    }
    free(list);
    if (ok)
        return true;
    save_chunks_free(out);
    return pome_fail(err, POME_ERROR_RESTORE, "%s: version %u: its list of chunks is wrong", s->name, s->version);
}

void save_chunks_free(struct save_chunks *c)
{
    free(c->place);
    free(c->blobs);
    *c = (struct save_chunks){0};
}

static bool get_chunk(const struct save_reader *r, struct sealer *s, const struct save_chunks *c, size_t chunk, uint8_t *to, struct pome_error *err)
{
    char name[48];
    snprintf(name, sizeof name, "memory at 0x%" PRIx64, c->gpa + (uint64_t)chunk * SAVE_CHUNK_BYTES);
    return get_blob(r, s, name, &c->blobs[c->place[chunk] - 1], to, err);
}

bool save_reader_chunk(const struct save_reader *r, struct sealer *s, const struct save_chunks *c, size_t chunk, uint8_t *to, struct pome_error *err)
{
    if (c->place[chunk])
        return get_chunk(r, s, c, chunk, to, err);
    memset(to, 0, chunk_bytes(c, chunk));
    return true;
}

struct loading {
    const struct save_reader *r;
    const struct save_chunks *c;
    uint8_t *to;
    pthread_mutex_t lock;
    bool failed;
    struct pome_error error;
};

static bool load_batch(void *user, struct sealer *s, size_t batch)
{
    struct loading *l = user;
    struct pome_error err;
    size_t end = MIN((batch + 1) * BATCH_CHUNKS, l->c->n_chunks);
    for (size_t i = batch * BATCH_CHUNKS; i < end; i++) {
        if (!l->c->place[i] || get_chunk(l->r, s, l->c, i, l->to + (uint64_t)i * SAVE_CHUNK_BYTES, &err))
            continue;
        pthread_mutex_lock(&l->lock);
        if (!l->failed)
            l->error = err;
        l->failed = true;
        pthread_mutex_unlock(&l->lock);
        return false;
    }
    return true;
}

bool save_reader_memory(const struct save_reader *r, const struct save_chunks *c, uint8_t *to, const struct save_progress *progress,
                        struct pome_error *err)
{
    struct loading l = {.r = r, .c = c, .to = to, .lock = PTHREAD_MUTEX_INITIALIZER};
    size_t n = (c->n_chunks + BATCH_CHUNKS - 1) / BATCH_CHUNKS;
    bool ok = save_batches(n, (uint64_t)BATCH_CHUNKS * SAVE_CHUNK_BYTES, c->bytes, load_batch, &l, progress, err);
    if (l.failed && err)
        *err = l.error;
    return ok;
}
