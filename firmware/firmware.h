/* firmware.h - the boot ROM and the stage-2 firmware as bytes, for the host side. Built from this folder. */
#ifndef FIRMWARE_FIRMWARE_H
#define FIRMWARE_FIRMWARE_H

#include <stddef.h>

/* What the machine maps read-only at 0x00100000 and starts at (EL1, MMU off). */
extern const unsigned char pome_boot_rom[];
extern const size_t pome_boot_rom_bytes;

/* Payload of the LLB component of our restore images (an IM4P of type `illb`). */
extern const unsigned char pome_stage2[];
extern const size_t pome_stage2_bytes;

#endif
