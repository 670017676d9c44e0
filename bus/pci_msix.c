/*
 * pci_msix.c - MSI-X (PCI Local Bus 3.0, 6.8.2): the capability, and its table and pending bits in BAR 1.
 *
 * A message goes to the machine's doorbell and nowhere else (bus_message), whatever address the guest wrote.
 */
#include "bus/pci.h"

#define CAP_MSIX        0x11
#define CONTROL_MASKALL BIT(14)
#define CONTROL_ENABLE  BIT(15)
#define VECTOR_MASKED   1u
#define PENDING_OFFSET  0x800u
#define BAR_BYTES       0x1000u

static uint16_t control(const struct pci_function *f)
{
    return f->msix_cap ? le16_get(f->s.config + f->msix_cap + 2) : 0;
}

bool pci_msix_enabled(const struct pci_function *f)
{
    return control(f) & CONTROL_ENABLE;
}

void pci_msix_send(struct pci_function *f, unsigned vector)
{
    if (vector >= f->n_vectors || !pci_msix_enabled(f))
        return;
    const struct pci_msix_entry *e = &f->s.msix[vector];
    uint32_t bit = 1u << vector;
    if (control(f) & CONTROL_MASKALL || e->control & VECTOR_MASKED || !pci_can_dma(f)) {
        f->s.msix_pending |= bit;
        return;
    }
    f->s.msix_pending &= ~bit;
    bus_message(f->pci->bus, (uint64_t)e->address_high << 32 | e->address_low, e->data);
}

/* The 32-bit word of the table at offset, or NULL. */
static uint32_t *word_at(struct pci_function *f, uint32_t offset)
{
    uint32_t i = offset / sizeof(struct pci_msix_entry);
    return i < f->n_vectors ? &(&f->s.msix[i].address_low)[offset / 4 % 4] : NULL;
}

static uint64_t bar_read(struct pci_function *f, uint32_t offset, unsigned bytes)
{
    if (bytes < 4)
        return 0;
    if (offset >= PENDING_OFFSET)
        return offset == PENDING_OFFSET ? f->s.msix_pending : 0;
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i += 4) {
        const uint32_t *w = word_at(f, offset + i);
        v |= (uint64_t)(w ? *w : 0) << 8 * i;
    }
    return v;
}

static void bar_write(struct pci_function *f, uint32_t offset, unsigned bytes, uint64_t value)
{
    if (bytes < 4 || offset >= PENDING_OFFSET)
        return;
    for (unsigned i = 0; i < bytes; i += 4) {
        uint32_t *w = word_at(f, offset + i);
        if (w)
            *w = (uint32_t)(value >> 8 * i);
    }
    uint32_t vector = offset / sizeof(struct pci_msix_entry);
    if (vector < f->n_vectors && f->s.msix_pending >> vector & 1)
        pci_msix_send(f, vector); /* it may have been unmasked */
}

void pci_function_add_msix(struct pci_function *f, unsigned n_vectors)
{
    assert(n_vectors && n_vectors <= PCI_MAX_VECTORS);
    f->n_vectors = n_vectors;
    f->msix_cap = pci_function_add_cap(f, CAP_MSIX, 12);
    le16_put(f->initial + f->msix_cap + 2, (uint16_t)(n_vectors - 1));
    le32_put(f->initial + f->msix_cap + 4, PCI_MSIX_BAR);
    le32_put(f->initial + f->msix_cap + 8, PENDING_OFFSET | PCI_MSIX_BAR);
    le16_put(f->writable + f->msix_cap + 2, CONTROL_MASKALL | CONTROL_ENABLE);
    pci_function_add_bar(f, PCI_MSIX_BAR,
                         &(struct pci_bar){ .bytes = BAR_BYTES, .read = bar_read, .write = bar_write });
}
