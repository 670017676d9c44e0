/*
 * predicate.c - which records are wanted.
 *
 * How it works. The text is read once by a recursive-descent parser into an array of terms; a term is a comparison, or AND, OR, NOT over other terms by
 * their numbers. Evaluation walks from the last one. Numbers are compared as numbers, texts byte by byte; with [c] or [d] both sides are folded first
 * (ASCII in place, the rest by utf8proc).
 */
#include "log/predicate.h"

#include "base/bits.h"
#include "base/error.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

enum key {
    KEY_MESSAGE, KEY_PROCESS, KEY_SUBSYSTEM, KEY_CATEGORY, KEY_SENDER, KEY_BOOT, /* texts */
    KEY_LEVEL, KEY_EVENT, KEY_PID, KEY_THREAD, KEY_ACTIVITY,                     /* numbers */
};

static const struct {
    const char *name;
    enum key key;
} keys[] = {
    {"eventMessage", KEY_MESSAGE}, {"composedMessage", KEY_MESSAGE}, {"process", KEY_PROCESS}, {"processImagePath", KEY_PROCESS},
    {"sender", KEY_SENDER}, {"senderImagePath", KEY_SENDER}, {"subsystem", KEY_SUBSYSTEM}, {"category", KEY_CATEGORY}, {"bootUUID", KEY_BOOT},
    {"messageType", KEY_LEVEL}, {"logType", KEY_LEVEL}, {"eventType", KEY_EVENT}, {"processIdentifier", KEY_PID}, {"processID", KEY_PID},
    {"threadIdentifier", KEY_THREAD}, {"activityIdentifier", KEY_ACTIVITY},
};

/* Words that are numbers. Levels in the order of their weight, as in enum log_level. */
static const struct {
    const char *name;
    uint64_t value;
} words[] = {
    {"debug", LOG_LEVEL_DEBUG}, {"info", LOG_LEVEL_INFO}, {"default", LOG_LEVEL_DEFAULT}, {"error", LOG_LEVEL_ERROR}, {"fault", LOG_LEVEL_FAULT},
    {"logEvent", 1024}, {"traceEvent", 768}, {"activityCreateEvent", 513}, {"activityTransitionEvent", 514},
};

enum op { OP_EQ, OP_NE, OP_LT, OP_GT, OP_LE, OP_GE, OP_CONTAINS, OP_BEGINS, OP_ENDS, OP_LIKE, OP_MATCHES, OP_IN, OP_AND, OP_OR, OP_NOT, OP_TRUE, OP_FALSE };

static const struct {
    const char *name;
    enum op op;
} operators[] = {
    {"==", OP_EQ}, {"!=", OP_NE}, {"<>", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"=<", OP_LE}, {"=>", OP_GE}, {"=", OP_EQ}, {"<", OP_LT}, {">", OP_GT},
    {"CONTAINS", OP_CONTAINS}, {"BEGINSWITH", OP_BEGINS}, {"ENDSWITH", OP_ENDS}, {"LIKE", OP_LIKE}, {"MATCHES", OP_MATCHES}, {"IN", OP_IN},
};

struct term {
    enum op op;
    enum key key;
    bool fold_case, fold_marks, has_regex;
    uint64_t number;
    char *text;          /* of a comparison of texts, folded if it is to be */
    size_t text_n;
    regex_t regex;
    uint16_t left, right; /* terms of AND, OR, NOT; of IN: the first of its values, and how many */
};

struct log_predicate {
    size_t n;
    uint16_t root;
    struct term terms[PREDICATE_MAX_TERMS];
};

/* ---- texts ---- */

static bool is_text(enum key k)
{
    return k <= KEY_BOOT;
}

static bool is_ascii(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

/* A folded copy, or NULL. *n changes. */
static char *fold(const char *s, size_t *n, bool fold_case, bool marks)
{
    if (!is_ascii(s, *n)) {
        utf8proc_uint8_t *to = NULL;
        utf8proc_ssize_t m = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)*n, &to,
                                          UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (fold_case ? UTF8PROC_CASEFOLD : 0) | (marks ? UTF8PROC_STRIPMARK : 0));
        if (m >= 0) {
            *n = (size_t)m;
            return (char *)to;
        }
        free(to); /* no UTF-8: as it is */
    }
    char *to = malloc(*n + 1);
    for (size_t i = 0; to && i < *n; i++)
        to[i] = fold_case ? (char)tolower((unsigned char)s[i]) : s[i];
    if (to)
        to[*n] = 0;
    return to;
}

/* '*' is any text, '?' one byte. */
static bool like(const char *s, const char *pattern)
{
    const char *star = NULL, *again = NULL;
    while (*s) {
        if (*pattern == '*') {
            star = pattern++;
            again = s;
        } else if (*pattern == '?' || *pattern == *s) {
            pattern++;
            s++;
        } else if (star) {
            pattern = star + 1;
            s = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool text_holds(const struct term *t, enum op op, const char *s, size_t n)
{
    switch (op) {
    case OP_EQ: return n == t->text_n && !memcmp(s, t->text, n);
    case OP_NE: return n != t->text_n || memcmp(s, t->text, n);
    case OP_LT: return strcmp(s, t->text) < 0;
    case OP_GT: return strcmp(s, t->text) > 0;
    case OP_LE: return strcmp(s, t->text) <= 0;
    case OP_GE: return strcmp(s, t->text) >= 0;
    case OP_CONTAINS: return memmem(s, n, t->text, t->text_n) != NULL;
    case OP_BEGINS: return n >= t->text_n && !memcmp(s, t->text, t->text_n);
    case OP_ENDS: return n >= t->text_n && !memcmp(s + n - t->text_n, t->text, t->text_n);
    case OP_LIKE: return like(s, t->text);
    case OP_MATCHES: return t->has_regex && !regexec(&t->regex, s, 0, NULL, 0);
    default: return false;
    }
}

static bool number_holds(enum op op, uint64_t a, uint64_t b)
{
    switch (op) {
    case OP_EQ: return a == b;
    case OP_NE: return a != b;
    case OP_LT: return a < b;
    case OP_GT: return a > b;
    case OP_LE: return a <= b;
    case OP_GE: return a >= b;
    default: return false;
    }
}

/* ---- evaluation ---- */

static const char *text_of(enum key k, const struct log_record *r)
{
    switch (k) {
    case KEY_MESSAGE: return r->message;
    case KEY_SUBSYSTEM: return r->subsystem;
    case KEY_CATEGORY: return r->category;
    case KEY_BOOT: return r->boot;
    default: return r->process;
    }
}

static uint64_t number_of(enum key k, const struct log_record *r)
{
    switch (k) {
    case KEY_LEVEL: return r->level;
    case KEY_PID: return r->pid;
    case KEY_THREAD: return r->thread;
    case KEY_ACTIVITY: return r->activity;
    default: return 1024; /* every record is a logEvent */
    }
}

static bool compare(const struct term *t, enum op op, const struct log_record *r)
{
    if (!is_text(t->key))
        return number_holds(op, number_of(t->key, r), t->number);
    const char *s = text_of(t->key, r);
    size_t n = strlen(s);
    if (!t->fold_case && !t->fold_marks)
        return text_holds(t, op, s, n);
    char *folded = fold(s, &n, t->fold_case, t->fold_marks);
    bool holds = folded && text_holds(t, op, folded, n);
    free(folded);
    return holds;
}

static bool holds(const struct log_predicate *p, uint16_t i, const struct log_record *r)
{
    const struct term *t = &p->terms[i];
    switch (t->op) {
    case OP_TRUE: return true;
    case OP_FALSE: return false;
    case OP_AND: return holds(p, t->left, r) && holds(p, t->right, r);
    case OP_OR: return holds(p, t->left, r) || holds(p, t->right, r);
    case OP_NOT: return !holds(p, t->left, r);
    case OP_IN:
        for (uint16_t k = 0; k < t->right; k++)
            if (compare(&p->terms[t->left + k], OP_EQ, r))
                return true;
        return false;
    default: return compare(t, t->op, r);
    }
}

bool log_predicate_holds(const struct log_predicate *p, const struct log_record *r)
{
    return holds(p, p->root, r);
}

/* ---- parsing ---- */

struct parser {
    const char *begin, *at;
    struct log_predicate *p;
    struct pome_error *err;
    unsigned depth;
};

static bool wrong(const struct parser *s, const char *needed)
{
    size_t n = strcspn(s->at, " \t\n");
    return pome_fail(s->err, POME_ERROR_INVALID_DATA, "predicate, character %zu: found %s%.*s%s, needed %s", (size_t)(s->at - s->begin) + 1,
                     *s->at ? "\"" : "", *s->at ? (int)MIN(n, (size_t)24) : 7, *s->at ? s->at : "its end", *s->at ? "\"" : "", needed);
}

static void skip_space(struct parser *s)
{
    while (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')
        s->at++;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* A sign or a whole word, whatever its case. */
static bool take(struct parser *s, const char *what)
{
    size_t n = strlen(what);
    skip_space(s);
    if (strncasecmp(s->at, what, n) || (isalpha((unsigned char)what[0]) && is_word(s->at[n])))
        return false;
    s->at += n;
    return true;
}

static bool new_term(struct parser *s, struct term t, uint16_t *i)
{
    if (s->p->n == PREDICATE_MAX_TERMS)
        return pome_fail(s->err, POME_ERROR_INVALID_DATA, "predicate: more than %d comparisons and operators", PREDICATE_MAX_TERMS);
    *i = (uint16_t)s->p->n;
    s->p->terms[s->p->n++] = t;
    return true;
}

/* "..." or '...', with backslashes; memory is the caller's. */
static bool read_quoted(struct parser *s, char **text, size_t *n)
{
    char quote = *s->at++;
    const char *end = s->at;
    while (*end && *end != quote)
        end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end)
        return wrong(s, "the quote that ends this text");
    *text = malloc((size_t)(end - s->at) + 1);
    *n = 0;
    if (!*text)
        return pome_fail(s->err, POME_ERROR_OUT_OF_MEMORY, "predicate: no memory");
    for (; s->at < end; s->at++) {
        if (*s->at == '\\' && s->at + 1 < end)
            s->at++;
        (*text)[(*n)++] = *s->at;
    }
    (*text)[*n] = 0;
    s->at = end + 1;
    return true;
}

static bool read_bare_number(struct parser *s, uint64_t *v)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (take(s, words[i].name)) {
            *v = words[i].value;
            return true;
        }
    char *end;
    if (!isdigit((unsigned char)*s->at))
        return wrong(s, "a number, or debug, info, default, error, fault");
    *v = strtoull(s->at, &end, 0);
    s->at = end;
    return !is_word(*s->at) || wrong(s, "a number");
}

/* Quotes around it are taken too. */
static bool read_number(struct parser *s, uint64_t *v)
{
    skip_space(s);
    char quote = *s->at == '"' || *s->at == '\'' ? *s->at : 0;
    s->at += quote != 0;
    if (!read_bare_number(s, v))
        return false;
    if (quote && *s->at != quote)
        return wrong(s, "the quote that ends this");
    s->at += quote != 0;
    return true;
}

static bool compile(struct parser *s, struct term *t)
{
    char pattern[300];
    if (t->text_n > 256 || strlen(t->text) != t->text_n)
        return pome_fail(s->err, POME_ERROR_INVALID_DATA, "predicate: a regular expression of %zu bytes, at most 256 are taken", t->text_n);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* the C library's regcomp is not what is fuzzed */
    return true;
#endif
    snprintf(pattern, sizeof pattern, "^(%s)$", t->text);
    int e = regcomp(&t->regex, pattern, REG_EXTENDED | REG_NOSUB);
    t->has_regex = !e;
    if (!e)
        return true;
    char why[96];
    regerror(e, &t->regex, why, sizeof why);
    return pome_fail(s->err, POME_ERROR_INVALID_DATA, "predicate: the regular expression \"%.60s\": %s", t->text, why);
}

/* The value that a comparison compares with, by the kind of its key. */
static bool read_value(struct parser *s, struct term *t)
{
    skip_space(s);
    if (!is_text(t->key))
        return read_number(s, &t->number);
    if (*s->at != '"' && *s->at != '\'')
        return wrong(s, "a text in quotes");
    if (!read_quoted(s, &t->text, &t->text_n))
        return false;
    if (t->fold_case || t->fold_marks) {
        char *folded = fold(t->text, &t->text_n, t->fold_case, t->fold_marks);
        free(t->text);
        t->text = folded;
    }
    return t->text != NULL && (t->op != OP_MATCHES || compile(s, t));
}

static bool read_flags(struct parser *s, struct term *t)
{
    skip_space(s);
    if (*s->at != '[')
        return true;
    for (s->at++; *s->at && *s->at != ']'; s->at++) {
        if (*s->at != 'c' && *s->at != 'd' && *s->at != 'C' && *s->at != 'D')
            return wrong(s, "[c], [d] or [cd]");
        *(tolower((unsigned char)*s->at) == 'c' ? &t->fold_case : &t->fold_marks) = true;
    }
    return *s->at++ == ']' || (s->at--, wrong(s, "\"]\""));
}

/* IN {"a", "b"}: its values are terms of their own, side by side. */
static bool read_set(struct parser *s, struct term t, uint16_t *i)
{
    struct term set = t;
    if (!take(s, "{"))
        return wrong(s, "\"{\"");
    set.left = (uint16_t)s->p->n;
    do {
        uint16_t at = 0;
        struct term value = t;
        value.op = OP_EQ;
        if (!new_term(s, value, &at) || !read_value(s, &s->p->terms[at]))
            return false;
        set.right++;
    } while (take(s, ","));
    return (take(s, "}") || wrong(s, "\",\" or \"}\"")) && new_term(s, set, i);
}

static bool read_comparison(struct parser *s, uint16_t *i)
{
    struct term t = {0};
    size_t k = 0, o = 0;
    while (k < ARRAY_SIZE(keys) && !take(s, keys[k].name))
        k++;
    if (k == ARRAY_SIZE(keys))
        return wrong(s, "a key: eventMessage, process, subsystem, category, messageType, processIdentifier, ...");
    t.key = keys[k].key;
    while (o < ARRAY_SIZE(operators) && !take(s, operators[o].name))
        o++;
    if (o == ARRAY_SIZE(operators))
        return wrong(s, "==, !=, <, >, CONTAINS, BEGINSWITH, ENDSWITH, LIKE, MATCHES or IN");
    t.op = operators[o].op;
    if (!read_flags(s, &t))
        return false;
    if (!is_text(t.key) && t.op > OP_GE && t.op != OP_IN)
        return pome_fail(s->err, POME_ERROR_INVALID_DATA, "predicate: %s is a number, %s is for texts", keys[k].name, operators[o].name);
    if (t.op == OP_IN)
        return read_set(s, t, i);
    return new_term(s, t, i) && read_value(s, &s->p->terms[*i]);
}

static bool read_or(struct parser *s, uint16_t *i);

static bool read_not(struct parser *s, uint16_t *i)
{
    if (s->depth == PREDICATE_MAX_DEPTH)
        return pome_fail(s->err, POME_ERROR_INVALID_DATA, "predicate: more than %d levels of parentheses and NOT", PREDICATE_MAX_DEPTH);
    s->depth++;
    bool ok;
    uint16_t inner;
    if (take(s, "NOT") || take(s, "!"))
        ok = read_not(s, &inner) && new_term(s, (struct term){.op = OP_NOT, .left = inner}, i);
    else if (take(s, "("))
        ok = read_or(s, i) && (take(s, ")") || wrong(s, "AND, OR or \")\""));
    else if (take(s, "TRUEPREDICATE"))
        ok = new_term(s, (struct term){.op = OP_TRUE}, i);
    else if (take(s, "FALSEPREDICATE"))
        ok = new_term(s, (struct term){.op = OP_FALSE}, i);
    else
        ok = read_comparison(s, i);
    s->depth--;
    return ok;
}

static bool read_and(struct parser *s, uint16_t *i)
{
    uint16_t right;
    if (!read_not(s, i))
        return false;
    while (take(s, "AND") || take(s, "&&"))
        if (!read_not(s, &right) || !new_term(s, (struct term){.op = OP_AND, .left = *i, .right = right}, i))
            return false;
    return true;
}

static bool read_or(struct parser *s, uint16_t *i)
{
    uint16_t right;
    if (!read_and(s, i))
        return false;
    while (take(s, "OR") || take(s, "||"))
        if (!read_and(s, &right) || !new_term(s, (struct term){.op = OP_OR, .left = *i, .right = right}, i))
            return false;
    return true;
}

struct log_predicate *log_predicate_parse(const char *text, struct pome_error *err)
{
    if (strlen(text) > PREDICATE_MAX_BYTES) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "predicate: %zu bytes, at most %d are taken", strlen(text), PREDICATE_MAX_BYTES);
        return NULL;
    }
    struct log_predicate *p = calloc(1, sizeof *p);
    struct parser s = {.begin = text, .at = text, .p = p, .err = err};
    if (!p)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "predicate: no memory");
    bool ok = p && read_or(&s, &p->root);
    skip_space(&s);
    if (ok && (!*s.at || wrong(&s, "AND, OR or the end")))
        return p;
    log_predicate_free(p);
    return NULL;
}

void log_predicate_free(struct log_predicate *p)
{
    for (size_t i = 0; p && i < p->n; i++) {
        free(p->terms[i].text);
        if (p->terms[i].has_regex)
            regfree(&p->terms[i].regex);
    }
    free(p);
}
