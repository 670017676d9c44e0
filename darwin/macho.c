/*
 * macho.c - reads Mach-O headers and load commands (Apple's <mach-o/loader.h>, <mach-o/fixup-chains.h> is the kernel's own business).
 *
 *     header      u32 magic, CPU type, CPU subtype, file type, number and bytes of load commands, flags, reserved
 *     command     u32 command, u32 bytes (a multiple of 8), ...
 *     SEGMENT_64  +8 name[16], u64 address, memory bytes, file offset, file bytes, +60 u32 initial protection
 *     UNIXTHREAD  +8 u32 flavour, u32 count in words, then the registers; of flavour 6 the pc is number 32
 *     FILESET     +8 u64 address, u64 file offset, u32 offset of its name within the command
 */
#include "darwin/macho.h"

#include "base/bits.h"
#include "base/error.h"

#define MAGIC     0xfeedfacf
#define CPU_ARM64 0x0100000c

enum { SEGMENT_64 = 0x19, UNIXTHREAD = 0x5, UUID = 0x1b, FILESET_ENTRY = 0x35 };
#define REQUIRED 0x80000000 /* in a command's number: for the dynamic linker */

enum { SEGMENT_BYTES = 72, THREAD_STATE_64 = 6, THREAD_WORDS = 68, THREAD_PC = 16 + 32 * 8, ENTRY_BYTES = 32 };

bool macho_is(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    return n >= MACHO_HEAD && le32_get(p) == MAGIC && le32_get(p + 4) == CPU_ARM64;
}

static bool read_head(const uint8_t *p, size_t n, struct macho *m, struct pome_error *err)
{
    if (n < MACHO_HEAD || le32_get(p) != MAGIC)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: not a 64-bit little-endian file");
    if (le32_get(p + 4) != CPU_ARM64)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "Mach-O: for CPU type 0x%x, needed arm64 (0x%x)", le32_get(p + 4), CPU_ARM64);
    m->cpu_subtype = le32_get(p + 8) & 0xffffff; /* above: capabilities */
    m->file_type = le32_get(p + 12);
    m->commands = le32_get(p + 16);
    m->commands_bytes = le32_get(p + 20);
    m->flags = le32_get(p + 24);
    if (!macho_type_name(m->file_type))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "Mach-O: file type %u, needed an executable (%d) or a file set (%d)", m->file_type, MACHO_EXECUTE,
                         MACHO_FILESET);
    if (m->commands_bytes > n - MACHO_HEAD)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: %u bytes of load commands in a file of %zu", m->commands_bytes, n);
    return true;
}

/* The command at `at`; what it says of its length is right. */
static bool command_at(const struct macho *m, uint32_t at, uint32_t number, uint32_t *bytes, struct pome_error *err)
{
    uint32_t left = m->commands_bytes - at;
    *bytes = left >= 8 ? le32_get(m->bytes + MACHO_HEAD + at + 4) : 0;
    if (*bytes < 8 || *bytes % 8 || *bytes > left)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: load command %u: %u bytes, %u are left", number, *bytes, left);
    return true;
}

static bool add_segment(struct macho *m, const uint8_t *p, uint32_t bytes, struct pome_error *err)
{
    struct macho_segment s = {.name = ""};
    if (bytes < SEGMENT_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: a segment of %u bytes, needed %d", bytes, SEGMENT_BYTES);
    memcpy(s.name, p + 8, 16);
    s.address = le64_get(p + 24);
    s.memory_bytes = le64_get(p + 32);
    s.offset = le64_get(p + 40);
    s.file_bytes = le64_get(p + 48);
    s.protection = le32_get(p + 60);
    uint64_t end;
    if (!s.memory_bytes && !s.file_bytes)
        return true;
    if (s.file_bytes > s.memory_bytes || add_overflows(s.address, s.memory_bytes, &end))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: segment %s: %llu bytes at 0x%llx, %llu in the file", s.name,
                         (unsigned long long)s.memory_bytes, (unsigned long long)s.address, (unsigned long long)s.file_bytes);
    if (s.offset > m->n || s.file_bytes > m->n - s.offset)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: segment %s: bytes 0x%llx to 0x%llx of a file of 0x%zx", s.name, (unsigned long long)s.offset,
                         (unsigned long long)(s.offset + s.file_bytes), m->n);
    for (unsigned i = 0; i < m->n_segments; i++) {
        const struct macho_segment *o = &m->segments[i];
        if (s.address < o->address + o->memory_bytes && o->address < end)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: segments %s and %s overlap at 0x%llx", o->name, s.name,
                             (unsigned long long)MAX(s.address, o->address));
    }
    if (m->n_segments == MACHO_SEGMENTS_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: more than %d segments", MACHO_SEGMENTS_MAX);
    m->lowest = m->n_segments ? MIN(m->lowest, s.address) : s.address;
    m->end = MAX(m->end, end);
    m->segments[m->n_segments++] = s;
    return true;
}

static bool read_thread(struct macho *m, const uint8_t *p, uint32_t bytes, struct pome_error *err)
{
    if (bytes < 16 + THREAD_WORDS * 4 || le32_get(p + 8) != THREAD_STATE_64 || le32_get(p + 12) != THREAD_WORDS)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: LC_UNIXTHREAD of %u bytes holds no arm64 registers", bytes);
    m->entry = le64_get(p + THREAD_PC);
    m->has_entry = true;
    return true;
}

/* Its name ends within the command, its header lies in the file. */
static bool check_entry(struct macho *m, const uint8_t *p, uint32_t bytes, struct pome_error *err)
{
    uint32_t name = bytes >= ENTRY_BYTES ? le32_get(p + 24) : 0;
    if (name < ENTRY_BYTES || name >= bytes || !memchr(p + name, 0, bytes - name))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: entry %u of the file set has no name", m->n_entries);
    if (le64_get(p + 16) > m->n || m->n - le64_get(p + 16) < MACHO_HEAD)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: entry %u of the file set lies at 0x%llx of a file of 0x%zx", m->n_entries,
                         (unsigned long long)le64_get(p + 16), m->n);
    m->n_entries++;
    return true;
}

static bool read_command(struct macho *m, const uint8_t *p, uint32_t bytes, struct pome_error *err)
{
    switch (le32_get(p) & ~REQUIRED) {
    case SEGMENT_64: return add_segment(m, p, bytes, err);
    case UNIXTHREAD: return read_thread(m, p, bytes, err);
    case FILESET_ENTRY: return check_entry(m, p, bytes, err);
    case UUID:
        if (bytes < 24)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: LC_UUID of %u bytes", bytes);
        memcpy(m->uuid, p + 8, sizeof m->uuid);
        m->has_uuid = true;
    }
    return true;
}

static bool check_whole(struct macho *m, struct pome_error *err)
{
    bool header = false, entry = !m->has_entry;
    for (unsigned i = 0; i < m->n_segments; i++) {
        const struct macho_segment *s = &m->segments[i];
        if (!s->offset && s->file_bytes >= MACHO_HEAD + (uint64_t)m->commands_bytes) {
            m->header = s->address;
            header = true;
        }
        entry |= m->entry >= s->address && m->entry - s->address < s->file_bytes && !(m->entry % 4);
    }
    if (!header)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: no segment holds the header and its load commands");
    if (!entry)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "Mach-O: its entry 0x%llx lies in no segment", (unsigned long long)m->entry);
    return true;
}

bool macho_read(const void *bytes, size_t n, struct macho *m, struct pome_error *err)
{
    *m = (struct macho){.bytes = bytes, .n = n};
    if (!read_head(bytes, n, m, err))
        return false;
    uint32_t at = 0;
    for (uint32_t i = 0, step; i < m->commands; i++, at += step)
        if (!command_at(m, at, i, &step, err) || !read_command(m, m->bytes + MACHO_HEAD + at, step, err))
            return false;
    m->commands_bytes = at; /* what was checked, and is walked later */
    return check_whole(m, err);
}

const struct macho_segment *macho_segment(const struct macho *m, const char *name)
{
    for (unsigned i = 0; i < m->n_segments; i++)
        if (!strcmp(m->segments[i].name, name))
            return &m->segments[i];
    return NULL;
}

bool macho_next_entry(const struct macho *m, uint32_t *cursor, struct macho_entry *e)
{
    while (m->commands_bytes - *cursor >= 8) {
        const uint8_t *p = m->bytes + MACHO_HEAD + *cursor;
        *cursor += le32_get(p + 4); /* was checked */
        if ((le32_get(p) & ~REQUIRED) == FILESET_ENTRY) {
            *e = (struct macho_entry){(const char *)p + le32_get(p + 24), le64_get(p + 8), le64_get(p + 16)};
            return true;
        }
    }
    return false;
}

const char *macho_type_name(uint32_t file_type)
{
    return file_type == MACHO_EXECUTE ? "executable" : file_type == MACHO_FILESET ? "file set" : NULL;
}

const char *macho_cpu_name(uint32_t cpu_subtype)
{
    static const char *const names[] = {[MACHO_ARM64_ALL] = "arm64", [MACHO_ARM64_V8] = "arm64 v8", [MACHO_ARM64E] = "arm64e"};
    return cpu_subtype < ARRAY_SIZE(names) ? names[cpu_subtype] : NULL;
}
