/* The call itself: to the upstream and back. */
#include "config.h"

#include "proxy/call.h"

#include <assert.h>
#include <string.h>

#include "base/uuid.h"
#include "proxy/call_cutover.h"
#include "proxy/call_policy.h"
#include "proxy/names.h"

#define PULLS_MAX    8           /* reads of one upstream in a turn: the others come next */
#define GATHER_BYTES (16u << 10) /* more than this does not wait for the end of the turn */

static const char *const state_names[] = {
#define X(constant, name) name,
    CALL_STATES(X)
#undef X
};
static const char *const event_names[] = {
#define X(constant, name) name,
    CALL_EVENTS(X)
#undef X
};

#define IN(state) (1u << CALL_##state)
#define IN_ANSWER (IN(REQUEST) | IN(ANSWER))
#define IN_CALL   (IN(HOLD) | IN(WAIT) | IN(CONNECT) | IN_ANSWER)

/* In which states an event can happen, and what comes next.  No other pair exists. */
static const struct {
    unsigned from;
    enum call_event event;
    enum call_state to;
} transitions[] = {
    {IN(IDLE),                              CALL_ON_KEPT,      CALL_HOLD   },
    { IN(IDLE) | IN(HOLD) | IN(WAIT),       CALL_ON_ROUTED,    CALL_CONNECT},
    { IN(CONNECT),                          CALL_ON_CONNECTED, CALL_REQUEST},
    { IN(REQUEST),                          CALL_ON_ROUTED,    CALL_CONNECT}, /* once more */
    { IN(HOLD) | IN(CONNECT) | IN(REQUEST), CALL_ON_PAUSED,    CALL_WAIT   },
    { IN(REQUEST),                          CALL_ON_ANSWERED,  CALL_ANSWER },
    { IN_CALL,                              CALL_ON_HELD,      CALL_DURABLE},
    { IN(IDLE) | IN_CALL | IN(DURABLE),     CALL_ON_COMPLETE,  CALL_OVER   },
    { IN(OVER),                             CALL_ON_NEXT,      CALL_IDLE   },
};

static void step(struct proxy_call *call, enum call_event event)
{
    struct worker *w = call->worker;

    for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
        if (transitions[i].event != event || !(transitions[i].from & 1u << call->state))
            continue;
        log_event(&w->log, LOG_LEVEL_DEBUG, loop_wall_us(w->loop), "call",
                  LOG_STR("exchange", str_from(call->trace.exchange_id)),
                  LOG_STR("from", str_from(state_names[call->state])),
                  LOG_STR("on", str_from(event_names[event])),
                  LOG_STR("to", str_from(state_names[transitions[i].to])));
        call->state = transitions[i].to;
        call->progress_us = loop_now_us(w->loop);
        return;
    }
    assert(0 && "call: no such transition");
}

static bool is_in(const struct proxy_call *call, unsigned states)
{
    return (1u << call->state & states) != 0;
}

static void connect_upstream(struct proxy_call *call, bool fresh);
static void push(struct proxy_call *call);
static void fail(struct proxy_call *call, enum reply_kind kind, enum error_class error,
                 const char *detail);
static void complete_recorded(struct proxy_call *call, enum error_class error);
static void count_answer(struct worker *w, unsigned status);

/* --- life --- */

void call_init(struct proxy_call *call, struct worker *w, const struct call_downstream *down,
               void *ctx, const char *address)
{
    *call = (struct proxy_call){ .worker = w, .down = down, .ctx = ctx, .address = address };
}

static struct buf *out_of(struct proxy_call *call)
{
    if (!call->out.ptr)
        call->out = worker_lend(call->worker);
    return &call->out;
}

static void drop_conn(struct proxy_call *call, bool keep)
{
    if (call->conn)
        http_conn_release(call->conn, keep);
    call->conn = NULL;
    call->is_connected = call->is_leaving = false;
    call_policy_keep_sent(call, call->out.len);
    worker_take_back(call->worker, &call->out);
    call_hold_free(call);
}

void call_release(struct proxy_call *call)
{
    assert(!call->is_begun && !call->recording.link);
    drop_conn(call, false);
    call_policy_free(call->policy);
    call_cutover_free(call);
    call_record_release(call);
    proxy_conf_unref(call->conf);
    if (call->state != CALL_IDLE)
        step(call, CALL_ON_NEXT);
    memset(&call->request, 0, sizeof(*call) - offsetof(struct proxy_call, request));
}

void call_trim(struct proxy_call *call)
{
    if (call->answer)
        http1_trim(call->answer);
}

void call_close(struct proxy_call *call)
{
    assert(!call->conn);
    http1_free(call->answer);
    call->answer = NULL;
}

/* --- what to wait for --- */

void call_settle(struct proxy_call *call)
{
    unsigned wanted = 0;

    if (call->policy)
        call_policy_settle(call->policy);
    if (!call->conn || !call->is_connected)
        return;
    if (call->out.len && !call->is_leaving)
        wanted |= LOOP_WRITE;
    if (is_in(call, IN_ANSWER) && !call->down->is_full(call->ctx) &&
        !recorder_is_blocked(call->worker->recorder))
        wanted |= LOOP_READ;
    http_conn_want(call->conn, wanted);
}

uint64_t call_patience_us(const struct proxy_call *call)
{
    const struct proxy_limits *limits = &call->worker->conf->limits;

    switch (call->state) {
    case CALL_HOLD:
        return limits->body_us;
    case CALL_REQUEST:
        if (call_policy_times(call->policy))
            return 0;
        return call->request_done || call->out.len ? call->upstream->head_us : limits->body_us;
    case CALL_ANSWER:
        if (call_policy_times(call->policy) && !call->down->is_full(call->ctx))
            return 0;
        return call->down->is_full(call->ctx) ? limits->send_us : call->upstream->idle_us;
    default: /* connecting has its own time, the disk takes what it takes */
        return 0;
    }
}

bool call_expire(struct proxy_call *call)
{
    if (recorder_is_blocked(call->worker->recorder)) {
        call->progress_us = loop_now_us(call->worker->loop); /* it is we who do not read */
        return true;
    }
    if (call->state == CALL_ANSWER && call->down->is_full(call->ctx))
        return false;
    if (call->state == CALL_ANSWER)
        fail(call, REPLY_HEAD_TIMEOUT, ERROR_CLASS_STREAM_STALL, "");
    else if (call->request_done || call->out.len)
        fail(call, REPLY_HEAD_TIMEOUT, ERROR_CLASS_TIMEOUT_HEAD, "");
    else
        call_refuse(call, REPLY_REQUEST_TIMEOUT, "");
    return true;
}

/* --- starting --- */

static void make_trace(struct proxy_call *call, const struct http1_head *head)
{
    struct head_trace *t = &call->trace;
    struct str given = names_value(head, NAME_TRACE);
    struct worker *w = call->worker;

    t->id = uuid7_make(loop_wall_us(w->loop), worker_random(w, 10));
    uuid_format(t->id, t->exchange_id);
    t->is_made = !head_trace_id(given).len;
    if (!t->is_made) {
        memcpy(t->traceparent, given.ptr, TRACEPARENT_BYTES);
        t->traceparent[TRACEPARENT_BYTES] = '\0';
        return;
    }
    head_make_traceparent(worker_random(w, 24), t->traceparent);
}

void call_start(struct proxy_call *call, const struct http1_head *head)
{
    struct worker *w = call->worker;
    enum reply_kind objection;
    struct route route;
    struct err err;

    w->stats->requests++;
    call->request = head;
    call->request_done = head->framing == HTTP1_NO_BODY;
    call->conf = proxy_conf_ref(w->conf);
    if (!call_admit(call, &route, &objection)) {
        fail(call, objection, ERROR_CLASS_NONE, "");
        return;
    }
    make_trace(call, head);
    if (call_record_begin(call, &route, &err) < 0) {
        fail(call, REPLY_NOT_RECORDED, ERROR_CLASS_NONE, "");
        return;
    }
    if (!call->cutover || !call_cutover_waits(call))
        call_go(call);
}

void call_go(struct proxy_call *call)
{
    if (!call->conf->policy || !call_policy_begin(call))
        call_begin_upstream(call);
}

void call_begin_upstream(struct proxy_call *call)
{
    if (!call_write_head(call, out_of(call)))
        call_hold_begin(call);
    connect_upstream(call, false);
}

/* --- connecting --- */

static void on_connected(struct proxy_call *call)
{
    call->is_connected = true;
    step(call, CALL_ON_CONNECTED);
    if (!call->answer) {
        struct http1_limits limits = { .head_bytes = 256u << 10, .headers = 512 };
        call->answer = http1_new(HTTP1_RESPONSES, &limits);
        http1_tag_names(call->answer, names_tag);
    }
    http1_reset(call->answer, str_eq(call->request->method, STR("HEAD")));
    if (call->request->expects_continue && !call->was_retried && !call->request_done)
        call->down->go_on(call->ctx);
    if (call->policy)
        call_policy_connected(call);
    if (call->conn)
        push(call);
}

static void fail_to_connect(struct proxy_call *call, const struct err *err)
{
    static const struct {
        enum reply_kind kind;
        enum error_class error;
    } rows[] = {
        [HTTP_FAILURE_NONE] = {REPLY_UPSTREAM_UNREACHABLE,  ERROR_CLASS_TRANSPORT},
        [HTTP_FAILURE_RESOLVE] = { REPLY_UPSTREAM_UNREACHABLE, ERROR_CLASS_TRANSPORT},
        [HTTP_FAILURE_CONNECT] = { REPLY_UPSTREAM_UNREACHABLE, ERROR_CLASS_TRANSPORT},
        [HTTP_FAILURE_TIMEOUT] = { REPLY_CONNECT_TIMEOUT,      ERROR_CLASS_TRANSPORT},
        [HTTP_FAILURE_TLS] = { REPLY_UPSTREAM_TLS,         ERROR_CLASS_TRANSPORT},
        [HTTP_FAILURE_PROXY] = { REPLY_UPSTREAM_UNREACHABLE, ERROR_CLASS_TRANSPORT},
        [HTTP_FAILURE_OTHER] = { REPLY_UPSTREAM_UNREACHABLE, ERROR_CLASS_TRANSPORT},
    };
    enum http_failure failure = http_conn_failure(call->conn);

    fail(call, rows[failure].kind, rows[failure].error, err->text);
}

static void on_conn_connect(void *ctx, struct http_conn *conn, const struct err *err)
{
    struct proxy_call *call = ctx;

    assert(conn == call->conn);
    if (err) {
        fail_to_connect(call, err);
    } else {
        on_connected(call);
        if (call_takes_request(call))
            call->down->resume(call->ctx); /* the body, or its beginning, came with the head */
    }
    call->down->settle(call->ctx);
}

static void on_conn_ready(void *ctx, struct http_conn *conn, unsigned events)
{
    struct proxy_call *call = ctx;

    (void)conn;
    if (events & LOOP_WRITE)
        push(call);
    if (events & LOOP_READ && call->conn)
        call_pull(call);
    call->down->settle(call->ctx);
}

static void connect_upstream(struct proxy_call *call, bool fresh)
{
    struct http_conn_handler handler = { .on_connect = on_conn_connect,
                                         .on_ready = on_conn_ready,
                                         .ctx = call };
    struct http_origin *origin = worker_origin(call->worker, call->conf, call->upstream);
    struct err err = { 0 };
    int r = -1;

    step(call, CALL_ON_ROUTED);
    if (origin)
        r = http_conn_acquire(origin, &handler, fresh, &call->conn, &err);
    if (r < 0) {
        call->conn = NULL;
        fail(call, err.code == ERR_LIMIT ? REPLY_UPSTREAM_BUSY : REPLY_UPSTREAM_UNREACHABLE,
             ERROR_CLASS_TRANSPORT, err.text);
    } else if (r > 0) {
        on_connected(call);
    }
}

/* A pooled connection that its peer closed meanwhile: once more, on a fresh one, unless the request
 * may have been acted upon.  What has not been sent is in out, or held. */
static bool retry(struct proxy_call *call)
{
    const struct http1_head *head = call->request;
    bool is_safe = str_eq(head->method, STR("GET")) || str_eq(head->method, STR("HEAD"));

    if (call->state != CALL_REQUEST || call->was_retried || call->answer_began ||
        !http_conn_is_reused(call->conn) ||
        !worker_origin(call->worker, call->conf, call->upstream) ||
        (call->anything_sent && !(is_safe && head->framing == HTTP1_NO_BODY)))
        return false;
    call->was_retried = true;
    call->worker->stats->upstream_retries++;
    http_conn_release(call->conn, false);
    call->conn = NULL;
    call->is_connected = call->is_leaving = false;
    if (call->anything_sent) {
        buf_clear(&call->out);
        call_write_head(call, out_of(call));
    }
    connect_upstream(call, true);
    return true;
}

/* --- the request --- */

static void push(struct proxy_call *call)
{
    struct err err;
    size_t n = 0;

    if (!call->conn || !call->is_connected || call->is_corked)
        return;
    call->is_leaving = false;
    while (call->out.len) {
        int r = http_conn_send(call->conn, buf_str(&call->out), &n, &err);
        if (r == 0)
            return;
        if (r < 0) {
            /* It may have answered before it closed. */
            if (!retry(call)) {
                call_policy_keep_sent(call, call->out.len);
                buf_clear(&call->out);
                call_pull(call);
            }
            return;
        }
        call->anything_sent = true;
        call->progress_us = loop_now_us(call->worker->loop);
        if (!call_policy_keep_sent(call, n))
            buf_consume(&call->out, n);
    }
    worker_take_back(call->worker, &call->out);
    if (call_wants_request(call))
        call->down->resume(call->ctx);
}

/* At the end of the turn, together with what others have to send: loop_io_write_later. */
static void push_later(struct proxy_call *call)
{
    if (!call->conn || !call->is_connected || call->is_corked)
        return;
    if (call->out.len && call->out.len < GATHER_BYTES &&
        (call->is_leaving || http_conn_write_later(call->conn)))
        call->is_leaving = true;
    else
        push(call);
}

void call_cork(struct proxy_call *call)
{
    call->is_corked = true;
}

void call_uncork(struct proxy_call *call)
{
    call->is_corked = false;
    if (call->out.len)
        push_later(call);
}

void call_lend_request(struct proxy_call *call)
{
    call->is_lent = true;
}

void call_keep_request(struct proxy_call *call)
{
    call->is_lent = false;
    call_policy_keep_request(call);
}

bool call_takes_request(const struct proxy_call *call)
{
    bool has_place = (is_in(call, IN_ANSWER) && call->is_connected) || call->state == CALL_HOLD;

    return has_place && !call->request_done && !recorder_is_blocked(call->worker->recorder);
}

bool call_wants_request(const struct proxy_call *call)
{
    return !call->out.len && call_takes_request(call);
}

void call_request_body(struct proxy_call *call, struct str bytes)
{
    call->request_bytes += bytes.len;
    call->worker->stats->request_bytes += bytes.len;
    call->progress_us = loop_now_us(call->worker->loop);
    if (call->request_bytes > call->conf->limits.body_bytes) {
        call_refuse(call, REPLY_TOO_LARGE, "");
        return;
    }
    call_record_request_body(call, bytes);
    if (!call->cutover || !call_cutover_request_body(call, bytes))
        call_pass_body(call, bytes);
}

void call_pass_body(struct proxy_call *call, struct str bytes)
{
    if (!call->policy || !call_policy_request_body(call, bytes))
        call_send_body(call, bytes);
}

void call_send_body(struct proxy_call *call, struct str bytes)
{
    if (call->hold) {
        if (!call_hold_body(call, bytes))
            call_refuse(call, REPLY_HELD_TOO_MUCH, "");
        return;
    }
    if (call->request->framing == HTTP1_CHUNKED)
        http1_write_chunk(out_of(call), bytes);
    else
        buf_add_str(out_of(call), bytes);
    push_later(call);
}

void call_request_end(struct proxy_call *call, const struct http1_header *trailers, size_t count)
{
    call->request_done = true;
    if (call->is_begun)
        call_record_request_end(call);
    if (call->cutover && call_cutover_request_end(call))
        return;
    if (call->policy && call_policy_request_end(call, trailers, count))
        return;
    if (call->hold)
        call_hold_end(call, out_of(call));
    if (call->request->framing == HTTP1_CHUNKED)
        http1_write_last_chunk(out_of(call), trailers, count);
    call->progress_us = loop_now_us(call->worker->loop);
    push_later(call);
}

/* --- the answer --- */

static void count_answer(struct worker *w, unsigned status)
{
    uint64_t *const counters[] = { &w->stats->answers_1xx, &w->stats->answers_2xx,
                                   &w->stats->answers_3xx, &w->stats->answers_4xx,
                                   &w->stats->answers_5xx };

    if (status >= 100 && status < 600)
        (*counters[status / 100 - 1])++;
}

/* A body where few servers look for one: who does not would take it for the next request, so there
 * must be none on this connection (Kettle 2022, "CL.0"). */
static bool has_odd_body(const struct http1_head *head)
{
    static const struct str methods[] = { STR_INIT("GET"), STR_INIT("HEAD"), STR_INIT("DELETE"),
                                          STR_INIT("OPTIONS") };

    if (head->framing == HTTP1_NO_BODY ||
        (head->framing == HTTP1_LENGTH && head->content_length == 0))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eq(head->method, methods[i]))
            return true;
    return false;
}

static void take_answer_head(struct proxy_call *call)
{
    const struct http1_head *head = http1_head(call->answer);

    count_answer(call->worker, head->status);
    if (head->is_interim) {
        if (head->status != 100) /* that is ours to say */
            call->down->interim(call->ctx, head);
        return;
    }
    upstream_stats_answered(call->upstream->count, head->status,
                            loop_now_us(call->worker->loop) - call->recording.began_us);
    call->may_keep_conn = head->keep_alive && !has_odd_body(call->request);
    if (!call->policy || !call_policy_answer_head(call, head))
        call_give_head(call);
}

void call_give_head(struct proxy_call *call)
{
    const struct http1_head *head = http1_head(call->answer);

    call_record_answer(call, head);
    call->down->head(call->ctx, head);
    step(call, CALL_ON_ANSWERED);
}

void call_give_body(struct proxy_call *call, struct str bytes)
{
    call_record_chunk(call, bytes);
    call->down->body(call->ctx, bytes);
}

static void take_answer_event(struct proxy_call *call, const struct http1_event *e)
{
    const struct http1_header *trailers;
    size_t count;

    switch (e->kind) {
    case HTTP1_HEAD:
        take_answer_head(call);
        break;
    case HTTP1_BODY:
        call->response_bytes += e->body.len;
        call->worker->stats->response_bytes += e->body.len;
        if (!call->policy || !call_policy_answer_body(call, e->body))
            call_give_body(call, e->body);
        break;
    case HTTP1_END:
        call->answer_done = true;
        if (call->policy && call_policy_answer_end(call))
            break;
        trailers = http1_trailers(call->answer, &count);
        call->down->end(call->ctx, trailers, count);
        break;
    }
}

/* The downstream has been given all there is. */
static void complete(struct proxy_call *call)
{
    step(call, CALL_ON_COMPLETE);
    call->down->complete(call->ctx);
}

static void complete_recorded(struct proxy_call *call, enum error_class error)
{
    if (call_record_end(call, false, error)) {
        complete(call);
        return;
    }
    call->down->hold(call->ctx);
    step(call, CALL_ON_HELD);
}

/* What has been made of the bytes so far goes out. */
static void pass(struct proxy_call *call)
{
    if (!call->answer_done) {
        call->down->flush(call->ctx);
        return;
    }
    drop_conn(call, call->may_keep_conn && call->request_done && !call->out.len);
    complete_recorded(call, ERROR_CLASS_NONE);
}

static void take_answer(struct proxy_call *call, struct str in)
{
    struct http1_event e;
    struct err err;
    int r = 0;

    call->answer_began = true;
    call->progress_us = loop_now_us(call->worker->loop);
    while (call->state != CALL_WAIT && (r = http1_next(call->answer, &in, &e, &err)) > 0)
        take_answer_event(call, &e);
    if (in.len || r < 0)
        call->may_keep_conn = false;
    call_policy_keep_answer(call);
    if (call->state == CALL_WAIT)
        return;
    pass(call);
    if (r < 0 && is_in(call, IN_ANSWER))
        fail(call, REPLY_UPSTREAM_MALFORMED, ERROR_CLASS_MALFORMED, err.text);
}

/* No more comes from the upstream. */
static void upstream_ended(struct proxy_call *call)
{
    struct http1_event e;
    struct err err;

    if (call->answer_began && http1_finish(call->answer, &e, &err) > 0) {
        call->may_keep_conn = false;
        take_answer_event(call, &e);
        if (call->state != CALL_WAIT)
            pass(call);
        return;
    }
    if (!retry(call))
        fail(call, REPLY_UPSTREAM_CLOSED,
             call->state == CALL_ANSWER ? ERROR_CLASS_STREAM_CUT : ERROR_CLASS_TRANSPORT, "");
}

void call_pull(struct proxy_call *call)
{
    struct worker *w = call->worker;
    struct err err;

    for (int i = 0; i < PULLS_MAX; i++) {
        size_t n = 0;
        if (!call->conn || !call->is_connected || !is_in(call, IN_ANSWER) ||
            call->down->is_full(call->ctx) || recorder_is_blocked(w->recorder))
            return;
        int r = http_conn_recv(call->conn, w->read, sizeof(w->read), &n, &err);
        if (r == 0)
            return;
        if (r < 0 || n == 0) {
            upstream_ended(call);
            return;
        }
        take_answer(call, (struct str){ w->read, n });
        /* Without TLS, a read that did not fill the buffer has emptied the socket. */
        if (n < sizeof(w->read) && call->upstream && !call->upstream->tls)
            return;
    }
}

/* --- failing and ending --- */

static void log_failure(struct proxy_call *call, const struct reply *reply, const char *detail)
{
    struct worker *w = call->worker;

    if (call->is_begun)
        log_event(&w->log, LOG_LEVEL_WARN, loop_wall_us(w->loop), "call_failed",
                  LOG_STR("exchange", str_from(call->trace.exchange_id)),
                  LOG_STR("upstream", call->upstream->name), LOG_STR("code", str_from(reply->code)),
                  LOG_STR("reason", str_from(detail)));
    else
        log_event(&w->log, LOG_LEVEL_INFO, loop_wall_us(w->loop), "request_refused",
                  LOG_STR("client", str_from(call->address)),
                  LOG_STR("code", str_from(reply->code)),
                  LOG_STR("reason", str_from(*detail ? detail : reply->message)));
}

/* Part of the answer is out: the client must see that the rest is missing. */
static void cut(struct proxy_call *call, enum error_class error)
{
    if (!call_record_end(call, true, error))
        call_record_forget(call);
    call->answer_done = true;
    call->down->cut(call->ctx);
    complete(call);
}

/* The answer is weir's own; or, if some of the upstream's has been sent, it is cut. */
static void fail(struct proxy_call *call, enum reply_kind kind, enum error_class error,
                 const char *detail)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    const struct reply *reply = &replies[kind];
    struct worker *w = call->worker;
    bool is_upstreams =
        call->is_begun && error != ERROR_CLASS_CLIENT_GONE && error != ERROR_CLASS_DENIED;

    if (is_upstreams)
        call->upstream->count->failures++;
    if (call->policy && call_policy_failed(call, kind, error))
        return;
    drop_conn(call, false);
    if (!call->is_begun)
        w->stats->requests_refused++;
    else if (is_upstreams)
        w->stats->upstream_failures++;
    log_failure(call, reply, detail);
    if (call->state == CALL_ANSWER) {
        cut(call, error);
        return;
    }
    call->answer_done = true;
    reply_write_body(reply, call->upstream ? call->upstream->api : STR(""), &body);
    count_answer(w, reply->status);
    call->down->reply(call->ctx, reply, buf_str(&body));
    if (call->is_begun) {
        call_record_reply(call, reply, buf_str(&body));
        complete_recorded(call, error);
    } else {
        complete(call);
    }
}

void call_fail(struct proxy_call *call, enum reply_kind kind, enum error_class error,
               const char *detail)
{
    fail(call, kind, error, detail);
}

void call_refuse(struct proxy_call *call, enum reply_kind kind, const char *why)
{
    fail(call, kind, ERROR_CLASS_DENIED, why);
}

/* --- steps of a policy's --- */

void call_hold_request(struct proxy_call *call)
{
    if (call->state == CALL_HOLD) /* the cutover's already */
        return;
    step(call, CALL_ON_KEPT);
    if (call->request->expects_continue)
        call->down->go_on(call->ctx);
}

struct buf *call_send_to(struct proxy_call *call, const struct proxy_upstream *u, bool is_foreign)
{
    call->upstream = u;
    call->is_foreign = is_foreign;
    call->anything_sent = call->was_retried = false;
    call->answer_began = call->answer_done = call->may_keep_conn = false;
    call->response_bytes = 0;
    buf_clear(out_of(call));
    return out_of(call);
}

void call_connect(struct proxy_call *call)
{
    connect_upstream(call, false);
}

void call_pause(struct proxy_call *call)
{
    step(call, CALL_ON_PAUSED);
}

void call_drop(struct proxy_call *call, bool keep_conn)
{
    drop_conn(call, keep_conn && !call->out.len);
}

void call_deny(struct proxy_call *call, const struct reply *reply, struct str body,
               enum error_class error)
{
    struct worker *w = call->worker;

    drop_conn(call, false);
    w->stats->requests_refused++;
    count_answer(w, reply->status);
    call->answer_done = true;
    call->down->reply(call->ctx, reply, body);
    call_record_reply(call, reply, body);
    complete_recorded(call, error);
}

void call_durable(struct proxy_call *call, bool durable)
{
    if (durable)
        complete(call);
    else
        call->down->revoke(call->ctx);
    call->down->settle(call->ctx);
}

void call_abandon(struct proxy_call *call, enum error_class error)
{
    drop_conn(call, false);
    if (call->is_begun)
        call_record_end(call, true, error);
    call_record_forget(call);
    if (call_is_under_way(call))
        step(call, CALL_ON_COMPLETE);
}
