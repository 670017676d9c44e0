/*
 * bundle.h - a machine on disk: NAME.bundle/, one folder that can be moved and copied.
 *
 * How it works. Files appear whole: they are written under a temporary name, synced, renamed, and the folder is synced. A new bundle is
 * made in NAME.bundle.tmp-XXXXXX and renamed last; a deleted one is renamed to NAME.bundle.del-XXXXXX first; what crashes leave behind
 * under such names is removed by the next bundle_create, bundle_delete or bundle_list in that folder. Install.json says that an
 * installation has begun and not ended: it is written with the bundle and removed by the installer's last step.
 *
 * The lock is flock(2) on the folder itself: it dies with the process, needs no file, and stays with the folder when that is moved.
 */
#ifndef BUNDLE_BUNDLE_H
#define BUNDLE_BUNDLE_H

#include "config/settings.h"
#include "formats/identity.h"

#include <pome/error.h>

#include <limits.h>

enum bundle_member {
    BUNDLE_AUX,        /* AuxiliaryStorage */
    BUNDLE_DISK,       /* Disk.img */
    BUNDLE_MODEL,      /* HardwareModel */
    BUNDLE_IDENTIFIER, /* MachineIdentifier */
    BUNDLE_CONFIG,     /* Config.json */
    BUNDLE_INSTALL,    /* Install.json, while not installed */
    BUNDLE_INSTALL_STATE, /* Install.state, how far an installation of macOS is */
    BUNDLE_IMAGE,      /* RestoreImage.ipsw, where it was kept */
    BUNDLE_SAVED,      /* SaveFile.pomesave, while the machine is saved */
    BUNDLE_SAVED_CONFIG, /* SaveFile.json: the configuration that it ran with */
    BUNDLE_CHANGES,    /* Changes, while they are made (changes.h) */
    BUNDLE_WARM,       /* Warm.json, while the saved machine has the memory of another one (warm.h) */
    BUNDLE_NVRAM,      /* NVRAM: EFI variables, on the generic platform */
    BUNDLE_GENID,      /* GenerationID, since a snapshot was restored (genid.h) */
    BUNDLE_MEMBERS,
};

#define BUNDLE_NVRAM_BYTES (UINT64_C(64) << 20) /* of a new one: the flash of the generic platform; sparse */

/* "Disk.img". */
const char *bundle_member_name(enum bundle_member m);

struct bundle {
    char path[PATH_MAX]; /* absolute, without a slash at the end */
    char name[256];      /* last part without ".bundle" */
    int dir_fd;
    bool locked, installed; /* installed: there is no Install.json */
    struct settings settings;
    struct hardware_model model;
    uint64_t ecid;
    unsigned install_security; /* of the LocalPolicy that an installation writes: enum policy_security; 0: full */
    uint64_t disk_bytes, disk_used; /* size of Disk.img; bytes it occupies on the host */
};

/* Where NAME is: a text with a '/' or ending in ".bundle" is a path; else $POME_HOME/vms, or $XDG_DATA_HOME/pome/vms, or ~/.local/share/pome/vms, plus
 * NAME.bundle. Errors: INVALID_CONFIGURATION (a name that cannot be one: empty, with control characters, longer than 200 bytes). */
bool bundle_resolve(const char *name, char path[PATH_MAX], struct pome_error *err);

/* The folder that names without '/' live in. */
bool bundle_home(char path[PATH_MAX], struct pome_error *err);

/* What a new bundle is made of. */
struct bundle_spec {
    struct settings settings;
    struct hardware_model model;
    uint64_t ecid;
    uint64_t disk_bytes; /* 1 MiB .. 16 TiB, a multiple of 512 */
};

/* A new identity: 64 random bits, not 0. */
enum { BUNDLE_SOCKET_PATH_MAX = 108 };
/* Where the unix socket of its socket device is while it runs. Errors: PERMISSION. */
bool bundle_socket_path(const struct bundle *b, char path[BUNDLE_SOCKET_PATH_MAX], struct pome_error *err);
/* The same of a serial ("hvc0") or console port. Errors: NOT_FOUND, INVALID_STATE (it goes to a file), PERMISSION, INVALID_CONFIGURATION. */
bool bundle_port_path(const struct bundle *b, const char *name, char path[BUNDLE_SOCKET_PATH_MAX], struct pome_error *err);

bool bundle_draw_ecid(uint64_t *ecid, struct pome_error *err);

/* Makes a bundle and returns it open and locked. On the Apple-style platform it is not installed yet; on the generic one there is nothing to
 * install, and `model` is not looked at. Makes the folders above it in POME_HOME if needed.
 * Errors: EXISTS, INVALID_CONFIGURATION, OUT_OF_DISK_SPACE, PERMISSION, IO. On failure nothing is left. */
struct bundle *bundle_create(const char *name, const struct bundle_spec *spec, struct pome_error *err);

/* Opens a bundle and checks every member: there, a regular file, of the right size and form. Not locked: see bundle_lock.
 * Errors: NOT_FOUND (no such bundle), INVALID_BUNDLE (which member, what is wrong), INVALID_CONFIGURATION (Config.json), PERMISSION. */
struct bundle *bundle_open(const char *name, struct pome_error *err);
void bundle_close(struct bundle *b); /* and unlocks; NULL is fine */

/* Keeps other processes from starting, installing or deleting it, removes temporary files of one that died, and makes the changes that it had
 * decided on (changes.h). Errors: BUSY, naming the holder; those of changes_finish. */
bool bundle_lock(struct bundle *b, struct pome_error *err);
void bundle_unlock(struct bundle *b);

/* True when another process has it locked; *pid is that process, or 0 when it cannot be known. */
bool bundle_in_use(const struct bundle *b, int *pid);

/* A member's path (path + name). */
bool bundle_member_path(const struct bundle *b, enum bundle_member m, char path[PATH_MAX]);

/* "PATH/Log", where log/ keeps the machine's log. */
bool bundle_log_path(const struct bundle *b, char path[PATH_MAX]);

/* Opens a member with open(2) flags; never through a symbolic link, regular files only. -1 on failure (NOT_FOUND, INVALID_BUNDLE, ...). */
int bundle_member_open(const struct bundle *b, enum bundle_member m, int flags, struct pome_error *err);

/* Replaces a member: temporary, fsync, rename, fsync of the folder. */
bool bundle_member_write(struct bundle *b, enum bundle_member m, const void *bytes, size_t n, struct pome_error *err);

/* Replaces a member by a file of `bytes` that occupies nothing but for its first n bytes, in the same way: the old one stays when this fails. */
bool bundle_member_make_sparse(struct bundle *b, enum bundle_member m, uint64_t bytes, const void *first, size_t n, struct pome_error *err);

/* --- Config.json (configure.c) --- */

/* Replaces it by s. */
bool bundle_save_settings(struct bundle *b, const struct settings *s, struct pome_error *err);

/* The configuration that a machine runs with, kept beside SaveFile.pomesave when it is saved: Config.json may say something else for its next start by then. */
bool bundle_keep_settings(struct bundle *b, const struct settings *s, struct pome_error *err);
/* What the machine is to be made with: what was kept with the saved machine, unless its guest would see the same with Config.json; that in any other case. */
bool bundle_saved_settings(const struct bundle *b, struct settings *out, struct pome_error *err);

/* Which version of Config.json this is: 32 characters made from its content. */
enum { BUNDLE_GENERATION_BYTES = 33 };
bool bundle_generation(const struct bundle *b, char text[BUNDLE_GENERATION_BYTES], struct pome_error *err);

/* Sets one value (settings_set), or, when it is "", removes it, and saves. Locks the bundle, and reads it again before it changes anything. if_generation: refused
 * with CONFLICT when it is not of that one; NULL: whatever it is. What is fixed at the installation stays: INVALID_STATE. Errors of the value are in out. */
bool bundle_configure(struct bundle *b, const char *if_generation, const char *key, const char *value, struct findings *out, struct pome_error *err);

/* Checks a Config.json by its path: all faults at once. False when it cannot be read. */
bool bundle_check_config(const char *path, struct findings *out, struct pome_error *err);

/* Replaces a member by a copy of a file, in the same way; blocks are shared where the file system can. */
bool bundle_member_copy(struct bundle *b, enum bundle_member m, const char *from, struct pome_error *err);

/* Removes Install.state and Install.json (sync included): from now on the bundle is installed. */
bool bundle_set_installed(struct bundle *b, struct pome_error *err);

/* Removes Install.state and writes Install.json again: an installation begins anew. */
bool bundle_set_not_installed(struct bundle *b, struct pome_error *err);

/* Whether anything could be started in it: INVALID_STATE (not installed), NOT_SUPPORTED (a macOS machine: what is missing). */
bool bundle_startable(const struct bundle *b, struct pome_error *err);

/* Removes a bundle, also a damaged one. Errors: NOT_FOUND, BUSY, INVALID_BUNDLE (a folder that is not a bundle is left alone). */
bool bundle_delete(const char *name, struct pome_error *err);

/* Calls each for every bundle in bundle_home, by name. b is NULL when it cannot be opened: err says why. b is closed after the
 * call. Ends early when each returns false. */
bool bundle_list(bool (*each)(void *user, const char *name, const char *path, struct bundle *b, const struct pome_error *why), void *user,
                 struct pome_error *err);

#endif
