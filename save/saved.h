/*
 * saved.h - a whole machine into a file, and back.
 *
 * Sections: "facts" (texts that must be the same where the machine goes on), "time" (what the guest's counter has counted), "cpu/0"...,
 * "device/NAME" as machine_each_state calls them, "traffic" (console input and network frames on their way), "memory/GPA", "variables" (the firmware's), "recent" and "recent/memory" (recent.h). A state that has other fields, a device
 * that is missing, a number that differs: every difference is told, none is ignored.
 *
 * Both directions need the machine at rest: vCPUs paused, machine quiesced, the loop's thread standing still.
 */
#ifndef SAVE_SAVED_H
#define SAVE_SAVED_H

#include "base/findings.h"
#include "cpu/cpu.h"
#include "machine/machine.h"
#include "save/file.h"

struct save_subject {
    struct machine *machine;
    struct cpu_set *cpus;
    const struct records *facts; /* more of them, of whoever makes the machine: identity, CPU model */
    const struct records *instead; /* facts that a file to be compared must have instead of the present ones; NULL: none */
};

/* fd: an empty file. What was written to the disks, and the file, are on the medium afterwards. */
bool saved_write(const struct save_subject *s, int fd, const struct save_secret *secret, const struct save_progress *progress,
                 struct pome_error *err);

/*
 * The same in two parts. While the guest runs, its RAM is written, and what it writes to meanwhile again, until that is little, or does not become less (mem/watch.h); at rest the
 * rest. The host must be able to tell what is written to: *out is NULL when it cannot, and saved_write does it all. fd stays the caller's.
 */
struct saved_ahead;
bool saved_ahead_begin(struct machine *m, int fd, const struct save_secret *secret, const struct save_progress *progress, struct saved_ahead **out, struct pome_error *err);
bool saved_ahead_finish(struct saved_ahead *a, const struct save_subject *s, const struct save_progress *progress, struct pome_error *err);
void saved_ahead_free(struct saved_ahead *a); /* NULL is fine */

struct saved;

/* Takes fd, also when it fails. Errors: RESTORE, PERMISSION (see save_reader_create). */
struct saved *saved_open(int fd, const struct save_secret *secret, struct pome_error *err);
void saved_free(struct saved *f); /* the file stays open while memory is fetched from it */

/* Adds every difference between the saved machine and this one. */
bool saved_compare(struct saved *f, const struct save_subject *s, struct findings *out, struct pome_error *err);

/* Who is told, on a thread of memory's, that the file does not give some memory that the guest needs: it must not go on. */
struct save_trouble {
    void (*fn)(void *ctx, const struct pome_error *why);
    void *ctx;
};

/* Fills a machine that is as after its creation. trouble: not NULL: its RAM is fetched from the file when it is touched, and in the background, where the
 * host can (mem/lazy.h); NULL: all of it now. On failure the machine is to be reset. */
bool saved_load(struct saved *f, const struct save_subject *s, const struct save_trouble *trouble, const struct save_progress *progress,
                struct pome_error *err);

#endif
