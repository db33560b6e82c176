#include "config.h"

#include "base/http2.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1_head.h"
#include "base/http2_fields.h"

#define CONNECTION_WINDOW_BYTES (1 << 20) /* consumed as it comes: only round trips need it */
#define SECOND_US               UINT64_C(1000000)

/* So many at once, and so many more each second. */
struct allowance {
    uint64_t most, per_s;
    uint64_t left, at_us; /* left is in millionths */
};

/* Header fields that wait to be submitted, in one buffer. */
struct outgoing {
    struct buf raw;
    VEC(struct http2_field) fields;
};

struct http2_stream {
    struct http2 *h;
    struct http2_stream *next, **link;
    int32_t id;
    void *user;
    struct http2_fields *fields; /* of the head, then of the trailers; while they come in */
    struct http1 *parser;        /* holds the request's head */
    http1_headers trailers;      /* into trailer_bytes */
    struct buf trailer_bytes;
    unsigned refusal;
    uint64_t body_left; /* if the request has a Content-Length */
    bool is_malformed, is_told, has_ended, was_reset, is_reset_by_us, is_counted;
    /* The answer. */
    struct outgoing head, last;
    struct buf body;
    size_t sent, ready; /* of body */
    bool head_submitted, end_given, end_ready, is_deferred;
};

struct http2 {
    nghttp2_session *session;
    struct http2_handler handler;
    struct http2_limits limits;
    struct http1_limits head_limits;
    uint32_t (*tag)(struct str name);
    struct http2_stream *streams;
    size_t told_count;
    struct allowance resets, idle_frames;
    uint64_t now_us, head_since_us;
    bool is_calm_asked;
};

/* --- what a peer can have for free --- */

static bool spend(struct allowance *a, uint64_t now_us)
{
    uint64_t most = a->most * SECOND_US, gained = (now_us - a->at_us) * a->per_s;

    a->left = most - a->left > gained ? a->left + gained : most;
    a->at_us = now_us;
    if (a->left < SECOND_US)
        return false;
    a->left -= SECOND_US;
    return true;
}

static void ask_for_calm(struct http2 *h)
{
    if (!h->is_calm_asked)
        nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
    h->is_calm_asked = true;
}

/* --- streams --- */

static struct http2_stream *stream_of(struct http2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->session, id);
}

static void release_outgoing(struct outgoing *o)
{
    buf_release(&o->raw);
    vec_release(&o->fields);
}

static void drop_fields(struct http2_stream *s)
{
    if (s->fields)
        http2_fields_release(s->fields);
    free(s->fields);
    s->fields = NULL;
}

static void free_stream(struct http2_stream *s)
{
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    drop_fields(s);
    http1_free(s->parser);
    vec_release(&s->trailers);
    buf_release(&s->trailer_bytes);
    release_outgoing(&s->head);
    release_outgoing(&s->last);
    buf_release(&s->body);
    free(s);
}

static void refuse_stream(struct http2_stream *s)
{
    s->is_malformed = true;
    nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_PROTOCOL_ERROR);
}

/* --- nghttp2's callbacks: in --- */

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *ctx)
{
    struct http2 *h = ctx;
    bool is_idle = (hd->type == NGHTTP2_DATA && !hd->length) || hd->type == NGHTTP2_CONTINUATION ||
                   hd->type == NGHTTP2_PING || hd->type == NGHTTP2_SETTINGS ||
                   hd->type == NGHTTP2_PRIORITY;

    if (hd->type == NGHTTP2_RST_STREAM) {
        struct http2_stream *s = nghttp2_session_get_stream_user_data(session, hd->stream_id);
        if (s)
            s->was_reset = s->is_counted = true;
        if (!spend(&h->resets, h->now_us))
            ask_for_calm(h);
    }
    if (is_idle && !(hd->flags & NGHTTP2_FLAG_ACK) && !spend(&h->idle_frames, h->now_us))
        ask_for_calm(h);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http2 *h = ctx;
    struct http2_stream *s = stream_of(h, frame->hd.stream_id);

    h->head_since_us = h->now_us;
    if (!s && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        s = mem_calloc(1, sizeof(*s));
        s->h = h;
        s->id = frame->hd.stream_id;
        s->next = h->streams;
        s->link = &h->streams;
        if (s->next)
            s->next->link = &s->next;
        h->streams = s;
        nghttp2_session_set_stream_user_data(session, s->id, s);
    }
    if (!s)
        return 0;
    drop_fields(s);
    s->fields = mem_calloc(1, sizeof(*s->fields));
    s->fields->are_trailers = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    return 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                    void *ctx)
{
    struct http2 *h = ctx;
    struct http2_stream *s = stream_of(h, frame->hd.stream_id);

    (void)session, (void)flags;
    if (!s || s->is_malformed || !s->fields)
        return 0;
    if (http2_fields_add(s->fields, &h->head_limits, (struct str){ (const char *)name, name_len },
                         (struct str){ (const char *)value, value_len }) == 0)
        return 0;
    refuse_stream(s);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Of the head as a whole. */
static int read_head(struct http2_stream *s, bool with_body)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct http1_event e;
    struct err err;

    if (s->fields->is_too_large) {
        s->refusal = 431;
        return 0;
    }
    if (http2_fields_write_request(s->fields, with_body, &text) < 0)
        return -1;
    s->parser = http1_new(HTTP1_REQUESTS, &s->h->head_limits);
    http1_tag_names(s->parser, s->h->tag);
    struct str in = buf_str(&text);
    int r = http1_next(s->parser, &in, &e, &err);
    assert(r != 0); /* the text has its empty line */
    if (r < 0)
        s->refusal = http1_refusal(s->parser);
    else
        assert(!in.len && e.kind == HTTP1_HEAD);
    s->body_left = s->fields->has_length ? s->fields->content_length : UINT64_MAX;
    return 0;
}

static void read_trailers(struct http2_stream *s)
{
    struct http2_fields *f = s->fields;

    s->trailer_bytes = f->raw;
    f->raw = (struct buf){ 0 };
    for (size_t i = 0; i < f->fields.len && !f->is_too_large; i++) {
        struct http2_field *at = &f->fields.ptr[i];
        struct str bytes = buf_str(&s->trailer_bytes);
        vec_push(&s->trailers,
                 ((struct http1_header){ .name = str_sub(bytes, at->name.at, at->name.len),
                                         .value = str_sub(bytes, at->value.at, at->value.len) }));
    }
    if (f->is_too_large || http1_read_trailers(&s->trailers).why)
        refuse_stream(s);
}

static void end_request(struct http2_stream *s)
{
    bool is_short = s->parser && !s->refusal && s->body_left && s->body_left != UINT64_MAX;

    if (is_short)
        refuse_stream(s);
    if (s->is_malformed || s->has_ended)
        return;
    s->has_ended = true;
    s->h->handler.on_end(s->h->handler.ctx, s);
}

static void take_head(struct http2_stream *s, bool with_body)
{
    struct http2 *h = s->h;

    if (read_head(s, with_body) < 0) {
        refuse_stream(s);
        return;
    }
    drop_fields(s);
    s->is_told = true;
    h->told_count++;
    h->handler.on_request(h->handler.ctx, s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http2 *h = ctx;
    bool is_last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS)
        h->head_since_us = 0;
    else if (frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct http2_stream *s = stream_of(h, frame->hd.stream_id);
    if (!s || s->is_malformed)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && s->fields) {
        if (s->fields->are_trailers)
            read_trailers(s);
        else
            take_head(s, !is_last);
        drop_fields(s);
    }
    if (is_last)
        end_request(s);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *ctx)
{
    struct http2 *h = ctx;
    struct http2_stream *s = stream_of(h, id);

    (void)flags;
    nghttp2_session_consume_connection(session, len);
    if (!s || s->is_malformed || !s->is_told || !len)
        return 0;
    if (s->body_left < len) {
        refuse_stream(s);
        return 0;
    }
    if (s->body_left != UINT64_MAX)
        s->body_left -= len;
    h->handler.on_body(h->handler.ctx, s, (struct str){ (const char *)bytes, len });
    return 0;
}

/* Fields that nghttp2 would pass over in silence. */
static int on_invalid_field(nghttp2_session *session, const nghttp2_frame *frame,
                            const uint8_t *name, size_t name_len, const uint8_t *value,
                            size_t value_len, uint8_t flags, void *ctx)
{
    struct http2_stream *s = stream_of(ctx, frame->hd.stream_id);

    (void)session, (void)name, (void)name_len, (void)value, (void)value_len, (void)flags;
    if (s && !s->is_malformed)
        refuse_stream(s);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t reason, void *ctx)
{
    struct http2 *h = ctx;
    struct http2_stream *s = stream_of(h, id);

    (void)session;
    if (!s)
        return 0;
    s->was_reset |= reason != NGHTTP2_NO_ERROR && !s->is_reset_by_us;
    if (s->was_reset && !s->is_counted && !spend(&h->resets, h->now_us))
        ask_for_calm(h);
    if (s->is_told) {
        h->told_count--;
        h->handler.on_close(h->handler.ctx, s);
    }
    free_stream(s);
    return 0;
}

/* --- nghttp2's callbacks: out --- */

/* An answer may end before its request: the rest of that is not wanted (RFC 9113, 8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http2 *h = ctx;
    bool is_last = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                   frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct http2_stream *s = is_last ? stream_of(h, frame->hd.stream_id) : NULL;

    if (s && !h->limits.waits_for_requests && !s->has_ended && !s->is_malformed)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

/* Fields as nghttp2 wants them; it copies them.  ret has room for all of o and one more. */
static size_t make_fields(const struct outgoing *o, nghttp2_nv *ret)
{
    for (size_t i = 0; i < o->fields.len; i++) {
        const struct http2_field *f = &o->fields.ptr[i];
        ret[i] = (nghttp2_nv){ .name = (uint8_t *)o->raw.ptr + f->name.at,
                               .namelen = f->name.len,
                               .value = (uint8_t *)o->raw.ptr + f->value.at,
                               .valuelen = f->value.len };
    }
    return o->fields.len;
}

static void submit_trailers(struct http2_stream *s)
{
    nghttp2_nv *fields = mem_calloc(s->last.fields.len + 1, sizeof(*fields));
    size_t count = make_fields(&s->last, fields);

    nghttp2_submit_trailer(s->h->session, s->id, fields, count);
    free(fields);
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct http2_stream *s = source->ptr;
    struct http2 *h = ctx;
    size_t n = s->ready - s->sent < size ? s->ready - s->sent : size;

    (void)session, (void)id;
    if (n)
        memcpy(to, s->body.ptr + s->sent, n);
    s->sent += n;
    if (s->sent == s->body.len && s->sent) {
        s->sent = s->ready = 0;
        buf_release(&s->body);
    }
    if (s->end_ready && !s->body.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->last.fields.len) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(s);
        }
    } else if (!n) {
        s->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    h->handler.on_sent(h->handler.ctx, s);
    return (ssize_t)n;
}

/* --- life --- */

static void set_default(uint32_t *value, uint32_t to)
{
    if (!*value)
        *value = to;
}

static void set_defaults(struct http2_limits *l)
{
    set_default(&l->streams, HTTP2_STREAMS);
    set_default(&l->head_bytes, HTTP1_HEAD_BYTES);
    set_default(&l->headers, HTTP1_HEADERS);
    set_default(&l->window_bytes, HTTP2_WINDOW_BYTES);
    set_default(&l->resets, HTTP2_RESETS);
    set_default(&l->resets_per_s, HTTP2_RESETS_PER_S);
    set_default(&l->idle_frames, HTTP2_IDLE_FRAMES);
    set_default(&l->idle_frames_per_s, HTTP2_IDLE_FRAMES_PER_S);
}

static void open_session(struct http2 *h)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    mem_check(nghttp2_session_callbacks_new(&callbacks) == 0 ? callbacks : NULL);
    mem_check(nghttp2_option_new(&option) == 0 ? option : NULL);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    mem_check(nghttp2_session_server_new2(&h->session, callbacks, h, option) == 0 ? h->session
                                                                                  : NULL);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
}

struct http2 *http2_new(const struct http2_handler *handler, const struct http2_limits *limits)
{
    struct http2 *h = mem_calloc(1, sizeof(*h));

    h->handler = *handler;
    if (limits)
        h->limits = *limits;
    set_defaults(&h->limits);
    /* What we write for HTTP/1.1 is shorter than the fields as HTTP/2 counts them, but for framing.
     */
    h->head_limits =
        (struct http1_limits){ .head_bytes = h->limits.head_bytes, .headers = h->limits.headers };
    h->resets = (struct allowance){ h->limits.resets, h->limits.resets_per_s, 0, 0 };
    h->idle_frames = (struct allowance){ h->limits.idle_frames, h->limits.idle_frames_per_s, 0, 0 };
    h->resets.left = h->resets.most * SECOND_US;
    h->idle_frames.left = h->idle_frames.most * SECOND_US;
    open_session(h);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h->limits.streams     },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,   h->limits.window_bytes},
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,  h->limits.head_bytes  },
    };
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                          CONNECTION_WINDOW_BYTES);
    return h;
}

void http2_tag_names(struct http2 *h, uint32_t (*tag)(struct str name))
{
    h->tag = tag;
}

void http2_free(struct http2 *h)
{
    if (!h)
        return;
    while (h->streams)
        free_stream(h->streams);
    nghttp2_session_del(h->session);
    free(h);
}

int http2_feed(struct http2 *h, struct str bytes, uint64_t now_us, struct err *err)
{
    h->now_us = now_us;
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.ptr, bytes.len);

    if (n < 0 && n != NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
    if (n < 0)
        return err_set(err, ERR_CORRUPT, "HTTP/2: %s", nghttp2_strerror((int)n));
    if (h->is_calm_asked)
        return err_set(err, ERR_LIMIT, "HTTP/2: more resets or empty frames than limits allow");
    return 0;
}

void http2_take(struct http2 *h, struct buf *out, size_t most)
{
    const uint8_t *bytes;
    ssize_t n;

    while (out->len < most && (n = nghttp2_session_mem_send(h->session, &bytes)) > 0)
        buf_add(out, bytes, (size_t)n);
}

void http2_shutdown(struct http2 *h)
{
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

bool http2_is_over(const struct http2 *h)
{
    return !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
}

size_t http2_stream_count(const struct http2 *h)
{
    return h->told_count;
}

uint64_t http2_head_since_us(const struct http2 *h)
{
    return h->head_since_us;
}

/* --- requests --- */

void http2_set_user(struct http2_stream *s, void *user)
{
    s->user = user;
}

void *http2_user(const struct http2_stream *s)
{
    return s->user;
}

const struct http1_head *http2_request(const struct http2_stream *s)
{
    return s->refusal ? NULL : http1_head(s->parser);
}

unsigned http2_refusal(const struct http2_stream *s)
{
    return s->refusal;
}

const struct http1_header *http2_trailers(const struct http2_stream *s, size_t *ret_count)
{
    *ret_count = s->trailers.len;
    return s->trailers.ptr;
}

void http2_consume(struct http2_stream *s, size_t bytes)
{
    nghttp2_session_consume_stream(s->h->session, s->id, bytes);
}

bool http2_was_reset(const struct http2_stream *s)
{
    return s->was_reset;
}

/* --- answers --- */

static void put(struct outgoing *o, struct str name, struct str value)
{
    struct http2_field f = {
        {o->raw.len,             name.len },
        { o->raw.len + name.len, value.len}
    };

    for (size_t i = 0; i < name.len; i++) {
        bool is_upper = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z';
        buf_add_byte(&o->raw, is_upper ? (char)(name.ptr[i] + 32) : name.ptr[i]);
    }
    buf_add_str(&o->raw, value);
    vec_push(&o->fields, f);
}

static void put_headers(struct outgoing *o, const struct http1_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!headers[i].is_hop && !str_ieq(headers[i].name, STR("content-length")))
            put(o, headers[i].name, headers[i].value);
}

static void put_number(struct outgoing *o, struct str name, uint64_t number)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "%llu", (unsigned long long)number);
    put(o, name, buf_str(&text));
}

static void put_answer(struct outgoing *o, const struct http2_answer *answer)
{
    put_number(o, STR(":status"), answer->status);
    put_headers(o, answer->headers, answer->header_count);
    if (answer->has_content_length)
        put_number(o, STR("content-length"), answer->content_length);
}

void http2_interim(struct http2_stream *s, const struct http2_answer *answer)
{
    struct outgoing o = { 0 };

    put_answer(&o, answer);
    nghttp2_nv *fields = mem_calloc(o.fields.len + 1, sizeof(*fields));
    size_t count = make_fields(&o, fields);
    if (!s->head_submitted)
        nghttp2_submit_headers(s->h->session, NGHTTP2_FLAG_NONE, s->id, NULL, fields, count, NULL);
    free(fields);
    release_outgoing(&o);
}

void http2_head(struct http2_stream *s, const struct http2_answer *answer)
{
    put_answer(&s->head, answer);
}

void http2_add_header(struct http2_stream *s, struct str name, struct str value)
{
    put(&s->head, name, value);
}

void http2_body(struct http2_stream *s, struct str bytes)
{
    buf_add_str(&s->body, bytes);
}

void http2_end(struct http2_stream *s, const struct http1_header *trailers, size_t count)
{
    put_headers(&s->last, trailers, count);
    s->end_given = true;
}

static void submit_head(struct http2_stream *s)
{
    nghttp2_data_provider body = { .source = { .ptr = s }, .read_callback = read_body };
    nghttp2_nv *fields = mem_calloc(s->head.fields.len + 1, sizeof(*fields));
    size_t count = make_fields(&s->head, fields);
    bool is_all = s->end_ready && !s->body.len && !s->last.fields.len;

    nghttp2_submit_response(s->h->session, s->id, fields, count, is_all ? NULL : &body);
    free(fields);
    release_outgoing(&s->head);
    s->head_submitted = true;
}

void http2_flush(struct http2_stream *s)
{
    if (s->is_reset_by_us || s->is_malformed)
        return;
    s->ready = s->body.len;
    s->end_ready = s->end_given;
    if (!s->head_submitted && s->head.fields.len)
        submit_head(s);
    if (s->is_deferred && (s->ready > s->sent || s->end_ready)) {
        s->is_deferred = false;
        nghttp2_session_resume_data(s->h->session, s->id);
    }
}

size_t http2_pending(const struct http2_stream *s)
{
    return s->body.len - s->sent;
}

void http2_reset(struct http2_stream *s, enum http2_reason reason)
{
    if (s->is_malformed) /* done already */
        return;
    s->is_reset_by_us = true;
    nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, (uint32_t)reason);
}
