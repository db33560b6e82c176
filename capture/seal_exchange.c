#include "config.h"

#include "capture/seal_exchange.h"

#include <stdlib.h>

#include "capture/body_decode.h"
#include "llm/content.h"

#define ORIGIN_ROWS "import:rows"

void seal_scratch_release(struct seal_scratch *s)
{
    arena_release(&s->arena);
    buf_release(&s->request);
    buf_release(&s->response);
    free(s->chunks);
    *s = (struct seal_scratch){ 0 };
}

static void decode_request(struct exchange *x, struct seal_scratch *s)
{
    struct body_decoding d = {
        .body = x->request_body,
        .encoding =
            call_header_find(x->request_headers, x->request_header_count, "content-encoding"),
        .media_type = call_header_find(x->request_headers, x->request_header_count, "content-type"),
        .told = true,
        .out = &s->request,
    };
    struct err err;

    switch (body_decode(&d, &err)) {
    case BODY_ENCODED:
        x->body_note = body_note_add(x->body_note, "request", err.text, &s->arena);
        return;
    case BODY_DECODED:
        x->request_body = buf_str(d.out);
        if (d.ret_cut)
            x->body_note = body_note_add(x->body_note, "request", BODY_NOTE_CUT, &s->arena);
        break;
    case BODY_PLAIN:
        break;
    }
    x->request_body_encoded = false;
}

/* Makes room for the chunks of the decoded answer. */
static struct exchange_chunk *reserve_chunks(const struct exchange *x, struct seal_scratch *s)
{
    if (s->chunk_cap < x->chunk_count) {
        s->chunk_cap = 2 * x->chunk_count;
        s->chunks = mem_realloc(s->chunks, s->chunk_cap * sizeof(*s->chunks));
    }
    return s->chunks;
}

static void take_response(struct exchange *x, const struct body_decoding *d, struct seal_scratch *s)
{
    /* Whoever framed the message thought it whole, yet a part is missing: usage that stands at the
     * end of a stream may be in that part. */
    if (d->ret_cut) {
        x->body_note = body_note_add(x->body_note, "response", BODY_NOTE_CUT, &s->arena);
        x->truncated = true;
    }
    x->response_body = buf_str(d->out);
    if (x->chunk_count)
        x->chunks = d->ret_chunks;
}

static void decode_response(struct exchange *x, struct seal_scratch *s)
{
    struct body_decoding d = {
        .body = x->response_body,
        .encoding =
            call_header_find(x->response_headers, x->response_header_count, "content-encoding"),
        .media_type =
            call_header_find(x->response_headers, x->response_header_count, "content-type"),
        .told = true,
        .chunks = x->chunks,
        .chunk_count = x->chunk_count,
        .out = &s->response,
        .ret_chunks = reserve_chunks(x, s),
    };
    struct err err;

    switch (body_decode(&d, &err)) {
    case BODY_ENCODED:
        x->body_note = body_note_add(x->body_note, "response", err.text, &s->arena);
        return;
    case BODY_DECODED:
        take_response(x, &d, s);
        break;
    case BODY_PLAIN:
        break;
    }
    x->response_body_encoded = false;
}

static size_t chunk_bytes(void *ctx, size_t index)
{
    const struct exchange *x = ctx;

    return (size_t)x->chunks[index].bytes;
}

/* Nobody looks for it while a call is carried: when each piece came is known now as well. */
static void find_first_token(struct exchange *x)
{
    const struct content_stream s = {
        .api = x->facts.api,
        .media_type =
            call_header_find(x->response_headers, x->response_header_count, "content-type"),
        .body = x->response_body,
        .piece_count = x->chunk_count,
        .piece_bytes = chunk_bytes,
        .ctx = x,
    };
    size_t chunk;

    if (x->first_token_us < 0 && x->facts.stream && x->status > 0 && x->status < 400 &&
        !x->response_body_encoded && content_begins(&s, &chunk))
        x->first_token_us = (int64_t)x->chunks[chunk].offset_us;
}

static void read_facts(struct exchange *x, struct seal_scratch *s)
{
    struct call call = exchange_call(x);

    /* Bytes that cannot be decoded say nothing. */
    if (x->request_body_encoded) {
        call.request_body = (struct str){ 0 };
        call.request_body_missing = true;
    }
    if (x->response_body_encoded) {
        call.response_body = (struct str){ 0 };
        call.response_body_missing = true;
    }
    call_read(&call, &s->arena, &x->facts);
    x->truncated |= x->facts.cut; /* the wire may have looked whole while the message was not */
    x->facts.error_class = exchange_error(x);
    find_first_token(x);
}

static void hide_end_user(struct exchange *x, const struct key *key, struct seal_scratch *s)
{
    char fingerprint[FINGERPRINT_TEXT_BYTES];

    if (!x->facts.end_user.len)
        return;
    /* Who recorded it saw the body before anything was redacted in it. */
    if (!str_eq(x->origin, STR(ORIGIN_ROWS)) && x->who.end_user.len) {
        x->facts.end_user = x->who.end_user;
        return;
    }
    key_fingerprint(key, "user", x->facts.end_user, fingerprint);
    x->facts.end_user = arena_str(&s->arena, str_from(fingerprint));
    if (!x->who.end_user.len)
        x->who.end_user = x->facts.end_user;
}

void seal_exchange(struct exchange *x, const struct key *key, struct seal_scratch *s)
{
    arena_reset(&s->arena);
    if (x->request_body_encoded)
        decode_request(x, s);
    if (x->response_body_encoded)
        decode_response(x, s);
    if (!str_eq(x->origin, STR(ORIGIN_ROWS)))
        read_facts(x, s);
    hide_end_user(x, key, s);
}
