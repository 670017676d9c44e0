/* efi_firmware.c - see efi_firmware.h. */
#include "vm/efi_firmware.h"

#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where distributions put it: Debian and Ubuntu (qemu-efi-aarch64), Fedora and Arch (edk2-aarch64), openSUSE (qemu-uefi-aarch64). */
static const char *const places[] = {
    "/usr/share/AAVMF/AAVMF_CODE.fd",
    "/usr/share/edk2/aarch64/QEMU_EFI.fd",
    "/usr/share/edk2/aarch64/QEMU_EFI-silent-pflash.raw",
    "/usr/share/qemu/aavmf-aarch64-code.bin",
    "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
};

static const char *installed(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (!access(places[i], R_OK))
            return places[i];
    return NULL;
}

static bool read_all(int fd, const char *path, struct efi_firmware *f, struct pome_error *err)
{
    for (size_t at = 0; at < f->n;) {
        ssize_t n = pread(fd, (uint8_t *)f->bytes + at, f->n - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pome_fail_errno(err, "%s", path);
        if (!n)
            return pome_fail(err, POME_ERROR_IO, "%s: it became shorter while it was read", path);
        at += (size_t)n;
    }
    return true;
}

/* The reset vector is at the start: code, that is not zero and not erased flash. */
static bool check(const char *path, struct efi_firmware *f, struct pome_error *err)
{
    const uint8_t *p = f->bytes;
    while (f->n && !p[f->n - 1])
        f->n--;
    if (f->n < 4096 || !le32_get(p) || le32_get(p) == UINT32_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: no firmware: its first word is 0x%08x, %zu bytes are not zero", path,
                         f->n >= 4 ? le32_get(p) : 0, f->n);
    return true;
}

static bool load_fd(int fd, const char *path, struct efi_firmware *f, struct pome_error *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return pome_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: not a regular file", path);
    if ((uint64_t)st.st_size > EFI_FLASH_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %lld bytes, firmware has at most %llu", path, (long long)st.st_size,
                         (unsigned long long)EFI_FLASH_BYTES);
    f->n = (size_t)st.st_size;
    f->bytes = calloc(1, f->n + 1);
    if (!f->bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
    return read_all(fd, path, f, err) && check(path, f, err);
}

bool efi_firmware_load(const char *path, struct efi_firmware *f, struct pome_error *err)
{
    *f = (struct efi_firmware){0};
    if (!path && !(path = installed()))
        return pome_fail(err, POME_ERROR_NOT_FOUND,
                         "no UEFI firmware for arm64 is installed (looked for %s and others): install the package qemu-efi-aarch64, or name a file",
                         places[0]);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return pome_fail_errno(err, "%s", path);
    bool ok = load_fd(fd, path, f, err);
    close(fd);
    if (!ok)
        efi_firmware_free(f);
    return ok;
}

void efi_firmware_free(struct efi_firmware *f)
{
    free(f->bytes);
    *f = (struct efi_firmware){0};
}

bool efi_variables_create(const char *path, struct pome_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST || pome_fail_errno(err, "%s", path);
    bool ok = !ftruncate(fd, (off_t)EFI_FLASH_BYTES) && !fsync(fd);
    if (!ok)
        pome_fail_errno(err, "%s", path);
    close(fd);
    if (!ok)
        unlink(path);
    return ok;
}
