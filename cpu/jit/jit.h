/*
 * jit.h - the translating back end: run loop, block cache, slow paths, helpers. Inside of cpu/jit only.
 */
#ifndef CPU_JIT_JIT_H
#define CPU_JIT_JIT_H

#include "cpu/jit/cache.h"
#include "cpu/vcpu.h"
#include "x64/x64.h"

/* One translation: guest code at a physical address, in a mode. */
struct block {
    uint64_t pa;
    const void *entry;         /* host code; the evaluator: the IR */
    struct block *next_page;   /* in struct page */
    struct incoming *incoming; /* linked exits of other blocks that jump here */
    uint32_t mode;
    uint16_t n_words;          /* guest code from pa that it was made of */
    bool dead;                 /* dropped; vCPUs may still be inside */
    uint8_t watch;             /* enum watch: is it a hot loop? */
    uint8_t turns, entries;    /* while it is being watched */
    uint32_t words[];          /* as it was then */
};

struct chunk {
    struct chunk *next;
    size_t used, size;
    uint8_t bytes[];
};

struct incoming {
    uint32_t patch;
    struct incoming *next;
};

/* Entries of a page's blocks, side by side: whoever offers all of them to a new process waits for one line of cache, not for one a block. */
struct page_entries {
    struct page_entries *next;
    size_t n;
    struct page_entry {
        const void *code;
        uint32_t mode;
        uint32_t offset; /* in the page */
    } entry[7];
};

struct page {
    uint64_t pa;
    struct block *blocks;
    struct page_entries *entries;
    struct page *next_hash;
    bool changes;              /* a block was dropped */
};

/* Blocks by physical address and mode: open addressing, so that a search touches one line of cache. */
struct block_table {
    struct block_place {
        uint32_t tag;          /* half of the key's digest */
        uint32_t block;        /* its number + 1; 0: free; TAKEN_OUT: was removed, searches go on */
    } *place;
    size_t n, used;            /* n: a power of two */
};

enum { PAGE_HASH_BITS = 13 };

struct jit {
    struct cpu_set *set;
    bool eval;                 /* POME_ENGINE=eval */
    bool no_chain;             /* POME_NOCHAIN */
    bool loops;                /* hot ones are translated again; */
    unsigned hot;              /* after so many turns */
    unsigned max_insns;        /* POME_MAX_INSNS */
    pthread_mutex_t lock;      /* everything below */
    struct x64_code *code;
    struct x64_config config;
    struct block_table blocks;
    struct page *page_hash[1 << PAGE_HASH_BITS];
    struct chunk *chunks;      /* blocks and what belongs to them, freed all at once */
    struct block **made;       /* all, by number: in the order in which they were made, which is that of their host code */
    uint32_t *made_at;         /* where their host code begins, as an offset: a search touches nothing else */
    size_t n_made, made_size;
    uint32_t *alone;           /* patches of exits that are struct x64_link.alone, ascending */
    size_t n_alone, alone_size;
    size_t eval_bytes;
    struct cold *cold;         /* NULL: everything is compiled at once */
    FILE *perf_map;            /* POME_PERF_MAP=1; NULL: not asked for */
    struct cache *cache;       /* kept translations; NULL: none. jit_cache() */
    pthread_t cache_opener;    /* reads their index while the rest of the machine is made, */
    bool cache_comes;          /* and is to be waited for */
    char *cache_path;
    struct cache_options cache_options;
    uint32_t words[1024];      /* guest code that is being translated, as it was when it was looked at */
    uint8_t image[32 * 1024];
};

/* ---- calls.c: POME_TRACE=calls ---- */
typedef uint64_t jit_helper_fn(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset);
jit_helper_fn *const *calls_count(void); /* helpers that count, to be given to translated code instead of jit_helpers */
void calls_print(FILE *to);

/* ---- perf_map.c; jit->lock held or no vCPU running ---- */
void perf_map_open(struct jit *j);  /* call when the stubs are made */
void perf_map_add(struct jit *j, const struct vcpu *c, const struct block *b, unsigned n_guest, size_t bytes);
void perf_map_close(struct jit *j);

/* ---- blocks.c; jit->lock held ---- */
struct block *block_find(struct jit *j, uint64_t pa, uint32_t mode);
/* Tells the jump table of the current context all blocks of the page at pa, which is at va there. */
void blocks_announce(struct vcpu *c, uint64_t va, uint64_t pa, uint32_t mode);
/* Translates the code at pa; NULL: no room, reset and try again. `code`: from pa to the end of its page. */
struct block *block_make(struct vcpu *c, uint64_t pa, uint32_t mode, const uint8_t *code);
/* Was a translation of this page dropped because its guest code had changed? */
bool blocks_change(struct jit *j, uint64_t pa);
/* How many words from its start the block was made of. */
unsigned block_words(const struct ir_block *ir);
/* The same, but from the kept translations only; NULL: not there. */
struct block *block_reuse(struct vcpu *c, uint64_t pa, uint32_t mode, const uint8_t *code);
/* Drops the blocks of a page whose guest code is not what it was; the number of them, the first few in dropped. */
enum { DROPPED_MAX = 8 };
struct dropped {
    unsigned n;
    const struct block *block[DROPPED_MAX];
};
void blocks_check_page(struct vcpu *c, uint64_t pa, struct dropped *d);
void blocks_check_all(struct vcpu *c, struct dropped *d);
void blocks_forget(struct jit *j);
/* The exit at `patch` led to the block `to`, whose guest code is `code`: links it, unless that is being watched. */
void blocks_link(struct jit *j, struct vcpu *c, uint32_t patch, struct block *to, const uint8_t *code);
/* Does the exit at `patch` (0: none) lead to a block of mode ALONE? */
bool blocks_leave_alone(const struct jit *j, uint32_t patch);

/* ---- run.c ---- */
/* What x64 is told: everything but the fields of one block. */
void jit_configure(struct x64_config *k, jit_helper_fn *const *helper, unsigned tlb_bits);
/* struct x64_config's: where code goes on that did not leave yet. */
struct x64_next jit_next(void *state, uint64_t how);
/* Where the instruction at pc is; false: an exception was raised. */
struct fetched {
    const uint8_t *code;
    uint64_t pa;
    uint32_t mode;
};
/* Kept translations, NULL: none. Waits until their index is read. jit->lock held. */
struct cache *jit_cache(struct jit *j);
bool jit_fetch(struct vcpu *c, uint64_t pc, struct fetched *at);

/* ---- cold.c ---- */
struct cold *cold_create(void);      /* free() it. NULL: POME_COLD=0 */
struct cold_ir *cold_places(void);   /* a vCPU's; likewise */
/* Counts that code without a translation is come to: the how manieth time it is to be evaluated, 0: it is hot. rewritten: by a JIT of the
 * guest. jit->lock held. */
unsigned cold_visit(struct cold *k, const struct fetched *at, bool rewritten);
/* Runs it; like translated code it leaves the state complete, and pc where to go on. No lock held. */
void cold_run(struct vcpu *c, const struct fetched *at);

/* ---- step.c: the instruction at pc, or the debug exception that comes first ---- */
void jit_step(struct vcpu *c);

/* ---- access.c, atomic.c: slow paths ---- */
/* Host address of a guest access inside one page, or NULL: *entry is a device's translation, or (entry NULL) raised. */
uint8_t *access_resolve(struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint32_t memop, uint32_t pc_offset,
                        const struct tlb2_entry **entry);
/* The same without a search, or NULL: it wants access_resolve. */
uint8_t *access_at_hand(const struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint32_t memop);
void access_fault(struct vcpu *c, const struct mmu_fault *f, uint64_t va, uint32_t iss, uint32_t pc_offset);
void access_env(struct ir_env *env);
void atomic_env(struct ir_env *env);

/* ---- sysop.c: SYS instructions; false: raised ---- */
bool sysop_run(struct vcpu *c, uint32_t enc, uint64_t value, unsigned rt, uint32_t pc_offset);

/* ---- helpers.c ---- */
extern uint64_t (*const jit_helpers[HELPER_COUNT])(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset);

enum { ISS_WNR = 1 << 6, ISS_CM = 1 << 8 };

static inline uint64_t insn_pc(const struct vcpu *c, uint32_t pc_offset)
{
    return c->s.pc_page + pc_offset;
}

#endif
