/* A client that speaks HTTP/1.1: one call at a time, what it sends ahead waits.
 *
 *     IDLE ─ HEAD ─ CALL ─ FLUSH ─ IDLE ...
 *                            └─── LINGER ─ (closed)
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "proxy/call.h"
#include "proxy/call_policy.h"
#include "proxy/client.h"
#include "proxy/names.h"

#define LINGER_US UINT64_C(2000000) /* for the peer to read our last words */
#define TRIM_US   UINT64_C(1000000) /* idle for so long: gives buffers back */

/* X(constant, name) */
#define H1_STATES(X)                                                                               \
    X(IDLE, "idle")     /* between requests */                                                     \
    X(HEAD, "head")     /* part of a head is there */                                              \
    X(CALL, "call")     /* a call is under way: see its own state */                               \
    X(FLUSH, "flush")   /* the rest of the answer goes out */                                      \
    X(LINGER, "linger") /* nothing more goes out; what still comes in is thrown away */

enum h1_state {
#define X(constant, name) H1_##constant,
    H1_STATES(X)
#undef X
        H1_STATE_COUNT
};

/* X(constant, name) */
#define H1_EVENTS(X)                                                                               \
    X(BYTES, "bytes")       /* a request has begun */                                              \
    X(REQUEST, "request")   /* its head is read */                                                 \
    X(COMPLETE, "complete") /* nothing more will be added to the answer */                         \
    X(NEXT, "next")         /* all is sent, the connection stays */                                \
    X(LAST, "last")         /* all is sent, the connection ends */

enum h1_event {
#define X(constant, name) H1_ON_##constant,
    H1_EVENTS(X)
#undef X
        H1_EVENT_COUNT
};

struct client_h1 {
    struct client base;
    enum h1_state state;
    struct http1 *request;
    struct buf in;              /* read, not yet looked at */
    bool is_fresh;              /* it may yet turn out to be HTTP/2 */
    bool is_trimmed;            /* holds no buffers for heads */
    bool ends_after;            /* this call is the last one */
    enum http1_framing framing; /* of the answer, to the peer */
    struct proxy_call call;
};

static const char *const state_names[] = {
#define X(constant, name) name,
    H1_STATES(X)
#undef X
};
static const char *const event_names[] = {
#define X(constant, name) name,
    H1_EVENTS(X)
#undef X
};

#define IN(state) (1u << H1_##state)

/* In which states an event can happen, and what comes next.  No other pair exists. */
static const struct {
    unsigned from;
    enum h1_event event;
    enum h1_state to;
} transitions[] = {
    {IN(IDLE),                        H1_ON_BYTES,    H1_HEAD  },
    { IN(IDLE) | IN(HEAD),            H1_ON_REQUEST,  H1_CALL  },
    { IN(IDLE) | IN(HEAD) | IN(CALL), H1_ON_COMPLETE, H1_FLUSH }, /* a bad head has no call */
    { IN(FLUSH),                      H1_ON_NEXT,     H1_IDLE  },
    { IN(FLUSH),                      H1_ON_LAST,     H1_LINGER},
};

static void step(struct client_h1 *c, enum h1_event event)
{
    struct worker *w = c->base.worker;

    for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
        if (transitions[i].event != event || !(transitions[i].from & 1u << c->state))
            continue;
        log_event(&w->log, LOG_LEVEL_DEBUG, loop_wall_us(w->loop), "client",
                  LOG_INT("fd", c->base.sock.fd), LOG_STR("from", str_from(state_names[c->state])),
                  LOG_STR("on", str_from(event_names[event])),
                  LOG_STR("to", str_from(state_names[transitions[i].to])));
        c->state = transitions[i].to;
        c->base.progress_us = loop_now_us(w->loop);
        return;
    }
    assert(0 && "client: no such transition");
}

static bool is_in(const struct client_h1 *c, unsigned states)
{
    return (1u << c->state & states) != 0;
}

static struct client_h1 *h1_of(struct client *c)
{
    return (struct client_h1 *)c;
}

/* --- what to wait for --- */

static bool wants_read(const struct client_h1 *c)
{
    if (c->state == H1_LINGER)
        return true;
    if (c->base.peer_ended)
        return false;
    if (c->state == H1_CALL)
        return call_wants_request(&c->call);
    return is_in(c, IN(IDLE) | IN(HEAD)) && !recorder_is_blocked(c->base.worker->recorder) &&
           (!c->in.len || c->is_fresh);
}

static unsigned wanted_events(const struct client_h1 *c)
{
    unsigned wanted = 0;

    if (c->base.out.len && c->call.state != CALL_DURABLE && !c->base.is_leaving)
        wanted |= LOOP_WRITE;
    if (wants_read(c))
        wanted |= LOOP_READ;
    else if (!c->base.peer_ended)
        wanted |= LOOP_PEER_CLOSED;
    return wanted;
}

/* When the present state has lasted too long; 0 = never. */
static uint64_t deadline_us(const struct client_h1 *c)
{
    const struct proxy_limits *limits = &c->base.worker->conf->limits;
    bool may_trim = !c->is_trimmed && limits->idle_us > TRIM_US;
    const uint64_t patience[] = {
        [H1_IDLE] = may_trim ? TRIM_US : limits->idle_us,
        [H1_HEAD] = limits->head_us,
        [H1_CALL] = call_patience_us(&c->call),
        [H1_FLUSH] = limits->send_us,
        [H1_LINGER] = LINGER_US,
    };
    uint64_t since = c->base.progress_us;

    if (c->state == H1_CALL && c->call.progress_us > since)
        since = c->call.progress_us;
    return patience[c->state] ? since + patience[c->state] : 0;
}

/* After anything happened: last thing in every handler. */
static void settle(struct client_h1 *c)
{
    struct loop *loop = c->base.worker->loop;

    if (c->base.is_gone)
        return;
    loop_io_want(loop, &c->base.io, wanted_events(c));
    call_settle(&c->call);
    uint64_t deadline = deadline_us(c);
    if (deadline)
        loop_timer_set(loop, &c->base.timer, deadline);
    else if (loop_timer_is_set(&c->base.timer)) /* moved, as it is wanted again soon */
        loop_timer_set(loop, &c->base.timer, UINT64_MAX);
}

/* --- out --- */

static void next_request(struct client_h1 *c)
{
    call_release(&c->call);
    http1_reset(c->request, false);
    if (c->in.cap > CLIENT_KEEP_BYTES && !c->in.len)
        buf_release(&c->in);
    step(c, H1_ON_NEXT);
    c->is_trimmed = false;
    if (c->in.len) /* sent ahead */
        loop_defer(c->base.worker->loop, &c->base.task);
}

static void flush(struct client_h1 *c)
{
    bool was_full = !c->base.is_leaving;

    if (!client_flush(&c->base))
        return;
    if (c->call.state == CALL_ANSWER) {
        if (was_full)
            call_pull(&c->call);
        return;
    }
    if (c->state != H1_FLUSH)
        return;
    bool ended = c->base.peer_ended && !c->in.len;
    if (!c->ends_after && !ended && c->call.request_done && !c->base.worker->is_draining) {
        next_request(c);
        return;
    }
    call_release(&c->call);
    step(c, H1_ON_LAST);
    /* Closing while the peer still sends would reset the connection, and the reset could overtake
     * our answer.  So: end our half, and read on for a while. */
    if (c->base.ends_by_reset || c->base.peer_ended || c->base.sock.tls ||
        shutdown(c->base.sock.fd, SHUT_WR) < 0)
        client_close(&c->base);
}

/* --- what the call asks for: bytes gather in the worker's frame --- */

static struct buf *frame_of(struct client_h1 *c)
{
    return &c->base.worker->frame;
}

static void pass_interim(void *ctx, const struct http1_head *head)
{
    struct client_h1 *c = ctx;

    if (http1_head(c->request)->minor > 0)
        head_write_interim(frame_of(c), head);
}

static void go_on(void *ctx)
{
    struct client_h1 *c = ctx;

    if (!c->in.len)
        client_write(&c->base, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void pass_head(void *ctx, const struct http1_head *head)
{
    struct client_h1 *c = ctx;
    const struct http1_head *asked = http1_head(c->request);

    c->framing = head->framing;
    if (head->framing == HTTP1_CHUNKED || head->framing == HTTP1_UNTIL_CLOSE)
        c->framing = asked->minor > 0 ? HTTP1_CHUNKED : HTTP1_UNTIL_CLOSE;
    /* The client is told to go if it sends a body that nobody reads to its end. */
    c->ends_after |=
        c->framing == HTTP1_UNTIL_CLOSE || c->base.worker->is_draining || c->base.peer_ended;
    head_write_response(frame_of(c), head,
                        &(struct head_answer){ .framing = c->framing,
                                               .content_length = head->content_length,
                                               .keep_alive = !c->ends_after,
                                               .minor = asked->minor,
                                               .exchange_id = c->call.trace.exchange_id,
                                               .policy = call_policy_warning(&c->call) });
}

static void pass_body(void *ctx, struct str bytes)
{
    struct client_h1 *c = ctx;

    if (c->framing == HTTP1_CHUNKED)
        http1_write_chunk(frame_of(c), bytes);
    else
        buf_add_str(frame_of(c), bytes);
}

static void pass_end(void *ctx, const struct http1_header *trailers, size_t count)
{
    struct client_h1 *c = ctx;

    if (c->framing == HTTP1_CHUNKED)
        http1_write_last_chunk(frame_of(c), trailers, count);
}

static void pass_reply(void *ctx, const struct reply *reply, struct str body)
{
    struct client_h1 *c = ctx;

    c->ends_after |= !c->call.request_done;
    reply_write_head(reply, body.len, c->call.is_begun ? c->call.trace.exchange_id : NULL,
                     !c->ends_after, frame_of(c));
    buf_add_str(frame_of(c), body);
}

static void cut(void *ctx)
{
    struct client_h1 *c = ctx;

    c->ends_after = true;
    c->base.ends_by_reset = c->framing == HTTP1_UNTIL_CLOSE; /* it has no other sign */
}

static void pass(void *ctx)
{
    struct client_h1 *c = ctx;

    client_write_later(&c->base, frame_of(c));
}

static void hold(void *ctx)
{
    struct client_h1 *c = ctx;

    if (c->base.is_leaving) /* what was given before is free to go */
        client_flush(&c->base);
    client_hold(&c->base, frame_of(c));
}

static void complete(void *ctx)
{
    struct client_h1 *c = ctx;

    c->ends_after |= !c->call.request_done; /* what is left of the request goes nowhere */
    pass(c);
    if (c->base.is_gone)
        return;
    step(c, H1_ON_COMPLETE);
    if (!c->base.is_leaving)
        flush(c);
}

static void revoke(void *ctx)
{
    struct client_h1 *c = ctx;

    c->base.ends_by_reset = true;
    client_close(&c->base);
}

static void resume(void *ctx)
{
    struct client_h1 *c = ctx;

    /* Also without bytes: of an empty body the end can be all that is to come. */
    loop_defer(c->base.worker->loop, &c->base.task);
}

static bool is_full(void *ctx)
{
    const struct client_h1 *c = ctx;

    return c->base.out.len > 0 && !c->base.is_leaving;
}

static void settle_call(void *ctx)
{
    settle(ctx);
}

static const struct call_downstream downstream = {
    .interim = pass_interim,
    .go_on = go_on,
    .head = pass_head,
    .body = pass_body,
    .end = pass_end,
    .reply = pass_reply,
    .cut = cut,
    .flush = pass,
    .hold = hold,
    .complete = complete,
    .revoke = revoke,
    .resume = resume,
    .is_full = is_full,
    .settle = settle_call,
};

/* --- in --- */

/* A request that is not to be passed on: answered, and the last one. */
static void refuse(struct client_h1 *c, enum reply_kind kind, const char *why)
{
    c->ends_after = true;
    call_refuse(&c->call, kind, why);
}

static void take_event(struct client_h1 *c, const struct http1_event *e)
{
    const struct http1_header *trailers;
    size_t count;

    switch (e->kind) {
    case HTTP1_HEAD:
        step(c, H1_ON_REQUEST);
        c->ends_after |= !http1_head(c->request)->keep_alive;
        call_start(&c->call, http1_head(c->request));
        break;
    case HTTP1_BODY:
        call_request_body(&c->call, e->body);
        break;
    case HTTP1_END:
        trailers = http1_trailers(c->request, &count);
        call_request_end(&c->call, trailers, count);
        break;
    }
}

/* Whether the next byte of the request has a place to go. */
static bool can_take(const struct client_h1 *c)
{
    if (is_in(c, IN(IDLE) | IN(HEAD)))
        return !c->base.is_gone && !recorder_is_blocked(c->base.worker->recorder);
    return c->state == H1_CALL && call_takes_request(&c->call);
}

static void take_events(struct client_h1 *c, struct str *in)
{
    struct http1_event e;
    struct err err;

    while (can_take(c)) {
        int r = http1_next(c->request, in, &e, &err);
        if (r < 0) {
            refuse(c, reply_for_refusal(http1_refusal(c->request)), err.text);
            return;
        }
        if (r == 0) {
            if (c->state == H1_IDLE && http1_is_under_way(c->request))
                step(c, H1_ON_BYTES);
            return;
        }
        take_event(c, &e);
    }
}

/* in: what waits, or was just read; of that the rest waits then.  All that stays is put away before
 * anything goes out: where that fails, the upstream's last words are read to the same place. */
static void process(struct client_h1 *c, struct str in)
{
    bool has_waited = c->in.len > 0;
    size_t before = in.len;

    call_cork(&c->call);
    call_lend_request(&c->call);
    take_events(c, &in);
    call_keep_request(&c->call);
    if (has_waited)
        buf_consume(&c->in, before - in.len);
    else if (!c->base.is_gone)
        buf_add_str(&c->in, in);
    call_uncork(&c->call);
}

static void process_waiting(struct client_h1 *c)
{
    process(c, buf_str(&c->in));
    if (!c->base.is_gone && !c->in.len && c->base.peer_ended && is_in(c, IN(IDLE) | IN(HEAD)))
        client_close(&c->base);
}

/* The peer sends no more.  One that asked for the connection to stay and yet ends it in the middle
 * of a call has given up; one that asked for it to be closed waits for its answer. */
static void on_peer_end(struct client_h1 *c)
{
    c->base.peer_ended = true;
    if (c->state == H1_LINGER || (is_in(c, IN(IDLE) | IN(HEAD)) && (!c->in.len || c->is_fresh)))
        client_close(&c->base);
    else if (call_is_under_way(&c->call) &&
             (!c->call.request_done || http1_head(c->request)->keep_alive))
        client_lose(&c->base);
    else
        c->ends_after = true;
}

/* With its first bytes a connection shows its protocol.  False: it is not for us (any more). */
static bool is_ours(struct client_h1 *c, struct str in)
{
    struct sock sock = c->base.sock;
    bool is_h2 = sock.tls && tls_conn_alpn(sock.tls) == TLS_ALPN_H2;
    int preface = sock.tls ? is_h2 : http1_is_h2_preface(in);

    if (preface < 0) {
        if (c->state == H1_IDLE)
            step(c, H1_ON_BYTES);
        return false;
    }
    c->is_fresh = false;
    if (preface == 0)
        return true;
    loop_io_remove(c->base.worker->loop, &c->base.io);
    c->base.sock = (struct sock){ .fd = -1 };
    client_h2_open(c->base.worker, &sock, c->base.address, in);
    client_close(&c->base);
    return false;
}

static void take(struct client_h1 *c, struct str in)
{
    bool waits = c->in.len > 0;

    if (waits) {
        buf_add_str(&c->in, in);
        in = buf_str(&c->in);
    }
    if (c->is_fresh && !is_ours(c, in)) {
        if (!c->base.is_gone && !waits)
            buf_add_str(&c->in, in);
    } else if (waits) {
        process_waiting(c);
    } else {
        process(c, in);
    }
}

static void read_some(struct client_h1 *c)
{
    struct worker *w = c->base.worker;
    size_t n = 0;
    enum sock_result r = sock_read(&c->base.sock, w->read, sizeof(w->read), &n);

    if (r == SOCK_AGAIN)
        return;
    if (r == SOCK_FAILED) {
        client_lose(&c->base);
        return;
    }
    if (r == SOCK_END) {
        on_peer_end(c);
        return;
    }
    if (c->state == H1_LINGER)
        return;
    if (c->state == H1_IDLE) /* a head has a time for all of it */
        c->base.progress_us = loop_now_us(w->loop);
    take(c, (struct str){ w->read, n });
}

static void on_io(struct client *base, unsigned events)
{
    struct client_h1 *c = h1_of(base);
    bool reading = wants_read(c);

    if (events & LOOP_WRITE && base->out.len && c->call.state != CALL_DURABLE)
        flush(c);
    if (!base->is_gone && reading && events & (LOOP_READ | LOOP_PEER_CLOSED | LOOP_HANGUP)) {
        do {
            read_some(c);
        } while (!base->is_gone && sock_has_pending(&base->sock) && wants_read(c));
    } else if (!base->is_gone && events & LOOP_HANGUP) {
        client_lose(base);
    } else if (!base->is_gone && events & LOOP_PEER_CLOSED) {
        on_peer_end(c);
    }
    settle(c);
}

static void on_task(struct client *base)
{
    process_waiting(h1_of(base));
    settle(h1_of(base));
}

/* --- time --- */

static void on_timer(struct client *base)
{
    struct client_h1 *c = h1_of(base);
    const struct proxy_limits *limits = &base->worker->conf->limits;

    if (recorder_is_blocked(base->worker->recorder))
        base->progress_us = loop_now_us(base->worker->loop); /* it is we who do not read */
    else if (c->state == H1_HEAD)
        refuse(c, REPLY_REQUEST_TIMEOUT, "");
    else if (c->state == H1_IDLE && !c->is_trimmed && limits->idle_us > TRIM_US) {
        http1_trim(c->request);
        call_trim(&c->call);
        c->is_trimmed = true;
    } else if (c->state != H1_CALL) /* idle, or takes nothing any more */
        client_lose(base);
    if (!base->is_gone && c->state == H1_CALL && !call_expire(&c->call))
        client_lose(base);
    settle(c);
}

/* --- life --- */

static void drain(struct client *base)
{
    struct client_h1 *c = h1_of(base);

    c->ends_after = true;
    if (c->state == H1_IDLE && !c->in.len)
        client_close(base);
}

static void unblock(struct client *base)
{
    struct client_h1 *c = h1_of(base);

    if (c->in.len || c->state == H1_CALL)
        loop_defer(base->worker->loop, &base->task);
    if (c->state == H1_CALL)
        call_pull(&c->call);
    settle(c);
}

static size_t count_calls(const struct client *base)
{
    const struct client_h1 *c = (const struct client_h1 *)base;

    return c->call.is_begun;
}

static void abandon(struct client *base)
{
    struct client_h1 *c = h1_of(base);

    call_abandon(&c->call, ERROR_CLASS_CLIENT_GONE);
    call_release(&c->call);
}

static void free_client(struct client *base)
{
    struct client_h1 *c = h1_of(base);

    call_close(&c->call);
    http1_free(c->request);
    buf_release(&c->in);
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

void client_h1_open(struct worker *w, const struct sock *sock, const char *address)
{
    struct client_h1 *c = mem_calloc(1, sizeof(*c));
    struct http1_limits limits = { .head_bytes = w->conf->limits.head_bytes,
                                   .headers = w->conf->limits.headers };

    if (client_attach(&c->base, w, &protocol, sock, address) < 0) {
        sock_close(&c->base.sock, true);
        free(c);
        return;
    }
    c->is_fresh = c->is_trimmed = true;
    call_init(&c->call, w, &downstream, c, c->base.address);
    c->request = http1_new(HTTP1_REQUESTS, &limits);
    http1_tag_names(c->request, names_tag);
    settle(c);
}
