/* policy_request_test.c - what Recovery may ask the host for, and everything that must not pass as such a request. */
#include "restore/policy_request.h"
#include "base/bits.h"
#include "bundle/flash.h"
#include "log/log.h"
#include "restore/install.h"
#include "restore/test_image.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];
static struct bundle *b;
static struct pome_error err;

static int setup(void **state)
{
    char ipsw[96];
    const struct bundle_spec spec = {
        .settings = {.cpu_count = 2, .memory_bytes = GiB, .cpu_model = "default"},
        .model = {.representation = 1, .platform = PLATFORM_POME, .minimum_os = {0, 1, 0}},
        .ecid = 0x1234,
        .disk_bytes = 2 * GiB,
    };
    strcpy(dir, "/tmp/pome-request-XXXXXX");
    assert_non_null(mkdtemp(dir));
    setenv("POME_HOME", dir, 1);
    snprintf(ipsw, sizeof ipsw, "%s/test.ipsw", dir);
    struct restore_image *image = test_image_make(dir, ipsw, &err) ? restore_image_open(ipsw, &err) : NULL;
    b = image ? bundle_create("vm", &spec, &err) : NULL;
    if (!b || !install_run(b, image, NULL, NULL, &err))
        fail_msg("%s", err.message);
    restore_image_close(image);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    bundle_close(b);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* Writes NVRAM as a guest can. */
static void ask(const char *text)
{
    struct flash *f = flash_open(b, false, &err);
    assert_true(f && nvram_set(f->bank, NVRAM_COMMON, "pome-policy-request", text, strlen(text), &err) && flash_write(f, &err));
    flash_close(f);
}

/* As Recovery writes it. */
static void ask_right(uint64_t ecid, const char *security)
{
    char text[160], nonce[2 * SHA384_BYTES + 1];
    struct boot_state s;
    assert_true(boot_state_read(b, &s, &err));
    hex_upper(s.policy_nonce, SHA384_BYTES, nonce);
    snprintf(text, sizeof text, "%016llx %s %s", (unsigned long long)ecid, security, nonce);
    ask(text);
}

static enum policy_security security(void)
{
    struct boot_state s;
    assert_true(boot_state_read(b, &s, &err));
    return s.security;
}

static bool log_says(const char *text)
{
    char path[PATH_MAX];
    struct log_record r;
    bool found = false;
    assert_true(bundle_log_path(b, path));
    struct log_reader *l = log_read_open(path, &err);
    while (log_read_next(l, &r))
        found |= strstr(r.message, text) != NULL;
    log_read_close(l);
    return found;
}

static void approved(void **state)
{
    struct policy_request r;
    assert_false(policy_request_read(b, &r, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    ask_right(0x1234, "reduced");
    if (!policy_request_read(b, &r, &err))
        fail_msg("%s", err.message);
    assert_true(r.valid && r.wanted == POLICY_REDUCED && r.current == POLICY_FULL && security() == POLICY_FULL);
    assert_false(policy_request_approve(b, POLICY_PERMISSIVE, &err)); /* not what is asked for */
    assert_int_equal(err.code, POME_ERROR_INVALID_STATE);
    assert_int_equal(security(), POLICY_FULL);
    if (!policy_request_approve(b, POLICY_REDUCED, &err))
        fail_msg("%s", err.message);
    assert_int_equal(security(), POLICY_REDUCED);
    assert_true(log_says("approved: a LocalPolicy was issued, security reduced"));
    assert_false(policy_request_approve(b, POLICY_REDUCED, &err)); /* it is gone */
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

static void denied(void **state)
{
    struct policy_request r;
    ask_right(0x1234, "permissive");
    assert_true(policy_request_deny(b, "test says no", &err));
    assert_true(log_says("refused: test says no"));
    assert_false(policy_request_read(b, &r, &err));
    assert_false(policy_request_deny(b, "", &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_int_equal(security(), POLICY_REDUCED);
}

/* Of another machine, from before the policy changed, and rubbish. Kept bytes of a request are no request later. */
static void worthless(void **state)
{
    char keep[160], rubbish[600];
    struct policy_request r;
    struct boot_state s;
    char nonce[2 * SHA384_BYTES + 1];
    assert_true(boot_state_read(b, &s, &err));
    hex_upper(s.policy_nonce, SHA384_BYTES, nonce);
    snprintf(keep, sizeof keep, "0000000000001234 permissive %s", nonce);
    assert_true(boot_set_security(b, POLICY_FULL, &err));
    memset(rubbish, 'a', sizeof rubbish - 1);
    rubbish[sizeof rubbish - 1] = 0;
    const char *const texts[] = {keep, "", " ", "0000000000001234", "0000000000001234 ", "0000000000001234 full", "0000000000001234  ", rubbish};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ask(texts[i]);
        assert_true(policy_request_read(b, &r, &err));
        assert_true(!r.valid && r.why[0]);
        for (int want = POLICY_FULL; want <= POLICY_PERMISSIVE; want++)
            assert_false(policy_request_approve(b, (enum policy_security)want, &err));
    }
    static const char *const words[] = {"", "none", "Full", "fullx", "permissive full"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        ask_right(0x1234, words[i]);
        assert_true(policy_request_read(b, &r, &err) && !r.valid);
    }
    ask_right(0x1235, "permissive");
    assert_true(policy_request_read(b, &r, &err) && !r.valid && strstr(r.why, "ECID"));
    assert_int_equal(security(), POLICY_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(approved), cmocka_unit_test(denied), cmocka_unit_test(worthless)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
