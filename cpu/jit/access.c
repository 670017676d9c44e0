/*
 * access.c - loads and stores that translated code cannot do inline: first touch of a page, page crossing, devices, faults.
 *
 * A page-crossing access is checked on both pages before a byte moves, so a fault on the second has no effect. Device
 * registers are read and written with the access's own size; unaligned accesses to them are alignment faults (D8.5.1).
 */
#include "cpu/jit/jit.h"

void access_fault(struct vcpu *c, const struct mmu_fault *f, uint64_t va, uint32_t iss, uint32_t pc_offset)
{
    raise_fault(c, f, va, iss, false, insn_pc(c, pc_offset));
}

static void fail(struct vcpu *c, unsigned fsc, uint64_t va, bool write, uint32_t pc_offset)
{
    access_fault(c, &(struct mmu_fault){.fsc = fsc}, va, write ? ISS_WNR : 0, pc_offset);
}

uint8_t *access_resolve(struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint32_t memop, uint32_t pc_offset,
                        const struct tlb2_entry **entry)
{
    struct mmu_fault f;
    *entry = NULL;
    c->stats.tlb_misses++;
    if ((va & (bytes - 1)) && (memop & IR_MEM_ALIGNED || c->s.mode & CPU_MODE_ALIGN)) {
        fail(c, FSC_ALIGNMENT, va, write, pc_offset);
        return NULL;
    }
    const struct tlb2_entry *e = tlb_lookup(c, va, write ? TLB_WRITE : TLB_READ, memop & IR_MEM_UNPRIV, &f);
    if (!e) {
        access_fault(c, &f, va, write ? ISS_WNR : 0, pc_offset);
        return NULL;
    }
    if (c->single && debug_watch(c, va, bytes, write, insn_pc(c, pc_offset)))
        return NULL;
    *entry = e;
    return e->hva && !(write && (e->prot & MMU_ROM)) ? e->hva + (va & 4095) : NULL;
}

/* Evaluated code and atomics come with every access: mostly the line that translated code reads inline has the answer. An aligned access
 * crosses nothing and faults nowhere. */
uint8_t *access_at_hand(const struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint32_t memop)
{
    const struct x64_tlb_entry *line = &c->s.tlb[!!(memop & IR_MEM_UNPRIV)][va >> 12 & ones(c->tlb.bits)];
    bool here = (write ? line->tag_write : line->tag_read) == (va & ~UINT64_C(4095));
    return here && !(va & (bytes - 1)) && !c->single ? (uint8_t *)(uintptr_t)(va + line->addend) : NULL;
}

/* ---- devices ---- */

static void trace_mmio(struct vcpu *c, const char *what, uint64_t gpa, unsigned bytes, uint64_t v, bool ok)
{
    if (c->set->trace & TRACE_MMIO)
        fprintf(stderr, "cpu %u: %s %u bytes at %#llx: %#llx%s\n", c->id, what, bytes, (unsigned long long)gpa, (unsigned long long)v,
                ok ? "" : " (external abort)");
}

static bool device(struct vcpu *c, const struct tlb2_entry *e, uint64_t va, unsigned bytes, bool write, uint64_t *value,
                   uint32_t pc_offset)
{
    const struct cpu_board *b = &c->set->board;
    uint64_t gpa = tlb2_pa(e) | (va & 4095);
    c->stats.mmio++;
    if (va & (bytes - 1)) {
        fail(c, FSC_ALIGNMENT, va, write, pc_offset);
        return false;
    }
    bool ok = write ? b->mmio_write(b->ctx, c->id, gpa, bytes, *value) : b->mmio_read(b->ctx, c->id, gpa, bytes, value);
    trace_mmio(c, write ? "write" : "read", gpa, bytes, *value, ok);
    if (!ok)
        fail(c, FSC_EXTERNAL, va, write, pc_offset);
    return ok;
}

/* ---- memory ---- */

static uint64_t host_load(const uint8_t *p, unsigned bytes)
{
    switch (bytes) {
    case 1: return *p;
    case 2: return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
    case 4: return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
    }
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}

static void host_store(uint8_t *p, uint64_t v, unsigned bytes)
{
    switch (bytes) {
    case 1: __atomic_store_n(p, (uint8_t)v, __ATOMIC_RELAXED); return;
    case 2: __atomic_store_n((uint16_t *)p, (uint16_t)v, __ATOMIC_RELAXED); return;
    case 4: __atomic_store_n((uint32_t *)p, (uint32_t)v, __ATOMIC_RELAXED); return;
    }
    __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED);
}

/* Bytes of an access that crosses into the next page. The first translation is remembered by value: the second look-up
 * may evict it. */
static bool crossing(struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint8_t *data, uint32_t memop, uint32_t pc_offset)
{
    unsigned first = 4096 - (va & 4095);
    const struct tlb2_entry *e;
    uint8_t *part[2];
    if ((va & (bytes - 1)) && (memop & IR_MEM_ALIGNED || c->s.mode & CPU_MODE_ALIGN)) {
        fail(c, FSC_ALIGNMENT, va, write, pc_offset);
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = i ? va + first : va;
        part[i] = access_resolve(c, at, 1, write, memop & ~IR_MEM_ALIGNED, pc_offset, &e);
        if (part[i])
            continue;
        if (e)
            fail(c, e->hva ? FSC_EXTERNAL : FSC_ALIGNMENT, at, write, pc_offset);
        return false;
    }
    if (write) {
        memcpy(part[0], data, first);
        memcpy(part[1], data + first, bytes - first);
    } else {
        memcpy(data, part[0], first);
        memcpy(data + first, part[1], bytes - first);
    }
    return true;
}

static bool crosses(uint64_t va, unsigned bytes)
{
    return (va & 4095) + bytes > 4096;
}

static uint64_t load(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    const uint8_t *p = access_at_hand(c, va, bytes, false, memop);
    const struct tlb2_entry *e;
    uint64_t v = 0;
    if (p)
        return host_load(p, bytes);
    if (crosses(va, bytes)) {
        crossing(c, va, bytes, false, (uint8_t *)&v, memop, pc_offset);
        return v;
    }
    p = access_resolve(c, va, bytes, false, memop, pc_offset, &e);
    if (p)
        v = host_load(p, bytes);
    else if (e)
        device(c, e, va, bytes, false, &v, pc_offset);
    return v;
}

static void store(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    const struct tlb2_entry *e = NULL;
    uint8_t *p = access_at_hand(c, va, bytes, true, memop);
    if (!p && crosses(va, bytes)) {
        crossing(c, va, bytes, true, (uint8_t *)&value, memop, pc_offset);
        return;
    }
    if (!p)
        p = access_resolve(c, va, bytes, true, memop, pc_offset, &e);
    if (p) {
        host_store(p, value, bytes);
        if (memop & IR_MEM_RELEASE) /* RCsc: before a later LDAR */
            atomic_thread_fence(memory_order_seq_cst);
    } else if (e) {
        device(c, e, va, bytes, true, &value, pc_offset);
    }
}

static void load128(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset, union ir_value *out)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    const struct tlb2_entry *e;
    *out = (union ir_value){0};
    if (bytes < 16) {
        out->u64 = load(state, va, memop & ~(uint32_t)(IR_MEM_SEXT64 | IR_MEM_SEXT32), pc_offset);
        return;
    }
    if (crosses(va, bytes)) {
        crossing(c, va, bytes, false, out->b, memop, pc_offset);
        return;
    }
    const uint8_t *p = access_resolve(c, va, bytes, false, memop, pc_offset, &e);
    if (p) {
        memcpy(out->b, p, 16);
    } else if (e) {
        struct tlb2_entry copy = *e;
        if (device(c, &copy, va, 8, false, &out->d[0], pc_offset))
            device(c, &copy, va + 8, 8, false, &out->d[1], pc_offset);
    }
}

static void store128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    const struct tlb2_entry *e;
    union ir_value v = *value;
    if (bytes < 16) {
        store(state, va, v.u64, memop, pc_offset);
        return;
    }
    if (crosses(va, bytes)) {
        crossing(c, va, bytes, true, v.b, memop, pc_offset);
        return;
    }
    uint8_t *p = access_resolve(c, va, bytes, true, memop, pc_offset, &e);
    if (p) {
        memcpy(p, v.b, 16);
    } else if (e) {
        struct tlb2_entry copy = *e;
        if (device(c, &copy, va, 8, true, &v.d[0], pc_offset))
            device(c, &copy, va + 8, 8, true, &v.d[1], pc_offset);
    }
}

static void prepare(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset)
{
    struct mmu_fault f;
    (void)pc_offset;
    tlb_lookup(vcpu_of(state), va, memop & IR_MEM_PREPARE_WRITE ? TLB_WRITE : TLB_READ, memop & IR_MEM_UNPRIV, &f);
}

void access_env(struct ir_env *env)
{
    env->prepare = prepare;
    env->load = load;
    env->store = store;
    env->load128 = load128;
    env->store128 = store128;
}
