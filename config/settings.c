/*
 * settings.c - Config.json, one row per key.
 *
 * A new setting: a member of struct settings, a row here, a property in docs/config.schema.json, a line in
 * docs/man/pome-config.5.scd. A new rule: a row in rules.h and a check here.
 *
 * How it works. Keys are rows; a row belongs to a section: the top of the file, the object "boot", or one of the lists, whose items
 * are all made by the same rows. Reading, checking and writing walk over the same tables. What one row cannot know (two keys
 * together) is said in checks[].
 */
#include "config/settings.h"
#include "base/bits.h"
#include "base/error.h"
#include "config/position.h"
#include "config/rules.h"

#include <jansson.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the tables --- */

enum kind { U32, U64, TEXT, WORD, FLAG };

struct row {
    const char *key;
    enum kind kind;
    size_t at, size;
    const char *const *words; /* WORD: kept as its number. TEXT: what is allowed; NULL: anything */
    enum config_rule rule;    /* broken when a number is not min..max, or check says no */
    uint64_t min, max;
    bool (*check)(const char *text);
    bool required, fixed; /* fixed: not after the installation */
};

static bool mac_ok(const char *text);
static bool identifier_ok(const char *text);
static bool file_ok(const char *text);
static bool tag_ok(const char *text);
static bool address_ok(const char *text);
static bool path_ok(const char *text);

static const char *const platforms[] = {"apple", "generic", NULL};
static const char *const models[] = {"default", "apple", NULL};
static const char *const boots[] = {"rom", "linux", "efi", NULL};
static const char *const disk_types[] = {"virtio", "usb", "nvme", NULL};
static const char *const network_types[] = {"nat", "bridged", "file", NULL};
static const char *const isolations[] = {"none", "host", "all", NULL};
static const char *const protocols[] = {"tcp", "udp", NULL};
static const char *const input_types[] = {"usb", "mac", NULL};
static const char *const virtio_only[] = {"virtio", NULL};

#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

static const struct row top_rows[] = {
    {"platform", WORD, FIELD(settings, platform), platforms, RULE_WORD, .fixed = true},
    {"cpuCount", U32, FIELD(settings, cpu_count), NULL, RULE_CPU_COUNT, 1, SETTINGS_MAX_CPUS, NULL, true, true},
    {"memorySize", U64, FIELD(settings, memory_bytes), NULL, RULE_MEMORY_RANGE, SETTINGS_MIN_MEMORY, SETTINGS_MAX_MEMORY, NULL,
     true, false},
    {"cpuModel", TEXT, FIELD(settings, cpu_model), models, RULE_WORD},
    {NULL},
};
static const struct row boot_rows[] = {
    {"type", WORD, FIELD(settings, boot), boots, RULE_WORD},
    {"kernel", TEXT, FIELD(settings, kernel), NULL, RULE_DISK_NAME, .check = file_ok},
    {"ramdisk", TEXT, FIELD(settings, ramdisk), NULL, RULE_DISK_NAME, .check = file_ok},
    {"commandLine", TEXT, FIELD(settings, command_line), NULL, RULE_COMMAND_LINE},
    {NULL},
};
static const struct row disk_rows[] = {
    {"file", TEXT, FIELD(settings_disk, file), NULL, RULE_DISK_NAME, .check = file_ok, .required = true},
    {"type", WORD, FIELD(settings_disk, type), disk_types, RULE_WORD},
    {"identifier", TEXT, FIELD(settings_disk, identifier), NULL, RULE_DISK_ID, .check = identifier_ok},
    {"readOnly", FLAG, FIELD(settings_disk, read_only)},
    {NULL},
};
static const struct row network_rows[] = {
    {"type", WORD, FIELD(settings_network, type), network_types, RULE_WORD},
    {"interface", TEXT, FIELD(settings_network, interface), NULL, RULE_TEXT},
    {"socket", TEXT, FIELD(settings_network, socket), NULL, RULE_NETWORK_SOCKET, .check = path_ok},
    {"isolation", WORD, FIELD(settings_network, isolation), isolations, RULE_WORD},
    {"macAddress", TEXT, FIELD(settings_network, mac), NULL, RULE_MAC, .check = mac_ok},
    {"mtu", U32, FIELD(settings_network, mtu), NULL, RULE_MTU, 0, 65535},
    {NULL},
};
static const struct row forward_rows[] = {
    {"protocol", WORD, FIELD(settings_forward, protocol), protocols, RULE_WORD},
    {"hostAddress", TEXT, FIELD(settings_forward, host_address), NULL, RULE_FORWARD_ADDRESS, .check = address_ok},
    {"hostPort", U32, FIELD(settings_forward, host_port), NULL, RULE_FORWARD_PORT, 1, 65535, .required = true},
    {"guestPort", U32, FIELD(settings_forward, guest_port), NULL, RULE_FORWARD_PORT, 1, 65535, .required = true},
    {NULL},
};
static const struct row display_rows[] = {
    {"width", U32, FIELD(settings_display, width), NULL, RULE_DISPLAY_SIZE, 1, 16384, .required = true},
    {"height", U32, FIELD(settings_display, height), NULL, RULE_DISPLAY_SIZE, 1, 16384, .required = true},
    {"pixelsPerInch", U32, FIELD(settings_display, ppi), NULL, RULE_DISPLAY_PPI, 1, 1000, .required = true},
    {NULL},
};
static const struct row share_rows[] = {
    {"tag", TEXT, FIELD(settings_share, tag), NULL, RULE_SHARE_TAG, .check = tag_ok, .required = true},
    {"path", TEXT, FIELD(settings_share, path), NULL, RULE_SHARE_PATH, .check = path_ok, .required = true},
    {"readOnly", FLAG, FIELD(settings_share, read_only)},
    {NULL},
};
static const struct row input_rows[] = {{"type", WORD, FIELD(settings_device, type), input_types, RULE_WORD}, {NULL}};
static const struct row virtio_rows[] = {{"type", WORD, FIELD(settings_device, type), virtio_only, RULE_WORD}, {NULL}};

/* key NULL: the top of the file. count_at 0: a single object. */
static const struct section {
    const char *key;
    const struct row *rows;
    size_t at, count_at, item_bytes;
    bool no_device; /* Pome does not have it yet */
} sections[] = {
    {NULL, top_rows, 0, 0, 0, false},
    {"boot", boot_rows, 0, 0, 0, false},
#define LIST(key, member, count, rows, no_device)                                                                                  \
    {                                                                                                                              \
        key, rows, offsetof(struct settings, member), offsetof(struct settings, count), sizeof *((struct settings *)0)->member,    \
            no_device                                                                                                              \
    }
    LIST("disks", disks, n_disks, disk_rows, false),
    LIST("networks", networks, n_networks, network_rows, false),
    LIST("forwards", forwards, n_forwards, forward_rows, false),
    LIST("displays", displays, n_displays, display_rows, true),
    LIST("shares", shares, n_shares, share_rows, true),
    LIST("keyboards", keyboards, n_keyboards, input_rows, true),
    LIST("pointingDevices", pointing, n_pointing, input_rows, true),
    LIST("serialPorts", serial, n_serial, virtio_rows, true),
    LIST("sockets", sockets, n_sockets, virtio_rows, true),
    LIST("balloons", balloons, n_balloons, virtio_rows, true),
    LIST("audio", audio, n_audio, virtio_rows, true),
};

void settings_init(struct settings *s)
{
    memset(s, 0, sizeof *s);
    s->cpu_count = 2;
    s->memory_bytes = 2 * GiB;
    strcpy(s->cpu_model, "default");
}

static size_t count_of(const struct section *c, const struct settings *s)
{
    return c->count_at ? *(const size_t *)(const void *)((const char *)s + c->count_at) : 1;
}

static void *item_of(const struct section *c, const struct settings *s, size_t i)
{
    return (char *)(uintptr_t)s + c->at + i * c->item_bytes;
}

/* "memorySize", "boot.kernel", "networks[0].mtu". */
static const char *field_name(const struct section *c, size_t i, const char *key, char field[96])
{
    if (!c->key)
        snprintf(field, 96, "%s", key);
    else if (!c->count_at)
        snprintf(field, 96, "%s.%s", c->key, key);
    else
        snprintf(field, 96, "%s[%zu]%s%s", c->key, i, key[0] ? "." : "", key);
    return field;
}

static uint64_t number_of(const struct row *r, const void *field)
{
    return r->kind == U64 ? *(const uint64_t *)field : *(const uint32_t *)field;
}

/* --- checks of one value --- */

bool settings_parse_mac(const char *text, uint8_t mac[6])
{
    int end = 0;
    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) != 6 ||
        end != 17 || text[17])
        return false;
    return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

void settings_mac_of(uint64_t ecid, unsigned number, uint8_t mac[6])
{
    uint64_t v = ecid + (number + 1) * UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64: neighbours look nothing alike */
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    v ^= v >> 31;
    memcpy(mac, &v, 6);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}

void settings_fill_macs(struct settings *s, uint64_t ecid, uint64_t was)
{
    uint8_t old[6], now[6], has[6];
    for (size_t i = 0; i < s->n_networks; i++) {
        char *text = s->networks[i].mac;
        settings_mac_of(was, (unsigned)i, old);
        settings_mac_of(ecid, (unsigned)i, now);
        if (!text[0] || (settings_parse_mac(text, has) && !memcmp(has, old, sizeof has)))
            snprintf(text, sizeof s->networks[i].mac, "%02x:%02x:%02x:%02x:%02x:%02x", now[0], now[1], now[2], now[3], now[4], now[5]);
    }
}

static bool mac_ok(const char *text)
{
    uint8_t mac[6];
    return settings_parse_mac(text, mac);
}

static bool identifier_ok(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] > 0x7e || (unsigned char)text[i] < 0x20)
            return false;
    return n >= 1 && n <= 20;
}

static bool file_ok(const char *text)
{
    return text[0] && text[0] != '.' && !strchr(text, '/');
}

static bool tag_ok(const char *text)
{
    return text[0] && strlen(text) < 36;
}

static bool path_ok(const char *text)
{
    return text[0] == '/';
}

static bool address_ok(const char *text)
{
    uint8_t binary[16];
    return inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1;
}

/* "\"a\", \"b\" or \"c\"" into the last finding. */
static void expect_words(const char *const *words, struct findings *out)
{
    char text[128] = "";
    for (size_t i = 0; words[i]; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"%s\"", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
    findings_expected(out, "%s", text);
}

static void check_word(const struct row *r, const char *word, const char *path, const char *field, struct findings *out)
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
    case U64: check_number(r, number_of(r, value), path, field, out); break;
    case TEXT:
        if (r->words)
            check_word(r, text, path, field, out);
        else if (r->check && (text[0] || r->required) && !r->check(text))
            findings_add(out, &config_rules[r->rule], path, field, "\"%.80s\"", text);
        break;
    case WORD:
    case FLAG: break;
    }
}

void settings_check_cpus(uint64_t cpus, const char *path, struct findings *out)
{
    check_number(&top_rows[1], cpus, path, top_rows[1].key, out);
}

void settings_check_memory(uint64_t bytes, const char *path, struct findings *out)
{
    check_number(&top_rows[2], bytes, path, top_rows[2].key, out);
}

/* --- checks of values together --- */

#define BROKEN(rule, field, ...) findings_add(out, &config_rules[rule], path, field, __VA_ARGS__)

static void check_boot(const struct settings *s, const char *path, struct findings *out)
{
    if ((s->platform == SETTINGS_APPLE) != (s->boot == SETTINGS_BOOT_ROM))
        BROKEN(RULE_BOOT_PLATFORM, "boot.type", "\"%s\" with the platform \"%s\"", boots[s->boot], platforms[s->platform]);
    else if (s->boot == SETTINGS_BOOT_LINUX && !s->kernel[0])
        BROKEN(RULE_BOOT_KERNEL, "boot.kernel", "missing");
    else if (s->boot == SETTINGS_BOOT_EFI)
        BROKEN(RULE_BOOT_EFI, "boot.type", "\"efi\"");
}

static void check_disks(const struct settings *s, const char *path, struct findings *out)
{
    char field[96];
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
            BROKEN(RULE_NO_DEVICE, field, "\"%s\"", disk_types[s->disks[i].type]);
    }
}

static void check_networks(const struct settings *s, const char *path, struct findings *out)
{
    char field[96];
    size_t nat = 0;
    for (size_t i = 0; i < s->n_networks; i++) {
        nat += s->networks[i].type == SETTINGS_NAT;
        snprintf(field, sizeof field, "networks[%zu].type", i);
        if (s->networks[i].type == SETTINGS_BRIDGED)
            BROKEN(RULE_NO_DEVICE, field, "\"%s\"", network_types[s->networks[i].type]);
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
    char field[96];
    for (size_t i = 0; i < s->n_shares; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(s->shares[i].tag, s->shares[k].tag)) {
                snprintf(field, sizeof field, "shares[%zu].tag", i);
                BROKEN(RULE_SHARE_TWICE, field, "\"%s\", as shares[%zu]", s->shares[i].tag, k);
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
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        if (sections[i].no_device && count_of(&sections[i], s))
            BROKEN(RULE_NO_DEVICE, sections[i].key, "%zu configured", count_of(&sections[i], s));
}

static void (*const checks[])(const struct settings *s, const char *path, struct findings *out) = {
    check_boot, check_disks, check_networks, check_shares, check_counts, check_no_device,
};

/* skip: fields in which something was found already. */
void settings_check(const struct settings *s, const char *path, struct findings *out)
{
    char field[96];
    for (size_t c = 0; c < ARRAY_SIZE(sections); c++)
        for (size_t i = 0; i < count_of(&sections[c], s); i++)
            for (const struct row *r = sections[c].rows; r->key; r++)
                check_value(r, (const char *)item_of(&sections[c], s, i) + r->at, path, field_name(&sections[c], i, r->key, field),
                            out);
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
    char field[96];
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0 && s->memory_bytes > (uint64_t)pages * (uint64_t)page)
        BROKEN(RULE_MEMORY_HOST, "memorySize", "%llu, the host has %llu", (unsigned long long)s->memory_bytes,
               (unsigned long long)pages * (uint64_t)page);
    for (size_t i = 0; i < s->n_shares; i++) {
        struct stat st;
        snprintf(field, sizeof field, "shares[%zu].path", i);
        if (!path_ok(s->shares[i].path))
            continue; /* told already */
        if (stat(s->shares[i].path, &st))
            BROKEN(RULE_SHARE_PATH, field, "\"%.100s\": %s", s->shares[i].path, strerror(errno));
        else if (!S_ISDIR(st.st_mode))
            BROKEN(RULE_SHARE_PATH, field, "\"%.100s\", no folder", s->shares[i].path);
    }
}

void settings_check_fixed(const struct settings *installed, const struct settings *now, const char *path, struct findings *out)
{
    for (const struct row *r = top_rows; r->key; r++) {
        const char *a = (const char *)installed + r->at, *b = (const char *)now + r->at;
        if (!r->fixed || !memcmp(a, b, r->size))
            continue;
        if (r->kind == WORD) {
            BROKEN(RULE_FIXED, r->key, "\"%s\"", r->words[number_of(r, b)]);
            findings_expected(out, "\"%s\", the value it was installed with", r->words[number_of(r, a)]);
        } else {
            BROKEN(RULE_FIXED, r->key, "%llu", (unsigned long long)number_of(r, b));
            findings_expected(out, "%llu, the value it was installed with", (unsigned long long)number_of(r, a));
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
        for (const struct row *r = top_rows; r->key; r++)
            if (!strcmp(r->key, field))
                memcpy((char *)s + r->at, (const char *)fresh + r->at, r->size);
        for (size_t c = 1; c < ARRAY_SIZE(sections); c++) {
            size_t n = strlen(sections[c].key);
            if (!strncmp(sections[c].key, field, n) && (!field[n] || field[n] == '[') && sections[c].count_at)
                *(size_t *)(void *)((char *)s + sections[c].count_at) = 0;
        }
        if (!strncmp(field, "boot.", 5)) /* with what fits the platform */
            s->boot = s->platform == SETTINGS_APPLE ? SETTINGS_BOOT_ROM : s->kernel[0] ? SETTINGS_BOOT_LINUX : SETTINGS_BOOT_EFI;
    }
    findings_free(&l);
    free(fresh);
}

/* --- reading --- */

struct reading {
    const char *path;
    struct settings *s;
    struct findings *out;
};

/* How many of the shorter word's letters stand, in order and case apart, in the other: enough to guess what was meant. */
static size_t likeness(const char *a, const char *b)
{
    size_t n = 0;
    for (; *a && *b; a++)
        if ((*a | 0x20) == (*b | 0x20)) {
            n++;
            b++;
        }
    return n;
}

static const char *guess(const struct section *c, const char *key)
{
    static const struct {
        const char *said, *meant;
    } usual[] = {{"cpus", "cpuCount"},
                 {"cpu", "cpuCount"},
                 {"ram", "memorySize"},
                 {"memory", "memorySize"},
                 {"mem", "memorySize"},
                 {"mac", "macAddress"},
                 {"name", "file"},
                 {"storage", "disks"},
                 {"storageDevices", "disks"},
                 {"networkDevices", "networks"},
                 {"display", "displays"},
                 {"dpi", "pixelsPerInch"},
                 {"network", "networks"}};
    const char *best = c->rows[0].key;
    for (const struct row *r = c->rows + 1; r->key; r++)
        if (likeness(r->key, key) > likeness(best, key))
            best = r->key;
    for (size_t i = 1; !c->key && i < ARRAY_SIZE(sections); i++)
        if (likeness(sections[i].key, key) > likeness(best, key))
            best = sections[i].key;
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (!strcasecmp(usual[i].said, key))
            best = usual[i].meant;
    return best;
}

static void wrong_type(const struct reading *d, const char *field, const json_t *v, const char *needed)
{
    static const char *const names[] = {"an object", "a list", "a text", "a whole number", "a number with a fraction",
                                        "true",      "false",  "null"};
    findings_add(d->out, &config_rules[RULE_TYPE], d->path, field, "%s",
                 json_is_integer(v) ? "a negative number" : names[json_typeof(v)]);
    findings_expected(d->out, "%s", needed);
}

static void read_text(const struct reading *d, const struct row *r, const json_t *v, char *to, const char *field)
{
    const char *text = json_string_value(v);
    size_t n = json_string_length(v);
    if (n >= r->size) {
        findings_add(d->out, &config_rules[r->rule == RULE_COMMAND_LINE ? RULE_COMMAND_LINE : RULE_TEXT], d->path, field,
                     "%zu bytes long", n);
        findings_expected(d->out, "at most %zu bytes", r->size - 1);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            findings_add(d->out, &config_rules[RULE_TEXT], d->path, field, "a text with a control character");
            return;
        }
    memcpy(to, text, n + 1);
}

static void read_word(const struct reading *d, const struct row *r, const char *word, uint32_t *to, const char *field)
{
    for (uint32_t i = 0; r->words[i]; i++)
        if (!strcmp(r->words[i], word)) {
            *to = i;
            return;
        }
    check_word(r, word, d->path, field, d->out);
}

static void read_value(const struct reading *d, const struct row *r, const json_t *v, void *to, const char *field)
{
    switch (r->kind) {
    case TEXT:
        if (!json_is_string(v))
            wrong_type(d, field, v, "a text");
        else
            read_text(d, r, v, to, field);
        return;
    case WORD:
        if (!json_is_string(v))
            wrong_type(d, field, v, "a text");
        else
            read_word(d, r, json_string_value(v), to, field);
        return;
    case FLAG:
        if (!json_is_boolean(v))
            wrong_type(d, field, v, "true or false");
        else
            *(bool *)to = json_is_true(v);
        return;
    case U32:
    case U64:
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            wrong_type(d, field, v, "a whole number (sizes are in bytes)");
        else if (r->kind == U64)
            *(uint64_t *)to = (uint64_t)json_integer_value(v);
        else
            *(uint32_t *)to = (uint32_t)MIN(json_integer_value(v), (json_int_t)UINT32_MAX);
    }
}

static const struct row *find(const struct row *rows, const char *key)
{
    for (; rows->key; rows++)
        if (!strcmp(rows->key, key))
            return rows;
    return NULL;
}

static const struct section *find_section(const char *key)
{
    for (size_t i = 1; i < ARRAY_SIZE(sections); i++)
        if (!strcmp(sections[i].key, key))
            return &sections[i];
    return NULL;
}

static void read_section(const struct reading *d, const struct section *c, const json_t *value);

/* An object by its rows; at the top the sections' keys too. */
static void read_object(const struct reading *d, const struct section *c, size_t i, const json_t *object)
{
    char field[96];
    const char *key;
    json_t *value;
    if (!json_is_object(object)) {
        wrong_type(d, c->key ? field_name(c, i, "", field) : NULL, object, "an object");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const struct row *r = find(c->rows, key);
        const struct section *inner = c->key ? NULL : find_section(key);
        field_name(c, i, key, field);
        if (r)
            read_value(d, r, value, (char *)item_of(c, d->s, i) + r->at, field);
        else if (inner)
            read_section(d, inner, value);
        else if (c->key || strcmp(key, "version")) {
            findings_add(d->out, &config_rules[RULE_KEY_UNKNOWN], d->path, field, "not a known key");
            findings_expected(d->out, "\"%s\", perhaps", guess(c, key));
        }
    }
    for (const struct row *r = c->rows; r->key; r++)
        if (r->required && !json_object_get(object, r->key))
            findings_add(d->out, &config_rules[RULE_KEY_MISSING], d->path, field_name(c, i, r->key, field), "missing");
}

static void read_section(const struct reading *d, const struct section *c, const json_t *value)
{
    if (!c->count_at) {
        read_object(d, c, 0, value);
        return;
    }
    if (!json_is_array(value)) {
        wrong_type(d, c->key, value, "a list of objects");
        return;
    }
    size_t n = json_array_size(value);
    if (n > SETTINGS_MAX_ITEMS) {
        findings_add(d->out, &config_rules[RULE_ITEMS], d->path, c->key, "a list of %zu", n);
        findings_expected(d->out, "at most %d", SETTINGS_MAX_ITEMS);
        n = SETTINGS_MAX_ITEMS;
    }
    for (size_t i = 0; i < n; i++)
        read_object(d, c, i, json_array_get(value, i));
    *(size_t *)(void *)((char *)d->s + c->count_at) = n;
}

static void read_root(const struct reading *d, const json_t *root)
{
    const json_t *version = json_object_get(root, "version");
    if (!json_is_object(root)) {
        findings_add(d->out, &config_rules[RULE_NOT_OBJECT], d->path, NULL, "not a JSON object");
        return;
    }
    if (!version)
        findings_add(d->out, &config_rules[RULE_KEY_MISSING], d->path, "version", "missing");
    else if (!json_is_integer(version) || json_integer_value(version) != 1)
        findings_add(d->out, &config_rules[RULE_VERSION], d->path, "version", "not 1");
    read_object(d, &sections[0], 0, root);
}

/* Reads the tree into s; values in which a fault was found are left as they were in s, and are not checked again. */
static void read_and_check(const json_t *root, const char *path, struct settings *s, struct findings *out)
{
    struct findings more = {0};
    settings_init(s);
    read_root(&(struct reading){path, s, out}, root);
    settings_check(s, path, &more);
    for (size_t i = 0; i < more.n; i++) {
        bool told = false;
        for (size_t k = 0; k < out->n; k++)
            told |= !strcmp(out->items[k].field, more.items[i].field);
        if (told)
            continue;
        findings_add(out, more.items[i].rule, path, more.items[i].field, "%s", more.items[i].found);
        findings_expected(out, "%s", more.items[i].expected);
    }
    findings_free(&more);
}

/* Of what is missing the place is that of the object it should be in. */
static void locate(const char *text, size_t n, struct finding *f)
{
    char field[sizeof f->field];
    strcpy(field, f->field);
    while (field[0] && !json_position(text, n, field, &f->line, &f->column)) {
        char *dot = strrchr(field, '.'), *bracket = strrchr(field, '[');
        *(dot > bracket ? dot : bracket ? bracket : field) = 0;
    }
    if (!field[0])
        f->line = f->column = 1;
}

void settings_parse(const void *bytes, size_t n, const char *path, struct settings *s, struct findings *out)
{
    json_error_t e;
    settings_init(s);
    size_t before = out->n;
    if (!n || n > SETTINGS_MAX_BYTES) {
        findings_add(out, &config_rules[RULE_TOO_LARGE], path, NULL, "%zu bytes", n);
        return;
    }
    json_t *root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &e);
    if (!root) {
        findings_add(out, &config_rules[RULE_SYNTAX], path, NULL, "%.150s", e.text);
        if (out->n > before) {
            out->items[out->n - 1].line = e.line;
            out->items[out->n - 1].column = e.column;
        }
        return;
    }
    read_and_check(root, path, s, out);
    json_decref(root);
    for (size_t i = before; i < out->n; i++)
        locate(bytes, n, &out->items[i]);
}

bool settings_read(const void *bytes, size_t n, const char *what, struct settings *s, struct pome_error *err)
{
    struct findings l = {0};
    settings_parse(bytes, n, what, s, &l);
    bool ok = findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, what, err);
    findings_free(&l);
    return ok;
}

/* --- writing --- */

static json_t *value_to_json(const struct row *r, const void *field)
{
    switch (r->kind) {
    case U32:
    case U64: return json_integer((json_int_t)number_of(r, field));
    case TEXT: return *(const char *)field ? json_string(field) : NULL;
    case WORD: return json_string(r->words[number_of(r, field)]);
    case FLAG: return json_boolean(*(const bool *)field);
    }
    return NULL;
}

static json_t *item_to_json(const struct section *c, const struct settings *s, size_t i, json_t *object)
{
    for (const struct row *r = c->rows; r->key; r++) {
        json_t *v = value_to_json(r, (const char *)item_of(c, s, i) + r->at);
        if (v)
            json_object_set_new(object, r->key, v);
    }
    return object;
}

static json_t *to_json(const struct settings *s)
{
    json_t *root = json_object();
    json_object_set_new(root, "version", json_integer(1));
    item_to_json(&sections[0], s, 0, root);
    for (size_t c = 1; c < ARRAY_SIZE(sections); c++) {
        json_t *list = json_array();
        for (size_t i = 0; i < count_of(&sections[c], s); i++)
            json_array_append_new(list, item_to_json(&sections[c], s, i, json_object()));
        if (!sections[c].count_at)
            json_object_set(root, sections[c].key, json_array_get(list, 0));
        else if (json_array_size(list))
            json_object_set(root, sections[c].key, list);
        json_decref(list);
    }
    if (s->platform == SETTINGS_APPLE) /* says nothing then */
        json_object_del(root, "boot");
    return root;
}

char *settings_write(const struct settings *s, size_t *n)
{
    json_t *root = to_json(s);
    char *text = json_dumps(root, JSON_INDENT(2)), *line = NULL;
    json_decref(root);
    if (text && (line = malloc(strlen(text) + 2)))
        *n = (size_t)sprintf(line, "%s\n", text);
    free(text);
    return line;
}

/* --- one value --- */

static json_t *get_last(json_t *at, const char *last)
{
    return last[0] == '[' ? json_array_get(at, strtoul(last + 1, NULL, 10)) : json_object_get(at, last);
}

static bool set_last(json_t *at, const char *last, json_t *value)
{
    if (last[0] != '[')
        return json_is_object(at) && !(value ? json_object_set(at, last, value) : json_object_del(at, last));
    size_t i = strtoul(last + 1, NULL, 10), n = json_array_size(at);
    if (!json_is_array(at) || i > n)
        return false;
    return !(i == n ? value ? json_array_append(at, value) : -1 : value ? json_array_set(at, i, value) : json_array_remove(at, i));
}

/* The container of the last part of a path; *last is that part ("memorySize", "[0]"). NULL when the path leads nowhere. */
static json_t *walk(json_t *root, const char *path, char last[96])
{
    json_t *at = root;
    for (;;) {
        size_t n = *path == '[' ? strcspn(path, "]") + 1 : strcspn(path, ".[");
        if (!n || n >= 96 || n > strlen(path))
            return NULL;
        memcpy(last, path, n);
        last[n] = 0;
        path += n;
        path += *path == '.';
        if (!*path)
            return at;
        json_t *next = get_last(at, last);
        if (!next) { /* networks[0] where there are no networks yet */
            next = *path == '[' ? json_array() : json_object();
            if (!set_last(at, last, next))
                at = NULL;
            json_decref(next);
        }
        if (!at)
            return NULL;
        at = next;
    }
}

char *settings_get(const struct settings *s, const char *path)
{
    char last[96];
    json_t *root = to_json(s), *at = path[0] ? walk(root, path, last) : root, *v = !at ? NULL : path[0] ? get_last(at, last) : at;
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_INDENT(2)) : NULL;
    json_decref(root);
    return text;
}

/* "4GiB" -> bytes; only what is written as one. */
static json_t *size_value(const char *text)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"K", 10}, {"KiB", 10}, {"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40}, {"TiB", 40}};
    char *end;
    errno = 0;
    unsigned long long n = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    for (size_t i = 0; n && !errno && i < ARRAY_SIZE(units); i++)
        if (!strcasecmp(end, units[i].unit) && n < UINT64_C(1) << (62 - units[i].shift))
            return json_integer((json_int_t)(n << units[i].shift));
    return NULL;
}

bool settings_set(struct settings *s, const char *path, const char *value, const char *what, struct findings *out)
{
    char last[96];
    struct settings *now = malloc(sizeof *now);
    json_t *root = to_json(s), *at = walk(root, path, last), *v = NULL;
    if (now && value[0]) {
        v = size_value(value);
        v = v ? v : json_loads(value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        v = v ? v : json_string(value);
    }
    size_t errors = out->errors;
    if (!now || (value[0] && !v))
        findings_add(out, &config_rules[RULE_TYPE], what, path, "a value that is not UTF-8 text, or no memory");
    else if (!at || !set_last(at, last, v))
        findings_add(out, &config_rules[RULE_KEY_UNKNOWN], what, path, "not there");
    else
        read_and_check(root, what, now, out);
    json_decref(v);
    json_decref(root);
    bool ok = out->errors == errors;
    if (ok)
        *s = *now;
    free(now);
    return ok;
}
