/*
 * darwin.c - places a Darwin kernel, its device tree, RAM disk and trust cache, as darwin/start.h says.
 *
 * Files may be as they are or in an Image4 payload, and compressed. The kernel and the tree are read whole and checked; a RAM disk goes straight to
 * its place, which does not depend on its size.
 */
#include "machine/board.h"

#include "backend/file_source.h"
#include "base/error.h"
#include "darwin/start.h"
#include "formats/image4_file.h"
#include "formats/nvram.h"
#include "formats/trust_cache.h"

#include <stdlib.h>
#include <sys/random.h>

#define KERNEL_MAX      (1 * GiB)
#define TRUST_CACHE_MAX (64 * MiB)
#define SEED_BYTES      256

struct content {
    uint8_t *bytes;
    size_t n;
};

static bool read_file(const char *path, uint64_t max, struct content *c, struct pome_error *err)
{
    struct source *s = source_file(path, err);
    bool ok = s && image4_read_content(s, max, &c->bytes, &c->n, err);
    source_close(s);
    return ok;
}

/* Guest memory that is filled from its beginning on. */
struct place {
    uint8_t *to;
    uint64_t room, n;
};

static bool fill_place(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct place *p = user;
    if (n > p->room - p->n)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "larger than the machine's memory");
    memcpy(p->to + p->n, bytes, n);
    p->n += n;
    return true;
}

/* All that is read before memory is written. */
struct inputs {
    struct content kernel, tree, trust_cache;
    struct macho macho;
    struct adt adt;
    uint8_t seed[SEED_BYTES], *nvram;
};

static void inputs_free(struct inputs *in)
{
    free(in->kernel.bytes);
    free(in->tree.bytes);
    free(in->trust_cache.bytes);
    free(in->nvram);
}

static bool read_kernel(const char *path, struct inputs *in, struct pome_error *err)
{
    return read_file(path, KERNEL_MAX, &in->kernel, err) &&
           (macho_read(in->kernel.bytes, in->kernel.n, &in->macho, err) || pome_fail_context(err, "%s", path));
}

/* What /chosen says; the layout is filled in later. */
static struct darwin_chosen chosen_of(const struct machine *m, const struct inputs *in, const struct darwin_layout *l)
{
    return (struct darwin_chosen){
        .layout = l, .seed = in->seed, .seed_bytes = SEED_BYTES, .nvram = in->nvram, .nvram_bytes = NVRAM_BANK_BYTES,
        .firmware = "pome-" POME_VERSION_STRING, .ecid = m->config.ecid,
    };
}

/* Of a file, or of the machine; with room for what is filled in. */
static bool read_tree(const struct machine *m, const char *path, struct inputs *in, struct pome_error *err)
{
    const struct darwin_chosen chosen = chosen_of(m, in, NULL);
    size_t used, room = darwin_fill_bytes(&chosen) + DARWIN_TREE_ROOM;
    if (path && (!read_file(path, ADT_BYTES_MAX, &in->tree, err) || (!adt_check(in->tree.bytes, in->tree.n, &used, err) && !pome_fail_context(err, "%s", path))))
        return false;
    room += in->tree.n;
    uint8_t *bytes = realloc(in->tree.bytes, room);
    if (!bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "device tree");
    in->tree.bytes = bytes;
    if (path) {
        in->adt = (struct adt){.bytes = bytes, .n = used, .room = room};
    } else {
        adt_begin(&in->adt, bytes, room, "device-tree");
        darwin_tree_write(m, &in->adt);
    }
    return darwin_fill_cpus(&in->adt, m->config.n_cpus, m->platform->counter_hz, err) || (path && pome_fail_context(err, "%s", path));
}

static bool read_trust_cache(const char *path, struct inputs *in, struct pome_error *err)
{
    struct trust_cache t;
    return !path || (read_file(path, TRUST_CACHE_MAX, &in->trust_cache, err) &&
                     (trust_cache_read(in->trust_cache.bytes, in->trust_cache.n, &t, err) || pome_fail_context(err, "%s", path)));
}

/* An empty bank: nothing is kept from one start to the next. */
static bool make_nvram(struct inputs *in, struct pome_error *err)
{
    if (getrandom(in->seed, sizeof in->seed, 0) != sizeof in->seed)
        return pome_fail_errno(err, "getrandom");
    in->nvram = malloc(NVRAM_BANK_BYTES);
    if (!in->nvram)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "NVRAM");
    nvram_bank_init(in->nvram);
    nvram_bank_finish(in->nvram, 1);
    return true;
}

static void place_segments(struct machine *m, const struct macho *k, const struct darwin_layout *l)
{
    memset(mem_ptr(m->mem, l->kernel.gpa, l->kernel.bytes, true), 0, l->kernel.bytes);
    for (unsigned i = 0; i < k->n_segments; i++) {
        const struct macho_segment *s = &k->segments[i];
        memcpy(mem_ptr(m->mem, darwin_gpa(l, s->address), s->memory_bytes, true), k->bytes + s->offset, s->file_bytes);
    }
}

/* Reads it to where the plan without it has the tree, the first free page behind the kernel. */
static bool place_ramdisk(struct machine *m, const char *path, struct darwin_parts *parts, const struct darwin_layout *l, struct pome_error *err)
{
    uint64_t room = parts->ram_gpa + parts->ram_bytes - l->tree.gpa;
    struct place place = {mem_ptr(m->mem, l->tree.gpa, room, true), room, 0};
    struct source *s = source_file(path, err);
    bool ok = s && image4_content(s, room, fill_place, &place, err);
    source_close(s);
    parts->ramdisk_bytes = place.n;
    return ok && (place.n || pome_fail(err, POME_ERROR_INVALID_DATA, "%s: an empty RAM disk", path));
}

static bool place_tree(struct machine *m, struct inputs *in, const struct darwin_layout *l, struct pome_error *err)
{
    const struct darwin_chosen chosen = chosen_of(m, in, l);
    darwin_fill(&in->adt, &chosen);
    if (in->adt.failed || in->adt.n > l->tree.bytes)
        return pome_fail(err, POME_ERROR_INTERNAL, "device tree: %zu bytes are too few for it", in->adt.room);
    uint8_t *to = mem_ptr(m->mem, l->tree.gpa, l->tree.bytes, true);
    memset(to, 0, l->tree.bytes);
    memcpy(to, in->adt.bytes, in->adt.n);
    return true;
}

static bool place_all(struct machine *m, const struct machine_kernel *what, struct inputs *in, struct pome_error *err)
{
    uint8_t boot_args[DARWIN_BOOT_ARGS_BYTES];
    struct darwin_layout l;
    struct darwin_parts parts = {
        .ram_gpa = m->platform->ram_gpa, .ram_bytes = m->config.ram_bytes, .kernel = &in->macho, .tree_bytes = in->adt.room,
        .trust_cache_bytes = in->trust_cache.n ? in->trust_cache.n + DARWIN_TRUST_CACHES_HEAD : 0,
    };
    if (!darwin_plan(&parts, &l, err))
        return false;
    if (what->initrd_path && (!place_ramdisk(m, what->initrd_path, &parts, &l, err) || !darwin_plan(&parts, &l, err)))
        return false;
    if (!darwin_boot_args(&l, what->revision ? what->revision : 2, what->cmdline ? what->cmdline : "", boot_args, err) || !place_tree(m, in, &l, err))
        return false;
    place_segments(m, &in->macho, &l);
    if (l.trust_cache.bytes)
        darwin_trust_caches(in->trust_cache.bytes, in->trust_cache.n, mem_ptr(m->mem, l.trust_cache.gpa, l.trust_cache.bytes, true));
    memcpy(mem_ptr(m->mem, l.boot_args.gpa, sizeof boot_args, true), boot_args, sizeof boot_args);
    m->entry = (struct machine_entry){.pc = l.entry_gpa, .x0 = l.boot_args.gpa};
    m->has_entry = true;
    return true;
}

bool load_darwin(struct machine *m, const struct machine_kernel *what, struct pome_error *err)
{
    struct inputs in = {.nvram = NULL};
    if (m->platform != &platform_apple)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a Darwin kernel starts on the Apple-style platform only", what->kernel_path);
    bool ok = read_kernel(what->kernel_path, &in, err) && make_nvram(&in, err) && read_tree(m, what->device_tree_path, &in, err) &&
              read_trust_cache(what->trust_cache_path, &in, err) &&
              (place_all(m, what, &in, err) || pome_fail_context(err, "%s", what->kernel_path));
    inputs_free(&in);
    return ok;
}

bool darwin_tree_place(struct machine *m, uint64_t gpa, size_t *bytes, struct pome_error *err)
{
    uint8_t seed[SEED_BYTES];
    struct adt t;
    void *memory = malloc(DARWIN_TREE_ROOM);
    bool ok = memory || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "device tree");
    ok = ok && (getrandom(seed, sizeof seed, 0) == sizeof seed || pome_fail_errno(err, "getrandom"));
    if (ok) {
        adt_begin(&t, memory, DARWIN_TREE_ROOM, "device-tree");
        darwin_tree_write(m, &t);
        adt_set(&t, adt_find(&t, "/chosen"), "random-seed", seed, sizeof seed);
        *bytes = t.n;
        ok = (!t.failed && mem_write(m->mem, gpa, memory, t.n)) || pome_fail(err, POME_ERROR_INTERNAL, "device tree of %zu bytes", t.n);
    }
    free(memory);
    return ok;
}
