#include "config.h"

#include "base/http2.h"

#include <check.h>

#include "tests/check_main.h"
#include "tests/http2_frames.h"

#define HEAD ":method=GET\n:scheme=http\n:authority=a.example\n:path=/x\n"
#define POST ":method=POST\n:scheme=http\n:authority=a.example\n:path=/x\n"

static struct http2 *h;
static struct http2_stream *last_stream;
static struct buf events, in, out;
static struct err err;
static uint64_t now_us;
static bool consume_all;

/* --- what the handler sees, as text --- */

static void on_request(void *ctx, struct http2_stream *s)
{
    const struct http1_head *head = http2_request(s);

    (void)ctx;
    last_stream = s;
    if (!head) {
        buf_addf(&events, "refused %u\n", http2_refusal(s));
        return;
    }
    buf_addf(&events, "%.*s %.*s %.*s framing=%d %llu\n", STR_ARG(head->method),
             STR_ARG(head->path), STR_ARG(head->authority), (int)head->framing,
             (unsigned long long)head->content_length);
    for (size_t i = 0; i < head->header_count; i++)
        if (!head->headers[i].is_hop)
            buf_addf(&events, "%.*s: %.*s\n", STR_ARG(head->headers[i].name),
                     STR_ARG(head->headers[i].value));
}

static void on_body(void *ctx, struct http2_stream *s, struct str bytes)
{
    (void)ctx;
    buf_addf(&events, "body %zu\n", bytes.len);
    if (consume_all)
        http2_consume(s, bytes.len);
}

static void on_end(void *ctx, struct http2_stream *s)
{
    size_t count;
    const struct http1_header *trailers = http2_trailers(s, &count);

    (void)ctx;
    buf_addf(&events, "end\n");
    for (size_t i = 0; i < count; i++)
        buf_addf(&events, "trailer %.*s: %.*s\n", STR_ARG(trailers[i].name),
                 STR_ARG(trailers[i].value));
}

static void on_sent(void *ctx, struct http2_stream *s)
{
    (void)ctx, (void)s;
}

static void on_close(void *ctx, struct http2_stream *s)
{
    (void)ctx;
    buf_addf(&events, "close%s\n", http2_was_reset(s) ? " reset" : "");
    last_stream = NULL;
}

static void open_with(const struct http2_limits *limits)
{
    struct http2_handler handler = { .on_request = on_request,
                                     .on_body = on_body,
                                     .on_end = on_end,
                                     .on_sent = on_sent,
                                     .on_close = on_close };

    http2_free(h);
    h = http2_new(&handler, limits);
    buf_clear(&events);
    buf_clear(&in);
    buf_clear(&out);
    now_us = 1000000;
    consume_all = true;
    last_stream = NULL;
    frame_add_preface(&in);
}

static void set_up(void)
{
    open_with(NULL);
}

static void tear_down(void)
{
    http2_free(h);
    h = NULL;
    buf_release(&events);
    buf_release(&in);
    buf_release(&out);
}

static void take(void)
{
    buf_clear(&out);
    http2_take(h, &out, SIZE_MAX);
}

/* Feeds what is in `in` and takes what there is to send. */
static int feed(void)
{
    int r = http2_feed(h, buf_str(&in), now_us, &err);

    buf_clear(&in);
    take();
    return r;
}

/* The first frame of that type and stream in out. */
static bool find_frame(int type, uint32_t stream, struct frame *ret)
{
    struct str rest = buf_str(&out);

    while (frame_next(&rest, ret))
        if (ret->type == type && ret->stream == stream)
            return true;
    return false;
}

static void check_reset(uint32_t stream, uint32_t reason)
{
    struct frame f;

    ck_assert_msg(find_frame(FRAME_RST, stream, &f), "no RST_STREAM; events: %s",
                  buf_cstr(&events));
    ck_assert_uint_eq(frame_number(&f, 0), reason);
}

static void check_goaway(uint32_t reason)
{
    struct frame f;

    ck_assert_msg(find_frame(FRAME_GOAWAY, 0, &f), "no GOAWAY; events: %s", buf_cstr(&events));
    ck_assert_uint_eq(frame_number(&f, 4), reason);
}

/* --- requests --- */

START_TEST(a_request_is_what_it_would_be_in_http1)
{
    frame_add_head(&in, 1, FLAG_BOTH,
                   ":method=GET\n:scheme=https\n:path=/a?b=%20\n:authority=a.example:8080\n"
                   "cookie=a=b\nx-one=1\nte=trailers\ncookie=c=d\nx-one=2\nx-empty=\n");
    ck_assert_int_eq(feed(), 0);
    ck_assert_str_eq(buf_cstr(&events), "GET /a?b=%20 a.example:8080 framing=0 0\n"
                                        "host: a.example:8080\nx-one: 1\nx-one: 2\nx-empty: \n"
                                        "cookie: a=b; c=d\nend\n");
}
END_TEST

START_TEST(a_host_without_an_authority_is_one)
{
    frame_add_head(&in, 1, FLAG_BOTH, ":method=GET\n:scheme=http\n:path=/\nhost=a.example\n");
    ck_assert_int_eq(feed(), 0);
    ck_assert_str_eq(buf_cstr(&events), "GET / a.example framing=0 0\nhost: a.example\nend\n");
}
END_TEST

static const struct {
    const char *lines;
    int flags;
    const char *first;
} framings[] = {
    {HEAD,                     FLAG_BOTH,        "GET /x a.example framing=0 0\n" },
    { HEAD,                    FLAG_END_HEADERS, "GET /x a.example framing=2 0\n" },
    { POST,                    FLAG_BOTH,        "POST /x a.example framing=1 0\n"},
    { POST,                    FLAG_END_HEADERS, "POST /x a.example framing=2 0\n"},
    { POST "content-length=7", FLAG_END_HEADERS, "POST /x a.example framing=1 7\n"},
};

START_TEST(a_body_has_one_framing)
{
    frame_add_head(&in, 1, framings[_i].flags, framings[_i].lines);
    ck_assert_int_eq(feed(), 0);
    ck_assert_msg(str_starts_with(buf_str(&events), str_from(framings[_i].first)), "%s",
                  buf_cstr(&events));
}
END_TEST

/* RFC 9113, 8.2 and 8.3, and what would be another request once it is HTTP/1.1. */
static const char *const malformed[] = {
    HEAD "connection=close",
    HEAD "connection=x-secret\nx-secret=1",
    HEAD "keep-alive=5",
    HEAD "proxy-connection=keep-alive",
    HEAD "transfer-encoding=chunked",
    HEAD "transfer-encoding=identity",
    HEAD "upgrade=websocket",
    HEAD "http2-settings=AAMAAABkAAQCAAAAAAIAAAAA",
    HEAD "te=gzip",
    HEAD "te=trailers, deflate",
    HEAD "X-Upper=1",
    HEAD "x-Upper=1",
    HEAD "=empty name",
    HEAD "x y=1",
    HEAD "x:y=1",
    HEAD "x\2y=1",
    HEAD "x\3y=1",
    HEAD "x\1y=1",
    HEAD "x-\xc3\xa4=1",
    HEAD "x=a\2\3transfer-encoding: chunked",
    HEAD "x=a\3b",
    HEAD "x=a\2b",
    HEAD "x=a\1b",
    HEAD "x= a",
    HEAD "x=a ",
    HEAD "x=\ta",
    HEAD "host=b.example",
    HEAD "host=a.example\nhost=a.example",
    HEAD "content-length=0\ncontent-length=0",
    HEAD "content-length=5, 5",
    HEAD "content-length=+5",
    HEAD "content-length=-1",
    HEAD "content-length=0x5",
    HEAD "content-length=",
    HEAD "content-length=18446744073709551621",
    HEAD "content-length=5", /* and END_STREAM */
    HEAD ":path=/y",
    HEAD ":method=POST",
    HEAD ":authority=b.example",
    HEAD ":unknown=1",
    HEAD ":status=200",
    HEAD ":protocol=websocket",
    HEAD "x=1\n:path=/y",
    "x=1\n" HEAD,
    ":scheme=http\n:authority=a.example\n:path=/x",
    ":method=GET\n:authority=a.example\n:path=/x",
    ":method=GET\n:scheme=http\n:authority=a.example",
    ":method=GET\n:scheme=http\n:path=/x",
    ":method=GET\n:scheme=http\n:authority=\n:path=/x",
    ":method=GET\n:scheme=http\n:authority=u@a.example\n:path=/x",
    ":method=GET\n:scheme=http\n:authority=a.example/y\n:path=/x",
    ":method=GET\n:scheme=http\n:authority=a.example b\n:path=/x",
    ":method=GET\n:scheme=http\n:authority=a\2\3x: y\n:path=/x",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=x",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=*",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=http://b.example/x",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=/x HTTP/1.1\2\3x: y",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=/x y",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=/x#y",
    ":method=GET\n:scheme=http\n:authority=a.example\n:path=/\xc3\xa4",
    ":method=GET\n:scheme=file\n:authority=a.example\n:path=/x",
    ":method=GET\n:scheme=http /y HTTP/1.1\n:authority=a.example\n:path=/x",
    ":method=GET /y HTTP/1.1\2\3x:\n:scheme=http\n:authority=a.example\n:path=/x",
    ":method=\n:scheme=http\n:authority=a.example\n:path=/x",
    ":method=CONNECT\n:authority=a.example:443",
};

START_TEST(what_is_malformed_is_reset_and_never_told)
{
    frame_add_head(&in, 1, FLAG_BOTH, malformed[_i]);
    ck_assert_int_eq(feed(), 0);
    ck_assert_msg(!events.len, "%s: %s", malformed[_i], buf_cstr(&events));
    check_reset(1, 1);
    /* The connection goes on. */
    frame_add_head(&in, 3, FLAG_BOTH, HEAD);
    ck_assert_int_eq(feed(), 0);
    ck_assert_msg(str_starts_with(buf_str(&events), STR("GET /x a.example")), "%s",
                  buf_cstr(&events));
}
END_TEST

static const struct {
    const char *lines;
    const char *told;
} refused[] = {
    {":method=BREW\n:scheme=http\n:authority=a.example\n:path=/x",                        "refused 501\nend\n"},
    { ":method=TRACE\n:scheme=http\n:authority=a.example\n:path=/x",                      "refused 405\nend\n"},
    { ":method=get\n:scheme=http\n:authority=a.example\n:path=/x",                        "refused 400\nend\n"},
    { HEAD "expect=200-ok\ncontent-length=0",                                             "refused 417\nend\n"},
    { HEAD "a=1\nb=2\nc=3\nd=4\ne=5\nf=6\ng=7",                                           "refused 431\nend\n"},
    { HEAD "x=0123456789012345678901234567890123456789012345678901234567890123456789"
           "0123456789012345678901234567890123456789012345678901234567890123456789", "refused 431\nend\n"},
};

START_TEST(what_http1_refuses_is_refused)
{
    open_with(&(struct http2_limits){ .headers = 10, .head_bytes = 300 });
    frame_add_head(&in, 1, FLAG_BOTH, refused[_i].lines);
    ck_assert_int_eq(feed(), 0);
    ck_assert_str_eq(buf_cstr(&events), refused[_i].told);
}
END_TEST

static const struct {
    const char *lines;
    size_t pieces[3];
    bool is_right;
} lengths[] = {
    {POST "content-length=6",  { 3, 3, 0 }, true },
    { POST "content-length=6", { 3, 2, 0 }, false},
    { POST "content-length=6", { 3, 4, 0 }, false},
    { POST "content-length=6", { 7, 0, 0 }, false},
    { POST "content-length=0", { 1, 0, 0 }, false},
    { POST,                    { 3, 9, 1 }, true },
};

START_TEST(a_body_is_as_long_as_it_says)
{
    frame_add_head(&in, 1, FLAG_END_HEADERS, lengths[_i].lines);
    for (int i = 0; i < 3; i++)
        if (i == 0 || lengths[_i].pieces[i])
            frame_add(&in, FRAME_DATA, i == 2 || !lengths[_i].pieces[i + 1], 1,
                      (struct str){ "123456789", lengths[_i].pieces[i] });
    ck_assert_int_eq(feed(), 0);
    bool has_ended = strstr(buf_cstr(&events), "\nend\n") != NULL;
    ck_assert_msg(has_ended == lengths[_i].is_right, "%s", buf_cstr(&events));
    if (!lengths[_i].is_right)
        check_reset(1, 1);
}
END_TEST

START_TEST(trailers_come_with_the_end)
{
    frame_add_head(&in, 1, FLAG_END_HEADERS, POST);
    frame_add(&in, FRAME_DATA, 0, 1, STR("hello"));
    frame_add_head(&in, 1, FLAG_BOTH, "x-sum=6\nx-more=a b\n");
    ck_assert_int_eq(feed(), 0);
    ck_assert_msg(str_ends_with(buf_str(&events),
                                STR("body 5\nend\ntrailer x-sum: 6\ntrailer x-more: a b\n")),
                  "%s", buf_cstr(&events));
}
END_TEST

static const char *const bad_trailers[] = {
    ":path=/y",      "connection=close", "transfer-encoding=chunked",
    "X-Upper=1",     "content-length=5", "host=b.example",
    "x=a\2\3b: c\n", "te=gzip",
};

START_TEST(bad_trailers_are_reset)
{
    frame_add_head(&in, 1, FLAG_END_HEADERS, POST);
    frame_add(&in, FRAME_DATA, 0, 1, STR("hello"));
    frame_add_head(&in, 1, FLAG_BOTH, bad_trailers[_i]);
    ck_assert_int_eq(feed(), 0);
    ck_assert_msg(!strstr(buf_cstr(&events), "end\n"), "%s", events.ptr);
    check_reset(1, 1);
}
END_TEST

START_TEST(pieces_give_what_the_whole_gives)
{
    struct buf bytes = { 0 }, whole = { 0 };

    frame_add_head(&in, 1, FLAG_END_HEADERS, POST "cookie=a\ncookie=b\n");
    frame_add(&in, FRAME_DATA, FLAG_END_STREAM, 1, STR("x"));
    frame_add_head(&in, 3, FLAG_BOTH, HEAD "connection=close");
    buf_add_str(&bytes, buf_str(&in));
    ck_assert_int_eq(feed(), 0);
    buf_add_str(&whole, buf_str(&events));
    open_with(NULL);
    for (size_t i = 0; i < bytes.len; i++)
        ck_assert_int_eq(http2_feed(h, str_sub(buf_str(&bytes), i, 1), now_us, &err), 0);
    ck_assert_str_eq(buf_cstr(&events), buf_cstr(&whole));
    buf_release(&bytes);
    buf_release(&whole);
}
END_TEST

/* --- windows --- */

static void send_body(uint32_t stream, size_t len)
{
    static char zeros[16384];

    for (; len; len -= len < sizeof(zeros) ? len : sizeof(zeros))
        frame_add(&in, FRAME_DATA, 0, stream,
                  (struct str){ zeros, len < sizeof(zeros) ? len : sizeof(zeros) });
}

START_TEST(a_window_opens_as_its_body_is_consumed)
{
    struct frame f;

    consume_all = false;
    frame_add_head(&in, 1, FLAG_END_HEADERS, POST);
    frame_add(&in, FRAME_SETTINGS, FLAG_ACK, 0, STR(""));
    send_body(1, 65535);
    ck_assert_int_eq(feed(), 0);
    ck_assert(!find_frame(FRAME_WINDOW, 1, &f));
    http2_consume(last_stream, 40000);
    take();
    ck_assert(find_frame(FRAME_WINDOW, 1, &f));
    ck_assert_uint_eq(frame_number(&f, 0), 40000);
    send_body(1, 40001);
    feed();
    ck_assert(find_frame(FRAME_RST, 1, &f) || find_frame(FRAME_GOAWAY, 0, &f));
}
END_TEST

START_TEST(a_stream_that_nobody_reads_stops_no_other)
{
    struct frame f;

    consume_all = false;
    frame_add(&in, FRAME_SETTINGS, FLAG_ACK, 0, STR(""));
    for (uint32_t stream = 1; stream < 101; stream += 2) {
        frame_add_head(&in, stream, FLAG_END_HEADERS, POST);
        send_body(stream, 65535); /* 3.2 MB in all, of which nothing is consumed */
        ck_assert_int_eq(feed(), 0);
        ck_assert(!find_frame(FRAME_GOAWAY, 0, &f));
    }
    buf_clear(&events);
    frame_add_head(&in, 101, FLAG_END_HEADERS, POST);
    send_body(101, 10);
    ck_assert_int_eq(feed(), 0);
    ck_assert_msg(str_ends_with(buf_str(&events), STR("body 10\n")), "%s", buf_cstr(&events));
}
END_TEST

/* --- floods --- */

static void add_reset(uint32_t stream)
{
    frame_add_head(&in, stream, FLAG_BOTH, HEAD);
    frame_add_number(&in, FRAME_RST, stream, 8);
}

static void add_reset_without_error(uint32_t stream)
{
    frame_add_head(&in, stream, FLAG_BOTH, HEAD);
    frame_add_number(&in, FRAME_RST, stream, 0);
}

static void add_malformed(uint32_t stream)
{
    frame_add_head(&in, stream, FLAG_BOTH, HEAD "connection=close");
}

static void add_ping(uint32_t stream)
{
    (void)stream;
    frame_add(&in, FRAME_PING, 0, 0, STR("12345678"));
}

static void add_settings(uint32_t stream)
{
    (void)stream;
    frame_add(&in, FRAME_SETTINGS, 0, 0, STR(""));
}

static void add_priority(uint32_t stream)
{
    frame_add(&in, FRAME_PRIORITY, 0, stream, (struct str){ "\0\0\0\0\1", 5 });
}

static void add_empty(uint32_t stream)
{
    if (stream == 1)
        frame_add_head(&in, 1, FLAG_END_HEADERS, POST);
    frame_add(&in, FRAME_DATA, 0, 1, STR(""));
}

static void add_continuation(uint32_t stream)
{
    if (stream == 1)
        frame_add_head(&in, 1, 0, POST);
    frame_add(&in, FRAME_CONTINUATION, 0, 1, STR(""));
}

static const struct {
    void (*add)(uint32_t stream);
    size_t most; /* of them in one second */
} floods[] = {
    {add_reset,                HTTP2_RESETS     },
    { add_reset_without_error, HTTP2_RESETS     },
    { add_malformed,           HTTP2_RESETS     },
    { add_ping,                HTTP2_IDLE_FRAMES},
    { add_settings,            HTTP2_IDLE_FRAMES},
    { add_priority,            HTTP2_IDLE_FRAMES},
    { add_empty,               HTTP2_IDLE_FRAMES},
    { add_continuation,        HTTP2_IDLE_FRAMES},
};

START_TEST(a_flood_ends_the_connection)
{
    struct buf last = { 0 };
    size_t count = 0;
    int r = 0;

    for (uint32_t stream = 1; count < 5000 && r == 0 && !http2_is_over(h); stream += 2, count++) {
        floods[_i].add(stream);
        r = feed();
        if (out.len) {
            buf_clear(&last);
            buf_add_str(&last, buf_str(&out));
        }
    }
    ck_assert_msg(r < 0 || http2_is_over(h), "%zu of them were taken", count);
    ck_assert_uint_le(count, floods[_i].most + 2);
    buf_clear(&out);
    buf_add_str(&out, buf_str(&last));
    struct frame f;
    ck_assert_msg(find_frame(FRAME_GOAWAY, 0, &f), "no GOAWAY: %s", err.text);
    ck_assert_uint_ne(frame_number(&f, 4), 0);
    buf_release(&last);
}
END_TEST

START_TEST(resets_now_and_then_are_fine)
{
    for (uint32_t i = 0; i < 2000; i++) {
        add_reset(1 + 2 * i);
        now_us += 1000000 / HTTP2_RESETS_PER_S;
        ck_assert_int_eq(feed(), 0);
    }
    ck_assert_uint_eq(http2_stream_count(h), 0);
}
END_TEST

START_TEST(more_streams_than_the_limit_are_refused)
{
    struct frame f;

    open_with(&(struct http2_limits){ .streams = 3 });
    for (uint32_t i = 0; i < 4; i++)
        frame_add_head(&in, 1 + 2 * i, FLAG_BOTH, HEAD);
    feed();
    ck_assert_uint_eq(http2_stream_count(h), 3);
    ck_assert(find_frame(FRAME_RST, 7, &f));
    ck_assert_uint_eq(frame_number(&f, 0), 7); /* REFUSED_STREAM: may be tried again */
}
END_TEST

START_TEST(a_frame_larger_than_allowed_ends_the_connection)
{
    static char big[16385];

    frame_add_head(&in, 1, FLAG_END_HEADERS, POST);
    frame_add(&in, FRAME_DATA, 0, 1, (struct str){ big, sizeof(big) });
    feed();
    check_goaway(6);
    ck_assert(http2_is_over(h));
}
END_TEST

START_TEST(what_is_not_http2_is_refused)
{
    buf_clear(&in);
    buf_add_text(&in, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    ck_assert_int_eq(feed(), -1);
    ck_assert_uint_eq(events.len, 0);
}
END_TEST

START_TEST(a_head_that_does_not_end_is_known)
{
    ck_assert_int_eq(feed(), 0);
    ck_assert_uint_eq(http2_head_since_us(h), 0);
    frame_add_head(&in, 1, 0, HEAD);
    now_us = 5000000;
    ck_assert_int_eq(feed(), 0);
    ck_assert_uint_eq(http2_head_since_us(h), 5000000);
    frame_add(&in, FRAME_CONTINUATION, FLAG_END_HEADERS, 1, STR(""));
    now_us = 6000000;
    ck_assert_int_eq(feed(), 0);
    ck_assert_uint_eq(http2_head_since_us(h), 0);
}
END_TEST

/* --- answers --- */

static void ask(const char *lines)
{
    frame_add_head(&in, 1, FLAG_BOTH, lines);
    ck_assert_int_eq(feed(), 0);
    ck_assert_ptr_nonnull(last_stream);
}

static const struct http1_header answer_headers[] = {
    {.name = STR_INIT("X-Odd-CASE"),  .value = STR_INIT("kept")},
    { .name = STR_INIT("Connection"), .value = STR_INIT("x"),    .is_hop = true },
    { .name = STR_INIT("Content-Length"),                              .value = STR_INIT("1")                    },
};

START_TEST(nothing_leaves_before_flush)
{
    struct frame f;

    ask(HEAD);
    http2_head(last_stream, &(struct http2_answer){ 200, answer_headers, 3, true, 5 });
    http2_body(last_stream, STR("hello"));
    http2_end(last_stream, NULL, 0);
    take();
    ck_assert_uint_eq(out.len, 0);
    ck_assert_uint_eq(http2_pending(last_stream), 5);
    http2_flush(last_stream);
    take();
    ck_assert(find_frame(FRAME_HEADERS, 1, &f));
    ck_assert(memmem(f.body.ptr, f.body.len, "x-odd-case", 10) || f.body.len > 0);
    ck_assert(find_frame(FRAME_DATA, 1, &f));
    ck_assert(str_eq(f.body, STR("hello")) && f.flags & FLAG_END_STREAM);
    ck_assert_str_eq(strstr(buf_cstr(&events), "close"), "close\n");
    ck_assert_uint_eq(http2_stream_count(h), 0);
}
END_TEST

START_TEST(an_answer_without_a_body_ends_with_its_head)
{
    struct frame f;

    ask(HEAD);
    http2_interim(last_stream, &(struct http2_answer){ .status = 103 });
    take();
    ck_assert(find_frame(FRAME_HEADERS, 1, &f) && !(f.flags & FLAG_END_STREAM));
    http2_head(last_stream, &(struct http2_answer){ .status = 204 });
    http2_end(last_stream, NULL, 0);
    http2_flush(last_stream);
    take();
    ck_assert(find_frame(FRAME_HEADERS, 1, &f) && f.flags & FLAG_END_STREAM);
    ck_assert(!find_frame(FRAME_DATA, 1, &f));
}
END_TEST

START_TEST(an_answer_can_have_trailers)
{
    struct frame f;
    struct str rest;
    int heads = 0;

    ask(HEAD);
    http2_head(last_stream, &(struct http2_answer){ .status = 200 });
    http2_body(last_stream, STR("hello"));
    http2_end(last_stream, answer_headers, 1);
    http2_flush(last_stream);
    take();
    rest = buf_str(&out);
    while (frame_next(&rest, &f)) {
        heads += f.type == FRAME_HEADERS;
        ck_assert(!(f.flags & FLAG_END_STREAM) || (f.type == FRAME_HEADERS && heads == 2));
    }
    ck_assert_int_eq(heads, 2);
    ck_assert_uint_eq(http2_stream_count(h), 0);
}
END_TEST

START_TEST(no_more_leaves_than_the_peer_s_window)
{
    static char bytes[100000];
    struct str rest;
    struct frame f;
    size_t sent = 0;

    ask(HEAD);
    http2_head(last_stream, &(struct http2_answer){ .status = 200 });
    http2_body(last_stream, (struct str){ bytes, sizeof(bytes) });
    http2_end(last_stream, NULL, 0);
    http2_flush(last_stream);
    take();
    ck_assert_uint_eq(http2_pending(last_stream), sizeof(bytes) - 65535);
    frame_add_number(&in, FRAME_WINDOW, 1, 100000);
    ck_assert_int_eq(feed(), 0);
    ck_assert_uint_eq(out.len, 0); /* the connection's window is still closed */
    frame_add_number(&in, FRAME_WINDOW, 0, 100000);
    ck_assert_int_eq(feed(), 0);
    rest = buf_str(&out);
    while (frame_next(&rest, &f))
        sent += f.body.len;
    ck_assert_uint_eq(sent, sizeof(bytes) - 65535);
    ck_assert_uint_eq(http2_stream_count(h), 0);
}
END_TEST

START_TEST(an_answer_before_the_end_of_its_request_stops_that)
{
    frame_add_head(&in, 1, FLAG_END_HEADERS, POST);
    ck_assert_int_eq(feed(), 0);
    http2_head(last_stream, &(struct http2_answer){ .status = 413 });
    http2_end(last_stream, NULL, 0);
    http2_flush(last_stream);
    take();
    check_reset(1, 0);
}
END_TEST

START_TEST(a_reset_of_ours_is_not_the_peer_s)
{
    ask(HEAD);
    http2_reset(last_stream, HTTP2_INTERNAL_ERROR);
    take();
    check_reset(1, 2);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&events), "close\n"));
}
END_TEST

START_TEST(after_goaway_streams_end_and_none_begin)
{
    ask(HEAD);
    http2_shutdown(h);
    take();
    check_goaway(0);
    frame_add_head(&in, 3, FLAG_BOTH, HEAD);
    ck_assert_int_eq(feed(), 0);
    ck_assert_uint_eq(http2_stream_count(h), 1);
    ck_assert(!http2_is_over(h));
    http2_head(last_stream, &(struct http2_answer){ .status = 200 });
    http2_end(last_stream, NULL, 0);
    http2_flush(last_stream);
    take();
    ck_assert(http2_is_over(h));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_request_is_what_it_would_be_in_http1);
    tcase_add_test(tc, a_host_without_an_authority_is_one);
    tcase_add_loop_test(tc, a_body_has_one_framing, 0, ARRAY_LEN(framings));
    tcase_add_loop_test(tc, what_is_malformed_is_reset_and_never_told, 0, ARRAY_LEN(malformed));
    tcase_add_loop_test(tc, what_http1_refuses_is_refused, 0, ARRAY_LEN(refused));
    tcase_add_loop_test(tc, a_body_is_as_long_as_it_says, 0, ARRAY_LEN(lengths));
    tcase_add_test(tc, trailers_come_with_the_end);
    tcase_add_loop_test(tc, bad_trailers_are_reset, 0, ARRAY_LEN(bad_trailers));
    tcase_add_test(tc, pieces_give_what_the_whole_gives);
    tcase_add_test(tc, a_window_opens_as_its_body_is_consumed);
    tcase_add_test(tc, a_stream_that_nobody_reads_stops_no_other);
    tcase_add_loop_test(tc, a_flood_ends_the_connection, 0, ARRAY_LEN(floods));
    tcase_add_test(tc, resets_now_and_then_are_fine);
    tcase_add_test(tc, more_streams_than_the_limit_are_refused);
    tcase_add_test(tc, a_frame_larger_than_allowed_ends_the_connection);
    tcase_add_test(tc, what_is_not_http2_is_refused);
    tcase_add_test(tc, a_head_that_does_not_end_is_known);
    tcase_add_test(tc, nothing_leaves_before_flush);
    tcase_add_test(tc, an_answer_without_a_body_ends_with_its_head);
    tcase_add_test(tc, an_answer_can_have_trailers);
    tcase_add_test(tc, no_more_leaves_than_the_peer_s_window);
    tcase_add_test(tc, an_answer_before_the_end_of_its_request_stops_that);
    tcase_add_test(tc, a_reset_of_ours_is_not_the_peer_s);
    tcase_add_test(tc, after_goaway_streams_end_and_none_begin);
}

CHECK_MAIN("http2", add_tests)
