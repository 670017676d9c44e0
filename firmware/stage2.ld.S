#include "firmware/platform.h"
ENTRY(_start)
SECTIONS
{
    . = FW_STAGE2_BASE;
    .text : { *(.text.start) *(.text*) *(.rodata*) . = ALIGN(8); }
    .data : { *(.data*) . = ALIGN(8); }
    .bss : { _bss = .; *(.bss*) *(COMMON) . = ALIGN(16); _end = .; }
    _stack_top = FW_STAGE2_BASE + FW_STAGE2_SIZE;
    /DISCARD/ : { *(.note*) *(.comment) *(.eh_frame*) }
}
ASSERT(_end + 0x10000 <= FW_STAGE2_BASE + FW_STAGE2_SIZE, "stage 2 leaves no room for the stack")
