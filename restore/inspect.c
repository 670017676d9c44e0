/* inspect.c - finding out what a file is, and doing with it what its kind allows. */
#include "restore/inspect.h"
#include "base/bits.h"
#include "base/error.h"
#include "darwin/adt.h"
#include "darwin/macho.h"
#include "formats/aea.h"
#include "formats/trust_cache.h"
#include "formats/udif.h"
#include "formats/image4_file.h"
#include "restore/output_file.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 20 };

/* --- kinds --- */

static bool looks_like_trust_cache(const uint8_t *p, size_t n, uint64_t bytes)
{
    uint32_t version = n >= TRUST_CACHE_HEAD ? le32_get(p) : 0;
    return (version == 1 || version == 2) && le32_get(p + 20) * UINT64_C(1) * (version == 1 ? 22 : 24) + TRUST_CACHE_HEAD == bytes;
}

/* Its bytes have no mark: all of it must be right. */
static bool looks_like_device_tree(struct source *s, const uint8_t *p, size_t n)
{
    uint8_t *bytes;
    size_t used;
    if (n < 16 || s->bytes > ADT_BYTES_MAX || !le32_get(p) || le32_get(p) > 1024 || !(bytes = malloc((size_t)s->bytes)))
        return false;
    bool is = source_read(s, 0, bytes, (size_t)s->bytes, NULL) && adt_check(bytes, (size_t)s->bytes, &used, NULL);
    free(bytes);
    return is;
}

/* A partition map, or an APFS container from the first byte on. */
static bool looks_like_disk(struct source *s)
{
    uint8_t map[8], apfs[4];
    return s->bytes >= 1024 && source_read(s, 512, map, sizeof map, NULL) && source_read(s, 32, apfs, sizeof apfs, NULL) &&
           (!memcmp(map, "EFI PART", sizeof map) || !memcmp(apfs, "NXSB", sizeof apfs));
}

static enum pome_file_kind image4_file_kind(const uint8_t *first, size_t n)
{
    static const enum pome_file_kind kinds[] = {POME_FILE_UNKNOWN, POME_FILE_IM4P, POME_FILE_IM4M, POME_FILE_IM4R, POME_FILE_IMG4};
    return kinds[image4_kind(first, n)];
}

static bool looks_like_plist(const uint8_t *first, size_t n)
{
    static const char *const begins[] = {"bplist0", "<?xml", "<!DOCTYPE plist", "<plist"};
    for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
        if (n >= strlen(begins[i]) && !memcmp(first, begins[i], strlen(begins[i])))
            return true;
    return false;
}

enum pome_file_kind inspect_kind(struct source *s, struct pome_error *err)
{
    uint8_t first[32];
    size_t n = (size_t)MIN(s->bytes, sizeof first);
    bool udif;
    if (!source_read(s, 0, first, n, err) || !udif_is(s, &udif, err))
        return POME_FILE_UNKNOWN;
    if (n >= 4 && (!memcmp(first, "PK\3\4", 4) || !memcmp(first, "PK\5\6", 4)))
        return POME_FILE_RESTORE_IMAGE;
    if (n >= 4 && !memcmp(first, "AEA1", 4))
        return POME_FILE_ARCHIVE;
    if (udif)
        return POME_FILE_DISK_IMAGE;
    if (looks_like_plist(first, n))
        return POME_FILE_PROPERTY_LIST;
    if (looks_like_trust_cache(first, n, s->bytes))
        return POME_FILE_TRUST_CACHE;
    enum pome_file_kind kind = image4_file_kind(first, n);
    if (!kind && looks_like_disk(s))
        return POME_FILE_RAW_DISK;
    if (!kind && macho_is(first, n))
        return POME_FILE_DARWIN_KERNEL;
    if (!kind && looks_like_device_tree(s, first, n))
        return POME_FILE_DEVICE_TREE;
    if (!kind && n >= 8 && !memcmp(first, "encrcdsa", 8))
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a disk image that is encrypted with a password", s->name);
    else if (!kind)
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: not a restore image, disk image, archive, Image4 file, trust cache, property list, Darwin kernel or device tree", s->name);
    return kind;
}

const char *pome_file_kind_name(enum pome_file_kind kind)
{
    static const char *const names[] = {
        "unknown", "restore image", "disk image (UDIF)", "encrypted archive (AEA)", "Image4 payload (IM4P)", "Image4 ticket (IM4M)",
        "Image4 restore info (IM4R)", "Image4 file (IMG4)", "trust cache", "disk (raw)", "Darwin kernel (Mach-O)", "Apple device tree", "property list",
    };
    return kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

bool source_sha384(struct source *s, uint64_t at, uint64_t n, uint8_t digest[SHA384_BYTES], bool (*each)(void *user, uint64_t done), void *user,
                   struct pome_error *err)
{
    uint8_t *block = malloc(BLOCK);
    struct sha384 *sum = sha384_begin();
    bool ok = (block && sum) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name);
    for (uint64_t done = 0; ok && done < n;) {
        size_t piece = (size_t)MIN(n - done, (uint64_t)BLOCK);
        ok = source_read(s, at + done, block, piece, err);
        if (ok)
            sha384_add(sum, block, piece);
        done += piece;
        if (ok && each && !each(user, done))
            ok = pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
    }
    sha384_end(sum, ok ? digest : NULL);
    free(block);
    return ok;
}

/* --- describing --- */

/* Closes s. */
static bool describe_file(struct source *s, enum pome_file_kind kind, const struct archive_key *key, struct facts *f, struct pome_error *err)
{
    bool ok = true;
    struct source *disk;
    switch (kind) {
    case POME_FILE_DISK_IMAGE:
        disk = udif_open(s, err);
        ok = disk && describe_disk(disk, f, err);
        s = disk ? disk : s;
        break;
    case POME_FILE_ARCHIVE: return describe_archive(s, key, f, err);
    case POME_FILE_RAW_DISK: ok = describe_raw_disk(s, f); break;
    case POME_FILE_TRUST_CACHE: ok = describe_trust_cache(s, f, err); break;
    case POME_FILE_PROPERTY_LIST: ok = describe_plist(s, f, err); break;
    case POME_FILE_DARWIN_KERNEL:
    case POME_FILE_DEVICE_TREE: ok = describe_darwin(s, f, err); break;
    default: ok = describe_image4(s, f, err); break;
    }
    source_close(s);
    return ok;
}

bool inspect_describe(const char *path, const struct archive_key *key, struct facts *f, struct pome_error *err)
{
    struct source *s = source_file(path, err);
    enum pome_file_kind kind = s ? inspect_kind(s, err) : POME_FILE_UNKNOWN;
    uint64_t bytes = s ? s->bytes : 0;
    struct restore_image *image = NULL;
    bool zip = kind == POME_FILE_RESTORE_IMAGE;
    if (zip || !kind)
        source_close(s);
    if (!kind || (zip && !(image = restore_image_open(path, err))))
        return false;
    fact_dict(f, "file", NULL);
    fact_text(f, "kind", "Kind", pome_file_kind_name(kind));
    f->detail++;
    fact_text(f, "path", "Path", path);
    f->detail--;
    fact_size(f, "bytes", "Size", bytes);
    bool ok = zip || describe_file(s, kind, key, f, err);
    if (zip)
        describe_restore_image(image, f);
    restore_image_close(image);
    if (ok)
        fact_end(f);
    return ok && (!f->stopped || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled"));
}

/* --- reading all of it --- */

struct reading {
    pome_progress_fn *progress;
    void *user;
    const char *step;
    uint64_t done, total;
    struct output_file *out; /* NULL: only checked */
};

static bool show(void *user, uint64_t done)
{
    struct reading *r = user;
    struct pome_progress p = {.step = r->step, .step_number = 1, .step_count = 1, .done = MIN(done, r->total), .total = r->total,
                              .fraction = r->total ? (double)MIN(done, r->total) / (double)r->total : 1};
    r->done = done;
    return !r->progress || r->progress(r->user, &p);
}

static bool take(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct reading *r = user;
    return !r->out || output_write(r->out, bytes, n, err);
}

/* A disk's or archive's content, from first to last byte. */
static bool read_content(struct source *s, struct reading *r, struct pome_error *err)
{
    uint8_t *block = malloc(BLOCK);
    bool ok = block || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name);
    r->total = s->bytes;
    for (uint64_t at = 0; ok && at < s->bytes;) {
        size_t piece = (size_t)MIN(s->bytes - at, (uint64_t)BLOCK);
        ok = source_read(s, at, block, piece, err) && take(r, block, piece, err) &&
             (show(r, at + piece) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled"));
        at += piece;
    }
    free(block);
    return ok;
}

static bool compare_sizes(const struct image4_file *i, uint64_t got, struct pome_error *err)
{
    return !i->tail.has_compression || i->codec == PAYLOAD_PLAIN || got == i->tail.uncompressed_bytes ||
           pome_fail(err, POME_ERROR_INVALID_DATA, "the payload uncompresses to %llu bytes, its header says %llu", (unsigned long long)got,
                     (unsigned long long)i->tail.uncompressed_bytes);
}

struct counted {
    struct reading *r;
    uint64_t bytes;
};

static bool count(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct counted *c = user;
    c->bytes += n;
    return take(c->r, bytes, n, err);
}

static bool read_payload(struct source *s, const struct image4_file *i, struct reading *r, struct pome_error *err)
{
    if (r->out && i->tail.keybags)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: the payload is encrypted, and its key bags open on Apple's chips only", s->name);
    uint64_t max = i->tail.has_compression ? i->tail.uncompressed_bytes : PAYLOAD_MAX;
    struct counted c = {r, 0};
    struct payload_stream *p = payload_begin(MIN(max, PAYLOAD_MAX), count, &c);
    uint8_t *block = malloc(BLOCK);
    bool ok = (p && block) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name);
    r->total = i->im4p.payload_size;
    for (uint64_t at = 0; ok && at < r->total;) {
        size_t piece = (size_t)MIN(r->total - at, (uint64_t)BLOCK);
        ok = source_read(s, i->im4p_at + i->im4p.payload_offset + at, block, piece, err) && payload_add(p, block, piece, err) &&
             (show(r, at + piece) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled"));
        at += piece;
    }
    ok = ok && payload_end(p, err) && compare_sizes(i, c.bytes, err);
    payload_free(p);
    free(block);
    return ok;
}

static bool ignore(void *user, const struct pome_fact *fact)
{
    return true;
}

static bool read_image4(struct source *s, struct reading *r, struct pome_error *err)
{
    struct image4_file i;
    struct facts silent = {ignore, NULL, false, 0};
    if (!image4_file_open(s, &i, err))
        return false;
    bool payload = i.kind == IMAGE4_IM4P || i.kind == IMAGE4_IMG4;
    bool ok = payload ? read_payload(s, &i, r, err)
                      : !r->out || pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: %s: nothing is inside", s->name, i.kind == IMAGE4_IM4M ? pome_file_kind_name(POME_FILE_IM4M) : pome_file_kind_name(POME_FILE_IM4R));
    image4_file_close(&i);
    return ok && (r->out || describe_image4(s, &silent, err)); /* tickets, trust caches: all of it is read */
}

static bool read_trust_cache(struct source *s, struct pome_error *err)
{
    uint8_t *bytes = malloc((size_t)s->bytes + 1);
    struct trust_cache t;
    bool ok = (bytes || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name)) &&
              source_read(s, 0, bytes, (size_t)s->bytes, err) && trust_cache_read(bytes, (size_t)s->bytes, &t, err) &&
              (t.sorted || pome_fail(err, POME_ERROR_INVALID_DATA, "%s: its entries are not sorted", s->name));
    free(bytes);
    return ok;
}

/* Opens path and finds its kind; a restore image is refused with this advice. */
static struct source *open_one(const char *path, enum pome_file_kind *kind, const char *advice, struct pome_error *err)
{
    struct source *s = source_file(path, err);
    *kind = s ? inspect_kind(s, err) : POME_FILE_UNKNOWN;
    if (*kind == POME_FILE_RESTORE_IMAGE)
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: a restore image: %s", path, advice);
    if (*kind == POME_FILE_RAW_DISK || *kind == POME_FILE_DARWIN_KERNEL || *kind == POME_FILE_DEVICE_TREE || *kind == POME_FILE_PROPERTY_LIST)
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a %s as it is: it has no digests, and nothing is packed in it", path,
                  *kind == POME_FILE_RAW_DISK ? "disk" : pome_file_kind_name(*kind));
    else if (*kind && *kind != POME_FILE_RESTORE_IMAGE)
        return s;
    source_close(s);
    return NULL;
}

bool inspect_verify(const char *path, const struct archive_key *key, uint64_t *bytes, pome_progress_fn *progress, void *user,
                    struct pome_error *err)
{
    enum pome_file_kind kind;
    struct reading r = {.progress = progress, .user = user, .step = path};
    struct source *s = open_one(path, &kind, "pome_restore_image_verify() checks it", err), *in = s;
    bool ok = s, udif = kind == POME_FILE_DISK_IMAGE;
    if (ok && (udif || kind == POME_FILE_ARCHIVE)) {
        s = source_disk(in, key, err);
        ok = s && (udif || read_content(s, &r, err));
        if (ok && udif) {
            r.total = udif_info(s)->data_bytes + s->bytes;
            ok = udif_verify(s, show, &r, err);
        }
    } else if (ok) {
        r.done = s->bytes;
        ok = kind == POME_FILE_TRUST_CACHE ? read_trust_cache(s, err) : read_image4(s, &r, err);
    }
    source_close(s);
    if (ok && bytes)
        *bytes = r.done;
    return ok;
}

bool inspect_extract(const char *path, const struct archive_key *key, const char *out_path, pome_progress_fn *progress, void *user,
                     struct pome_error *err)
{
    enum pome_file_kind kind;
    struct output_file out;
    struct reading r = {.progress = progress, .user = user, .step = out_path, .out = &out};
    struct source *s = open_one(path, &kind, "name a component", err);
    bool disk = kind == POME_FILE_DISK_IMAGE || kind == POME_FILE_ARCHIVE, ok = s;
    if (ok && kind == POME_FILE_TRUST_CACHE)
        ok = pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a trust cache: nothing is inside", path);
    if (ok && disk)
        ok = (s = source_disk(s, key, err));
    if (ok && output_begin(&out, out_path, err)) {
        ok = disk ? read_content(s, &r, err) : read_image4(s, &r, err);
        ok = output_end(&out, ok, err);
    } else {
        ok = false;
    }
    source_close(s);
    return ok;
}
