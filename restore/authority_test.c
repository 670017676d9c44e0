/* authority_test.c - the local signing authority: made once, its keys its owner's only, what it signs verifies and nothing else does. */
#include "restore/authority.h"
#include "formats/im4m_seal.h"
#include "formats/image4.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], place[128];

static int setup(void **state)
{
    strcpy(dir, "/tmp/pome-authority-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(place, sizeof place, "%s/a/b", dir);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static const char *file(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

static void made_once(void **state)
{
    struct pome_error err = {0};
    struct stat st;
    static const char *const names[] = {"root.key", "root.pem", "signer.key", "signer.pem"};
    uint8_t anchor[SHA384_BYTES];
    assert_null(authority_open(place, false, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    pid_t children[3]; /* first uses at once end with one authority */
    for (int i = 0; i < 3; i++)
        if (!(children[i] = fork()))
            _exit(authority_open(place, true, NULL) ? 0 : 1);
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    struct authority *a = authority_open(place, true, &err);
    assert_non_null(a);
    memcpy(anchor, authority_anchor(a), sizeof anchor);
    assert_int_equal(strncmp(authority_name(a), "Pome local authority ", 21), 0);
    authority_close(a);
    a = authority_open(place, true, &err);
    assert_memory_equal(anchor, authority_anchor(a), sizeof anchor);
    authority_close(a);
    assert_int_equal(stat(place, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(stat(file(names[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    char command[160];
    snprintf(command, sizeof command, "test \"$(ls %s/a)\" = b", dir); /* those that came second left nothing */
    assert_int_equal(system(command), 0);
}

static void must_be_right(void **state)
{
    struct pome_error err = {0};
    struct authority *a = authority_open(place, false, &err);
    assert_non_null(a);
    authority_close(a);
    chmod(file("signer.key"), 0640);
    assert_null(authority_open(place, false, &err));
    assert_int_equal(err.code, POME_ERROR_PERMISSION);
    chmod(file("signer.key"), 0600);
    char keep[256], other[128];
    snprintf(other, sizeof other, "%s/other", dir);
    authority_close(authority_open(other, true, &err));
    static const char *const names[] = {"root.pem", "signer.key", "signer.pem"};
    for (int i = 0; i < 3; i++) { /* a part of another authority, rubbish, nothing */
        char from[256];
        snprintf(keep, sizeof keep, "%s/keep", dir);
        snprintf(from, sizeof from, "%s/%s", other, names[i]);
        assert_int_equal(rename(file(names[i]), keep), 0);
        assert_null(authority_open(place, true, &err)); /* never made anew over one that is there */
        assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
        assert_int_equal(link(from, file(names[i])), 0);
        assert_null(authority_open(place, false, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
        unlink(file(names[i]));
        FILE *f = fopen(file(names[i]), "w");
        fputs("-----BEGIN CERTIFICATE-----\nAAAA\n", f);
        fclose(f);
        chmod(file(names[i]), 0600);
        assert_null(authority_open(place, false, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
        assert_int_equal(rename(keep, file(names[i])), 0);
    }
    a = authority_open(place, false, &err);
    assert_non_null(a);
    authority_close(a);
}

/* cat signer.key signer.pem root.pem: the same authority; parts that are missing or swapped are found. */
static void one_file(void **state)
{
    static const struct {
        const char *parts;
        bool right;
    } rows[] = {{"signer.key signer.pem root.pem", true}, {"signer.pem root.pem signer.key", true}, {"signer.key root.pem signer.pem", false},
                {"signer.key signer.pem", false}, {"signer.pem root.pem", false}, {"root.key signer.pem root.pem", false}};
    struct pome_error err = {0};
    char command[512], path[128];
    snprintf(path, sizeof path, "%s/one.pem", dir);
    struct authority *a = authority_open(place, false, &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(command, sizeof command, "cd %s && cat %s > %s && chmod 600 %s", place, rows[i].parts, path, path);
        assert_int_equal(system(command), 0);
        struct authority *one = authority_open(path, true, &err);
        assert_int_equal(one != NULL, rows[i].right);
        if (one)
            assert_memory_equal(authority_anchor(one), authority_anchor(a), SHA384_BYTES);
        else
            assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
        authority_close(one);
    }
    chmod(path, 0644);
    assert_null(authority_open(path, false, &err));
    assert_int_equal(err.code, POME_ERROR_PERMISSION);
    authority_close(a);
}

/* A key alone is root and signer: the same authority at each call, and what it signs verifies. */
static void one_key(void **state)
{
    static const struct {
        const char *make;
        const char *why; /* NULL: it is right */
    } rows[] = {{"openssl genrsa -out %s 3072", NULL}, {"openssl genrsa -traditional -out %s 3072", NULL}, {"openssl genrsa -out %s 2048", "3072 bits"},
                {"openssl genrsa -3 -out %s 3072", "exponent 65537"}, {"openssl ecparam -genkey -noout -name secp384r1 -out %s", "must be RSA"}, {"openssl genrsa -aes128 -passout pass:x -out %s 3072", "without a password"},
                {"cat $AUTHORITY/root.key $AUTHORITY/signer.key >%s", "alone"}};
    static uint8_t ticket[IMAGE4_TICKET_MAX];
    struct pome_error err = {0};
    char command[512], path[128];
    snprintf(path, sizeof path, "%s/key.pem", dir);
    setenv("AUTHORITY", place, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t anchor[SHA384_BYTES];
        size_t n = (size_t)snprintf(command, sizeof command, "umask 077; rm -f %s; ", path);
        snprintf(command + n, sizeof command - n, rows[i].make, path);
        strcat(command, " 2>/dev/null");
        assert_int_equal(system(command), 0);
        struct authority *a = authority_open(path, true, &err);
        if (rows[i].why) {
            assert_null(a);
            assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
            if (!strstr(err.message, rows[i].why))
                fail_msg("row %zu: %s", i, err.message);
            continue;
        }
        assert_non_null(a);
        memcpy(anchor, authority_anchor(a), sizeof anchor);
        authority_close(a);
        a = authority_open(path, false, &err);
        assert_non_null(a);
        assert_memory_equal(anchor, authority_anchor(a), sizeof anchor);
        struct im4m_group g = {.name = "MANP"};
        im4m_add_integer(&g, "ECID", i + 1);
        size_t size = im4m_write(&g, 1, ticket, sizeof ticket);
        assert_true(authority_sign(a, ticket, &size, sizeof ticket, &err));
        assert_true(ticket_verify(ticket, size, anchor, &err));
        authority_close(a);
    }
}

static void signs(void **state)
{
    static uint8_t ticket[IMAGE4_TICKET_MAX], unsigned_ticket[IMAGE4_TICKET_MAX];
    struct pome_error err = {0};
    struct im4m_group g[2] = {{.name = "MANP"}, {.name = "krnl"}};
    uint8_t digest[SHA384_BYTES] = {1};
    im4m_add_integer(&g[0], "ECID", 0x8877665544332211);
    im4m_add_octets(&g[1], "DGST", digest, sizeof digest);
    size_t n = im4m_write(g, 2, ticket, sizeof ticket), small = n;
    memcpy(unsigned_ticket, ticket, n);
    struct authority *a = authority_open(place, false, &err);
    assert_false(ticket_verify(ticket, n, authority_anchor(a), &err));
    assert_non_null(strstr(err.message, "not signed"));
    if (!authority_sign(a, ticket, &n, sizeof ticket, &err))
        fail_msg("%s", err.message);
    assert_true(n > small);
    assert_true(ticket_verify(ticket, n, authority_anchor(a), &err));
    assert_false(ticket_verify(ticket, n, digest, &err));
    assert_non_null(strstr(err.message, "another authority"));
    for (size_t i = 0; i < n; i += 3) {
        ticket[i] ^= 0x15;
        if (ticket_verify(ticket, n, authority_anchor(a), NULL))
            fail_msg("byte %zu of %zu may change", i, n);
        ticket[i] ^= 0x15;
    }
    for (size_t cut = 0; cut < n; cut += 7)
        assert_false(ticket_verify(ticket, cut, authority_anchor(a), NULL));
    assert_false(authority_sign(a, unsigned_ticket, &small, 1000, &err)); /* no room */
    authority_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(made_once), cmocka_unit_test(must_be_right), cmocka_unit_test(one_file), cmocka_unit_test(one_key), cmocka_unit_test(signs)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
