#include "config.h"

#include "replay/streams.h"

#include <stdlib.h>

#include "base/http2.h"
#include "replay/refusal.h"

struct stream {
    struct streams *streams;
    struct stream *next, **link;
    struct http2_stream *h2;
    struct buf body;
    struct play play;
    bool is_head;     /* asked for by HEAD */
    bool is_answered; /* or refused: what still comes in is thrown away */
    bool ends_by_reset;
};

struct streams {
    struct server *server;
    const struct server_port *port;
    struct http2 *h2;
    struct stream *first;
    void (*on_output)(void *ctx);
    void *ctx;
};

/* --- the answer --- */

static void on_head(void *ctx, const struct answer *a)
{
    struct stream *st = ctx;
    struct http1_header *headers = mem_calloc(a->headers.len + 1, sizeof(*headers));
    struct http2_answer head = {
        .status = a->status,
        .headers = headers,
        .header_count = a->headers.len,
        .has_content_length = !a->is_chunked && a->status != 204 && a->status != 304,
        .content_length = a->promised ? a->promised : a->body.len,
    };

    for (size_t i = 0; i < a->headers.len; i++)
        headers[i] = (struct http1_header){ .name = a->headers.ptr[i].name,
                                            .value = a->headers.ptr[i].value };
    http2_head(st->h2, &head);
    free(headers);
}

static void on_body(void *ctx, struct str bytes)
{
    struct stream *st = ctx;

    if (st->is_head || st->play.answer->has_no_head)
        return; /* such bytes would be no frames */
    st->streams->server->counts.body_bytes += bytes.len;
    http2_body(st->h2, bytes);
}

static void on_end(void *ctx, enum play_end how)
{
    struct stream *st = ctx;
    struct server_counts *counts = &st->streams->server->counts;

    if (how != PLAY_ENDED) {
        counts->cut++;
        st->ends_by_reset = true; /* once what came before is sent */
        return;
    }
    counts->completed++;
    http2_end(st->h2, NULL, 0);
}

static void on_flush(void *ctx)
{
    struct stream *st = ctx;

    http2_flush(st->h2);
    if (st->ends_by_reset && !http2_pending(st->h2))
        http2_reset(st->h2, HTTP2_INTERNAL_ERROR);
    st->streams->on_output(st->streams->ctx);
}

static bool on_is_full(const void *ctx)
{
    const struct stream *st = ctx;
    return http2_pending(st->h2) >= SERVER_OUT_BYTES;
}

static const struct play_sink sink = {
    .head = on_head, .body = on_body, .end = on_end, .flush = on_flush, .is_full = on_is_full
};

static void refuse(struct stream *st, unsigned status, const char *why)
{
    st->streams->server->counts.refused++;
    st->is_answered = true;
    play_start(&st->play, refusal_plain(status, str_from(why)));
}

/* --- the request --- */

static void on_request(void *ctx, struct http2_stream *h2)
{
    struct streams *s = ctx;
    struct stream *st = mem_calloc(1, sizeof(*st));

    st->streams = s;
    st->h2 = h2;
    st->play = (struct play){
        .loop = s->server->options.loop, .sink = &sink, .ctx = st, .speed = s->server->options.speed
    };
    st->next = s->first;
    st->link = &s->first;
    if (st->next)
        st->next->link = &st->next;
    s->first = st;
    http2_set_user(h2, st);
    const struct http1_head *head = http2_request(h2);
    if (!head)
        refuse(st, http2_refusal(h2), "the request is not acceptable");
    else if (head->expects_continue)
        http2_interim(h2, &(struct http2_answer){ .status = 100 });
}

static void on_request_body(void *ctx, struct http2_stream *h2, struct str bytes)
{
    struct stream *st = http2_user(h2);

    (void)ctx;
    http2_consume(h2, bytes.len);
    if (st->is_answered)
        return;
    if (bytes.len > SERVER_BODY_BYTES_MAX - st->body.len)
        refuse(st, 413, "the request's body is larger than 64 MiB");
    else
        buf_add_str(&st->body, bytes);
}

static void on_request_end(void *ctx, struct http2_stream *h2)
{
    struct streams *s = ctx;
    struct stream *st = http2_user(h2);
    const struct http1_head *head = http2_request(h2);

    if (st->is_answered)
        return;
    st->is_answered = true;
    st->is_head = str_eq(head->method, STR("HEAD"));
    play_start(&st->play, server_answer_to(s->server, s->port, head, buf_str(&st->body)));
}

static void on_sent(void *ctx, struct http2_stream *h2)
{
    struct stream *st = http2_user(h2);

    (void)ctx;
    if (st->ends_by_reset && !http2_pending(h2))
        http2_reset(h2, HTTP2_INTERNAL_ERROR);
    else
        play_resume(&st->play);
}

static void free_stream(struct stream *st)
{
    if (play_is_on(&st->play))
        st->streams->server->counts.abandoned++;
    play_stop(&st->play);
    *st->link = st->next;
    if (st->next)
        st->next->link = st->link;
    buf_release(&st->body);
    free(st);
}

static void on_close(void *ctx, struct http2_stream *h2)
{
    (void)ctx;
    free_stream(http2_user(h2));
}

/* --- the connection --- */

struct streams *streams_new(struct server *server, const struct server_port *port,
                            void (*on_output)(void *ctx), void *ctx)
{
    struct streams *s = mem_calloc(1, sizeof(*s));
    struct http2_handler handler = {
        .on_request = on_request,
        .on_body = on_request_body,
        .on_end = on_request_end,
        .on_sent = on_sent,
        .on_close = on_close,
        .ctx = s,
    };
    struct http2_limits limits = { .streams = STREAMS_MAX };

    s->server = server;
    s->port = port;
    s->on_output = on_output;
    s->ctx = ctx;
    s->h2 = http2_new(&handler, &limits);
    return s;
}

void streams_free(struct streams *s)
{
    if (!s)
        return;
    while (s->first)
        free_stream(s->first);
    http2_free(s->h2);
    free(s);
}

int streams_feed(struct streams *s, struct str bytes, struct err *err)
{
    return http2_feed(s->h2, bytes, loop_now_us(s->server->options.loop), err);
}

void streams_take(struct streams *s, struct buf *out, size_t most)
{
    http2_take(s->h2, out, most);
}

void streams_drain(struct streams *s)
{
    for (struct stream *st = s->first, *next; st; st = next) {
        next = st->next;
        if (play_is_hanging(&st->play))
            http2_reset(st->h2, HTTP2_INTERNAL_ERROR);
    }
    http2_shutdown(s->h2);
    s->on_output(s->ctx);
}

bool streams_is_over(const struct streams *s)
{
    return http2_is_over(s->h2);
}

uint64_t streams_patience_us(const struct streams *s, uint64_t heard_us)
{
    uint64_t head_us = http2_head_since_us(s->h2);

    if (head_us)
        return head_us + SERVER_HEAD_US;
    return http2_stream_count(s->h2) ? UINT64_MAX : heard_us + SERVER_IDLE_US;
}
