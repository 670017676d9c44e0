/* idregs.c - the identification registers, filled from idregs.inc. */
#include "cpu/vcpu.h"

struct id_row {
    uint16_t reg;
    uint8_t lsb;
    uint16_t value[CPU_MODEL_COUNT];
};

static const struct id_row rows[] = {
#define ID(reg, lsb, normal, apple, text) {SR_##reg, lsb, {normal, apple}},
#include "cpu/idregs.inc"
#undef ID
};

/* MMFR0.PARange: the smallest that covers this many bits */
static unsigned pa_range(unsigned bits)
{
    static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48};
    unsigned i = 0;
    while (i < ARRAY_SIZE(sizes) - 1 && sizes[i] < bits)
        i++;
    return i;
}

void idregs_reset(struct vcpu *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        c->sr[rows[i].reg] |= (uint64_t)rows[i].value[c->set->o.model] << rows[i].lsb;
    c->sr[SR_ID_AA64MMFR0_EL1] |= pa_range(c->set->pa_bits);
    c->sr[SR_MPIDR_EL1] = BIT(31) | cpu_affinity(c->set->o.topology, c->id);
}
