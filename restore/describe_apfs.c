/* describe_apfs.c - facts about an Apple File System container that lies in a disk: its volumes, and which of them can be read. */
#include "restore/inspect.h"
#include "apfs/apfs.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/guid.h"

#include <stdio.h>
#include <string.h>

struct part {
    struct source *disk;
    uint64_t at, bytes;
};

static bool read_part(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *err)
{
    const struct part *p = user;
    if (offset > p->bytes || n > p->bytes - offset)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "%s: an APFS block behind the end of its partition", p->disk->name);
    return source_read(p->disk, p->at + offset, bytes, n, err);
}

static void tell_volume(const struct apfs_volume_info *v, size_t number, struct facts *f)
{
    static const uint8_t none[16];
    char text[24], uuid[GUID_TEXT];
    snprintf(text, sizeof text, "%zu", number);
    fact_dict(f, text, NULL);
    fact_text(f, "name", "Name", v->name);
    fact_text(f, "role", "Role", apfs_role_name(v->role));
    guid_text_raw(v->uuid, uuid);
    fact_text(f, "uuid", "UUID", uuid);
    if (memcmp(v->group, none, sizeof none)) {
        guid_text_raw(v->group, uuid);
        fact_text(f, "group", "Volume group", uuid);
    }
    fact_number(f, "files", "Files", v->files);
    fact_number(f, "folders", "Folders", v->folders);
    fact_size(f, "bytes", "In use", v->allocated_bytes);
    fact_flag(f, "encrypted", "Encrypted", v->encrypted);
    fact_flag(f, "sealed", "Sealed", v->sealed);
    fact_number(f, "snapshots", "Snapshots", v->snapshots);
    fact_text(f, "not_readable", "Not readable", apfs_volume_limit(v));
    if (!apfs_volume_limit(v) && v->snapshots)
        fact_text(f, "not_read", "Not read", "its snapshots: what can be read is what the volume holds now");
    fact_end(f);
}

bool describe_apfs(struct source *disk, uint64_t at, uint64_t bytes, struct facts *f)
{
    uint8_t magic[4];
    struct part p = {disk, at, bytes};
    struct pome_error err = {0};
    if (bytes < 36 || !source_read(disk, at + 32, magic, sizeof magic, NULL) || memcmp(magic, "NXSB", sizeof magic))
        return false;
    struct apfs *a = apfs_open(bytes, read_part, &p, &err);
    fact_dict(f, "apfs", "APFS container");
    if (!a) {
        fact_text(f, "not_readable", "Not readable", err.message);
    } else {
        fact_size(f, "bytes", "Size", apfs_bytes(a));
        fact_size(f, "free_bytes", "Free", apfs_free_bytes(a));
        fact_list(f, "volumes", "Volumes");
        for (size_t i = 0; i < apfs_volume_count(a); i++)
            tell_volume(apfs_volume_at(a, i), i, f);
        fact_end(f);
    }
    fact_end(f);
    apfs_close(a);
    return true;
}
