#include "config.h"

#include "proxy/steered.h"

void steered_release(struct steered *s)
{
    answer_watch_release(&s->watch);
    s->is_under_way = false;
}

void steered_begin(struct steered *s, const struct policy *p, struct policy_state *state,
                   const struct steer_call *call, int64_t now_us, struct policy_decisions *notes)
{
    s->policy = p;
    s->is_stream = call->is_stream;
    steer_begin(&s->walk, p, state, call, now_us, notes, &s->step);
}

void steered_attempt(struct steered *s, enum api api, int64_t now_us)
{
    s->is_under_way = true;
    s->is_connected = s->has_head = s->has_begun = false;
    s->began_us = s->piece_us = now_us;
    answer_watch_begin(&s->watch, api, s->is_stream);
}

/* --- what happens --- */

static enum watch_verdict note_progress(struct steered *s, enum watch_verdict v, int64_t now_us)
{
    if (s->watch.any_progress)
        s->piece_us = now_us;
    s->watch.any_progress = false;
    return v;
}

enum watch_verdict steered_head(struct steered *s, const struct http1_head *head, int64_t now_us)
{
    s->is_connected = s->has_head = true;
    return note_progress(s, answer_watch_head(&s->watch, head), now_us);
}

enum watch_verdict steered_body(struct steered *s, struct str bytes, int64_t now_us)
{
    return note_progress(s, answer_watch_body(&s->watch, bytes, now_us), now_us);
}

enum watch_verdict steered_end(struct steered *s, int64_t now_us)
{
    return answer_watch_end(&s->watch, now_us);
}

/* --- timers --- */

/* Which of them run now, a bit each. */
static unsigned running(const struct steered *s)
{
    unsigned bits = (unsigned)!s->is_connected << PLAN_TIMER_CONNECT |
                    (unsigned)!s->has_head << PLAN_TIMER_HEAD |
                    (unsigned)s->has_head << PLAN_TIMER_IDLE;

    if (s->is_stream) /* of which the first piece is waited for, too */
        bits |= 1u << PLAN_TIMER_IDLE | 1u << PLAN_TIMER_TOTAL |
                (unsigned)!s->has_begun << PLAN_TIMER_FIRST_TOKEN;
    else
        bits |= 1u << PLAN_TIMER_WHOLE;
    return s->is_under_way ? bits : 0;
}

int64_t steered_deadline_us(const struct steered *s, enum plan_timer *ret)
{
    int64_t first = PLAN_FOREVER;

    for (unsigned left = running(s); left; left &= left - 1) {
        enum plan_timer t = (enum plan_timer)__builtin_ctz(left);
        int64_t since = t == PLAN_TIMER_IDLE ? s->piece_us : s->began_us;
        int64_t due = plan_add_us(since, s->step.timer_us[t]);
        if (due < first) {
            first = due;
            *ret = t;
        }
    }
    return first;
}

void steered_excuse(struct steered *s, int64_t now_us)
{
    s->piece_us = now_us;
}

/* --- ends --- */

static struct steer_end an_end(const struct steered *s, enum plan_failure failure)
{
    return (struct steer_end){ .failed = true,
                               .failure = failure,
                               .answer_began = s->has_begun,
                               .retry_after_us = -1,
                               .first_token_us = -1 };
}

struct steer_end steered_timed_out(const struct steered *s, enum plan_timer timer)
{
    struct steer_end end = an_end(s, s->has_begun ? PLAN_FAILED_STREAM : PLAN_FAILED_FIRST_TOKEN);

    if (timer == PLAN_TIMER_CONNECT || !s->is_connected)
        end.failure = PLAN_FAILED_CONNECT;
    else if (!s->has_head)
        end.failure = PLAN_FAILED_HEAD;
    end.late = true;
    return end;
}

struct steer_end steered_lost(const struct steered *s)
{
    if (s->has_head && !s->has_begun && s->is_stream)
        return an_end(s, PLAN_FAILED_FIRST_TOKEN);
    return an_end(s, s->has_begun ? PLAN_FAILED_STREAM : PLAN_FAILED_CONNECT);
}

struct steer_end steered_good(const struct steered *s)
{
    struct steer_end end = an_end(s, PLAN_FAILED_STREAM);

    /* the stream said so itself, behind its first token, or lacks its end */
    end.failed = s->watch.has_failed || s->watch.is_cut;
    end.answer_began = true;
    return end;
}

/* --- steps --- */

void steered_first_token(struct steered *s, struct policy_state *state, int64_t now_us)
{
    s->has_begun = true;
    if (s->is_stream)
        steer_first_token(&s->walk, s->policy, state, now_us - s->began_us, now_us);
}

void steered_ended(struct steered *s, struct policy_state *state, const struct steer_end *end,
                   int64_t now_us, struct policy_decisions *notes)
{
    s->is_under_way = false;
    steer_ended(&s->walk, s->policy, state, end, now_us, notes, &s->step);
}

void steered_waited(struct steered *s, struct policy_state *state, int64_t now_us,
                    struct policy_decisions *notes)
{
    steer_waited(&s->walk, s->policy, state, now_us, notes, &s->step);
}

void steered_abandon(struct steered *s, struct policy_state *state, int64_t now_us)
{
    s->is_under_way = false;
    steer_abandon(&s->walk, s->policy, state, now_us);
}

/* --- names --- */

static enum error_class class_of_status(int status)
{
    if (status == 429)
        return ERROR_CLASS_RATE_LIMITED;
    if (status == 529)
        return ERROR_CLASS_OVERLOADED;
    return status >= 500 ? ERROR_CLASS_STATUS_5XX : ERROR_CLASS_STATUS_4XX;
}

enum error_class steered_error_class(const struct steered *s, const struct steer_end *end)
{
    static const enum error_class classes[PLAN_FAILURES] = {
        [PLAN_FAILED_CONNECT] = ERROR_CLASS_TRANSPORT,
        [PLAN_FAILED_HEAD] = ERROR_CLASS_TIMEOUT_HEAD,
        [PLAN_FAILED_FIRST_TOKEN] = ERROR_CLASS_TIMEOUT_FIRST_TOKEN,
        [PLAN_FAILED_CONTEXT] = ERROR_CLASS_CONTEXT_LENGTH,
        [PLAN_FAILED_CONTENT] = ERROR_CLASS_CONTENT_FILTER,
        [PLAN_FAILED_STREAM] = ERROR_CLASS_STREAM_CUT,
    };

    if (!end->failed)
        return ERROR_CLASS_NONE;
    if (s->watch.is_stream && s->watch.has_failed)
        return ERROR_CLASS_STREAM_ERROR_EVENT;
    if (end->failure == PLAN_FAILED_STREAM && end->late)
        return ERROR_CLASS_STREAM_STALL;
    if (end->failure == PLAN_FAILED_FIRST_TOKEN && !end->late)
        return ERROR_CLASS_STREAM_CUT;
    if (end->failure == PLAN_FAILED_STATUS)
        return class_of_status(end->status);
    return classes[end->failure];
}
