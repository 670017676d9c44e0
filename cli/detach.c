/* detach.c - goes on in the background. daemon(7). */
#include "cli/detach.h"

#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int report_fd = -1;

void detach_close_inherited(void)
{
    close_range(STDERR_FILENO + 1, ~0U, 0);
}

static bool fail(struct pome_error *err, const char *what)
{
    *err = (struct pome_error){.code = POME_ERROR_IO, .os_errno = errno};
    snprintf(err->message, sizeof err->message, "%s: %s", what, strerror(errno));
    return false;
}

/* What the user waits for. Ends with the status that comes through the pipe. */
static void wait_for_report(int fd, pid_t child)
{
    unsigned char status;
    ssize_t n;
    do
        n = read(fd, &status, 1);
    while (n < 0 && errno == EINTR);
    waitpid(child, NULL, 0);
    if (n != 1) {
        fputs("pome start: the machine's process died before the machine ran\n  do:  see \"pome log show NAME --last boot\"\n", stderr);
        _exit(CLI_FAILED);
    }
    _exit(status);
}

static void redirect(int fd, int flags)
{
    int null = open("/dev/null", flags | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, fd);
        close(null);
    }
}

bool detach_begin(struct pome_error *err)
{
    int p[2];
    fflush(NULL);
    if (pipe2(p, O_CLOEXEC))
        return fail(err, "pipe");
    pid_t child = fork();
    if (child < 0)
        return fail(err, "fork");
    if (child) {
        close(p[1]);
        wait_for_report(p[0], child);
    }
    close(p[0]);
    report_fd = p[1];
    setsid();
    pid_t own = fork(); /* no leader of a session: it can never get a terminal */
    if (own > 0)
        _exit(0);
    if (own < 0)
        return fail(err, "fork");
    redirect(STDIN_FILENO, O_RDONLY);
    return true;
}

static bool report(unsigned char status)
{
    int fd = report_fd;
    fflush(NULL);
    report_fd = -1;
    if (fd < 0)
        return true;
    bool heard = write(fd, &status, 1) == 1;
    close(fd);
    return heard;
}

bool detach_ready(void)
{
    if (report_fd < 0)
        return true;
    fflush(NULL);
    redirect(STDOUT_FILENO, O_WRONLY);
    redirect(STDERR_FILENO, O_WRONLY);
    return !chdir("/") && report(0); /* only now: paths may be relative */
}

void detach_failed(int status)
{
    report((unsigned char)status);
}
