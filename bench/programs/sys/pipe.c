/* pipe.c - two processes hand a byte back and forth. */
#include "../bench.h"
#include <sys/wait.h>
#include <unistd.h>

uint64_t bench_run(unsigned n)
{
    int to[2], back[2];
    uint64_t h = 0;
    uint8_t byte = 1;
    if (pipe(to) || pipe(back))
        return 0;
    if (!fork()) {
        close(to[1]);
        while (read(to[0], &byte, 1) == 1) {
            byte = (uint8_t)(byte * 5 + 1);
            if (write(back[1], &byte, 1) != 1)
                break;
        }
        _exit(0);
    }
    for (unsigned i = 0; i < 5000 * n; i++) {
        if (write(to[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            return 0;
        h = bench_mix(h, byte);
    }
    close(to[1]);
    wait(NULL);
    return h;
}
