/*
 * foreign.h - virtual machines of other tools: recognised, described, checked, and, where their guest can run, imported.
 *
 * How it works. foreign.c has a table of tools; the first whose files are there reads them (foreign_tools.c) into one struct, whatever their own form. What is
 * wrong, and what Pome does otherwise, becomes findings. Import makes a bundle of the generic platform in a stage, with copies of the disks.
 */
#ifndef BUNDLE_FOREIGN_H
#define BUNDLE_FOREIGN_H

#include "bundle/tree.h"

#define FOREIGN_RULES(R)                                                                                                                            \
    R(MACOS, "foreign-macos", ERROR, "a Linux guest", "use it on a Mac: macOS needs Apple's boot ROM, which Pome does not have", false)             \
    R(CONFIG, "foreign-config", ERROR, "a configuration of that tool", "check the file, or export the machine again", false)                        \
    R(FILE, "foreign-file", ERROR, "a file that is there", "put it back, or correct the configuration", false)                                      \
    R(FORMAT, "foreign-disk-format", ERROR, "a raw disk image", "convert it: qemu-img convert -O raw, or hdiutil convert -format UDRW", false)      \
    R(DISK_SIZE, "foreign-disk-size", ERROR, "at least 1 MiB, a multiple of 512 bytes", "check that it is whole", false)                            \
    R(ARCH, "foreign-architecture", ERROR, "a 64-bit Arm guest", "run it elsewhere", false)                                                         \
    R(IDENTITY, "foreign-identity", ERROR, "a hardware model and machine identifier", "put the files back", false)                                  \
    R(CPUS, "foreign-cpu-count", WARNING, "1 to 32", "nothing: the nearest number is taken", false)                                                  \
    R(MEMORY, "foreign-memory", WARNING, "whole MiB, 128 MiB to 254 GiB", "nothing: the nearest size is taken", false)                              \
    R(KERNEL, "foreign-kernel", ERROR, "a plain arm64 Image or a gzip'ed one", "give the uncompressed kernel", false)                               \
    R(EFI, "foreign-efi", NOTE, "a boot loader on the disk",                                                                                      \
      "import it: it starts with the UEFI firmware that is installed here (qemu-efi-aarch64), whose own form variables take at the first start", false)                    \
    R(LOST, "foreign-setting", NOTE, "settings that Pome has", "nothing: this one is not taken over", false)

enum foreign_rule {
#define FOREIGN_RULE_ENUM(id, code, severity, needed, advice, repairable) FOREIGN_##id,
    FOREIGN_RULES(FOREIGN_RULE_ENUM)
#undef FOREIGN_RULE_ENUM
    FOREIGN_RULE_COUNT,
};

struct foreign_disk {
    char path[PATH_MAX];
    bool read_only;
};

struct foreign {
    const char *tool; /* "tart" */
    char path[PATH_MAX], name[256];
    bool macos;
    struct settings settings; /* as Pome would have them: generic platform */
    size_t n_disks;           /* the first is what it boots from */
    struct foreign_disk disks[SETTINGS_MAX_ITEMS];
    char kernel[PATH_MAX], ramdisk[PATH_MAX], efi[PATH_MAX], aux[PATH_MAX]; /* empty: none */
    bool has_model, has_ecid;
    struct hardware_model model;
    uint64_t ecid;
    uint64_t disk_bytes; /* of the first */
    struct findings *out;
};

/* The name of the tool whose machine lies there; NULL: none that is known, or a bundle of Pome's. */
const char *foreign_tool(const char *path);

/* The same of a folder that could be a bundle of Pome's that lost its Config.json: one that never had a log of Pome's, or any other member that is Pome's only. */
const char *foreign_owner(const char *path, int dir_fd);

/* Reads and checks it: what is wrong is in out. Errors: NOT_FOUND, INVALID_BUNDLE (nothing that is known), PERMISSION. */
bool foreign_open(const char *path, struct foreign *f, struct findings *out, struct pome_error *err);

/* True of a macOS guest, which cannot be imported. */
bool foreign_is_macos(const char *path);

/* A bundle of its own for it; name NULL: as it is called there. Returns it open and locked. Errors: NOT_SUPPORTED (macOS), INVALID_BUNDLE (an error was
 * found), EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On failure nothing is left. */
struct bundle *foreign_import(const struct foreign *f, const char *name, struct job *j, struct pome_error *err);

/* --- for foreign_tools.c --- */

extern const struct rule foreign_rules[FOREIGN_RULE_COUNT];
#define FOREIGN_FOUND(f, rule, field, ...) findings_add((f)->out, &foreign_rules[FOREIGN_##rule], (f)->path, field, __VA_ARGS__)

/* A tool: the file in its folder that shows it (or, without one, what a file's text begins like), and the reader. */
struct foreign_reader {
    const char *tool, *file, *not_file; /* not_file: when this is there too it is another tool's */
    void (*read)(struct foreign *f, const uint8_t *bytes, size_t n);
    bool (*is_text)(const char *text);
    bool marker; /* the file only shows whose it is: bytes is NULL */
};
extern const struct foreign_reader foreign_readers[];

/* A text file of at most 1 MiB in new memory, with a NUL behind it; NULL: told. */
uint8_t *foreign_file(struct foreign *f, const char *path, size_t *n);

#endif
