/* config.c - pome/config.h: a machine's description as plain data. */
#include "api/config.h"

#include "base/bits.h"
#include "base/error.h"
#include "config/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_COMMAND_LINE = 2047 /* COMMAND_LINE_SIZE of arm64 Linux, without the NUL */ };

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
    for (size_t i = 0; i < c->n_disks; i++)
        free(c->disks[i].path);
    free(c->cpu_model);
    free(c->kernel_path);
    free(c->initrd_path);
    free(c->command_line);
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
    return set_text(&c->kernel_path, kernel_path, err) && set_text(&c->initrd_path, initrd_path, err) &&
           set_text(&c->command_line, command_line, err);
}

bool pome_config_add_disk(pome_config *c, const struct pome_disk_options *options, struct pome_error *err)
{
    if (c->n_disks == CONFIG_MAX_DISKS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "disks: %s would be number %d, at most %d are possible",
                         options->path, CONFIG_MAX_DISKS + 1, CONFIG_MAX_DISKS);
    struct config_disk *d = &c->disks[c->n_disks];
    if (!set_text(&d->path, options->path, err))
        return false;
    d->read_only = options->read_only;
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

static bool check_file(const char *what, const char *path, bool write, struct pome_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0 || access(path, write ? R_OK | W_OK : R_OK) != 0)
        return pome_fail_errno(err, "%s %s", what, path);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s %s: not a regular file", what, path);
    return true;
}

bool pome_config_validate(const pome_config *c, struct pome_error *err)
{
    if (c->n_cpus < 1 || c->n_cpus > SETTINGS_MAX_CPUS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "cpuCount: %u, allowed are 1 to %d", c->n_cpus, SETTINGS_MAX_CPUS);
    if (c->ram_bytes < pome_config_min_memory_size() || c->ram_bytes > pome_config_max_memory_size())
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "memorySize: %llu bytes, allowed are 128 MiB to %llu GiB", (unsigned long long)c->ram_bytes,
                         (unsigned long long)(pome_config_max_memory_size() / GiB));
    if (c->ram_bytes % MiB)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "memorySize: %llu bytes is not a multiple of 1 MiB",
                         (unsigned long long)c->ram_bytes);
    if (!c->kernel_path)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "bootLoader: none, a kernel is needed");
    if (c->command_line && strlen(c->command_line) > MAX_COMMAND_LINE)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "commandLine: %zu bytes, Linux takes at most %d",
                         strlen(c->command_line), MAX_COMMAND_LINE);
    if (!check_file("kernel", c->kernel_path, false, err) ||
        (c->initrd_path && !check_file("initial ramdisk", c->initrd_path, false, err)))
        return false;
    for (size_t i = 0; i < c->n_disks; i++)
        if (!check_file("disk", c->disks[i].path, !c->disks[i].read_only, err))
            return false;
    return true;
}
