/*
 * make_macho.c - turns a program that was linked as ELF into a Mach-O kernel, and files into Image4 payloads, for tests.
 *
 *     make_macho executable|fileset ELF OUT
 *     make_macho im4p-plain|im4p-lzfse|im4p-lzss TYPE FILE OUT
 *     make_macho tree CPUS OUT                    a device tree as a restore image has it: much is left to the boot loader
 *     make_macho seed OUT                         a small file set for fuzz/corpus/macho
 */
#include "base/bits.h"
#include "darwin/adt.h"
#include "darwin/test_files.h"
#include "formats/image4.h"
#include "formats/lzfse.h"
#include "formats/lzss.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "make_macho: %s\n", what);
    exit(1);
}

static uint8_t *read_all(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    enum { MOST = 64 << 20 };
    uint8_t *bytes = malloc(MOST);
    if (!f || !bytes || (*n = fread(bytes, 1, MOST, f)) == 0 || *n == MOST)
        die(path);
    fclose(f);
    return bytes;
}

static void write_all(const char *path, const void *head, size_t head_n, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || (head_n && fwrite(head, head_n, 1, f) != 1) || fwrite(bytes, n, 1, f) != 1 || fclose(f))
        die(path);
}

static uint32_t protection_of(uint32_t flags)
{
    return (flags & PF_R ? 1 : 0) | (flags & PF_W ? 2 : 0) | (flags & PF_X ? 4 : 0);
}

/* Program headers become segments; the first one gets the page before it, for the header. */
static void make(const char *type, const char *elf_path, const char *out_path)
{
    static const char *const names[] = {"__TEXT", "__DATA", "__MORE"}, *const entries[] = {"com.apple.kernel", "org.pome.test", NULL};
    size_t n;
    const uint8_t *elf = read_all(elf_path, &n);
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)elf;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(elf + e->e_phoff);
    struct test_segment segments[4];
    size_t k = 0;
    for (int i = 0; i < e->e_phnum && k < ARRAY_SIZE(names); i++)
        if (p[i].p_type == PT_LOAD) {
            uint64_t before = k ? 0 : TEST_MACHO_HEADER;
            segments[k] = (struct test_segment){names[k], p[i].p_vaddr - before, align_up(p[i].p_memsz + before, 0x4000), elf + p[i].p_offset, p[i].p_filesz, protection_of(p[i].p_flags)};
            k++;
        }
    /* XNU has segments without a size, also below the first one. */
    segments[k++] = (struct test_segment){"__EMPTY", 0xfffffe0000004000, 0, NULL, 0, 1};
    bool fileset = !strcmp(type, "fileset");
    const struct test_macho t = {fileset ? MACHO_FILESET : MACHO_EXECUTE, fileset ? MACHO_ARM64E : MACHO_ARM64_ALL, segments, k, e->e_entry, .entries = fileset ? entries : NULL};
    size_t bytes = test_macho_write(&t, NULL);
    uint8_t *out = calloc(1, bytes);
    if (!out)
        die("no memory");
    test_macho_write(&t, out);
    write_all(out_path, NULL, 0, out, bytes);
    free(out);
}

static void wrap(const char *how, const char *type, const char *path, const char *out_path)
{
    size_t n, packed_n;
    uint8_t *bytes = read_all(path, &n), *packed = malloc(MAX(lzfse_bound(n), LZSS_HEAD + n + n / 8 + 1)), head[IMAGE4_HEAD_MAX];
    if (!packed)
        die("no memory");
    if (!strcmp(how, "im4p-lzfse"))
        packed_n = lzfse_encode(bytes, n, packed);
    else if (!strcmp(how, "im4p-lzss"))
        packed_n = lzss_encode(bytes, n, packed);
    else
        memcpy(packed, bytes, packed_n = n);
    write_all(out_path, head, im4p_write_head(type, "test", packed_n, head), packed, packed_n);
    free(packed);
    free(bytes);
}

/* For the devices of the Apple-style platform (docs/machine.md), with two CPUs in use. */
static void make_tree(unsigned cpus, const char *out_path)
{
    static uint8_t bytes[65536];
    static const uint8_t zeros[256];
    struct adt t;
    adt_begin(&t, bytes, sizeof bytes, "device-tree");
    adt_set_text(&t, ADT_ROOT, "compatible", "AppleVirtualPlatformARM");
    size_t chosen = adt_add(&t, ADT_ROOT, "chosen");
    adt_set(&t, chosen, "random-seed", zeros, sizeof zeros);
    adt_set_u64(&t, chosen, "dram-base", 0);
    adt_set_text(&t, chosen, "of-the-file", "kept");
    adt_set(&t, adt_add(&t, chosen, "memory-map"), "RAMDisk", zeros, 16);
    size_t parent = adt_add(&t, ADT_ROOT, "cpus");
    for (unsigned i = 0; i < cpus; i++) {
        char name[16];
        snprintf(name, sizeof name, "cpu%u", i);
        size_t cpu = adt_add(&t, parent, name);
        adt_set_u32(&t, cpu, "reg", i);
        adt_set_text(&t, cpu, "state", "waiting");
    }
    size_t arm_io = adt_add(&t, ADT_ROOT, "arm-io");
    ADT_SET_U64S(&t, arm_io, "ranges", 0, 0x10000000, 0x60000000);
    ADT_SET_U64S(&t, adt_add(&t, arm_io, "gic"), "reg", 0, 0x10000, 0x10000, 2 * 0x20000);
    ADT_SET_U64S(&t, adt_add(&t, arm_io, "uart0"), "reg", 0x10010000, 0x1000);
    write_all(out_path, NULL, 0, bytes, t.n);
}

static void make_seed(const char *out_path)
{
    static const char *const entries[] = {"com.apple.kernel", NULL};
    static const struct test_segment segments[] = {
        {"__TEXT", 0xfffffe0007004000, 0x8000, "code code code", 14, 5}, {"__DATA", 0xfffffe0007010000, 0x20000, "data", 4, 3}};
    const struct test_macho t = {MACHO_FILESET, MACHO_ARM64E, segments, ARRAY_SIZE(segments), 0xfffffe0007004400, 0x400, entries};
    static uint8_t out[0x2000];
    write_all(out_path, NULL, 0, out, test_macho_write(&t, out));
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "seed"))
        make_seed(argv[2]);
    else if (argc == 4 && !strcmp(argv[1], "tree"))
        make_tree((unsigned)atoi(argv[2]), argv[3]);
    else if (argc == 4)
        make(argv[1], argv[2], argv[3]);
    else if (argc == 5)
        wrap(argv[1], argv[2], argv[3], argv[4]);
    else
        die("see the head of its source");
    return 0;
}
