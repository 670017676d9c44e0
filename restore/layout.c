/* layout.c - where the three containers lie on Disk.img. */
#include "restore/layout.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/guid.h"

#include <sys/random.h>

#include <string.h>

enum { FIRST_SECTOR = 40, ALIGN_SECTORS = 8 };

static const struct {
    const char *name, *type;
} containers[LAYOUT_CONTAINERS] = {
    [LAYOUT_ISC] = {"iBootSystemContainer", "69646961-6700-11AA-AA11-00306543ECAC"},
    [LAYOUT_MAIN] = {"Container", "7C3457EF-0000-11AA-AA11-00306543ECAC"},
    [LAYOUT_RECOVERY] = {"RecoveryOSContainer", "52637672-7900-11AA-AA11-00306543ECAC"},
};

uint64_t layout_minimum(uint64_t os_bytes)
{
    return align_up(os_bytes + LAYOUT_ISC_BYTES + LAYOUT_RECOVERY_BYTES + LAYOUT_SLACK_BYTES + MiB, MiB);
}

static bool random_guid(uint8_t guid[16])
{
    bool ok = getrandom(guid, 16, 0) == 16;
    guid_from_random(guid);
    return ok;
}

static bool make(uint64_t disk_bytes, uint64_t minimum, uint64_t recovery_bytes, struct gpt *g, struct pome_error *err)
{
    if (disk_bytes < minimum)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the disk has %llu MiB, this image needs %llu MiB", (unsigned long long)(disk_bytes / MiB),
                         (unsigned long long)(minimum / MiB));
    memset(g, 0, sizeof *g);
    g->sectors = disk_bytes / GPT_SECTOR;
    g->n = LAYOUT_CONTAINERS;
    uint64_t end = align_down(g->sectors - GPT_FIRST_USABLE + 1, ALIGN_SECTORS), recovery = end - recovery_bytes / GPT_SECTOR;
    const uint64_t starts[LAYOUT_CONTAINERS + 1] = {FIRST_SECTOR, FIRST_SECTOR + LAYOUT_ISC_BYTES / GPT_SECTOR, recovery, end};
    bool ok = random_guid(g->disk);
    for (int c = 0; c < LAYOUT_CONTAINERS; c++) {
        struct gpt_partition *p = &g->partitions[c];
        p->first = starts[c];
        p->last = starts[c + 1] - 1;
        strcpy(p->name, containers[c].name);
        guid_parse(containers[c].type, p->type);
        ok &= random_guid(p->unique);
    }
    return ok || pome_fail_errno(err, "random numbers");
}

bool layout_make(uint64_t disk_bytes, uint64_t os_bytes, struct gpt *g, struct pome_error *err)
{
    return make(disk_bytes, layout_minimum(os_bytes), LAYOUT_RECOVERY_BYTES, g, err);
}

uint64_t layout_minimum_apple(uint64_t main_bytes)
{
    return align_up(main_bytes + LAYOUT_ISC_BYTES + LAYOUT_APPLE_RECOVERY_BYTES + MiB, MiB);
}

bool layout_make_apple(uint64_t disk_bytes, uint64_t minimum, struct gpt *g, struct pome_error *err)
{
    return make(disk_bytes, minimum, LAYOUT_APPLE_RECOVERY_BYTES, g, err);
}
