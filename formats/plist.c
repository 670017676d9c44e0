/*
 * plist.c - property lists through libplist 2.2 .. 2.7.
 *
 * libplist has no limits of its own: its tree is built and freed by recursion. So the text is measured first: XML by counting
 * <array> and <dict> tags, binary lists by walking them (bplist.c).
 */
#include "formats/plist.h"
#include "base/error.h"
#include "formats/bplist.h"

#include <plist/plist.h>

#include <stdlib.h>
#include <string.h>

static plist_t node(const struct pl *n)
{
    return (plist_t)(uintptr_t)n;
}

static plist_type type_of(const struct pl *n)
{
    return n ? plist_get_node_type(node(n)) : PLIST_NONE;
}

static bool starts(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(end - p) >= n && !memcmp(p, word, n);
}

/* Depth and tag count of XML. Tags inside comments are counted too: no honest list comes near the limits. */
static bool xml_is_small(const char *p, size_t n)
{
    const char *end = p + n;
    int depth = 0;
    unsigned tags = 0;
    for (; (p = memchr(p, '<', (size_t)(end - p))); p++) {
        if (starts(p, end, "</"))
            depth -= starts(p, end, "</array") || starts(p, end, "</dict");
        else if (++tags > PLIST_MAX_NODES)
            return false;
        else if (starts(p, end, "<array") || starts(p, end, "<dict")) {
            const char *close = memchr(p, '>', (size_t)(end - p));
            depth += !(close && close[-1] == '/');
        } else if (starts(p, end, "<!ENTITY")) {
            return false;
        }
        if (depth > PLIST_MAX_DEPTH)
            return false;
    }
    return true;
}

static bool is_small(const char *p, size_t n, struct pome_error *err)
{
    struct bplist b;
    if (n >= 8 && !memcmp(p, "bplist", 6))
        return bplist_open(p, n, &b, err) &&
               (bplist_is_small(&b, PLIST_MAX_DEPTH, PLIST_MAX_NODES) ||
                pome_fail(err, POME_ERROR_INVALID_DATA, "binary property list: damaged, a key that is no text, or deeper than %d levels", PLIST_MAX_DEPTH));
    return xml_is_small(p, n) ||
           pome_fail(err, POME_ERROR_INVALID_DATA, "property list: more than %d levels or %d elements, or entities", PLIST_MAX_DEPTH,
                     PLIST_MAX_NODES);
}

struct pl *pl_parse(const void *bytes, size_t n, const char *what, struct pome_error *err)
{
    plist_t root = NULL;
    if (!n || n > PLIST_MAX_BYTES) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %zu bytes, needed 1 to %d", what, n, PLIST_MAX_BYTES);
        return NULL;
    }
    if (!is_small(bytes, n, err)) {
        pome_fail_context(err, "%s", what);
        return NULL;
    }
#ifdef HAVE_PLIST_FORMAT /* libplist 2.3: a fourth argument and an error code */
    plist_from_memory(bytes, (uint32_t)n, &root, NULL);
#else
    plist_from_memory(bytes, (uint32_t)n, &root);
#endif
    if (!root)
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: not a property list (XML or binary)", what);
    return (struct pl *)root;
}

void pl_free(struct pl *root)
{
    if (root)
        plist_free(node(root));
}

bool pl_is_dict(const struct pl *n)
{
    return type_of(n) == PLIST_DICT;
}

bool pl_is_array(const struct pl *n)
{
    return type_of(n) == PLIST_ARRAY;
}

struct pl *pl_get(const struct pl *dict, const char *key)
{
    return pl_is_dict(dict) ? (struct pl *)plist_dict_get_item(node(dict), key) : NULL;
}

size_t pl_count(const struct pl *array)
{
    return pl_is_array(array) ? plist_array_get_size(node(array)) : 0;
}

struct pl *pl_item(const struct pl *array, size_t i)
{
    return i < pl_count(array) ? (struct pl *)plist_array_get_item(node(array), (uint32_t)i) : NULL;
}

bool pl_walk(const struct pl *dict, bool (*each)(void *user, const char *key, struct pl *value), void *user)
{
    plist_dict_iter iter = NULL;
    bool go_on = true;
    if (!pl_is_dict(dict))
        return true;
    plist_dict_new_iter(node(dict), &iter);
    while (go_on) {
        char *key = NULL;
        plist_t value = NULL;
        plist_dict_next_item(node(dict), iter, &key, &value);
        if (!key)
            break;
        go_on = each(user, key, (struct pl *)value);
        free(key);
    }
    free(iter);
    return go_on;
}

const char *pl_text(const struct pl *n)
{
    return type_of(n) == PLIST_STRING ? plist_get_string_ptr(node(n), NULL) : NULL;
}

const uint8_t *pl_data(const struct pl *n, size_t *size)
{
    uint64_t length = 0;
    if (type_of(n) != PLIST_DATA)
        return NULL;
    const char *p = plist_get_data_ptr(node(n), &length);
    *size = (size_t)length;
    return (const uint8_t *)(p ? p : "");
}

bool pl_integer(const struct pl *n, uint64_t *value)
{
    if (type_of(n) != PLIST_UINT)
        return false;
    plist_get_uint_val(node(n), value);
    return true;
}

/* libplist before 2.3 tells the sign to its own writer only. */
bool pl_negative(const struct pl *n, uint64_t *below_zero)
{
    uint64_t value;
    char *xml = NULL;
    uint32_t length;
    if (!pl_integer(n, &value) || value <= INT64_MAX)
        return false;
    plist_to_xml(node(n), &xml, &length);
    bool negative = xml && strstr(xml, "<integer>-");
    free(xml);
    *below_zero = -value;
    return negative;
}

bool pl_boolean(const struct pl *n, bool *value)
{
    uint8_t v = 0;
    if (type_of(n) != PLIST_BOOLEAN)
        return false;
    plist_get_bool_val(node(n), &v);
    *value = v;
    return true;
}

bool pl_real(const struct pl *n, double *value)
{
    if (type_of(n) != PLIST_REAL)
        return false;
    plist_get_real_val(node(n), value);
    return true;
}

struct pl *pl_new_dict(void)
{
    return (struct pl *)plist_new_dict();
}

struct pl *pl_new_array(void)
{
    return (struct pl *)plist_new_array();
}

struct pl *pl_new_text(const char *text)
{
    return (struct pl *)plist_new_string(text);
}

struct pl *pl_new_data(const void *bytes, size_t n)
{
    return (struct pl *)plist_new_data(bytes, n);
}

struct pl *pl_new_integer(uint64_t value)
{
    return (struct pl *)plist_new_uint(value);
}

struct pl *pl_new_boolean(bool value)
{
    return (struct pl *)plist_new_bool(value);
}

void pl_set(struct pl *dict, const char *key, struct pl *value)
{
    plist_dict_set_item(node(dict), key, node(value));
}

void pl_append(struct pl *array, struct pl *value)
{
    plist_array_append_item(node(array), node(value));
}

char *pl_write_xml(const struct pl *root, size_t *n)
{
    char *xml = NULL, *copy = NULL;
    uint32_t length = 0;
    plist_to_xml(node(root), &xml, &length);
    if (xml && (copy = malloc((size_t)length + 1))) {
        memcpy(copy, xml, length);
        copy[length] = 0;
        *n = length;
    }
#ifdef HAVE_PLIST_FORMAT
    plist_mem_free(xml);
#else
    free(xml);
#endif
    return copy;
}
