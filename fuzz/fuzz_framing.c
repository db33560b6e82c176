/* Framing over arbitrary bytes.  The first byte picks the kind and the size of the pieces; the body
 * in pieces must give what the body in one gives.  Checksums would keep a fuzzer out of an event
 * stream's headers, so one kind more has them made right here. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/crc.h"
#include "llm/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct buf log;
    size_t body_bytes;
    uint64_t events;
    int result;
    bool cut;
    struct err err;
};

static int on_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct outcome *o = ctx;

    (void)err;
    assert(e->index == o->events++ && e->offset < o->body_bytes);
    buf_addf(&o->log, "%llu %d ", (unsigned long long)e->offset, e->is_exception);
    buf_add_str(&o->log, e->name);
    buf_add_byte(&o->log, ' ');
    buf_add_str(&o->log, e->data);
    buf_add_byte(&o->log, ' ');
    buf_add_str(&o->log, e->error_message);
    buf_add_byte(&o->log, '\n');
    return 0;
}

static void frame(enum framing kind, struct str body, size_t step, struct outcome *o)
{
    CLEANUP(framer_free) struct framer *f = framer_new(kind, on_event, o);

    o->body_bytes = body.len;
    for (size_t at = 0; at < body.len && o->result == 0; at += step)
        o->result = framer_feed(f, str_sub(body, at, step), &o->err);
    if (o->result == 0)
        o->result = framer_finish(f, &o->cut, &o->err);
}

static void add_be32(struct buf *out, size_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(out, (char)(value >> shift));
}

/* Two frames of an event stream, each with bytes for its headers. */
static void add_frames(struct buf *out, struct str bytes)
{
    for (int i = 0; i < 2; i++) {
        size_t from = out->len;
        struct str headers = str_sub(bytes, i ? bytes.len / 2 : 0, bytes.len / 2);
        add_be32(out, 16 + headers.len + 2);
        add_be32(out, headers.len);
        add_be32(out, crc32_ieee(0, out->ptr + from, 8));
        buf_add_str(out, headers);
        buf_add_text(out, "{}");
        add_be32(out, crc32_ieee(0, out->ptr + from, out->len - from));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf frames = { 0 };
    struct outcome whole = { 0 }, pieces = { 0 };

    if (size == 0)
        return 0;
    struct str body = { (const char *)data + 1, size - 1 };
    unsigned kind = data[0] % (FRAMING_COUNT + 1);
    if (kind == FRAMING_COUNT) {
        kind = FRAMING_EVENTSTREAM;
        add_frames(&frames, body);
        body = buf_str(&frames);
    }
    frame(kind, body, body.len + 1, &whole);
    frame(kind, body, data[0] / (FRAMING_COUNT + 1) % 16 + 1, &pieces);
    assert(whole.result == pieces.result && whole.cut == pieces.cut);
    assert(str_eq(buf_str(&whole.log), buf_str(&pieces.log)));
    assert(strcmp(whole.err.text, pieces.err.text) == 0);
    framing_guess(str_sub(body, 0, data[0] % 64), body);
    buf_release(&whole.log);
    buf_release(&pieces.log);
    return 0;
}
