/* facts.c - showing descriptions of files. */
#include "cli/facts.h"
#include "cli/output.h"

#include <pome/error.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64, VALUE = 160, COLUMNS = 12 };

/* --- gathering --- */

struct gathering {
    struct fact_node *root, **end[DEPTH]; /* end: where the next node of each open level goes */
    size_t depth;
    bool no_memory;
};

static char *copy(const void *bytes, size_t n)
{
    char *p = bytes ? malloc(n + 1) : NULL;
    if (p) {
        memcpy(p, bytes, n);
        p[n] = 0;
    }
    return p;
}

/* Texts come from other people's files and go to a terminal: no escape sequences. */
static char *copy_text(const char *text)
{
    char *p = copy(text, text ? strlen(text) : 0);
    for (char *c = p; c && *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
            *c = '?';
    return p;
}

static bool is_group(const struct pome_fact *f)
{
    return f->type == POME_FACT_DICT || f->type == POME_FACT_LIST;
}

static bool take(void *user, const struct pome_fact *fact)
{
    struct gathering *g = user;
    if (fact->type == POME_FACT_END) {
        g->depth--;
        return true;
    }
    struct fact_node *n = calloc(1, sizeof *n);
    if (!n || g->depth + 1 == DEPTH) {
        free(n);
        g->no_memory = true;
        return false;
    }
    n->fact = *fact;
    n->fact.key = copy_text(fact->key);
    n->fact.title = copy_text(fact->title);
    n->fact.text = copy_text(fact->text);
    n->fact.data = (const uint8_t *)copy(fact->data, fact->bytes);
    *g->end[g->depth] = n;
    g->end[g->depth] = &n->next;
    if (is_group(fact))
        g->end[++g->depth] = &n->first;
    return true;
}

struct fact_node *facts_gather(const char *path, const struct pome_inspect_options *options, struct pome_error *err)
{
    struct gathering g = {0};
    g.end[0] = &g.root;
    if (pome_file_describe(path, options, take, &g, err))
        return g.root;
    if (g.no_memory) {
        *err = (struct pome_error){.code = POME_ERROR_OUT_OF_MEMORY};
        snprintf(err->message, sizeof err->message, "%.200s: no memory for its description", path);
    }
    facts_free(g.root);
    return NULL;
}

void facts_free(struct fact_node *n)
{
    while (n) {
        struct fact_node *next = n->next;
        facts_free(n->first);
        free((void *)(uintptr_t)n->fact.key);
        free((void *)(uintptr_t)n->fact.title);
        free((void *)(uintptr_t)n->fact.text);
        free((void *)(uintptr_t)n->fact.data);
        free(n);
        n = next;
    }
}

/* --- text --- */

/* A fact's value for people, cut to VALUE - 1 characters. */
static const char *value_text(const struct pome_fact *f, char out[VALUE])
{
    size_t shown = f->bytes < 64 ? f->bytes : 48;
    out[0] = 0;
    switch (f->type) {
    case POME_FACT_TEXT: return f->text;
    case POME_FACT_NUMBER: snprintf(out, VALUE, "%" PRIu64, f->number); break;
    case POME_FACT_NEGATIVE: snprintf(out, VALUE, "-%" PRIu64, f->number); break;
    case POME_FACT_HEX: snprintf(out, VALUE, "0x%" PRIX64, f->number); break;
    case POME_FACT_SIZE: return cli_size(f->number, out);
    case POME_FACT_FLAG: return f->number ? "yes" : "no";
    case POME_FACT_DATA:
        for (size_t i = 0; i < shown; i++)
            snprintf(out + 2 * i, 3, "%02x", f->data[i]);
        if (shown < f->bytes)
            snprintf(out + 2 * shown, VALUE - 2 * shown, "... (%zu bytes)", f->bytes);
        break;
    default: break;
    }
    return out;
}

static const char *name_of(const struct pome_fact *f)
{
    return f->title ? f->title : f->key ? f->key : "-";
}

/* "krnl (kernel cache)": codes stand beside what they mean. */
static const char *label(const struct pome_fact *f, char out[VALUE])
{
    if (!f->key || !f->title || strlen(f->key) != 4 || !strcasecmp(f->key, f->title) || f->type == POME_FACT_SIZE)
        return name_of(f);
    snprintf(out, VALUE, "%s (%s)", f->key, f->title);
    return out;
}

static bool shown(const struct fact_node *n, bool all)
{
    return all || !n->fact.detail;
}

/* Every item is a group without groups in it. */
static bool is_table(const struct fact_node *list)
{
    for (const struct fact_node *item = list->first; item; item = item->next) {
        if (item->fact.type != POME_FACT_DICT)
            return false;
        for (const struct fact_node *cell = item->first; cell; cell = cell->next)
            if (is_group(&cell->fact))
                return false;
    }
    return list->fact.type == POME_FACT_LIST && list->first;
}

struct table {
    size_t n;
    struct {
        const char *key, *name;
        size_t width;
        bool right;
    } column[COLUMNS];
};

static const struct fact_node *cell_of(const struct fact_node *item, const char *key)
{
    for (const struct fact_node *c = item->first; c; c = c->next)
        if (c->fact.key && !strcmp(c->fact.key, key))
            return c;
    return NULL;
}

static void measure(struct table *t, const struct fact_node *list, bool all)
{
    char value[VALUE];
    for (const struct fact_node *item = list->first; item; item = item->next)
        for (const struct fact_node *c = item->first; c; c = c->next) {
            size_t i = 0, width = strlen(value_text(&c->fact, value));
            if (!shown(c, all) || !c->fact.key)
                continue;
            while (i < t->n && strcmp(t->column[i].key, c->fact.key))
                i++;
            if (i == COLUMNS)
                continue;
            if (i == t->n) {
                t->n++;
                t->column[i].key = c->fact.key;
                t->column[i].name = name_of(&c->fact);
                t->column[i].width = strlen(t->column[i].name);
                t->column[i].right = c->fact.type == POME_FACT_SIZE || c->fact.type == POME_FACT_NUMBER;
            }
            if (width > t->column[i].width)
                t->column[i].width = width;
        }
}

static void print_cell(FILE *f, const struct table *t, size_t i, const char *text)
{
    int width = (int)t->column[i].width;
    if (i + 1 == t->n && !t->column[i].right)
        fprintf(f, "%s\n", text);
    else
        fprintf(f, t->column[i].right ? "%*s%s" : "%-*s%s", width, text, i + 1 == t->n ? "\n" : "  ");
}

static void print_table(FILE *f, const struct fact_node *list, unsigned indent, bool all)
{
    struct table t = {0};
    char value[VALUE];
    measure(&t, list, all);
    for (size_t i = 0; i < t.n; i++) {
        fprintf(f, "%*s", i ? 0 : (int)indent, "");
        print_cell(f, &t, i, t.column[i].name);
    }
    for (const struct fact_node *item = list->first; item; item = item->next)
        for (size_t i = 0; shown(item, all) && i < t.n; i++) {
            const struct fact_node *c = cell_of(item, t.column[i].key);
            fprintf(f, "%*s", i ? 0 : (int)indent, "");
            print_cell(f, &t, i, c ? value_text(&c->fact, value) : "");
        }
}

static void print_level(FILE *f, const struct fact_node *first, unsigned indent, bool all)
{
    int width = 0;
    char value[VALUE], name[VALUE];
    for (const struct fact_node *n = first; n; n = n->next)
        if (shown(n, all) && !is_group(&n->fact) && n->fact.key && (int)strlen(label(&n->fact, name)) > width)
            width = (int)strlen(label(&n->fact, name));
    for (const struct fact_node *n = first; n; n = n->next) {
        const char *text = label(&n->fact, name);
        if (!shown(n, all))
            continue;
        if (!is_group(&n->fact) && n->fact.key)
            fprintf(f, "%*s%s:%*s  %s\n", (int)indent, "", text, width - (int)strlen(text), "", value_text(&n->fact, value));
        else if (!is_group(&n->fact))
            fprintf(f, "%*s%s\n", (int)indent, "", value_text(&n->fact, value));
        else
            fprintf(f, "%*s%s:\n", (int)indent, "", text);
        if (is_table(n))
            print_table(f, n, indent + 2, all);
        else if (is_group(&n->fact))
            print_level(f, n->first, indent + 2, all);
    }
}

void facts_print(FILE *f, const struct fact_node *tree, bool all)
{
    print_level(f, tree->first, 0, all);
}

/* --- JSON --- */

static void print_value_json(FILE *f, const struct pome_fact *v)
{
    switch (v->type) {
    case POME_FACT_TEXT: cli_json_string(f, v->text); break;
    case POME_FACT_FLAG: fputs(v->number ? "true" : "false", f); break;
    case POME_FACT_DATA:
        fputc('"', f);
        for (size_t i = 0; i < v->bytes; i++)
            fprintf(f, "%02x", v->data[i]);
        fputc('"', f);
        break;
    default: fprintf(f, "%s%" PRIu64, v->type == POME_FACT_NEGATIVE ? "-" : "", v->number); break;
    }
}

static void print_json(FILE *f, const struct fact_node *n)
{
    if (!is_group(&n->fact)) {
        print_value_json(f, &n->fact);
        return;
    }
    bool dict = n->fact.type == POME_FACT_DICT;
    fputc(dict ? '{' : '[', f);
    for (const struct fact_node *c = n->first; c; c = c->next) {
        if (c != n->first)
            fputc(',', f);
        if (dict) {
            cli_json_string(f, c->fact.key);
            fputc(':', f);
        }
        print_json(f, c);
    }
    fputc(dict ? '}' : ']', f);
}

void facts_print_json(FILE *f, const struct fact_node *tree)
{
    print_json(f, tree);
    fputc('\n', f);
}

/* --- differences --- */

struct diffing {
    FILE *f;
    bool all, json;
    size_t n;
    const char *names[DEPTH]; /* where we are */
    size_t depth;
};

static void print_place(const struct diffing *d, const struct fact_node *n)
{
    for (size_t i = 0; i < d->depth; i++)
        fprintf(d->f, "%s: ", d->names[i]);
    fputs(name_of(&n->fact), d->f);
}

static void print_path_json(const struct diffing *d, const struct fact_node *n)
{
    fputc('[', d->f);
    for (size_t i = 0; i < d->depth; i++) {
        cli_json_string(d->f, d->names[i]);
        fputc(',', d->f);
    }
    cli_json_string(d->f, n->fact.key ? n->fact.key : "");
    fputc(']', d->f);
}

/* What a group is, in a line: its sizes and texts that come first. */
static void print_brief(const struct diffing *d, const struct fact_node *n)
{
    char value[VALUE];
    if (!is_group(&n->fact)) {
        fprintf(d->f, ": %s", value_text(&n->fact, value));
        return;
    }
    for (const struct fact_node *c = n->first; c; c = c->next)
        if (c->fact.type == POME_FACT_SIZE && shown(c, d->all))
            fprintf(d->f, " (%s)", value_text(&c->fact, value));
}

/* a or b NULL: only in the other. */
static void report(struct diffing *d, const struct fact_node *a, const struct fact_node *b)
{
    char value[VALUE];
    if (d->json) {
        fputs(d->n++ ? ",\n {\"change\":" : "[{\"change\":", d->f);
        cli_json_string(d->f, !a ? "added" : !b ? "removed" : "changed");
        fputs(",\"path\":", d->f);
        print_path_json(d, a ? a : b);
        fputs(",\"from\":", d->f);
        a ? print_json(d->f, a) : (void)fputs("null", d->f);
        fputs(",\"to\":", d->f);
        b ? print_json(d->f, b) : (void)fputs("null", d->f);
        fputc('}', d->f);
        return;
    }
    d->n++;
    fprintf(d->f, "%c ", !a ? '+' : !b ? '-' : '~');
    print_place(d, a ? a : b);
    if (a && b && a->fact.type == POME_FACT_SIZE && b->fact.type == POME_FACT_SIZE) {
        fprintf(d->f, ": %" PRIu64 " -> %" PRIu64 " bytes\n", a->fact.number, b->fact.number);
        return;
    }
    if (a && b) {
        fprintf(d->f, ": %s", value_text(&a->fact, value));
        fprintf(d->f, " -> %s\n", value_text(&b->fact, value));
        return;
    }
    print_brief(d, a ? a : b);
    fputc('\n', d->f);
}

/* Items of lists are told apart by their keys; those without one by their place. */
static const struct fact_node *partner(const struct fact_node *first, const struct fact_node *n, size_t place)
{
    for (size_t i = 0; first; first = first->next, i++)
        if (n->fact.key && first->fact.key ? !strcmp(n->fact.key, first->fact.key) : !n->fact.key && !first->fact.key && i == place)
            return first;
    return NULL;
}

static bool same_value(const struct pome_fact *a, const struct pome_fact *b)
{
    if (a->type != b->type || a->number != b->number || a->bytes != b->bytes)
        return false;
    return a->type == POME_FACT_TEXT ? !strcmp(a->text, b->text) : a->type != POME_FACT_DATA || !a->bytes || !memcmp(a->data, b->data, a->bytes);
}

/* Digests are details of a component, but that they differ is what one wants to know. */
static bool compared(const struct fact_node *n, bool all)
{
    return shown(n, all) || (n->fact.key && !strcmp(n->fact.key, "digest"));
}

static void compare(struct diffing *d, const struct fact_node *a, const struct fact_node *b)
{
    size_t place = 0;
    for (const struct fact_node *n = a->first; n; n = n->next, place++) {
        const struct fact_node *other = partner(b->first, n, place);
        if (!compared(n, d->all))
            continue;
        if (!other) {
            report(d, n, NULL);
        } else if (is_group(&n->fact) && n->fact.type == other->fact.type) {
            d->names[d->depth++] = name_of(&n->fact);
            compare(d, n, other);
            d->depth--;
        } else if (!same_value(&n->fact, &other->fact)) {
            report(d, n, other);
        }
    }
    place = 0;
    for (const struct fact_node *n = b->first; n; n = n->next, place++)
        if (compared(n, d->all) && !partner(a->first, n, place))
            report(d, NULL, n);
}

size_t facts_diff(FILE *f, const struct fact_node *a, const struct fact_node *b, bool all, bool json)
{
    struct diffing d = {.f = f, .all = all, .json = json};
    compare(&d, a, b);
    if (json)
        fputs(d.n ? "]\n" : "[]\n", f);
    return d.n;
}
