/* privileges - giving up what a process does not need any more. */
#ifndef PROXY_PRIVILEGES_H
#define PROXY_PRIVILEGES_H

#include "base/err.h"

/* Becomes user, with its groups and group (NULL = the user's own), for good.  Nothing to do if the
 * process is that user already; another needs root.  Blocks (name services). */
int privileges_drop(const char *user, const char *group, struct err *err);
/* Lets the members of a group connect to the socket file at path, besides its owner.  Blocks. */
int privileges_share_socket(const char *path, const char *group, struct err *err);
/* No core file of this process and those it starts, and no debugger but root's: both would hold
 * keys. */
void privileges_forbid_cores(void);

#endif
