/* archive_key.c - keys of archives as people write them. */
#include "cli/archive_key.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

static int digit(char c, const char *digits)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool read_hex(const char *t, uint8_t out[32])
{
    if (strlen(t) != 64)
        return false;
    for (unsigned i = 0; i < 64; i++) {
        int d = digit((char)(t[i] >= 'A' && t[i] <= 'F' ? t[i] + 32 : t[i]), "0123456789abcdef");
        if (d < 0)
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | d);
    }
    return true;
}

/* 32 bytes are 43 characters and one '='. */
static bool read_base64(const char *t, uint8_t out[32])
{
    uint32_t bits = 0;
    unsigned n = 0, at = 0;
    t += strncmp(t, "base64:", 7) ? 0 : 7;
    if (strlen(t) != 44 || t[43] != '=')
        return false;
    for (unsigned i = 0; i < 43; i++) {
        int d = digit(t[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        n += 6;
        if (n >= 8)
            out[at++] = (uint8_t)(bits >> (n -= 8));
    }
    return at == 32;
}

static bool read_text(const char *t, uint8_t out[32])
{
    return read_hex(t, out) || read_base64(t, out);
}

int cli_archive_key(struct cli_archive_key *k, const char *verb, const uint8_t **key)
{
    char text[128] = "";
    *key = k->text || k->file ? k->bytes : NULL;
    if (k->text && k->file)
        return cli_usage(verb, "--key and --key-file: give one of them");
    if (k->text && !read_text(k->text, k->bytes))
        return cli_usage(verb, "--key: not 64 hexadecimal digits, nor 32 bytes in base64");
    if (!k->file)
        return CLI_GO_ON;
    FILE *f = fopen(k->file, "rb");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    if (n == 32) {
        memcpy(k->bytes, text, 32);
        return CLI_GO_ON;
    }
    text[strcspn(text, "\r\n")] = 0;
    return read_text(text, k->bytes) ? CLI_GO_ON : cli_usage(verb, "%s: cannot be read, or holds no key of 32 bytes", k->file);
}
