/*
 * rom.c - the boot ROM: finds stage 2 in the flash part, checks that it was signed for this machine, starts it.
 *
 * It reads one object only (the LLB), and leaves the disks as after power-on.
 */
#include "firmware/cfg.h"
#include "firmware/img4.h"
#include "firmware/platform.h"
#include "firmware/virtio_blk.h"

#define STAGE2_HEADER 32

void fw_uart_start(void);
_Noreturn void fw_enter(uint64_t target, uint64_t x0);
void fw_main(void);

static struct machine machine; /* this one */

static void banner(void)
{
    fw_print("\n=======================================\n"
             "::\n:: Pome boot ROM, version %s\n"
             "::   Board 0x%x, chip 0x%x, ECID %016lx\n"
             "::   %u CPUs, %lu MiB\n::\n"
             "=======================================\n",
             POME_VERSION, machine.board, machine.chip, machine.ecid, fw_cfg32(FW_CFG_CPUS), fw_cfg64(FW_CFG_RAM_SIZE) >> 20);
}

static void print_hex(const uint8_t *p, size_t n)
{
    while (n--)
        fw_print("%02x", (uint32_t)*p++);
}

/* One line in the form of a USB serial number in DFU mode, and the nonce that a ticket would have to name. */
static void print_identity(void)
{
    fw_print("SDOM:%02x CPID:%04x BDID:%02x ECID:%016lx SRTG:[pome-rom-%s]\nNONC:", machine.domain, machine.chip, machine.board,
             machine.ecid, POME_VERSION);
    print_hex(machine.boot_nonce, sizeof machine.boot_nonce);
    fw_print("\nauthority: ");
    print_hex(machine.anchor, sizeof machine.anchor);
    fw_print("\n");
}

static _Noreturn void fail(const char *object, fw_why why)
{
    fw_print("boot failed: stage 1, %s, %s\n"
             "Entering boot ROM recovery mode: restore needed (\"pome install\")\n",
             object, why);
    print_identity();
    fw_give_up();
}

/* Stage 2's header (start.S): jump, "POMESTG3", link address, end of its memory. The digit counts what both sides agree on: 2 read
 * tickets that were not signed. */
static fw_why place_stage2(struct der payload)
{
    uint64_t base = FW_STAGE2_BASE;
    const uint8_t *p = payload.p;
    if (payload.n < STAGE2_HEADER || memcmp(p + 8, "POMESTG", 7))
        return "is not a stage 2 of this project";
    if (p[15] != '3')
        return "is a stage 2 of another version of Pome: the restore image must be built anew";
    if (fw_le64(p + 16) != base)
        return "was linked for another address";
    if (payload.n > FW_STAGE2_SIZE || fw_le64(p + 24) < base || fw_le64(p + 24) > base + FW_STAGE2_SIZE)
        return "is larger than its place";
    memcpy((void *)base, p, payload.n);
    return NULL;
}

/* The options that end a start here. */
static void look_at_options(uint32_t start)
{
    if (start & FW_START_STOP_STAGE1) {
        fw_print("stopped in stage 1, as the start options asked\n");
        fw_wait();
    }
    if (start & FW_START_DFU) {
        fw_print("DFU: waiting for a restore, nothing is started\n");
        print_identity();
        fw_wait();
    }
}

void fw_main(void)
{
    struct disk *flash;
    struct im4p payload;
    struct ticket ticket;
    uint8_t *at = (uint8_t *)(uintptr_t)FW_LOAD_BASE;
    uint64_t begin = fw_now_us();

    machine = fw_this_machine();
    fw_uart_start();
    banner();
    if (fw_cfg64(FW_CFG_RAM_SIZE) < FW_RAM_MIN)
        fail("memory", "the machine has less than 512 MiB");
    look_at_options(fw_cfg32(FW_CFG_START));
    fw_why why = virtio_blk_find("aux", &flash);
    if (why)
        fail("flash", why);
    if ((why = flash->read(flash, FLASH_LLB / SECTOR, FLASH_LLB_SIZE / SECTOR, at)))
        fail("LLB", why);
    if ((why = img4_open((struct der){at, FLASH_LLB_SIZE}, "illb", &machine, &payload, &ticket)) || (why = place_stage2(payload.payload)))
        fail("LLB", why);
    fw_print("pome stage1: LLB %lu bytes, ticket and digest ok, %lu ms\n", (uint64_t)payload.payload.n, (fw_now_us() - begin) / 1000);
    virtio_blk_release();
    fw_enter(FW_STAGE2_BASE, 0);
}
