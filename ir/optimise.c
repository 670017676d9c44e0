/* optimise.c - the walk that runs the passes (what nobody uses stays: who runs or compiles a block sees that by himself); POME_NOPASS=regs,const,... leaves some out (to find which one is wrong). */
#include "ir/pass.h"
#include <stdlib.h>

enum pass { REGS = 1, CONSTANTS = 2 };

static const struct {
    const char *name;
    enum pass pass;
} passes[] = {
    {"regs", REGS},
    {"const", CONSTANTS},
};

/* Those that POME_NOPASS does not name ("all": none); the environment is read once. */
static unsigned wanted(void)
{
    static unsigned cached = ~0u;
    unsigned set = __atomic_load_n(&cached, __ATOMIC_RELAXED);
    if (set != ~0u)
        return set;
    const char *without = getenv("POME_NOPASS");
    set = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(passes); i++)
        if (!without || (!strstr(without, passes[i].name) && !strstr(without, "all")))
            set |= passes[i].pass;
    __atomic_store_n(&cached, set, __ATOMIC_RELAXED);
    return set;
}

static const bool has_effects[IR_OP_COUNT] = {
#define IR(name, result, a, b, c, effects) [IR_##name] = (effects) != IR_EFF_PURE && (effects) != IR_EFF_MARK,
#include "ir/ops.inc"
#undef IR
};

static void walk(struct ir_block *b, unsigned set)
{
    ir_ref map[IR_MAX_INSNS];
    struct ir_regs regs;
    struct ir_fold fold;
    if (set & REGS)
        ir_regs_begin(&regs, b, map);
    if (set & CONSTANTS)
        ir_fold_begin(&fold, b, map);
    map[0] = 0;
    for (unsigned n = 1; n < b->n; n++) {
        struct ir_insn *i = &b->insn[n];
        map[n] = (ir_ref)n;
        ir_map_operands(i, map);
        if (set & REGS && has_effects[i->op])
            ir_regs_visit(&regs, n);
        if (set & CONSTANTS && ir_fold_rules[i->op])
            ir_fold_visit(&fold, n);
    }
}

void ir_pass_regs(struct ir_block *b)
{
    walk(b, REGS);
}

void ir_pass_const(struct ir_block *b)
{
    walk(b, CONSTANTS);
}

void ir_optimise(struct ir_block *b)
{
    unsigned set = wanted();
    if (set)
        walk(b, set);
}
