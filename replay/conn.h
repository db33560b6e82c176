/* conn - a client's connection to the stand-in provider.
 *
 *     READING ── PLAYING ── READING ...
 *        ├──────────┴────── LINGER ── GONE
 *        └── H2 ───────────────┘
 *
 * HTTP/1.1 has one request at a time; what a client sends ahead waits.  One that begins with the
 * preface of HTTP/2 is asked for many at a time (replay/streams).
 */
#ifndef REPLAY_CONN_H
#define REPLAY_CONN_H

#include "replay/server.h"

/* A connection that came to port on fd, which is the server's now. */
void conn_open(struct server *s, const struct server_port *port, int fd);
/* At once. */
void conn_close(struct conn *c);
/* Ends it now if nothing is under way, else after this answer. */
void conn_drain(struct conn *c);
struct conn *conn_next(const struct conn *c);
const struct server_port *conn_port(const struct conn *c);

#endif
