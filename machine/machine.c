/* machine.c - builds a machine from its platform's list of parts, and connects the vCPUs' wires (see machine.h). */
#include "machine/machine.h"

#include "base/error.h"
#include "config/settings.h"
#include "dev/pl011.h"
#include "dev/pl061.h"
#include "dev/virtio_input.h"
#include "firmware/cfg.h"
#include "firmware/platform.h"
#include "machine/board.h"
#include "machine/boot_info.h"
#include "mem/lazy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define POWER_PIN    3
#define BUTTON_NS    200000000
#define MAX_FDT      (2 * MiB) /* booting.rst 2 */

static bool board_mmio_read(void *ctx, unsigned cpu, uint64_t gpa, unsigned size_bytes, uint64_t *value)
{
    struct machine *m = ctx;
    return bus_read(&m->bus, gpa, size_bytes, value);
}

static bool board_mmio_write(void *ctx, unsigned cpu, uint64_t gpa, unsigned size_bytes, uint64_t value)
{
    struct machine *m = ctx;
    return bus_write(&m->bus, gpa, size_bytes, value);
}

static uint64_t board_icc_read(void *ctx, unsigned cpu, enum icc_reg reg)
{
    struct machine *m = ctx;
    return gicv3_icc_read(m->gic, cpu, reg);
}

static void board_icc_write(void *ctx, unsigned cpu, enum icc_reg reg, uint64_t value)
{
    struct machine *m = ctx;
    gicv3_icc_write(m->gic, cpu, reg, value);
}

static void board_ppi_set(void *ctx, unsigned cpu, unsigned intid, bool level)
{
    struct machine *m = ctx;
    gicv3_ppi(m->gic, cpu, intid, level);
}

static void board_system_off(void *ctx, unsigned cpu, bool reset)
{
    struct machine *m = ctx;
    void (*fn)(void *) = reset ? m->events.reset : m->events.power_off;
    if (fn)
        fn(m->events.ctx);
}

static void note(void *ctx, const char *text)
{
    struct machine *m = ctx;
    if (m->events.note)
        m->events.note(m->events.ctx, "device", text);
}

static void fault(void *ctx, const char *text)
{
    struct machine *m = ctx;
    if (m->events.fault)
        m->events.fault(m->events.ctx, text);
}

static void board_note(void *ctx, unsigned cpu, const char *text)
{
    struct machine *m = ctx;
    char line[200];
    snprintf(line, sizeof line, "cpu %u: %s", cpu, text);
    if (m->events.note)
        m->events.note(m->events.ctx, "cpu", line);
}

/* There are two, for kernels with GPIO keys and for those with virtio input only; pressing both is harmless. */
static void press(struct machine *m, bool down)
{
    bus_lock(&m->bus);
    pl061_input(m->gpio, POWER_PIN, down);
    virtio_input_power(m->button, down);
    bus_unlock(&m->bus);
}

static void let_go_soon(struct machine *m)
{
    loop_timer_set(m->config.loop, &m->button_timer, loop_now_ns() + BUTTON_NS);
}

static void release_button(void *ctx)
{
    press(ctx, false);
}

static bool check_config(const struct machine_config *c, struct pome_error *err)
{
    struct findings l = {0};
    settings_check_cpus(c->n_cpus, NULL, &l);
    settings_check_memory(c->ram_bytes, NULL, &l);
    bool ok = findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, "machine", err);
    findings_free(&l);
    if (!ok)
        return false;
    if (c->n_disks > MAX_DISKS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "disks: found %zu, at most %d", c->n_disks, MAX_DISKS);
    if (c->platform != MACHINE_GENERIC && c->platform != MACHINE_APPLE)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "platform: unknown number %d", (int)c->platform);
    return true;
}

static bool add_memory(struct machine *m, struct pome_error *err)
{
    const struct platform *p = m->platform;
    const struct machine_config *c = &m->config;
    if (!mem_add_ram(m->mem, p->ram_gpa, c->ram_bytes, err))
        return false;
    if (c->rom_bytes && !mem_add_rom(m->mem, p->rom_gpa, p->rom_bytes, c->rom, c->rom_bytes, err))
        return pome_fail_context(err, p->cfg_bytes ? "boot ROM" : "firmware");
    return true;
}

static bool add_parts(struct machine *m, struct pome_error *err)
{
    for (size_t i = 0; i < m->platform->n_parts; i++) {
        const struct part *p = &m->platform->parts[i];
        if (!p->make(m, p, err)) /* names what it is about */
            return false;
    }
    return true;
}

bool machine_place_fdt(struct machine *m, void *fdt, size_t bytes, uint64_t gpa, struct pome_error *err)
{
    free(m->fdt);
    m->fdt = fdt;
    m->fdt_bytes = bytes;
    if (bytes > MAX_FDT || !mem_write(m->mem, gpa, fdt, bytes))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "device tree of %zu bytes does not fit at 0x%" PRIx64, bytes, gpa);
    return true;
}

bool machine_enter_rom(struct machine *m, struct pome_error *err)
{
    if (!m->config.rom_bytes)
        return true;
    size_t bytes;
    void *fdt = fdt_write(m, &(struct fdt_chosen){ 0 }, &bytes, err);
    if (!fdt || !machine_place_fdt(m, fdt, bytes, m->platform->ram_gpa, err))
        return false;
    if (m->platform->cfg_bytes && !darwin_tree_place(m, m->platform->ram_gpa + DARWIN_TREE_AT, &m->darwin_tree_bytes, err))
        return false;
    if (!boot_info_place(m, err))
        return false;
    m->entry = (struct machine_entry){ .pc = m->platform->rom_gpa, .x0 = m->platform->ram_gpa };
    m->has_entry = true;
    return true;
}

static void connect_board(struct machine *m)
{
    m->board = (struct cpu_board){
        .ctx = m,
        .mmio_read = board_mmio_read,
        .mmio_write = board_mmio_write,
        .icc_read = board_icc_read,
        .icc_write = board_icc_write,
        .ppi_set = board_ppi_set,
        .system_off = board_system_off,
        .note = board_note,
    };
}

struct machine *machine_create(const struct machine_config *config, const struct cpu_irq_port *irq,
                               const struct machine_events *events, struct pome_error *err)
{
    if (!check_config(config, err))
        return NULL;
    struct machine *m = calloc(1, sizeof *m);
    struct mem *mem = mem_create();
    if (!m || !mem) {
        free(m);
        mem_destroy(mem);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine");
        return NULL;
    }
    m->config = *config;
    m->irq_port = *irq;
    if (events)
        m->events = *events;
    m->platform = config->platform == MACHINE_APPLE ? &platform_apple : &platform_generic;
    m->mem = mem;
    bus_init(&m->bus, mem, config->loop);
    m->bus.note = note;
    m->bus.fault = fault;
    m->bus.note_ctx = m;
    m->button_timer = (struct loop_timer){ .fn = release_button, .ctx = m };
    connect_board(m);
    if (add_memory(m, err) && add_parts(m, err) && machine_enter_rom(m, err))
        return m;
    machine_destroy(m);
    return NULL;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    loop_timer_cancel(m->config.loop, &m->button_timer);
    while (!machine_quiesce(m, 60000))
        ; /* a worker still writes to guest memory */
    for (size_t i = m->n_devices; i-- > 0;)
        m->device[i]->type->destroy(m->device[i]);
    machine_close_ports(m);
    disk_pool_destroy(m->disks);
    bus_finish(&m->bus);
    mem_destroy(m->mem);
    free(m->fdt);
    free(m);
}

const struct cpu_board *machine_board(const struct machine *m)
{
    return &m->board;
}

enum cpu_topology machine_topology(const struct machine *m)
{
    return m->platform->topology;
}

struct mem *machine_mem(const struct machine *m)
{
    return m->mem;
}

uint32_t machine_counter_hz(const struct machine *m)
{
    return m->platform->counter_hz;
}

bool machine_entry(const struct machine *m, struct machine_entry *entry)
{
    *entry = m->entry;
    return m->has_entry;
}

const void *machine_fdt(const struct machine *m, size_t *bytes)
{
    *bytes = m->fdt_bytes;
    return m->fdt;
}

void machine_reset(struct machine *m)
{
    mem_settle(m->mem); /* a kernel is going to be read into it */
    boot_info_forget_options(m);
    machine_quiesce(m, 60000);
    bus_lock(&m->bus);
    for (size_t i = m->n_devices; i-- > 0;)
        m->device[i]->type->reset(m->device[i]);
    bus_unlock(&m->bus);
    machine_unquiesce(m);
    machine_enter_rom(m, NULL);
}

void machine_power_button(struct machine *m)
{
    press(m, true);
    let_go_soon(m);
}

void machine_restored(struct machine *m)
{
    if (pl061_input_is_high(m->gpio, POWER_PIN)) /* it was saved while pressed: nobody else would let it go */
        let_go_soon(m);
}

bool machine_output_done(struct machine *m)
{
    bus_lock(&m->bus);
    bool done = pl011_flush(m->uart);
    bus_unlock(&m->bus);
    return done;
}

static void hold(struct machine *m, bool held)
{
    bus_lock(&m->bus);
    for (unsigned i = 0; i < PCI_SLOTS; i++)
        if (m->virtio[i])
            virtio_hold(m->virtio[i], held);
    bus_unlock(&m->bus);
}

bool machine_quiesce(struct machine *m, unsigned timeout_ms)
{
    machine_hold_consoles(m, true);
    hold(m, true);
    return (!m->disks || disk_pool_drain(m->disks, timeout_ms)) && machine_drain_shares(m, timeout_ms);
}

void machine_unquiesce(struct machine *m)
{
    hold(m, false);
    machine_hold_consoles(m, false);
}

void machine_describe(const struct machine *m, void (*each)(void *ctx, const char *text), void *ctx)
{
    char text[96];
    for (size_t i = 0; i < m->bus.n_ranges; i++) {
        const struct bus_range *r = &m->bus.range[i];
        snprintf(text, sizeof text, "%s at 0x%" PRIx64, r->dev->type->name, r->gpa);
        each(ctx, text);
    }
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        if (m->virtio[slot]) {
            snprintf(text, sizeof text, "%s in PCI slot %u", m->virtio[slot]->type->name, slot);
            each(ctx, text);
        }
}
