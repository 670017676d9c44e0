/*
 * backdoor.c - "bdif": block devices for a boot ROM that has no driver yet (known from QEMU's hw/vmapple/bdif.c and its users).
 *
 * How it works. The registers repeat every 64 KiB, one set a unit: 0 the root disk, 1 the flash (AUX), 16 a USB device port for restores. A store to
 * COMMAND gives the guest-physical address of a request, three descriptors {u64 address, u32 bytes, u32 flags}:
 *
 *   0  the command, 16 bytes: u32 sector at 8
 *   1  the data: whole sectors; flag bit 17 set: to be filled from the disk, clear: written to it
 *   2  one byte for the result: 0 good, 1 not
 *
 * The request is done when the store is: nobody is told. So the vCPU waits for the disk, without the machine lock.
 *
 * Missing on purpose: the channel to the USB port; nobody is at its other end, so a ROM that waits for a restore there waits for ever.
 */
#include "dev/backdoor.h"

#include <stdlib.h>

#define REGS(R)                                                                                              \
    R(STATUS, 0x000, 4, RO)                                                                                  \
    R(CONFIG, 0x004, 4, RO)                                                                                  \
    R(BLOCK_CONFIG, 0x008, 4, RO) /* where the sectors' number is */                                         \
    R(READY, 0x010, 4, RO)                                                                                   \
    R(CHANNEL, 0x400, 4, RO)                                                                                 \
    R(CHANNEL_CONTROL, 0x404, 4, RW)                                                                         \
    R(COMMAND, 0x408, 8, WO)                                                                                 \
    R(SECTORS, 0x420, 8, RO)                                                                                 \
    R(UNKNOWN_434, 0x434, 4, RO)
#define ROW(name, offset, bytes, access)    { #name, offset, 1, bytes, access },
#define B_ENUM(name, offset, bytes, access) REG_##name = offset,
enum { REGS(B_ENUM) };
static const struct mmio_reg regs[] = { REGS(ROW) };

enum { UNIT_BYTES = 0x10000, ROOT = 0, AUX = 1, USB = 16 };
enum { DATA_TO_GUEST = 1 << 17, DATA_MAX = 64 << 20 };

struct backdoor_state {
    uint32_t channel_control; /* of the USB unit; as it was written */
};

struct backdoor {
    struct device device;
    struct backdoor_state s;
    struct disk *root, *aux;
};

static const struct state_field state[] = { STATE(struct backdoor_state, channel_control) };

struct descriptor {
    uint64_t gpa;
    uint32_t bytes, flags;
};

static struct disk *disk_of(const struct backdoor *d, uint32_t offset)
{
    switch (offset / UNIT_BYTES) {
    case ROOT: return d->root;
    case AUX: return d->aux;
    }
    return NULL;
}

static uint64_t read(void *dev, uint32_t offset, unsigned bytes)
{
    const struct backdoor *d = dev;
    const struct disk *disk = disk_of(d, offset);
    bool usb = offset / UNIT_BYTES == USB;
    if (!disk && !usb)
        return 0; /* no such unit: its STATUS says so */
    switch (offset % UNIT_BYTES) {
    case REG_STATUS: case REG_READY: case REG_CHANNEL: return 1;
    case REG_CONFIG: return usb ? 0x1a01 : 2;
    case REG_BLOCK_CONFIG: return REG_SECTORS;
    case REG_CHANNEL_CONTROL: return usb ? d->s.channel_control : 0;
    case REG_SECTORS: return disk ? disk_bytes(disk) / DISK_SECTOR : 0;
    }
    return 0;
}

static bool read_descriptors(struct mem *mem, uint64_t gpa, struct descriptor d[3])
{
    uint8_t b[48];
    if (!mem_read(mem, gpa, b, sizeof b))
        return false;
    for (unsigned i = 0; i < 3; i++)
        d[i] = (struct descriptor){ le64_get(b + 16 * i), le32_get(b + 16 * i + 8), le32_get(b + 16 * i + 12) };
    return true;
}

static bool transfer(struct mem *mem, struct disk *disk, const struct descriptor d[3])
{
    uint8_t command[16];
    bool fill = d[1].flags & DATA_TO_GUEST;
    if (d[0].bytes < sizeof command || !mem_read(mem, d[0].gpa, command, sizeof command) || !d[1].bytes || d[1].bytes % DISK_SECTOR ||
        d[1].bytes > DATA_MAX)
        return false;
    struct iovec iov = { mem_ptr(mem, d[1].gpa, d[1].bytes, fill), d[1].bytes };
    struct disk_io io = { .op = fill ? DISK_READ : DISK_WRITE, .offset = (uint64_t)le32_get(command + 8) * DISK_SECTOR,
                          .bytes = d[1].bytes, .iov = &iov, .n_iov = 1 };
    return iov.iov_base && disk_run(disk, &io);
}

static void write(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    struct backdoor *d = dev;
    struct disk *disk = disk_of(d, offset);
    struct mem *mem = d->device.bus->mem;
    struct descriptor request[3];
    if (offset / UNIT_BYTES == USB && offset % UNIT_BYTES == REG_CHANNEL_CONTROL)
        d->s.channel_control = (uint32_t)value;
    if (offset % UNIT_BYTES != REG_COMMAND || !disk)
        return;
    if (!read_descriptors(mem, value, request)) {
        bus_note(d->device.bus, "backdoor: a request at 0x%llx, where no memory is", (unsigned long long)value);
        return;
    }
    uint8_t result = transfer(mem, disk, request) ? 0 : 1;
    if (!request[2].bytes || !mem_write(mem, request[2].gpa, &result, 1))
        bus_note(d->device.bus, "backdoor: a request without a place for its result");
}

static void reset(void *dev)
{
    struct backdoor *d = dev;
    d->s.channel_control = 0;
}

static const struct device_type backdoor_type = {
    .name = "backdoor",
    DEVICE_REGS(regs),
    .stride = UNIT_BYTES,
    .sizes = 4 | 8,
    .own_lock = true,
    .read = read,
    .write = write,
    .reset = reset,
    .destroy = free,
    DEVICE_STATE(struct backdoor, s, state),
};

struct device *backdoor_create(struct bus *bus, struct disk *root, struct disk *aux)
{
    struct backdoor *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &backdoor_type;
    d->device.bus = bus;
    d->root = root;
    d->aux = aux;
    return &d->device;
}
