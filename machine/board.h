/* board.h - inside machine/: a platform is a list of parts; a part knows how to be made and how to describe itself. */
#ifndef MACHINE_BOARD_H
#define MACHINE_BOARD_H

#include "backend/console.h"
#include "backend/disk.h"
#include "bus/pci.h"
#include "dev/gicv3.h"
#include "dev/virtio.h"
#include "machine/machine.h"
#include "machine/peripherals.h"

#define MAX_DEVICES 128
#define MAX_DISKS   16

/* FDT phandles. */
enum { PHANDLE_GIC = 1, PHANDLE_CLOCK, PHANDLE_GPIO };

struct aml; /* machine/aml.h */
struct adt; /* darwin/adt.h */

struct part {
    const char *name; /* of the node, without @address */
    uint64_t gpa, bytes;
    int spi; /* wired interrupt, -1: none */
    bool (*make)(struct machine *m, const struct part *p, struct pome_error *err);
    void (*describe)(const struct machine *m, const struct part *p, void *fdt);
    void (*declare)(const struct machine *m, const struct part *p, struct aml *dsdt); /* as an ACPI device; NULL: tables tell, or nothing */
    void (*darwin)(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io); /* as a node of an Apple device tree; NULL: not there */
};

struct platform {
    const char *model, *compatible; /* compatible: strings one after the other, an empty one at the end */
    enum cpu_topology topology;
    uint64_t ram_gpa;
    unsigned n_spis;
    unsigned first_msi_spi; /* SPIs from here to the last are for messages */
    uint64_t pci_mmio_gpa, pci_mmio_bytes, pci_pio_gpa, pci_pio_bytes; /* windows of the PCI Express bus */
    uint64_t rom_gpa, rom_bytes; /* of a boot ROM or firmware, when the configuration has one */
    uint64_t cfg_gpa, cfg_bytes; /* 0 bytes: no such region */
    uint32_t counter_hz;         /* that guests are built for; 0: any */
    const struct part *parts; /* the interrupt controller is the first */
    size_t n_parts;
};
extern const struct platform platform_generic, platform_apple;

/* The host's ends of the console device's ports. */
struct machine_ports {
    struct console *console[MACHINE_MAX_PORTS];
    struct port_source { /* of a port that is read by this program */
        void (*tap)(void *ctx, const uint8_t *bytes, size_t n);
        size_t (*unfinished)(void *ctx, uint8_t *bytes);
        void *ctx;
    } source[MACHINE_MAX_PORTS];
    int file[MACHINE_MAX_PORTS];
    size_t n, n_files;
};

struct machine {
    struct machine_config config;
    uint8_t first_mac[6]; /* of the first network, for the configuration region; zero: none */
    struct machine_events events;
    struct cpu_irq_port irq_port;
    const struct platform *platform;
    struct mem *mem;
    struct bus bus;
    struct cpu_board board;
    struct gicv3 *gic;
    struct device *gpio, *uart;
    struct flash_image *flash; /* the variable store; NULL: none */
    struct device *device[MAX_DEVICES]; /* all there are, in order of creation */
    size_t n_devices;
    struct pci_bus pci;
    struct disk_pool *disks;
    struct virtio *virtio[PCI_SLOTS]; /* by slot */
    struct disk *disk[PCI_SLOTS];     /* of those that are block devices */
    struct virtio *button;
    struct virtio *share[MACHINE_MAX_SHARES];
    size_t n_shares;
    struct virtio *balloon;        /* NULL: none */
    struct vsock_host *vsock_host; /* the socket device's; NULL: none */
    struct machine_ports ports;
    struct device *fw_cfg;         /* NULL: none */
    const struct part *generation; /* where the generation ID is */
    struct loop_timer button_timer; /* lets the power button go */
    char console_path[40]; /* node of the serial port */
    struct machine_entry entry;
    bool has_entry;
    void *fdt;
    size_t fdt_bytes;
    size_t darwin_tree_bytes; /* of the one for a boot ROM */
};

/* Kinds of parts, parts.c. */
bool make_gic(struct machine *m, const struct part *p, struct pome_error *err);
bool make_pl011(struct machine *m, const struct part *p, struct pome_error *err);
bool make_pl031(struct machine *m, const struct part *p, struct pome_error *err);
bool make_pl061(struct machine *m, const struct part *p, struct pome_error *err);
bool make_backdoor(struct machine *m, const struct part *p, struct pome_error *err);
bool make_pcie(struct machine *m, const struct part *p, struct pome_error *err);
bool make_fw_cfg(struct machine *m, const struct part *p, struct pome_error *err);
bool make_message_frame(struct machine *m, const struct part *p, struct pome_error *err);
bool make_flash(struct machine *m, const struct part *p, struct pome_error *err);
bool make_pvpanic(struct machine *m, const struct part *p, struct pome_error *err);
bool make_generation(struct machine *m, const struct part *p, struct pome_error *err);
bool make_boot_report(struct machine *m, const struct part *p, struct pome_error *err);
void describe_gic(const struct machine *m, const struct part *p, void *fdt);
void describe_pl011(const struct machine *m, const struct part *p, void *fdt);
void describe_pl031(const struct machine *m, const struct part *p, void *fdt);
void describe_pl061(const struct machine *m, const struct part *p, void *fdt);
void describe_pcie(const struct machine *m, const struct part *p, void *fdt);
void describe_fw_cfg(const struct machine *m, const struct part *p, void *fdt);
void describe_nothing(const struct machine *m, const struct part *p, void *fdt);
void describe_flash(const struct machine *m, const struct part *p, void *fdt);
void describe_pvpanic(const struct machine *m, const struct part *p, void *fdt);
void describe_generation(const struct machine *m, const struct part *p, void *fdt);

void declare_pl011(const struct machine *m, const struct part *p, struct aml *dsdt);
void declare_pl061(const struct machine *m, const struct part *p, struct aml *dsdt);
void declare_generation(const struct machine *m, const struct part *p, struct aml *dsdt);
void declare_fw_cfg(const struct machine *m, const struct part *p, struct aml *dsdt);
void declare_pcie(const struct machine *m, const struct part *p, struct aml *dsdt);

void darwin_gic(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io);
void darwin_pl011(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io);
void darwin_pl031(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io);
void darwin_pl061(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io);
void darwin_pvpanic(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io);
void darwin_pcie(const struct machine *m, const struct part *p, struct adt *t, size_t arm_io);

uint64_t machine_redistributors(const struct machine *m); /* address of the first */
uint64_t machine_message_frame(const struct machine *m);  /* of the generic platform */

unsigned machine_disk_slot(unsigned i);    /* of the PCI bus */
unsigned machine_network_slot(unsigned i);

/* Keeps a new device for reset and destruction (in reverse order), and puts it on the map unless it has no bytes there. */
bool machine_add(struct machine *m, struct device *dev, uint64_t gpa, uint64_t bytes, struct pome_error *err);

/* Gives a virtio device its place on the PCI bus. The machine owns it from here on, also when this fails; v NULL: out of memory. */
bool machine_plug(struct machine *m, unsigned slot, struct virtio *v, struct pome_error *err);
/* Makes the devices of config.peripherals; slot: the first that is free. peripherals.c */
bool machine_plug_peripherals(struct machine *m, unsigned slot, struct pome_error *err);
/* ports.c */
bool machine_plug_ports(struct machine *m, unsigned slot, const struct machine_port *ports, size_t n, struct pome_error *err);
void machine_close_ports(struct machine *m);
/* Input that the guest has not got stays with its sender, so that it is not in a process that may end. */
void machine_hold_consoles(struct machine *m, bool held);
/* Input that the guest has not got, output that is not taken apart yet. */
void machine_save_consoles(struct machine *m, struct records *out);
bool machine_load_consoles(struct machine *m, const uint8_t *bytes, size_t n, struct pome_error *err);

/* Waits until no request to a share is under way; false: still busy. */
bool machine_drain_shares(struct machine *m, unsigned timeout_ms);

/* What /chosen says. */
struct fdt_chosen {
    const char *cmdline;
    uint64_t initrd_gpa, initrd_bytes; /* 0 bytes: none */
};
/* Writes the tree of the machine; malloc'ed, *bytes its size. */
void *fdt_write(const struct machine *m, const struct fdt_chosen *chosen, size_t *bytes, struct pome_error *err);
/* Helpers for describe_*; a failure shows at the end, in fdt_finish. */
void fdt_node(void *fdt, const struct part *p); /* begins "name@gpa" with its reg */
void fdt_spi(void *fdt, unsigned spi);          /* interrupts = <0 spi 4> */
void fdt_cells(void *fdt, const char *name, const uint32_t *cells, size_t n);
#define FDT_CELLS(fdt, name, ...)                                                                            \
    fdt_cells(fdt, name, (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)
void fdt_strings(void *fdt, const char *name, const char *strings, size_t bytes);
#define FDT_STRINGS(fdt, name, literal) fdt_strings(fdt, name, literal, sizeof(literal))

/* Writes the machine as an Apple device tree into t (darwin_tree.c); a failure is t->failed. */
enum { DARWIN_TREE_ROOM = 128 << 10 };
void darwin_tree_write(const struct machine *m, struct adt *t);
/* For a boot ROM: writes it with a random seed at gpa. *bytes: its length. */
bool darwin_tree_place(struct machine *m, uint64_t gpa, size_t *bytes, struct pome_error *err);

/* What machine_load_kernel is made of. */
bool load_elf(struct machine *m, const struct machine_kernel *what, struct pome_error *err);
/* Initial ramdisk and FDT behind a kernel that ends at kernel_end, and the entry with the FDT in x0. */
bool place_companions(struct machine *m, const struct machine_kernel *what, uint64_t kernel_end, uint64_t entry, struct pome_error *err);
bool load_linux(struct machine *m, const struct machine_kernel *what, struct pome_error *err);
bool load_darwin(struct machine *m, const struct machine_kernel *what, struct pome_error *err);
/* A kernel with an EFI stub is a PE file too. One that was cut short would start and never say a word. Other bytes are whole. */
bool pe_is_whole(const char *path, const uint8_t *p, uint64_t n, struct pome_error *err);
/* Hands the program to the machine's firmware, which starts it. */
bool load_efi(struct machine *m, const struct machine_kernel *what, struct pome_error *err);

/* With a boot ROM or firmware the machine can start as it is: that at pc, the tree at the start of RAM. Without: nothing. */
bool machine_enter_rom(struct machine *m, struct pome_error *err);

/* Puts a tree at gpa and remembers it as the machine's. Takes fdt. */
bool machine_place_fdt(struct machine *m, void *fdt, size_t bytes, uint64_t gpa, struct pome_error *err);

#endif
