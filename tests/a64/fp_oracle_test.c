/*
 * fp_oracle_test.c - floating-point instructions by the hundred million against qemu-aarch64.
 *
 * How it works: a run is one instruction, one FPCR and RECORDS sets of operands in which corner values are frequent. A guest
 * program loops over the records of RUNS runs, which lie in a file that it maps, and writes destination, FPSR and NZCV into
 * them. Then the evaluator (fp/) and compiled code (x64/) execute the same records here. Everything must be equal.
 *
 *     fp_oracle_test [MILLIONS]   until so many million operations were compared (a vector's lanes count; default 1)
 * POME_TEST_SEED=n    another seed
 * POME_A64_ROWS=text  only rows whose name contains the text
 */
#include "cpu/jit/translate/translate.h"
#include "tests/a64/guest_program.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RUNS = 64, RECORDS = 512, CODE_BYTES = 128, MAX_SHOWN = 20, SKIP = 77 };

struct operands {
    union ir_value v[4];
    uint64_t x[2];
    uint64_t fpcr, nzcv;
};
struct result {
    union ir_value v;
    uint64_t x;
    uint32_t fpsr, nzcv;
};
struct sample {
    struct operands in;
    struct result theirs;
};
static_assert(sizeof(struct sample) == 128, "the guest's loop knows it");

struct run {
    struct a64_insn i;
    uint32_t fpcr;
    unsigned lanes;
};

static const struct row {
    enum a64_op op;
    const char *pattern, *form;
} rows[] = {
#define A64(name, pattern, form, feature, section, condition) {A64_##name, pattern, form},
#define A64_TODO(name, pattern, form, feature, section, condition)
#include "a64/fp.inc"
#undef A64
#undef A64_TODO
};

static uint64_t seed = 0x5eed;
static struct run runs[RUNS];
static struct sample *samples; /* RUNS x RECORDS, shared with the guest through a file */
static uint64_t n_operations, n_instructions, n_different;

/* ---- what is executed ---- */
static bool has(const struct row *r, const char *field)
{
    size_t n = strlen(field);
    for (const char *p = r->pattern; (p = strstr(p, field)); p += n)
        if ((p == r->pattern || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

/* Registers 0 to 3; now and then the same one twice. */
static uint32_t place_registers(const struct row *r, uint32_t word)
{
    uint32_t random = (uint32_t)test_random(&seed), n = random & 7 ? 1 : 0, m = random & 0x70 ? 2 : random >> 8 & 1;
    word = has(r, "Rd") ? word & ~UINT32_C(31) : word;
    word = has(r, "Rn") ? (word & ~(UINT32_C(31) << 5)) | n << 5 : word;
    word = has(r, "Rm") ? (word & ~(UINT32_C(31) << 16)) | m << 16 : word;
    word = has(r, "Rm4") ? (word & ~(UINT32_C(15) << 16)) | m << 16 : word;
    return has(r, "Ra") ? (word & ~(UINT32_C(31) << 10)) | UINT32_C(3) << 10 : word;
}

/* The elements that the instruction reads: 0 doubles, 1 singles, 2 halves. */
static unsigned element(const struct row *r, const struct a64_insn *i)
{
    const char *name = a64_name(i->op), *tail = strrchr(name, '_');
    if (!strncmp(name, "FMLAL", 5) || !strncmp(name, "FMLSL", 5) || (i->op != A64_FCVT_h && tail && tail[strlen(tail) - 1] == 'h'))
        return 2;
    if (has(r, "ftype"))
        return i->ftype == 3 ? 2 : !i->ftype;
    if (has(r, "size"))
        return i->size == 3 ? 0 : i->size == 2 ? 1 : 2;
    if (has(r, "immh"))
        return i->immh >= 8 ? 0 : i->immh >= 4 ? 1 : 2;
    if (!strncmp(name, "FCVTL", 5))
        return i->sz ? 1 : 2;
    return has(r, "sz") ? !i->sz : 1;
}

static unsigned lanes_of(const struct row *r, const struct a64_insn *i, unsigned kind)
{
    bool vector = strstr(r->form, "%Vd") != NULL;
    unsigned bytes = 8u >> kind, lanes = vector ? (has(r, "Q") && !i->q ? 8 : 16) / bytes : 1;
    return lanes ? lanes : 1;
}

static union ir_value vector(unsigned kind)
{
    union ir_value v;
    uint64_t r = test_random(&seed) & 15;
    if (r == 0)
        kind = (unsigned)(test_random(&seed) % 3);
    for (unsigned k = 0, bytes = 8u >> kind; k < 16; k += bytes) {
        uint64_t lane = random_lane(&seed, r == 1 || r == 2 ? 3 : kind);
        memcpy(&v.b[k], &lane, bytes);
    }
    return v;
}

/* v[of] becomes the product of v[1] and v[2] with the other sign: what is left of a sum is the rounding error. */
static void cancel(struct operands *o, unsigned of, unsigned kind)
{
    for (unsigned k = 0; kind == 0 && k < 2; k++) {
        double a, b;
        memcpy(&a, &o->v[1].d[k], 8), memcpy(&b, &o->v[2].d[k], 8);
        a = -(a * b);
        memcpy(&o->v[of].d[k], &a, 8);
    }
    for (unsigned k = 0; kind == 1 && k < 4; k++) {
        float a, b;
        memcpy(&a, &o->v[1].b[4 * k], 4), memcpy(&b, &o->v[2].b[4 * k], 4);
        a = -(a * b);
        memcpy(&o->v[of].b[4 * k], &a, 4);
    }
}

static void fill(struct operands *o, unsigned kind, uint32_t fpcr)
{
    for (unsigned k = 0; k < 4; k++)
        o->v[k] = vector(kind);
    uint64_t r = test_random(&seed);
    if ((r & 15) == 0)
        o->v[2] = o->v[1];
    else if ((r & 15) == 1)
        o->v[2] = o->v[1], o->v[2].b[15] ^= 0x80, o->v[2].b[7] ^= 0x80;
    else if ((r & 15) < 4)
        cancel(o, r & 16 ? 0 : 3, kind);
    o->x[0] = random_integer(&seed);
    o->x[1] = random_integer(&seed);
    o->fpcr = fpcr;
    o->nzcv = test_random(&seed) & 0xf0000000;
}

/* FPCR of half of the runs is 0: what programs use, and what compiled code is best at. */
static void make_run(struct run *u, struct sample *to)
{
    enum { MODES = 0x07c80000 };
    const char *only = getenv("POME_A64_ROWS");
    const struct row *r;
    do {
        r = &rows[test_random(&seed) % ARRAY_SIZE(rows)];
        a64_decode(place_registers(r, a64_random(r->op, test_random, &seed)), &u->i);
    } while (u->i.op != r->op || qemu_is_wrong(&u->i) || (only && !strstr(a64_name(r->op), only)));
    unsigned kind = element(r, &u->i);
    u->fpcr = test_random(&seed) & 1 ? 0 : test_random(&seed) & MODES;
    if (r->op == A64_FJCVTZS)
        u->fpcr &= ~BIT(24); /* QEMU: flushed denormals count as exact */
    u->lanes = lanes_of(r, &u->i, kind);
    for (unsigned k = 0; k < RECORDS; k++)
        fill(&to[k].in, kind, u->fpcr);
}

/* ---- theirs ---- */
static void put_loop(struct code *c, uint32_t word, uint64_t from, uint64_t to)
{
    uint32_t *end = c->p + CODE_BYTES / 4;
    put_mov(c, 20, from);
    put_mov(c, 21, to);
    uint32_t *start = c->p;
    put_q_pair(c, true, 0, 20, 0);
    put_q_pair(c, true, 2, 20, 32);
    put_x_pair(c, true, 0, 20, offsetof(struct operands, x));
    put_x_pair(c, true, 2, 20, offsetof(struct operands, fpcr));
    put(c, MSR_FPCR | 2);
    put(c, MSR_FPSR | 31);
    put(c, MSR_NZCV | 3);
    put(c, word);
    put(c, MSR_FPSR | MRS | 2);
    put(c, MSR_NZCV | MRS | 3);
    put(c, 0x3d800000 | offsetof(struct sample, theirs.v) / 16 << 10 | 20 << 5 | 0);      /* str q0, [x20, #] */
    put_x(c, false, 0, 20, offsetof(struct sample, theirs.x));
    put(c, 0x29000000 | offsetof(struct sample, theirs.fpsr) / 4 << 15 | 3 << 10 | 20 << 5 | 2); /* stp w2, w3, [x20, #] */
    put(c, 0x91000000 | (uint32_t)sizeof(struct sample) << 10 | 20 << 5 | 20);            /* add x20, x20, # */
    put(c, 0xeb15029f);                                                                   /* cmp x20, x21 */
    put(c, 0x54000001 | ((uint32_t)(start - c->p) & 0x7ffff) << 5);                       /* b.ne */
    put_nops(c, end);
}

static bool run_guest(const char *program, const char *file)
{
    static uint32_t code[RUNS * CODE_BYTES / 4 + 64];
    struct code c = {code};
    for (unsigned k = 0; k < RUNS; k++)
        put_loop(&c, runs[k].i.word, OUTPUT_BASE + k * RECORDS * sizeof *samples, OUTPUT_BASE + (k + 1) * RECORDS * sizeof *samples);
    put_exit(&c);
    uint64_t entry = CODE_BASE + (uint64_t)(c.p - code) * 4;
    put_start(&c, INPUT_BASE, RUNS * RECORDS * sizeof *samples, CODE_BASE);
    for (unsigned k = 0; k < RUNS; k++) /* the last record of each run says that it came there */
        samples[(k + 1) * RECORDS - 1].theirs.nzcv = 1;
    if (!program_write(program, entry, code, sizeof code, file, strlen(file) + 1) || !program_run(program))
        return false;
    for (unsigned k = 0; k < RUNS; k++) {
        if (samples[(k + 1) * RECORDS - 1].theirs.nzcv == 1) {
            char text[160];
            a64_print(&runs[k].i, 0, text, sizeof text);
            printf("%08x %s: qemu-aarch64 stopped here\n", runs[k].i.word, text);
            n_different++;
            return false;
        }
    }
    return true;
}

/* ---- ours ---- */
static void enter(struct cpu_state *s, const struct operands *in)
{
    memcpy(s->v, in->v, sizeof in->v);
    memcpy(s->x, in->x, sizeof in->x);
    s->flags = ir_flags_from_nzcv((uint32_t)in->nzcv);
    s->fpcr = (uint32_t)in->fpcr;
    s->fpsr = 0;
    s->pc_page = CODE_BASE;
}

static void show(const struct run *u, const struct operands *in, const struct result *ours, const struct result *theirs, const char *who)
{
    char text[160];
    if (n_different++ >= MAX_SHOWN)
        return;
    a64_print(&u->i, 0, text, sizeof text);
    printf("%s: %08x %s, fpcr %x nzcv %x\n", who, u->i.word, text, u->fpcr, (uint32_t)in->nzcv >> 28);
    for (unsigned k = 0; k < 4; k++)
        printf("    v%u %016" PRIx64 "_%016" PRIx64 "\n", k, in->v[k].d[1], in->v[k].d[0]);
    printf("    x0 %" PRIx64 " x1 %" PRIx64 "\n", in->x[0], in->x[1]);
    for (unsigned k = 0; k < 2; k++) {
        const struct result *r = k ? theirs : ours;
        printf("    %-6s v0 %016" PRIx64 "_%016" PRIx64 " x0 %" PRIx64 " fpsr %x nzcv %x\n", k ? "theirs" : "ours", r->v.d[1],
               r->v.d[0], r->x, r->fpsr, r->nzcv >> 28);
    }
}

static void compare(const struct run *u, const struct cpu_state *s, const struct sample *want, const char *who)
{
    struct result r = {.v = s->v[0], .x = s->x[0], .fpsr = s->fpsr, .nzcv = ir_flags_to_nzcv(s->flags)};
    if (memcmp(&r, &want->theirs, sizeof r))
        show(u, &want->in, &r, &want->theirs, who);
}

static void run_ours_many(const struct run *u, const struct sample *in)
{
    static struct ir_block plain, optimised;
    static union {
        struct cpu_state s;
        uint8_t bytes[sizeof(struct cpu_state) + COMPILED_TAIL_BYTES];
    } state;
    memset(&state, 0, sizeof state);
    translate_block(&plain, &u->i.word, 1, 0, 0, 1);
    optimised = plain;
    ir_optimise(&optimised);
    const void *code = compile(&optimised, &our_env, u->fpcr == 0);
    for (unsigned k = 0; k < RECORDS; k++) {
        enter(&state.s, &in[k].in);
        ir_eval(&plain, &state.s, &our_env);
        compare(u, &state.s, &in[k], "evaluator");
    }
    for (unsigned k = 0; code && k < RECORDS; k++) {
        enter(&state.s, &in[k].in);
        run_code(&state.s, code);
        compare(u, &state.s, &in[k], "compiled");
    }
    n_instructions += RECORDS;
    n_operations += (uint64_t)RECORDS * u->lanes;
}

static bool batch(const char *program, const char *file)
{
    for (unsigned k = 0; k < RUNS; k++)
        make_run(&runs[k], samples + k * RECORDS);
    if (!run_guest(program, file))
        return false;
    for (unsigned k = 0; k < RUNS; k++)
        run_ours_many(&runs[k], samples + k * RECORDS);
    return true;
}

static bool map_samples(const char *file)
{
    size_t bytes = RUNS * RECORDS * sizeof *samples;
    int fd = open(file, O_CREAT | O_EXCL | O_RDWR, 0600);
    bool ok = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0;
    samples = ok ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    return samples != MAP_FAILED;
}

int main(int argc, char **argv)
{
    const char *seed_text = getenv("POME_TEST_SEED");
    double wanted = 1e6 * (argc > 1 ? atof(argv[1]) : 1);
    char dir[] = "/tmp/pome-fp-XXXXXX", program[64], file[64];
    seed = seed_text ? strtoull(seed_text, NULL, 0) : seed;
    if (!mkdtemp(dir))
        return 1;
    snprintf(program, sizeof program, "%s/program", dir);
    snprintf(file, sizeof file, "%s/records", dir);
    bool ok = map_samples(file);
    uint64_t said = 0;
    while (ok && (double)n_operations < wanted) {
        ok = batch(program, file);
        if (n_operations / 10000000 != said) {
            said = n_operations / 10000000;
            printf("%" PRIu64 " operations, %" PRIu64 " different\n", n_operations, n_different);
            fflush(stdout);
        }
    }
    unlink(program);
    unlink(file);
    rmdir(dir);
    printf("seed %#llx: %" PRIu64 " instructions, %" PRIu64 " operations, %" PRIu64 " different\n",
           seed_text ? strtoull(seed_text, NULL, 0) : 0x5eed, n_instructions, n_operations, n_different);
    if (!n_instructions && !n_different) {
        printf("SKIP: qemu-aarch64 (package qemu-user) does not run here\n");
        return SKIP;
    }
    return !ok || n_different != 0;
}
