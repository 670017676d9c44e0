/*
 * machine.h - one machine without its vCPUs: memory, devices, wires, device tree.
 *
 * vm/ creates the loop and the vCPUs, connects them through struct cpu_board (what vCPUs ask of the board) and struct
 * cpu_irq_port (what the interrupt controller does to vCPUs), and runs one thread inside loop_run(config->loop).
 *
 * Threads: machine_create and machine_destroy with no vCPU and no loop running; machine_reset and machine_load_kernel with
 * every vCPU stopped; the rest from any thread.
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "backend/disk_modes.h"
#include "base/loop.h"
#include "base/records.h"
#include "bus/cpu_ports.h"
#include "mem/mem.h"

struct machine;
struct console;     /* backend/console.h */
struct device_type; /* bus/device.h */
struct machine_peripherals;

enum machine_platform {
    MACHINE_GENERIC, /* the map that EDK2's ArmVirtQemu and U-Boot's qemu_arm64 expect; RAM at 0x40000000 */
    MACHINE_APPLE,   /* the Apple-style map, boot ROM at 0x00100000, RAM at 0x70000000 */
};

enum machine_disk_role { /* Apple's "role" in the block device's configuration; others: none */
    MACHINE_DISK_PLAIN = 0,
    MACHINE_DISK_ROOT = 1,
    MACHINE_DISK_AUX = 2,
};

struct machine_disk {
    const char *path; /* raw image, a multiple of 512 bytes; locked while the machine exists */
    bool read_only;
    const char *serial; /* at most 20 bytes shown to the guest; NULL: none */
    enum machine_disk_role role;
    struct disk_modes modes;
    uint64_t first_byte, bytes; /* part of the file that is the disk; multiples of 512; bytes 0: all of it */
};

enum { MACHINE_GENERATION_BYTES = 16 };

struct machine_config {
    enum machine_platform platform;
    unsigned n_cpus;    /* as config/settings.h allows */
    uint64_t ram_bytes; /* likewise */
    const struct machine_disk *disks; /* become virtio-blk devices, in order; borrowed during machine_create */
    size_t n_disks;                   /* 0..16 */
    struct loop *loop;                /* borrowed; outlives the machine */
    struct console *console;          /* the PL011's other side; NULL: output is dropped. Borrowed */
    const struct machine_peripherals *peripherals; /* machine/peripherals.h; NULL: none. Borrowed during machine_create */
    const void *rom;                  /* MACHINE_APPLE: its boot ROM. MACHINE_GENERIC: firmware in flash at 0. Copied; NULL: none */
    size_t rom_bytes;                 /* at most 1 MiB, 64 MiB */
    bool foreign_rom;                 /* MACHINE_APPLE: the user's, not ours: it finds Apple's configuration region, backdoor and disks */
    const char *variables;            /* with such firmware: the file behind its second flash, where it keeps variables; NULL: not kept */
    const void *boot_info;            /* MACHINE_APPLE: first bytes of the configuration region (firmware/cfg.h), copied; */
    size_t boot_info_bytes;           /* at most 4096. The machine fills in the fields below, CPUs, memory and FDT */
    bool apple_disks;                 /* MACHINE_APPLE: disks show Apple's PCI identifiers, which Apple's drivers look for */
    uint64_t ecid;                    /* MACHINE_APPLE: what the boot ROM checks tickets against; 0: as in boot_info */
    uint32_t boot_flags;              /* MACHINE_APPLE: FW_START_* of firmware/cfg.h; 0: as in boot_info */
    uint8_t generation[MACHINE_GENERATION_BYTES]; /* the generation ID that the guest finds; zeros: it is drawn */
};

/* What the board tells vm/. Called on a vCPU's thread or the loop's, sometimes with the machine lock held: note what
 * happened and return; do not call back into the machine. Any member may be NULL. */
struct machine_events {
    void *ctx;
    void (*power_off)(void *ctx);                     /* PSCI SYSTEM_OFF */
    void (*reset)(void *ctx);                         /* PSCI SYSTEM_RESET */
    void (*panicked)(void *ctx, const char *what);    /* pvpanic: "panic", "crash loaded" */
    void (*starting)(void *ctx, bool recovery);       /* MACHINE_APPLE: the firmware starts a system, or Recovery, which may get more disks now */
    void (*note)(void *ctx, const char *category, const char *text); /* a line for the machine's log: "device", "cpu" */
    void (*fault)(void *ctx, const char *text);       /* the host failed the guest; was a note already */
};

/* Builds the machine in its reset state. config, irq and events are copied (what they point to is borrowed as said
 * above). NULL and *err: INVALID_CONFIGURATION, NOT_FOUND, BUSY (disk locked by another), OUT_OF_MEMORY, ... */
struct machine *machine_create(const struct machine_config *config, const struct cpu_irq_port *irq,
                               const struct machine_events *events, struct pome_error *err);
/* One more disk, in the last slot that is free: only from `starting`, before there is a kernel that could have looked at the bus. It stays until the machine is
 * destroyed. Errors as for disks of the configuration; INVALID_CONFIGURATION: no slot is free. */
bool machine_plug_disk(struct machine *m, const struct machine_disk *disk, struct pome_error *err);
/* The disk that was opened by that path (backend/disk.h), or NULL. */
struct disk;
struct disk *machine_disk_at(const struct machine *m, const char *path);

/* Waits for requests under way, then frees. NULL allowed. */
void machine_destroy(struct machine *m);

const struct cpu_board *machine_board(const struct machine *m);
enum cpu_topology machine_topology(const struct machine *m); /* for the vCPUs */
struct mem *machine_mem(const struct machine *m);

/* What a kernel file is, by its first bytes. */
enum machine_kernel_kind {
    MACHINE_KERNEL_LINUX,  /* an arm64 Image, plain or gzip'ed */
    MACHINE_KERNEL_ELF,
    MACHINE_KERNEL_EFI,    /* a PE file that is no Image: a boot loader, a unified kernel image, a compressed kernel */
    MACHINE_KERNEL_DARWIN, /* Mach-O, plain, compressed, or in an Image4 payload */
};
/* Errors: INVALID_DATA (none of these), and the file's. */
bool machine_kernel_kind(const char *path, enum machine_kernel_kind *kind, struct pome_error *err);

/* Puts a kernel, what belongs to it, and the device tree in memory, and sets the entry. Errors name the file and what did not fit.
 *   Linux   Documentation/arm64/booting.rst
 *   ELF     segments at their physical addresses, entered as Linux is
 *   EFI     handed to the machine's firmware (MACHINE_GENERIC with rom), which starts it
 *   Darwin  darwin/start.h; MACHINE_APPLE only */
struct machine_kernel {
    const char *kernel_path;
    const char *initrd_path;      /* the initial ramdisk; Darwin's RAM disk. NULL: none */
    const char *cmdline;          /* NULL: empty */
    /* Darwin. */
    const char *device_tree_path; /* an Apple device tree, which the boot loader completes; NULL: one of this machine */
    const char *trust_cache_path; /* NULL: none */
    unsigned revision;            /* of boot_args, 1 to 3; 0: 2 */
};
bool machine_load_kernel(struct machine *m, const struct machine_kernel *what, struct pome_error *err);

/* Where vCPU 0 starts: pc, and the device tree's address in x0. Set by machine_load_kernel; with a boot ROM or firmware: its
 * beginning and a device tree (without bootargs) at the start of RAM. false: nothing to start was loaded. */
struct machine_entry {
    uint64_t pc, x0;
};
bool machine_entry(const struct machine *m, struct machine_entry *entry);

/* Frequency of the counter that this platform's guests expect; 0: any. */
uint32_t machine_counter_hz(const struct machine *m);

/* The device tree as the guest gets it; borrowed until the next machine_load_kernel or machine_destroy. */
const void *machine_fdt(const struct machine *m, size_t *bytes);

/* Calls each with a line for every device: "pl011 at 0x9000000", "virtio-blk in PCI slot 1". */
void machine_describe(const struct machine *m, void (*each)(void *ctx, const char *text), void *ctx);

/* Puts every device in its reset state. Memory keeps its contents: load again before starting again (with a boot ROM:
 * nothing to do, the device tree is placed anew, and boot_flags but VERBOSE are forgotten). */
void machine_reset(struct machine *m);

/* Presses the power button for a moment: a guest that cares shuts down. */
void machine_power_button(struct machine *m);

/* True when the serial port holds no byte that the console has not taken yet (it gives it what it holds). For the end of a
 * run, after console_flush: `while (!(console_flush(...) && machine_output_done(m)));` */
bool machine_output_done(struct machine *m);

/* Gives the guest another generation ID (generation.c) and tells it; with no vCPU running. False: it had this one, or `id` is zeros: nothing happens. */
bool machine_set_generation(struct machine *m, const uint8_t id[MACHINE_GENERATION_BYTES]);

/* Saved state, saved.c. With the machine at rest (machine_quiesce) and nobody else in it. */
struct machine_state {
    const char *name;               /* where it is: "pl011@9000000", "virtio-blk.1" (PCI slot); for the call only */
    const struct device_type *type; /* of the state: state_save(type, of, ...), state_load */
    void *of;
};
/* Every state that there is, in the order to load them in; ends early, false, when each returns false. */
bool machine_each_state(struct machine *m, bool (*each)(void *ctx, const struct machine_state *s), void *ctx);
/* What must be the same where a saved state goes on, as texts with names ("CPUs": "2"): board, memory, devices, disks and that they were not
 * changed meanwhile. */
bool machine_facts(struct machine *m, struct records *out, struct pome_error *err);
/* What was written to the disks is on the medium afterwards. */
bool machine_sync_disks(struct machine *m, struct pome_error *err);
/* What the fact is called that tells the address of network device i. */
void machine_mac_fact(unsigned i, char name[48]);
/* What is on its way between the guest and others: console input that the guest has not got yet, frames of networks; and which
 * files of shares it knows. Errors: RESTORE, and of networks. */
void machine_save_traffic(struct machine *m, struct records *out);
bool machine_load_traffic(struct machine *m, const uint8_t *bytes, size_t n, struct pome_error *err);
/* The firmware's variable store, or NULL; *kept: a file holds it. Loading writes what differs; false: the file cannot be written. */
const uint8_t *machine_variables(const struct machine *m, uint64_t *bytes, bool *kept);
bool machine_load_variables(struct machine *m, const uint8_t *bytes);
/* All states are loaded. */
void machine_restored(struct machine *m);

/* Stops taking new requests from the guest and waits until none is in flight (at most timeout_ms; false: still busy).
 * Call with the vCPUs stopped and the loop running, not on the loop's thread. */
bool machine_quiesce(struct machine *m, unsigned timeout_ms);
void machine_unquiesce(struct machine *m);

#endif
