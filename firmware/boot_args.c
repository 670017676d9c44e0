/*
 * boot_args.c - the filter of boot-args.
 *
 * Whoever is root in the guest can write NVRAM. Under full security the kernel's command line is the signed one, and what is added to it may
 * only make the start say more or less, or the machine take less: not choose another init, root, module or check. Apple's firmware
 * has such a list, too; its words are XNU's and not published. A word that holds a quote is never let through: Linux would join it
 * with the ones behind it.
 */
#include "firmware/boot_args.h"

const char boot_args_list[] = "quiet debug ignore_loglevel initcall_debug loglevel= log_buf_len= printk.time= panic= maxcpus= mem= systemd.show_status= "
                              "systemd.log_level=";

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || !c;
}

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == ',' || c == '-';
}

size_t boot_args_word(const char *text, size_t n, size_t *at, const char **word)
{
    while (*at < n && blank(text[*at]))
        ++*at;
    size_t from = *at;
    *word = text + from;
    while (*at < n && !blank(text[*at]))
        ++*at;
    return *at - from;
}

static bool same(const char *a, const char *b, size_t n)
{
    while (n && *a == *b)
        a++, b++, n--;
    return !n;
}

bool boot_args_allowed(const char *word, size_t n)
{
    const char *row;
    size_t name = 0, at = 0, m;
    while (name < n && word[name] != '=')
        name++;
    if (name < n)
        name++; /* with the '=' */
    for (size_t i = name; i < n; i++)
        if (!plain(word[i]))
            return false;
    while ((m = boot_args_word(boot_args_list, sizeof boot_args_list - 1, &at, &row)))
        if (m == name && same(row, word, m))
            return row[m - 1] != '=' || n > name;
    return false;
}
