/* kit.c - see kit.h. */
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

struct pome_error err;

static void on_event(void *user, pome_vm *vm, const struct pome_vm_event *e)
{
    struct kit *k = user;
    k->events[e->kind] += e->kind == POME_VM_EVENT_GUEST_RESET ? e->count : 1;
    if (e->kind == POME_VM_EVENT_STATE) {
        k->order_errors += e->before != k->last_state;
        k->last_state = e->state;
    }
    if (e->error)
        k->last_error = *e->error;
}

void kit_open(struct kit *k, const char *kernel, bool stops_at_reset)
{
    int in[2], out[2];
    *k = (struct kit){0};
    CHECK(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
    k->to_guest = in[1];
    k->from_guest = out[0];
    k->guest_ends[0] = in[0];
    k->guest_ends[1] = out[1];
    fcntl(k->from_guest, F_SETFL, O_NONBLOCK);
    pome_config *c = pome_config_new();
    CHECK(c && pome_config_set_linux_boot(c, kernel, NULL, NULL, &err) && pome_config_set_translation_cache(c, "off", &err));
    pome_config_set_memory_size(c, UINT64_C(128) << 20);
    pome_config_set_console(c, in[0], out[1]);
    pome_config_set_stops_at_reset(c, stops_at_reset);
    CHECK((k->vm = pome_vm_new(c, &err)));
    pome_config_free(c);
    CHECK(pome_vm_subscribe(k->vm, on_event, k, &err));
}

void kit_close(struct kit *k)
{
    CHECK(!k->order_errors);
    pome_vm_free(k->vm);
    close(k->to_guest);
    close(k->from_guest);
    close(k->guest_ends[0]);
    close(k->guest_ends[1]);
}

void kit_start(struct kit *k)
{
    CHECK(pome_vm_start_wait(k->vm, LONG_MS, &err));
    kit_expect(k, "READY", NULL);
}

void kit_type(struct kit *k, const char *text)
{
    CHECK(write(k->to_guest, text, strlen(text)) == (ssize_t)strlen(text));
}

/* One round of the loop that every application has. */
static void turn(struct kit *k)
{
    struct pollfd p[2] = {{.fd = pome_vm_fd(k->vm), .events = POLLIN}, {.fd = k->from_guest, .events = POLLIN}};
    int n = poll(p, 2, LONG_MS);
    CHECK(n > 0 || (n < 0 && errno == EINTR));
    pome_vm_dispatch(k->vm);
    ssize_t got = read(k->from_guest, k->said + k->n_said, sizeof k->said - 1 - k->n_said);
    if (got > 0)
        k->n_said += (size_t)got;
    k->said[k->n_said] = 0;
}

void kit_expect(struct kit *k, const char *text, char rest[64])
{
    char *at, *end;
    while (!(at = strstr(k->said, text)) || !(end = strchr(at, '\n')))
        turn(k);
    at += strlen(text);
    if (rest)
        snprintf(rest, 64, "%.*s", (int)(end - at), at);
    k->n_said -= (size_t)(end + 1 - k->said);
    memmove(k->said, end + 1, k->n_said + 1);
}

void kit_until_event(struct kit *k, enum pome_vm_event_kind kind, unsigned count)
{
    while (k->events[kind] < count)
        turn(k);
}

void kit_until_state(struct kit *k, enum pome_vm_state state)
{
    while (k->last_state != state)
        turn(k);
}

void kit_done(void *outcome, const struct pome_error *e)
{
    struct outcome *o = outcome;
    if (!e) {
        o->ok++;
    } else {
        o->failed++;
        o->error = *e;
    }
}
