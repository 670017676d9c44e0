/* host.h - which optional instructions the host has (Intel SDM vol. 2, CPUID). */
#ifndef X64_HOST_H
#define X64_HOST_H

#include <stdbool.h>

struct x64_host {
    bool sse42, popcnt, aes, pclmul;
    bool avx, avx2, fma, f16c;
    bool bmi1, bmi2, lzcnt;
    bool sha, gfni;
    bool avx512vl; /* with F, BW, DQ, and the operating system saving the registers: 128-bit EVEX forms, xmm16..31, masks */
    bool avx512_vbmi, avx512_bitalg, avx512_popcnt, avx512_vnni;
    /* No features of the host, but switches like them: */
    bool pin;      /* guest registers may live in host registers (regs.c) */
    bool vpin;     /* vector registers, too */
    bool pair;     /* calls and returns are paired (emit_exit.c) */
    bool rdx;      /* RDX holds values between the operations that use it themselves (regs.c) */
    bool twin;     /* a value that two pinned registers hold stays in the other when one changes (regs.c) */
    bool stay;     /* after exceptions and misses of the jump cache C is asked where to go on (stubs.c) */
    bool later;    /* flags are stored where somebody may look (flags_later.c) */
    bool over;     /* a floating-point result may take an operand's register */
    bool high;     /* operations take upper halves from the whole vector, known orders of bytes from memory */
    bool loop;     /* hot loops are made anew as one unit (loop.c), */
    bool family;   /* ... with one limit for arrays that one index walks through */
    bool carry;    /* carries of long sums stay in the host's flags (emit_int.c) */
    bool exclusive; /* LDXR, STXR and CASP need no C where the page is at hand (emit_mem.c) */
    bool share;    /* accesses off one base share a look-up (group.c) */
    bool masked;   /* vector operations by masks, where avx512vl is (emit_vec_masked.c); hidden: by calls */
    bool fptraps;  /* floating point by the host's unit, with its exceptions (emit_fp.c); hidden: by calls */
};

/* Found once. POME_X64_WITHOUT=avx,bmi2,... (names of the fields) hides features, for tests. */
const struct x64_host *x64_host(void);

#endif
