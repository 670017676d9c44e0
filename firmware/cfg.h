/*
 * cfg.h - the configuration region that Pome fills and the firmware reads: offsets into it. Shared with machine/.
 *
 * Up to 0x5f the layout is the platform's known one; Pome's own fields lie in the range that is reserved there.
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

#define FW_START_RECOVERY    1 /* this start goes to the recovery environment */
#define FW_START_STOP_STAGE1 2 /* stop in the boot ROM */
#define FW_START_STOP_STAGE2 4 /* stop in the stage-2 firmware */
#define FW_START_VERBOSE     8

#endif
