/*
 * install.h - installing a restore image into a bundle.
 *
 * How it works: install.c has a table of steps, each with a weight (its share of the progress), a function, and an undo that is run, last step
 * first, when a later one fails. Nothing of the order is known elsewhere. Install.json is in the bundle from before the first step until
 * the last one has synced everything: whenever the process is killed, the bundle says that it is not installed. Installing again begins
 * at the first step; but when Install.json notes that this image's OS was restored and synced, the step "Looking at what is there" reads it,
 * and if its digest is right it stays: only what is cheap is done again. An installation of macOS goes on with the step that it was cut off in:
 * steps that are marked are synced and noted in Install.state (install_state.c). A step that fails throws the disk away, and the note first.
 */
#ifndef RESTORE_INSTALL_H
#define RESTORE_INSTALL_H

#include "bundle/bundle.h"
#include "formats/image4.h"
#include "log/log.h"
#include "restore/layout.h"
#include "restore/personalize.h"
#include "restore/restore_image.h"

#include <pome/progress.h>

enum install_ticket { TICKET_FIRMWARE, TICKET_OS, TICKET_RECOVERY, TICKET_POLICY, TICKETS };

/* One installation under way. */
struct install {
    struct bundle *bundle;
    struct restore_image *image;
    struct log *log;
    int disk_fd, aux_fd;
    enum policy_security security; /* that the machine gets */

    struct gpt gpt;
    bool journal, kept;           /* an earlier attempt wrote its journal; its partition map and OS image are right and stay */
    size_t done;                  /* macOS: steps of an earlier attempt that stay */
    bool main_made;               /* macOS: the main container was made by this attempt */
    uint64_t boot_nonce;          /* generator */
    uint8_t volume_group[16];
    uint8_t nonces[112];          /* boop-storage-nonces */
    uint8_t nsih[SHA384_BYTES];
    struct aux_trust trust;       /* what the machine will check tickets against */
    uint8_t policy[POLICY_IM4P_BYTES];
    struct ticket tickets[TICKETS];

    pome_progress_fn *progress;
    void *user;
    struct pome_progress report;
    double weight_done, weight, weight_all;
    int64_t shown_ns;
};

/* Runs all steps. The bundle must be locked; its install_security is the machine's. Errors: see pome_install. */
bool install_run(struct bundle *bundle, struct restore_image *image, pome_progress_fn *progress, void *user, struct pome_error *err);

unsigned install_step_count(void);
const char *install_step_name(unsigned step);

/* --- for the steps --- */

/* Says how far the step is; false with OPERATION_CANCELLED when the user wants to end. */
bool install_progress(struct install *in, uint64_t done, uint64_t total, struct pome_error *err);

/* What every family of images asks of the machine. */
bool install_check_machine(const struct install *in, struct pome_error *err);
bool install_open_members(struct install *in, struct pome_error *err);

/* Syncs the disk and notes in Install.json that the OS image is on it. */
bool install_write_journal(struct install *in, struct pome_error *err);

/* install_state.c: syncs the disk and notes that `done` steps are; the number noted by an earlier attempt with the same image, whose tickets and nonces
 * are then in *in, or 0. */
bool install_state_write(struct install *in, size_t done, struct pome_error *err);
size_t install_state_read(struct install *in);

/* install_disk.c */
/* The partition map on the disk is one that this installation would make: in->gpt is then that one. */
bool install_find_map(struct install *in);
/* Makes a container of in->gpt read as zero; false where the file system cannot. */
bool install_empty_container(const struct install *in, enum layout_container c);
bool install_partition_map(struct install *in, struct pome_error *err);
void install_empty_disk(struct install *in);
bool install_os(struct install *in, struct pome_error *err);
/* Sets in->kept when what the journal says is so. False: cancelled. */
bool install_keep_disk(struct install *in, struct pome_error *err);
bool install_boot_container(struct install *in, struct pome_error *err);
bool install_recovery_container(struct install *in, struct pome_error *err);
uint8_t *install_policy_file(const struct install *in, size_t *size, struct pome_error *err); /* the LocalPolicy as IMG4, for free() */
/* personalize.c */
bool install_personalize(struct install *in, struct pome_error *err);
/* Nonces, volume group and policy; `tickets` makes the tickets of the components. */
typedef bool install_tickets_fn(struct install *in, const struct personality *who, struct pome_error *err);
bool install_personalize_by(struct install *in, install_tickets_fn *tickets, struct pome_error *err);
/* install_apple.c: macOS */
bool apple_image_installable(const struct restore_image *image, struct pome_error *err);
uint64_t apple_image_min_disk(const struct restore_image *image);
bool apple_check(struct install *in, struct pome_error *err);
bool apple_look(struct install *in, struct pome_error *err);
bool apple_personalize(struct install *in, struct pome_error *err);
bool apple_boot_container(struct install *in, struct pome_error *err);
bool apple_main_container(struct install *in, struct pome_error *err);
bool apple_recovery_container(struct install *in, struct pome_error *err);
bool apple_verify(struct install *in, struct pome_error *err);
/* install_aux.c */
bool install_aux(struct install *in, struct pome_error *err);
void install_empty_aux(struct install *in);

/* A component of ours by name; the image was checked to have it. */
bool install_has(const struct install *in, const struct component_role *role); /* an optional one may be absent */
const struct manifest_component *install_component(const struct install *in, const char *name);

#endif
