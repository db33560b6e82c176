/* call - one exchange on its way: the request to its upstream, the answer back, and the record.
 *
 *     IDLE ─ CONNECT ─ REQUEST ─ ANSWER ─ DURABLE ─ OVER ─ IDLE ...
 *
 * A call does not know the protocol of the connection that it came from, its downstream.  The
 * downstream hands in the request (call_start, call_request_body, call_request_end) and is told of
 * the answer through struct call_downstream; heads are struct http1_head on both sides, whatever
 * they were made of.
 *
 * Bytes go on in the turn they came in; what the other side does not take is held, one read of it
 * at most, and until it is gone the side it came from is not read.
 *
 * call.c has the call, call_head.c the way in and the request's head, call_record.c all that goes
 * to the recorder.
 */
#ifndef PROXY_CALL_H
#define PROXY_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/http1.h"
#include "base/http_client.h"
#include "llm/call.h"
#include "proxy/head.h"
#include "proxy/reply.h"
#include "proxy/route.h"
#include "proxy/worker.h"

/* X(constant, name) */
#define CALL_STATES(X)                                                                             \
    X(IDLE, "idle")       /* none */                                                               \
    X(HOLD, "hold")       /* the request is read, to be decided on */                              \
    X(WAIT, "wait")       /* for another attempt at an answer */                                   \
    X(CONNECT, "connect") /* for a connection to the upstream */                                   \
    X(REQUEST, "request") /* the request goes out, no answer yet */                                \
    X(ANSWER, "answer")   /* the answer comes in */                                                \
    X(DURABLE, "durable") /* the answer is there, its record not yet on disk */                    \
    X(OVER, "over")       /* nothing more will be added to the answer */

enum call_state {
#define X(constant, name) CALL_##constant,
    CALL_STATES(X)
#undef X
        CALL_STATE_COUNT
};

/* X(constant, name) */
#define CALL_EVENTS(X)                                                                             \
    X(KEPT, "kept")           /* the request waits for what is decided */                          \
    X(PAUSED, "paused")       /* this attempt is given up, another one comes */                    \
    X(ROUTED, "routed")       /* the upstream is known */                                          \
    X(CONNECTED, "connected") /* to the upstream */                                                \
    X(ANSWERED, "answered")   /* the head of the answer is there */                                \
    X(HELD, "held")           /* the answer is complete, its record not durable */                 \
    X(COMPLETE, "complete")   /* nothing more will be added */                                     \
    X(NEXT, "next")           /* another one may follow */

enum call_event {
#define X(constant, name) CALL_ON_##constant,
    CALL_EVENTS(X)
#undef X
        CALL_EVENT_COUNT
};

/* What a call asks of where it came from.  No function is called from within call_abandon; all
 * others may be called from within any call_*.  ctx is the call's. */
struct call_downstream {
    /* An interim head (1xx) of the upstream's, never 100. */
    void (*interim)(void *ctx, const struct http1_head *head);
    /* The upstream is there: a client that expects 100 may send its body. */
    void (*go_on)(void *ctx);
    /* The answer, in pieces.  None has to leave before flush. */
    void (*head)(void *ctx, const struct http1_head *head);
    void (*body)(void *ctx, struct str bytes);
    void (*end)(void *ctx, const struct http1_header *trailers, size_t count);
    /* Instead of these: an answer of weir's own, all of it. */
    void (*reply)(void *ctx, const struct reply *reply, struct str body);
    /* Instead of end: the peer must see that the rest is missing. */
    void (*cut)(void *ctx);
    /* What was given so far leaves now, if the peer takes it. */
    void (*flush)(void *ctx);
    /* What was given since the last flush must not leave before complete. */
    void (*hold)(void *ctx);
    /* The call is over, the answer all given: what is left of it may leave. */
    void (*complete)(void *ctx);
    /* It could not be made durable: the peer must not get the rest. */
    void (*revoke)(void *ctx);
    /* More of the request can be taken (call_takes_request). */
    void (*resume)(void *ctx);
    /* Does it hold bytes that its peer has not taken yet? */
    bool (*is_full)(void *ctx);
    /* Something has happened to the call that the downstream has not caused: it calls call_settle.
     */
    void (*settle)(void *ctx);
};

struct call_cutover;
struct call_hold;
struct call_policy;
struct call_scrub;

struct proxy_call {
    struct worker *worker;
    const struct call_downstream *down;
    void *ctx;
    const char *address; /* of the client */
    enum call_state state;
    uint64_t progress_us; /* when bytes last went anywhere, or the state began */
    struct http1 *answer; /* kept between calls */
    /* From here on of one call only. */
    const struct http1_head *request; /* the downstream's, until call_release */
    struct proxy_conf *conf;          /* a reference */
    const struct proxy_upstream *upstream;
    const struct client_key *client_key; /* that let it in; NULL = none was shown */
    struct call_hold *hold;              /* of a body that is to be signed; NULL = none */
    struct call_policy *policy;          /* what the policy is to it; NULL = nothing */
    struct call_cutover *cutover;        /* what a cutover is to it; NULL = nothing */
    struct str rest;                     /* of the path; lies in the request's head, or in policy */
    bool
        is_foreign; /* the upstream is not the one asked for: it gets nothing of the caller's own */
    struct http_conn *conn;
    bool shows_no_key; /* none of its credentials is a key of ours */
    bool is_connected;
    bool is_corked;     /* more of the request is at hand: out waits for it */
    bool is_lent;       /* bytes of the request stay where they are until call_keep_request */
    bool is_leaving;    /* out waits for no more than the end of this turn */
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
    struct head_trace trace;
    struct recording recording;
    struct call_scrub *scrub; /* what must be looked at before it is recorded; NULL = nothing */
};

/* down and address must outlive the call. */
void call_init(struct proxy_call *call, struct worker *w, const struct call_downstream *down,
               void *ctx, const char *address);
/* Between calls: makes ready for the next one. */
void call_release(struct proxy_call *call);
/* Between calls: gives back what is kept for the next one, which may be long in coming. */
void call_trim(struct proxy_call *call);
/* The last thing; after call_release. */
void call_close(struct proxy_call *call);

/* --- the request --- */

/* head stays where it is until call_release. */
void call_start(struct proxy_call *call, const struct http1_head *head);
/* Whether the next bytes of the request have a place to go. */
bool call_takes_request(const struct proxy_call *call);
/* And whether they would go on at once: the downstream may read. */
bool call_wants_request(const struct proxy_call *call);
/* Until uncorked, what goes to the upstream is gathered: for as long as the request's bytes that
 * are there are handed in, so that they leave together. */
void call_cork(struct proxy_call *call);
void call_uncork(struct proxy_call *call);
/* Between these, what is handed in of the body stays where it is. */
void call_lend_request(struct proxy_call *call);
void call_keep_request(struct proxy_call *call);
/* Only while call_takes_request. */
void call_request_body(struct proxy_call *call, struct str bytes);
void call_request_end(struct proxy_call *call, const struct http1_header *trailers, size_t count);
/* The request is not to be passed on, or not to its end.  If it has not begun, it never will.  The
 * log says why, if that is not "". */
void call_refuse(struct proxy_call *call, enum reply_kind kind, const char *why);

/* --- the answer --- */

/* Reads it as far as the downstream takes it: to be called once is_full says no again. */
void call_pull(struct proxy_call *call);
/* The client has left or is being left: recorded as cut, and over. */
void call_abandon(struct proxy_call *call, enum error_class error);

/* --- time --- */

static inline bool call_is_under_way(const struct proxy_call *call)
{
    return call->state >= CALL_HOLD && call->state <= CALL_DURABLE;
}
/* After anything happened: what to wait for of the upstream.  Last thing in every handler. */
void call_settle(struct proxy_call *call);
/* How long the present state may last from progress_us on; 0 = as long as it likes. */
uint64_t call_patience_us(const struct proxy_call *call);
/* It has lasted that long.  False: the client is to blame, and to be left. */
bool call_expire(struct proxy_call *call);

/* --- the way in and out: between the call's files --- */

/* Whether the request may go where it wants, which upstream, rest and client_key then say; if not,
 * why (the upstream may be known all the same). */
bool call_admit(struct proxy_call *call, struct route *route, enum reply_kind *ret_why);
/* The request's head for the upstream; false: that takes the whole body, which is to be held. */
bool call_write_head(struct proxy_call *call, struct buf *out);
void call_hold_begin(struct proxy_call *call);
/* false: too much is held, by all calls together. */
bool call_hold_body(struct proxy_call *call, struct str bytes);
/* Adds the head and what was held. */
void call_hold_end(struct proxy_call *call, struct buf *out);
/* May be called without a hold. */
void call_hold_free(struct proxy_call *call);
#define CALL_HELD_BYTES_MAX (256u << 20) /* of bodies that wait to be signed or decided on */
/* A head with a body of that length, whose hash (for AWS) is known. */
void call_write_head_for(struct proxy_call *call, struct str payload_hash, uint64_t body_bytes,
                         struct buf *out);

/* --- for proxy/call_cutover and call_policy: the steps of a call --- */

/* It begins, under the policy if there is one; and a piece of its body, likewise. */
void call_go(struct proxy_call *call);
void call_pass_body(struct proxy_call *call, struct str bytes);
/* Neither refused nor over. */
static inline bool call_is_open(const struct proxy_call *call)
{
    return call->state >= CALL_HOLD && call->state < CALL_DURABLE;
}

/* The request is to be read before anything is decided. */
void call_hold_request(struct proxy_call *call);
/* As without a policy: head and connection, and a piece of the body. */
void call_begin_upstream(struct proxy_call *call);
void call_send_body(struct proxy_call *call, struct str bytes);
/* Another attempt, at u: what was is forgotten; returns where the request goes, for call_connect.
 */
struct buf *call_send_to(struct proxy_call *call, const struct proxy_upstream *u, bool is_foreign);
void call_connect(struct proxy_call *call);
/* This attempt is given up; call_drop, then call_send_to or an answer of ours. */
void call_pause(struct proxy_call *call);
void call_drop(struct proxy_call *call, bool keep_conn);
/* The answer's head, and bytes of its body, to the record and the client. */
void call_give_head(struct proxy_call *call);
void call_give_body(struct proxy_call *call, struct str bytes);
/* Answers instead; error is what is recorded of the call. */
void call_deny(struct proxy_call *call, const struct reply *reply, struct str body,
               enum error_class error);
void call_fail(struct proxy_call *call, enum reply_kind kind, enum error_class error,
               const char *detail);

/* --- the record: all of it goes through these --- */

/* -1: it could not be recorded. */
int call_record_begin(struct proxy_call *call, const struct route *route, struct err *err);
void call_record_request_body(struct proxy_call *call, struct str bytes);
/* The request's body is complete. */
void call_record_request_end(struct proxy_call *call);
void call_record_answer(struct proxy_call *call, const struct http1_head *head);
/* Of an answer of weir's own: head and body. */
void call_record_reply(struct proxy_call *call, const struct reply *reply, struct str body);
void call_record_chunk(struct proxy_call *call, struct str bytes);
/* true = the answer may go out; false = call_durable will say. */
bool call_record_end(struct proxy_call *call, bool truncated, enum error_class error);
/* Nobody waits for the end of it any more. */
void call_record_forget(struct proxy_call *call);
/* Between calls. */
void call_record_release(struct proxy_call *call);
/* From the recorder: END is on disk, or never will be. */
void call_durable(struct proxy_call *call, bool durable);

#endif
