#include "config.h"

#include "replay/sim_attempt.h"

#include "replay/sim_random.h"

#define NS_PER_US      1000
#define BYTES_A_TOKEN  200 /* of an event stream of OpenAI's chat, where bytes were not recorded */
#define PIECES_UNKNOWN 100 /* of a stream whose tokens were not recorded */
#define HELD_BYTES     (64u << 10) /* of an answer, until it goes on: weir-config(5) */

/* The course of an attempt if no timer ends it: moments since it began, PLAN_FOREVER = never. */
struct course {
    int64_t connected, head, first, end;
    int64_t stall_from, stall_to; /* between two pieces; both 0 = none */
    bool is_stream;
    bool has_worked; /* the provider, for an answer that did not arrive */
};

static int64_t drawn(const struct sim_attempt_in *in, enum sim_speed_part part,
                     enum sim_purpose purpose)
{
    return sim_dist_draw(&in->speed->part[part], sim_draw(in->seed, in->number, purpose));
}

static int64_t output_tokens(const struct sim_arrival *a)
{
    return (int64_t)a->tokens[PRICE_PART_OUTPUT] + a->tokens[PRICE_PART_REASONING];
}

/* A stream whose first token is not known counts as one that comes as a whole. */
static void take_stream(const struct sim_attempt_in *in, struct course *c)
{
    const struct sim_arrival *a = in->call;
    bool knows = in->is_own && a->first_us != SIM_UNKNOWN;

    c->first = knows ? a->first_us : drawn(in, SIM_FIRST, SIM_DRAW_FIRST);
    if (in->is_own && a->end_us != SIM_UNKNOWN)
        c->end = a->end_us;
    else if (a->flags & SIM_TOKENS)
        c->end = c->first + output_tokens(a) * drawn(in, SIM_PER_TOKEN, SIM_DRAW_REST) / NS_PER_US;
    else
        c->end = c->first + drawn(in, SIM_REST, SIM_DRAW_REST);
    if (c->end < c->first) /* as recorded: an end without a first token, or a clock that stepped */
        c->first = c->end;
    c->head = c->first; /* providers send it with the first event, or shortly before */
}

static void take_course(const struct sim_attempt_in *in, struct course *ret)
{
    const struct sim_arrival *a = in->call;

    *ret = (struct course){ .is_stream = a->flags & SIM_STREAM };
    if (ret->is_stream) {
        take_stream(in, ret);
        return;
    }
    ret->end =
        in->is_own && a->end_us != SIM_UNKNOWN ? a->end_us : drawn(in, SIM_WHOLE, SIM_DRAW_FIRST);
    ret->first = ret->head = ret->end;
}

/* --- faults --- */

static int64_t scaled(int64_t us, uint32_t percent)
{
    return us == PLAN_FOREVER ? us : (int64_t)((i128)us * percent / 100);
}

/* by_us < 0: sooner, by no more than us. */
static int64_t later(int64_t us, int64_t by_us)
{
    if (us == PLAN_FOREVER)
        return us;
    return by_us < 0 ? us + by_us : plan_add_us(us, by_us);
}

static void delay(int64_t by_us, struct course *c)
{
    c->head = later(c->head, by_us);
    c->first = later(c->first, by_us);
    c->end = later(c->end, by_us);
}

/* Before the first piece, and behind the head, which comes in time. */
static void hold_first(int64_t by_us, struct course *c)
{
    c->first = later(c->first, by_us);
    c->end = later(c->end, by_us);
    if (c->head > c->first)
        c->head = c->first;
}

/* What a factor adds; percent 0 = there is none. */
static int64_t longer_by(int64_t us, uint32_t percent)
{
    return us == PLAN_FOREVER || !percent ? 0 : scaled(us, percent) - us;
}

static void slow_down(const struct sim_attempt_in *in, const struct fault *f, struct course *c)
{
    uint32_t percent = f->factor_percent;

    switch (f->kind->slows) {
    case FAULT_SLOWS_HEAD:
        delay(later(f->delay_us, longer_by(c->head, percent)), c);
        break;
    case FAULT_SLOWS_FIRST:
        hold_first(later(f->delay_us, longer_by(c->first, percent)), c);
        break;
    case FAULT_SLOWS_REST:
        if (c->end != PLAN_FOREVER)
            c->end = later(c->end, longer_by(c->end - c->first, percent));
        break;
    case FAULT_SLOWS_ALL:
        c->head = later(c->head, longer_by(c->head, percent));
        c->first = later(c->first, longer_by(c->first, percent));
        c->end = later(c->end, longer_by(c->end, percent));
        break;
    }
    if (f->bytes_per_second) {
        int64_t bytes = in->call->answer_bytes ? (int64_t)in->call->answer_bytes
                                               : output_tokens(in->call) * BYTES_A_TOKEN;
        int64_t least = c->first + (int64_t)((i128)bytes * 1000000 / (int64_t)f->bytes_per_second);
        c->end = c->end > least ? c->end : least;
        if (!c->is_stream) /* the gateway waits for all of it */
            c->first = c->head < c->end ? c->first : c->end;
    }
}

static void fail(struct sim_attempt *ret, enum plan_failure failure, bool began)
{
    ret->end = (struct steer_end){ .failed = true,
                                   .failure = failure,
                                   .answer_began = began,
                                   .retry_after_us = -1,
                                   .first_token_us = -1 };
}

/* When that many pieces have come. */
static int64_t after_pieces(const struct sim_attempt_in *in, const struct course *c, uint32_t n)
{
    int64_t tokens = output_tokens(in->call), pieces = tokens > 0 ? tokens : PIECES_UNKNOWN;

    if (n == 0 || c->end == PLAN_FOREVER || !c->is_stream)
        return c->first;
    if (n >= pieces)
        return c->end;
    return c->first + (int64_t)((i128)(c->end - c->first) * n / pieces);
}

/* Whether the gateway notices it: that an answer ends too early, and that it is none. */
static bool is_noticed(const struct sim_attempt_in *in, const struct fault *f)
{
    return fault_failure(f) != PLAN_FAILURES && f->kind->seen_by != FAULT_SEEN_BY_CALLER &&
           (in->reads_answers || f->kind->seen_by == FAULT_SEEN_BY_ALL);
}

/* Whether nothing of it has gone on to the caller when it strikes. */
static bool is_before_first(const struct sim_attempt_in *in, const struct fault *f,
                            const struct course *c)
{
    if (f->kind->stage == FAULT_BODY)
        return is_noticed(in, f);
    if (c->is_stream)
        return (f->after_pieces == 0 && !f->kind->has_content) ||
               fault_failure(f) == PLAN_FAILED_FIRST_TOKEN;
    /* a whole answer is held to its end, or until it is too much; it is struck in its middle */
    return in->holds_first && in->call->answer_bytes / 2 <= HELD_BYTES;
}

/* Nothing of an answer, or a whole one that is cut off. */
static void fail_unseen(const struct sim_attempt_in *in, const struct fault *f, struct course *c,
                        struct sim_attempt *ret)
{
    bool is_lost = !c->is_stream && f->kind->stage == FAULT_STREAM && !f->kind->hangs &&
                   f->kind->seen_by == FAULT_SEEN_BY_ALL;

    c->first = PLAN_FOREVER;
    c->has_worked = true;
    if (is_lost) /* as a connection that is gone before its answer */
        fail(ret, PLAN_FAILED_CONNECT, false);
    else if (!c->is_stream && f->kind->stage == FAULT_STREAM)
        fail(ret, PLAN_FAILED_FIRST_TOKEN, false);
    else
        ret->end = *in->ending(in->ctx, f);
}

/* Goes wrong within the answer, after a pause that may never end. */
static void strike_body(const struct sim_attempt_in *in, const struct fault *f, struct course *c,
                        struct sim_attempt *ret)
{
    bool hangs = f->kind->hangs || (f->kind->stays_open && !c->is_stream && in->holds_first);
    int64_t pause_us = hangs ? PLAN_FOREVER : f->delay_us;
    bool before_first = is_before_first(in, f, c);
    int64_t at = after_pieces(in, c, before_first ? 0 : f->after_pieces);
    int64_t to = plan_add_us(at, pause_us);

    if (before_first) {
        hold_first(pause_us, c);
    } else if (pause_us) {
        c->stall_from = at;
        c->stall_to = to;
        c->end = plan_add_us(c->end, pause_us);
    }
    if (!hangs && !is_noticed(in, f)) {
        ret->is_broken = fault_failure(f) != PLAN_FAILURES || f->kind->is_useless;
        if (ret->is_broken && f->kind->stage == FAULT_BODY)
            c->end = c->first; /* it comes in place of the answer */
        return;
    }
    c->end = to;
    if (before_first)
        fail_unseen(in, f, c, ret);
    else
        fail(ret, PLAN_FAILED_STREAM, true);
}

static void strike_early(const struct sim_attempt_in *in, const struct fault *f, struct course *c,
                         struct sim_attempt *ret)
{
    enum plan_failure failure = fault_failure(f);

    if (failure == PLAN_FAILURES) {
        delay(f->delay_us, c);
        return;
    }
    c->connected = f->kind->stage == FAULT_CONNECT ? PLAN_FOREVER : 0;
    c->head = c->first = PLAN_FOREVER;
    c->end = f->delay_us;
    if (failure >= PLAN_FAILED_STATUS)
        ret->end = *in->ending(in->ctx, f);
    else
        fail(ret, failure, false);
}

static void strike(const struct sim_attempt_in *in, const struct fault *f, struct course *c,
                   struct sim_attempt *ret)
{
    switch (f->kind->stage) {
    case FAULT_QUOTA: /* the target's own limits have been asked before */
        return;
    case FAULT_PACE:
        slow_down(in, f, c);
        break;
    case FAULT_BODY:
    case FAULT_STREAM:
        strike_body(in, f, c, ret);
        break;
    case FAULT_CONNECT:
    case FAULT_HEAD:
    case FAULT_REFUSAL:
        strike_early(in, f, c, ret);
        break;
    }
    ret->is_struck = true;
}

/* --- timers --- */

/* The earliest timer before the attempt ends by itself. */
struct watch {
    int64_t at;
    enum plan_timer timer;
};

static void look(struct watch *w, const int64_t *timer_us, enum plan_timer timer, int64_t from)
{
    int64_t at = plan_add_us(from, timer_us[timer]);

    if (timer_us[timer] != PLAN_FOREVER && at < w->at)
        *w = (struct watch){ at, timer };
}

static void watch(const int64_t *timer_us, const struct course *c, struct sim_attempt *ret)
{
    struct watch w = { .at = c->end };

    if (c->connected > 0)
        look(&w, timer_us, PLAN_TIMER_CONNECT, 0);
    if (c->head > timer_us[PLAN_TIMER_HEAD])
        look(&w, timer_us, PLAN_TIMER_HEAD, 0);
    if (c->is_stream && c->first > timer_us[PLAN_TIMER_FIRST_TOKEN])
        look(&w, timer_us, PLAN_TIMER_FIRST_TOKEN, 0);
    if (c->is_stream && c->head > timer_us[PLAN_TIMER_IDLE])
        look(&w, timer_us, PLAN_TIMER_IDLE, 0);
    else if (c->first > plan_add_us(c->head, timer_us[PLAN_TIMER_IDLE]))
        look(&w, timer_us, PLAN_TIMER_IDLE, c->head);
    if (c->stall_to > plan_add_us(c->stall_from, timer_us[PLAN_TIMER_IDLE]))
        look(&w, timer_us, PLAN_TIMER_IDLE, c->stall_from);
    look(&w, timer_us, c->is_stream ? PLAN_TIMER_TOTAL : PLAN_TIMER_WHOLE, 0);
    if (w.at >= c->end)
        return;
    ret->end_us = w.at;
    ret->is_broken = false;
    if (c->connected > w.at)
        fail(ret, PLAN_FAILED_CONNECT, false);
    else if (c->first <= w.at)
        fail(ret, PLAN_FAILED_STREAM, true);
    else
        fail(ret, c->head <= w.at ? PLAN_FAILED_FIRST_TOKEN : PLAN_FAILED_HEAD, false);
    ret->end.late = true;
}

/* --- all of it --- */

/* A whole answer that broke off, or stopped, behind its head. */
static bool is_whole_cut(const struct sim_arrival *a)
{
    return !(a->flags & SIM_STREAM) &&
           (a->failure == PLAN_FAILED_STREAM ||
            (a->failure == PLAN_FAILED_CONNECT && a->status >= 200 && a->status <= 299));
}

/* As a fault that does so (fail_unseen): who holds it to its end has given the caller nothing. */
static void meet_whole_cut(const struct sim_attempt_in *in, struct course *c,
                           struct sim_attempt *ret)
{
    bool is_held = in->holds_first && in->call->answer_bytes <= HELD_BYTES;

    c->has_worked = true;
    if (!is_held) {
        fail(ret, PLAN_FAILED_STREAM, true);
        return;
    }
    c->first = PLAN_FOREVER;
    fail(ret, in->call->flags & SIM_STALLED ? PLAN_FAILED_FIRST_TOKEN : PLAN_FAILED_CONNECT, false);
}

static void meet_recorded(const struct sim_attempt_in *in, struct course *c,
                          struct sim_attempt *ret)
{
    const struct sim_arrival *a = in->call;
    bool is_again =
        a->failure != PLAN_FAILURES && (a->flags & SIM_EVERYWHERE || (in->is_own && in->is_first));

    ret->is_broken = a->flags & SIM_BROKEN && in->is_own;
    if (!is_again)
        return;
    if (is_whole_cut(a)) {
        meet_whole_cut(in, c, ret);
        return;
    }
    bool began = a->failure == PLAN_FAILED_STREAM;
    fail(ret, (enum plan_failure)a->failure, began);
    ret->end.status = began ? 0 : a->status;
    if (!began)
        c->first = PLAN_FOREVER;
    if (a->failure == PLAN_FAILED_CONNECT)
        c->connected = c->head = PLAN_FOREVER;
    else if (a->failure == PLAN_FAILED_HEAD)
        c->head = PLAN_FOREVER;
}

static bool may_be_billed(const struct sim_attempt *a, const struct course *c)
{
    static const bool of[PLAN_FAILURES] = {
        [PLAN_FAILED_HEAD] = true, /* nobody tells the provider to stop in time */
        [PLAN_FAILED_FIRST_TOKEN] = true,
        [PLAN_FAILED_STREAM] = true,
    };

    return a->end.failed && (of[a->end.failure] || c->has_worked);
}

void sim_attempt(const struct sim_attempt_in *in, struct sim_attempt *ret)
{
    struct course c;

    ret->end =
        (struct steer_end){ .failure = PLAN_FAILURES, .retry_after_us = -1, .first_token_us = -1 };
    ret->is_broken = ret->is_struck = false;
    take_course(in, &c);
    if (in->call->failure != PLAN_FAILURES || in->call->flags & SIM_BROKEN)
        meet_recorded(in, &c, ret);
    for (size_t i = 0; i < in->fault_count; i++)
        strike(in, &in->faults[i], &c, ret);
    ret->end_us = c.end;
    if (in->timer_us)
        watch(in->timer_us, &c, ret);
    ret->first_us = c.first <= ret->end_us ? c.first : PLAN_FOREVER;
    ret->may_be_billed = may_be_billed(ret, &c);
}
