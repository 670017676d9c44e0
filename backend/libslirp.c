/* libslirp.c - loads libslirp. */
#include "backend/libslirp.h"
#include "base/bits.h"

struct libslirp libslirp;

bool libslirp_load(struct pome_error *err)
{
    static const char *const names[] = {LIBSLIRP(LAZY_NAME)};
    return lazy_load(&libslirp, names, ARRAY_SIZE(names), "libslirp.so.0", "libslirp0", err);
}
