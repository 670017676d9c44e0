/* output.c - what the command says. Data goes to standard output, everything here to standard error. */
#include "cli/output.h"

#include <stdarg.h>
#include <string.h>

static const char *current_verb;
static bool quiet_mode;

void cli_set_verb(const char *verb)
{
    current_verb = verb;
}

void cli_set_quiet(bool quiet)
{
    quiet_mode = quiet;
}

bool cli_quiet(void)
{
    return quiet_mode;
}

/* What a person can do about an error when the verb has no better advice. */
static const struct {
    int32_t code;
    const char *text;
} advice[] = {
    {POME_ERROR_OUT_OF_DISK_SPACE, "free some space, or put the file on another file system"},
    {POME_ERROR_PERMISSION, "check the owner and mode of that path"},
    {POME_ERROR_BUSY, "wait for the other process, or stop it"},
    {POME_ERROR_OUT_OF_MEMORY, "give the machine less memory, or free some on the host"},
    {POME_ERROR_INVALID_RESTORE_IMAGE, "get or build the image again; \"pome image verify FILE\" checks all of it"},
    {POME_ERROR_RESTORE_IMAGE_LOAD_FAILED, "get or build the image again; \"pome image verify FILE\" checks all of it"},
    {POME_ERROR_NOT_FOUND, "check the name and the path"},
    {POME_ERROR_EXISTS, "choose another name, or remove what is there"},
    {POME_ERROR_INVALID_CONFIGURATION, "the verb's --help says what is allowed"},
    {POME_ERROR_INVALID_DISK_IMAGE, "check that this is the file you mean, and that it is whole"},
    {POME_ERROR_INVALID_DATA, "check that this is the file you mean, and that it is whole"},
    {POME_ERROR_INVALID_BUNDLE, "put the file back from a copy of the machine, or remove the machine with \"pome delete\""},
    {POME_ERROR_IO, "check the disk and the file system; \"dmesg\" may tell more"},
    {POME_ERROR_GUEST_CRASHED, "its last words on the console tell more"},
    {POME_ERROR_INTERNAL, "this is a mistake in Pome: please report it with the text above"},
};

static const char *advice_for(int32_t code)
{
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        if (advice[i].code == code)
            return advice[i].text;
    return NULL;
}

static void print_verb(void)
{
    fprintf(stderr, current_verb ? "pome %s: " : "pome: ", current_verb);
}

int cli_fail(const struct pome_error *err, const char *hint, const char *what, ...)
{
    va_list ap;
    fflush(stdout);
    print_verb();
    va_start(ap, what);
    vfprintf(stderr, what, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (err && err->message[0])
        fprintf(stderr, "  why: %s\n", err->message);
    else if (err)
        fprintf(stderr, "  why: %s\n", pome_error_meaning(err->code));
    if (!hint && err)
        hint = advice_for(err->code);
    if (hint)
        fprintf(stderr, "  do:  %s\n", hint);
    return err ? pome_error_exit_status(err->code) : CLI_FAILED;
}

int cli_usage(const char *verb, const char *format, ...)
{
    va_list ap;
    print_verb();
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    if (verb)
        fprintf(stderr, "\n  do:  pome %s --help\n", verb);
    else
        fputs("\n  do:  pome --help\n", stderr);
    return CLI_USAGE;
}

void cli_note(const char *format, ...)
{
    if (quiet_mode)
        return;
    va_list ap;
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

const char *cli_size(uint64_t bytes, char text[16])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 1024 && u + 1 < sizeof units / sizeof *units) {
        v /= 1024;
        u++;
    }
    bool whole = v == (double)(uint64_t)v;
    snprintf(text, 16, whole ? "%.0f %s" : "%.1f %s", v, units[u]);
    return text;
}

/* Length of the UTF-8 sequence at s, 0 when it is not one. */
static int utf8_length(const unsigned char *s)
{
    int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

void cli_json_string(FILE *f, const char *s)
{
    if (!s) {
        fputs("null", f);
        return;
    }
    fputc('"', f);
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        int n = utf8_length(p);
        if (!n) {
            fputs("\\ufffd", f);
            p++;
        } else if (n > 1) {
            fwrite(p, 1, (size_t)n, f);
            p += n;
        } else if (*p == '"' || *p == '\\') {
            fprintf(f, "\\%c", *p++);
        } else if (*p < 0x20 || *p == 0x7f) {
            fprintf(f, "\\u%04x", *p++);
        } else {
            fputc(*p++, f);
        }
    }
    fputc('"', f);
}
