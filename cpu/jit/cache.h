/*
 * cache.h - translations kept in a file from one start to the next (cache.c says how).
 */
#ifndef CPU_JIT_CACHE_H
#define CPU_JIT_CACHE_H

#include "cpu/jit/translate/translate.h"
#include "x64/x64.h"

struct cache;

/* Where and why: for one line in the machine's log. */
typedef void cache_note_fn(void *ctx, const char *text);

struct cache_options {
    const char *path;     /* NULL: the user's cache folder, by identity */
    uint64_t identity;    /* of host, configuration and switches (this program's build is added) */
    uint64_t max_bytes;
    cache_note_fn *note;
    void *note_ctx;
};

/* NULL: no cache (no folder, no build identity, or the file is in nobody's but our hands). A file that is not right is not read, and
 * written anew at the end. */
struct cache *cache_open(const struct cache_options *o);
/* Writes what is new, if it is worth it, and frees. NULL allowed. */
void cache_close(struct cache *k);

/* What a block is: guest code from a page offset on, in a mode. */
struct cache_block {
    uint32_t mode;
    uint16_t page_offset, n_words;
    uint32_t n_guest;
    const uint32_t *words; /* cache_add: `room` of them, up to the end of the page or the first three */
    unsigned room;
};

/* The translation of the code at page_offset, of which `room` words follow up to the end of the page. Guest memory may change meanwhile:
 * b->words is the copy that was compared, good until the next call. NULL: there is none. */
const uint8_t *cache_find(struct cache *k, uint32_t mode, uint16_t page_offset, const uint8_t *code, unsigned room,
                          struct cache_block *b, size_t *bytes);
/* Keeps a translation for the next time. `image` is what x64_move_save wrote. */
void cache_add(struct cache *k, const struct cache_block *b, const uint8_t *image, size_t bytes);

#endif
