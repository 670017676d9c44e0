/* installer.c - pome/installer.h. */
#include "api/bundle.h"
#include "base/error.h"
#include "restore/install.h"
#include "restore/resize.h"

#include <pome/installer.h>

bool pome_install(pome_bundle *p, pome_restore_image *image, bool again, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    bool mine = p->b->locked;
    if (!bundle_lock(p->b, err))
        return false;
    bool ok = (again || !p->b->installed) || pome_fail(err, POME_ERROR_INVALID_STATE, "%s: is installed already", p->b->path);
    ok = ok && install_run(p->b, image->image, progress, user, err);
    if (!mine)
        bundle_unlock(p->b);
    return ok;
}

bool pome_bundle_disk_resize(pome_bundle *p, uint64_t size, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    bool mine = p->b->locked;
    if (!bundle_lock(p->b, err))
        return false;
    bool ok = disk_resize(p->b, size, progress, user, err);
    if (!mine)
        bundle_unlock(p->b);
    return ok;
}

unsigned pome_install_step_count(void)
{
    return install_step_count();
}

const char *pome_install_step_name(unsigned step)
{
    return install_step_name(step);
}
