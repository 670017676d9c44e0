/*
 * elf.c - places an ELF program for arm64: a kernel that is no Linux Image, a hypervisor test, a unikernel (System V ABI, ELF for the Arm 64-bit
 * Architecture). Its segments go to their physical addresses; it is entered as Linux is, with the device tree's address in x0.
 */
#include "machine/board.h"

#include "backend/file_source.h"
#include "base/error.h"

#include <elf.h>
#include <inttypes.h>

enum { SEGMENTS_MAX = 64 };

static bool read_header(struct source *s, Elf64_Ehdr *e, struct pome_error *err)
{
    if (!source_read(s, 0, e, sizeof *e, err))
        return false;
    if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB || e->e_machine != EM_AARCH64)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: an ELF file for machine %u, needed 64-bit little-endian AArch64 (%d)", s->name, e->e_machine, EM_AARCH64);
    if (e->e_type != ET_EXEC && e->e_type != ET_DYN)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: an ELF file of type %u, needed a program", s->name, e->e_type);
    if (e->e_phentsize != sizeof(Elf64_Phdr) || !e->e_phnum || e->e_phnum > SEGMENTS_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %u program headers of %u bytes, needed 1 to %d of %zu", s->name, e->e_phnum, e->e_phentsize, SEGMENTS_MAX,
                         sizeof(Elf64_Phdr));
    return true;
}

static bool place_segment(struct machine *m, struct source *s, const Elf64_Phdr *p, uint64_t *end, struct pome_error *err)
{
    uint64_t ram = m->platform->ram_gpa, room = m->config.ram_bytes;
    if (p->p_paddr < ram || p->p_paddr - ram > room || p->p_memsz > room - (p->p_paddr - ram))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "%s: a segment of %" PRIu64 " bytes at physical address 0x%" PRIx64 ", memory is from 0x%" PRIx64 " to 0x%" PRIx64
                         " (a Linux vmlinux has an Image beside it: boot that)", s->name, (uint64_t)p->p_memsz, (uint64_t)p->p_paddr, ram, ram + room);
    if (p->p_filesz > p->p_memsz)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: a segment of %" PRIu64 " bytes holds %" PRIu64, s->name, (uint64_t)p->p_memsz, (uint64_t)p->p_filesz);
    *end = MAX(*end, p->p_paddr + p->p_memsz);
    uint8_t *to = mem_ptr(m->mem, p->p_paddr, p->p_memsz, true);
    memset(to + p->p_filesz, 0, p->p_memsz - p->p_filesz);
    return source_read(s, p->p_offset, to, p->p_filesz, err);
}

/* The entry is virtual, as addresses in the file are: it is in a segment, and so has a physical address. */
static bool place(struct machine *m, struct source *s, uint64_t *entry, uint64_t *end, struct pome_error *err)
{
    Elf64_Ehdr e;
    Elf64_Phdr p;
    bool found = false;
    if (!read_header(s, &e, err))
        return false;
    *end = m->platform->ram_gpa;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        if (!source_read(s, e.e_phoff + i * sizeof p, &p, sizeof p, err))
            return false;
        if (p.p_type != PT_LOAD || !p.p_memsz)
            continue;
        if (!place_segment(m, s, &p, end, err))
            return false;
        if (!found && e.e_entry >= p.p_vaddr && e.e_entry - p.p_vaddr < p.p_memsz) {
            *entry = e.e_entry - p.p_vaddr + p.p_paddr;
            found = true;
        }
    }
    return found || pome_fail(err, POME_ERROR_INVALID_DATA, "%s: its entry 0x%" PRIx64 " lies in no segment", s->name, (uint64_t)e.e_entry);
}

bool load_elf(struct machine *m, const struct machine_kernel *what, struct pome_error *err)
{
    uint64_t entry = 0, end = 0;
    struct source *s = source_file(what->kernel_path, err);
    bool ok = s && place(m, s, &entry, &end, err);
    source_close(s);
    return ok && place_companions(m, what, end, entry, err);
}
