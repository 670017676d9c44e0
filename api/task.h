/* task.h - inside api/: a task that begins later. */
#ifndef API_TASK_H
#define API_TASK_H

#include <pome/task.h>

/* As pome_task_start(), which is both. A task that was not begun is freed as any other; its descriptor is there and never readable. */
pome_task *api_task_new(const struct pome_task_options *options, struct pome_error *err);
bool api_task_begin(pome_task *t, pome_progress_fn *progress, pome_finding_fn *finding, pome_done *done, void *user, struct pome_error *err);
bool api_task_has_begun(const pome_task *t);

#endif
