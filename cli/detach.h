/*
 * detach.h - goes on in the background: `pome start --detach`.
 *
 * The process that the user waits for ends when the one in the background says so: with status 0 when it is ready, with its exit status when it
 * failed. Until then standard output and error are the user's, so that results and errors are seen; after that they lead nowhere.
 */
#ifndef CLI_DETACH_H
#define CLI_DETACH_H

#include <pome/error.h>

/* Closes what was inherited but the standard descriptors. Before anything else is opened. */
void detach_close_inherited(void);

/* Returns in the background: a session of its own, no terminal, standard input empty. No threads may exist. */
bool detach_begin(struct pome_error *err);

/* In the background: all is well, or it ends with this status. Once; nothing when detach_begin was not called. False: whoever waited has left. */
bool detach_ready(void);
void detach_failed(int status);

#endif
