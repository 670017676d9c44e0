/*
 * llvm_test.c - decoding and printing against LLVM's disassembler: which words are instructions, and what they are called.
 *
 * Words are random instructions of every row, the same with one or two bits flipped (near misses find conditions that
 * are too wide or too narrow), and uniformly random ones. LLVM is given the features of features.inc.
 *
 * POME_TEST_SCALE=n, POME_A64_ROWS=text, POME_TEST_SEED=n as in oracle_test.c.
 */
#include "a64/a64.h"
#include "tests/a64/known.h"
#include <ctype.h>
#include <llvm-c/Disassembler.h>
#include <llvm-c/Target.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_PER_ROW = 200, SHOW_PER_ROW = 4 };

static LLVMDisasmContextRef llvm;
static struct {
    unsigned words, missing, extra, text, excused;
} rows[A64_OP_COUNT];
static unsigned uniform_words, known_words;

static bool start_llvm(void)
{
    static char features[2048];
    char *p = features, *end = features + sizeof features;
    p += snprintf(p, sizeof features, "+v8.2a,+ras,+spe,+tracev8.4,+dotprod,+pan-rwv,+uaops,+ssbs,+predres");
#define A64_FEATURE(name, llvm_name, text) \
    if (*llvm_name)                        \
        p += snprintf(p, (size_t)(end - p), ",+%s", llvm_name);
#include "a64/features.inc"
#undef A64_FEATURE
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64Disassembler();
    llvm = LLVMCreateDisasmCPUFeatures("aarch64-linux-gnu", "", features, NULL, 0, NULL, NULL);
    return llvm != NULL;
}

/* Blanks made single; false if LLVM knows no such instruction. */
static bool llvm_text(uint32_t word, char *out, size_t size)
{
    char raw[256], *o = out;
    uint8_t bytes[4];
    le32_put(bytes, word);
    if (!LLVMDisasmInstruction(llvm, bytes, 4, 0, raw, sizeof raw))
        return false;
    for (const char *p = raw; *p && o < out + size - 1; p++) {
        if (isspace((unsigned char)*p)) {
            if (o > out && o[-1] != ' ')
                *o++ = ' ';
        } else {
            *o++ = *p;
        }
    }
    while (o > out && o[-1] == ' ')
        o--;
    *o = 0;
    if ((o = strstr(out, " //")))
        *o = 0;
    return true;
}

/* System register names: LLVM's by name, ours by number. */
static bool same_text(const struct a64_insn *i, const char *ours, const char *theirs)
{
    switch (i->op) {
    case A64_MRS: return !strncmp(theirs, "mrs ", 4) && !strncmp(ours, theirs, strcspn(theirs, ","));
    case A64_MSR: return !strncmp(theirs, "msr ", 4) && strrchr(theirs, ',') && !strcmp(strrchr(ours, ','), strrchr(theirs, ','));
    case A64_SYS: case A64_SYSL: return true; /* LLVM prints dc, ic, at, tlbi and their arguments */
    default: return !strcmp(ours, theirs);
    }
}

static bool hit(uint32_t word, unsigned *count, bool excused, enum a64_op op, const char *what, const char *ours,
                const char *theirs)
{
    if (excused) {
        rows[op].excused++;
        return false;
    }
    if ((*count)++ < SHOW_PER_ROW)
        printf("%-14s %08x %s: ours \"%s\"  LLVM \"%s\"\n", a64_name(op), word, what, ours, theirs);
    return true;
}

static void check(uint32_t word)
{
    struct a64_insn i;
    char ours[256], theirs[256] = "";
    a64_decode(word, &i);
    bool valid = llvm_text(word, theirs, sizeof theirs);
    a64_print(&i, 0, ours, sizeof ours);
    rows[i.op].words++;
    known_words += valid;
    if (i.op == A64_UNALLOCATED) {
        if (valid)
            hit(word, &rows[i.op].missing, known_missing(word, theirs), i.op, "missing", "", theirs);
    } else if (!valid) {
        hit(word, &rows[i.op].extra, known_extra(&i), i.op, "extra", ours, "");
    } else if (!same_text(&i, ours, theirs)) {
        hit(word, &rows[i.op].text, known_text(&i, theirs), i.op, "text", ours, theirs);
    }
}

static uint64_t rng(void *seed)
{
    uint64_t *s = seed;
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * UINT64_C(0x2545f4914f6cdd1d);
}

int main(void)
{
    const char *scale_text = getenv("POME_TEST_SCALE"), *seed_text = getenv("POME_TEST_SEED"), *only = getenv("POME_A64_ROWS");
    unsigned per_row = (unsigned)(WORDS_PER_ROW * (scale_text ? atof(scale_text) : 1));
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : 0x5eed;
    if (!start_llvm()) {
        printf("SKIP: LLVM has no AArch64 disassembler\n");
        return 77;
    }
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        if (only && !strstr(a64_name(op), only))
            continue;
        for (unsigned k = 0; k < per_row; k++) {
            uint32_t word = a64_random(op, rng, &seed);
            check(word);
            check(word ^ UINT32_C(1) << (rng(&seed) & 31));
            check(word ^ UINT32_C(1) << (rng(&seed) & 31) ^ UINT32_C(1) << (rng(&seed) & 31));
        }
    }
    for (unsigned k = 0; !only && k < 1000 * per_row; k++, uniform_words++)
        check((uint32_t)rng(&seed));
    unsigned failures = 0, excused = 0, words = 0;
    for (unsigned op = 0; op < A64_OP_COUNT; op++) {
        unsigned bad = rows[op].missing + rows[op].extra + rows[op].text;
        if (bad)
            printf("%-14s %u words: %u missing, %u extra, %u other text\n", a64_name(op), rows[op].words, rows[op].missing,
                   rows[op].extra, rows[op].text);
        failures += bad;
        excused += rows[op].excused;
        words += rows[op].words;
    }
    printf("%u words (%u uniformly random), %u of them instructions for LLVM: %u differences, %u known ones\n", words,
           uniform_words, known_words, failures, excused);
    LLVMDisasmDispose(llvm);
    return failures != 0;
}
