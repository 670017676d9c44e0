/*
 * guest.c - runs the programs named in a list, one after the other, and says so: "@START name", the program's own line, "@END name
 * status microseconds-of-CPU". Whoever reads these lines takes the time. As process 1 it is the guest's init and turns the machine off at the
 * end; otherwise it is the native side of the comparison.
 *
 * Lines of the list: name path argument...
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void prepare_machine(void)
{
    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    mkdir("/tmp", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    setenv("PATH", "/bin", 1);
}

static long cpu_us(void)
{
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000L + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

static void run(char *line)
{
    char *argv[8] = {NULL}, *save, *name = strtok_r(line, " \n", &save);
    unsigned n = 0;
    while (name && n < 7 && (argv[n] = strtok_r(NULL, " \n", &save)))
        n++;
    if (!n)
        return;
    printf("@START %s\n", name);
    fflush(stdout);
    int status = 0;
    long before = cpu_us();
    pid_t p = fork();
    if (!p) {
        execv(argv[0], argv);
        _exit(127);
    }
    waitpid(p, &status, 0);
    printf("@END %s %d %ld\n", name, status, cpu_us() - before);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[256];
    if (getpid() == 1)
        prepare_machine();
    printf("@BOOT\n");
    fflush(stdout);
    FILE *list = fopen(argc > 1 && getpid() != 1 ? argv[1] : "/list", "r");
    while (list && fgets(line, sizeof line, list)) {
        if (!strncmp(line, "idle", 4)) {
            printf("@IDLE\n");
            fflush(stdout);
            sleep(6);
        } else {
            run(line);
        }
    }
    printf("@DONE\n");
    fflush(stdout);
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    return 0;
}
