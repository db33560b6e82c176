/* listener - sockets to listen on, and to talk to a listener with. */
#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define LISTENER_ADDRESS_BYTES 80

/* A non-blocking TCP socket; "*" listens on all addresses.  shared: others may listen on the same
 * port, and the kernel spreads connections over them (SO_REUSEPORT). */
int listener_open(struct str host, uint16_t port, bool shared, int *ret_fd, struct err *err);
/* "127.0.0.1:8700" of a listening socket, for port 0 too; *ret_port may be NULL. */
void listener_address(int fd, char ret[static LISTENER_ADDRESS_BYTES], uint16_t *ret_port);
/* A Unix socket at path (0600).  One that nobody listens on any more is replaced. */
int listener_open_unix(const char *path, int *ret_fd, struct err *err);
/* Connects to it, blocking. */
int listener_connect_unix(const char *path, int *ret_fd, struct err *err);

#endif
