/* installer_async.c - an installation in the background: pome_installer of pome/installer.h is a task (task.c). */
#include <pome/installer.h>

#include "api/task.h"
#include "base/error.h"

static pome_task *task_of(pome_installer *i)
{
    return (pome_task *)i;
}

pome_installer *pome_installer_new(pome_bundle *bundle, pome_restore_image *image, bool again, struct pome_error *err)
{
    struct pome_task_options o = POME_TASK_OPTIONS_INIT;
    o.kind = POME_TASK_INSTALL;
    o.bundle = bundle;
    o.image = image;
    o.replace = again;
    return (pome_installer *)api_task_new(&o, err);
}

bool pome_installer_start(pome_installer *i, pome_progress_fn *progress, void (*done)(void *user, const struct pome_error *err), void *user,
                          struct pome_error *err)
{
    if (api_task_has_begun(task_of(i)))
        return pome_fail(err, POME_ERROR_INVALID_STATE, "this installer was started already: make another one");
    return api_task_begin(task_of(i), progress, NULL, done, user, err);
}

void pome_installer_cancel(pome_installer *i)
{
    pome_task_cancel(task_of(i));
}

int pome_installer_fd(const pome_installer *i)
{
    return pome_task_fd((const pome_task *)i);
}

bool pome_installer_dispatch(pome_installer *i)
{
    return pome_task_dispatch(task_of(i));
}

bool pome_installer_wait(pome_installer *i, int timeout_ms, struct pome_error *err)
{
    if (!api_task_has_begun(task_of(i)))
        return pome_fail(err, POME_ERROR_INVALID_STATE, "the installation was not started");
    return pome_task_wait(task_of(i), timeout_ms, err);
}

void pome_installer_free(pome_installer *i)
{
    pome_task_free(task_of(i));
}
