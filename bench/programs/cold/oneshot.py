#!/usr/bin/env python3
"""oneshot.py: writes a C program of 4000 functions that all differ, each called a few times: code that hardly runs."""
import random

random.seed(20)
print('#include "../bench.h"\n')
for i in range(4000):
    lines = []
    for k in range(random.randint(3, 9)):
        a, b, c = random.randrange(3), random.randrange(1, 60), random.randrange(1 << 30)
        lines.append(random.choice([
            f"if (x[{a}] & {1 << b % 31}) x[{(a + 1) % 3}] += {c}; else x[{a}] ^= x[{(a + 2) % 3}] >> {b};",
            f"x[{a}] = x[{a}] * {c | 1}u + x[{(a + 1) % 3}];",
            f"for (unsigned i = 0; i < {b % 4 + 1}; i++) x[{a}] ^= x[{(a + 1) % 3}] << (i + {b % 20 + 1});",
            f"x[{a}] += x[x[{(a + 1) % 3}] % 3] / {b + 2};",
            f"switch (x[{a}] % 5) {{ case 0: x[0] += {c}; break; case 1: x[1] ^= {c}; break; case 3: x[2] -= {b}; break; default: x[{a}]++; }}",
        ]))
    print(f"static void __attribute__((noinline)) f{i}(uint64_t *x)\n{{\n    " + "\n    ".join(lines) + "\n}\n")
print("static void (*const all[])(uint64_t *) = {\n    " + ", ".join(f"f{i}" for i in range(4000)) + "};\n")
print("""uint64_t bench_run(unsigned n)
{
    uint64_t x[3] = {1, 2, 3};
    for (unsigned round = 0; round < 3 * n; round++)
        for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
            all[i](x);
    return bench_mix(bench_mix(x[0], x[1]), x[2]);
}""")
