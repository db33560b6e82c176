#include "config.h"

#include "replay/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/http1.h"
#include "base/sock.h"
#include "replay/refusal.h"
#include "replay/streams.h"

#define LINGER_US  UINT64_C(2000000) /* for the peer to read our last words */
#define KEEP_BYTES 4096u             /* larger buffers are not kept between requests */

enum conn_state {
    CONN_READING,
    CONN_PLAYING,
    CONN_H2,     /* for good: its requests are streams */
    CONN_LINGER, /* all is sent; what still comes in is thrown away */
    CONN_GONE,   /* closed; freed at the end of the turn */
};

struct conn {
    struct server *server;
    const struct server_port *port;
    struct conn *next, **link;
    struct sock sock;
    struct loop_io io;
    struct loop_timer timer;
    struct loop_task task; /* goes on with what is in `in`; once GONE, frees */
    enum conn_state state;
    uint64_t since_us;       /* that it waits for the present request */
    bool is_h1;              /* its first bytes were no preface of HTTP/2 */
    struct streams *streams; /* in CONN_H2 */
    struct http1 *parser;
    struct buf in, out, body;
    bool peer_ended;
    bool ends_after; /* this answer is the last one */
    bool is_complete;
    bool ends_by_reset;
    bool is_head, is_chunked; /* the answer under way: to a HEAD; in chunks */
    struct play play;
};

struct conn *conn_next(const struct conn *c)
{
    return c->next;
}

const struct server_port *conn_port(const struct conn *c)
{
    return c->port;
}

/* An HTTP/2 connection is read as long as its answers are taken. */
static void settle_h2(struct conn *c)
{
    struct loop *loop = c->server->options.loop;
    uint64_t patience_us = streams_patience_us(c->streams, c->since_us);

    loop_io_want(loop, &c->io,
                 (c->out.len ? LOOP_WRITE : 0) | (c->out.len < SERVER_OUT_BYTES ? LOOP_READ : 0));
    if (patience_us == UINT64_MAX)
        loop_timer_cancel(loop, &c->timer);
    else
        loop_timer_set(loop, &c->timer, patience_us);
}

static void settle(struct conn *c)
{
    struct loop *loop = c->server->options.loop;
    unsigned wanted = c->out.len ? LOOP_WRITE : 0;

    if (c->state == CONN_H2)
        settle_h2(c);
    if (c->state == CONN_H2 || c->state == CONN_GONE)
        return;
    if (c->state == CONN_LINGER || (c->state == CONN_READING && !c->peer_ended))
        wanted |= LOOP_READ;
    else if (!c->peer_ended)
        wanted |= LOOP_PEER_CLOSED;
    loop_io_want(loop, &c->io, wanted);
    if (c->state == CONN_PLAYING) { /* takes as long as the client takes */
        loop_timer_cancel(loop, &c->timer);
        return;
    }
    bool idle = c->state == CONN_READING && !http1_is_under_way(c->parser);
    loop_timer_set(loop, &c->timer,
                   c->since_us + (c->state == CONN_LINGER ? LINGER_US
                                  : idle                  ? SERVER_IDLE_US
                                                          : SERVER_HEAD_US));
}

static void free_conn(struct conn *c)
{
    http1_free(c->parser);
    buf_release(&c->in);
    buf_release(&c->out);
    buf_release(&c->body);
    free(c);
}

void conn_close(struct conn *c)
{
    struct server *s = c->server;

    if (c->state == CONN_GONE)
        return;
    if (play_is_on(&c->play))
        s->counts.abandoned++;
    play_stop(&c->play);
    streams_free(TAKE(c->streams));
    c->state = CONN_GONE;
    loop_io_remove(s->options.loop, &c->io);
    loop_timer_cancel(s->options.loop, &c->timer);
    sock_close(&c->sock, c->ends_by_reset);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    loop_defer_cancel(s->options.loop, &c->task);
    loop_defer(s->options.loop, &c->task);
    server_conn_gone(s);
}

void conn_drain(struct conn *c)
{
    c->ends_after = true;
    if (c->state == CONN_H2)
        streams_drain(c->streams);
    else if (play_is_hanging(&c->play) ||
             (c->state == CONN_READING && !c->in.len && !http1_is_under_way(c->parser)))
        conn_close(c);
}

/* --- the answer --- */

static void end_last(struct conn *c)
{
    c->state = CONN_LINGER;
    c->since_us = loop_now_us(c->server->options.loop);
    /* Closing while the peer still sends would reset the connection, and the reset could overtake
     * the answer. */
    if (c->peer_ended || c->sock.tls || shutdown(c->sock.fd, SHUT_WR) < 0)
        conn_close(c);
}

/* The answer is complete and sent. */
static void after_answer(struct conn *c)
{
    if (c->ends_by_reset) {
        conn_close(c);
        return;
    }
    if (c->ends_after || c->peer_ended) {
        end_last(c);
        return;
    }
    c->state = CONN_READING;
    c->is_complete = false;
    c->since_us = loop_now_us(c->server->options.loop);
    http1_reset(c->parser, false);
    buf_clear(&c->body);
    if (c->body.cap > KEEP_BYTES)
        buf_release(&c->body);
    if (c->in.len)
        loop_defer(c->server->options.loop, &c->task);
    else
        http1_trim(c->parser);
}

static void on_head(void *ctx, const struct answer *a)
{
    struct conn *c = ctx;
    const struct http1_head *asked = http1_head(c->parser);
    enum http1_framing framing = HTTP1_LENGTH;

    c->is_head = str_eq(asked->method, STR("HEAD"));
    c->is_chunked = false;
    if (a->status == 204 || a->status == 304) {
        framing = HTTP1_NO_BODY;
    } else if (a->is_chunked || (a->is_cut && !a->promised)) {
        c->is_chunked = asked->minor > 0;
        c->ends_after |= asked->minor == 0;
        framing = c->is_chunked ? HTTP1_CHUNKED : HTTP1_UNTIL_CLOSE;
    }
    http1_write_status_line(&c->out, a->status, STR(""));
    for (size_t i = 0; i < a->headers.len; i++)
        http1_write_header(&c->out, a->headers.ptr[i].name, a->headers.ptr[i].value);
    if (c->ends_after)
        http1_write_header(&c->out, STR("Connection"), STR("close"));
    else if (asked->minor == 0)
        http1_write_header(&c->out, STR("Connection"), STR("keep-alive"));
    http1_write_framing(&c->out, framing, a->promised ? a->promised : a->body.len);
    http1_write_end(&c->out);
}

static void on_body(void *ctx, struct str bytes)
{
    struct conn *c = ctx;

    if (c->is_head)
        return;
    if (c->sock.tls && c->play.answer->has_no_head) {
        c->ends_by_reset = true; /* bytes out of place would be in place within TLS */
        return;
    }
    c->server->counts.body_bytes += bytes.len;
    if (c->is_chunked)
        http1_write_chunk(&c->out, bytes);
    else
        buf_add_str(&c->out, bytes);
}

static void on_end(void *ctx, enum play_end how)
{
    struct conn *c = ctx;
    bool cut = how != PLAY_ENDED;

    c->ends_by_reset |= how == PLAY_RESET;
    c->is_complete = true;
    c->ends_after |= cut;
    if (cut)
        c->server->counts.cut++;
    else
        c->server->counts.completed++;
    if (c->is_chunked && !cut && !c->is_head)
        http1_write_last_chunk(&c->out, NULL, 0);
}

static bool on_is_full(const void *ctx)
{
    const struct conn *c = ctx;
    return c->out.len >= SERVER_OUT_BYTES;
}

/* Sends what there is; the connection may be gone after it. */
static void flush(struct conn *c)
{
    size_t done = 0, n = 0;

    while (done < c->out.len) {
        enum sock_result r = sock_write(&c->sock, str_sub(buf_str(&c->out), done, SIZE_MAX), &n);
        if (r == SOCK_AGAIN)
            break;
        if (r != SOCK_DONE) {
            conn_close(c);
            return;
        }
        done += n;
    }
    buf_consume(&c->out, done);
    if (c->out.len)
        return;
    if (c->out.cap > KEEP_BYTES)
        buf_release(&c->out);
    if (c->is_complete && c->state == CONN_PLAYING)
        after_answer(c);
}

static void on_flush(void *ctx)
{
    struct conn *c = ctx;

    flush(c);
    settle(c);
}

static const struct play_sink sink = {
    .head = on_head, .body = on_body, .end = on_end, .flush = on_flush, .is_full = on_is_full
};

/* --- the request --- */

static void respond(struct conn *c)
{
    const struct http1_head *head = http1_head(c->parser);

    c->ends_after |= !head->keep_alive || c->server->is_draining;
    c->ends_by_reset = c->is_head = c->is_chunked = false;
    c->state = CONN_PLAYING;
    play_start(&c->play, server_answer_to(c->server, c->port, head, buf_str(&c->body)));
}

/* Answers what is no request that can be looked at, as the last one.  There may be no head, so the
 * answer does not go through play. */
static void refuse(struct conn *c, unsigned status, const char *why)
{
    struct answer *a = refusal_plain(status, str_from(why));

    c->server->counts.refused++;
    http1_write_status_line(&c->out, status, STR(""));
    for (size_t i = 0; i < a->headers.len; i++)
        http1_write_header(&c->out, a->headers.ptr[i].name, a->headers.ptr[i].value);
    http1_write_header(&c->out, STR("Connection"), STR("close"));
    http1_write_framing(&c->out, HTTP1_LENGTH, a->body.len);
    http1_write_end(&c->out);
    buf_add_str(&c->out, buf_str(&a->body));
    answer_unref(a);
    c->ends_after = c->is_complete = true;
    c->state = CONN_PLAYING;
    flush(c);
}

static void take_event(struct conn *c, const struct http1_event *e)
{
    switch (e->kind) {
    case HTTP1_HEAD:
        if (http1_head(c->parser)->expects_continue) {
            buf_add_str(&c->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
            flush(c);
        }
        break;
    case HTTP1_BODY:
        if (e->body.len > SERVER_BODY_BYTES_MAX - c->body.len)
            refuse(c, 413, "the request's body is larger than 64 MiB");
        else
            buf_add_str(&c->body, e->body);
        break;
    case HTTP1_END:
        respond(c);
        break;
    }
}

static void process(struct conn *c)
{
    struct str in = buf_str(&c->in);
    struct http1_event e;
    struct err err;
    int r = 0;

    while (c->state == CONN_READING && (r = http1_next(c->parser, &in, &e, &err)) > 0)
        take_event(c, &e);
    if (c->state == CONN_READING && r < 0)
        refuse(c, http1_refusal(c->parser), err.text);
    if (c->state == CONN_GONE)
        return;
    buf_consume(&c->in, c->in.len - in.len);
    if (!c->in.len && c->in.cap > KEEP_BYTES)
        buf_release(&c->in);
    if (c->state == CONN_READING && c->peer_ended)
        conn_close(c);
}

/* --- HTTP/2 --- */

/* Sends what the streams have; the connection may be gone after it. */
static void push(struct conn *c)
{
    do {
        if (c->out.len < SERVER_OUT_BYTES)
            streams_take(c->streams, &c->out, SERVER_OUT_BYTES);
        if (!c->out.len)
            break;
        flush(c);
    } while (c->state == CONN_H2 && !c->out.len);
    if (c->state == CONN_H2 && !c->out.len && streams_is_over(c->streams))
        end_last(c);
}

static void on_output(void *ctx)
{
    struct conn *c = ctx;
    loop_defer(c->server->options.loop, &c->task);
}

static void feed(struct conn *c, struct str bytes)
{
    struct err err;

    c->since_us = loop_now_us(c->server->options.loop);
    if (streams_feed(c->streams, bytes, &err) < 0)
        c->server->counts.refused++;
    push(c);
}

/* What the first bytes say of the protocol; false = too few to tell. */
static bool choose_protocol(struct conn *c)
{
    int is_h2 = c->is_h1 ? 0 : http1_is_h2_preface(buf_str(&c->in));

    c->is_h1 = is_h2 == 0;
    if (is_h2 <= 0)
        return c->is_h1;
    c->state = CONN_H2;
    c->streams = streams_new(c->server, c->port, on_output, c);
    if (c->server->is_draining)
        streams_drain(c->streams);
    struct buf in = c->in;
    c->in = (struct buf){ 0 };
    feed(c, buf_str(&in));
    buf_release(&in);
    return false;
}

static void on_task(void *ctx)
{
    struct conn *c = ctx;

    if (c->state == CONN_GONE) {
        free_conn(c);
        return;
    }
    if (c->state == CONN_H2)
        push(c);
    else
        process(c);
    settle(c);
}

static void on_peer_end(struct conn *c)
{
    bool waits = c->state == CONN_PLAYING && !http1_head(c->parser)->keep_alive &&
                 !play_is_hanging(&c->play);

    c->peer_ended = true;
    if (!waits && (c->state != CONN_READING || !c->in.len || !c->is_h1))
        conn_close(c);
}

static void read_some(struct conn *c)
{
    struct server *s = c->server;
    size_t n = 0;
    enum sock_result r = sock_read(&c->sock, s->read, sizeof(s->read), &n);

    if (r == SOCK_FAILED && c->sock.tls && tls_conn_has_refused(c->sock.tls))
        server_handshake_refused(s, c->port);
    if (r == SOCK_FAILED)
        conn_close(c);
    else if (r == SOCK_END)
        on_peer_end(c);
    if (r != SOCK_DONE)
        return;
    if (c->state == CONN_H2)
        feed(c, (struct str){ s->read, n });
    if (c->state != CONN_READING)
        return;
    if (!http1_is_under_way(c->parser))
        c->since_us = loop_now_us(s->options.loop);
    buf_add(&c->in, s->read, n);
    if (choose_protocol(c))
        process(c);
}

static void on_io(void *ctx, unsigned events)
{
    struct conn *c = ctx;
    bool reads = c->state != CONN_PLAYING;

    if (events & LOOP_WRITE && c->out.len) {
        flush(c);
        if (c->state == CONN_H2)
            push(c);
        else if (c->state == CONN_PLAYING)
            play_resume(&c->play);
    }
    if (c->state != CONN_GONE && reads && events & (LOOP_READ | LOOP_PEER_CLOSED | LOOP_HANGUP)) {
        do {
            read_some(c);
        } while ((c->state == CONN_READING || c->state == CONN_H2) && sock_has_pending(&c->sock));
    } else if (c->state != CONN_GONE && events & (LOOP_HANGUP | LOOP_PEER_CLOSED)) {
        if (events & LOOP_HANGUP)
            conn_close(c);
        else
            on_peer_end(c);
    }
    settle(c);
}

static void on_timer(void *ctx)
{
    struct conn *c = ctx;

    if (c->state == CONN_READING && http1_is_under_way(c->parser))
        refuse(c, 408, "the request did not arrive in time");
    else
        conn_close(c);
    settle(c);
}

void conn_open(struct server *s, const struct server_port *port, int fd)
{
    struct conn *c = mem_calloc(1, sizeof(*c));
    struct err err;

    c->server = s;
    c->port = port;
    c->sock.fd = fd;
    if (s->options.tls && !port->is_control) {
        c->sock.tls = tls_conn_new(s->options.tls, fd);
        c->sock.in_handshake = true;
        if (port->fails_tls)
            tls_conn_refuse(c->sock.tls);
    }
    c->io = (struct loop_io){ .fd = fd, .fn = on_io, .ctx = c };
    c->timer = (struct loop_timer){ .fn = on_timer, .ctx = c };
    c->task = (struct loop_task){ .fn = on_task, .ctx = c };
    c->play = (struct play){
        .loop = s->options.loop, .sink = &sink, .ctx = c, .speed = s->options.speed
    };
    c->since_us = loop_now_us(s->options.loop);
    if (loop_io_add(s->options.loop, &c->io, LOOP_READ, &err) < 0) {
        sock_close(&c->sock, true);
        free(c);
        return;
    }
    c->parser = http1_new(HTTP1_REQUESTS, NULL);
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next)
        c->next->link = &c->next;
    s->conns = c;
    s->counts.connections++;
    s->counts.connections_open++;
    settle(c);
}
