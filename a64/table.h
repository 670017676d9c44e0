/* table.h - the parsed instruction table; private to a64/. */
#ifndef A64_TABLE_H
#define A64_TABLE_H

#include "a64/a64.h"

/* Where a field is in the word, and where it goes in struct a64_insn. */
struct a64_slot {
    uint16_t member; /* byte offset in struct a64_insn */
    uint8_t shift, bits;
    bool is_signed;
};

enum { A64_MAX_SLOTS = 12, A64_MAX_CODE = 96 };

struct a64_field {
    const char *name;
    uint16_t member;
    uint8_t bits;
    bool is_signed;
};

/* A condition compiled to postfix code. */
struct a64_condition {
    uint32_t n;
    int32_t code[A64_MAX_CODE];
};

struct a64_row {
    const char *name, *pattern, *form, *section, *condition_text;
    enum a64_feature feature;
    bool todo;
    uint32_t mask, value;          /* fixed bits */
    uint32_t should_mask, should;  /* (0) and (1) bits */
    unsigned n_slots;
    struct a64_slot slot[A64_MAX_SLOTS];
    struct a64_condition *condition; /* NULL: always */
    char error[96];                  /* what is wrong with the row; empty: nothing */
};

struct a64_alias {
    enum a64_op op;
    const char *condition_text, *form;
    struct a64_condition condition;
    char error[96];
};

/* Builds everything once; thread-safe. */
const struct a64_row *a64_rows(void);
const struct a64_alias *a64_aliases(unsigned *n);

extern const struct a64_field a64_fields[];
extern const unsigned a64_n_fields;
const struct a64_field *a64_find_field(const char *name, size_t n);

void a64_extract(const struct a64_row *r, uint32_t word, struct a64_insn *out);
bool a64_row_matches(const struct a64_row *r, uint32_t word, struct a64_insn *out); /* fixed bits and condition */

/* Conditions (condition.c). Compiles; false with a message for the table check. */
bool a64_condition_parse(const char *text, size_t n, struct a64_condition *c, char *error, size_t error_size);
bool a64_condition_holds(const struct a64_condition *c, const struct a64_insn *i);

/* Bounded text. */
struct a64_out {
    char *p, *end; /* end: where the final NUL goes */
};
void a64_put(struct a64_out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints by form; false with a message if the form itself is wrong. */
bool a64_print_form(struct a64_out *o, const char *form, const struct a64_insn *i, uint64_t pc, char *error,
                    size_t error_size);

struct a64_operand {
    const char *name;
    bool (*print)(struct a64_out *o, const struct a64_insn *i, uint64_t pc);
};
struct a64_predicate {
    const char *name;
    bool (*holds)(const struct a64_insn *i);
};
#define A64_OPERAND(name, text) bool operand_##name(struct a64_out *o, const struct a64_insn *i, uint64_t pc);
#define A64_PREDICATE(name, text) bool predicate_##name(const struct a64_insn *i);
#include "a64/operands.inc"
#undef A64_OPERAND
#undef A64_PREDICATE

#endif
