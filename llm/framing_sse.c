/* Server-sent events: WHATWG HTML 9.2.5 and 9.2.6 (living standard, 2026). */
#include "config.h"

#include "llm/framing_kinds.h"

/* Copies the line that was left where it is. */
static void keep_only(struct framer *f)
{
    struct str only = f->sse.only;

    if (!only.ptr)
        return;
    buf_add_str(&f->sse.data, only);
    buf_add_byte(&f->sse.data, '\n');
    f->sse.only = (struct str){ 0 };
}

static int add_data(struct framer *f, struct str value, struct err *err)
{
    keep_only(f);
    if (value.len + 1 > FRAMING_EVENT_BYTES_MAX - f->sse.data.len)
        return framer_err(f, err, ERR_LIMIT, "longer than %u bytes", FRAMING_EVENT_BYTES_MAX);
    /* Most events have one line, and most lines stay where they are until their event ends. */
    bool may_stay = !f->sse.has_data && !f->pending.len;
    f->sse.only = value.ptr ? value : STR("");
    f->sse.has_data = f->in_event = true;
    if (!may_stay)
        keep_only(f);
    return 0;
}

static struct str event_data(const struct framer *f)
{
    if (f->sse.only.ptr)
        return f->sse.only;
    return (struct str){ f->sse.data.ptr, f->sse.data.len - 1 }; /* not the last newline */
}

static int dispatch(struct framer *f, struct err *err)
{
    int r = 0;

    if (f->sse.has_data) {
        struct framing_event event = {
            .name = buf_str(&f->sse.name),
            .data = event_data(f),
        };
        r = framer_deliver(f, event, err);
    }
    buf_clear(&f->sse.data);
    buf_clear(&f->sse.name);
    f->sse.only = (struct str){ 0 };
    f->sse.has_data = false;
    f->in_event = false;
    return r;
}

static int on_line(struct framer *f, struct str line, struct err *err)
{
    struct str value = line, field;

    if (line.len == 0)
        return dispatch(f, err);
    str_split(&value, ':', &field); /* a comment's field is empty */
    if (value.len && value.ptr[0] == ' ')
        value = str_sub(value, 1, value.len);
    if (str_eq(field, STR("data")))
        return add_data(f, value, err);
    if (str_eq(field, STR("event"))) {
        buf_clear(&f->sse.name);
        buf_add_str(&f->sse.name, value);
        f->in_event = true;
    }
    return 0; /* id and retry steer a browser's reconnection, unknown fields are ignored */
}

static int feed_sse(struct framer *f, struct str piece, struct err *err)
{
    int r = framer_feed_lines(f, piece, true, on_line, err);

    keep_only(f); /* the piece may be gone by the next one */
    return r;
}

/* A browser drops an event without its blank line.  We deliver it if it can be told to be whole:
 * the last usage of many streams is there. */
static int finish_sse(struct framer *f, bool *ret_cut, struct err *err)
{
    bool in_line = f->pending.len > 0;

    if (in_line) {
        struct str line = framer_pending(f);
        in_line = line.len && line.ptr[0] != ':';
        if (in_line && on_line(f, line, err) < 0)
            return -1;
    }
    if (f->sse.has_data) {
        enum framing_wholeness whole = framing_wholeness_of(event_data(f));
        if (whole == FRAMING_WHOLE || (whole == FRAMING_OTHER && !in_line))
            return dispatch(f, err);
    }
    *ret_cut = in_line || f->in_event;
    return 0;
}

struct sse_word {
    struct str text;
    unsigned bits;
};

static unsigned bid_sse(struct str first_bytes)
{
    static const struct sse_word words[] = {
        {STR_INIT("data:"),   40},
        { STR_INIT("event:"), 48},
        { STR_INIT("id:"),    24},
        { STR_INIT("retry:"), 48},
        { STR_INIT(":"),      8 },
    };
    struct str text = str_trim(first_bytes);

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_starts_with(text, words[i].text))
            return words[i].bits;
    return 0;
}

const struct framing_kind framing_kind_sse = { "event", bid_sse, feed_sse, finish_sse };
