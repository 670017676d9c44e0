/*
 * eval.c - runs a block: the reference for x64/.
 *
 * How it works
 *   One value per instruction, in order. State is read and written by offset, memory goes through the environment's
 *   slow paths, and after each of those `raised` decides whether the block is left.
 */
#include "ir/eval_fp.h"
#include "ir/eval_int.h"
#include "ir/eval_vec.h"

struct run {
    const struct ir_block *b;
    const struct ir_env *env;
    uint8_t *state;
    uint32_t pc_offset;     /* page offset of the current guest instruction */
    enum ir_left left;
    union ir_value v[IR_MAX_INSNS];
};

union ir_value ir_eval_pure(enum ir_op op, uint64_t imm, const union ir_value args[3], uint32_t fpcr, uint32_t *fpsr)
{
    union ir_value r = {.d = {0, 0}};
    unsigned o = op;
    if (o < IR_FIRST_VEC)
        r.u64 = ir_eval_int(op, imm, args[0].u64, args[1].u64, args[2].u64);
    else if (o < IR_FIRST_FP ? !ir_eval_vec(op, imm, args, &r, fpsr) : !ir_eval_fp(op, imm, args, fpcr, fpsr, &r)) {
        fprintf(stderr, "ir_eval_pure: %s\n", ir_ops[o].name);
        assert(!"ir_eval_pure: operation without a meaning");
    }
    return r;
}

/* The value of a load of 1 << size bytes as memop extends it. */
static uint64_t extend(uint64_t v, uint64_t memop)
{
    unsigned width = 8u << (memop & IR_MEM_SIZE_MASK);
    if (memop & IR_MEM_SEXT64)
        return (uint64_t)sext(v, width);
    if (memop & IR_MEM_SEXT32)
        return (uint32_t)sext(v, width);
    return v & ones(width);
}

static bool raised(struct run *r)
{
    if (!le32_get(r->state + r->env->raised_offset))
        return false;
    r->left = IR_LEFT_STATE;
    return true;
}

static void eval_memory(struct run *r, const struct ir_insn *i, union ir_value *out)
{
    const struct ir_env *env = r->env;
    uint64_t va = r->v[i->a].u64, b = r->v[i->b].u64, c = r->v[i->c].u64;
    const union ir_value *vb = &r->v[i->b], *vc = &r->v[i->c];
    uint32_t memop = (uint32_t)i->imm, pc = r->pc_offset;
    uint64_t width_mask = ones(8u << (memop & IR_MEM_SIZE_MASK));
    void *s = r->state;

    switch (i->op) {
    case IR_LOAD: out->u64 = extend(env->load(s, va, memop, pc), memop); break;
    case IR_STORE: env->store(s, va, b & width_mask, memop, pc); break;
    case IR_LOADV: env->load128(s, va, memop, pc, out); break;
    case IR_STOREV: env->store128(s, va, vb, memop, pc); break;
    case IR_ATOMIC: out->u64 = env->atomic(s, va, b & width_mask, memop, pc) & width_mask; break;
    case IR_CAS: out->u64 = env->cas(s, va, b & width_mask, c & width_mask, memop, pc) & width_mask; break;
    case IR_CAS128: env->cas128(s, va, vb, vc, memop, pc, out); break;
    case IR_LOADX: out->u64 = extend(env->load_ex(s, va, memop, pc), memop); break;
    case IR_LOADX128: env->load_ex128(s, va, memop, pc, out); break;
    case IR_STOREX: out->u64 = env->store_ex(s, va, b & width_mask, memop, pc); break;
    case IR_STOREX128: out->u64 = env->store_ex128(s, va, vb, memop, pc); break;
    default: __atomic_thread_fence(__ATOMIC_SEQ_CST); break; /* BARRIER */
    }
}

static void eval_call(struct run *r, const struct ir_insn *i, union ir_value *out)
{
    unsigned h = i->imm & IR_CALL_HELPER_MASK;
    assert(h < r->env->n_helpers);
    out->u64 = r->env->helper[h](r->state, i->a ? r->v[i->a].u64 : 0, i->b ? r->v[i->b].u64 : 0,
                                 i->c ? r->v[i->c].u64 : 0, r->pc_offset);
}

static void eval_state(struct run *r, const struct ir_insn *i, union ir_value *out)
{
    uint8_t *at = r->state + (i->op == IR_PC ? 0 : i->imm);
    const union ir_value *a = &r->v[i->a];
    switch (i->op) {
    case IR_PC: out->u64 = le64_get(r->state + r->env->pc_page_offset) + i->imm; break;
    case IR_GET32: case IR_GETF: out->u64 = le32_get(at); break;
    case IR_GETV: memcpy(out, at, 16); break;
    case IR_SET32: case IR_SETF: le32_put(at, (uint32_t)a->u64); break;
    default: memcpy(at, a, 16); break; /* SETV */
    }
}

/* An exit: is it taken, and where does it go? */
static bool eval_exit(struct run *r, const struct ir_insn *i)
{
    uint64_t page = le64_get(r->state + r->env->pc_page_offset), target = page + (uint64_t)ir_exit_offset(i->imm);
    uint64_t a = r->v[i->a].u64;
    switch (i->op) {
    case IR_EXIT_STATE: r->left = IR_LEFT_STATE; return true;
    case IR_RAISE_NZ:
        if (!a)
            return false;
        r->env->helper[i->imm](r->state, 0, 0, 0, r->pc_offset);
        r->left = IR_LEFT_STATE;
        return true;
    case IR_EXIT_INDIRECT: target = a; break;
    case IR_EXIT_COND:
        if (!ir_cond_holds(i->b, (uint32_t)a))
            return false;
        break;
    case IR_EXIT_NZ:
        if (!a)
            return false;
        break;
    case IR_EXIT_Z:
        if (a)
            return false;
        break;
    }
    le64_put(r->state + r->env->pc_offset, target);
    r->left = IR_LEFT_PC;
    return true;
}

static void eval_pure(struct run *r, const struct ir_insn *i, union ir_value *out)
{
    const union ir_value args[3] = {r->v[i->a], r->v[i->b], r->v[i->c]};
    uint32_t fpsr = le32_get(r->state + r->env->fpsr_offset);
    *out = ir_eval_pure(i->op, i->imm, args, le32_get(r->state + r->env->fpcr_offset), &fpsr);
    if (ir_ops[i->op].effects & IR_EFF_FP)
        le32_put(r->state + r->env->fpsr_offset, fpsr);
}

/* Who does an operation. A table, since code that runs once comes here too: each branch on effects would go another way every time. */
enum doer { MARK, GET64, SET64, CONSTANT, INTEGER, STATE, EXIT, MEMORY, CALL, PURE };
#define DOER(op, effects)                                     \
    ((effects) & IR_EFF_MARK                       ? MARK     \
     : (op) == (int)IR_GET64                       ? GET64    \
     : (op) == (int)IR_SET64                       ? SET64    \
     : (op) == (int)IR_CONST                       ? CONSTANT \
     : (effects) & (IR_EFF_EXIT | IR_EFF_SIDE_EXIT) ? EXIT     \
     : (effects) & IR_EFF_MEM                      ? MEMORY   \
     : (effects) & IR_EFF_CALL                     ? CALL     \
     : (effects) & (IR_EFF_READ | IR_EFF_WRITE)    ? STATE    \
     : (op) < (int)IR_FIRST_VEC                    ? INTEGER  \
                                                   : PURE)
static const uint8_t doers[IR_OP_COUNT] = {
#define IR(name, result, a, b, c, effects) [IR_##name] = DOER((int)IR_##name, effects),
#include "ir/ops.inc"
#undef IR
};

static union ir_value integer(uint64_t v)
{
    return (union ir_value){.d = {v, 0}};
}

/* True when the block was left. */
static bool step(struct run *r, unsigned n)
{
    const struct ir_insn *i = &r->b->insn[n];
    union ir_value *out = &r->v[n];
    switch ((enum doer)doers[i->op]) {
    case MARK: r->pc_offset = i->op == IR_INSN ? (uint32_t)i->imm : r->pc_offset; return false;
    case GET64: *out = integer(le64_get(r->state + i->imm)); return false;
    case SET64: le64_put(r->state + i->imm, r->v[i->a].u64); return false;
    case CONSTANT: *out = integer(i->imm); return false;
    case INTEGER:
        *out = integer(ir_eval_int(i->op, i->imm, r->v[i->a].u64, r->v[i->b].u64, r->v[i->c].u64));
        return false;
    case STATE: *out = integer(0); eval_state(r, i, out); return false;
    case EXIT: return eval_exit(r, i);
    case MEMORY:
        *out = integer(0);
        eval_memory(r, i, out);
        return ir_ops[i->op].effects & IR_EFF_RAISE && raised(r);
    case CALL: *out = integer(0); eval_call(r, i, out); return i->imm & IR_CALL_RAISES && raised(r);
    case PURE: eval_pure(r, i, out); return false;
    }
    return false;
}

enum ir_left ir_eval(const struct ir_block *b, void *state, const struct ir_env *env)
{
    struct run r;
    r.b = b;
    r.env = env;
    r.state = state;
    r.pc_offset = b->page_offset;
    r.left = IR_LEFT_PC;
    for (unsigned n = 1; n < b->n; n++)
        if (step(&r, n))
            return r.left;
    assert(!"ir_eval: block without a final exit");
    return IR_LEFT_STATE;
}
