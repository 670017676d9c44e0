/*
 * rom.c - the boot ROM: finds stage 2 in the flash part, checks it, starts it.
 *
 * It reads one object only (the LLB), and leaves the disks as after power-on.
 */
#include "firmware/cfg.h"
#include "firmware/fw.h"
#include "firmware/img4.h"
#include "firmware/platform.h"
#include "firmware/virtio_blk.h"

#define STAGE2_HEADER 32

void fw_uart_start(void);
_Noreturn void fw_enter(uint64_t target, uint64_t x0);
void fw_main(void);

static void banner(const struct img4_machine *m)
{
    fw_print("\n=======================================\n"
             "::\n:: Pome boot ROM, version %s\n"
             "::   Board 0x%x, chip 0x%x, ECID %016lx\n"
             "::   %u CPUs, %lu MiB\n::\n"
             "=======================================\n",
             POME_VERSION, m->board, m->chip, m->ecid, fw_cfg32(FW_CFG_CPUS), fw_cfg64(FW_CFG_RAM_SIZE) >> 20);
}

static _Noreturn void fail(const char *object, fw_why why)
{
    fw_print("boot failed: stage 1, %s, %s\n"
             "Entering boot ROM recovery mode: restore needed\n",
             object, why);
    fw_give_up();
}

/* Stage 2's header (start.S): jump, "POMESTG2", link address, end of its memory. */
static fw_why place_stage2(const struct img4 *img)
{
    uint64_t base = FW_STAGE2_BASE;
    const uint8_t *p = img->payload;
    if (img->payload_bytes < STAGE2_HEADER || memcmp(p + 8, "POMESTG2", 8))
        return "is not a stage 2 of this project";
    if (fw_le64(p + 16) != base)
        return "was linked for another address";
    if (img->payload_bytes > FW_STAGE2_SIZE || fw_le64(p + 24) < base || fw_le64(p + 24) > base + FW_STAGE2_SIZE)
        return "is larger than its place";
    memcpy((void *)base, p, img->payload_bytes);
    return NULL;
}

void fw_main(void)
{
    struct img4_machine machine = {fw_cfg64(FW_CFG_ECID), fw_cfg32(FW_CFG_BOARD), FW_CHIP_ID};
    struct disk *flash;
    struct img4 img;
    uint32_t start = fw_cfg32(FW_CFG_START);
    uint8_t *at = (uint8_t *)(uintptr_t)FW_LOAD_BASE;

    fw_uart_start();
    banner(&machine);
    if (fw_cfg64(FW_CFG_RAM_SIZE) < FW_RAM_MIN)
        fail("memory", "the machine has less than 512 MiB");
    if (start & FW_START_STOP_STAGE1)
        fw_stop("stage 1");
    fw_why why = virtio_blk_find("aux", &flash);
    if (why)
        fail("flash", why);
    if ((why = flash->read(flash, FLASH_LLB / SECTOR, FLASH_LLB_SIZE / SECTOR, at)))
        fail("LLB", why);
    if ((why = img4_parse(at, FLASH_LLB_SIZE, &img)) || (why = img4_verify(&img, "illb", &machine)))
        fail("LLB", why);
    if ((why = place_stage2(&img)))
        fail("LLB", why);
    fw_print("pome stage1: LLB %lu bytes, digest ok\n", (uint64_t)img.payload_bytes);
    virtio_blk_release();
    fw_enter(FW_STAGE2_BASE, 0);
}
