#include "config.h"

#include "base/http_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http_client.h"
#include "base/loop.h"

#define READ_BYTES (64u << 10)

/* Of an exchange under way. */
enum outcome { UNDER_WAY, ANSWERED, FAILED };

struct http_fetch {
    struct loop *loop;
    struct http_pool *pool;
    struct http_origin *origin;
    struct http_conn *conn;
    struct http1 *parser;
    struct loop_timer timer;
    uint64_t idle_us;
    char *authority, *name; /* the name is for messages */
    const struct http_fetch_request *request;
    struct buf out, body;
    struct str rest; /* of the request's body, after out */
    enum outcome outcome;
    bool any_answer, was_sent, has_more; /* more: than the answer */
    struct err err;
    char read[READ_BYTES];
};

/* --- URLs --- */

static int parse_port(struct str text, struct http_url *ret)
{
    int64_t port;

    if (!str_to_i64(text, &port) || port < 1 || port > UINT16_MAX || text.ptr[0] == '-')
        return -1;
    ret->port = (uint16_t)port;
    return 0;
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || (unsigned char)s.ptr[i] >= 127)
            return false;
    return true;
}

static int parse_authority(struct http_url *ret)
{
    struct str a = ret->authority;
    ptrdiff_t end = str_starts_with(a, STR("[")) ? str_find_char(a, ']', 0) : -1;

    ret->host = end > 0 ? str_sub(a, 1, (size_t)end - 1) : a;
    ptrdiff_t colon = str_find_char(a, ':', end > 0 ? (size_t)end : 0);
    if (end > 0 && (size_t)end + 1 != a.len && colon != end + 1)
        return -1;
    if (colon >= 0 && end < 0)
        ret->host = str_sub(a, 0, (size_t)colon);
    if (colon >= 0 && parse_port(str_sub(a, (size_t)colon + 1, a.len), ret) < 0)
        return -1;
    return ret->host.len && ret->host.len <= HTTP_FETCH_HOST_MAX ? 0 : -1;
}

int http_url_parse(struct str text, struct http_url *ret, struct err *err)
{
    struct http_url url = { .tls = str_istarts_with(text, STR("https://")) };
    struct str rest = str_sub(text, url.tls ? 8 : 7, text.len);

    if (!url.tls && !str_istarts_with(text, STR("http://")))
        return err_set(err, ERR_USAGE, "the URL begins with neither http:// nor https://");
    if (text.len > HTTP_FETCH_URL_MAX)
        return err_set(err, ERR_USAGE, "the URL is longer than %u bytes", HTTP_FETCH_URL_MAX);
    size_t len = 0;
    while (len < rest.len && !strchr("/?#", rest.ptr[len]))
        len++;
    url.authority = str_sub(rest, 0, len);
    url.target = str_sub(rest, len, rest.len);
    url.port = url.tls ? 443 : 80;
    if (url.target.len == 0)
        url.target = STR("/");
    if (str_find_char(url.authority, '@', 0) >= 0)
        return err_set(err, ERR_USAGE, "a URL must not hold a user or a password");
    if (!is_plain(rest) || url.target.ptr[0] != '/' || str_find_char(url.target, '#', 0) >= 0 ||
        parse_authority(&url) < 0)
        return err_set(err, ERR_USAGE, "that is no URL: expected https://HOST[:PORT]/PATH");
    *ret = url;
    return 0;
}

/* --- the exchange --- */

static void finish(struct http_fetch *f, enum outcome outcome)
{
    if (f->outcome == UNDER_WAY)
        f->outcome = outcome;
    loop_stop(f->loop);
}

static void fail(struct http_fetch *f, const struct err *err)
{
    if (f->outcome == UNDER_WAY)
        f->err = *err;
    finish(f, FAILED);
}

static void touch(struct http_fetch *f)
{
    loop_timer_set(f->loop, &f->timer, loop_now_us(f->loop) + f->idle_us);
}

static void on_timer(void *ctx)
{
    struct http_fetch *f = ctx;
    struct err err;

    err_set(&err, ERR_SYS, "nothing came from it for %u s", (unsigned)(f->idle_us / 1000000));
    fail(f, &err);
}

static int take_body(struct http_fetch *f, struct str bytes, struct err *err)
{
    const struct http_fetch_request *r = f->request;
    size_t max = r->answer_bytes_max ? r->answer_bytes_max : HTTP_FETCH_ANSWER_BYTES;

    if (r->on_body && http1_head(f->parser)->status == 200)
        return r->on_body(r->ctx, bytes, err);
    if (bytes.len > max - f->body.len)
        return err_set(err, ERR_LIMIT, "its answer is longer than %zu bytes", max);
    buf_add_str(&f->body, bytes);
    return 0;
}

/* 1 = the answer is whole, 0 = more to come, -1. */
static int take_events(struct http_fetch *f, struct str in, struct err *err)
{
    struct http1_event e;
    int r;

    while ((r = http1_next(f->parser, &in, &e, err)) > 0) {
        if (e.kind == HTTP1_BODY && take_body(f, e.body, err) < 0)
            return -1;
        if (e.kind != HTTP1_END)
            continue;
        f->has_more = in.len > 0;
        return 1;
    }
    return r;
}

static int take_end(struct http_fetch *f, struct err *err)
{
    struct http1_event e;
    int r = http1_finish(f->parser, &e, err);

    return r != 0 ? r : err_set(err, ERR_SYS, "it closed the connection without an answer");
}

/* What came, or the end of it. */
static void take(struct http_fetch *f, size_t len)
{
    struct err err;
    int r = len ? take_events(f, (struct str){ f->read, len }, &err) : take_end(f, &err);

    f->any_answer |= len > 0;
    if (r > 0)
        finish(f, ANSWERED);
    else if (r < 0)
        fail(f, &err);
}

static void receive(struct http_fetch *f)
{
    struct err err;
    size_t len;

    while (f->outcome == UNDER_WAY) {
        int r = http_conn_recv(f->conn, f->read, sizeof(f->read), &len, &err);
        if (r == 0)
            return;
        touch(f);
        if (r > 0)
            take(f, len);
        else
            fail(f, &err);
    }
}

/* An answer that comes before all was sent (413, say) is read all the same: hence no failure here,
 * a broken connection shows when it is read. */
static void transmit(struct http_fetch *f)
{
    struct err ignored;
    size_t len;

    while (f->out.len || f->rest.len) {
        struct str bytes = f->out.len ? buf_str(&f->out) : f->rest;
        int r = http_conn_send(f->conn, bytes, &len, &ignored);
        if (r < 0) {
            buf_clear(&f->out);
            f->rest.len = 0;
            break;
        }
        http_conn_want(f->conn, LOOP_READ | LOOP_WRITE);
        if (r == 0)
            return;
        touch(f);
        if (f->out.len)
            buf_consume(&f->out, len);
        else
            f->rest = str_sub(f->rest, len, f->rest.len);
        f->was_sent = f->out.len == 0 && f->rest.len == 0;
    }
    http_conn_want(f->conn, LOOP_READ);
}

static void on_ready(void *ctx, struct http_conn *c, unsigned events)
{
    struct http_fetch *f = ctx;

    (void)c;
    if (events & LOOP_WRITE)
        transmit(f);
    if (f->outcome == UNDER_WAY && (events & ~(unsigned)LOOP_WRITE))
        receive(f);
}

static void on_connect(void *ctx, struct http_conn *c, const struct err *err)
{
    struct http_fetch *f = ctx;

    (void)c;
    if (err) {
        fail(f, err);
        return;
    }
    touch(f);
    transmit(f);
}

static int write_head(struct http_fetch *f, struct err *err)
{
    const struct http_fetch_request *r = f->request;

    buf_clear(&f->out);
    http1_write_request_line(&f->out, r->method, r->target);
    int bad = http1_write_header(&f->out, STR("Host"), str_from(f->authority));
    for (size_t i = 0; i < r->header_count; i++)
        bad |= http1_write_header(&f->out, r->headers[i].name, r->headers[i].value);
    if (bad || !is_plain(r->target))
        return err_set(err, ERR_USAGE, "a header of the request has a control character");
    if (r->body.len || !str_eq(r->method, STR("GET")))
        http1_write_framing(&f->out, HTTP1_LENGTH, r->body.len);
    http1_write_end(&f->out);
    f->rest = r->body;
    return 0;
}

static void release_conn(struct http_fetch *f)
{
    bool keep =
        f->outcome == ANSWERED && f->was_sent && !f->has_more && http1_head(f->parser)->keep_alive;

    loop_timer_cancel(f->loop, &f->timer);
    if (f->conn)
        http_conn_release(f->conn, keep);
    f->conn = NULL;
}

/* One attempt; *ret_lost = a kept connection had died. */
static int attempt(struct http_fetch *f, bool fresh, bool *ret_lost, struct err *err)
{
    struct http_conn_handler handler = { .on_connect = on_connect, .on_ready = on_ready, .ctx = f };

    if (write_head(f, err) < 0)
        return -1;
    f->outcome = UNDER_WAY;
    f->any_answer = f->was_sent = f->has_more = false;
    buf_clear(&f->body);
    http1_reset(f->parser, str_eq(f->request->method, STR("HEAD")));
    loop_read_clocks(f->loop);
    touch(f);
    int r = http_conn_acquire(f->origin, &handler, fresh, &f->conn, err);
    if (r < 0)
        return -1;
    if (r > 0)
        transmit(f);
    if (f->outcome == UNDER_WAY && loop_run(f->loop, err) < 0) {
        release_conn(f);
        return -1;
    }
    *ret_lost = f->outcome == FAILED && !f->any_answer && http_conn_is_reused(f->conn);
    release_conn(f);
    if (f->outcome == ANSWERED)
        return 0;
    *err = f->err;
    return -1;
}

int http_fetch(struct http_fetch *f, const struct http_fetch_request *request,
               struct http_fetch_answer *ret, struct err *err)
{
    bool lost = false;

    f->request = request;
    int r = attempt(f, !request->may_repeat, &lost, err);
    if (r < 0 && lost && request->may_repeat)
        r = attempt(f, true, &lost, err);
    f->request = NULL;
    if (r < 0)
        return err_wrap(err, "%s", f->name);
    *ret = (struct http_fetch_answer){ .head = http1_head(f->parser), .body = buf_str(&f->body) };
    return 0;
}

bool http_fetch_was_sent(const struct http_fetch *f)
{
    return f->was_sent;
}

int64_t http_fetch_now_us(struct http_fetch *f)
{
    loop_read_clocks(f->loop);
    return (int64_t)loop_wall_us(f->loop);
}

/* --- life --- */

int http_fetch_open(const struct http_fetch_options *options, struct http_fetch **ret,
                    struct err *err)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = mem_calloc(1, sizeof(*f));
    const struct http_url *url = &options->url;
    CLEANUP(buf_release) struct buf host = { 0 };

    buf_add_str(&host, url->host);
    f->authority = mem_strndup(url->authority.ptr, url->authority.len);
    f->name = mem_strdup(f->authority);
    f->idle_us = options->idle_us ? options->idle_us : HTTP_FETCH_IDLE_US;
    f->timer = (struct loop_timer){ .fn = on_timer, .ctx = f };
    f->parser = http1_new(HTTP1_RESPONSES, NULL);
    struct http_origin_options o = {
        .tls = url->tls,
        .host = buf_cstr(&host),
        .port = url->port,
        .ca_path = options->ca_path,
        .proxy = options->proxy,
        .connect_timeout_us = HTTP_CONNECT_TIMEOUT_US,
        .max_connections = 2,
        .max_idle = 1,
    };
    if (loop_open(&f->loop, err) < 0 || http_pool_new(f->loop, &f->pool, err) < 0 ||
        http_origin_new(f->pool, &o, &f->origin, err) < 0)
        return -1;
    *ret = TAKE(f);
    return 0;
}

void http_fetch_close(struct http_fetch *f)
{
    if (!f)
        return;
    http_pool_free(f->pool);
    loop_close(f->loop);
    http1_free(f->parser);
    buf_release(&f->out);
    buf_release(&f->body);
    free(f->authority);
    free(f->name);
    free(f);
}
