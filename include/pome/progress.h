/* pome/progress.h - how long calls tell where they are, and how they are cancelled. */
#ifndef POME_PROGRESS_H
#define POME_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One report. Valid only during the call; `step` is static or borrowed text for people ("Writing the OS image"). */
struct pome_progress {
    const char *step;
    uint32_t step_number; /* 1..step_count */
    uint32_t step_count;
    uint64_t done;     /* bytes of this step that are finished */
    uint64_t total;    /* bytes of this step; 0 when it is not known or the step is not counted in bytes */
    double fraction;   /* of the whole operation, 0..1; never goes back */
};

/* Called on the thread of the long call, at most every few milliseconds and once at each step's begin and end.
 * Returning false asks for cancellation: the call undoes what it began and fails with OPERATION_CANCELLED. */
typedef bool pome_progress_fn(void *user, const struct pome_progress *progress);

#ifdef __cplusplus
}
#endif
#endif
