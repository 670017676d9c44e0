/*
 * apple_calls.c - the services that Apple's hypervisor offers to its guests by HVC #0, as rows of hypercalls (cpu/hypercall.h).
 *
 * Source: what XNU calls and expects (osfmk/arm64/hv_hvc.h and its callers, xnu-8020; read for facts). A service range answers who it is
 * (UUID), its revision, and which functions it has, as SMCCC's general queries do.
 *
 * CPU service: keys of pointer authentication. XNU for virtual machines never writes a key register: each CPU asks for its initial keys before it
 * enables them, and for those of a process when it switches to one. A key is named by a 64-bit value, of which this is made:
 *
 *   A keys     IA = value, value + 1; DA = value + 2, value + 3        (low half, high half)
 *   B keys     IB, DB likewise
 *   G key      GA = value, value + 1
 *   EL0 diversifier   at EL0 the A keys are others than at EL1: exclusive or with value, value + 1. SET_EL0_DIVERSIFIER_AT_EL1 makes EL1 use
 *              them too, while the kernel works on a process's pointers.
 *
 * Callers save x0 to x3 (GET_DEFAULT_KEYS: x4 too) and take any result but 0 as fatal; all other registers and the flags survive. The way back from
 * HVC is a context synchronisation event, as each helper that ends a block is: the next instruction uses the new keys.
 *
 * OEM service: the host's time, an identity of this boot, and a way to sleep until another CPU wakes this one.
 */
#include "cpu/hypercall.h"

#include "base/bits.h"

/* 3B878185-AA62-4E1F-9DC9-D6799CBB6EBB */
static const uint8_t apple_uuid[16] = {0x3b, 0x87, 0x81, 0x85, 0xaa, 0x62, 0x4e, 0x1f, 0x9d, 0xc9, 0xd6, 0x79, 0x9c, 0xbb, 0x6e, 0xbb};

/* Word n of four as registers carry a UUID: the last bytes come first. */
static uint32_t uuid_word(const uint8_t uuid[16], unsigned n)
{
    const uint8_t *p = uuid + 12 - 4 * n;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- queries, the same in both ranges ---- */

static int64_t uid(struct vcpu *c, const struct arguments *x)
{
    for (unsigned i = 1; i < 4; i++)
        c->s.x[i] = uuid_word(apple_uuid, i);
    return uuid_word(apple_uuid, 0);
}

static int64_t revision(struct vcpu *c, const struct arguments *x)
{
    c->s.x[1] = 0; /* minor */
    return 1;
}

static int64_t features(struct vcpu *c, const struct arguments *x)
{
    return hypercall_find(c, (uint32_t)x->a[0]) ? 0 : HYPERCALL_UNKNOWN;
}

/* ---- CPU service ---- */

enum { KEY_A = 0, KEY_DIVERSIFIER = 4, KEY_B = 6, KEY_G = 10 }; /* default values: the first key's and so much */

static void set_pair(struct vcpu *c, enum sysreg lo, enum sysreg hi, uint64_t value)
{
    c->sr[lo] = value;
    c->sr[hi] = value + 1;
}

static void set_a(struct vcpu *c, uint64_t value)
{
    set_pair(c, SR_APIAKEYLO_EL1, SR_APIAKEYHI_EL1, value);
    set_pair(c, SR_APDAKEYLO_EL1, SR_APDAKEYHI_EL1, value + 2);
}

static void set_b(struct vcpu *c, uint64_t value)
{
    set_pair(c, SR_APIBKEYLO_EL1, SR_APIBKEYHI_EL1, value);
    set_pair(c, SR_APDBKEYLO_EL1, SR_APDBKEYHI_EL1, value + 2);
}

static int64_t pac_set_initial_state(struct vcpu *c, const struct arguments *x)
{
    uint64_t first = c->set->session.key;
    set_a(c, first + KEY_A);
    set_b(c, first + KEY_B);
    set_pair(c, SR_APGAKEYLO_EL1, SR_APGAKEYHI_EL1, first + KEY_G);
    c->pac_diversifier = first + KEY_DIVERSIFIER;
    c->pac_diversified = PAC_DIVERSIFIED_EL0;
    return 0;
}

static int64_t pac_get_default_keys(struct vcpu *c, const struct arguments *x)
{
    uint64_t first = c->set->session.key;
    c->s.x[1] = first + KEY_A;
    c->s.x[2] = first + KEY_B;
    c->s.x[3] = first + KEY_DIVERSIFIER;
    c->s.x[4] = first + KEY_G;
    return 0;
}

static int64_t pac_set_a_keys(struct vcpu *c, const struct arguments *x) { set_a(c, x->a[0]); return 0; }
static int64_t pac_set_b_keys(struct vcpu *c, const struct arguments *x) { set_b(c, x->a[0]); return 0; }
static int64_t pac_nop(struct vcpu *c, const struct arguments *x) { return 0; }

static int64_t pac_set_g_key(struct vcpu *c, const struct arguments *x)
{
    set_pair(c, SR_APGAKEYLO_EL1, SR_APGAKEYHI_EL1, x->a[0]);
    return 0;
}

static int64_t pac_set_el0_diversifier(struct vcpu *c, const struct arguments *x)
{
    c->pac_diversifier = x->a[0];
    return 0;
}

static int64_t pac_set_el0_diversifier_at_el1(struct vcpu *c, const struct arguments *x)
{
    c->pac_diversifier = x->a[1];
    if (x->a[0] == 0)
        c->pac_diversified &= ~PAC_DIVERSIFIED_EL1;
    else if (x->a[0] == 1)
        c->pac_diversified |= PAC_DIVERSIFIED_EL1;
    return 0;
}

/* ---- OEM service ---- */

/* What the guest adds to its counter to have the host's time, in ticks: traces of both can be put beside each other. */
static int64_t get_mabs_offset(struct vcpu *c, const struct arguments *x)
{
    c->s.x[1] = (uint64_t)counter_offset(c->set);
    return 0;
}

static int64_t get_boot_session_uuid(struct vcpu *c, const struct arguments *x)
{
    for (unsigned i = 0; i < 4; i++)
        c->s.x[1 + i] = uuid_word(c->set->session.uuid, i);
    return 0;
}

/* x1: 0: only a kick ends the wait, 1: an interrupt does, too. */
static int64_t vcpu_wait_for_kick(struct vcpu *c, const struct arguments *x)
{
    c->wait = x->a[0] ? WAIT_KICK_OR_INTERRUPT : WAIT_KICK;
    c->wait_until = UINT64_MAX;
    return 0;
}

/* x1: affinity. A kick before the wait ends it at once. */
static int64_t vcpu_kick_other(struct vcpu *c, const struct arguments *x)
{
    for (unsigned i = 0; i < c->set->o.n_cpus; i++) {
        if (cpu_affinity(c->set->o.topology, i) != x->a[0])
            continue;
        atomic_store(&c->set->cpu[i]->kicked, true);
        vcpu_kick(c->set->cpu[i], CPU_PENDING_EVENT);
        return 0;
    }
    return HYPERCALL_UNKNOWN;
}

const struct hypercall apple_calls[] = {
    {0x8100ff01, false, uid, "CPU_SERVICE_UID"},
    {0x8100ff03, false, revision, "CPU_SERVICE_REVISION"},
    {0x8100feff, false, features, "CPU_SERVICE_FEATURES"},
    {0xc1000000, false, pac_set_initial_state, "PAC_SET_INITIAL_STATE"},
    {0xc1000001, false, pac_get_default_keys, "PAC_GET_DEFAULT_KEYS"},
    {0xc1000002, false, pac_set_a_keys, "PAC_SET_A_KEYS"},
    {0xc1000003, false, pac_set_b_keys, "PAC_SET_B_KEYS"},
    {0xc1000004, false, pac_set_el0_diversifier, "PAC_SET_EL0_DIVERSIFIER"},
    {0xc1000005, false, pac_set_el0_diversifier_at_el1, "PAC_SET_EL0_DIVERSIFIER_AT_EL1"},
    {0xc1000006, false, pac_set_g_key, "PAC_SET_G_KEY"},
    {0xc10000f0, false, pac_nop, "PAC_NOP"},
    {0x8300ff01, false, uid, "OEM_SERVICE_UID"},
    {0x8300ff03, false, revision, "OEM_SERVICE_REVISION"},
    {0x8300feff, false, features, "OEM_SERVICE_FEATURES"},
    {0xc3000003, false, get_mabs_offset, "GET_MABS_OFFSET"},
    {0xc3000004, false, get_boot_session_uuid, "GET_BOOTSESSIONUUID"},
    {0xc3000005, false, vcpu_wait_for_kick, "VCPU_WFK"},
    {0xc3000006, false, vcpu_kick_other, "VCPU_KICK"},
    {0},
};
