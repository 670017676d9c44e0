/* libcurl.c - loads libcurl. */
#include "restore/libcurl.h"
#include "base/bits.h"

struct libcurl libcurl;

bool libcurl_load(struct pome_error *err)
{
    static const char *const names[] = {LIBCURL(LAZY_NAME)};
    return lazy_load(&libcurl, names, ARRAY_SIZE(names), "libcurl.so.4", "libcurl4", err);
}
