/* describe_ipsw.c - facts about restore images: a summary first, then every key of every list as detail. */
#include "restore/inspect.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum { DEVICES_SHOWN = 8, IDENTITIES_SHOWN = 12 };

/* --- the summary --- */

static uint64_t number_of(const struct pl *dict, const char *key)
{
    uint64_t v = 0;
    return manifest_number(dict, key, &v, NULL) ? v : 0;
}

static bool count_pair(void *user, const char *key, struct pl *value)
{
    ++*(size_t *)user;
    return true;
}

static void tell_identity(struct facts *f, const struct pl *id)
{
    const struct pl *info = pl_get(id, "Info");
    const char *class = pl_text(pl_get(info, "DeviceClass")), *variant = pl_text(pl_get(info, "Variant"));
    char name[256];
    size_t components = 0;
    snprintf(name, sizeof name, "%s, %s", class ? class : "?", variant ? variant : "?");
    pl_walk(pl_get(id, "Manifest"), count_pair, &components);
    fact_dict(f, name, NULL);
    fact_text(f, "device_class", "Device", class);
    fact_text(f, "variant", "Variant", variant);
    fact_text(f, "restore_behavior", "Behaviour", pl_text(pl_get(info, "RestoreBehavior")));
    fact_hex(f, "board_id", "Board", number_of(id, "ApBoardID"));
    fact_hex(f, "chip_id", "Chip", number_of(id, "ApChipID"));
    fact_number(f, "component_count", "Components", components);
    f->detail++;
    fact_text(f, "product_type", NULL, pl_text(pl_get(id, "Ap,ProductType")));
    fact_hex(f, "security_domain", NULL, number_of(id, "ApSecurityDomain"));
    fact_text(f, "minimum_host_version", NULL, pl_text(pl_get(info, "VirtualMachineMinHostOS")));
    if (pl_get(info, "VirtualMachineMinCPUCount"))
        fact_number(f, "minimum_cpu_count", NULL, number_of(info, "VirtualMachineMinCPUCount"));
    if (pl_get(info, "VirtualMachineMinMemorySizeMB"))
        fact_size(f, "minimum_memory_bytes", NULL, MIN(number_of(info, "VirtualMachineMinMemorySizeMB"), BIT(40)) * MiB);
    f->detail--;
    fact_end(f);
}

/* Of many, only those of the chosen device are in the summary. */
static void tell_identities(struct facts *f, const struct pl *ids, const char *chosen)
{
    size_t n = pl_count(ids);
    fact_number(f, "identity_count", n > IDENTITIES_SHOWN ? "Identities in all" : "Identities", n);
    fact_list(f, "identities", n > IDENTITIES_SHOWN ? "Identities of this device" : "Identities");
    for (size_t i = 0; i < n && !f->stopped; i++) {
        const struct pl *id = pl_item(ids, i);
        const char *class = pl_text(pl_get(pl_get(id, "Info"), "DeviceClass"));
        bool other = n > IDENTITIES_SHOWN && (!class || strcmp(class, chosen));
        f->detail += other;
        tell_identity(f, id);
        f->detail -= other;
    }
    fact_end(f);
}

static void tell_devices(struct facts *f, const struct pl *map)
{
    size_t n = pl_count(map);
    if (!n)
        return;
    fact_number(f, "device_count", "Devices", n);
    f->detail += n > DEVICES_SHOWN;
    fact_list(f, "device_map", "Device map");
    for (size_t i = 0; i < n && !f->stopped; i++) {
        const struct pl *row = pl_item(map, i);
        const char *board = pl_text(pl_get(row, "BoardConfig"));
        fact_dict(f, board, NULL);
        fact_text(f, "board_config", "Device", board);
        fact_text(f, "platform", "Platform", pl_text(pl_get(row, "Platform")));
        fact_hex(f, "board_id", "Board", number_of(row, "BDID"));
        fact_hex(f, "chip_id", "Chip", number_of(row, "CPID"));
        fact_number(f, "security_domain", "Domain", number_of(row, "SDOM"));
        fact_end(f);
    }
    fact_end(f);
    f->detail -= n > DEVICES_SHOWN;
}

static void tell_component(struct facts *f, struct restore_image *image, const struct manifest_component *c)
{
    int64_t member = c->path[0] ? zipin_find(image->zip, c->path) : -1;
    struct im4p p;
    fact_dict(f, c->name, NULL);
    fact_text(f, "name", "Name", c->name);
    if (member >= 0) {
        fact_size(f, "bytes", "Size", zipin_member(image->zip, (size_t)member)->size);
        fact_text(f, "type", "Type", restore_image_im4p(image, c, NULL, &p, NULL) ? p.type : "-");
    } else {
        fact_size(f, "bytes", "Size", 0);
        fact_text(f, "type", "Type", "missing");
    }
    fact_text(f, "path", "Path", c->path[0] ? c->path : "-");
    f->detail++;
    fact_flag(f, "present", NULL, member >= 0);
    fact_flag(f, "trusted", NULL, c->trusted);
    fact_data(f, "digest", NULL, c->digest, c->digest_bytes);
    f->detail--;
    fact_end(f);
}

static void tell_needs(struct facts *f, const struct restore_image *image)
{
    const struct manifest *m = &image->manifest;
    char host[32] = "";
    const uint64_t needs[] = {m->min_cpus, MIN(m->min_memory_mb, BIT(40)) * MiB, restore_image_min_disk(image)};
    static const struct { const char *key, *title; void (*tell)(struct facts *f, const char *key, const char *title, uint64_t n); } rows[] = {
        {"minimum_cpu_count", "CPUs needed", fact_number}, {"minimum_memory_bytes", "Memory needed", fact_size},
        {"minimum_disk_bytes", "Disk needed", fact_size},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) { /* 0: the image does not say */
        f->detail += !needs[i];
        rows[i].tell(f, rows[i].key, rows[i].title, needs[i]);
        f->detail -= !needs[i];
    }
    if (m->has_min_host)
        snprintf(host, sizeof host, "%u.%u.%u", m->min_host[0], m->min_host[1], m->min_host[2]);
    fact_text(f, "minimum_host_version", !strcmp(m->device_class, "pome1ap") ? "Pome needed" : "Host needed", host);
}

/* The reason is that of the first that fails, without the path: that stands at the top already. */
static void tell_support(struct facts *f, const struct restore_image *image)
{
    struct pome_error why = {0}, later = {0};
    const char *path = zipin_path(image->zip), *reason;
    size_t n = strlen(path);
    bool installable = restore_image_installable(image, &why), supported = restore_image_supported(image, &later);
    fact_flag(f, "installable", "Installable", installable);
    fact_flag(f, "supported", "Starts here", supported);
    reason = installable ? later.message : why.message;
    if (!strncmp(reason, path, n) && !strncmp(reason + n, ": ", 2))
        reason += n + 2;
    if (!supported)
        fact_text(f, "reason", "Reason", reason);
}

void describe_restore_image(struct restore_image *image, struct facts *f)
{
    const struct manifest *m = &image->manifest;
    char product[3 * MANIFEST_TEXT + 8];
    snprintf(product, sizeof product, "%s%s%s (%s)", image->product_name, image->product_name[0] ? " " : "", m->version, m->build);
    fact_text(f, "product", "Product", product);
    f->detail++;
    fact_text(f, "product_name", NULL, image->product_name);
    fact_text(f, "version", NULL, m->version);
    fact_text(f, "build", NULL, m->build);
    fact_number(f, "manifest_version", NULL, number_of(image->lists[LIST_BUILD_MANIFEST], "ManifestVersion"));
    f->detail--;
    fact_text(f, "restore_version", "Long version", pl_text(pl_get(image->lists[LIST_RESTORE_VERSION], "RestoreLongVersion")));
    fact_text(f, "device_class", "Chosen for", m->device_class);
    fact_text(f, "variant", "Variant", m->variant);
    tell_needs(f, image);
    tell_support(f, image);
    tell_identities(f, pl_get(image->lists[LIST_BUILD_MANIFEST], "BuildIdentities"), m->device_class);
    tell_devices(f, pl_get(image->lists[LIST_RESTORE], "DeviceMap"));
    fact_list(f, "components", "Components");
    for (size_t i = 0; i < m->n && !f->stopped; i++)
        tell_component(f, image, &m->components[i]);
    fact_end(f);
    f->detail++;
    fact_dict(f, "lists", NULL);
    for (size_t i = 0; i < IMAGE_LISTS && !f->stopped; i++)
        if (image->lists[i])
            describe_plist_node(f, image_list_names[i], image->lists[i]);
    fact_end(f);
    f->detail--;
}
