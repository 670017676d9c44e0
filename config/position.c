/*
 * position.c - where in a JSON text a key or an item stands.
 *
 * jansson says where a text is no JSON, but not where a value was: this walks over the text once more. The text has been parsed, so
 * it is well formed; on one that is not, the walk only ends early.
 */
#include "config/position.h"

#include <stdlib.h>
#include <string.h>

struct walk {
    const char *at, *end;
};

static void space(struct walk *w)
{
    while (w->at < w->end && strchr(" \t\r\n", *w->at))
        w->at++;
}

static bool take(struct walk *w, char c)
{
    space(w);
    if (w->at == w->end || *w->at != c)
        return false;
    w->at++;
    return true;
}

/* Over a string; its text between the quotes. */
static bool string(struct walk *w, const char **text, size_t *n)
{
    if (!take(w, '"'))
        return false;
    *text = w->at;
    for (; w->at < w->end && *w->at != '"'; w->at++)
        if (*w->at == '\\' && w->at + 1 < w->end)
            w->at++;
    *n = (size_t)(w->at - *text);
    return take(w, '"');
}

/* Over any value, without recursion: brackets are counted. */
static void skip(struct walk *w)
{
    const char *text;
    size_t n, depth = 0;
    do {
        space(w);
        if (w->at == w->end)
            return;
        if (*w->at == '"') {
            if (!string(w, &text, &n))
                return;
        } else if (strchr("[{", *w->at)) {
            depth++;
            w->at++;
        } else if (strchr("]}", *w->at)) {
            depth -= depth > 0;
            w->at++;
        } else if (strchr(",:", *w->at)) {
            w->at++;
        } else {
            w->at++;
            while (w->at < w->end && !strchr(",]}\" \t\r\n", *w->at))
                w->at++;
        }
    } while (depth);
}

/* To the value of a key of the object here; *key_at is where the key stands. */
static bool enter_key(struct walk *w, const char *key, size_t n, const char **key_at)
{
    const char *text;
    size_t length;
    if (!take(w, '{'))
        return false;
    do {
        space(w);
        *key_at = w->at;
        if (!string(w, &text, &length) || !take(w, ':'))
            return false;
        if (length == n && !memcmp(text, key, n))
            return true;
        skip(w);
    } while (take(w, ','));
    return false;
}

static bool enter_item(struct walk *w, unsigned long index, const char **at)
{
    if (!take(w, '['))
        return false;
    while (index--) {
        skip(w);
        if (!take(w, ','))
            return false;
    }
    space(w);
    *at = w->at;
    return w->at < w->end && *w->at != ']';
}

bool json_position(const char *text, size_t n, const char *path, int *line, int *column)
{
    struct walk w = {text, text + n};
    const char *found = NULL;
    while (*path) {
        bool ok;
        if (*path == '[') {
            char *end;
            ok = enter_item(&w, strtoul(path + 1, &end, 10), &found);
            path = *end ? end + 1 : end;
        } else {
            size_t length = strcspn(path, ".[");
            ok = enter_key(&w, path, length, &found);
            path += length;
        }
        if (!ok)
            return false;
        path += *path == '.';
    }
    if (!found)
        return false;
    *line = *column = 1;
    for (const char *p = text; p < found; p++)
        if (*p == '\n') {
            ++*line;
            *column = 1;
        } else {
            ++*column;
        }
    return true;
}
