/*
 * pome/bundle.h - machines on disk: NAME.bundle/, one folder that can be moved and copied.
 *
 * NAME: a text with a '/' or ending in ".bundle" is a path; else the folder $POME_HOME/vms (default $XDG_DATA_HOME/pome/vms)
 * is meant. A pome_bundle is used by one thread at a time.
 */
#ifndef POME_BUNDLE_H
#define POME_BUNDLE_H

#include <pome/finding.h>
#include <pome/progress.h>
#include <pome/restore_image.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_bundle pome_bundle;

struct pome_bundle_options {
    size_t size;           /* of this struct: POME_BUNDLE_OPTIONS_INIT */
    unsigned cpu_count;    /* 1..32; fixed at installation */
    uint64_t memory_size;  /* bytes, a multiple of 1 MiB */
    uint64_t disk_size;    /* bytes; Disk.img is sparse */
    const char *cpu_model; /* NULL: "default" */
};
#define POME_BUNDLE_OPTIONS_INIT                                                                                                   \
    {                                                                                                                              \
        sizeof(struct pome_bundle_options), 2, UINT64_C(2) << 30, UINT64_C(8) << 30, NULL                                          \
    }

/* What is wrong with the options, against every rule and against what the image asks for (NULL: no image), all of it at once. each: called for every
 * finding, NULL: err is enough. True when nothing is wrong; else err describes the first and counts the others.
 * Errors: INVALID_CONFIGURATION.   Like: VZMacOSConfigurationRequirements, compared by the application.   Since: 0.2. */
POME_API bool pome_bundle_options_check(const struct pome_bundle_options *options, const pome_restore_image *image, pome_finding_fn *each, void *user,
                                        struct pome_error *err);

/* Makes a bundle for an image: identity, empty auxiliary storage, sparse disk, Config.json. It is locked, and not installed:
 * pome_install() comes next. Owner:  the caller, who ends it with pome_bundle_free(). Errors: EXISTS, NOT_SUPPORTED (the image),
 * INVALID_CONFIGURATION (a number out of range, or less than the image needs), OUT_OF_DISK_SPACE, PERMISSION, IO. On failure
 * nothing is left.   Since: 0.1. */
POME_API pome_bundle *pome_bundle_create(const char *name, const pome_restore_image *image,
                                         const struct pome_bundle_options *options, struct pome_error *err);

/* Makes a machine of the generic platform: it boots through UEFI firmware from its disk, which is empty. Identity, variable store, sparse disk,
 * Config.json; nothing is to be installed by Pome: start it with an installer's medium (pome_start_options.medium). Locked; owner and errors as
 * pome_bundle_create().   Like: VZGenericPlatformConfiguration with VZEFIBootLoader.   Since: 0.2. */
POME_API pome_bundle *pome_bundle_create_efi(const char *name, const struct pome_bundle_options *options, struct pome_error *err);

/* Opens a bundle and checks its files. Not locked.
 * Errors: NOT_FOUND, INVALID_BUNDLE, INVALID_CONFIGURATION (Config.json), PERMISSION.   Since: 0.1. */
POME_API pome_bundle *pome_bundle_open(const char *name, struct pome_error *err);

/* Closes and unlocks. NULL is fine. */
POME_API void pome_bundle_free(pome_bundle *bundle);

/* Removes a bundle, also a damaged one. Errors: NOT_FOUND, BUSY, INVALID_BUNDLE (not a bundle at all).   Since: 0.1. */
POME_API bool pome_bundle_delete(const char *name, struct pome_error *err);

/* Texts are borrowed. */
POME_API const char *pome_bundle_name(const pome_bundle *bundle);
POME_API const char *pome_bundle_path(const pome_bundle *bundle);
POME_API bool pome_bundle_is_installed(const pome_bundle *bundle);
/* Whether it could be started here; if not, why says what is missing: INVALID_STATE (not installed), NOT_SUPPORTED (a macOS
 * machine). Since: 0.1. */
POME_API bool pome_bundle_can_start(const pome_bundle *bundle, struct pome_error *why);
POME_API bool pome_bundle_is_in_use(const pome_bundle *bundle, int *pid); /* by another process; pid 0: unknown; may be NULL */
POME_API unsigned pome_bundle_cpu_count(const pome_bundle *bundle);
POME_API uint64_t pome_bundle_memory_size(const pome_bundle *bundle);
POME_API uint64_t pome_bundle_disk_size(const pome_bundle *bundle);
POME_API uint64_t pome_bundle_disk_used(const pome_bundle *bundle); /* bytes that Disk.img occupies on the host */
POME_API uint64_t pome_bundle_ecid(const pome_bundle *bundle);

/* Keeps the image in the bundle as RestoreImage.ipsw, from which Recovery can install again. Instant where the file system shares
 * blocks (btrfs, XFS), else a copy. The bundle is locked from here on.
 * Errors: BUSY, OUT_OF_DISK_SPACE, PERMISSION, IO.   Since: 0.1. */
POME_API bool pome_bundle_keep_image(pome_bundle *bundle, const pome_restore_image *image, struct pome_error *err);

/* --- checking ------------------------------------------------------------------------------------------------------- */

/* Checks every file of a bundle and what they must agree on, and changes nothing; the bundle may be so damaged that it cannot be
 * opened. each is called for every finding. True when none of them is an error. Errors: INVALID_BUNDLE (errors were found: the
 * first one, or this is no bundle), NOT_FOUND, PERMISSION.   Since: 0.1. */
POME_API bool pome_bundle_check(const char *name, pome_finding_fn *each, void *user, struct pome_error *err);

/* Mends what pome_bundle_check() calls repairable, and checks again: each is called for what is left. What is replaced is kept in
 * the bundle, as FILE.old. *mended: how many faults were; may be NULL. Errors: as pome_bundle_check(), and BUSY, OUT_OF_DISK_SPACE,
 * IO.   Since: 0.1. */
POME_API bool pome_bundle_repair(const char *name, pome_finding_fn *each, void *user, unsigned *mended, struct pome_error *err);

/* --- whole bundles -------------------------------------------------------------------------------------------------- */

/* How a copy was made. */
struct pome_copy_result {
    size_t size;   /* of this struct: POME_COPY_RESULT_INIT */
    bool instant;  /* by sharing blocks, or by renaming */
    char why[160]; /* why not; empty when instant */
};
#define POME_COPY_RESULT_INIT                                                                                                      \
    {                                                                                                                              \
        sizeof(struct pome_copy_result), false, ""                                                                                 \
    }

/* A copy with an identity (ECID) of its own; its boot tickets are issued anew, by this host's signing authority. The original must
 * be installed and not in use, and is locked meanwhile. progress, result: may be NULL. Owner: the caller. Errors: BUSY,
 * INVALID_STATE, EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On failure nothing is left. Like:   tart clone.   Since: 0.1.
 */
POME_API pome_bundle *pome_bundle_clone(pome_bundle *bundle, const char *name, struct pome_copy_result *result,
                                        pome_progress_fn *progress, void *user, struct pome_error *err);

/* Gives a bundle another name or place. To another file system it is copied, compared, and then removed where it was.
 * Errors: BUSY, EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On failure it is where it was.   Since: 0.1. */
POME_API bool pome_bundle_move(pome_bundle *bundle, const char *name, struct pome_copy_result *result, pome_progress_fn *progress,
                               void *user, struct pome_error *err);

/* Writes the bundle as one file, compressed, with digests, its holes left out. The file appears when it is whole. replace: an
 * existing file. One that was cancelled, or cut off, leaves PATH.part and PATH.part.state: the next export of the same bundle to the same path goes on from
 * there if no file of the bundle was changed since. Errors: BUSY, EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO.   Since: 0.1. */
POME_API bool pome_bundle_export(pome_bundle *bundle, const char *path, bool replace, pome_progress_fn *progress, void *user,
                                 struct pome_error *err);

/* Makes a bundle from such a file, or from the machine of another tool (pome_foreign_open()), which is copied and not changed. name
 * NULL: as it was called. What was exported keeps its identity: the two must not run together. Errors: INVALID_DATA (what is wrong
 * with the file, and where), INVALID_BUNDLE, NOT_SUPPORTED (a macOS guest), EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On
 * failure nothing is left; an import from a file that was cancelled, or cut off, leaves NAME.bundle.import, which the next import of that file under that name goes
 * on with, and pome_bundle_delete() removes.   Since: 0.1. */
POME_API pome_bundle *pome_bundle_import(const char *path, const char *name, pome_progress_fn *progress, void *user,
                                         struct pome_error *err);

/* A machine of another tool: Apple's sample apps, tart, VirtualBuddy, UTM, macosvm (its JSON file), vfkit (a file with its command
 * line). */
struct pome_foreign_info {
    size_t size;                      /* of this struct: POME_FOREIGN_INFO_INIT */
    char tool[32], name[256], os[16]; /* "tart", "dev", "macOS" or "Linux" */
    char boot[16];                    /* "linux", "efi", "macos" */
    uint32_t cpu_count, disk_count, network_count;
    uint64_t memory_bytes, disk_bytes; /* as Pome would take them; the first disk */
    char mac_address[24];              /* of the first network; empty: none */
    uint32_t width, height;            /* of the first display; 0: none */
    bool has_ecid, has_hardware_model;
    uint64_t ecid;
    uint32_t platform_version, minimum_os[3];
};
#define POME_FOREIGN_INFO_INIT                                                                                                     \
    {                                                                                                                              \
        .size = sizeof(struct pome_foreign_info)                                                                                   \
    }

/* The tool whose machine lies at a path, static text; NULL: none that is known. */
POME_API const char *pome_foreign_tool(const char *path);

/* Describes and checks it: each (may be NULL) is called for what is wrong and for what would be otherwise in Pome. True when it can
 * be imported. Errors: NOT_FOUND, INVALID_BUNDLE (not known, or an error was found), NOT_SUPPORTED (a macOS guest: info is filled
 * all the same).   Since: 0.1. */
POME_API bool pome_foreign_describe(const char *path, struct pome_foreign_info *info, pome_finding_fn *each, void *user,
                                    struct pome_error *err);

/* What a bundle is. */
struct pome_bundle_info {
    size_t size;            /* of this struct: POME_BUNDLE_INFO_INIT */
    char platform[16];      /* "apple", "generic" */
    char platform_name[32]; /* "Pome 1", "Apple vma2"; empty on the generic platform */
    uint32_t platform_version, minimum_os[3];
    uint32_t representation; /* of the hardware model */
    char cpu_model[16], boot[16];
    uint64_t bytes, allocated_bytes; /* all files: their sizes; what they occupy */
    uint64_t files;
};
#define POME_BUNDLE_INFO_INIT                                                                                                      \
    {                                                                                                                              \
        .size = sizeof(struct pome_bundle_info)                                                                                    \
    }
POME_API bool pome_bundle_info(const pome_bundle *bundle, struct pome_bundle_info *info, struct pome_error *err);

/* --- Config.json ---------------------------------------------------------------------------------------------------- */

/* A value of Config.json by its path ("memorySize", "networks[0].macAddress", "" for all) as JSON text, which the caller frees with
 * free(). Errors: NOT_FOUND.   Since: 0.1. */
POME_API char *pome_bundle_config_get(const pome_bundle *bundle, const char *key, struct pome_error *err);

/* Sets one: JSON text, plain text for words, sizes as "4GiB"; "" removes it. The whole configuration is checked first; each (may be
 * NULL) is called for everything that would be wrong with it. The bundle is locked from here on. Errors: INVALID_CONFIGURATION,
 * INVALID_STATE (what is fixed when a machine is installed: platform and cpuCount), BUSY, PERMISSION, IO.   Since: 0.1. */
POME_API bool pome_bundle_config_set(pome_bundle *bundle, const char *key, const char *value, pome_finding_fn *each, void *user,
                                     struct pome_error *err);

/* Which version of the configuration the bundle has: 32 characters, made from what Config.json says; the same content has the same. Since: 0.2. */
enum { POME_GENERATION_BYTES = 33 };
POME_API bool pome_bundle_config_generation(const pome_bundle *bundle, char generation[POME_GENERATION_BYTES], struct pome_error *err);

/* As pome_bundle_config_set(), but only if the configuration on disk still is of that generation: what two programs read, change and write is
 * not lost. NULL: whatever it is. Errors: CONFLICT (read it again), and those of pome_bundle_config_set().   Since: 0.2. */
POME_API bool pome_bundle_config_set_if(pome_bundle *bundle, const char *if_generation, const char *key, const char *value, pome_finding_fn *each,
                                        void *user, struct pome_error *err);

/* Checks a bundle's Config.json, or, when there is no such bundle and name is the path of a file, that file: all faults at once, with line and column. True
 * when no error was found. Errors: INVALID_CONFIGURATION, NOT_FOUND, PERMISSION.   Since: 0.1. */
POME_API bool pome_bundle_config_validate(const char *name, pome_finding_fn *each, void *user, struct pome_error *err);

/* Calls found for every bundle of $POME_HOME/vms, by name, until it returns false. bundle is NULL when it is damaged: why says what
 * is wrong. It is freed after the call. Since: 0.1. */
typedef bool pome_bundle_found(void *user, const char *name, const char *path, const pome_bundle *bundle,
                               const struct pome_error *why);
POME_API bool pome_bundle_list(pome_bundle_found *found, void *user, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
