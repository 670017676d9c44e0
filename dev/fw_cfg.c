/*
 * fw_cfg.c - the firmware configuration device of QEMU's machines (qemu.org, docs/specs/fw_cfg), over MMIO, with its DMA.
 *
 * The guest selects an item by its key and reads it byte by byte, or lets the device copy it to memory. Numbers in registers and in the file
 * directory are big-endian. Items cannot be written.
 */
#include "dev/fw_cfg.h"

#include "bus/bus.h"

#include <stdlib.h>

enum { REG_DATA = 0x00, REG_SELECTOR = 0x08, REG_DMA = 0x10 };
static const struct mmio_reg regs[] = {
    {"DATA", REG_DATA, 1, 8, RO},         /* the item's next bytes, in memory order */
    {"SELECTOR", REG_SELECTOR, 1, 2, WO}, /* key, big-endian */
    {"DMA", REG_DMA, 1, 8, RW},           /* address of a request, big-endian; its second half starts it */
};

enum { KEY_SIGNATURE = 0x00, KEY_ID = 0x01, KEY_DIRECTORY = 0x19, KEY_FILE = 0x20 };
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
#define DMA_BYTES 16 /* of a request: control and length, 4 each, address 8 */

struct fw_cfg_state {
    uint32_t key, offset; /* the item selected, bytes of it read */
    uint32_t dma_high;
};

struct item {
    uint8_t *bytes;
    uint32_t n;
};

struct fw_cfg {
    struct device device;
    struct fw_cfg_state s;
    uint8_t directory[4 + FW_CFG_MAX_FILES * 64]; /* in the guest's form */
    struct item numbered[KEY_FILE]; /* enum fw_cfg_key */
    struct item files[FW_CFG_MAX_FILES];
    uint32_t n_files;
};

static const struct state_field state[] = {
    STATE(struct fw_cfg_state, key), STATE(struct fw_cfg_state, offset), STATE(struct fw_cfg_state, dma_high),
};

static struct item selected(struct fw_cfg *d)
{
    static uint8_t signature[] = {'Q', 'E', 'M', 'U'}, id[] = {ID_TRADITIONAL | ID_DMA, 0, 0, 0};
    uint32_t key = d->s.key;
    if (key >= KEY_FILE && key - KEY_FILE < d->n_files)
        return d->files[key - KEY_FILE];
    switch (key) {
    case KEY_SIGNATURE: return (struct item){signature, sizeof signature};
    case KEY_ID: return (struct item){id, sizeof id};
    case KEY_DIRECTORY: return (struct item){d->directory, 4 + d->n_files * 64};
    }
    return key < KEY_FILE ? d->numbered[key] : (struct item){0};
}

static void select_item(struct fw_cfg *d, uint16_t key)
{
    d->s.key = key;
    d->s.offset = 0;
}

/* Zeros behind the end, as of an item that is not there. */
static uint8_t next_byte(struct fw_cfg *d)
{
    struct item i = selected(d);
    return d->s.offset < i.n ? i.bytes[d->s.offset++] : 0;
}

/* One request: how far it got shows in what the guest finds in its control word. */
static bool transfer(struct fw_cfg *d, uint32_t control, uint64_t gpa, uint32_t n)
{
    struct item i = selected(d);
    uint32_t left = i.n - MIN(d->s.offset, i.n), copy = MIN(n, left);
    if (control & DMA_WRITE)
        return false;
    if (control & DMA_READ) {
        uint8_t *to = n ? mem_ptr(d->device.bus->mem, gpa, n, true) : NULL;
        if (n && !to)
            return false;
        if (copy)
            memcpy(to, i.bytes + d->s.offset, copy);
        if (n > copy)
            memset(to + copy, 0, n - copy);
    }
    if (control & (DMA_READ | DMA_SKIP))
        d->s.offset += copy;
    return true;
}

static void dma(struct fw_cfg *d, uint64_t gpa)
{
    uint8_t request[DMA_BYTES], answer[4];
    struct mem *mem = d->device.bus->mem;
    if (!mem_read(mem, gpa, request, sizeof request)) {
        bus_note(d->device.bus, "fw_cfg: a request at 0x%llx, where no memory is", (unsigned long long)gpa);
        return;
    }
    uint32_t control = be32_get(request);
    if (control & DMA_SELECT)
        select_item(d, (uint16_t)(control >> 16));
    bool ok = transfer(d, control, be64_get(request + 8), be32_get(request + 4));
    be32_put(answer, ok ? 0 : DMA_ERROR);
    mem_write(mem, gpa, answer, sizeof answer);
}

static uint64_t fw_cfg_read(void *dev, uint32_t reg, unsigned bytes)
{
    struct fw_cfg *d = dev;
    uint64_t value = 0;
    if (reg >= REG_DMA)
        return UINT64_C(0x47464320554d4551) >> (reg - REG_DMA) * 8; /* "QEMU CFG" */
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)next_byte(d) << (8 * i);
    return value;
}

static void fw_cfg_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct fw_cfg *d = dev;
    if (reg == REG_SELECTOR)
        select_item(d, __builtin_bswap16((uint16_t)value));
    else if (reg == REG_DMA && bytes == 8)
        dma(d, __builtin_bswap64(value));
    else if (reg == REG_DMA && bytes == 4)
        d->s.dma_high = __builtin_bswap32((uint32_t)value);
    else if (reg == REG_DMA + 4 && bytes == 4)
        dma(d, (uint64_t)d->s.dma_high << 32 | __builtin_bswap32((uint32_t)value));
}

static void reset(void *dev)
{
    struct fw_cfg *d = dev;
    d->s = (struct fw_cfg_state){0};
}

static void destroy(void *dev)
{
    struct fw_cfg *d = dev;
    for (uint32_t i = 0; i < d->n_files; i++)
        free(d->files[i].bytes);
    for (uint32_t i = 0; i < KEY_FILE; i++)
        free(d->numbered[i].bytes);
    free(d);
}

static const struct device_type fw_cfg_type = {
    .name = "fw_cfg",
    DEVICE_REGS(regs),
    .sizes = 1 | 2 | 4 | 8,
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .reset = reset,
    .destroy = destroy,
    DEVICE_STATE(struct fw_cfg, s, state),
};

struct device *fw_cfg_create(void)
{
    struct fw_cfg *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &fw_cfg_type;
    return &d->device;
}

bool fw_cfg_add(struct device *dev, const char *name, const void *bytes, size_t n)
{
    struct fw_cfg *d = CONTAINER_OF(dev, struct fw_cfg, device);
    assert(d->n_files < FW_CFG_MAX_FILES && strlen(name) <= FW_CFG_MAX_NAME && n <= UINT32_MAX);
    uint8_t *copy = malloc(n ? n : 1), *entry = d->directory + 4 + d->n_files * 64;
    if (!copy)
        return false;
    memcpy(copy, bytes, n);
    be32_put(entry, (uint32_t)n);
    entry[4] = 0;
    entry[5] = (uint8_t)(KEY_FILE + d->n_files);
    memcpy(entry + 8, name, strlen(name));
    d->files[d->n_files++] = (struct item){copy, (uint32_t)n};
    be32_put(d->directory, d->n_files);
    return true;
}

static bool set_item(struct fw_cfg *d, enum fw_cfg_key key, void *bytes, uint32_t n)
{
    free(d->numbered[key].bytes);
    d->numbered[key] = (struct item){bytes, bytes ? n : 0};
    return bytes;
}

bool fw_cfg_set(struct device *dev, enum fw_cfg_key size, enum fw_cfg_key data, void *bytes, uint32_t n)
{
    struct fw_cfg *d = CONTAINER_OF(dev, struct fw_cfg, device);
    uint8_t *length = malloc(4);
    if (length)
        le32_put(length, n);
    set_item(d, data, bytes, n);
    return set_item(d, size, length, 4) && bytes;
}
