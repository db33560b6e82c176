#include "config.h"

#include "llm/framing.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jscan.h"
#include "llm/framing_kinds.h"

#define BYTE_ORDER_MARK STR("\xef\xbb\xbf")

static unsigned bid_nothing(struct str first_bytes)
{
    (void)first_bytes;
    return 0;
}

static int feed_nothing(struct framer *f, struct str piece, struct err *err)
{
    (void)f;
    (void)piece;
    (void)err;
    return 0;
}

static int finish_nothing(struct framer *f, bool *ret_cut, struct err *err)
{
    (void)f;
    (void)ret_cut;
    (void)err;
    return 0;
}

static const struct framing_kind framing_kind_opaque = { "event", bid_nothing, feed_nothing,
                                                         finish_nothing };

static const struct framing_kind *const kinds[] = {
    [FRAMING_JSON] = &framing_kind_json,
    [FRAMING_SSE] = &framing_kind_sse,
    [FRAMING_NDJSON] = &framing_kind_ndjson,
    [FRAMING_JSON_ARRAY] = &framing_kind_json_array,
    [FRAMING_EVENTSTREAM] = &framing_kind_eventstream,
    [FRAMING_OPAQUE] = &framing_kind_opaque,
};
static_assert(ARRAY_LEN(kinds) == FRAMING_COUNT, "a row for each kind of framing");

/* --- the life of a framer --- */

struct framer *framer_new(enum framing kind, framing_event_fn fn, void *ctx)
{
    assert(kind < FRAMING_COUNT && fn);
    struct framer *f = mem_calloc(1, sizeof(*f));
    f->kind = kinds[kind];
    f->fn = fn;
    f->ctx = ctx;
    return f;
}

void framer_free(struct framer *f)
{
    if (!f)
        return;
    buf_release(&f->pending);
    buf_release(&f->sse.data);
    buf_release(&f->sse.name);
    free(f);
}

static int keep_failure(struct framer *f, const struct err *err)
{
    f->failed = true;
    f->why = *err;
    return -1;
}

int framer_feed(struct framer *f, struct str piece, struct err *err)
{
    assert(!f->finished);
    if (f->failed) {
        *err = f->why;
        return -1;
    }
    if (piece.len == 0)
        return 0;
    if (f->kind->feed(f, piece, err) < 0)
        return keep_failure(f, err);
    f->fed_bytes += piece.len;
    return 0;
}

int framer_finish(struct framer *f, bool *ret_cut, struct err *err)
{
    bool cut = false;

    assert(!f->finished);
    if (f->failed) {
        *err = f->why;
        return -1;
    }
    f->finished = true;
    if (f->kind->finish(f, &cut, err) < 0)
        return keep_failure(f, err);
    *ret_cut = cut;
    return 0;
}

/* --- for the kinds --- */

int framer_deliver(struct framer *f, struct framing_event event, struct err *err)
{
    event.index = f->index++;
    event.offset = f->event_offset;
    return f->fn(f->ctx, &event, err);
}

int framer_err(const struct framer *f, struct err *err, enum err_code code, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(err, code, "%s %" PRIu64 " at byte %" PRIu64 ": %s", f->kind->noun, f->index,
                   f->event_offset, text);
}

int framer_hold(struct framer *f, struct str bytes, struct err *err)
{
    if (bytes.len > FRAMING_EVENT_BYTES_MAX - f->pending.len)
        return framer_err(f, err, ERR_LIMIT, "longer than %u bytes", FRAMING_EVENT_BYTES_MAX);
    buf_add_str(&f->pending, bytes);
    return 0;
}

static size_t find_byte(struct str s, char c, size_t from)
{
    const char *at = from < s.len ? memchr(s.ptr + from, c, s.len - from) : NULL;

    return at ? (size_t)(at - s.ptr) : s.len;
}

static void begin_line(struct framer *f, uint64_t offset)
{
    f->line_offset = offset;
    if (!f->in_event)
        f->event_offset = offset;
}

struct str framer_pending(struct framer *f)
{
    struct str bytes = buf_str(&f->pending);

    if (f->line_offset == 0 && str_starts_with(bytes, BYTE_ORDER_MARK)) {
        begin_line(f, BYTE_ORDER_MARK.len);
        bytes = str_sub(bytes, BYTE_ORDER_MARK.len, bytes.len);
    }
    return bytes;
}

static int end_line(struct framer *f, struct str rest, framer_line_fn on_line, struct err *err)
{
    if (f->pending.len == 0 && f->line_offset > 0)
        return on_line(f, rest, err);
    if (framer_hold(f, rest, err) < 0)
        return -1;
    int r = on_line(f, framer_pending(f), err);
    buf_clear(&f->pending);
    return r;
}

int framer_feed_lines(struct framer *f, struct str piece, bool cr_ends, framer_line_fn on_line,
                      struct err *err)
{
    size_t at = 0;
    size_t lf = find_byte(piece, '\n', 0), cr = cr_ends ? find_byte(piece, '\r', 0) : piece.len;

    if (f->after_cr && lf == 0)
        at = 1;
    f->after_cr = false;
    while (at < piece.len) {
        /* Each is searched for again only once passed: linear, whatever the line ends. */
        if (lf < at)
            lf = find_byte(piece, '\n', at);
        if (cr < at)
            cr = find_byte(piece, '\r', at);
        size_t end = lf < cr ? lf : cr;
        if (f->pending.len == 0)
            begin_line(f, f->fed_bytes + at);
        if (end == piece.len)
            return framer_hold(f, str_sub(piece, at, piece.len), err);
        if (end_line(f, str_sub(piece, at, end - at), on_line, err) < 0)
            return -1;
        at = end + 1;
        f->after_cr = end == cr && at == piece.len;
        if (end == cr && at == lf && !f->after_cr)
            at++;
    }
    return 0;
}

enum framing_wholeness framing_wholeness_of(struct str text)
{
    struct jscan s;

    text = str_trim(text);
    if (str_eq(text, STR("[DONE]")))
        return FRAMING_WHOLE;
    jscan_init(&s, text);
    bool is_number = jscan_peek(&s) == JSCAN_NUMBER;
    jscan_skip(&s);
    if (s.failed)
        return s.failed_at == text.len ? FRAMING_CUT_SHORT : FRAMING_OTHER;
    if (!jscan_at_end(&s))
        return FRAMING_OTHER;
    return is_number ? FRAMING_CUT_SHORT : FRAMING_WHOLE;
}

/* --- guessing --- */

/* What a content type says, and how much that counts for when the bytes say nothing.  A body sent
 * as a picture is one whatever it begins with, unless checksums prove otherwise. */
struct type_row {
    struct str type; /* its beginning */
    enum framing kind;
    unsigned weight;
};

#define SURE         64
#define AGREED_BONUS 12 /* for a kind that type and bytes both speak for */

/* What most answers have comes first. */
static const struct type_row types[] = {
    {STR_INIT("text/event-stream"),                   FRAMING_SSE,         1   },
    { STR_INIT("application/jsonl"),                  FRAMING_NDJSON,      1   },
    { STR_INIT("application/json"),                   FRAMING_JSON,        1   },
    { STR_INIT("application/vnd.amazon.eventstream"), FRAMING_EVENTSTREAM, 1   },
    { STR_INIT("application/x-ndjson"),               FRAMING_NDJSON,      1   },
    { STR_INIT("application/ndjson"),                 FRAMING_NDJSON,      1   },
    { STR_INIT("application/x-jsonl"),                FRAMING_NDJSON,      1   },
    { STR_INIT("application/stream+json"),            FRAMING_NDJSON,      1   },
    { STR_INIT("text/json"),                          FRAMING_JSON,        1   },
    { STR_INIT("application/problem+json"),           FRAMING_JSON,        1   },
    { STR_INIT("audio/"),                             FRAMING_OPAQUE,      SURE},
    { STR_INIT("image/"),                             FRAMING_OPAQUE,      SURE},
    { STR_INIT("video/"),                             FRAMING_OPAQUE,      SURE},
    { STR_INIT("multipart/"),                         FRAMING_OPAQUE,      SURE},
    { STR_INIT("application/pdf"),                    FRAMING_OPAQUE,      SURE},
    { STR_INIT("application/zip"),                    FRAMING_OPAQUE,      SURE},
};

#define TYPE_JSON 2

static const struct type_row *find_type(struct str content_type)
{
    content_type = str_trim(content_type);
    if (str_eq(content_type, STR("application/json"))) /* as nearly all that are no streams */
        return &types[TYPE_JSON];
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_istarts_with(content_type, types[i].type))
            return &types[i];
    return NULL;
}

enum framing framing_guess(struct str content_type, struct str first_bytes)
{
    const struct type_row *type = find_type(content_type);
    enum framing best = FRAMING_OPAQUE;
    unsigned best_score = 0;

    if (!first_bytes.len) /* which is no kind's */
        return type ? type->kind : FRAMING_JSON;
    if (str_starts_with(first_bytes, BYTE_ORDER_MARK))
        first_bytes = str_sub(first_bytes, BYTE_ORDER_MARK.len, first_bytes.len);
    for (unsigned kind = 0; kind < FRAMING_COUNT; kind++) {
        unsigned score = kinds[kind]->bid(first_bytes);
        if (type && type->kind == kind)
            score += score ? AGREED_BONUS : type->weight;
        if (score > best_score) {
            best = kind;
            best_score = score;
        }
    }
    return best;
}
