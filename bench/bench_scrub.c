/* Redaction of bodies: the shipped rules over chat calls of about 5 KB. */
#include "config.h"

#include <stdio.h>

#include "base/buf.h"
#include "bench/bench.h"
#include "capture/scrub.h"

#define BODY_BYTES 5000u

static const char prose[] = "The quarterly report shows that demand has been rising since "
                            "2024-03-01, by 12.5 % a year; the "
                            "board asked for a plan by 17:30 on Friday. Please summarise the "
                            "risks, be brief, and list what "
                            "must be done before the next release (v2.14.0).\\n\\n";

static void make_unary(struct buf *out)
{
    buf_add_text(out, "{\"model\":\"gpt-5\",\"temperature\":0.2,\"messages\":[");
    while (out->len < BODY_BYTES)
        buf_addf(out, "{\"role\":\"user\",\"content\":\"%s\"},", prose);
    buf_add_text(out,
                 "{\"role\":\"user\",\"content\":\"go\"}],\"user\":\"u-1234\",\"stream\":true}");
}

static void make_stream(struct buf *out)
{
    for (size_t at = 0; out->len < BODY_BYTES; at = (at + 6) % 180)
        buf_addf(
            out,
            "data: {\"id\":\"chatcmpl-A1b2C3\",\"object\":\"chat.completion.chunk\",\"created\":"
            "1732298400,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
            "\"%.6s\"},\"finish_reason\":null}]}\n\n",
            prose + at);
    buf_add_text(out, "data: [DONE]\n\n");
}

struct work {
    struct scrub *rules;
    struct buf body, out;
    unsigned place;
    const char *type;
};

static uint64_t scrub_once(void *ctx)
{
    struct work *w = ctx;
    struct scrub_body b = { .place = w->place,
                            .body = buf_str(&w->body),
                            .content_type = str_from(w->type),
                            .out = &w->out };
    struct err err;

    if (scrub_body(w->rules, &b, &err) != SCRUB_SAME)
        abort(); /* nothing in these bodies is to be found */
    return w->body.len;
}

static void measure(struct work *w, const char *name, const char *aim)
{
    double rate = (double)w->body.len / 1e6 / bench_seconds(scrub_once, w);

    bench_row_beside(name, rate, "MB/s", "200 MB/s", rate / 200, aim);
    buf_release(&w->body);
    buf_release(&w->out);
}

int main(void)
{
    CLEANUP(scrub_free) struct scrub *s = scrub_new();
    struct err err;

    for (size_t i = 0; scrub_shipped_names()[i]; i++)
        if (scrub_add_shipped(s, str_from(scrub_shipped_names()[i]), SCRUB_EVERYWHERE, &err) < 0)
            abort();
    struct work unary = { .rules = s, .place = SCRUB_REQUESTS, .type = "application/json" };
    make_unary(&unary.body);
    measure(&unary, "redaction, all shipped rules, JSON of 5 KB", ">= 1.00");
    struct work stream = { .rules = s, .place = SCRUB_ANSWERS, .type = "text/event-stream" };
    make_stream(&stream.body);
    measure(&stream, "redaction, all shipped rules, event stream of 5 KB", "");
    return 0;
}
