/* saved.c - a machine's saved state: which states there are and how they are called, and what must agree (see machine.h). */
#include "machine/board.h"

#include "base/error.h"
#include "backend/flash_image.h"
#include "dev/virtio_fs.h"
#include "dev/virtio_net.h"
#include "dev/virtio_pci.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* Of a device on the map: its address; of one in a PCI slot: the slot. */
static void name_of(const struct machine *m, const struct device *dev, char name[48])
{
    for (size_t i = 0; i < m->bus.n_ranges; i++)
        if (m->bus.range[i].dev == dev) {
            snprintf(name, 48, "%s@%" PRIx64, dev->type->name, m->bus.range[i].gpa);
            return;
        }
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        const struct virtio *v = m->virtio[slot];
        if (!v)
            continue;
        if (dev == &v->device)
            snprintf(name, 48, "%s.%u", v->type->name, slot);
        else if (dev == virtio_pci_device(v->transport) || dev == virtio_pci_function(v->transport))
            snprintf(name, 48, "%s.%u", dev->type->name, slot);
    }
}

/* The part that the kind of virtio device adds. */
static bool own_state(struct machine *m, const struct device *dev, struct machine_state *s, char name[48])
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        if (m->virtio[slot] && dev == &m->virtio[slot]->device && m->virtio[slot]->type->own) {
            *s = (struct machine_state){name, m->virtio[slot]->type->own, m->virtio[slot]};
            snprintf(name, 48, "%s.%u/own", m->virtio[slot]->type->name, slot);
            return true;
        }
    return false;
}

bool machine_each_state(struct machine *m, bool (*each)(void *ctx, const struct machine_state *s), void *ctx)
{
    char name[48];
    for (size_t i = 0; i < m->n_devices; i++) {
        struct machine_state s = {name, m->device[i]->type, m->device[i]};
        name_of(m, m->device[i], name);
        if (s.type->n_state && !each(ctx, &s))
            return false;
        if (own_state(m, m->device[i], &s, name) && !each(ctx, &s))
            return false;
    }
    return true;
}

static void put(struct records *out, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(struct records *out, const char *name, const char *format, ...)
{
    char text[96];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    records_put_text(out, name, text);
}

static bool is_network(const struct virtio *v)
{
    return v && v->type->id == 1;
}

static bool disk_facts(struct machine *m, unsigned slot, struct records *out, struct pome_error *err)
{
    struct disk *d = m->disk[slot];
    struct disk_identity id;
    char name[64], when[40];
    if (!disk_identity(d, &id, err))
        return false;
    snprintf(name, sizeof name, "disk in PCI slot %u: size", slot);
    put(out, name, "%" PRIu64 " bytes%s", id.bytes, disk_is_read_only(d) ? ", read-only" : "");
    time_t t = (time_t)(id.changed_ns / 1000000000);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(name, sizeof name, "disk in PCI slot %u: written to last", slot);
    put(out, name, "%s.%09u UTC", when, (unsigned)(id.changed_ns % 1000000000));
    return true;
}

static void mac_fact(unsigned slot, char name[48])
{
    snprintf(name, 48, "PCI slot %u: MAC address", slot);
}

void machine_mac_fact(unsigned i, char name[48])
{
    mac_fact(machine_network_slot(i), name);
}

bool machine_facts(struct machine *m, struct records *out, struct pome_error *err)
{
    char name[48];
    records_put_text(out, "platform", m->platform->model);
    put(out, "CPUs", "%u", m->config.n_cpus);
    put(out, "memory", "%" PRIu64 " bytes", m->config.ram_bytes);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        if (!m->virtio[slot])
            continue;
        snprintf(name, sizeof name, "PCI slot %u", slot);
        put(out, name, "%s", m->virtio[slot]->type->name);
        snprintf(name, sizeof name, "PCI slot %u: features", slot);
        put(out, name, "0x%" PRIx64, m->virtio[slot]->offered);
        if (is_network(m->virtio[slot])) { /* the address is the first of its configuration (VIRTIO 1.2, 5.1.4) */
            const uint8_t *a = m->virtio[slot]->initial_config;
            mac_fact(slot, name);
            put(out, name, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
        }
        if (m->disk[slot] && !disk_facts(m, slot, out, err))
            return false;
    }
    return true;
}

bool machine_sync_disks(struct machine *m, struct pome_error *err)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        if (m->disk[slot] && !disk_sync(m->disk[slot], err))
            return false;
    return true;
}

/* ---- traffic ---- */

static bool is_share(const struct virtio *v)
{
    return v && v->type->id == 26;
}

static void share_name(unsigned slot, char name[32])
{
    snprintf(name, 32, "share in PCI slot %u", slot);
}

static void network_name(unsigned slot, char name[32])
{
    snprintf(name, 32, "network in PCI slot %u", slot);
}

void machine_save_traffic(struct machine *m, struct records *out)
{
    char name[32];
    machine_save_consoles(m, out);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        struct records r = {0};
        if (is_network(m->virtio[slot])) {
            network_name(slot, name);
            virtio_net_save(m->virtio[slot], &r);
        } else if (is_share(m->virtio[slot])) {
            share_name(slot, name);
            virtio_fs_save(m->virtio[slot], &r);
        } else {
            continue;
        }
        records_put(out, name, r.bytes, r.n);
        out->no_memory |= r.no_memory;
        records_free(&r);
    }
}

bool machine_load_traffic(struct machine *m, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    char name[32];
    struct record r;
    if (!machine_load_consoles(m, bytes, n, err))
        return false;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        network_name(slot, name);
        if (is_network(m->virtio[slot]) && records_find(bytes, n, name, &r) && !virtio_net_load(m->virtio[slot], r.bytes, r.n, err))
            return pome_fail_context(err, "%s", name);
        share_name(slot, name);
        if (is_share(m->virtio[slot]) && !(records_find(bytes, n, name, &r) ? virtio_fs_load(m->virtio[slot], r.bytes, r.n, err) : virtio_fs_load(m->virtio[slot], NULL, 0, err)))
            return pome_fail_context(err, "%s", name);
    }
    return true;
}

const uint8_t *machine_variables(const struct machine *m, uint64_t *bytes, bool *kept)
{
    if (!m->flash)
        return NULL;
    *bytes = flash_image_bytes(m->flash);
    *kept = m->config.variables;
    return flash_image_data(m->flash);
}

bool machine_load_variables(struct machine *m, const uint8_t *bytes)
{
    const uint64_t n = flash_image_bytes(m->flash), piece = 4096;
    for (uint64_t at = 0; at < n; at += piece)
        if (memcmp(flash_image_data(m->flash) + at, bytes + at, piece) && flash_image_write(m->flash, at, bytes + at, piece))
            return false;
    return true;
}
