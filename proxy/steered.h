/* steered - one call on its walk through a route: what happens to it on the wire, told to
 * policy/steer, and what comes next.
 *
 * All of the proxy that turns live events into decisions is here, and nothing else: no socket, no
 * loop, no clock, no lock.  It can be driven with bytes and times made up, and decides then as it
 * does live.
 *
 *     begin ─► step: ATTEMPT ─► attempt ─ connected ─ head ─ body* ─ end ─► ended ─► step ...
 *                    WAIT ─► waited                └─ timed_out, lost ─┘
 *
 * Verdicts of head, body and end are those of proxy/answer_watch.  The caller locks around the
 * functions that take the state.
 */
#ifndef PROXY_STEERED_H
#define PROXY_STEERED_H

#include "policy/steer.h"
#include "proxy/answer_watch.h"

struct steered {
    const struct policy *policy;
    bool is_under_way;                      /* an attempt is */
    bool is_connected, has_head, has_begun; /* of the attempt; begun: content came */
    bool is_stream;                         /* was asked for */
    int64_t began_us, piece_us;             /* of the attempt: its beginning, the last piece */
    struct steer walk;
    struct answer_watch watch;
    struct steer_step step; /* what is to be done */
};

void steered_release(struct steered *s);

void steered_begin(struct steered *s, const struct policy *p, struct policy_state *state,
                   const struct steer_call *call, int64_t now_us, struct policy_decisions *notes);
/* The step's attempt begins. */
void steered_attempt(struct steered *s, enum api api, int64_t now_us);

/* What happens to it. */
static inline void steered_connected(struct steered *s)
{
    s->is_connected = true;
}
enum watch_verdict steered_head(struct steered *s, const struct http1_head *head, int64_t now_us);
enum watch_verdict steered_body(struct steered *s, struct str bytes, int64_t now_us);
enum watch_verdict steered_end(struct steered *s, int64_t now_us);
/* When the next of the attempt's timers runs out, PLAN_FOREVER = never. */
int64_t steered_deadline_us(const struct steered *s, enum plan_timer *ret);
/* We did not read: the time since the last piece does not count. */
void steered_excuse(struct steered *s, int64_t now_us);

/* How it ended, if not by a verdict: by a timer; by the connection (which is not there, or cut);
 * well. */
struct steer_end steered_timed_out(const struct steered *s, enum plan_timer timer);
struct steer_end steered_lost(const struct steered *s);
struct steer_end steered_good(const struct steered *s);

/* After WATCH_CONTENT: from now on the caller may have it. */
void steered_first_token(struct steered *s, struct policy_state *state, int64_t now_us);
/* The attempt is over; the step is the next one. */
void steered_ended(struct steered *s, struct policy_state *state, const struct steer_end *end,
                   int64_t now_us, struct policy_decisions *notes);
void steered_waited(struct steered *s, struct policy_state *state, int64_t now_us,
                    struct policy_decisions *notes);
/* The caller has left. */
void steered_abandon(struct steered *s, struct policy_state *state, int64_t now_us);

/* What the end of the attempt is called in records. */
enum error_class steered_error_class(const struct steered *s, const struct steer_end *end);

#endif
