/*
 * check.h - what is wrong with a bundle, all of it, and what of that can be put right.
 *
 * How it works. bundle_check looks at every file by itself, so that one damaged file hides nothing of the others, and then at what the files must agree on.
 * It changes nothing. bundle_repair runs the check, mends what has a row in repairs[] (repair.c), and runs it again: what it reports is what
 * is left. What it replaces is kept in the bundle as FILE.old.
 */
#ifndef BUNDLE_CHECK_H
#define BUNDLE_CHECK_H

#include "bundle/bundle.h"

/* id, code, severity, needed, what to do, repairable */
#define BUNDLE_RULES(R)                                                                                                                            \
    R(MISSING, "member-missing", ERROR, "a file that is there", "put it back from a copy of the machine", false)                                   \
    R(KIND, "member-kind", ERROR, "a regular file", "put the file itself in the place of the link or folder", false)                               \
    R(UNREADABLE, "member-unreadable", ERROR, "a file that can be read", "check owner, mode and the disk", false)                                  \
    R(SIZE, "member-size", ERROR, "its size", "put it back from a copy of the machine", false)                                                     \
    R(MODE, "member-mode", WARNING, "owner only (0600, folders 0700)", "repair, or chmod go-rwx", true)                                            \
    R(CONFIG, "config-damaged", ERROR, "values that the rules allow", "repair (wrong values become the defaults), or correct the file", true)      \
    R(MODEL, "hardware-model", ERROR, "a hardware model (binary property list)", "put it back from a copy of the machine", false)                  \
    R(PLATFORM, "hardware-model-unknown", ERROR, "a platform version that Pome knows", "use a newer Pome", false)                                  \
    R(ENCODING, "identity-encoding", NOTE, "the canonical encoding", "nothing: it is read as it is", false)                                        \
    R(IDENTIFIER, "machine-identifier", ERROR, "a machine identifier (binary property list with ECID)", "put it back from a copy of the machine", false) \
    R(AUX_WRAPPER, "aux-wrapper", ERROR, "the wrapper of this machine", "put AuxiliaryStorage back from a copy, or install again", false)          \
    R(AUX_OWNER, "aux-other-machine", ERROR, "this machine's ECID", "put back AuxiliaryStorage or MachineIdentifier: they are a pair", false)      \
    R(AUX_FLASH, "aux-flash-header", ERROR, "the header of the flash", "install again (pome install --erase), or put it back from a copy", false)  \
    R(AUX_FIRMWARE, "aux-firmware", ERROR, "a firmware image with a ticket for this machine", "install again, or put it back from a copy", false) \
    R(NVRAM_BANK, "nvram-bank", WARNING, "two valid banks", "repair: the good bank is copied over it", true)                                       \
    R(NVRAM_BOTH, "nvram-lost", ERROR, "a valid bank", "repair: NVRAM begins anew; its variables are lost", true)                                  \
    R(NVRAM_LIST, "nvram-list", WARNING, "a list of variables that ends", "set or delete a variable: the list is written anew", false)             \
    R(GPT_PRIMARY, "gpt-primary", WARNING, "a valid partition map at the beginning", "repair: it is made from the backup", true)                   \
    R(GPT_BACKUP, "gpt-backup", WARNING, "a valid partition map at the end", "repair: it is made from the primary", true)                          \
    R(GPT_BOTH, "gpt-lost", ERROR, "a valid partition map", "put Disk.img back from a copy of the machine", false)                                 \
    R(GPT_DIFFERS, "gpt-differs", WARNING, "the same map twice", "repair: the backup is made from the primary", true)                              \
    R(CONTAINER, "container-missing", ERROR, "three containers", "put Disk.img back from a copy, or install again", false)                         \
    R(VOLUME, "volume-damaged", ERROR, "a FAT32 volume", "start Recovery and repair, or install again", false)                                     \
    R(BOOT_SET, "boot-set", ERROR, "kernel, ramdisk, command line and ticket", "start Recovery and reinstall, or pome install --erase", false)     \
    R(BOOT_OBJECT, "boot-object", ERROR, "an Image4 object with the digest of its ticket", "start Recovery and reinstall, or pome install --erase", false) \
    R(TICKET, "boot-ticket", ERROR, "a ticket for this machine", "start Recovery and reinstall, or pome install --erase", false)                   \
    R(RECOVERY, "recovery-set", WARNING, "kernel, ramdisk, command line and ticket", "reinstall: there is no Recovery until then", false)         \
    R(NOT_INSTALLED, "not-installed", WARNING, "a completed installation", "complete it: pome install NAME --image FILE", false)                   \
    R(CHANGES, "changes-waiting", WARNING, "no change that was cut off", "nothing: the next start or change makes it, or repair", true)               \
    R(CHANGES_DAMAGED, "changes-damaged", ERROR, "changes that can be made", "repair, then pome personalize NAME --all", true)                       \
    R(LEFTOVER, "leftover", WARNING, "no temporary files", "repair removes it", true)                                                              \
    R(SNAPSHOT, "snapshot", WARNING, "a whole snapshot", "pome snapshot delete", false)                                                            \
    R(SNAPSHOT_CUT, "snapshot-cut-off", WARNING, "nothing begun and not ended", "repair, or the next command that uses the machine, ends it", true) \
    R(UNKNOWN_FILE, "file-unknown", NOTE, "files of a bundle", "nothing, or remove it", false)                                                     \
    R(EXTRA_FILE, "disk-file", ERROR, "the file that Config.json names, a multiple of 512 bytes", "put it back, or take it out of Config.json", false) \
    R(IN_USE, "in-use", NOTE, "a machine that does not run", "check again when it is stopped: what changes cannot be checked", false)

enum bundle_rule {
#define BUNDLE_RULE_ENUM(id, code, severity, needed, advice, repairable) CHECK_##id,
    BUNDLE_RULES(BUNDLE_RULE_ENUM)
#undef BUNDLE_RULE_ENUM
    BUNDLE_RULE_COUNT,
};
extern const struct rule bundle_rules[BUNDLE_RULE_COUNT];

/* Checks the bundle of this name, also one that cannot be opened. False only when there is nothing to look at: NOT_FOUND, INVALID_BUNDLE (no
 * bundle at all), PERMISSION. */
bool bundle_check(const char *name, struct findings *out, struct pome_error *err);

/* Mends what can be mended safely and checks again. *mended: how many. Errors: as bundle_check, and BUSY, OUT_OF_DISK_SPACE, IO. Doing it twice is doing it
 * once. */
bool bundle_repair(const char *name, struct findings *out, unsigned *mended, struct pome_error *err);

/* check_disk.c: the partition map and what is in it. */
void check_disk(const struct bundle *b, bool installed, struct findings *out);
/* The firmware in AuxiliaryStorage: bytes of its area. */
void check_firmware(const struct bundle *b, const uint8_t *area, size_t n, struct findings *out);

#endif
