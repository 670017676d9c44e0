/* theirs.c - runs a batch of cases in a program of our own making under qemu-aarch64. */
#include "tests/a64/case.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the few instructions the program itself is made of ---- */
struct code {
    uint32_t *p;
};

static void put(struct code *c, uint32_t word)
{
    *c->p++ = word;
}

/* x<rd> = a 32-bit value */
static void put_mov(struct code *c, unsigned rd, uint64_t v)
{
    put(c, 0xd2800000 | (uint32_t)(v & 0xffff) << 5 | rd);
    put(c, 0xf2a00000 | (uint32_t)(v >> 16 & 0xffff) << 5 | rd);
}

static void put_x(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset)
{
    put(c, (load ? 0xf9400000 : 0xf9000000) | offset / 8 << 10 | base << 5 | rt);
}

static void put_x_pair(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset)
{
    put(c, (load ? 0xa9400000 : 0xa9000000) | offset / 8 << 15 | (rt + 1) << 10 | base << 5 | rt);
}

static void put_q_pair(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset)
{
    put(c, (load ? 0xad400000 : 0xad000000) | offset / 16 << 15 | (rt + 1) << 10 | base << 5 | rt);
}

enum { MSR_NZCV = 0xd51b4200, MSR_FPCR = 0xd51b4400, MSR_FPSR = 0xd51b4420, MSR_TPIDR = 0xd51bd040, MRS = 0x200000 };
enum { MOV_SP_X1 = 0x9100003f, MOV_X1_SP = 0x910003e1, CLREX = 0xd503305f, SVC = 0xd4000001 };

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

static void put_branch(struct code *c, uint32_t *to)
{
    put(c, 0x14000000 | ((uint32_t)(to - c->p) & 0x3ffffff));
}

static void put_nops(struct code *c, const uint32_t *to)
{
    assert(c->p <= to);
    while (c->p < to)
        put(c, 0xd503201f);
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

/* openat(AT_FDCWD, path, O_RDWR), mmap(OUTPUT_BASE, bytes, RW, MAP_SHARED | MAP_FIXED, fd, 0) */
static void put_start(struct code *c, uint64_t path, uint64_t bytes, uint64_t first_case)
{
    put(c, 0x92800000 | 99 << 5 | 0); /* movn: -100 */
    put_mov(c, 1, path);
    put_mov(c, 2, O_RDWR);
    put_mov(c, 3, 0);
    put_mov(c, 8, 56);
    put(c, SVC);
    put(c, 0xaa0003e4); /* mov x4, x0 */
    put_mov(c, 0, OUTPUT_BASE);
    put_mov(c, 1, bytes);
    put_mov(c, 2, PROT_READ | PROT_WRITE);
    put_mov(c, 3, MAP_SHARED | MAP_FIXED);
    put_mov(c, 5, 0);
    put_mov(c, 8, 222);
    put(c, SVC);
    put_mov(c, 1, first_case);
    put(c, 0xd61f0020); /* br x1 */
}

static void put_exit(struct code *c)
{
    put_mov(c, 0, 0);
    put_mov(c, 8, 93);
    put(c, SVC);
}

/* ---- the file ---- */
enum { HEADER_BYTES = 4096 };

static bool write_all(int fd, const void *data, size_t n)
{
    for (const char *p = data; n;) {
        ssize_t k = write(fd, p, n);
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool write_program(const char *path, const char *out_path, const struct test_case *cases, unsigned n)
{
    size_t code_bytes = (size_t)n * CASE_CODE_BYTES + HEADER_BYTES, data_bytes = n * sizeof(struct registers) + 4096;
    size_t total = HEADER_BYTES + align_up(code_bytes, 4096) + data_bytes;
    uint8_t *file = calloc(1, total);
    if (!file)
        return false;
    size_t code_at = HEADER_BYTES, data_at = HEADER_BYTES + align_up(code_bytes, 4096);
    for (unsigned k = 0; k < n; k++) {
        put_case((uint32_t *)(void *)(file + code_at + (size_t)k * CASE_CODE_BYTES), &cases[k], k);
        memcpy(file + data_at + k * sizeof(struct registers), &cases[k].in, sizeof(struct registers));
    }
    uint64_t path_va = INPUT_BASE + n * sizeof(struct registers), tail_va = code_address(n);
    strcpy((char *)file + data_at + n * sizeof(struct registers), out_path);
    uint32_t *tail = (uint32_t *)(void *)(file + code_at + (size_t)n * CASE_CODE_BYTES);
    struct code c = {tail};
    put_exit(&c);
    uint64_t entry = tail_va + (uint64_t)((c.p - tail) * 4);
    put_start(&c, path_va, n * sizeof(struct record), CODE_BASE);

    Elf64_Ehdr *e = (Elf64_Ehdr *)(void *)file;
    memcpy(e->e_ident, (const uint8_t[]){0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, 7);
    *e = (Elf64_Ehdr){.e_type = ET_EXEC, .e_machine = EM_AARCH64, .e_version = EV_CURRENT, .e_entry = entry,
                      .e_phoff = sizeof *e, .e_ehsize = sizeof *e, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2,
                      .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}};
    Elf64_Phdr *ph = (Elf64_Phdr *)(e + 1);
    ph[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = code_at, .p_vaddr = CODE_BASE,
                         .p_filesz = code_bytes, .p_memsz = code_bytes, .p_align = 4096};
    ph[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = data_at, .p_vaddr = INPUT_BASE,
                         .p_filesz = data_bytes, .p_memsz = data_bytes, .p_align = 4096};
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);
    bool ok = fd >= 0 && write_all(fd, file, total);
    if (fd >= 0)
        close(fd);
    free(file);
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
    bool ok = fd >= 0 && write_all(fd, r, n * sizeof *r);
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

/* False if it could not be started at all. */
static bool run_program(const char *path)
{
    const char *qemu = getenv("QEMU_AARCH64");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execlp(qemu ? qemu : "qemu-aarch64", "qemu-aarch64", "-cpu", "max,pauth=off", path, (char *)NULL);
        _exit(127);
    }
    int status;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

int run_theirs(const struct test_case *cases, unsigned n, struct record *out)
{
    char dir[] = "/tmp/pome-oracle-XXXXXX", program[64], output[64];
    if (!mkdtemp(dir))
        return -1;
    snprintf(program, sizeof program, "%s/program", dir);
    snprintf(output, sizeof output, "%s/output", dir);
    bool ok = write_program(program, output, cases, n) && write_output(output, cases, n) && run_program(program) &&
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
