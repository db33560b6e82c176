/* The rules of the section `redaction`, applied to a record before any of it is written. */
#include "config.h"

#include "capture/body_decode.h"
#include "capture/import_who.h"
#include "capture/scrub.h"

#define UNREAD_MARK "[redacted]"

struct scrubbing {
    struct import *im;
    struct scrub *rules;
    struct buf out;
};

static void note_report(struct scrubbing *s, const char *what)
{
    struct exchange *x = &s->im->record.x;
    CLEANUP(buf_release) struct buf report = { 0 };

    if (!scrub_report(s->rules, &report))
        return;
    buf_addf(&report, " redacted");
    x->body_note = body_note_add(x->body_note, what, buf_cstr(&report), &s->im->arena);
}

static void scrub_value(struct scrubbing *s, struct str *value)
{
    struct err err;

    switch (scrub_text(s->rules, *value, &s->out, &err)) {
    case SCRUB_SAME:
        return;
    case SCRUB_CHANGED:
        *value = arena_str(&s->im->arena, buf_str(&s->out));
        return;
    case SCRUB_FAILED:
        *value = STR(UNREAD_MARK);
    }
}

static void scrub_labels(struct scrubbing *s, struct str *labels)
{
    struct scrub_body b = { .place = SCRUB_HEADS, .body = *labels, .out = &s->out };
    struct err err;

    switch (scrub_body(s->rules, &b, &err)) {
    case SCRUB_SAME:
        return;
    case SCRUB_CHANGED:
        *labels = arena_str(&s->im->arena, buf_str(&s->out));
        return;
    case SCRUB_FAILED:
        *labels = STR("");
    }
}

static void scrub_heads(struct scrubbing *s)
{
    struct exchange *x = &s->im->record.x;
    struct str *const values[] = { &x->path, &x->query, &x->user_agent, &x->who.app };

    for (size_t i = 0; i < x->request_header_count; i++)
        scrub_value(s, &x->request_headers[i].value);
    for (size_t i = 0; i < x->response_header_count; i++)
        scrub_value(s, &x->response_headers[i].value);
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        scrub_value(s, values[i]);
    scrub_labels(s, &x->labels);
    scrub_report(s->rules, &s->out); /* notes are about bodies */
}

static void leave_out(struct scrubbing *s, bool is_request, const char *why)
{
    struct exchange *x = &s->im->record.x;

    *(is_request ? &x->request_body : &x->response_body) = (struct str){ 0 };
    *(is_request ? &x->request_body_missing : &x->response_body_missing) = true;
    if (!is_request)
        x->chunk_count = 0;
    x->body_note =
        body_note_add(x->body_note, is_request ? "request" : "response", why, &s->im->arena);
}

static void scrub_one_body(struct scrubbing *s, bool is_request)
{
    struct exchange *x = &s->im->record.x;
    struct str *body = is_request ? &x->request_body : &x->response_body;
    struct scrub_body b = {
        .place = is_request ? SCRUB_REQUESTS : SCRUB_ANSWERS,
        .body = *body,
        .content_type = call_header_find(
            is_request ? x->request_headers : x->response_headers,
            is_request ? x->request_header_count : x->response_header_count, "content-type"),
        .chunks = is_request ? NULL : x->chunks,
        .chunk_count = is_request ? 0 : x->chunk_count,
        .out = &s->out,
    };
    struct err err;

    if (!body->len || !scrub_applies(s->rules, b.place))
        return;
    if (is_request ? x->request_body_encoded : x->response_body_encoded) {
        leave_out(s, is_request, "redaction cannot see through its content encoding");
        return;
    }
    switch (scrub_body(s->rules, &b, &err)) {
    case SCRUB_SAME:
        return;
    case SCRUB_CHANGED:
        *body = arena_str(&s->im->arena, buf_str(&s->out));
        note_report(s, is_request ? "request" : "response");
        return;
    case SCRUB_FAILED:
        leave_out(s, is_request, err.text);
    }
}

void import_scrub(struct import *im)
{
    const struct conf *conf = im->options.conf;
    struct exchange *x = &im->record.x;
    struct scrubbing s = { .im = im,
                           .rules = conf ? conf_scrub_for(conf, x->upstream, x->who.app) : NULL };

    if (!s.rules)
        return;
    import_settle_user(im);
    if (scrub_applies(s.rules, SCRUB_HEADS))
        scrub_heads(&s);
    scrub_one_body(&s, true);
    scrub_one_body(&s, false);
    buf_release(&s.out);
}
