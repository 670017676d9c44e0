/*
 * renew.h - a guest that goes on with the memory of another machine is told who it is now.
 *
 * Two machines that went on from one memory would draw the same random numbers, and think it is the time of the save. After the resume, a thread connects to
 * port VM_RENEW_PORT of the guest (vsock) and says, a line each:
 *
 *     POME-RENEW 1
 *     time SECONDS.NANOSECONDS          since 1970, UTC
 *     entropy HEX                       64 bytes from the host's getrandom(2)
 *     address OLD NEW                   MAC addresses, of each network device
 *     identifier HEX                    16 digits: the machine's own (ECID)
 *     end
 *
 * The guest answers "OK\n" when it has taken all over, or "ERROR text\n". Debian images of ours have a service that does (restore/build/guest, pome-renew). A guest
 * without one goes on all the same, and the log says so.
 */
#ifndef VM_RENEW_H
#define VM_RENEW_H

#include "vm/vm.h"

enum { VM_RENEW_PORT = 1023, VM_RENEW_MS = 30000 };

/* The operations' thread, after the resume. Does nothing where there is no socket device. */
void vm_renew_begin(struct vm *vm);
/* Gives up what is under way. Before the machine is destroyed. */
void vm_renew_end(struct vm *vm);

/* The lines, into text; their length. */
size_t vm_renew_text(const struct vm_config *c, char *text, size_t room);

#endif
