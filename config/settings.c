/*
 * settings.c - Config.json, one row per key.
 *
 * A new setting: a member of struct settings, a row here, a property in docs/config.schema.json, a line in
 * docs/man/pome-config.5.scd. How it works: settings_table.h.
 */
#include "base/bits.h"
#include "config/settings_table.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* --- the tables --- */

static bool mac_ok(const char *text);
static bool file_ok(const char *text);
static bool tag_ok(const char *text);
static bool address_ok(const char *text);
static bool path_ok(const char *text);

static const char *const platforms[] = {"apple", "generic", NULL};
static const char *const models[] = {"default", "apple", NULL};
static const char *const boots[] = {"rom", "linux", "efi", NULL};
static const char *const disk_types[] = {"virtio", "usb", "nvme", NULL};
static const char *const caching_modes[] = {"automatic", "uncached", "cached", NULL};
static const char *const synchronization_modes[] = {"full", "fsync", "none", NULL};
static const char *const network_types[] = {"nat", "bridged", "file", NULL};
static const char *const isolations[] = {"none", "host", "all", NULL};
static const char *const protocols[] = {"tcp", "udp", NULL};
static const char *const input_types[] = {"usb", "mac", NULL};
static const char *const virtio_only[] = {"virtio", NULL};

#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

static const struct row top_rows[] = {
    {"platform", WORD, FIELD(settings, platform), platforms, RULE_WORD, .fixed = true, .seen = true},
    {"cpuCount", U32, FIELD(settings, cpu_count), NULL, RULE_CPU_COUNT, 1, SETTINGS_MAX_CPUS, NULL, true, true, true},
    {"memorySize", U64, FIELD(settings, memory_bytes), NULL, RULE_MEMORY_RANGE, SETTINGS_MIN_MEMORY, SETTINGS_MAX_MEMORY, NULL,
     true, false, true},
    {"cpuModel", TEXT, FIELD(settings, cpu_model), models, RULE_WORD, .seen = true},
    {NULL},
};
static const struct row boot_rows[] = {
    {"type", WORD, FIELD(settings, boot), boots, RULE_WORD, .seen = true},
    {"kernel", TEXT, FIELD(settings, kernel), NULL, RULE_DISK_NAME, .check = file_ok},
    {"ramdisk", TEXT, FIELD(settings, ramdisk), NULL, RULE_DISK_NAME, .check = file_ok},
    {"firmware", TEXT, FIELD(settings, firmware), NULL, RULE_DISK_NAME, .check = file_ok},
    {"commandLine", TEXT, FIELD(settings, command_line), NULL, RULE_COMMAND_LINE},
    {NULL},
};
#define MODE_ROWS(type, member)                                                                                                    \
    {"cachingMode", WORD, FIELD(type, member.caching), caching_modes, RULE_WORD},                                                  \
    {"synchronizationMode", WORD, FIELD(type, member.synchronization), synchronization_modes, RULE_WORD},                          \
    {NULL},
static const struct row main_disk_rows[] = {MODE_ROWS(settings, main_disk)};
static const struct row disk_rows[] = {
    {"file", TEXT, FIELD(settings_disk, file), NULL, RULE_DISK_NAME, .check = file_ok, .required = true, .seen = true},
    {"type", WORD, FIELD(settings_disk, type), disk_types, RULE_WORD, .seen = true},
    {"identifier", TEXT, FIELD(settings_disk, identifier), NULL, RULE_DISK_ID, .check = settings_disk_identifier_ok, .seen = true},
    {"readOnly", FLAG, FIELD(settings_disk, read_only), .seen = true},
    MODE_ROWS(settings_disk, modes)
};
static const struct row network_rows[] = {
    {"type", WORD, FIELD(settings_network, type), network_types, RULE_WORD},
    {"interface", TEXT, FIELD(settings_network, interface), NULL, RULE_TEXT},
    {"socket", TEXT, FIELD(settings_network, socket), NULL, RULE_NETWORK_SOCKET, .check = path_ok},
    {"isolation", WORD, FIELD(settings_network, isolation), isolations, RULE_WORD},
    {"macAddress", TEXT, FIELD(settings_network, mac), NULL, RULE_MAC, .check = mac_ok, .seen = true},
    {"mtu", U32, FIELD(settings_network, mtu), NULL, RULE_MTU, 0, 65535, .seen = true},
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
    {"tag", TEXT, FIELD(settings_share, tag), NULL, RULE_SHARE_TAG, .check = tag_ok, .required = true, .seen = true},
    {"path", TEXT, FIELD(settings_share, path), NULL, RULE_SHARE_PATH, .check = path_ok, .required = true},
    {"writable", FLAG, FIELD(settings_share, writable)},
    {NULL},
};
#define PORT_ROWS                                                                                                                  \
    {"socket", TEXT, FIELD(settings_port, socket), NULL, RULE_PORT_PATH, .check = path_ok},                                        \
    {"file", TEXT, FIELD(settings_port, file), NULL, RULE_PORT_PATH, .check = path_ok},                                            \
    {NULL},
static const struct row serial_rows[] = {{"type", WORD, FIELD(settings_port, type), virtio_only, RULE_WORD}, PORT_ROWS};
static const struct row port_rows[] = {
    {"name", TEXT, FIELD(settings_port, name), NULL, RULE_PORT_NAME, .check = settings_port_name_ok, .required = true, .seen = true}, PORT_ROWS};
static const struct row input_rows[] = {{"type", WORD, FIELD(settings_device, type), input_types, RULE_WORD}, {NULL}};
static const struct row virtio_rows[] = {{"type", WORD, FIELD(settings_device, type), virtio_only, RULE_WORD}, {NULL}};

const struct section settings_sections[] = {
    {NULL, top_rows},
    {"boot", boot_rows},
    {"mainDisk", main_disk_rows},
#define LIST(key, member, count, rows, ...)                                                                                        \
    {                                                                                                                              \
        key, rows, offsetof(struct settings, member), offsetof(struct settings, count), sizeof *((struct settings *)0)->member,    \
            __VA_ARGS__                                                                                                            \
    }
    LIST("disks", disks, n_disks, disk_rows, .no_device = false),
    LIST("networks", networks, n_networks, network_rows, .no_device = false),
    LIST("forwards", forwards, n_forwards, forward_rows, .host_only = true),
    LIST("displays", displays, n_displays, display_rows, .no_device = true),
    LIST("shares", shares, n_shares, share_rows, .no_device = false),
    LIST("keyboards", keyboards, n_keyboards, input_rows, .no_device = true),
    LIST("pointingDevices", pointing, n_pointing, input_rows, .no_device = true),
    LIST("serialPorts", serial, n_serial, serial_rows, .no_device = false),
    LIST("consolePorts", ports, n_ports, port_rows, .no_device = false),
    LIST("sockets", sockets, n_sockets, virtio_rows, .no_device = false),
    LIST("balloons", balloons, n_balloons, virtio_rows, .no_device = false),
    LIST("audio", audio, n_audio, virtio_rows, .no_device = true),
};
const size_t settings_n_sections = ARRAY_SIZE(settings_sections);

void settings_init(struct settings *s)
{
    memset(s, 0, sizeof *s);
    s->cpu_count = 2;
    s->memory_bytes = 2 * GiB;
    strcpy(s->cpu_model, "default");
}

size_t settings_count(const struct section *c, const struct settings *s)
{
    return c->count_at ? *(const size_t *)(const void *)((const char *)s + c->count_at) : 1;
}

void *settings_item(const struct section *c, const struct settings *s, size_t i)
{
    return (char *)(uintptr_t)s + c->at + i * c->item_bytes;
}

static bool row_alike(const struct row *r, const char *a, const char *b)
{
    return r->kind == TEXT ? !strcmp(a, b) : !memcmp(a, b, r->size);
}

static bool section_alike(const struct section *c, const struct settings *a, const struct settings *b)
{
    if (c->host_only)
        return true;
    if (settings_count(c, a) != settings_count(c, b))
        return false;
    for (size_t i = 0; i < settings_count(c, a); i++)
        for (const struct row *r = c->rows; r->key; r++)
            if (r->seen && !row_alike(r, (const char *)settings_item(c, a, i) + r->at, (const char *)settings_item(c, b, i) + r->at))
                return false;
    return true;
}

bool settings_seen_alike(const struct settings *a, const struct settings *b)
{
    for (size_t i = 0; i < settings_n_sections; i++)
        if (!section_alike(&settings_sections[i], a, b))
            return false;
    return true;
}

const char *settings_field(const struct section *c, size_t i, const char *key, char field[SETTINGS_FIELD])
{
    if (!c->key)
        snprintf(field, SETTINGS_FIELD, "%s", key);
    else if (!c->count_at)
        snprintf(field, SETTINGS_FIELD, "%s.%s", c->key, key);
    else
        snprintf(field, SETTINGS_FIELD, "%s[%zu]%s%s", c->key, i, key[0] ? "." : "", key);
    return field;
}

uint64_t settings_number(const struct row *r, const void *value)
{
    return r->kind == U64 ? *(const uint64_t *)value : *(const uint32_t *)value;
}

const struct section *settings_section(const char *key)
{
    for (size_t i = 0; i < settings_n_sections; i++)
        if (key ? settings_sections[i].key && !strcmp(settings_sections[i].key, key) : !settings_sections[i].key)
            return &settings_sections[i];
    return NULL;
}

const struct row *settings_row(const struct section *c, const char *key)
{
    for (const struct row *r = c->rows; r->key; r++)
        if (!strcmp(r->key, key))
            return r;
    return NULL;
}

/* --- MAC addresses --- */

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

/* --- what a text may be --- */

static bool mac_ok(const char *text)
{
    uint8_t mac[6];
    return settings_parse_mac(text, mac);
}

bool settings_disk_identifier_ok(const char *text)
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

bool settings_port_name_ok(const char *name)
{
    static const char alphanumeric[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char other[sizeof alphanumeric + 3];
    size_t n = strlen(name);
    snprintf(other, sizeof other, "%s._-", alphanumeric);
    return n >= 1 && n < sizeof ((struct settings_port *)0)->name && strspn(name, alphanumeric) && strspn(name, other) == n;
}

static bool address_ok(const char *text)
{
    uint8_t binary[16];
    return inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1;
}
