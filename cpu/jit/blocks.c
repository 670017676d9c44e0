/*
 * blocks.c - the translations there are: found by physical address and mode, checked by page.
 *
 * Instruction cache maintenance of a page compares each of its blocks with the guest code it was made of, and drops those
 * that differ: a kernel that patches one instruction, or a page that is loaded again with the same contents, costs little.
 * A dropped block stays in memory (other vCPUs may be inside) until everything is forgotten with the world stopped; it is
 * only out of the tables. Nobody writes to its page to make that happen: Arm requires IC IVAU (engine: never
 * write-protect).
 */
#include "cpu/jit/jit.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { EVAL_BYTES_MAX = 256 << 20, ALONE_INSNS = 16 };

/* ---- memory ---- */

enum { CHUNK_BYTES = 256 * 1024 - 64 }; /* with its header whole pages */

/* Pages that are there at once: a fault for each costs several times as much. */
static void *fresh(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Zeros, until everything is forgotten: thus that takes no long time with the world stopped. */
static void *take(struct jit *j, size_t bytes)
{
    struct chunk *k = j->chunks;
    bytes = align_up(bytes, 8);
    if (!k || k->size - k->used < bytes) {
        size_t size = MAX(bytes, (size_t)CHUNK_BYTES);
        if (!(k = fresh(sizeof *k + size)))
            return NULL;
        k->size = size;
        k->next = j->chunks;
        j->chunks = k;
    }
    k->used += bytes;
    return k->bytes + k->used - bytes;
}

/* ---- by address ---- */

enum { TABLE_MIN = 4096 };
#define TAKEN_OUT UINT32_MAX

static uint32_t tag_of(uint64_t pa, uint32_t mode)
{
    return (uint32_t)(((pa | (uint64_t)mode << 48) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The next free place on the tag's way. One whose block was taken out will do: else code that is written anew at the same address over
 * and over would make the way there longer each time. */
static struct block_place *free_place(const struct block_table *t, uint32_t tag)
{
    size_t at = tag & (t->n - 1);
    while (t->place[at].block && t->place[at].block != TAKEN_OUT)
        at = (at + 1) & (t->n - 1);
    return &t->place[at];
}

/* NULL: it is not there. */
static struct block_place *place_of(const struct jit *j, uint64_t pa, uint32_t mode)
{
    const struct block_table *t = &j->blocks;
    uint32_t tag = tag_of(pa, mode);
    for (size_t at = tag & (t->n - 1); t->n && t->place[at].block; at = (at + 1) & (t->n - 1)) {
        struct block_place *p = &t->place[at];
        if (p->tag != tag || p->block == TAKEN_OUT)
            continue;
        const struct block *b = j->made[p->block - 1];
        if (b->pa == pa && b->mode == mode)
            return p;
    }
    return NULL;
}

static bool table_grow(struct block_table *t)
{
    struct block_table bigger = {.n = t->n ? 2 * t->n : TABLE_MIN};
    if (!(bigger.place = calloc(bigger.n, sizeof *bigger.place)))
        return false;
    for (size_t i = 0; i < t->n; i++)
        if (t->place[i].block && t->place[i].block != TAKEN_OUT) {
            *free_place(&bigger, t->place[i].tag) = t->place[i];
            bigger.used++;
        }
    free(t->place);
    *t = bigger;
    return true;
}

static bool made_grow(struct jit *j)
{
    size_t n = MAX(j->made_size * 2, (size_t)TABLE_MIN);
    struct block **bigger = realloc(j->made, n * sizeof *bigger);
    if (!bigger)
        return false;
    j->made = bigger;
    uint32_t *starts = realloc(j->made_at, n * sizeof *starts);
    if (!starts)
        return false;
    j->made_at = starts;
    j->made_size = n;
    return true;
}

/* Its place in the code memory; the evaluator has none, and no exits to ask for. */
static uint32_t offset_of(const struct jit *j, const void *entry)
{
    size_t stubs;
    return j->code ? (uint32_t)((const uint8_t *)entry - (const uint8_t *)x64_code_stubs(j->code, &stubs)) : 0;
}

/* Gives the block a number and puts it into the table. */
static bool number_block(struct jit *j, struct block *b)
{
    struct block_table *t = &j->blocks;
    if ((4 * (t->used + 1) > 3 * t->n && !table_grow(t)) || (j->n_made == j->made_size && !made_grow(j)))
        return false;
    j->made_at[j->n_made] = offset_of(j, b->entry);
    j->made[j->n_made++] = b;
    uint32_t tag = tag_of(b->pa, b->mode);
    struct block_place *p = free_place(t, tag);
    t->used += !p->block;
    *p = (struct block_place){tag, (uint32_t)j->n_made};
    return true;
}

static void table_remove(struct jit *j, const struct block *b)
{
    struct block_place *p = place_of(j, b->pa, b->mode);
    if (p && j->made[p->block - 1] == b)
        p->block = TAKEN_OUT;
}

struct block *block_find(struct jit *j, uint64_t pa, uint32_t mode)
{
    const struct block_place *p = place_of(j, pa, mode);
    return p ? j->made[p->block - 1] : NULL;
}

/* ---- by page ---- */

static struct page **page_slot(struct jit *j, uint64_t pa)
{
    return &j->page_hash[(pa >> 12 ^ pa >> 25) & ones(PAGE_HASH_BITS)];
}

static struct page *page_find(struct jit *j, uint64_t pa)
{
    struct page *p = *page_slot(j, pa);
    while (p && p->pa != (pa & ~UINT64_C(4095)))
        p = p->next_hash;
    return p;
}

static struct page *page_get(struct jit *j, uint64_t pa)
{
    struct page *p = page_find(j, pa), **slot = page_slot(j, pa);
    if (p || !(p = take(j, sizeof *p)))
        return p;
    p->pa = pa & ~UINT64_C(4095);
    p->next_hash = *slot;
    *slot = p;
    return p;
}

static bool page_add(struct jit *j, struct page *p, struct block *b)
{
    struct page_entries *k = p->entries;
    if (!k || k->n == ARRAY_SIZE(k->entry)) {
        if (!(k = take(j, sizeof *k)))
            return false;
        k->next = p->entries;
        p->entries = k;
    }
    k->entry[k->n++] = (struct page_entry){b->entry, b->mode, b->pa & 4095};
    b->next_page = p->blocks;
    p->blocks = b;
    return true;
}

/* The last one takes its place: what a JIT writes anew all the time makes the list no longer. */
static void page_forget(struct page *p, const struct block *b)
{
    struct page_entries *last = p->entries;
    for (struct page_entries *k = last; k; k = k->next)
        for (size_t i = 0; i < k->n; i++)
            if (k->entry[i].code == b->entry) {
                k->entry[i] = last->entry[--last->n];
                p->entries = last->n ? last : last->next;
                return;
            }
}

void blocks_announce(struct vcpu *c, uint64_t va, uint64_t pa, uint32_t mode)
{
    const struct page *p = page_find(c->set->jit, pa);
    for (const struct page_entries *k = p ? p->entries : NULL; k; k = k->next)
        for (size_t i = 0; i < k->n; i++)
            if (k->entry[i].mode == mode)
                tlb_jump_offer(c, (va & ~UINT64_C(4095)) | k->entry[i].offset, k->entry[i].code);
}

/* ---- making ---- */

static uint64_t next_random(struct vcpu *c)
{
    c->rng ^= c->rng << 13;
    c->rng ^= c->rng >> 7;
    c->rng ^= c->rng << 17;
    return c->rng;
}

static struct ir_block *copy_ir(struct jit *j, const struct ir_block *ir)
{
    size_t bytes = offsetof(struct ir_block, insn) + ir->n * sizeof ir->insn[0];
    struct ir_block *copy = take(j, bytes);
    if (copy)
        memcpy(copy, ir, bytes);
    return copy;
}

/* Which of its exits lead to translations for themselves. */
static bool note_alone(struct jit *j, const struct x64_block *made)
{
    if (j->n_alone + made->n_links > j->alone_size) {
        size_t n = MAX(j->alone_size * 2, (size_t)TABLE_MIN);
        uint32_t *bigger = realloc(j->alone, n * sizeof *bigger);
        if (!bigger)
            return false;
        j->alone = bigger;
        j->alone_size = n;
    }
    for (unsigned i = 0; i < made->n_links; i++)
        if (made->link[i].alone)
            j->alone[j->n_alone++] = made->link[i].patch;
    return true;
}

/* The block has host code now. */
static bool adopt(struct vcpu *c, struct block *b, const struct x64_block *made, unsigned n_guest)
{
    struct jit *j = c->set->jit;
    b->entry = made->entry;
    c->stats.host_bytes += made->bytes;
    perf_map_add(j, c, b, n_guest, made->bytes);
    if (c->set->trace & TRACE_X64) {
        fprintf(stderr, "cpu %u: el%u block at %#llx, %#llx, mode %#x: ", c->id, c->el, (unsigned long long)c->s.pc,
                (unsigned long long)b->pa, b->mode);
        x64_dump(j->code, made, stderr);
    }
    return note_alone(j, made);
}

static void keep(struct jit *j, const struct block *b, const struct x64_block *made, unsigned n_guest, unsigned room)
{
    size_t bytes = x64_move_save(j->code, made, j->image, sizeof j->image);
    struct cache_block k = {b->mode, (uint16_t)(b->pa & 4095), (uint16_t)b->n_words, n_guest, j->words, room};
    if (bytes)
        cache_add(jit_cache(j), &k, j->image, bytes);
}

static bool compile(struct vcpu *c, struct block *b, unsigned room)
{
    struct jit *j = c->set->jit;
    struct x64_block made;
    if (j->eval) {
        b->entry = copy_ir(j, c->ir);
        j->eval_bytes += offsetof(struct ir_block, insn) + c->ir->n * sizeof c->ir->insn[0];
        return b->entry && j->eval_bytes < EVAL_BYTES_MAX;
    }
    j->config.loop = b->mode & CPU_MODE_LOOP;
    j->config.share = !(b->mode & CPU_MODE_ALONE);
    j->config.align_check = b->mode & CPU_MODE_ALIGN;
    j->config.fpcr_default = !(b->mode & CPU_MODE_FP_MODES);
    if (!x64_compile(j->code, &j->config, c->ir, &made))
        return false;
    if (jit_cache(j))
        keep(j, b, &made, c->ir->n_guest, room);
    return adopt(c, b, &made, c->ir->n_guest);
}

unsigned block_words(const struct ir_block *ir)
{
    unsigned i = ir->n - 1;
    while (i && ir->insn[i].op != IR_INSN) /* the last is the highest: only forward branches are followed */
        i--;
    return i ? (unsigned)(ir->insn[i].imm - ir->page_offset) / 4 + 1 : 1;
}

static struct block *new_block(struct jit *j, uint64_t pa, uint32_t mode, const uint32_t *words, unsigned n)
{
    struct block *b = take(j, offsetof(struct block, words) + n * 4);
    if (!b)
        return NULL;
    b->pa = pa;
    b->mode = mode;
    b->n_words = (uint16_t)n;
    memcpy(b->words, words, n * 4);
    return b;
}

/* Not in a table yet; NULL: no room. */
static struct block *translate(struct vcpu *c, uint64_t pa, uint32_t mode, const uint8_t *code)
{
    struct jit *j = c->set->jit;
    unsigned n = (4096 - (pa & 4095)) / 4, max = c->set->seed && !(mode & CPU_MODE_LOOP) ? 1 + next_random(c) % j->max_insns : j->max_insns;
    if (mode & CPU_MODE_ALONE)
        max = MIN(max, (unsigned)ALONE_INSNS);
    n = MIN(n, max * 2); /* forward branches are followed inside of this: more words find no more, and are copied each time */
    memcpy(j->words, code, n * 4); /* the guest may write to it meanwhile */
    translate_block(c->ir, j->words, n, pa & 4095, mode & ~(uint32_t)CPU_MODE_VARIANTS, max);
    if (mode & CPU_MODE_LOOP && !ir_loop_cut(c->ir))
        return NULL;
    if (c->set->trace & TRACE_BLOCK) {
        fprintf(stderr, "cpu %u: block %#llx mode %#x\n", c->id, (unsigned long long)pa, mode);
        ir_print(c->ir, stderr);
    }
    struct block *b = new_block(j, pa, mode, j->words, block_words(c->ir));
    ir_optimise(c->ir);
    if (!b || !compile(c, b, n))
        return NULL;
    c->stats.guest_insns += c->ir->n_guest;
    return b;
}

/* From the kept translations; NULL: not there, or no room. */
static struct block *reuse(struct vcpu *c, uint64_t pa, uint32_t mode, const uint8_t *code)
{
    struct jit *j = c->set->jit;
    struct cache_block k;
    struct x64_block made;
    size_t bytes;
    const uint8_t *image = cache_find(jit_cache(j), mode, (uint16_t)(pa & 4095), code, (4096 - (pa & 4095)) / 4, &k, &bytes);
    if (!image || !x64_move_load(j->code, image, bytes, &made))
        return NULL;
    struct block *b = new_block(j, pa, mode, k.words, k.n_words);
    if (!b || !adopt(c, b, &made, k.n_guest))
        return NULL;
    c->stats.reused++;
    c->stats.reused_insns += k.n_guest;
    return b;
}

/* The block is in the tables from here on. */
static struct block *add_block(struct vcpu *c, struct page *p, struct block *b)
{
    if (!b || !number_block(c->set->jit, b) || !page_add(c->set->jit, p, b))
        return NULL;
    c->stats.blocks++;
    return b;
}

struct block *block_reuse(struct vcpu *c, uint64_t pa, uint32_t mode, const uint8_t *code)
{
    struct jit *j = c->set->jit;
    struct page *p = jit_cache(j) ? page_get(j, pa) : NULL;
    if (!p)
        return NULL;
    uint64_t start = host_now_ns();
    struct block *b = reuse(c, pa, mode, code);
    c->stats.reuse_ns += host_now_ns() - start;
    return add_block(c, p, b);
}

struct block *block_make(struct vcpu *c, uint64_t pa, uint32_t mode, const uint8_t *code)
{
    struct block *b = block_reuse(c, pa, mode, code);
    struct page *p = b ? NULL : page_get(c->set->jit, pa);
    if (!p)
        return b;
    uint64_t start = host_now_ns();
    b = translate(c, pa, mode, code);
    c->stats.translate_ns += host_now_ns() - start;
    return add_block(c, p, b);
}

/* ---- dropping ---- */

static void kill(struct jit *j, struct block *b)
{
    table_remove(j, b);
    b->dead = true;
    for (const struct incoming *in = b->incoming; in; in = in->next)
        x64_link(j->code, in->patch, NULL);
}

static void check_page(struct vcpu *c, struct page *p, struct dropped *d)
{
    struct jit *j = c->set->jit;
    const uint8_t *now = mem_ptr(c->set->o.mem, p->pa, 4096, false);
    for (struct block **at = &p->blocks; *at;) {
        struct block *b = *at;
        if (now && !memcmp(b->words, now + (b->pa & 4095), b->n_words * 4)) {
            at = &b->next_page;
            continue;
        }
        *at = b->next_page;
        page_forget(p, b);
        p->changes = true;
        kill(j, b);
        if (d->n < DROPPED_MAX)
            d->block[d->n] = b;
        d->n++;
        c->stats.code_dropped++;
    }
}

bool blocks_change(struct jit *j, uint64_t pa)
{
    const struct page *p = page_find(j, pa);
    return p && p->changes;
}

void blocks_check_page(struct vcpu *c, uint64_t pa, struct dropped *d)
{
    struct page *p = page_find(c->set->jit, pa);
    c->stats.code_checks++;
    if (p)
        check_page(c, p, d);
}

void blocks_check_all(struct vcpu *c, struct dropped *d)
{
    struct jit *j = c->set->jit;
    for (size_t i = 0; i < ARRAY_SIZE(j->page_hash); i++)
        for (struct page *p = j->page_hash[i]; p; p = p->next_hash)
            check_page(c, p, d);
}

void jit_each_page(struct jit *j, unsigned max, cpu_page_fn *each, void *ctx)
{
    unsigned n = 0;
    for (unsigned pass = 0; pass < 2 && n <= max; pass++)
        for (size_t i = 0; i < ARRAY_SIZE(j->page_hash); i++)
            for (const struct page *p = j->page_hash[i]; p; p = p->next_hash) {
                const uint8_t *hva = pass ? mem_ptr(j->set->o.mem, p->pa, 4096, false) : NULL;
                if (hva)
                    each(ctx, hva);
                n += !pass;
            }
}

void blocks_forget(struct jit *j)
{
    while (j->chunks) {
        struct chunk *k = j->chunks;
        j->chunks = k->next;
        munmap(k, sizeof *k + k->size);
    }
    memset(j->page_hash, 0, sizeof j->page_hash);
    free(j->blocks.place);
    j->blocks = (struct block_table){0};
    j->n_made = j->n_alone = 0;
    j->eval_bytes = 0;
    if (j->code)
        x64_code_reset(j->code);
}

/* ---- linking ---- */

/* Whose exit it is: code memory is handed out upwards. */
static struct block *owner(const struct jit *j, uint32_t patch)
{
    size_t lo = 0, hi = j->n_made;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (j->made_at[mid] <= patch)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? j->made[lo - 1] : NULL;
}

bool blocks_leave_alone(const struct jit *j, uint32_t patch)
{
    size_t lo = 0, hi = j->n_alone;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (j->alone[mid] < patch)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < j->n_alone && j->alone[lo] == patch;
}

static void put_link(struct jit *j, struct vcpu *c, uint32_t patch, struct block *to)
{
    struct incoming *in = take(j, sizeof *in);
    if (!in)
        return; /* an exit that is not linked works too */
    *in = (struct incoming){patch, to->incoming};
    to->incoming = in;
    x64_link(j->code, patch, to->entry);
    c->stats.links++;
}

/* ---- loops ---- */

/*
 * A block that jumps to its own beginning is watched: nothing is linked to it until it has turned round often enough, or has been
 * come to from elsewhere too often for that. In the first case its own jumps lead to a second translation of it from then on,
 * which is the loop as one unit (x64/loop.c) and has the mode bit LOOP; all others still lead to the first one, which so does the
 * first turn and those after a detour.
 */
enum watch { UNSEEN, WATCHED, DECIDED };

static void watch(struct jit *j, struct block *b)
{
    b->watch = WATCHED;
    for (const struct incoming *in = b->incoming; in; in = in->next)
        x64_link(j->code, in->patch, NULL);
    b->incoming = NULL;
}

/* Where the exit is to lead; NULL: stay unlinked for now. */
static struct block *watched_target(struct jit *j, struct vcpu *c, const struct block *from, struct block *to, const uint8_t *code)
{
    if (to->watch == UNSEEN && from == to)
        watch(j, to);
    if (to->watch == WATCHED) {
        to->turns += from == to;
        to->entries += from != to;
        if (to->turns < j->hot && to->entries < j->hot)
            return NULL;
        to->watch = DECIDED;
        if (to->turns > 2 * to->entries)
            block_make(c, to->pa, to->mode | CPU_MODE_LOOP, code);
    }
    struct block *loop = from == to ? block_find(j, to->pa, to->mode | CPU_MODE_LOOP) : NULL;
    return loop ? loop : to;
}

void blocks_link(struct jit *j, struct vcpu *c, uint32_t patch, struct block *to, const uint8_t *code)
{
    const struct block *from = owner(j, patch);
    /* The virtual page may have come to mean another physical one since the exit: only inside of one physical page. */
    if (!from || from->dead || to->dead || ((from->mode ^ to->mode) & ~(uint32_t)CPU_MODE_VARIANTS) || (from->pa ^ to->pa) >> 12)
        return;
    if (j->loops && !blocks_leave_alone(j, patch) && !(to = watched_target(j, c, from, to, code)))
        return;
    put_link(j, c, patch, to);
}
