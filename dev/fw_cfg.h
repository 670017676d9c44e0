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

#endif
