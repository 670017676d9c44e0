/* life.h - the inside of a machine that lives: shared by the files of vm/ only. */
#ifndef VM_LIFE_H
#define VM_LIFE_H

#include "backend/console.h"
#include "vm/panic_watch.h"
#include "vm/vm.h"

#include <pthread.h>

struct told { /* an event in the queue */
    struct vm_event e;
    struct told *next;
};

/* The operation under way: at most one, because no state during an operation allows another. */
struct operation {
    bool active, taken; /* taken: by the operations' thread */
    enum pome_vm_operation op;
    struct vm_work work;
    struct told *completion; /* NULL: nobody wants to know */
    unsigned number;         /* of all so far */
    bool ok;                 /* of the last one */
    struct pome_error error;
};

/* Devices stand still: the loop's thread sits in a task until it is let go. */
struct standstill {
    struct loop_task task;
    bool wanted, reached; /* under vm->lock */
};

/* A guest that was asked to stop. */
struct stop_watch {
    struct loop_timer timer, press;
    bool armed, force;
    uint64_t deadline_ns;
    uint64_t left_ns; /* while frozen */
};

/* A console of the guest: what it says is logged, and watched for its last words. */
struct guest_console {
    struct vm *vm;
    enum log_console number;
    struct panic_watch watch;
};

struct vm {
    struct vm_config config;
    char *recovery_image, *recovery_log; /* config's, our own; NULL: Recovery has them, or there is nothing */
    struct machine_kernel kernel_boot; /* its texts are our own; no kernel_path: nothing is loaded */
    struct loop *loop;
    struct console *console;
    struct machine *machine;
    struct cpu_set *cpus;
    struct guest_console consoles[LOG_CONSOLES];
    struct standstill standstill;
    int event_fd;

    /* Of the operations' thread, and of vm_shutdown after it. */
    pthread_t loop_thread, supervisor, operator;
    bool has_operator, has_threads; /* the other two */
    bool ran;                       /* machine and vCPUs are not as they were created */
    bool frozen;
    uint64_t frozen_at_ns;
    bool renews, renewing; /* the guest is to be told who it is (renew.h); somebody does */
    pthread_t renewer;

    struct told *beside_completion;
    struct vm_work beside; /* work that goes on beside the guest (beside.c) */
    pthread_t beside_thread;
    bool has_beside; /* the thread is to be joined */
    bool beside_over; /* under vm->lock */

    pthread_mutex_t boots_lock; /* held by whoever must not meet the other: supervisor between two boots, a freeze */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    enum pome_vm_state state;
    enum pome_stop_reason reason;
    struct pome_error error;
    struct operation op;
    struct told *first, *last; /* events not taken yet */
    struct stop_watch stop_watch;
    bool kill;          /* the guest is to end: STOP */
    bool closing;       /* everything is to end; never taken back */
    bool reset_wanted;  /* reset button */
    bool restored;      /* the next boot goes on where the save left off */
    bool panicked;
    bool memory_lost;   /* of a restored machine: error says what */
    bool running, over; /* the first boot has begun; the last has ended and reason is known */
    unsigned boots;     /* since the start */
    char fault[240];    /* what the host failed to do last */
    int64_t fault_ns;   /* when that was told */
};

static const char vm_subsystem[] = "org.pome.machine";
#define NOTE(vm, category, ...) log_host((vm)->config.log, vm_subsystem, category, LOG_LEVEL_DEFAULT, __VA_ARGS__)

bool vm_killed(struct vm *vm);

/* board.c: what the board and the vCPUs tell, and the wires between the two. */
void board_panicked(void *ctx, const char *what);
void board_starting(void *ctx, bool recovery);
void board_note(void *ctx, const char *category, const char *text);
void board_fault(void *ctx, const char *text);
void forget_last_words(struct vm *vm); /* before the next boot */
void board_output(void *guest_console, const uint8_t *bytes, size_t n);
void board_journal(void *ctx, const uint8_t *bytes, size_t n);
size_t board_journal_unfinished(void *ctx, uint8_t *bytes);
void board_set_irq(void *ctx, unsigned cpu, bool level);
void board_set_fiq(void *ctx, unsigned cpu, bool level);

/* events.c. tell_* with vm->lock held. */
void tell_state(struct vm *vm, enum pome_vm_state state); /* sets it too */
void tell_stopped(struct vm *vm);
void tell(struct vm *vm, enum pome_vm_event_kind kind, const struct pome_error *err);
void tell_completion(struct vm *vm, struct told *completion, const struct pome_error *err);
void events_free(struct vm *vm);

/* supervisor.c */
void *supervisor_main(void *vm);

/* freeze.c: the operations' thread only. */
void standstill_init(struct vm *vm);
bool freeze(struct vm *vm, struct pome_error *err);
void freeze_loop(struct vm *vm);         /* a part of it: no device function is entered from the loop until thaw */
void thaw(struct vm *vm, bool takes_requests);

/* stop_request.c */
void stop_watch_init(struct vm *vm);
void stop_watch_freeze(struct vm *vm);
void stop_watch_thaw(struct vm *vm);
void stop_watch_end(struct vm *vm); /* no guest runs any more */

/* beside.c */
void beside_end(struct vm *vm); /* waits for it */

/* operate.c */
void *operator_main(void *vm);
void threads_join(struct vm *vm);

#endif
