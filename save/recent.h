/*
 * recent.h - which memory the vCPUs of a saved machine used last, page by page: it comes first when the machine goes on. A machine uses a few pages in each of many
 * chunks, so that all of these chunks would be five times as much to fetch.
 *
 * Section "recent": the pages' numbers in RAM, 32 bits each, those that were used last before those used some time, both in ascending order. Section "recent/memory": what they hold, one after the other, as a memory section. Both are there
 * once more in the RAM's own chunks: where this one is missing or damaged, memory comes later, and is the same.
 */
#ifndef SAVE_RECENT_H
#define SAVE_RECENT_H

#include "save/saved.h"
#include "save/writer.h"

bool recent_write(struct save_writer *w, const struct save_subject *s, struct pome_error *err);

struct recent {
    struct save_chunks chunks;
    uint32_t *page;
};

/* None are known: as if there were no page. */
void recent_read(const struct save_reader *r, struct recent *out);
void recent_free(struct recent *r);

/* The i-th SAVE_CHUNK_BYTES, or what is left, of all pages to `to`: how many, and which. 0: there are no more. */
size_t recent_pages(const struct recent *r, const struct save_reader *file, struct sealer *s, size_t i, const uint32_t **pages, uint8_t *to);

#endif
