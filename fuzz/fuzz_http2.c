/* HTTP/2 from arbitrary bytes behind a preface.  The first byte picks the size of the pieces; the
 * bytes in pieces must not tell anything else than in one.  A request that is told must be one that
 * HTTP/1.1 accepts, with nothing of a connection's own in it; it is answered with its body. */
#include "config.h"

#include <assert.h>
#include <stdint.h>

#include "base/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note_request(void *ctx, struct http2_stream *s)
{
    const struct http1_head *head = http2_request(s);
    struct buf *log = ctx;

    buf_addf(log, "request %u\n", http2_refusal(s));
    if (head) {
        assert(head->path.len && (head->path.ptr[0] == '/' || str_eq(head->path, STR("*"))));
        assert(head->authority.len && head->keep_alive && !head->wants_upgrade);
        assert(head->framing != HTTP1_UNTIL_CLOSE);
        buf_addf(log, "%.*s %.*s %d\n", STR_ARG(head->method), STR_ARG(head->path),
                 (int)head->framing);
        for (size_t i = 0; i < head->header_count; i++)
            buf_addf(log, "%.*s: %.*s\n", STR_ARG(head->headers[i].name),
                     STR_ARG(head->headers[i].value));
    }
    http2_head(s, &(struct http2_answer){ .status = 200 });
}

static void note_body(void *ctx, struct http2_stream *s, struct str bytes)
{
    (void)ctx;
    assert(bytes.len);
    http2_consume(s, bytes.len);
    http2_body(s, bytes);
    http2_flush(s);
}

static void note_end(void *ctx, struct http2_stream *s)
{
    size_t count;
    const struct http1_header *trailers = http2_trailers(s, &count);

    buf_addf(ctx, "end %zu\n", count);
    http2_end(s, trailers, count);
    http2_flush(s);
}

static void note_sent(void *ctx, struct http2_stream *s)
{
    (void)ctx;
    (void)http2_pending(s);
}

static void note_close(void *ctx, struct http2_stream *s)
{
    (void)s, (void)ctx;
}

/* Answers are taken only at the end, so that they leave in the same place however the bytes came.
 */
static void run(struct str input, size_t step, struct buf *log)
{
    struct http2_handler handler = {
        note_request, note_body, note_end, note_sent, note_close, log
    };
    CLEANUP(http2_free) struct http2 *h = http2_new(&handler, NULL);
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;
    int r = http2_feed(h, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 1, &err);

    for (size_t at = 0; at < input.len && r == 0; at += step)
        r = http2_feed(h, str_sub(input, at, step), 1, &err);
    http2_take(h, &out, 1u << 24);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf whole = { 0 }, pieces = { 0 };

    if (size == 0)
        return 0;
    struct str input = { (const char *)data + 1, size - 1 };
    run(input, input.len + 1, &whole);
    run(input, data[0] % 32 + 1u, &pieces);
    /* After a GOAWAY of the peer's and without streams, what comes in further pieces is not read.
     */
    assert(str_starts_with(buf_str(&whole), buf_str(&pieces)));
    return 0;
}
