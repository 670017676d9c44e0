/* interpreter.c - a byte code machine with a switch, counting primes. */
#include "../bench.h"

enum { PUSH, LOAD, STORE, ADD, MUL, MOD, LESS, JUMP_IF_NOT, JUMP, EQUAL_ZERO, INC, HALT };

static const int program[] = {
    PUSH, 2, STORE, 0,                                                   /*  0: n = 2 */
    LOAD, 0, PUSH, 9000, LESS, JUMP_IF_NOT, 48,                          /*  4: while n < 9000 */
    PUSH, 2, STORE, 1,                                                   /* 11:   d = 2 */
    LOAD, 1, LOAD, 1, MUL, LOAD, 0, PUSH, 1, ADD, LESS, JUMP_IF_NOT, 42, /* 15:   while d * d < n + 1 */
    LOAD, 0, LOAD, 1, MOD, EQUAL_ZERO, JUMP_IF_NOT, 38, JUMP, 44,        /* 28:     no prime */
    INC, 1, JUMP, 15,                                                    /* 38:     d++ */
    INC, 2,                                                              /* 42:   one prime more */
    INC, 0, JUMP, 4,                                                     /* 44:   n++ */
    HALT,                                                                /* 48 */
};

static int run(int *var)
{
    int stack[16], *sp = stack;
    for (const int *pc = program;;) {
        switch (*pc++) {
        case PUSH: *sp++ = *pc++; break;
        case LOAD: *sp++ = var[*pc++]; break;
        case STORE: var[*pc++] = *--sp; break;
        case ADD: sp--; sp[-1] += sp[0]; break;
        case MUL: sp--; sp[-1] *= sp[0]; break;
        case MOD: sp--; sp[-1] %= sp[0]; break;
        case LESS: sp--; sp[-1] = sp[-1] < sp[0]; break;
        case EQUAL_ZERO: sp[-1] = sp[-1] == 0; break;
        case INC: var[*pc++]++; break;
        case JUMP_IF_NOT: pc = *--sp ? pc + 1 : program + *pc; break;
        case JUMP: pc = program + *pc; break;
        case HALT: return var[2];
        }
    }
}

uint64_t bench_run(unsigned n)
{
    uint64_t h = 0;
    for (unsigned i = 0; i < 3 * n; i++) {
        int var[3] = {0};
        h = bench_mix(h, (uint64_t)run(var));
    }
    return h;
}
