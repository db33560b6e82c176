#include "config.h"

#include "capture/seal_exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"

#define ORIGIN_ROWS "import:rows"

void seal_scratch_release(struct seal_scratch *s)
{
    arena_release(&s->arena);
    buf_release(&s->request);
    buf_release(&s->response);
    free(s->chunks);
    *s = (struct seal_scratch){ 0 };
}

/* One body being decoded. */
struct decoding {
    struct str encoding, body;
    const struct exchange_chunk *chunks; /* of the encoded body */
    size_t chunk_count;
    struct buf *out;
    struct exchange_chunk *ret_chunks; /* of the decoded body, as many */
    bool cut;                          /* the encoding ended early */
};

static int decode_pieces(struct codec *codec, struct decoding *d, struct err *err)
{
    size_t at = 0;

    if (!d->chunk_count)
        return codec_decode(codec, d->body, EXCHANGE_BODY_BYTES_MAX, d->out, err);
    for (size_t i = 0; i < d->chunk_count; i++) {
        struct str piece = str_sub(d->body, at, (size_t)d->chunks[i].bytes);
        size_t before = d->out->len;
        if (codec_decode(codec, piece, EXCHANGE_BODY_BYTES_MAX, d->out, err) < 0)
            return -1;
        d->ret_chunks[i] = (struct exchange_chunk){ .offset_us = d->chunks[i].offset_us,
                                                    .bytes = d->out->len - before };
        at += piece.len;
    }
    return 0;
}

static int decode(struct decoding *d, struct err *err)
{
    CLEANUP(codec_close) struct codec *codec = NULL;

    buf_clear(d->out);
    if (codec_open(d->encoding, &codec, err) < 0 || decode_pieces(codec, d, err) < 0)
        return -1;
    d->cut = !codec_is_complete(codec);
    return 0;
}

static void note(struct exchange *x, struct seal_scratch *s, const char *what, const char *why)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (x->body_note)
        buf_addf(&text, "%s; ", x->body_note);
    buf_addf(&text, "%s body: %s", what, why);
    x->body_note = arena_str(&s->arena, buf_str(&text)).ptr;
}

static void decode_request(struct exchange *x, struct seal_scratch *s)
{
    struct decoding d = {
        .encoding =
            call_header_find(x->request_headers, x->request_header_count, "content-encoding"),
        .body = x->request_body,
        .out = &s->request,
    };
    struct err err;

    if (decode(&d, &err) < 0) {
        note(x, s, "request", err.text);
        return;
    }
    if (d.cut)
        note(x, s, "request", "its content encoding ends early");
    x->request_body = buf_str(d.out);
    x->request_body_encoded = false;
}

static void decode_response(struct exchange *x, struct seal_scratch *s)
{
    struct decoding d = {
        .encoding =
            call_header_find(x->response_headers, x->response_header_count, "content-encoding"),
        .body = x->response_body,
        .chunks = x->chunks,
        .chunk_count = x->chunk_count,
        .out = &s->response,
    };
    struct err err;

    if (s->chunk_cap < x->chunk_count) {
        s->chunk_cap = 2 * x->chunk_count;
        s->chunks = mem_realloc(s->chunks, s->chunk_cap * sizeof(*s->chunks));
    }
    d.ret_chunks = s->chunks;
    if (decode(&d, &err) < 0) {
        note(x, s, "response", err.text);
        return;
    }
    /* Whoever framed the message thought it whole, yet a part is missing: usage that stands at the
     * end of a stream may be in that part. */
    if (d.cut) {
        note(x, s, "response", "its content encoding ends early");
        x->truncated = true;
    }
    x->response_body = buf_str(d.out);
    x->response_body_encoded = false;
    if (x->chunk_count)
        x->chunks = s->chunks;
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
    /* What the wire showed explains a call of which nothing else says that it failed. */
    if (x->transport_error != ERROR_CLASS_NONE && x->facts.error_class == ERROR_CLASS_NONE)
        x->facts.error_class = x->transport_error;
}

static void hide_end_user(struct exchange *x, const struct key *key, struct seal_scratch *s)
{
    char fingerprint[FINGERPRINT_TEXT_BYTES];

    if (!x->facts.end_user.len)
        return;
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
