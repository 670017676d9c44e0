/* random_block.c - random blocks, a state and an environment to run them in; tests only. */
#include "ir/random_block.h"
#include "ir/eval_int.h"

uint64_t test_random_next(struct test_random *r) /* splitmix64 */
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

unsigned test_random_below(struct test_random *r, unsigned n)
{
    return (unsigned)(test_random_next(r) % n);
}

uint64_t test_random_value(struct test_random *r)
{
    uint64_t v = test_random_next(r);
    switch (test_random_below(r, 8)) {
    case 0: return 0;
    case 1: return ~UINT64_C(0);
    case 2: return v & 0xff;
    case 3: return (UINT64_C(1) << (v & 63)) - (v >> 8 & 1);
    case 4: return (uint64_t)(int64_t)(int32_t)v;
    case 5: return v & 0xffffffff;
    case 6: return UINT64_C(0x8000000080000000) & (v | (v << 1));
    default: return v;
    }
}

/* ---- the environment ---- */

static uint64_t hash(uint64_t v)
{
    struct test_random r = {v};
    return test_random_next(&r);
}

static bool raises(struct test_state *s, uint64_t va, unsigned bytes, uint32_t pc_offset)
{
    uint64_t at = va - TEST_MEMORY_BASE;
    if (at + bytes <= (TEST_MEMORY_PAGES - 2) * 4096u || at >= TEST_MEMORY_PAGES * 4096u)
        return false;
    s->raised = 1;
    s->pc = 0xdead0000 + pc_offset;
    s->other[0] = va;
    return true;
}

static bool inside(uint64_t va, unsigned bytes)
{
    return va - TEST_MEMORY_BASE <= TEST_MEMORY_PAGES * 4096u - bytes;
}

uint8_t *test_memory_at(struct test_memory *m, uint64_t va)
{
    uint64_t at = va - TEST_MEMORY_BASE, page = at / 4096;
    return &m->bytes[(page * 5 + 3) % TEST_MEMORY_PAGES * 4096 + at % 4096];
}

static void read_bytes(struct test_state *s, uint64_t va, void *out, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        ((uint8_t *)out)[i] = inside(va + i, 1) ? *test_memory_at(s->memory, va + i) : (uint8_t)hash(va + i);
}

static void write_bytes(struct test_state *s, uint64_t va, const void *from, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        if (inside(va + i, 1))
            *test_memory_at(s->memory, va + i) = ((const uint8_t *)from)[i];
        else
            s->memory->outside += hash(va + i + ((const uint8_t *)from)[i]);
}

static unsigned size_of(uint32_t memop)
{
    return 1u << (memop & IR_MEM_SIZE_MASK);
}

static uint64_t env_load(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset)
{
    uint64_t v = 0;
    if (!raises(state, va, size_of(memop), pc_offset))
        read_bytes(state, va, &v, size_of(memop));
    return v;
}

static void env_store(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc_offset)
{
    if (!raises(state, va, size_of(memop), pc_offset))
        write_bytes(state, va, &value, size_of(memop));
}

static void env_load128(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset, union ir_value *out)
{
    out->d[0] = out->d[1] = 0;
    if (!raises(state, va, size_of(memop), pc_offset))
        read_bytes(state, va, out, size_of(memop));
}

static void env_store128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc_offset)
{
    if (!raises(state, va, size_of(memop), pc_offset))
        write_bytes(state, va, value, size_of(memop));
}

static uint64_t env_atomic(void *state, uint64_t va, uint64_t operand, uint32_t memop, uint32_t pc_offset)
{
    uint64_t old = env_load(state, va, memop, pc_offset);
    if (((struct test_state *)state)->raised)
        return 0;
    env_store(state, va, ir_rmw_result(memop, old, operand), memop, pc_offset);
    return old;
}

static uint64_t env_cas(void *state, uint64_t va, uint64_t expected, uint64_t desired, uint32_t memop, uint32_t pc_offset)
{
    uint64_t old = env_load(state, va, memop, pc_offset);
    if (!((struct test_state *)state)->raised && old == expected)
        env_store(state, va, desired, memop, pc_offset);
    return old;
}

static void env_cas128(void *state, uint64_t va, const union ir_value *expected, const union ir_value *desired, uint32_t memop,
                       uint32_t pc_offset, union ir_value *old)
{
    union ir_value e = *expected, d = *desired;
    env_load128(state, va, memop, pc_offset, old);
    if (!((struct test_state *)state)->raised && memcmp(old, &e, 16) == 0)
        env_store128(state, va, &d, memop, pc_offset);
}

static void watch(struct test_state *s, uint64_t va, unsigned bytes, const union ir_value *value)
{
    if (!s->raised)
        s->monitor = (struct ir_monitor){inside(va, bytes) ? (uintptr_t)test_memory_at(s->memory, va) : va, bytes, *value};
}

static uint64_t env_load_ex(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset)
{
    union ir_value v = {.u64 = env_load(state, va, memop, pc_offset)};
    watch(state, va, size_of(memop), &v);
    return v.u64;
}

static void env_load_ex128(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset, union ir_value *out)
{
    env_load128(state, va, memop, pc_offset, out);
    watch(state, va, 16, out);
}

static uint64_t env_store_ex128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc_offset)
{
    struct test_state *s = state;
    struct ir_monitor m = s->monitor;
    union ir_value v = *value, found;
    unsigned bytes = size_of(memop);
    env_load128(state, va, memop, pc_offset, &found);
    if (s->raised)
        return 1;
    watch(s, va, bytes, &found);
    bool mine = m.bytes && !memcmp(&m, &s->monitor, offsetof(struct ir_monitor, value)) && !memcmp(&m.value, &found, bytes);
    s->monitor.bytes = 0;
    if (mine)
        env_store128(state, va, &v, memop, pc_offset);
    return !mine;
}

static uint64_t env_store_ex(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc_offset)
{
    return env_store_ex128(state, va, &(union ir_value){.u64 = value}, memop, pc_offset);
}

static uint64_t helper_hash(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct test_state *s = state;
    s->other[1] += a ^ pc_offset;
    return hash(hash(hash(a) + b) + c) + pc_offset + s->other[2];
}

static uint64_t helper_regs(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct test_state *s = state;
    s->x[a % 32] = b;
    s->x[b % 32] += c;
    s->v[a % 8].d[1] ^= b;
    s->flags = ir_flags_from_nzcv((uint32_t)hash(c) & 0xf0000000);
    s->other[2] = c;
    return s->x[0];
}

static uint64_t helper_raise(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct test_state *s = state;
    if (hash(a + b) % 8 == 0) {
        s->raised = 1;
        s->pc = 0xbad0000 + pc_offset;
    }
    return c + 1;
}

static uint64_t (*const helpers[])(void *, uint64_t, uint64_t, uint64_t, uint32_t) = {helper_hash, helper_regs, helper_raise};

const struct ir_env test_env = {
    .pc_page_offset = offsetof(struct test_state, pc_page),
    .pc_offset = offsetof(struct test_state, pc),
    .flags_offset = offsetof(struct test_state, flags),
    .raised_offset = offsetof(struct test_state, raised),
    .fpcr_offset = offsetof(struct test_state, fpcr),
    .fpsr_offset = offsetof(struct test_state, fpsr),
    .load = env_load, .store = env_store, .load128 = env_load128, .store128 = env_store128,
    .atomic = env_atomic, .cas = env_cas, .cas128 = env_cas128,
    .load_ex = env_load_ex, .load_ex128 = env_load_ex128, .store_ex = env_store_ex, .store_ex128 = env_store_ex128,
    .helper = helpers, .n_helpers = 3,
};

/* ---- blocks ---- */

struct gen {
    struct test_random *r;
    struct ir_block *b;
};

static unsigned below(struct gen *g, unsigned n)
{
    return test_random_below(g->r, n);
}

static ir_ref get(struct gen *g, unsigned type)
{
    switch (type) {
    case IR_V128: return ir_emit(g->b, IR_GETV, 0, 0, 0, offsetof(struct test_state, v) + 16 * below(g, 8));
    case IR_FLAGS:
        if (below(g, 4) == 0)
            return ir_emit(g->b, IR_FCONST, 0, 0, 0, below(g, 16));
        return ir_emit(g->b, IR_GETF, 0, 0, 0, offsetof(struct test_state, flags));
    }
    switch (below(g, 8)) {
    case 0: return ir_const(g->b, test_random_value(g->r));
    case 1:
        if (below(g, 4) == 0) /* what saturating operations change */
            return ir_emit(g->b, IR_GET32, 0, 0, 0, offsetof(struct test_state, fpsr));
        return ir_emit(g->b, IR_GET32, 0, 0, 0, 8 * below(g, 32));
    case 2: return ir_emit(g->b, IR_GET64, 0, 0, 0, offsetof(struct test_state, other) + 8 * below(g, 3));
    case 3: return ir_emit(g->b, IR_PC, 0, 0, 0, below(g, 2) ? below(g, 4096) : test_random_value(g->r));
    default: return ir_emit(g->b, IR_GET64, 0, 0, 0, 8 * below(g, 32));
    }
}

/* A value of the type: one defined lately, or a new one. */
static ir_ref operand(struct gen *g, unsigned type)
{
    for (unsigned tries = below(g, 12); tries; tries--) {
        unsigned back = 1 + below(g, tries > 6 ? 60 : 8), n = g->b->n > back ? g->b->n - back : 0;
        if (n && ir_ops[g->b->insn[n].op].result == type)
            return (ir_ref)n;
    }
    return get(g, type);
}

/* Mostly inside the test memory, at all alignments, sometimes anywhere. */
static ir_ref address(struct gen *g)
{
    ir_ref v = operand(g, IR_I64);
    if (below(g, 16) == 0)
        return v;
    ir_ref mask = ir_const(g->b, TEST_MEMORY_PAGES * 4096 - 1);
    v = ir_emit(g->b, IR_AND64, v, mask, 0, 0);
    return ir_emit(g->b, IR_ADD64, v, ir_const(g->b, TEST_MEMORY_BASE + (below(g, 4) ? 0 : 4096 - below(g, 20))), 0, 0);
}

static uint64_t field(struct gen *g, unsigned width)
{
    unsigned lsb = below(g, width), n = 1 + below(g, width - lsb);
    return lsb | n << 8;
}

static int64_t target(struct gen *g)
{
    return below(g, 2) ? 4 * (int64_t)below(g, 1024) : 4 * ((int64_t)below(g, 1 << 20) - (1 << 19));
}

/* Immediates of vector operations (ops_vec.inc): a size that the operation has, and its own number. */
static uint64_t vector_immediate(struct gen *g, enum ir_op op)
{
    unsigned size = below(g, 4), bits;
    switch (op) {
    case IR_VCONST: return test_random_value(g->r);
    case IR_VSQDMULH: case IR_VSQRDMULH: case IR_VSQRDMLAH: case IR_VSQRDMLSH: case IR_VSQDMULL: return 1 + below(g, 2);
    case IR_VMUL: case IR_VSXL: case IR_VZXL: case IR_VXTN: case IR_VQXTNS: case IR_VQXTNU: case IR_VQXTUN: case IR_VSMULL:
    case IR_VUMULL: case IR_VADDLPS: case IR_VADDLPU: case IR_VADDLVS: case IR_VADDLVU: case IR_VMINVS: case IR_VMINVU:
    case IR_VMAXVS: case IR_VMAXVU: case IR_VCLZ: case IR_VCLS: case IR_VMINPS: case IR_VMINPU: case IR_VMAXPS: case IR_VMAXPU:
    case IR_VABDS: case IR_VABDU: case IR_VHADDS: case IR_VHADDU: case IR_VRHADDS: case IR_VRHADDU: case IR_VHSUBS: case IR_VHSUBU:
    case IR_VMINS: case IR_VMINU: case IR_VMAXS: case IR_VMAXU:
        return below(g, 3);
    case IR_VPMUL: case IR_VPMULL: case IR_VCNT: case IR_VRBIT: return 0;
    case IR_VLANE: case IR_VDUPLANE: case IR_VINS: return size | below(g, 16 >> size) << 2;
    case IR_VINSV: return size | below(g, 16 >> size) << 2 | below(g, 16 >> size) << 6;
    case IR_VSHL: case IR_VSLI: case IR_VROL: return size | below(g, 8u << size) << 2;
    case IR_VSHR: case IR_VSAR: case IR_VRSHR: case IR_VRSAR: case IR_VSRI: return size | (1 + below(g, 8u << size)) << 2;
    case IR_VEXT: return (uint64_t)below(g, 16) << 2;
    case IR_VREV:
        bits = below(g, 3);
        return bits | (bits + 1 + below(g, 3 - bits)) << 2;
    case IR_VTBX: return (uint64_t)(16 * below(g, 4)) << 2;
    default: return size;
    }
}

static uint64_t immediate(struct gen *g, enum ir_op op)
{
    static const uint64_t crc_sizes[] = {1, 2, 4, 8};
    uint64_t flags = below(g, 2) ? 0 : test_random_next(g->r) & (IR_MEM_ALIGNED | IR_MEM_ACQUIRE | IR_MEM_RELEASE | IR_MEM_UNPRIV);
    switch (op) {
    case IR_EXTR64: return below(g, 64);
    case IR_EXTR32: return below(g, 32);
    case IR_UBFX: case IR_SBFX64: case IR_BFI: return field(g, 64);
    case IR_SBFX32: return field(g, 32);
    case IR_CRC32: case IR_CRC32C: return crc_sizes[below(g, 4)];
    case IR_FCONST: case IR_COND: case IR_SELECT: case IR_FSELECT: return below(g, below(g, 8) ? 14 : 16);
    case IR_CONST: return test_random_value(g->r);
    case IR_GET64: case IR_SET64: return below(g, 8) ? 8 * below(g, 32) : offsetof(struct test_state, other) + 8 * below(g, 3);
    case IR_GET32: case IR_SET32: return 4 * below(g, 64);
    case IR_GETV: case IR_SETV: return offsetof(struct test_state, v) + 16 * below(g, 8);
    case IR_GETF: case IR_SETF: return offsetof(struct test_state, flags);
    case IR_LOAD: return flags | (below(g, 4) ? below(g, 3) | below(g, 3) << 3 : 3);
    case IR_STORE: case IR_LOADX: case IR_STOREX: case IR_CAS: return flags | below(g, 4);
    case IR_ATOMIC: return flags | below(g, 4) | (uint64_t)below(g, IR_RMW_SWP + 1) << IR_MEM_RMW_SHIFT;
    case IR_LOADV: case IR_STOREV: return flags | below(g, 5);
    case IR_CAS128: case IR_LOADX128: case IR_STOREX128: return flags | 4;
    case IR_BARRIER: return below(g, 4);
    case IR_EXIT_DIRECT: case IR_EXIT_COND: case IR_EXIT_NZ: case IR_EXIT_Z: return (uint64_t)target(g) & ones(62);
    case IR_EXIT_INDIRECT: return below(g, 3);
    case IR_RAISE_NZ: return 2;
    case IR_INSN: return 4 * below(g, 1024);
    case IR_PC: return below(g, 4096);
    case IR_CALL: {
        unsigned h = below(g, 3);
        return h | (h == 1 ? IR_CALL_REGS : 0) | (h == 2 ? IR_CALL_RAISES : 0);
    }
    case IR_V_SELECT: return below(g, 16);
    default: return (unsigned)op >= IR_FIRST_VEC && (unsigned)op < IR_FIRST_FP ? vector_immediate(g, op) : 0;
    }
}

static void random_op(struct gen *g, enum ir_op op)
{
    const struct ir_op_info *info = &ir_ops[op];
    ir_ref arg[3] = {0, 0, 0};
    uint64_t imm = immediate(g, op);
    for (unsigned k = 0; k < 3; k++)
        if (info->arg[k] != IR_VOID)
            arg[k] = k == 0 && info->effects & IR_EFF_MEM ? address(g)
                     : op == IR_CALL && below(g, 4) == 0  ? 0
                                                          : operand(g, info->arg[k]);
    if (op == IR_EXIT_COND)
        arg[1] = (ir_ref)below(g, 14);
    ir_emit(g->b, op, arg[0], arg[1], arg[2], imm);
}

/* What compilers of guest code emit together: arithmetic, its flags, their use. */
static void idiom(struct gen *g)
{
    static const struct {
        uint16_t op, flags;
    } pairs[] = {{IR_ADD64, IR_FADD64}, {IR_SUB64, IR_FSUB64}, {IR_ADD32, IR_FADD32}, {IR_SUB32, IR_FSUB32},
                 {IR_AND64, IR_FLOGIC64}, {IR_AND32, IR_FLOGIC32}, {IR_OR64, IR_FLOGIC64}, {IR_OR64, IR_FLOGIC32}};
    unsigned k = below(g, ARRAY_SIZE(pairs)), order = below(g, 2);
    ir_ref a = operand(g, IR_I64), b = operand(g, IR_I64), v, f;
    bool logic = k >= 4;
    if (below(g, 3) == 0)
        b = ir_const(g->b, test_random_value(g->r));
    if (logic || order) {
        v = ir_emit(g->b, pairs[k].op, a, b, 0, 0);
        f = ir_emit(g->b, pairs[k].flags, logic ? v : a, logic ? 0 : b, 0, 0);
    } else {
        f = ir_emit(g->b, pairs[k].flags, a, b, 0, 0);
        v = ir_emit(g->b, pairs[k].op, a, b, 0, 0);
    }
    if (below(g, 2))
        ir_emit(g->b, IR_SET64, v, 0, 0, 8 * below(g, 32));
    if (below(g, 4))
        ir_emit(g->b, IR_SETF, f, 0, 0, offsetof(struct test_state, flags));
    if (below(g, 2))
        ir_emit(g->b, IR_SET64, ir_emit(g->b, IR_SELECT, f, operand(g, IR_I64), operand(g, IR_I64), below(g, 14)), 0, 0,
                8 * below(g, 32));
    if (below(g, 4) == 0)
        ir_emit(g->b, IR_EXIT_COND, f, (ir_ref)below(g, 14), 0, (uint64_t)target(g) & ones(62));
}

/* Shapes that a back end may treat as one: scaled indexes, tests of bits and halves. */
static void shapes(struct gen *g)
{
    ir_ref a = operand(g, IR_I64), b = operand(g, IR_I64), v;
    bool wide = below(g, 2);
    switch (below(g, 4)) {
    case 3:
        v = ir_emit(g->b, wide ? IR_RBIT64 : IR_RBIT32, a, 0, 0, 0);
        v = ir_emit(g->b, below(g, 8) ? (wide ? IR_CLZ64 : IR_CLZ32) : (wide ? IR_CLS64 : IR_CLS32), v, 0, 0, 0);
        ir_emit(g->b, IR_SET64, v, 0, 0, 8 * below(g, 32));
        return;
    case 0:
        v = ir_emit(g->b, wide ? IR_SHL64 : IR_SHL32, b, ir_const(g->b, below(g, 5)), 0, 0);
        v = ir_emit(g->b, below(g, 4) ? (wide ? IR_ADD64 : IR_ADD32) : IR_SUB64, a, v, 0, 0);
        ir_emit(g->b, IR_SET64, v, 0, 0, 8 * below(g, 32));
        return;
    case 1:
        v = ir_emit(g->b, below(g, 4) ? IR_AND64 : IR_AND32, a,
                    ir_const(g->b, below(g, 4) ? UINT64_C(1) << below(g, 64) : test_random_value(g->r)), 0, 0);
        break;
    default: v = ir_emit(g->b, IR_ZEXT32, a, 0, 0, 0); break;
    }
    if (below(g, 4) == 0)
        ir_emit(g->b, IR_SET64, v, 0, 0, 8 * below(g, 32));
    ir_emit(g->b, wide ? IR_EXIT_NZ : IR_EXIT_Z, v, 0, 0, (uint64_t)target(g) & ones(62));
}

/* Fields of a structure: loads and stores off one base. */
static void fields(struct gen *g)
{
    static const uint16_t ops[] = {IR_LOAD, IR_STORE, IR_LOADV, IR_STOREV, IR_LOAD, IR_STORE};
    ir_ref base = address(g);
    for (unsigned n = 2 + below(g, 5); n; n--) {
        enum ir_op op = ops[below(g, ARRAY_SIZE(ops))];
        ir_ref at = base;
        if (below(g, 4))
            at = ir_emit(g->b, below(g, 4) ? IR_ADD64 : IR_SUB64, base, ir_const(g->b, below(g, 8) ? below(g, 100) : below(g, 5000)), 0, 0);
        if (below(g, 8) == 0)
            base = at;
        ir_ref value = op == IR_STORE ? operand(g, IR_I64) : op == IR_STOREV ? operand(g, IR_V128) : 0;
        ir_ref v = ir_emit(g->b, op, at, value, 0, immediate(g, op));
        if (op == IR_LOAD && below(g, 2))
            ir_emit(g->b, IR_SET64, v, 0, 0, 8 * below(g, 32));
        if (op == IR_LOADV && below(g, 2))
            ir_emit(g->b, IR_SETV, v, 0, 0, offsetof(struct test_state, v) + 16 * below(g, 8));
        if (below(g, 8) == 0)
            idiom(g);
    }
}

/* Compare and exchange with what was there, exclusive loads and the stores that belong to them; or something else came between. */
static void exclusives(struct gen *g)
{
    ir_ref at = address(g), v, done;
    uint64_t imm = immediate(g, IR_LOADX), other = below(g, 8) ? imm : immediate(g, IR_STOREX);
    if (below(g, 3) == 0) {
        v = ir_emit(g->b, IR_LOADV, at, 0, 0, 4);
        v = ir_emit(g->b, IR_CAS128, at, v, operand(g, IR_V128), (imm & ~(uint64_t)IR_MEM_SIZE_MASK) | 4);
        ir_emit(g->b, IR_SETV, v, 0, 0, offsetof(struct test_state, v) + 16 * below(g, 8));
        return;
    }
    v = ir_emit(g->b, IR_LOADX, at, 0, 0, imm);
    ir_emit(g->b, IR_SET64, v, 0, 0, 8 * below(g, 32));
    if (below(g, 4) == 0)
        ir_emit(g->b, IR_STORE, at, operand(g, IR_I64), 0, imm);
    if (below(g, 4) == 0) {
        at = address(g); /* the value alone must not do: the same is there */
        ir_emit(g->b, IR_STORE, at, v, 0, imm);
    }
    for (unsigned n = 1 + below(g, 2); n; n--) { /* a second one finds no monitor, even where it would change nothing */
        done = ir_emit(g->b, IR_STOREX, at, below(g, 2) ? v : operand(g, IR_I64), 0, other);
        ir_emit(g->b, IR_SET64, done, 0, 0, 8 * below(g, 32));
    }
}

static bool allowed(enum ir_op op, bool (*wanted)(enum ir_op))
{
    if (ir_ops[op].effects & (IR_EFF_EXIT | IR_EFF_MARK) && op != IR_INSN)
        return false;
    return wanted ? wanted(op) : (unsigned)op < IR_FIRST_VEC;
}

void test_random_block(struct test_random *r, struct ir_block *b, unsigned n_ops, bool (*wanted)(enum ir_op op))
{
    struct gen g = {r, b};
    ir_block_init(b, (uint16_t)(4 * below(&g, 1024)));
    ir_emit(b, IR_INSN, 0, 0, 0, b->page_offset);
    while (b->n < n_ops) {
        enum ir_op op = (enum ir_op)below(&g, IR_OP_COUNT);
        if (below(&g, 6) == 0)
            idiom(&g);
        else if (below(&g, 40) == 0)
            shapes(&g);
        else if (below(&g, 12) == 0 && (!wanted || wanted(IR_LOAD)))
            fields(&g);
        else if (below(&g, 40) == 0 && (!wanted || wanted(IR_LOADX)))
            exclusives(&g);
        /* leaving early is rare, so that most of a block runs */
        else if (allowed(op, wanted) && !(ir_ops[op].effects & (IR_EFF_SIDE_EXIT | IR_EFF_CALL) && below(&g, 8)))
            random_op(&g, op);
    }
    for (unsigned i = 0; i < 6; i++) {
        ir_emit(b, IR_SET64, operand(&g, IR_I64), 0, 0, 8 * below(&g, 32));
        ir_emit(b, IR_SETV, operand(&g, IR_V128), 0, 0, offsetof(struct test_state, v) + 16 * below(&g, 8));
    }
    random_op(&g, IR_EXIT_DIRECT + below(&g, 3));
}

void test_random_state(struct test_random *r, struct test_state *s, struct test_memory *m)
{
    memset(s, 0, sizeof *s);
    for (unsigned i = 0; i < 32; i++)
        s->x[i] = test_random_value(r);
    for (unsigned i = 0; i < 8; i++)
        s->v[i].d[0] = test_random_value(r), s->v[i].d[1] = test_random_value(r);
    for (unsigned i = 0; i < 3; i++)
        s->other[i] = test_random_next(r);
    s->pc_page = test_random_next(r) & ~UINT64_C(4095);
    s->flags = ir_flags_from_nzcv((uint32_t)test_random_next(r) & 0xf0000000);
    s->memory = m;
    m->outside = 0;
    for (unsigned i = 0; i < sizeof m->bytes; i += 8)
        le64_put(m->bytes + i, test_random_next(r));
}

const char *test_state_difference(const struct test_state *a, const struct test_state *b)
{
    if (memcmp(a->x, b->x, sizeof a->x))
        return "X";
    if (a->pc != b->pc)
        return "pc";
    if (ir_flags_to_nzcv(a->flags) != ir_flags_to_nzcv(b->flags))
        return "flags";
    if (a->raised != b->raised || a->fpcr != b->fpcr || a->fpsr != b->fpsr || memcmp(a->other, b->other, sizeof a->other))
        return "other state";
    if (memcmp(a->v, b->v, sizeof a->v))
        return "V";
    if (memcmp(a->memory->bytes, b->memory->bytes, sizeof a->memory->bytes) || a->memory->outside != b->memory->outside)
        return "memory";
    return NULL;
}
