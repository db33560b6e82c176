#include "config.h"

#include "proxy/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LINGER_US  UINT64_C(2000000) /* for the peer to read our last words */
#define KEEP_BYTES 4096u             /* larger buffers are not kept between calls */

static const char *const state_names[] = {
#define X(constant, name) name,
    CLIENT_STATES(X)
#undef X
};
static const char *const event_names[] = {
#define X(constant, name) name,
    CLIENT_EVENTS(X)
#undef X
};

#define IN(state) (1u << CLIENT_##state)
#define IN_CALL   (IN(CONNECT) | IN(CALL) | IN(ANSWER))
#define IN_ALL    ((1u << CLIENT_GONE) - 1)

/* In which states an event can happen, and what comes next.  No other pair exists. */
static const struct {
    unsigned from;
    enum client_event event;
    enum client_state to;
} transitions[] = {
    {IN(IDLE),                       CLIENT_ON_BYTES,     CLIENT_HEAD   },
    { IN(IDLE) | IN(HEAD),           CLIENT_ON_ROUTED,    CLIENT_CONNECT},
    { IN(CONNECT),                   CLIENT_ON_CONNECTED, CLIENT_CALL   },
    { IN(CALL),                      CLIENT_ON_ROUTED,    CLIENT_CONNECT}, /* once more */
    { IN(CALL),                      CLIENT_ON_ANSWERED,  CLIENT_ANSWER },
    { IN_CALL,                       CLIENT_ON_HELD,      CLIENT_DURABLE},
    { IN(IDLE) | IN(HEAD) | IN_CALL, CLIENT_ON_COMPLETE,  CLIENT_FLUSH  },
    { IN(DURABLE),                   CLIENT_ON_COMPLETE,  CLIENT_FLUSH  },
    { IN(FLUSH),                     CLIENT_ON_NEXT,      CLIENT_IDLE   },
    { IN(FLUSH),                     CLIENT_ON_LAST,      CLIENT_LINGER },
    { IN_ALL,                        CLIENT_ON_CLOSE,     CLIENT_GONE   },
};

void client_step(struct client *c, enum client_event event)
{
    for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
        if (transitions[i].event != event || !(transitions[i].from & 1u << c->state))
            continue;
        log_event(&c->worker->log, LOG_LEVEL_DEBUG, loop_wall_us(c->worker->loop), "client",
                  LOG_INT("fd", c->sock.fd), LOG_STR("from", str_from(state_names[c->state])),
                  LOG_STR("on", str_from(event_names[event])),
                  LOG_STR("to", str_from(state_names[transitions[i].to])));
        c->state = transitions[i].to;
        c->progress_us = loop_now_us(c->worker->loop);
        return;
    }
    assert(!"client_step: no such transition");
}

static bool is_in(const struct client *c, unsigned states)
{
    return (1u << c->state & states) != 0;
}

/* --- what to wait for --- */

static unsigned wanted_events(const struct client *c)
{
    bool blocked = recorder_is_blocked(c->worker->recorder);
    unsigned wanted = 0;

    if (c->out.len && c->state != CLIENT_DURABLE)
        wanted |= LOOP_WRITE;
    if (c->state == CLIENT_LINGER ||
        (is_in(c, IN(IDLE) | IN(HEAD)) && !blocked && !c->peer_ended && !c->in.len) ||
        (is_in(c, IN(CALL) | IN(ANSWER)) && !blocked && !c->call.request_done &&
         c->call.is_connected && !c->call.out.len && !c->peer_ended))
        wanted |= LOOP_READ;
    else if (!c->peer_ended)
        wanted |= LOOP_PEER_CLOSED;
    return wanted;
}

static void want_of_upstream(struct client *c)
{
    const struct client_call *call = &c->call;
    unsigned wanted = 0;

    if (!call->conn || !call->is_connected)
        return;
    if (call->out.len)
        wanted |= LOOP_WRITE;
    if (is_in(c, IN(CALL) | IN(ANSWER)) && !c->out.len && !recorder_is_blocked(c->worker->recorder))
        wanted |= LOOP_READ;
    http_conn_want(call->conn, wanted);
}

/* How long the present state may last without progress; 0 = as long as it likes. */
static uint64_t patience_us(const struct client *c)
{
    const struct client_call *call = &c->call;
    const struct proxy_limits *limits = &c->worker->conf->limits;

    switch (c->state) {
    case CLIENT_IDLE:
        return limits->idle_us;
    case CLIENT_HEAD:
        return limits->head_us;
    case CLIENT_CALL:
        return call->request_done || call->out.len ? call->upstream->head_us : limits->body_us;
    case CLIENT_ANSWER:
        return c->out.len ? limits->send_us : call->upstream->idle_us;
    case CLIENT_FLUSH:
        return limits->send_us;
    case CLIENT_LINGER:
        return LINGER_US;
    default: /* connecting has its own time, the disk takes what it takes */
        return 0;
    }
}

void client_settle(struct client *c)
{
    if (c->state == CLIENT_GONE)
        return;
    loop_io_want(c->worker->loop, &c->io, wanted_events(c));
    want_of_upstream(c);
    uint64_t patience = patience_us(c);
    if (patience)
        loop_timer_set(c->worker->loop, &c->timer, c->progress_us + patience);
    else
        loop_timer_cancel(c->worker->loop, &c->timer);
}

/* --- the end --- */

static void free_client(struct client *c)
{
    http1_free(c->request);
    http1_free(c->answer);
    buf_release(&c->in);
    buf_release(&c->out);
    buf_release(&c->call.out);
    free(c);
}

static void run_task(void *ctx)
{
    struct client *c = ctx;

    if (c->state == CLIENT_GONE) {
        free_client(c);
        return;
    }
    client_process(c);
    client_settle(c);
}

void client_close(struct client *c)
{
    struct worker *w = c->worker;

    if (c->state == CLIENT_GONE)
        return;
    client_call_abandon(c, ERROR_CLASS_CLIENT_GONE);
    client_call_release(c);
    client_step(c, CLIENT_ON_CLOSE);
    loop_io_remove(w->loop, &c->io);
    loop_timer_cancel(w->loop, &c->timer);
    sock_close(&c->sock, c->ends_by_reset);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    loop_defer_cancel(w->loop, &c->task);
    loop_defer(w->loop, &c->task);
    worker_client_gone(w);
}

/* Left in the middle of a call. */
static void lose(struct client *c)
{
    if (c->call.is_begun)
        c->worker->stats->clients_gone++;
    client_close(c);
}

/* --- out --- */

static void after_flush(struct client *c);

void client_send(struct client *c, struct str bytes)
{
    if (c->state == CLIENT_GONE)
        return;
    while (bytes.len && !c->out.len) {
        size_t n = 0;
        enum sock_result r = sock_write(&c->sock, bytes, &n);
        if (r == SOCK_FAILED || r == SOCK_END) {
            lose(c);
            return;
        }
        if (r == SOCK_AGAIN)
            break;
        bytes = str_sub(bytes, n, bytes.len);
    }
    buf_add_str(&c->out, bytes);
}

static void flush(struct client *c)
{
    size_t n = 0;

    while (c->out.len) {
        enum sock_result r = sock_write(&c->sock, buf_str(&c->out), &n);
        if (r == SOCK_AGAIN)
            return;
        if (r != SOCK_DONE) {
            lose(c);
            return;
        }
        buf_consume(&c->out, n);
        c->progress_us = loop_now_us(c->worker->loop);
    }
    if (c->out.cap > KEEP_BYTES)
        buf_release(&c->out);
    after_flush(c);
}

static void next_request(struct client *c)
{
    client_call_release(c);
    http1_reset(c->request, false);
    if (c->in.cap > KEEP_BYTES && !c->in.len)
        buf_release(&c->in);
    client_step(c, CLIENT_ON_NEXT);
    if (c->in.len) /* sent ahead */
        loop_defer(c->worker->loop, &c->task);
    else
        http1_trim(c->request);
}

/* All has been sent. */
static void after_flush(struct client *c)
{
    if (c->state == CLIENT_ANSWER) {
        client_call_pull(c);
        return;
    }
    if (c->state != CLIENT_FLUSH)
        return;
    bool ended = c->peer_ended && !c->in.len;
    if (!c->ends_after && !ended && c->call.request_done && !c->worker->is_draining) {
        next_request(c);
        return;
    }
    client_call_release(c);
    client_step(c, CLIENT_ON_LAST);
    /* Closing while the peer still sends would reset the connection, and the reset could overtake
     * our answer.  So: end our half, and read on for a while. */
    if (c->ends_by_reset || c->peer_ended || c->sock.tls || shutdown(c->sock.fd, SHUT_WR) < 0)
        client_close(c);
}

void client_complete(struct client *c)
{
    if (c->state == CLIENT_GONE)
        return;
    client_step(c, CLIENT_ON_COMPLETE);
    flush(c);
}

/* --- in --- */

/* A request that is not to be passed on: answered, and the last one. */
static void refuse(struct client *c, enum reply_kind kind)
{
    c->ends_after = true;
    client_call_fail(c, kind, ERROR_CLASS_CLIENT_GONE, "");
}

static void take_event(struct client *c, const struct http1_event *e)
{
    switch (e->kind) {
    case HTTP1_HEAD:
        client_call_start(c);
        break;
    case HTTP1_BODY:
        client_call_body(c, e->body);
        break;
    case HTTP1_END:
        client_call_request_end(c);
        break;
    }
}

/* Whether the next byte of the request has a place to go. */
static bool can_take(const struct client *c)
{
    if (recorder_is_blocked(c->worker->recorder))
        return false;
    if (is_in(c, IN(IDLE) | IN(HEAD)))
        return true;
    return is_in(c, IN(CALL) | IN(ANSWER)) && c->call.is_connected && !c->call.request_done;
}

static void process(struct client *c, struct str *in)
{
    struct http1_event e;
    struct err err;

    while (can_take(c)) {
        int r = http1_next(c->request, in, &e, &err);
        if (r < 0) {
            refuse(c, reply_for_refusal(http1_refusal(c->request)));
            return;
        }
        if (r == 0) {
            if (c->state == CLIENT_IDLE && http1_is_under_way(c->request))
                client_step(c, CLIENT_ON_BYTES);
            return;
        }
        take_event(c, &e);
    }
}

void client_process(struct client *c)
{
    struct str in = buf_str(&c->in);
    size_t before = in.len;

    process(c, &in);
    if (c->state == CLIENT_GONE)
        return;
    buf_consume(&c->in, before - in.len);
    if (!c->in.len && c->peer_ended && is_in(c, IN(IDLE) | IN(HEAD)))
        client_close(c);
}

/* The peer sends no more.  One that asked for the connection to stay and yet ends it in the middle
 * of a call has given up; one that asked for it to be closed waits for its answer. */
static void on_peer_end(struct client *c)
{
    bool under_way = is_in(c, IN_CALL | IN(DURABLE));

    c->peer_ended = true;
    if (c->state == CLIENT_LINGER || (is_in(c, IN(IDLE) | IN(HEAD)) && !c->in.len))
        client_close(c);
    else if (under_way && (!c->call.request_done || http1_head(c->request)->keep_alive))
        lose(c);
    else
        c->ends_after = true;
}

static void read_some(struct client *c)
{
    struct worker *w = c->worker;
    size_t n = 0;
    enum sock_result r = sock_read(&c->sock, w->read, sizeof(w->read), &n);

    if (r == SOCK_AGAIN)
        return;
    if (r == SOCK_FAILED) {
        lose(c);
        return;
    }
    if (r == SOCK_END) {
        on_peer_end(c);
        return;
    }
    if (c->state == CLIENT_LINGER)
        return;
    if (c->state != CLIENT_HEAD) /* a head has a time for all of it */
        c->progress_us = loop_now_us(w->loop);
    struct str in = { w->read, n };
    if (c->in.len) {
        buf_add_str(&c->in, in);
        client_process(c);
        return;
    }
    process(c, &in);
    if (c->state != CLIENT_GONE)
        buf_add_str(&c->in, in);
}

static void on_io(void *ctx, unsigned events)
{
    struct client *c = ctx;
    bool reading = wanted_events(c) & LOOP_READ;

    if (events & LOOP_WRITE && c->out.len && c->state != CLIENT_DURABLE)
        flush(c);
    if (c->state != CLIENT_GONE && reading &&
        events & (LOOP_READ | LOOP_PEER_CLOSED | LOOP_HANGUP)) {
        do {
            read_some(c);
        } while (c->state != CLIENT_GONE && sock_has_pending(&c->sock) &&
                 wanted_events(c) & LOOP_READ);
    } else if (c->state != CLIENT_GONE && events & LOOP_HANGUP) {
        lose(c);
    } else if (c->state != CLIENT_GONE && events & LOOP_PEER_CLOSED) {
        on_peer_end(c);
    }
    client_settle(c);
}

/* --- time --- */

static void on_timer(void *ctx)
{
    struct client *c = ctx;

    if (recorder_is_blocked(c->worker->recorder)) {
        c->progress_us = loop_now_us(c->worker->loop); /* it is we who do not read */
        client_settle(c);
        return;
    }
    switch (c->state) {
    case CLIENT_HEAD:
        refuse(c, REPLY_REQUEST_TIMEOUT);
        break;
    case CLIENT_CALL:
        if (c->call.request_done || c->call.out.len)
            client_call_fail(c, REPLY_HEAD_TIMEOUT, ERROR_CLASS_TIMEOUT_HEAD, "");
        else
            refuse(c, REPLY_REQUEST_TIMEOUT);
        break;
    case CLIENT_ANSWER:
        if (c->out.len)
            lose(c);
        else
            client_call_fail(c, REPLY_HEAD_TIMEOUT, ERROR_CLASS_STREAM_STALL, "");
        break;
    default: /* idle, or takes nothing any more */
        lose(c);
    }
    client_settle(c);
}

/* --- from the worker --- */

void client_open(struct worker *w, int fd, const char *address)
{
    struct client *c = mem_calloc(1, sizeof(*c));
    struct http1_limits limits = { .head_bytes = w->conf->limits.head_bytes,
                                   .headers = w->conf->limits.headers };
    struct err err;

    c->worker = w;
    c->sock.fd = fd;
    if (w->tls) {
        c->sock.tls = tls_conn_new(w->tls, fd);
        c->sock.in_handshake = true;
    }
    snprintf(c->address, sizeof(c->address), "%s", address);
    c->io = (struct loop_io){ .fd = fd, .fn = on_io, .ctx = c };
    c->timer = (struct loop_timer){ .fn = on_timer, .ctx = c };
    c->task = (struct loop_task){ .fn = run_task, .ctx = c };
    c->progress_us = loop_now_us(w->loop);
    if (loop_io_add(w->loop, &c->io, LOOP_READ, &err) < 0) {
        sock_close(&c->sock, true);
        free(c);
        return;
    }
    c->request = http1_new(HTTP1_REQUESTS, &limits);
    c->next = w->clients;
    c->link = &w->clients;
    if (c->next)
        c->next->link = &c->next;
    w->clients = c;
    w->client_count++;
    w->stats->connections++;
    w->stats->connections_open = w->client_count;
    client_settle(c);
}

void client_drain(struct client *c)
{
    c->ends_after = true;
    if (c->state == CLIENT_IDLE && !c->in.len)
        client_close(c);
}

void client_unblock(struct client *c)
{
    if (c->in.len)
        loop_defer(c->worker->loop, &c->task);
    if (is_in(c, IN(CALL) | IN(ANSWER)) && c->call.is_connected)
        client_call_pull(c);
    client_settle(c);
}
