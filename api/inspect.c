/* inspect.c - pome/inspect.h. */
#include "restore/inspect.h"
#include "base/error.h"

#include <string.h>

/* NULL when there is none. */
static const struct archive_key *key_of(const struct pome_inspect_options *o, struct archive_key *key)
{
    if (!o || !o->archive_key)
        return NULL;
    memcpy(key->bytes, o->archive_key, sizeof key->bytes);
    return key;
}

enum pome_file_kind pome_file_kind(const char *path, struct pome_error *err)
{
    struct source *s = source_file(path, err);
    enum pome_file_kind kind = s ? inspect_kind(s, err) : POME_FILE_UNKNOWN;
    source_close(s);
    return kind;
}

bool pome_file_describe(const char *path, const struct pome_inspect_options *options, pome_fact_fn *fact, void *user, struct pome_error *err)
{
    struct archive_key key;
    struct facts f = {fact, user, false, 0};
    return inspect_describe(path, key_of(options, &key), &f, err);
}

bool pome_file_verify(const char *path, const struct pome_inspect_options *options, uint64_t *bytes, pome_progress_fn *progress, void *user,
                      struct pome_error *err)
{
    struct archive_key key;
    return inspect_verify(path, key_of(options, &key), bytes, progress, user, err);
}

bool pome_file_extract(const char *path, const struct pome_inspect_options *options, const char *out_path, pome_progress_fn *progress, void *user,
                       struct pome_error *err)
{
    struct archive_key key;
    return inspect_extract(path, key_of(options, &key), out_path, progress, user, err);
}
