/* port_holder.c - which process of this host listens at a port: /proc/net has the socket's number, /proc/PID/fd who has it open (proc(5)). */
#include "backend/port_holder.h"

#include "base/bits.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTENS = 0x0a, UNCONNECTED = 0x07 }; /* include/net/tcp_states.h; a UDP socket that waits for anyone is in the latter */

/* 0: none. */
static unsigned long long socket_at(const char *table, unsigned state, uint16_t port)
{
    char line[512];
    unsigned long long found = 0;
    FILE *f = fopen(table, "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned local, st;
        unsigned long long inode;
        /* sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode */
        if (sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %llu", &local, &st, &inode) == 3 && local == port && st == state)
            found = inode;
    }
    if (f)
        fclose(f);
    return found;
}

static bool has_open(const char *pid, unsigned long long inode)
{
    char path[300], wanted[48], there[48];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    snprintf(wanted, sizeof wanted, "socket:[%llu]", inode);
    DIR *d = opendir(path);
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, there, sizeof there - 1);
        found = n > 0 && (there[n] = 0, !strcmp(there, wanted));
    }
    if (d)
        closedir(d);
    return found;
}

/* 0: not known. */
static int process_with(unsigned long long inode)
{
    int pid = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && !pid && (e = readdir(d));)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && has_open(e->d_name, inode))
            pid = atoi(e->d_name);
    if (d)
        closedir(d);
    return pid;
}

/* Its words, as far as there is room. The program's folder does not matter, and what is no text is left out. */
static void command_of(int pid, char *text, size_t room)
{
    char path[32], words[256];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, words, sizeof words - 1);
    if (fd >= 0)
        close(fd);
    words[MAX(n, 0)] = 0;
    const char *slash = strrchr(words, '/');
    const char *begin = slash ? slash + 1 : words, *end = words + MAX(n, 0);
    while (end > begin && !end[-1])
        end--;
    size_t i = 0;
    for (const char *p = begin; p < end && i + 1 < room; p++)
        if (!*p || (*p >= ' ' && *p < 0x7f))
            text[i++] = *p ? *p : ' ';
    text[i] = 0;
}

const char *port_holder(bool udp, uint16_t port, char text[PORT_HOLDER_TEXT])
{
    static const char *const tables[2][2] = {{"/proc/net/tcp", "/proc/net/tcp6"}, {"/proc/net/udp", "/proc/net/udp6"}};
    const unsigned state = udp ? UNCONNECTED : LISTENS;
    unsigned long long inode = socket_at(tables[udp][0], state, port);
    if (!inode)
        inode = socket_at(tables[udp][1], state, port);
    int pid = inode ? process_with(inode) : 0;
    if (!pid)
        return strcpy(text, "another process");
    char command[48];
    command_of(pid, command, sizeof command);
    snprintf(text, PORT_HOLDER_TEXT, command[0] ? "process %d (%s)" : "process %d", pid, command);
    return text;
}
