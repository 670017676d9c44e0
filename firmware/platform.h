/*
 * platform.h - where things are on the Apple-style machine, for the boot ROM and the stage-2 firmware.
 *
 * Addresses are those of the platform's memory map (PCIe, UART, RAM). -DFW_TEST_VIRT gives the map of QEMU's `virt`
 * machine instead: only tests use it, to run the same code under an independent emulator.
 *
 * The firmware's own memory is one window of 32 MiB that ends 512 MiB above the start of RAM (the smallest machine
 * has 512 MiB). Below it lie, in this order: the FDT that Pome wrote (first 2 MiB), kernel, initial ramdisk.
 */
#ifndef FIRMWARE_PLATFORM_H
#define FIRMWARE_PLATFORM_H

#ifdef FW_LINKER_SCRIPT
#define FW_N(number) number
#else
#define FW_N(number) (number##ull)
#endif

#ifdef FW_TEST_VIRT
#define FW_ROM_BASE   FW_N(0x00000000)
#define FW_CFG_BASE   FW_N(0x49000000)
#define FW_UART_BASE  FW_N(0x09000000)
#define FW_ECAM_BASE  FW_N(0x3f000000)
#define FW_ECAM_SIZE  FW_N(0x01000000)
#define FW_MMIO_BASE  FW_N(0x10000000)
#define FW_MMIO_SIZE  FW_N(0x2eff0000)
#define FW_PVPANIC    0 /* not mapped there without an option */
#define FW_RAM_BASE   FW_N(0x40000000)
#else
#define FW_ROM_BASE   FW_N(0x00100000)
#define FW_CFG_BASE   FW_N(0x00400000)
#define FW_UART_BASE  FW_N(0x20010000)
#define FW_PVPANIC    FW_N(0x20070000)
#define FW_BOOT_REPORT FW_N(0x20080000) /* dev/boot_report.h; the configuration region says whether it is there */
#define FW_ECAM_BASE  FW_N(0x40000000)
#define FW_ECAM_SIZE  FW_N(0x10000000)
#define FW_MMIO_BASE  FW_N(0x50000000)
#define FW_MMIO_SIZE  FW_N(0x1fff0000)
#define FW_RAM_BASE   FW_N(0x70000000)
#endif

#define FW_ROM_SIZE      FW_N(0x00100000)
#define FW_RAM_MIN       FW_N(0x20000000) /* 512 MiB */
#define FW_WINDOW        (FW_RAM_BASE + FW_N(0x1e000000))
#define FW_WINDOW_SIZE   FW_N(0x02000000)
#define FW_ROM_DATA      FW_WINDOW /* data, bss and stack of the ROM: 1 MiB */
#define FW_ROM_DATA_SIZE FW_N(0x00100000)
#define FW_STAGE2_BASE   (FW_WINDOW + FW_N(0x00100000)) /* stage 2: code, data, bss and stack: 4 MiB */
#define FW_STAGE2_SIZE   FW_N(0x00400000)
#define FW_LOAD_BASE     (FW_WINDOW + FW_N(0x00800000)) /* the ROM reads the LLB here: at most 2 MiB */
#define FW_LOAD_SIZE     FW_N(0x00200000)
#define FW_FDT_BASE      (FW_WINDOW + FW_N(0x01000000)) /* stage 2 writes the kernel's FDT here: at most 2 MiB */
#define FW_FDT_SIZE      FW_N(0x00200000)
#define FW_TREE_BASE     (FW_WINDOW + FW_N(0x01200000)) /* Darwin: the set's device tree, at most 4 MiB */
#define FW_TRUST_BASE    (FW_WINDOW + FW_N(0x01600000)) /* its trust cache, at most 2 MiB */
#define FW_TREE_WORK     (FW_WINDOW + FW_N(0x01800000)) /* the tree, completed */
#define FW_TREE_WORK_SIZE FW_N(0x00800000)
#define FW_KERNEL_BASE   (FW_RAM_BASE + FW_N(0x00200000)) /* 2 MiB aligned; IMG4 bytes before the payload lie just below */

/* Identity of the board: what tickets are made for (Restore.plist of our images says the same). */
#define FW_BOARD_ID 0x70
#define FW_CHIP_ID  0xfe70
#define FW_SECURITY_DOMAIN 1

/* Layout of the flash part (AuxiliaryStorage without its wrapper). */
#define FLASH_SIZE        FW_N(0x02000000)
#define FLASH_LLB         FW_N(0x00020000)
#define FLASH_LLB_SIZE    FW_N(0x00200000)
#define FLASH_NVRAM_BANK0 FW_N(0x00a00000)
#define FLASH_NVRAM_BANK1 FW_N(0x00a80000)

#endif
