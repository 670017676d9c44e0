#include "firmware/platform.h"
ENTRY(_start)
SECTIONS
{
    . = FW_ROM_BASE;
    .text : { *(.text.start) *(.text*) *(.rodata*) . = ALIGN(8); }
    _data_load = .;
    .data FW_ROM_DATA : AT(_data_load) { _data = .; *(.data*) . = ALIGN(8); _edata = .; }
    .bss : { _bss = .; *(.bss*) *(COMMON) . = ALIGN(16); _end = .; }
    _stack_top = FW_ROM_DATA + FW_ROM_DATA_SIZE;
    /DISCARD/ : { *(.note*) *(.comment) *(.eh_frame*) }
}
ASSERT(_end + 0x10000 <= FW_ROM_DATA + FW_ROM_DATA_SIZE, "ROM data leaves no room for the stack")
