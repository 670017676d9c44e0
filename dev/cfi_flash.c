/*
 * cfi_flash.c - NOR flash: two 16-bit chips side by side on a 32-bit bus, Intel/Sharp extended command set (JEDEC JESD68.01 and JEP137 for the
 * query table; commands and status register as Intel's StrataFlash P30 data sheet gives them, order number 306666).
 *
 * How it works
 *   Reads give data, status, identifiers or the query table, by the mode of the last command. Writes are commands: the low byte says which, the
 *   upper chip gets the same and is not looked at. Programming can only clear bits, erasing sets them in a block of 256 KiB. Commands are done
 *   when the write that starts them returns: the status is always "ready".
 *
 * The contents belong to the image, which the machine keeps as it keeps disks; the state is where a sequence of commands stands.
 */
#include "dev/cfi_flash.h"

#include "bus/bus.h"

#include <stdlib.h>

#define BUFFER_BYTES 2048 /* of the buffered program command, both chips */

enum mode { /* what reads give, then what the next write is */
    MODE_ARRAY,
    MODE_STATUS,
    MODE_ID,
    MODE_QUERY,
    MODE_PROGRAM,        /* the word */
    MODE_ERASE,          /* the confirmation */
    MODE_LOCK,           /* lock or unlock: nothing is ever locked */
    MODE_BUFFER_COUNT,   /* words - 1 */
    MODE_BUFFER_DATA,
    MODE_BUFFER_CONFIRM,
};

enum { /* commands */
    CMD_PROGRAM_ALT = 0x10, CMD_ERASE = 0x20, CMD_PROGRAM = 0x40, CMD_CLEAR_STATUS = 0x50, CMD_LOCK = 0x60, CMD_STATUS = 0x70,
    CMD_ID = 0x90, CMD_QUERY = 0x98, CMD_SUSPEND = 0xb0, CMD_CONFIRM = 0xd0, CMD_BUFFER = 0xe8, CMD_ARRAY = 0xff,
};

enum { /* the status register of one chip */
    SR_LOCKED = 0x02, SR_PROGRAM_ERROR = 0x10, SR_ERASE_ERROR = 0x20, SR_READY = 0x80,
};

struct cfi_flash_state {
    uint32_t mode;
    uint32_t status;
    uint32_t first, n, left; /* buffered program: its place, bytes, bytes not given yet */
    uint8_t buffer[BUFFER_BYTES];
};

struct cfi_flash {
    struct device device;
    struct cfi_flash_state s;
    struct flash_image *image;
};

static const struct state_field state[] = {
    STATE(struct cfi_flash_state, mode), STATE(struct cfi_flash_state, status), STATE(struct cfi_flash_state, first),
    STATE(struct cfi_flash_state, n),    STATE(struct cfi_flash_state, left),   STATE(struct cfi_flash_state, buffer),
};

/* JEP137: the table from word 0x10 on, a byte in each word of a chip. The size is of one chip, as is the block's (in units of 256 bytes). */
static uint8_t query(const struct cfi_flash *d, uint32_t word)
{
    uint64_t chip = flash_image_bytes(d->image) / 2, block = CFI_FLASH_BLOCK / 2, blocks = chip / block;
    const uint8_t table[] = {
        'Q', 'R', 'Y', 0x01, 0x00, 0x31, 0x00, 0, 0, 0, 0, /* Intel/Sharp extended, its table at 0x31; no alternative */
        0x17, 0x20, 0x85, 0x95, 8, 9, 10, 0, 1, 1, 1, 0,    /* voltages; typical and longest times: 256 us, 512 us, 1 s */
        (uint8_t)(31 - __builtin_clz((unsigned)chip)), 1, 0, /* 2^n bytes; 16 bits wide */
        10, 0, 1,                                            /* 2^10 bytes at once in each chip; one kind of block: */
        (uint8_t)(blocks - 1), (uint8_t)((blocks - 1) >> 8), (uint8_t)(block / 256), (uint8_t)(block / 256 >> 8),
        'P', 'R', 'I', '1', '0', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* no optional features */
    };
    return word >= 0x10 && word - 0x10 < sizeof table ? table[word - 0x10] : 0;
}

static uint8_t identifier(uint32_t word)
{
    switch (word) {
    case 0: return 0x89; /* Intel */
    case 1: return 0x18;
    }
    return 0; /* no block is locked */
}

/* A byte that both chips give at every word. */
static uint32_t both(uint8_t byte)
{
    return byte * UINT32_C(0x00010001);
}

static uint64_t flash_read(void *dev, uint32_t offset, unsigned bytes)
{
    struct cfi_flash *d = dev;
    uint64_t value = 0;
    if (d->s.mode == MODE_ARRAY) {
        memcpy(&value, flash_image_data(d->image) + offset, bytes);
        return value;
    }
    uint32_t word = offset / 4;
    for (unsigned i = 0; i < 8; i += 4, word++) {
        uint32_t w = both(d->s.mode == MODE_ID      ? identifier(word % (CFI_FLASH_BLOCK / 4))
                          : d->s.mode == MODE_QUERY ? query(d, word)
                                                    : (uint8_t)d->s.status);
        value |= (uint64_t)w << (i * 8);
    }
    return value >> (offset % 4 * 8);
}

static void end_command(struct cfi_flash *d, uint32_t errors)
{
    d->s.mode = MODE_STATUS;
    d->s.status |= SR_READY | errors;
}

/* Tells the user once in a while what the guest sees as a failed command. */
static void write_image(struct cfi_flash *d, uint32_t offset, const uint8_t *from, size_t n, uint32_t error)
{
    int e = flash_image_write(d->image, offset, from, n);
    if (e && !flash_image_is_read_only(d->image))
        bus_fault(d->device.bus, "variable store: cannot write: %s", strerror(e));
    end_command(d, e ? error | SR_LOCKED : 0);
}

/* Bits can only be cleared. */
static void program(struct cfi_flash *d, uint32_t offset, const uint8_t *from, size_t n)
{
    uint8_t cells[BUFFER_BYTES];
    for (size_t i = 0; i < n; i++)
        cells[i] = from[i] & flash_image_data(d->image)[offset + i];
    write_image(d, offset, cells, n, SR_PROGRAM_ERROR);
}

static void erase(struct cfi_flash *d, uint32_t offset)
{
    static uint8_t ones[CFI_FLASH_BLOCK];
    memset(ones, 0xff, sizeof ones);
    write_image(d, (uint32_t)align_down(offset, CFI_FLASH_BLOCK), ones, sizeof ones, SR_ERASE_ERROR);
}

static void begin_buffer(struct cfi_flash *d, uint64_t value)
{
    uint32_t n = ((uint32_t)(value & 0xffff) + 1) * 4;
    d->s.n = d->s.left = n <= BUFFER_BYTES ? n : 0;
    d->s.first = UINT32_MAX;
    memset(d->s.buffer, 0xff, sizeof d->s.buffer);
    if (d->s.n)
        d->s.mode = MODE_BUFFER_DATA;
    else
        end_command(d, SR_PROGRAM_ERROR | SR_ERASE_ERROR);
}

/* The first word's address is the buffer's; the others may come in any order. */
static void buffer_data(struct cfi_flash *d, uint32_t offset, unsigned bytes, uint64_t value)
{
    if (d->s.first == UINT32_MAX)
        d->s.first = offset;
    uint32_t at = offset - d->s.first;
    if (at >= d->s.n || bytes > d->s.n - at) {
        end_command(d, SR_PROGRAM_ERROR | SR_ERASE_ERROR);
        return;
    }
    memcpy(d->s.buffer + at, &value, bytes);
    d->s.left -= MIN(bytes, d->s.left);
    if (!d->s.left)
        d->s.mode = MODE_BUFFER_CONFIRM;
}

/* The buffer may begin anywhere, but must lie in the flash. */
static void confirm_buffer(struct cfi_flash *d, uint8_t command)
{
    if (command != CMD_CONFIRM || d->s.n > BUFFER_BYTES || d->s.first > flash_image_bytes(d->image) ||
        d->s.n > flash_image_bytes(d->image) - d->s.first)
        end_command(d, SR_PROGRAM_ERROR | SR_ERASE_ERROR);
    else
        program(d, d->s.first, d->s.buffer, d->s.n);
}

static void command(struct cfi_flash *d, uint8_t command)
{
    static const struct {
        uint8_t command, mode;
    } modes[] = {
        {CMD_PROGRAM, MODE_PROGRAM}, {CMD_PROGRAM_ALT, MODE_PROGRAM}, {CMD_ERASE, MODE_ERASE}, {CMD_BUFFER, MODE_BUFFER_COUNT},
        {CMD_LOCK, MODE_LOCK},       {CMD_STATUS, MODE_STATUS},       {CMD_ID, MODE_ID},       {CMD_QUERY, MODE_QUERY},
        {CMD_ARRAY, MODE_ARRAY},
    };
    if (command == CMD_CLEAR_STATUS) {
        d->s.status = SR_READY;
        d->s.mode = MODE_ARRAY;
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (modes[i].command == command) {
            d->s.mode = modes[i].mode;
            return;
        }
    if (command != CMD_SUSPEND && command != CMD_CONFIRM && command != 0xf0) /* nothing is ever under way; 0xf0: other makers' reset */
        bus_note(d->device.bus, "flash: unknown command 0x%02x", command);
    d->s.mode = MODE_ARRAY;
}

static void flash_write(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    struct cfi_flash *d = dev;
    uint8_t low = (uint8_t)value;
    switch ((enum mode)d->s.mode) {
    case MODE_PROGRAM: program(d, offset, (const uint8_t *)&value, bytes); break;
    case MODE_ERASE:
        if (low == CMD_CONFIRM)
            erase(d, offset);
        else
            end_command(d, SR_PROGRAM_ERROR | SR_ERASE_ERROR);
        break;
    case MODE_LOCK: end_command(d, 0); break;
    case MODE_BUFFER_COUNT: begin_buffer(d, value); break;
    case MODE_BUFFER_DATA: buffer_data(d, offset, bytes, value); break;
    case MODE_BUFFER_CONFIRM: confirm_buffer(d, low); break;
    default: command(d, low); break;
    }
}

static void reset(void *dev)
{
    struct cfi_flash *d = dev;
    d->s = (struct cfi_flash_state){.mode = MODE_ARRAY, .status = SR_READY};
}

/* A saved state is hostile: one that no sequence of commands leads to is none. */
static void restored(void *dev)
{
    struct cfi_flash *d = dev;
    if (d->s.mode > MODE_BUFFER_CONFIRM || d->s.n > BUFFER_BYTES || d->s.left > d->s.n)
        reset(dev);
}

static void destroy(void *dev)
{
    struct cfi_flash *d = dev;
    flash_image_close(d->image);
    free(d);
}

static const struct device_type cfi_flash_type = {
    .name = "flash",
    .sizes = 1 | 2 | 4 | 8,
    .read = flash_read,
    .write = flash_write,
    .reset = reset,
    .restored = restored,
    .destroy = destroy,
    DEVICE_STATE(struct cfi_flash, s, state),
};

static uint64_t nothing_read(void *dev, uint32_t offset, unsigned bytes)
{
    return 0;
}

static void nothing_written(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
}

static void nothing_reset(void *dev)
{
}

static const struct device_type write_protected_flash_type = {
    .name = "write-protected flash",
    .sizes = 1 | 2 | 4 | 8,
    .read = nothing_read,
    .write = nothing_written,
    .reset = nothing_reset,
    .destroy = free,
};

struct device *write_protected_flash_create(void)
{
    struct device *d = calloc(1, sizeof *d);
    if (d)
        d->type = &write_protected_flash_type;
    return d;
}

struct device *cfi_flash_create(struct flash_image *image)
{
    struct cfi_flash *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &cfi_flash_type;
    d->image = image;
    reset(d);
    return &d->device;
}
