/* main.c - program [N]: prints "CHECK <checksum>". */
#include "bench.h"

int main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1;
    printf("CHECK %016" PRIx64 "\n", bench_run(n));
    return 0;
}
