/* known.h - where LLVM 14 and we differ on purpose, each with its reason; and what is CONSTRAINED UNPREDICTABLE. */
#ifndef TESTS_A64_KNOWN_H
#define TESTS_A64_KNOWN_H

#include "a64/a64.h"

/* LLVM knows an instruction where we have none. */
bool known_missing(uint32_t word, const char *theirs);
/* We know an instruction where LLVM has none. */
bool known_extra(const struct a64_insn *i);
/* Both know it by different names. */
bool known_text(const struct a64_insn *i, const char *theirs);

/* Written-back base that is also loaded or stored, equal registers of a pair, a status register that is also address or
 * data: the architecture allows several results. */
bool unpredictable(const struct a64_insn *i);

#endif
