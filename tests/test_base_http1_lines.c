#include "config.h"

#include "tests/check_main.h"

#include <string.h>

#include "base/http1.h"

#define HEADS     4000
#define LINES_MAX 40

/* What a head is put together from; some is refused wherever it stands, some only twice. */
static const char *const lines[] = {
    "Host: a\r\n",
    "Host: b.example:80\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "content-length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Connection: X-One, te\r\n",
    "Proxy-Connection: keep-alive\r\n",
    "Upgrade: h2c\r\n",
    "TE: trailers\r\n",
    "Keep-Alive: timeout=5\r\n",
    "Expect: 100-continue\r\n",
    "X-One: 1\r\n",
    "X-One: 2\r\n",
    "X-Two: two\r\n",
    "X-Two:two\r\n",
    "X-Two:  two \r\n",
    "X-Two:\ttwo\r\n",
    "X-Empty:\r\n",
    "X-Empty: \r\n",
    "Accept: application/json\r\n",
    "User-Agent: OpenAI/JS 6.49.0\r\n",
    "Authorization: Bearer sk-0123456789abcdef\r\n",
    "X-Long: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
    "X-High: \xc3\xa9\r\n",
    "x-weir-app: app\r\n",
    "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    "date: Thu, 01 Jan 1970 00:00:01 GMT\r\n",
};

/* Rarely: these are never a line. */
static const char *const not_lines[] = {
    "X-Bad : 1\r\n",          " folded\r\n",  "X-Bare: 1\n",
    "X-Nul: \x01\r\n",        "nothing\r\n",  "Content_Length: 3\r\n",
    "Content-Length : 3\r\n", "Host : a\r\n", ": x\r\n",
};

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* Which lines a head has, and how it changes from one to the next. */
struct recipe {
    const char *lines[LINES_MAX];
    size_t count;
};

static const char *any_line(void)
{
    if (random_below(60) == 0)
        return not_lines[random_below(ARRAY_LEN(not_lines))];
    return lines[random_below(ARRAY_LEN(lines))];
}

static void insert(struct recipe *r, size_t at)
{
    if (r->count == LINES_MAX)
        return;
    memmove(&r->lines[at + 1], &r->lines[at], (r->count - at) * sizeof(*r->lines));
    r->lines[at] = any_line();
    r->count++;
}

static void leave_out(struct recipe *r, size_t at)
{
    r->count--;
    memmove(&r->lines[at], &r->lines[at + 1], (r->count - at) * sizeof(*r->lines));
}

static void change(struct recipe *r)
{
    for (uint32_t times = random_below(4); times > 0; times--) {
        uint32_t how = random_below(4);
        if (how == 0 || r->count == 0)
            insert(r, random_below((uint32_t)r->count + 1));
        else if (how == 1)
            leave_out(r, random_below((uint32_t)r->count));
        else
            r->lines[random_below((uint32_t)r->count)] = any_line();
    }
    if (random_below(30) == 0) { /* another client */
        r->count = 1;
        r->lines[0] = lines[0];
        for (uint32_t more = random_below(20); more > 0; more--)
            insert(r, random_below((uint32_t)r->count + 1));
    }
}

static void write_head(const struct recipe *r, enum http1_role role, struct buf *out)
{
    static const char *const starts[][3] = {
        {"POST /v1/x HTTP/1.1\r\n", "GET /v1/x?y HTTP/1.1\r\n", "GET / HTTP/1.0\r\n"    },
        { "HTTP/1.1 200 OK\r\n",    "HTTP/1.1 204 No\r\n",      "HTTP/1.1 100 Go on\r\n"},
    };

    buf_clear(out);
    buf_add_text(out, starts[role][random_below(8) < 6 ? 0 : random_below(3)]);
    for (size_t i = 0; i < r->count; i++)
        buf_add_text(out, r->lines[i]);
    buf_add_text(out, "\r\n");
}

static uint32_t tag(struct str name)
{
    return 1 + (uint32_t)name.len;
}

/* All that is known of the head that bytes are, fed in pieces of step. */
static void read_head(struct http1 *h, struct str bytes, size_t step, struct buf *log)
{
    const struct http1_head *head = http1_head(h);
    struct http1_event e;
    struct err err = { 0 };
    int r = 0;

    for (size_t at = 0; at < bytes.len && r == 0; at += step) {
        struct str in = str_sub(bytes, at, step);
        r = http1_next(h, &in, &e, &err);
    }
    buf_addf(log, "%d %u %s", r, http1_refusal(h), err.text);
    if (r <= 0)
        return;
    buf_addf(log, "%.*s %.*s %.*s %u %u %d %llu %d %d %d %x\n", STR_ARG(head->method),
             STR_ARG(head->path), STR_ARG(head->authority), head->status, head->minor,
             head->framing, (unsigned long long)head->content_length, head->keep_alive,
             head->expects_continue, head->wants_upgrade, head->tags);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http1_header *x = &head->headers[i];
        ck_assert_uint_eq(x->tags, tag(x->name));
        buf_addf(log, "[%.*s|%.*s|%d|%d]\n", STR_ARG(x->name), STR_ARG(x->value), x->is_hop,
                 x->is_usual);
    }
    http1_write_headers(log, head, NULL, NULL);
}

START_TEST(a_head_says_the_same_whatever_heads_came_before_it)
{
    enum http1_role role = _i % 2 ? HTTP1_RESPONSES : HTTP1_REQUESTS;
    static const size_t steps[] = { SIZE_MAX / 2, 1, 7, 50 };
    CLEANUP(http1_free) struct http1 *kept = http1_new(role, NULL);
    CLEANUP(buf_release) struct buf bytes = { 0 }, with = { 0 }, without = { 0 };
    struct recipe recipe = { 0 };
    size_t accepted = 0;

    seed = (uint32_t)_i;
    http1_tag_names(kept, tag);
    for (int i = 0; i < HEADS; i++) {
        CLEANUP(http1_free) struct http1 *fresh = http1_new(role, NULL);
        http1_tag_names(fresh, tag);
        change(&recipe);
        write_head(&recipe, role, &bytes);
        buf_clear(&with);
        buf_clear(&without);
        http1_reset(kept, false);
        read_head(kept, buf_str(&bytes), steps[_i / 2], &with);
        read_head(fresh, buf_str(&bytes), SIZE_MAX / 2, &without);
        ck_assert_str_eq(buf_cstr(&with), buf_cstr(&without));
        accepted += http1_refusal(fresh) == 0;
        if (i % 500 == 499)
            http1_trim(kept);
    }
    ck_assert_uint_gt(accepted, HEADS / 20);
    ck_assert_uint_lt(accepted, HEADS);
}
END_TEST

/* In what is left of a head for llhttp to see, a folded line can stand behind any other. */
START_TEST(a_folded_line_is_refused_for_the_same_reason_whatever_came_before_it)
{
    static const char *const folded[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\tX-One: 1\r\nX-Two: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Two: 2\r\n , te\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    };
    static const size_t steps[] = { SIZE_MAX / 2, 1 };
    const struct str before =
        STR("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Two: 2\r\n\r\n");
    CLEANUP(http1_free) struct http1 *kept = http1_new(HTTP1_REQUESTS, NULL);
    CLEANUP(http1_free) struct http1 *fresh = http1_new(HTTP1_REQUESTS, NULL);
    CLEANUP(buf_release) struct buf log = { 0 }, expected = { 0 };

    http1_tag_names(kept, tag);
    read_head(kept, before, before.len, &log);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_clear(&log);
        buf_clear(&expected);
        http1_reset(kept, false);
        http1_reset(fresh, false);
        read_head(kept, str_from(folded[_i]), steps[i], &log);
        read_head(fresh, str_from(folded[_i]), SIZE_MAX / 2, &expected);
        ck_assert_uint_eq(http1_refusal(fresh), 400);
        ck_assert_str_eq(buf_cstr(&log), buf_cstr(&expected));
    }
}
END_TEST

START_TEST(the_same_lines_over_and_over_are_counted_and_measured)
{
    struct http1_limits limits = { .head_bytes = 200, .headers = 10 };
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, &limits);
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct http1_event e;
    struct err err;

    for (unsigned count = 1; count <= 12; count++) {
        for (int times = 0; times < 2; times++) {
            buf_clear(&bytes);
            buf_add_text(&bytes, "GET / HTTP/1.1\r\nHost: a\r\n");
            for (unsigned i = 1; i < count; i++)
                buf_add_text(&bytes, "X: y\r\n");
            buf_add_text(&bytes, "\r\n");
            struct str in = buf_str(&bytes);
            http1_reset(h, false);
            ck_assert_int_eq(http1_next(h, &in, &e, &err), count <= 10 ? 1 : -1);
            ck_assert_uint_eq(http1_refusal(h), count <= 10 ? 0 : 431);
        }
    }
    buf_clear(&bytes);
    buf_add_text(&bytes, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 0; i < 200; i++)
        buf_add_text(&bytes, "Y");
    struct str in = buf_str(&bytes);
    http1_reset(h, false);
    ck_assert_int_eq(http1_next(h, &in, &e, &err), -1);
    ck_assert_uint_eq(http1_refusal(h), 431);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_head_says_the_same_whatever_heads_came_before_it, 0, 8);
    tcase_add_loop_test(tc, a_folded_line_is_refused_for_the_same_reason_whatever_came_before_it, 0,
                        4);
    tcase_add_test(tc, the_same_lines_over_and_over_are_counted_and_measured);
}
CHECK_MAIN("base/http1_lines", add_tests)
