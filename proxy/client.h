/* client - a connection of an application: what is the same in every protocol.
 *
 *     client.c ── socket, list of the worker, bytes out, the end
 *       ├── client_h1.c   one call at a time
 *       └── client_h2.c   many calls, each a stream
 *
 * A connection begins in HTTP/1.1 and becomes HTTP/2 if ALPN or its first bytes say so.  What is
 * closed is freed at the end of the turn, so handlers need only ask is_gone.
 */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sock.h"
#include "proxy/worker.h"

#define CLIENT_KEEP_BYTES 4096u /* larger buffers are not kept between calls */

struct client;

struct client_protocol {
    void (*on_io)(struct client *c, unsigned events);
    void (*on_timer)(struct client *c);
    void (*on_task)(struct client *c); /* deferred with loop_defer(task) */
    void (*drain)(struct client *c);
    void (*unblock)(struct client *c);
    /* Calls under way that are being recorded. */
    size_t (*count_calls)(const struct client *c);
    /* Abandons all calls: nothing is sent any more. */
    void (*abandon)(struct client *c);
    void (*free)(struct client *c);
};

/* The beginning of each protocol's own struct. */
struct client {
    const struct client_protocol *protocol;
    struct worker *worker;
    struct client *next, **link;
    struct sock sock;
    struct loop_io io;
    struct loop_timer timer;
    struct loop_task task; /* the protocol's; once gone, frees */
    uint64_t progress_us;  /* when bytes last went anywhere, or the state began */
    struct buf out;        /* for the peer */
    bool is_leaving;       /* out waits for no more than the end of this turn */
    bool is_gone;
    bool peer_ended; /* it sends no more */
    bool ends_by_reset;
    char address[INET6_ADDRSTRLEN];
};

/* A connection on fd, which is the client's now.  is_local: it is never in TLS, being a Unix
 * socket's.  address is the peer's. */
void client_open(struct worker *w, int fd, bool is_local, const char *address);
/* At once; calls under way are recorded as cut. */
void client_close(struct client *c);
/* Ends it now if nothing is under way, else after that. */
void client_drain(struct client *c);
/* The journal can be written again. */
void client_unblock(struct client *c);

/* --- for the protocols --- */

/* Into the worker's list and loop, waiting for bytes; c is zero but for what its protocol owns.
 * sock is taken over.  -1: nothing has happened, sock is still the caller's. */
int client_attach(struct client *c, struct worker *w, const struct client_protocol *protocol,
                  const struct sock *sock, const char *address);
/* As client_close, and its calls are counted as left by their client. */
void client_lose(struct client *c);
/* Bytes for the peer: at once what fits, the rest into out. */
void client_write(struct client *c, struct str bytes);
/* Likewise, but if they are few at the end of this turn, when on_io comes with LOOP_WRITE: together
 * with what others have to send (loop_io_write_later).  bytes is empty afterwards. */
void client_write_later(struct client *c, struct buf *bytes);
/* Adds bytes to out, for a later client_flush; likewise. */
void client_hold(struct client *c, struct buf *bytes);
/* Sends what is in out.  True: it is empty now; false: not yet, or the client is gone. */
bool client_flush(struct client *c);

void client_h1_open(struct worker *w, const struct sock *sock, const char *address);
/* bytes came in already. */
void client_h2_open(struct worker *w, const struct sock *sock, const char *address,
                    struct str bytes);

#endif
