/*
 * pome/task.h - long calls on bundles and images, in the background, for programs with a loop of their own.
 *
 * Each row of POME_TASKS is one such call. A task carries it out on a thread of the library; the program polls the task's descriptor and dispatches: reports of
 * progress, findings and the end are told then, on the program's thread, never elsewhere. The calls of these names do the same and wait.
 */
#ifndef POME_TASK_H
#define POME_TASK_H

#include <pome/bundle.h>
#include <pome/download.h>
#include <pome/image.h>
#include <pome/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* T(name, number, the call that waits, what it needs of struct pome_task_options; [in brackets]: may be left out) */
#define POME_TASKS(T)                                                                                                                 \
    T(INSTALL, 1, pome_install, "bundle, image, [replace]")                                                                           \
    T(BUNDLE_CLONE, 2, pome_bundle_clone, "bundle, name; gives a bundle")                                                             \
    T(BUNDLE_MOVE, 3, pome_bundle_move, "bundle, name")                                                                               \
    T(BUNDLE_EXPORT, 4, pome_bundle_export, "bundle, path, [replace]")                                                                \
    T(BUNDLE_IMPORT, 5, pome_bundle_import, "path, [name]; gives a bundle")                                                           \
    T(BUNDLE_CHECK, 6, pome_bundle_check, "name; tells findings")                                                                     \
    T(BUNDLE_REPAIR, 7, pome_bundle_repair, "name; tells findings")                                                                   \
    T(BUNDLE_DISK_RESIZE, 8, pome_bundle_disk_resize, "bundle, bytes")                                                                \
    T(SNAPSHOT_CREATE, 9, pome_snapshot_create, "bundle, snapshot")                                                                   \
    T(SNAPSHOT_RESTORE, 10, pome_snapshot_restore, "bundle, snapshot")                                                                \
    T(SNAPSHOT_DELETE, 11, pome_snapshot_delete, "bundle, snapshot")                                                                  \
    T(SNAPSHOT_CLONE, 12, pome_snapshot_clone, "bundle, snapshot, name; gives a bundle")                                              \
    T(SNAPSHOT_CLONE_WARM, 13, pome_snapshot_clone_warm, "bundle, snapshot, name; gives a bundle")                                    \
    T(IMAGE_LOAD, 14, pome_restore_image_load, "path; gives an image")                                                                \
    T(IMAGE_VERIFY, 15, pome_restore_image_verify, "image")                                                                           \
    T(IMAGE_EXTRACT, 16, pome_restore_image_extract, "image, name, path, [inside]")                                                   \
    T(IMAGE_BUILD, 17, pome_image_build, "build")                                                                                     \
    T(DOWNLOAD, 18, pome_download, "download")                                                                                        \
    T(CATALOGUE_FETCH, 19, pome_catalogue_fetch, "[path]: the URL; gives a catalogue")                                                \
    T(FILE_VERIFY, 20, pome_file_verify, "path")                                                                                      \
    T(FILE_EXTRACT, 21, pome_file_extract, "path, name: the file to write")

#define POME_TASK_ENUM(name, number, call, needs) POME_TASK_##name = number,
enum pome_task_kind { POME_TASKS(POME_TASK_ENUM) };

struct pome_task_options {
    size_t size;                /* of this struct: POME_TASK_OPTIONS_INIT */
    enum pome_task_kind kind;
    pome_bundle *bundle;        /* borrowed, and not to be used for anything else until the task is over; the image and the two below likewise */
    pome_restore_image *image;
    const char *name, *path, *snapshot; /* copied */
    uint64_t bytes;
    bool replace, inside;
    const struct pome_image_build_options *build;
    const struct pome_download_options *download;
};
#define POME_TASK_OPTIONS_INIT {sizeof(struct pome_task_options), POME_TASK_INSTALL, NULL, NULL, NULL, NULL, NULL, 0, false, false, NULL, NULL}

typedef struct pome_task pome_task;

/* Begins. progress (its answer false cancels), finding and done are called by pome_task_dispatch(), each may be NULL; of several reports of progress that wait the
 * last one is told. done is called exactly once. What a call checks about its arguments is told by done, too.
 * Owner:  the caller, who ends it with pome_task_free(). Errors: INVALID_CONFIGURATION (a kind that there is not; what the row needs is missing), OUT_OF_MEMORY.
 * Like:   Apple's calls with a completionHandler, and Progress.   Since: 0.2. */
POME_API pome_task *pome_task_start(const struct pome_task_options *options, pome_progress_fn *progress, pome_finding_fn *finding, pome_done *done,
                                    void *user, struct pome_error *err);

/* Cancels what is under way, waits for it, calls the completion if it is due, frees; what the task made and was not taken is closed. NULL is fine. Not from within
 * its own functions.   Since: 0.2. */
POME_API void pome_task_free(pome_task *task);

/* Asks for cancellation; the completion then says OPERATION_CANCELLED, unless it was over already or is a call that cannot be cancelled (CHECK, REPAIR, LOAD,
 * CATALOGUE_FETCH: they end by themselves). Any thread.   Since: 0.2. */
POME_API void pome_task_cancel(pome_task *task);

/* A descriptor that is readable when pome_task_dispatch() has something to do. Borrowed; do not read it.   Since: 0.2. */
POME_API int pome_task_fd(const pome_task *task);

/* Calls what is due; true once the task is over.   Since: 0.2. */
POME_API bool pome_task_dispatch(pome_task *task);

/* Dispatches until it is over, and gives its result. timeout_ms -1: for ever. Errors: those of the completion, TIMED_OUT (it goes on).   Since: 0.2. */
POME_API bool pome_task_wait(pome_task *task, int timeout_ms, struct pome_error *err);

/* What a task that is over has made; the caller's from then on, NULL: nothing, or taken already.   Since: 0.2. */
POME_API pome_bundle *pome_task_take_bundle(pome_task *task);
POME_API pome_restore_image *pome_task_take_image(pome_task *task);
POME_API pome_catalogue *pome_task_take_catalogue(pome_task *task);

/* How files were copied (clone, move, snapshots). State: over.   Since: 0.2. */
POME_API void pome_task_copy_result(const pome_task *task, struct pome_copy_result *result);

/* What the row says of a kind: its call ("pome_bundle_clone") and what it needs. NULL: there is no such kind. Static storage.   Since: 0.2. */
POME_API const char *pome_task_kind_call(enum pome_task_kind kind);
POME_API const char *pome_task_kind_needs(enum pome_task_kind kind);

#ifdef __cplusplus
}
#endif
#endif
