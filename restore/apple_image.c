/* apple_image.c - restore images shaped like macOS's. */
#include "restore/apple_image.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/gpt.h"
#include "formats/guid.h"
#include "formats/image4.h"
#include "formats/lzfse.h"
#include "formats/lzss.h"
#include "formats/plist.h"
#include "formats/test_files.h"
#include "restore/sources.h"
#include "restore/zipfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const uint8_t apple_image_key[32] = "pome test images: this is no key";

/* --- the components of a virtual Mac --- */

enum packing { AS_IS, LZFSE, LZSS, TRUST_CACHE, UDIF_IMAGE, OS_IMAGE };

static const struct row {
    const char *name, *type, *path; /* path without the ending of an encrypted image */
    enum packing packing;
    uint32_t bytes;                 /* of content */
} rows[] = {
    {"OS", NULL, "022-10001-001.dmg", OS_IMAGE, 0},
    {"SystemVolume", "isys", "Firmware/022-10001-001.dmg.root_hash", AS_IS, 180},
    {"StaticTrustCache", "trst", "Firmware/022-10001-001.dmg.trustcache", TRUST_CACHE, 900},
    {"Ap,SystemVolumeCanonicalMetadata", "msys", "Firmware/022-10001-001.dmg.mtree", AS_IS, 200000},
    {"BaseSystem", NULL, "022-10002-001.dmg", UDIF_IMAGE, 6 << 20},
    {"BaseSystemVolume", "csys", "Firmware/022-10002-001.dmg.root_hash", AS_IS, 180},
    {"Ap,BaseSystemTrustCache", "bstc", "Firmware/022-10002-001.dmg.trustcache", TRUST_CACHE, 200},
    {"Cryptex1,SystemOS", NULL, "022-10003-001.dmg", UDIF_IMAGE, 4 << 20},
    {"Cryptex1,SystemVolume", "cssy", "Firmware/022-10003-001.dmg.root_hash", AS_IS, 180},
    {"Cryptex1,SystemTrustCache", "trcs", "Firmware/022-10003-001.dmg.trustcache", TRUST_CACHE, 60},
    {"Cryptex1,AppOS", NULL, "022-10004-001.dmg", UDIF_IMAGE, 2 << 20},
    {"Cryptex1,AppVolume", "casy", "Firmware/022-10004-001.dmg.root_hash", AS_IS, 180},
    {"Cryptex1,AppTrustCache", "trca", "Firmware/022-10004-001.dmg.trustcache", TRUST_CACHE, 30},
    {"LLB", "illb", "Firmware/all_flash/LLB.vma2.RELEASE.im4p", AS_IS, 300000},
    {"iBoot", "ibot", "Firmware/all_flash/iBoot.vma2.RELEASE.im4p", AS_IS, 500000},
    {"iBSS", "ibss", "Firmware/dfu/iBSS.vma2.RELEASE.im4p", AS_IS, 300000},
    {"iBEC", "ibec", "Firmware/dfu/iBEC.vma2.RELEASE.im4p", AS_IS, 300000},
    {"DeviceTree", "dtre", "Firmware/all_flash/DeviceTree.vma2macosap.im4p", LZSS, 58476},
    {"KernelCache", "krnl", "kernelcache.release.vma2", LZFSE, 9 << 20},
    {"AppleLogo", "logo", "Firmware/all_flash/applelogo.im4p", LZFSE, 9000},
    {"RecoveryMode", "recm", "Firmware/all_flash/recoverymode.im4p", LZFSE, 9000},
    {"Ap,rOSLogo1", "rlg1", "Firmware/all_flash/rOSLogo1.im4p", LZFSE, 9000},
    {"Ap,rOSLogo2", "rlg2", "Firmware/all_flash/rOSLogo2.im4p", LZFSE, 9000},
    {"RestoreRamDisk", "rdsk", "022-10005-001.dmg", AS_IS, 3 << 20},
    {"RestoreTrustCache", "rtsc", "Firmware/022-10005-001.dmg.trustcache", TRUST_CACHE, 40},
    {"RestoreKernelCache", "rkrn", "kernelcache.release.vma2", LZFSE, 0},
    {"RestoreDeviceTree", "rdtr", "Firmware/all_flash/DeviceTree.vma2macosap.im4p", LZSS, 0},
    {"RestoreLogo", "rlgo", "Firmware/all_flash/applelogo.im4p", LZFSE, 0},
};

/* Devices: board, chip, whether a virtual Mac. */
static const struct device {
    const char *class, *product, *target, *type, *platform;
    unsigned board, chip;
    bool vm;
} devices[] = {
    {"j274ap", "Macmini9,1", "J274AP", "j274", "t8103", 0x22, 0x8103, false},
    {"vma2macosap", "VirtualMac2,1", "VMA2MACOSAP", "vma2macos", "vmapple2", 0x20, 0xfe00, true},
};

static const struct {
    const char *variant, *behavior;
} variants[] = {
    {"Customer Erase Install (IPSW)", "Erase"}, {"Customer Upgrade Install (IPSW)", "Update"}, {"macOS Customer", NULL},
};

struct making {
    const struct apple_image *o;
    const char *version, *build;
    struct zipout *zip;
    uint8_t digests[ARRAY_SIZE(rows)][SHA384_BYTES];
    struct pome_error *err;
};

static bool path_of(const struct making *m, const struct row *r, char path[128])
{
    bool sealed = m->o->encrypted && (r->packing == OS_IMAGE || !strncmp(r->name, "Cryptex1,", 9)) && !r->type;
    snprintf(path, 128, "%s%s", r->path, sealed ? ".aea" : "");
    return sealed;
}

/* --- files --- */

static bool put_member(struct making *m, const char *name, const void *bytes, size_t n, uint8_t *digest)
{
    return zipout_begin(m->zip, name, n, m->err) && zipout_write(m->zip, bytes, n, m->err) && zipout_end(m->zip, digest, m->err);
}

static bool put_file(struct making *m, const char *name, FILE *f, uint8_t *digest)
{
    uint8_t *block = malloc(ZIP_BLOCK);
    off_t size = fseeko(f, 0, SEEK_END) ? -1 : ftello(f);
    bool ok = block && size >= 0 && !fseeko(f, 0, SEEK_SET) && zipout_begin(m->zip, name, (uint64_t)size, m->err);
    for (size_t n; ok && (n = fread(block, 1, ZIP_BLOCK, f));)
        ok = zipout_write(m->zip, block, n, m->err);
    free(block);
    return ok && zipout_end(m->zip, digest, m->err);
}

/* An IM4P, with what follows a compressed payload: its kind and size. */
static bool put_im4p(struct making *m, const struct row *r, const uint8_t *payload, size_t n, uint64_t uncompressed, uint8_t *digest)
{
    static const char *const description = "pome-test-1";
    uint8_t tail[64];
    struct der_writer w = der_writer_over(tail, sizeof tail);
    if (r->packing == LZFSE) {
        der_put_integer(&w, uncompressed);
        der_put_integer(&w, 1);
        der_wrap(&w, sizeof tail, DER_UNIVERSAL, true, DER_SEQUENCE);
    }
    size_t extra = w.size - w.at;
    uint8_t *all = malloc(n + 256);
    struct der_writer head = {all, 128, 128, !all};
    if (!all)
        return false;
    der_put_header(&head, DER_UNIVERSAL, false, DER_OCTETS, n);
    der_put_ia5(&head, description);
    der_put_ia5(&head, r->type);
    der_put_ia5(&head, "IM4P");
    der_put_header(&head, DER_UNIVERSAL, true, DER_SEQUENCE, head.size - head.at + n + extra);
    memcpy(all + 128, payload, n);
    memcpy(all + 128 + n, tail + w.at, extra);
    bool ok = !head.overflow && put_member(m, r->path, all + head.at, 128 - head.at + n + extra, digest);
    free(all);
    return ok;
}

static bool make_im4p(struct making *m, const struct row *r, unsigned seed, uint8_t *digest)
{
    size_t n = r->packing == TRUST_CACHE ? 24 + 24 * (size_t)r->bytes : r->bytes, size = n;
    uint8_t *content = malloc(n), *packed = malloc(lzfse_bound(n) + LZSS_HEAD + n / 8 + 1), *payload = content;
    bool ok = content && packed;
    if (ok && r->packing == TRUST_CACHE)
        size = test_trust_cache(seed % 2 + 1, r->bytes, content);
    else if (ok)
        test_fill(seed, 0, content, n);
    if (ok && r->packing == LZFSE) {
        size = lzfse_encode(content, n, packed);
        payload = packed;
    } else if (ok && r->packing == LZSS) {
        size = lzss_encode(content, n, packed);
        payload = packed;
    }
    ok = ok && put_im4p(m, r, payload, size, n, digest);
    free(content);
    free(packed);
    return ok;
}

/* --- disks --- */

struct made_up {
    struct source source;
    uint8_t primary[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES];
    bool partitioned;
};

/* One MiB of content in every four, between two copies of the partition table. */
static bool read_made_up(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err)
{
    struct made_up *d = (struct made_up *)s;
    uint64_t backup = s->bytes - GPT_BACKUP_BYTES;
    for (size_t i = 0; i < n; i += 512) {
        uint8_t *to = (uint8_t *)bytes + i;
        size_t piece = MIN(n - i, (size_t)512);
        uint64_t place = at + i;
        memset(to, 0, piece);
        if (d->partitioned && place < GPT_PRIMARY_BYTES)
            memcpy(to, d->primary + place, piece);
        else if (d->partitioned && place >= backup)
            memcpy(to, d->backup + (place - backup), piece);
        else if (!(place >> 20 & 3))
            test_fill(42, place, to, piece);
    }
    return true;
}

static struct made_up make_disk(uint64_t bytes, bool partitioned)
{
    static const char apfs[] = "7C3457EF-0000-11AA-AA11-00306543ECAC";
    struct made_up d = {.source = {"disk", bytes, read_made_up, NULL}, .partitioned = partitioned};
    struct gpt g = {.sectors = bytes / GPT_SECTOR, .disk = {1, 2, 3}, .n = 1};
    g.partitions[0] = (struct gpt_partition){.unique = {4, 5, 6}, .first = 40, .last = g.sectors - 41, .name = "disk image"};
    guid_parse(apfs, g.partitions[0].type);
    if (partitioned)
        gpt_write(&g, d.primary, d.backup);
    return d;
}

static bool make_disk_image(struct making *m, const struct row *r, uint8_t *digest)
{
    static const enum udif_kind ones[] = {UDIF_LZFSE}, several[] = {UDIF_LZFSE, UDIF_ZLIB, UDIF_RAW};
    char path[128], name[512];
    bool os = r->packing == OS_IMAGE, sealed = path_of(m, r, path);
    struct made_up d = make_disk(os ? m->o->os_bytes ? m->o->os_bytes : 64 * MiB : r->bytes, os);
    struct source *from = os && m->o->os ? source_file(m->o->os, m->err) : &d.source;
    snprintf(name, sizeof name, "%s/disk.dmg", m->o->work);
    FILE *f = from ? fopen(name, "w+") : NULL;
    bool ok = f && test_udif(from, os ? ones : several, os ? 1 : 3, 1, f);
    if (from != &d.source)
        source_close(from);
    if (ok && sealed) {
        char sealed_name[512];
        uint8_t auth[128];
        struct test_aea o = {.compression = '-', .checksum = 2, .segment_bytes = 1 << 20, .cluster_segments = 256, .auth = auth};
        memcpy(o.key, apple_image_key, sizeof o.key);
        o.auth_bytes = test_aea_auth("org.pome.made-for", "tests", auth);
        snprintf(sealed_name, sizeof sealed_name, "%s/disk.dmg.aea", m->o->work);
        fflush(f);
        from = source_file(name, m->err);
        FILE *g = from ? fopen(sealed_name, "w+") : NULL;
        ok = g && test_aea(from, &o, g) && put_file(m, path, g, digest);
        source_close(from);
        if (g)
            fclose(g);
        unlink(sealed_name);
    } else if (ok) {
        ok = put_file(m, path, f, digest);
    }
    if (f)
        fclose(f);
    unlink(name);
    return ok || pome_fail(m->err, POME_ERROR_IO, "%s: cannot make %s", m->o->work, path);
}

static bool make_components(struct making *m)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        bool ok = true;
        if (!r->type)
            ok = make_disk_image(m, r, m->digests[i]);
        else if (r->bytes)
            ok = make_im4p(m, r, (unsigned)i, m->digests[i]);
        else /* the same file under another name */
            for (size_t k = 0; k < i; k++)
                if (!strcmp(rows[k].path, r->path))
                    memcpy(m->digests[i], m->digests[k], SHA384_BYTES);
        if (!ok)
            return false;
    }
    return true;
}

/* --- lists --- */

static void set_text(struct pl *dict, const char *key, const char *text)
{
    pl_set(dict, key, pl_new_text(text));
}

static void set_number(struct pl *dict, const char *key, uint64_t value)
{
    pl_set(dict, key, pl_new_integer(value));
}

static struct pl *component_entry(const struct making *m, size_t i)
{
    static const char *const flags[] = {"IsFTAB", "IsLoadedByiBoot", "IsLoadedByiBootStage1", "IsiBootEANFirmware", "IsiBootNonEssentialFirmware"};
    struct pl *entry = pl_new_dict(), *info = pl_new_dict();
    char path[128];
    path_of(m, &rows[i], path);
    pl_set(entry, "Digest", pl_new_data(m->digests[i], SHA384_BYTES));
    pl_set(entry, "Info", info);
    for (size_t f = 0; f < ARRAY_SIZE(flags); f++)
        pl_set(info, flags[f], pl_new_boolean(f == 1 && rows[i].type && strstr(path, "dmg.")));
    if (rows[i].type && strstr(path, "dmg"))
        set_text(info, "Img4PayloadType", rows[i].type);
    set_text(info, "Path", path);
    pl_set(info, "Personalize", pl_new_boolean(rows[i].type));
    pl_set(entry, "Trusted", pl_new_boolean(true));
    return entry;
}

static struct pl *identity(const struct making *m, const struct device *d, size_t v)
{
    struct pl *id = pl_new_dict(), *info = pl_new_dict(), *manifest = pl_new_dict();
    char text[32];
    set_text(id, "Ap,OSLongVersion", "22.7.120.0.0,0");
    set_text(id, "Ap,ProductMarketingVersion", m->version);
    set_text(id, "Ap,ProductType", d->product);
    set_text(id, "Ap,SDKPlatform", "macosx");
    set_text(id, "Ap,Target", d->target);
    set_text(id, "Ap,TargetType", d->type);
    snprintf(text, sizeof text, "0x%02X", d->board);
    set_text(id, "ApBoardID", text);
    snprintf(text, sizeof text, "0x%04X", d->chip);
    set_text(id, "ApChipID", text);
    set_text(id, "ApSecurityDomain", "0x01");
    set_text(info, "BuildNumber", m->build);
    set_text(info, "BuildTrain", "TestTrain");
    set_text(info, "DeviceClass", d->class);
    pl_set(info, "FDRSupport", pl_new_boolean(!d->vm));
    set_text(info, "ImageName", "UniversalMacRestoreIPSW");
    set_text(info, "MacOSVariant", "macOS Customer");
    set_number(info, "MinimumSystemPartition", 11944);
    set_number(info, "OSDiskImageSize", 12434);
    if (m->o->encrypted)
        set_text(info, "ContentEncoding", "aea");
    if (variants[v].behavior)
        set_text(info, "RestoreBehavior", variants[v].behavior);
    set_text(info, "Variant", variants[v].variant);
    if (d->vm) {
        set_number(info, "VirtualMachineMinCPUCount", 2);
        set_text(info, "VirtualMachineMinHostOS", m->o->min_host ? m->o->min_host : "13.0.0");
        set_number(info, "VirtualMachineMinMemorySizeMB", 4096);
    }
    pl_set(id, "Info", info);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (d->vm || !strstr(rows[i].path, "vma2")) /* a Mac's own firmware is left out */
            pl_set(manifest, rows[i].name, component_entry(m, i));
    pl_set(id, "Manifest", manifest);
    set_text(id, "ProductMarketingVersion", m->version);
    uint8_t unique[20];
    test_fill(d->board + (unsigned)v, 0, unique, sizeof unique);
    pl_set(id, "UniqueBuildID", pl_new_data(unique, sizeof unique));
    return id;
}

static bool is_made(const struct making *m, const struct device *d)
{
    return !d->vm || !m->o->without_vm;
}

static struct pl *product_types(const struct making *m)
{
    struct pl *types = pl_new_array();
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        if (is_made(m, &devices[i]))
            pl_append(types, pl_new_text(devices[i].product));
    return types;
}

static struct pl *build_manifest(const struct making *m)
{
    struct pl *root = pl_new_dict(), *identities = pl_new_array();
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        for (size_t v = 0; v < ARRAY_SIZE(variants); v++)
            if (is_made(m, &devices[i]))
                pl_append(identities, identity(m, &devices[i], v));
    pl_set(root, "BuildIdentities", identities);
    set_number(root, "ManifestVersion", 0);
    set_text(root, "ProductBuildVersion", m->build);
    set_text(root, "ProductVersion", m->version);
    pl_set(root, "SupportedProductTypes", product_types(m));
    return root;
}

static struct pl *restore_list(const struct making *m)
{
    struct pl *root = pl_new_dict(), *map = pl_new_array(), *systems = pl_new_dict();
    char path[128];
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
        const struct device *d = &devices[i];
        struct pl *row = pl_new_dict();
        set_number(row, "BDID", d->board);
        set_text(row, "BoardConfig", d->class);
        set_number(row, "CPID", d->chip);
        set_text(row, "Platform", d->platform);
        set_number(row, "SCEP", d->vm ? 0 : 1);
        set_number(row, "SDOM", 1);
        if (is_made(m, d))
            pl_append(map, row);
        else
            pl_free(row);
    }
    pl_set(root, "DeviceMap", map);
    set_text(root, "ProductBuildVersion", m->build);
    set_text(root, "ProductVersion", m->version);
    pl_set(root, "SupportedProductTypes", product_types(m));
    path_of(m, &rows[0], path);
    set_text(systems, path, "APFS");
    pl_set(root, "SystemRestoreImageFileSystems", systems);
    return root;
}

static struct pl *restore_version(const struct making *m)
{
    struct pl *root = pl_new_dict();
    set_text(root, "RestoreBuildGroup", "0");
    set_text(root, "RestoreLongVersion", "22.7.120.0.0,0");
    set_text(root, "RestoreVersion", "22.7.120.0.0");
    return root;
}

static struct pl *system_version(const struct making *m)
{
    struct pl *root = pl_new_dict();
    set_text(root, "BuildID", "C0DE0000-0000-4000-8000-000000000001");
    set_text(root, "ProductBuildVersion", m->build);
    set_text(root, "ProductCopyright", "made for tests");
    set_text(root, "ProductName", "macOS");
    set_text(root, "ProductUserVisibleVersion", m->version);
    set_text(root, "ProductVersion", m->version);
    set_text(root, "iOSSupportVersion", "16.6");
    return root;
}

static bool put_list(struct making *m, const char *name, struct pl *(*make)(const struct making *m))
{
    size_t n = 0;
    struct pl *root = make(m);
    char *xml = pl_write_xml(root, &n);
    bool ok = xml && put_member(m, name, xml, n, NULL);
    pl_free(root);
    free(xml);
    return ok;
}

/* A ticket for every machine of the device: properties of the manifest, a digest for each component. */
static bool put_ticket(struct making *m)
{
    static struct im4m_group groups[IMAGE4_GROUPS_MAX];
    size_t n = 1;
    uint8_t *out = malloc(IMAGE4_TICKET_MAX);
    memset(groups, 0, sizeof groups);
    strcpy(groups[0].name, "MANP");
    im4m_add_integer(&groups[0], "BORD", 0x20);
    im4m_add_integer(&groups[0], "CEPO", 1);
    im4m_add_integer(&groups[0], "CHIP", 0xfe00);
    im4m_add_boolean(&groups[0], "CPRO", true);
    im4m_add_boolean(&groups[0], "CSEC", true);
    im4m_add_integer(&groups[0], "SDOM", 1);
    im4m_add_text(&groups[0], "apmv", m->version);
    im4m_add_text(&groups[0], "love", "22.7.120.0.0,0");
    im4m_add_text(&groups[0], "prtp", "VirtualMac2,1");
    im4m_add_text(&groups[0], "sdkp", "macosx");
    im4m_add_text(&groups[0], "tagt", "VMA2MACOSAP");
    im4m_add_text(&groups[0], "tatp", "vma2macos");
    for (size_t i = 0; i < ARRAY_SIZE(rows) && n < ARRAY_SIZE(groups); i++) {
        if (!rows[i].type)
            continue;
        strcpy(groups[n].name, rows[i].type);
        im4m_add_octets(&groups[n], "DGST", m->digests[i], SHA384_BYTES);
        im4m_add_boolean(&groups[n], "EKEY", true);
        im4m_add_boolean(&groups[n], "EPRO", true);
        im4m_add_boolean(&groups[n++], "ESEC", true);
    }
    size_t size = out ? im4m_write(groups, n, out, IMAGE4_TICKET_MAX) : 0;
    bool ok = size && put_member(m, "Firmware/Manifests/restore/macOS Customer/apticket.vma2macosap.im4m", out, size, NULL);
    free(out);
    return ok;
}

bool apple_image_make(const struct apple_image *o, const char *path, struct pome_error *err)
{
    struct making m = {.o = o, .version = o->version ? o->version : "13.6", .build = o->build ? o->build : "22Z120", .err = err};
    m.zip = zipout_create(path, err);
    bool ok = m.zip && make_components(&m) && put_list(&m, "BuildManifest.plist", build_manifest) && put_list(&m, "Restore.plist", restore_list) &&
              put_list(&m, "RestoreVersion.plist", restore_version) && put_list(&m, "SystemVersion.plist", system_version) &&
              (o->without_vm || put_ticket(&m));
    if (ok)
        return zipout_finish(m.zip, err);
    zipout_abandon(m.zip);
    return err && err->code ? false : pome_fail(err, POME_ERROR_IO, "%s: cannot make the image", path);
}
