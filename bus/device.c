/*
 * device.c - register lookup and saved state, from the tables of a device type (see device.h).
 *
 * A saved state is one record per row: name length (u8), name, size (u32, little-endian), bytes. The names make a state
 * of another version or type unmistakable.
 */
#include "bus/device.h"

const struct mmio_reg *mmio_reg_find(const struct device_type *type, uint32_t offset, unsigned bytes)
{
    size_t low = 0, high = type->n_regs;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (type->regs[mid].offset <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low)
        return NULL;
    const struct mmio_reg *r = &type->regs[low - 1];
    uint32_t inside = offset - r->offset;
    return inside + bytes <= (uint32_t)r->count * r->bytes ? r : NULL;
}

size_t device_save_bytes(const struct device_type *type)
{
    size_t n = 0;
    for (size_t i = 0; i < type->n_state; i++)
        n += 1 + strlen(type->state[i].name) + 4 + type->state[i].bytes;
    return n;
}

void state_save(const struct device_type *type, const void *of, uint8_t *to)
{
    const uint8_t *state = (const uint8_t *)of + type->state_offset;
    for (size_t i = 0; i < type->n_state; i++) {
        const struct state_field *f = &type->state[i];
        size_t n = strlen(f->name);
        *to++ = (uint8_t)n;
        memcpy(to, f->name, n);
        le32_put(to + n, f->bytes);
        memcpy(to + n + 4, state + f->offset, f->bytes);
        to += n + 4 + f->bytes;
    }
}

static bool matches(const struct device_type *type, const uint8_t *from, size_t bytes)
{
    if (bytes != device_save_bytes(type))
        return false;
    for (size_t i = 0; i < type->n_state; i++) {
        const struct state_field *f = &type->state[i];
        size_t n = strlen(f->name);
        if (from[0] != n || memcmp(from + 1, f->name, n) || le32_get(from + 1 + n) != f->bytes)
            return false;
        from += 1 + n + 4 + f->bytes;
    }
    return true;
}

bool state_load(const struct device_type *type, void *of, const uint8_t *from, size_t bytes)
{
    uint8_t *state = (uint8_t *)of + type->state_offset;
    if (!matches(type, from, bytes))
        return false;
    for (size_t i = 0; i < type->n_state; i++) {
        const struct state_field *f = &type->state[i];
        from += 1 + strlen(f->name) + 4;
        memcpy(state + f->offset, from, f->bytes);
        from += f->bytes;
    }
    if (type->restored)
        type->restored(of);
    return true;
}

void device_save(const struct device *dev, uint8_t *to)
{
    state_save(dev->type, dev, to);
}

bool device_load(struct device *dev, const uint8_t *from, size_t bytes)
{
    return state_load(dev->type, dev, from, bytes);
}
