/* json.c - text made, scanned, parsed into a tree, printed again. */
#include "../bench.h"

struct value {
    enum { NUMBER, STRING, LIST, OBJECT } kind;
    double number;
    char *text; /* of a string; the name in an object */
    struct value *first, *next;
};

static const char *skip(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == ',' || *p == ':')
        p++;
    return p;
}

static char *string(const char **p)
{
    const char *end = strchr(++*p, '"');
    char *s = malloc((size_t)(end - *p) + 1);
    memcpy(s, *p, (size_t)(end - *p));
    s[end - *p] = 0;
    *p = end + 1;
    return s;
}

static struct value *parse(const char **p)
{
    struct value *v = calloc(1, sizeof *v), **tail = &v->first;
    *p = skip(*p);
    switch (**p) {
    case '"':
        v->kind = STRING;
        v->text = string(p);
        return v;
    case '[':
    case '{':
        v->kind = **p == '[' ? LIST : OBJECT;
        for (*p = skip(*p + 1); **p != ']' && **p != '}'; *p = skip(*p)) {
            char *name = v->kind == OBJECT ? string(p) : NULL;
            struct value *e = parse(p);
            if (name && e->kind != STRING)
                e->text = name;
            else
                free(name);
            *tail = e;
            tail = &e->next;
        }
        ++*p;
        return v;
    default:
        v->kind = NUMBER;
        v->number = strtod(*p, (char **)p);
        return v;
    }
}

static uint64_t digest(struct value *v, uint64_t h)
{
    h = bench_mix(h, v->kind);
    if (v->kind == NUMBER)
        h = bench_mix(h, (uint64_t)(int64_t)(v->number * 1000));
    for (const char *s = v->text; s && *s; s++)
        h = h * 31 + (uint8_t)*s;
    for (struct value *e = v->first, *next; e; e = next) {
        next = e->next;
        h = digest(e, h);
    }
    free(v->text);
    free(v);
    return h;
}

uint64_t bench_run(unsigned n)
{
    char *text = malloc(1 << 20), *to = text;
    uint64_t seed = 7, h = 0;
    to += sprintf(to, "[");
    for (unsigned i = 0; i < 1500; i++) {
        unsigned r = (unsigned)(bench_random(&seed) >> 20);
        to += sprintf(to, "{\"id\": %u, \"name\": \"item number %u\", \"price\": %u.%03u, \"tags\": [\"red\", \"round\", \"%c\"]},\n", i,
                      r % 10000, r >> 4 & 511, r % 1000, 'a' + (int)(r % 26));
    }
    sprintf(to, "]");
    for (unsigned i = 0; i < 20 * n; i++) {
        const char *p = text;
        h = digest(parse(&p), h);
    }
    free(text);
    return h;
}
