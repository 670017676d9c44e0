/*
 * darwin.c - starts a Darwin kernel from a boot set (see darwin.h; darwin/start.h says where things go).
 *
 * Memory, besides what platform.h says: the kernel's file lies below the window until its segments are copied to their places; the set's device
 * tree and trust cache lie in the window (FW_TREE_BASE, FW_TRUST_BASE), the tree is completed at FW_TREE_WORK.
 */
#include "firmware/darwin.h"
#include "darwin/start.h"
#include "firmware/cfg.h"
#include "firmware/platform.h"

static struct macho kernel;
static struct pome_error error; /* its text is what the functions here return */

static void *at(uint64_t gpa)
{
    return (void *)(uintptr_t)gpa;
}

bool darwin_kernel_is(const uint8_t *payload, size_t n)
{
    return macho_is(payload, n);
}

static struct darwin_parts parts_of(const struct loaded *l, uint64_t tree_bytes)
{
    return (struct darwin_parts){
        .ram_gpa = FW_RAM_BASE, .ram_bytes = fw_cfg64(FW_CFG_RAM_SIZE), .kernel = &kernel, .tree_bytes = tree_bytes,
        .trust_cache_bytes = l->trust_bytes ? l->trust_bytes + DARWIN_TRUST_CACHES_HEAD : 0, .ramdisk_bytes = l->ramdisk_end - l->ramdisk,
    };
}

fw_why darwin_stage(const uint8_t *payload, size_t n, struct loaded *out)
{
    struct darwin_layout l;
    uint64_t to = (FW_WINDOW - n) & ~(uint64_t)(DARWIN_PAGE - 1);
    memmove(at(to), payload, n);
    if (!macho_read(at(to), n, &kernel, &error))
        return error.message;
    out->ramdisk = out->ramdisk_end = 0;
    const struct darwin_parts p = parts_of(out, DARWIN_PAGE);
    if (!darwin_plan(&p, &l, &error))
        return error.message;
    if (l.tree.gpa >= to)
        return "needs more memory than the firmware can give";
    out->darwin = true;
    out->kernel = l.entry_gpa;
    out->end = l.tree.gpa; /* the first place behind the kernel, which a RAM disk takes */
    out->limit = to;
    return NULL;
}

/* The set's tree, or the one that Pome wrote, with room for what is filled in. */
static fw_why copy_tree(const struct loaded *l, const struct adt *own, struct adt *t)
{
    size_t used = own->n;
    if (l->tree_bytes && !adt_check(at(l->tree), l->tree_bytes, &used, &error))
        return error.message;
    *t = (struct adt){.bytes = at(FW_TREE_WORK), .n = used, .room = FW_TREE_WORK_SIZE};
    if (used > t->room)
        return "device tree is too large";
    memcpy(t->bytes, l->tree_bytes ? at(l->tree) : own->bytes, used);
    return NULL;
}

/* Pome's own tree: its random seed is for this start. */
static fw_why own_tree(struct adt *t, struct adt_property *seed)
{
    size_t n = fw_cfg64(FW_CFG_TREE_SIZE);
    *t = (struct adt){.bytes = at(fw_cfg64(FW_CFG_TREE)), .room = n};
    if (!n || !adt_check(t->bytes, n, &t->n, &error))
        return "the machine gave no device tree for Darwin";
    return adt_get(t, adt_find(t, "/chosen"), "random-seed", seed) ? NULL : "the machine gave no random seed";
}

static uint32_t counter_hz(void)
{
    uint64_t hz;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    return (uint32_t)hz;
}

static void place_segments(const struct darwin_layout *l)
{
    memset(at(l->kernel.gpa), 0, l->kernel.bytes);
    for (unsigned i = 0; i < kernel.n_segments; i++) {
        const struct macho_segment *s = &kernel.segments[i];
        memcpy(at(darwin_gpa(l, s->address)), kernel.bytes + s->offset, s->file_bytes);
    }
}

fw_why darwin_place(struct loaded *l, const uint8_t *nvram, size_t nvram_bytes, uint64_t *entry, uint64_t *x0)
{
    static uint8_t boot_args[DARWIN_BOOT_ARGS_BYTES] __attribute__((aligned(16)));
    struct darwin_layout layout;
    struct darwin_chosen c = {
        .layout = &layout, .nvram = nvram, .nvram_bytes = nvram_bytes, .firmware = "pome-" POME_VERSION, .ecid = fw_cfg64(FW_CFG_ECID)};
    struct adt own, t;
    struct adt_property seed;
    fw_why why = own_tree(&own, &seed);
    if (why || (why = copy_tree(l, &own, &t)))
        return why;
    c.seed = seed.value;
    c.seed_bytes = seed.bytes;
    const struct darwin_parts p = parts_of(l, t.n + darwin_fill_bytes(&c));
    if (!darwin_plan(&p, &layout, &error) || !darwin_fill_cpus(&t, fw_cfg32(FW_CFG_CPUS), counter_hz(), &error) ||
        !darwin_boot_args(&layout, 2, l->bootargs, boot_args, &error))
        return error.message;
    if (l->ramdisk_end > l->ramdisk && layout.ramdisk.gpa != l->ramdisk)
        return "RAM disk is not where it must be";
    if (layout.boot_args.gpa + sizeof boot_args > l->limit)
        return "kernel and RAM disk are larger than the firmware's memory";
    uint64_t lowest = layout.trust_cache.bytes && layout.trust_cache.gpa < layout.kernel.gpa ? layout.trust_cache.gpa : layout.kernel.gpa;
    if (lowest < fw_cfg64(FW_CFG_TREE) + own.room)
        return "kernel or trust cache would lie where the machine's device tree is";
    darwin_fill(&t, &c);
    if (t.failed || t.n > layout.tree.bytes)
        return "device tree is too large";
    memset(at(layout.tree.gpa), 0, layout.tree.bytes);
    memcpy(at(layout.tree.gpa), t.bytes, t.n);
    if (l->trust_bytes)
        darwin_trust_caches(at(l->trust), l->trust_bytes, at(layout.trust_cache.gpa));
    place_segments(&layout);
    memcpy(at(layout.boot_args.gpa), boot_args, sizeof boot_args);
    *entry = layout.entry_gpa;
    *x0 = layout.boot_args.gpa;
    return NULL;
}
