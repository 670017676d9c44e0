/* fuzz_plist.c - property lists, XML and binary, the catalogue of images, and trust caches (formats/plist.h, catalogue.h, trust_cache.h). */
#include "formats/catalogue.h"
#include "formats/plist.h"
#include "formats/trust_cache.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool walk(void *user, const char *key, struct pl *node)
{
    size_t *sum = user, n = 0;
    const uint8_t *bytes = pl_data(node, &n);
    const char *text = pl_text(node);
    uint64_t number = 0;
    bool flag = false;
    for (size_t i = 0; bytes && i < n; i++)
        *sum += bytes[i];
    *sum += (text ? strlen(text) : 0) + (key ? strlen(key) : 0) + pl_integer(node, &number) + pl_boolean(node, &flag);
    for (size_t i = 0; i < pl_count(node); i++)
        walk(user, NULL, pl_item(node, i));
    return pl_walk(node, walk, user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pome_error err;
    struct trust_cache t;
    size_t sum = 0;
    if (trust_cache_read(data, size, &t, &err))
        for (size_t i = 0; i < t.count; i++)
            sum += trust_cache_entry(&t, i).cdhash[0];
    struct catalogue c;
    if (catalogue_read(data, size, &c, &err)) {
        for (size_t i = 0; i < c.n; i++)
            if (strncmp(c.offers[i].url, "http", 4))
                abort();
        catalogue_free(&c);
    }
    struct pl *root = pl_parse(data, size, "fuzz", &err);
    if (root) {
        walk(&sum, NULL, root);
        size_t n = 0;
        char *xml = pl_write_xml(root, &n);
        free(xml);
    }
    pl_free(root);
    return 0;
}
