/* genid.c - see genid.h. */
#include "bundle/genid.h"

#include "base/bits.h"
#include "base/error.h"
#include "formats/sha384.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_drawn(const struct bundle *b, uint8_t drawn[BUNDLE_GENID_BYTES], struct pome_error *err)
{
    struct stat st;
    memset(drawn, 0, BUNDLE_GENID_BYTES);
    if (fstatat(b->dir_fd, bundle_member_name(BUNDLE_GENID), &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
        return true;
    int fd = bundle_member_open(b, BUNDLE_GENID, O_RDONLY, err);
    if (fd < 0)
        return false;
    bool ok = (!fstat(fd, &st) && st.st_size == BUNDLE_GENID_BYTES && pread(fd, drawn, BUNDLE_GENID_BYTES, 0) == BUNDLE_GENID_BYTES) ||
              pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: has %lld bytes, needed %d", b->path, bundle_member_name(BUNDLE_GENID), (long long)st.st_size,
                        BUNDLE_GENID_BYTES);
    close(fd);
    return ok;
}

bool bundle_genid(const struct bundle *b, uint8_t id[BUNDLE_GENID_BYTES], struct pome_error *err)
{
    uint8_t of[8 + BUNDLE_GENID_BYTES], digest[SHA384_BYTES];
    le64_put(of, b->ecid);
    if (!read_drawn(b, of + 8, err))
        return false;
    sha384(of, sizeof of, digest);
    memcpy(id, digest, BUNDLE_GENID_BYTES);
    return true;
}

bool bundle_genid_draw(struct bundle *b, struct pome_error *err)
{
    uint8_t drawn[BUNDLE_GENID_BYTES];
    if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
        return pome_fail_errno(err, "random bytes for %s", bundle_member_name(BUNDLE_GENID));
    return bundle_member_write(b, BUNDLE_GENID, drawn, sizeof drawn, err);
}
