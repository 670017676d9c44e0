/* guest_program.h - making and running a static AArch64 program under qemu-aarch64. */
#ifndef TESTS_A64_GUEST_PROGRAM_H
#define TESTS_A64_GUEST_PROGRAM_H

#include "tests/a64/case.h"

/* Where the next instruction goes. */
struct code {
    uint32_t *p;
};

enum { MSR_NZCV = 0xd51b4200, MSR_FPCR = 0xd51b4400, MSR_FPSR = 0xd51b4420, MSR_TPIDR = 0xd51bd040, MRS = 0x200000 };
enum { MOV_SP_X1 = 0x9100003f, MOV_X1_SP = 0x910003e1, CLREX = 0xd503305f, SVC = 0xd4000001 };

void put(struct code *c, uint32_t word);
void put_mov(struct code *c, unsigned rd, uint64_t v); /* x<rd> = a 32-bit value */
void put_x(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset);
void put_x_pair(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset);
void put_q_pair(struct code *c, bool load, unsigned rt, unsigned base, unsigned offset);
void put_branch(struct code *c, uint32_t *to);
void put_nops(struct code *c, const uint32_t *to);
/* Maps the file whose name is at path, writable and shared, at OUTPUT_BASE, and goes to first. */
void put_start(struct code *c, uint64_t path, uint64_t bytes, uint64_t first);
void put_exit(struct code *c);

/* A file with code at CODE_BASE and data at INPUT_BASE. */
bool program_write(const char *path, uint64_t entry, const uint32_t *code, size_t code_bytes, const void *data, size_t data_bytes);
/* False if it could not be started at all. */
bool program_run(const char *path);

#endif
