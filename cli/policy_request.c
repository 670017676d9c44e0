/* policy_request.c - the owner's answer to Recovery. Standard error and the terminal only: standard output is the guest's console. */
#include "cli/policy_request.h"
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cli_security(const char *verb, const char *text, enum pome_security *level)
{
    for (int s = POME_SECURITY_FULL; s <= POME_SECURITY_PERMISSIVE; s++)
        if (!strcmp(text, pome_security_name((enum pome_security)s))) {
            *level = (enum pome_security)s;
            return true;
        }
    cli_usage(verb, "\"%s\" is not full, reduced or permissive", text);
    return false;
}

void cli_use_authority(const char *path)
{
    if (path)
        setenv("POME_AUTHORITY", path, 1);
}

void policy_request_clear(pome_bundle *b)
{
    struct pome_error err = {0};
    if (pome_bundle_policy_deny(b, &err))
        cli_note("an older request for another security was refused: it was there before this start");
}

bool policy_request_ask(const struct pome_policy_request *r, const char *name)
{
    char answer[16] = "";
    fprintf(stderr, "\"%s\" asks for %s security instead of %s. Whatever ran in the machine could have asked.\nApprove? (yes/no): ", name,
            pome_security_name(r->wanted), pome_security_name(r->current));
    fflush(stderr);
    return fgets(answer, sizeof answer, stdin) && !strcmp(answer, "yes\n");
}

static bool approve(pome_bundle *b, const char *name, enum pome_security wanted, struct pome_error *err)
{
    if (!pome_bundle_policy_approve(b, wanted, err))
        return false;
    cli_note("approved: \"%s\" has %s security from its next start on", name, pome_security_name(wanted));
    return true;
}

static bool deny(pome_bundle *b, const char *name, const char *why, struct pome_error *err)
{
    if (!pome_bundle_policy_deny(b, err))
        return false;
    cli_note("refused: \"%s\" keeps its security: %s", name, why);
    return true;
}

int policy_request_settle(pome_bundle *b, const char *name, const char *level, bool ask, int status)
{
    struct pome_policy_request r = POME_POLICY_REQUEST_INIT;
    struct pome_error err = {0};
    bool ok = true;
    if (!pome_bundle_policy_request(b, &r, &err))
        return status; /* nothing was asked for; a machine that is damaged has said so by itself */
    if (!r.valid)
        ok = deny(b, name, r.why, &err);
    else if (level && !strcmp(level, pome_security_name(r.wanted)))
        ok = approve(b, name, r.wanted, &err);
    else if (level)
        ok = deny(b, name, "it asked for another one than --approve-policy allows", &err);
    else if (ask)
        ok = policy_request_ask(&r, name) ? approve(b, name, r.wanted, &err) : deny(b, name, "you said no", &err);
    else
        cli_note("\"%s\" asks for %s security instead of %s: \"pome security approve %s\" or \"pome security deny %s\" answers", name,
                 pome_security_name(r.wanted), pome_security_name(r.current), name, name);
    return ok ? status : cli_fail(&err, NULL, "cannot answer what \"%s\" asks for", name);
}
