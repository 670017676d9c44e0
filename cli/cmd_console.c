/* cmd_console.c - pome console: the console of a machine that runs in another process, on this terminal. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/running.h"
#include "cli/terminal.h"

#include <pome/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

command_run cmd_console;

enum { PIECE = 16384 };

struct attached {
    const char *name;
    struct terminal terminal;
    int fd;
    bool closed; /* standard input has ended */
};

static bool write_all(const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(STDOUT_FILENO, bytes, n);
        if (done < 0 && errno != EINTR)
            return false;
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

static void power_button(const char *name)
{
    struct pome_error err = {0};
    pome_control *c = pome_control_connect(name, &err);
    if (!c || !pome_control_request_stop(c, NULL, &err))
        fprintf(stderr, "\r\npome: the power button: %s\r\n", err.message);
    pome_control_free(c);
}

/* One round; false: it is over. */
static bool serve(struct attached *a, bool *left)
{
    char bytes[PIECE];
    struct terminal *t = &a->terminal;
    struct pollfd p[3] = {
        {.fd = a->fd, .events = (short)(POLLIN | (terminal_waits(t) ? POLLOUT : 0))},
        {.fd = terminal_signal_fd(), .events = POLLIN},
        {.fd = a->closed || !terminal_reads(t) ? -1 : t->in_fd, .events = POLLIN},
    };
    if (poll(p, 3, -1) < 0 && errno != EINTR)
        return false;
    if (terminal_signal())
        return false;
    if (p[0].revents & POLLOUT)
        terminal_write(t);
    if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        ssize_t n = recv(a->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (!n || (n < 0 && errno != EAGAIN && errno != EINTR) || (n > 0 && !write_all(bytes, (size_t)n)))
            return false;
    }
    if (!p[2].revents)
        return true;
    switch (terminal_read(t)) {
    case TERMINAL_EXIT: *left = true; return false;
    case TERMINAL_POWER: power_button(a->name); return true;
    case TERMINAL_CLOSED: a->closed = true; return true;
    case TERMINAL_SAVE: fputs("\r\npome: a machine is saved from the terminal that started it\r\n", stderr); return true;
    case TERMINAL_NONE:
    case TERMINAL_HELP: return true;
    }
    return true;
}

static int attach(struct attached *a, unsigned others, bool read_only)
{
    bool left = false;
    if (a->terminal.is_tty)
        fprintf(stderr, "The console of \"%s\"%s. Ctrl-A x leaves it, the machine goes on; Ctrl-A ? helps.\r\n", a->name, read_only ? ", to look at only" : "");
    if (others)
        fprintf(stderr, "%u other%s attached: all see the same%s.\r\n", others, others == 1 ? " is" : "s are", read_only ? "" : ", and all may type");
    while (serve(a, &left))
        ;
    terminal_close(&a->terminal);
    if (terminal_signal())
        return 128 + terminal_signal();
    if (!left)
        cli_note("%sThe console has ended.", a->terminal.is_tty ? "\n" : "");
    return CLI_OK;
}

static int connect_port(const char *name, const char *port, struct pome_error *err)
{
    pome_bundle *b = pome_bundle_open(name, err);
    int fd = b ? pome_bundle_port_connect(b, port, err) : -1;
    pome_bundle_free(b);
    return fd;
}

int cmd_console(int argc, char **argv)
{
    struct attached a = {0};
    bool read_only = false;
    const char *port = NULL;
    uint64_t recent = 8192;
    const struct cli_option options[] = {
        {"read-only", 'r', CLI_FLAG, &read_only, NULL, "look only: nothing that is typed reaches the guest", 0, 0},
        {"port", 'p', CLI_TEXT, &port, "PORT", "a serial or console port instead (hvc0, or a name of consolePorts): the stream itself, one at a time", 0, 0},
        {"recent", 0, CLI_SIZE, &recent, "SIZE", "how much of what it said before is shown (8KiB, at most 256KiB)", 0, 262144},
        {0},
    };
    struct pome_error err = {0};
    unsigned others = 0;
    int status = cli_options(argc, argv, options, 1, 1, &a.name);
    if (status != CLI_GO_ON)
        return status;
    pome_control *c = running_connect(a.name, "show the console of", &status);
    if (!c)
        return status;
    a.fd = port ? connect_port(a.name, port, &err) : pome_control_console(c, read_only, recent, &others, &err);
    if (a.fd < 0)
        status = cli_fail(&err, running_hint(&err), "cannot show the console of \"%s\"", a.name);
    else if (!terminal_open_on(&a.terminal, a.fd, &err))
        status = cli_fail(&err, NULL, "cannot set up the terminal");
    else
        status = attach(&a, others, read_only);
    pome_control_free(c);
    return status;
}
