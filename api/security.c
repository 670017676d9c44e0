/* security.c - pome/security.h. */
#include <pome/security.h>

#include "api/bundle.h"
#include "base/bits.h"
#include "base/error.h"
#include "restore/policy_request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static_assert((int)POME_SECURITY_FULL == POLICY_FULL && (int)POME_SECURITY_PERMISSIVE == POLICY_PERMISSIVE, "the same numbers");

const char *pome_security_name(enum pome_security security)
{
    static const char *const names[] = {"full", "reduced", "permissive"};
    return (unsigned)security < ARRAY_SIZE(names) ? names[security] : "";
}

/* Runs with the bundle locked; unlocks it if it was not. */
static bool with_lock(pome_bundle *p, bool (*run)(struct bundle *b, void *arg, struct pome_error *err), void *arg, struct pome_error *err)
{
    bool mine = p->b->locked, ok;
    if (!bundle_lock(p->b, err))
        return false;
    ok = run(p->b, arg, err);
    if (!mine)
        bundle_unlock(p->b);
    return ok;
}

static bool read_policy(struct bundle *b, void *arg, struct pome_error *err)
{
    return boot_state_read(b, arg, err);
}

bool pome_bundle_boot_policy(pome_bundle *bundle, struct pome_boot_policy *policy, struct pome_error *err)
{
    struct boot_state s;
    if (!with_lock(bundle, read_policy, &s, err))
        return false;
    struct pome_boot_policy p = {.size = policy->size, .security = (enum pome_security)s.security};
    memcpy(p.signed_set, s.active, sizeof p.signed_set);
    if (!s.pending_signed)
        memcpy(p.pending_set, s.pending, sizeof p.pending_set);
    memcpy(p.version, s.version, sizeof p.version);
    memcpy(p.authority, s.anchor, sizeof p.authority);
    memcpy(policy, &p, MIN(policy->size, sizeof p));
    return true;
}

static bool set_security(struct bundle *b, void *arg, struct pome_error *err)
{
    return boot_set_security(b, *(enum policy_security *)arg, err);
}

bool pome_bundle_set_security(pome_bundle *bundle, enum pome_security security, struct pome_error *err)
{
    enum policy_security s = (enum policy_security)security;
    if ((unsigned)security > POME_SECURITY_PERMISSIVE)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "security %u is not known", (unsigned)security);
    if (!bundle->b->installed) {
        bundle->b->install_security = security;
        return true;
    }
    return with_lock(bundle, set_security, &s, err);
}

static bool read_request(struct bundle *b, void *arg, struct pome_error *err)
{
    return policy_request_read(b, arg, err);
}

bool pome_bundle_policy_request(pome_bundle *bundle, struct pome_policy_request *request, struct pome_error *err)
{
    struct policy_request from;
    if (!with_lock(bundle, read_request, &from, err))
        return false;
    struct pome_policy_request r = {.size = request->size, .valid = from.valid, .wanted = (enum pome_security)from.wanted,
                                    .current = (enum pome_security)from.current};
    snprintf(r.why, sizeof r.why, "%s", from.why);
    memcpy(request, &r, MIN(request->size, sizeof r));
    return true;
}

static bool approve(struct bundle *b, void *arg, struct pome_error *err)
{
    return policy_request_approve(b, *(enum policy_security *)arg, err);
}

bool pome_bundle_policy_approve(pome_bundle *bundle, enum pome_security security, struct pome_error *err)
{
    enum policy_security s = (enum policy_security)security;
    if ((unsigned)security > POME_SECURITY_PERMISSIVE)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "security %u is not known", (unsigned)security);
    return with_lock(bundle, approve, &s, err);
}

static bool deny(struct bundle *b, void *arg, struct pome_error *err)
{
    return policy_request_deny(b, arg, err);
}

bool pome_bundle_policy_deny(pome_bundle *bundle, struct pome_error *err)
{
    static char reason[] = "the owner of the host said no";
    return with_lock(bundle, deny, reason, err);
}

bool pome_boot_arg_allowed(const char *word)
{
    return boot_arg_allowed(word);
}

static bool personalize(struct bundle *b, void *arg, struct pome_error *err)
{
    return *(bool *)arg ? boot_sign_all(b, err) : boot_sign_pending(b, err);
}

bool pome_bundle_personalize(pome_bundle *bundle, bool all, struct pome_error *err)
{
    return with_lock(bundle, personalize, &all, err);
}

bool pome_authority(bool make, struct pome_authority_info *info, struct pome_error *err)
{
    struct authority *a = authority_open(NULL, make, err);
    if (!a)
        return false;
    struct pome_authority_info i = {.size = info->size};
    snprintf(i.path, sizeof i.path, "%s", authority_path(a));
    snprintf(i.name, sizeof i.name, "%s", authority_name(a));
    memcpy(i.digest, authority_anchor(a), sizeof i.digest);
    memcpy(info, &i, MIN(info->size, sizeof i));
    authority_close(a);
    return true;
}
