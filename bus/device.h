/*
 * device.h - what every device is made of: a register table, a state table, a few functions.
 *
 * A device is a struct whose first member is `struct device`. Guest-visible state is one nested struct `s` described
 * exactly by the state table; host wiring (lines, back ends, pointers) stays outside it. Functions are entered with the
 * machine lock held unless the type says own_lock.
 */
#ifndef BUS_DEVICE_H
#define BUS_DEVICE_H

#include "base/bits.h"

enum mmio_access { RO = 1, WO = 2, RW = 3 };

/* One register, or an array of `count` registers of `bytes` bytes each from `offset` on. Rows are in ascending order. */
struct mmio_reg {
    const char *name;
    uint32_t offset;
    uint16_t count;
    uint8_t bytes; /* of one register */
    uint8_t access;
};

/* For `#define REGS(R) R(NAME, offset, access)` with 32-bit registers. */
#define REG_ROW(name, offset, access)  { #name, offset, 1, 4, access },
#define REG_ENUM(name, offset, access) REG_##name = offset,

struct state_field {
    const char *name;
    uint32_t offset, bytes; /* in the state struct */
};
#define STATE(type, field) { #field, offsetof(type, field), sizeof(((type *)0)->field) }

struct bus;

struct device_type {
    const char *name;
    const struct mmio_reg *regs; /* NULL: the device decodes every aligned access itself */
    size_t n_regs;
    uint32_t stride; /* the registers repeat every so many bytes; 0: they do not */
    unsigned sizes;  /* sum of the access sizes it takes: 1, 2, 4, 8 */
    bool own_lock;   /* read and write are called without the machine lock */
    uint64_t (*read)(void *dev, uint32_t offset, unsigned bytes);
    void (*write)(void *dev, uint32_t offset, unsigned bytes, uint64_t value);
    void (*reset)(void *dev);    /* to the state after creation */
    void (*restored)(void *dev); /* state was filled from a save: drive lines, arm timers; NULL: nothing to do */
    void (*destroy)(void *dev);  /* frees it */
    const struct state_field *state;
    size_t n_state;
    size_t state_offset, state_bytes; /* of the state struct in the device */
};
#define DEVICE_STATE(type, member, table)                                                                    \
    .state = table, .n_state = ARRAY_SIZE(table), .state_offset = offsetof(type, member),                   \
    .state_bytes = sizeof(((type *)0)->member)
#define DEVICE_REGS(table) .regs = table, .n_regs = ARRAY_SIZE(table)

struct device {
    const struct device_type *type;
    struct bus *bus;
};

/* One wire into an interrupt controller. set NULL: not connected. */
struct irq_line {
    void (*set)(void *ctx, unsigned number, bool level);
    void *ctx;
    unsigned number;
};

static inline void irq_set(const struct irq_line *line, bool level)
{
    if (line->set)
        line->set(line->ctx, line->number, level);
}

/* The row that `bytes` bytes at offset lie in, or NULL. */
const struct mmio_reg *mmio_reg_find(const struct device_type *type, uint32_t offset, unsigned bytes);

/* Bytes of a saved state of this type; device_save fills them, device_load reads them back after checking the names and
 * sizes, false (nothing changed) if they are not what this type saves. */
size_t device_save_bytes(const struct device_type *type);
void device_save(const struct device *dev, uint8_t *to);
bool device_load(struct device *dev, const uint8_t *from, size_t bytes);

/* The same for a state that lies elsewhere than dev->type says: `of` is the struct that type's state_offset counts from. */
void state_save(const struct device_type *type, const void *of, uint8_t *to);
bool state_load(const struct device_type *type, void *of, const uint8_t *from, size_t bytes);

#endif
