/* settings_test.c - Config.json: what is right, and each way to be wrong. */
#include "base/bits.h"
#include "config/settings.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void round_trip(void **state)
{
    struct settings a = {.cpu_count = 8, .memory_bytes = SETTINGS_MAX_MEMORY, .cpu_model = "apple"}, b;
    size_t n;
    char *text = settings_write(&a, &n);
    assert_true(settings_read(text, n, "Config.json", &b, NULL));
    assert_int_equal(a.cpu_count, b.cpu_count);
    assert_true(a.memory_bytes == b.memory_bytes);
    assert_string_equal(b.cpu_model, "apple");
    free(text);
}

static void wrong(void **state)
{
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"", "0 bytes"},
        {"{", "line 1"},
        {"[]", "not a JSON object"},
        {"{\"cpuCount\":1,\"memorySize\":1073741824}", "version"},
        {"{\"version\":2,\"cpuCount\":1,\"memorySize\":1073741824}", "version"},
        {"{\"version\":1,\"memorySize\":1073741824}", "cpuCount is missing"},
        {"{\"version\":1,\"cpuCount\":0,\"memorySize\":1073741824}", "cpuCount is 0, needed 1 to 32"},
        {"{\"version\":1,\"cpuCount\":33,\"memorySize\":1073741824}", "cpuCount is 33"},
        {"{\"version\":1,\"cpuCount\":-1,\"memorySize\":1073741824}", "cpuCount is a negative number"},
        {"{\"version\":1,\"cpuCount\":\"2\",\"memorySize\":1073741824}", "cpuCount is a text, needed a whole number"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":1073741825}", "multiple of 1048576"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":9223372036854775807}", "memorySize is 9223372036854775807"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":99999999999999999999}", "too big"},
        {"{\"version\":1,\"cpuCount\":2,\"memory\":1073741824}", "needed \"memorySize\""},
        {"{\"version\":1,\"cpus\":2,\"memorySize\":1073741824}", "needed \"cpuCount\""},
        {"{\"version\":1,\"cpuCount\":2,\"cpuCount\":2,\"memorySize\":1073741824}", "duplicate"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":1073741824,\"cpuModel\":\"z80\"}", "cpuModel is \"z80\""},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":1073741824}x", "end of file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s;
        struct pome_error err = {0};
        assert_false(settings_read(rows[i].json, strlen(rows[i].json), "Config.json", &s, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s: says \"%s\", not \"%s\"", rows[i].json, err.message, rows[i].says);
    }
}

/* Every rule that a text alone can break is broken once, all in a few texts; what is found is found in one go, where it stands. */
static void all_at_once(void **state)
{
    static const struct {
        const char *json, *codes; /* code@field@line:column, ... */
    } rows[] = {
        {"{\n \"version\": 1, \"cpuCount\": 33,\n  \"memorySize\": 1073741825, \"cpuModel\": \"z80\", \"memory\": 5}",
         "key-unknown@memory@3:48 cpu-count-range@cpuCount@2:16 memory-multiple@memorySize@3:3 value-unknown@cpuModel@3:29"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\n\"networks\":[{\"macAddress\":\"01:00:00:00:00:00\",\"mtu\":10},\n{\"typ\":\"nat\"}]}",
         "key-unknown@networks[1].typ@3:2 mac-address@networks[0].macAddress@2:14 mtu-range@networks[0].mtu@2:47"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\n\"networks\":[{\"type\":\"bridged\"},{\"type\":\"file\"},{\"isolation\":\"some\"}]}",
         "value-unknown@networks[2].isolation@2:49 device-not-there-yet@networks[0].type@2:14 network-socket@networks[1].socket@2:32"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\n\"forwards\":[{\"hostPort\":0,\"guestPort\":22},\n{\"hostPort\":1,\"guestPort\":70000,\"hostAddress\":\"here\"}]}",
         "forward-port@forwards[0].hostPort@2:14 forward-address@forwards[1].hostAddress@3:33 forward-port@forwards[1].guestPort@3:15 "
         "forward-network@forwards@2:1"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\n\"networks\":[{\"macAddress\":\"06:e8:a3:b0:23:b4\"},{\"macAddress\":\"06:E8:a3:b0:23:b4\"}]}",
         "mac-twice@networks[1].macAddress@2:49"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"networks\":[{\"type\":\"nat\"},{\"type\":\"nat\"},{\"a\":[{}]}],\n\"displays\":[{\"width\":0,\"height\":1,\"pixelsPerInch\":1}]}",
         "key-unknown@networks[2].a@1:93 display-size@displays[0].width@2:14"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"displays\":[{\"width\":0,\"height\":16385,\"pixelsPerInch\":1001},{\"width\":1,\"height\":1}]}",
         "key-missing@displays[1].pixelsPerInch display-size@displays[0].width display-size@displays[0].height display-density@displays[0].pixelsPerInch "
         "displays-per-machine@displays"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"disks\":[{\"file\":\"../x\",\"type\":\"nvme\"},{\"file\":\"a\"},{\"file\":\"a\",\"identifier\":\"012345678901234567890\"}]}",
         "disk-file-name@disks[0].file disk-identifier@disks[2].identifier disk-type-platform@disks[0].type disk-twice@disks[2].file"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"shares\":[{\"tag\":\"\",\"path\":\"x\"},{\"tag\":\"t\",\"path\":\"/\"},{\"tag\":\"t\",\"path\":\"/\"}]}",
         "share-tag@shares[0].tag share-path@shares[0].path share-tag-twice@shares[2].tag"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"keyboards\":[{\"type\":\"usb\"},{\"type\":\"mac\"},{\"type\":\"mac\"}],"
         "\"pointingDevices\":[{},{}],\"balloons\":[{},{}],\"sockets\":[{},{}],\"serialPorts\":[{},{},{},{},{},{},{},{},{},{},{}],\"audio\":{}}",
         "value-type@audio balloons@balloons sockets@sockets serial-ports@serialPorts pointing-devices@pointingDevices keyboards@keyboards"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"serialPorts\":[{\"socket\":\"/a\",\"file\":\"/b\"},{\"file\":\"b\"}],\"consolePorts\":[{\"name\":\"a/b\"},{},"
         "{\"name\":\"hvc3\"},{\"name\":\"org.pome.log\"},{\"name\":\"two\"},{\"name\":\"two\"},{\"name\":\"hvcs\"},{\"name\":\"c8\"},{\"name\":\"c9\"},{\"name\":\"d\"},{\"name\":\"e\"},{\"name\":\"f\"},{\"name\":\"g\"}]}",
         "key-missing@consolePorts[1].name port-path@serialPorts[1].file port-name@consolePorts[0].name port-ends@serialPorts[0] "
         "console-ports@consolePorts port-name@consolePorts[2].name port-name@consolePorts[3].name port-name-twice@consolePorts[5].name"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"platform\":\"generic\",\"keyboards\":[{\"type\":\"mac\"}]}",
         "boot-loader-platform@boot.type mac-input-platform@keyboards"},
        {"{\"version\":1,\"cpuCount\":1,\"memorySize\":134217728,\"platform\":\"generic\",\"boot\":{\"type\":\"linux\"}}", "boot-kernel-missing@boot.kernel"},
        {"{\"version\":1,\"cpuCount\":1.5,\"memorySize\":null,\"platform\":7,\"boot\":[]}",
         "value-type@cpuCount value-type@memorySize value-type@platform value-type@boot"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s;
        struct findings l = {0};
        char got[1024] = "", want[1024];
        settings_parse(rows[i].json, strlen(rows[i].json), "Config.json", &s, &l);
        for (size_t k = 0; k < l.n; k++) {
            const struct finding *f = &l.items[k];
            assert_true(f->found[0] && f->expected[0] && f->advice[0] && f->line);
            char place[32] = "";
            snprintf(want, sizeof want, "%s", rows[i].codes);
            if (strstr(want, "@2:") || strstr(want, "@3:"))
                snprintf(place, sizeof place, "@%d:%d", f->line, f->column);
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s@%s%s", k ? " " : "", f->rule->code, f->field, place);
        }
        findings_free(&l);
        /* the rows say how the list begins: devices that are not there yet follow it */
        if (strncmp(got, rows[i].codes, strlen(rows[i].codes)))
            fail_msg("%s:\n%s\nnot\n%s", rows[i].json, got, rows[i].codes);
    }
}

static void round_trip_of_devices(void **state)
{
    static const char json[] = "{\"version\":1,\"platform\":\"generic\",\"cpuCount\":3,\"memorySize\":134217728,"
                               "\"boot\":{\"type\":\"linux\",\"kernel\":\"Image\",\"commandLine\":\"console=hvc0\"},"
                               "\"disks\":[{\"file\":\"b.img\",\"readOnly\":true,\"cachingMode\":\"uncached\"}],\"mainDisk\":{\"synchronizationMode\":\"none\"},\"networks\":[{\"macAddress\":\"06:e8:a3:b0:23:b4\"}],"
                               "\"displays\":[{\"width\":1024,\"height\":768,\"pixelsPerInch\":72}],\"audio\":[{}]}";
    struct settings a, b;
    size_t n;
    assert_true(settings_read(json, sizeof json - 1, "a", &a, NULL));
    char *text = settings_write(&a, &n);
    assert_true(settings_read(text, n, "b", &b, NULL));
    free(text);
    assert_memory_equal(&a, &b, sizeof a);
    assert_string_equal(b.kernel, "Image");
    assert_true(b.disks[0].read_only && b.disks[0].modes.caching == SETTINGS_UNCACHED && b.main_disk.synchronization == SETTINGS_SYNC_NONE);
    assert_int_equal(b.displays[0].height, 768);
}

/* Each on its own: could a guest that was started with the one go on with the other? */
static void what_the_guest_sees(void **state)
{
    static const struct {
        const char *key, *value;
        bool alike;
    } rows[] = {
        {"memorySize", "1GiB", false}, {"cpuCount", "4", false}, {"cpuModel", "apple", false}, {"disks[0].file", "b.img", false}, {"disks[0].readOnly", "true", false},
        {"disks[0].identifier", "x", false}, {"disks[1]", "{\"file\":\"b.img\"}", false}, {"disks[0].cachingMode", "uncached", true},
        {"disks[0].synchronizationMode", "none", true}, {"mainDisk.synchronizationMode", "none", true}, {"mainDisk.cachingMode", "cached", true},
        {"networks[0].macAddress", "06:e8:a3:b0:23:b4", false}, {"networks[0].isolation", "host", true}, {"networks[0]", "", false},
        {"forwards", "[{\"hostPort\":2222,\"guestPort\":22}]", true}, {"shares[0].path", "/other", true}, {"shares[0].tag", "other", false},
        {"shares[0].writable", "true", true}, {"sockets", "[{}]", false}, {"serialPorts", "[{}]", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct settings a, b;
        struct findings l = {0};
        settings_init(&a);
        assert_true(settings_set(&a, false, "disks", "[{\"file\":\"a.img\"}]", "c", &l) && settings_set(&a, false, "networks", "[{}]", "c", &l) &&
                    settings_set(&a, false, "shares", "[{\"tag\":\"t\",\"path\":\"/\"}]", "c", &l));
        b = a;
        assert_true(settings_seen_alike(&a, &b));
        if (!settings_set(&b, false, rows[i].key, rows[i].value, "c", &l) || settings_seen_alike(&a, &b) != rows[i].alike)
            fail_msg("%s: %s", rows[i].key, rows[i].value);
        findings_free(&l);
    }
}

static void get_and_set(void **state)
{
    struct settings s, before;
    struct findings l = {0};
    settings_init(&s);
    assert_true(settings_set(&s, false, "memorySize", "4GiB", "c", &l) && s.memory_bytes == UINT64_C(4) << 30);
    assert_true(settings_set(&s, false, "cpuModel", "apple", "c", &l));
    assert_true(settings_set(&s, false, "networks[0].macAddress", "06:e8:a3:b0:23:b4", "c", &l));
    assert_true(settings_set(&s, false, "networks[1]", "{\"type\":\"bridged\"}", "c", &l) && s.n_networks == 2);
    char *text = settings_get(&s, "networks[0].macAddress");
    assert_string_equal(text, "\"06:e8:a3:b0:23:b4\"");
    free(text);
    assert_true(settings_set(&s, false, "networks[0]", "", "c", &l) && s.n_networks == 1);
    assert_null(settings_get(&s, "networks[7]"));
    assert_null(settings_get(&s, "nonsense[0].x"));
    assert_null(settings_get(&s, ".."));
    before = s;
    static const char *const wrong[][2] = {{"memorySize", "5"}, {"memorySize", ""}, {"nonsense", "1"}, {"networks[9]", "{}"}, {"", "{}"}, {"[", "1"}, {"version", "2"},
                                           {"cpuCount", "two"}, {"displays", "{}"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (settings_set(&s, false, wrong[i][0], wrong[i][1], "c", &l) || memcmp(&s, &before, sizeof s))
            fail_msg("%s = %s was taken", wrong[i][0], wrong[i][1]);
    findings_free(&l);
}

/* A machine keeps its addresses; its clone gets its own; those that the user chose stay. */
static void addresses_of_networks(void **state)
{
    struct settings s;
    uint8_t a[6], b[6];
    settings_init(&s);
    s.n_networks = 3;
    strcpy(s.networks[1].mac, "06:e8:a3:b0:23:b4");
    settings_fill_macs(&s, 77, 0);
    assert_true(settings_parse_mac(s.networks[0].mac, a) && settings_parse_mac(s.networks[2].mac, b));
    assert_int_equal(a[0] & 3, 2);
    assert_memory_not_equal(a, b, 6);
    settings_mac_of(77, 0, b);
    assert_memory_equal(a, b, 6);
    settings_fill_macs(&s, 77, 0);
    settings_parse_mac(s.networks[0].mac, b);
    assert_memory_equal(a, b, 6);
    settings_fill_macs(&s, 78, 77);
    settings_parse_mac(s.networks[0].mac, b);
    assert_memory_not_equal(a, b, 6);
    assert_string_equal(s.networks[1].mac, "06:e8:a3:b0:23:b4");
}

static void fixed_at_installation(void **state)
{
    struct settings a, b;
    struct findings l = {0};
    settings_init(&a);
    b = a;
    b.memory_bytes *= 2;
    settings_check_fixed(&a, &b, "c", &l);
    assert_int_equal(l.n, 0);
    b.cpu_count = 7;
    b.platform = SETTINGS_GENERIC;
    settings_check_fixed(&a, &b, "c", &l);
    assert_int_equal(l.errors, 2);
    assert_string_equal(l.items[1].expected, "2, the value it was installed with");
    findings_free(&l);
    l = (struct findings){0};
    assert_false(settings_set(&a, true, "platform", "generic", "c", &l)); /* both faults: its boot loader does not fit, either */
    assert_true(findings_has(&l, "fixed-at-installation") && findings_has(&l, "boot-loader-platform"));
    findings_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(wrong), cmocka_unit_test(all_at_once),
                                       cmocka_unit_test(round_trip_of_devices), cmocka_unit_test(get_and_set), cmocka_unit_test(what_the_guest_sees), cmocka_unit_test(addresses_of_networks), cmocka_unit_test(fixed_at_installation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
