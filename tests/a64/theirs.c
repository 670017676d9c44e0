/* theirs.c - runs a batch of cases in a program of our own making under qemu-aarch64. */
#include "tests/a64/guest_program.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    uint32_t msr;
    unsigned offset;
} specials[] = {
    {MSR_FPCR, offsetof(struct registers, fpcr)},
    {MSR_FPSR, offsetof(struct registers, fpsr)},
    {MSR_NZCV, offsetof(struct registers, nzcv)},
};

static void put_load_all(struct code *c, uint64_t from)
{
    put_mov(c, 0, from);
    for (unsigned k = 0; k < ARRAY_SIZE(specials); k++) {
        put_x(c, true, 1, 0, specials[k].offset);
        put(c, specials[k].msr | 1);
    }
    put_x(c, true, 1, 0, offsetof(struct registers, sp));
    put(c, MOV_SP_X1);
    put(c, CLREX);
    for (unsigned k = 0; k < 32; k += 2)
        put_q_pair(c, true, k, 0, (unsigned)offsetof(struct registers, v) + 16 * k);
    for (unsigned k = 1; k < 31; k += 2)
        put_x_pair(c, true, k, 0, 8 * k);
    put_x(c, true, 0, 0, 0);
}

/* x0 is parked in TPIDR_EL0; leaves the record's address in x0 and `taken` stored. */
static void put_entry(struct code *c, uint64_t to, bool taken)
{
    put(c, MSR_TPIDR | 0);
    put_mov(c, 0, to);
    put_x(c, false, taken ? 0 : 31, 0, offsetof(struct registers, taken));
}

static void put_store_all(struct code *c)
{
    for (unsigned k = 1; k < 31; k += 2)
        put_x_pair(c, false, k, 0, 8 * k);
    for (unsigned k = ARRAY_SIZE(specials); k-- > 0;) { /* NZCV first: nothing here changes it, but it reads well */
        put(c, specials[k].msr | MRS | 1);
        put_x(c, false, 1, 0, specials[k].offset);
    }
    put(c, MSR_TPIDR | MRS | 1);
    put_x(c, false, 1, 0, 0);
    put(c, MOV_X1_SP);
    put_x(c, false, 1, 0, offsetof(struct registers, sp));
    for (unsigned k = 0; k < 32; k += 2)
        put_q_pair(c, false, k, 0, (unsigned)offsetof(struct registers, v) + 16 * k);
    put_x(c, false, 0, 0, offsetof(struct registers, done)); /* x0 is not 0 */
}

static void put_case(uint32_t *code, const struct test_case *t, unsigned n)
{
    struct code c = {code};
    uint64_t out = OUTPUT_BASE + n * sizeof(struct record);
    uint32_t *pad = code + PAD_OFFSET / 4, *next = code + CASE_CODE_BYTES / 4, *common;
    put_load_all(&c, INPUT_BASE + n * sizeof(struct registers));
    put_nops(&c, code + WORDS_OFFSET / 4);
    for (unsigned k = 0; k < t->n_words; k++)
        put(&c, t->word[k]);
    put_entry(&c, out, false);
    put_branch(&c, pad + 4);
    put_nops(&c, pad);
    put_entry(&c, out, true);
    assert(c.p == pad + 4);
    common = c.p;
    (void)common;
    put_store_all(&c);
    put_branch(&c, next);
    put_nops(&c, next);
}

/* ---- the files ---- */
static bool write_program(const char *path, const char *out_path, const struct test_case *cases, unsigned n)
{
    size_t code_bytes = (size_t)n * CASE_CODE_BYTES + 4096, data_bytes = n * sizeof(struct registers) + 4096;
    uint8_t *code = calloc(1, code_bytes), *data = calloc(1, data_bytes);
    bool ok = code && data;
    if (ok) {
        for (unsigned k = 0; k < n; k++) {
            put_case((uint32_t *)(void *)(code + (size_t)k * CASE_CODE_BYTES), &cases[k], k);
            memcpy(data + k * sizeof(struct registers), &cases[k].in, sizeof(struct registers));
        }
        strcpy((char *)data + n * sizeof(struct registers), out_path);
        uint32_t *tail = (uint32_t *)(void *)(code + (size_t)n * CASE_CODE_BYTES);
        struct code c = {tail};
        put_exit(&c);
        uint64_t entry = code_address(n) + (uint64_t)((c.p - tail) * 4);
        put_start(&c, INPUT_BASE + n * sizeof(struct registers), n * sizeof(struct record), CODE_BASE);
        ok = program_write(path, entry, (const uint32_t *)(const void *)code, code_bytes, data, data_bytes);
    }
    free(code);
    free(data);
    return ok;
}

static bool write_output(const char *path, const struct test_case *cases, unsigned n)
{
    struct record *r = calloc(n, sizeof *r);
    if (!r)
        return false;
    for (unsigned k = 0; k < n; k++)
        memcpy(r[k].window, cases[k].window, WINDOW_BYTES);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    bool ok = fd >= 0 && write(fd, r, n * sizeof *r) == (ssize_t)(n * sizeof *r);
    if (fd >= 0)
        close(fd);
    free(r);
    return ok;
}

static bool read_output(const char *path, struct record *out, unsigned n)
{
    FILE *f = fopen(path, "rb");
    bool ok = f && fread(out, sizeof *out, n, f) == n;
    if (f)
        fclose(f);
    return ok;
}

int run_theirs(const struct test_case *cases, unsigned n, struct record *out)
{
    char dir[] = "/tmp/pome-oracle-XXXXXX", program[64], output[64];
    if (!mkdtemp(dir))
        return -1;
    snprintf(program, sizeof program, "%s/program", dir);
    snprintf(output, sizeof output, "%s/output", dir);
    bool ok = write_program(program, output, cases, n) && write_output(output, cases, n) && program_run(program) &&
              read_output(output, out, n);
    unlink(program);
    unlink(output);
    rmdir(dir);
    if (!ok)
        return -1;
    unsigned ran = 0;
    while (ran < n && out[ran].regs.done)
        ran++;
    return (int)ran;
}
