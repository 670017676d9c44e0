/*
 * efi.c - an EFI program given on the host's side: a unified kernel, one that unpacks itself (zboot), a boot loader. It needs firmware, which finds it
 * in fw_cfg, with a command line and an initial ramdisk if there are any, and starts it before it looks at disks.
 *
 * Source: EDK2, OvmfPkg/QemuKernelLoaderFsDxe and ArmVirtPkg's PlatformBootManagerLib; what QEMU hands over for -kernel. The firmware gives the
 * ramdisk both ways that Linux's EFI stub knows: as the file that "initrd=initrd" at the end of the command line names, and by its own protocol.
 */
#include "machine/board.h"

#include "backend/file_source.h"
#include "base/error.h"
#include "dev/fw_cfg.h"
#include "formats/image4_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (UINT64_C(2) << 30) /* fw_cfg has 32 bits for it, and firmware must find as much memory in one piece */

/* Where the file ends by its section table; 0: no PE file, or the table lies elsewhere (PE format 3.2, 3.4, 4). */
static uint64_t length_in_headers(const uint8_t *p, uint64_t n)
{
    if (n < 64 || p[0] != 'M' || p[1] != 'Z')
        return 0;
    uint64_t pe = le32_get(p + 60), end = 0;
    if (pe > n || n - pe < 24 || memcmp(p + pe, "PE\0\0", 4))
        return 0;
    unsigned sections = le16_get(p + pe + 6);
    uint64_t table = pe + 24 + le16_get(p + pe + 20);
    for (unsigned i = 0; i < sections && table < n && n - table >= 40; i++, table += 40)
        end = MAX(end, (uint64_t)le32_get(p + table + 16) + le32_get(p + table + 20));
    return end;
}

bool pe_is_whole(const char *path, const uint8_t *p, uint64_t n, struct pome_error *err)
{
    uint64_t needed = length_in_headers(p, n);
    return n >= needed || pome_fail(err, POME_ERROR_INVALID_DATA, "%s: cut short: %" PRIu64 " bytes, its headers tell of %" PRIu64, path, n, needed);
}

static bool read_file(const char *path, uint8_t **bytes, size_t *n, struct pome_error *err)
{
    struct source *s = source_file(path, err);
    bool ok = s && (image4_read_content(s, FILE_MAX, bytes, n, err) || pome_fail_context(err, "%s", path));
    source_close(s);
    return ok;
}

bool load_efi(struct machine *m, const struct machine_kernel *what, struct pome_error *err)
{
    const char *line = what->cmdline ? what->cmdline : "";
    uint8_t *kernel = NULL, *initrd = NULL;
    size_t kernel_bytes = 0, initrd_bytes = 0;
    if (!m->fw_cfg)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: an EFI program needs UEFI firmware, which this machine does not have", what->kernel_path);
    if (!read_file(what->kernel_path, &kernel, &kernel_bytes, err) || !pe_is_whole(what->kernel_path, kernel, kernel_bytes, err) ||
        (what->initrd_path && !read_file(what->initrd_path, &initrd, &initrd_bytes, err))) {
        free(kernel);
        return false;
    }
    bool ok = fw_cfg_set(m->fw_cfg, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, kernel, (uint32_t)kernel_bytes);
    ok = (!initrd || fw_cfg_set(m->fw_cfg, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, initrd, (uint32_t)initrd_bytes)) && ok;
    ok = fw_cfg_set(m->fw_cfg, FW_CFG_COMMAND_LINE_SIZE, FW_CFG_COMMAND_LINE_DATA, strdup(line), (uint32_t)strlen(line) + 1) && ok;
    return ok ? machine_enter_rom(m, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s", what->kernel_path);
}
