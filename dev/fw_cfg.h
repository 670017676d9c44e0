/* fw_cfg.h - firmware configuration: named files that firmware reads, tables for the operating system before all. */
#ifndef DEV_FW_CFG_H
#define DEV_FW_CFG_H

#include "bus/device.h"

#define FW_CFG_MMIO_BYTES 0x18u
#define FW_CFG_MAX_FILES  16
#define FW_CFG_MAX_NAME   55

/* NULL: no memory. Its memory is found through the bus it is mapped on. */
struct device *fw_cfg_create(void);

/* Adds a file; the bytes are copied. Before the guest runs. false: no memory. */
bool fw_cfg_add(struct device *fw_cfg, const char *name, const void *bytes, size_t n);

/* Items with numbers instead of names: what firmware starts without looking at disks. Sizes are 32 bits, little-endian, data the bytes, a command line with its zero. */
enum fw_cfg_key {
    FW_CFG_KERNEL_SIZE = 0x08, FW_CFG_INITRD_SIZE = 0x0b, FW_CFG_KERNEL_DATA = 0x11, FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_COMMAND_LINE_SIZE = 0x14, FW_CFG_COMMAND_LINE_DATA = 0x15,
};

/* Sets a size and its data; takes bytes, which malloc gave or NULL. While no vCPU runs. false: no memory, bytes NULL too. */
bool fw_cfg_set(struct device *fw_cfg, enum fw_cfg_key size, enum fw_cfg_key data, void *bytes, uint32_t n);

#endif
