/* functions.h - the prototype of every translate function, from the table. */
#ifndef CPU_JIT_TRANSLATE_FUNCTIONS_H
#define CPU_JIT_TRANSLATE_FUNCTIONS_H

#include "cpu/jit/translate/translate.h"

#define A64(name, pattern, form, feature, section, condition) void translate_##name(struct tr *t, const struct a64_insn *i);
#define A64_TODO(name, pattern, form, feature, section, condition)
#include "a64/a64.inc"
#undef A64
#undef A64_TODO

#endif
