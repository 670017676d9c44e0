/* install_aux.c - the step that writes AuxiliaryStorage: firmware area and NVRAM (docs/boot.md §4). */
#include "restore/install.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/aux_storage.h"
#include "formats/guid.h"
#include "formats/nvram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool write_flash(const struct install *in, const void *bytes, size_t n, uint64_t offset, struct pome_error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t w = pwrite(in->aux_fd, (const char *)bytes + done, n - done, (off_t)(AUX_FLASH_OFFSET + offset + done));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s/AuxiliaryStorage: cannot write", in->bundle->path);
        done += (size_t)w;
    }
    return true;
}

/* --- NVRAM --- */

static bool set_text(uint8_t *bank, enum nvram_partition p, const char *name, const char *text, struct pome_error *err)
{
    return nvram_set(bank, p, name, text, strlen(text), err);
}

static bool set_variables(const struct install *in, uint8_t *bank, struct pome_error *err)
{
    char type[GUID_TEXT], partition[GUID_TEXT], group[GUID_TEXT], volume[3 * GUID_TEXT + 4];
    uint8_t misc[24] = {1, 1, [12] = 1};
    const struct gpt_partition *p = &in->gpt.partitions[LAYOUT_MAIN];
    guid_text_raw(p->type, type);
    guid_text_raw(p->unique, partition);
    guid_text_raw(in->volume_group, group);
    snprintf(volume, sizeof volume, "%s:%s:%s", type, partition, group);
    return set_text(bank, NVRAM_COMMON, "auto-boot", "true", err) && set_text(bank, NVRAM_COMMON, "boot-args", "", err) &&
           set_text(bank, NVRAM_COMMON, "boot-volume", volume, err) &&
           nonces_to_nvram(bank, 0, in->nonces, sizeof in->nonces, &in->boot_nonce, err) &&
           nvram_set(bank, NVRAM_SYSTEM, "boop-storage-misc", misc, sizeof misc, err);
}

/* Both banks hold the same; the second is current. */
static bool write_nvram(const struct install *in, struct pome_error *err)
{
    uint8_t *bank = malloc(NVRAM_BANK_BYTES);
    if (!bank)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for NVRAM");
    nvram_bank_init(bank);
    bool ok = set_variables(in, bank, err);
    for (uint32_t i = 0; i < 2 && ok; i++) {
        nvram_bank_finish(bank, i + 1);
        ok = write_flash(in, bank, NVRAM_BANK_BYTES, AUX_NVRAM_BANK(i), err);
    }
    free(bank);
    return ok;
}

/* --- firmware --- */

struct firmware {
    struct install *in;
    uint64_t at;
};

static bool copy_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    const struct firmware *f = user;
    return write_flash(f->in, bytes, n, f->at + offset, err);
}

/* A component as IMG4 with the firmware ticket, at *at in the flash; *at is then behind it. */
static bool write_img4(struct install *in, const char *name, const char *type, const uint8_t *im4r, size_t im4r_size, uint64_t *at,
                       struct pome_error *err)
{
    const struct manifest_component *c = install_component(in, name);
    const struct ticket *t = &in->tickets[TICKET_FIRMWARE];
    struct im4p p;
    struct img4_frame *f = malloc(sizeof *f);
    if (!f)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the firmware");
    bool ok = restore_image_im4p(in->image, c, type, &p, err);
    if (ok && (!img4_frame(p.size, t->der, t->size, im4r, im4r_size, f) ||
               *at + f->head_size + p.size + f->tail_size > AUX_FIRMWARE + AUX_FIRMWARE_MAX))
        ok = pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: %llu bytes do not fit the firmware area of %llu", name, (unsigned long long)p.size,
                       (unsigned long long)AUX_FIRMWARE_MAX);
    struct firmware w = {in, *at + (ok ? f->head_size : 0)};
    ok = ok && write_flash(in, f->head, f->head_size, *at, err) && restore_image_read(in->image, c, copy_piece, &w, NULL, err) &&
         write_flash(in, f->tail, f->tail_size, w.at + p.size, err);
    if (ok)
        *at = w.at + p.size + f->tail_size;
    free(f);
    return ok;
}

/* The first stage, and behind it the logo that Apple's shows. */
static bool write_firmware(struct install *in, struct pome_error *err)
{
    uint8_t im4r[IMAGE4_IM4R_MAX];
    uint64_t at = AUX_FIRMWARE;
    bool logo = restore_image_family(in->image) == RESTORE_APPLE && manifest_component(&in->image->manifest, "AppleLogo");
    return write_img4(in, "LLB", "illb", im4r, im4r_write(in->boot_nonce, im4r), &at, err) && (!logo || write_img4(in, "AppleLogo", "logo", NULL, 0, &at, err));
}

/* --- the step --- */

/* A new file with nothing but the wrapper in the place of the old one, in one step. */
static bool empty_aux(struct install *in, const struct aux_trust *trust, struct pome_error *err)
{
    uint8_t wrapper[AUX_WRAPPER_BYTES];
    const struct platform *p = platform_of(in->bundle->model.platform);
    aux_wrapper_write(&(struct aux_wrapper){in->bundle->ecid, p->board, p->chip, *trust}, wrapper);
    if (!bundle_member_make_sparse(in->bundle, BUNDLE_AUX, AUX_BYTES, wrapper, sizeof wrapper, err))
        return false;
    close(in->aux_fd);
    in->aux_fd = bundle_member_open(in->bundle, BUNDLE_AUX, O_RDWR, err);
    return in->aux_fd >= 0;
}

void install_empty_aux(struct install *in)
{
    struct pome_error err = {0};
    if (!empty_aux(in, &(struct aux_trust){0}, &err))
        log_host(in->log, "org.pome.install", "aux", LOG_LEVEL_ERROR, "it cannot be emptied: %s", err.message);
}

/* Flash that holds nothing reads as 0xFF, the panic area as 0. */
static bool erase(struct install *in, struct pome_error *err)
{
    uint8_t *block = malloc(MiB);
    bool ok = block;
    if (!ok)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the flash");
    memset(block, 0xff, MiB);
    for (uint64_t at = 0; ok && at < AUX_FLASH_BYTES; at += MiB)
        if (at < AUX_PANIC || at >= AUX_PANIC + AUX_PANIC_BYTES)
            ok = write_flash(in, block, MiB, at, err) && install_progress(in, at, AUX_FLASH_BYTES, err);
    free(block);
    return ok;
}

bool install_aux(struct install *in, struct pome_error *err)
{
    uint8_t header[AUX_FLASH_HEADER_BYTES];
    aux_flash_header_write(header);
    return empty_aux(in, &in->trust, err) && erase(in, err) && write_flash(in, header, sizeof header, 0, err) && write_firmware(in, err) && write_nvram(in, err);
}
