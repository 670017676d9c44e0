/*
 * start.S - the ways into the platform's test guest (guest.h): reset at the boot ROM, PSCI CPU_ON, SYSTEM_SUSPEND's return, exceptions, EL0 and back,
 * and a hypercall that watches every register.
 */
    .arch armv8.5-a
    .equ    ROM, 0x00100000
    .equ    STACK, 0x4000           /* bytes a CPU */

    .section .text.start, "ax"
    .global _start
_start:                             /* at ROM; x0: device tree */
    mov     x9, #ROM
    ldr     x10, =image_start
    ldr     x11, =image_end
1:  ldp     x12, x13, [x9], #16
    stp     x12, x13, [x10], #16
    cmp     x10, x11
    b.lo    1b
    ldr     x11, =bss_end
2:  stp     xzr, xzr, [x10], #16
    cmp     x10, x11
    b.lo    2b
    dsb     sy
    ic      iallu
    dsb     sy
    isb
    ldr     x9, =3f
    br      x9
3:  mov     x19, x0
    mov     x0, #0
    bl      set_up
    mov     x0, x19
    bl      guest_main
    b       .

    .global secondary_start
secondary_start:                    /* x0: context */
    mov     x19, x0
    mrs     x0, mpidr_el1
    and     x0, x0, #0xff
    bl      set_up
    mov     x0, x19
    bl      guest_secondary
1:  wfi
    b       1b

    .global resume_start
resume_start:                       /* x0: context */
    mov     x19, x0
    mov     x0, #0
    bl      set_up
    ldr     x9, =resume_sp
    ldr     x9, [x9]
    mov     sp, x9
    mov     x0, x19
    b       left_el0

set_up:                             /* stack of CPU x0, vectors, FP */
    ldr     x9, =stacks
    add     x10, x0, #1
    mov     x11, #STACK
    madd    x9, x10, x11, x9
    mov     sp, x9
    ldr     x9, =vectors
    msr     vbar_el1, x9
    mov     x9, #(3 << 20)
    msr     cpacr_el1, x9
    isb
    ret

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
    stp     x18, x29, [sp, #144]
    str     x30, [sp, #160]
    mov     x1, sp
    bl      trap_handler
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x29, [sp, #144]
    ldr     x30, [sp, #160]
    ldp     x0, x1, [sp]
    add     sp, sp, #256
    eret

    .macro save_callers
    stp     x29, x30, [sp, #-96]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    .endm

/* run_el0(pc, spsr, arg): at EL0 until its first exception, whose handler sends us to left_el0; the result is EL0's x0 then. */
    .global run_el0
run_el0:
    save_callers
    msr     elr_el1, x0
    msr     spsr_el1, x1
    mov     x0, x2
    isb
    eret
    .global left_el0
left_el0:
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #96
    ret

/* suspend_system(context): x0 after the system was suspended and came back by resume_start, or the call's answer. */
    .global suspend_system
suspend_system:
    save_callers
    ldr     x9, =resume_sp
    mov     x10, sp
    str     x10, [x9]
    mov     x2, x0
    ldr     x0, =0xc400000e
    ldr     x1, =resume_start
    hvc     #0
    b       left_el0

/* watched_hvc(const uint64_t in[5], uint64_t out[32]): x0..x4 from in, x5..x29 from a pattern, flags N and C; out: registers after it, then NZCV. */
    .global watched_hvc
watched_hvc:
    save_callers
    sub     sp, sp, #16
    str     x1, [sp]
    mov     x30, x0
    .irp n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29
    mov     x\n, #(0x111 * (\n - 4))
    .endr
    mov     x0, #0xa0000000
    msr     nzcv, x0
    ldp     x1, x2, [x30, #8]
    ldp     x3, x4, [x30, #24]
    ldr     x0, [x30]
    hvc     #0
    ldr     x30, [sp]
    stp     x0, x1, [x30]
    stp     x2, x3, [x30, #16]
    stp     x4, x5, [x30, #32]
    stp     x6, x7, [x30, #48]
    stp     x8, x9, [x30, #64]
    stp     x10, x11, [x30, #80]
    stp     x12, x13, [x30, #96]
    stp     x14, x15, [x30, #112]
    stp     x16, x17, [x30, #128]
    stp     x18, x19, [x30, #144]
    stp     x20, x21, [x30, #160]
    stp     x22, x23, [x30, #176]
    stp     x24, x25, [x30, #192]
    stp     x26, x27, [x30, #208]
    stp     x28, x29, [x30, #224]
    mrs     x0, nzcv
    str     x0, [x30, #248]
    add     sp, sp, #16
    b       left_el0
    .ltorg

    .section .bss
    .balign 16
resume_sp:
    .skip   16
stacks:
    .skip   STACK * 33
