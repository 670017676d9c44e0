/* describe_disk.c - facts about UDIF disk images and encrypted archives. */
#include "restore/inspect.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/aea.h"
#include "formats/gpt.h"
#include "formats/guid.h"
#include "formats/udif.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AUTH_SHOWN = 4096 };

/* The disk's partition table, when it has one of 512-byte sectors. */
static void tell_partitions(struct source *disk, struct facts *f)
{
    uint8_t primary[GPT_PRIMARY_BYTES];
    struct gpt *g = malloc(sizeof *g);
    if (g && disk->bytes >= sizeof primary && source_read(disk, 0, primary, sizeof primary, NULL) &&
        gpt_read(primary, disk->bytes / GPT_SECTOR, g, NULL)) {
        fact_list(f, "partitions", "Partitions");
        for (size_t i = 0; i < g->n; i++) {
            const struct gpt_partition *p = &g->partitions[i];
            char type[GUID_TEXT], number[24];
            snprintf(number, sizeof number, "%zu", i + 1);
            guid_text(p->type, type);
            fact_dict(f, number, NULL);
            fact_text(f, "name", "Name", p->name);
            fact_text(f, "type", "Type", type);
            fact_size(f, "bytes", "Size", (p->last - p->first + 1) * GPT_SECTOR);
            describe_apfs(disk, p->first * GPT_SECTOR, (p->last - p->first + 1) * GPT_SECTOR, f);
            fact_end(f);
        }
        fact_end(f);
    } else {
        describe_apfs(disk, 0, disk->bytes, f); /* without partitions, as images of one volume are */
    }
    free(g);
}

bool describe_raw_disk(struct source *disk, struct facts *f)
{
    tell_partitions(disk, f);
    return true;
}

bool describe_disk(struct source *disk, struct facts *f, struct pome_error *err)
{
    const struct udif_info *u = udif_info(disk);
    fact_size(f, "disk_bytes", "Disk", disk->bytes);
    fact_size(f, "data_bytes", "Compressed", u->data_bytes);
    fact_hex(f, "flags", "Flags", u->flags);
    fact_dict(f, "runs", "Runs");
    for (unsigned k = 0; k < UDIF_KINDS; k++)
        if (u->runs_of[k])
            fact_number(f, udif_kind_name(k), NULL, u->runs_of[k]);
    fact_end(f);
    if (u->has_master_crc)
        fact_hex(f, "crc32", "CRC-32", u->master_crc);
    fact_list(f, "tables", "Tables");
    for (size_t i = 0; i < u->tables; i++) {
        const struct udif_table *t = &u->table[i];
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        fact_dict(f, number, NULL);
        fact_text(f, "name", "Name", t->name);
        fact_number(f, "first_sector", "First sector", t->first);
        fact_size(f, "bytes", "Size", t->count * UDIF_SECTOR);
        if (t->has_crc)
            fact_hex(f, "crc32", "CRC-32", t->crc);
        fact_end(f);
    }
    fact_end(f);
    tell_partitions(disk, f);
    return true;
}

/* --- archives --- */

static void tell_auth(struct facts *f, const struct aea_info *info)
{
    size_t at = 0, n;
    const char *key;
    const uint8_t *value;
    bool wrapped = false;
    fact_dict(f, "auth_data", "In clear");
    while (aea_auth_next(info, &at, &key, &value, &n)) {
        bool text = n < AUTH_SHOWN;
        wrapped |= !strcmp(key, "com.apple.wkms.fcs-response");
        for (size_t i = 0; i < n && text; i++)
            text = value[i] >= 0x20 && value[i] < 0x7f;
        char *copy = text ? strndup((const char *)value, n) : NULL;
        if (copy)
            fact_text(f, key, key, copy);
        else
            fact_data(f, key, key, value, MIN(n, (size_t)AUTH_SHOWN));
        free(copy);
    }
    fact_end(f);
    if (wrapped)
        fact_text(f, "key", "Key", "in com.apple.wkms.fcs-response, wrapped for a private key (HPKE) that com.apple.wkms.fcs-key-url names; needed is the 32-byte key unwrapped");
    if (at != info->auth_bytes)
        fact_number(f, "auth_data_damaged_at", "Damaged at byte", at);
}

/* Opens an archive that lies over *s; then *s is its content. */
static bool tell_content(struct source **s, const struct archive_key *key, struct facts *f, struct pome_error *err)
{
    struct source *content = aea_open(*s, key->bytes, err);
    bool udif = false;
    if (!content)
        return false;
    *s = content;
    const struct aea_root *r = aea_root(content);
    fact_size(f, "content_bytes", "Content", r->bytes);
    fact_text(f, "compression", "Compression", aea_compression_name(r->compression));
    fact_text(f, "checksum", "Checksum", r->checksum == 2 ? "SHA-256" : r->checksum == 1 ? "Murmur" : "none");
    fact_size(f, "segment_bytes", "Segments of", r->segment_bytes);
    fact_number(f, "cluster_segments", "Segments per cluster", r->cluster_segments);
    if (!udif_is(content, &udif, err))
        return false;
    fact_text(f, "content_kind", "Holds", udif ? "disk image (UDIF)" : "");
    if (!udif)
        return true;
    struct source *disk = udif_open(content, err);
    if (!disk)
        return false;
    *s = disk;
    fact_dict(f, "content", "Disk image");
    bool ok = describe_disk(disk, f, err);
    fact_end(f);
    return ok;
}

bool describe_archive(struct source *s, const struct archive_key *key, struct facts *f, struct pome_error *err)
{
    struct aea_info info;
    if (!aea_info_read(s, &info, err)) {
        source_close(s);
        return false;
    }
    fact_number(f, "profile", "Profile", info.profile);
    fact_text(f, "profile_name", "Protection", aea_profile_name(info.profile));
    if (info.scrypt_strength)
        fact_number(f, "scrypt_strength", "scrypt strength", info.scrypt_strength);
    tell_auth(f, &info);
    bool can = info.profile == AEA_PROFILE_SYMMETRIC;
    aea_info_free(&info);
    if (!can)
        fact_text(f, "not_readable", "Not readable", "Pome opens archives with a symmetric key only (profile 1): it knows no signatures, key pairs and passwords");
    else if (!key)
        fact_text(f, "content_kind", "Holds", "not known without a key (--key)");
    bool ok = !key || tell_content(&s, key, f, err);
    source_close(s);
    return ok;
}
