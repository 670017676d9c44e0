/*
 * smbios.c - SMBIOS structures (DMTF DSP0134, 3.6), which EDK2's firmware takes from fw_cfg and hands on. The BIOS's own (type 0) it adds itself.
 *
 * A structure is its type, length and handle, its fields, and then its texts one after the other; fields hold the numbers of texts, from 1 on.
 */
#include "machine/smbios.h"

#include "base/error.h"
#include "dev/fw_cfg.h"
#include "machine/aml.h"

#include <inttypes.h>
#include <stdio.h>

#define FILE_ANCHOR "etc/smbios/smbios-anchor"
#define FILE_TABLES "etc/smbios/smbios-tables"
enum { ANCHOR_BYTES = 24, SYSTEM = 1, CHASSIS = 3, PROCESSOR = 4, MEMORY = 16, MEMORY_DEVICE = 17, MEMORY_ADDRESS = 19, BOOT = 32, END = 127 };

static uint16_t handle_of(uint8_t type)
{
    return (uint16_t)(0x100 * type);
}

/* bytes: of the structure without its texts; fields begin at 4, as the standard counts. texts: NULL at the end. */
static void put(struct aml *out, uint8_t type, uint8_t *bytes, uint8_t n, const char *const *texts)
{
    bytes[0] = type;
    bytes[1] = n;
    le16_put(bytes + 2, handle_of(type));
    aml_put(out, bytes, n);
    for (size_t i = 0; texts[i]; i++)
        aml_put(out, texts[i], strlen(texts[i]) + 1);
    aml_put(out, "\0", texts[0] ? 1 : 2);
}

/* 7.2. A machine with an identity has a serial number, and a UUID made of it; without, zeros: "not there". */
static void put_system(struct aml *out, uint64_t ecid)
{
    char serial[20] = "";
    uint8_t s[27] = {[4] = 1, [5] = 2, [6] = 3, [7] = ecid ? 4 : 0, [24] = 6 /* woken by the power switch */};
    snprintf(serial, sizeof serial, "%016" PRIX64, ecid);
    if (ecid) {
        memcpy(s + 8, "Pome\0\0\0\x80\x80", 9); /* version 8, variant 1 (RFC 9562): of our own making; the first half is little-endian here */
        for (int i = 0; i < 7; i++)
            s[17 + i] = (uint8_t)(ecid >> 8 * (6 - i));
        s[12] = (uint8_t)(ecid >> 56);
    }
    put(out, SYSTEM, s, sizeof s, (const char *const[]){"Pome", "Pome virtual machine", POME_VERSION_STRING, ecid ? serial : NULL, NULL});
}

/* 7.4 */
static void put_chassis(struct aml *out)
{
    uint8_t s[22] = {[4] = 1, [5] = 1 /* other */, [9] = 3, [10] = 3, [11] = 3 /* safe */, [12] = 2 /* unknown */};
    put(out, CHASSIS, s, sizeof s, (const char *const[]){"Pome", NULL});
}

/* 7.5 */
static void put_processor(struct aml *out, unsigned cpus)
{
    uint8_t s[50] = {[4] = 1, [5] = 3 /* central */, [6] = 0xfe /* see "family 2" */, [7] = 2, [24] = 0x41 /* there, enabled */, [25] = 1};
    memset(s + 26, 0xff, 6); /* its caches are not described */
    s[35] = s[36] = s[37] = (uint8_t)cpus;
    le16_put(s + 38, 0x4);   /* 64 bits */
    le16_put(s + 40, 0x101); /* ARMv8 */
    le16_put(s + 42, (uint16_t)cpus);
    le16_put(s + 44, (uint16_t)cpus);
    le16_put(s + 46, (uint16_t)cpus);
    put(out, PROCESSOR, s, sizeof s, (const char *const[]){"CPU", "Pome", NULL});
}

/* 7.17, 7.18, 7.20 */
static void put_memory(struct aml *out, uint64_t gpa, uint64_t bytes)
{
    uint8_t array[23] = {[4] = 3 /* board */, [5] = 3 /* system memory */, [6] = 3 /* no correction */, [13] = 1 /* device */};
    le32_put(array + 7, 0x80000000);
    le16_put(array + 11, 0xfffe);
    le64_put(array + 15, bytes);
    put(out, MEMORY, array, sizeof array, (const char *const[]){NULL});

    uint64_t mib = bytes / MiB;
    uint8_t device[40] = {[14] = 1 /* other */, [16] = 1, [18] = 7 /* RAM */};
    le16_put(device + 4, handle_of(MEMORY));
    le16_put(device + 6, 0xfffe);
    le16_put(device + 8, 64);
    le16_put(device + 10, 64);
    le16_put(device + 12, mib < 0x7fff ? (uint16_t)mib : 0x7fff);
    le32_put(device + 28, mib < 0x7fff ? 0 : (uint32_t)mib);
    le16_put(device + 19, 2); /* other */
    put(out, MEMORY_DEVICE, device, sizeof device, (const char *const[]){"RAM", NULL});

    uint8_t address[31] = {0};
    le32_put(address + 4, (uint32_t)(gpa / KiB));
    le32_put(address + 8, (uint32_t)((gpa + bytes) / KiB - 1));
    le16_put(address + 12, handle_of(MEMORY));
    address[14] = 1;
    put(out, MEMORY_ADDRESS, address, sizeof address, (const char *const[]){NULL});
}

/* 5.2.2, the 64-bit entry point. Firmware puts the address in, and the checksum anew. */
static void write_anchor(uint8_t a[ANCHOR_BYTES], size_t bytes)
{
    memcpy(a, "_SM3_", 5);
    a[6] = ANCHOR_BYTES;
    a[7] = 3; /* 3.6.0 */
    a[8] = 6;
    a[10] = 1; /* revision of the entry point */
    le32_put(a + 12, (uint32_t)bytes);
    for (int i = 0; i < ANCHOR_BYTES; i++)
        a[5] = (uint8_t)(a[5] - (i == 5 ? 0 : a[i]));
}

bool smbios_add(struct machine *m, struct device *fw_cfg, struct pome_error *err)
{
    struct aml out = {0};
    uint8_t anchor[ANCHOR_BYTES] = {0}, boot[11] = {0}, end[4] = {0};
    put_system(&out, m->config.ecid);
    put_chassis(&out);
    put_processor(&out, m->config.n_cpus);
    put_memory(&out, m->platform->ram_gpa, m->config.ram_bytes);
    put(&out, BOOT, boot, sizeof boot, (const char *const[]){NULL}); /* 7.33: no errors */
    put(&out, END, end, sizeof end, (const char *const[]){NULL});
    write_anchor(anchor, out.n);
    bool ok = !out.failed && fw_cfg_add(fw_cfg, FILE_TABLES, out.bytes, out.n) && fw_cfg_add(fw_cfg, FILE_ANCHOR, anchor, sizeof anchor);
    aml_free(&out);
    return ok || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "SMBIOS tables");
}
