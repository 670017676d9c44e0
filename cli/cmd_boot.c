/* cmd_boot.c - pome boot: one throw-away machine around a kernel, for kernel developers and test suites. */
#include "cli/commands.h"
#include "cli/devices.h"
#include "cli/findings.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run_vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

command_run cmd_boot;

struct boot_options {
    const char *kernel, *initrd, *append, *cpu, *cache;
    struct cli_list disks, read_only_disks;
    struct cli_devices devices;
    uint64_t cpus, memory;
    const char *device_tree, *ramdisk, *trust_cache;
    enum pome_kernel_kind kind;
    const char *firmware, *variables, *rom;
    const char *saved, *key_file;
    bool efi, resume, no_reboot, stats;
};

static bool add_disks(pome_config *config, const struct cli_list *list, bool read_only, struct pome_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        struct pome_disk_options d = POME_DISK_OPTIONS_INIT;
        d.path = list->items[i];
        d.read_only = read_only;
        if (!pome_config_add_disk(config, &d, err))
            return false;
    }
    return true;
}

static bool set_boot(pome_config *config, const struct boot_options *o, struct pome_error *err)
{
    if (o->rom)
        return pome_config_set_rom_boot(config, o->rom, err);
    if (o->efi)
        return pome_config_set_efi_boot(config, o->firmware, o->variables, err);
    if (o->kind != POME_KERNEL_DARWIN)
        return pome_config_set_linux_boot(config, o->kernel, o->initrd ? o->initrd : o->ramdisk, o->append, err);
    struct pome_darwin_boot_options d = POME_DARWIN_BOOT_OPTIONS_INIT;
    d.kernel_path = o->kernel;
    d.command_line = o->append;
    d.device_tree_path = o->device_tree;
    d.ramdisk_path = o->ramdisk ? o->ramdisk : o->initrd;
    d.trust_cache_path = o->trust_cache;
    return pome_config_set_darwin_boot(config, &d, err);
}

static bool configure(pome_config *config, const struct boot_options *o, int console_in, struct pome_error *err)
{
    pome_config_set_cpu_count(config, (unsigned)o->cpus);
    pome_config_set_memory_size(config, o->memory);
    pome_config_set_stops_at_reset(config, o->no_reboot);
    pome_config_set_console(config, console_in, STDOUT_FILENO);
    return (!o->cpu || pome_config_set_cpu_model(config, o->cpu, err)) && pome_config_set_translation_cache(config, o->cache, err) &&
           set_boot(config, o, err) &&
           add_disks(config, &o->disks, false, err) && add_disks(config, &o->read_only_disks, true, err) &&
           cli_add_devices(config, &o->devices, err);
}

int cmd_boot(int argc, char **argv)
{
    struct boot_options o = {.cpus = 1, .memory = UINT64_C(512) << 20, .append = ""};
    const uint64_t min_memory = pome_config_min_memory_size(), max_memory = pome_config_max_memory_size();
    const struct cli_option options[] = {
        {"kernel", 'k', CLI_TEXT, &o.kernel, "FILE", "arm64 Linux Image (plain or gzip'ed), ELF or EFI program, or Darwin kernel (Mach-O)", 0, 0},
        {"initrd", 'i', CLI_TEXT, &o.initrd, "FILE", "initial ramdisk", 0, 0},
        {"ramdisk", 0, CLI_TEXT, &o.ramdisk, "FILE", "the same; for a Darwin kernel its RAM disk (rd=md0)", 0, 0},
        {"device-tree", 0, CLI_TEXT, &o.device_tree, "FILE", "Darwin: this Apple device tree, completed, not the machine's own", 0, 0},
        {"trust-cache", 0, CLI_TEXT, &o.trust_cache, "FILE", "Darwin: a trust cache", 0, 0},
        {"append", 'a', CLI_TEXT, &o.append, "TEXT", "kernel command line", 0, 0},
        {"efi", 'e', CLI_FLAG, &o.efi, NULL, "boot from the disks through UEFI firmware instead of a kernel", 0, 0},
        {"firmware", 0, CLI_TEXT, &o.firmware, "FILE", "with --efi: this firmware, not the installed one", 0, 0},
        {"variables", 0, CLI_TEXT, &o.variables, "FILE", "with --efi: keep its variables there (made if it is not there)", 0, 0},
        {"rom", 0, CLI_TEXT, &o.rom, "FILE", "start this boot ROM on the Apple-style platform; first disk: root, second: its flash", 0, 0},
        {"disk", 'd', CLI_LIST, &o.disks, "FILE", "raw disk image (several: vda, vdb, ...)", 0, 0},
        {"disk-ro", 0, CLI_LIST, &o.read_only_disks, "FILE", "the same, read-only; after the others", 0, 0},
        CLI_DEVICE_OPTIONS(&o.devices),
        {"cpus", 'c', CLI_NUMBER, &o.cpus, "N", "virtual CPUs (1)", 1, pome_config_max_cpu_count()},
        {"memory", 'm', CLI_SIZE, &o.memory, "SIZE", "memory (512MiB)", min_memory, max_memory},
        {"cpu", 0, CLI_TEXT, &o.cpu, "MODEL", "default or apple (Darwin: apple)", 0, 0},
        {"cache", 0, CLI_TEXT, &o.cache, "FILE", "where translated code is kept; \"on\" (the user's cache folder), \"off\"", 0, 0},
        {"saved", 0, CLI_TEXT, &o.saved, "FILE", "file that Ctrl-A s and SIGUSR1 save the machine to", 0, 0},
        {"resume", 0, CLI_FLAG, &o.resume, NULL, "with --saved: go on from it; the other options as they were", 0, 0},
        {"key-file", 0, CLI_TEXT, &o.key_file, "FILE", "with --saved: what encrypts and opens it", 0, 0},
        {"no-reboot", 0, CLI_FLAG, &o.no_reboot, NULL, "end when the guest reboots", 0, 0},
        {"stats", 0, CLI_FLAG, &o.stats, NULL, "print the engine's counters as JSON at the end", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 0, 0, NULL);
    if (status != CLI_GO_ON)
        return status;
    if (!!o.kernel + o.efi + !!o.rom != 1)
        return cli_usage("boot", "--kernel FILE, --efi or --rom FILE is needed, one of them");
    if (!o.efi && (o.firmware || o.variables))
        return cli_usage("boot", "--firmware and --variables go with --efi");
    if (!o.kernel && (o.initrd || o.append[0]))
        return cli_usage("boot", "--initrd and --append go with --kernel");
    if (o.initrd && o.ramdisk)
        return cli_usage("boot", "--initrd and --ramdisk are the same");
    if (!o.kernel && (o.ramdisk || o.device_tree || o.trust_cache))
        return cli_usage("boot", "--ramdisk, --device-tree and --trust-cache go with --kernel");
    if (!o.saved && (o.resume || o.key_file))
        return cli_usage("boot", "--resume and --key-file go with --saved");

    struct pome_error err = {0};
    if (o.kernel && !pome_kernel_kind(o.kernel, &o.kind, NULL))
        o.kind = POME_KERNEL_LINUX; /* why not is told by whoever loads it */
    if (o.kind != POME_KERNEL_DARWIN && (o.device_tree || o.trust_cache))
        return cli_usage("boot", "--device-tree and --trust-cache are for Darwin kernels (Mach-O)");
    struct terminal terminal;
    pome_config *config = pome_config_new();
    if (!config || !terminal_open(&terminal, &err)) {
        pome_config_free(config);
        cli_fail(&err, NULL, "cannot set up the console");
        return CLI_FAILED;
    }
    pome_vm *vm = NULL;
    struct cli_findings l;
    cli_findings_begin(&l, stderr, false);
    if (configure(config, &o, terminal.guest_in[0], &err) && pome_config_validate(config, cli_finding, &l, &err))
        vm = pome_vm_new(config, &err);
    pome_config_free(config);
    if (!vm) {
        terminal_close(&terminal);
        cli_fail(&err, NULL, "cannot make the machine");
        return err.code == POME_ERROR_INVALID_CONFIGURATION ? CLI_USAGE : CLI_FAILED; /* nothing else than 0, 1, 2 */
    }
    struct run_options run = {.stats = o.stats, .resume = o.resume, .saved = o.saved, .can_be_saved = o.saved, .save = POME_SAVE_OPTIONS_INIT, .from_guest = -1, .copy_to = -1};
    void *key;
    if (read_save_key(o.key_file, &run.save, &key, &err))
        status = run_vm(vm, &terminal, &run);
    else
        status = (terminal_close(&terminal), cli_fail(&err, NULL, "cannot read the key"));
    free(key);
    pome_vm_free(vm);
    return status;
}
