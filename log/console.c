/*
 * console.c - what a line of the guest's console means.
 *
 * The serial console carries no levels and no process names, so they are guessed: the kernel's "[    1.234567] " (its
 * printk time stamps) marks its lines, "name[pid]: " after it marks a program that wrote to /dev/kmsg (systemd),
 * and some words mark errors. A wrong guess costs a colour, nothing else.
 */
#include "log/console.h"

#include <ctype.h>
#include <string.h>

/* --- bytes to lines --- */

enum { PLAIN, AFTER_ESC, IN_CSI, IN_STRING, IN_STRING_ESC, ONE_MORE };

/* True when the byte belongs to an escape sequence (ECMA-48: CSI, OSC and two-byte forms) and is dropped. */
static bool filtered(struct console_line *c, unsigned char b)
{
    switch (c->escape) {
    case PLAIN:
        if (b != 0x1b)
            return false;
        c->escape = AFTER_ESC;
        return true;
    case AFTER_ESC:
        c->escape = b == '[' ? IN_CSI : b == ']' || b == 'P' || b == '_' || b == '^' ? IN_STRING : b >= 0x20 && b < 0x30 ? ONE_MORE : PLAIN;
        return true;
    case IN_CSI:
        if (b < 0x20) { /* a broken sequence must not eat the rest of the log */
            c->escape = PLAIN;
            return false;
        }
        if (b >= 0x40)
            c->escape = PLAIN;
        return true;
    case IN_STRING:
        if (b == '\n') {
            c->escape = PLAIN;
            return false;
        }
        c->escape = b == 0x07 ? PLAIN : b == 0x1b ? IN_STRING_ESC : IN_STRING;
        return true;
    case IN_STRING_ESC:
    case ONE_MORE:
        c->escape = PLAIN;
        return true;
    }
    return false;
}

bool console_line_feed(struct console_line *c, unsigned char b)
{
    if (filtered(c, b))
        return false;
    if (b == '\n') {
        while (c->n && (c->text[c->n - 1] == '\r' || c->text[c->n - 1] == ' '))
            c->n--;
        c->text[c->n] = 0;
        return true;
    }
    if (b == '\b') {
        if (c->n)
            c->n--;
        return false;
    }
    if (b == 0 || b == 0x07 || (b == '\r' && !c->n))
        return false;
    c->text[c->n++] = (char)b;
    c->text[c->n] = 0;
    return c->n == LOG_MESSAGE_MAX;
}

/* --- lines to records --- */

static const struct {
    const char *word;
    enum log_level level;
} signs[] = {
    {"Kernel panic", LOG_LEVEL_FAULT}, {"BUG:", LOG_LEVEL_FAULT},        {"Oops", LOG_LEVEL_FAULT},
    {"Internal error", LOG_LEVEL_FAULT}, {"Unable to handle", LOG_LEVEL_FAULT}, {"soft lockup", LOG_LEVEL_FAULT},
    {"rcu_sched self-detected", LOG_LEVEL_FAULT}, {"WARNING:", LOG_LEVEL_ERROR}, {" error", LOG_LEVEL_ERROR},
    {"Error", LOG_LEVEL_ERROR},        {"failed", LOG_LEVEL_ERROR},      {"Failed", LOG_LEVEL_ERROR},
    {"FAILED", LOG_LEVEL_ERROR},       {"Call trace:", LOG_LEVEL_FAULT},
    {"panic(cpu ", LOG_LEVEL_FAULT},   {"Debugger message: panic", LOG_LEVEL_FAULT}, /* Darwin */
};

static enum log_level guess_level(const char *text)
{
    enum log_level level = LOG_LEVEL_DEFAULT;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (signs[i].level > level && strstr(text, signs[i].word))
            level = signs[i].level;
    return level;
}

/* "[    1.234567] text": returns the text and the time, or NULL. "[    1.234567][  T1] " (caller info) too. */
static char *kernel_text(char *s, int64_t *ns)
{
    if (*s++ != '[')
        return NULL;
    while (*s == ' ')
        s++;
    int64_t seconds = 0, micros = 0;
    int digits = 0;
    for (; isdigit((unsigned char)*s) && digits < 10; s++, digits++)
        seconds = seconds * 10 + (*s - '0');
    if (!digits || *s++ != '.')
        return NULL;
    for (digits = 0; isdigit((unsigned char)*s) && digits < 6; s++, digits++)
        micros = micros * 10 + (*s - '0');
    if (digits != 6 || *s++ != ']')
        return NULL;
    *ns = (seconds * 1000000 + micros) * 1000;
    if (*s == '[') {
        char *end = strchr(s, ']');
        if (end)
            s = end + 1;
    }
    return *s == ' ' ? s + 1 : *s ? NULL : s;
}

/* "systemd[1]: text": splits the name off and returns the text, or NULL. */
static char *program_text(char *s, const char **name, uint32_t *pid)
{
    char *p = s;
    uint32_t n = 0;
    int digits = 0;
    while (isalnum((unsigned char)*p) || *p == '-' || *p == '_' || *p == '.')
        p++;
    if (p == s || p - s > 32 || *p != '[')
        return NULL;
    char *bracket = p++;
    for (; isdigit((unsigned char)*p) && digits < 9; p++, digits++)
        n = n * 10 + (uint32_t)(*p - '0');
    if (!digits || p[0] != ']' || p[1] != ':' || p[2] != ' ')
        return NULL;
    *bracket = 0;
    *name = s;
    *pid = n;
    return p + 3;
}

static bool begins(const char *line, const char *with)
{
    return !strncmp(line, with, strlen(with));
}

/* A Darwin kernel marks nothing: from its first line on all lines are its own, until it loads the first program. */
static const char *darwin_process(const char *line, enum console_speaker *speaker)
{
    static const char *const firsts[] = {"kprintf initialized", "Darwin Kernel Version ", "iBoot version: "};
    for (size_t i = 0; *speaker == CONSOLE_FIRMWARE && i < sizeof firsts / sizeof *firsts; i++)
        if (begins(line, firsts[i]))
            *speaker = CONSOLE_DARWIN;
    if (*speaker == CONSOLE_FIRMWARE && begins(line, "pome stage2: starting the Darwin kernel")) {
        *speaker = CONSOLE_DARWIN; /* from the next line on */
        return "firmware";
    }
    if (*speaker == CONSOLE_DARWIN && begins(line, "load_init_program: attempting to load ")) {
        *speaker = CONSOLE_DARWIN_USER;
        return "kernel";
    }
    static const char *const processes[] = {
        [CONSOLE_FIRMWARE] = "firmware", [CONSOLE_LINUX] = "console", [CONSOLE_DARWIN] = "kernel", [CONSOLE_DARWIN_USER] = "console"};
    return processes[*speaker];
}

void console_line_parse(char *line, enum console_speaker *speaker, struct log_record *r)
{
    int64_t ns;
    char *text = kernel_text(line, &ns), *rest;
    r->guest_ns = -1;
    r->pid = 0;
    if (text) {
        *speaker = CONSOLE_LINUX;
        r->guest_ns = ns;
        r->process = "kernel";
        if ((rest = program_text(text, &r->process, &r->pid)))
            text = rest;
    } else {
        text = line;
        r->process = darwin_process(text, speaker);
    }
    r->message = text;
    r->level = guess_level(text);
}
