/* optimise.c - the passes, in order (what nobody uses stays: who runs or compiles a block sees that by himself); POME_NOPASS=regs,const,... leaves some out (to find which one is wrong). */
#include "ir/ir.h"
#include <stdlib.h>

static const struct {
    const char *name;
    void (*run)(struct ir_block *b);
} passes[] = {
    {"regs", ir_pass_regs},
    {"const", ir_pass_const},
};

/* One bit per pass that POME_NOPASS names ("all": every one); the environment is read once. */
static unsigned skipped(void)
{
    static unsigned cached = ~0u;
    unsigned mask = __atomic_load_n(&cached, __ATOMIC_RELAXED);
    if (mask != ~0u)
        return mask;
    const char *list = getenv("POME_NOPASS");
    mask = 0;
    for (unsigned i = 0; list && i < ARRAY_SIZE(passes); i++)
        if (strstr(list, passes[i].name) || strstr(list, "all"))
            mask |= 1u << i;
    __atomic_store_n(&cached, mask, __ATOMIC_RELAXED);
    return mask;
}

void ir_optimise(struct ir_block *b)
{
    unsigned skip = skipped();
    for (unsigned i = 0; i < ARRAY_SIZE(passes); i++)
        if (!(skip & 1u << i))
            passes[i].run(b);
}
