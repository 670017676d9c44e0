/*
 * boot_info.c - the configuration region that a boot ROM of the Apple-style platform reads.
 *
 * To our own ROM it says what firmware/cfg.h has. To one that the user gives it says what is known of Apple's (QEMU's hw/vmapple/cfg.c), and is
 * memory that can be written. Two readings of that source differ in how much room cpu_ids takes (128 bytes or 128 numbers), and so in where all behind
 * lies; as the first reading's fields fall into the scratch area of the other, they are in both places.
 */
#include "machine/boot_info.h"

#include "base/error.h"
#include "firmware/cfg.h"
#include "firmware/platform.h"
#include "machine/board.h"

#include <stdio.h>
#include <sys/random.h>

enum {
    APPLE_BOARD_ID = 0x20,
    RUN_INSTALLER_1 = 0x028, RUN_INSTALLER_2 = 0x034, RANDOM = 0x038, MAC_EN0 = 0x040, CPU_IDS = 0x100,
    /* from the end of cpu_ids on: */
    SCRATCH_BYTES = 0x200, SERIAL = 0, REGION = 0x20, MODEL = 0x40, ONE = 0x80, SOC_NAME = 0x84,
};

static void put_names(uint8_t *at, uint64_t ecid)
{
    snprintf((char *)at + SERIAL, 32, "POME%08X", (unsigned)ecid);
    memcpy(at + REGION, "D/A", 4);
    memcpy(at + MODEL, "VM0001", 7);
    le32_put(at + ONE, 1);
    memcpy(at + SOC_NAME, "Apple M2 (Virtual)", 19);
}

static void fill_foreign(const struct machine *m, uint8_t *cfg)
{
    static const uint16_t ones[] = {0x008, 0x00c, 0x02c, 0x030};
    uint32_t random = 0, dfu = m->config.boot_flags & FW_START_DFU ? 1 : 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = 4; /* the ROM mixes it with more */
    for (size_t i = 0; i < ARRAY_SIZE(ones); i++)
        le32_put(cfg + ones[i], 1);
    le32_put(cfg + FW_CFG_BOARD, APPLE_BOARD_ID);
    le64_put(cfg + FW_CFG_ECID, m->config.ecid);
    le32_put(cfg + RUN_INSTALLER_1, dfu);
    le32_put(cfg + RUN_INSTALLER_2, dfu);
    le32_put(cfg + RANDOM, random);
    memcpy(cfg + MAC_EN0, m->first_mac, sizeof m->first_mac);
    for (unsigned i = 0; i < m->config.n_cpus; i++)
        le32_put(cfg + CPU_IDS + 4 * i, cpu_affinity(m->platform->topology, i));
    put_names(cfg + CPU_IDS + 0x80 + SCRATCH_BYTES, m->config.ecid);
    put_names(cfg + CPU_IDS + 4 * 0x80 + SCRATCH_BYTES, m->config.ecid);
}

static void fill_own(const struct machine *m, uint8_t *cfg)
{
    const struct platform *p = m->platform;
    if (m->config.boot_info_bytes)
        memcpy(cfg, m->config.boot_info, m->config.boot_info_bytes);
    le32_put(cfg + FW_CFG_BOARD, FW_BOARD_ID);
    if (m->config.ecid)
        le64_put(cfg + FW_CFG_ECID, m->config.ecid);
    if (m->config.boot_flags)
        le32_put(cfg + FW_CFG_START, m->config.boot_flags);
    le64_put(cfg + FW_CFG_FDT, p->ram_gpa);
    le64_put(cfg + FW_CFG_FDT_SIZE, m->fdt_bytes);
    le64_put(cfg + FW_CFG_RAM_BASE, p->ram_gpa);
    le64_put(cfg + FW_CFG_TREE, p->ram_gpa + DARWIN_TREE_AT);
    le64_put(cfg + FW_CFG_TREE_SIZE, m->darwin_tree_bytes);
    le64_put(cfg + FW_CFG_REPORT, FW_BOOT_REPORT);
}

static bool add(struct machine *m, const uint8_t *cfg, size_t n, struct pome_error *err)
{
    const struct platform *p = m->platform;
    if (!m->config.foreign_rom)
        return mem_add_rom(m->mem, p->cfg_gpa, p->cfg_bytes, cfg, n, err);
    if (!mem_find(m->mem, p->cfg_gpa) && !mem_add_ram(m->mem, p->cfg_gpa, p->cfg_bytes, err))
        return false;
    return mem_write(m->mem, p->cfg_gpa, cfg, n);
}

bool boot_info_place(struct machine *m, struct pome_error *err)
{
    uint8_t cfg[4096] = { 0 };
    const struct platform *p = m->platform;
    if (!p->cfg_bytes || (mem_find(m->mem, p->cfg_gpa) && !m->config.foreign_rom))
        return true;
    if (m->config.boot_info_bytes > sizeof cfg)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "boot configuration: %zu bytes, at most %zu",
                         m->config.boot_info_bytes, sizeof cfg);
    if (m->config.foreign_rom)
        fill_foreign(m, cfg);
    else
        fill_own(m, cfg);
    le32_put(cfg + FW_CFG_VERSION, 2);
    le32_put(cfg + FW_CFG_CPUS, m->config.n_cpus);
    le64_put(cfg + FW_CFG_RAM_SIZE, m->config.ram_bytes);
    return add(m, cfg, sizeof cfg, err) || pome_fail_context(err, "boot configuration");
}

/* Start options are for one start: a guest that reboots from Recovery comes up normally. */
void boot_info_forget_options(struct machine *m)
{
    uint32_t flags = m->config.boot_flags &= FW_START_VERBOSE;
    if (m->config.rom_bytes && m->platform->cfg_bytes && !m->config.foreign_rom)
        mem_rom_write(m->mem, m->platform->cfg_gpa + FW_CFG_START, &flags, sizeof flags);
}
