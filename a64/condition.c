/*
 * condition.c - conditions of rows and aliases: "immh != 0 && (sf == 1 || imms < 32)".
 *
 * Recursive descent into postfix code, which runs on a stack of ints. Each negative code is an operator; non-negative
 * codes come in pairs: kind, argument.
 */
#include "a64/table.h"
#include <ctype.h>
#include <stdio.h>

enum { END, NUMBER, FIELD, PREDICATE, OR = -1, AND = -2, EQ = -3, NE = -4, LT = -5, LE = -6, GT = -7, GE = -8, BAND = -9, ADD = -10, SUB = -11, NOT = -12 };

static const struct a64_predicate predicates[] = {
#define A64_OPERAND(name, text)
#define A64_PREDICATE(name, text) {#name, predicate_##name},
#include "a64/operands.inc"
#undef A64_OPERAND
#undef A64_PREDICATE
    {NULL, NULL},
};

/* Binary operators, loosest first; equal levels associate to the left. */
static const struct {
    const char *text;
    int level, code;
} operators[] = {
    {"||", 0, OR}, {"&&", 1, AND}, {"==", 2, EQ}, {"!=", 2, NE}, {"<=", 3, LE}, {">=", 3, GE},
    {"<", 3, LT},  {">", 3, GT},   {"&", 4, BAND}, {"+", 5, ADD}, {"-", 5, SUB},
};
enum { LEVELS = 6 };

struct parser {
    const char *p, *end;
    struct a64_condition *c;
    const char *error;
};

static void emit(struct parser *s, int code)
{
    if (s->c->n >= A64_MAX_CODE)
        s->error = "condition too long";
    else
        s->c->code[s->c->n++] = code;
}

static void skip_space(struct parser *s)
{
    while (s->p < s->end && *s->p == ' ')
        s->p++;
}

static void parse_name(struct parser *s)
{
    const char *start = s->p;
    while (s->p < s->end && (isalnum((unsigned char)*s->p) || *s->p == '_'))
        s->p++;
    size_t n = (size_t)(s->p - start);
    const struct a64_field *f = a64_find_field(start, n);
    if (f) {
        emit(s, FIELD);
        emit(s, f->member);
        return;
    }
    for (int k = 0; predicates[k].name; k++) {
        if (strlen(predicates[k].name) == n && !memcmp(predicates[k].name, start, n)) {
            emit(s, PREDICATE);
            emit(s, k);
            return;
        }
    }
    s->error = "unknown name in condition";
}

static void parse_level(struct parser *s, int level);

static void parse_primary(struct parser *s)
{
    skip_space(s);
    if (s->p == s->end) {
        s->error = "condition ends too early";
    } else if (*s->p == '(') {
        s->p++;
        parse_level(s, 0);
        skip_space(s);
        if (s->p == s->end || *s->p++ != ')')
            s->error = "missing )";
    } else if (*s->p == '!') {
        s->p++;
        parse_primary(s);
        emit(s, NOT);
    } else if (isdigit((unsigned char)*s->p)) {
        int v = 0;
        while (s->p < s->end && isdigit((unsigned char)*s->p))
            v = v * 10 + (*s->p++ - '0');
        emit(s, NUMBER);
        emit(s, v);
    } else {
        parse_name(s);
    }
}

static int operator_here(struct parser *s, int level)
{
    skip_space(s);
    for (unsigned k = 0; k < ARRAY_SIZE(operators); k++) {
        size_t n = strlen(operators[k].text);
        if ((size_t)(s->end - s->p) < n || memcmp(s->p, operators[k].text, n))
            continue;
        if (operators[k].level != level)
            return 0;
        s->p += n;
        return operators[k].code;
    }
    return 0;
}

static void parse_level(struct parser *s, int level)
{
    if (level == LEVELS) {
        parse_primary(s);
        return;
    }
    parse_level(s, level + 1);
    for (int code; !s->error && (code = operator_here(s, level)) != 0;) {
        parse_level(s, level + 1);
        emit(s, code);
    }
}

bool a64_condition_parse(const char *text, size_t n, struct a64_condition *c, char *error, size_t error_size)
{
    struct parser s = {.p = text, .end = text + n, .c = c};
    c->n = 0;
    parse_level(&s, 0);
    skip_space(&s);
    if (!s.error && s.p != s.end)
        s.error = "condition has something after its end";
    if (s.error)
        snprintf(error, error_size, "%s: \"%.*s\"", s.error, (int)n, text);
    return !s.error;
}

static int apply(int code, int a, int b)
{
    switch (code) {
    case OR: return a || b;
    case AND: return a && b;
    case EQ: return a == b;
    case NE: return a != b;
    case LT: return a < b;
    case LE: return a <= b;
    case GT: return a > b;
    case GE: return a >= b;
    case BAND: return a & b;
    case ADD: return a + b;
    default: return a - b;
    }
}

static int push_value(int kind, int arg, const struct a64_insn *i)
{
    if (kind == NUMBER)
        return arg;
    if (kind == PREDICATE)
        return predicates[arg].holds(i);
    int32_t v;
    memcpy(&v, (const char *)i + arg, sizeof v);
    return v;
}

bool a64_condition_holds(const struct a64_condition *c, const struct a64_insn *i)
{
    int stack[A64_MAX_CODE], n = 0;
    for (unsigned k = 0; k < c->n; k++) {
        int code = c->code[k];
        if (code > 0) {
            stack[n++] = push_value(code, c->code[++k], i);
        } else if (code == NOT) {
            stack[n - 1] = !stack[n - 1];
        } else {
            n--;
            stack[n - 1] = apply(code, stack[n - 1], stack[n]);
        }
    }
    return stack[0];
}
