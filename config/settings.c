/*
 * settings.c - Config.json, one row per key.
 *
 * A new setting: a member of struct settings, a row here, a property in docs/config.schema.json.
 */
#include "config/settings.h"
#include "base/bits.h"
#include "base/error.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind { U32, U64, TEXT };

static const char *const models[] = {"default", "apple", NULL};

static const struct row {
    const char *key;
    enum kind kind;
    size_t at;
    uint64_t min, max, multiple;
    const char *const *words; /* TEXT: what is allowed */
    bool required;
} rows[] = {
    {"cpuCount", U32, offsetof(struct settings, cpu_count), 1, SETTINGS_MAX_CPUS, 1, NULL, true},
    {"memorySize", U64, offsetof(struct settings, memory_bytes), SETTINGS_MIN_MEMORY, SETTINGS_MAX_MEMORY, MiB, NULL, true},
    {"cpuModel", TEXT, offsetof(struct settings, cpu_model), 0, 0, 0, models, false},
};

void settings_init(struct settings *s)
{
    *s = (struct settings){.cpu_count = 2, .memory_bytes = 2 * GiB, .cpu_model = "default"};
}

/* --- checks --- */

static bool number_ok(const struct row *r, uint64_t v, const char *what, struct pome_error *err)
{
    if (v < r->min || v > r->max)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %s is %llu, allowed are %llu to %llu", what, r->key, (unsigned long long)v,
                         (unsigned long long)r->min, (unsigned long long)r->max);
    if (v % r->multiple)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %s is %llu, needed a multiple of %llu", what, r->key, (unsigned long long)v,
                         (unsigned long long)r->multiple);
    return true;
}

static bool word_ok(const struct row *r, const char *word, const char *what, struct pome_error *err)
{
    for (const char *const *w = r->words; *w; w++)
        if (!strcmp(*w, word))
            return true;
    return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %s is \"%.40s\", allowed are \"%s\" and \"%s\"", what, r->key, word, r->words[0],
                     r->words[1]);
}

bool settings_validate(const struct settings *s, const char *what, struct pome_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        const char *field = (const char *)s + r->at;
        bool ok = r->kind == TEXT  ? word_ok(r, field, what, err)
                  : r->kind == U32 ? number_ok(r, *(const uint32_t *)(const void *)field, what, err)
                                   : number_ok(r, *(const uint64_t *)(const void *)field, what, err);
        if (!ok)
            return false;
    }
    return true;
}

/* --- reading --- */

static const struct row *find(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].key, key))
            return &rows[i];
    return NULL;
}

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

static bool unknown(const char *what, const char *key, struct pome_error *err)
{
    static const struct {
        const char *said, *meant;
    } usual[] = {{"cpus", "cpuCount"}, {"cpu", "cpuCount"}, {"ram", "memorySize"}, {"memory", "memorySize"}, {"mem", "memorySize"}};
    const char *guess = rows[0].key;
    for (size_t i = 1; i < ARRAY_SIZE(rows); i++)
        if (likeness(rows[i].key, key) > likeness(guess, key))
            guess = rows[i].key;
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (!strcasecmp(usual[i].said, key))
            guess = usual[i].meant;
    return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: the key \"%.40s\" is not known; is \"%s\" meant?", what, key, guess);
}

static bool read_value(const struct row *r, const json_t *v, struct settings *s, const char *what, struct pome_error *err)
{
    char *field = (char *)s + r->at;
    if (r->kind == TEXT) {
        if (!json_is_string(v))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %s is not a string", what, r->key);
        if (!word_ok(r, json_string_value(v), what, err))
            return false;
        strcpy(field, json_string_value(v));
        return true;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %s is not a whole number (sizes are in bytes)", what, r->key);
    uint64_t n = (uint64_t)json_integer_value(v);
    if (!number_ok(r, n, what, err))
        return false;
    if (r->kind == U32)
        *(uint32_t *)(void *)field = (uint32_t)n;
    else
        *(uint64_t *)(void *)field = n;
    return true;
}

static bool read_object(json_t *root, const char *what, struct settings *s, struct pome_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: not a JSON object", what);
    const json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version) || json_integer_value(version) != 1)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: version is missing or not 1", what);
    json_object_foreach(root, key, value) {
        const struct row *r = find(key);
        if (!strcmp(key, "version"))
            continue;
        if (!r)
            return unknown(what, key, err);
        if (!read_value(r, value, s, what, err))
            return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].required && !json_object_get(root, rows[i].key))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %s is missing", what, rows[i].key);
    return true;
}

bool settings_read(const void *bytes, size_t n, const char *what, struct settings *s, struct pome_error *err)
{
    json_error_t e;
    settings_init(s);
    if (!n || n > SETTINGS_MAX_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %zu bytes, needed 1 to %d", what, n, SETTINGS_MAX_BYTES);
    json_t *root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &e);
    if (!root)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: line %d, column %d: %s", what, e.line, e.column, e.text);
    bool ok = read_object(root, what, s, err);
    json_decref(root);
    return ok;
}

/* --- writing --- */

char *settings_write(const struct settings *s, size_t *n)
{
    json_t *root = json_object();
    json_object_set_new(root, "version", json_integer(1));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *field = (const char *)s + rows[i].at;
        json_object_set_new(root, rows[i].key,
                            rows[i].kind == TEXT  ? json_string(field)
                            : rows[i].kind == U32 ? json_integer(*(const uint32_t *)(const void *)field)
                                                  : json_integer((json_int_t) * (const uint64_t *)(const void *)field));
    }
    char *text = json_dumps(root, JSON_INDENT(2)), *line = NULL;
    json_decref(root);
    if (text && (line = malloc(strlen(text) + 2))) {
        *n = (size_t)sprintf(line, "%s\n", text);
    }
    free(text);
    return line;
}
