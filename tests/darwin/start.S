/*
 * start.S - entry of the Darwin test guest, of its secondary CPUs, and its vectors. The code is linked at virtual addresses and runs at physical ones: it
 * reaches everything relative to the pc.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    msr oslar_el1, xzr              /* XNU's first instruction: must not trap */
    msr daifset, #15
    adr x9, vectors
    msr vbar_el1, x9
    adrp x9, stacks
    add x9, x9, :lo12:stacks
    add sp, x9, #0x4000
    adr x1, _start
    ldr x2, =_start                 /* where it was linked */
    bl guest_main
1:  wfi
    b 1b

    .balign 0x1000                  /* as XNU's reset vector: a page of its own */
    .globl secondary_start
secondary_start:                    /* x0: what PSCI CPU_ON was given */
    adr x9, vectors
    msr vbar_el1, x9
    mrs x10, mpidr_el1
    and x10, x10, #0xff
    add x10, x10, #2
    lsl x10, x10, #14
    adrp x9, stacks
    add x9, x9, :lo12:stacks
    add sp, x9, x10
    bl guest_secondary
1:  wfi
    b 1b

/* Saves what C may change, calls trap(number of the vector). */
    .macro vector n
    .balign 0x80
    stp x0, x1, [sp, #-192]!
    mov x0, #\n
    b common
    .endm
    .balign 0x800
vectors:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vector \n
    .endr
common:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x30, [sp, #144]
    bl trap
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x30, [sp, #144]
    ldp x0, x1, [sp], #192
    eret

    .bss
    .balign 0x4000
stacks:
    .skip 0x4000 * 10
    .section .note.GNU-stack, "", %progbits
