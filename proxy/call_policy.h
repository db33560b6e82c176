/* call_policy - a call under a policy: what it asks for, whether it may, where it goes, and what it
 * used.
 *
 *     begin ─ (body held, or seen while it passes) ─ decide ─► refused
 *                                                      │
 *                                                      ├► as it asked, once        (no route)
 *                                                      └► attempt ◄──────┐          (route)
 *                                                            │           │ in WAIT
 *                               answer held ── failed ───────┴───────────┘
 *                                    └─ content ─► released: nothing is repeated any more
 *
 * A body is held only if a rule in mode enforce may want to know its model, or its route may repeat
 * it: CALL_POLICY_BODY_BYTES of it at most (a worker holds HELD_BYTES_MAX in all).  A longer one
 * goes where it asked to, once, with the model that its beginning names; where an access rule is in
 * force it is refused, since what cannot be read cannot be allowed.  In modes observe and warn a
 * copy is read, and nothing waits for anything.
 *
 * An answer is held until its first content event, or CALL_POLICY_ANSWER_BYTES of it, or its end;
 * so what goes wrong before can be mended within the same request.
 *
 * call_policy.c has the request, call_walk.c the attempts and the answer, call_used.c what the
 * answer used, call_decided.c what of it all is recorded and counted.
 */
#ifndef PROXY_CALL_POLICY_H
#define PROXY_CALL_POLICY_H

#include "base/vec.h"
#include "policy/admit.h"
#include "proxy/asked.h"
#include "proxy/call.h"
#include "proxy/call_used.h"
#include "proxy/proxy_policy.h"
#include "proxy/shared_state.h"
#include "proxy/steered.h"

#define CALL_POLICY_BODY_BYTES   (16u << 20)
#define CALL_POLICY_ANSWER_BYTES (64u << 10)

enum call_policy_body {
    CALL_POLICY_PASSES, /* nobody looks at it */
    CALL_POLICY_SEEN,   /* a copy is read */
    CALL_POLICY_HELD,   /* it goes when all is decided */
};

/* One attempt, as it is recorded. */
struct call_attempt {
    const struct proxy_upstream *upstream;
    struct str model; /* asked for there; "" = as the request says */
    bool is_skipped;
    enum policy_outcome why;
    int status;
    enum error_class error;
    uint64_t start_us, duration_us; /* since the call began */
    uint64_t bytes;
};

#define CALL_POLICY_ATTEMPTS 2 /* of most calls: more are elsewhere */
/* A vec. */
struct call_attempts {
    struct call_attempt *ptr;
    size_t len, cap;
};

struct call_policy {
    /* Looked at in every step; what belongs together lies together: with some hundred calls under
     * way none of it is still in the cache when the next step comes. */
    struct proxy_call *call;
    struct proxy_policy *conf;             /* of call->conf */
    const struct policy_class *class;      /* a reference */
    const struct proxy_upstream *upstream; /* where it asked to go */
    enum call_policy_body body_is;
    uint32_t attempt_count; /* EXCHANGE_STEPS_MAX at most */
    uint32_t notes_seen;    /* that are among the attempts already */
    bool is_over;           /* more than may be held */
    bool is_decided;
    bool has_claims;
    /* The walk; without a route only the notes are of interest. */
    bool walks, is_live; /* live: its steps are taken; else they are noted */
    bool ended_well;     /* the attempt, as steered_good says */
    bool timer_is_stale; /* when it is due is found out at the end of the turn */
    bool was_sent;       /* an attempt has been made */
    bool may_cost;       /* of one that failed, a provider may have worked for it */
    bool holds_answer;
    bool is_used_read;
    bool body_is_lent, body_leaves; /* body lies where it was read; in call->out */
    struct loop_task task;
    struct str body;  /* of the request: held, or the copy */
    struct str piece; /* of the answer: held where it was read, until all of that read is taken */
    const struct recognition *known; /* of a call to known_for, while known_at holds */
    const struct proxy_upstream *known_for;
    uint64_t known_at;
    struct policy_used used_read; /* of an answer that was whole in one piece */
    struct str model;             /* to ask for in the present attempt; "" = as asked */
    struct call_policy *next_spare;
    /* What it asks for. */
    struct str rest; /* of the path, as it asked */
    struct str bare; /* the same without the query */
    struct str user; /* that shares of a route are kept by; "" = none is known */
    struct asked asked;
    struct policy_subject subject;
    /* What follows is memory that the next call has as well. */
    struct arena arena; /* strings of subject and asked */
    struct buf kept;    /* body, where it is not lent and does not leave */
    struct buf tail;    /* of a chunked one: the last chunk with its trailers */
    struct buf path;    /* of the present attempt, where it differs */
    struct buf held;    /* of the answer, if piece is not all of it */
    struct call_attempts more_attempts;
    struct call_attempt attempts[CALL_POLICY_ATTEMPTS];
    struct call_used used;
    /* Left to run out when an attempt ends well: setting it anew is cheap while it is set. */
    struct loop_timer timer;
    /* And what is long and not cleared, but for the counts and what is under way. */
    struct steered steered;
    struct policy_claims claims;
    struct policy_decisions notes;
};

/* call has its BEGIN.  True: it is the policy's: held, refused or on its way; false: it goes on as
 * ever. */
bool call_policy_begin(struct proxy_call *call);
/* A piece of the request, and its end.  True: it is held. */
bool call_policy_request_body(struct proxy_call *call, struct str bytes);
bool call_policy_request_end(struct proxy_call *call, const struct http1_header *trailers,
                             size_t count);
/* The bytes that were handed in are about to go: what is held of them is copied. */
void call_policy_keep_request(struct proxy_call *call);
/* The first n bytes of call->out have left, or are not to any more: what of the request is held
 * there is kept.  True: by taking all of out. */
bool call_policy_keep_leaving(struct call_policy *p, size_t n);
static inline bool call_policy_keep_sent(struct proxy_call *call, size_t n)
{
    return call->policy && call->policy->body_leaves && call_policy_keep_leaving(call->policy, n);
}
/* A connection to the upstream is there. */
void call_policy_connected(struct proxy_call *call);

/* Of the answer: true = it is held, or not wanted any more. */
bool call_policy_answer_head(struct proxy_call *call, const struct http1_head *head);
bool call_policy_answer_body(struct proxy_call *call, struct str bytes);
bool call_policy_answer_end(struct proxy_call *call);
/* The bytes that were handed in are about to go: what is held of them is copied. */
void call_policy_keep_answer(struct proxy_call *call);
/* The call is about to fail.  True: it does not: something else is tried, or was answered. */
bool call_policy_failed(struct proxy_call *call, enum reply_kind kind, enum error_class error);
/* Its timers are the policy's: the call's own are not looked at. */
static inline bool call_policy_times(const struct call_policy *p)
{
    return p && p->is_live;
}
/* The value of x-weir-policy for the client, or "". */
struct str call_policy_warnings(struct call_policy *p);
static inline struct str call_policy_warning(const struct proxy_call *call)
{
    struct call_policy *p = call->policy;
    bool may_warn = false;

    /* Of where calls go nobody is warned. */
    for (size_t i = 0; p && i < p->notes.count; i++)
        may_warn |= p->notes.list[i].outcome <= POLICY_SOFT_BUDGET;
    return may_warn ? call_policy_warnings(p) : STR("");
}
/* Its END is about to be recorded: settles, and fills in what x says of attempts and decisions. */
void call_policy_end(struct proxy_call *call, enum error_class error, struct exchange *x);
/* Between calls; NULL is fine. */
void call_policy_free(struct call_policy *p);
/* What a worker keeps of those that are over. */
void call_policy_free_spares(struct worker *w);

/* The last thing in every handler, as call_settle. */
void call_policy_set_timer(struct call_policy *p);
static inline void call_policy_settle(struct call_policy *p)
{
    if (p->timer_is_stale)
        call_policy_set_timer(p);
}

/* --- between the files of call_policy --- */

static inline struct call_attempt *call_policy_attempt(struct call_policy *p, size_t i)
{
    return i < CALL_POLICY_ATTEMPTS ? &p->attempts[i]
                                    : &p->more_attempts.ptr[i - CALL_POLICY_ATTEMPTS];
}

/* An attempt is under way, or waited for. */
static inline bool call_policy_is_walking(const struct call_policy *p)
{
    return p->call && p->walks && (p->steered.is_under_way || p->call->state == CALL_WAIT);
}

static inline struct call_attempt *call_policy_last_attempt(struct call_policy *p)
{
    return p->attempt_count ? call_policy_attempt(p, p->attempt_count - 1) : NULL;
}

/* Takes the step that the walk is at. */
void call_walk_step(struct call_policy *p);
/* A walk whose steps are only noted: the call goes where it asked to. */
void call_walk_watch(struct call_policy *p);
/* Sends the request to u, with the model of p. */
void call_walk_send(struct call_policy *p, const struct proxy_upstream *u);
/* The body, and what was read of it, now lies there. */
void call_policy_move_body(struct call_policy *p, const char *to);
void call_policy_deny(struct call_policy *p, const struct policy_admission *a);
static inline int64_t call_policy_now(const struct call_policy *p)
{
    return (int64_t)loop_wall_us(p->call->worker->loop);
}
const struct recognition *call_policy_recognise_anew(struct call_policy *p);
static inline const struct recognition *call_policy_recognise(struct call_policy *p)
{
    bool is_known = p->known_for == p->call->upstream && p->known_at == p->conf->recognised_anew;

    return is_known ? p->known : call_policy_recognise_anew(p);
}
static inline struct policy_state *call_policy_lock(const struct call_policy *p)
{
    return shared_state_lock(p->call->worker->shared);
}
static inline void call_policy_unlock(const struct call_policy *p)
{
    shared_state_unlock(p->call->worker->shared);
}
/* The decisions that came since, as attempts passed over; and those made. */
void call_decided_attempt(struct call_policy *p);
void call_decided_attempt_ended(struct call_policy *p, const struct steer_end *end);
/* What the answer used, as far as it says; whole: all of its body, or empty: what p->used kept. */
void call_decided_read_used(struct call_policy *p, struct str whole, struct policy_used *ret);

#endif
