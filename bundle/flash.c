/* flash.c - NVRAM in a bundle's AuxiliaryStorage. */
#include "bundle/flash.h"
#include "base/error.h"
#include "formats/aux_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static off_t bank_at(int bank)
{
    return (off_t)(AUX_FLASH_OFFSET + AUX_NVRAM_BANK((unsigned)bank));
}

static bool read_bank(const struct flash *f, int bank, uint8_t *to, struct pome_error *err)
{
    ssize_t n = pread(f->fd, to, NVRAM_BANK_BYTES, bank_at(bank));
    return n == NVRAM_BANK_BYTES || pome_fail_errno(err, "%s/AuxiliaryStorage: cannot read NVRAM bank %d", f->path, bank);
}

static bool load(struct flash *f, bool damaged_too, struct pome_error *err)
{
    uint8_t *other = malloc(NVRAM_BANK_BYTES);
    bool ok = other || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for NVRAM", f->path);
    ok = ok && read_bank(f, 0, f->bank, err) && read_bank(f, 1, other, err);
    if (ok && (f->current = nvram_current(f->bank, other)) == 1)
        memcpy(f->bank, other, NVRAM_BANK_BYTES);
    free(other);
    if (!ok)
        return false;
    if (f->current >= 0)
        return nvram_bank_valid(f->bank, &f->generation);
    return damaged_too || pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/AuxiliaryStorage: neither NVRAM bank is valid", f->path);
}

struct flash *flash_open(const struct bundle *b, bool damaged_too, struct pome_error *err)
{
    struct flash *f = calloc(1, sizeof *f);
    if (!f) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for NVRAM", b->path);
        return NULL;
    }
    f->path = b->path;
    f->fd = bundle_member_open(b, BUNDLE_AUX, O_RDWR, err);
    if (f->fd >= 0 && load(f, damaged_too, err))
        return f;
    flash_close(f);
    return NULL;
}

void flash_close(struct flash *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

bool flash_write(struct flash *f, struct pome_error *err)
{
    int older = f->current == 0;
    nvram_bank_finish(f->bank, f->generation + 1);
    for (size_t done = 0; done < NVRAM_BANK_BYTES;) {
        ssize_t n = pwrite(f->fd, f->bank + done, NVRAM_BANK_BYTES - done, bank_at(older) + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return pome_fail_errno(err, "%s/AuxiliaryStorage: cannot write NVRAM bank %d", f->path, older);
        done += (size_t)n;
    }
    if (fdatasync(f->fd))
        return pome_fail_errno(err, "%s/AuxiliaryStorage: cannot sync", f->path);
    f->current = older;
    f->generation++;
    return true;
}
