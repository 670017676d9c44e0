/*
 * start.S - entry of both stages: EL1, MMU and caches off, interrupts masked; sets stack and vectors, prepares data.
 *
 * The ROM (FW_ROM) runs where it lies and copies .data into RAM; stage 2 was copied to its link address with .data.
 * Only the first CPU comes here: the others stay off until the kernel starts them through PSCI.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    b 1f
#ifndef FW_ROM
    .balign 8
    .ascii "POMESTG3"               /* the ROM checks these three before it jumps */
    .quad _start
    .quad _end
#endif
    .balign 8
1:  msr daifset, #15
    adr x1, vectors
    msr vbar_el1, x1
    mov x1, #3 << 20                /* CPACR_EL1.FPEN: the digest code uses vector registers */
    msr cpacr_el1, x1
    isb
#ifdef FW_ROM
    ldr x1, =_data
    ldr x2, =_edata
    ldr x3, =_data_load
2:  cmp x1, x2
    b.hs 3f
    ldr x4, [x3], #8
    str x4, [x1], #8
    b 2b
3:
#endif
    ldr x1, =_bss
    ldr x2, =_end
4:  cmp x1, x2
    b.hs 5f
    str xzr, [x1], #8
    b 4b
5:  ldr x1, =_stack_top
    mov sp, x1
    mov x29, xzr
    mov x30, xzr
    bl fw_main
6:  wfi
    b 6b

    .macro vector n
    .balign 0x80
    mov x0, #\n
    mrs x1, esr_el1
    mrs x2, elr_el1
    mrs x3, far_el1
    ldr x4, =_stack_top
    mov sp, x4
    b fw_exception
    .endm

    .balign 0x800
vectors:
    vector 0
    vector 1
    vector 2
    vector 3
    vector 4
    vector 5
    vector 6
    vector 7
    vector 8
    vector 9
    vector 10
    vector 11
    vector 12
    vector 13
    vector 14
    vector 15
    .ltorg

/* fw_enter(target, x0): jumps to code that was just written, with x0 as given and x1-x3 zero. */
    .globl fw_enter
fw_enter:
    mov x9, x0
    mov x0, x1
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    dsb sy
    ic iallu
    dsb sy
    isb
    br x9
    .section .note.GNU-stack, "", %progbits
