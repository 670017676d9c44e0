/*
 * guest.S - a kernel that starts in no time, for tests of the command: an arm64 Image (Linux Documentation/arch/arm64/booting.rst) that polls its
 * serial port and its power button (docs/machine.md, generic platform).
 *
 * It says "ready" and echoes what is typed, but: 'q' powers off, 'r' reboots, 'f' prints lines until something is typed, 'i' makes it
 * ignore the power button from then on, 'p' prints what a panicking Linux prints, 'k' a line like the kernel's. The power button makes it say so and power off.
 */
    .text
_start:
    b       start
    .long   0
    .quad   0                       /* text offset */
    .quad   0x100000                /* image size */
    .quad   2                       /* flags: 4 KiB pages */
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

    .equ    UART_FR, 0x18
    .equ    UART_CR, 0x30
    .equ    GPIO_IEV, 0x40c
    .equ    GPIO_RIS, 0x414
    .equ    GPIO_IC, 0x41c
    .equ    POWER_PIN, 1 << 3

start:
    mov     x19, #0x09000000        /* PL011 */
    movz    x20, #0x0903, lsl #16   /* PL061 */
    mov     w21, #0                 /* ignore the power button */
    mov     w0, #0x301
    str     w0, [x19, #UART_CR]
    mov     w0, #POWER_PIN
    str     w0, [x20, #GPIO_IEV]
    adr     x1, ready
    bl      print
loop:
    ldr     w0, [x20, #GPIO_RIS]
    tst     w0, #POWER_PIN
    b.ne    power
    ldr     w0, [x19, #UART_FR]
    tbnz    w0, #4, loop            /* nothing was typed */
    ldr     w2, [x19]
    and     w2, w2, #0xff
    cmp     w2, #'q'
    b.eq    off
    cmp     w2, #'r'
    b.eq    reboot
    cmp     w2, #'f'
    b.eq    flood
    cmp     w2, #'i'
    b.eq    ignore
    cmp     w2, #'p'
    b.eq    panic
    cmp     w2, #'k'
    b.eq    kernel
    bl      put
    b       loop

power:
    mov     w0, #POWER_PIN
    str     w0, [x20, #GPIO_IC]
    adr     x1, button
    bl      print
    cbnz    w21, loop
off:
    ldr     w0, =0x84000008         /* PSCI SYSTEM_OFF */
    hvc     #0
reboot:
    ldr     w0, =0x84000009         /* PSCI SYSTEM_RESET */
    hvc     #0
ignore:
    mov     w21, #1
    adr     x1, ignoring
    bl      print
    b       loop
panic:
    adr     x1, last_words
    bl      print
    b       .
kernel:
    adr     x1, kernel_line
    bl      print
    b       loop
flood:
    adr     x1, line
    bl      print
    ldr     w0, [x19, #UART_FR]
    tbnz    w0, #4, flood
    b       loop

print:                              /* the text at x1 */
    mov     x10, x30
1:  ldrb    w2, [x1], #1
    cbz     w2, 2f
    bl      put
    b       1b
2:  ret     x10

put:                                /* the byte w2 */
    ldr     w3, [x19, #UART_FR]
    tbnz    w3, #5, put             /* full */
    str     w2, [x19]
    ret

ready:      .asciz "ready\n"
button:     .asciz "power button\n"
ignoring:   .asciz "ignoring\n"
line:       .asciz "the quick brown fox jumps over the lazy dog 0123456789\n"
last_words: .asciz "[    1.000000] Kernel panic - not syncing: test\n[    1.100000] ---[ end Kernel panic - not syncing: test ]---\n"
kernel_line: .asciz "[    0.500000] usb 1-1: a line of the kernel\n"
    .balign 8
    .ltorg
