/*
 * bus.h - what a device sees of the machine: its lock, its memory, the map of registers, message interrupts.
 *
 * The map is made before anything runs and never changes, so it is searched without a lock. Devices move data with mem/
 * only; memory is never a register, so a device cannot be led into its own or another device's registers.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "base/loop.h"
#include "bus/device.h"
#include "mem/mem.h"

#include <pthread.h>

#define BUS_MAX_RANGES 64

struct bus_range {
    uint64_t gpa, bytes;
    struct device *dev;
};

struct bus {
    pthread_mutex_t lock; /* the machine lock */
    struct mem *mem;
    struct loop *loop;
    struct bus_range range[BUS_MAX_RANGES]; /* by gpa */
    size_t n_ranges;
    /* Message interrupts: a 32-bit store to [gpa, gpa+bytes) of the one doorbell. Called with any or no lock held. */
    struct {
        uint64_t gpa, bytes;
        void (*ring)(void *ctx, uint64_t offset, uint32_t data);
        void *ctx;
    } doorbell;
    void (*note)(void *ctx, const char *text); /* a line for the machine's log; NULL: dropped */
    void (*fault)(void *ctx, const char *text); /* the host failed the guest: the user must know; NULL: a note only */
    void *note_ctx;
    uint64_t note_window_ns; /* rate limit: the start of this second, lines in it, lines dropped since */
    unsigned notes, notes_dropped;
    pthread_mutex_t note_lock;
};

/* mem and loop are borrowed. */
void bus_init(struct bus *bus, struct mem *mem, struct loop *loop);
void bus_finish(struct bus *bus);

/* Puts a device's registers at gpa. Ranges must not overlap (our mistake: asserts). */
void bus_map(struct bus *bus, uint64_t gpa, uint64_t bytes, struct device *dev);

static inline void bus_lock(struct bus *bus)
{
    pthread_mutex_lock(&bus->lock);
}
static inline void bus_unlock(struct bus *bus)
{
    pthread_mutex_unlock(&bus->lock);
}

/* A vCPU's access. size_bytes 1, 2, 4, 8. false: no device there. An access that the register table does not allow reads
 * zero or is ignored, and is noted. Any thread, machine lock not held. */
bool bus_read(struct bus *bus, uint64_t gpa, unsigned size_bytes, uint64_t *value);
bool bus_write(struct bus *bus, uint64_t gpa, unsigned size_bytes, uint64_t value);

/* The part of bus_read and bus_write after the map: checks against the table, then the device. Machine lock held unless
 * the type has own_lock. The PCI bus uses it for BARs. */
uint64_t device_read(struct device *dev, uint32_t offset, unsigned bytes);
void device_write(struct device *dev, uint32_t offset, unsigned bytes, uint64_t value);

/* A message interrupt from a device: only the doorbell is reachable this way. false: nothing at that address. */
bool bus_message(struct bus *bus, uint64_t gpa, uint32_t data);

/* The guest did something that deserves a line: "who: what". At most 10 lines a second get through; what was dropped is
 * counted in the next one. Any thread. */
void bus_note(struct bus *bus, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what the host did not do for the guest (a disk that is full): told to the machine's user too. */
void bus_fault(struct bus *bus, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* POME_TRACE holds this word ("mmio", "irq", "virtq", ...; words are separated by commas). */
bool bus_trace_on(const char *word);

#endif
