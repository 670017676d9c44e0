/*
 * x64.h - IR to x86-64.
 *
 * x64 knows the guest only through struct x64_config: byte offsets into the guest state, the layout of the inline
 * TLB and of the jump cache, and the slow-path functions of struct ir_env. It knows no memory map, device or thread.
 *
 * Calling convention of translated code: entered through the function x64_enter() makes, with the guest state in rbp
 * (biased by config.state_bias); left by returning to it. Every block can be entered from the dispatcher, from a
 * linked exit of another block, or through the jump cache. Between blocks the pinned guest registers (struct x64_config, regs.c) are
 * in host registers and their places in the state stale; everything else is in the state. Whenever C code runs, all is.
 */
#ifndef X64_X64_H
#define X64_X64_H

#include "ir/ir.h"
#include <pome/error.h>

/* One line of the inline TLB, direct-mapped: line (va >> 12) & (2^tlb_bits - 1). A tag is the page's virtual address, or
 * x64_tlb_empty(line). Host address = va + addend. */
struct x64_tlb_entry {
    uint64_t tag_read, tag_write;
    uint64_t addend;
    uint64_t aux; /* cpu/jit's own */
};

/* A page that is not of this line, nor behind one that is: no access comes here with it. */
static inline uint64_t x64_tlb_empty(uint64_t line, unsigned tlb_bits)
{
    return (line ^ UINT64_C(1) << (tlb_bits - 1)) << 12;
}

/* One line of the jump cache: where a virtual address continues in the current context. An address is looked up in its
 * line, then in the neighbour (index ^ 1). The cache lies right before the inline TLB of ordinary accesses, so that one register leads
 * to both. */
struct x64_jump_entry {
    uint64_t va;      /* x64_jump_empty(line): empty */
    const void *code;
};

enum {
    X64_JUMP_LINES = 1 << 14,
    X64_JUMP_LOW = 0xfffc, /* these bits of an address choose its line, */
    X64_JUMP_SCALE = 4,    /* and times this they are the line's offset */
    X64_JUMP_AT = -X64_JUMP_LINES * 16, /* where the cache begins, from the TLB */
};
static_assert(sizeof(struct x64_jump_entry) == 16, "the look-up scales by it");

static inline unsigned x64_jump_line(uint64_t va)
{
    return (va & X64_JUMP_LOW) / 4;
}

/* What nobody looks for in this line or its neighbour: all ones belong to the last two lines, and a guest may jump there. */
static inline uint64_t x64_jump_empty(unsigned line)
{
    return line >= X64_JUMP_LINES - 2 ? 0 : UINT64_MAX;
}

/* Where to go on, as C says: NULL to leave. keep: the return stack (emit_exit.c) is as good as before. */
struct x64_next {
    const void *entry;
    uint64_t keep;
};

enum { X64_MAX_PINS = 16, X64_MAX_V_PINS = 32, X64_V_REGISTERS = 32, X64_FRAME_BYTES = 25 * 1024 };

struct x64_config {
    struct ir_env env;          /* slow paths */
    /* Asked before code is left, NULL: it is left; how: enum x64_exit (PC or STATE) | link_patch << 32. The state is complete, pc in it;
     * when there is an entry, pc_page is right and `raised` 0. What is returned NULL for leaves with X64_EXIT_STATE. */
    struct x64_next (*next)(void *state, uint64_t how);
    uint32_t state_bias;        /* rbp = state + state_bias */
    /* Guest registers that should live in host registers, the most important first: state offsets, multiples of 8 below
     * IR_STATE_X_BYTES. x64 takes as many as it has registers for (none with POME_X64_WITHOUT=pin). */
    uint8_t pin[X64_MAX_PINS];
    unsigned n_pins;
    /* The same for vector registers, by number: 16 bytes each from v_offset on (none with POME_X64_WITHOUT=vpin). */
    uint32_t v_offset;
    uint8_t v_pin[X64_MAX_V_PINS];
    unsigned n_v_pins;
    uint32_t frame_offset;      /* state + offset: X64_FRAME_BYTES for translated code, 16-byte aligned */
    uint32_t pending_offset;    /* u32 in guest state: non-zero asks translated code to come back */
    /* inline TLBs: state + offset holds a pointer to 1 << tlb_bits entries. [0] ordinary accesses, X64_JUMP_LINES lines of the jump cache
     * before them, [1] IR_MEM_UNPRIV.
     * Only C code may change the pointers: translated code keeps [0] in a register and loads it again after every call. */
    uint32_t tlb_offset[2];
    uint32_t monitor_offset;    /* struct ir_monitor, which env's exclusives use, too; 0: only they do */
    unsigned tlb_bits;          /* at least 2 */
    bool fpcr_default;          /* this block runs only while FPCR is zero */
    bool loop;                  /* this block jumps back to its beginning (ir_loop_cut): x64/loop.c */
    bool align_check;           /* this block: unaligned accesses go to the slow path (CPU_MODE_ALIGN) */
    bool share;                 /* accesses off one base share a look-up, and where it fails the block is left: struct x64_link.alone */
};

/* Where a direct exit is: for linking. The exit's jump can be pointed at another block's entry, and back. */
struct x64_link {
    uint32_t patch;      /* offset in the code buffer of a rel32 */
    uint32_t alone;      /* it leads to a translation without x64_config.share, at the instruction that is to be begun again */
    int64_t target;      /* page-relative guest target, in [0, 4096): only exits that stay in the page are linkable */
};

struct x64_code;  /* code memory: memory mapped twice, writable and executable (W^X) */

struct x64_code *x64_code_create(size_t bytes, struct pome_error *err);
void x64_code_destroy(struct x64_code *c);
size_t x64_code_used(const struct x64_code *c);
size_t x64_code_size(const struct x64_code *c);
/* Forgets all code but the stubs; the caller made sure no vCPU is inside. */
void x64_code_reset(struct x64_code *c);

/* Where the executable code begins, which is what offsets of patches count from, and how much of it the stubs are. */
const void *x64_code_stubs(const struct x64_code *c, size_t *bytes);

/* When not NULL: how often translated code called ir_eval_pure, by operation (IR_OP_COUNT of them). Counts of concurrent
 * threads may get lost. */
extern uint64_t *x64_pure_calls;

/* Makes the process's handler of SIGFPE the one of traps.c, which passes on to the one before what is not its own. Done by
 * x64_code_prepare; again if somebody else (a test frame) has taken the signal since. */
void x64_traps_install(void);

/* For every thread that calls x64_run, before: SIGFPE must not be blocked there, since a blocked synchronous signal kills the process. */
void x64_traps_unblock(void);

/* How many floating-point exceptions of the host translated code took (traps.c). */
uint64_t x64_code_trapped(const struct x64_code *c);

/* Makes the entry, exit and look-up stubs for this configuration; call once before compiling. */
bool x64_code_prepare(struct x64_code *c, const struct x64_config *config, struct pome_error *err);

enum { X64_MAX_LINKS = 160 };
struct x64_block {
    const void *entry;   /* executable address */
    uint32_t bytes;
    unsigned n_links;
    struct x64_link link[X64_MAX_LINKS];
};

/* Compiles; false when the buffer is full (the caller resets and starts again). Not thread-safe per code buffer: the
 * caller holds a lock. */
bool x64_compile(struct x64_code *c, const struct x64_config *config, const struct ir_block *ir, struct x64_block *out);

/* ---- moving (move.c) ---- */

/* Writes what was compiled last, and was neither linked nor run yet, so that it can be put elsewhere: returns the bytes written, 0 when
 * there is no room or the block cannot be moved. */
size_t x64_move_save(const struct x64_code *c, const struct x64_block *b, uint8_t *to, size_t room);
/* Puts it into code memory prepared with an equal configuration on an equal host (x64_move_identity). false with out->bytes 0: it is not
 * what x64_move_save wrote; else: the buffer is full. */
bool x64_move_load(struct x64_code *c, const uint8_t *from, size_t bytes, struct x64_block *out);
/* What code depends on besides the IR and the program itself: host, configuration, stubs. Code of equal identities may be exchanged. */
uint64_t x64_move_identity(const struct x64_code *c, const struct x64_config *config);

/* Points the exit at `patch` to entry, or (entry NULL) back to the dispatcher. Safe while other threads execute. */
void x64_link(struct x64_code *c, uint32_t patch, const void *entry);

/* Why translated code came back; the guest's pc is in the state (env.pc_offset) in every case. */
enum x64_exit {
    X64_EXIT_PC,      /* pc has no translation yet, or left the page: look it up. *link_patch tells which exit, 0 if none */
    X64_EXIT_STATE,   /* a helper or a slow path set pc (exception, ERET, WFI, ...) */
    X64_EXIT_PENDING, /* `pending` was non-zero at a back edge or an indirect jump */
};

/* Runs from entry until the code comes back. */
enum x64_exit x64_run(struct x64_code *c, void *state, const void *entry, uint32_t *link_patch);

/* Prints the host code of a block as hex bytes with the IR it came from (POME_TRACE=x64). */
void x64_dump(const struct x64_code *c, const struct x64_block *b, FILE *to);

/* Is this among the names in POME_X64_WITHOUT? */
bool x64_without(const char *name);

/* True when the host has what x64 needs at least (SSE4.2, AVX2, BMI2 are used where present). */
bool x64_host_supported(struct pome_error *err);

#endif
