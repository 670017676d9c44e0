/* start.c - places a Darwin kernel and writes its boot_args (see start.h; XNU, pexpert/pexpert/arm64/boot.h). */
#include "darwin/start.h"

#include "base/bits.h"
#include "base/error.h"

#define BLOCK        (32 * MiB)
#define LOWEST_VIRT  UINT64_C(0xfffffe0000000000) /* the kernel's half begins here with 47-bit addresses */
#define SCREEN_BYTES ((uint64_t)DARWIN_SCREEN_WIDTH * DARWIN_SCREEN_HEIGHT * 4)
#define SCREEN_ROOM  (4 * MiB)
/*
 * The kernel puts its map of all physical memory at a random place and loses up to two blocks to alignment; room for that comes from what lies
 * between its first segment and topOfKernelData. Kernel caches are larger than this; a small kernel needs it.
 */
#define LEAST_ROOM (128 * MiB)

static uint64_t pages(uint64_t bytes)
{
    return align_up(bytes, DARWIN_PAGE);
}

uint64_t darwin_gpa(const struct darwin_layout *l, uint64_t address)
{
    return address - l->virt_base + l->ram_gpa;
}

static bool place_kernel(const struct darwin_parts *p, struct darwin_layout *l, struct pome_error *err)
{
    const struct macho *k = p->kernel;
    if (!k->has_entry)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "kernel: no entry in it (LC_UNIXTHREAD)");
    if (k->lowest < LOWEST_VIRT || k->lowest % DARWIN_PAGE)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "kernel: linked at 0x%llx, needed a page of 16 KiB from 0x%llx on", (unsigned long long)k->lowest,
                         (unsigned long long)LOWEST_VIRT);
    if (p->ram_gpa % BLOCK)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "kernel: memory begins at 0x%llx, needed a multiple of 32 MiB", (unsigned long long)p->ram_gpa);
    l->ram_gpa = p->ram_gpa;
    l->ram_bytes = p->ram_bytes;
    l->virt_base = align_down(k->lowest, BLOCK);
    uint64_t end = k->end - l->virt_base;
    if (end > p->ram_bytes)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "kernel: its segments reach %llu MiB into memory, the machine has %llu MiB",
                         (unsigned long long)(end / MiB + 1), (unsigned long long)(p->ram_bytes / MiB));
    l->kernel = (struct darwin_range){darwin_gpa(l, k->lowest), k->end - k->lowest};
    l->entry_gpa = darwin_gpa(l, k->entry);
    return true;
}

/* Takes pages from *at on. */
static struct darwin_range take(uint64_t *at, uint64_t bytes)
{
    struct darwin_range r = {*at, bytes};
    *at += pages(bytes);
    return bytes ? r : (struct darwin_range){0, 0};
}

bool darwin_plan(const struct darwin_parts *p, struct darwin_layout *l, struct pome_error *err)
{
    *l = (struct darwin_layout){0};
    if (!place_kernel(p, l, err))
        return false;
    uint64_t limit = p->ram_bytes; /* nothing is larger, so sums do not overflow */
    if (p->tree_bytes > limit || p->trust_cache_bytes > limit || p->ramdisk_bytes > limit)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "memory: %llu MiB are less than a device tree of %llu, a trust cache of %llu or a RAM disk of %llu bytes",
                         (unsigned long long)(limit / MiB), (unsigned long long)p->tree_bytes, (unsigned long long)p->trust_cache_bytes,
                         (unsigned long long)p->ramdisk_bytes);
    uint64_t below = pages(p->trust_cache_bytes), hole = l->kernel.gpa - p->ram_gpa;
    uint64_t after = pages(l->kernel.gpa + l->kernel.bytes), end = p->ram_gpa + p->ram_bytes - SCREEN_ROOM;
    uint64_t at = below <= hole ? l->kernel.gpa - below : after;
    l->trust_cache = take(&at, p->trust_cache_bytes);
    at = MAX(at, after);
    l->ramdisk = take(&at, p->ramdisk_bytes);
    l->tree = take(&at, p->tree_bytes);
    l->tree.bytes = pages(l->tree.bytes);
    l->boot_args = take(&at, DARWIN_BOOT_ARGS_BYTES);
    l->top = MAX(at, l->kernel.gpa + MIN(LEAST_ROOM, align_down(p->ram_bytes / 4, DARWIN_PAGE)));
    l->screen = (struct darwin_range){end, SCREEN_BYTES};
    if (l->top >= end)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "memory: kernel and RAM disk (%llu bytes) need %llu MiB of memory at least, the machine has %llu",
                         (unsigned long long)p->ramdisk_bytes, (unsigned long long)((l->top - p->ram_gpa + SCREEN_ROOM) / MiB + 1),
                         (unsigned long long)(p->ram_bytes / MiB));
    return true;
}

void darwin_trust_caches(const void *cache, size_t n, uint8_t *out)
{
    le32_put(out, 1);
    le32_put(out + 4, DARWIN_TRUST_CACHES_HEAD);
    memmove(out + DARWIN_TRUST_CACHES_HEAD, cache, n);
}

/* --- boot_args --- */

enum {
    REVISION = 0x00, VERSION = 0x02, VIRT_BASE = 0x08, PHYS_BASE = 0x10, MEM_SIZE = 0x18, TOP = 0x20, VIDEO = 0x28, MACHINE_TYPE = 0x58,
    TREE = 0x60, TREE_BYTES = 0x68, COMMAND_LINE = 0x6c, BOOT_FLAGS = 0x470, MEM_SIZE_ACTUAL = 0x478,
};

static void put_video(const struct darwin_layout *l, uint8_t *out)
{
    const uint64_t video[6] = {l->screen.gpa, 0 /* display */, DARWIN_SCREEN_WIDTH * 4, DARWIN_SCREEN_WIDTH, DARWIN_SCREEN_HEIGHT, 32};
    for (unsigned i = 0; i < ARRAY_SIZE(video); i++)
        le64_put(out + VIDEO + 8 * i, video[i]);
}

bool darwin_boot_args(const struct darwin_layout *l, unsigned revision, const char *command_line, uint8_t out[DARWIN_BOOT_ARGS_BYTES], struct pome_error *err)
{
    size_t n = strlen(command_line);
    if (revision < 1 || revision > DARWIN_REVISION_MAX)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "boot_args: revision %u, there are 1 to %d", revision, DARWIN_REVISION_MAX);
    if (n >= DARWIN_COMMAND_LINE)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "command line: %zu bytes, a Darwin kernel takes at most %d", n, DARWIN_COMMAND_LINE - 1);
    memset(out, 0, DARWIN_BOOT_ARGS_BYTES);
    le16_put(out + REVISION, (uint16_t)revision);
    le16_put(out + VERSION, 2);
    le64_put(out + VIRT_BASE, l->virt_base);
    le64_put(out + PHYS_BASE, l->ram_gpa);
    le64_put(out + MEM_SIZE, align_down(l->screen.gpa - l->ram_gpa, DARWIN_PAGE));
    le64_put(out + TOP, l->top);
    put_video(l, out);
    le32_put(out + MACHINE_TYPE, 0);
    le64_put(out + TREE, l->tree.gpa - l->ram_gpa + l->virt_base);
    le32_put(out + TREE_BYTES, (uint32_t)l->tree.bytes);
    memcpy(out + COMMAND_LINE, command_line, n);
    if (revision >= 2)
        le64_put(out + BOOT_FLAGS, 0);
    le64_put(out + MEM_SIZE_ACTUAL, l->ram_bytes);
    return true;
}

/* --- the device tree --- */

static void set_range(struct adt *t, size_t map, const char *name, struct darwin_range r)
{
    adt_unset(t, map, name);
    if (r.bytes)
        ADT_SET_U64S(t, map, name, r.gpa, r.bytes);
}

static void fill_memory_map(struct adt *t, size_t chosen, const struct darwin_layout *l)
{
    size_t map = adt_open(t, chosen, "memory-map");
    set_range(t, map, "DeviceTree", l->tree);
    set_range(t, map, "TrustCache", l->trust_cache);
    set_range(t, map, "RAMDisk", l->ramdisk);
    set_range(t, map, "BootArgs", l->boot_args);
}

void darwin_fill(struct adt *t, const struct darwin_chosen *c)
{
    size_t chosen = adt_open(t, ADT_ROOT, "chosen");
    adt_set_u64(t, chosen, "dram-base", c->layout->ram_gpa);
    adt_set_u64(t, chosen, "dram-size", c->layout->ram_bytes);
    adt_set(t, chosen, "random-seed", c->seed, c->seed_bytes);
    adt_set_text(t, chosen, "firmware-version", c->firmware);
    if (c->nvram) {
        adt_set_u32(t, chosen, "nvram-total-size", (uint32_t)c->nvram_bytes);
        adt_set_u32(t, chosen, "nvram-bank-size", (uint32_t)c->nvram_bytes);
        adt_set(t, chosen, "nvram-proxy-data", c->nvram, c->nvram_bytes);
    }
    if (c->ecid)
        adt_set_u64(t, chosen, "unique-chip-id", c->ecid);
    fill_memory_map(t, chosen, c->layout);
    adt_open(t, ADT_ROOT, "options");
    adt_open(t, ADT_ROOT, "defaults");
}

size_t darwin_fill_bytes(const struct darwin_chosen *c)
{
    return 4096 + c->seed_bytes + c->nvram_bytes + strlen(c->firmware);
}

bool darwin_fill_cpus(struct adt *t, unsigned n_cpus, uint32_t counter_hz, struct pome_error *err)
{
    size_t cpus = adt_find(t, "/cpus"), cpu = cpus == ADT_NONE ? ADT_NONE : adt_first_child(t, cpus);
    unsigned i = 0;
    while (cpu != ADT_NONE && i < n_cpus) {
        adt_set_text(t, cpu, "state", i ? "waiting" : "running");
        adt_set_u32(t, cpu, "timebase-frequency", counter_hz);
        cpu = adt_next_child(t, cpus, cpu, i++);
    }
    if (i < n_cpus)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "device tree: %u nodes in /cpus, the machine has %u CPUs", i, n_cpus);
    for (unsigned more = adt_children(t, cpus) - n_cpus; more--;)
        adt_remove(t, cpus, cpu);
    return true;
}
