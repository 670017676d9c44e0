/*
 * virt.c - the generic platform. Addresses are those of QEMU's "virt" machine, because firmware and boot loaders made for
 * it (EDK2 ArmVirtQemu, U-Boot qemu_arm64) have some of them built in. Two flashes of 64 MiB are at the start: firmware,
 * which the guest cannot change, and its variables. 0x09020000 is kept for fw_cfg.
 */
#include "machine/board.h"

static const struct part parts[] = {
    /* name     gpa         bytes      SPI  made by        described by */
    { "intc",    0x08000000, 0x00010000, -1, make_gic,     describe_gic },
    { "flash",   0x04000000, 0x04000000, -1, make_flash,   describe_flash },
    { "pl011",   0x09000000, 0x00001000, 1,  make_pl011,   describe_pl011 },
    { "pl031",   0x09010000, 0x00001000, 2,  make_pl031,   describe_pl031 },
    { "pl061",   0x09030000, 0x00001000, 7,  make_pl061,   describe_pl061 },
    { "pvpanic", 0x09070000, 0x00000002, -1, make_pvpanic, describe_pvpanic },
    { "pcie",    0x3f000000, 0x01000000, 3,  make_pcie,    describe_pcie }, /* SPIs 3 to 6 */
};

const struct platform platform_generic = {
    .model = "Pome generic",
    .compatible = "pome,generic\0linux,dummy-virt\0",
    .ram_gpa = 0x40000000,
    .rom_gpa = 0,
    .rom_bytes = 0x04000000,
    .pci_mmio_gpa = 0x10000000,
    .pci_mmio_bytes = 0x2eff0000,
    .pci_pio_gpa = 0x3eff0000,
    .pci_pio_bytes = 0x00010000,
    .n_spis = 256,
    .first_msi_spi = 64,
    .parts = parts,
    .n_parts = ARRAY_SIZE(parts),
};
