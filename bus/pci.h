/*
 * pci.h - one PCI Express root bus: configuration space (ECAM), memory windows, BARs, MSI-X, INTx.
 *
 * Functions sit on bus 0, function 0 of up to 32 slots. The guest assigns BARs inside the windows. A function's own device
 * (virtio_pci, ...) gives BAR handlers; configuration space, the MSI-X table and INTx are done here. Machine lock held in
 * every function unless it says otherwise.
 */
#ifndef BUS_PCI_H
#define BUS_PCI_H

#include "bus/bus.h"

#define PCI_SLOTS       32
#define PCI_MAX_WINDOWS 3
#define PCI_MAX_VECTORS 32
#define PCI_MSIX_BAR    1
#define PCI_CAP_VENDOR  9

/* Offsets in configuration space, PCI Local Bus 3.0, 6.1. */
enum {
    PCI_VENDOR = 0x00, PCI_DEVICE = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_REVISION = 0x08, PCI_CLASS = 0x09,
    PCI_BAR0 = 0x10, PCI_SUBVENDOR = 0x2c, PCI_SUBDEVICE = 0x2e, PCI_CAPS = 0x34, PCI_LINE = 0x3c, PCI_PIN = 0x3d,
};
#define PCI_COMMAND_MEMORY       BIT(1)
#define PCI_COMMAND_MASTER       BIT(2)
#define PCI_COMMAND_INTX_DISABLE BIT(10)

struct pci_function;

struct pci_bar {
    uint32_t bytes; /* power of two, at least 16; 0: no such BAR */
    uint64_t (*read)(struct pci_function *f, uint32_t offset, unsigned bytes);
    void (*write)(struct pci_function *f, uint32_t offset, unsigned bytes, uint64_t value);
};

struct pci_msix_entry {
    uint32_t address_low, address_high, data, control;
};

struct pci_state {
    uint8_t config[256];
    struct pci_msix_entry msix[PCI_MAX_VECTORS];
    uint32_t msix_pending; /* one bit per vector */
    uint32_t intx;         /* level asked for by the function */
};

struct pci_function {
    struct device device; /* for reset and saved state of struct pci_state */
    struct pci_state s;
    struct pci_bus *pci;
    unsigned slot, n_vectors;
    struct pci_bar bar[6];
    uint8_t initial[256], writable[256];
    uint8_t caps_end, msix_cap;
    /* Called around accesses to configuration space that touch [offset, offset+bytes); NULL: nothing special. */
    void (*config_reading)(struct pci_function *f, uint32_t offset, unsigned bytes);
    void (*config_written)(struct pci_function *f, uint32_t offset, unsigned bytes);
};

struct pci_bus {
    struct device ecam;
    struct pci_window {
        struct device device;
        struct pci_bus *pci;
        uint64_t gpa;
    } window[PCI_MAX_WINDOWS];
    size_t n_windows;
    struct bus *bus;
    struct pci_function *function[PCI_SLOTS];
    struct irq_line intx[4];
    uint32_t intx_slots[4]; /* which slots hold the line high */
    struct pci_range {
        uint64_t gpa, bytes;
        struct pci_function *f;
        unsigned bar;
    } range[PCI_SLOTS * 6]; /* what the BARs say now */
    size_t n_ranges;
};

/* Maps the ECAM (bytes: a MiB for each bus number that shall be visible). intx: the four lines A..D of slot 0. Before
 * anything runs. */
void pci_bus_init(struct pci_bus *pci, struct bus *bus, uint64_t ecam_gpa, uint64_t ecam_bytes,
                  const struct irq_line intx[4]);
/* A range of addresses in which BARs may lie; at most 4 GiB. */
void pci_bus_add_window(struct pci_bus *pci, uint64_t gpa, uint64_t bytes);

struct pci_id {
    uint16_t vendor, device, subvendor, subdevice;
    uint32_t class_code; /* 24 bits */
    uint8_t revision;
};
/* Prepares a function; then BARs and capabilities are added, then it is plugged. */
void pci_function_init(struct pci_function *f, const struct pci_id *id);
void pci_function_add_bar(struct pci_function *f, unsigned bar, const struct pci_bar *what);
/* Returns the capability's offset in configuration space; bytes counts the two of the header. */
uint8_t pci_function_add_cap(struct pci_function *f, uint8_t id, unsigned bytes);
/* MSI-X with its table in BAR 1. */
void pci_function_add_msix(struct pci_function *f, unsigned n_vectors);
void pci_function_plug(struct pci_bus *pci, struct pci_function *f, unsigned slot);

/* Interrupts from the function. */
bool pci_msix_enabled(const struct pci_function *f);
void pci_msix_send(struct pci_function *f, unsigned vector); /* out of range: nothing */
void pci_intx_set(struct pci_function *f, bool level);

static inline bool pci_can_dma(const struct pci_function *f)
{
    return le16_get(f->s.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

#endif
