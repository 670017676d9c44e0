/* saved.c - which sections a machine's file has (see saved.h). */
#include "save/saved.h"

#include "base/bits.h"
#include "base/error.h"
#include "bus/device.h"
#include "mem/lazy.h"
#include "mem/watch.h"
#include "save/recent.h"
#include "save/seal.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_VERSION = 1 };

/* The list of a memory section's chunks, read to be compared, for whoever loads it: reading takes a millisecond for each 10,000. */
struct kept_chunks {
    const struct save_section *of;
    struct save_chunks chunks;
    struct kept_chunks *next;
};

struct saved {
    int fd;
    struct save_reader *r;
    struct kept_chunks *kept;
    _Atomic int owners;
};

/* ---- saving ---- */

struct writing {
    struct save_writer *w;
    struct pome_error *err;
};

static bool put_records(struct save_writer *w, const char *name, struct records *r, struct pome_error *err)
{
    bool ok = (!r->no_memory || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine")) &&
              save_writer_section(w, name, STATE_VERSION, r->bytes, r->n, err);
    records_free(r);
    return ok;
}

static bool all_facts(const struct save_subject *s, struct records *out, struct pome_error *err)
{
    struct records_reader more = {s->facts->bytes, s->facts->bytes + s->facts->n};
    struct record r;
    if (!machine_facts(s->machine, out, err))
        return false;
    while (records_next(&more, &r))
        records_put(out, r.name, r.bytes, r.n);
    return true;
}

static bool write_cpus(struct save_writer *w, const struct save_subject *s, struct pome_error *err)
{
    char name[16];
    struct records time = {0};
    records_put_u64(&time, "counted ns", cpu_set_save_counter(s->cpus));
    if (!put_records(w, "time", &time, err))
        return false;
    for (unsigned i = 0; i < cpu_set_count(s->cpus); i++) {
        struct records r = {0};
        cpu_save(s->cpus, i, &r);
        snprintf(name, sizeof name, "cpu/%u", i);
        if (!put_records(w, name, &r, err))
            return false;
    }
    return true;
}

static void state_name(const struct machine_state *s, char name[SAVE_NAME_MAX + 1])
{
    snprintf(name, SAVE_NAME_MAX + 1, "device/%s", s->name);
}

static bool write_state(void *ctx, const struct machine_state *s)
{
    struct writing *x = ctx;
    char name[SAVE_NAME_MAX + 1];
    size_t n = device_save_bytes(s->type);
    uint8_t *bytes = malloc(n);
    state_name(s, name);
    if (!bytes)
        return pome_fail(x->err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to save it", name);
    state_save(s->type, s->of, bytes);
    bool ok = save_writer_section(x->w, name, STATE_VERSION, bytes, n, x->err);
    free(bytes);
    return ok;
}

static void memory_name(const struct mem_region *m, char name[SAVE_NAME_MAX + 1])
{
    snprintf(name, SAVE_NAME_MAX + 1, "memory/%" PRIx64, m->gpa);
}

_Static_assert((int)MEM_WATCH_BYTES == (int)SAVE_CHUNK_BYTES, "what is told is what is written");

/* RAM that was written while the guest ran, and what it wrote to since. */
struct saved_ahead {
    struct save_writer *w;
    struct mem *mem;
    const struct mem_region *ram;
    struct save_written *written;
    size_t n_chunks;
    uint8_t *changed; /* by chunk */
};

static bool take_changed(struct saved_ahead *a, uint64_t *bytes, struct pome_error *err)
{
    memset(a->changed, 0, a->n_chunks);
    bool ok = mem_watch_take(a->mem, a->ram->gpa, a->changed, err);
    *bytes = 0;
    for (size_t i = 0; i < a->n_chunks; i++)
        *bytes += a->changed[i] ? SAVE_CHUNK_BYTES : 0;
    return ok;
}

static bool write_rest(struct saved_ahead *a, const char *name, const struct save_progress *progress, struct pome_error *err)
{
    uint64_t bytes;
    return take_changed(a, &bytes, err) && save_writer_memory_chunks(a->written, a->changed, false, progress, err) && save_writer_memory_end(a->written, name, err);
}

static bool write_memory(struct save_writer *w, struct saved_ahead *a, const struct mem *mem, const struct save_progress *progress, struct pome_error *err)
{
    char name[SAVE_NAME_MAX + 1];
    const struct mem_region *r;
    for (size_t i = 0; (r = mem_region(mem, i)); i++) {
        memory_name(r, name);
        if (a && r == a->ram) {
            if (!write_rest(a, name, progress, err))
                return false;
            continue;
        }
        const struct save_memory m = {.gpa = r->gpa, .bytes = r->bytes, .read_only = r->read_only, .from = r->hva};
        if (!save_writer_memory(w, name, &m, r->read_only ? NULL : progress, err))
            return false;
    }
    return true;
}

static bool write_variables(struct save_writer *w, const struct machine *m, struct pome_error *err)
{
    struct save_memory v = {0};
    bool kept;
    v.from = machine_variables(m, &v.bytes, &kept);
    return !v.from || save_writer_memory(w, "variables", &v, NULL, err);
}

static bool write_all(struct save_writer *w, struct saved_ahead *a, const struct save_subject *s, const struct save_progress *progress, struct pome_error *err)
{
    struct records facts = {0}, traffic = {0};
    struct writing x = {w, err};
    if (!machine_sync_disks(s->machine, err) || !all_facts(s, &facts, err)) {
        records_free(&facts);
        return false;
    }
    machine_save_traffic(s->machine, &traffic);
    return put_records(w, "facts", &facts, err) && put_records(w, "traffic", &traffic, err) && write_cpus(w, s, err) &&
           machine_each_state(s->machine, write_state, &x) && write_variables(w, s->machine, err) &&
           write_memory(w, a, machine_mem(s->machine), progress, err) && recent_write(w, s, err) && save_writer_finish(w, err);
}

bool saved_write(const struct save_subject *s, int fd, const struct save_secret *secret, const struct save_progress *progress,
                 struct pome_error *err)
{
    struct save_writer *w = save_writer_create(fd, secret, err);
    bool ok = w && write_all(w, NULL, s, progress, err);
    save_writer_free(w);
    return ok;
}

/* ---- saving ahead ---- */

/* What is left is written in some hundredths of a second, or the guest writes as fast as we do. */
enum { LITTLE = 8 << 20, ROUNDS_MAX = 5 };

static const struct mem_region *ram_of(const struct mem *mem)
{
    const struct mem_region *r;
    for (size_t i = 0; (r = mem_region(mem, i)) && r->read_only; i++)
        ;
    return r;
}

static bool prepare_ahead(struct saved_ahead *a, int fd, const struct save_secret *secret, struct pome_error *err)
{
    const struct save_memory m = {.gpa = a->ram->gpa, .bytes = a->ram->bytes, .from = a->ram->hva};
    a->n_chunks = (size_t)((a->ram->bytes + SAVE_CHUNK_BYTES - 1) / SAVE_CHUNK_BYTES);
    a->changed = malloc(a->n_chunks);
    a->w = save_writer_create(fd, secret, err);
    return a->w && (a->changed || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine")) && (a->written = save_writer_memory_begin(a->w, &m, err));
}

static bool write_rounds(struct saved_ahead *a, int fd, const struct save_progress *progress, struct pome_error *err)
{
    uint64_t before = UINT64_MAX, bytes;
    bool ok = take_changed(a, &bytes, err);
    for (unsigned round = 0; ok && round < ROUNDS_MAX && bytes > LITTLE && bytes < before - before / 4; round++) {
        before = bytes;
        ok = save_writer_memory_chunks(a->written, a->changed, true, progress, err) && (!fdatasync(fd) || pome_fail_errno(err, "writing the saved machine")) && take_changed(a, &bytes, err);
    }
    return ok && (!bytes || save_writer_memory_chunks(a->written, a->changed, true, progress, err));
}

bool saved_ahead_begin(struct machine *m, int fd, const struct save_secret *secret, const struct save_progress *progress, struct saved_ahead **out, struct pome_error *err)
{
    struct mem *mem = machine_mem(m);
    struct saved_ahead *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine");
    *a = (struct saved_ahead){.mem = mem, .ram = ram_of(mem)};
    if (!a->ram || !mem_watch_begin(mem, NULL)) {
        free(a);
        return true;
    }
    if (prepare_ahead(a, fd, secret, err) && write_rounds(a, fd, progress, err)) {
        *out = a;
        return true;
    }
    saved_ahead_free(a);
    return false;
}

bool saved_ahead_finish(struct saved_ahead *a, const struct save_subject *s, const struct save_progress *progress, struct pome_error *err)
{
    return write_all(a->w, a, s, progress, err);
}

void saved_ahead_free(struct saved_ahead *a)
{
    if (!a)
        return;
    mem_watch_end(a->mem);
    save_written_free(a->written);
    save_writer_free(a->w);
    free(a->changed);
    free(a);
}

/* ---- opening, comparing ---- */

struct saved *saved_open(int fd, const struct save_secret *secret, struct pome_error *err)
{
    struct saved *f = calloc(1, sizeof *f);
    if (!f) {
        close(fd);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to restore a machine");
        return NULL;
    }
    f->owners = 1;
    f->fd = fd;
    f->r = save_reader_create(fd, secret, err);
    if (f->r)
        return f;
    saved_free(f);
    return NULL;
}

static void forget_chunks(struct saved *f)
{
    for (struct kept_chunks *k; (k = f->kept);) {
        f->kept = k->next;
        save_chunks_free(&k->chunks);
        free(k);
    }
}

void saved_free(struct saved *f)
{
    if (!f || atomic_fetch_sub(&f->owners, 1) > 1)
        return;
    forget_chunks(f);
    save_reader_free(f->r);
    close(f->fd);
    free(f);
}

static const struct rule differs = {"SAVED_DIFFERS", POME_FINDING_ERROR, NULL, "", false};

static void difference(struct findings *out, const char *field, const char *saved, const char *present)
{
    findings_add(out, &differs, NULL, field, "%s", present);
    findings_expected(out, "%s", saved);
}

/* A section's bytes, which the caller frees; n 0 and NULL: there is none. False: it is damaged. */
static bool section(const struct saved *f, const char *name, uint8_t **bytes, size_t *n, struct pome_error *err)
{
    const struct save_section *s = save_reader_find(f->r, name);
    *bytes = NULL;
    *n = 0;
    if (!s)
        return true;
    if (s->version != STATE_VERSION)
        return pome_fail(err, POME_ERROR_RESTORE, "%s: version: saved %u, present %u", name, s->version, STATE_VERSION);
    *bytes = save_reader_bytes(f->r, s, err);
    *n = s->blob.plain;
    return *bytes;
}

/* The section of a device's state. */
static bool state_section(const struct saved *f, const struct machine_state *s, char name[SAVE_NAME_MAX + 1], uint8_t **bytes, size_t *n, struct pome_error *err)
{
    state_name(s, name);
    return section(f, name, bytes, n, err);
}

static void text_of(const struct record *r, char text[128])
{
    snprintf(text, 128, "%.*s", (int)MIN(r->n, 127), (const char *)r->bytes);
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

static void compare_facts(const uint8_t *saved, size_t n, const struct records *present, const struct records *instead, struct findings *out)
{
    struct records_reader here = {present->bytes, present->bytes + present->n}, there = {saved, saved + n};
    struct record r, other;
    char a[128], b[128];
    while (records_next(&here, &r)) {
        bool found = records_find(saved, n, r.name, &other);
        if (found)
            text_of(&other, a);
        text_of(instead && records_find(instead->bytes, instead->n, r.name, &other) ? &other : &r, b);
        if (!found || strcmp(a, b))
            difference(out, r.name, found ? a : "none", b);
    }
    while (records_next(&there, &r))
        if (!records_find(present->bytes, present->n, r.name, &other)) {
            text_of(&r, a);
            difference(out, r.name, a, "none");
        }
}

/* Walking over the states that are here, looking for what is there. */
struct comparing {
    const struct saved *f;
    struct findings *out;
    struct pome_error *err;
};

static void compare_fields(const char *name, const struct device_type *type, const uint8_t *bytes, size_t n, struct findings *out)
{
    struct records_reader there = {bytes, bytes + n};
    struct record r;
    char field[160], a[32], b[32];
    size_t n_there = 0;
    for (size_t i = 0; i < type->n_state; i++) {
        bool found = records_find(bytes, n, type->state[i].name, &r);
        snprintf(field, sizeof field, "%s: %s", name, type->state[i].name);
        snprintf(a, sizeof a, "%u bytes", found ? r.n : 0);
        snprintf(b, sizeof b, "%u bytes", type->state[i].bytes);
        if (strcmp(a, b))
            difference(out, field, a, b);
    }
    while (records_next(&there, &r)) {
        bool known = false;
        for (size_t i = 0; i < type->n_state; i++)
            known |= !strcmp(type->state[i].name, r.name);
        snprintf(field, sizeof field, "%s: %.40s", name, r.name);
        snprintf(a, sizeof a, "%u bytes", r.n);
        if (!known || ++n_there > type->n_state)
            difference(out, field, a, "none");
    }
    if (there.at != there.end)
        difference(out, name, "a damaged state", "one with fields");
}

static bool compare_state(void *ctx, const struct machine_state *s)
{
    struct comparing *c = ctx;
    char name[SAVE_NAME_MAX + 1];
    uint8_t *bytes;
    size_t n;
    if (!state_section(c->f, s, name, &bytes, &n, c->err))
        return false;
    if (bytes)
        compare_fields(name, s->type, bytes, n, c->out);
    else
        difference(c->out, name, "none", "there");
    free(bytes);
    return true;
}

struct known_names {
    const char *name;
    bool found;
};

static bool is_known(void *ctx, const struct machine_state *s)
{
    struct known_names *k = ctx;
    k->found |= !strcmp(k->name, s->name);
    return true;
}

/* Saved sections that nothing here would take. */
static void compare_names(const struct saved *f, const struct save_subject *s, struct findings *out)
{
    const struct save_section *there;
    for (size_t i = 0; (there = save_reader_section(f->r, i)); i++) {
        struct known_names k = {there->name + 7, false};
        uint64_t gpa = strtoull(there->name + strcspn(there->name, "/") + 1, NULL, 16);
        if (!strncmp(there->name, "device/", 7))
            machine_each_state(s->machine, is_known, &k);
        else if (!strncmp(there->name, "memory/", 7))
            k.found = mem_find(machine_mem(s->machine), gpa) && mem_find(machine_mem(s->machine), gpa)->gpa == gpa;
        else
            k.found = true;
        if (!k.found)
            difference(out, there->name, "there", "none");
    }
}

/* A region that the guest only reads and the file does not have came to Pome after the machine was saved: its guest knows nothing of it. */
static bool came_later(const struct mem_region *r, const struct save_section *there)
{
    return r->read_only && !there;
}

/* The chunks of a section, which stay ours. */
static const struct save_chunks *keep_chunks(struct saved *f, const struct save_section *s, struct pome_error *err)
{
    struct kept_chunks *k = calloc(1, sizeof *k);
    if (!k) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to restore a machine");
        return NULL;
    }
    if (!save_reader_chunks(f->r, s, &k->chunks, err)) {
        free(k);
        return NULL;
    }
    k->of = s;
    k->next = f->kept;
    f->kept = k;
    return &k->chunks;
}

/* The same, the caller's from now on. */
static bool take_chunks(struct saved *f, const struct save_section *s, struct save_chunks *out, struct pome_error *err)
{
    for (struct kept_chunks **at = &f->kept, *k; (k = *at); at = &k->next)
        if (k->of == s) {
            *out = k->chunks;
            *at = k->next;
            free(k);
            return true;
        }
    return save_reader_chunks(f->r, s, out, err);
}

static bool compare_memory(struct saved *f, const struct save_subject *s, struct findings *out, struct pome_error *err)
{
    const struct mem_region *r;
    char name[SAVE_NAME_MAX + 1], a[48], b[48];
    for (size_t i = 0; (r = mem_region(machine_mem(s->machine), i)); i++) {
        static const struct save_chunks none;
        memory_name(r, name);
        const struct save_section *there = save_reader_find(f->r, name);
        if (came_later(r, there))
            continue;
        const struct save_chunks *c = there ? keep_chunks(f, there, err) : &none;
        if (!c)
            return false;
        snprintf(a, sizeof a, "%" PRIu64 " bytes%s", c->bytes, c->read_only ? ", read-only" : "");
        snprintf(b, sizeof b, "%" PRIu64 " bytes%s", r->bytes, r->read_only ? ", read-only" : "");
        if (strcmp(a, b))
            difference(out, name, a, b);
    }
    return true;
}

/* The saved variable store, which the caller frees; NULL and no error: neither has one. */
static bool read_variables(const struct saved *f, uint64_t n, uint8_t **bytes, struct pome_error *err)
{
    struct save_chunks c;
    const struct save_section *s = save_reader_find(f->r, "variables");
    *bytes = NULL;
    if (!s || !n)
        return (!s && !n) || pome_fail(err, POME_ERROR_RESTORE, "variables: saved %s, present %s", s ? "some" : "none", n ? "some" : "none");
    if (!save_reader_chunks(f->r, s, &c, err))
        return false;
    bool ok = c.bytes == n || pome_fail(err, POME_ERROR_RESTORE, "variables: saved %" PRIu64 " bytes, present %" PRIu64, c.bytes, n);
    if (ok && !(*bytes = calloc(1, n)))
        ok = pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "variables: no memory");
    ok = ok && save_reader_memory(f->r, &c, *bytes, NULL, err);
    save_chunks_free(&c);
    if (!ok) {
        free(*bytes);
        *bytes = NULL;
    }
    return ok;
}

/* In a file they are as a disk is: they must be what they were. */
static bool compare_variables(const struct saved *f, const struct save_subject *s, struct findings *out, struct pome_error *err)
{
    uint64_t n = 0;
    bool kept = false;
    uint8_t *saved;
    const uint8_t *present = machine_variables(s->machine, &n, &kept);
    if (!kept)
        return true;
    if (!read_variables(f, n, &saved, err))
        return false;
    if (memcmp(saved, present, n))
        difference(out, "firmware variables", "others", "changed since");
    free(saved);
    return true;
}

bool saved_compare(struct saved *f, const struct save_subject *s, struct findings *out, struct pome_error *err)
{
    struct records present = {0};
    struct comparing c = {f, out, err};
    uint8_t *facts = NULL;
    size_t n;
    bool ok = section(f, "facts", &facts, &n, err) && all_facts(s, &present, err);
    if (ok)
        compare_facts(facts, n, &present, s->instead, out);
    ok = ok && machine_each_state(s->machine, compare_state, &c) && compare_memory(f, s, out, err) && compare_variables(f, s, out, err);
    if (ok)
        compare_names(f, s, out);
    free(facts);
    records_free(&present);
    return ok;
}

/* ---- loading ---- */

static bool is_missing(const char *name, struct pome_error *err)
{
    return pome_fail(err, POME_ERROR_RESTORE, "%s: is not in the file", name);
}

static bool need(const struct saved *f, const char *name, uint8_t **bytes, size_t *n, struct pome_error *err)
{
    return section(f, name, bytes, n, err) && (*bytes || is_missing(name, err));
}

static bool load_cpus(const struct saved *f, const struct save_subject *s, struct pome_error *err)
{
    char name[16];
    uint8_t *bytes;
    size_t n;
    struct record r;
    uint64_t counted;
    if (!need(f, "time", &bytes, &n, err))
        return false;
    bool ok = records_find(bytes, n, "counted ns", &r) && record_u64(&r, &counted);
    free(bytes);
    if (!ok || counted > (uint64_t)INT64_MAX)
        return pome_fail(err, POME_ERROR_RESTORE, "time: the saved counter is wrong");
    cpu_set_load_counter(s->cpus, counted);
    for (unsigned i = 0; i < cpu_set_count(s->cpus); i++) {
        snprintf(name, sizeof name, "cpu/%u", i);
        if (!need(f, name, &bytes, &n, err))
            return false;
        ok = cpu_load(s->cpus, i, bytes, n, err) || pome_fail_context(err, "%s", name);
        free(bytes);
        if (!ok)
            return false;
    }
    return true;
}

static bool load_variables(const struct saved *f, const struct save_subject *s, struct pome_error *err)
{
    uint64_t n = 0;
    bool kept = false;
    uint8_t *saved;
    machine_variables(s->machine, &n, &kept);
    if (!read_variables(f, n, &saved, err))
        return false;
    bool ok = !saved || kept || machine_load_variables(s->machine, saved) || pome_fail(err, POME_ERROR_RESTORE, "variables: cannot be written");
    free(saved);
    return ok;
}

struct loading {
    const struct saved *f;
    struct pome_error *err;
};

static bool load_state(void *ctx, const struct machine_state *s)
{
    struct loading *l = ctx;
    char name[SAVE_NAME_MAX + 1];
    uint8_t *bytes;
    size_t n;
    if (!state_section(l->f, s, name, &bytes, &n, l->err))
        return false;
    if (!bytes)
        return is_missing(name, l->err);
    bool ok = state_load(s->type, s->of, bytes, n) || pome_fail(l->err, POME_ERROR_RESTORE, "%s: its state has other fields", name);
    free(bytes);
    return ok;
}

static bool load_traffic(const struct saved *f, const struct save_subject *s, struct pome_error *err)
{
    uint8_t *bytes;
    size_t n;
    if (!need(f, "traffic", &bytes, &n, err))
        return false;
    bool ok = machine_load_traffic(s->machine, bytes, n, err) || pome_fail_context(err, "traffic");
    free(bytes);
    return ok;
}

/* Where RAM comes from that is fetched when it is touched. */
struct lazy_ram {
    struct saved *f;
    struct save_chunks chunks;
    struct sealer sealer[MEM_LAZY_WORKERS];
    struct save_trouble trouble;
    struct recent recent;
    _Atomic bool told;
};

static bool ram_is_zero(void *ctx, size_t chunk)
{
    return !((struct lazy_ram *)ctx)->chunks.place[chunk];
}

static bool ram_fill(void *ctx, unsigned worker, size_t chunk, uint8_t *to)
{
    struct lazy_ram *l = ctx;
    struct pome_error err = {0};
    if (save_reader_chunk(l->f->r, &l->sealer[worker], &l->chunks, chunk, to, &err))
        return true;
    if (!atomic_exchange(&l->told, true))
        l->trouble.fn(l->trouble.ctx, &err);
    return false;
}

static size_t ram_first(void *ctx, unsigned worker, size_t i, const uint32_t **pages, uint8_t *to)
{
    struct lazy_ram *l = ctx;
    return recent_pages(&l->recent, l->f->r, &l->sealer[worker], i, pages, to);
}

static void ram_release(void *ctx)
{
    struct lazy_ram *l = ctx;
    save_chunks_free(&l->chunks);
    for (unsigned i = 0; i < MEM_LAZY_WORKERS; i++)
        sealer_finish(&l->sealer[i]);
    recent_free(&l->recent);
    saved_free(l->f);
    free(l);
}

/* Takes the chunks. False: the host cannot, and they are still the caller's. */
static bool fetch_when_touched(struct saved *f, struct mem *mem, uint64_t gpa, struct save_chunks *c, const struct save_trouble *trouble)
{
    struct lazy_ram *l = calloc(1, sizeof *l);
    if (!l)
        return false;
    *l = (struct lazy_ram){.f = f, .chunks = *c, .trouble = *trouble};
    atomic_fetch_add(&f->owners, 1);
    recent_read(f->r, &l->recent);
    const struct mem_source source = {
        .chunk_bytes = SAVE_CHUNK_BYTES, .is_zero = ram_is_zero, .fill = ram_fill, .first = ram_first, .release = ram_release, .ctx = l};
    if (!mem_lazy_start(mem, gpa, &source, NULL)) {
        atomic_fetch_sub(&f->owners, 1);
        recent_free(&l->recent);
        free(l);
        return false;
    }
    *c = (struct save_chunks){0};
    return true;
}

static bool load_ram(struct saved *f, struct mem *mem, const struct mem_region *r, struct save_chunks *c, const struct save_trouble *trouble,
                     const struct save_progress *progress, struct pome_error *err)
{
    return mem_clear(mem, r->gpa, err) &&
           ((trouble && fetch_when_touched(f, mem, r->gpa, c, trouble)) || save_reader_memory(f->r, c, r->hva, progress, err));
}

/* Through a copy: guest and host may only read it. */
static bool load_rom(const struct saved *f, struct mem *mem, const struct mem_region *r, const struct save_chunks *c, struct pome_error *err)
{
    uint8_t *copy = calloc(1, r->bytes);
    bool ok = copy || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to restore a ROM");
    ok = ok && save_reader_memory(f->r, c, copy, NULL, err);
    ok = ok && (mem_rom_write(mem, r->gpa, copy, r->bytes) || pome_fail(err, POME_ERROR_RESTORE, "the ROM at 0x%" PRIx64 " cannot be written", r->gpa));
    free(copy);
    return ok;
}

static bool load_memory(struct saved *f, const struct save_subject *s, const struct save_trouble *trouble, const struct save_progress *progress,
                        struct pome_error *err)
{
    struct mem *mem = machine_mem(s->machine);
    const struct mem_region *r;
    char name[SAVE_NAME_MAX + 1];
    for (size_t i = 0; (r = mem_region(mem, i)); i++) {
        struct save_chunks c;
        memory_name(r, name);
        const struct save_section *there = save_reader_find(f->r, name);
        if (came_later(r, there))
            continue;
        if (!there)
            return is_missing(name, err);
        if (!take_chunks(f, there, &c, err))
            return false;
        bool ok = c.bytes == r->bytes || pome_fail(err, POME_ERROR_RESTORE, "%s: saved %" PRIu64 " bytes, present %" PRIu64, name, c.bytes, r->bytes);
        ok = ok && (r->read_only ? load_rom(f, mem, r, &c, err) : load_ram(f, mem, r, &c, trouble, progress, err));
        save_chunks_free(&c);
        if (!ok)
            return false;
    }
    return true;
}

/* Memory first: a device looks at its queues. vCPUs before the interrupt controller, which drives their lines. */
bool saved_load(struct saved *f, const struct save_subject *s, const struct save_trouble *trouble, const struct save_progress *progress,
                struct pome_error *err)
{
    struct loading l = {f, err};
    if (!load_memory(f, s, trouble, progress, err) || !load_variables(f, s, err) || !load_cpus(f, s, err) ||
        !machine_each_state(s->machine, load_state, &l) || !load_traffic(f, s, err))
        return false;
    machine_restored(s->machine);
    return true;
}
