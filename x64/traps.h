/* traps.h - which code memory the thread runs in, for the handler of floating-point exceptions (traps.c). */
#ifndef X64_TRAPS_H
#define X64_TRAPS_H

#include "x64/compile.h"

extern __thread struct x64_code *x64_running;

#endif
