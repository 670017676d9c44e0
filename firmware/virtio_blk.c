/*
 * virtio_blk.c - polling driver for virtio block devices on PCI (VIRTIO 1.1: 4.1 PCI transport, 5.2 block device).
 *
 * How it works: bus 0 of the ECAM is scanned for block devices; the BARs of each are given addresses in the 32-bit
 * window, the modern capabilities name the registers inside them. One queue of eight descriptors, one request at a
 * time: header, data, status; the used index is polled. The device is part of the machine and not hostile, but a
 * request that never ends must not hang the boot: there is a time limit.
 */
#include "firmware/virtio_blk.h"
#include "firmware/platform.h"

#define PCI_ID         0x00
#define PCI_COMMAND    0x04
#define PCI_STATUS     0x06
#define PCI_HEADER     0x0e
#define PCI_BAR0       0x10
#define PCI_CAPS       0x34
#define PCI_CMD_MEMORY 2
#define PCI_CMD_MASTER 4
#define PCI_NO_INTX    0x400
#define CAP_VENDOR     9

/* struct virtio_pci_cap (4.1.4) */
#define VCAP_TYPE       3
#define VCAP_BAR        4
#define VCAP_OFFSET     8
#define VCAP_NOTIFY_MUL 16
enum { VCAP_COMMON = 1, VCAP_NOTIFY = 2, VCAP_DEVICE = 4, VCAP_N };

/* struct virtio_pci_common_cfg (4.1.4.3) */
#define C_DEVICE_FEATURE_SELECT 0x00
#define C_DEVICE_FEATURE        0x04
#define C_DRIVER_FEATURE_SELECT 0x08
#define C_DRIVER_FEATURE        0x0c
#define C_STATUS                0x14
#define C_QUEUE_SELECT          0x16
#define C_QUEUE_SIZE            0x18
#define C_QUEUE_MSIX            0x1a
#define C_QUEUE_ENABLE          0x1c
#define C_QUEUE_NOTIFY_OFF      0x1e
#define C_QUEUE_DESC            0x20
#define C_QUEUE_DRIVER          0x28
#define C_QUEUE_DEVICE          0x30

#define S_ACKNOWLEDGE 1
#define S_DRIVER      2
#define S_DRIVER_OK   4
#define S_FEATURES_OK 8

#define F_SIZE_MAX        1 /* low word, bit */
#define F_VERSION_1       0 /* high word, bit: 32 */
#define F_ACCESS_PLATFORM 1 /* high word, bit: 33 */

#define BLK_CAPACITY 0
#define BLK_SIZE_MAX 8
#define BLK_T_IN     0
#define BLK_T_OUT    1
#define BLK_T_GET_ID 8

#define DESC_NEXT       1
#define DESC_WRITE      2
#define AVAIL_NO_IRQ    1
#define QUEUE_SIZE      8
#define REQUEST_MAX     (1u << 20)
#define TIME_LIMIT_US   30000000
#define MAX_DEVICES     8

struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};

struct queue {
    struct descriptor desc[QUEUE_SIZE];
    struct {
        volatile uint16_t flags, index, ring[QUEUE_SIZE], event;
    } avail;
    struct {
        volatile uint16_t flags, index;
        struct {
            uint32_t id, bytes;
        } ring[QUEUE_SIZE];
        uint16_t event;
    } used __attribute__((aligned(4)));
};

struct blk {
    struct disk disk; /* first: struct disk * is a struct blk * */
    struct queue q __attribute__((aligned(16)));
    struct {
        uint32_t type, zero;
        uint64_t sector;
    } header;
    volatile uint8_t status;
    char serial[21];
    bool up;
    uint32_t slot, request_max;
    uintptr_t common, notify, device;
    uint16_t index;
};

static struct blk blks[MAX_DEVICES];
static unsigned n_blks;
static bool scanned;
static uint32_t next_mmio = FW_MMIO_BASE;

static uintptr_t config(uint32_t slot, uint32_t reg)
{
    return FW_ECAM_BASE + ((uintptr_t)slot << 15) + reg;
}

#define REG(type, address) (*(volatile type *)(uintptr_t)(address))

/* Gives one memory BAR an address; returns the number of 32-bit BAR registers that it takes. */
static int place_bar(uint32_t slot, int bar)
{
    uintptr_t reg = config(slot, PCI_BAR0 + (uint32_t)bar * 4);
    REG(uint32_t, reg) = ~0u;
    uint32_t low = REG(uint32_t, reg);
    if (!low || low & 1)
        return 1;
    bool wide = (low >> 1 & 3) == 2;
    uint32_t size = ~(low & ~15u) + 1;
    if (size > FW_MMIO_SIZE / 4)
        return wide ? 2 : 1;
    next_mmio = (next_mmio + size - 1) & ~(size - 1);
    REG(uint32_t, reg) = next_mmio;
    if (wide)
        REG(uint32_t, reg + 4) = 0;
    next_mmio += size;
    return wide ? 2 : 1;
}

static uintptr_t bar_address(uint32_t slot, uint32_t bar)
{
    return bar > 5 ? 0 : REG(uint32_t, config(slot, PCI_BAR0 + bar * 4)) & ~15u;
}

/* Walks the capability list: at most 48 capabilities fit, so a loop ends. */
static bool find_registers(struct blk *b, uint32_t *notify_multiplier)
{
    uint32_t at = REG(uint8_t, config(b->slot, PCI_CAPS)) & ~3u;
    for (int i = 0; at && i < 48; i++, at = REG(uint8_t, config(b->slot, at + 1)) & ~3u) {
        if (REG(uint8_t, config(b->slot, at)) != CAP_VENDOR)
            continue;
        uintptr_t base = bar_address(b->slot, REG(uint8_t, config(b->slot, at + VCAP_BAR)));
        if (!base)
            continue;
        base += REG(uint32_t, config(b->slot, at + VCAP_OFFSET));
        switch (REG(uint8_t, config(b->slot, at + VCAP_TYPE))) {
        case VCAP_COMMON:
            b->common = b->common ? b->common : base;
            break;
        case VCAP_NOTIFY:
            b->notify = b->notify ? b->notify : base;
            *notify_multiplier = REG(uint32_t, config(b->slot, at + VCAP_NOTIFY_MUL));
            break;
        case VCAP_DEVICE:
            b->device = b->device ? b->device : base;
            break;
        }
    }
    return b->common && b->notify && b->device;
}

static uint32_t features(struct blk *b, uint32_t word)
{
    REG(uint32_t, b->common + C_DEVICE_FEATURE_SELECT) = word;
    return REG(uint32_t, b->common + C_DEVICE_FEATURE);
}

static void accept(struct blk *b, uint32_t word, uint32_t bits)
{
    REG(uint32_t, b->common + C_DRIVER_FEATURE_SELECT) = word;
    REG(uint32_t, b->common + C_DRIVER_FEATURE) = bits;
}

/* 64-bit registers of the common configuration are written as two words (4.1.3.1). */
static void put_address(struct blk *b, uint32_t reg, const volatile void *p)
{
    REG(uint32_t, b->common + reg) = (uint32_t)(uintptr_t)p;
    REG(uint32_t, b->common + reg + 4) = (uint32_t)((uintptr_t)p >> 32);
}

static void reset(struct blk *b)
{
    REG(uint8_t, b->common + C_STATUS) = 0;
    for (int i = 0; i < 1000 && REG(uint8_t, b->common + C_STATUS); i++)
        ;
}

static bool start(struct blk *b)
{
    uint32_t multiplier = 0;
    REG(uint16_t, config(b->slot, PCI_COMMAND)) = PCI_NO_INTX;
    for (int bar = 0; bar < 6;)
        bar += place_bar(b->slot, bar);
    REG(uint16_t, config(b->slot, PCI_COMMAND)) = PCI_CMD_MEMORY | PCI_CMD_MASTER | PCI_NO_INTX;
    if (!find_registers(b, &multiplier))
        return false;
    reset(b);
    REG(uint8_t, b->common + C_STATUS) = S_ACKNOWLEDGE | S_DRIVER;
    uint32_t low = features(b, 0), high = features(b, 1);
    if (!(high >> F_VERSION_1 & 1))
        return false;
    accept(b, 0, low & 1u << F_SIZE_MAX);
    accept(b, 1, 1u << F_VERSION_1 | (high & 1u << F_ACCESS_PLATFORM));
    REG(uint8_t, b->common + C_STATUS) = S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK;
    if (!(REG(uint8_t, b->common + C_STATUS) & S_FEATURES_OK))
        return false;
    b->request_max = REQUEST_MAX;
    if (low >> F_SIZE_MAX & 1) {
        uint32_t max = REG(uint32_t, b->device + BLK_SIZE_MAX) & ~(uint32_t)(SECTOR - 1);
        if (max && max < b->request_max)
            b->request_max = max;
    }
    REG(uint16_t, b->common + C_QUEUE_SELECT) = 0;
    if (REG(uint16_t, b->common + C_QUEUE_SIZE) < QUEUE_SIZE)
        return false;
    REG(uint16_t, b->common + C_QUEUE_SIZE) = QUEUE_SIZE;
    REG(uint16_t, b->common + C_QUEUE_MSIX) = 0xffff;
    put_address(b, C_QUEUE_DESC, b->q.desc);
    put_address(b, C_QUEUE_DRIVER, &b->q.avail);
    put_address(b, C_QUEUE_DEVICE, &b->q.used);
    b->notify += (uintptr_t)REG(uint16_t, b->common + C_QUEUE_NOTIFY_OFF) * multiplier;
    b->q.avail.flags = AVAIL_NO_IRQ;
    REG(uint16_t, b->common + C_QUEUE_ENABLE) = 1;
    REG(uint8_t, b->common + C_STATUS) = S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK;
    b->disk.sectors = REG(uint32_t, b->device + BLK_CAPACITY) |
                      (uint64_t)REG(uint32_t, b->device + BLK_CAPACITY + 4) << 32;
    return true;
}

static fw_why request(struct blk *b, uint32_t type, uint64_t sector, const void *data, uint32_t bytes)
{
    struct descriptor *d = b->q.desc;
    b->header.type = type;
    b->header.zero = 0;
    b->header.sector = sector;
    b->status = 0xff;
    d[0] = (struct descriptor){(uintptr_t)&b->header, sizeof b->header, DESC_NEXT, 1};
    d[1] = (struct descriptor){(uintptr_t)data, bytes, type == BLK_T_OUT ? DESC_NEXT : DESC_NEXT | DESC_WRITE, 2};
    d[2] = (struct descriptor){(uintptr_t)&b->status, 1, DESC_WRITE, 0};
    b->q.avail.ring[b->index % QUEUE_SIZE] = 0;
    __asm__ volatile("dmb sy" : : : "memory");
    b->q.avail.index = ++b->index;
    __asm__ volatile("dsb sy" : : : "memory");
    REG(uint16_t, b->notify) = 0;
    uint64_t begin = fw_now_us();
    while (b->q.used.index != b->index)
        if (fw_now_us() - begin > TIME_LIMIT_US)
            return "disk does not answer";
    __asm__ volatile("dmb sy" : : : "memory");
    return b->status ? "disk reports an error" : NULL;
}

static fw_why transfer(struct disk *disk, uint32_t type, uint64_t lba, uint32_t sectors, const uint8_t *memory)
{
    struct blk *b = (struct blk *)disk;
    if (!disk_holds(disk, lba, sectors))
        return "lies beyond the end of the disk";
    while (sectors) {
        uint32_t n = b->request_max / SECTOR;
        if (n > sectors)
            n = sectors;
        fw_why why = request(b, type, lba, memory, n * SECTOR);
        if (why)
            return why;
        lba += n;
        memory += (size_t)n * SECTOR;
        sectors -= n;
    }
    return NULL;
}

static fw_why read(struct disk *disk, uint64_t lba, uint32_t sectors, void *memory)
{
    return transfer(disk, BLK_T_IN, lba, sectors, memory);
}

static fw_why write(struct disk *disk, uint64_t lba, uint32_t sectors, const void *memory)
{
    return transfer(disk, BLK_T_OUT, lba, sectors, memory);
}

static bool is_block_device(uint32_t id)
{
    return id == 0x10421af4 || id == 0x10011af4 || id == 0x1a00106b; /* modern, transitional, Apple's */
}

static void scan(void)
{
    scanned = true;
    for (uint32_t slot = 0; slot < 32 && n_blks < MAX_DEVICES; slot++) {
        struct blk *b = &blks[n_blks];
        if (!is_block_device(REG(uint32_t, config(slot, PCI_ID))) || REG(uint8_t, config(slot, PCI_HEADER)) & 0x7f)
            continue;
        b->slot = slot;
        b->disk.read = read;
        b->disk.write = write;
        b->up = start(b) && !request(b, BLK_T_GET_ID, 0, b->serial, 20);
        n_blks++;
    }
}

fw_why virtio_blk_find(const char *serial, struct disk **disk)
{
    if (!scanned)
        scan();
    for (unsigned i = 0; i < n_blks; i++)
        if (blks[i].up && fw_same(blks[i].serial, serial)) {
            *disk = &blks[i].disk;
            return NULL;
        }
    return n_blks ? "no disk has this name" : "the machine has no disk";
}

void virtio_blk_release(void)
{
    for (unsigned i = 0; i < n_blks; i++) {
        if (blks[i].common)
            reset(&blks[i]);
        REG(uint16_t, config(blks[i].slot, PCI_COMMAND)) = 0;
        for (uint32_t bar = 0; bar < 6; bar++)
            REG(uint32_t, config(blks[i].slot, PCI_BAR0 + bar * 4)) = 0;
    }
    n_blks = 0;
    scanned = false;
    next_mmio = FW_MMIO_BASE;
    memset(blks, 0, sizeof blks);
}
