/*
 * stop_request.c - asking the guest to stop, by its power button, and what happens when it does not.
 *
 * The time that it is given is its own: it stands still while the machine is paused. Within it the button is pressed again and again: a press before
 * a program of the guest listens, while it boots, is heard by nobody, and whether somebody listens cannot be seen from here.
 */
#include "vm/life.h"

#define MS_NS    UINT64_C(1000000)
#define AGAIN_NS (10 * MS_NS)
#define PRESS_NS (2000 * MS_NS)

static void arm(struct vm *vm, uint64_t ns)
{
    struct stop_watch *w = &vm->stop_watch;
    w->armed = true;
    w->deadline_ns = loop_now_ns() + ns;
    loop_timer_set(vm->loop, &w->timer, w->deadline_ns);
}

/* On the loop. While a pause or resume is under way: looks again soon. */
static void expired(void *ctx)
{
    struct vm *vm = ctx;
    pthread_mutex_lock(&vm->lock);
    bool late = vm->stop_watch.armed && vm->state == POME_VM_RUNNING;
    bool force = late && vm->stop_watch.force;
    if (late) {
        vm->stop_watch.armed = false;
        tell(vm, POME_VM_EVENT_STOP_IGNORED, NULL);
    } else if (vm->stop_watch.armed) {
        arm(vm, AGAIN_NS);
    }
    pthread_mutex_unlock(&vm->lock);
    if (late)
        NOTE(vm, "boot", "the guest ignores the power button%s", force ? ": it is stopped" : "");
    if (force)
        vm_operate(vm, POME_VM_OP_STOP, NULL, NULL); /* refused when it stopped or was paused just now: so be it */
}

/* On the loop. */
static void press_again(void *ctx)
{
    struct vm *vm = ctx;
    struct stop_watch *w = &vm->stop_watch;
    pthread_mutex_lock(&vm->lock);
    bool now = w->armed && vm->state == POME_VM_RUNNING;
    if (w->armed)
        loop_timer_set(vm->loop, &w->press, loop_now_ns() + PRESS_NS);
    pthread_mutex_unlock(&vm->lock);
    if (now)
        machine_power_button(vm->machine);
}

void stop_watch_init(struct vm *vm)
{
    vm->stop_watch.press = (struct loop_timer){.fn = press_again, .ctx = vm};
    vm->stop_watch.timer = (struct loop_timer){.fn = expired, .ctx = vm};
}

void stop_watch_freeze(struct vm *vm)
{
    struct stop_watch *w = &vm->stop_watch;
    pthread_mutex_lock(&vm->lock);
    uint64_t now = loop_now_ns();
    w->left_ns = w->deadline_ns > now ? w->deadline_ns - now : 0;
    loop_timer_cancel(vm->loop, &w->timer);
    pthread_mutex_unlock(&vm->lock);
}

void stop_watch_thaw(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    if (vm->stop_watch.armed)
        arm(vm, vm->stop_watch.left_ns);
    pthread_mutex_unlock(&vm->lock);
}

void stop_watch_end(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->stop_watch.armed = false;
    loop_timer_cancel(vm->loop, &vm->stop_watch.timer);
    loop_timer_cancel(vm->loop, &vm->stop_watch.press);
    pthread_mutex_unlock(&vm->lock);
}

bool vm_request_stop(struct vm *vm, unsigned timeout_ms, bool force, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    bool ok = vm_op_check(POME_VM_OP_REQUEST_STOP, vm->state, err);
    if (ok && timeout_ms) {
        vm->stop_watch.force = force;
        arm(vm, timeout_ms * MS_NS);
        loop_timer_set(vm->loop, &vm->stop_watch.press, loop_now_ns() + PRESS_NS);
    }
    pthread_mutex_unlock(&vm->lock);
    if (!ok)
        return false;
    NOTE(vm, "boot", "power button pressed");
    machine_power_button(vm->machine);
    return true;
}
