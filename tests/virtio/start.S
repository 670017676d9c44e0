/* start.S - an arm64 "Image" (Linux Documentation/arm64/booting.rst, 4) that is no Linux: the guest with hostile drivers (guest.c). */
    .section .text.start, "ax"
    .global _start
_start:
    b       begin
    .word   0
    .quad   0                   /* text_offset */
    .quad   image_bytes
    .quad   0xa                 /* little-endian, 4 KiB pages, anywhere in memory */
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   0
begin:
    adrp    x9, stack_top
    add     sp, x9, :lo12:stack_top
    bl      guest_main
1:  wfi
    b       1b
