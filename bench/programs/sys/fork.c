/* fork.c - processes: fork with touched memory, exec of this program, wait. */
#include "../bench.h"
#include <sys/wait.h>
#include <unistd.h>

uint64_t bench_run(unsigned n)
{
    uint64_t h = 0;
    uint8_t *touched = calloc(64, 4096);
    if (getenv("BENCH_CHILD"))
        return 1;
    setenv("BENCH_CHILD", "1", 1);
    for (unsigned i = 0; i < 120 * n; i++) {
        int status;
        pid_t p = fork();
        if (!p) {
            for (unsigned k = 0; k < 64; k += 2)
                touched[k * 4096] = (uint8_t)k;
            if (i % 3)
                _exit((int)i & 63);
            close(1);
            execl("/proc/self/exe", "fork", (char *)NULL);
            _exit(100);
        }
        waitpid(p, &status, 0);
        h = bench_mix(h, (uint64_t)WEXITSTATUS(status));
    }
    free(touched);
    return h;
}
