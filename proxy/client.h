/* client - a connection of an application, and the call it has under way.
 *
 *     IDLE ─ HEAD ─ CONNECT ─ CALL ─ ANSWER ─ DURABLE ─ FLUSH ─ IDLE ...
 *                                                          └─── LINGER ─ GONE
 *
 * One call at a time: what a client sends ahead waits.  Bytes go on in the turn they came in; what
 * the other side does not take is held, one read of it at most, and until it is gone the side it
 * came from is not read.
 *
 * client.c has the connection and the states, client_call.c the call, client_record.c its record.
 */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/http1.h"
#include "base/sock.h"
#include "llm/call.h"
#include "proxy/head.h"
#include "proxy/reply.h"
#include "proxy/route.h"
#include "proxy/worker.h"

/* X(constant, name) */
#define CLIENT_STATES(X)                                                                           \
    X(IDLE, "idle")       /* between requests */                                                   \
    X(HEAD, "head")       /* part of a head is there */                                            \
    X(CONNECT, "connect") /* for a connection to the upstream */                                   \
    X(CALL, "call")       /* the request goes out, no answer yet */                                \
    X(ANSWER, "answer")   /* the answer comes in */                                                \
    X(DURABLE, "durable") /* the answer is there, its record not yet on disk */                    \
    X(FLUSH, "flush")     /* the rest of the answer goes out */                                    \
    X(LINGER, "linger")   /* nothing more goes out; what still comes in is thrown away */          \
    X(GONE, "gone")       /* closed; freed at the end of the turn */

enum client_state {
#define X(constant, name) CLIENT_##constant,
    CLIENT_STATES(X)
#undef X
        CLIENT_STATE_COUNT
};

/* X(constant, name) */
#define CLIENT_EVENTS(X)                                                                           \
    X(BYTES, "bytes")         /* a request has begun */                                            \
    X(ROUTED, "routed")       /* its head is read, the upstream known */                           \
    X(CONNECTED, "connected") /* to the upstream */                                                \
    X(ANSWERED, "answered")   /* the head of the answer is there */                                \
    X(HELD, "held")           /* the answer is complete, its record not durable */                 \
    X(COMPLETE, "complete")   /* nothing more will be added to the answer */                       \
    X(NEXT, "next")           /* all is sent, the connection stays */                              \
    X(LAST, "last")           /* all is sent, the connection ends */                               \
    X(CLOSE, "close")         /* no more of it */

enum client_event {
#define X(constant, name) CLIENT_ON_##constant,
    CLIENT_EVENTS(X)
#undef X
        CLIENT_EVENT_COUNT
};

/* The call under way. */
struct client_call {
    struct proxy_conf *conf; /* a reference */
    const struct proxy_upstream *upstream;
    struct str rest; /* of the path; lies in the request's head */
    struct http_conn *conn;
    bool is_connected;
    bool is_begun;      /* has its BEGIN, no END yet */
    bool request_done;  /* read to its end */
    bool anything_sent; /* a byte has gone to the upstream */
    bool was_retried;
    bool answer_began;  /* a byte has come from the upstream */
    bool answer_done;   /* read to its end, or never to be */
    bool may_keep_conn; /* another call can use the upstream's connection */
    bool hides_bodies;  /* the bodies are credentials: not recorded */
    struct buf out;     /* for the upstream */
    uint64_t request_bytes, response_bytes;
    enum http1_framing framing; /* of the answer, to the client */
    struct head_trace trace;
    struct recording recording;
};

struct client {
    struct worker *worker;
    struct client *next, **link;
    struct sock sock;
    struct loop_io io;
    struct loop_timer timer;
    struct loop_task task; /* goes on with what is in `in`; once GONE, frees */
    enum client_state state;
    uint64_t progress_us; /* when bytes last went anywhere, or the state began */
    struct http1 *request, *answer;
    struct buf in;   /* read, not yet looked at */
    struct buf out;  /* for the client */
    bool peer_ended; /* it sends no more */
    bool ends_after; /* this call is the last one */
    bool ends_by_reset;
    char address[INET6_ADDRSTRLEN];
    struct client_call call;
};

/* A connection on fd, which is the client's now.  address is the peer's. */
void client_open(struct worker *w, int fd, const char *address);
/* At once; a call under way is recorded as cut. */
void client_close(struct client *c);
/* Ends it now if nothing is under way, else after this call. */
void client_drain(struct client *c);
/* The journal can be written again. */
void client_unblock(struct client *c);

/* --- between the client's files --- */

void client_step(struct client *c, enum client_event event);
/* After anything happened: what to wait for, and for how long.  Last thing in every handler. */
void client_settle(struct client *c);
/* Bytes for the client: at once what fits. */
void client_send(struct client *c, struct str bytes);
/* The answer is all in out, or sent. */
void client_complete(struct client *c);
/* Goes on with what was read before. */
void client_process(struct client *c);

void client_call_start(struct client *c);
void client_call_body(struct client *c, struct str body);
void client_call_request_end(struct client *c);
/* Sends what waits for the upstream. */
void client_call_push(struct client *c);
/* Reads the answer as far as the client takes it. */
void client_call_pull(struct client *c);
/* The answer is weir's own; or, if some of the upstream's has been sent, the connection is cut. */
void client_call_fail(struct client *c, enum reply_kind kind, enum error_class error,
                      const char *detail);
/* The client has left or is being left. */
void client_call_abandon(struct client *c, enum error_class error);
/* Between calls. */
void client_call_release(struct client *c);

/* -1: it could not be recorded. */
int client_record_begin(struct client *c, const struct route *route, struct err *err);
void client_record_answer(struct client *c, const struct http1_head *head);
/* Of an answer of weir's own. */
void client_record_reply(struct client *c, const struct reply *reply, struct str body);
/* true = the answer may go out. */
bool client_record_end(struct client *c, bool truncated, enum error_class error);

#endif
