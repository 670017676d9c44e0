/*
 * stage2.c - the stage-2 firmware: picks a boot set, verifies it, starts its kernel.
 *
 * How it works: the LocalPolicy on the iBootSystemContainer says how strict to be. Sets lie there in folders of eight hexadecimal
 * digits: /BOOT/PENDING names one that was made in the guest, /BOOT/ACTIVE the last one that was signed. Recovery lies in
 * the RecoveryOSContainer. Start options from the host or NVRAM ask for Recovery; a normal start in which no set passes
 * every check falls through to it; when that fails too, the picker asks what to do. Without an answer the machine reports
 * a panic and powers off.
 */
#include "firmware/boot_args.h"
#include "firmware/cfg.h"
#include "firmware/darwin.h"
#include "firmware/fdt_edit.h"
#include "firmware/nvram.h"
#include "firmware/picker.h"
#include "firmware/platform.h"
#include "firmware/set.h"
#include "firmware/virtio_blk.h"

#define SET_CHARS   8
#define POLICY_MAX  0x8000
#define ASK_US      UINT64_C(10000000)
#define LOW_MEMORY  4096 /* bytes of an IM4P before its payload lie that far below the kernel at most */

void fw_uart_start(void);
_Noreturn void fw_enter(uint64_t target, uint64_t x0);
void fw_main(void);

/* The volume with the normal sets. */
struct system {
    bool open; /* it could be read, and its policy is right */
    struct fat fs;
    struct policy policy;
    char pending[SET_CHARS + 1], active[SET_CHARS + 1]; /* empty: none */
};

static struct machine machine;
static uint8_t banks[2 * NVRAM_BANK_BYTES] __attribute__((aligned(16)));
static uint8_t small_file[POLICY_MAX] __attribute__((aligned(16)));
static struct loaded loaded;
static struct system system;
static const char *started; /* the set: "1A2B3C4D" or "recovery" */

static const char recovery_name[] = "recovery";
static const char container[] = "iBootSystemContainer", recovery_container[] = "RecoveryOSContainer";

static fw_why open_volume(struct disk *disk, const char *partition, struct fat *fs)
{
    struct partition part;
    fw_why why = gpt_find(disk, partition, &part);
    return why ? why : fat_open(part, fs);
}

/* --- the system's volume --- */

/* A set's name: 8 hexadecimal digits; upper case is the form on the volume. */
static fw_why read_name(const char *path, char name[SET_CHARS + 1])
{
    size_t n;
    char text[SET_CHARS];
    fw_why why = set_read_small(&system.fs, path, small_file, sizeof small_file, &n);
    if (why)
        return why;
    if (n < SET_CHARS)
        return "is not a boot set's name";
    for (int i = 0; i < SET_CHARS; i++) {
        char c = (char)small_file[i];
        if (c >= 'a' && c <= 'f')
            c = (char)(c - 'a' + 'A');
        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'F'))
            return "is not a boot set's name";
        text[i] = c;
    }
    memcpy(name, text, SET_CHARS);
    return NULL;
}

/* Opens the volume and reads the policy; *object: which of them failed. */
static fw_why open_system(struct disk *disk, const char **object)
{
    size_t n;
    *object = container;
    fw_why why = open_volume(disk, container, &system.fs);
    if (why)
        return why;
    *object = "LocalPolicy";
    if ((why = set_read_small(&system.fs, "/POLICY/LOCAL.IM4", small_file, sizeof small_file, &n)))
        return why;
    why = policy_open((struct der){small_file, n}, &machine, &system.policy);
    system.open = !why;
    return why;
}

static void read_names(void)
{
    fw_why why = read_name("/BOOT/PENDING", system.pending);
    if (why && !fw_same(why, "is missing"))
        set_failed("normal start:", "/BOOT/PENDING", why);
    if ((why = read_name("/BOOT/ACTIVE", system.active)))
        set_failed("normal start:", "/BOOT/ACTIVE", why);
    if (fw_same(system.pending, system.active))
        system.pending[0] = 0;
}

static bool start_set(const char *name)
{
    static char label[] = "boot set ________:", path[] = "/BOOT/________";
    const struct boot_set set = {label, path, {"krnl", "rdsk", "kcmd", "dtre", "trst"}, &system.policy};
    memcpy(label + sizeof label - 2 - SET_CHARS, name, SET_CHARS);
    memcpy(path + sizeof path - 1 - SET_CHARS, name, SET_CHARS);
    started = name;
    return set_load(&system.fs, &set, &machine, &loaded);
}

static bool start_normal(void)
{
    if (!system.open)
        return false;
    fw_print("pome stage2: LocalPolicy ok, %s security\n", security_name(system.policy.security));
    if (system.pending[0]) {
        if (start_set(system.pending))
            return true;
        if (system.active[0])
            fw_print("pome stage2: trying the last signed boot set, %s\n", system.active);
    }
    return system.active[0] && start_set(system.active);
}

static bool start_recovery(struct disk *disk)
{
    static const struct boot_set set = {"recovery:", "/BOOT", {"rkrn", "rrdk", "rcmd", "rdtr", "rtsc"}, NULL};
    struct fat fs;
    fw_why why = open_volume(disk, recovery_container, &fs);
    started = recovery_name;
    return why ? set_failed("recovery:", recovery_container, why) : set_load(&fs, &set, &machine, &loaded);
}

/* --- NVRAM --- */

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

/* --- boot-args --- */

static void left_out(const char *word, size_t n)
{
    char text[80];
    size_t m = n < sizeof text - 1 ? n : sizeof text - 1;
    for (size_t i = 0; i < m; i++)
        text[i] = word[i] < ' ' || word[i] > '~' ? '?' : word[i]; /* it goes to somebody's terminal */
    text[m] = 0;
    fw_print("pome stage2: boot-args: %s is left out, %s does not allow it\n", text,
             fw_same(started, recovery_name) ? "Recovery" : "full security");
}

/* Under full security, and in Recovery always, only the words that the filter knows. */
static bool append_boot_args(const char *args, size_t n)
{
    bool filter = fw_same(started, recovery_name) || !system.open || system.policy.security == SECURITY_FULL;
    const char *word;
    size_t at = 0, m;
    if (!filter)
        return set_append_args(&loaded, args, n);
    while ((m = boot_args_word(args, n, &at, &word)))
        if (!boot_args_allowed(word, m))
            left_out(word, m);
        else if (!set_append_args(&loaded, word, m))
            return false;
    return true;
}

/* --- the kernel's device tree --- */

static const char *hex(const uint8_t *bytes, size_t n, char *text)
{
    for (size_t i = 0; i < 2 * n; i++)
        text[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
    text[2 * n] = 0;
    return text;
}

/* The FDT that Pome wrote with /chosen filled in. Who the machine is and which policy it follows goes into Recovery's requests for another one. */
static fw_why make_fdt(void)
{
    char ecid[17], nonce[2 * SHA384_BYTES + 1];
    uint8_t be[8];
    fw_put_be64(be, machine.ecid);
    struct fdt_chosen chosen = {loaded.bootargs, loaded.ramdisk, loaded.ramdisk_end,
                                system.open ? security_name(system.policy.security) : NULL, started, hex(be, sizeof be, ecid),
                                hex(machine.policy_nonces[0], SHA384_BYTES, nonce), set_failure[0] ? set_failure : NULL};
    const uint8_t *fdt = (const uint8_t *)(uintptr_t)fw_cfg64(FW_CFG_FDT);
    size_t bytes, n;
    const char *host_args = fdt_bootargs(fdt, fw_cfg64(FW_CFG_FDT_SIZE), &n);
    if (host_args && !set_append_args(&loaded, host_args, n))
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
    if (at + n > FW_KERNEL_BASE - LOW_MEMORY && at < FW_WINDOW + FW_WINDOW_SIZE)
        return "lies where the kernel or the firmware goes";
    return NULL;
}

static _Noreturn void give_up(const char *object, fw_why why)
{
    fw_print("boot failed: stage 2, %s, %s\n", object, why);
    fw_give_up();
}

/* --- what to start --- */

/* Asks until something can be started. nothing_starts: that is why it is asked; else the default is the normal start. */
static void ask(struct disk *disk, bool nothing_starts)
{
    for (;;) {
        static char sets[2][sizeof "boot set ________ (last signed)"];
        const char *items[4], *names[4] = {NULL, NULL, NULL, NULL};
        int n = 0;
        for (int i = 0; i < 2; i++) {
            const char *name = i ? system.active : system.pending;
            if (!system.open || !name[0])
                continue;
            memcpy(sets[i], i ? "boot set ________ (last signed)" : "boot set ________ (main)", i ? 32 : 25);
            memcpy(sets[i] + 9, name, SET_CHARS);
            names[n] = name;
            items[n++] = sets[i];
        }
        int recovery = n;
        items[n++] = "Recovery";
        items[n++] = "shut down";
        int choice = picker_ask(items, n, ASK_US);
        if (choice < 0 && !nothing_starts && start_normal())
            return;
        if (choice >= 0 && choice < n - 1 && (choice == recovery ? start_recovery(disk) : start_set(names[choice])))
            return;
        if (choice == n - 1 && !nothing_starts)
            fw_power_off();
        if (choice < 0 || choice == n - 1) {
            fw_print("pome stage2: nothing can be started: restore needed (\"pome install\")\n");
            fw_give_up();
        }
    }
}

static void choose(struct disk *disk, bool recovery, bool asked)
{
    const char *object;
    fw_why why = open_system(disk, &object);
    if (system.open)
        read_names();
    else if (!recovery)
        set_failed("normal start:", object, why);
    if (asked) {
        ask(disk, false);
        return;
    }
    if (recovery)
        fw_print("pome stage2: Recovery was asked for\n");
    else if (start_normal())
        return;
    else
        fw_print("pome stage2: the normal boot set cannot start, trying Recovery\n");
    if (start_recovery(disk))
        return;
    fw_print("pome stage2: Recovery cannot start either\n");
    ask(disk, true);
}

void fw_main(void)
{
    struct disk *flash, *disk;
    struct nvram nv;
    bool have_nvram;
    size_t n;
    uint32_t start = fw_cfg32(FW_CFG_START);
    uint64_t begin = fw_now_us();

    machine = fw_this_machine();
    fw_uart_start();
    fw_print("pome stage2: version %s\n", POME_VERSION);
    if (start & FW_START_STOP_STAGE2) {
        fw_print("stopped in stage 2, as the start options asked\n");
        fw_wait();
    }
    fw_why why = check_fdt_place();
    if (why)
        give_up("device tree", why);
    if ((why = virtio_blk_find("aux", &flash)))
        give_up("flash", why);
    bool recovery = nvram_wants_recovery(flash, &nv, &have_nvram) || start & FW_START_RECOVERY;
    if ((why = virtio_blk_find("root", &disk)))
        give_up("disk", why);
    choose(disk, recovery, start & FW_START_PICKER);
    const char *args = have_nvram ? nvram_get(&nv, "boot-args", &n) : NULL;
    if (args && !append_boot_args(args, n))
        give_up("boot-args", "command line is too long");
    uint64_t entry = loaded.kernel, x0 = FW_FDT_BASE;
    why = loaded.darwin ? darwin_place(&loaded, have_nvram ? nv.bank : NULL, NVRAM_BANK_BYTES, &entry, &x0) : make_fdt();
    if (why)
        give_up(loaded.darwin ? "Darwin kernel" : "device tree", why);
    virtio_blk_release();
    uint64_t report = fw_cfg64(FW_CFG_REPORT);
    if (report)
        *(volatile uint32_t *)(uintptr_t)report = fw_same(started, recovery_name) ? FW_STARTS_RECOVERY : FW_STARTS_SYSTEM;
    if (start & FW_START_VERBOSE)
        fw_print("pome stage2: kernel at 0x%lx, ramdisk 0x%lx-0x%lx, command line: %s\n", loaded.kernel, loaded.ramdisk,
                 loaded.ramdisk_end, loaded.bootargs);
    fw_print("pome stage2: starting the %skernel after %lu ms\n", loaded.darwin ? "Darwin " : "", (fw_now_us() - begin) / 1000);
    fw_enter(entry, x0);
}
