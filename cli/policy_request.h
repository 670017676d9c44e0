/* policy_request.h - asks the owner what to answer when a machine's Recovery wants another security. */
#ifndef CLI_POLICY_REQUEST_H
#define CLI_POLICY_REQUEST_H

#include <pome/security.h>

/* "full", "reduced" or "permissive" to *level. False after a mistake, which was said. */
bool cli_security(const char *verb, const char *text, enum pome_security *level);

/* --authority PATH is POME_AUTHORITY for this command. NULL: nothing. */
void cli_use_authority(const char *path);

/* Before a start whose request is to be approved: what was asked for earlier is refused, so that only that start's own request can be. */
void policy_request_clear(pome_bundle *b);

/* After a start. approve: the security that the owner said yes to before, NULL: none; then the owner is asked if `ask`, else told how to answer.
 * status: of the start; returned, or CLI_FAILED when the answer could not be carried out. */
int policy_request_settle(pome_bundle *b, const char *name, const char *approve, bool ask, int status);

/* Shows the request and asks on the terminal. */
bool policy_request_ask(const struct pome_policy_request *r, const char *name);

#endif
