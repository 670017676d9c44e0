/*
 * eval_int.c - the meaning of the integer and flag operations.
 *
 * Written for the reader and as the reference for x64/: each case is the definition, not the fast way.
 */
#include "ir/eval_int.h"

enum { F_N = 1 << 15, F_Z = 1 << 14, F_NOT_C = 1 << 8, F_V = 1 << 0 };

bool ir_cond_holds(unsigned cond, uint32_t f)
{
    bool n = f & F_N, z = f & F_Z, c = !(f & F_NOT_C), v = f & F_V, holds;
    switch (cond >> 1 & 7) {
    case 0: holds = z; break;
    case 1: holds = c; break;
    case 2: holds = n; break;
    case 3: holds = v; break;
    case 4: holds = c && !z; break;
    case 5: holds = n == v; break;
    case 6: holds = n == v && !z; break;
    default: return true; /* AL, NV */
    }
    return holds != (cond & 1);
}

static uint32_t make_flags(bool n, bool z, bool c, bool v)
{
    return (n ? F_N : 0) | (z ? F_Z : 0) | (c ? 0 : F_NOT_C) | (v ? F_V : 0);
}

/* AddWithCarry of the Arm pseudocode, flags only. */
static uint32_t add_flags64(uint64_t a, uint64_t b, bool carry)
{
    uint64_t r = a + b + carry;
    bool c = carry ? r <= a : r < a;
    return make_flags(r >> 63, r == 0, c, (~(a ^ b) & (a ^ r)) >> 63);
}

static uint32_t add_flags32(uint32_t a, uint32_t b, bool carry)
{
    uint64_t wide = (uint64_t)a + b + carry;
    uint32_t r = (uint32_t)wide;
    return make_flags(r >> 31, r == 0, wide >> 32, (~(a ^ b) & (a ^ r)) >> 31);
}

static uint64_t shift_right_pair(uint64_t high, uint64_t low, unsigned n, unsigned width)
{
    return n == 0 ? low & ones(width) : (low >> n | high << (width - n)) & ones(width);
}

static uint64_t ror(uint64_t v, unsigned n, unsigned width)
{
    v &= ones(width);
    return shift_right_pair(v, v, n % width, width);
}

static uint64_t reverse_bits(uint64_t v, unsigned width)
{
    uint64_t r = 0;
    for (unsigned i = 0; i < width; i++)
        r |= (v >> i & 1) << (width - 1 - i);
    return r;
}

static uint64_t clz(uint64_t v, unsigned width)
{
    unsigned n = 0;
    while (n < width && !(v >> (width - 1 - n) & 1))
        n++;
    return n;
}

/* CountLeadingSignBits: how many bits after the sign bit equal it. */
static uint64_t cls(uint64_t v, unsigned width)
{
    return clz((v ^ v >> 1) & ones(width - 1), width - 1);
}

/* The reflected CRC of the Arm pseudocode (BitReverse(Poly32Mod2(...))), a byte at a time. */
static uint64_t crc(uint32_t acc, uint64_t data, unsigned bytes, uint32_t reflected_poly)
{
    for (unsigned i = 0; i < bytes; i++) {
        acc ^= data >> 8 * i & 0xff;
        for (unsigned k = 0; k < 8; k++)
            acc = acc >> 1 ^ (acc & 1 ? reflected_poly : 0);
    }
    return acc;
}

static uint64_t swap16x4(uint64_t v)
{
    return (v >> 8 & 0x00ff00ff00ff00ffu) | (v & 0x00ff00ff00ff00ffu) << 8;
}

static uint64_t sdiv64(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? 0 - (uint64_t)a : (uint64_t)(a / b);
}

static uint32_t sdiv32(int32_t a, int32_t b)
{
    return b == 0 ? 0 : b == -1 ? 0 - (uint32_t)a : (uint32_t)(a / b);
}

/* What is seldom asked for. Apart, since it needs many registers, and code that runs once would pay for saving them each time. */
static __attribute__((noinline)) uint64_t eval_seldom(enum ir_op op, uint64_t imm, uint64_t a, uint64_t b, uint64_t c)
{
    uint32_t wa = (uint32_t)a, wb = (uint32_t)b;
    bool carry = !(c & F_NOT_C); /* of operations whose third operand is FLAGS */
    unsigned lsb = imm & 0xff, width = imm >> 8 & 0xff;

    switch (op) {
    case IR_ADC64: return a + b + carry;
    case IR_ADC32: return (uint32_t)(wa + wb + carry);
    case IR_SBC64: return a + ~b + carry;
    case IR_SBC32: return (uint32_t)(wa + ~wb + carry);
    case IR_UMULH: return (uint64_t)((unsigned __int128)a * b >> 64);
    case IR_SMULH: return (uint64_t)((__int128)(int64_t)a * (int64_t)b >> 64);
    case IR_UDIV64: return b ? a / b : 0;
    case IR_UDIV32: return wb ? wa / wb : 0;
    case IR_SDIV64: return sdiv64((int64_t)a, (int64_t)b);
    case IR_SDIV32: return sdiv32((int32_t)wa, (int32_t)wb);
    case IR_ROR64: return ror(a, b & 63, 64);
    case IR_ROR32: return ror(wa, b & 31, 32);
    case IR_EXTR64: return shift_right_pair(a, b, (unsigned)imm, 64);
    case IR_EXTR32: return shift_right_pair(wa, wb, (unsigned)imm, 32);
    case IR_SBFX64: return (uint64_t)sext(a >> lsb, width);
    case IR_SBFX32: return (uint32_t)sext(a >> lsb, width);
    case IR_CLZ64: return clz(a, 64);
    case IR_CLZ32: return clz(wa, 32);
    case IR_CLS64: return cls(a, 64);
    case IR_CLS32: return cls(wa, 32);
    case IR_RBIT64: return reverse_bits(a, 64);
    case IR_RBIT32: return reverse_bits(wa, 32);
    case IR_BSWAP64: return __builtin_bswap64(a);
    case IR_BSWAP32: return __builtin_bswap32(wa);
    case IR_BSWAP32X2: return __builtin_bswap32(wa) | (uint64_t)__builtin_bswap32((uint32_t)(a >> 32)) << 32;
    case IR_BSWAP16X4: return swap16x4(a);
    case IR_CRC32: return crc(wa, b, (unsigned)imm, 0xedb88320);
    case IR_CRC32C: return crc(wa, b, (unsigned)imm, 0x82f63b78);
    case IR_FADC64: return add_flags64(a, b, carry);
    case IR_FADC32: return add_flags32(wa, wb, carry);
    case IR_FSBC64: return add_flags64(a, ~b, carry);
    case IR_FSBC32: return add_flags32(wa, ~wb, carry);
    case IR_FCONST: return ir_flags_from_nzcv((uint32_t)imm << 28);
    case IR_FSELECT: return ir_cond_holds((unsigned)imm, (uint32_t)a) ? b : c;
    case IR_F_FROM_NZCV: return ir_flags_from_nzcv(wa);
    case IR_F_TO_NZCV: return ir_flags_to_nzcv(wa);
    case IR_COND: return ir_cond_holds((unsigned)imm, (uint32_t)a);
    case IR_SELECT: return ir_cond_holds((unsigned)imm, (uint32_t)a) ? b : c;
    case IR_SELNZ: return a ? b : c;
    default:
        assert(!"ir_eval_int: not a pure integer operation");
        return 0;
    }
}

uint64_t ir_eval_int(enum ir_op op, uint64_t imm, uint64_t a, uint64_t b, uint64_t c)
{
    uint32_t wa = (uint32_t)a, wb = (uint32_t)b;
    unsigned lsb = imm & 0xff, width = imm >> 8 & 0xff;

    switch (op) {
    case IR_CONST: return imm;
    case IR_ADD64: return a + b;
    case IR_ADD32: return wa + wb;
    case IR_SUB64: return a - b;
    case IR_SUB32: return wa - wb;
    case IR_MUL64: return a * b;
    case IR_MUL32: return (uint32_t)(wa * wb);
    case IR_AND64: return a & b;
    case IR_AND32: return wa & wb;
    case IR_OR64: return a | b;
    case IR_OR32: return wa | wb;
    case IR_XOR64: return a ^ b;
    case IR_XOR32: return wa ^ wb;
    case IR_ANDN64: return a & ~b;
    case IR_ANDN32: return wa & ~wb;
    case IR_NOT64: return ~a;
    case IR_NOT32: return (uint32_t)~wa;
    case IR_NEG64: return 0 - a;
    case IR_NEG32: return (uint32_t)(0 - wa);
    case IR_SHL64: return a << (b & 63);
    case IR_SHL32: return (uint32_t)(wa << (b & 31));
    case IR_SHR64: return a >> (b & 63);
    case IR_SHR32: return wa >> (b & 31);
    case IR_SAR64: return (uint64_t)((int64_t)a >> (b & 63));
    case IR_SAR32: return (uint32_t)((int32_t)wa >> (b & 31));
    case IR_UBFX: return a >> lsb & ones(width);
    case IR_BFI: return (a & ~(ones(width) << lsb)) | (b & ones(width)) << lsb;
    case IR_ZEXT8: return (uint8_t)a;
    case IR_ZEXT16: return (uint16_t)a;
    case IR_ZEXT32: return wa;
    case IR_SEXT8: return (uint64_t)sext(a, 8);
    case IR_SEXT16: return (uint64_t)sext(a, 16);
    case IR_SEXT32: return (uint64_t)sext(a, 32);
    case IR_FADD64: return add_flags64(a, b, false);
    case IR_FADD32: return add_flags32(wa, wb, false);
    case IR_FSUB64: return add_flags64(a, ~b, true);
    case IR_FSUB32: return add_flags32(wa, ~wb, true);
    case IR_FLOGIC64: return make_flags(a >> 63, a == 0, false, false);
    case IR_FLOGIC32: return make_flags(wa >> 31, wa == 0, false, false);
    default: return eval_seldom(op, imm, a, b, c);
    }
}

uint64_t ir_rmw_result(uint32_t memop, uint64_t old, uint64_t operand)
{
    unsigned bits = 8u << (memop & IR_MEM_SIZE_MASK);
    int64_t so = sext(old, bits), sp = sext(operand, bits);
    uint64_t uo = old & ones(bits), up = operand & ones(bits);
    switch ((enum ir_rmw)(memop >> IR_MEM_RMW_SHIFT & 15)) {
    case IR_RMW_ADD: return old + operand;
    case IR_RMW_CLR: return old & ~operand;
    case IR_RMW_EOR: return old ^ operand;
    case IR_RMW_SET: return old | operand;
    case IR_RMW_SMAX: return so > sp ? old : operand;
    case IR_RMW_SMIN: return so < sp ? old : operand;
    case IR_RMW_UMAX: return uo > up ? old : operand;
    case IR_RMW_UMIN: return uo < up ? old : operand;
    case IR_RMW_SWP: return operand;
    }
    return operand;
}
