/* policy_request.c - the NVRAM variable pome-policy-request: "ECID SECURITY NONCE", digits in hexadecimal. */
#include "restore/policy_request.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/flash.h"
#include "firmware/boot_args.h"
#include "log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char variable[] = "pome-policy-request";
static const char *const names[] = {"full", "reduced", "permissive"};

enum { TEXT_MAX = 16 + 1 + 10 + 1 + 2 * SHA384_BYTES };

static bool none(const struct bundle *b, struct pome_error *err)
{
    return pome_fail(err, POME_ERROR_NOT_FOUND, "%s: Recovery asked for nothing", b->path);
}

/* The value as text; longer ones are cut off one byte behind what can be right. */
static bool read_text(struct bundle *b, char text[TEXT_MAX + 2], struct pome_error *err)
{
    struct nvram_variable v;
    if (b->model.platform != PLATFORM_POME)
        return none(b, err);
    struct flash *f = flash_open(b, false, err);
    if (!f)
        return false;
    bool found = nvram_find(f->bank, NVRAM_COMMON, variable, &v);
    if (found) {
        size_t n = MIN(v.stored_size, (size_t)TEXT_MAX + 1); /* text has no escapes */
        memcpy(text, v.stored, n);
        text[n] = 0;
    }
    flash_close(f);
    return found || none(b, err);
}

static bool take_away(struct bundle *b, struct pome_error *err)
{
    struct flash *f = flash_open(b, false, err);
    bool ok = f && (nvram_remove(f->bank, NVRAM_COMMON, variable) ? flash_write(f, err) : none(b, err));
    flash_close(f);
    return ok;
}

static void tell(struct bundle *b, enum log_level level, const char *what, const char *more)
{
    char path[PATH_MAX];
    struct log *log = bundle_log_path(b, path) ? log_open(path, NULL) : NULL;
    log_host(log, "org.pome.machine", "security", level, "%s%s", what, more);
    log_close(log);
}

/* NULL: the text is for this machine and the policy with this nonce. */
static const char *judge(const char *text, uint64_t ecid, const uint8_t nonce[SHA384_BYTES], enum policy_security *wanted)
{
    char want[17], hex[2 * SHA384_BYTES + 1];
    size_t word = strlen(text) > 17 ? strcspn(text + 17, " ") : 0;
    snprintf(want, sizeof want, "%016" PRIx64, ecid);
    hex_upper(nonce, SHA384_BYTES, hex);
    if (strlen(text) < 17 || text[16] != ' ' || text[17 + word] != ' ')
        return "it is not of the form that Recovery writes";
    if (strncasecmp(text, want, 16))
        return "it is for another machine (ECID)";
    if (strcasecmp(text + 17 + word + 1, hex))
        return "it was made under another policy than the machine's (nonce)";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == word && !strncmp(text + 17, names[i], word)) {
            *wanted = (enum policy_security)i;
            return NULL;
        }
    return "it asks for a security that is not full, reduced or permissive";
}

bool policy_request_read(struct bundle *b, struct policy_request *r, struct pome_error *err)
{
    char text[TEXT_MAX + 2];
    struct boot_state s;
    *r = (struct policy_request){0};
    if (!read_text(b, text, err) || !boot_state_read(b, &s, err))
        return false;
    r->current = s.security;
    const char *why = judge(text, b->ecid, s.policy_nonce, &r->wanted);
    r->valid = !why;
    snprintf(r->why, sizeof r->why, "%s", why ? why : "");
    return true;
}

bool policy_request_approve(struct bundle *b, enum policy_security security, struct pome_error *err)
{
    struct policy_request r;
    if (!policy_request_read(b, &r, err))
        return false;
    if (!r.valid)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "%s: Recovery's request cannot be followed: %s", b->path, r.why);
    if (r.wanted != security)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "%s: Recovery asks for %s security, not %s", b->path, names[r.wanted], names[security]);
    if (!boot_set_security(b, security, err)) /* its new nonce makes the request worthless from here on */
        return false;
    tell(b, LOG_LEVEL_DEFAULT, "Recovery's request was approved: a LocalPolicy was issued, security ", names[security]);
    return take_away(b, err);
}

bool policy_request_deny(struct bundle *b, const char *reason, struct pome_error *err)
{
    char text[TEXT_MAX + 2];
    if (!read_text(b, text, err) || !take_away(b, err))
        return false;
    tell(b, LOG_LEVEL_ERROR, "Recovery's request for another security was refused: ", reason);
    return true;
}

bool boot_arg_allowed(const char *word)
{
    return boot_args_allowed(word, strlen(word));
}
