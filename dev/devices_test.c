/*
 * devices_test.c - what must hold for every device type: tables are sound, reset equals fresh, state survives save and
 * restore, every offset and size can be hit. A new device gets a row in `rows`.
 */
#include "dev/backdoor.h"
#include "dev/boot_report.h"
#include "dev/cfi_flash.h"
#include "dev/fw_cfg.h"
#include "dev/gicv3.h"
#include "dev/pl011.h"
#include "dev/pl031.h"
#include "dev/pl061.h"
#include "dev/pvpanic.h"
#include "dev/test_rig.h"
#include "dev/virtio_balloon.h"
#include "dev/virtio_console.h"
#include "dev/virtio_rng.h"
#include "dev/virtio_vsock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BASE UINT64_C(0x20000000)

static struct rig r;
static struct console *console;
static unsigned panics;

static void no_irq(void *ctx, unsigned cpu, bool level)
{
}
static void panicked(void *ctx, unsigned event)
{
    panics++;
}

static struct device *make_gicd(void)
{
    static const struct cpu_irq_port port = { .set_irq = no_irq, .set_fiq = no_irq };
    return gicv3_dist(gicv3_create(3, CPU_CLUSTERS, 96, &port));
}
static struct device *make_backdoor(void)
{
    return backdoor_create(&r.bus, NULL, NULL);
}
static struct device *make_flash(void)
{
    return cfi_flash_create(flash_image_open(NULL, CFI_FLASH_BLOCK, r.loop, NULL));
}
static struct device *make_fw_cfg(void)
{
    struct device *d = fw_cfg_create();
    fw_cfg_add(d, "a file", "contents", 8);
    return d;
}
static struct device *make_pl011(void)
{
    return pl011_create((struct irq_line){ 0 }, console);
}
static struct device *make_pl031(void)
{
    return pl031_create((struct irq_line){ 0 }, r.loop);
}
static struct device *make_pl061(void)
{
    return pl061_create((struct irq_line){ 0 });
}
static struct device *make_pvpanic(void)
{
    return pvpanic_create(panicked, NULL);
}

static unsigned reported, reports;
static void started(void *ctx, unsigned what)
{
    reported = what;
    reports++;
}
static struct device *make_boot_report(void)
{
    return boot_report_create(started, NULL);
}

static const struct row {
    const char *name;
    struct device *(*make)(void);
    uint32_t bytes;
} rows[] = {
    { "gicd", make_gicd, GIC_DIST_BYTES }, { "pl011", make_pl011, 0x1000 },   { "pl031", make_pl031, 0x1000 },
    { "pl061", make_pl061, 0x1000 },       { "pvpanic", make_pvpanic, 2 },    { "boot_report", make_boot_report, 4 }, { "flash", make_flash, CFI_FLASH_BLOCK },
    { "fw_cfg", make_fw_cfg, FW_CFG_MMIO_BYTES }, { "backdoor", make_backdoor, BACKDOOR_BYTES },
};

static struct device *start(const struct row *row)
{
    rig_init(&r);
    console = console_create(r.loop, &(struct console_options){ .in_fd = -1, .out_fd = -1 }, NULL);
    struct device *d = row->make();
    bus_map(&r.bus, BASE, row->bytes, d);
    return d;
}

static void finish(struct device *d)
{
    d->type->destroy(d);
    console_destroy(console, 1000);
    rig_finish(&r);
}

static void check_tables(const struct device_type *t)
{
    uint32_t end = 0;
    for (size_t i = 0; i < t->n_regs; i++) {
        if (t->regs[i].offset < end)
            fail_msg("%s: register %s is out of order or overlaps", t->name, t->regs[i].name);
        end = t->regs[i].offset + (uint32_t)t->regs[i].count * t->regs[i].bytes;
    }
    uint32_t at = 0;
    for (size_t i = 0; i < t->n_state; i++) {
        if (t->state[i].offset != at)
            fail_msg("%s: the state table misses bytes %u to %u", t->name, at, t->state[i].offset);
        at += t->state[i].bytes;
    }
    if (at != t->state_bytes)
        fail_msg("%s: the state table covers %u of %zu bytes", t->name, at, t->state_bytes);
}

static void tables_are_sound(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct device *d = start(&rows[i]);
        check_tables(d->type);
        finish(d);
    }
    rig_init(&r);
    rig_plug(&r, virtio_rng_create(&r.bus));
    check_tables(r.v->device.type);
    check_tables(virtio_pci_device(r.t)->type);
    check_tables(virtio_pci_function(r.t)->type);
    rig_finish(&r);
    struct device *d = start(&rows[0]);
    struct virtio *v = virtio_console_create(&r.bus, &(struct virtio_console_port){ .console = console }, 1);
    check_tables(v->type->own);
    v->type->destroy(v);
    v = virtio_balloon_create(&r.bus);
    check_tables(v->type->own);
    v->type->destroy(v);
    v = virtio_vsock_create(&r.bus, vsock_host_create(r.loop, NULL, NULL));
    check_tables(v->type->own);
    v->type->destroy(v);
    finish(d);
}

static uint8_t *saved(struct device *d, size_t *n)
{
    *n = device_save_bytes(d->type);
    uint8_t *p = malloc(*n);
    device_save(d, p);
    return p;
}

static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static void hit_everything(uint64_t base, uint32_t bytes)
{
    static const uint64_t values[] = { 0, ~UINT64_C(0), 0x5555555555555555 };
    for (size_t v = 0; v < ARRAY_SIZE(values); v++)
        for (uint32_t o = 0; o < bytes; o++)
            for (unsigned size = 1; size <= 8; size *= 2) {
                uint64_t got;
                bus_write(&r.bus, base + o, size, values[v]);
                bus_read(&r.bus, base + o, size, &got);
            }
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t got, x = random64();
        unsigned size = 1u << (x >> 60 & 3);
        if (x >> 59 & 1)
            bus_write(&r.bus, base + x % bytes / size * size, size, random64());
        else
            bus_read(&r.bus, base + x % bytes / size * size, size, &got);
    }
}

static void reset_equals_fresh(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct device *d = start(&rows[i]);
        size_t n;
        uint8_t *fresh = saved(d, &n);
        hit_everything(BASE, rows[i].bytes);
        uint8_t *used = saved(d, &n);
        assert_memory_not_equal(fresh, used, n); /* else nothing was tested */
        d->type->reset(d);
        uint8_t *again = saved(d, &n);
        if (memcmp(fresh, again, n))
            fail_msg("%s: reset left something behind", rows[i].name);
        free(fresh);
        free(used);
        free(again);
        finish(d);
    }
}

/* What the firmware said first counts, until the next reset. */
static void boot_report_is_the_firmwares(void **state)
{
    const struct row row = { "boot_report", make_boot_report, 4 };
    struct device *d = start(&row);
    reports = 0;
    bus_write(&r.bus, BASE, 4, BOOT_REPORT_SYSTEM);
    bus_write(&r.bus, BASE, 4, BOOT_REPORT_RECOVERY);
    assert_true(reports == 1 && reported == BOOT_REPORT_SYSTEM);
    d->type->reset(d);
    bus_write(&r.bus, BASE, 4, 0);
    bus_write(&r.bus, BASE, 4, BOOT_REPORT_RECOVERY);
    assert_true(reports == 2 && reported == BOOT_REPORT_RECOVERY);
    finish(d);
}

/* Any state that claims to be of this type is taken and does no harm; what it becomes can be saved and taken again. */
static void states_survive(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct device *d = start(&rows[i]);
        size_t n, n2;
        hit_everything(BASE, rows[i].bytes);
        uint8_t *a = saved(d, &n);
        d->type->reset(d);
        assert_true(device_load(d, a, n));
        uint8_t *b = saved(d, &n2);
        assert_int_equal(n, n2);
        if (memcmp(a, b, n) && strcmp(rows[i].name, "pl011")) /* it sends what it could not send before */
            fail_msg("%s: the state changed on its way", rows[i].name);
        for (size_t k = 0; k < n; k += 1 + n / 257)
            assert_false(device_load(d, a, k));
        a[0]++;
        assert_false(device_load(d, a, n));
        a[0]--;
        for (unsigned k = 0; k < 200; k++) { /* hostile bytes */
            uint8_t *p = a;
            for (size_t f = 0; f < d->type->n_state; f++) {
                p += 1 + p[0] + 4;
                for (uint32_t x = 0; x < d->type->state[f].bytes; x++)
                    if (random64() % 4 == 0)
                        p[x] = (uint8_t)random64();
                p += d->type->state[f].bytes;
            }
            assert_true(device_load(d, a, n));
            for (unsigned x = 0; x < 200; x++) {
                uint64_t got, at = BASE + random64() % rows[i].bytes / 4 * 4;
                bus_read(&r.bus, at, 4, &got);
                bus_write(&r.bus, at, 4, random64());
            }
        }
        free(a);
        free(b);
        finish(d);
    }
}

static void virtio_registers_take_anything(void **state)
{
    rig_init(&r);
    rig_plug(&r, virtio_rng_create(&r.bus));
    assert_int_equal(rig_start(&r, VIRTIO_F_VERSION_1), 15);
    hit_everything(RIG_BAR, 0x4000);
    hit_everything(RIG_MSIX, 0x1000);
    hit_everything(RIG_ECAM + (1 << 15), 0x1000);
    rig_write(&r, RIG_CFG(PCI_COMMAND), 2, 6);
    rig_write(&r, RIG_CFG(PCI_BAR0), 4, RIG_BAR);
    rig_reset(&r);
    assert_int_equal(rig_start(&r, VIRTIO_F_VERSION_1), 15); /* it is as good as new */
    size_t n;
    uint8_t *a = saved(&r.v->device, &n);
    for (unsigned k = 0; k < 300; k++) {
        for (size_t i = 0; i < n; i++)
            if (random64() % 8 == 0)
                a[i] = (uint8_t)random64();
        size_t n2;
        uint8_t *names = saved(&r.v->device, &n2), *p = names;
        for (size_t f = 0; f < r.v->device.type->n_state; f++) {
            size_t head = 1 + p[0] + 4u;
            memcpy(p + head, a + (p - names) + head, r.v->device.type->state[f].bytes);
            p += head + r.v->device.type->state[f].bytes;
        }
        assert_true(device_load(&r.v->device, names, n2));
        free(names);
        for (unsigned q = 0; q < 4; q++)
            rig_notify(&r, q);
    }
    free(a);
    rig_finish(&r);
}

static void notes_are_limited(void **state)
{
    struct device *d = start(&rows[2]);
    for (unsigned i = 0; i < 100000; i++)
        rig_read(&r, BASE + 0x800, 4);
    assert_true(r.notes >= 1 && r.notes <= 60);
    finish(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),   cmocka_unit_test(reset_equals_fresh),
        cmocka_unit_test(states_survive),     cmocka_unit_test(virtio_registers_take_anything),
        cmocka_unit_test(notes_are_limited), cmocka_unit_test(boot_report_is_the_firmwares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
