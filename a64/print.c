/* print.c - the printed forms of a64.inc, interpreted. */
#include "a64/table.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

static const struct a64_operand operands[] = {
#define A64_OPERAND(name, text) {#name, operand_##name},
#define A64_PREDICATE(name, text)
#include "a64/operands.inc"
#undef A64_OPERAND
#undef A64_PREDICATE
    {NULL, NULL},
};

/* One form being printed. `some`: something inside the innermost <...> was not a default. */
struct form {
    struct a64_out *o;
    const char *p;
    const struct a64_insn *i;
    uint64_t pc;
    bool some;
    const char *error;
};

void a64_put(struct a64_out *o, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    size_t room = (size_t)(o->end - o->p) + 1;
    int n = vsnprintf(o->p, room, format, ap);
    va_end(ap);
    o->p += MIN((size_t)MAX(n, 0), room - 1);
}

static int field_value(const struct a64_insn *i, const struct a64_field *f)
{
    int32_t v;
    memcpy(&v, (const char *)i + f->member, sizeof v);
    return v;
}

static int suffix_number(struct form *f, char mark, int otherwise)
{
    if (*f->p != mark || !isdigit((unsigned char)f->p[1]))
        return otherwise;
    int v = 0;
    for (f->p++; isdigit((unsigned char)*f->p); f->p++)
        v = v * 10 + (*f->p - '0');
    return v;
}

static void put_general(struct form *f, bool wide, unsigned n)
{
    if (!strncmp(f->p, "|sp", 3)) {
        f->p += 3;
        if (n == 31) {
            a64_put(f->o, wide ? "sp" : "wsp");
            f->some = true;
            return;
        }
    }
    if (n == 31)
        a64_put(f->o, wide ? "xzr" : "wzr");
    else
        a64_put(f->o, "%c%u", wide ? 'x' : 'w', n);
    f->some |= n != 31;
}

/* A register: class letter and field letter(s). */
static bool print_register(struct form *f, const char *name, size_t n)
{
    if (n < 2 || n > 3 || !strchr("RXWPBHSDQFZV", name[0]))
        return false;
    char field[4] = {'R', name[1], n == 3 ? name[2] : 0, 0};
    const struct a64_field *d = a64_find_field(field, n);
    if (!d)
        return false;
    unsigned r = (unsigned)(field_value(f->i, d) + suffix_number(f, '+', 0)) & 31;
    switch (name[0]) {
    case 'R': put_general(f, f->i->sf, r); return true;
    case 'X': put_general(f, true, r); return true;
    case 'W': put_general(f, false, r); return true;
    case 'P': put_general(f, f->i->size == 3, r); return true;
    case 'F': a64_put(f->o, "%c%u", "sd?h"[f->i->ftype & 3], r); break;
    case 'Z': a64_put(f->o, "%c%u", "bhsd"[f->i->size & 3], r); break;
    default: a64_put(f->o, "%c%u", tolower((unsigned char)name[0]), r);
    }
    f->some = true;
    return true;
}

static void print_item(struct form *f)
{
    const char *name = f->p;
    while (isalnum((unsigned char)*f->p) || *f->p == '_')
        f->p++;
    size_t n = (size_t)(f->p - name);
    for (const struct a64_operand *op = operands; op->name; op++) {
        if (strlen(op->name) == n && !memcmp(op->name, name, n)) {
            f->some |= op->print(f->o, f->i, f->pc);
            return;
        }
    }
    if (print_register(f, name, n))
        return;
    const struct a64_field *d = a64_find_field(name, n);
    if (!d) {
        f->error = name;
        return;
    }
    int v = field_value(f->i, d) * suffix_number(f, '*', 1) + suffix_number(f, '+', 0);
    f->some |= v != 0;
    a64_put(f->o, "%d", v);
}

static void print_part(struct form *f);

/* After '<'. The text is printed and taken back if it turns out to be left out. */
static void print_optional(struct form *f)
{
    struct form inner = *f;
    char *start = f->o->p;
    bool keep = true, conditional = *f->p == '?';
    inner.some = false;
    if (conditional) {
        struct a64_condition c;
        char ignored[96];
        size_t n = strcspn(++inner.p, ":");
        if (!a64_condition_parse(inner.p, n, &c, ignored, sizeof ignored)) {
            f->error = inner.p;
            return;
        }
        keep = a64_condition_holds(&c, f->i);
        inner.p += n + (inner.p[n] == ':');
    }
    print_part(&inner);
    if (*inner.p != '>' && !inner.error)
        inner.error = "missing >";
    f->p = inner.p + 1;
    f->error = inner.error;
    if (!conditional)
        keep = inner.some;
    f->some |= keep && (inner.some || conditional);
    if (!keep)
        *(f->o->p = start) = 0;
}

static void print_part(struct form *f)
{
    while (*f->p && *f->p != '>' && !f->error) {
        char c = *f->p++;
        if (c == '%')
            print_item(f);
        else if (c == '<')
            print_optional(f);
        else
            a64_put(f->o, "%c", c);
    }
}

bool a64_print_form(struct a64_out *o, const char *form, const struct a64_insn *i, uint64_t pc, char *error,
                    size_t error_size)
{
    struct form f = {.o = o, .p = form, .i = i, .pc = pc};
    print_part(&f);
    if (!f.error && *f.p)
        f.error = f.p;
    if (f.error)
        snprintf(error, error_size, "form \"%.40s\" is wrong at \"%.20s\"", form, f.error);
    return !f.error;
}

/* The alias of a row, or its own form. */
static const char *form_of(const struct a64_insn *i)
{
    unsigned n;
    const struct a64_alias *a = a64_aliases(&n);
    for (unsigned k = 0; k < n; k++)
        if (a[k].op == i->op && a64_condition_holds(&a[k].condition, i))
            return a[k].form;
    return a64_rows()[i->op].form;
}

void a64_print(const struct a64_insn *i, uint64_t pc, char *buf, size_t size)
{
    if (!size)
        return;
    struct a64_out o = {buf, buf + size - 1};
    *buf = 0;
    if (i->op == A64_UNALLOCATED) {
        a64_put(&o, ".inst 0x%08x", i->word);
        return;
    }
    char error[96];
    a64_print_form(&o, form_of(i), i, pc, error, sizeof error);
}
