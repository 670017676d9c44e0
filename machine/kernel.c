/* kernel.c - a kernel given on the host's side: which kind it is, and who places it. */
#include "machine/board.h"

#include "backend/file_source.h"
#include "base/error.h"
#include "darwin/macho.h"
#include "formats/image4_file.h"

enum { FIRST = 64 }; /* bytes that tell the kinds apart */

struct first_bytes {
    uint8_t bytes[FIRST];
    size_t n;
};

/* Ends the stream when it has enough. */
static bool take_first(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct first_bytes *f = user;
    size_t some = MIN(n, FIRST - f->n);
    memcpy(f->bytes + f->n, bytes, some);
    f->n += some;
    return f->n < FIRST;
}

static bool kind_of(const struct first_bytes *f, enum machine_kernel_kind *kind)
{
    const uint8_t *p = f->bytes;
    if (macho_is(p, f->n))
        *kind = MACHINE_KERNEL_DARWIN;
    else if (f->n >= 4 && !memcmp(p, "\177ELF", 4))
        *kind = MACHINE_KERNEL_ELF;
    else if ((f->n == FIRST && !memcmp(p + 56, "ARM\x64", 4)) || (f->n >= 2 && p[0] == 0x1f && p[1] == 0x8b))
        *kind = MACHINE_KERNEL_LINUX;
    else if (f->n >= 2 && p[0] == 'M' && p[1] == 'Z')
        *kind = MACHINE_KERNEL_EFI;
    else
        return false;
    return true;
}

bool machine_kernel_kind(const char *path, enum machine_kernel_kind *kind, struct pome_error *err)
{
    struct first_bytes first = {.n = 0};
    struct pome_error why = {0};
    struct source *s = source_file(path, err);
    if (!s)
        return false;
    bool whole = image4_content(s, UINT64_MAX, take_first, &first, &why);
    source_close(s);
    if (!whole && first.n < FIRST) {
        if (err)
            *err = why;
        return false;
    }
    return kind_of(&first, kind) ||
           pome_fail(err, POME_ERROR_INVALID_DATA,
                     "%s: no kernel that can be started: needed an arm64 Linux Image (plain or gzip'ed), an ELF or EFI program, or a Darwin kernel (Mach-O)", path);
}

bool machine_load_kernel(struct machine *m, const struct machine_kernel *what, struct pome_error *err)
{
    enum machine_kernel_kind kind;
    m->has_entry = false;
    if (!machine_kernel_kind(what->kernel_path, &kind, err))
        return false;
    switch (kind) {
    case MACHINE_KERNEL_DARWIN: return load_darwin(m, what, err);
    case MACHINE_KERNEL_LINUX: return load_linux(m, what, err);
    case MACHINE_KERNEL_ELF: return load_elf(m, what, err);
    case MACHINE_KERNEL_EFI: return load_efi(m, what, err);
    }
    return false;
}
