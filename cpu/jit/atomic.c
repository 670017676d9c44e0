/*
 * atomic.c - LSE atomics and exclusives in C: the evaluator's only way, and compiled code's slow path.
 *
 * Guest atomics are host atomics on the same bytes, so they are atomic against inline accesses of other vCPUs and
 * devices. An exclusive pair is "remember place and value, store by compare and exchange" (ABA cannot be seen by code
 * that only compares values). Unaligned ones fault: FEAT_LSE2 is not announced. On a device: unsupported atomic, FSC 0x35.
 */
#include "cpu/jit/jit.h"
#include "ir/eval_int.h"

static uint8_t *resolve(struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint32_t memop, uint32_t pc_offset,
                        bool *rom)
{
    const struct tlb2_entry *e;
    uint8_t *p = access_resolve(c, va, bytes, false, memop | IR_MEM_ALIGNED, pc_offset, &e);
    /* Reads first: ESR.WnR is 0 if the read alone would have faulted */
    if (p && write && !access_at_hand(c, va, bytes, true, memop))
        p = access_resolve(c, va, bytes, true, memop | IR_MEM_ALIGNED, pc_offset, &e);
    if (!p) {
        if (e)
            access_fault(c, &(struct mmu_fault){.fsc = FSC_ATOMIC}, va, write ? ISS_WNR : 0, pc_offset);
        return NULL;
    }
    *rom = e->prot & MMU_ROM;
    return p;
}

/* ---- LSE ---- */

/* Compare and exchange of 1, 2, 4 or 8 bytes; returns what was there. */
static uint64_t host_cas(uint8_t *p, uint64_t expected, uint64_t desired, unsigned bytes)
{
#define CAS(type)                                                                                                           \
    {                                                                                                                       \
        type e = (type)expected;                                                                                            \
        __atomic_compare_exchange_n((type *)p, &e, (type)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
        return e;                                                                                                           \
    }
    switch (bytes) {
    case 1: CAS(uint8_t)
    case 2: CAS(uint16_t)
    case 4: CAS(uint32_t)
    }
    CAS(uint64_t)
#undef CAS
}

static uint64_t host_read(const uint8_t *p, unsigned bytes)
{
    switch (bytes) {
    case 1: return __atomic_load_n(p, __ATOMIC_ACQUIRE);
    case 2: return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
    case 4: return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
    }
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
}

/* For what need not know the physical address. */
static uint8_t *resolve_write(struct vcpu *c, uint64_t va, unsigned bytes, uint32_t memop, uint32_t pc_offset)
{
    uint8_t *p = access_at_hand(c, va, bytes, true, memop);
    bool rom;
    return p ? p : resolve(c, va, bytes, true, memop, pc_offset, &rom);
}

static uint64_t atomic(void *state, uint64_t va, uint64_t operand, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    uint8_t *p = resolve_write(c, va, bytes, memop, pc_offset);
    if (!p)
        return 0;
    uint64_t old = host_read(p, bytes), seen;
    while ((seen = host_cas(p, old, ir_rmw_result(memop, old, operand), bytes)) != old)
        old = seen;
    return old;
}

static uint64_t cas(void *state, uint64_t va, uint64_t expected, uint64_t desired, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    uint8_t *p = resolve_write(c, va, bytes, memop, pc_offset);
    return p ? host_cas(p, expected, desired, bytes) : 0;
}

/* 16 bytes: cmpxchg16b */
static unsigned __int128 wide(const union ir_value *v)
{
    return (unsigned __int128)v->d[1] << 64 | v->d[0];
}

static bool host_cas128(uint8_t *p, union ir_value *expected, const union ir_value *desired)
{
    unsigned __int128 e = wide(expected);
    unsigned __int128 seen = __sync_val_compare_and_swap((unsigned __int128 *)p, e, wide(desired));
    expected->d[0] = (uint64_t)seen;
    expected->d[1] = (uint64_t)(seen >> 64);
    return seen == e;
}

static void cas128(void *state, uint64_t va, const union ir_value *expected, const union ir_value *desired, uint32_t memop,
                   uint32_t pc_offset, union ir_value *old)
{
    struct vcpu *c = vcpu_of(state);
    union ir_value e = *expected, d = *desired;
    uint8_t *p = resolve_write(c, va, 16, memop, pc_offset);
    if (p)
        host_cas128(p, &e, &d);
    *old = e;
}

/* ---- exclusives ---- */

static void read128(uint8_t *p, bool rom, union ir_value *out)
{
    *out = (union ir_value){0};
    if (rom)
        memcpy(out->b, p, 16);
    else
        host_cas128(p, out, &(union ir_value){0}); /* stores zero over zero, or nothing: a 16-byte atomic load */
}

static void watch(struct vcpu *c, const uint8_t *p, unsigned bytes, const union ir_value *value)
{
    c->monitor = (struct ir_monitor){(uintptr_t)p, bytes, *value};
}

static uint64_t load_ex(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    union ir_value v = {0};
    bool rom;
    const uint8_t *p = resolve(c, va, bytes, false, memop, pc_offset, &rom);
    if (!p)
        return 0;
    v.u64 = host_read(p, bytes);
    watch(c, p, bytes, &v);
    return v.u64;
}

static void load_ex128(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset, union ir_value *out)
{
    struct vcpu *c = vcpu_of(state);
    bool rom;
    *out = (union ir_value){0};
    uint8_t *p = resolve(c, va, 16, false, memop, pc_offset, &rom);
    if (!p)
        return;
    read128(p, rom, out);
    watch(c, p, 16, out);
}

/* NULL: raised, or the monitor was not for this address (*lost). */
static uint8_t *claim(struct vcpu *c, uint64_t va, unsigned bytes, uint32_t memop, uint32_t pc_offset)
{
    bool rom;
    uint8_t *p = resolve(c, va, bytes, true, memop, pc_offset, &rom);
    bool mine = p && c->monitor.place == (uintptr_t)p && c->monitor.bytes == bytes;
    c->monitor.bytes = 0;
    return mine ? p : NULL;
}

static uint64_t store_ex(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    uint8_t *p = claim(c, va, bytes, memop, pc_offset);
    return !p || host_cas(p, c->monitor.value.u64, value, bytes) != c->monitor.value.u64;
}

static uint64_t store_ex128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc_offset)
{
    struct vcpu *c = vcpu_of(state);
    union ir_value v = *value;
    uint8_t *p = claim(c, va, 16, memop, pc_offset);
    return !p || !host_cas128(p, &c->monitor.value, &v);
}

void atomic_env(struct ir_env *env)
{
    env->atomic = atomic;
    env->cas = cas;
    env->cas128 = cas128;
    env->load_ex = load_ex;
    env->load_ex128 = load_ex128;
    env->store_ex = store_ex;
    env->store_ex128 = store_ex128;
}
