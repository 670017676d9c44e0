/*
 * vmapple.c - the Apple-style platform: boot ROM, configuration region, and devices where the Virtualization framework's
 * machine has them.
 */
#include "machine/board.h"

#include "firmware/platform.h"

static const struct part parts[] = {
    /* name     gpa         bytes      SPI  made by        described by     by ACPI  to Darwin */
    { "intc",    0x10000000, 0x00010000, -1, make_gic,     describe_gic,     NULL, darwin_gic },
    { "pl011",   0x20010000, 0x00001000, 1,  make_pl011,   describe_pl011,   NULL, darwin_pl011 },
    { "pl031",   0x20050000, 0x00001000, 2,  make_pl031,   describe_pl031,   NULL, darwin_pl031 },
    { "pl061",   0x20060000, 0x00001000, 5,  make_pl061,   describe_pl061,   NULL, darwin_pl061 },
    { "pvpanic", 0x20070000, 0x00000002, -1, make_pvpanic, describe_pvpanic, NULL, darwin_pvpanic },
    { "vmgenid", 0x20090000, 0x00001000, 6,  make_generation, describe_generation, NULL, NULL },
    { "boot-report", FW_BOOT_REPORT, 0x00001000, -1, make_boot_report, describe_nothing, NULL, NULL }, /* the firmware's only */
    { "pcie",    0x40000000, 0x10000000, 32, make_pcie,    describe_pcie,    NULL, darwin_pcie }, /* SPIs 32 to 35 */
    { "backdoor", 0x30000000, 0x00200000, -1, make_backdoor, describe_nothing, NULL, NULL }, /* to disks that exist by now */
};

const struct platform platform_apple = {
    .model = "Pome Apple-style",
    .compatible = "pome,apple-style\0",
    .topology = CPU_FLAT,
    .ram_gpa = 0x70000000,
    .pci_mmio_gpa = 0x50000000,
    .pci_mmio_bytes = 0x1fff0000,
    .pci_pio_gpa = 0x6fff0000,
    .pci_pio_bytes = 0x00010000,
    .n_spis = 256,
    .first_msi_spi = 64,
    .rom_gpa = 0x00100000,
    .rom_bytes = 0x00100000,
    .cfg_gpa = 0x00400000,
    .cfg_bytes = 0x00010000,
    .counter_hz = 24000000,
    .parts = parts,
    .n_parts = ARRAY_SIZE(parts),
};
