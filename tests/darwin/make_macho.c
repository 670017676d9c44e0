/*
 * make_macho.c - turns a program that was linked as ELF into a Mach-O kernel, and files into Image4 payloads, for tests.
 *
 *     make_macho executable|fileset ELF OUT
 *     make_macho im4p-plain|im4p-lzfse|im4p-lzss TYPE FILE OUT
 */
#include "base/bits.h"
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
            segments[k] = (struct test_segment){names[k], p[i].p_vaddr - before, align_up(p[i].p_memsz + before, 0x4000), elf + p[i].p_offset, p[i].p_filesz, p[i].p_flags};
            k++;
        }
    /* XNU has segments without a size, also below the first one. */
    segments[k++] = (struct test_segment){"__EMPTY", 0xfffffe0000004000, 0, NULL, 0, 1};
    bool fileset = !strcmp(type, "fileset");
    const struct test_macho t = {fileset ? MACHO_FILESET : MACHO_EXECUTE, fileset ? MACHO_ARM64E : MACHO_ARM64_ALL, segments, k, e->e_entry, fileset ? entries : NULL};
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

int main(int argc, char **argv)
{
    if (argc == 4)
        make(argv[1], argv[2], argv[3]);
    else if (argc == 5)
        wrap(argv[1], argv[2], argv[3], argv[4]);
    else
        die("see the head of its source");
    return 0;
}
