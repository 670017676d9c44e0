/*
 * psci.c - PSCI 1.1 (DEN 0022D) and the general calls of SMCCC 1.1 (DEN 0028), as rows of hypercalls (cpu/hypercall.h).
 *
 * Every power state of CPU_SUSPEND is a standby state. SYSTEM_SUSPEND (5.20) waits for an interrupt of the CPU that called, with all others
 * off, and enters at the address given with the CPU as after power-on.
 */
#include "cpu/hypercall.h"

enum psci_status {
    SUCCESS = 0, INVALID_PARAMETERS = -2, DENIED = -3, ALREADY_ON = -4, ON_PENDING = -5, INTERNAL_FAILURE = -6, INVALID_ADDRESS = -9,
};

static struct vcpu *target(struct vcpu *c, uint64_t mpidr)
{
    for (unsigned i = 0; i < c->set->o.n_cpus; i++)
        if (cpu_affinity(c->set->o.topology, i) == mpidr)
            return c->set->cpu[i];
    return NULL;
}

static int64_t psci_version(struct vcpu *c, const struct arguments *x) { return 0x10001; }
static int64_t smccc_version(struct vcpu *c, const struct arguments *x) { return 0x10001; }
static int64_t migrate_info_type(struct vcpu *c, const struct arguments *x) { return 2; /* no trusted OS */ }

static int64_t cpu_suspend(struct vcpu *c, const struct arguments *x)
{
    c->wait = WAIT_INTERRUPT;
    c->wait_until = UINT64_MAX;
    return SUCCESS;
}

/* A line for the machine's log. */
static void note(const struct vcpu *c, const char *text)
{
    const struct cpu_board *b = &c->set->board;
    if (b->note)
        b->note(b->ctx, c->id, text);
}

static int64_t cpu_off(struct vcpu *c, const struct arguments *x)
{
    note(c, "turned itself off");
    atomic_store(&c->power, CPU_OFF);
    for (unsigned i = 0; i < c->set->o.n_cpus; i++)
        if (atomic_load(&c->set->cpu[i]->power) != CPU_OFF)
            return SUCCESS;
    set_end(c, CPU_END_POWER_OFF, NULL); /* nobody is left who could turn one on */
    return SUCCESS;
}

static bool can_start_at(const struct vcpu *c, uint64_t gpa)
{
    return !(gpa & 3) && mem_find(c->set->o.mem, gpa);
}

static int64_t cpu_on(struct vcpu *c, const struct arguments *x)
{
    struct vcpu *t = target(c, x->a[0]);
    int off = CPU_OFF;
    if (!t)
        return INVALID_PARAMETERS;
    if (!can_start_at(c, x->a[1]))
        return INVALID_ADDRESS;
    /* on_pc is written between the two states, where nobody else reads it */
    pthread_mutex_lock(&c->set->lock);
    bool mine = atomic_compare_exchange_strong(&t->power, &off, CPU_STARTING);
    if (mine) {
        t->on_pc = x->a[1];
        t->on_x0 = x->a[2];
        atomic_store(&t->power, CPU_ON_PENDING);
    }
    pthread_mutex_unlock(&c->set->lock);
    if (!mine)
        return off == CPU_ON ? ALREADY_ON : ON_PENDING;
    char text[64];
    snprintf(text, sizeof text, "brought online by CPU %u, at 0x%llx", c->id, (unsigned long long)x->a[1]);
    note(t, text);
    vcpu_kick(t, CPU_PENDING_STOP);
    return SUCCESS;
}

static int64_t affinity_info(struct vcpu *c, const struct arguments *x)
{
    struct vcpu *t = target(c, x->a[0]);
    if (!t || x->a[1])
        return INVALID_PARAMETERS;
    int power = atomic_load(&t->power);
    return power == CPU_ON ? 0 : power == CPU_OFF ? 1 : 2;
}

static int64_t system_suspend(struct vcpu *c, const struct arguments *x)
{
    for (unsigned i = 0; i < c->set->o.n_cpus; i++)
        if (c->set->cpu[i] != c && atomic_load(&c->set->cpu[i]->power) != CPU_OFF)
            return DENIED;
    if (!can_start_at(c, x->a[0]))
        return INVALID_ADDRESS;
    note(c, "suspended the system");
    c->on_pc = x->a[0];
    c->on_x0 = x->a[1];
    c->wait = WAIT_SUSPENDED;
    c->wait_until = UINT64_MAX;
    return SUCCESS;
}

static void system_end(struct vcpu *c, bool reset)
{
    const struct cpu_board *b = &c->set->board;
    atomic_store(&c->power, CPU_OFF);
    if (b->system_off)
        b->system_off(b->ctx, c->id, reset);
    set_end(c, reset ? CPU_END_RESET : CPU_END_POWER_OFF, NULL);
}
static int64_t system_off(struct vcpu *c, const struct arguments *x) { system_end(c, false); return INTERNAL_FAILURE; }
static int64_t system_reset(struct vcpu *c, const struct arguments *x) { system_end(c, true); return INTERNAL_FAILURE; }
static int64_t system_reset2(struct vcpu *c, const struct arguments *x)
{
    if (x->a[0]) /* only the architectural warm reset */
        return x->a[0] >> 31 & 1 ? HYPERCALL_UNKNOWN : INVALID_PARAMETERS;
    return system_reset(c, x);
}

static int64_t psci_features(struct vcpu *c, const struct arguments *x)
{
    return hypercall_find(c, (uint32_t)x->a[0]) ? SUCCESS : HYPERCALL_UNKNOWN;
}

static int64_t workaround(struct vcpu *c, const struct arguments *x) { return SUCCESS; }

static int64_t arch_features(struct vcpu *c, const struct arguments *x)
{
    const struct hypercall *f = hypercall_find(c, (uint32_t)x->a[0]);
    if (!f || f->id < 0x80000000 || f->id >= 0x84000000)
        return HYPERCALL_UNKNOWN;
    if (f->call == workaround) /* 1: this processor is not affected; SSBD (7fff) has its own "not required" */
        return f->id == 0x80007fff ? -2 : 1;
    return SUCCESS;
}

const struct hypercall psci_calls[] = {
    {0x80000000, false, smccc_version, "SMCCC_VERSION"},
    {0x80000001, false, arch_features, "SMCCC_ARCH_FEATURES"},
    {0x80008000, false, workaround, "SMCCC_ARCH_WORKAROUND_1"},
    {0x80007fff, false, workaround, "SMCCC_ARCH_WORKAROUND_2"},
    {0x80003fff, false, workaround, "SMCCC_ARCH_WORKAROUND_3"},
    {0x84000000, false, psci_version, "PSCI_VERSION"},
    {0x84000001, true, cpu_suspend, "CPU_SUSPEND"},
    {0x84000002, false, cpu_off, "CPU_OFF"},
    {0x84000003, true, cpu_on, "CPU_ON"},
    {0x84000004, true, affinity_info, "AFFINITY_INFO"},
    {0x84000006, false, migrate_info_type, "MIGRATE_INFO_TYPE"},
    {0x84000008, false, system_off, "SYSTEM_OFF"},
    {0x84000009, false, system_reset, "SYSTEM_RESET"},
    {0x8400000a, false, psci_features, "PSCI_FEATURES"},
    {0x8400000e, true, system_suspend, "SYSTEM_SUSPEND"},
    {0x84000012, true, system_reset2, "SYSTEM_RESET2"},
    {0},
};
