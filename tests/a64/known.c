/* known.c - known differences; each line has its reason. */
#include "tests/a64/known.h"
#include <stdio.h>

/* LLVM prints what is unallocated in the system instruction space as a register with op0 = 0. */
static bool op0_is_zero(const char *theirs)
{
    return !strncmp(theirs, "msr S0_", 7) || (!strncmp(theirs, "mrs ", 4) && strstr(theirs, ", S0_"));
}

bool known_missing(uint32_t word, const char *theirs)
{
    return op0_is_zero(theirs);
}

bool known_extra(const struct a64_insn *i)
{
    if (!a64_is_proper(i) || unpredictable(i))
        return true;
    /* LLVM takes the unprivileged loads for ones with write-back and misses that Rt may be Rn */
    return (i->op == A64_LDTR || i->op == A64_LDTRS) && i->rt == i->rn;
}

bool known_text(const struct a64_insn *i, const char *theirs)
{
    switch (i->op) {
    case A64_CLRBHB: return true; /* younger than LLVM 14 */
    case A64_CFINV: return !a64_is_proper(i);
    case A64_MSR_imm: return op0_is_zero(theirs); /* one-bit fields: LLVM wants 0 or 1, the upper bits are ignored */
    default: return false;
    }
}

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && !strcmp(text + n - m, tail);
}

bool unpredictable(const struct a64_insn *i)
{
    const char *name = a64_name(i->op);
    bool vector = i->word >> 26 & 1, load_store = (i->word >> 25 & 5) == 4, pair = (i->word >> 27 & 7) == 5;
    if (!load_store)
        return false;
    if (vector)
        return pair && i->word >> 22 & 1 && i->rt == i->rt2;
    bool exclusive = (i->word >> 24 & 0x3f) == 8;
    bool writeback = ends_with(name, "_post") || ends_with(name, "_pre");
    if (writeback && i->rn != 31 && (i->rn == i->rt || (pair && i->rn == i->rt2)))
        return true;
    if (pair && i->word >> 22 & 1 && i->rt == i->rt2)
        return true;
    bool store_exclusive = exclusive && !(i->word >> 23 & 1) && !(i->word >> 22 & 1);
    bool exclusive_pair = exclusive && !(i->word >> 23 & 1) && i->word >> 21 & 1;
    if (store_exclusive && (i->rs == i->rt || (i->rs == i->rn && i->rn != 31) || (exclusive_pair && i->rs == i->rt2)))
        return true;
    return exclusive_pair && i->word >> 22 & 1 && i->rt == i->rt2;
}
