/* start.S - entry, exception vectors and the way to EL0 and back for the EL1 test guest (guest.h). */
    .section .text.start, "ax"
    .global _start
_start:
    adr     x9, stacks
    add     sp, x9, #0x4000
    adr     x9, vectors
    msr     vbar_el1, x9
    mov     x9, #(3 << 20)          /* FP is used by nobody but may be */
    msr     cpacr_el1, x9
    isb
    bl      guest_main
1:  wfi
    b       1b

    .global secondary_start         /* x0: number */
secondary_start:
    adr     x9, stacks
    add     x10, x0, #1
    lsl     x10, x10, #14
    add     sp, x9, x10
    add     sp, sp, #0x4000
    adr     x9, vectors
    msr     vbar_el1, x9
    mov     x9, #(3 << 20)
    msr     cpacr_el1, x9
    isb
    bl      guest_secondary
1:  wfi
    b       1b

/* Frame: x0..x30, then a pad. trap_handler(offset of the vector, frame) returns: 0 resume, 1 leave EL0. */
    .macro vector offset
    .balign 128
    sub     sp, sp, #256
    stp     x0, x1, [sp]
    mov     x0, #\offset
    b       common
    .endm
    .balign 2048
vectors:
    .irp o, 0x000, 0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400, 0x480, 0x500, 0x580, 0x600, 0x680, 0x700, 0x780
    vector  \o
    .endr
common:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    str     x30, [sp, #240]
    mov     x1, sp
    bl      trap_handler
    cbnz    x0, leave_el0
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    ldp     x0, x1, [sp]
    add     sp, sp, #256
    eret

/* enter_el0(pc, sp, x0): runs at EL0 until the first exception from there. */
    .global enter_el0
enter_el0:
    stp     x29, x30, [sp, #-96]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    msr     elr_el1, x0
    msr     sp_el0, x1
    mov     x9, #0x3c0
    msr     spsr_el1, x9
    mov     x0, x2
    eret
leave_el0:
    add     sp, sp, #256
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #96
    ret

    .section .bss
    .balign 4096
stacks:
    .skip   0x4000 * 10
