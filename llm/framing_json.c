/* Bodies of JSON text: one value, one value a line, or an array that arrives element by element. */
#include "config.h"

#include <string.h>

#include "base/jscan.h"
#include "llm/framing_kinds.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Delivers text, part of a run of bytes that began at offset, without the blanks around it. */
static int deliver_trimmed(struct framer *f, struct str text, uint64_t offset, struct err *err)
{
    struct str trimmed = str_trim(text);

    f->event_offset = offset + (uint64_t)(trimmed.ptr - text.ptr);
    return framer_deliver(f, (struct framing_event){ .data = trimmed }, err);
}

/* --- one value --- */

static int feed_json(struct framer *f, struct str piece, struct err *err)
{
    return framer_hold(f, piece, err);
}

/* A body that is no JSON at all (a proxy's HTML) is delivered as it is: its reader says what is
 * wrong with it. */
static int finish_json(struct framer *f, bool *ret_cut, struct err *err)
{
    struct str body = framer_pending(f), text = str_trim(body);
    struct jscan s;

    if (text.len == 0)
        return 0;
    jscan_init(&s, text);
    jscan_skip(&s);
    if (s.failed && s.failed_at == text.len) {
        *ret_cut = true;
        return 0;
    }
    return deliver_trimmed(f, body, f->line_offset, err);
}

static unsigned bid_json(struct str first_bytes)
{
    struct str text = str_trim(first_bytes);

    return text.len && text.ptr[0] == '{' ? 8 : 0;
}

const struct framing_kind framing_kind_json = { "event", bid_json, feed_json, finish_json };

/* --- one value a line --- */

static int on_line(struct framer *f, struct str line, struct err *err)
{
    if (str_trim(line).len == 0)
        return 0;
    return deliver_trimmed(f, line, f->line_offset, err);
}

static int feed_ndjson(struct framer *f, struct str piece, struct err *err)
{
    return framer_feed_lines(f, piece, false, on_line, err);
}

static int finish_ndjson(struct framer *f, bool *ret_cut, struct err *err)
{
    struct str line = framer_pending(f);

    if (str_trim(line).len == 0)
        return 0;
    if (framing_wholeness_of(line) != FRAMING_WHOLE) {
        *ret_cut = true;
        return 0;
    }
    return deliver_trimmed(f, line, f->line_offset, err);
}

/* A line that ends inside a value is not NDJSON but one value printed over several lines. */
static unsigned bid_ndjson(struct str first_bytes)
{
    struct str rest = str_trim(first_bytes), line;

    if (rest.len == 0 || rest.ptr[0] != '{')
        return 0;
    str_split(&rest, '\n', &line);
    rest = str_trim(rest);
    if (rest.len == 0)
        return 4;
    if (framing_wholeness_of(line) != FRAMING_WHOLE)
        return 0;
    return rest.ptr[0] == '{' ? 24 : 0;
}

const struct framing_kind framing_kind_ndjson = { "event", bid_ndjson, feed_ndjson, finish_ndjson };

/* --- an array, element by element --- */

/* What one byte, at f->event_offset, does outside of an element. */
static int on_byte_before(struct framer *f, char c, struct err *err)
{
    if (c == '[') {
        f->array.place = ARRAY_FIRST;
        return 0;
    }
    if (f->event_offset < 3 && c == "\xef\xbb\xbf"[f->event_offset])
        return 0;
    return framer_err(f, err, ERR_CORRUPT, "expected the '[' of a JSON array");
}

static int on_byte_after(struct framer *f, char c, struct err *err)
{
    if (c != ',' && c != ']')
        return framer_err(f, err, ERR_CORRUPT, "expected ',' or ']' after an element");
    f->array.place = c == ',' ? ARRAY_ELEMENT : ARRAY_DONE;
    return 0;
}

static int on_byte_done(struct framer *f, char c, struct err *err)
{
    (void)c;
    return framer_err(f, err, ERR_CORRUPT, "bytes follow the array's end");
}

static int on_byte_element(struct framer *f, char c, struct err *err)
{
    if (c == ']' && f->array.place == ARRAY_FIRST) {
        f->array.place = ARRAY_DONE;
        return 0;
    }
    if (!strchr("{[\"-0123456789tfn", c) || c == '\0')
        return framer_err(f, err, ERR_CORRUPT, "expected a JSON value");
    f->array = (struct array_state){
        .place = c == '{' || c == '[' || c == '"' ? ARRAY_NESTED : ARRAY_SCALAR,
    };
    return 0;
}

typedef int (*array_byte_fn)(struct framer *f, char c, struct err *err);

static const array_byte_fn on_byte[ARRAY_PLACES] = {
    [ARRAY_BEFORE] = on_byte_before,   [ARRAY_FIRST] = on_byte_element,
    [ARRAY_ELEMENT] = on_byte_element, [ARRAY_FOLLOWED] = on_byte_after,
    [ARRAY_DONE] = on_byte_done,
};

/* The index past the last byte of a nested element, *ret_ended saying whether it is in the piece.
 */
static size_t pass_nested(struct array_state *a, struct str piece, size_t at, bool *ret_ended)
{
    for (; at < piece.len; at++) {
        char c = piece.ptr[at];
        if (a->escaped) {
            a->escaped = false;
            continue;
        }
        if (c == '"')
            a->in_string = !a->in_string;
        else if (a->in_string)
            a->escaped = c == '\\';
        else if ((c | 0x20) == '{')
            a->depth++;
        else if ((c | 0x20) == '}')
            a->depth--;
        if (a->depth == 0 && !a->in_string) {
            *ret_ended = true;
            return at + 1;
        }
    }
    *ret_ended = false;
    return at;
}

static size_t pass_scalar(struct str piece, size_t at, bool *ret_ended)
{
    while (at < piece.len && !is_blank(piece.ptr[at]) && piece.ptr[at] != ',' &&
           piece.ptr[at] != ']')
        at++;
    *ret_ended = at < piece.len;
    return at;
}

/* Reads on in the element at piece[*at]; delivers it when its end has come. */
static int read_element(struct framer *f, struct str piece, size_t *at, struct err *err)
{
    bool ended;
    size_t end = f->array.place == ARRAY_NESTED ? pass_nested(&f->array, piece, *at, &ended)
                                                : pass_scalar(piece, *at, &ended);
    struct str part = str_sub(piece, *at, end - *at);

    *at = end;
    if (!ended || f->pending.len) {
        if (framer_hold(f, part, err) < 0)
            return -1;
        part = buf_str(&f->pending);
    }
    if (!ended)
        return 0;
    f->array.place = ARRAY_FOLLOWED;
    int r = framer_deliver(f, (struct framing_event){ .data = part }, err);
    buf_clear(&f->pending);
    return r;
}

static int feed_array(struct framer *f, struct str piece, struct err *err)
{
    size_t at = 0;

    while (at < piece.len) {
        array_byte_fn fn = on_byte[f->array.place];
        char c = piece.ptr[at];
        if (!fn) {
            if (read_element(f, piece, &at, err) < 0)
                return -1;
        } else if (is_blank(c)) {
            at++;
        } else {
            f->event_offset = f->fed_bytes + at;
            if (fn(f, c, err) < 0)
                return -1;
            if (on_byte[f->array.place]) /* else it is an element's first byte */
                at++;
        }
    }
    return 0;
}

static int finish_array(struct framer *f, bool *ret_cut, struct err *err)
{
    (void)err;
    *ret_cut = f->array.place != ARRAY_DONE && f->array.place != ARRAY_BEFORE;
    return 0;
}

static unsigned bid_array(struct str first_bytes)
{
    struct str text = str_trim(first_bytes);

    return text.len && text.ptr[0] == '[' ? 8 : 0;
}

const struct framing_kind framing_kind_json_array = { "event", bid_array, feed_array,
                                                      finish_array };
