/* ports.c - the ports of the machine's console device, and the host's ends of them (peripherals.h). */
#include "machine/board.h"

#include "base/error.h"
#include "dev/virtio_console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { LAST_WORDS_MS = 500 };

static bool open_file(struct machine_ports *ps, const struct machine_port *p, int *fd, struct pome_error *err)
{
    *fd = p->out_fd;
    if (!p->file)
        return true;
    *fd = open(p->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600); /* a pipe that nobody reads is no reason to wait */
    if (*fd < 0)
        return pome_fail_errno(err, "%s", p->file);
    ps->file[ps->n_files++] = *fd;
    return true;
}

static bool open_port(struct machine *m, const struct machine_port *p, struct pome_error *err)
{
    struct machine_ports *ps = &m->ports;
    struct console_options o = { .in_fd = p->in_fd, .socket = p->socket, .tap = p->tap, .tap_ctx = p->ctx };
    if (p->name && (!p->name[0] || strlen(p->name) > VIRTIO_CONSOLE_NAME_MAX))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the name \"%.60s\": 1 to %d bytes are possible", p->name, VIRTIO_CONSOLE_NAME_MAX);
    if (!open_file(ps, p, &o.out_fd, err) || !(ps->console[ps->n] = console_create(m->config.loop, &o, err)))
        return false;
    ps->source[ps->n].unfinished = p->unfinished;
    ps->source[ps->n].tap = p->tap;
    ps->source[ps->n].ctx = p->ctx;
    ps->n++;
    return true;
}

bool machine_plug_ports(struct machine *m, unsigned slot, const struct machine_port *ports, size_t n, struct pome_error *err)
{
    struct virtio_console_port p[MACHINE_MAX_PORTS];
    if (n > MACHINE_MAX_PORTS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "console ports: found %zu, at most %d", n, MACHINE_MAX_PORTS);
    for (size_t i = 0; i < n; i++) {
        if (!open_port(m, &ports[i], err))
            return pome_fail_context(err, "console port %zu", i);
        p[i] = (struct virtio_console_port){ m->ports.console[i], ports[i].name, ports[i].terminal };
    }
    return !n || machine_plug(m, slot, virtio_console_create(&m->bus, p, n), err);
}

void machine_close_ports(struct machine *m)
{
    for (size_t i = 0; i < m->ports.n; i++)
        console_destroy(m->ports.console[i], LAST_WORDS_MS);
    for (size_t i = 0; i < m->ports.n_files; i++)
        close(m->ports.file[i]);
}

void machine_flush_ports(struct machine *m, unsigned timeout_ms)
{
    uint64_t end = loop_now_ns() + timeout_ms * UINT64_C(1000000);
    for (size_t i = 0; i < m->ports.n; i++) {
        uint64_t now = loop_now_ns();
        console_flush(m->ports.console[i], now < end ? (unsigned)((end - now) / 1000000) : 0);
    }
}

static struct console *console_of(const struct machine *m, size_t i, char name[40])
{
    if (i == 0) {
        strcpy(name, "serial port");
        return m->config.console;
    }
    snprintf(name, 40, "console port %zu", i - 1);
    return m->ports.console[i - 1];
}

void machine_hold_consoles(struct machine *m, bool held)
{
    char name[40];
    for (size_t i = 0; i <= m->ports.n; i++)
        if (console_of(m, i, name))
            console_hold(console_of(m, i, name), held);
}

void machine_save_consoles(struct machine *m, struct records *out)
{
    char name[40];
    uint8_t bytes[MAX(CONSOLE_IN_BYTES, MACHINE_UNFINISHED_MAX)];
    machine_flush_ports(m, LAST_WORDS_MS);
    for (size_t i = 0; i <= m->ports.n; i++) {
        struct console *c = console_of(m, i, name);
        if (c)
            records_put(out, name, bytes, console_pending(c, bytes));
    }
    for (size_t i = 0; i < m->ports.n; i++) {
        const struct port_source *s = &m->ports.source[i];
        snprintf(name, sizeof name, "console port %zu, unfinished", i);
        if (s->unfinished)
            records_put(out, name, bytes, s->unfinished(s->ctx, bytes));
    }
}

bool machine_load_consoles(struct machine *m, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    char name[40];
    struct record r;
    for (size_t i = 0; i <= m->ports.n; i++) {
        struct console *c = console_of(m, i, name);
        if (c && records_find(bytes, n, name, &r) && console_type(c, r.bytes, r.n) != r.n)
            return pome_fail(err, POME_ERROR_RESTORE, "%s: more input than it holds", name);
    }
    for (size_t i = 0; i < m->ports.n; i++) {
        const struct port_source *s = &m->ports.source[i];
        snprintf(name, sizeof name, "console port %zu, unfinished", i);
        if (s->unfinished && records_find(bytes, n, name, &r))
            s->tap(s->ctx, r.bytes, r.n);
    }
    return true;
}
