/* steer - where a call goes next: the walk of one call through its route's tree.
 *
 * A pure machine: who carries the call (the proxy) or imagines it (the simulator) tells what
 * happened and when, and is told what to do.  It holds no pointers, so it may be copied, and
 * allocates nothing.
 *
 *     steer_begin ─► ATTEMPT ─► (steer_first_token) ─► steer_ended ─► ATTEMPT | WAIT | ANSWER
 *                                 WAIT ─► steer_waited ─► ATTEMPT ...
 *
 * What failed attempts and slow ones do to a target's health is in the state, for all calls
 * (policy/health).  A target that is out is passed over; one that is slow, or coming back, comes
 * after others that its lateness may lead to.  If all targets of a route are out, a breaker lets
 * its probes through before their time, one attempt each and once a second at most; EJECTION and
 * RATIO do not hold; only then, or where COOLDOWN holds, is the answer STEER_UNAVAILABLE.
 *
 * Random numbers come from the call's own seed: same seed, same events, same steps.
 *
 * Who carries a call runs the timers that a step says.  The idle timer begins anew with each event
 * that carries data: comments, pings and empty events (keep-alives) must not be counted, or a
 * provider that has stopped would look alive for as long as its front end keeps the line open.
 * Who feeds it bytes instead of events cannot tell.
 */
#ifndef POLICY_STEER_H
#define POLICY_STEER_H

#include "policy/policy.h"

struct steer_call {
    uint32_t route;      /* policy_class_route */
    enum plan_mode mode; /* observe and warn: the call goes where it asked to, once; what the
                            route would have done is noted, and the step's timers are none: the
                            upstream's own hold */
    uint32_t asked;      /* the target it asked for; POLICY_NONE = one that no route knows */
    uint64_t sticky;     /* policy_key over what shares are kept by (application, user); the same
                            key never changes back while a target's share is raised; 0 = none,
                            every choice is drawn from the seed */
    uint64_t seed;
    bool is_stream;
    bool may_repeat;     /* the request can be sent again; if not, there is one attempt */
    bool longest_waits;  /* jitter always comes out at its longest: for proofs */
    int64_t deadline_us; /* when the caller leaves; 0 = not known */
};

enum steer_do {
    STEER_ATTEMPT,
    STEER_WAIT,        /* until until_us, then steer_waited */
    STEER_ANSWER,      /* the caller gets what the last attempt brought; nothing follows */
    STEER_UNAVAILABLE, /* no attempt was possible: every target is out (503), or it is too late */
};

struct steer_step {
    enum steer_do what;
    enum policy_outcome why;       /* FIRST, RETRY, FALLBACK, SHIFTED, PROBE; GAVE_UP */
    uint32_t target;               /* of an attempt; POLICY_NONE = where the call asked to go */
    int64_t until_us;              /* of a wait, and when to expect a target back */
    int64_t timer_us[PLAN_TIMERS]; /* of an attempt: durations from its beginning (IDLE: from the
                                      last piece); PLAN_FOREVER = none.  Spans and the deadline are
                                      already in them.  Of anything else they mean nothing. */
};

/* How an attempt ended.  A timer that fires before there is a connection is CONNECT with `late` if
 * it was the connection's own, HEAD if it was another; after the head, before content, it is
 * FIRST_TOKEN; after content STREAM. */
struct steer_end {
    bool failed;
    enum plan_failure failure;
    int status;                          /* 0 = none */
    bool late;                           /* a timer ended it, not the peer */
    bool answer_began;                   /* the caller has had some of it: nothing can follow */
    bool should_retry_set, should_retry; /* x-should-retry, where it was said */
    int64_t retry_after_us;              /* as said by the answer, in whatever form; -1 = not */
    int64_t first_token_us;              /* since the attempt began; -1 = none, or told before */
};

/* Attempts of one call at most, whatever repetitions of repetitions come to. */
#define STEER_ATTEMPTS_MAX 1000

#define STEER_BYTES 896

/* Not for others to look into. */
struct steer {
    uint64_t opaque[STEER_BYTES / 8];
};

void steer_begin(struct steer *s, const struct policy *p, struct policy_state *state,
                 const struct steer_call *call, int64_t now_us, struct policy_decisions *notes,
                 struct steer_step *ret);
/* The first content of a streamed answer has come, so long after the attempt began.  After this the
 * caller may be given it, and a failure is the caller's.  Latencies of answers that are no streams
 * are not comparable with each other and not looked at. */
void steer_first_token(struct steer *s, const struct policy *p, struct policy_state *state,
                       int64_t first_token_us, int64_t now_us);
void steer_ended(struct steer *s, const struct policy *p, struct policy_state *state,
                 const struct steer_end *end, int64_t now_us, struct policy_decisions *notes,
                 struct steer_step *ret);
void steer_waited(struct steer *s, const struct policy *p, struct policy_state *state,
                  int64_t now_us, struct policy_decisions *notes, struct steer_step *ret);
/* The caller has left in the middle: gives back a probe it may have taken; counts as nothing. */
void steer_abandon(struct steer *s, const struct policy *p, struct policy_state *state,
                   int64_t now_us);
uint32_t steer_attempts(const struct steer *s);

/* --- health, to be shown --- */

enum steer_health {
    STEER_CLOSED, /* in use */
    STEER_OPEN,   /* out */
    STEER_HALF_OPEN,
    STEER_SLOW, /* in use, but others come first */
};

struct steer_target_view {
    enum steer_health health;
    int64_t until_us;            /* OPEN: tried again from then on */
    int64_t baseline_us, now_us; /* first token: its usual median, and that of the window; -1 */
    uint64_t attempts, failures; /* since the state began */
};

void steer_view(const struct policy *p, struct policy_state *state, uint32_t target, int64_t now_us,
                struct steer_target_view *ret);

#endif
