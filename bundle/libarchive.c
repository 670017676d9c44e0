/* libarchive.c - loads libarchive. */
#include "bundle/libarchive.h"
#include "base/bits.h"

struct libarchive libarchive;

bool libarchive_load(struct pome_error *err)
{
    static const char *const names[] = {LIBARCHIVE(LAZY_NAME)};
    return lazy_load(&libarchive, names, ARRAY_SIZE(names), "libarchive.so.13", "libarchive13", err);
}
