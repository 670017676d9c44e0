/* mandelbrot.c - dependent multiplications and a comparison, double precision. */
#include "../bench.h"

uint64_t bench_run(unsigned n)
{
    uint64_t h = 0;
    for (unsigned y = 0; y < 160 * n; y++)
        for (unsigned x = 0; x < 200; x++) {
            double cr = (double)x / 80 - 2, ci = (double)(y % 160) / 80 - 1, zr = 0, zi = 0;
            unsigned i = 0;
            while (i < 200 && zr * zr + zi * zi < 4) {
                double t = zr * zr - zi * zi + cr;
                zi = 2 * zr * zi + ci;
                zr = t;
                i++;
            }
            h = bench_mix(h, i);
        }
    return h;
}
