/* fake_kernel_test.S - stands in for Linux in the firmware's tests: an arm64 Image that reports what it was given, then powers
 * off. x0 is the FDT. Position independent; UART gives the PL011's address. */
    .globl _start
_start:
    b 1f
    .long 0
    .quad 0                         /* text_offset */
    .quad end - _start + 0x10000    /* image_size */
    .quad 0xa                       /* flags: little-endian, 4 KiB pages, anywhere */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0
1:  mov x19, x0
    ldr x20, =UART
    adr x0, hello
    bl text
    mrs x1, sctlr_el1
    tst x1, #1
    b.ne 9f
    ldr w1, [x19]
    ldr w2, =0xedfe0dd0
    cmp w1, w2
    b.ne 9f
    ldr w1, [x19, #4]               /* the whole FDT as hexadecimal digits: the test parses it */
    rev w21, w1
    add x21, x21, x19
2:  ldrb w1, [x19], #1
    lsr w2, w1, #4
    bl digit
    and w2, w1, #15
    bl digit
    cmp x19, x21
    b.lo 2b
    adr x0, bye
    bl text
9:  ldr x0, =0x84000008
    hvc #0
3:  wfi
    b 3b
digit:
    cmp w2, #10
    add w3, w2, #'0'
    add w4, w2, #'a' - 10
    csel w2, w3, w4, lo
    str w2, [x20]
    ret
text:
    ldrb w2, [x0], #1
    cbz w2, 4f
    str w2, [x20]
    b text
4:  ret
hello: .asciz "FAKE-KERNEL fdt="
bye: .asciz "\nFAKE-KERNEL end\n"
    .balign 8
    .ltorg
end:
    .section .note.GNU-stack, "", %progbits
