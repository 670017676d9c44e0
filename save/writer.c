/* writer.c - making the file of a saved machine. See file.h; guest memory is in writer_memory.c. */
#include "save/writer.h"

#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

bool writer_put(struct save_writer *w, const uint8_t *bytes, size_t n, uint64_t offset, struct pome_error *err)
{
    while (n) {
        ssize_t done = pwrite(w->fd, bytes, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return pome_fail_errno(err, "writing the saved machine");
        bytes += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return true;
}

static bool put_blob(struct save_writer *w, const void *bytes, size_t n, struct save_blob *b, struct pome_error *err)
{
    uint8_t *to = malloc(n + SAVE_TAG_BYTES);
    bool ok = to && seal_pack(&w->sealer, &w->key, bytes, n, to, b);
    if (ok) {
        b->offset = w->end;
        w->end += b->stored;
        ok = seal_close(&w->sealer, &w->key, to, b);
    }
    if (!ok)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save %zu bytes", n);
    ok = ok && writer_put(w, to, b->stored, b->offset, err);
    free(to);
    return ok;
}

struct save_writer *save_writer_create(int fd, const struct save_secret *secret, struct pome_error *err)
{
    struct save_writer *w = calloc(1, sizeof *w);
    if (!w) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine");
        return NULL;
    }
    w->fd = fd;
    w->end = SAVE_HEADER_BYTES;
    if (save_key_make(&w->key, secret, err))
        return w;
    save_writer_free(w);
    return NULL;
}

bool save_writer_section(struct save_writer *w, const char *name, uint32_t version, const void *bytes, size_t n, struct pome_error *err)
{
    if (w->n == SAVE_SECTIONS_MAX || n > SAVE_SECTION_BYTES_MAX || strlen(name) > SAVE_NAME_MAX)
        return pome_fail(err, POME_ERROR_SAVE, "%s: %zu bytes in section %zu: too much for a saved machine", name, n, w->n);
    struct save_section *more = realloc(w->sections, (w->n + 1) * sizeof *more);
    if (!more)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine");
    w->sections = more;
    struct save_section *s = &w->sections[w->n++];
    *s = (struct save_section){.version = version};
    strcpy(s->name, name);
    return put_blob(w, bytes, n, &s->blob, err);
}

size_t save_table_entry(const struct save_section *s, uint8_t *to)
{
    size_t n = strlen(s->name);
    uint8_t *at = to;
    *at++ = (uint8_t)n;
    memcpy(at, s->name, n);
    at += n;
    le32_put(at, s->version);
    le32_put(at + 4, s->blob.method);
    le64_put(at + 8, s->blob.offset);
    le64_put(at + 16, s->blob.stored);
    le64_put(at + 24, s->blob.plain);
    memcpy(at + 32, s->blob.digest, SAVE_DIGEST_BYTES);
    return (size_t)(at - to) + TABLE_ENTRY_BYTES;
}

static bool put_header(struct save_writer *w, const struct save_blob *table, struct pome_error *err)
{
    uint8_t h[SAVE_HEADER_BYTES] = "PomeSave";
    le32_put(h + HEADER_VERSION, SAVE_FILE_VERSION);
    le32_put(h + HEADER_CHUNK, SAVE_CHUNK_BYTES);
    le64_put(h + HEADER_TABLE, table->offset);
    le64_put(h + HEADER_TABLE + 8, table->stored);
    le64_put(h + HEADER_TABLE + 16, table->plain);
    le32_put(h + HEADER_TABLE + 24, table->method);
    memcpy(h + HEADER_TABLE_DIGEST, table->digest, SAVE_DIGEST_BYTES);
    if (w->key.on) {
        le32_put(h + HEADER_KEY, 1);
        le32_put(h + HEADER_KEY + 4, w->key.log2_n);
        le32_put(h + HEADER_KEY + 8, w->key.r);
        le32_put(h + HEADER_KEY + 12, w->key.p);
        memcpy(h + HEADER_SALT, w->key.salt, sizeof w->key.salt);
    }
    EVP_Digest(h, HEADER_DIGEST, h + HEADER_DIGEST, NULL, EVP_sha256(), NULL);
    return writer_put(w, h, sizeof h, 0, err);
}

bool save_writer_finish(struct save_writer *w, struct pome_error *err)
{
    struct save_blob table;
    uint8_t *bytes = malloc(w->n * (TABLE_ENTRY_BYTES + SAVE_NAME_MAX + 1) + 1);
    if (!bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine");
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        n += save_table_entry(&w->sections[i], bytes + n);
    bool ok = put_blob(w, bytes, n, &table, err) && put_header(w, &table, err);
    free(bytes);
    if (!ok)
        return false;
    return !fsync(w->fd) || pome_fail_errno(err, "writing the saved machine");
}

void save_writer_free(struct save_writer *w)
{
    if (!w)
        return;
    sealer_finish(&w->sealer);
    free(w->sections);
    free(w);
}
