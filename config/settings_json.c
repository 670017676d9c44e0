/* settings_json.c - settings from and to JSON text, whole or by the path of one value. */
#include "base/bits.h"
#include "base/error.h"
#include "config/position.h"
#include "config/settings_table.h"

#include <jansson.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- reading --- */

struct reading {
    const char *path;
    struct settings *s;
    struct findings *out;
};

/* How many of the shorter word's letters stand, in order and case apart, in the other: enough to guess what was meant. */
static size_t likeness(const char *a, const char *b)
{
    size_t n = 0;
    for (; *a && *b; a++)
        if ((*a | 0x20) == (*b | 0x20)) {
            n++;
            b++;
        }
    return n;
}

static const char *guess(const struct section *c, const char *key)
{
    static const struct {
        const char *said, *meant;
    } usual[] = {{"cpus", "cpuCount"},
                 {"cpu", "cpuCount"},
                 {"ram", "memorySize"},
                 {"memory", "memorySize"},
                 {"mem", "memorySize"},
                 {"mac", "macAddress"},
                 {"name", "file"},
                 {"storage", "disks"},
                 {"storageDevices", "disks"},
                 {"networkDevices", "networks"},
                 {"display", "displays"},
                 {"dpi", "pixelsPerInch"},
                 {"network", "networks"}};
    const char *best = c->rows[0].key;
    for (const struct row *r = c->rows + 1; r->key; r++)
        if (likeness(r->key, key) > likeness(best, key))
            best = r->key;
    for (size_t i = 1; !c->key && i < settings_n_sections; i++)
        if (likeness(settings_sections[i].key, key) > likeness(best, key))
            best = settings_sections[i].key;
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (!strcasecmp(usual[i].said, key))
            best = usual[i].meant;
    return best;
}

static void wrong_type(const struct reading *d, const char *field, const json_t *v, const char *needed)
{
    static const char *const names[] = {"an object", "a list", "a text", "a whole number", "a number with a fraction",
                                        "true",      "false",  "null"};
    findings_add(d->out, &config_rules[RULE_TYPE], d->path, field, "%s",
                 json_is_integer(v) ? "a negative number" : names[json_typeof(v)]);
    findings_expected(d->out, "%s", needed);
}

static void read_text(const struct reading *d, const struct row *r, const json_t *v, char *to, const char *field)
{
    const char *text = json_string_value(v);
    size_t n = json_string_length(v);
    if (n >= r->size) {
        findings_add(d->out, &config_rules[r->rule == RULE_COMMAND_LINE ? RULE_COMMAND_LINE : RULE_TEXT], d->path, field,
                     "%zu bytes long", n);
        findings_expected(d->out, "at most %zu bytes", r->size - 1);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            findings_add(d->out, &config_rules[RULE_TEXT], d->path, field, "a text with a control character");
            return;
        }
    memcpy(to, text, n + 1);
}

static void read_word(const struct reading *d, const struct row *r, const char *word, uint32_t *to, const char *field)
{
    for (uint32_t i = 0; r->words[i]; i++)
        if (!strcmp(r->words[i], word)) {
            *to = i;
            return;
        }
    settings_check_word(r, word, d->path, field, d->out);
}

static void read_value(const struct reading *d, const struct row *r, const json_t *v, void *to, const char *field)
{
    switch (r->kind) {
    case TEXT:
        if (!json_is_string(v))
            wrong_type(d, field, v, "a text");
        else
            read_text(d, r, v, to, field);
        return;
    case WORD:
        if (!json_is_string(v))
            wrong_type(d, field, v, "a text");
        else
            read_word(d, r, json_string_value(v), to, field);
        return;
    case FLAG:
        if (!json_is_boolean(v))
            wrong_type(d, field, v, "true or false");
        else
            *(bool *)to = json_is_true(v);
        return;
    case U32:
    case U64:
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            wrong_type(d, field, v, "a whole number (sizes are in bytes)");
        else if (r->kind == U64)
            *(uint64_t *)to = (uint64_t)json_integer_value(v);
        else
            *(uint32_t *)to = (uint32_t)MIN(json_integer_value(v), (json_int_t)UINT32_MAX);
    }
}

static void read_section(const struct reading *d, const struct section *c, const json_t *value);

/* An object by its rows; at the top the sections' keys too. */
static void read_object(const struct reading *d, const struct section *c, size_t i, const json_t *object)
{
    char field[SETTINGS_FIELD];
    const char *key;
    json_t *value;
    if (!json_is_object(object)) {
        wrong_type(d, c->key ? settings_field(c, i, "", field) : NULL, object, "an object");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const struct row *r = settings_row(c, key);
        const struct section *inner = c->key ? NULL : settings_section(key);
        settings_field(c, i, key, field);
        if (r)
            read_value(d, r, value, (char *)settings_item(c, d->s, i) + r->at, field);
        else if (inner)
            read_section(d, inner, value);
        else if (c->key || strcmp(key, "version")) {
            findings_add(d->out, &config_rules[RULE_KEY_UNKNOWN], d->path, field, "not a known key");
            findings_expected(d->out, "\"%s\", perhaps", guess(c, key));
        }
    }
    for (const struct row *r = c->rows; r->key; r++)
        if (r->required && !json_object_get(object, r->key))
            findings_add(d->out, &config_rules[RULE_KEY_MISSING], d->path, settings_field(c, i, r->key, field), "missing");
}

static void read_section(const struct reading *d, const struct section *c, const json_t *value)
{
    if (!c->count_at) {
        read_object(d, c, 0, value);
        return;
    }
    if (!json_is_array(value)) {
        wrong_type(d, c->key, value, "a list of objects");
        return;
    }
    size_t n = json_array_size(value);
    if (n > SETTINGS_MAX_ITEMS) {
        findings_add(d->out, &config_rules[RULE_ITEMS], d->path, c->key, "a list of %zu", n);
        findings_expected(d->out, "at most %d", SETTINGS_MAX_ITEMS);
        n = SETTINGS_MAX_ITEMS;
    }
    for (size_t i = 0; i < n; i++)
        read_object(d, c, i, json_array_get(value, i));
    *(size_t *)(void *)((char *)d->s + c->count_at) = n;
}

static void read_root(const struct reading *d, const json_t *root)
{
    const json_t *version = json_object_get(root, "version");
    if (!json_is_object(root)) {
        findings_add(d->out, &config_rules[RULE_NOT_OBJECT], d->path, NULL, "not a JSON object");
        return;
    }
    if (!version)
        findings_add(d->out, &config_rules[RULE_KEY_MISSING], d->path, "version", "missing");
    else if (!json_is_integer(version) || json_integer_value(version) != 1)
        findings_add(d->out, &config_rules[RULE_VERSION], d->path, "version", "not 1");
    read_object(d, &settings_sections[0], 0, root);
}

/* Reads the tree into s; values in which a fault was found are left as they were in s, and are not checked again. */
static void read_and_check(const json_t *root, const char *path, struct settings *s, struct findings *out)
{
    struct findings more = {0};
    settings_init(s);
    read_root(&(struct reading){path, s, out}, root);
    settings_check(s, path, &more);
    for (size_t i = 0; i < more.n; i++) {
        bool told = false;
        for (size_t k = 0; k < out->n; k++)
            told |= !strcmp(out->items[k].field, more.items[i].field);
        if (told)
            continue;
        findings_add(out, more.items[i].rule, path, more.items[i].field, "%s", more.items[i].found);
        findings_expected(out, "%s", more.items[i].expected);
    }
    findings_free(&more);
}

/* Of what is missing the place is that of the object it should be in. */
static void locate(const char *text, size_t n, struct finding *f)
{
    char field[sizeof f->field];
    strcpy(field, f->field);
    while (field[0] && !json_position(text, n, field, &f->line, &f->column)) {
        char *dot = strrchr(field, '.'), *bracket = strrchr(field, '[');
        *(dot > bracket ? dot : bracket ? bracket : field) = 0;
    }
    if (!field[0])
        f->line = f->column = 1;
}

void settings_parse(const void *bytes, size_t n, const char *path, struct settings *s, struct findings *out)
{
    json_error_t e;
    settings_init(s);
    size_t before = out->n;
    if (!n || n > SETTINGS_MAX_BYTES) {
        findings_add(out, &config_rules[RULE_TOO_LARGE], path, NULL, "%zu bytes", n);
        return;
    }
    json_t *root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &e);
    if (!root) {
        findings_add(out, &config_rules[RULE_SYNTAX], path, NULL, "%.150s", e.text);
        if (out->n > before) {
            out->items[out->n - 1].line = e.line;
            out->items[out->n - 1].column = e.column;
        }
        return;
    }
    read_and_check(root, path, s, out);
    json_decref(root);
    for (size_t i = before; i < out->n; i++)
        locate(bytes, n, &out->items[i]);
}

bool settings_read(const void *bytes, size_t n, const char *what, struct settings *s, struct pome_error *err)
{
    struct findings l = {0};
    settings_parse(bytes, n, what, s, &l);
    bool ok = findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, what, err);
    findings_free(&l);
    return ok;
}

/* --- writing --- */

static json_t *value_to_json(const struct row *r, const void *field)
{
    switch (r->kind) {
    case U32:
    case U64: return json_integer((json_int_t)settings_number(r, field));
    case TEXT: return *(const char *)field ? json_string(field) : NULL;
    case WORD: return json_string(r->words[settings_number(r, field)]);
    case FLAG: return json_boolean(*(const bool *)field);
    }
    return NULL;
}

static json_t *item_to_json(const struct section *c, const struct settings *s, size_t i, json_t *object)
{
    for (const struct row *r = c->rows; r->key; r++) {
        json_t *v = value_to_json(r, (const char *)settings_item(c, s, i) + r->at);
        if (v)
            json_object_set_new(object, r->key, v);
    }
    return object;
}

static json_t *to_json(const struct settings *s)
{
    json_t *root = json_object();
    json_object_set_new(root, "version", json_integer(1));
    item_to_json(&settings_sections[0], s, 0, root);
    for (size_t c = 1; c < settings_n_sections; c++) {
        json_t *list = json_array();
        for (size_t i = 0; i < settings_count(&settings_sections[c], s); i++)
            json_array_append_new(list, item_to_json(&settings_sections[c], s, i, json_object()));
        if (!settings_sections[c].count_at)
            json_object_set(root, settings_sections[c].key, json_array_get(list, 0));
        else if (json_array_size(list))
            json_object_set(root, settings_sections[c].key, list);
        json_decref(list);
    }
    if (s->platform == SETTINGS_APPLE) /* says nothing then */
        json_object_del(root, "boot");
    return root;
}

char *settings_write(const struct settings *s, size_t *n)
{
    json_t *root = to_json(s);
    char *text = json_dumps(root, JSON_INDENT(2)), *line = NULL;
    json_decref(root);
    if (text && (line = malloc(strlen(text) + 2)))
        *n = (size_t)sprintf(line, "%s\n", text);
    free(text);
    return line;
}

/* --- one value --- */

static json_t *get_last(json_t *at, const char *last)
{
    return last[0] == '[' ? json_array_get(at, strtoul(last + 1, NULL, 10)) : json_object_get(at, last);
}

static bool set_last(json_t *at, const char *last, json_t *value)
{
    if (last[0] != '[')
        return json_is_object(at) && !(value ? json_object_set(at, last, value) : json_object_del(at, last));
    size_t i = strtoul(last + 1, NULL, 10), n = json_array_size(at);
    if (!json_is_array(at) || i > n)
        return false;
    return !(i == n ? value ? json_array_append(at, value) : -1 : value ? json_array_set(at, i, value) : json_array_remove(at, i));
}

/* The container of the last part of a path; *last is that part ("memorySize", "[0]"). NULL when the path leads nowhere. */
static json_t *walk(json_t *root, const char *path, char last[96])
{
    json_t *at = root;
    for (;;) {
        size_t n = *path == '[' ? strcspn(path, "]") + 1 : strcspn(path, ".[");
        if (!n || n >= 96 || n > strlen(path))
            return NULL;
        memcpy(last, path, n);
        last[n] = 0;
        path += n;
        path += *path == '.';
        if (!*path)
            return at;
        json_t *next = get_last(at, last);
        if (!next) { /* networks[0] where there are no networks yet */
            next = *path == '[' ? json_array() : json_object();
            if (!set_last(at, last, next))
                at = NULL;
            json_decref(next);
        }
        if (!at)
            return NULL;
        at = next;
    }
}

char *settings_get(const struct settings *s, const char *path)
{
    char last[96];
    json_t *root = to_json(s), *at = path[0] ? walk(root, path, last) : root, *v = !at ? NULL : path[0] ? get_last(at, last) : at;
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_INDENT(2)) : NULL;
    json_decref(root);
    return text;
}

/* "4GiB" -> bytes; only what is written as one. */
static json_t *size_value(const char *text)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"K", 10}, {"KiB", 10}, {"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40}, {"TiB", 40}};
    char *end;
    errno = 0;
    unsigned long long n = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    for (size_t i = 0; n && !errno && i < ARRAY_SIZE(units); i++)
        if (!strcasecmp(end, units[i].unit) && n < UINT64_C(1) << (62 - units[i].shift))
            return json_integer((json_int_t)(n << units[i].shift));
    return NULL;
}

bool settings_set(struct settings *s, bool installed, const char *path, const char *value, const char *what, struct findings *out)
{
    char last[96];
    struct settings *now = malloc(sizeof *now);
    json_t *root = to_json(s), *at = walk(root, path, last), *v = NULL;
    if (now && value[0]) {
        v = size_value(value);
        v = v ? v : json_loads(value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        v = v ? v : json_string(value);
    }
    size_t errors = out->errors;
    if (!now || (value[0] && !v))
        findings_add(out, &config_rules[RULE_TYPE], what, path, "a value that is not UTF-8 text, or no memory");
    else if (!at || !set_last(at, last, v))
        findings_add(out, &config_rules[RULE_KEY_UNKNOWN], what, path, "not there");
    else {
        read_and_check(root, what, now, out);
        if (installed)
            settings_check_fixed(s, now, what, out);
    }
    json_decref(v);
    json_decref(root);
    bool ok = out->errors == errors;
    if (ok)
        *s = *now;
    free(now);
    return ok;
}
