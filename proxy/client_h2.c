/* A client that speaks HTTP/2: many calls at a time, each a stream.
 *
 * What calls give to their streams gathers within base/http2 and leaves at the end of the handler
 * (settle), so in the turn it came in.  A stream holds one read of its upstream at most, whatever
 * keeps it: its own window, the connection's, or the socket.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/http2.h"
#include "proxy/call.h"
#include "proxy/call_policy.h"
#include "proxy/client.h"
#include "proxy/names.h"

#define LINGER_US  UINT64_C(2000000) /* for the peer to read our last words, and to end its own */
#define READ_BYTES (16u << 10)       /* calls use the worker's buffer while we read from ours */
#define TAKE_BYTES (64u << 10)       /* in one write */
#define TAKES_MAX  8                 /* writes in a turn: the others come next */

struct client_h2;

struct h2_stream {
    struct client_h2 *client;
    struct http2_stream *stream;
    struct h2_stream *next, **link;
    struct h2_stream *next_touched;
    struct loop_timer timer;
    struct buf in;      /* body that the call could not take yet: a window at most */
    bool is_touched;    /* something has happened to it: see settle_stream */
    bool is_drained;    /* the last of what it held went out */
    bool request_ended; /* nothing comes after in */
    uint64_t sent_us;   /* when bytes last went out, or nothing more could be added */
    struct proxy_call call;
};

struct client_h2 {
    struct client base;
    struct http2 *http2;
    struct h2_stream *streams, *touched;
    bool is_feeding; /* the peer's bytes are being read */
    bool is_refused; /* what it sends is no HTTP/2, or too much of it */
    bool lingers;    /* nothing more goes out; what still comes in is thrown away */
};

static struct client_h2 *h2_of(struct client *c)
{
    return (struct client_h2 *)c;
}

static void settle(struct client_h2 *c);

/* --- streams --- */

static void touch(struct h2_stream *s)
{
    if (s->is_touched)
        return;
    s->is_touched = true;
    if (s->client->is_feeding) /* head, body and end leave in one piece */
        call_cork(&s->call);
    s->next_touched = s->client->touched;
    s->client->touched = s;
}

static void untouch(struct h2_stream *s)
{
    struct h2_stream **at = &s->client->touched;

    while (s->is_touched && *at != s)
        at = &(*at)->next_touched;
    if (s->is_touched)
        *at = s->next_touched;
    s->is_touched = false;
}

static void abandon_stream(struct h2_stream *s)
{
    loop_timer_cancel(s->client->base.worker->loop, &s->timer);
    call_abandon(&s->call, ERROR_CLASS_CLIENT_GONE);
}

static void free_stream(struct h2_stream *s)
{
    untouch(s);
    abandon_stream(s);
    call_release(&s->call);
    call_close(&s->call);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    buf_release(&s->in);
    free(s);
}

/* All of the answer is out, and the request still comes. */
static bool is_answered(const struct h2_stream *s)
{
    return !call_is_under_way(&s->call) && !http2_pending(s->stream);
}

/* How long it may stay as it is, as an instant; 0 = as long as it likes. */
static uint64_t stream_deadline_us(const struct h2_stream *s)
{
    bool is_open = call_is_under_way(&s->call);
    uint64_t patience = is_open          ? call_patience_us(&s->call)
                        : is_answered(s) ? LINGER_US
                                         : s->client->base.worker->conf->limits.send_us;
    uint64_t since = s->sent_us;

    if (is_open && s->call.progress_us > since)
        since = s->call.progress_us;
    return patience ? since + patience : 0;
}

static void settle_stream(struct h2_stream *s)
{
    struct loop *loop = s->client->base.worker->loop;
    /* Of a plain upstream the loop tells what is there to read, TLS may have it already. */
    bool may_hide_bytes = s->is_drained && s->call.upstream && s->call.upstream->tls;

    s->is_drained = false;
    if (may_hide_bytes)
        call_pull(&s->call);
    call_settle(&s->call);
    uint64_t deadline = stream_deadline_us(s);
    if (deadline)
        loop_timer_set(loop, &s->timer, deadline);
    else
        loop_timer_cancel(loop, &s->timer);
}

static void on_stream_timer(void *ctx)
{
    struct h2_stream *s = ctx;
    struct client_h2 *c = s->client;

    touch(s);
    if (!call_is_under_way(&s->call)) {
        http2_reset(s->stream, is_answered(s) ? HTTP2_NO_ERROR : HTTP2_CANCEL);
    } else if (!call_expire(&s->call)) {
        c->base.worker->stats->clients_gone += s->call.is_begun;
        abandon_stream(s);
        http2_reset(s->stream, HTTP2_CANCEL);
    }
    settle(c);
}

/* --- what a call asks for --- */

static void pass_interim(void *ctx, const struct http1_head *head)
{
    struct h2_stream *s = ctx;

    http2_interim(s->stream, &(struct http2_answer){ .status = head->status,
                                                     .headers = head->headers,
                                                     .header_count = head->header_count });
}

static void go_on(void *ctx)
{
    struct h2_stream *s = ctx;

    if (!s->in.len && !s->request_ended)
        http2_interim(s->stream, &(struct http2_answer){ .status = 100 });
}

static void pass_head(void *ctx, const struct http1_head *head)
{
    struct h2_stream *s = ctx;
    bool has_length = head->has_content_length && head->status != 204; /* as in HTTP/1.1 */

    http2_head(s->stream, &(struct http2_answer){ .status = head->status,
                                                  .has_content_length = has_length,
                                                  .content_length = head->content_length });
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http1_header *h = &head->headers[i];
        if (!h->is_hop && !str_ieq(h->name, STR("content-length")) &&
            !str_ieq(h->name, STR("x-weir-exchange-id")) && !str_ieq(h->name, STR("x-weir-policy")))
            http2_add_header(s->stream, h->name, h->value);
    }
    http2_add_header(s->stream, STR("x-weir-exchange-id"), str_from(s->call.trace.exchange_id));
    if (s->call.policy)
        http2_add_header(s->stream, STR("x-weir-policy"), call_policy_warning(&s->call));
}

static void pass_body(void *ctx, struct str bytes)
{
    struct h2_stream *s = ctx;

    http2_body(s->stream, bytes);
}

static void pass_end(void *ctx, const struct http1_header *trailers, size_t count)
{
    struct h2_stream *s = ctx;

    http2_end(s->stream, trailers, count);
}

static void pass_reply(void *ctx, const struct reply *reply, struct str body)
{
    struct h2_stream *s = ctx;
    bool is_head = s->call.request && str_eq(s->call.request->method, STR("HEAD"));

    http2_head(s->stream, &(struct http2_answer){ .status = reply->status,
                                                  .has_content_length = true,
                                                  .content_length = body.len });
    http2_add_header(s->stream, STR("content-type"), STR("application/json"));
    http2_add_header(s->stream, STR("x-weir-error"), str_from(reply->code));
    for (size_t i = 0; i < reply->header_count; i++)
        http2_add_header(s->stream, reply->headers[i].name, reply->headers[i].value);
    if (s->call.is_begun)
        http2_add_header(s->stream, STR("x-weir-exchange-id"), str_from(s->call.trace.exchange_id));
    if (!is_head)
        http2_body(s->stream, body);
    http2_end(s->stream, NULL, 0);
}

static void cut(void *ctx)
{
    struct h2_stream *s = ctx;

    http2_reset(s->stream, HTTP2_INTERNAL_ERROR);
}

static void flush(void *ctx)
{
    struct h2_stream *s = ctx;

    http2_flush(s->stream);
    touch(s);
}

static void hold(void *ctx)
{
    touch(ctx); /* only flush lets anything go */
}

static void complete(void *ctx)
{
    struct h2_stream *s = ctx;

    s->sent_us = loop_now_us(s->client->base.worker->loop);
    flush(s);
}

static void resume(void *ctx)
{
    struct h2_stream *s = ctx;

    touch(s);
    if (s->in.len || s->request_ended)
        loop_defer(s->client->base.worker->loop, &s->client->base.task);
}

static bool is_full(void *ctx)
{
    const struct h2_stream *s = ctx;

    return http2_pending(s->stream) > 0;
}

static void settle_call(void *ctx)
{
    struct h2_stream *s = ctx;
    struct client *base = &s->client->base;

    touch(s);
    /* What other streams get in this turn leaves with it. */
    if (base->is_gone || base->out.len)
        settle(s->client);
    else
        loop_io_write_later(base->worker->loop, &base->io);
}

static const struct call_downstream downstream = {
    .interim = pass_interim,
    .go_on = go_on,
    .head = pass_head,
    .body = pass_body,
    .end = pass_end,
    .reply = pass_reply,
    .cut = cut,
    .flush = flush,
    .hold = hold,
    .complete = complete,
    .revoke = cut,
    .resume = resume,
    .is_full = is_full,
    .settle = settle_call,
};

/* --- requests --- */

static void on_request(void *ctx, struct http2_stream *stream)
{
    struct client_h2 *c = ctx;
    struct h2_stream *s = mem_calloc(1, sizeof(*s));
    unsigned refusal = http2_refusal(stream);

    s->client = c;
    s->stream = stream;
    s->timer = (struct loop_timer){ .fn = on_stream_timer, .ctx = s };
    s->next = c->streams;
    s->link = &c->streams;
    if (s->next)
        s->next->link = &s->next;
    c->streams = s;
    http2_set_user(stream, s);
    call_init(&s->call, c->base.worker, &downstream, s, c->base.address);
    touch(s);
    if (refusal)
        call_refuse(&s->call, reply_for_refusal(refusal), "");
    else
        call_start(&s->call, http2_request(stream));
}

/* Whether more of the body may be handed in: what is there of it leaves together. */
static bool takes_body(const struct h2_stream *s)
{
    return call_takes_request(&s->call) && s->call.out.len < READ_BYTES;
}

/* Gives the call what waits for it. */
static void process(struct h2_stream *s)
{
    const struct http1_header *trailers;
    size_t count;

    if (s->in.len && takes_body(s)) {
        CLEANUP(buf_release) struct buf in = s->in;
        s->in = (struct buf){ 0 };
        touch(s);
        http2_consume(s->stream, in.len);
        call_request_body(&s->call, buf_str(&in));
    }
    if (s->request_ended && !s->in.len && call_takes_request(&s->call)) {
        touch(s);
        trailers = http2_trailers(s->stream, &count);
        call_request_end(&s->call, trailers, count);
    }
}

static void on_body(void *ctx, struct http2_stream *stream, struct str bytes)
{
    struct h2_stream *s = http2_user(stream);

    (void)ctx;
    if (!s->in.len && takes_body(s)) {
        touch(s);
        http2_consume(stream, bytes.len);
        call_request_body(&s->call, bytes);
    } else if (call_is_under_way(&s->call)) {
        buf_add_str(&s->in, bytes);
    } else {
        http2_consume(stream, bytes.len); /* thrown away, until the stream's deadline */
    }
}

static void on_end(void *ctx, struct http2_stream *stream)
{
    struct h2_stream *s = http2_user(stream);

    (void)ctx;
    s->request_ended = true;
    process(s);
}

static void on_sent(void *ctx, struct http2_stream *stream)
{
    struct client_h2 *c = ctx;
    struct h2_stream *s = http2_user(stream);

    s->sent_us = loop_now_us(c->base.worker->loop);
    s->is_drained |= !http2_pending(stream);
    touch(s);
}

static void on_close(void *ctx, struct http2_stream *stream)
{
    struct client_h2 *c = ctx;
    struct h2_stream *s = http2_user(stream);

    c->base.worker->stats->clients_gone += s->call.is_begun;
    c->base.progress_us = loop_now_us(c->base.worker->loop);
    free_stream(s);
}

/* --- what to wait for --- */

/* When the connection as a whole has stayed as it is for too long; 0 = never.  Without a stream
 * only the last one counts: PINGs, and frames that come byte by byte, keep nothing open. */
static uint64_t deadline_us(const struct client_h2 *c)
{
    const struct proxy_limits *limits = &c->base.worker->conf->limits;
    uint64_t head_since = http2_head_since_us(c->http2);

    if (c->lingers)
        return c->base.progress_us + LINGER_US;
    if (c->base.out.len)
        return c->base.progress_us + limits->send_us;
    if (head_since)
        return head_since + limits->head_us;
    return http2_stream_count(c->http2) ? 0 : c->base.progress_us + limits->idle_us;
}

static void settle_touched(struct client_h2 *c)
{
    while (c->touched) {
        struct h2_stream *s = c->touched;
        c->touched = s->next_touched;
        s->is_touched = false;
        settle_stream(s);
    }
}

/* What streams have leaves, as far as the socket takes it, which lets them read more. */
static void send_some(struct client_h2 *c)
{
    struct worker *w = c->base.worker;

    for (int i = 0; i < TAKES_MAX && !c->base.is_gone; i++) {
        bool has_more = false;
        buf_clear(&w->frame);
        if (!c->base.out.len && !c->lingers)
            http2_take(c->http2, &w->frame, TAKE_BYTES);
        if (w->frame.len) {
            has_more = w->frame.len >= TAKE_BYTES;
            client_write(&c->base, buf_str(&w->frame));
            if (c->base.out.len)
                c->base.progress_us = loop_now_us(w->loop);
        }
        buf_clear(&w->frame);
        if (c->base.is_gone || (!c->touched && !has_more))
            return;
        settle_touched(c);
    }
    if (!c->base.is_gone && !c->base.out.len)
        loop_defer(w->loop, &c->base.task);
}

/* Nothing more goes out.  Closing while the peer still sends would reset the connection, and the
 * reset could overtake our GOAWAY.  So: end our half, and read on for a while. */
static void finish(struct client_h2 *c)
{
    c->base.worker->stats->clients_gone += c->base.protocol->count_calls(&c->base);
    c->base.protocol->abandon(&c->base);
    c->lingers = true;
    c->base.progress_us = loop_now_us(c->base.worker->loop);
    if (c->base.peer_ended || c->base.sock.tls || shutdown(c->base.sock.fd, SHUT_WR) < 0)
        client_close(&c->base);
}

/* After anything happened: last thing in every handler. */
static void settle(struct client_h2 *c)
{
    struct worker *w = c->base.worker;
    unsigned wanted = 0;

    send_some(c);
    if (!c->base.is_gone && !c->lingers && !c->base.out.len &&
        (c->is_refused || http2_is_over(c->http2)))
        finish(c);
    if (c->base.is_gone)
        return;
    if (c->base.out.len)
        wanted |= LOOP_WRITE;
    if (c->lingers || !recorder_is_blocked(w->recorder))
        wanted |= LOOP_READ;
    loop_io_want(w->loop, &c->base.io, wanted);
    uint64_t deadline = deadline_us(c);
    if (deadline)
        loop_timer_set(w->loop, &c->base.timer, deadline);
    else
        loop_timer_cancel(w->loop, &c->base.timer);
}

/* --- in --- */

static void feed(struct client_h2 *c, struct str bytes)
{
    struct worker *w = c->base.worker;
    struct err err;

    c->is_feeding = true;
    int r = http2_feed(c->http2, bytes, loop_now_us(w->loop), &err);
    c->is_feeding = false;
    for (struct h2_stream *s = c->touched; s; s = s->next_touched)
        call_uncork(&s->call);
    if (r == 0)
        return;
    c->is_refused = true;
    log_event(&w->log, LOG_LEVEL_INFO, loop_wall_us(w->loop), "connection_refused",
              LOG_STR("client", str_from(c->base.address)), LOG_STR("reason", str_from(err.text)));
}

static void read_some(struct client_h2 *c)
{
    char bytes[READ_BYTES];
    size_t n = 0;
    enum sock_result r = sock_read(&c->base.sock, bytes, sizeof(bytes), &n);

    if (r == SOCK_AGAIN)
        return;
    if (r == SOCK_DONE) {
        if (!c->lingers && !c->is_refused)
            feed(c, (struct str){ bytes, n });
        return;
    }
    c->base.peer_ended = r == SOCK_END;
    client_lose(&c->base);
}

static void on_io(struct client *base, unsigned events)
{
    struct client_h2 *c = h2_of(base);

    if (events & LOOP_WRITE && base->out.len)
        client_flush(base);
    if (!base->is_gone && events & (LOOP_READ | LOOP_PEER_CLOSED | LOOP_HANGUP))
        do {
            read_some(c);
        } while (!base->is_gone && sock_has_pending(&base->sock));
    if (!base->is_gone)
        settle(c);
}

/* Requests that calls could not take before. */
static void on_task(struct client *base)
{
    struct client_h2 *c = h2_of(base);

    for (struct h2_stream *s = c->streams; s; s = s->next)
        process(s);
    settle(c);
}

static void on_timer(struct client *base)
{
    struct client_h2 *c = h2_of(base);
    bool is_idle = !c->lingers && !base->out.len && !http2_head_since_us(c->http2);

    if (recorder_is_blocked(base->worker->recorder)) {
        base->progress_us = loop_now_us(base->worker->loop); /* it is we who do not read */
    } else if (is_idle && !http2_is_over(c->http2)) {
        http2_shutdown(c->http2);
        base->progress_us = loop_now_us(base->worker->loop);
    } else {
        client_lose(base);
        return;
    }
    settle(c);
}

/* --- life --- */

static void drain(struct client *base)
{
    struct client_h2 *c = h2_of(base);

    http2_shutdown(c->http2);
    settle(c);
}

static void unblock(struct client *base)
{
    struct client_h2 *c = h2_of(base);

    for (struct h2_stream *s = c->streams; s; s = s->next) {
        process(s);
        call_pull(&s->call);
        touch(s);
    }
    settle(c);
}

static size_t count_calls(const struct client *base)
{
    const struct client_h2 *c = (const struct client_h2 *)base;
    size_t count = 0;

    for (const struct h2_stream *s = c->streams; s; s = s->next)
        count += s->call.is_begun;
    return count;
}

/* Streams themselves stay until the connection is freed: their calls may be who asked for it. */
static void abandon(struct client *base)
{
    struct client_h2 *c = h2_of(base);

    for (struct h2_stream *s = c->streams; s; s = s->next) {
        untouch(s);
        abandon_stream(s);
    }
}

static void free_client(struct client *base)
{
    struct client_h2 *c = h2_of(base);

    while (c->streams)
        free_stream(c->streams);
    http2_free(c->http2);
    free(c);
}

static const struct client_protocol protocol = {
    .on_io = on_io,
    .on_timer = on_timer,
    .on_task = on_task,
    .drain = drain,
    .unblock = unblock,
    .count_calls = count_calls,
    .abandon = abandon,
    .free = free_client,
};

void client_h2_open(struct worker *w, const struct sock *sock, const char *address,
                    struct str bytes)
{
    struct client_h2 *c = mem_calloc(1, sizeof(*c));
    struct http2_handler handler = { .on_request = on_request,
                                     .on_body = on_body,
                                     .on_end = on_end,
                                     .on_sent = on_sent,
                                     .on_close = on_close,
                                     .ctx = c };
    struct http2_limits limits = { .streams = w->conf->limits.streams,
                                   .head_bytes = w->conf->limits.head_bytes,
                                   .headers = w->conf->limits.headers,
                                   .waits_for_requests = true };
    CLEANUP(buf_release) struct buf first = { 0 };

    if (client_attach(&c->base, w, &protocol, sock, address) < 0) {
        sock_close(&c->base.sock, true);
        free(c);
        return;
    }
    buf_add_str(&first, bytes); /* they may lie in the worker's buffer, which calls use */
    c->http2 = http2_new(&handler, &limits);
    http2_tag_names(c->http2, names_tag);
    if (w->is_draining)
        http2_shutdown(c->http2);
    feed(c, buf_str(&first));
    settle(c);
}
