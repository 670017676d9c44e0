/* facts.h - telling facts (pome/inspect.h): one short call each. After a false answer from the callee nothing more is told. */
#ifndef RESTORE_FACTS_H
#define RESTORE_FACTS_H

#include <pome/inspect.h>

struct facts {
    pome_fact_fn *fn;
    void *user;
    bool stopped;
    unsigned detail; /* > 0: all that is told is a detail */
};

void fact_text(struct facts *f, const char *key, const char *title, const char *text); /* NULL or "": not told */
void fact_any_text(struct facts *f, const char *key, const char *title, const char *text); /* "" too */
void fact_negative(struct facts *f, const char *key, const char *title, uint64_t below_zero);
void fact_number(struct facts *f, const char *key, const char *title, uint64_t number);
void fact_hex(struct facts *f, const char *key, const char *title, uint64_t number);
void fact_size(struct facts *f, const char *key, const char *title, uint64_t bytes);
void fact_flag(struct facts *f, const char *key, const char *title, bool flag);
void fact_data(struct facts *f, const char *key, const char *title, const void *bytes, size_t n);
void fact_dict(struct facts *f, const char *key, const char *title);
void fact_list(struct facts *f, const char *key, const char *title);
void fact_end(struct facts *f);

#endif
