/*
 * cfg.h - the configuration region that Pome fills and the firmware reads: offsets into it. Shared with machine/.
 *
 * Up to 0x5f the layout is the platform's known one; Pome's own fields lie in the range that is reserved there and from 0x800 on.
 */
#ifndef FIRMWARE_CFG_H
#define FIRMWARE_CFG_H

#define FW_CFG_VERSION  0x000 /* u32: 2 */
#define FW_CFG_CPUS     0x004 /* u32 */
#define FW_CFG_BOARD    0x010 /* u32 */
#define FW_CFG_ECID     0x018 /* u64 */
#define FW_CFG_RAM_SIZE 0x020 /* u64, bytes */
#define FW_CFG_START    0x060 /* u32: FW_START_* bits */
#define FW_CFG_FDT      0x068 /* u64: guest-physical address of the FDT that Pome wrote */
#define FW_CFG_FDT_SIZE 0x070 /* u64, bytes */
#define FW_CFG_RAM_BASE 0x078 /* u64 */
#define FW_CFG_REPORT   0x080 /* u64: address of the register (u32) that is told what is started; 0: there is none */
#define FW_CFG_TREE     0x088 /* u64: guest-physical address of the Apple device tree that Pome wrote */
#define FW_CFG_TREE_SIZE 0x090 /* u64, bytes */
/* Whom the machine trusts (docs/boot.md section 4): behind all known fields. */
#define FW_CFG_ANCHOR       0x800 /* 48 bytes: SHA-384 of the authority's root certificate; zero: none */
#define FW_CFG_BOOT_NONCE   0x830 /* 32 bytes: BNCH that tickets must have */
#define FW_CFG_POLICY_NONCE 0x850 /* 2 x 48 bytes: lpnh that the LocalPolicy may have; zero: none */

#define FW_START_RECOVERY    1 /* this start goes to the recovery environment */
#define FW_START_STOP_STAGE1 2 /* stop in the boot ROM */
#define FW_START_STOP_STAGE2 4 /* stop in the stage-2 firmware */
#define FW_START_VERBOSE     8
#define FW_START_DFU         16 /* the boot ROM prints who the machine is and waits; nothing is started */
#define FW_START_PICKER      32 /* stage 2 asks what to start */

#define FW_STARTS_SYSTEM   1 /* FW_CFG_REPORT; dev/boot_report.h */
#define FW_STARTS_RECOVERY 2

#endif
