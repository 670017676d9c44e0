/*
 * file.h - the file of a saved machine: sections with names, each compressed, sealed and checked by itself.
 *
 * How it works. A page of header, then blobs in any order, at the end the table of contents. A blob is bytes that were compressed
 * (zstd, if that makes them fewer), then, in an encrypted file, sealed with AES-256-GCM, whose nonce is the blob's offset under a key that
 * this file alone has; its digest (SHA-256) is over what lies in the file. A section is one blob with a name and a version. Guest
 * memory is a section too, but what it holds is a list of further blobs, one per chunk of 64 KiB that is not zero: they can be fetched one
 * by one, in any order, each checked when it is read. The header, whose digest it holds itself, is written last.
 *
 *     0  "PomeSave"                       48  table of contents: SHA-256
 *     8  u32 version (1)                  80  key: u32 kind (0 none, 1 scrypt), u32 log2 N, u32 r, u32 p
 *    12  u32 bytes of a memory chunk      96  salt, 32 bytes
 *    16  table: u64 offset               128  zeros
 *    24  u64 stored, 32 u64 plain       4064  SHA-256 of bytes 0 to 4063
 *    40  u32 method (0 as it is, 1 zstd)
 *    44  zeros
 *
 * The table, one after the other: u8 length and name, u32 version, u32 method, u64 offset, u64 stored, u64 plain, 32 bytes of digest.
 * All numbers are little-endian. A file is hostile input: offsets and sizes are checked against the file's size and the limits below
 * before anything is allocated or read.
 */
#ifndef SAVE_FILE_H
#define SAVE_FILE_H

#include <pome/error.h>
#include <stddef.h>

enum {
    SAVE_FILE_VERSION = 1,
    SAVE_HEADER_BYTES = 4096,
    SAVE_CHUNK_BYTES = 65536,
    SAVE_DIGEST_BYTES = 32,
    SAVE_KEY_BYTES = 32,
    SAVE_NAME_MAX = 63,
    SAVE_SECTIONS_MAX = 4096,
    SAVE_SECTION_BYTES_MAX = 256 << 20,
    SAVE_TABLE_BYTES_MAX = 1 << 20,
};

struct save_blob {
    uint64_t offset, stored, plain;
    uint32_t method;
    uint8_t digest[SAVE_DIGEST_BYTES];
};

struct save_section {
    char name[SAVE_NAME_MAX + 1];
    uint32_t version;
    struct save_blob blob;
};

/* What opens an encrypted file: a pass phrase, or the bytes of a key file. NULL: not encrypted. */
struct save_secret {
    const void *bytes;
    size_t n;
};

/* Called now and then, on the caller's thread; false: to be given up (OPERATION_CANCELLED). */
struct save_progress {
    bool (*fn)(void *user, uint64_t done, uint64_t total); /* bytes of guest memory; NULL: nobody asks */
    void *user;
};

/* One stretch of guest memory. */
struct save_memory {
    uint64_t gpa, bytes; /* whole chunks but for the last */
    bool read_only;
    const uint8_t *from; /* to be saved */
};

/* ---- writing ---- */

struct save_writer;

/* Writes to fd, an empty file, which is borrowed. */
struct save_writer *save_writer_create(int fd, const struct save_secret *secret, struct pome_error *err);
bool save_writer_section(struct save_writer *w, const char *name, uint32_t version, const void *bytes, size_t n, struct pome_error *err);
/* By several threads; nobody may change the memory meanwhile. */
bool save_writer_memory(struct save_writer *w, const char *name, const struct save_memory *m, const struct save_progress *progress,
                        struct pome_error *err);
/* The same in steps, for memory that the guest goes on writing to: chunks as often as it takes, each time those that are wanted (by chunk, 1; NULL: all), the last time with nobody
 * changing them; what was never wanted is zero. moves: somebody may change the memory meanwhile. */
struct save_written;
struct save_written *save_writer_memory_begin(struct save_writer *w, const struct save_memory *m, struct pome_error *err);
bool save_writer_memory_chunks(struct save_written *s, const uint8_t *wanted, bool moves, const struct save_progress *progress, struct pome_error *err);
bool save_writer_memory_end(struct save_written *s, const char *name, struct pome_error *err);
void save_written_free(struct save_written *s); /* NULL is fine */

/* The table, the header, fsync. */
bool save_writer_finish(struct save_writer *w, struct pome_error *err);
void save_writer_free(struct save_writer *w);

/* ---- reading; functions of one reader may be called by several threads at once ---- */

struct save_reader;

/* fd is borrowed. Errors: RESTORE (no such file, damaged, of a newer version), PERMISSION (encrypted: no key, or another one). */
struct save_reader *save_reader_create(int fd, const struct save_secret *secret, struct pome_error *err);
void save_reader_free(struct save_reader *r);
bool save_reader_encrypted(const struct save_reader *r);

/* Section i in the order they were written, NULL past the last; by name. */
const struct save_section *save_reader_section(const struct save_reader *r, size_t i);
const struct save_section *save_reader_find(const struct save_reader *r, const char *name);

/* What it holds, checked; the caller frees it. NULL and *err: RESTORE. */
uint8_t *save_reader_bytes(const struct save_reader *r, const struct save_section *s, struct pome_error *err);

/* The chunks of a memory section. */
struct save_chunks {
    uint64_t gpa, bytes;
    bool read_only;
    size_t n_chunks;         /* of all of it */
    uint32_t *place;         /* by chunk: its blob, from 1 on; 0: it is zero */
    struct save_blob *blobs;
    size_t n_blobs;
};
bool save_reader_chunks(const struct save_reader *r, const struct save_section *s, struct save_chunks *out, struct pome_error *err);
void save_chunks_free(struct save_chunks *c);

/* Fills `to` with the bytes of a chunk: SAVE_CHUNK_BYTES of them, the last of a region perhaps fewer. `s` is kept from call to call, of one thread. */
struct sealer; /* seal.h */
bool save_reader_chunk(const struct save_reader *r, struct sealer *s, const struct save_chunks *c, size_t chunk, uint8_t *to, struct pome_error *err);

/* All of it, by several threads. `to`: zeroed memory of c->bytes bytes. */
bool save_reader_memory(const struct save_reader *r, const struct save_chunks *c, uint8_t *to, const struct save_progress *progress,
                        struct pome_error *err);

#endif
