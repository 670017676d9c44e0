/* tool.c - runs one program of a build, in a process group of its own. */
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

/* In the child, between fork and exec: only calls that are safe there. */
static _Noreturn void become(const struct tool *t, int output)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
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

static pid_t start(const struct tool *t, int *output, struct pome_error *err)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC)) {
        pome_fail_errno(err, "pipe");
        return -1;
    }
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid_t pid = fork();
    if (!pid) {
        for (int s = 1; s < NSIG; s++)
            signal(s, SIG_DFL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        for (const char *const *e = t->environment; e && *e; e++)
            putenv((char *)(uintptr_t)*e);
        become(t, p[1]);
    }
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

/* Asks the whole group to end, then makes it. */
static void end_group(pid_t pid)
{
    kill(-pid, SIGTERM);
    for (int ms = 0; ms < GRACE_MS; ms += 50) {
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            kill(-pid, SIGKILL);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

bool tool_run(const struct tool *t, struct pome_error *err)
{
    struct lines l = {.n = 0};
    int output = -1, status = 0;
    pid_t pid = start(t, &output, err);
    if (pid < 0)
        return false;
    bool going = follow(t, output, &l);
    close(output);
    if (!going) {
        end_group(pid);
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    fflush(t->log);
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && !*l.last)
        return pome_fail(err, POME_ERROR_MISSING_PROGRAM, "the program %s is not installed", t->argv[0]);
    const char *text = *l.reason ? l.reason : *l.last ? l.last : "it said nothing";
    return pome_fail(err, POME_ERROR_IO, "%s (log: %s)", text, t->log_path);
}
