/*
 * pome/config.h - what a machine is made of, before it exists.
 *
 * A pome_config is plain data: nothing is opened or started until pome_vm_new() copies what it needs. Not thread-safe:
 * one thread at a time.
 */
#ifndef POME_CONFIG_H
#define POME_CONFIG_H

#include <pome/finding.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_config pome_config;

/* An empty configuration: generic platform, 1 CPU, 512 MiB, no disks, no console, nothing to boot.
 * Owner: the caller, who ends it with pome_config_free(). NULL when memory is short.
 * Like:  VZVirtualMachineConfiguration.   Since: 0.1. */
POME_API pome_config *pome_config_new(void);
POME_API void pome_config_free(pome_config *config); /* NULL is fine */

/* Number of virtual CPUs.
 * count:  pome_config_min_cpu_count() .. pome_config_max_cpu_count(), checked by pome_config_validate().
 * Like:   VZVirtualMachineConfiguration.cpuCount.   Since: 0.1. */
POME_API void pome_config_set_cpu_count(pome_config *config, unsigned count);
POME_API unsigned pome_config_cpu_count(const pome_config *config);
POME_API unsigned pome_config_min_cpu_count(void); /* 1 */
POME_API unsigned pome_config_max_cpu_count(void); /* 32 */

/* Size of the guest's memory.
 * bytes:  pome_config_min_memory_size() .. pome_config_max_memory_size(), a multiple of 1 MiB; checked by
 *         pome_config_validate(). The host allocates it as the guest touches it.
 * Like:   VZVirtualMachineConfiguration.memorySize.   Since: 0.1. */
POME_API void pome_config_set_memory_size(pome_config *config, uint64_t bytes);
POME_API uint64_t pome_config_memory_size(const pome_config *config);
POME_API uint64_t pome_config_min_memory_size(void); /* 128 MiB */
POME_API uint64_t pome_config_max_memory_size(void); /* 254 GiB */

/* CPU model: "default" (the fastest honest one) or "apple" (what an M2 shows a guest: adds pointer authentication and
 * BTI). name: copied. Errors: NOT_SUPPORTED names the models.   Since: 0.1. */
POME_API bool pome_config_set_cpu_model(pome_config *config, const char *name, struct pome_error *err);

/* Boots a Linux kernel directly, without firmware.
 * kernel_path:  an arm64 Image, plain or gzip'ed, an ELF program, or an EFI program (a unified or compressed kernel), which the installed firmware
 *               (package qemu-efi-aarch64) starts with the ramdisk and the command line. initrd_path: NULL for none. command_line: NULL for an empty one.
 *               All copied; the files are read by pome_vm_new().
 * Like:   VZLinuxBootLoader.   Since: 0.1. */
POME_API bool pome_config_set_linux_boot(pome_config *config, const char *kernel_path, const char *initrd_path,
                                         const char *command_line, struct pome_error *err);

/* Boots UEFI firmware built for QEMU's "virt" machine, as distributions ship it; it finds a boot loader on the disks.
 * firmware_path:  NULL: the one that is installed (package qemu-efi-aarch64).
 * variables_path: the file in which the firmware keeps its variables (boot entries before all), 64 MiB, sparse; made when it is not there, locked
 *                 while the machine exists. NULL: they are forgotten when the machine is freed.
 * Both copied; read by pome_vm_new(). Instead of pome_config_set_linux_boot(), the last call counts.
 * Like:   VZEFIBootLoader with VZEFIVariableStore.   Since: 0.2. */
POME_API bool pome_config_set_efi_boot(pome_config *config, const char *firmware_path, const char *variables_path, struct pome_error *err);

/* What a kernel file is, by its first bytes and not by its name; also inside an Image4 payload (IM4P), and compressed. */
enum pome_kernel_kind {
    POME_KERNEL_LINUX,  /* an arm64 Image, plain or gzip'ed: for pome_config_set_linux_boot() */
    POME_KERNEL_ELF,    /* an arm64 program, segments at physical addresses in memory: for pome_config_set_linux_boot(), entered as an Image is */
    POME_KERNEL_EFI,    /* an EFI program: for pome_config_set_linux_boot(), or on a disk for pome_config_set_efi_boot() */
    POME_KERNEL_DARWIN, /* Mach-O for arm64: for pome_config_set_darwin_boot() */
};

/* Looks at a kernel file. Any thread. Errors: INVALID_DATA (none of these), NOT_FOUND, PERMISSION, IO.   Since: 0.2. */
POME_API bool pome_kernel_kind(const char *path, enum pome_kernel_kind *kind, struct pome_error *err);

struct pome_darwin_boot_options {
    size_t size;                  /* of this struct: POME_DARWIN_BOOT_OPTIONS_INIT */
    const char *kernel_path;      /* a Mach-O executable or file set for arm64 */
    const char *command_line;     /* boot-args, at most 1023 bytes; NULL: empty */
    const char *device_tree_path; /* an Apple device tree; what a boot loader fills in is filled in. NULL: one made of this machine's parts */
    const char *ramdisk_path;     /* the root file system for "rd=md0"; NULL: none */
    const char *trust_cache_path; /* NULL: none */
    unsigned revision;            /* of boot_args: 1 to 3; 0: 2 */
};
#define POME_DARWIN_BOOT_OPTIONS_INIT {sizeof(struct pome_darwin_boot_options), NULL, NULL, NULL, NULL, NULL, 0}

/* Boots a Darwin kernel (XNU for virtual machines) directly, on the Apple-style platform and, unless pome_config_set_cpu_model() chose, with the CPU model
 * "apple". Each file may be as it is, compressed (LZFSE, LZSS), or the payload of an Image4 file. All is copied; the files are read when the machine
 * starts. The last call of the pome_config_set_*_boot() counts.
 * Errors: OUT_OF_MEMORY.   Like: VZMacOSBootLoader.   Since: 0.2. */
POME_API bool pome_config_set_darwin_boot(pome_config *config, const struct pome_darwin_boot_options *options, struct pome_error *err);

/* Starts a boot ROM of the user's, at most 1 MiB, on the Apple-style platform: it finds Apple's configuration region, a backdoor to the first disk (root)
 * and the second (flash), and disks with Apple's PCI identifiers; the CPU model is "apple" unless pome_config_set_cpu_model() chose. rom_path:
 * copied; read by pome_vm_new(). The last of the set_*_boot() calls counts.
 * Errors: OUT_OF_MEMORY.   Like: VZMacOSBootLoader._romURL.   Since: 0.2. */
POME_API bool pome_config_set_rom_boot(pome_config *config, const char *rom_path, struct pome_error *err);

/* Whether what the guest reads and writes also lies in the host's memory. The numbers are Apple's.
 * Like: VZDiskImageCachingMode.   Since: 0.2. */
enum pome_disk_caching_mode {
    POME_DISK_CACHING_AUTOMATIC = 0, /* cached */
    POME_DISK_CACHING_UNCACHED = 1,  /* around the host's cache (O_DIRECT), but for what is not aligned to 4096 bytes. A file system that cannot refuses the start: NOT_SUPPORTED */
    POME_DISK_CACHING_CACHED = 2,
};

/* What it means when the guest has its writes flushed. The numbers are Apple's.
 * Like: VZDiskImageSynchronizationMode.   Since: 0.2. */
enum pome_disk_synchronization_mode {
    POME_DISK_SYNCHRONIZATION_DEFAULT = 0, /* full */
    POME_DISK_SYNCHRONIZATION_FULL = 1,    /* they are on the medium, through the drive's own cache (fdatasync) */
    POME_DISK_SYNCHRONIZATION_FSYNC = 2,   /* the same: Linux's fsync leaves nothing in the drive's cache, as a Mac's does */
    POME_DISK_SYNCHRONIZATION_NONE = 3,    /* nothing: faster, and after a power failure of the host the disk may be damaged. For machines that are thrown away */
};

struct pome_disk_options {
    size_t size;      /* of this struct: POME_DISK_OPTIONS_INIT */
    const char *path; /* a raw image, a multiple of 512 bytes long */
    bool read_only;
    const char *identifier; /* 1 to 20 ASCII characters that the guest can read (Linux: /dev/disk/by-id/virtio-...); NULL: none. Since: 0.2. Like: VZVirtioBlockDeviceConfiguration.blockDeviceIdentifier */
    enum pome_disk_caching_mode caching_mode;                 /* Since: 0.2. Like: VZDiskImageStorageDeviceAttachment.cachingMode */
    enum pome_disk_synchronization_mode synchronization_mode; /* Since: 0.2. Like: VZDiskImageStorageDeviceAttachment.synchronizationMode */
};
#define POME_DISK_OPTIONS_INIT {sizeof(struct pome_disk_options), NULL, false, NULL, POME_DISK_CACHING_AUTOMATIC, POME_DISK_SYNCHRONIZATION_DEFAULT}

/* Adds a virtio block device; the guest sees them in the order of addition (vda, vdb, ...).
 * Errors: INVALID_CONFIGURATION when there are 16 already, OUT_OF_MEMORY.
 * Like:   VZVirtioBlockDeviceConfiguration with VZDiskImageStorageDeviceAttachment.   Since: 0.1. */
POME_API bool pome_config_add_disk(pome_config *config, const struct pome_disk_options *options, struct pome_error *err);

/* Connects the guest's first serial port. Bytes read from in_fd go to the guest, the guest's output is written to out_fd,
 * unchanged. in_fd -1: no input. The descriptors stay the caller's and must outlive the machine; the end of in_fd's data is
 * not an error. Without this call output is discarded.
 * Like:   VZFileHandleSerialPortAttachment.   Since: 0.1. */
POME_API void pome_config_set_console(pome_config *config, int in_fd, int out_fd);

/* Whether a reboot by the guest starts the machine again (default) or stops it with POME_STOP_GUEST_RESET.  Since: 0.1. */
POME_API void pome_config_set_stops_at_reset(pome_config *config, bool stops);

/* Where translated code is kept from one start to the next: "on" (the default): the user's cache folder, $XDG_CACHE_HOME/pome or
 * ~/.cache/pome; "off": nowhere; else the path of a file, which Pome makes, checks and replaces. NULL: as POME_CACHE in the environment says.
 * A file that is damaged, of another build or host, or not only this user's is not read. Copied.  Since: 0.1. */
POME_API bool pome_config_set_translation_cache(pome_config *config, const char *path, struct pome_error *err);

/* Checks everything that can be checked without starting, against all rules. each: called for every finding; NULL: err is enough.
 * Returns true when there is no error among the findings (warnings are none); else err describes the first one and counts the others.
 * Errors: INVALID_CONFIGURATION (field, what was found, what is needed), and NOT_FOUND, PERMISSION, INVALID_DISK_IMAGE when the first is about a file.
 * Like:   VZVirtualMachineConfiguration.validate(), which tells the first problem only.   Since: 0.1. */
POME_API bool pome_config_validate(const pome_config *config, pome_finding_fn *each, void *user, struct pome_error *err);

/* The rules, for documentation and user interfaces: number 0, 1, ... until it returns false. Texts are static. */
struct pome_config_rule {
    size_t size; /* of this struct, as the library knows it */
    const char *code;
    enum pome_severity severity;
    const char *expected, *advice, *source;
};
POME_API bool pome_config_rule(unsigned i, struct pome_config_rule *rule);

#ifdef __cplusplus
}
#endif
#endif
