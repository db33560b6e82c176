/* Parsing request heads, answers in chunks as streams have them, and writing a head again. */
#include "config.h"

#include "base/http1.h"
#include "bench/bench.h"

#define MESSAGES 1000
#define CHUNKS   1000

/* What an SDK for JavaScript sends, in size and number of headers. */
static const char request[] =
    "POST /support-bot/openai/v1/chat/completions HTTP/1.1\r\n"
    "Host: weir.example:8700\r\n"
    "Accept: application/json\r\n"
    "Content-Type: application/json\r\n"
    "User-Agent: OpenAI/JS 4.104.0\r\n"
    "X-Stainless-Lang: js\r\n"
    "X-Stainless-Package-Version: 4.104.0\r\n"
    "X-Stainless-OS: Linux\r\n"
    "X-Stainless-Arch: x64\r\n"
    "X-Stainless-Runtime: node\r\n"
    "X-Stainless-Runtime-Version: v20.19.0\r\n"
    "X-Stainless-Retry-Count: 0\r\n"
    "X-Stainless-Timeout: 600\r\n"
    "Authorization: Bearer 0123456789012345678901234567890123456789012345678901\r\n"
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Connection: keep-alive\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

struct work {
    struct http1 *parser;
    bool forgets; /* the head before: each is the first of its connection */
    struct buf bytes, out;
};

static uint64_t read_all(struct work *w, bool write_again)
{
    struct str in = buf_str(&w->bytes);
    struct http1_event e;
    struct err err;
    uint64_t sum = 0;

    while (in.len) {
        if (w->forgets)
            http1_trim(w->parser);
        http1_reset(w->parser, false);
        while (http1_next(w->parser, &in, &e, &err) > 0) {
            sum += e.kind == HTTP1_BODY ? e.body.len : 1;
            if (write_again && e.kind == HTTP1_HEAD) {
                const struct http1_head *head = http1_head(w->parser);
                buf_clear(&w->out);
                http1_write_request_line(&w->out, head->method, head->path);
                http1_write_headers(&w->out, head, NULL, NULL);
                http1_write_framing(&w->out, head->framing, head->content_length);
                http1_write_end(&w->out);
            }
        }
        if (http1_refusal(w->parser))
            abort();
    }
    return sum;
}

static uint64_t read_only(void *ctx)
{
    return read_all(ctx, false);
}

static uint64_t read_and_write(void *ctx)
{
    return read_all(ctx, true);
}

static void measure_requests(void)
{
    struct work w = { .parser = http1_new(HTTP1_REQUESTS, NULL) };

    for (size_t i = 0; i < MESSAGES; i++)
        buf_add_text(&w.bytes, request);
    double parse = bench_seconds(read_only, &w), again = bench_seconds(read_and_write, &w);
    w.forgets = true;
    double first = bench_seconds(read_only, &w);
    bench_row("HTTP/1.1: parse a connection's first head (18 headers, 0.7 KB)",
              first / MESSAGES * 1e9, "ns");
    bench_row("HTTP/1.1: parse one like the head before", parse / MESSAGES * 1e9, "ns");
    bench_row("HTTP/1.1: parse that and write it again", again / MESSAGES * 1e9, "ns");
    http1_free(w.parser);
    buf_release(&w.bytes);
    buf_release(&w.out);
}

static void measure_chunks(void)
{
    struct work w = { .parser = http1_new(HTTP1_RESPONSES, NULL) };

    buf_add_text(&w.bytes, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < CHUNKS; i++) {
        char data[200] = "data: {";
        http1_write_chunk(&w.bytes, (struct str){ data, sizeof(data) });
    }
    http1_write_last_chunk(&w.bytes, NULL, 0);
    bench_row("HTTP/1.1: parse a chunk of a stream (200 bytes)",
              bench_seconds(read_only, &w) / CHUNKS * 1e9, "ns");
    http1_free(w.parser);
    buf_release(&w.bytes);
}

int main(void)
{
    measure_requests();
    measure_chunks();
    return EXIT_SUCCESS;
}
