/* print.c - a block as text, one instruction a line: `%7 = ADD64 %3, %5` (POME_TRACE=ir). */
#include "ir/ir.h"
#include <inttypes.h>

static const char *const cond_name[16] = {"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc",
                                          "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};

static void print_memop(uint64_t imm, FILE *to)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } names[] = {
        {IR_MEM_SEXT64, "sext64"},   {IR_MEM_SEXT32, "sext32"},   {IR_MEM_UNPRIV, "unpriv"},
        {IR_MEM_ALIGNED, "aligned"}, {IR_MEM_ACQUIRE, "acquire"}, {IR_MEM_RELEASE, "release"},
    };
    fprintf(to, " size=%u", 1u << (imm & IR_MEM_SIZE_MASK));
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (imm & names[i].bit)
            fprintf(to, " %s", names[i].name);
    if (imm >> IR_MEM_RMW_SHIFT)
        fprintf(to, " rmw=%u", (unsigned)(imm >> IR_MEM_RMW_SHIFT & 15));
}

static void print_imm(const struct ir_insn *i, FILE *to)
{
    const struct ir_op_info *info = &ir_ops[i->op];
    switch (i->op) {
    case IR_COND: case IR_SELECT: case IR_FSELECT:
        fprintf(to, " %s", cond_name[i->imm & 15]);
        return;
    case IR_EXIT_COND:
        fprintf(to, " %s ->%+" PRId64, cond_name[i->b & 15], ir_exit_offset(i->imm));
        return;
    case IR_EXIT_DIRECT: case IR_EXIT_NZ: case IR_EXIT_Z:
        fprintf(to, " ->%+" PRId64 "%s", ir_exit_offset(i->imm), i->imm & IR_EXIT_IS_CALL ? " call" : "");
        return;
    }
    if (info->effects & IR_EFF_MEM && i->op != IR_BARRIER)
        print_memop(i->imm, to);
    else if (i->imm)
        fprintf(to, " #0x%" PRIx64, i->imm);
}

static void print_insn(const struct ir_insn *i, unsigned n, FILE *to)
{
    const struct ir_op_info *info = &ir_ops[i->op];
    const ir_ref arg[3] = {i->a, i->b, i->c};
    if (i->op == IR_INSN) {
        fprintf(to, "  ; +0x%03" PRIx64 "\n", i->imm);
        return;
    }
    if (info->result != IR_VOID)
        fprintf(to, "  %%%-4u = ", n);
    else
        fprintf(to, "          ");
    fprintf(to, "%s", info->name);
    for (unsigned k = 0; k < 3; k++)
        if (info->arg[k] != IR_VOID)
            fprintf(to, "%s%%%u", k ? ", " : " ", arg[k]);
    print_imm(i, to);
    fputc('\n', to);
}

void ir_print(const struct ir_block *b, FILE *to)
{
    fprintf(to, "block +0x%03x: %u guest instructions, %u operations\n", b->page_offset, b->n_guest, b->n);
    for (unsigned i = 1; i < b->n; i++)
        if (b->insn[i].op != IR_NOP)
            print_insn(&b->insn[i], i, to);
}
