/* HTTP/1.1 messages from arbitrary bytes.  The first byte picks the side, whether a HEAD is
 * answered, and the size of the pieces; the bytes in pieces must give what they give in one, and
 * once more behind themselves what they give at first.  A
 * request that is accepted and written again must be accepted again, and must say the same. */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct buf log;
    struct buf body;
    struct buf again; /* the messages as we would send them */
    size_t used;      /* bytes of the input */
    int result;
};

static void note_head(struct outcome *o, const struct http1_head *head)
{
    buf_addf(&o->log, "%.*s %.*s %.*s %u %d %llu %d %d\n", STR_ARG(head->method),
             STR_ARG(head->path), STR_ARG(head->authority), head->status, head->framing,
             (unsigned long long)head->content_length, head->keep_alive, head->expects_continue);
    for (size_t i = 0; i < head->header_count; i++)
        if (!head->headers[i].is_hop)
            buf_addf(&o->log, "[%.*s|%.*s]", STR_ARG(head->headers[i].name),
                     STR_ARG(head->headers[i].value));
    assert(head->framing != HTTP1_LENGTH || head->has_content_length);
    if (head->method.len == 0)
        return;
    http1_write_request_line(&o->again, head->method, head->path);
    if (!http1_find(head, STR("host")))
        assert(http1_write_header(&o->again, STR("Host"), head->authority) == 0);
    http1_write_headers(&o->again, head, NULL, NULL);
    http1_write_framing(&o->again, head->framing, head->content_length);
    if (!head->keep_alive)
        assert(http1_write_header(&o->again, STR("Connection"), STR("close")) == 0);
    http1_write_end(&o->again);
}

static void note_event(struct outcome *o, const struct http1 *h, const struct http1_event *e)
{
    bool is_chunked = http1_head(h)->framing == HTTP1_CHUNKED;
    size_t count;

    if (e->kind == HTTP1_HEAD)
        note_head(o, http1_head(h));
    if (e->kind == HTTP1_BODY) {
        assert(e->body.len > 0);
        buf_add_str(&o->body, e->body);
        if (is_chunked)
            http1_write_chunk(&o->again, e->body);
        else
            buf_add_str(&o->again, e->body);
    }
    if (e->kind == HTTP1_END && is_chunked) {
        const struct http1_header *trailers = http1_trailers(h, &count);
        http1_write_last_chunk(&o->again, trailers, count);
    }
}

static void read_with(struct http1 *h, bool without_body, struct str input, size_t step,
                      struct outcome *o)
{
    struct http1_event e = { 0 };
    struct err err = { 0 };
    int r = 0;

    http1_reset(h, without_body);
    for (size_t at = 0; at < input.len && r >= 0; at += step) {
        struct str in = str_sub(input, at, step);
        while ((r = http1_next(h, &in, &e, &err)) > 0) {
            note_event(o, h, &e);
            if (e.kind == HTTP1_END) {
                o->used = at + str_sub(input, at, step).len - in.len;
                http1_reset(h, without_body);
            }
        }
    }
    o->result = r < 0 ? r : http1_finish(h, &e, &err);
    buf_addf(&o->log, "%d %u %s", o->result, http1_refusal(h), err.text);
}

/* Takes over fresh. */
static void read_messages(struct http1 *fresh, bool without_body, struct str input, size_t step,
                          struct outcome *o)
{
    CLEANUP(http1_free) struct http1 *h = fresh;

    read_with(h, without_body, input, step, o);
}

static void release(struct outcome *o)
{
    buf_release(&o->log);
    buf_release(&o->body);
    buf_release(&o->again);
}

/* Only whole messages: one that is refused half-way was written half-way.  A request of HTTP/1.0
 * with as many fields as allowed has two more when it is written, Host and Connection, and "X:y" is
 * a byte longer: the limits are for what comes in. */
static void check_again(const struct outcome *first)
{
    static const struct http1_limits ample = { .head_bytes = 2 * HTTP1_HEAD_BYTES,
                                               .headers = HTTP1_HEADERS + 2 };
    struct str again = buf_str(&first->again);
    struct outcome second = { 0 };

    read_messages(http1_new(HTTP1_REQUESTS, &ample), false, again, again.len, &second);
    assert(second.result == 0 && second.used == again.len);
    assert(str_eq(buf_str(&first->body), buf_str(&second.body)));
    release(&second);
}

/* A reader that has had all of it before knows its lines. */
static void check_known(enum http1_role role, bool without_body, struct str input,
                        const struct outcome *first)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(role, NULL);
    struct outcome before = { 0 }, again = { 0 };

    read_with(h, without_body, input, input.len + 1, &before);
    read_with(h, without_body, input, input.len + 1, &again);
    assert(first->result == again.result && first->used == again.used);
    assert(str_eq(buf_str(&first->log), buf_str(&again.log)));
    assert(str_eq(buf_str(&first->body), buf_str(&again.body)));
    assert(str_eq(buf_str(&first->again), buf_str(&again.again)));
    release(&before);
    release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = { 0 }, pieces = { 0 };

    if (size == 0)
        return 0;
    struct str input = { (const char *)data + 1, size - 1 };
    enum http1_role role = data[0] & 1 ? HTTP1_RESPONSES : HTTP1_REQUESTS;
    bool without_body = role == HTTP1_RESPONSES && data[0] & 2;
    size_t step = data[0] / 4 % 16 + 1;
    read_messages(http1_new(role, NULL), without_body, input, input.len + 1, &whole);
    read_messages(http1_new(role, NULL), without_body, input, step, &pieces);
    assert(whole.result == pieces.result && whole.used == pieces.used);
    assert(str_eq(buf_str(&whole.log), buf_str(&pieces.log)));
    assert(str_eq(buf_str(&whole.body), buf_str(&pieces.body)));
    if (role == HTTP1_REQUESTS && whole.result == 0)
        check_again(&whole);
    check_known(role, without_body, input, &whole);
    release(&whole);
    release(&pieces);
    return 0;
}
