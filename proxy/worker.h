/* worker - one process that carries traffic: a loop, its listeners, its pool, its journals.
 *
 * It is given listening sockets and a configuration, and told to reload, to drain and to stop by
 * its parent (proxy/parent).  Everything of one worker is used by one thread only.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/tls.h"
#include "capture/archive.h"
#include "capture/exchange.h"
#include "capture/key.h"
#include "proxy/handshakes.h"
#include "proxy/log.h"
#include "proxy/proxy_conf.h"
#include "proxy/recorder.h"
#include "proxy/stats.h"

#define WORKER_READ_BYTES    (64u << 10)
#define WORKER_LISTENERS_MAX 2 /* TCP and Unix */
#define WORKER_SPARES_MAX    256

struct call_policy;
struct client;
struct cutover;
struct shared_state;

struct worker_listener {
    struct worker *worker;
    struct loop_io io;
    bool is_unix;
};

struct worker {
    struct loop *loop;
    struct log_sink log;
    int number; /* among the workers */
    struct proxy_stats *stats;
    struct shared_state *shared; /* with the others; NULL = no policy is kept to */
    struct proxy_conf *conf;     /* the current one */
    struct cutover *cutover;     /* likewise; NULL = nobody is moved */
    struct archive *archive;
    struct key key;
    struct recorder *recorder;
    char journal_name[16];
    struct http_pool *pool;
    struct http_origin **origins; /* of conf->upstreams, by index */
    struct tls_context *tls;      /* NULL = plain */
    struct handshakes handshakes;
    uint8_t ticket_keys[TLS_TICKET_KEYS_MAX * TLS_TICKET_KEY_BYTES];
    size_t ticket_key_bytes;
    struct worker_listener listeners[WORKER_LISTENERS_MAX];
    size_t listener_count;
    struct loop_timer accept_timer, grace_timer;
    struct client *clients;
    size_t client_count;
    size_t held_bytes;            /* of bodies that are to be signed or decided on */
    struct call_policy *policies; /* that are over, for the next calls */
    size_t spare_policies;
    bool is_draining;
    uint8_t random[4096]; /* for identifiers, from the kernel's generator, in bulk */
    size_t random_left;
    /* Used within one handler only. */
    struct arena arena;
    struct buf frame;
    struct exchange exchange; /* what is being recorded */
    char read[WORKER_READ_BYTES];
    /* Room for bytes on their way, which mostly leave in the turn they came in: see worker_lend. */
    struct buf spares[WORKER_SPARES_MAX];
    size_t spare_count, spare_bytes;
};

struct worker_options {
    struct proxy_conf *conf;
    const int *listeners; /* listening sockets, the last one Unix if has_unix */
    size_t listener_count;
    bool has_unix;
    struct log_sink log;
    struct proxy_stats *stats;
    struct shared_state *shared;
    struct str ticket_keys; /* for TLS, of all workers; or empty */
    struct str cutover;     /* as worker_follow has it */
};

int worker_open(const struct worker_options *options, struct worker **ret, struct err *err);
/* Clients still there lose their connections; their exchanges are recorded as cut. */
void worker_close(struct worker *w);
DEFINE_CLEANUP(struct worker, worker_close)
/* Takes c over (a reference); on failure everything stays as it was. */
int worker_reload(struct worker *w, struct proxy_conf *c, struct err *err);
/* The text of another cutover, which new calls follow from now on; "" = none. */
int worker_follow(struct worker *w, struct str text, struct err *err);
/* Other keys for session tickets, as worker_options has them. */
int worker_take_tickets(struct worker *w, struct str keys, struct err *err);
/* No new connections or requests; the loop stops when the last call has ended, or after the grace
 * time. */
void worker_drain(struct worker *w);

/* For calls.  The origin of an upstream, which may be of an older configuration; NULL = the present
 * one has no upstream in that place. */
struct http_origin *worker_origin(const struct worker *w, const struct proxy_conf *c,
                                  const struct proxy_upstream *u);
void worker_client_gone(struct worker *w);
/* An empty buffer, with room if there is one to spare. */
struct buf worker_lend(struct worker *w);
/* Takes b's memory back, wherever it is from. */
void worker_take_back(struct worker *w, struct buf *b);
/* len random bytes, 256 at most, valid until the next call. */
const uint8_t *worker_random(struct worker *w, size_t len);

#endif
