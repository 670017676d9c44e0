/* boot.h - the boot of an installed machine, opened: its volumes, its policy, what it trusts, and changes to them. For boot_state.c and boot.c. */
#ifndef RESTORE_BOOT_H
#define RESTORE_BOOT_H

#include "bundle/changes.h"
#include "formats/fat.h"
#include "restore/layout.h"
#include "restore/personalize.h"

enum { BOOT_SMALL_FILE = 1 << 16, BOOT_SET_NAME = 8 };

#define BOOT_POLICY_PATH "POLICY/LOCAL.IM4"

struct boot_volume {
    struct fat_edit edit;
    struct boot *boot;
    uint64_t base; /* in Disk.img */
};

struct boot {
    struct bundle *bundle;
    const struct platform *platform;
    struct changes *changes; /* disk and AuxiliaryStorage as they will be */
    const uint8_t *aux;
    struct boot_volume system, recovery;
    struct aux_wrapper wrapper;
    uint8_t anchor[SHA384_BYTES]; /* that the machine trusts, as the wrapper said when it was opened */
    struct authority *authority;  /* NULL: only reading */
    struct im4m policy;           /* points into policy_bytes */
    uint8_t policy_bytes[BOOT_SMALL_FILE];
    size_t policy_size;
    bool policy_current; /* its nonce is the machine's: not one from before */
};

/* For a bundle that is locked. change: the authority is needed. any: it need not be the one that the machine trusts, nor the policy the last one.
 * Errors: as boot_state_read and boot_set_security. */
struct boot *boot_open(struct bundle *b, bool change, bool any, struct pome_error *err);
void boot_close(struct boot *o); /* and forgets what changes_commit was not called for; NULL is fine */

/* A small file whole: its size, 0 when there is none or it is too large. */
size_t boot_read_small(const struct boot_volume *v, const char *path, void *out, size_t room);

/* The ticket is from the authority that the machine trusts, or from this host's. */
bool boot_trusted(const struct boot *o, const void *im4m, size_t n, struct pome_error *err);

/* A property of the LocalPolicy; NULL when it is not there or of another size (0: any). */
const struct im4m_property *boot_policy_property(const struct boot *o, const char *name, size_t size);

/* BOOT/ACTIVE or BOOT/PENDING: "" when there is none or it is no name. */
void boot_read_name(const struct boot *o, const char *path, char name[BOOT_SET_NAME + 1]);

/* "BOOT/NAME/FILE". */
void boot_set_path(char out[64], const char *name, const char *file);

/* love of the policy. */
void boot_read_version(const struct boot *o, char out[64]);

#endif
