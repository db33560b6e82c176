/* server - a stand-in provider: answers requests from a library, each with its recorded timing.
 *
 *     request ── reserved path ── health, statistics
 *             └─ library_find ─── the same request, or one alike
 *                      └───────── none: a synthetic answer, or 404 in the provider's own form
 *
 *                                     │ all of it as far as trouble lets it
 *
 * One loop, one thread.  conn (HTTP/1.1) and streams (HTTP/2) know nothing of what is answered,
 * server nothing of how.
 */
#ifndef REPLAY_SERVER_H
#define REPLAY_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/http1.h"
#include "base/listener.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/tls.h"
#include "replay/library.h"
#include "replay/play.h"
#include "replay/trouble.h"

#define SERVER_RESERVED_PATH "/__weir/"
/* What a client can make it hold. */
#define SERVER_BODY_BYTES_MAX  (64u << 20)  /* of a request: 413 */
#define SERVER_OUT_BYTES       (256u << 10) /* not yet taken by a client; then the play waits */
#define SERVER_CONNECTIONS_MAX 100000u      /* more are closed at once */
#define SERVER_IDLE_US         UINT64_C(300000000) /* between requests */
#define SERVER_HEAD_US         UINT64_C(60000000)  /* for a whole request */

/* X(name): what is counted, as /__weir/stats shows it. */
#define SERVER_COUNTS(X)                                                                           \
    X(requests) /* all but those of the reserved path: retries count too */                        \
    X(same)     /* answered by the same request's exchange */                                      \
    X(alike)    /* by that of one alike */                                                         \
    X(synthetic)                                                                                   \
    X(unmatched)   /* 404 */                                                                       \
    X(refused)     /* no valid HTTP, or beyond a limit */                                          \
    X(failed)      /* the archive could not be read: 500 */                                        \
    X(completed)   /* played to their end */                                                       \
    X(cut)         /* that broke off as they did when they were recorded */                        \
    X(abandoned)   /* by the client */                                                             \
    X(body_bytes)  /* of answers */                                                                \
    X(connections) /* ever */                                                                      \
    X(connections_open)

struct server_counts {
#define X(name) uint64_t name;
    SERVER_COUNTS(X)
#undef X
};

enum server_unmatched {
    SERVER_UNMATCHED_404,
    SERVER_UNMATCHED_SYNTH,
};

#define SERVER_PORTS_MAX 1000

struct server_request {
    struct request request;
    const struct call_header *headers;
    size_t header_count;
};

struct server_options {
    struct loop *loop;
    struct library *library;
    int listener; /* the server's from now on; -1 = none but those that are added */
    unsigned speed;
    enum server_unmatched unmatched;
    struct tls_context *tls; /* a reference, or NULL */
    struct trouble *trouble; /* what goes wrong; must outlive the server; NULL = nothing does */
    /* Told of each request before it is answered; may say what the answer is (a reference), or
     * NULL: what the library has.  NULL = nobody is told. */
    struct answer *(*on_request)(void *ctx, const struct server_request *request,
                                 const struct call_facts *facts);
    /* The last connection has gone after server_drain. */
    void (*on_drained)(void *ctx);
    void *ctx;
};

struct conn;

/* A socket that is listened on: it stands for one upstream, or is there to control. */
struct server_port {
    struct server *server;
    struct server_port *next;
    size_t upstream; /* trouble's number */
    bool is_control; /* in plain HTTP, whatever the others speak */
    bool is_shut;    /* takes no connections: they are refused */
    bool fails_tls;  /* and handshakes fail */
    struct loop_io io;
    struct loop_timer accept_timer;
};

struct server {
    struct server_options options;
    struct server_counts counts;
    struct server_port *ports;
    size_t port_count;
    struct loop_timer edge_timer; /* when a port opens or shuts again */
    struct conn *conns;
    bool is_draining;
    uint64_t started_us;
    char read[64u << 10]; /* for the connection whose turn it is */
};

int server_open(const struct server_options *options, struct server **ret, struct err *err);
/* Cuts what is under way; NULL is fine. */
void server_close(struct server *s);
DEFINE_CLEANUP(struct server, server_close)
/* One more socket, the server's from now on (also if it fails): for an upstream of that name, or,
 * with none, to control.  Both need options.trouble. */
int server_add_port(struct server *s, int listener, const char *upstream, struct err *err);
/* Takes no more connections and ends those that are there with the answer under way. */
void server_drain(struct server *s);

/* --- for connections --- */

/* To a whole request; a reference, never NULL. */
struct answer *server_answer_to(struct server *s, const struct server_port *port,
                                const struct http1_head *head, struct str body);
/* The handshake was refused, as trouble wants it. */
void server_handshake_refused(struct server *s, const struct server_port *port);
/* The connection is closed and out of the list. */
void server_conn_gone(struct server *s);

#endif
