/* What passes through the proxy, without its sockets: bytes of a client and bytes of an upstream
 * through parser, routing and the writing of heads.  The first two bytes say how many are the
 * client's.
 *
 * Whatever goes on to either side is read again: by weir's own parser as exactly the same message,
 * and by readers of many habits (tests/http_readings.h) as the same number of messages with the
 * same targets and bodies.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proxy/door.h"
#include "proxy/head.h"
#include "proxy/route.h"
#include "tests/http_readings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] =
    "listen: {address: \"127.0.0.1:0\"}\n"
    "archive: {path: ./archive}\n"
    "upstreams:\n"
    "  up: {url: \"http://u.example:81/base\"}\n"
    "  own: {url: \"https://o.example\", api: anthropic, hosts: [\"*.own\"]}\n"
    "apps: {fixed: {upstream: up}}\n";

static const struct head_trace trace = {
    .exchange_id = "01a2047d-10a1-7919-b5d2-0e3e50b7cbef",
    .traceparent = "00-cbd356c201dd7cab4af7a388056dc375-9bafb4f8e6e2b94c-01",
};

/* A message as it was understood, and as it was written for the other side. */
struct passed {
    struct buf out, body, method, path;
    unsigned status, minor;
    enum http1_framing framing;
    bool is_head; /* the method, or what is answered */
    size_t trailers;
};

static void release(struct passed *p)
{
    buf_release(&p->out);
    buf_release(&p->body);
    buf_release(&p->method);
    buf_release(&p->path);
}

static struct str value_of(const struct http1_head *head, struct str name)
{
    const struct http1_header *h = http1_find(head, name);

    return h ? h->value : STR("");
}

/* What everything that knows the configuration does with a head. */
static bool pass_request(const struct proxy_conf *conf, const struct http1_head *head,
                         struct passed *p)
{
    struct route_request asked = { head->authority, head->path, value_of(head, STR("x-weir-app")) };
    struct route route;

    if (route_find(conf, &asked, &route) != ROUTE_OK)
        return false;
    assert(route.upstream >= conf->upstreams &&
           route.upstream < conf->upstreams + conf->upstream_count);
    head_write_request(
        &p->out, head,
        &(struct head_request){ .upstream = route.upstream, .rest = route.rest, .trace = &trace });
    buf_add_str(&p->path, route.upstream->base_path);
    if (!p->path.len && (!route.rest.len || route.rest.ptr[0] != '/'))
        buf_add_byte(&p->path, '/');
    door_copy_path(route.rest, false, &p->path); /* less weir keys: tested at the door */
    p->framing = head->framing;
    return true;
}

static void pass_answer(const struct http1_head *head, struct passed *p)
{
    bool is_endless = head->framing == HTTP1_CHUNKED || head->framing == HTTP1_UNTIL_CLOSE;

    p->framing = !is_endless ? head->framing : p->minor > 0 ? HTTP1_CHUNKED : HTTP1_UNTIL_CLOSE;
    head_write_response(&p->out, head,
                        &(struct head_answer){ .framing = p->framing,
                                               .content_length = head->content_length,
                                               .keep_alive = p->framing != HTTP1_UNTIL_CLOSE,
                                               .minor = p->minor,
                                               .exchange_id = trace.exchange_id });
    p->status = head->status;
}

/* One message of in; false: it is not passed on.  conf: requests. */
static bool pass(struct http1 *h, const struct proxy_conf *conf, struct str in, struct passed *p)
{
    const struct http1_head *head = http1_head(h);
    const struct http1_header *trailers;
    struct http1_event e;
    struct err err;
    int r;

    while ((r = http1_next(h, &in, &e, &err)) > 0 || (r == 0 && http1_finish(h, &e, &err) > 0)) {
        if (e.kind == HTTP1_HEAD && conf) {
            buf_add_str(&p->method, head->method);
            p->is_head = str_eq(head->method, STR("HEAD"));
            p->minor = head->minor;
            if (!pass_request(conf, head, p))
                return false;
        } else if (e.kind == HTTP1_HEAD && head->is_interim) {
            if (p->minor > 0)
                head_write_interim(&p->out, head);
        } else if (e.kind == HTTP1_HEAD) {
            pass_answer(head, p);
        } else if (e.kind == HTTP1_BODY) {
            buf_add_str(&p->body, e.body);
            if (p->framing == HTTP1_CHUNKED)
                http1_write_chunk(&p->out, e.body);
            else
                buf_add_str(&p->out, e.body);
        } else {
            trailers = http1_trailers(h, &p->trailers);
            if (p->framing == HTTP1_CHUNKED)
                http1_write_last_chunk(&p->out, trailers, p->trailers);
            return true;
        }
    }
    return false;
}

/* The same message once more, by weir's own parser. */
static void check_again(enum http1_role role, const struct passed *p)
{
    CLEANUP(http1_free)
    struct http1 *h = http1_new(role, &(struct http1_limits){ 1u << 20, 10000, 1u << 19, 0 });
    CLEANUP(buf_release) struct buf body = { 0 };
    const struct http1_head *head = http1_head(h);
    struct str in = buf_str(&p->out);
    struct http1_event e = { 0 };
    struct err err;
    int r;

    http1_reset(h, role == HTTP1_RESPONSES && p->is_head);
    while ((r = http1_next(h, &in, &e, &err)) > 0 && e.kind != HTTP1_END)
        if (e.kind == HTTP1_BODY)
            buf_add_str(&body, e.body);
    if (r == 0)
        r = http1_finish(h, &e, &err);
    assert(r == 1 && e.kind == HTTP1_END && in.len == 0);
    assert(str_eq(buf_str(&body), buf_str(&p->body)));
    assert(head->framing == p->framing);
    if (role == HTTP1_RESPONSES) {
        assert(head->status == p->status);
        assert(str_eq(value_of(head, STR("x-weir-exchange-id")), str_from(trace.exchange_id)));
        return;
    }
    assert(str_eq(head->method, buf_str(&p->method)));
    assert(str_eq(head->path, buf_str(&p->path)) && str_eq(head->target, head->path));
    assert(http1_find(head, STR("host")) && !http1_find(head, STR("x-weir-app")));
}

/* All the others. */
static void check_readers(const struct passed *p, bool is_answer)
{
    struct read_result first, other;
    struct str bytes = buf_str(&p->out);
    bool without_body = is_answer && p->is_head;

    read_all(bytes, readings[0], without_body, true, &first);
    assert(!first.ended_in_one && (is_answer || first.count == 1));
    for (size_t i = 1; i < ARRAY_LEN(readings); i++) {
        read_all(bytes, readings[i], without_body, true, &other);
        assert(strcmp(first.list.ptr, other.list.ptr) == 0 && first.used == other.used);
        buf_release(&other.list);
    }
    buf_release(&first.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct proxy_conf *conf;
    struct passed request = { 0 }, answer = { 0 };
    struct err err;

    if (!conf && proxy_conf_parse(STR(config), "f", "", false, &conf, &err) < 0)
        abort();
    if (size < 2)
        return 0;
    struct str all = { (const char *)data + 2, size - 2 };
    struct str client = str_sub(all, 0, (size_t)data[0] << 8 | data[1]);
    CLEANUP(http1_free) struct http1 *in = http1_new(HTTP1_REQUESTS, NULL);
    CLEANUP(http1_free) struct http1 *back = http1_new(HTTP1_RESPONSES, NULL);

    if (pass(in, conf, client, &request)) {
        check_again(HTTP1_REQUESTS, &request);
        check_readers(&request, false);
        answer.minor = request.minor;
        answer.is_head = request.is_head;
        http1_reset(back, request.is_head);
        if (pass(back, NULL, str_sub(all, client.len, all.len), &answer)) {
            check_readers(&answer, true);
            check_again(HTTP1_RESPONSES, &answer);
        }
    }
    release(&request);
    release(&answer);
    return 0;
}
