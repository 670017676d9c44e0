/* fdt_edit.h - writes a copy of a flattened device tree with what the kernel must find under /chosen. */
#ifndef FIRMWARE_FDT_EDIT_H
#define FIRMWARE_FDT_EDIT_H

#include "firmware/fw.h"

struct fdt_chosen {
    const char *bootargs;
    uint64_t initrd_start, initrd_end; /* equal: no initial ramdisk */
    /* pome,security, pome,boot-set, pome,ecid, pome,policy-nonce and pome,boot-failure (docs/boot.md); NULL: left out */
    const char *security, *boot_set, *ecid, *policy_nonce, *failure;
};

/* fdt/n: the tree that Pome wrote. to/room: memory for the new tree. *bytes: its size. Replaces the properties
 * that it sets; makes /chosen if there is none. */
fw_why fdt_edit_chosen(const uint8_t *fdt, size_t n, const struct fdt_chosen *chosen, uint8_t *to, size_t room,
                       size_t *bytes);

/* Text of /chosen/bootargs in the given tree, or NULL; *n: its length without the final zero. */
const char *fdt_bootargs(const uint8_t *fdt, size_t fdt_bytes, size_t *n);

#endif
