/*
 * set.c - boot sets.
 *
 * How it works: a set is a folder with three IM4P files (a Darwin kernel's up to five) and one file that says what their digests are: TICKET.IM4 (signed by the
 * machine's authority), or DIGESTS (written in the guest, not signed). Which of them will do is the policy's to say. The
 * objects are read so that their payloads come to lie where they are needed.
 *
 * Memory (platform.h): kernel from 2 MiB above the start of RAM, the ramdisk behind it at the next 2 MiB.
 */
#include "firmware/set.h"
#include "firmware/darwin.h"
#include "firmware/digests.h"
#include "firmware/kernel.h"
#include "firmware/platform.h"

#define ALIGN_KERNEL UINT64_C(0x200000)
#define PEEK         4096
#define IM4P_EXTRA   0x10000 /* headers around a payload: more is refused */
#define TICKET_MAX   0x8000

static const char *const object_names[SET_OBJECTS] = {"kernel", "ramdisk", "command line", "device tree", "trust cache"};
static const char *const object_files[SET_OBJECTS] = {"KERNEL.IM4", "RAMDISK.IM4", "CMDLINE.IM4", "DEVTREE.IM4", "TRUST.IM4"};

static uint8_t peek[PEEK] __attribute__((aligned(16)));
static uint8_t small_file[CMDLINE_MAX + IM4P_EXTRA] __attribute__((aligned(16)));
static uint8_t ticket_file[TICKET_MAX] __attribute__((aligned(16)));

/* What the objects must be. */
struct digests {
    bool known, forgiving; /* permissive security does without, and takes objects that differ */
    bool listed[SET_OBJECTS];
    uint8_t digest[SET_OBJECTS][SHA384_BYTES];
};

char set_failure[160];

static size_t append(size_t at, const char *text)
{
    while (*text && at < sizeof set_failure - 1)
        set_failure[at++] = *text++;
    return at;
}

bool set_failed(const char *where, const char *object, fw_why why)
{
    const char *const parts[] = {where, " ", object, ", ", why};
    size_t at = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        at = append(at, parts[i]);
    set_failure[at] = 0;
    fw_print("boot failed: stage 2, %s %s, %s\n", where, object, why);
    return false;
}

static bool object_failed(const struct boot_set *set, const char *object, fw_why why)
{
    return set_failed(set->label, object, why);
}

static void make_path(char out[64], const char *directory, const char *name)
{
    size_t n = strlen(directory);
    memcpy(out, directory, n);
    out[n] = '/';
    memcpy(out + n + 1, name, strlen(name) + 1);
}

fw_why set_read_small(const struct fat *fs, const char *path, uint8_t *memory, size_t room, size_t *n)
{
    struct fat_file file;
    fw_why why = fat_find(fs, path, &file);
    if (why)
        return why;
    if (!file.bytes || file.bytes > room)
        return file.bytes ? "is too long" : "is empty";
    *n = file.bytes;
    return fat_read(fs, &file, memory, file.bytes);
}

/* --- what its digests are --- */

static bool open_ticket(const struct boot_set *set, size_t n, const struct machine *machine, struct digests *out)
{
    struct ticket t;
    uint8_t digest[SHA384_BYTES];
    fw_why why = ticket_open((struct der){ticket_file, n}, machine, &t);
    if (why)
        return object_failed(set, "ticket", why);
    sha384(ticket_file, n, digest);
    if (set->policy && set->policy->security == SECURITY_FULL && memcmp(digest, set->policy->nsih, sizeof digest))
        return object_failed(set, "ticket", "is not the one that LocalPolicy names (nsih), full security needs it");
    for (int i = 0; i < SET_OBJECTS; i++) {
        const uint8_t *listed = ticket_digest(&t, set->types[i]);
        if (!listed && i < SET_NEEDED)
            return object_failed(set, object_names[i], "ticket does not list it");
        out->listed[i] = listed;
        if (listed)
            memcpy(out->digest[i], listed, SHA384_BYTES);
    }
    out->known = true;
    return true;
}

static void explain_full(const struct boot_set *set)
{
    fw_print("pome stage2: %s it was made in this machine and is not signed: full security does not start it\n"
             "pome stage2: on the host, \"pome personalize NAME\" signs it, \"pome security set NAME reduced\" lets such sets start\n",
             set->label);
}

/* A set without a ticket. */
static bool open_digests(const struct boot_set *set, const struct fat *fs, struct digests *out)
{
    char path[64];
    size_t n;
    if (!set->policy)
        return object_failed(set, "ticket", "is missing");
    if (set->policy->security == SECURITY_FULL) {
        explain_full(set);
        return false;
    }
    make_path(path, set->path, "DIGESTS");
    fw_why why = set_read_small(fs, path, small_file, sizeof small_file, &n);
    if (!why)
        why = digests_parse((const char *)small_file, n, object_files, SET_NEEDED, out->digest);
    out->forgiving = set->policy->security == SECURITY_PERMISSIVE;
    out->known = !why;
    if (why && !out->forgiving)
        return object_failed(set, "DIGESTS", why);
    if (why)
        fw_print("pome stage2: %s DIGESTS %s: permissive security starts it unchecked\n", set->label, why);
    else
        fw_print("pome stage2: %s made in this machine, not signed: %s security accepts it\n", set->label,
                 security_name(set->policy->security));
    return true;
}

static bool find_digests(const struct boot_set *set, const struct fat *fs, const struct machine *machine, struct digests *out)
{
    char path[64];
    struct fat_file file;
    size_t n;
    *out = (struct digests){0};
    make_path(path, set->path, "TICKET.IM4");
    fw_why why = fat_find(fs, path, &file);
    if (why && fw_same(why, "is missing"))
        return open_digests(set, fs, out);
    if (why || (why = set_read_small(fs, path, ticket_file, sizeof ticket_file, &n)))
        return object_failed(set, "ticket", why);
    return open_ticket(set, n, machine, out);
}

static fw_why verify(const struct boot_set *set, const struct digests *d, enum set_object o, const struct im4p *p)
{
    if (!d->known)
        return fw_same(p->type, set->types[o]) ? NULL : "has another type than its place needs";
    fw_why why = im4p_verify(p, set->types[o], d->digest[o]);
    if (!why || !d->forgiving)
        return why;
    fw_print("pome stage2: %s %s %s: permissive security starts it all the same\n", set->label, object_names[o], why);
    return NULL;
}

/* --- objects --- */

/* Reads an IM4P so that its payload starts at `at`; memory from there to `limit` is free, 4 KiB below it too. */
static fw_why load_payload(const struct fat *fs, const char *path, uint64_t at, uint64_t limit, struct im4p *p)
{
    struct fat_file file;
    size_t payload_at, payload_end;
    fw_why why = fat_find(fs, path, &file);
    if (why)
        return why;
    if (file.bytes < 64 || (why = fat_read(fs, &file, peek, file.bytes < PEEK ? file.bytes : PEEK)))
        return why ? why : "is too short";
    if ((why = im4p_peek(peek, file.bytes < PEEK ? file.bytes : PEEK, file.bytes, &payload_at, &payload_end)))
        return why;
    if (payload_at > PEEK / 2 || file.bytes - (payload_end - payload_at) > IM4P_EXTRA)
        return "has too much around its payload";
    uint64_t start = at - payload_at;
    if (at > limit || (file.bytes + (uint64_t)SECTOR - 1) / SECTOR * SECTOR > limit - start)
        return "is larger than memory";
    if ((why = fat_read(fs, &file, (void *)(uintptr_t)start, file.bytes)) ||
        (why = im4p_parse((struct der){(const uint8_t *)(uintptr_t)start, file.bytes}, p)))
        return why;
    return p->payload.p != (const uint8_t *)(uintptr_t)at ? "changed while it was read" : NULL;
}

static void loaded_line(const struct boot_set *set, const struct digests *d, enum set_object o, const struct im4p *p, uint64_t begin)
{
    fw_print("pome stage2: %s %s %lu bytes, %s, %lu ms\n", set->label, object_names[o], (uint64_t)p->payload.n,
             d->known && !d->forgiving ? "digest ok" : "not checked", (fw_now_us() - begin) / 1000);
}

static fw_why load_kernel(const struct fat *fs, const struct boot_set *set, const struct digests *d, const char *path, struct loaded *out)
{
    struct im4p p;
    struct kernel_image k;
    uint64_t begin = fw_now_us(), limit = FW_WINDOW;
    out->darwin = false;
    out->limit = limit;
    out->tree_bytes = out->trust_bytes = 0;
    fw_why why = load_payload(fs, path, FW_KERNEL_BASE, limit, &p);
    if (why || (why = verify(set, d, SET_KERNEL, &p)))
        return why;
    if (darwin_kernel_is(p.payload.p, p.payload.n)) {
        loaded_line(set, d, SET_KERNEL, &p, begin);
        return darwin_stage(p.payload.p, p.payload.n, out);
    }
    if ((why = kernel_parse(p.payload.p, p.payload.n, &k)))
        return why;
    out->kernel = FW_KERNEL_BASE + k.text_offset;
    if (k.memory_bytes > limit - out->kernel)
        return "needs more memory than the firmware can give";
    if (k.text_offset) { /* kernels since 5.8 ask for 0; overlapping move from the end */
        uint8_t *to = (uint8_t *)(uintptr_t)out->kernel;
        for (size_t i = p.payload.n; i--;)
            to[i] = p.payload.p[i];
    }
    out->end = out->kernel + k.memory_bytes;
    loaded_line(set, d, SET_KERNEL, &p, begin);
    return NULL;
}

static fw_why load_ramdisk(const struct fat *fs, const struct boot_set *set, const struct digests *d, const char *path, struct loaded *out)
{
    struct im4p p;
    uint64_t begin = fw_now_us();
    /* One 2 MiB step of distance: the bytes before the payload must not touch the kernel's memory. */
    uint64_t at = out->darwin ? out->end : (out->end + PEEK + ALIGN_KERNEL - 1) & ~(ALIGN_KERNEL - 1);
    fw_why why = load_payload(fs, path, at, out->limit, &p);
    if (why || (why = verify(set, d, SET_RAMDISK, &p)))
        return why;
    out->ramdisk = at;
    out->ramdisk_end = at + p.payload.n;
    loaded_line(set, d, SET_RAMDISK, &p, begin);
    return NULL;
}

bool set_append_args(struct loaded *l, const char *text, size_t n)
{
    size_t at = l->bootargs_bytes;
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' ' || !text[n - 1]))
        n--;
    if (!n)
        return true;
    if (n + 2 > CMDLINE_MAX - at)
        return false;
    if (at)
        l->bootargs[at++] = ' ';
    memcpy(l->bootargs + at, text, n);
    l->bootargs_bytes = at + n;
    l->bootargs[at + n] = 0;
    return true;
}

static fw_why load_cmdline(const struct fat *fs, const struct boot_set *set, const struct digests *d, const char *path, struct loaded *out)
{
    struct im4p p;
    size_t n;
    fw_why why = set_read_small(fs, path, small_file, sizeof small_file, &n);
    if (why || (why = im4p_parse((struct der){small_file, n}, &p)) || (why = verify(set, d, SET_CMDLINE, &p)))
        return why;
    out->bootargs_bytes = 0;
    out->bootargs[0] = 0;
    for (size_t i = 0; i < p.payload.n; i++)
        if (p.payload.p[i] < ' ' && p.payload.p[i] != '\n')
            return "holds control characters";
    return set_append_args(out, (const char *)p.payload.p, p.payload.n) ? NULL : "is too long";
}

/* What a Darwin kernel has besides: into the window, from where darwin_place takes it. */
static fw_why load_tree(const struct fat *fs, const struct boot_set *set, const struct digests *d, const char *path, struct loaded *out)
{
    struct im4p p;
    uint64_t begin = fw_now_us();
    fw_why why = load_payload(fs, path, FW_TREE_BASE + PEEK, FW_TRUST_BASE, &p);
    if (why || (why = verify(set, d, SET_TREE, &p)))
        return why;
    out->tree = FW_TREE_BASE + PEEK;
    out->tree_bytes = p.payload.n;
    loaded_line(set, d, SET_TREE, &p, begin);
    return NULL;
}

static fw_why load_trust(const struct fat *fs, const struct boot_set *set, const struct digests *d, const char *path, struct loaded *out)
{
    struct im4p p;
    uint64_t begin = fw_now_us();
    fw_why why = load_payload(fs, path, FW_TRUST_BASE + PEEK, FW_TREE_WORK, &p);
    if (why || (why = verify(set, d, SET_TRUST, &p)))
        return why;
    out->trust = FW_TRUST_BASE + PEEK;
    out->trust_bytes = p.payload.n;
    loaded_line(set, d, SET_TRUST, &p, begin);
    return NULL;
}

bool set_load(const struct fat *fs, const struct boot_set *set, const struct machine *machine, struct loaded *out)
{
    static fw_why (*const load[SET_OBJECTS])(const struct fat *, const struct boot_set *, const struct digests *, const char *,
                                             struct loaded *) = {load_kernel, load_ramdisk, load_cmdline, load_tree, load_trust};
    struct digests d;
    char path[64];
    if (!find_digests(set, fs, machine, &d))
        return false;
    for (int i = 0; i < SET_OBJECTS; i++) {
        if (i >= SET_NEEDED && !d.listed[i])
            continue;
        make_path(path, set->path, object_files[i]);
        fw_why why = load[i](fs, set, &d, path, out);
        if (why)
            return object_failed(set, object_names[i], why);
    }
    return true;
}
