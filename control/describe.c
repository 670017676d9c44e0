/* describe.c - a machine, a time, an error as JSON. */
#include "control/route.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool state_from_name(const char *name, enum pome_vm_state *state)
{
    for (unsigned i = 0; name && i < POME_VM_STATE_COUNT; i++)
        if (!strcmp(name, pome_vm_state_name((enum pome_vm_state)i))) {
            *state = (enum pome_vm_state)i;
            return true;
        }
    return false;
}

bool reason_from_name(const char *name, enum pome_stop_reason *reason)
{
    for (unsigned i = 0; name && i <= POME_STOP_ERROR; i++)
        if (!strcmp(name, pome_stop_reason_name((enum pome_stop_reason)i))) {
            *reason = (enum pome_stop_reason)i;
            return true;
        }
    return false;
}

json_t *describe_time(int64_t ns)
{
    char date[32], text[64];
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%06dZ", date, (int)(ns / 1000 % 1000000));
    return json_string(text);
}

/* Texts with a guest's bytes in them may be no UTF-8. */
static json_t *text(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    char plain[256];
    size_t n = 0;
    for (; s[n] && n + 1 < sizeof plain; n++)
        plain[n] = (unsigned char)s[n] < 0x80 ? s[n] : '?';
    plain[n] = 0;
    return json_string(plain);
}

json_t *describe_error(const struct pome_error *err)
{
    return json_pack("{s:s,s:i,s:o}", "code", pome_error_name(err->code), "number", err->code, "message",
                     text(err->message[0] ? err->message : pome_error_meaning(err->code)));
}

static int64_t realtime_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void add_bundle(json_t *o, const pome_bundle *b)
{
    char generation[POME_GENERATION_BYTES];
    json_object_set_new(o, "name", text(pome_bundle_name(b)));
    json_object_set_new(o, "path", text(pome_bundle_path(b)));
    json_object_set_new(o, "cpu_count", json_integer(pome_bundle_cpu_count(b)));
    json_object_set_new(o, "memory_bytes", json_integer((json_int_t)pome_bundle_memory_size(b)));
    if (pome_bundle_config_generation(b, generation, NULL))
        json_object_set_new(o, "generation", json_string(generation));
}

json_t *describe_machine(const struct control_server *s)
{
    int64_t now = realtime_ns();
    enum pome_stop_reason reason = s->vm ? pome_vm_stop_reason(s->vm) : POME_STOP_NONE;
    json_t *o = json_pack("{s:s,s:s,s:i,s:o,s:I,s:o,s:I,s:i}", "state", pome_vm_state_name(s->vm ? pome_vm_state(s->vm) : POME_VM_STOPPED), "stop_reason",
                          pome_stop_reason_name(reason), "pid", (int)getpid(), "time", describe_time(now), "time_ns", (json_int_t)now, "started",
                          describe_time(s->started_ns), "started_ns", (json_int_t)s->started_ns, "viewers", (int)connections_viewing(s));
    if (s->bundle)
        add_bundle(o, s->bundle);
    if (reason == POME_STOP_GUEST_PANIC || reason == POME_STOP_ERROR)
        json_object_set_new(o, "error", describe_error(pome_vm_error(s->vm)));
    return o;
}
