/*
 * identity.c - HardwareModel and MachineIdentifier.
 *
 * Apple's encoder emits objects in the order of first use, 1-byte references and offsets, and shares equal
 * integers of equal width; representation 1 is written as a 16-byte integer, ECIDs from 2^63 on too.
 */
#include "formats/identity.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/bplist.h"

#include <assert.h>
#include <string.h>

static const struct platform platforms[] = {
    {1, 0xf8, 0xfe00, "Apple (withdrawn)"},
    {PLATFORM_APPLE, 0x20, 0xfe00, "Apple vma2"},
    {3, 0x90, 0xfe00, "Apple vresearch101"},
    {PLATFORM_POME, 0x70, 0xfe70, "Pome 1"},
};

const struct platform *platform_of(uint32_t version)
{
    for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
        if (platforms[i].version == version)
            return &platforms[i];
    return NULL;
}

/* --- writing --- */

enum { MAX_OBJECTS = 12 };

struct writer {
    uint8_t *out;
    size_t n;
    uint8_t offsets[MAX_OBJECTS];
    struct {
        uint64_t value;
        unsigned width; /* 0: not an integer */
    } objects[MAX_OBJECTS];
    unsigned count;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    memcpy(w->out + w->n, bytes, n);
    w->n += n;
}

static void put_byte(struct writer *w, unsigned b)
{
    w->out[w->n++] = (uint8_t)b;
}

static unsigned plan(struct writer *w, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < w->count && width; i++)
        if (w->objects[i].width == width && w->objects[i].value == value)
            return i;
    assert(w->count < MAX_OBJECTS);
    w->objects[w->count].value = value;
    w->objects[w->count].width = width;
    return w->count++;
}

static void put_text(struct writer *w, unsigned object, const char *text)
{
    size_t n = strlen(text);
    w->offsets[object] = (uint8_t)w->n;
    if (n < 15) {
        put_byte(w, 0x50 | (unsigned)n);
    } else {
        put_byte(w, 0x5f);
        put_byte(w, 0x10);
        put_byte(w, (unsigned)n);
    }
    put(w, text, n);
}

static void put_integer(struct writer *w, unsigned object)
{
    unsigned width = w->objects[object].width;
    w->offsets[object] = (uint8_t)w->n;
    put_byte(w, 0x10 | (unsigned)__builtin_ctz(width));
    for (unsigned i = width; i-- > 8;)
        put_byte(w, 0);
    for (unsigned i = MIN(width, 8u); i-- > 0;)
        put_byte(w, w->objects[object].value >> (8 * i) & 0xff);
}

static size_t put_trailer(struct writer *w)
{
    size_t table = w->n;
    uint8_t trailer[32] = {[6] = 1, [7] = 1};
    put(w, w->offsets, w->count);
    be64_put(trailer + 8, w->count);
    be64_put(trailer + 24, table);
    put(w, trailer, sizeof trailer);
    return w->n;
}

static unsigned width_of(uint32_t v)
{
    return v < 0x100 ? 1 : v < 0x10000 ? 2 : 4;
}

size_t hardware_model_write(const struct hardware_model *m, uint8_t out[HARDWARE_MODEL_MAX])
{
    static const char *const keys[] = {"DataRepresentationVersion", "PlatformVersion", "MinimumSupportedOS"};
    struct writer w = {.out = out};
    unsigned wide = m->representation == 1 && !m->short_version ? 16 : width_of(m->representation), os[3];
    for (int i = 0; i < 4; i++) /* the dict and its keys */
        plan(&w, 0, 0);
    unsigned representation = plan(&w, m->representation, wide);
    unsigned platform = plan(&w, m->platform, width_of(m->platform));
    unsigned array = plan(&w, 0, 0);
    for (int i = 0; i < 3; i++)
        os[i] = plan(&w, m->minimum_os[i], width_of(m->minimum_os[i]));

    put(&w, "bplist00", 8);
    w.offsets[0] = (uint8_t)w.n;
    put(&w, (uint8_t[]){0xd3, 1, 2, 3, (uint8_t)representation, (uint8_t)platform, (uint8_t)array}, 7);
    for (unsigned i = 0; i < 3; i++)
        put_text(&w, 1 + i, keys[i]);
    for (unsigned i = 4; i < w.count; i++)
        if (i == array) {
            w.offsets[i] = (uint8_t)w.n;
            put(&w, (uint8_t[]){0xa3, (uint8_t)os[0], (uint8_t)os[1], (uint8_t)os[2]}, 4);
        } else {
            put_integer(&w, i);
        }
    return put_trailer(&w);
}

size_t machine_identifier_write(uint64_t ecid, uint8_t out[MACHINE_IDENTIFIER_MAX])
{
    struct writer w = {.out = out};
    plan(&w, 0, 0);
    plan(&w, 0, 0);
    unsigned integer = plan(&w, ecid, ecid >> 63 ? 16 : 8);
    put(&w, "bplist00", 8);
    w.offsets[0] = (uint8_t)w.n;
    put(&w, (uint8_t[]){0xd1, 1, 2}, 3);
    put_text(&w, 1, "ECID");
    put_integer(&w, integer);
    return put_trailer(&w);
}

/* --- reading --- */

static bool get_u32(const struct bplist *b, const struct bplist_object *dict, const char *key, uint32_t *value, struct pome_error *err)
{
    struct bplist_object o;
    if (!bplist_get(b, dict, key, &o) || o.type != BPLIST_INTEGER || o.integer > UINT32_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "hardware model: no number %s", key);
    *value = (uint32_t)o.integer;
    return true;
}

bool hardware_model_read(const void *bytes, size_t n, struct hardware_model *m, struct pome_error *err)
{
    struct bplist b;
    struct bplist_object dict, array, item;
    *m = (struct hardware_model){0};
    if (!bplist_open(bytes, n, &b, err))
        return pome_fail_context(err, "hardware model");
    if (!bplist_object(&b, b.top, &dict) || dict.type != BPLIST_DICT)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "hardware model: not a dictionary");
    if (!get_u32(&b, &dict, "DataRepresentationVersion", &m->representation, err) ||
        !get_u32(&b, &dict, "PlatformVersion", &m->platform, err))
        return false;
    if (m->representation < 1 || m->representation > 2)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "hardware model: DataRepresentationVersion %u, known are 1 and 2", m->representation);
    if (!bplist_get(&b, &dict, "MinimumSupportedOS", &array) || array.type != BPLIST_ARRAY || array.count != 3)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "hardware model: MinimumSupportedOS is not three numbers");
    for (int i = 0; i < 3; i++) {
        if (!bplist_object(&b, bplist_reference(&b, &array, (uint64_t)i), &item) || item.type != BPLIST_INTEGER || item.integer > UINT32_MAX)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "hardware model: MinimumSupportedOS is not three numbers");
        m->minimum_os[i] = (uint32_t)item.integer;
    }
    uint8_t again[HARDWARE_MODEL_MAX];
    m->short_version = m->representation == 1 && hardware_model_write(m, again) != n;
    return true;
}

bool machine_identifier_read(const void *bytes, size_t n, uint64_t *ecid, struct pome_error *err)
{
    struct bplist b;
    struct bplist_object dict, o;
    if (!bplist_open(bytes, n, &b, err))
        return pome_fail_context(err, "machine identifier");
    if (!bplist_object(&b, b.top, &dict) || !bplist_get(&b, &dict, "ECID", &o) || o.type != BPLIST_INTEGER)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "machine identifier: no number ECID");
    *ecid = o.integer;
    return true;
}
