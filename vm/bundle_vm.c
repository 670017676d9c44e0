/* bundle_vm.c - the machine of an installed bundle. docs/boot.md section 3. */
#include "vm/bundle_vm.h"

#include "base/bits.h"
#include "base/error.h"
#include "firmware/cfg.h"
#include "firmware/firmware.h"
#include "firmware/platform.h"
#include "formats/aux_storage.h"
#include "vm/bundle_devices.h"
#include "vm/bundle_disks.h"
#include "vm/keeping.h"
#include "vm/recovery_disks.h"
#include "vm/rom_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { APPLE_DISKS_MAX = 16 }; /* root, auxiliary storage, those of Recovery, those of Config.json */

static bool check(const struct bundle *b, const struct settings *s, struct pome_error *err)
{
    if (!bundle_startable(b, err))
        return false;
    struct findings l = {0};
    const uint64_t m = s->memory_bytes;
    settings_check_memory(m, NULL, &l);
    bool ok = findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, "this start", err);
    findings_free(&l);
    if (!ok)
        return false;
    if (s->platform == SETTINGS_APPLE && m < FW_RAM_MIN)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "memorySize: %" PRIu64 " MiB, the boot firmware needs at least %llu MiB",
                         m / MiB, (unsigned long long)(FW_RAM_MIN / MiB));
    return true;
}

/* The wrapper of AuxiliaryStorage says whom the machine trusts; the guest cannot change it. */
static bool read_trust(const struct bundle *b, uint8_t *boot_info, struct pome_error *err)
{
    static const uint8_t none[SHA384_BYTES];
    uint8_t bytes[AUX_WRAPPER_BYTES];
    struct aux_wrapper w;
    int fd = bundle_member_open(b, BUNDLE_AUX, O_RDONLY, err);
    if (fd < 0)
        return false;
    bool ok = pread(fd, bytes, sizeof bytes, 0) == sizeof bytes || pome_fail_errno(err, "%s/AuxiliaryStorage: cannot read", b->path);
    close(fd);
    if (!ok || !aux_wrapper_read(bytes, &w, err))
        return false;
    if (!memcmp(w.trust.anchor, none, sizeof none))
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE,
                         "%s: its boot tickets are not signed: it was installed by an older Pome; install it again with \"pome install --erase\"",
                         b->path);
    memcpy(boot_info + FW_CFG_ANCHOR, w.trust.anchor, sizeof w.trust.anchor);
    memcpy(boot_info + FW_CFG_BOOT_NONCE, w.trust.boot_nonce, sizeof w.trust.boot_nonce);
    memcpy(boot_info + FW_CFG_POLICY_NONCE, w.trust.policy_nonces, sizeof w.trust.policy_nonces);
    return true;
}

static uint32_t boot_flags(const struct bundle_start *s)
{
    return (s->recovery ? FW_START_RECOVERY : 0) | (s->verbose ? FW_START_VERBOSE : 0) | (s->dfu ? FW_START_DFU : 0) |
           (s->stop_in_stage1 ? FW_START_STOP_STAGE1 : 0) | (s->stop_in_stage2 ? FW_START_STOP_STAGE2 : 0) |
           (s->picker ? FW_START_PICKER : 0);
}

/* rom: of the user's; its bytes are NULL: ours. */
static struct vm *create_apple(const struct bundle *b, const struct bundle_start *start, const struct rom_file *rom, struct log *log,
                               struct pome_error *err)
{
    uint8_t boot_info[4096] = {0};
    const struct settings *s = start->settings;
    struct bundle_devices devices;
    if (!read_trust(b, boot_info, err) || !bundle_devices_init(&devices, b, s, log, err))
        return NULL;
    char disk_path[PATH_MAX], aux_path[PATH_MAX];
    if (!bundle_member_path(b, BUNDLE_DISK, disk_path) || !bundle_member_path(b, BUNDLE_AUX, aux_path)) {
        pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its path is too long", b->path);
        return NULL;
    }
    struct bundle_disks *own = malloc(sizeof *own);
    if (!own || !bundle_disks_init(own, b, s, APPLE_DISKS_MAX - 2 - RECOVERY_DISKS_MAX, err)) {
        if (!own)
            pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
        free(own);
        return NULL;
    }
    struct machine_disk disks[APPLE_DISKS_MAX] = {
        {.path = disk_path, .serial = "root", .role = MACHINE_DISK_ROOT, .modes = bundle_disk_modes(&s->main_disk)},
        {.path = aux_path, .serial = "aux", .role = MACHINE_DISK_AUX,
         .first_byte = AUX_FLASH_OFFSET, .bytes = AUX_FLASH_BYTES},
    };
    struct recovery_sources recovery;
    struct recovery_disks more = {.log_fd = -1};
    bool at_once = start->recovery || recovery_wanted(b); /* else when the firmware says that Recovery starts, whatever led there */
    recovery_sources_init(&recovery, b);
    if (at_once)
        recovery_disks_init(&more, recovery.image, recovery.log);
    memcpy(disks + 2, more.disks, sizeof more.disks);
    memcpy(disks + 2 + more.n, own->disks, own->n * sizeof *disks);
    struct vm_config c = {
        .platform = MACHINE_APPLE,
        .n_cpus = s->cpu_count,
        .ram_bytes = s->memory_bytes,
        .disks = disks,
        .n_disks = 2 + more.n + own->n,
        .peripherals = &devices.peripherals,
        .rom = rom->bytes ? rom->bytes : pome_boot_rom,
        .rom_bytes = rom->bytes ? rom->n : pome_boot_rom_bytes,
        .foreign_rom = rom->bytes,
        .apple_disks = rom->bytes,
        .ecid = b->ecid,
        .boot_flags = boot_flags(start),
        .boot_info = boot_info,
        .boot_info_bytes = sizeof boot_info,
        .recovery_image = at_once ? NULL : recovery.image,
        .recovery_log = at_once ? NULL : recovery.log,
        .console_in = start->console_in,
        .console_out = start->console_out,
        .stops_at_reset = start->stops_at_reset,
        .origin = devices.origin,
        .log = log,
    };
    memcpy(c.generation, devices.generation, sizeof c.generation);
    struct vm *vm = NULL;
    if (cpu_model_find(s->cpu_model, &c.cpu_model))
        vm = vm_create(&c, err);
    else
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "cpuModel: \"%s\" is not a CPU model", s->cpu_model);
    recovery_disks_finish(&more);
    free(own);
    return vm;
}

static struct vm *create(const struct bundle *b, const struct bundle_start *start, struct log *log, struct pome_error *err)
{
    struct rom_file rom = {0};
    if (start->settings->platform == SETTINGS_GENERIC)
        return vm_create_generic(b, start, log, err);
    if (start->rom && !rom_file_load(start->rom, &rom, err))
        return NULL;
    struct vm *vm = create_apple(b, start, &rom, log, err);
    rom_file_free(&rom); /* is in the machine's memory */
    return vm;
}

struct vm *vm_create_from_bundle(const struct bundle *b, const struct bundle_start *start, struct log *log,
                                 struct pome_error *err)
{
    const bool generic = start->settings->platform == SETTINGS_GENERIC;
    if (!check(b, start->settings, err))
        return NULL;
    if ((start->medium || start->netboot_file) && !generic) {
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: its platform installs from restore images; a medium and netboot are for machines made with --efi", b->path);
        return NULL;
    }
    if (start->rom && generic) {
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a boot ROM is for machines of the platform \"apple\"", b->path);
        return NULL;
    }
    struct vm *vm = create(b, start, log, err);
    if (vm && !vm_keep_for_snapshots(vm, b, err)) {
        vm_destroy(vm);
        return NULL;
    }
    return vm;
}
