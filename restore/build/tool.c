/*
 * tool.c - runs one program of a build.
 *
 * How it works: between us and the program stands a supervisor, a fork of us that does nothing but wait. It is the
 * "subreaper" of all that the program starts, so that daemons which leave their process group (fakeroot's) come back to it
 * when their parents die, and it ends them: when the program is done, when we ask with SIGTERM, and when we die.
 */
#include "restore/build/tool.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, POLL_MS = 200, GRACE_MS = 2000 };

bool tool_exists(const char *name)
{
    const char *path = getenv("PATH");
    char all[4096], file[4096];
    snprintf(all, sizeof all, "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
    for (char *save, *dir = strtok_r(all, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        snprintf(file, sizeof file, "%s/%s", dir, name);
        if (!access(file, X_OK))
            return true;
    }
    return false;
}

/* In the program's process, between fork and exec: only calls that are safe there. */
static _Noreturn void become(const struct tool *t, int output)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setpgid(0, 0);
    if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || chdir(t->directory))
        _exit(126);
    if (t->drop_rights && !geteuid() &&
        (setgroups(0, NULL) || setresgid(TOOL_NOBODY, TOOL_NOBODY, TOOL_NOBODY) ||
         setresuid(TOOL_NOBODY, TOOL_NOBODY, TOOL_NOBODY)))
        _exit(126);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    execvp(t->argv[0], (char *const *)t->argv);
    _exit(errno == ENOENT ? 127 : 126);
}

static volatile sig_atomic_t asked_to_end;

static void on_term(int signal_number)
{
    asked_to_end = 1;
}

static void rest_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* SIGKILL for each child that the kernel lists; their orphans become our children and are met in the next round. */
static void kill_children(void)
{
    char text[4096];
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    long pid = 0;
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            pid = pid * 10 + text[i] - '0';
        } else if (pid > 1) {
            kill((pid_t)pid, SIGKILL);
            pid = 0;
        }
    }
    if (fd >= 0)
        close(fd);
}

/* Waits for the program, which is asked and then made to end when we are; leaves nothing of it behind. */
static _Noreturn void supervise(pid_t program)
{
    int status = 0, result = 125;
    long waited_ms = 0;
    for (bool running = true; running;) {
        pid_t pid = waitpid(-1, &status, WNOHANG);
        running = pid != program && !(pid < 0 && errno == ECHILD);
        if (pid == program)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (pid)
            continue;
        if (asked_to_end && !waited_ms)
            kill(-program, SIGTERM);
        if (asked_to_end && (waited_ms += 20) > GRACE_MS)
            kill(-program, SIGKILL);
        rest_ms(20);
    }
    while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
        kill_children();
        rest_ms(1);
    }
    _exit(result);
}

/* In the supervisor, after fork. */
static _Noreturn void supervisor(const struct tool *t, int output, pid_t parent)
{
    struct sigaction term = {.sa_handler = on_term};
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        signal(s, s == SIGINT || s == SIGHUP ? SIG_IGN : SIG_DFL); /* Ctrl-C reaches us all: the caller decides */
    sigaction(SIGTERM, &term, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != parent)
        _exit(125);
    sigemptyset(&none);
    pid_t program = fork();
    if (!program) {
        for (int s = 1; s < NSIG; s++)
            signal(s, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        for (const char *const *e = t->environment; e && *e; e++)
            putenv((char *)(uintptr_t)*e);
        become(t, output);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(output);
    if (program < 0)
        _exit(125);
    supervise(program);
}

static pid_t start(const struct tool *t, int *output, struct pome_error *err)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC)) {
        pome_fail_errno(err, "pipe");
        return -1;
    }
    sigset_t all, old;
    pid_t parent = getpid();
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid_t pid = fork();
    if (!pid)
        supervisor(t, p[1], parent);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(p[1]);
    if (pid < 0) {
        pome_fail_errno(err, "cannot start %s", t->argv[0]);
        close(p[0]);
        return -1;
    }
    *output = p[0];
    return pid;
}

struct lines {
    char text[LINE_MAX_BYTES], last[160], reason[200];
    size_t n;
};

/* Hands a complete line on; carriage returns and control characters are not for people's terminals. */
static bool end_line(const struct tool *t, struct lines *l)
{
    l->text[l->n] = 0;
    for (char *c = l->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    l->n = 0;
    if (!*l->text)
        return true;
    fprintf(t->log, "%s\n", l->text);
    snprintf(l->last, sizeof l->last, "%.150s", l->text);
    if (!strncmp(l->text, "!! ", 3))
        snprintf(l->reason, sizeof l->reason, "%.190s", l->text + 3);
    return t->line(t->user, l->text);
}

/* Reads until the program closes its output. False: cancelled. */
static bool follow(const struct tool *t, int output, struct lines *l)
{
    char block[4096];
    for (;;) {
        struct pollfd p = {.fd = output, .events = POLLIN};
        int ready = poll(&p, 1, POLL_MS);
        if (ready <= 0) {
            if (!t->line(t->user, NULL))
                return false;
            continue;
        }
        ssize_t n = read(output, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return !l->n || end_line(t, l);
        for (ssize_t i = 0; i < n; i++) {
            if (block[i] == '\n' || block[i] == '\r' || l->n == sizeof l->text - 1) {
                if (!end_line(t, l))
                    return false;
                if (block[i] == '\n' || block[i] == '\r')
                    continue;
            }
            l->text[l->n++] = block[i];
        }
    }
}

bool tool_run(const struct tool *t, struct pome_error *err)
{
    struct lines l = {.n = 0};
    int output = -1, status = 0;
    pid_t pid = start(t, &output, err);
    if (pid < 0)
        return false;
    bool going = follow(t, output, &l);
    if (!going)
        kill(pid, SIGTERM);
    close(output);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    fflush(t->log);
    if (!going)
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && !*l.last)
        return pome_fail(err, POME_ERROR_MISSING_PROGRAM, "the program %s is not installed", t->argv[0]);
    const char *text = *l.reason ? l.reason : *l.last ? l.last : "it said nothing";
    return pome_fail(err, POME_ERROR_IO, "%s (log: %s)", text, t->log_path);
}
