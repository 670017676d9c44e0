/*
 * pci.c - the root bus: configuration accesses and the map of BARs (PCI Local Bus 3.0; PCI Express Base 3.0, 7.2.2 ECAM).
 *
 * Configuration space is bytes with a mask of writable bits. After a write to the command register or a BAR the list of
 * BAR ranges is made anew; accesses to a window look through that list (some dozen entries at most). BARs outside the
 * windows are never reached, so a BAR on top of memory does nothing; of two overlapping BARs the lower slot answers.
 */
#include "bus/pci.h"

#define COMMAND_WRITABLE (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)
#define STATUS_CAPS      BIT(4)
#define STATUS_INTX      BIT(3)
#define FIRST_CAP        0x40

static void remap(struct pci_bus *pci)
{
    pci->n_ranges = 0;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        struct pci_function *f = pci->function[slot];
        if (!f || !(le16_get(f->s.config + PCI_COMMAND) & PCI_COMMAND_MEMORY))
            continue;
        for (unsigned bar = 0; bar < 6; bar++)
            if (f->bar[bar].bytes)
                pci->range[pci->n_ranges++] = (struct pci_range){
                    .gpa = le32_get(f->s.config + PCI_BAR0 + 4 * bar) & ~15u, .bytes = f->bar[bar].bytes, .f = f, .bar = bar
                };
    }
}

static const struct pci_range *range_find(const struct pci_bus *pci, uint64_t gpa, unsigned bytes)
{
    for (size_t i = 0; i < pci->n_ranges; i++)
        if (gpa - pci->range[i].gpa < pci->range[i].bytes && bytes <= pci->range[i].bytes - (gpa - pci->range[i].gpa))
            return &pci->range[i];
    return NULL;
}

static uint64_t window_read(void *dev, uint32_t offset, unsigned bytes)
{
    const struct pci_window *w = dev;
    const struct pci_range *r = range_find(w->pci, w->gpa + offset, bytes);
    return r ? r->f->bar[r->bar].read(r->f, (uint32_t)(w->gpa + offset - r->gpa), bytes) : ~UINT64_C(0);
}

static void window_write(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    const struct pci_window *w = dev;
    const struct pci_range *r = range_find(w->pci, w->gpa + offset, bytes);
    if (r)
        r->f->bar[r->bar].write(r->f, (uint32_t)(w->gpa + offset - r->gpa), bytes, value);
}

/* The function that a configuration address means: bus 27:20, slot 19:15, function 14:12. */
static struct pci_function *function_at(const struct pci_bus *pci, uint32_t offset)
{
    return offset >> 20 || bits_get(offset, 14, 12) ? NULL : pci->function[bits_get(offset, 19, 15)];
}

static uint64_t ecam_read(void *dev, uint32_t offset, unsigned bytes)
{
    struct pci_function *f = function_at(dev, offset);
    uint32_t reg = offset & 0xfff;
    if (!f)
        return ~UINT64_C(0);
    if (reg >= sizeof f->s.config)
        return 0;
    if (f->config_reading)
        f->config_reading(f, reg, bytes);
    uint64_t v = 0;
    memcpy(&v, f->s.config + reg, bytes);
    return v;
}

static void drive_intx(struct pci_function *f)
{
    uint16_t status = le16_get(f->s.config + PCI_STATUS);
    le16_put(f->s.config + PCI_STATUS, (uint16_t)(f->s.intx ? status | STATUS_INTX : status & ~STATUS_INTX));
    bool level = f->s.intx && !(le16_get(f->s.config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
    unsigned n = f->slot % 4; /* pin A; the wires are turned by one from slot to slot */
    uint32_t *slots = &f->pci->intx_slots[n];
    *slots = level ? *slots | 1u << f->slot : *slots & ~(1u << f->slot);
    irq_set(&f->pci->intx[n], *slots);
}

static void send_pending(struct pci_function *f)
{
    for (unsigned i = 0; i < f->n_vectors; i++)
        if (f->s.msix_pending >> i & 1)
            pci_msix_send(f, i);
}

static bool touches(uint32_t offset, unsigned bytes, uint32_t at, unsigned n)
{
    return offset < at + n && at < offset + bytes;
}

static void ecam_write(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    struct pci_function *f = function_at(dev, offset);
    uint32_t reg = offset & 0xfff;
    if (!f || reg >= sizeof f->s.config)
        return;
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t *b = &f->s.config[reg + i], mask = f->writable[reg + i];
        *b = (uint8_t)((*b & ~mask) | (value >> 8 * i & mask));
    }
    if (touches(reg, bytes, PCI_COMMAND, 2)) {
        remap(f->pci);
        drive_intx(f);
    } else if (touches(reg, bytes, PCI_BAR0, 24)) {
        remap(f->pci);
    }
    if (f->msix_cap && touches(reg, bytes, f->msix_cap, 12))
        send_pending(f);
    if (f->config_written)
        f->config_written(f, reg, bytes);
}

static const struct device_type ecam_type = {
    .name = "pci-config", .sizes = 1 | 2 | 4, .read = ecam_read, .write = ecam_write
};
static const struct device_type window_type = {
    .name = "pci-window", .sizes = 1 | 2 | 4 | 8, .read = window_read, .write = window_write
};

void pci_bus_init(struct pci_bus *pci, struct bus *bus, uint64_t ecam_gpa, uint64_t ecam_bytes,
                  const struct irq_line intx[4])
{
    memset(pci, 0, sizeof *pci);
    pci->bus = bus;
    memcpy(pci->intx, intx, sizeof pci->intx);
    pci->ecam.type = &ecam_type;
    bus_map(bus, ecam_gpa, ecam_bytes, &pci->ecam);
}

void pci_bus_add_window(struct pci_bus *pci, uint64_t gpa, uint64_t bytes)
{
    assert(pci->n_windows < PCI_MAX_WINDOWS && bytes <= 4 * GiB);
    struct pci_window *w = &pci->window[pci->n_windows++];
    w->device.type = &window_type;
    w->pci = pci;
    w->gpa = gpa;
    bus_map(pci->bus, gpa, bytes, &w->device);
}

/* ---- functions ---- */

static void reset(void *dev)
{
    struct pci_function *f = dev;
    memset(&f->s, 0, sizeof f->s);
    memcpy(f->s.config, f->initial, sizeof f->initial);
    for (unsigned i = 0; i < f->n_vectors; i++)
        f->s.msix[i].control = 1; /* masked */
    if (f->pci) {
        remap(f->pci);
        drive_intx(f);
    }
}

/* Of a saved configuration only the writable bits count. */
static void restored(void *dev)
{
    struct pci_function *f = dev;
    for (size_t i = 0; i < sizeof f->s.config; i++)
        f->s.config[i] = (uint8_t)((f->initial[i] & ~f->writable[i]) | (f->s.config[i] & f->writable[i]));
    remap(f->pci);
    drive_intx(f);
}

static void nothing(void *dev)
{
    (void)dev; /* part of a larger struct that is freed as a whole */
}

static const struct state_field state[] = {
    STATE(struct pci_state, config), STATE(struct pci_state, msix), STATE(struct pci_state, msix_pending),
    STATE(struct pci_state, intx),
};

static const struct device_type function_type = {
    .name = "pci-function",
    .reset = reset,
    .restored = restored,
    .destroy = nothing,
    DEVICE_STATE(struct pci_function, s, state),
};

void pci_function_init(struct pci_function *f, const struct pci_id *id)
{
    memset(f, 0, sizeof *f);
    f->device.type = &function_type;
    f->caps_end = FIRST_CAP;
    le16_put(f->initial + PCI_VENDOR, id->vendor);
    le16_put(f->initial + PCI_DEVICE, id->device);
    le16_put(f->initial + PCI_STATUS, 0);
    f->initial[PCI_REVISION] = id->revision;
    for (int i = 0; i < 3; i++)
        f->initial[PCI_CLASS + i] = (uint8_t)(id->class_code >> 8 * i);
    le16_put(f->initial + PCI_SUBVENDOR, id->subvendor);
    le16_put(f->initial + PCI_SUBDEVICE, id->subdevice);
    f->initial[PCI_PIN] = 1;
    le16_put(f->writable + PCI_COMMAND, COMMAND_WRITABLE);
    f->writable[PCI_LINE] = 0xff;
}

void pci_function_add_bar(struct pci_function *f, unsigned bar, const struct pci_bar *what)
{
    assert(bar < 6 && is_pow2(what->bytes) && what->bytes >= 16);
    f->bar[bar] = *what;
    le32_put(f->writable + PCI_BAR0 + 4 * bar, ~(what->bytes - 1));
}

uint8_t pci_function_add_cap(struct pci_function *f, uint8_t id, unsigned bytes)
{
    uint8_t at = f->caps_end;
    assert(at + bytes <= sizeof f->initial);
    f->caps_end = (uint8_t)align_up(at + bytes, 4);
    f->initial[at] = id;
    f->initial[at + 1] = f->initial[PCI_CAPS]; /* the newest is the first in the list */
    f->initial[PCI_CAPS] = at;
    f->initial[PCI_STATUS] |= STATUS_CAPS;
    return at;
}

void pci_function_plug(struct pci_bus *pci, struct pci_function *f, unsigned slot)
{
    assert(slot < PCI_SLOTS && !pci->function[slot]);
    pci->function[slot] = f;
    f->pci = pci;
    f->slot = slot;
    f->device.bus = pci->bus;
    reset(f);
}

void pci_intx_set(struct pci_function *f, bool level)
{
    f->s.intx = level;
    drive_intx(f);
}
