/* policy.c - LocalPolicy: an IMG4 `lpol` whose payload is one zero byte; what it says are properties of its ticket. */
#include "firmware/policy.h"

const char *security_name(enum security s)
{
    static const char *const names[] = {"full", "reduced", "permissive"};
    return names[s];
}

static bool is_current(const uint8_t *lpnh, const struct machine *m)
{
    static const uint8_t none[SHA384_BYTES];
    for (int i = 0; i < 2; i++)
        if (memcmp(m->policy_nonces[i], none, sizeof none) && !memcmp(lpnh, m->policy_nonces[i], SHA384_BYTES))
            return true;
    return false;
}

fw_why policy_open(struct der data, const struct machine *machine, struct policy *out)
{
    struct im4p payload;
    struct ticket t;
    const uint8_t *nsih, *lpnh;
    fw_why why = img4_open(data, "lpol", machine, &payload, &t);
    if (why)
        return why;
    if (!ticket_true(&t, "lobo") || !ticket_octets(&t, "nsih", SHA384_BYTES, &nsih) || !ticket_octets(&t, "lpnh", SHA384_BYTES, &lpnh))
        return "is not the policy of a boot set";
    if (!is_current(lpnh, machine))
        return "is an old one (lpnh is not of this machine's policy nonce)";
    bool reduced = ticket_true(&t, "smb0"), permissive = ticket_true(&t, "smb1");
    if (permissive && !reduced)
        return "is permissive without being reduced (smb1 without smb0)";
    out->security = permissive ? SECURITY_PERMISSIVE : reduced ? SECURITY_REDUCED : SECURITY_FULL;
    memcpy(out->nsih, nsih, SHA384_BYTES);
    return NULL;
}
