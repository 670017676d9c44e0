/*
 * foreign_tools.c - how other tools write their machines down.
 *
 * Apple's sample app: a folder with five names and no configuration. tart: config.json. macosvm: one JSON file. UTM: config.plist,
 * version 4. VirtualBuddy: .vbdata/Config.plist. vfkit: a command line. Keys as of 2026. Everything in them is somebody else's
 * text: names are taken as names in the folder only, numbers are checked afterwards (foreign.c), what is not there keeps Pome's
 * default.
 */
#include "base/bits.h"
#include "bundle/foreign.h"
#include "formats/plist.h"

#include <jansson.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- helpers --- */

/* A file in the machine's folder; one that would lead out of it is no name. */
static bool inside(struct foreign *f, const char *folder, const char *name, char path[PATH_MAX])
{
    if (name && name[0] && !strchr(name, '/') && strcmp(name, "..") &&
        snprintf(path, PATH_MAX, "%s/%s%s", f->path, folder, name) < PATH_MAX)
        return true;
    FOREIGN_FOUND(f, CONFIG, "file name", "\"%.80s\"", name ? name : "");
    path[0] = 0;
    return false;
}

/* A path as a configuration file beside it says it: absolute, or from the file's own folder. */
static void beside(const struct foreign *f, const char *name, char path[PATH_MAX])
{
    const char *slash = strrchr(f->path, '/');
    int n = name[0] == '/' || !slash ? snprintf(path, PATH_MAX, "%s", name)
                                     : snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - f->path), f->path, name);
    if (n >= PATH_MAX)
        path[0] = 0;
}

static struct foreign_disk *new_disk(struct foreign *f)
{
    if (f->n_disks == SETTINGS_MAX_ITEMS) {
        FOREIGN_FOUND(f, LOST, "disks", "more than %d", SETTINGS_MAX_ITEMS);
        return NULL;
    }
    return &f->disks[f->n_disks++];
}

static void add_network(struct foreign *f, const char *mac, bool bridged)
{
    struct settings *s = &f->settings;
    struct settings_network *n = s->n_networks < SETTINGS_MAX_ITEMS ? &s->networks[s->n_networks++] : NULL;
    if (!n)
        return;
    *n = (struct settings_network){.type = bridged};
    struct findings faults = {0};
    snprintf(n->mac, sizeof n->mac, "%s", mac ? mac : "");
    settings_check(s, NULL, &faults);
    if (findings_has(&faults, "mac-address") || findings_has(&faults, "mac-twice")) {
        FOREIGN_FOUND(f, LOST, "MAC address", "\"%.40s\"", mac);
        n->mac[0] = 0;
    }
    findings_free(&faults);
}

static void add_display(struct foreign *f, uint64_t width, uint64_t height, uint64_t ppi)
{
    struct settings *s = &f->settings;
    if (s->n_displays < SETTINGS_MAX_ITEMS && width && height)
        s->displays[s->n_displays++] =
            (struct settings_display){(uint32_t)MIN(width, UINT64_C(16384)), (uint32_t)MIN(height, UINT64_C(16384)),
                                      (uint32_t)MIN(MAX(ppi, UINT64_C(1)), UINT64_C(1000))};
}

static void take_model(struct foreign *f, const uint8_t *bytes, size_t n)
{
    struct pome_error ignored;
    f->has_model = bytes && hardware_model_read(bytes, n, &f->model, &ignored);
}

static void take_identifier(struct foreign *f, const uint8_t *bytes, size_t n)
{
    struct pome_error ignored;
    f->has_ecid = bytes && machine_identifier_read(bytes, n, &f->ecid, &ignored);
}

/* RFC 4648; white space is skipped. Returns the length; 0: it is none. */
static size_t from_base64(const char *text, uint8_t *out, size_t max)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0, have = 0;
    for (; text && *text && *text != '='; text++) {
        const char *at = strchr(alphabet, *text);
        if (isspace((unsigned char)*text))
            continue;
        if (!at || n == max)
            return 0;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        if ((have += 6) >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    return n;
}

static void take_base64(struct foreign *f, const char *model, const char *identifier)
{
    uint8_t bytes[1024];
    take_model(f, bytes, from_base64(model, bytes, sizeof bytes));
    take_identifier(f, bytes, from_base64(identifier, bytes, sizeof bytes));
}

static void take_identity_files(struct foreign *f, const char *folder)
{
    char path[PATH_MAX];
    size_t n = 0;
    uint8_t *bytes;
    if (inside(f, folder, "HardwareModel", path) && (bytes = foreign_file(f, path, &n))) {
        take_model(f, bytes, n);
        free(bytes);
    }
    if (inside(f, folder, "MachineIdentifier", path) && (bytes = foreign_file(f, path, &n))) {
        take_identifier(f, bytes, n);
        free(bytes);
    }
}

static void numbers(struct foreign *f, uint64_t cpus, uint64_t memory)
{
    if (cpus)
        f->settings.cpu_count = (uint32_t)MIN(cpus, (uint64_t)UINT32_MAX);
    if (memory)
        f->settings.memory_bytes = memory;
}

/* --- Apple's sample app --- */

static void read_apple_macos(struct foreign *f, const uint8_t *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    f->macos = true;
    take_identity_files(f, "");
    inside(f, "", "AuxiliaryStorage", f->aux);
    inside(f, "", "Disk.img", new_disk(f)->path);
    f->settings.n_displays = 1;
    f->settings.displays[0] = (struct settings_display){1920, 1200, 80}; /* as the sample has it */
}

/* GUILinuxVirtualMachineSampleApp: "GUI Linux VM.bundle" with Disk.img, MachineIdentifier (private) and NVRAM. */
static void read_apple_linux(struct foreign *f, const uint8_t *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    inside(f, "", "NVRAM", f->efi);
    inside(f, "", "Disk.img", new_disk(f)->path);
}

/* --- JSON: tart, macosvm --- */

static json_t *parse_json(struct foreign *f, const uint8_t *bytes, size_t n)
{
    json_error_t e;
    json_t *root = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, &e);
    if (root && json_is_object(root))
        return root;
    FOREIGN_FOUND(f, CONFIG, NULL, "line %d: %.100s", root ? 1 : e.line, root ? "not an object" : e.text);
    json_decref(root);
    return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(object, key));
    return v > 0 ? (uint64_t)v : 0;
}

static bool is_text(const json_t *object, const char *key, const char *word)
{
    const char *text = text_of(object, key);
    return text && !strcmp(text, word);
}

static void read_tart(struct foreign *f, const uint8_t *bytes, size_t n)
{
    json_t *root = parse_json(f, bytes, n), *display = json_object_get(root, "display");
    if (!root)
        return;
    f->macos = is_text(root, "os", "darwin");
    if (text_of(root, "arch") && !is_text(root, "arch", "arm64"))
        FOREIGN_FOUND(f, ARCH, "arch", "\"%.40s\"", text_of(root, "arch"));
    numbers(f, number_of(root, "cpuCount"), number_of(root, "memorySize"));
    add_network(f, text_of(root, "macAddress"), false);
    add_display(f, number_of(display, "width"), number_of(display, "height"), 72);
    if (f->macos)
        take_base64(f, text_of(root, "hardwareModel"), text_of(root, "ecid"));
    inside(f, "", "nvram.bin", f->macos ? f->aux : f->efi);
    inside(f, "", "disk.img", new_disk(f)->path);
    json_decref(root);
}

static bool is_macosvm(const char *text)
{
    const char *storage = strstr(text, "\"storage\"");
    return storage && (strstr(text, "\"cpus\"") || strstr(text, "\"ram\"") || strstr(text, "\"hardwareModel\""));
}

static void macosvm_storage(struct foreign *f, const json_t *item)
{
    const char *type = text_of(item, "type"), *file = text_of(item, "file");
    if (!type || !file) {
        FOREIGN_FOUND(f, LOST, "storage", "an item without type or file");
    } else if (!strcmp(type, "aux")) {
        beside(f, file, f->macos ? f->aux : f->efi);
    } else if (!strcmp(type, "initrd")) {
        beside(f, file, f->ramdisk);
    } else if (!strcmp(type, "disk") || !strcmp(type, "usb")) {
        struct foreign_disk *d = new_disk(f);
        if (!d)
            return;
        beside(f, file, d->path);
        d->read_only = json_is_true(json_object_get(item, "readOnly"));
    } else {
        FOREIGN_FOUND(f, LOST, "storage", "the type \"%.40s\"", type);
    }
}

static void read_macosvm(struct foreign *f, const uint8_t *bytes, size_t n)
{
    json_t *root = parse_json(f, bytes, n), *item;
    size_t i;
    if (!root)
        return;
    f->macos = !is_text(root, "os", "linux");
    numbers(f, number_of(root, "cpus"), number_of(root, "ram"));
    json_array_foreach(json_object_get(root, "storage"), i, item) macosvm_storage(f, item);
    json_array_foreach(json_object_get(root, "networks"), i, item)
        add_network(f, text_of(item, "mac"), text_of(item, "type") && !strncmp(text_of(item, "type"), "br", 2));
    json_array_foreach(json_object_get(root, "displays"), i, item)
        add_display(f, number_of(item, "width"), number_of(item, "height"), number_of(item, "dpi"));
    if (json_array_size(json_object_get(root, "shares")))
        FOREIGN_FOUND(f, LOST, "shares", "folders of the Mac");
    const json_t *boot = json_object_get(root, "bootInfo");
    if (text_of(boot, "kernel")) {
        f->settings.boot = SETTINGS_BOOT_LINUX;
        beside(f, text_of(boot, "kernel"), f->kernel);
        snprintf(f->settings.command_line, sizeof f->settings.command_line, "%s",
                 text_of(boot, "parameters") ? text_of(boot, "parameters") : "");
    }
    if (f->macos)
        take_base64(f, text_of(root, "hardwareModel"), text_of(root, "machineId"));
    json_decref(root);
}

/* --- property lists: UTM, VirtualBuddy --- */

static uint64_t pl_number(const struct pl *dict, const char *key)
{
    uint64_t v;
    return pl_integer(pl_get(dict, key), &v) ? v : 0;
}

static bool pl_flag(const struct pl *dict, const char *key)
{
    bool v;
    return pl_boolean(pl_get(dict, key), &v) && v;
}

static bool pl_is(const struct pl *dict, const char *key, const char *word)
{
    const char *text = pl_text(pl_get(dict, key));
    return text && !strcmp(text, word);
}

static struct pl *parse_plist(struct foreign *f, const uint8_t *bytes, size_t n)
{
    struct pome_error why;
    struct pl *root = pl_parse(bytes, n, "configuration", &why);
    if (!root)
        FOREIGN_FOUND(f, CONFIG, NULL, "%s", why.message);
    return root;
}

static void utm_boot(struct foreign *f, const struct pl *system)
{
    const struct pl *boot = pl_get(system, "Boot"), *mac = pl_get(system, "MacPlatform");
    const char *kernel = pl_text(pl_get(boot, "LinuxKernelPath")), *ramdisk = pl_text(pl_get(boot, "LinuxInitialRamdiskPath")),
               *efi = pl_text(pl_get(boot, "EfiVariableStoragePath")), *line = pl_text(pl_get(boot, "LinuxCommandLine"));
    size_t n = 0;
    f->macos = pl_is(boot, "OperatingSystem", "macOS");
    if (f->macos) {
        const uint8_t *bytes = pl_data(pl_get(mac, "HardwareModel"), &n);
        take_model(f, bytes, n);
        bytes = pl_data(pl_get(mac, "MachineIdentifier"), &n);
        take_identifier(f, bytes, n);
        if (pl_text(pl_get(mac, "AuxiliaryStoragePath")))
            inside(f, "Data/", pl_text(pl_get(mac, "AuxiliaryStoragePath")), f->aux);
    } else if (kernel && !pl_flag(boot, "UEFIBoot")) {
        f->settings.boot = SETTINGS_BOOT_LINUX;
        inside(f, "Data/", kernel, f->kernel);
        if (ramdisk)
            inside(f, "Data/", ramdisk, f->ramdisk);
        snprintf(f->settings.command_line, sizeof f->settings.command_line, "%s", line ? line : "");
    } else if (efi) {
        inside(f, "Data/", efi, f->efi);
    }
}

static void read_utm(struct foreign *f, const uint8_t *bytes, size_t n)
{
    struct pl *root = parse_plist(f, bytes, n), *system = pl_get(root, "System"), *list;
    if (!root)
        return;
    bool apple = pl_is(root, "Backend", "Apple");
    const char *architecture = pl_text(pl_get(system, "Architecture"));
    if (architecture && strcmp(architecture, "aarch64") != 0)
        FOREIGN_FOUND(f, ARCH, "System.Architecture", "\"%.40s\"", architecture);
    if (pl_text(pl_get(pl_get(root, "Information"), "Name")))
        snprintf(f->name, sizeof f->name, "%.200s", pl_text(pl_get(pl_get(root, "Information"), "Name")));
    numbers(f, pl_number(system, "CPUCount"), MIN(pl_number(system, "MemorySize"), UINT64_C(1) << 40) * MiB);
    utm_boot(f, system);
    list = pl_get(root, "Drive");
    for (size_t i = 0; i < pl_count(list); i++) {
        const struct pl *drive = pl_item(list, i);
        if (!pl_text(pl_get(drive, "ImageName"))) {
            FOREIGN_FOUND(f, LOST, "Drive", "an external or empty drive");
            continue;
        }
        struct foreign_disk *d = new_disk(f);
        if (d && inside(f, "Data/", pl_text(pl_get(drive, "ImageName")), d->path))
            d->read_only = pl_flag(drive, "ReadOnly");
    }
    list = pl_get(root, "Network");
    for (size_t i = 0; i < pl_count(list); i++)
        add_network(f, pl_text(pl_get(pl_item(list, i), "MacAddress")), pl_is(pl_item(list, i), "Mode", "Bridged"));
    list = pl_get(root, "Display");
    for (size_t i = 0; apple && i < pl_count(list); i++)
        add_display(f, pl_number(pl_item(list, i), "WidthPixels"), pl_number(pl_item(list, i), "HeightPixels"),
                    pl_number(pl_item(list, i), "PixelsPerInch"));
    pl_free(root);
}

static void vb_disks(struct foreign *f, const struct pl *list)
{
    for (size_t i = 0; i < pl_count(list); i++) {
        const struct pl *item = pl_item(list, i), *image = pl_get(pl_get(item, "backing"), "managedImage");
        image = pl_get(item, "managedImage") ? pl_get(item, "managedImage") : image;
        image = pl_get(image, "_0") ? pl_get(image, "_0") : image; /* as Swift writes a case with a value */
        const char *name = pl_text(pl_get(image, "filename")), *format = pl_text(pl_get(image, "format"));
        static const char *const ends[][2] = {{"asif", "asif"}, {"sparse", "sparseimage"}, {"dmg", "dmg"}};
        char file[300];
        const char *end = "img";
        for (size_t k = 0; format && k < ARRAY_SIZE(ends); k++)
            if (!strcmp(format, ends[k][0]))
                end = ends[k][1];
        if (!name) {
            FOREIGN_FOUND(f, LOST, "storageDevices", "a disk outside the machine");
            continue;
        }
        snprintf(file, sizeof file, "%.200s.%s", name, end);
        struct foreign_disk *d = new_disk(f);
        if (d && inside(f, "", file, d->path))
            d->read_only = pl_flag(item, "isReadOnly");
    }
}

static void read_virtualbuddy(struct foreign *f, const uint8_t *bytes, size_t n)
{
    struct pl *root = parse_plist(f, bytes, n), *hardware = pl_get(root, "hardware"), *list;
    if (!root)
        return;
    f->macos = !pl_is(root, "systemType", "linux");
    numbers(f, pl_number(hardware, "cpuCount"), pl_number(hardware, "memorySize"));
    vb_disks(f, pl_get(hardware, "storageDevices"));
    if (!f->n_disks)
        inside(f, "", "Disk.img", new_disk(f)->path);
    list = pl_get(hardware, "networkDevices");
    for (size_t i = 0; i < pl_count(list); i++)
        add_network(f, pl_text(pl_get(pl_item(list, i), "macAddress")), false);
    list = pl_get(hardware, "displayDevices");
    for (size_t i = 0; i < pl_count(list); i++)
        add_display(f, pl_number(pl_item(list, i), "width"), pl_number(pl_item(list, i), "height"),
                    pl_number(pl_item(list, i), "pixelsPerInch"));
    if (f->macos) {
        take_identity_files(f, "");
        inside(f, "", "AuxiliaryStorage", f->aux);
    } else {
        inside(f, ".vbdata/", "nvram", f->efi);
    }
    pl_free(root);
}

/* --- a command line: vfkit --- */

static bool is_vfkit(const char *text)
{
    return strstr(text, "vfkit") && (strstr(text, "--bootloader") || strstr(text, "--device") || strstr(text, "--kernel"));
}

/* The next word of a shell's command line, quotes taken off, in its own memory; NULL at the end. */
static char *next_word(char **at)
{
    char *p = *at, *out, *word;
    while (isspace((unsigned char)*p) || (p[0] == '\\' && p[1] == '\n'))
        p++;
    if (*p == '#') {
        p += strcspn(p, "\n");
        *at = p;
        return next_word(at);
    }
    if (!*p)
        return NULL;
    word = out = p;
    for (char quote = 0; *p && (quote || !isspace((unsigned char)*p)); p++)
        if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? 0 : *p;
        else if (*p == '\\' && quote != '\'' && p[1])
            *out++ = *++p;
        else
            *out++ = *p;
    *at = *p ? p + 1 : p;
    *out = 0;
    return word;
}

/* "virtio-blk,path=/a,readonly" -> the value of a key; NULL: not there. The list is changed. */
static bool option(const char *list, const char *key, char value[PATH_MAX])
{
    size_t n = strlen(key);
    value[0] = 0;
    for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!strncmp(p, key, n) && (p[n] == '=' || p[n] == ',' || !p[n])) {
            const char *from = p[n] == '=' ? p + n + 1 : p + n;
            bool quoted = *from == '"';
            size_t length = quoted ? strcspn(from + 1, "\"") : strcspn(from, ",");
            snprintf(value, PATH_MAX, "%.*s", (int)length, from + quoted);
            return true;
        }
    return false;
}

static void vfkit_device(struct foreign *f, const char *text)
{
    char value[PATH_MAX], height[PATH_MAX];
    if (!strncmp(text, "virtio-blk,", 11) || !strncmp(text, "nvme,", 5) || !strncmp(text, "usb-mass-storage,", 17)) {
        struct foreign_disk *d = option(text, "path", value) ? new_disk(f) : NULL;
        if (d) {
            beside(f, value, d->path);
            d->read_only = option(text, "readonly", value);
        }
    } else if (!strncmp(text, "virtio-net", 10)) {
        option(text, "mac", value);
        add_network(f, value, false);
    } else if (!strncmp(text, "virtio-gpu", 10)) {
        option(text, "width", value);
        option(text, "height", height);
        add_display(f, strtoull(value, NULL, 10) ? strtoull(value, NULL, 10) : 800,
                    strtoull(height, NULL, 10) ? strtoull(height, NULL, 10) : 600, 72);
    } else if (!strncmp(text, "virtio-fs", 9) || !strncmp(text, "rosetta", 7)) {
        FOREIGN_FOUND(f, LOST, "--device", "%.80s", text);
    }
}

static void vfkit_boot(struct foreign *f, const char *text)
{
    char value[PATH_MAX];
    if (!strncmp(text, "linux", 5)) {
        f->settings.boot = SETTINGS_BOOT_LINUX;
        if (option(text, "kernel", value))
            beside(f, value, f->kernel);
        if (option(text, "initrd", value))
            beside(f, value, f->ramdisk);
        if (option(text, "cmdline", value))
            snprintf(f->settings.command_line, sizeof f->settings.command_line, "%.2047s", value);
    } else if (!strncmp(text, "macos", 5)) {
        f->macos = true;
        char path[PATH_MAX];
        size_t n;
        uint8_t *bytes;
        if (option(text, "auxImagePath", value))
            beside(f, value, f->aux);
        if (option(text, "hardwareModelPath", value) && (beside(f, value, path), bytes = foreign_file(f, path, &n))) {
            take_model(f, bytes, n);
            free(bytes);
        }
        if (option(text, "machineIdentifierPath", value) && (beside(f, value, path), bytes = foreign_file(f, path, &n))) {
            take_identifier(f, bytes, n);
            free(bytes);
        }
    } else if (option(text, "variable-store", value)) {
        beside(f, value, f->efi);
    }
}

static void read_vfkit(struct foreign *f, const uint8_t *bytes, size_t n)
{
    char *line = strndup((const char *)bytes, n), *at = line, *word;
    struct {
        const char *name, *old;
    } const names[] = {{"--cpus", "-c"},   {"--memory", "-m"}, {"--bootloader", "-b"},    {"--device", "-d"},
                       {"--kernel", "-k"}, {"--initrd", "-i"}, {"--kernel-cmdline", "-C"}};
    numbers(f, 1, 512 * MiB); /* its defaults */
    while (line && (word = next_word(&at))) {
        size_t k = 0, length = 0;
        for (; k < ARRAY_SIZE(names); k++) {
            length = strlen(names[k].name);
            if (!strcmp(word, names[k].old) || (!strncmp(word, names[k].name, length) && (!word[length] || word[length] == '=')))
                break;
        }
        if (k == ARRAY_SIZE(names))
            continue;
        char *value = word[0] == '-' && word[1] == '-' && word[length] == '=' ? word + length + 1 : next_word(&at);
        if (!value)
            break;
        switch (k) {
        case 0: numbers(f, strtoull(value, NULL, 10), 0); break;
        case 1: numbers(f, 0, MIN(strtoull(value, NULL, 10), 1ull << 40) * MiB); break;
        case 2: vfkit_boot(f, value); break;
        case 3: vfkit_device(f, value); break;
        case 4:
            f->settings.boot = SETTINGS_BOOT_LINUX;
            beside(f, value, f->kernel);
            break;
        case 5: beside(f, value, f->ramdisk); break;
        case 6: snprintf(f->settings.command_line, sizeof f->settings.command_line, "%.2047s", value); break;
        }
    }
    free(line);
}

/* The first that fits; files of a tool that others have too come last. */
const struct foreign_reader foreign_readers[] = {
    {"VirtualBuddy", ".vbdata/Config.plist", NULL, read_virtualbuddy, NULL, false},
    {"UTM", "config.plist", NULL, read_utm, NULL, false},
    {"tart", "config.json", NULL, read_tart, NULL, false},
    {"Apple's sample app", "HardwareModel", NULL, read_apple_macos, NULL, true},
    {"Apple's Linux sample app", "NVRAM", "HardwareModel", read_apple_linux, NULL, true},
    {"vfkit", NULL, NULL, read_vfkit, is_vfkit, false},
    {"macosvm", NULL, NULL, read_macosvm, is_macosvm, false},
    {NULL, NULL, NULL, NULL, NULL, false},
};
