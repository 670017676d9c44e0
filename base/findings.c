/* findings.c - what a check found, all of it at once. */
#include "base/findings.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pome_severity_name(enum pome_severity severity)
{
    static const char *const names[] = {"note", "warning", "error"};
    return (unsigned)severity < ARRAY_SIZE(names) ? names[severity] : "unknown";
}

static struct finding *next(struct findings *l)
{
    if (l->n == FINDINGS_MAX)
        return NULL;
    if (!(l->n & (l->n - 1))) { /* grows at powers of two */
        struct finding *more = realloc(l->items, (l->n ? 2 * l->n : 1) * sizeof *more);
        if (!more) {
            l->no_memory = true;
            return NULL;
        }
        l->items = more;
    }
    return &l->items[l->n++];
}

void findings_add(struct findings *l, const struct rule *rule, const char *path, const char *field, const char *found, ...)
{
    va_list ap;
    l->errors += rule->severity == POME_FINDING_ERROR;
    l->warnings += rule->severity == POME_FINDING_WARNING;
    struct finding *f = next(l);
    if (!f)
        return;
    *f = (struct finding){.rule = rule};
    snprintf(f->path, sizeof f->path, "%s", path ? path : "");
    snprintf(f->field, sizeof f->field, "%s", field ? field : "");
    snprintf(f->expected, sizeof f->expected, "%s", rule->expected);
    snprintf(f->advice, sizeof f->advice, "%s", rule->advice);
    va_start(ap, found);
    vsnprintf(f->found, sizeof f->found, found, ap);
    va_end(ap);
}

void findings_expected(struct findings *l, const char *expected, ...)
{
    va_list ap;
    va_start(ap, expected);
    if (l->n)
        vsnprintf(l->items[l->n - 1].expected, sizeof l->items->expected, expected, ap);
    va_end(ap);
}

void findings_advice(struct findings *l, const char *advice, ...)
{
    va_list ap;
    va_start(ap, advice);
    if (l->n)
        vsnprintf(l->items[l->n - 1].advice, sizeof l->items->advice, advice, ap);
    va_end(ap);
}

bool findings_ok(const struct findings *l, enum pome_error_code code, const char *what, struct pome_error *err)
{
    char place[48] = "", more[40] = "";
    if (!l->errors)
        return !l->no_memory || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to check it", what);
    for (size_t i = 0; i < l->n; i++) {
        const struct finding *f = &l->items[i];
        if (f->rule->severity != POME_FINDING_ERROR)
            continue;
        if (f->line)
            snprintf(place, sizeof place, "line %d, column %d: ", f->line, f->column);
        if (l->errors > 1)
            snprintf(more, sizeof more, " (and %zu more)", l->errors - 1);
        return pome_fail(err, code, "%s: %s%s%s%s, needed %s%s", what, place, f->field, f->field[0] ? " is " : "", f->found,
                         f->expected, more);
    }
    return pome_fail(err, code, "%s: too many faults", what);
}

void findings_report(const struct findings *l, pome_finding_fn *each, void *user)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct finding *f = &l->items[i];
        const struct pome_finding p = {
            .size = sizeof p,
            .code = f->rule->code,
            .severity = f->rule->severity,
            .path = f->path[0] ? f->path : NULL,
            .field = f->field[0] ? f->field : NULL,
            .line = f->line,
            .column = f->column,
            .found = f->found,
            .expected = f->expected,
            .advice = f->advice,
            .repairable = f->rule->repairable,
        };
        each(user, &p);
    }
}

bool findings_has(const struct findings *l, const char *code)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].rule->code, code))
            return true;
    return false;
}

void findings_free(struct findings *l)
{
    free(l->items);
    *l = (struct findings){0};
}
