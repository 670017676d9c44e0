/* guest_program.c - the program that qemu-aarch64 runs: its instructions, its file, its run. */
#include "tests/a64/guest_program.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void put(struct code *c, uint32_t word)
{
    *c->p++ = word;
}

void put_mov(struct code *c, unsigned rd, uint64_t v)
{
    put(c, 0xd2800000 | (uint32_t)(v & 0xffff) << 5 | rd);
    put(c, 0xf2a00000 | (uint32_t)(v >> 16 & 0xffff) << 5 | rd);
}

void put_x(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset)
{
    put(c, (load ? 0xf9400000 : 0xf9000000) | offset / 8 << 10 | base << 5 | rt);
}

void put_x_pair(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset)
{
    put(c, (load ? 0xa9400000 : 0xa9000000) | offset / 8 << 15 | (rt + 1) << 10 | base << 5 | rt);
}

void put_q_pair(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset)
{
    put(c, (load ? 0xad400000 : 0xad000000) | offset / 16 << 15 | (rt + 1) << 10 | base << 5 | rt);
}

void put_branch(struct code *c, uint32_t *to)
{
    put(c, 0x14000000 | ((uint32_t)(to - c->p) & 0x3ffffff));
}

void put_nops(struct code *c, const uint32_t *to)
{
    assert(c->p <= to);
    while (c->p < to)
        put(c, 0xd503201f);
}

/* openat(AT_FDCWD, path, O_RDWR), mmap(OUTPUT_BASE, bytes, RW, MAP_SHARED | MAP_FIXED, fd, 0) */
void put_start(struct code *c, uint64_t path, uint64_t bytes, uint64_t first)
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
    put_mov(c, 1, first);
    put(c, 0xd61f0020); /* br x1 */
}

void put_exit(struct code *c)
{
    put_mov(c, 0, 0);
    put_mov(c, 8, 93);
    put(c, SVC);
}

/* ---- the file ---- */
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

bool program_write(const char *path, uint64_t entry, const uint32_t *code, size_t code_bytes, const void *data, size_t data_bytes)
{
    size_t code_at = 4096, data_at = code_at + align_up(code_bytes, 4096), total = data_at + data_bytes;
    uint8_t *file = calloc(1, total);
    if (!file)
        return false;
    memcpy(file + code_at, code, code_bytes);
    memcpy(file + data_at, data, data_bytes);
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

bool program_run(const char *path)
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

