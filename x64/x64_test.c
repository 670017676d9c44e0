/*
 * x64_test.c - compiled code against the evaluator, on random blocks and states; links, pending, the jump cache.
 *
 * POME_TEST_SCALE=n does n times as many blocks; POME_TEST_SEED starts elsewhere; POME_RANDOM_SEED makes the compiler choose
 * registers at random; POME_X64_WITHOUT hides host features.
 */
#include "ir/random_block.h"
#include "x64/x64.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { TLB_BITS = 4 };

static struct x64_code *code, *elsewhere; /* elsewhere: moved blocks */
static struct x64_config config;
static struct {
    struct x64_jump_entry jump[X64_JUMP_LINES];
    struct x64_tlb_entry tlb[2][1 << TLB_BITS];
} tables;
static struct ir_block block;
static struct test_memory m0, m1;

static void forget_jumps(void)
{
    for (unsigned i = 0; i < X64_JUMP_LINES; i++)
        tables.jump[i] = (struct x64_jump_entry){.va = x64_jump_empty(i)};
}

static int set_up(void **state)
{
    struct pome_error err;
    config = (struct x64_config){
        .env = test_env,
        .state_bias = 128,
        .pin = {8 * 0, 8 * 31, 8 * 2, 8 * 3, 8 * 19, 8 * 30, 8 * 29, 8 * 1},
        .n_pins = 8,
        .frame_offset = offsetof(struct test_state, frame),
        .v_offset = offsetof(struct test_state, v),
        .v_pin = {0, 1, 2, 3, 5, 7},
        .n_v_pins = 6,
        .pending_offset = offsetof(struct test_state, pending),
        .tlb_offset = {offsetof(struct test_state, tlb[0]), offsetof(struct test_state, tlb[1])},
        .monitor_offset = offsetof(struct test_state, monitor),
        .tlb_bits = TLB_BITS,
    };
    code = x64_code_create(4 * MiB, &err);
    assert_non_null(code);
    assert_true(x64_code_prepare(code, &config, &err));
    elsewhere = x64_code_create(1 * MiB, &err);
    assert_non_null(elsewhere);
    assert_true(x64_code_prepare(elsewhere, &config, &err));
    assert_true(x64_move_identity(code, &config) == x64_move_identity(elsewhere, &config));
    forget_jumps();
    return 0;
}

static int tear_down(void **state)
{
    x64_code_destroy(code);
    x64_code_destroy(elsewhere);
    return 0;
}

static void random_tlb(struct test_random *r, struct test_memory *m)
{
    for (unsigned t = 0; t < 2; t++)
        for (unsigned i = 0; i < 1 << TLB_BITS; i++) {
            uint64_t va = TEST_MEMORY_BASE + 4096 * i, kind = i < TEST_MEMORY_PAGES - 2 ? test_random_below(r, 4) : 0;
            tables.tlb[t][i] = (struct x64_tlb_entry){
                .tag_read = kind & 1 ? va : x64_tlb_empty(i, TLB_BITS),
                .tag_write = kind & 2 ? va : x64_tlb_empty(i, TLB_BITS),
                .addend = (uint64_t)(uintptr_t)test_memory_at(m, va) - va,
            };
        }
}

static bool compile(struct x64_block *out)
{
    if (x64_compile(code, &config, &block, out))
        return true;
    x64_code_reset(code);
    return x64_compile(code, &config, &block, out);
}

/* Addresses of this program must have been recorded as such: none may be left in what is saved. */
static bool has_own_address(const uint8_t *p, size_t bytes)
{
    extern const char __ehdr_start[], end[];
    for (size_t i = 0; i + 8 <= bytes; i++) {
        uint64_t v = le64_get(p + i);
        if (v >= (uintptr_t)__ehdr_start && v < (uintptr_t)end)
            return true;
    }
    return false;
}

/* Takes the block that was compiled last into the other buffer. */
static bool move(const struct x64_block *from, struct x64_block *to)
{
    static uint8_t saved[1 << 20];
    size_t bytes = x64_move_save(code, from, saved, sizeof saved);
    if (!bytes)
        return false;
    assert_int_equal(x64_move_save(code, from, saved, bytes - 1), 0);
    assert_false(has_own_address(saved, bytes));
    if (!x64_move_load(elsewhere, saved, bytes, to)) {
        x64_code_reset(elsewhere);
        assert_true(x64_move_load(elsewhere, saved, bytes, to));
    }
    assert_int_equal(to->bytes, from->bytes);
    assert_int_equal(to->n_links, from->n_links);
    return true;
}

static enum x64_exit run_in(struct x64_code *where, struct test_state *s, const struct x64_block *b, uint32_t *link)
{
    s->tlb[0] = tables.tlb[0], s->tlb[1] = tables.tlb[1];
    return x64_run(where, s, b->entry, link);
}

static enum x64_exit run(struct test_state *s, const struct x64_block *b, uint32_t *link)
{
    return run_in(code, s, b, link);
}

static bool want_all(enum ir_op op)
{
    return (unsigned)op < IR_FIRST_FP || op == IR_V_SELECT;
}

static bool want_arithmetic(enum ir_op op)
{
    return (unsigned)op < IR_FIRST_VEC && !(ir_ops[op].effects & (IR_EFF_MEM | IR_EFF_CALL | IR_EFF_SIDE_EXIT));
}

static bool left_alone(const struct x64_block *b, uint32_t link)
{
    for (unsigned i = 0; i < b->n_links; i++)
        if (b->link[i].patch == link)
            return b->link[i].alone;
    return false;
}

static void compare(uint64_t seed, unsigned max_ops, bool (*wanted)(enum ir_op))
{
    struct test_random r = {seed};
    struct test_state s0 __attribute__((aligned(16))), s1 __attribute__((aligned(16)));
    static struct test_state begin;
    static struct test_memory m_begin;
    struct x64_block out, moved;
    uint32_t link;
    char why[200];
    test_random_block(&r, &block, 5 + test_random_below(&r, max_ops), wanted);
    if (test_random_below(&r, 2))
        ir_optimise(&block);
    if (!ir_verify(&block, why, sizeof why))
        fail_msg("seed %#llx: %s", (unsigned long long)seed, why);
    config.align_check = test_random_below(&r, 4) == 0;
    config.share = test_random_below(&r, 4) != 0;
    test_random_state(&r, &s0, &m0);
    m1 = m0;
    s1 = s0;
    s1.memory = &m1;
    s1.pending = test_random_below(&r, 8) == 0;
    begin = s1, m_begin = m1;
    random_tlb(&r, &m1);
    assert_true(compile(&out));
    enum ir_left l0 = ir_eval(&block, &s0, &test_env);
    bool there = seed % 2 && move(&out, &moved);
    enum x64_exit l1 = there ? run_in(elsewhere, &s1, &moved, &link) : run(&s1, &out, &link);
    if (l1 == X64_EXIT_PC && left_alone(there ? &moved : &out, link)) { /* the block is no row of instructions: from its beginning again */
        s1 = begin, m1 = m_begin;
        config.share = false;
        assert_true(compile(&out));
        l1 = run(&s1, &out, &link);
    }
    bool same_exit = (l0 == IR_LEFT_STATE) == (l1 == X64_EXIT_STATE) && (l1 != X64_EXIT_PENDING || s1.pending);
    const char *difference = same_exit ? test_state_difference(&s0, &s1) : "exit";
    if (difference) {
        if (getenv("POME_TEST_VERBOSE")) {
            ir_print(&block, stderr);
            x64_dump(code, &out, stderr);
            for (unsigned i = 0; i < 32; i++)
                if (s0.x[i] != s1.x[i])
                    fprintf(stderr, "x%u: eval %016llx, x64 %016llx\n", i, (unsigned long long)s0.x[i], (unsigned long long)s1.x[i]);
            for (unsigned i = 0; i < 8; i++)
                for (unsigned k = 0; k < 2; k++)
                    if (s0.v[i].d[k] != s1.v[i].d[k])
                        fprintf(stderr, "v%u.d[%u]: eval %016llx, x64 %016llx\n", i, k, (unsigned long long)s0.v[i].d[k],
                                (unsigned long long)s1.v[i].d[k]);
            fprintf(stderr, "flags %x %x, exits %d %d\n", s0.flags, s1.flags, l0, l1);
        }
        fail_msg("POME_TEST_SEED=%#llx, at most %u operations: %s", (unsigned long long)seed, max_ops, difference);
    }
}

static unsigned scaled(unsigned n)
{
    const char *scale = getenv("POME_TEST_SCALE");
    return scale ? n * (unsigned)atoi(scale) : n;
}

static uint64_t first_seed(void)
{
    const char *seed = getenv("POME_TEST_SEED");
    return seed ? strtoull(seed, NULL, 0) : 1;
}

static void short_blocks(void **state)
{
    forget_jumps();
    for (unsigned i = 0; i < scaled(5000); i++)
        compare(first_seed() + i, 6, i % 2 ? NULL : want_arithmetic);
}

static void middle_blocks(void **state)
{
    forget_jumps();
    for (unsigned i = 0; i < scaled(3000); i++)
        compare(first_seed() + i, 60, i % 4 == 0 ? want_all : i % 2 ? NULL : want_arithmetic);
}

static void long_blocks(void **state)
{
    forget_jumps();
    for (unsigned i = 0; i < scaled(300); i++)
        compare(first_seed() + i, 1500, i % 4 == 0 ? want_all : i % 2 ? NULL : want_arithmetic);
}

/* ---- exits ---- */

static struct test_state s __attribute__((aligned(16)));

static struct x64_block block_to(uint16_t at, unsigned x, uint64_t target)
{
    struct x64_block out;
    ir_block_init(&block, at);
    ir_emit(&block, IR_INSN, 0, 0, 0, at);
    ir_ref v = ir_emit(&block, IR_GET64, 0, 0, 0, 8 * x);
    ir_emit(&block, IR_SET64, ir_emit(&block, IR_ADD64, v, ir_const(&block, 1), 0, 0), 0, 0, 8 * x);
    ir_emit(&block, IR_EXIT_DIRECT, 0, 0, 0, target & ones(62));
    assert_true(compile(&out));
    return out;
}

static void fresh_state(void)
{
    struct test_random r = {7};
    test_random_state(&r, &s, &m1);
    random_tlb(&r, &m1);
    forget_jumps();
    memset(s.x, 0, sizeof s.x);
}

static void links_go_and_come_back(void **state)
{
    uint32_t link;
    fresh_state();
    struct x64_block a = block_to(0, 0, 0x100), b = block_to(0x100, 1, 0x200);
    assert_int_equal(a.n_links, 1);
    assert_int_equal(a.link[0].target, 0x100);
    assert_in_range(a.link[0].patch % 8, 0, 4);

    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(link, a.link[0].patch);
    assert_int_equal(s.pc, s.pc_page + 0x100);
    assert_int_equal(s.x[0], 1);
    assert_int_equal(s.x[1], 0);

    x64_link(code, link, b.entry);
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(link, b.link[0].patch);
    assert_int_equal(s.pc, s.pc_page + 0x200);
    assert_int_equal(s.x[0], 2);
    assert_int_equal(s.x[1], 1);

    x64_link(code, a.link[0].patch, NULL);
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(link, a.link[0].patch);
    assert_int_equal(s.x[1], 1);
}

static void a_moved_link_goes_and_comes_back(void **state)
{
    uint32_t link;
    struct x64_block moved, b;
    fresh_state();
    struct x64_block a = block_to(0, 0, 0x100);
    assert_true(move(&a, &moved));
    struct x64_block first = block_to(0x100, 1, 0x200);
    assert_true(move(&first, &b));
    assert_int_equal(run_in(elsewhere, &s, &moved, &link), X64_EXIT_PC);
    assert_int_equal(link, moved.link[0].patch);
    x64_link(elsewhere, link, b.entry);
    assert_int_equal(run_in(elsewhere, &s, &moved, &link), X64_EXIT_PC);
    assert_int_equal(s.x[0], 2);
    assert_int_equal(s.x[1], 1);
    x64_link(elsewhere, moved.link[0].patch, NULL);
    assert_int_equal(run_in(elsewhere, &s, &moved, &link), X64_EXIT_PC);
    assert_int_equal(link, moved.link[0].patch);
}

/* Every byte of the description changed: it is refused, or the code lies in the buffer all the same. */
static void broken_moves_are_refused(void **state)
{
    uint8_t saved[4096], broken[4096];
    struct x64_block a = block_to(0, 0, 0x100), out;
    size_t bytes = x64_move_save(code, &a, saved, sizeof saved);
    assert_true(bytes > 0);
    for (size_t i = 0; i < bytes - a.bytes; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(broken, saved, bytes);
            broken[i] ^= (uint8_t)(1u << bit);
            if (!x64_move_load(elsewhere, broken, bytes, &out) && out.bytes)
                x64_code_reset(elsewhere);
        }
    for (size_t n = 0; n < bytes; n++)
        assert_false(x64_move_load(elsewhere, saved, n, &out));
}

/* Two loads off x0, which point to both sides of the end of a page: left before the first, by a link that says so. */
static void a_range_over_two_pages_is_left_alone(void **state)
{
    uint32_t link;
    struct x64_block out;
    fresh_state();
    for (unsigned share = 0; share < 2; share++) {
        ir_block_init(&block, 0x10);
        ir_emit(&block, IR_INSN, 0, 0, 0, 0x10);
        ir_emit(&block, IR_SET64, ir_const(&block, 5), 0, 0, 8 * 1);
        ir_emit(&block, IR_INSN, 0, 0, 0, 0x14);
        ir_ref base = ir_emit(&block, IR_GET64, 0, 0, 0, 0), next = ir_emit(&block, IR_ADD64, base, ir_const(&block, 8), 0, 0);
        ir_emit(&block, IR_SET64, ir_emit(&block, IR_LOAD, base, 0, 0, 3), 0, 0, 8 * 2);
        ir_emit(&block, IR_SET64, ir_emit(&block, IR_LOAD, next, 0, 0, 3), 0, 0, 8 * 3);
        ir_emit(&block, IR_EXIT_DIRECT, 0, 0, 0, 0x100);
        config.align_check = false;
        config.share = share;
        assert_true(compile(&out));
        for (unsigned i = 0; i < 2; i++) {
            uint64_t va = TEST_MEMORY_BASE + 4096 * i;
            tables.tlb[0][i] = (struct x64_tlb_entry){.tag_read = va, .tag_write = va, .addend = (uint64_t)(uintptr_t)test_memory_at(&m1, va) - va};
        }
        s.x[0] = TEST_MEMORY_BASE + 4096 - 8;
        s.x[1] = s.x[2] = 0;
        assert_int_equal(run(&s, &out, &link), X64_EXIT_PC);
        assert_int_equal(s.x[1], 5);
        assert_int_equal(left_alone(&out, link), share && !x64_without("share"));
        if (left_alone(&out, link)) {
            assert_int_equal(s.pc, s.pc_page + 0x14);
            assert_int_equal(s.x[2], 0);
        } else {
            assert_int_equal(s.pc, s.pc_page + 0x100);
            assert_true(s.x[2] == le64_get(test_memory_at(&m1, TEST_MEMORY_BASE + 4096 - 8)));
            assert_true(s.x[3] == le64_get(test_memory_at(&m1, TEST_MEMORY_BASE + 4096)));
        }
    }
}

/* The TLB is empty: whatever is accessed, where the tags of empty lines point to and around it, is the environment's. */
static void empty_lines_are_nobodys(void **state)
{
    static const uint64_t places[] = {0, 1, 8, 4087, 4088, 4089, 4095};
    uint32_t link;
    struct x64_block out;
    fresh_state();
    for (unsigned i = 0; i < 1 << TLB_BITS; i++) /* an access that hits would go wrong */
        tables.tlb[0][i] = (struct x64_tlb_entry){x64_tlb_empty(i, TLB_BITS), x64_tlb_empty(i, TLB_BITS), 1, 0};
    for (unsigned kind = 0; kind < 4; kind++) {
        uint64_t offset = kind & 1 ? 8 : 0;
        ir_block_init(&block, 0);
        ir_emit(&block, IR_INSN, 0, 0, 0, 0);
        ir_ref va = ir_emit(&block, IR_ADD64, ir_emit(&block, IR_GET64, 0, 0, 0, 0), ir_const(&block, offset), 0, 0);
        ir_emit(&block, IR_SET64, ir_emit(&block, IR_LOAD, va, 0, 0, 3), 0, 0, 8 * 2);
        ir_emit(&block, IR_EXIT_DIRECT, 0, 0, 0, 0x100);
        config.align_check = false;
        config.share = kind & 2;
        assert_true(compile(&out));
        for (uint64_t page = 0; page < 1 << (TLB_BITS + 1); page++)
            for (unsigned k = 0; k < ARRAY_SIZE(places); k++) {
                uint64_t at = 4096 * page + places[k];
                s.x[0] = at - offset;
                assert_int_equal(run(&s, &out, &link), X64_EXIT_PC);
                assert_true(s.x[2] == test_env.load(&s, at, 3, 0));
            }
    }
}

static void load_from_pc(uint64_t distance, unsigned log2, unsigned to)
{
    ir_ref va = ir_emit(&block, IR_PC, 0, 0, 0, distance);
    ir_emit(&block, IR_INSN, 0, 0, 0, 4u * to);
    ir_emit(&block, IR_SET64, ir_emit(&block, IR_LOAD, va, 0, 0, log2), 0, 0, 8u * to);
}

/* Literals and globals in two pages, at their ends and over one; whatever of the pages may be read or written without help. */
static void globals_are_what_they_are(void **state)
{
    static struct test_state s0, begin;
    static struct test_memory m_begin;
    uint32_t link;
    struct x64_block out;
    fresh_state();
    ir_block_init(&block, 0);
    load_from_pc(0x1010, 3, 2);
    load_from_pc(0x1ff8, 3, 3);
    load_from_pc(0x1ffc, 3, 4);
    ir_emit(&block, IR_INSN, 0, 0, 0, 0x40);
    ir_emit(&block, IR_STORE, ir_emit(&block, IR_PC, 0, 0, 0, 0x1801), ir_emit(&block, IR_GET64, 0, 0, 0, 8), 0, 2);
    load_from_pc(0x1800, 3, 5);
    load_from_pc(0x2fff, 0, 6);
    load_from_pc(0x2000, 3, 7);
    load_from_pc(0x1000, 2, 8);
    ir_emit(&block, IR_EXIT_DIRECT, 0, 0, 0, 0x100);
    config.align_check = false;
    s.pc_page = TEST_MEMORY_BASE + 0x3000;
    s.x[1] = UINT64_C(0x123456789abcdef0);
    begin = s, m_begin = m1;
    for (unsigned how = 0; how < 16; how++) {
        s = s0 = begin, m0 = m1 = m_begin;
        s.memory = &m1, s0.memory = &m0;
        for (unsigned i = 0; i < 1 << TLB_BITS; i++) {
            uint64_t page = TEST_MEMORY_BASE + 4096 * i, rights = i == 4 ? how & 3 : i == 5 ? how >> 2 : 0;
            tables.tlb[0][i] = (struct x64_tlb_entry){.tag_read = rights & 1 ? page : x64_tlb_empty(i, TLB_BITS),
                                                      .tag_write = rights & 2 ? page : x64_tlb_empty(i, TLB_BITS),
                                                      .addend = (uint64_t)(uintptr_t)test_memory_at(&m1, page) - page};
        }
        ir_eval(&block, &s0, &test_env);
        config.share = true;
        assert_true(compile(&out));
        enum x64_exit why = run(&s, &out, &link);
        if (left_alone(&out, link)) {
            assert_true((how & 3) != 3 || how >> 2 == 0 || how >> 2 == 2);
            config.share = false;
            s = begin, m1 = m_begin;
            s.memory = &m1;
            assert_true(compile(&out));
            why = run(&s, &out, &link);
        }
        assert_int_equal(why, X64_EXIT_PC);
        const char *difference = test_state_difference(&s0, &s);
        if (difference || memcmp(&m0, &m1, sizeof m0))
            fail_msg("rights %u: %s differs", how, difference ? difference : "memory");
    }
}

static void pending_breaks_a_loop(void **state)
{
    uint32_t link;
    fresh_state();
    struct x64_block a = block_to(0x40, 0, 0x40);
    x64_link(code, a.link[0].patch, a.entry);
    s.pending = 1;
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PENDING);
    assert_int_equal(s.pc, s.pc_page + 0x40);
    assert_int_equal(s.x[0], 1);
}

static void other_pages_go_through_the_jump_cache(void **state)
{
    uint32_t link;
    fresh_state();
    uint64_t page = s.pc_page;
    struct x64_block a = block_to(0, 0, 0x1100), b = block_to(0x100, 1, 0x200);
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(link, 0);
    assert_int_equal(s.pc, page + 0x1100);
    s.pc_page = page;
    tables.jump[x64_jump_line(page + 0x1100)] = (struct x64_jump_entry){page + 0x1100, b.entry};
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(link, b.link[0].patch);
    assert_int_equal(s.pc_page, page + 0x1000);
    assert_int_equal(s.pc, page + 0x1200);
    assert_int_equal(s.x[1], 1);
}

/* Jumps to x[reg]; call: with its return address. */
static struct x64_block jumping_block(unsigned reg, bool call)
{
    struct x64_block out;
    ir_block_init(&block, 0x40);
    ir_emit(&block, IR_INSN, 0, 0, 0, 0x40);
    ir_ref to = ir_emit(&block, IR_GET64, 0, 0, 0, 8 * reg), back = call ? ir_emit(&block, IR_PC, 0, 0, 0, 0x44) : 0;
    if (call)
        ir_emit(&block, IR_SET64, back, 0, 0, 8 * 30);
    ir_emit(&block, IR_EXIT_INDIRECT, to, back, 0, 0);
    assert_true(compile(&out));
    return out;
}

/* Its address in its line, in the neighbour, in neither; x0 lives in a register, x5 does not. */
static void indirect_jumps_look_at_two_lines(void **state)
{
    uint32_t link;
    for (unsigned k = 0; k < 12; k++) {
        fresh_state();
        unsigned reg = k & 1 ? 5 : 0, where = k / 4;
        bool call = k & 2;
        uint64_t to = UINT64_C(0x7fff12345678);
        struct x64_block a = jumping_block(reg, call), b = block_to(to & 4095, 1, 0x200);
        if (where < 2)
            tables.jump[x64_jump_line(to) ^ where] = (struct x64_jump_entry){to, b.entry};
        s.x[reg] = to, s.x[1] = 7;
        assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
        assert_true(s.pc == (where < 2 ? (to & ~UINT64_C(4095)) + 0x200 : to));
        assert_int_equal(s.x[1], where < 2 ? 8 : 7);
        s.x[reg] = to, s.pending = 1;
        assert_int_equal(run(&s, &a, &link), X64_EXIT_PENDING);
        assert_true(s.pc == to);
    }
}

/* An address between two instructions is in no line, whatever the bytes there are: 4 bytes into line 0 are the upper half of its address
 * and the lower half of the code's. */
static void addresses_between_instructions_are_in_no_line(void **state)
{
    uint32_t link;
    fresh_state();
    struct x64_block a = jumping_block(5, false), b = block_to(0, 1, 0x200);
    tables.jump[0] = (struct x64_jump_entry){UINT64_C(0x100000000), b.entry};
    s.x[5] = (uint64_t)(uintptr_t)b.entry << 32 | 1;
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_true(s.pc == s.x[5]);
}

/* x0 -= 1, x30 = the next address, a call; leaves to 0x200 when x0 was 0. */
static struct x64_block calling_block(uint16_t at, uint64_t target)
{
    struct x64_block out;
    ir_block_init(&block, at);
    ir_emit(&block, IR_INSN, 0, 0, 0, at);
    ir_ref v = ir_emit(&block, IR_GET64, 0, 0, 0, 0);
    ir_emit(&block, IR_EXIT_Z, v, 0, 0, 0x200);
    ir_emit(&block, IR_SET64, ir_emit(&block, IR_SUB64, v, ir_const(&block, 1), 0, 0), 0, 0, 0);
    ir_ref back = ir_emit(&block, IR_PC, 0, 0, 0, at + 4u);
    ir_emit(&block, IR_SET64, back, 0, 0, 8 * 30);
    ir_emit(&block, IR_EXIT_DIRECT, back, 0, 0, target | IR_EXIT_IS_CALL);
    assert_true(compile(&out));
    return out;
}

/* Returns to x30 + distance. */
static struct x64_block returning_block(uint16_t at, uint64_t distance)
{
    struct x64_block out;
    ir_block_init(&block, at);
    ir_emit(&block, IR_INSN, 0, 0, 0, at);
    ir_ref to = ir_emit(&block, IR_ADD64, ir_emit(&block, IR_GET64, 0, 0, 0, 8 * 30), ir_const(&block, distance), 0, 0);
    ir_emit(&block, IR_EXIT_INDIRECT, to, 0, 0, IR_JUMP_RET);
    assert_true(compile(&out));
    return out;
}

static void returns_come_back_to_their_call(void **state)
{
    uint32_t link;
    fresh_state();
    struct x64_block a = calling_block(0x10, 0x100), same = returning_block(0x100, 0), beyond = returning_block(0x100, 8);
    uint64_t page = s.pc_page;
    assert_int_equal(a.n_links, 3);
    assert_int_equal(a.link[2].target, 0x14);
    s.x[0] = 5;
    x64_link(code, a.link[1].patch, same.entry);
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(s.pc, page + 0x14);
    assert_int_equal(s.pc_page, page);
    assert_int_equal(link, a.link[2].patch); /* paired: the return went to the landing */
    x64_link(code, a.link[1].patch, beyond.entry);
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(s.pc, page + 0x1c);
    assert_int_equal(link, 0);
    assert_int_equal(s.x[0], 3);
}

static void returns_from_other_pages_come_back(void **state)
{
    uint32_t link;
    fresh_state();
    struct x64_block a = calling_block(0x10, 0x5100), b = returning_block(0x100, 0);
    uint64_t page = s.pc_page, to = page + 0x5100;
    s.x[0] = 1;
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(s.pc, to);
    tables.jump[x64_jump_line(to)] = (struct x64_jump_entry){to, b.entry};
    s.pc_page = page, s.x[0] = 1;
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC);
    assert_int_equal(s.pc, page + 0x14);
    assert_int_equal(s.pc_page, page);
}

static void deep_calls_forget_the_oldest(void **state)
{
    uint32_t link;
    fresh_state();
    struct x64_block a = calling_block(0, 0), leaf = returning_block(0x200, 0), next = returning_block(4, 0);
    x64_link(code, a.link[1].patch, a.entry);
    x64_link(code, a.link[0].patch, leaf.entry);
    x64_link(code, a.link[2].patch, next.entry);
    s.x[0] = 100000;
    assert_int_equal(run(&s, &a, &link), X64_EXIT_PC); /* all those that were kept return, then one is not there */
    assert_int_equal(s.pc, s.pc_page + 4);
    assert_int_equal(s.x[0], 0);
    assert_int_equal(link, 0);
}

static void a_return_to_no_address_leaves(void **state)
{
    uint32_t link;
    fresh_state();
    struct x64_block b = returning_block(0x100, 0);
    s.x[30] = UINT64_MAX;
    assert_int_equal(run(&s, &b, &link), X64_EXIT_PC);
    assert_true(s.pc == UINT64_MAX);
}

static void full_buffer_is_refused(void **state)
{
    struct pome_error err;
    struct x64_block out;
    struct x64_code *small = x64_code_create(1, &err);
    unsigned n = 0;
    assert_non_null(small);
    assert_true(x64_code_prepare(small, &config, &err));
    block_to(0, 0, 0x100);
    while (x64_compile(small, &config, &block, &out))
        n++;
    assert_true(n > 100);
    assert_true(x64_code_used(small) <= x64_code_size(small));
    x64_code_reset(small);
    assert_true(x64_compile(small, &config, &block, &out));
    x64_code_destroy(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_go_and_come_back), cmocka_unit_test(a_moved_link_goes_and_comes_back),
        cmocka_unit_test(broken_moves_are_refused), cmocka_unit_test(pending_breaks_a_loop),
        cmocka_unit_test(a_range_over_two_pages_is_left_alone),
        cmocka_unit_test(other_pages_go_through_the_jump_cache), cmocka_unit_test(indirect_jumps_look_at_two_lines), cmocka_unit_test(empty_lines_are_nobodys),
        cmocka_unit_test(globals_are_what_they_are),
        cmocka_unit_test(addresses_between_instructions_are_in_no_line), cmocka_unit_test(full_buffer_is_refused),
        cmocka_unit_test(returns_come_back_to_their_call), cmocka_unit_test(returns_from_other_pages_come_back),
        cmocka_unit_test(deep_calls_forget_the_oldest), cmocka_unit_test(a_return_to_no_address_leaves),
        cmocka_unit_test(short_blocks), cmocka_unit_test(middle_blocks), cmocka_unit_test(long_blocks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
