/* The format is described in llm/framing_eventstream.c. */
#include "config.h"

#include "capture/scrub_frames.h"

#include <string.h>

#include "base/base64.h"
#include "base/crc.h"
#include "base/jscan.h"
#include "capture/scrub_chunks.h"
#include "capture/scrub_edits.h"

#define PRELUDE_BYTES 12u
#define CRC_BYTES     4u

struct frame {
    uint32_t start, headers_end, end; /* in the body; end includes the checksum */
    struct scrub_range inner;         /* its JSON, in s->inner */
    /* Of a payload that wraps another: where the base64 stands in the body; else 0. */
    uint32_t wrapped_start, wrapped_end;
};

struct frames {
    struct frame *ptr;
    size_t len, cap;
};

static uint32_t be32_get(const char *at)
{
    const uint8_t *b = (const uint8_t *)at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void be32_put(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (24 - 8 * i));
}

/* A whole frame at; false if there is none. */
static bool find_frame(struct str body, size_t at, struct frame *ret)
{
    if (body.len - at < PRELUDE_BYTES + CRC_BYTES)
        return false;
    const char *head = body.ptr + at;
    uint32_t len = be32_get(head), headers = be32_get(head + 4);
    if (crc32_ieee(0, head, 8) != be32_get(head + 8) || len < PRELUDE_BYTES + CRC_BYTES ||
        len > body.len - at || headers > len - PRELUDE_BYTES - CRC_BYTES ||
        crc32_ieee(0, head, len - CRC_BYTES) != be32_get(head + len - CRC_BYTES))
        return false;
    *ret = (struct frame){ .start = (uint32_t)at,
                           .headers_end = (uint32_t)at + PRELUDE_BYTES + headers,
                           .end = (uint32_t)at + len };
    return true;
}

/* The string member "bytes", as model invocations stream another provider's events. */
static bool find_wrapped(struct str payload, struct str *ret)
{
    struct jscan s;
    struct str key;
    bool escaped;

    jscan_init(&s, payload);
    if (!jscan_enter_object(&s))
        return false;
    while (jscan_next_member(&s, &key))
        if (str_eq(key, STR("bytes")))
            return jscan_string_raw(&s, ret, &escaped) && !escaped;
    return false;
}

/* Adds what the frame carries to s->inner. */
static void unwrap(struct scrub *s, struct str body, struct frame *f)
{
    struct str payload = str_sub(body, f->headers_end, f->end - CRC_BYTES - f->headers_end);
    struct str wrapped;
    struct err ignored;

    f->inner.start = (uint32_t)s->inner.len;
    buf_clear(&s->spare);
    if (find_wrapped(payload, &wrapped) && base64_decode(&s->spare, wrapped, &ignored) == 0) {
        f->wrapped_start = (uint32_t)(wrapped.ptr - body.ptr);
        f->wrapped_end = f->wrapped_start + (uint32_t)wrapped.len;
        buf_add_str(&s->inner, buf_str(&s->spare));
    } else {
        buf_add_str(&s->inner, payload);
    }
    f->inner.end = (uint32_t)s->inner.len;
}

static size_t read_frames(struct scrub *s, struct str body, struct frames *ret)
{
    struct frame f;
    size_t at = 0;

    buf_clear(&s->inner);
    while (find_frame(body, at, &f)) {
        unwrap(s, body, &f);
        vec_push(ret, f);
        at = f.end;
    }
    return at;
}

static bool is_changed(const struct scrub *s, const struct frame *f, size_t index)
{
    return index < s->edits.len && s->edits.ptr[index].start < f->inner.end;
}

/* The frame with its payload edited. */
static void write_frame(struct scrub *s, struct str body, const struct frame *f, size_t *index,
                        struct buf *out)
{
    size_t start = out->len;

    if (!is_changed(s, f, *index)) {
        buf_add_str(out, str_sub(body, f->start, f->end - f->start));
        return;
    }
    buf_add_str(out, str_sub(body, f->start, f->headers_end - f->start));
    if (f->wrapped_start) {
        buf_clear(&s->spare);
        scrub_apply(s, buf_str(&s->inner), f->inner.start, f->inner.end, index, &s->spare);
        buf_add_str(out, str_sub(body, f->headers_end, f->wrapped_start - f->headers_end));
        base64_encode(out, buf_str(&s->spare));
        buf_add_str(out, str_sub(body, f->wrapped_end, f->end - CRC_BYTES - f->wrapped_end));
    } else {
        scrub_apply(s, buf_str(&s->inner), f->inner.start, f->inner.end, index, out);
    }
    char *head = out->ptr + start;
    be32_put(head, (uint32_t)(out->len - start + CRC_BYTES));
    be32_put(head + 8, crc32_ieee(0, head, 8));
    char crc[CRC_BYTES];
    be32_put(crc, crc32_ieee(0, head, out->len - start));
    buf_add(out, crc, sizeof(crc));
}

/* Headers hold names and short values, an error's message among them; lengths must stay. */
static int mask_headers(struct scrub *s, const struct frame *f, char *frame, unsigned place,
                        struct err *err)
{
    size_t len = f->headers_end - f->start - PRELUDE_BYTES;
    size_t total = be32_get(frame);

    s->hits.len = 0;
    if (scrub_rules_match(&s->rules, place, (struct str){ frame + PRELUDE_BYTES, len }, &s->hits,
                          err) < 0)
        return -1;
    for (size_t i = 0; i < s->hits.len; i++) {
        const struct scrub_hit *h = &s->hits.ptr[i];
        memset(frame + PRELUDE_BYTES + h->start, '*', h->end - h->start);
        s->rules.all.ptr[h->rule].counted++;
    }
    if (s->hits.len)
        be32_put(frame + total - CRC_BYTES, crc32_ieee(0, frame, total - CRC_BYTES));
    return s->hits.len > 0;
}

static int write_frames(struct scrub *s, struct scrub_body *b, const struct frames *frames,
                        struct scrub_borders *borders, struct err *err)
{
    size_t index = 0;
    int changed = 0;

    for (size_t i = 0; i < frames->len; i++) {
        const struct frame *f = &frames->ptr[i];
        size_t start = b->out->len;
        changed |= is_changed(s, f, index);
        write_frame(s, b->body, f, &index, b->out);
        int r = mask_headers(s, f, b->out->ptr + start, b->place, err);
        if (r < 0)
            return -1;
        changed |= r;
        scrub_borders_pass(borders, f->end, b->out->len);
    }
    return changed;
}

static int find_edits(struct scrub *s, unsigned place, const struct frames *frames, struct err *err)
{
    VEC(struct scrub_range) events = { 0 };

    for (size_t i = 0; i < frames->len; i++)
        vec_push(&events, frames->ptr[i].inner);
    int r = scrub_find_event_edits(s, place, buf_str(&s->inner), events.ptr, events.len, err);
    vec_release(&events);
    return r;
}

enum scrub_result scrub_frames(struct scrub *s, struct scrub_body *b, struct err *err)
{
    struct frames frames = { 0 };
    struct scrub_borders borders = scrub_borders_of(b);
    size_t end = read_frames(s, b->body, &frames);
    int r = find_edits(s, b->place, &frames, err);

    buf_clear(b->out);
    if (r == 0)
        r = write_frames(s, b, &frames, &borders, err);
    vec_release(&frames);
    if (r < 0)
        return SCRUB_FAILED;
    if (!r && end == b->body.len)
        return SCRUB_SAME;
    scrub_borders_end(&borders, b->out->len);
    return SCRUB_CHANGED;
}
