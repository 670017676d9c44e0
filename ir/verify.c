/* verify.c - is this a block? Types and order of operands, ranges of imm, exactly one final exit. */
#include "ir/ir.h"
#include <inttypes.h>

static const char *const type_name[] = {"void", "I64", "V128", "FLAGS"};

static bool wrong(char *buf, size_t size, const struct ir_insn *i, unsigned n, const char *what)
{
    snprintf(buf, size, "%%%u %s: %s", n, i->op < IR_OP_COUNT ? ir_ops[i->op].name : "?", what);
    return false;
}

static bool field_ok(uint64_t imm, unsigned width)
{
    unsigned lsb = imm & 0xff, w = imm >> 8 & 0xff;
    return imm >> 16 == 0 && w >= 1 && lsb + w <= width;
}

/* NULL, or what is wrong with the immediate. */
static const char *imm_error(const struct ir_insn *i)
{
    uint64_t v = i->imm;
    switch (i->op) {
    case IR_INSN: return v < 4096 && v % 4 == 0 ? NULL : "offset outside of the page or not a multiple of 4";
    case IR_EXTR64: return v < 64 ? NULL : "shift over 63";
    case IR_EXTR32: return v < 32 ? NULL : "shift over 31";
    case IR_UBFX: case IR_SBFX64: case IR_BFI: return field_ok(v, 64) ? NULL : "field outside of 64 bits";
    case IR_SBFX32: return field_ok(v, 32) ? NULL : "field outside of 32 bits";
    case IR_CRC32: case IR_CRC32C: return v == 1 || v == 2 || v == 4 || v == 8 ? NULL : "size not 1, 2, 4, 8";
    case IR_FCONST: case IR_COND: case IR_SELECT: case IR_FSELECT: return v < 16 ? NULL : "over 15";
    case IR_EXIT_COND: return i->b < 16 ? NULL : "condition over 15";
    case IR_GET64: case IR_SET64: return v % 8 == 0 && v < 65536 ? NULL : "bad state offset";
    case IR_GETV: case IR_SETV: return v % 16 == 0 && v < 65536 ? NULL : "bad state offset";
    case IR_GET32: case IR_SET32: case IR_GETF: case IR_SETF: return v % 4 == 0 && v < 65536 ? NULL : "bad state offset";
    case IR_LOAD:
        if (v & IR_MEM_SEXT32 && (v & (IR_MEM_SIZE_MASK | IR_MEM_SEXT64)) > 2)
            return "extension to 32 bits of more";
        return (v & IR_MEM_SIZE_MASK) <= 3 ? NULL : "size over 8 bytes";
    case IR_STORE: case IR_LOADX: case IR_STOREX: case IR_CAS:
        return (v & IR_MEM_SIZE_MASK) <= 3 ? NULL : "size over 8 bytes";
    case IR_ATOMIC:
        return (v & IR_MEM_SIZE_MASK) <= 3 && (v >> IR_MEM_RMW_SHIFT & 15) <= IR_RMW_SWP ? NULL : "bad size or operation";
    case IR_LOADV: case IR_STOREV: return (v & IR_MEM_SIZE_MASK) <= 4 ? NULL : "size over 16 bytes";
    case IR_CAS128: case IR_LOADX128: case IR_STOREX128: return (v & IR_MEM_SIZE_MASK) == 4 ? NULL : "size not 16 bytes";
    case IR_BARRIER: return v <= 3 ? NULL : "unknown kind";
    case IR_RAISE_NZ: return v <= IR_CALL_HELPER_MASK ? NULL : "no helper";
    case IR_EXIT_INDIRECT: return v <= IR_JUMP_RET ? NULL : "unknown hint";
    case IR_EXIT_DIRECT: case IR_EXIT_NZ: case IR_EXIT_Z: return ir_exit_offset(v) % 4 == 0 ? NULL : "target not a multiple of 4";
    }
    return NULL;
}

static bool check_operands(const struct ir_block *b, unsigned n, char *buf, size_t size)
{
    const struct ir_insn *i = &b->insn[n];
    const struct ir_op_info *info = &ir_ops[i->op];
    const ir_ref arg[3] = {i->a, i->b, i->c};
    for (unsigned k = 0; k < 3; k++) {
        unsigned want = info->arg[k];
        if (i->op == IR_EXIT_COND && k == 1)
            continue; /* a condition code */
        if (want == IR_VOID) {
            if (arg[k])
                return wrong(buf, size, i, n, "operand where there is none");
            continue;
        }
        if (arg[k] == 0 && (i->op == IR_CALL || i->op == IR_EXIT_DIRECT || (i->op == IR_EXIT_INDIRECT && k == 1)))
            continue; /* absent: the helper gets 0, the exit is no call */
        if (arg[k] == 0 || arg[k] >= n)
            return wrong(buf, size, i, n, "operand missing or not defined before");
        unsigned have = ir_ops[b->insn[arg[k]].op].result;
        if (have != want) {
            char text[80];
            snprintf(text, sizeof text, "operand %u is %s, needs %s", k, type_name[have], type_name[want]);
            return wrong(buf, size, i, n, text);
        }
    }
    return true;
}

bool ir_verify(const struct ir_block *b, char *buf, size_t size)
{
    if (b->n < 2 || b->n > IR_MAX_INSNS || b->full || b->insn[0].op != IR_NOP) {
        snprintf(buf, size, "block of %u operations%s, needed 2..%d after a NOP", b->n, b->full ? " (full)" : "", IR_MAX_INSNS);
        return false;
    }
    for (unsigned n = 1; n < b->n; n++) {
        const struct ir_insn *i = &b->insn[n];
        if (i->op >= IR_OP_COUNT)
            return wrong(buf, size, i, n, "no such operation");
        const char *error = imm_error(i);
        if (error)
            return wrong(buf, size, i, n, error);
        if (!check_operands(b, n, buf, size))
            return false;
        if (!!(ir_ops[i->op].effects & IR_EFF_EXIT) != (n == b->n - 1))
            return wrong(buf, size, i, n, n == b->n - 1 ? "last, but no exit" : "exit before the end");
    }
    return true;
}
