/* names.c - what the builder's options may say. */
#include "restore/build/names.h"
#include "restore/build/work.h"

#include "base/bits.h"
#include "base/error.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { NAME_MAX_BYTES = 100, LINE_MAX_BYTES = 255, SALT_CHARS = 16, PASSWORD_BYTES = 256 };

static const char separators[] = ", \t\n";

/* A word that may go on a command line and into a file name: Debian's rule for package names, and suites. */
static bool is_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && !(i && strchr("+-.", s[i])))
            return false;
    return n > 0 && n < NAME_MAX_BYTES;
}

bool names_check_suite(const char *suite, struct pome_error *err)
{
    return is_name(suite, strlen(suite)) ||
           pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "\"%.99s\" is not a name of a Debian suite", suite);
}

bool names_check_mirror(const char *url, struct pome_error *err)
{
    for (const char *c = url; c && *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("[]\"'\\", *c))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the mirror's URL holds a character that no URL has");
    return true;
}

/* RFC 1123, 2.1: letters, digits and '-', which does not begin or end it. */
bool names_check_hostname(const char *name, struct pome_error *err)
{
    size_t n = name ? strlen(name) : 0;
    bool ok = !name || (n >= 1 && n <= 63 && name[0] != '-' && name[n - 1] != '-');
    for (size_t i = 0; i < n; i++)
        ok &= isalnum((unsigned char)name[i]) || name[i] == '-';
    return ok || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                           "\"%.99s\" is not a host's name: 1 to 63 letters, digits and '-', which does not begin or end it", name);
}

bool names_check_line(const char *what, const char *text, struct pome_error *err)
{
    size_t n = text ? strlen(text) : 0;
    bool ok = n <= LINE_MAX_BYTES;
    for (size_t i = 0; i < n; i++)
        ok &= text[i] >= ' ' && text[i] <= '~';
    return ok || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: allowed are %d characters of printable ASCII", what, LINE_MAX_BYTES);
}

bool names_add_packages(char *all, size_t size, const char *list, struct pome_error *err)
{
    for (const char *p = list; p && *p;) {
        size_t n = strcspn(p, separators);
        if (n && !is_name(p, n))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "\"%.*s\" is not a package's name", (int)MIN(n, 99), p);
        if (strlen(all) + n + 2 > size)
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the list of packages is longer than %zu bytes", size);
        if (n) {
            strncat(all, p, n);
            strcat(all, " ");
        }
        p += n + (p[n] != 0);
    }
    return true;
}

bool names_add_package_file(char *all, size_t size, const char *path, struct pome_error *err)
{
    char line[1024];
    FILE *f = path ? fopen(path, "re") : NULL;
    if (path && !f)
        return pome_fail_errno(err, "%s", path);
    bool ok = true;
    while (f && ok && fgets(line, sizeof line, f)) {
        line[strcspn(line, "#")] = 0;
        ok = names_add_packages(all, size, line, err) || pome_fail_context(err, "%s", path);
    }
    if (f)
        fclose(f);
    return ok;
}

/* The first line of a file, which is read once: it may be a pipe. */
static bool read_password(const char *path, char line[PASSWORD_BYTES], struct pome_error *err)
{
    FILE *f = fopen(path, "re");
    errno = 0;
    if (!f)
        return pome_fail_errno(err, "%s", path);
    bool any = fgets(line, PASSWORD_BYTES, f);
    size_t n = any ? strcspn(line, "\r\n") : 0;
    bool ok = !ferror(f);
    if (!ok)
        pome_fail_errno(err, "%s", path);
    else if (!n)
        ok = pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: its first line is empty: a password is needed there, or a hash that crypt(3) made", path);
    else if (!line[n] && !feof(f) && fgetc(f) != EOF)
        ok = pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: its first line is longer than %d bytes", path, PASSWORD_BYTES - 1);
    fclose(f);
    line[n] = 0;
    return ok;
}

bool names_write_password_hash(const struct work *w, const char *path, struct pome_error *err)
{
    static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char line[PASSWORD_BYTES] = "", setting[SALT_CHARS + 8] = "$6$";
    uint8_t salt[SALT_CHARS];
    struct crypt_data data = {0};
    if (!read_password(path, line, err))
        return false;
    const char *hash = line;
    if (line[0] != '$') {
        if (getrandom(salt, sizeof salt, 0) != sizeof salt)
            return pome_fail_errno(err, "random numbers");
        for (int i = 0; i < SALT_CHARS; i++)
            setting[3 + i] = letters[salt[i] % 64];
        hash = crypt_r(line, setting, &data);
    }
    if (!hash || strpbrk(hash, ":* ") || strlen(hash) < 4)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: its first line begins with '$' and is not a hash that crypt(3) made", path);
    return work_write(w, "root-password", hash, strlen(hash), err);
}
