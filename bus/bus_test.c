/* bus_test.c - the map, the checks against register tables, saved state, notes, message interrupts. */
#include "bus/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct toy_state {
    uint32_t a;
    uint16_t b, c;
    uint8_t bytes[4];
};
struct toy {
    struct device device;
    struct toy_state s;
    unsigned reads, writes, restores;
    uint32_t last_offset;
    uint64_t last_value;
    bool was_locked;
};

static bool locked(struct bus *bus)
{
    if (pthread_mutex_trylock(&bus->lock))
        return true;
    pthread_mutex_unlock(&bus->lock);
    return false;
}

static uint64_t toy_read(void *dev, uint32_t offset, unsigned bytes)
{
    struct toy *t = dev;
    t->reads++;
    t->last_offset = offset;
    t->was_locked = locked(t->device.bus);
    return 0x1122334455667788;
}
static void toy_write(void *dev, uint32_t offset, unsigned bytes, uint64_t value)
{
    struct toy *t = dev;
    t->writes++;
    t->last_offset = offset;
    t->last_value = value;
    t->was_locked = locked(t->device.bus);
}
static void toy_restored(void *dev)
{
    ((struct toy *)dev)->restores++;
}

static const struct mmio_reg regs[] = {
    { "WORD", 0x00, 1, 4, RW }, { "READ", 0x04, 1, 4, RO },  { "WRITE", 0x08, 1, 4, WO },
    { "LONG", 0x10, 1, 8, RW }, { "ARRAY", 0x20, 4, 4, RW }, { "BYTES", 0x40, 8, 1, RW },
};
static const struct state_field state_fields[] = {
    STATE(struct toy_state, a), STATE(struct toy_state, b), STATE(struct toy_state, c), STATE(struct toy_state, bytes),
};
static const struct device_type toy_type = {
    .name = "toy", DEVICE_REGS(regs), .sizes = 1 | 2 | 4 | 8, .read = toy_read, .write = toy_write,
    .restored = toy_restored, DEVICE_STATE(struct toy, s, state_fields),
};
static struct device_type free_type;

static struct mem *mem;
static struct bus bus;
static struct toy toy[3];
static unsigned notes, rings;

static void note(void *ctx, const char *text)
{
    notes++;
}
static void ring(void *ctx, uint64_t offset, uint32_t data)
{
    rings++;
}

static int setup(void **state)
{
    memset(toy, 0, sizeof toy);
    notes = rings = 0;
    mem = mem_create();
    bus_init(&bus, mem, NULL);
    bus.note = note;
    free_type = toy_type;
    free_type.own_lock = true;
    free_type.stride = 0x100;
    toy[0].device.type = toy[1].device.type = &toy_type;
    toy[2].device.type = &free_type;
    bus_map(&bus, 0x3000, 0x100, &toy[1].device); /* not in order */
    bus_map(&bus, 0x1000, 0x100, &toy[0].device);
    bus_map(&bus, 0x1100, 0x200, &toy[2].device);
    return 0;
}

static int teardown(void **state)
{
    bus_finish(&bus);
    mem_destroy(mem);
    return 0;
}

static void the_map_finds_devices(void **state)
{
    uint64_t v;
    assert_true(bus_read(&bus, 0x1000, 4, &v));
    assert_int_equal(v, 0x55667788);
    assert_true(bus_read(&bus, 0x3000, 4, &v));
    assert_true(bus_write(&bus, 0x1100, 4, 5));
    assert_int_equal(toy[0].reads, 1);
    assert_int_equal(toy[1].reads, 1);
    assert_int_equal(toy[2].writes, 1);
    static const uint64_t holes[] = { 0, 0xfff, 0x1300, 0x2fff, 0x3100, 0x10fe + 0x2100, UINT64_MAX - 3 };
    for (size_t i = 0; i < ARRAY_SIZE(holes); i++) {
        assert_false(bus_read(&bus, holes[i], 4, &v));
        assert_false(bus_write(&bus, holes[i], 4, 0));
    }
    assert_false(bus_read(&bus, 0x30fe, 4, &v)); /* over the end */
}

static void the_table_decides(void **state)
{
    static const struct {
        uint32_t offset;
        unsigned bytes;
        bool write, ok;
    } rows[] = {
        { 0x00, 4, false, true },  { 0x00, 1, false, true },  { 0x00, 2, true, true },   { 0x02, 2, false, false },
        { 0x00, 8, false, false }, { 0x04, 4, false, true },  { 0x04, 4, true, false },  { 0x08, 4, false, false },
        { 0x08, 4, true, true },   { 0x0c, 4, false, false }, { 0x10, 8, true, true },   { 0x14, 4, true, true },
        { 0x10, 4, false, true },  { 0x18, 4, false, false }, { 0x20, 4, true, true },   { 0x2c, 4, true, true },
        { 0x2e, 2, true, false },  { 0x30, 4, true, false },  { 0x41, 1, false, true },  { 0x44, 4, false, true },
        { 0x40, 8, false, true },  { 0x46, 4, false, false }, { 0x45, 4, false, false }, { 0xff, 1, false, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t v = 1;
        unsigned before = toy[0].reads + toy[0].writes;
        if (rows[i].write)
            assert_true(bus_write(&bus, 0x1000 + rows[i].offset, rows[i].bytes, ~UINT64_C(0)));
        else
            assert_true(bus_read(&bus, 0x1000 + rows[i].offset, rows[i].bytes, &v));
        bool entered = toy[0].reads + toy[0].writes != before;
        if (entered != rows[i].ok)
            fail_msg("row %zu: the device was%s entered", i, entered ? "" : " not");
        if (entered)
            assert_int_equal(toy[0].last_offset, rows[i].offset);
        if (entered && rows[i].write)
            assert_int_equal(toy[0].last_value, ones(rows[i].bytes * 8));
        if (!entered && !rows[i].write)
            assert_int_equal(v, 0);
    }
    assert_true(notes >= 5 && notes <= 20); /* limited */
}

static void locks_are_held_unless_refused(void **state)
{
    uint64_t v;
    bus_read(&bus, 0x1000, 4, &v);
    assert_true(toy[0].was_locked);
    bus_write(&bus, 0x1100, 4, 0);
    assert_false(toy[2].was_locked);
    assert_false(locked(&bus));
    bus_write(&bus, 0x1210, 8, 0); /* the registers repeat */
    assert_int_equal(toy[2].last_offset, 0x110);
}

static void state_round_trips(void **state)
{
    struct toy_state was = { 0x12345678, 0x1111, 0x2222, { 1, 2, 3, 4 } };
    toy[0].s = was;
    size_t n = device_save_bytes(&toy_type);
    uint8_t *p = malloc(n);
    device_save(&toy[0].device, p);
    assert_true(device_load(&toy[1].device, p, n));
    assert_memory_equal(&toy[1].s, &was, sizeof was);
    assert_int_equal(toy[1].restores, 1);
    for (size_t i = 0; i < n; i++)
        assert_false(device_load(&toy[1].device, p, i));
    p[1] ^= 1; /* another name */
    memset(&toy[1].s, 0, sizeof was);
    assert_false(device_load(&toy[1].device, p, n));
    assert_int_equal(toy[1].s.a, 0);
    free(p);
}

static void messages_reach_the_doorbell_only(void **state)
{
    assert_false(bus_message(&bus, 0x5040, 1));
    bus.doorbell.gpa = 0x5000;
    bus.doorbell.bytes = 0x1000;
    bus.doorbell.ring = ring;
    assert_true(bus_message(&bus, 0x5040, 1));
    assert_false(bus_message(&bus, 0x5041, 1));
    assert_false(bus_message(&bus, 0x6000, 1));
    assert_false(bus_message(&bus, 0x1000, 1));
    assert_int_equal(rings, 1);
    assert_int_equal(toy[0].writes, 0);
}

static void trace_words(void **state)
{
    setenv("POME_TRACE", "irq,mmio,x64", 1);
    assert_true(bus_trace_on("mmio"));
    assert_true(bus_trace_on("irq"));
    assert_true(bus_trace_on("x64"));
    assert_false(bus_trace_on("mm"));
    assert_false(bus_trace_on("virtq"));
    setenv("POME_TRACE", "", 1);
    assert_false(bus_trace_on("mmio"));
    unsetenv("POME_TRACE");
    assert_false(bus_trace_on("mmio"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_map_finds_devices), T(the_table_decides),   T(locks_are_held_unless_refused),
        T(state_round_trips),     T(messages_reach_the_doorbell_only), T(trace_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
