/* settings_check.c - every rule on the settings of a machine (rules.h). */
#include "base/bits.h"
#include "base/error.h"
#include "config/settings_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- one value --- */

static const char *const *words_of(const char *section, const char *key)
{
    return settings_row(settings_section(section), key)->words;
}

/* "\"a\", \"b\" or \"c\"" into the last finding. */
static void expect_words(const char *const *words, struct findings *out)
{
    char text[128] = "";
    for (size_t i = 0; words[i]; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"%s\"", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
    findings_expected(out, "%s", text);
}

void settings_check_word(const struct row *r, const char *word, const char *path, const char *field, struct findings *out)
{
    for (size_t i = 0; r->words[i]; i++)
        if (!strcmp(r->words[i], word))
            return;
    findings_add(out, &config_rules[r->rule], path, field, "\"%.40s\"", word);
    expect_words(r->words, out);
}

static void check_number(const struct row *r, uint64_t v, const char *path, const char *field, struct findings *out)
{
    if (v < r->min || (r->max && v > r->max))
        findings_add(out, &config_rules[r->rule], path, field, "%llu", (unsigned long long)v);
    else if (r->rule == RULE_MEMORY_RANGE && v % MiB)
        findings_add(out, &config_rules[RULE_MEMORY_MULTIPLE], path, field, "%llu", (unsigned long long)v);
    else if (r->rule == RULE_MTU && v && v < 1500)
        findings_add(out, &config_rules[r->rule], path, field, "%llu", (unsigned long long)v);
}

static void check_value(const struct row *r, const void *value, const char *path, const char *field, struct findings *out)
{
    const char *text = value;
    switch (r->kind) {
    case U32:
    case U64: check_number(r, settings_number(r, value), path, field, out); break;
    case TEXT:
        if (r->words)
            settings_check_word(r, text, path, field, out);
        else if (r->check && (text[0] || r->required) && !r->check(text))
            findings_add(out, &config_rules[r->rule], path, field, "\"%.80s\"", text);
        break;
    case WORD:
    case FLAG: break;
    }
}

void settings_check_cpus(uint64_t cpus, const char *path, struct findings *out)
{
    check_number(settings_row(settings_section(NULL), "cpuCount"), cpus, path, "cpuCount", out);
}

void settings_check_memory(uint64_t bytes, const char *path, struct findings *out)
{
    check_number(settings_row(settings_section(NULL), "memorySize"), bytes, path, "memorySize", out);
}

/* --- checks of values together --- */

#define BROKEN(rule, field, ...) findings_add(out, &config_rules[rule], path, field, __VA_ARGS__)

static void check_boot(const struct settings *s, const char *path, struct findings *out)
{
    if ((s->platform == SETTINGS_APPLE) != (s->boot == SETTINGS_BOOT_ROM))
        BROKEN(RULE_BOOT_PLATFORM, "boot.type", "\"%s\" with the platform \"%s\"",
               words_of("boot", "type")[s->boot], words_of(NULL, "platform")[s->platform]);
    else if (s->boot == SETTINGS_BOOT_LINUX && !s->kernel[0])
        BROKEN(RULE_BOOT_KERNEL, "boot.kernel", "missing");
}

static void check_disks(const struct settings *s, const char *path, struct findings *out)
{
    char field[SETTINGS_FIELD];
    for (size_t i = 0; i < s->n_disks; i++) {
        snprintf(field, sizeof field, "disks[%zu].file", i);
        bool twice = !strcmp(s->disks[i].file, "Disk.img") || !strcmp(s->disks[i].file, "AuxiliaryStorage");
        for (size_t k = 0; k < i; k++)
            twice |= !strcmp(s->disks[i].file, s->disks[k].file);
        if (twice)
            BROKEN(RULE_DISK_TWICE, field, "\"%s\", which is another disk's", s->disks[i].file);
        snprintf(field, sizeof field, "disks[%zu].type", i);
        if (s->disks[i].type == SETTINGS_NVME && s->platform == SETTINGS_APPLE)
            BROKEN(RULE_DISK_TYPE, field, "\"nvme\"");
        else if (s->disks[i].type != SETTINGS_VIRTIO)
            BROKEN(RULE_NO_DEVICE, field, "\"%s\"", words_of("disks", "type")[s->disks[i].type]);
    }
}

static void check_networks(const struct settings *s, const char *path, struct findings *out)
{
    char field[SETTINGS_FIELD];
    size_t nat = 0;
    for (size_t i = 0; i < s->n_networks; i++) {
        nat += s->networks[i].type == SETTINGS_NAT;
        snprintf(field, sizeof field, "networks[%zu].type", i);
        if (s->networks[i].type == SETTINGS_BRIDGED)
            BROKEN(RULE_NO_DEVICE, field, "\"%s\"", words_of("networks", "type")[s->networks[i].type]);
        snprintf(field, sizeof field, "networks[%zu].socket", i);
        if (s->networks[i].type == SETTINGS_SOCKET && !s->networks[i].socket[0])
            BROKEN(RULE_NETWORK_SOCKET, field, "missing");
    }
    if (s->n_forwards && !nat)
        BROKEN(RULE_FORWARD_NETWORK, "forwards", "%zu, without a network of type \"nat\"", s->n_forwards);
    for (size_t i = 0; i < s->n_networks; i++)
        for (size_t k = 0; k < i; k++)
            if (s->networks[i].mac[0] && !strcasecmp(s->networks[i].mac, s->networks[k].mac)) {
                snprintf(field, sizeof field, "networks[%zu].macAddress", i);
                BROKEN(RULE_MAC_TWICE, field, "\"%s\", as networks[%zu]", s->networks[i].mac, k);
            }
}

static void check_shares(const struct settings *s, const char *path, struct findings *out)
{
    char field[SETTINGS_FIELD];
    for (size_t i = 0; i < s->n_shares; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(s->shares[i].tag, s->shares[k].tag)) {
                snprintf(field, sizeof field, "shares[%zu].tag", i);
                BROKEN(RULE_SHARE_TWICE, field, "\"%s\", as shares[%zu]", s->shares[i].tag, k);
            }
}

static bool is_ours(const char *name)
{
    return !strcmp(name, "org.pome.log") || (!strncmp(name, "hvc", 3) && name[3] && strspn(name + 3, "0123456789") == strlen(name + 3));
}

static void check_ends(const struct settings_port *ports, size_t n, const char *key, const char *path, struct findings *out)
{
    char field[SETTINGS_FIELD];
    for (size_t i = 0; i < n; i++) {
        snprintf(field, sizeof field, "%s[%zu]", key, i);
        if (ports[i].socket[0] && ports[i].file[0])
            BROKEN(RULE_PORT_ENDS, field, "both");
    }
}

static void check_ports(const struct settings *s, const char *path, struct findings *out)
{
    char field[SETTINGS_FIELD];
    check_ends(s->serial, s->n_serial, "serialPorts", path, out);
    check_ends(s->ports, s->n_ports, "consolePorts", path, out);
    if (s->n_serial + s->n_ports > SETTINGS_MAX_PORTS)
        BROKEN(RULE_CONSOLE_PORTS, "consolePorts", "%zu", s->n_serial + s->n_ports);
    for (size_t i = 0; i < s->n_ports; i++) {
        snprintf(field, sizeof field, "consolePorts[%zu].name", i);
        if (is_ours(s->ports[i].name))
            BROKEN(RULE_PORT_NAME, field, "\"%s\"", s->ports[i].name);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(s->ports[i].name, s->ports[k].name))
                BROKEN(RULE_PORT_TWICE, field, "\"%s\", as consolePorts[%zu]", s->ports[i].name, k);
    }
}

static void check_input(const struct settings *s, const struct settings_device *devices, size_t n, const char *key,
                        enum config_rule rule, const char *path, struct findings *out)
{
    size_t usb = 0, mac = 0;
    for (size_t i = 0; i < n; i++) {
        usb += devices[i].type == SETTINGS_INPUT_USB;
        mac += devices[i].type == SETTINGS_INPUT_MAC;
    }
    if (s->platform == SETTINGS_GENERIC && mac)
        BROKEN(RULE_MAC_INPUT, key, "\"mac\"");
    else if (s->platform == SETTINGS_GENERIC ? n > 1 : usb > 1 || mac > 1)
        BROKEN(rule, key, "%zu devices", n);
}

static void check_counts(const struct settings *s, const char *path, struct findings *out)
{
    if (s->platform == SETTINGS_APPLE && s->n_displays > 1)
        BROKEN(RULE_DISPLAYS, "displays", "%zu displays", s->n_displays);
    if (s->n_balloons > 1)
        BROKEN(RULE_BALLOONS, "balloons", "%zu devices", s->n_balloons);
    if (s->n_sockets > 1)
        BROKEN(RULE_SOCKETS, "sockets", "%zu devices", s->n_sockets);
    if (s->n_serial > 10)
        BROKEN(RULE_SERIAL_PORTS, "serialPorts", "%zu devices", s->n_serial);
    check_input(s, s->pointing, s->n_pointing, "pointingDevices", RULE_POINTING, path, out);
    check_input(s, s->keyboards, s->n_keyboards, "keyboards", RULE_KEYBOARDS, path, out);
}

static void check_no_device(const struct settings *s, const char *path, struct findings *out)
{
    for (size_t i = 0; i < settings_n_sections; i++)
        if (settings_sections[i].no_device && settings_count(&settings_sections[i], s))
            BROKEN(RULE_NO_DEVICE, settings_sections[i].key, "%zu configured", settings_count(&settings_sections[i], s));
}

static void (*const checks[])(const struct settings *s, const char *path, struct findings *out) = {
    check_boot, check_disks, check_networks, check_shares, check_ports, check_counts, check_no_device,
};

void settings_check(const struct settings *s, const char *path, struct findings *out)
{
    char field[SETTINGS_FIELD];
    for (size_t c = 0; c < settings_n_sections; c++)
        for (size_t i = 0; i < settings_count(&settings_sections[c], s); i++)
            for (const struct row *r = settings_sections[c].rows; r->key; r++)
                check_value(r, (const char *)settings_item(&settings_sections[c], s, i) + r->at, path,
                            settings_field(&settings_sections[c], i, r->key, field), out);
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
        checks[i](s, path, out);
}

bool settings_validate(const struct settings *s, const char *what, struct pome_error *err)
{
    struct findings l = {0};
    settings_check(s, what, &l);
    bool ok = findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, what, err);
    findings_free(&l);
    return ok;
}

void settings_check_host(const struct settings *s, const char *path, struct findings *out)
{
    char field[SETTINGS_FIELD];
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0 && s->memory_bytes > (uint64_t)pages * (uint64_t)page)
        BROKEN(RULE_MEMORY_HOST, "memorySize", "%llu, the host has %llu", (unsigned long long)s->memory_bytes,
               (unsigned long long)pages * (uint64_t)page);
    for (size_t i = 0; i < s->n_shares; i++) {
        struct stat st;
        snprintf(field, sizeof field, "shares[%zu].path", i);
        if (s->shares[i].path[0] != '/')
            continue; /* told already */
        if (stat(s->shares[i].path, &st))
            BROKEN(RULE_SHARE_PATH, field, "\"%.100s\": %s", s->shares[i].path, strerror(errno));
        else if (!S_ISDIR(st.st_mode))
            BROKEN(RULE_SHARE_PATH, field, "\"%.100s\", no folder", s->shares[i].path);
    }
}

void settings_check_fixed(const struct settings *installed, const struct settings *now, const char *path, struct findings *out)
{
    for (const struct row *r = settings_section(NULL)->rows; r->key; r++) {
        const char *a = (const char *)installed + r->at, *b = (const char *)now + r->at;
        if (!r->fixed || !memcmp(a, b, r->size))
            continue;
        if (r->kind == WORD) {
            BROKEN(RULE_FIXED, r->key, "\"%s\"", r->words[settings_number(r, b)]);
            findings_expected(out, "\"%s\", the value it was installed with", r->words[settings_number(r, a)]);
        } else {
            BROKEN(RULE_FIXED, r->key, "%llu", (unsigned long long)settings_number(r, b));
            findings_expected(out, "%llu, the value it was installed with", (unsigned long long)settings_number(r, a));
        }
    }
}

void settings_mend(struct settings *s)
{
    struct settings *fresh = malloc(sizeof *fresh);
    struct findings l = {0};
    if (!fresh)
        return;
    settings_init(fresh);
    settings_check(s, NULL, &l);
    for (size_t i = 0; i < l.n; i++) {
        const char *field = l.items[i].field;
        if (l.items[i].rule->severity != POME_FINDING_ERROR)
            continue;
        for (const struct row *r = settings_section(NULL)->rows; r->key; r++)
            if (!strcmp(r->key, field))
                memcpy((char *)s + r->at, (const char *)fresh + r->at, r->size);
        for (size_t c = 1; c < settings_n_sections; c++) {
            size_t n = strlen(settings_sections[c].key);
            if (!strncmp(settings_sections[c].key, field, n) && (!field[n] || field[n] == '[') && settings_sections[c].count_at)
                *(size_t *)(void *)((char *)s + settings_sections[c].count_at) = 0;
        }
        if (!strncmp(field, "boot.", 5)) /* with what fits the platform */
            s->boot = s->platform == SETTINGS_APPLE ? SETTINGS_BOOT_ROM : s->kernel[0] ? SETTINGS_BOOT_LINUX : SETTINGS_BOOT_EFI;
    }
    findings_free(&l);
    free(fresh);
}
