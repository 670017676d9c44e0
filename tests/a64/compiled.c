/* compiled.c - the executor that is x64/. */
#include "cpu/state.h"
#include "tests/a64/case.h"
#include "x64/x64.h"
#include <stdlib.h>

enum { TLB_BITS = 2 };

/* What x64 wants behind the guest state. */
struct tail {
    struct x64_tlb_entry *tlb[2];
    struct ir_monitor monitor; /* of accesses through the TLB: all of a case's exclusives, or none */
    uint8_t frame[X64_FRAME_BYTES] __attribute__((aligned(16)));
};
static_assert(sizeof(struct tail) <= COMPILED_TAIL_BYTES, "");

static struct x64_code *code;
static struct x64_config config;
static struct {
    struct x64_jump_entry jump[X64_JUMP_LINES];
    struct x64_tlb_entry tlb[2][1 << TLB_BITS];
} tables;

static bool start(const struct ir_env *env)
{
    config = (struct x64_config){
        .env = *env,
        .state_bias = CPU_STATE_BIAS,
        .pin = {CPU_X(0), CPU_X(1), CPU_X(2), CPU_X(3), CPU_SP, CPU_X(30)},
        .n_pins = 6,
        .v_offset = offsetof(struct cpu_state, v),
        .v_pin = {0, 1, 2, 3, 30, 5, 6, 7, 8, 9, 10, 11, 31},
        .n_v_pins = 13,
        .frame_offset = sizeof(struct cpu_state) + offsetof(struct tail, frame),
        .pending_offset = offsetof(struct cpu_state, pending),
        .tlb_offset = {sizeof(struct cpu_state) + offsetof(struct tail, tlb[0]),
                       sizeof(struct cpu_state) + offsetof(struct tail, tlb[1])},
        .monitor_offset = sizeof(struct cpu_state) + offsetof(struct tail, monitor),
        .tlb_bits = TLB_BITS,
    };
    struct pome_error err;
    if (!x64_host_supported(&err) || !(code = x64_code_create(8 * MiB, &err)) || !x64_code_prepare(code, &config, &err))
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(tables.jump); k++)
        tables.jump[k] = (struct x64_jump_entry){.va = x64_jump_empty(k)};
    return true;
}

bool can_compile(const struct ir_env *env)
{
    static int known;
    if (!known)
        known = start(env) ? 1 : -1;
    return known > 0;
}

static void fill_tlb(uint64_t page_va, uint8_t *page, bool use)
{
    for (unsigned m = 0; m < 2; m++) {
        for (unsigned k = 0; k < 1 << TLB_BITS; k++)
            tables.tlb[m][k] = (struct x64_tlb_entry){.tag_read = x64_tlb_empty(k, TLB_BITS), .tag_write = x64_tlb_empty(k, TLB_BITS)};
        if (use)
            tables.tlb[m][page_va >> 12 & ones(TLB_BITS)] =
                (struct x64_tlb_entry){page_va, page_va, (uint64_t)(uintptr_t)page - page_va, 0};
    }
}

const void *compile(const struct ir_block *b, const struct ir_env *env, bool fpcr_is_zero)
{
    struct x64_block out;
    if (!can_compile(env))
        return NULL;
    config.fpcr_default = fpcr_is_zero;
    if (!x64_compile(code, &config, b, &out)) {
        x64_code_reset(code);
        if (!x64_compile(code, &config, b, &out))
            abort();
    }
    return out.entry;
}

void run_code(struct cpu_state *s, const void *entry)
{
    struct tail *tail = (struct tail *)(s + 1);
    uint32_t link;
    tail->tlb[0] = tables.tlb[0], tail->tlb[1] = tables.tlb[1];
    tail->monitor.bytes = 0;
    x64_run(code, s, entry, &link);
}

bool run_compiled(struct cpu_state *s, const struct ir_block *b, const struct ir_env *env, uint64_t page_va, uint8_t *page,
                  bool use_tlb)
{
    const void *entry = compile(b, env, s->fpcr == 0);
    if (!entry)
        return false;
    fill_tlb(page_va, page, use_tlb);
    run_code(s, entry);
    return true;
}
