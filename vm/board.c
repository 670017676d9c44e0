/*
 * board.c - what the board tells the life of its machine, and the interrupt wires to the vCPUs. The board exists before the
 * vCPUs do, so its interrupt port goes through two small functions here.
 */
#include "vm/life.h"

#include "base/error.h"
#include "vm/recovery_disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_AGAIN_NS INT64_C(10000000000)

/* From a pvpanic device, or from a console: the guest printed its last words and has been silent since. Who tells first is heard. */
void board_panicked(void *ctx, const char *what)
{
    struct vm *vm = ctx;
    pthread_mutex_lock(&vm->lock);
    bool first = !vm->panicked;
    if (first) {
        vm->panicked = true;
        pome_fail(&vm->error, POME_ERROR_GUEST_CRASHED, "the guest's kernel reports: %s", what);
        tell(vm, POME_VM_EVENT_GUEST_PANIC, &vm->error);
    }
    pthread_mutex_unlock(&vm->lock);
    if (first)
        log_host(vm->config.log, vm_subsystem, "guest", LOG_LEVEL_FAULT, "the guest reports: %s", what);
    cpu_set_stop(vm->cpus);
}

/* Once: they stay while the machine exists. The machine lock is held, and the guest waits at its register. */
void board_starting(void *ctx, bool recovery)
{
    struct vm *vm = ctx;
    struct recovery_disks more;
    struct pome_error err;
    NOTE(vm, "boot", "the firmware starts %s", recovery ? "Recovery" : "the system");
    if (!recovery || (!vm->recovery_image && !vm->recovery_log))
        return;
    recovery_disks_init(&more, vm->recovery_image, vm->recovery_log);
    for (size_t i = 0; i < more.n; i++)
        if (!machine_plug_disk(vm->machine, &more.disks[i], &err))
            NOTE(vm, "boot", "Recovery does not get the disk \"%s\": %s", more.disks[i].serial, err.message);
    recovery_disks_finish(&more);
    free(vm->recovery_image);
    free(vm->recovery_log);
    vm->recovery_image = vm->recovery_log = NULL;
}

void board_note(void *ctx, const char *category, const char *text)
{
    struct vm *vm = ctx;
    NOTE(vm, category, "%s", text);
}

/* The same one again is told every ten seconds, not for every block that a guest tries to write. */
void board_fault(void *ctx, const char *text)
{
    struct vm *vm = ctx;
    struct pome_error err;
    int64_t now = (int64_t)loop_now_ns();
    pthread_mutex_lock(&vm->lock);
    if (strcmp(vm->fault, text) != 0 || now - vm->fault_ns > FAULT_AGAIN_NS) {
        snprintf(vm->fault, sizeof vm->fault, "%s", text);
        vm->fault_ns = now;
        pome_fail(&err, POME_ERROR_IO, "%s", text);
        tell(vm, POME_VM_EVENT_FAULT, &err);
    }
    pthread_mutex_unlock(&vm->lock);
}

void forget_last_words(struct vm *vm)
{
    for (unsigned i = 0; i < LOG_CONSOLES; i++)
        panic_watch_reset(&vm->consoles[i].watch);
}

void board_output(void *guest_console, const uint8_t *bytes, size_t n)
{
    struct guest_console *c = guest_console;
    log_guest_console(c->vm->config.log, c->number, bytes, n);
    panic_watch_bytes(&c->watch, bytes, n);
}

void board_journal(void *ctx, const uint8_t *bytes, size_t n)
{
    struct vm *vm = ctx;
    log_guest_journal(vm->config.log, bytes, n);
}

size_t board_journal_unfinished(void *ctx, uint8_t *bytes)
{
    _Static_assert((int)LOG_JOURNAL_UNFINISHED_MAX <= (int)MACHINE_UNFINISHED_MAX, "see machine/peripherals.h");
    struct vm *vm = ctx;
    return log_guest_journal_unfinished(vm->config.log, bytes);
}

void board_set_irq(void *ctx, unsigned cpu, bool level)
{
    struct vm *vm = ctx;
    if (!vm->cpus)
        return; /* the board resets its lines before there are vCPUs */
    struct cpu_irq_port port = cpu_set_irq_port(vm->cpus);
    port.set_irq(port.ctx, cpu, level);
}

void board_set_fiq(void *ctx, unsigned cpu, bool level)
{
    struct vm *vm = ctx;
    if (!vm->cpus)
        return; /* the board resets its lines before there are vCPUs */
    struct cpu_irq_port port = cpu_set_irq_port(vm->cpus);
    port.set_fiq(port.ctx, cpu, level);
}
