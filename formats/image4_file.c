/* image4_file.c - Image4 files of any size. */
#include "formats/image4_file.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/lzfse.h"
#include "formats/lzss.h"

#include <stdlib.h>

enum { REST_MAX = 4 << 20 /* tickets and what stands after a payload */ };

enum image4_kind image4_kind(const void *bytes, size_t n)
{
    static const struct { const char *magic; enum image4_kind kind; } kinds[] = {
        {"IM4P", IMAGE4_IM4P}, {"IM4M", IMAGE4_IM4M}, {"IM4R", IMAGE4_IM4R}, {"IMG4", IMAGE4_IMG4},
    };
    struct der d = der_over(bytes, n);
    struct der_element outer, magic;
    if (!der_next_header(&d, &outer, NULL) || outer.class != DER_UNIVERSAL || outer.tag != DER_SEQUENCE || !der_next(&d, &magic, NULL) ||
        magic.tag != DER_IA5 || magic.size != 4)
        return IMAGE4_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!memcmp(magic.data, kinds[i].magic, 4))
            return kinds[i].kind;
    return IMAGE4_NONE;
}

/* Reads [at, end) into memory. */
static uint8_t *read_rest(struct source *s, uint64_t at, uint64_t end, struct pome_error *err)
{
    if (at > end || end - at > REST_MAX) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %llu bytes beside the payload, at most %d are allowed", s->name, (unsigned long long)(end - at), REST_MAX);
        return NULL;
    }
    uint8_t *bytes = malloc((size_t)(end - at) + 1);
    if (!bytes)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name);
    else if (source_read(s, at, bytes, (size_t)(end - at), err))
        return bytes;
    free(bytes);
    return NULL;
}

static enum payload_codec codec_of(const uint8_t *p, size_t n)
{
    if (n >= 8 && !memcmp(p, "complzss", 8))
        return PAYLOAD_LZSS;
    return n >= 4 && !memcmp(p, "bvx", 3) && strchr("-12n$", p[3]) && p[3] ? PAYLOAD_LZFSE : PAYLOAD_PLAIN;
}

static bool open_im4p(struct source *s, struct image4_file *f, uint64_t at, struct pome_error *err)
{
    uint8_t head[IMAGE4_HEAD_MAX], first[8];
    uint64_t left = s->bytes - at;
    size_t n = (size_t)MIN(left, sizeof head);
    if (!source_read(s, at, head, n, err) || !im4p_read_head(head, n, left, &f->im4p, err))
        return false;
    uint64_t payload = at + f->im4p.payload_offset, end = payload + f->im4p.payload_size;
    f->im4p_at = at;
    n = (size_t)MIN(f->im4p.payload_size, sizeof first);
    if (!source_read(s, payload, first, n, err) || !(f->tail_memory = read_rest(s, end, at + f->im4p.size, err)))
        return false;
    f->codec = codec_of(first, n);
    return im4p_read_tail(f->tail_memory, (size_t)(at + f->im4p.size - end), &f->tail, err);
}

/* IMG4: SEQ{ "IMG4", IM4P, [0]{ IM4M }, [1]{ IM4R } } */
static bool open_img4(struct source *s, struct image4_file *f, struct pome_error *err)
{
    uint8_t head[64];
    size_t n = (size_t)MIN(s->bytes, sizeof head);
    struct der d = der_over(head, n);
    struct der_element outer, e;
    if (!source_read(s, 0, head, n, err) || !der_next_header(&d, &outer, err) || !der_next(&d, &e, err))
        return false;
    if (outer.whole_size > s->bytes)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IMG4: says %zu bytes, %llu are there", outer.whole_size, (unsigned long long)s->bytes);
    if (!open_im4p(s, f, (uint64_t)(d.at - d.begin), err))
        return false;
    uint64_t at = f->im4p_at + f->im4p.size;
    if (!(f->rest_memory = read_rest(s, at, outer.whole_size, err)))
        return false;
    for (d = der_over(f->rest_memory, (size_t)(outer.whole_size - at)); !der_at_end(&d);) {
        if (!der_next(&d, &e, err))
            return false;
        if (e.class != DER_CONTEXT || e.tag > 1 || (e.tag ? f->im4r : f->im4m))
            return pome_fail(err, POME_ERROR_INVALID_DATA, "IMG4: found class %d tag %u after the payload", e.class, e.tag);
        *(e.tag ? &f->im4r : &f->im4m) = e.data;
        *(e.tag ? &f->im4r_bytes : &f->im4m_bytes) = e.size;
    }
    return true;
}

static bool open_whole(struct source *s, struct image4_file *f, struct pome_error *err)
{
    if (!(f->rest_memory = read_rest(s, 0, s->bytes, err)))
        return false;
    *(f->kind == IMAGE4_IM4M ? &f->im4m : &f->im4r) = f->rest_memory;
    *(f->kind == IMAGE4_IM4M ? &f->im4m_bytes : &f->im4r_bytes) = (size_t)s->bytes;
    return true;
}

bool image4_file_open(struct source *s, struct image4_file *f, struct pome_error *err)
{
    uint8_t first[16];
    size_t n = (size_t)MIN(s->bytes, sizeof first);
    *f = (struct image4_file){0};
    if (!source_read(s, 0, first, n, err))
        return false;
    f->kind = image4_kind(first, n);
    bool ok = f->kind == IMAGE4_IM4P   ? open_im4p(s, f, 0, err)
              : f->kind == IMAGE4_IMG4 ? open_img4(s, f, err)
              : f->kind                   ? open_whole(s, f, err)
                                          : pome_fail(err, POME_ERROR_INVALID_DATA, "not an Image4 file");
    if (ok)
        return true;
    image4_file_close(f);
    return pome_fail_context(err, "%s", s->name);
}

void image4_file_close(struct image4_file *f)
{
    free(f->tail_memory);
    free(f->rest_memory);
    f->tail_memory = f->rest_memory = NULL;
}

/* --- payloads --- */

const char *payload_codec_name(enum payload_codec c)
{
    static const char *const names[] = {"none", "LZFSE", "LZSS"};
    return names[c];
}

struct payload_stream {
    uint64_t max_out;
    bytes_sink *sink;
    void *user;
    uint8_t first[8]; /* until the codec is known */
    size_t n;
    bool known;
    enum payload_codec codec;
    struct lzfse_stream *lzfse;
    struct lzss_stream *lzss;
};

struct payload_stream *payload_begin(uint64_t max_out, bytes_sink *sink, void *user)
{
    struct payload_stream *p = calloc(1, sizeof *p);
    if (p) {
        p->max_out = max_out;
        p->sink = sink;
        p->user = user;
    }
    return p;
}

static bool pass(struct payload_stream *p, const void *bytes, size_t n, struct pome_error *err)
{
    if (p->lzfse)
        return lzfse_add(p->lzfse, bytes, n, err);
    if (p->lzss)
        return lzss_add(p->lzss, bytes, n, err);
    return !n || p->sink(p->user, bytes, n, err);
}

static bool decide(struct payload_stream *p, struct pome_error *err)
{
    p->known = true;
    p->codec = codec_of(p->first, p->n);
    if (p->codec == PAYLOAD_LZFSE)
        p->lzfse = lzfse_begin(p->max_out, p->sink, p->user);
    else if (p->codec == PAYLOAD_LZSS)
        p->lzss = lzss_begin(p->max_out, p->sink, p->user);
    if (p->codec != PAYLOAD_PLAIN && !p->lzfse && !p->lzss)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to uncompress");
    return pass(p, p->first, p->n, err);
}

bool payload_add(struct payload_stream *p, const void *bytes, size_t n, struct pome_error *err)
{
    const uint8_t *from = bytes;
    for (; n && p->n < sizeof p->first && !p->known; n--)
        p->first[p->n++] = *from++;
    if (p->n == sizeof p->first && !p->known && !decide(p, err))
        return false;
    return !p->known || pass(p, from, n, err);
}

bool payload_end(struct payload_stream *p, struct pome_error *err)
{
    if (!p->known && !decide(p, err))
        return false;
    return p->lzfse ? lzfse_end(p->lzfse, err) : p->lzss ? lzss_end(p->lzss, err) : true;
}

void payload_free(struct payload_stream *p)
{
    if (!p)
        return;
    lzfse_free(p->lzfse);
    lzss_free(p->lzss);
    free(p);
}

/* --- what is in a file --- */

struct capped {
    uint64_t left;
    bytes_sink *sink;
    void *user;
};

/* Plain bytes have no codec that would keep to a limit. */
static bool add_capped(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct capped *c = user;
    if (n > c->left)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "it holds more than was allowed for");
    c->left -= n;
    return c->sink(c->user, bytes, n, err);
}

static bool stream(struct source *s, uint64_t at, uint64_t n, struct payload_stream *p, struct pome_error *err)
{
    enum { BLOCK = 256 << 10 };
    uint8_t *block = p ? malloc(BLOCK) : NULL;
    bool ok = block || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to read it");
    for (uint64_t done = 0, piece; ok && done < n; done += piece) {
        piece = MIN(n - done, (uint64_t)BLOCK);
        ok = source_read(s, at + done, block, (size_t)piece, err) && payload_add(p, block, (size_t)piece, err);
    }
    free(block);
    return ok && payload_end(p, err);
}

/* Which bytes of the file are the content. */
static bool find_content(struct source *s, uint64_t *at, uint64_t *n, struct pome_error *err)
{
    uint8_t first[16];
    struct image4_file f;
    size_t have = (size_t)MIN(s->bytes, sizeof first);
    *at = 0;
    *n = s->bytes;
    if (!source_read(s, 0, first, have, err))
        return false;
    enum image4_kind kind = image4_kind(first, have);
    if (kind != IMAGE4_IM4P && kind != IMAGE4_IMG4)
        return true;
    if (!image4_file_open(s, &f, err))
        return false;
    bool ok = !f.tail.keybags || pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: the payload is encrypted, and its key bags open on Apple's chips only", s->name);
    *at = f.im4p_at + f.im4p.payload_offset;
    *n = f.im4p.payload_size;
    image4_file_close(&f);
    return ok;
}

bool image4_content(struct source *s, uint64_t max_out, bytes_sink *sink, void *user, struct pome_error *err)
{
    struct capped c = {max_out, sink, user};
    uint64_t at, n;
    if (!find_content(s, &at, &n, err))
        return false;
    struct payload_stream *p = payload_begin(max_out, add_capped, &c);
    bool ok = stream(s, at, n, p, err);
    payload_free(p);
    return ok || pome_fail_context(err, "%s", s->name);
}

struct grown {
    uint8_t *bytes;
    size_t n, room;
};

static bool grow(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct grown *g = user;
    if (n > g->room - g->n) {
        size_t room = MAX(2 * g->room, g->n + n);
        uint8_t *more = realloc(g->bytes, room);
        if (!more)
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %zu bytes", room);
        g->bytes = more;
        g->room = room;
    }
    memcpy(g->bytes + g->n, bytes, n);
    g->n += n;
    return true;
}

bool image4_read_content(struct source *s, uint64_t max_out, uint8_t **bytes, size_t *n, struct pome_error *err)
{
    struct grown g = {NULL, 0, 0};
    bool ok = image4_content(s, max_out, grow, &g, err);
    if (!ok) {
        free(g.bytes);
        g = (struct grown){NULL, 0, 0};
    }
    *bytes = g.bytes;
    *n = g.n;
    return ok;
}
