/*
 * saved.c - a vCPU's state as records, and back (base/records.h).
 *
 * What is architectural is saved: registers, PSTATE, every system register that has storage of its own by its name, what the vCPU waits
 * for, its timers as register values. What is made from it is not: translation tables, translated code, timer deadlines. Nor is the
 * exclusive monitor, which may be lost at any time (B2.12): it names a place of this host. Old states have one. Lines from the interrupt
 * controller are the controller's state. The counter is saved once, as the time it had counted.
 *
 * A paused vCPU is at a safe point (jit_run), so all of its state is in struct vcpu. Saved bytes are hostile: every value is brought to what the
 * guest itself could have made it. Identification registers are compared, not loaded: a guest was told once what it runs on.
 */
#include "cpu/vcpu.h"
#include "base/error.h"
#include "fp/fp.h"

/* Fields of struct vcpu: name, and what they may be. Where one that came LATER is not in an old state, it is as after a reset. */
#define FIELD(f, most) {#f, offsetof(struct vcpu, f), sizeof(((struct vcpu *)0)->f), most, false}
#define LATER(f, most) {#f, offsetof(struct vcpu, f), sizeof(((struct vcpu *)0)->f), most, true}
static const struct field {
    const char *name;
    uint32_t offset, bytes;
    uint64_t most; /* of a number; UINT64_MAX: any */
    bool may_lack;
} fields[] = {
    FIELD(s.x, UINT64_MAX), FIELD(s.sp, UINT64_MAX), FIELD(s.pc, UINT64_MAX), FIELD(s.fpcr, FPCR_MASK), FIELD(s.fpsr, 0x0800009f),
    FIELD(s.tpidr_el0, UINT64_MAX), FIELD(s.tpidrro_el0, UINT64_MAX), FIELD(s.tpidr_el1, UINT64_MAX), FIELD(s.sp_el, UINT64_MAX),
    FIELD(s.daif, PSTATE_DAIF), FIELD(s.elr_el1, UINT64_MAX), FIELD(s.spsr_el1, CPU_SPSR_MASK), FIELD(s.esr_el1, 0x1fffffffff),
    FIELD(s.far_el1, UINT64_MAX), FIELD(s.v, UINT64_MAX), FIELD(el, 1), FIELD(spsel, 1), FIELD(pan, 1), FIELD(dit, 1), FIELD(ssbs, 1),
    FIELD(btype, 3), FIELD(il, 1), FIELD(ss, 1), FIELD(timer.level, 0x0101), FIELD(event, 1), FIELD(power, CPU_ON),
    FIELD(on_pc, UINT64_MAX), FIELD(on_x0, UINT64_MAX), FIELD(wait, WAIT_KINDS - 1), FIELD(wait_until, UINT64_MAX),
    LATER(kicked, 1), LATER(pac_diversifier, UINT64_MAX), LATER(pac_diversified, PAC_DIVERSIFIED_EL0 | PAC_DIVERSIFIED_EL1),
};

static void *at(const struct vcpu *c, const struct field *f)
{
    return (uint8_t *)(uintptr_t)c + f->offset;
}

void cpu_save(struct cpu_set *set, unsigned cpu, struct records *out)
{
    const struct vcpu *c = set->cpu[cpu];
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        records_put(out, fields[i].name, at(c, &fields[i]), fields[i].bytes);
    records_put(out, "boot session", &set->session, sizeof set->session);
    records_put_u64(out, "NZCV", ir_flags_to_nzcv(c->s.flags));
    for (unsigned r = 0; r < SR_COUNT; r++)
        if (sysreg_storage(r) != SYSREG_NO_STORAGE)
            records_put_u64(out, sysreg_name(r), c->sr[r]);
}

void cpu_set_facts(struct cpu_set *set, struct records *out)
{
    char text[24];
    records_put_text(out, "CPU model", cpu_model_name(set->o.model));
    snprintf(text, sizeof text, "%llu Hz", (unsigned long long)set->o.cntfrq_hz);
    records_put_text(out, "counter", text);
    for (unsigned r = 0; r < SR_COUNT; r++)
        if (sysreg_storage(r) == SYSREG_IDENTITY) {
            snprintf(text, sizeof text, "0x%llx", (unsigned long long)set->cpu[0]->sr[r]);
            records_put_text(out, sysreg_name(r), text);
        }
}

unsigned cpu_set_count(const struct cpu_set *set)
{
    return set->o.n_cpus;
}

uint64_t cpu_set_save_counter(struct cpu_set *set)
{
    return (set->paused ? set->paused_at_ns : host_now_ns()) - set->count_base_ns;
}

void cpu_set_load_counter(struct cpu_set *set, uint64_t counted_ns)
{
    set->count_base_ns = (set->paused ? set->paused_at_ns : host_now_ns()) - counted_ns;
}

/* ---- loading ---- */

static bool wrong(struct pome_error *err, const char *name, const char *what)
{
    return pome_fail(err, POME_ERROR_RESTORE, "%s: %s", name, what);
}

/* A number cut to the bits it may have; those that count (el, wait) may not be more than `most`. */
static bool load_field(struct vcpu *c, const struct field *f, const struct record *r, struct pome_error *err)
{
    uint64_t v = 0;
    if (r->n != f->bytes)
        return pome_fail(err, POME_ERROR_RESTORE, "%s: saved %u bytes, needed %u", f->name, r->n, f->bytes);
    memcpy(at(c, f), r->bytes, f->bytes);
    if (f->most == UINT64_MAX || f->bytes > 8)
        return true;
    memcpy(&v, r->bytes, f->bytes);
    v &= f->most > 31 ? f->most : UINT64_MAX;
    if (v > f->most)
        return wrong(err, f->name, "its value is out of range");
    memcpy(at(c, f), &v, f->bytes);
    return true;
}

static bool load_sysreg(struct vcpu *c, unsigned reg, uint64_t value, struct pome_error *err)
{
    if (sysreg_storage(reg) == SYSREG_IDENTITY)
        return value == c->sr[reg] || pome_fail(err, POME_ERROR_RESTORE, "%s: saved 0x%llx, present 0x%llx", sysreg_name(reg),
                                                (unsigned long long)value, (unsigned long long)c->sr[reg]);
    sysreg_load(c, reg, value);
    return true;
}

bool cpu_load(struct cpu_set *set, unsigned cpu, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    struct vcpu *c = set->cpu[cpu];
    struct record r;
    uint64_t v;
    vcpu_reset(c);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct field *f = &fields[i];
        if (!records_find(bytes, n, f->name, &r)) {
            if (!f->may_lack)
                return wrong(err, f->name, "is not in the saved state");
        } else if (!load_field(c, f, &r, err)) {
            return false;
        }
    }
    if (records_find(bytes, n, "boot session", &r) && r.n == sizeof set->session)
        memcpy(&set->session, r.bytes, sizeof set->session);
    if (!records_find(bytes, n, "NZCV", &r) || !record_u64(&r, &v))
        return wrong(err, "NZCV", "is not in the saved state");
    c->s.flags = ir_flags_from_nzcv(v);
    for (unsigned reg = 0; reg < SR_COUNT; reg++) {
        if (sysreg_storage(reg) == SYSREG_NO_STORAGE)
            continue;
        if (!records_find(bytes, n, sysreg_name(reg), &r) || !record_u64(&r, &v))
            return wrong(err, sysreg_name(reg), "is not in the saved state");
        if (!load_sysreg(c, reg, v, err))
            return false;
    }
    if (atomic_load(&c->power) == CPU_STARTING) /* lasts while one vCPU turns another on, and not at a safe point */
        return wrong(err, "power", "its value is out of range");
    c->s.must_sync = 0;
    tlb_flush_all(c);
    vcpu_update_mode(c);
    return true;
}
