/*
 * stage2.c - the stage-2 firmware: picks a boot set, verifies it, starts its kernel.
 *
 * How it works: a boot set is a kernel, an initial ramdisk and a command line, each an IMG4 on a FAT32 volume. The normal
 * set's name is in /BOOT/ACTIVE of the iBootSystemContainer; the Recovery set lies in the RecoveryOSContainer. Start
 * options from the host or NVRAM ask for Recovery; a normal set that fails any check falls through to it. If that fails
 * too the reason is printed and the machine powers off.
 *
 * Memory (platform.h): kernel from 2 MiB above the start of RAM, the ramdisk behind it at the next 2 MiB, FDT and our
 * own data in the firmware window. An IMG4 is read so that its payload comes to lie where it is needed; nothing that
 * was read is used before its digest is found right.
 */
#include "firmware/cfg.h"
#include "firmware/fat.h"
#include "firmware/fdt_edit.h"
#include "firmware/fw.h"
#include "firmware/img4.h"
#include "firmware/kernel.h"
#include "firmware/nvram.h"
#include "firmware/platform.h"
#include "firmware/virtio_blk.h"

#define CMDLINE_MAX  4096
#define SET_CHARS    8
#define ALIGN_KERNEL UINT64_C(0x200000)
#define PEEK         4096
#define IMG4_EXTRA   0x10000 /* ticket and headers around a payload: more is refused */

void fw_uart_start(void);
_Noreturn void fw_enter(uint64_t target, uint64_t x0);
void fw_main(void);

struct boot_set {
    const char *label, *partition, *path; /* path: directory of the three files */
    const char *kernel_type, *ramdisk_type, *cmdline_type;
};

struct loaded {
    uint64_t kernel, ramdisk, ramdisk_end, end; /* end: first byte that is free above */
    char bootargs[CMDLINE_MAX];
    size_t bootargs_bytes;
};

static struct img4_machine machine;
static uint8_t banks[2 * NVRAM_BANK_BYTES] __attribute__((aligned(16)));
static uint8_t peek[PEEK] __attribute__((aligned(16)));
static uint8_t small_file[CMDLINE_MAX + IMG4_EXTRA] __attribute__((aligned(16)));
static struct loaded loaded;

/* An object of a set failed: the line that says so, and the reason again for the caller. */
static fw_why object_failed(const struct boot_set *set, const char *object, fw_why why)
{
    fw_print("boot failed: stage 2, %s %s, %s\n", set->label, object, why);
    return why;
}

static void make_path(char out[64], const char *directory, const char *name)
{
    size_t n = strlen(directory);
    memcpy(out, directory, n);
    memcpy(out + n, name, strlen(name) + 1);
}

/* Reads an IMG4 so that its payload starts at `at`; memory from there to `limit` is free, 4 KiB below it too. */
static fw_why load_payload(const struct fat *fs, const char *path, const char *type, uint64_t at, uint64_t limit,
                           struct img4 *img)
{
    struct fat_file file;
    size_t payload_at, payload_end;
    fw_why why = fat_find(fs, path, &file);
    if (why)
        return why;
    if (file.bytes < 64 || (why = fat_read(fs, &file, peek, file.bytes < PEEK ? file.bytes : PEEK)))
        return why ? why : "is too short";
    if ((why = img4_peek(peek, file.bytes < PEEK ? file.bytes : PEEK, file.bytes, &payload_at, &payload_end)))
        return why;
    if (payload_at > PEEK / 2 || file.bytes - (payload_end - payload_at) > IMG4_EXTRA)
        return "has too much around its payload";
    uint64_t start = at - payload_at;
    if (at > limit || (file.bytes + (uint64_t)SECTOR - 1) / SECTOR * SECTOR > limit - start)
        return "is larger than memory";
    if ((why = fat_read(fs, &file, (void *)start, file.bytes)))
        return why;
    why = img4_parse((const uint8_t *)start, file.bytes, img);
    if (!why && img->payload != (const uint8_t *)at)
        why = "changed while it was read";
    return why ? why : img4_verify(img, type, &machine);
}

static fw_why load_kernel(const struct fat *fs, const struct boot_set *set, const char *path, uint64_t limit)
{
    struct img4 img;
    struct kernel_image k;
    uint64_t begin = fw_now_us();
    fw_why why = load_payload(fs, path, set->kernel_type, FW_KERNEL_BASE, limit, &img);
    if (why || (why = kernel_parse(img.payload, img.payload_bytes, &k)))
        return why;
    loaded.kernel = FW_KERNEL_BASE + k.text_offset;
    if (k.memory_bytes > limit - loaded.kernel)
        return "needs more memory than the firmware can give";
    if (k.text_offset) { /* kernels since 5.8 ask for 0; overlapping move from the end */
        uint8_t *to = (uint8_t *)(uintptr_t)loaded.kernel;
        for (size_t i = img.payload_bytes; i--;)
            to[i] = img.payload[i];
    }
    loaded.end = loaded.kernel + k.memory_bytes;
    fw_print("pome stage2: %s: kernel %lu bytes, digest ok, %lu ms\n", set->label, (uint64_t)img.payload_bytes,
             (fw_now_us() - begin) / 1000);
    return NULL;
}

static fw_why load_ramdisk(const struct fat *fs, const struct boot_set *set, const char *path, uint64_t limit)
{
    struct img4 img;
    uint64_t begin = fw_now_us();
    /* One 2 MiB step of distance: the bytes before the payload must not touch the kernel's memory. */
    uint64_t at = (loaded.end + PEEK + ALIGN_KERNEL - 1) & ~(ALIGN_KERNEL - 1);
    fw_why why = load_payload(fs, path, set->ramdisk_type, at, limit, &img);
    if (why)
        return why;
    loaded.ramdisk = at;
    loaded.ramdisk_end = at + img.payload_bytes;
    fw_print("pome stage2: %s: ramdisk %lu bytes, digest ok, %lu ms\n", set->label, (uint64_t)img.payload_bytes,
             (fw_now_us() - begin) / 1000);
    return NULL;
}

static bool append_args(const char *text, size_t n)
{
    size_t at = loaded.bootargs_bytes;
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' ' || !text[n - 1]))
        n--;
    if (!n)
        return true;
    if (n + 2 > CMDLINE_MAX - at)
        return false;
    if (at)
        loaded.bootargs[at++] = ' ';
    memcpy(loaded.bootargs + at, text, n);
    loaded.bootargs_bytes = at + n;
    loaded.bootargs[at + n] = 0;
    return true;
}

static fw_why load_cmdline(const struct fat *fs, const struct boot_set *set, const char *path)
{
    struct img4 img;
    struct fat_file file;
    fw_why why = fat_find(fs, path, &file);
    if (why)
        return why;
    if (file.bytes > sizeof small_file)
        return "is too long";
    if ((why = fat_read(fs, &file, small_file, file.bytes)) || (why = img4_parse(small_file, file.bytes, &img)) ||
        (why = img4_verify(&img, set->cmdline_type, &machine)))
        return why;
    loaded.bootargs_bytes = 0;
    loaded.bootargs[0] = 0;
    for (size_t i = 0; i < img.payload_bytes; i++)
        if (img.payload[i] < ' ' && img.payload[i] != '\n')
            return "holds control characters";
    return append_args((const char *)img.payload, img.payload_bytes) ? NULL : "is too long";
}

static fw_why load_set(const struct fat *fs, const struct boot_set *set)
{
    char path[64];
    fw_why why;
    make_path(path, set->path, "/KERNEL.IM4");
    if ((why = load_kernel(fs, set, path, FW_WINDOW)))
        return object_failed(set, "kernel", why);
    make_path(path, set->path, "/RAMDISK.IM4");
    if ((why = load_ramdisk(fs, set, path, FW_WINDOW)))
        return object_failed(set, "ramdisk", why);
    make_path(path, set->path, "/CMDLINE.IM4");
    if ((why = load_cmdline(fs, set, path)))
        return object_failed(set, "command line", why);
    return NULL;
}

static fw_why open_volume(struct disk *disk, const char *partition, struct fat *fs)
{
    struct partition part;
    fw_why why = gpt_find(disk, partition, &part);
    return why ? why : fat_open(part, fs);
}

/* The policy says nothing yet beyond "made for this machine": its switches come with the signatures. */
static fw_why check_policy(const struct fat *fs)
{
    struct fat_file file;
    struct img4 img;
    fw_why why = fat_find(fs, "/POLICY/LOCAL.IM4", &file);
    if (why)
        return why;
    if (file.bytes > sizeof small_file)
        return "is too long";
    if ((why = fat_read(fs, &file, small_file, file.bytes)) || (why = img4_parse(small_file, file.bytes, &img)))
        return why;
    return img4_verify_binding(&img, "lpol", &machine);
}

/* /BOOT/ACTIVE: the name of the set, 8 hexadecimal digits; upper case is the form on the volume. */
static fw_why read_active(const struct fat *fs, char name[SET_CHARS + 1])
{
    struct fat_file file;
    fw_why why = fat_find(fs, "/BOOT/ACTIVE", &file);
    if (why)
        return why;
    if (file.bytes < SET_CHARS || file.bytes > PEEK || (why = fat_read(fs, &file, peek, file.bytes)))
        return why ? why : "has an impossible length";
    for (int i = 0; i < SET_CHARS; i++) {
        char c = (char)peek[i];
        if (c >= 'a' && c <= 'f')
            c = (char)(c - 'a' + 'A');
        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'F'))
            return "is not a boot set's name";
        name[i] = c;
    }
    name[SET_CHARS] = 0;
    return NULL;
}

static fw_why load_normal(struct disk *disk)
{
    static char label[] = "boot set ________", path[] = "/BOOT/________";
    struct boot_set set = {"normal start:", "iBootSystemContainer", path, "krnl", "rdsk", "kcmd"};
    struct fat fs;
    char name[SET_CHARS + 1];
    fw_why why = open_volume(disk, set.partition, &fs);
    if (why)
        return object_failed(&set, set.partition, why);
    if ((why = check_policy(&fs)))
        return object_failed(&set, "LocalPolicy", why);
    if ((why = read_active(&fs, name)))
        return object_failed(&set, "/BOOT/ACTIVE", why);
    memcpy(label + sizeof label - 1 - SET_CHARS, name, SET_CHARS);
    memcpy(path + sizeof path - 1 - SET_CHARS, name, SET_CHARS);
    set.label = label;
    return load_set(&fs, &set);
}

static fw_why load_recovery(struct disk *disk)
{
    static const struct boot_set set = {"recovery", "RecoveryOSContainer", "/BOOT", "rkrn", "rrdk", "rcmd"};
    struct fat fs;
    fw_why why = open_volume(disk, set.partition, &fs);
    return why ? object_failed(&set, set.partition, why) : load_set(&fs, &set);
}

static bool is_value(const struct nvram *nv, const char *name, const char *value)
{
    size_t n;
    const char *p = nvram_get(nv, name, &n);
    return p && fw_same(p, value);
}

/* Reads NVRAM; true if it asks for Recovery. recovery-boot-mode counts for one start and is taken away here. */
static bool nvram_wants_recovery(struct disk *flash, struct nvram *nv, bool *have)
{
    fw_why why = nvram_load(flash, banks, nv);
    *have = !why;
    if (why) {
        fw_print("pome stage2: NVRAM: %s; going on without\n", why);
        return false;
    }
    fw_print("pome stage2: NVRAM bank %u, generation %u\n", (uint32_t)nv->current, nv->generation);
    if (nvram_remove(nv, "recovery-boot-mode")) {
        if ((why = nvram_store(flash, nv)))
            fw_print("pome stage2: NVRAM: cannot clear recovery-boot-mode: %s\n", why);
        return true;
    }
    return is_value(nv, "auto-boot", "false");
}

/* The FDT that Pome wrote with /chosen filled in; returns its new place. */
static fw_why make_fdt(void)
{
    struct fdt_chosen chosen = {loaded.bootargs, loaded.ramdisk, loaded.ramdisk_end};
    const uint8_t *fdt = (const uint8_t *)(uintptr_t)fw_cfg64(FW_CFG_FDT);
    size_t bytes, n;
    const char *host_args = fdt_bootargs(fdt, fw_cfg64(FW_CFG_FDT_SIZE), &n);
    if (host_args && !append_args(host_args, n))
        return "command line is too long";
    return fdt_edit_chosen(fdt, fw_cfg64(FW_CFG_FDT_SIZE), &chosen, (uint8_t *)(uintptr_t)FW_FDT_BASE, FW_FDT_SIZE,
                           &bytes);
}

/* The tree must survive until make_fdt: it has to lie in the first 2 MiB of RAM or above the firmware's window. */
static fw_why check_fdt_place(void)
{
    uint64_t at = fw_cfg64(FW_CFG_FDT), n = fw_cfg64(FW_CFG_FDT_SIZE), ram = FW_RAM_BASE;
    if (n > FW_FDT_SIZE || at < ram || at - ram > fw_cfg64(FW_CFG_RAM_SIZE) - n)
        return "lies outside memory";
    if (at + n > FW_KERNEL_BASE - PEEK && at < FW_WINDOW + FW_WINDOW_SIZE)
        return "lies where the kernel or the firmware goes";
    return NULL;
}

static _Noreturn void give_up(const char *object, fw_why why)
{
    fw_print("boot failed: stage 2, %s, %s\n", object, why);
    fw_give_up();
}

void fw_main(void)
{
    struct disk *flash, *disk;
    struct nvram nv;
    bool have_nvram, recovery;
    size_t n;
    uint32_t start = fw_cfg32(FW_CFG_START);
    uint64_t begin = fw_now_us();

    machine = (struct img4_machine){fw_cfg64(FW_CFG_ECID), fw_cfg32(FW_CFG_BOARD), FW_CHIP_ID};
    fw_uart_start();
    fw_print("pome stage2: version %s\n", POME_VERSION);
    if (start & FW_START_STOP_STAGE2)
        fw_stop("stage 2");
    fw_why why = check_fdt_place();
    if (why)
        give_up("device tree", why);
    if ((why = virtio_blk_find("aux", &flash)))
        give_up("flash", why);
    recovery = nvram_wants_recovery(flash, &nv, &have_nvram);
    if (start & FW_START_RECOVERY)
        recovery = true;
    if ((why = virtio_blk_find("root", &disk)))
        give_up("disk", why);

    if (recovery) {
        fw_print("pome stage2: Recovery was asked for\n");
    } else if (load_normal(disk)) {
        fw_print("pome stage2: the normal boot set cannot start, trying Recovery\n");
        recovery = true;
    }
    if (recovery && load_recovery(disk)) {
        fw_print("pome stage2: Recovery cannot start either: restore needed\n");
        fw_give_up();
    }
    const char *args = have_nvram ? nvram_get(&nv, "boot-args", &n) : NULL;
    if (args && !append_args(args, n))
        give_up("boot-args", "command line is too long");
    if ((why = make_fdt()))
        give_up("device tree", why);
    virtio_blk_release();
    if (start & FW_START_VERBOSE)
        fw_print("pome stage2: kernel at 0x%lx, ramdisk 0x%lx-0x%lx, command line: %s\n", loaded.kernel, loaded.ramdisk,
                 loaded.ramdisk_end, loaded.bootargs);
    fw_print("pome stage2: starting the kernel after %lu ms\n", (fw_now_us() - begin) / 1000);
    fw_enter(loaded.kernel, FW_FDT_BASE);
}
