/*
 * a64.h - the A64 instruction set as one table: decode, disassemble, make random valid instructions.
 *
 * A row (a64.inc and the chapter files it includes) names an encoding, its bit pattern with the manual's field names,
 * its printed form, its feature and its section in the manual:
 *     A64(ADD_imm, "sf 0 0 100010 sh imm12 Rn Rd", "add  %Rd|sp, %Rn|sp, #%imm12,sh", BASE, "C6.2.5", "")
 * The last string is a list of extra conditions ("immh != 0", "size != 3"); empty: none. Rows that overlap must be
 * nested, then the narrower wins; anything else fails the table test. Rows marked A64_TODO decode and print, but their
 * translation raises UNDEFINED and is logged.
 */
#ifndef A64_A64_H
#define A64_A64_H

#include "base/bits.h"

enum a64_op {
    A64_UNALLOCATED, /* no row matches */
#define A64(name, pattern, form, feature, section, condition) A64_##name,
#define A64_TODO(name, pattern, form, feature, section, condition) A64_##name,
#include "a64/a64.inc"
#undef A64
#undef A64_TODO
    A64_OP_COUNT
};

/* Architecture features by which ID registers, the random tests and the decoder agree what exists. */
enum a64_feature {
#define A64_FEATURE(name, llvm, text) A64_FEAT_##name,
#include "a64/features.inc"
#undef A64_FEATURE
    A64_FEATURE_COUNT
};

/* A decoded instruction: the row and its fields by the manual's names. Fields that the row lacks are 0. */
struct a64_insn {
    uint32_t word;
    uint16_t op; /* enum a64_op */
#define A64_FIELD(name, member, bits, is_signed) int32_t member;
#include "a64/fields.inc"
#undef A64_FIELD
};

/* Decodes a word; out->op is A64_UNALLOCATED if no row matches. Thread-safe; the first call builds the tables. */
void a64_decode(uint32_t word, struct a64_insn *out);

/* Prints as LLVM's disassembler does, preferred aliases (aliases.inc) included, into buf. pc: the instruction's
 * address, for absolute branch targets; 0: targets are printed as "#offset". */
void a64_print(const struct a64_insn *i, uint64_t pc, char *buf, size_t size);

const char *a64_name(enum a64_op op);
enum a64_feature a64_feature_of(enum a64_op op);
bool a64_is_todo(enum a64_op op);

/* True if the bits that the manual calls (0) and (1) are so. Others decode all the same. */
bool a64_is_proper(const struct a64_insn *i);

/* A random instruction of this row: fixed bits as the row says, fields random, conditions met. rng gives 64 random bits. */
uint32_t a64_random(enum a64_op op, uint64_t (*rng)(void *ctx), void *ctx);

/* Logical immediate (DecodeBitMasks of the manual) for a 64- (sf) or 32-bit register; 0 if reserved (0 itself cannot be
 * encoded). */
uint64_t a64_bitmask(bool sf, unsigned n, unsigned immr, unsigned imms);

/* Checks the table: overlap, unknown fields, widths that do not add to 32. Message into buf. */
bool a64_check_table(char *buf, size_t size);

#endif
