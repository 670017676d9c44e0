/* digests.c - lines of 96 hexadecimal digits, two spaces (or a space and '*'), a file's name. */
#include "firmware/digests.h"

#define DIGITS (2 * SHA384_BYTES)

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool hex(const char *text, uint8_t out[SHA384_BYTES])
{
    for (int i = 0; i < SHA384_BYTES; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The line at text gives the digest of `name`: its length with the end of the line, else 0. */
static size_t line_for(const char *text, size_t n, const char *name, uint8_t out[SHA384_BYTES])
{
    size_t length = strlen(name), end = DIGITS + 2 + length;
    if (n <= end || text[DIGITS] != ' ' || (text[DIGITS + 1] != ' ' && text[DIGITS + 1] != '*') ||
        memcmp(text + DIGITS + 2, name, length) || text[end] != '\n' || !hex(text, out))
        return 0;
    return end + 1;
}

fw_why digests_parse(const char *text, size_t n, const char *const *names, unsigned n_names, uint8_t (*digests)[SHA384_BYTES])
{
    uint32_t seen = 0;
    while (n) {
        size_t line = 0;
        for (unsigned i = 0; i < n_names && !line; i++)
            if (!(seen >> i & 1) && (line = line_for(text, n, names[i], digests[i])))
                seen |= 1u << i;
        if (!line)
            return "holds a line that is not for an object of the set";
        text += line;
        n -= line;
    }
    return seen == (1u << n_names) - 1 ? NULL : "does not list every object of the set";
}
