/*
 * findings.h - what a check found, all of it at once.
 *
 * A check has a table of rules: the code, what is allowed and what to do are said once, there; the place and what was found are
 * said where a rule is broken.
 */
#ifndef BASE_FINDINGS_H
#define BASE_FINDINGS_H

#include <pome/finding.h>

struct rule {
    const char *code;
    enum pome_severity severity;
    const char *expected, *advice;
    bool repairable;
};

enum { FINDINGS_MAX = 256 }; /* hostile input is not listed for ever */

struct finding {
    const struct rule *rule;
    char path[256], field[96], found[192], expected[128], advice[192];
    int line, column;
};

struct findings {
    size_t n, errors, warnings; /* errors and warnings count those that were not kept too */
    struct finding *items;
    bool no_memory;
};

/* path and field may be NULL. */
void findings_add(struct findings *l, const struct rule *rule, const char *path, const char *field, const char *found, ...)
    __attribute__((format(printf, 5, 6)));

/* What was needed, or is to be done, in the last finding's case, where the rule cannot know. */
void findings_expected(struct findings *l, const char *expected, ...) __attribute__((format(printf, 2, 3)));
void findings_advice(struct findings *l, const char *advice, ...) __attribute__((format(printf, 2, 3)));

/* True when there is no error among them; else err is the first one: "WHAT: FIELD is FOUND, needed EXPECTED (and 2 more)". */
bool findings_ok(const struct findings *l, enum pome_error_code code, const char *what, struct pome_error *err);

void findings_report(const struct findings *l, pome_finding_fn *each, void *user);
bool findings_has(const struct findings *l, const char *code);
void findings_free(struct findings *l);

#endif
