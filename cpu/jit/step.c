/* step.c - one guest instruction at a time through the evaluator, for self-hosted debug (cpu/debug.c). */
#include "cpu/jit/jit.h"

void jit_step(struct vcpu *c)
{
    struct jit *j = c->set->jit;
    struct fetched at;
    if (debug_before(c) || !jit_fetch(c, c->s.pc, &at))
        return;
    uint32_t word = le32_get(at.code), generation = c->exceptions_taken;
    translate_block(c->ir, &word, 1, at.pa & 4095, at.mode, 1);
    c->s.raised = 0;
    c->s.pc_page = c->s.pc & ~UINT64_C(4095);
    c->single = true;
    if (ir_eval(c->ir, &c->s, &j->config.env) == IR_LEFT_PC)
        c->s.pc = canonical_pc(c, c->s.pc);
    c->single = false;
    if (generation == c->exceptions_taken)
        c->ss = 0; /* done: the step exception comes before the next one. Exception entry and return set SS themselves */
}
