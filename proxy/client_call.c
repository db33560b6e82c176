/* The call of a client: to the upstream and back. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "proxy/client.h"

#define PULLS_MAX 8 /* reads of one upstream in a turn: the others come next */

static void connect_upstream(struct client *c, bool fresh);

/* --- starting --- */

static struct str header_of(const struct http1_head *head, struct str name)
{
    const struct http1_header *h = http1_find(head, name);

    return h ? h->value : STR("");
}

static void make_trace(struct client *c, const struct http1_head *head)
{
    struct head_trace *t = &c->call.trace;
    struct str given = header_of(head, STR("traceparent"));
    struct worker *w = c->worker;

    uuid_format(uuid7_make(loop_wall_us(w->loop), worker_random(w, 10)), t->exchange_id);
    if (head_trace_id(given).len) {
        memcpy(t->traceparent, given.ptr, TRACEPARENT_BYTES);
        t->traceparent[TRACEPARENT_BYTES] = '\0';
        return;
    }
    head_make_traceparent(worker_random(w, 24), t->traceparent);
}

/* Why the request in hand is not passed on; false = it is. */
static bool find_objection(struct client *c, const struct http1_head *head, struct route *route,
                           enum reply_kind *ret)
{
    static const enum reply_kind of_route[] = {
        [ROUTE_UNKNOWN] = REPLY_NO_ROUTE,
        [ROUTE_BAD_PATH] = REPLY_BAD_PATH,
    };
    struct worker *w = c->worker;
    struct route_request asked = { head->authority, head->path,
                                   header_of(head, STR("x-weir-app")) };
    enum route_result routed = route_find(w->conf, &asked, route);

    if (routed != ROUTE_OK)
        *ret = of_route[routed];
    else if (head->framing == HTTP1_LENGTH && head->content_length > w->conf->limits.body_bytes)
        *ret = REPLY_TOO_LARGE;
    else
        return false;
    return true;
}

void client_call_start(struct client *c)
{
    struct worker *w = c->worker;
    struct client_call *call = &c->call;
    const struct http1_head *head = http1_head(c->request);
    enum reply_kind objection;
    struct route route;
    struct err err;

    w->stats->requests++;
    c->ends_after |= !head->keep_alive;
    call->request_done = head->framing == HTTP1_NO_BODY;
    if (find_objection(c, head, &route, &objection)) {
        client_call_fail(c, objection, ERROR_CLASS_NONE, "");
        return;
    }
    call->conf = proxy_conf_ref(w->conf);
    call->upstream = route.upstream;
    call->rest = route.rest;
    make_trace(c, head);
    if (client_record_begin(c, &route, &err) < 0) {
        client_call_fail(c, REPLY_NOT_RECORDED, ERROR_CLASS_NONE, "");
        return;
    }
    head_write_request(&call->out, head, call->upstream, call->rest, &call->trace);
    connect_upstream(c, false);
}

/* --- connecting --- */

static void on_connected(struct client *c)
{
    c->call.is_connected = true;
    client_step(c, CLIENT_ON_CONNECTED);
    if (!c->answer) {
        struct http1_limits limits = { .head_bytes = 256u << 10, .headers = 512 };
        c->answer = http1_new(HTTP1_RESPONSES, &limits);
    }
    http1_reset(c->answer, str_eq(http1_head(c->request)->method, STR("HEAD")));
    if (http1_head(c->request)->expects_continue && !c->in.len && !c->call.was_retried)
        client_send(c, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    if (c->state != CLIENT_GONE)
        client_call_push(c);
}

static void fail_to_connect(struct client *c, const struct err *err)
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
    enum http_failure failure = http_conn_failure(c->call.conn);

    client_call_fail(c, rows[failure].kind, rows[failure].error, err->text);
}

static void on_conn_connect(void *ctx, struct http_conn *conn, const struct err *err)
{
    struct client *c = ctx;

    assert(conn == c->call.conn);
    if (err) {
        fail_to_connect(c, err);
    } else {
        on_connected(c);
        if (c->state != CLIENT_GONE && c->in.len)
            client_process(c); /* the body, or its beginning, came with the head */
    }
    client_settle(c);
}

static void on_conn_ready(void *ctx, struct http_conn *conn, unsigned events)
{
    struct client *c = ctx;

    (void)conn;
    if (events & LOOP_WRITE)
        client_call_push(c);
    if (events & LOOP_READ && c->state != CLIENT_GONE && c->call.conn)
        client_call_pull(c);
    client_settle(c);
}

static void connect_upstream(struct client *c, bool fresh)
{
    struct client_call *call = &c->call;
    struct http_conn_handler handler = { .on_connect = on_conn_connect,
                                         .on_ready = on_conn_ready,
                                         .ctx = c };
    struct http_origin *origin = worker_origin(c->worker, call->conf, call->upstream);
    struct err err = { 0 };
    int r = -1;

    client_step(c, CLIENT_ON_ROUTED);
    if (origin)
        r = http_conn_acquire(origin, &handler, fresh, &call->conn, &err);
    if (r < 0) {
        call->conn = NULL;
        client_call_fail(c,
                         err.code == ERR_LIMIT ? REPLY_UPSTREAM_BUSY : REPLY_UPSTREAM_UNREACHABLE,
                         ERROR_CLASS_TRANSPORT, err.text);
    } else if (r > 0) {
        on_connected(c);
    }
}

/* A pooled connection that its peer closed meanwhile: once more, on a fresh one, unless the request
 * may have been acted upon. */
static bool retry(struct client *c)
{
    struct client_call *call = &c->call;
    const struct http1_head *head = http1_head(c->request);
    bool is_safe = str_eq(head->method, STR("GET")) || str_eq(head->method, STR("HEAD"));

    if (c->state != CLIENT_CALL || call->was_retried || call->answer_began ||
        !http_conn_is_reused(call->conn) || call->request_bytes || call->conf != c->worker->conf ||
        (call->anything_sent && !(is_safe && head->framing == HTTP1_NO_BODY)))
        return false;
    call->was_retried = true;
    c->worker->stats->upstream_retries++;
    http_conn_release(call->conn, false);
    call->conn = NULL;
    call->is_connected = false;
    buf_clear(&call->out);
    head_write_request(&call->out, head, call->upstream, call->rest, &call->trace);
    connect_upstream(c, true);
    return true;
}

/* --- the request --- */

static void upstream_ended(struct client *c);

void client_call_push(struct client *c)
{
    struct client_call *call = &c->call;
    struct err err;
    size_t n = 0;

    if (!call->conn || !call->is_connected)
        return;
    while (call->out.len) {
        int r = http_conn_send(call->conn, buf_str(&call->out), &n, &err);
        if (r == 0)
            return;
        if (r < 0) {
            /* It may have answered before it closed. */
            if (!retry(c)) {
                buf_clear(&call->out);
                client_call_pull(c);
            }
            return;
        }
        call->anything_sent = true;
        buf_consume(&call->out, n);
        c->progress_us = loop_now_us(c->worker->loop);
    }
    buf_release(&call->out);
    if (c->in.len && !call->request_done)
        loop_defer(c->worker->loop, &c->task);
}

void client_call_body(struct client *c, struct str body)
{
    struct client_call *call = &c->call;

    call->request_bytes += body.len;
    c->worker->stats->request_bytes += body.len;
    if (call->request_bytes > call->conf->limits.body_bytes) {
        c->ends_after = true;
        client_call_fail(c, REPLY_TOO_LARGE, ERROR_CLASS_CLIENT_GONE, "");
        return;
    }
    if (!call->hides_bodies)
        recorder_request_body(c->worker->recorder, &call->recording, body);
    if (http1_head(c->request)->framing == HTTP1_CHUNKED)
        http1_write_chunk(&call->out, body);
    else
        buf_add_str(&call->out, body);
    client_call_push(c);
}

void client_call_request_end(struct client *c)
{
    struct client_call *call = &c->call;
    size_t count;

    call->request_done = true;
    if (http1_head(c->request)->framing == HTTP1_CHUNKED) {
        const struct http1_header *trailers = http1_trailers(c->request, &count);
        http1_write_last_chunk(&call->out, trailers, count);
    }
    c->progress_us = loop_now_us(c->worker->loop);
    client_call_push(c);
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

/* Into w->frame: the head as the client gets it. */
static void take_answer_head(struct client *c)
{
    struct worker *w = c->worker;
    struct client_call *call = &c->call;
    const struct http1_head *asked = http1_head(c->request), *head = http1_head(c->answer);

    count_answer(w, head->status);
    if (head->is_interim) {
        if (head->status != 100 && asked->minor > 0) /* 100 is ours to say */
            head_write_interim(&w->frame, head);
        return;
    }
    call->framing = head->framing;
    if (head->framing == HTTP1_CHUNKED || head->framing == HTTP1_UNTIL_CLOSE)
        call->framing = asked->minor > 0 ? HTTP1_CHUNKED : HTTP1_UNTIL_CLOSE;
    /* The client is told to go if it sends a body that nobody reads to its end. */
    c->ends_after |= call->framing == HTTP1_UNTIL_CLOSE || w->is_draining || c->peer_ended;
    call->may_keep_conn = head->keep_alive;
    client_record_answer(c, head);
    head_write_response(&w->frame, head,
                        &(struct head_answer){ .framing = call->framing,
                                               .content_length = head->content_length,
                                               .keep_alive = !c->ends_after,
                                               .minor = asked->minor,
                                               .exchange_id = call->trace.exchange_id });
    client_step(c, CLIENT_ON_ANSWERED);
}

static void take_answer_end(struct client *c)
{
    size_t count;

    c->call.answer_done = true;
    if (c->call.framing == HTTP1_CHUNKED) {
        const struct http1_header *trailers = http1_trailers(c->answer, &count);
        http1_write_last_chunk(&c->worker->frame, trailers, count);
    }
}

static void take_answer_event(struct client *c, const struct http1_event *e)
{
    struct worker *w = c->worker;

    switch (e->kind) {
    case HTTP1_HEAD:
        take_answer_head(c);
        break;
    case HTTP1_BODY:
        c->call.response_bytes += e->body.len;
        w->stats->response_bytes += e->body.len;
        if (!c->call.hides_bodies)
            recorder_chunk(w->recorder, &c->call.recording, e->body);
        if (c->call.framing == HTTP1_CHUNKED)
            http1_write_chunk(&w->frame, e->body);
        else
            buf_add_str(&w->frame, e->body);
        break;
    case HTTP1_END:
        take_answer_end(c);
        break;
    }
}

/* The answer has been read to its end; the rest of it is in w->frame. */
static void end_answer(struct client *c)
{
    struct worker *w = c->worker;
    struct client_call *call = &c->call;
    bool keep = call->may_keep_conn && call->request_done && !call->out.len;

    if (call->conn)
        http_conn_release(call->conn, keep);
    call->conn = NULL;
    call->is_connected = false;
    buf_release(&call->out);
    c->ends_after |= !call->request_done; /* what is left of the request goes nowhere */
    if (!client_record_end(c, false, ERROR_CLASS_NONE)) {
        buf_add_str(&c->out, buf_str(&w->frame));
        client_step(c, CLIENT_ON_HELD);
        return;
    }
    client_send(c, buf_str(&w->frame));
    client_complete(c);
}

/* What has been made of the bytes so far goes out. */
static void pass_frame(struct client *c)
{
    if (c->call.answer_done)
        end_answer(c);
    else if (c->worker->frame.len)
        client_send(c, buf_str(&c->worker->frame));
}

static void take_answer(struct client *c, struct str in)
{
    struct http1_event e;
    struct err err;
    int r;

    buf_clear(&c->worker->frame);
    c->call.answer_began = true;
    c->progress_us = loop_now_us(c->worker->loop);
    while ((r = http1_next(c->answer, &in, &e, &err)) > 0)
        take_answer_event(c, &e);
    if (in.len || r < 0)
        c->call.may_keep_conn = false;
    pass_frame(c);
    if (r < 0 && c->state != CLIENT_GONE && !c->call.answer_done)
        client_call_fail(c, REPLY_UPSTREAM_MALFORMED, ERROR_CLASS_MALFORMED, err.text);
}

/* No more comes from the upstream. */
static void upstream_ended(struct client *c)
{
    struct http1_event e;
    struct err err;

    if (c->call.answer_began && http1_finish(c->answer, &e, &err) > 0) {
        buf_clear(&c->worker->frame);
        c->call.may_keep_conn = false;
        take_answer_event(c, &e);
        pass_frame(c);
        return;
    }
    if (!retry(c))
        client_call_fail(c, REPLY_UPSTREAM_CLOSED,
                         c->state == CLIENT_ANSWER ? ERROR_CLASS_STREAM_CUT : ERROR_CLASS_TRANSPORT,
                         "");
}

void client_call_pull(struct client *c)
{
    struct worker *w = c->worker;
    struct client_call *call = &c->call;
    struct err err;

    for (int i = 0; i < PULLS_MAX; i++) {
        size_t n = 0;
        if (!call->conn || !call->is_connected || c->out.len ||
            (c->state != CLIENT_CALL && c->state != CLIENT_ANSWER) ||
            recorder_is_blocked(w->recorder))
            return;
        int r = http_conn_recv(call->conn, w->read, sizeof(w->read), &n, &err);
        if (r == 0)
            return;
        if (r < 0 || n == 0) {
            upstream_ended(c);
            return;
        }
        take_answer(c, (struct str){ w->read, n });
        /* Without TLS, a read that did not fill the buffer has emptied the socket. */
        if (n < sizeof(w->read) && call->upstream && !call->upstream->tls)
            return;
    }
}

/* --- failing and ending --- */

static void drop_conn(struct client_call *call)
{
    if (call->conn)
        http_conn_release(call->conn, false);
    call->conn = NULL;
    call->is_connected = false;
    buf_release(&call->out);
}

/* Part of the answer is out: the client must see that the rest is missing. */
static void cut(struct client *c, enum error_class error)
{
    struct client_call *call = &c->call;

    if (!client_record_end(c, true, error))
        recorder_forget(c->worker->recorder, &call->recording);
    call->answer_done = true;
    c->ends_after = true;
    c->ends_by_reset = call->framing == HTTP1_UNTIL_CLOSE; /* it has no other sign */
    client_complete(c);
}

void client_call_fail(struct client *c, enum reply_kind kind, enum error_class error,
                      const char *detail)
{
    CLEANUP(buf_release) struct buf body = { 0 }, head = { 0 };
    const struct reply *reply = &replies[kind];
    struct client_call *call = &c->call;
    struct worker *w = c->worker;

    drop_conn(call);
    if (call->is_begun) {
        w->stats->upstream_failures += error != ERROR_CLASS_CLIENT_GONE;
        log_event(&w->log, LOG_LEVEL_WARN, loop_wall_us(w->loop), "call_failed",
                  LOG_STR("exchange", str_from(call->trace.exchange_id)),
                  LOG_STR("upstream", call->upstream->name), LOG_STR("code", str_from(reply->code)),
                  LOG_STR("reason", str_from(detail)));
    } else {
        w->stats->requests_refused++;
        log_event(&w->log, LOG_LEVEL_INFO, loop_wall_us(w->loop), "request_refused",
                  LOG_STR("client", str_from(c->address)), LOG_STR("code", str_from(reply->code)));
    }
    if (c->state == CLIENT_ANSWER) {
        cut(c, error);
        return;
    }
    c->ends_after |= !call->request_done;
    call->answer_done = true;
    reply_write_body(reply, STR(""), &body);
    count_answer(w, reply->status);
    reply_write_head(reply, body.len, call->is_begun ? call->trace.exchange_id : NULL,
                     !c->ends_after, &head);
    buf_add_str(&head, buf_str(&body));
    if (call->is_begun) {
        client_record_reply(c, reply, buf_str(&body));
        if (!client_record_end(c, false, error)) {
            buf_add_str(&c->out, buf_str(&head));
            client_step(c, CLIENT_ON_HELD);
            return;
        }
    }
    client_send(c, buf_str(&head));
    client_complete(c);
}

void client_call_abandon(struct client *c, enum error_class error)
{
    drop_conn(&c->call);
    if (c->call.is_begun)
        client_record_end(c, true, error);
    recorder_forget(c->worker->recorder, &c->call.recording);
}

void client_call_release(struct client *c)
{
    struct client_call *call = &c->call;

    assert(!call->is_begun && !call->recording.link);
    drop_conn(call);
    proxy_conf_unref(call->conf);
    *call = (struct client_call){ 0 };
}
