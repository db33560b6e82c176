/* A call under a policy: its attempts, and what comes of them. */
#include "config.h"

#include "base/digest.h"
#include "proxy/call_cutover.h"
#include "proxy/call_policy.h"
#include "proxy/worker.h"

#define EXCUSE_US UINT64_C(100000) /* until a timer is looked at again that our side held up */

/* --- the request of an attempt --- */

/* "/v1" of "/openai/v1", or nothing. */
static struct str version_of(struct str base)
{
    size_t at = base.len;

    while (at > 0 && base.ptr[at - 1] != '/')
        at--;
    struct str last = str_sub(base, at, base.len);
    if (at == 0 || last.len < 2 || last.ptr[0] != 'v' || last.ptr[1] < '0' || last.ptr[1] > '9')
        return STR("");
    return str_sub(base, at - 1, base.len);
}

static struct str without(struct str path, struct str prefix)
{
    bool has = prefix.len && str_starts_with(path, prefix) && path.len > prefix.len &&
               path.ptr[prefix.len] == '/';

    return has ? str_sub(path, prefix.len, path.len) : path;
}

/* The same call's path at another upstream: what one has in its URL and the other in the path moves
 * from here to there. */
static void write_path(struct str rest, const struct proxy_upstream *from,
                       const struct proxy_upstream *to, struct buf *out)
{
    const struct str azure = STR("/openai");
    bool is_azure = str_eq(to->api, STR("azure_openai"));
    struct str had = version_of(from->base_path), has = version_of(to->base_path);

    if (from != to)
        rest = without(rest, azure);
    if (from != to && is_azure &&
        !str_ends_with(str_sub(to->base_path, 0, to->base_path.len - has.len), azure))
        buf_add_str(out, azure);
    if (had.len && !has.len)
        buf_add_str(out, had);
    else if (!had.len && has.len)
        rest = without(rest, has);
    buf_add_str(out, rest);
}

static void set_path(struct call_policy *p, const struct proxy_upstream *u)
{
    CLEANUP(buf_release) struct buf named = { 0 };
    struct str rest = p->rest;

    if (p->model.len && p->asked.path_len) {
        asked_write_path(&p->asked, p->rest, p->model, &named);
        rest = buf_str(&named);
    }
    if (u == p->upstream && !named.ptr) {
        p->call->rest = p->rest;
        return;
    }
    buf_clear(&p->path);
    write_path(rest, p->upstream, u, &p->path);
    p->call->rest = buf_str(&p->path);
}

static void write_body(const struct call_policy *p, struct str body, struct buf *out)
{
    if (p->call->request->framing != HTTP1_CHUNKED) {
        buf_add_str(out, body);
        return;
    }
    if (body.len)
        http1_write_chunk(out, body);
    buf_add_str(out, buf_str(&p->tail));
}

static void write_request(struct call_policy *p, const struct proxy_upstream *u, struct buf *out)
{
    struct proxy_call *call = p->call;
    CLEANUP(buf_release) struct buf rewritten = { 0 };
    struct str body = p->body, hash = STR("");
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    if (p->model.len && p->asked.body_len &&
        asked_write_body(&p->asked, body, p->model, &rewritten))
        body = buf_str(&rewritten);
    if (u->aws) {
        sha256_of(body, digest);
        hash = str_from(hex_encode(digest, sizeof(digest), hex));
    }
    call_write_head_for(call, hash, body.len, out);
    if (call->request->framing != HTTP1_NO_BODY)
        write_body(p, body, out);
    if (p->body_is_lent && body.ptr == p->body.ptr && call->request->framing == HTTP1_LENGTH) {
        call_policy_move_body(p, out->ptr + out->len - body.len);
        p->body_leaves = true;
    }
}

void call_walk_send(struct call_policy *p, const struct proxy_upstream *u)
{
    struct buf *out = call_send_to(p->call, u, call_cutover_is_foreign(p->call, p->upstream, u));

    p->was_sent = true;
    set_path(p, u);
    write_request(p, u, out);
    call_connect(p->call);
}

/* --- steps --- */

static void set_timer(struct call_policy *p)
{
    struct loop *loop = p->call->worker->loop;
    enum plan_timer timer;
    int64_t due = p->call->state == CALL_WAIT ? p->steered.step.until_us
                                              : steered_deadline_us(&p->steered, &timer);
    int64_t left = due - call_policy_now(p);

    if (due == PLAN_FOREVER)
        loop_timer_cancel(loop, &p->timer);
    else
        loop_timer_set(loop, &p->timer, loop_now_us(loop) + (left > 0 ? (uint64_t)left : 0));
}

static void on_timer(void *ctx);
static void on_task(void *ctx);

static void begin_attempt(struct call_policy *p)
{
    uint32_t target = p->steered.step.target;
    struct str model = STR("");
    const struct proxy_upstream *u = p->upstream;

    p->timer.fn = on_timer;
    p->timer.ctx = p;
    if (target != POLICY_NONE) {
        u = p->conf->upstreams[target];
        model = policy_target(p->conf->policy, target)->model;
    }
    p->model = model.len ? model : policy_class_model(p->class);
    p->holds_answer = true;
    p->piece = STR("");
    buf_clear(&p->held);
    call_decided_attempt(p);
    steered_attempt(&p->steered, call_policy_recognise(p)->api, call_policy_now(p));
    call_walk_send(p, u);
    if (p->steered.is_under_way)
        set_timer(p);
}

static void wait(struct call_policy *p)
{
    p->timer.fn = on_timer;
    p->timer.ctx = p;
    if (p->call->state != CALL_WAIT)
        call_pause(p->call);
    set_timer(p);
}

static void deny(struct call_policy *p)
{
    struct policy_admission a = { .rule = policy_class_route(p->class) };
    int64_t until = p->steered.step.until_us;

    if (until > call_policy_now(p))
        a.retry_after_us = until - call_policy_now(p);
    call_policy_deny(p, &a);
}

void call_walk_step(struct call_policy *p)
{
    switch (p->steered.step.what) {
    case STEER_ATTEMPT:
        begin_attempt(p);
        break;
    case STEER_WAIT:
        wait(p);
        break;
    case STEER_UNAVAILABLE:
    case STEER_ANSWER: /* of an attempt that brought nothing to answer with */
        deny(p);
        break;
    }
}

void call_walk_watch(struct call_policy *p)
{
    call_decided_attempt(p);
    steered_attempt(&p->steered, call_policy_recognise(p)->api, call_policy_now(p));
}

static void on_task(void *ctx)
{
    struct call_policy *p = ctx;
    struct proxy_call *call = p->call;

    call_drop(call, call->may_keep_conn && call->answer_done);
    call_walk_step(p);
    call->down->settle(call->ctx);
}

/* --- what comes --- */

/* A piece at a time: most answers that are no streams are one, and never copied. */
static void hold_answer(struct call_policy *p, struct str bytes)
{
    if (!p->piece.len && !p->held.len) {
        p->piece = bytes;
        return;
    }
    call_policy_keep_answer(p->call);
    buf_add_str(&p->held, bytes);
}

void call_policy_keep_answer(struct proxy_call *call)
{
    struct call_policy *p = call->policy;

    if (!p || !p->piece.len)
        return;
    if (!p->held.ptr)
        p->held = worker_lend(call->worker);
    buf_add_str(&p->held, p->piece);
    p->piece = STR("");
}

/* What is held is looked at for what was used, before it goes. */
static void use_held(struct call_policy *p)
{
    bool is_plain = p->used.is_on && !p->used.codec && !p->used.is_unknown && !p->used.in_events;

    if (p->piece.len && p->call->answer_done && is_plain) {
        call_decided_read_used(p, p->piece, &p->used_read);
        p->is_used_read = true;
    } else if (p->piece.len && p->used.is_on) {
        call_used_body(&p->used, p->piece);
    }
}

/* The caller gets what is held, and what comes after it. */
static void release(struct call_policy *p)
{
    struct str bytes = p->piece.len ? p->piece : buf_str(&p->held);

    p->holds_answer = false;
    use_held(p);
    p->piece = STR("");
    call_give_head(p->call);
    if (bytes.len)
        call_give_body(p->call, bytes);
    if (p->used.is_on && p->held.len)
        call_used_take(&p->used, &p->held);
    buf_clear(&p->held);
}

/* The attempt has ended so; what comes next is known.  True: another step is on its way. */
static bool end_attempt(struct call_policy *p, const struct steer_end *end)
{
    struct policy_state *state = call_policy_lock(p);

    steered_ended(&p->steered, state, end, call_policy_now(p), &p->notes);
    call_policy_unlock(p);
    call_decided_attempt_ended(p, end);
    if (!p->is_live || p->steered.step.what == STEER_ANSWER)
        return false;
    loop_timer_cancel(p->call->worker->loop, &p->timer);
    call_pause(p->call);
    p->piece = STR("");
    p->holds_answer = true;
    p->task.fn = on_task;
    p->task.ctx = p;
    loop_defer(p->call->worker->loop, &p->task);
    return true;
}

/* Of a whole answer it says nothing about speed, and changes no timer. */
static void first_token(struct call_policy *p)
{
    bool is_stream = p->steered.is_stream;
    struct policy_state *state = is_stream ? call_policy_lock(p) : NULL;

    steered_first_token(&p->steered, state, call_policy_now(p));
    if (is_stream)
        call_policy_unlock(p);
    if (!p->is_live)
        return;
    if (p->holds_answer)
        release(p);
    if (is_stream)
        set_timer(p);
}

void call_policy_connected(struct proxy_call *call)
{
    struct call_policy *p = call->policy;

    if (p && p->steered.is_under_way)
        steered_connected(&p->steered);
}

bool call_policy_answer_head(struct proxy_call *call, const struct http1_head *head)
{
    struct call_policy *p = call->policy;

    if (!p->steered.is_under_way) {
        if (p->used.is_on)
            call_used_head(&p->used, head);
        return false;
    }
    steered_head(&p->steered, head, call_policy_now(p));
    if (p->used.is_on)
        call_used_head_as(&p->used, p->steered.watch.framing, p->steered.watch.encoding);
    p->timer_is_stale |= p->is_live;
    return p->is_live;
}

/* What the attempt's answer has come to; bytes are held already, if it is. */
static void take_verdict(struct call_policy *p, enum watch_verdict v)
{
    bool is_full = p->holds_answer && p->held.len + p->piece.len > CALL_POLICY_ANSWER_BYTES;

    if (v == WATCH_FAILED && !p->steered.has_begun) {
        if (!end_attempt(p, &p->steered.watch.end) && p->holds_answer)
            release(p);
    } else if (!p->steered.has_begun && (v == WATCH_CONTENT || is_full)) {
        first_token(p);
    }
}

bool call_policy_answer_body(struct proxy_call *call, struct str bytes)
{
    struct call_policy *p = call->policy;
    bool was_held = p->holds_answer;

    if (p->used.is_on && !was_held)
        call_used_body(&p->used, bytes);
    if (p->attempt_count)
        call_policy_last_attempt(p)->bytes += bytes.len;
    if (was_held)
        hold_answer(p, bytes);
    if (p->steered.is_under_way)
        take_verdict(p, steered_body(&p->steered, bytes, call_policy_now(p)));
    return was_held;
}

bool call_policy_answer_end(struct proxy_call *call)
{
    struct call_policy *p = call->policy;
    struct steer_end end;

    if (!p->steered.is_under_way)
        return false;
    take_verdict(p, steered_end(&p->steered, call_policy_now(p)));
    if (!p->steered.is_under_way) /* that was a failure */
        return call->state == CALL_WAIT;
    if (p->holds_answer) /* an answer without content is one all the same */
        release(p);
    end = steered_good(&p->steered);
    if (end.failed)
        end_attempt(p, &end);
    else /* nothing follows: told with all else that the end of the call changes */
        p->ended_well = true;
    return false;
}

/* --- what does not come --- */

/* Nobody but the upstream can be blamed for these. */
static bool is_upstreams(enum reply_kind kind)
{
    static const enum reply_kind kinds[] = {
        REPLY_UPSTREAM_UNREACHABLE, REPLY_UPSTREAM_TLS,  REPLY_UPSTREAM_CLOSED,
        REPLY_UPSTREAM_MALFORMED,   REPLY_UPSTREAM_BUSY, REPLY_CONNECT_TIMEOUT,
        REPLY_HEAD_TIMEOUT,
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i] == kind)
            return true;
    return false;
}

bool call_policy_failed(struct proxy_call *call, enum reply_kind kind, enum error_class error)
{
    struct call_policy *p = call->policy;
    struct steer_end end;

    if (!p->steered.is_under_way || p->ended_well || error == ERROR_CLASS_CLIENT_GONE ||
        !is_upstreams(kind))
        return false;
    end = steered_lost(&p->steered);
    end.late = kind == REPLY_CONNECT_TIMEOUT || kind == REPLY_HEAD_TIMEOUT;
    return end_attempt(p, &end);
}

/* A timer of the attempt has run out. */
static void time_out(struct call_policy *p, enum plan_timer timer)
{
    struct proxy_call *call = p->call;
    bool has_begun = p->steered.has_begun;
    struct steer_end end = steered_timed_out(&p->steered, timer);

    if (end_attempt(p, &end)) {
        call->upstream->count->failures++; /* else call_fail does */
        return;
    }
    call_fail(call, timer == PLAN_TIMER_CONNECT ? REPLY_CONNECT_TIMEOUT : REPLY_HEAD_TIMEOUT,
              has_begun ? ERROR_CLASS_STREAM_STALL : steered_error_class(&p->steered, &end), "");
}

void call_policy_set_timer(struct call_policy *p)
{
    if (p->steered.is_under_way)
        set_timer(p);
    p->timer_is_stale = false;
}

static void on_timer(void *ctx)
{
    struct call_policy *p = ctx;
    struct proxy_call *call = p->call;
    enum plan_timer timer;

    if (!call_policy_is_walking(p)) /* of an attempt that has ended, or of no call any more */
        return;
    struct worker *w = call->worker;
    if (call->state == CALL_WAIT) {
        struct policy_state *state = call_policy_lock(p);
        steered_waited(&p->steered, state, call_policy_now(p), &p->notes);
        call_policy_unlock(p);
        call_walk_step(p);
    } else if (steered_deadline_us(&p->steered, &timer) > call_policy_now(p)) {
        set_timer(p);
    } else if (recorder_is_blocked(w->recorder) ||
               (timer == PLAN_TIMER_IDLE && call->down->is_full(call->ctx))) {
        steered_excuse(&p->steered, call_policy_now(p)); /* it is we who do not read */
        loop_timer_set(w->loop, &p->timer, loop_now_us(w->loop) + EXCUSE_US);
    } else {
        time_out(p, timer);
    }
    call->down->settle(call->ctx);
}
