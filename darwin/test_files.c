/* test_files.c - Mach-O files for tests (see test_files.h, and macho.c for the layout). */
#include "darwin/test_files.h"

#include "base/bits.h"

enum { COMMANDS_AT = MACHO_HEAD, SEGMENT_BYTES = 72, THREAD_BYTES = 16 + 68 * 4, UUID_BYTES = 24 };

static uint8_t *begin(uint8_t **at, uint32_t command, uint32_t bytes)
{
    uint8_t *p = *at;
    memset(p, 0, bytes);
    le32_put(p, command);
    le32_put(p + 4, bytes);
    *at += bytes;
    return p;
}

static void put_segment(uint8_t **at, const struct test_segment *s, uint64_t offset, uint64_t bytes)
{
    uint8_t *p = begin(at, 0x19, SEGMENT_BYTES);
    memcpy(p + 8, s->name, MIN(strlen(s->name), 16));
    le64_put(p + 24, s->address);
    le64_put(p + 32, s->memory_bytes);
    le64_put(p + 40, offset);
    le64_put(p + 48, bytes);
    le32_put(p + 56, 7);
    le32_put(p + 60, s->protection);
}

static void put_entry(uint8_t **at, const char *name)
{
    uint32_t bytes = 32 + (uint32_t)align_up(strlen(name) + 1, 8);
    uint8_t *p = begin(at, 0x80000035, bytes);
    le32_put(p + 24, 32);
    memcpy(p + 32, name, strlen(name));
}

static void put_head(uint8_t *out, const struct test_macho *t, uint32_t commands, const uint8_t *end)
{
    le32_put(out, 0xfeedfacf);
    le32_put(out + 4, 0x0100000c);
    le32_put(out + 8, t->cpu_subtype);
    le32_put(out + 12, t->file_type);
    le32_put(out + 16, commands);
    le32_put(out + 20, (uint32_t)(end - out - COMMANDS_AT));
    le32_put(out + 24, 0x00200001); /* NOUNDEFS, PIE */
}

size_t test_macho_write(const struct test_macho *t, uint8_t *out)
{
    uint8_t head[TEST_MACHO_HEADER] = {0}, *at = head + COMMANDS_AT;
    uint32_t commands = 0;
    uint64_t offset = 0, page = t->page ? t->page : TEST_MACHO_HEADER;
    for (size_t i = 0; i < t->n_segments; i++, commands++) {
        const struct test_segment *s = &t->segments[i];
        uint64_t bytes = s->n + (i ? 0 : page);
        put_segment(&at, s, s->memory_bytes ? offset : 0, s->memory_bytes ? bytes : 0);
        if (out && s->n)
            memcpy(out + offset + bytes - s->n, s->bytes, s->n);
        offset += s->memory_bytes ? align_up(bytes, page) : 0;
    }
    memcpy(begin(&at, 0x1b, UUID_BYTES) + 8, "Pome's test file", 16);
    commands++;
    if (t->entry) {
        uint8_t *p = begin(&at, 0x5, THREAD_BYTES);
        le32_put(p + 8, 6);
        le32_put(p + 12, 68);
        le64_put(p + 16 + 32 * 8, t->entry);
        commands++;
    }
    for (const char *const *e = t->entries; e && *e; e++, commands++)
        put_entry(&at, *e);
    put_head(head, t, commands, at);
    if (out)
        memcpy(out, head, page);
    return offset;
}
