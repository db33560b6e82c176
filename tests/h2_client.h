/* h2_client - a client of HTTP/2 on one connection (nghttp2's own), for tests. */
#ifndef TESTS_H2_CLIENT_H
#define TESTS_H2_CLIENT_H

#include <check.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define H2_STREAMS_MAX 210 /* index is the stream's id */

struct h2_answer {
    int status, interim;
    struct buf head, body; /* head: "name: value\n" */
    size_t bytes;          /* of body, also where it is not kept */
    bool ended, closed;
    uint32_t reason; /* with closed */
    const char *upload;
    size_t upload_len;
    struct buf upload_trailer;
};

struct h2_client {
    int fd;
    nghttp2_session *session;
    bool keeps_windows; /* closed: windows open only by hand */
    bool drops_bodies;
    bool had_goaway, has_ended;
    struct h2_answer answers[H2_STREAMS_MAX];
};

static inline int h2_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                               const uint8_t *name, size_t name_len, const uint8_t *value,
                               size_t value_len, uint8_t flags, void *ctx)
{
    struct h2_client *c = ctx;
    struct h2_answer *a = &c->answers[frame->hd.stream_id];

    (void)session, (void)flags, (void)value_len;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
        int status = atoi((const char *)value);
        *(status < 200 ? &a->interim : &a->status) = status;
        return 0;
    }
    buf_addf(&a->head, "%.*s: %.*s\n", (int)name_len, (const char *)name, (int)value_len,
             (const char *)value);
    return 0;
}

static inline int h2_on_data(nghttp2_session *session, uint8_t flags, int32_t id,
                             const uint8_t *bytes, size_t len, void *ctx)
{
    struct h2_client *c = ctx;

    (void)session, (void)flags;
    c->answers[id].bytes += len;
    if (!c->drops_bodies)
        buf_add(&c->answers[id].body, bytes, len);
    return 0;
}

static inline int h2_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_client *c = ctx;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        c->had_goaway = true;
    else if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
             frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        c->answers[frame->hd.stream_id].ended = true;
    return 0;
}

static inline int h2_on_close(nghttp2_session *session, int32_t id, uint32_t reason, void *ctx)
{
    struct h2_client *c = ctx;

    (void)session;
    c->answers[id].closed = true;
    c->answers[id].reason = reason;
    return 0;
}

static inline ssize_t h2_read_upload(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                                     uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct h2_answer *a = source->ptr;
    size_t n = a->upload_len < size ? a->upload_len : size;

    (void)session, (void)id, (void)ctx;
    memcpy(to, a->upload, n);
    a->upload += n;
    a->upload_len -= n;
    if (!a->upload_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static inline void h2_connect(struct h2_client *c, int fd)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    ck_assert_int_ge(fd, 0);
    c->fd = fd;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, c->keeps_windows);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_on_close);
    ck_assert_int_eq(nghttp2_session_client_new2(&c->session, callbacks, c, option), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

static inline void h2_close(struct h2_client *c)
{
    for (size_t i = 0; i < H2_STREAMS_MAX; i++) {
        buf_release(&c->answers[i].head);
        buf_release(&c->answers[i].body);
    }
    nghttp2_session_del(c->session);
    close(c->fd);
    *c = (struct h2_client){ 0 };
}

static inline nghttp2_nv h2_field(const char *name, const char *value)
{
    union {
        const char *in;
        uint8_t *out;
    } n = { .in = name }, v = { .in = value };

    return (nghttp2_nv){ n.out, v.out, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE };
}

/* extra: name, value, name, value ..., NULL; may be NULL.  Returns the stream. */
static inline int32_t h2_ask(struct h2_client *c, const char *method, const char *path,
                             const char *const *extra, const char *body, size_t len)
{
    nghttp2_nv fields[32] = { h2_field(":method", method), h2_field(":scheme", "http"),
                              h2_field(":authority", "weir"), h2_field(":path", path) };
    int32_t id = (int32_t)nghttp2_session_get_next_stream_id(c->session);
    struct h2_answer *a = &c->answers[id];
    nghttp2_data_provider upload = { .source = { .ptr = a }, .read_callback = h2_read_upload };
    size_t count = 4;

    for (; extra && extra[0]; extra += 2)
        fields[count++] = h2_field(extra[0], extra[1]);
    a->upload = body;
    a->upload_len = len;
    ck_assert_int_eq(
        nghttp2_submit_request(c->session, NULL, fields, count, body ? &upload : NULL, NULL), id);
    return id;
}

/* Sends and receives until nothing happens for so long. */
static inline void h2_run(struct h2_client *c, int wait_ms)
{
    static uint8_t in[65536];
    const uint8_t *bytes;
    ssize_t n;

    for (;;) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        while ((n = nghttp2_session_mem_send(c->session, &bytes)) > 0)
            for (ssize_t at = 0, r = 0; at < n; at += r)
                if ((r = send(c->fd, bytes + at, (size_t)(n - at), MSG_NOSIGNAL)) <= 0)
                    break;
        if (poll(&p, 1, wait_ms) <= 0)
            return;
        n = recv(c->fd, in, sizeof(in), 0);
        c->has_ended = n <= 0;
        if (n <= 0 || nghttp2_session_mem_recv(c->session, in, (size_t)n) < 0)
            return;
    }
}

/* Until the stream is closed. */
static inline void h2_wait(struct h2_client *c, int32_t id)
{
    for (int i = 0; i < 3000 && !c->answers[id].closed && !c->has_ended; i++)
        h2_run(c, 10);
    ck_assert_msg(c->answers[id].closed, "stream %d does not end", id);
}

/* Until its body has that. */
static inline void h2_wait_for_body(struct h2_client *c, int32_t id, const char *part)
{
    const struct buf *body = &c->answers[id].body;
    bool has = false;

    for (int i = 0; i < 3000 && !has && !c->has_ended; i++) {
        h2_run(c, 10);
        has = body->len && memmem(body->ptr, body->len, part, strlen(part));
    }
    ck_assert_msg(has, "no '%s' on stream %d", part, id);
}

#endif
