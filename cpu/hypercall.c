/* hypercall.c - HVC: finds the function and calls it (hypercall.h). */
#include "cpu/hypercall.h"

static const struct hypercall *find_in(const struct hypercall *row, uint32_t id)
{
    for (; row->id; row++)
        if (row->id == id || (row->has_64 && (row->id | 0x40000000) == id))
            return row;
    return NULL;
}

const struct hypercall *hypercall_find(const struct vcpu *c, uint32_t id)
{
    const struct hypercall *f = find_in(psci_calls, id);
    return f || !c->set->o.apple_calls ? f : find_in(apple_calls, id);
}

void hypercall(struct vcpu *c, unsigned imm)
{
    uint32_t id = (uint32_t)c->s.x[0];
    const struct hypercall *f = imm ? NULL : hypercall_find(c, id); /* others than 0 are nobody's */
    struct arguments x;
    for (unsigned i = 0; i < 3; i++)
        x.a[i] = id & 0x40000000 ? c->s.x[1 + i] : (uint32_t)c->s.x[1 + i];
    int64_t result = f ? f->call(c, &x) : HYPERCALL_UNKNOWN;
    if (c->set->trace & TRACE_PSCI)
        fprintf(stderr, "cpu %u: %s (%#x) %#llx %#llx %#llx = %lld\n", c->id, f ? f->name : "unknown call", id,
                (unsigned long long)x.a[0], (unsigned long long)x.a[1], (unsigned long long)x.a[2], (long long)result);
    c->s.x[0] = (uint64_t)result;
}
