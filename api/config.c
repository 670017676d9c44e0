/* config.c - pome/config.h: a machine's description as plain data. */
#include "api/config.h"

#include "base/bits.h"
#include "base/error.h"
#include "config/rules.h"
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

pome_config *pome_config_new(void)
{
    pome_config *c = calloc(1, sizeof *c);
    if (c)
        *c = (pome_config){.n_cpus = 1, .ram_bytes = 512 * MiB, .console_in = -1, .console_out = -1};
    return c;
}

void pome_config_free(pome_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_disks; i++) {
        free(c->disks[i].path);
        free(c->disks[i].identifier);
    }
    config_devices_free(&c->devices);
    config_objects_free(&c->objects);
    free(c->cpu_model);
    free(c->translation_cache);
    free(c->kernel_path);
    free(c->initrd_path);
    free(c->command_line);
    free(c->device_tree_path);
    free(c->trust_cache_path);
    free(c->firmware_path);
    free(c->variables_path);
    free(c);
}

void pome_config_set_cpu_count(pome_config *c, unsigned count)
{
    c->n_cpus = count;
}

unsigned pome_config_cpu_count(const pome_config *c)
{
    return c->n_cpus;
}

unsigned pome_config_min_cpu_count(void)
{
    return 1;
}

unsigned pome_config_max_cpu_count(void)
{
    return SETTINGS_MAX_CPUS;
}

void pome_config_set_memory_size(pome_config *c, uint64_t bytes)
{
    c->ram_bytes = bytes;
}

uint64_t pome_config_memory_size(const pome_config *c)
{
    return c->ram_bytes;
}

uint64_t pome_config_min_memory_size(void)
{
    return SETTINGS_MIN_MEMORY;
}

uint64_t pome_config_max_memory_size(void)
{
    return SETTINGS_MAX_MEMORY;
}

/* Replaces *to with a copy of text (NULL: none). */
static bool set_text(char **to, const char *text, struct pome_error *err)
{
    char *copy = NULL;
    if (text && !(copy = strdup(text)))
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
    free(*to);
    *to = copy;
    return true;
}

bool pome_config_set_cpu_model(pome_config *c, const char *name, struct pome_error *err)
{
    if (strcmp(name, "default") != 0 && strcmp(name, "apple") != 0)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "CPU model \"%s\": there are \"default\" and \"apple\"", name);
    return set_text(&c->cpu_model, name, err);
}

bool pome_config_set_linux_boot(pome_config *c, const char *kernel_path, const char *initrd_path,
                                const char *command_line, struct pome_error *err)
{
    c->boot = CONFIG_BOOT_LINUX;
    return set_text(&c->kernel_path, kernel_path, err) && set_text(&c->initrd_path, initrd_path, err) &&
           set_text(&c->command_line, command_line, err);
}

bool pome_config_set_efi_boot(pome_config *c, const char *firmware_path, const char *variables_path, struct pome_error *err)
{
    c->boot = CONFIG_BOOT_EFI;
    return set_text(&c->firmware_path, firmware_path, err) && set_text(&c->variables_path, variables_path, err);
}

bool pome_config_set_darwin_boot(pome_config *c, const struct pome_darwin_boot_options *options, struct pome_error *err)
{
    struct pome_darwin_boot_options o = {0};
    memcpy(&o, options, MIN(options->size, sizeof o));
    c->boot = CONFIG_BOOT_DARWIN;
    c->revision = o.revision;
    return set_text(&c->kernel_path, o.kernel_path, err) && set_text(&c->command_line, o.command_line, err) &&
           set_text(&c->initrd_path, o.ramdisk_path, err) && set_text(&c->device_tree_path, o.device_tree_path, err) &&
           set_text(&c->trust_cache_path, o.trust_cache_path, err);
}

bool pome_config_set_rom_boot(pome_config *c, const char *rom_path, struct pome_error *err)
{
    c->boot = CONFIG_BOOT_ROM;
    return set_text(&c->firmware_path, rom_path, err);
}

bool pome_config_add_disk(pome_config *c, const struct pome_disk_options *options, struct pome_error *err)
{
    struct pome_disk_options o = POME_DISK_OPTIONS_INIT; /* of a caller that was built with an older header: what it does not know is the default */
    memcpy(&o, options, MIN(options->size, sizeof o));
    if (c->n_disks == CONFIG_MAX_DISKS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "disks: %s would be number %d, at most %d are possible",
                         o.path, CONFIG_MAX_DISKS + 1, CONFIG_MAX_DISKS);
    struct config_disk *d = &c->disks[c->n_disks];
    if (!set_text(&d->path, o.path, err) || !set_text(&d->identifier, o.identifier, err))
        return false;
    d->read_only = o.read_only;
    d->caching = o.caching_mode;
    d->synchronization = o.synchronization_mode;
    c->n_disks++;
    return true;
}

void pome_config_set_console(pome_config *c, int in_fd, int out_fd)
{
    c->console_in = in_fd;
    c->console_out = out_fd;
}

void pome_config_set_stops_at_reset(pome_config *c, bool stops)
{
    c->stops_at_reset = stops;
}

bool pome_config_set_translation_cache(pome_config *c, const char *path, struct pome_error *err)
{
    return set_text(&c->translation_cache, path, err);
}

/* --- validation --- */

/* What a file must be that the guest reads or writes. *code: how the first one that cannot be used fails. */
static void check_file(const char *field, const char *path, bool write, struct findings *out, enum pome_error_code *code)
{
    struct stat st;
    if (stat(path, &st) || access(path, write ? R_OK | W_OK : R_OK)) {
        struct pome_error why;
        pome_fail_errno(&why, "%s", path);
        if (!out->errors)
            *code = (enum pome_error_code)why.code;
        findings_add(out, &config_rules[RULE_FILE_MISSING], NULL, field, "%s", why.message);
    } else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        findings_add(out, &config_rules[RULE_FILE_KIND], NULL, field, "%s, no file", path);
    }
}

static void check_disk(const pome_config *c, size_t i, struct findings *out, enum pome_error_code *code)
{
    char field[32];
    struct stat st;
    const struct config_disk *d = &c->disks[i];
    snprintf(field, sizeof field, "disks[%zu].path", i);
    size_t errors = out->errors;
    check_file(field, d->path, !d->read_only, out, code);
    if (out->errors == errors && !stat(d->path, &st) && S_ISREG(st.st_mode) && (!st.st_size || st.st_size % 512)) {
        if (!out->errors)
            *code = POME_ERROR_INVALID_DISK_IMAGE;
        findings_add(out, &config_rules[RULE_DISK_SIZE], NULL, field, "%s, %lld bytes", d->path, (long long)st.st_size);
    }
    snprintf(field, sizeof field, "disks[%zu].identifier", i);
    if (d->identifier && !settings_disk_identifier_ok(d->identifier))
        findings_add(out, &config_rules[RULE_DISK_ID], NULL, field, "\"%.40s\"", d->identifier);
    snprintf(field, sizeof field, "disks[%zu].cachingMode", i);
    if ((unsigned)d->caching > POME_DISK_CACHING_CACHED)
        findings_add(out, &config_rules[RULE_WORD], NULL, field, "%d", (int)d->caching);
    snprintf(field, sizeof field, "disks[%zu].synchronizationMode", i);
    if ((unsigned)d->synchronization > POME_DISK_SYNCHRONIZATION_NONE)
        findings_add(out, &config_rules[RULE_WORD], NULL, field, "%d", (int)d->synchronization);
    snprintf(field, sizeof field, "disks[%zu].path", i);
    for (size_t k = 0; k < i; k++)
        if (!strcmp(d->path, c->disks[k].path) && !(d->read_only && c->disks[k].read_only))
            findings_add(out, &config_rules[RULE_DISK_TWICE], NULL, field, "%s, as disks[%zu]", d->path, k);
}

static void check_linux(const pome_config *c, struct findings *out, enum pome_error_code *code)
{
    if (!c->kernel_path)
        findings_add(out, &config_rules[RULE_BOOT_MISSING], NULL, "bootLoader", "missing");
    else
        check_file("bootLoader.kernel", c->kernel_path, false, out, code);
    if (c->initrd_path)
        check_file("bootLoader.initialRamdisk", c->initrd_path, false, out, code);
    if (c->command_line && strlen(c->command_line) > SETTINGS_MAX_COMMAND_LINE)
        findings_add(out, &config_rules[RULE_COMMAND_LINE], NULL, "bootLoader.commandLine", "%zu bytes long", strlen(c->command_line));
}

static void check_darwin(const pome_config *c, struct findings *out, enum pome_error_code *code)
{
    const struct {
        const char *field, *path;
    } files[] = {
        {"bootLoader.kernel", c->kernel_path}, {"bootLoader.ramdisk", c->initrd_path}, {"bootLoader.deviceTree", c->device_tree_path},
        {"bootLoader.trustCache", c->trust_cache_path},
    };
    if (!c->kernel_path)
        findings_add(out, &config_rules[RULE_BOOT_MISSING], NULL, "bootLoader", "missing");
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (files[i].path)
            check_file(files[i].field, files[i].path, false, out, code);
}

static void check_efi(const pome_config *c, struct findings *out, enum pome_error_code *code)
{
    if (c->firmware_path)
        check_file("bootLoader.firmware", c->firmware_path, false, out, code);
    if (c->variables_path && !access(c->variables_path, F_OK))
        check_file("bootLoader.variableStore", c->variables_path, true, out, code);
}

static void check(const pome_config *c, struct findings *out, enum pome_error_code *code)
{
    if (!config_objects_check(&c->objects, out))
        *code = POME_ERROR_NOT_SUPPORTED;
    settings_check_cpus(c->n_cpus, NULL, out);
    settings_check_memory(c->ram_bytes, NULL, out);
    if (c->objects.restore_image_loader)
        ; /* told above */
    else if (c->boot == CONFIG_BOOT_ROM)
        check_file("bootLoader.rom", c->firmware_path, false, out, code);
    else if (c->boot == CONFIG_BOOT_EFI)
        check_efi(c, out, code);
    else if (c->boot == CONFIG_BOOT_DARWIN)
        check_darwin(c, out, code);
    else
        check_linux(c, out, code);
    for (size_t i = 0; i < c->n_disks; i++)
        check_disk(c, i, out, code);
}

bool pome_config_validate(const pome_config *c, pome_finding_fn *each, void *user, struct pome_error *err)
{
    struct findings l = {0};
    enum pome_error_code code = POME_ERROR_INVALID_CONFIGURATION;
    check(c, &l, &code);
    if (each)
        findings_report(&l, each, user);
    bool ok = findings_ok(&l, code, "configuration", err);
    findings_free(&l);
    return ok;
}

bool pome_config_rule(unsigned i, struct pome_config_rule *rule)
{
    if (i >= CONFIG_RULE_COUNT)
        return false;
    const struct rule *r = &config_rules[i];
    *rule = (struct pome_config_rule){sizeof *rule, r->code, r->severity, r->expected, r->advice, config_rule_source((enum config_rule)i)};
    return true;
}
