#include "config.h"

#include "llm/read.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"

#define NOTE_BYTES_MAX   1024
#define SHAPE_EVENTS_MAX 4 /* an answer that has not shown its shape by then has none */
#define GUESS_BYTES      1024

void reading_note(struct reading *r, const char *fmt, ...)
{
    char text[NOTE_BYTES_MAX];
    size_t len = 0;
    va_list args;

    if (r->note) {
        len = strlen(r->note);
        if (len + 2 >= sizeof(text))
            return;
        memcpy(text, r->note, len);
        memcpy(text + len, "; ", 2);
        len += 2;
    }
    va_start(args, fmt);
    vsnprintf(text + len, sizeof(text) - len, fmt, args);
    va_end(args);
    r->note = arena_str(r->arena, str_from(text)).ptr;
}

/* --- texts --- */

void keep_text(struct reading *r, enum slot slot, struct str raw, bool escaped)
{
    if (!raw.len || (!escaped && str_eq(r->text[slot], raw)))
        return;
    if (escaped) {
        CLEANUP(buf_release) struct buf text = { 0 };
        jscan_unescape(raw, &text);
        r->text[slot] = arena_str(r->arena, buf_str(&text));
    } else {
        r->text[slot] = r->flags & READING_BORROW ? raw : arena_str(r->arena, raw);
    }
}

static void take_text(struct reading *r, struct jscan *s, enum slot slot)
{
    struct str raw;
    bool escaped = false;
    enum jscan_type type = jscan_peek(s);
    size_t from = s->at;

    if (type == JSCAN_STRING ? jscan_string_raw(s, &raw, &escaped)
                             : type == JSCAN_NUMBER && jscan_number(s, &raw))
        keep_text(r, slot, raw, escaped);
    else
        jscan_skip(s);
    if (r->draft && slot == SLOT_ID && type == JSCAN_STRING && !escaped && !s->failed)
        shape_note(r->draft, s, from, DRAFT_ID);
}

/* --- counts --- */

void counts_add(struct counts *c, int count, int64_t n)
{
    counts_set(c, count, counts_get(c, count) + n);
}

void counts_sum(struct counts *to, const struct counts *from)
{
    for (int i = 0; i < COUNT_COUNT; i++)
        if (counts_has(from, i))
            counts_add(to, i, from->n[i]);
    to->flags |= from->flags;
    if (from->bad)
        to->bad = from->bad;
    if (from->bad_part)
        to->bad_part = from->bad_part;
}

void counts_overlay(struct counts *onto, const struct counts *from)
{
    for (int i = 0; i < COUNT_COUNT; i++)
        if (counts_has(from, i))
            counts_set(onto, i, from->n[i]);
    onto->flags |= from->flags;
    if (from->bad)
        onto->bad = from->bad;
    if (from->bad_part)
        onto->bad_part = from->bad_part;
}

static const char *why_nonsense(int64_t n)
{
    if (n < 0)
        return "a negative count";
    return n > USAGE_VALUE_MAX ? "an absurd count" : NULL;
}

int take_count(struct jscan *s, int64_t *ret, const char **ret_why)
{
    enum jscan_type type = jscan_peek(s);
    struct str raw;
    int64_t n;

    *ret_why = "a count that is no whole number";
    if (type == JSCAN_NUMBER) {
        if (!jscan_int(s, &n))
            return -1;
    } else if (type == JSCAN_STRING) {
        /* The JSON mapping of protocol buffers writes 64-bit integers as strings. */
        if (!jscan_string_raw(s, &raw, NULL) || !str_to_i64(raw, &n))
            return -1;
    } else {
        jscan_skip(s);
        return 0;
    }
    *ret_why = why_nonsense(n);
    if (*ret_why)
        return -1;
    *ret = n;
    return 1;
}

/* A part inside its whole can be left out and the whole stays known; anything else cannot. */
static bool is_mere_part(const struct member *m)
{
    if (m->arg >= USAGE_UNIT_COUNT)
        return true;
    return usage_unit_parent((enum usage_unit)m->arg) != USAGE_NONE && !m->flags;
}

static void take_count_member(struct reading *r, struct jscan *s, const struct member *m)
{
    struct counts *c = &r->event_counts;
    const char *why;
    size_t from = s->at;
    int64_t n;
    int got = take_count(s, &n, &why);

    if (r->draft && got != 0)
        shape_note(r->draft, s, from, m->arg);
    if (got > 0) {
        counts_set(c, m->arg, n);
        c->flags |= m->flags;
    } else if (got < 0 && is_mere_part(m)) {
        c->bad_part = why;
    } else if (got < 0) {
        c->bad = why;
    }
}

/* --- members --- */

static void take_elements(struct reading *r, struct jscan *s, const struct members *into)
{
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s))
        read_members(r, s, into);
}

static void take_event_text(struct reading *r, struct jscan *s, int arg)
{
    struct str raw;

    if (jscan_peek(s) != JSCAN_STRING || !jscan_string_raw(s, &raw, NULL))
        return;
    *(arg ? &r->event_object : &r->event_type) = raw;
}

static void take_member(struct reading *r, struct jscan *s, const struct member *m)
{
    bool is_true = false;

    switch (m->take) {
    case TAKE_COUNT:
        take_count_member(r, s, m);
        return;
    case TAKE_TEXT:
        take_text(r, s, (enum slot)m->arg);
        return;
    case TAKE_EVENT:
        take_event_text(r, s, m->arg);
        return;
    case TAKE_OBJECT:
        read_members(r, s, m->into);
        return;
    case TAKE_ELEMENTS:
        take_elements(r, s, m->into);
        return;
    case TAKE_CALL:
        m->fn(r, s, m->arg);
        return;
    case TAKE_FLAG:
        if (jscan_peek(s) == JSCAN_TRUE && jscan_bool(s, &is_true))
            r->flags |= (uint32_t)m->arg;
        return;
    case TAKE_MARK:
        r->flags |= (uint32_t)m->arg;
        return;
    }
}

bool read_member(struct reading *r, struct jscan *s, struct str key, const struct members *members)
{
    if (!key.len)
        return false;
    for (size_t i = 0; i < members->count; i++) {
        const struct member *m = &members->rows[i];
        if (m->name.len == key.len && m->name.ptr[0] == key.ptr[0] &&
            memcmp(m->name.ptr, key.ptr, key.len) == 0) {
            take_member(r, s, m);
            return true;
        }
    }
    return false;
}

/* What take_member leaves unread, and every other member, jscan_next_member skips. */
void read_members(struct reading *r, struct jscan *s, const struct members *members)
{
    struct str key;

    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key))
        if (!read_member(r, s, key, members))
            repeat_pass(r, s);
}

/* Streams send a call in many pieces, of which only the first has an id, or all the same one. */
static void count_tool_call(struct reading *r, struct jscan *s, bool always_whole)
{
    struct str key, raw, before = r->text[SLOT_LAST_TOOL_ID];
    bool has_id = false, is_function = false;

    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key)) {
        if (str_eq(key, STR("id")) && jscan_peek(s) == JSCAN_STRING) {
            size_t from = s->at;
            if (!jscan_string_raw(s, &raw, NULL))
                return;
            if (r->draft) /* says how many calls there are, no more: they cost nothing */
                shape_note(r->draft, s, from, DRAFT_PASSED);
            keep_text(r, SLOT_LAST_TOOL_ID, raw, false);
            has_id = raw.len > 0;
        } else {
            is_function |= str_eq(key, STR("function"));
            if (!str_eq(key, STR("id")))
                repeat_pass(r, s);
        }
    }
    bool is_new = has_id ? !str_eq(before, r->text[SLOT_LAST_TOOL_ID])
                         : is_function && (always_whole || !(r->flags & READING_STREAM));
    if (is_new)
        counts_add(&r->tools, USAGE_TOOL_CALLS, 1);
}

void count_tool_calls(struct reading *r, struct jscan *s, int always_whole)
{
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s))
        count_tool_call(r, s, always_whole);
}

void count_images(struct reading *r, struct jscan *s, int arg)
{
    (void)arg;
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    r->images = 0;
    while (jscan_next_element(s)) {
        r->images++;
        jscan_skip(s);
    }
}

/* --- events --- */

static void end_event(struct reading *r)
{
    struct counts *c = &r->event_counts;

    if (r->wire->event_end)
        r->wire->event_end(r);
    else if (c->present || c->bad)
        r->counts = *c;
    if (c->present || c->bad || c->bad_part)
        *c = (struct counts){ 0 };
}

static void find_shape(struct reading *r, struct str json)
{
    if (recognise_shape(r->recognised, r->event_name, json)) {
        r->wire = r->recognised->wire;
        r->flags &= ~(uint32_t)READING_SHAPELESS;
    } else if (r->events >= SHAPE_EVENTS_MAX) {
        r->flags &= ~(uint32_t)READING_SHAPELESS;
    }
}

static void read_event(struct reading *r, struct str json)
{
    struct jscan s;

    r->event_type = r->event_object = (struct str){ 0 };
    if (r->flags & READING_SHAPELESS)
        find_shape(r, json);
    jscan_init(&s, json);
    if (jscan_peek(&s) == JSCAN_ARRAY && jscan_enter_array(&s)) {
        while (jscan_next_element(&s)) {
            read_members(r, &s, r->wire->top);
            end_event(r);
        }
    } else {
        read_members(r, &s, r->wire->top);
        end_event(r);
    }
    if (jscan_at_end(&s))
        r->flags |= READING_ONE_VALUE;
    if (s.failed)
        r->flags |= READING_MALFORMED;
}

void read_event_json(struct reading *r, struct str json)
{
    if (!repeat_is_known(r, json))
        repeat_read(r, json, read_event);
}

static int take_event(void *ctx, const struct framing_event *event, struct err *err)
{
    struct reading *r = ctx;
    struct str data = str_trim(event->data);

    (void)err;
    r->events++;
    r->event_name = event->name;
    if (event->is_exception) {
        r->flags |= READING_ERROR_EVENT;
        keep_text(r, SLOT_ERROR_CODE, event->name, false);
        keep_text(r, SLOT_ERROR_MESSAGE, event->error_message, false);
        buf_clear(&r->repeat.model); /* which was of another state */
    }
    if (!data.len)
        return 0;
    if (str_eq(data, STR("[DONE]")))
        r->flags |= READING_DONE;
    else if (r->wire->event && !event->is_exception)
        r->wire->event(r, event);
    else
        read_event_json(r, data);
    return 0;
}

static enum framing body_framing(const struct reading *r)
{
    const struct call *call = r->call;
    struct str type =
        call_header_find(call->response_headers, call->response_header_count, "content-type");

    return framing_guess(type, str_sub(call->response_body, 0, GUESS_BYTES));
}

void read_events(struct reading *r, framing_event_fn fn, void *ctx)
{
    enum framing kind = body_framing(r);
    struct str body = r->call->response_body;
    struct err err = { 0 };
    bool cut = false;

    if (kind == FRAMING_OPAQUE || !body.len)
        return;
    if (kind == FRAMING_JSON) {
        r->flags |= READING_BORROW;
        fn(ctx, &(struct framing_event){ .data = body }, &err);
        return;
    }
    r->flags |= READING_STREAM;
    r->repeat.credit = REPEAT_CREDIT_INIT;
    CLEANUP(framer_free) struct framer *f = framer_new(kind, fn, ctx);
    if (framer_feed(f, body, &err) < 0 || framer_finish(f, &cut, &err) < 0) {
        r->flags |= READING_MALFORMED;
        reading_note(r, "%s", err.text);
    }
    if (cut)
        r->flags |= READING_CUT;
    repeat_release(&r->repeat);
}

void read_body(struct reading *r)
{
    read_events(r, take_event, r);
    if (r->wire->end)
        r->wire->end(r);
}

/* What NDJSON is told from it by: more than one value. */
bool read_json_body(struct reading *r)
{
    struct err err;

    r->flags |= READING_BORROW;
    take_event(r, &(struct framing_event){ .data = r->call->response_body }, &err);
    if (r->wire->end)
        r->wire->end(r);
    return r->flags & READING_ONE_VALUE;
}

bool read_bedrock_chunk(struct str json, struct buf *out)
{
    struct jscan s;
    struct str key, raw;
    struct err err;

    jscan_init(&s, json);
    if (!jscan_enter_object(&s))
        return false;
    while (jscan_next_member(&s, &key)) {
        if (!str_eq(key, STR("bytes")) || jscan_peek(&s) != JSCAN_STRING)
            continue;
        return jscan_string_raw(&s, &raw, NULL) && base64_decode(out, raw, &err) == 0;
    }
    return false;
}
