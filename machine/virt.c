/*
 * virt.c - the generic platform. Addresses are those of QEMU's "virt" machine, because firmware and boot loaders made for
 * it (EDK2 ArmVirtQemu, U-Boot qemu_arm64) have some of them built in. Two flashes of 64 MiB are at the start: firmware,
 * which the guest cannot change, and its variables.
 */
#include "machine/board.h"

static const struct part parts[] = {
    /* name     gpa         bytes      SPI  made by             described by      declared by */
    { "intc",    0x08000000, 0x00010000, -1, make_gic,           describe_gic,     NULL },
    { "msi",     0x08020000, 0x00001000, -1, make_message_frame, describe_nothing, NULL },
    { "flash",   0x04000000, 0x04000000, -1, make_flash,         describe_flash,   NULL },
    { "pl011",   0x09000000, 0x00001000, 1,  make_pl011,         describe_pl011,   declare_pl011 },
    { "pl031",   0x09010000, 0x00001000, 2,  make_pl031,         describe_pl031,   NULL }, /* by ACPI firmware's runtime services give the time */
    { "fw-cfg",  0x09020000, 0x00000018, -1, make_fw_cfg,        describe_fw_cfg,  declare_fw_cfg },
    { "pl061",   0x09030000, 0x00001000, 7,  make_pl061,         describe_pl061,   declare_pl061 },
    { "pvpanic", 0x09070000, 0x00000002, -1, make_pvpanic,       describe_pvpanic, NULL },
    { "vmgenid", 0x090c0000, 0x00001000, 8,  make_generation,    describe_generation, declare_generation },
    { "pcie",    0x3f000000, 0x01000000, 3,  make_pcie,          describe_pcie,    declare_pcie }, /* SPIs 3 to 6 */
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
