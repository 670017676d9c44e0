/*
 * predicate.h - which records are wanted, in the language of `log show --predicate` on a Mac (Apple's Predicate Format Strings, the part that log(1) uses).
 *
 *   process == "kernel" AND (messageType >= error OR eventMessage CONTAINS[c] "usb") AND NOT category IN {"cpu", "device"}
 *
 * Keys: keys[] in predicate.c. Operators: == = != <> < > <= >= CONTAINS BEGINSWITH ENDSWITH LIKE (* and ?) MATCHES (the whole text, POSIX extended
 * regular expression) IN {...}; [c] ignores case, [d] marks on letters. AND && OR || NOT !, parentheses, TRUEPREDICATE, FALSEPREDICATE. Words in
 * capitals may be small. No I/O.
 */
#ifndef LOG_PREDICATE_H
#define LOG_PREDICATE_H

#include "log/log.h"

enum { PREDICATE_MAX_BYTES = 4096, PREDICATE_MAX_TERMS = 128, PREDICATE_MAX_DEPTH = 32 };

/* Errors: INVALID_DATA: where it is wrong, what was found, what is needed. */
struct log_predicate *log_predicate_parse(const char *text, struct pome_error *err);
void log_predicate_free(struct log_predicate *p); /* NULL is fine */

bool log_predicate_holds(const struct log_predicate *p, const struct log_record *r);

#endif
