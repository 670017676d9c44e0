/* dump.c - registers and counters as text. */
#include "cpu/vcpu.h"

static unsigned long long ll(uint64_t v)
{
    return v;
}

void cpu_dump(struct cpu_set *set, unsigned cpu, FILE *to)
{
    static const enum sysreg shown[] = {
        SR_VBAR_EL1, SR_SCTLR_EL1, SR_TCR_EL1, SR_TTBR0_EL1, SR_TTBR1_EL1,
        SR_MAIR_EL1, SR_CONTEXTIDR_EL1, SR_CNTV_CTL_EL0, SR_CNTV_CVAL_EL0, SR_CNTP_CTL_EL0, SR_CNTP_CVAL_EL0,
    };
    static const char *const power[] = {"off", "starting", "starting", "on"};
    if (cpu >= set->o.n_cpus)
        return;
    const struct vcpu *c = set->cpu[cpu];
    fprintf(to, "cpu %u (%s%s): pc %016llx sp %016llx pstate %08llx EL%u%c irq %d fiq %d\n", cpu, power[c->power],
            c->sleeping ? ", waiting" : "", ll(c->s.pc), ll(c->s.sp), ll(pstate_get(c)), c->el, c->spsel ? 'h' : 't', (c->s.lines & PSTATE_I) != 0, (c->s.lines & PSTATE_F) != 0);
    for (unsigned i = 0; i < 31; i++)
        fprintf(to, "x%-2u %016llx%c", i, ll(c->s.x[i]), i % 4 == 3 ? '\n' : ' ');
    fprintf(to, "sp_el0 %016llx sp_el1 %016llx\n", ll(c->el && c->spsel ? c->s.sp_el[0] : c->s.sp),
            ll(c->el && c->spsel ? c->s.sp : c->s.sp_el[1]));
    fprintf(to, "esr_el1 %016llx far_el1 %016llx elr_el1 %016llx spsr_el1 %016llx\n", ll(c->s.esr_el1), ll(c->s.far_el1), ll(c->s.elr_el1),
            ll(c->s.spsr_el1));
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        fprintf(to, "%-14s %016llx%c", sysreg_name(shown[i]), ll(c->sr[shown[i]]), i % 3 == 2 ? '\n' : ' ');
    fprintf(to, "fpcr %08x fpsr %08x tpidr_el0 %016llx tpidr_el1 %016llx counter %llu\n", c->s.fpcr, c->s.fpsr, ll(c->s.tpidr_el0),
            ll(c->s.tpidr_el1), ll(counter_now(set)));
}

void cpu_set_stats(struct cpu_set *set, struct cpu_stats *out)
{
    uint64_t longest = 0;
    *out = (struct cpu_stats){0};
    for (unsigned i = 0; i < set->o.n_cpus; i++) {
        const struct cpu_stats *s = &set->cpu[i]->stats;
#define S(name, text) out->name += s->name;
        CPU_STATS(S)
#undef S
        longest = MAX(longest, s->longest_pause_ns);
    }
    out->longest_pause_ns = longest; /* not a sum */
}

void cpu_stats_print(const struct cpu_stats *stats, FILE *to)
{
    const char *sep = "{";
#define S(name, text)                                       \
    fprintf(to, "%s\"" #name "\":%llu", sep, ll(stats->name)); \
    sep = ",";
    CPU_STATS(S)
#undef S
    fputc('}', to);
}
