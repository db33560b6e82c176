#include "config.h"

#include "replay/fault_inject.h"

#include <stdlib.h>

#include "replay/fault_answer.h"
#include "replay/fault_draft.h"
#include "replay/play.h"

#define KEEPALIVES_MAX 1000 /* in a gap */

#define WHOLE_TEXT     "This answer is no stream."
#define MULTIBYTE_TEXT " \xc3\xa9t\xc3\xa9 \xe2\x82\xac" /* " été €" */
#define TLS_ALERT      "\x15\x03\x03\x00\x02\x02\x28"    /* fatal, handshake_failure (RFC 8446 6) */

/* --- times and bytes --- */

uint64_t fault_draft_time(const struct fault_draft *d, size_t place)
{
    size_t at = 0;

    if (!place)
        return d->head_us;
    for (size_t i = 0; i < d->from->chunk_count; i++) {
        at += d->from->chunks[i].bytes;
        if (at >= place)
            return d->at_us[i];
    }
    return d->end_us;
}

void fault_draft_copy(struct fault_draft *d, size_t start, size_t end, uint64_t later_us)
{
    struct str body = buf_str(&d->from->body);
    size_t at = 0;

    for (size_t i = 0; i < d->from->chunk_count && at < end; i++) {
        size_t next = at + d->from->chunks[i].bytes;
        size_t first = at > start ? at : start, last = next < end ? next : end;
        if (first < last)
            answer_add_chunk(d->to, d->at_us[i] + later_us, str_sub(body, first, last - first));
        at = next;
    }
}

static void copy_all(struct fault_draft *d)
{
    fault_draft_copy(d, 0, d->from->body.len, 0);
    d->to->end_us = d->end_us;
}

static void add_at(struct fault_draft *d, uint64_t at_us, const struct buf *bytes)
{
    if (bytes->len)
        answer_add_chunk(d->to, at_us, buf_str(bytes));
}

static struct str header_of(const struct answer *a, const char *name)
{
    return call_header_find(a->headers.ptr, a->headers.len, name);
}

void fault_draft_set_header(struct answer *a, struct str name, struct str value)
{
    for (size_t i = 0; i < a->headers.len; i++)
        if (str_ieq(a->headers.ptr[i].name, name)) {
            a->headers.ptr[i].value = arena_str(&a->arena, value);
            return;
        }
    answer_add_header(a, name, value);
}

static void add_header_lines(struct answer *a, struct str lines)
{
    struct str line, name;

    while (str_split(&lines, '\n', &line)) {
        line = str_trim(line);
        if (str_split(&line, ':', &name) && name.len)
            answer_add_header(a, name, str_trim(line));
    }
}

/* The strike's place: behind so many pieces with content. */
static size_t strike_piece(const struct fault_draft *d, const struct fault *f)
{
    return fault_pieces_after(&d->pieces, f->after_pieces);
}

static size_t strike_place(const struct fault_draft *d, const struct fault *f)
{
    size_t piece = strike_piece(d, f);

    if (d->is_whole)
        return f->after_pieces ? d->from->body.len / 2 : 0;
    return piece < d->pieces.list.len ? d->pieces.list.ptr[piece].start : d->from->body.len;
}

/* The piece that is struck: the one behind those, or the last. */
static size_t struck_piece(const struct fault_draft *d, const struct fault *f)
{
    size_t piece = strike_piece(d, f);

    return piece < d->pieces.list.len ? piece : d->pieces.list.len - 1;
}

static uint64_t copy_to_strike(struct fault_draft *d, const struct fault *f)
{
    size_t place = strike_place(d, f);

    fault_draft_copy(d, 0, place, 0);
    d->to->is_chunked = true; /* its length is not what it would have been */
    d->to->end_us = fault_draft_time(d, place);
    return d->to->end_us;
}

/* What is said there, by someone who counts the events. */
static struct fault_saying saying_at(const struct fault_draft *d, const struct fault *f)
{
    struct fault_saying saying = d->setting->saying;

    saying.sequence = strike_piece(d, f);
    return saying;
}

/* --- no answer at all --- */

static void no_answer(struct fault_draft *d, const struct fault *f)
{
    answer_unref(d->to);
    d->to = answer_new(0);
    d->to->is_exact = d->to->is_cut = d->to->has_no_head = true;
    d->to->hangs = f->delay_us == PLAN_FOREVER;
    d->to->head_us = d->to->end_us = d->to->hangs ? 0 : (uint64_t)f->delay_us;
}

static void inject_reset(struct fault_draft *d, const struct fault *f)
{
    no_answer(d, f);
    d->to->is_reset = !d->to->hangs;
}

static void inject_tls(struct fault_draft *d, const struct fault *f)
{
    no_answer(d, f);
    answer_add_chunk(d->to, 0, STR(TLS_ALERT));
}

/* --- other answers --- */

static void refuse(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf headers = { 0 }, body = { 0 };
    uint64_t at_us = f->delay_us > 0 ? (uint64_t)f->delay_us : 0;
    int status;

    fault_refusal(f, &d->setting->saying, &status, &headers, &body);
    answer_unref(d->to);
    d->to = answer_new((unsigned)status);
    d->to->is_exact = true;
    d->to->head_us = at_us;
    add_header_lines(d->to, buf_str(&headers));
    answer_add_chunk(d->to, at_us, buf_str(&body));
}

/* In one piece, at the time the answer would have begun. */
static void replace_body(struct fault_draft *d, const char *content_type, struct str body)
{
    if (content_type)
        fault_draft_set_header(d->to, STR("content-type"), str_from(content_type));
    d->to->is_chunked = false;
    if (body.len)
        answer_add_chunk(d->to, d->head_us, body);
    d->to->end_us = d->head_us;
}

static void inject_html(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf page = { 0 };

    (void)f;
    fault_html_page(200, d->setting->saying.number, &page);
    replace_body(d, "text/html; charset=UTF-8", buf_str(&page));
}

static void inject_error_200(struct fault_draft *d, const struct fault *f)
{
    static const char *const kinds[FAULT_ERROR_COUNT] = {
        [FAULT_ERROR_OVERLOADED] = "overloaded",     [FAULT_ERROR_SERVER] = "server_error",
        [FAULT_ERROR_RATE_LIMITED] = "rate_limited", [FAULT_ERROR_TIMEOUT] = "gateway_timeout",
        [FAULT_ERROR_MODEL] = "model_error",         [FAULT_ERROR_INVALID] = "invalid_request",
    };
    CLEANUP(buf_release) struct buf headers = { 0 }, body = { 0 };
    struct fault words = fault_usual(fault_kind_find(str_from(kinds[f->error])));
    int status;

    fault_refusal(&words, &d->setting->saying, &status, &headers, &body);
    replace_body(d, "application/json", buf_str(&body));
}

static void whole(struct fault_draft *d, enum fault_finish why, struct str text)
{
    CLEANUP(buf_release) struct buf body = { 0 };

    fault_answer_whole(&d->setting->saying, why, text, &body);
    replace_body(d, "application/json", buf_str(&body));
}

static void inject_json_for_stream(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    whole(d, FAULT_FINISH_STOP, STR(WHOLE_TEXT));
}

/* What comes ahead of the content, or some of it, and then another end. */
static void close_early(struct fault_draft *d, const struct fault *f, enum fault_finish why)
{
    CLEANUP(buf_release) struct buf end = { 0 };

    if (d->is_whole) {
        whole(d, why, STR(""));
        return;
    }
    struct fault_saying saying = saying_at(d, f);
    uint64_t at_us = copy_to_strike(d, f);
    fault_answer_close(&saying, why, &end);
    add_at(d, at_us, &end);
}

static void inject_filtered(struct fault_draft *d, const struct fault *f)
{
    close_early(d, f, FAULT_FINISH_FILTER);
}

static void inject_empty(struct fault_draft *d, const struct fault *f)
{
    close_early(d, f, FAULT_FINISH_STOP);
}

static void inject_incomplete(struct fault_draft *d, const struct fault *f)
{
    close_early(d, f, FAULT_FINISH_LENGTH);
}

static void inject_wrong_type(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    copy_all(d);
    fault_draft_set_header(d->to, STR("content-type"), STR("text/plain; charset=utf-8"));
}

static void inject_one_buffer(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    d->to->is_chunked = false;
    d->to->head_us = d->end_us;
    answer_add_chunk(d->to, d->end_us, buf_str(&d->from->body));
}

static void inject_blank(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    replace_body(d, NULL, STR(""));
}

static void inject_zero_usage(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    fault_edit_all(d, fault_edit_zero_usage);
    d->to->end_us = d->end_us;
}

static void inject_no_usage(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    fault_edit_all(d, fault_edit_no_usage);
    d->to->end_us = d->end_us;
}

/* --- within the body --- */

/* Gemini without alt=sse streams a list: the error is its last element. */
static void add_list_error(const struct fault_draft *d, struct buf *event, size_t place)
{
    CLEANUP(buf_release) struct buf element = { 0 };
    struct str json = str_trim(buf_str(event));

    if (d->pieces.framing != FRAMING_JSON_ARRAY)
        return;
    if (str_starts_with(json, STR("data:")))
        json = str_trim(str_sub(json, 5, json.len));
    buf_addf(&element, "%c%.*s]", place ? ',' : '[', STR_ARG(json));
    buf_clear(event);
    buf_add_str(event, buf_str(&element));
}

static void inject_error(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf event = { 0 };
    struct fault_saying saying = saying_at(d, f);
    uint64_t at_us = copy_to_strike(d, f);

    fault_stream_error(f, &saying, &event);
    add_list_error(d, &event, d->to->body.len);
    add_at(d, at_us, &event);
}

static void inject_error_first(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf event = { 0 };
    struct fault_saying saying = d->setting->saying;

    saying.sequence = 0;
    d->to->is_chunked = true;
    fault_stream_error(f, &saying, &event);
    add_list_error(d, &event, 0);
    add_at(d, fault_draft_time(d, 1), &event);
}

static void inject_stall(struct fault_draft *d, const struct fault *f)
{
    copy_to_strike(d, f);
    d->to->hangs = true;
    fault_stream_keepalive(f, d->setting->saying.dialect, &d->to->repeated);
    d->to->repeat_us = (uint64_t)f->keepalive_us;
}

static void inject_silence(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    d->to->is_chunked = true;
    d->to->hangs = true;
}

static void inject_gap(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf alive = { 0 };
    size_t place = strike_place(d, f);
    uint64_t at_us = fault_draft_time(d, place), gap_us = (uint64_t)f->delay_us;

    fault_draft_copy(d, 0, place, 0);
    fault_stream_keepalive(f, d->setting->saying.dialect, &alive);
    for (uint64_t i = 1; alive.len && i <= KEEPALIVES_MAX; i++)
        if (i * (uint64_t)f->keepalive_us < gap_us)
            add_at(d, at_us + i * (uint64_t)f->keepalive_us, &alive);
    fault_draft_copy(d, place, d->from->body.len, gap_us);
    d->to->is_chunked |= alive.len > 0;
    d->to->end_us = d->end_us + gap_us;
}

static void inject_eof(struct fault_draft *d, const struct fault *f)
{
    copy_to_strike(d, f);
}

static void inject_cut(struct fault_draft *d, const struct fault *f)
{
    copy_to_strike(d, f);
    d->to->is_cut = true;
}

static void inject_cut_reset(struct fault_draft *d, const struct fault *f)
{
    inject_cut(d, f);
    d->to->is_reset = true;
}

static void inject_tool_call(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf call = { 0 };
    struct fault_saying saying = saying_at(d, f);
    uint64_t at_us = copy_to_strike(d, f);

    fault_answer_tool(&saying, &call);
    add_at(d, at_us, &call);
}

static void inject_mid_event(struct fault_draft *d, const struct fault *f)
{
    const struct fault_piece *p = &d->pieces.list.ptr[struck_piece(d, f)];

    fault_draft_copy(d, 0, p->start + (p->end - p->start) / 2, 0);
    d->to->is_chunked = true;
}

static void inject_mid_utf8(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf event = { 0 };
    struct fault_saying saying = saying_at(d, f);
    uint64_t at_us = copy_to_strike(d, f);

    fault_answer_text(&saying, STR(MULTIBYTE_TEXT), &event);
    ptrdiff_t at = str_find(buf_str(&event), STR("\xe2\x82\xac"), 0);
    event.len = (size_t)at + 1;
    add_at(d, at_us, &event);
}

static void inject_unterminated(struct fault_draft *d, const struct fault *f)
{
    size_t len = d->from->body.len;

    (void)f;
    while (d->pieces.framing != FRAMING_EVENTSTREAM && len &&
           (d->from->body.ptr[len - 1] == '\n' || d->from->body.ptr[len - 1] == '\r'))
        len--;
    fault_draft_copy(d, 0, len, 0);
    d->to->is_chunked = true;
    d->to->end_us = d->end_us;
}

static void inject_half_open(struct fault_draft *d, const struct fault *f)
{
    (void)f;
    copy_all(d);
    d->to->is_chunked = true;
    d->to->hangs = true;
}

static void inject_malformed(struct fault_draft *d, const struct fault *f)
{
    fault_edit_one(d, struck_piece(d, f), fault_edit_malformed);
    d->to->end_us = d->end_us;
}

/* Where an answer has no such character, one is put in. */
static void inject_utf8_split(struct fault_draft *d, const struct fault *f)
{
    CLEANUP(buf_release) struct buf event = { 0 };
    struct fault behind_one = *f;

    copy_all(d);
    if (fault_cut_characters(d->to) || d->is_whole)
        return;
    behind_one.after_pieces = 1;
    size_t place = strike_place(d, &behind_one);
    struct fault_saying saying = saying_at(d, &behind_one);
    d->to->chunk_count = d->to->body.len = 0;
    fault_draft_copy(d, 0, place, 0);
    fault_answer_text(&saying, STR(MULTIBYTE_TEXT), &event);
    add_at(d, fault_draft_time(d, place), &event);
    fault_draft_copy(d, place, d->from->body.len, 0);
    d->to->is_chunked = true;
    d->to->end_us = d->end_us;
    fault_cut_characters(d->to);
}

static void inject_event_split(struct fault_draft *d, const struct fault *f)
{
    copy_all(d);
    fault_cut_anywhere(d->to, f->piece_bytes, d->setting->seed);
}

static void inject_duplicate(struct fault_draft *d, const struct fault *f)
{
    const struct fault_piece *p = &d->pieces.list.ptr[struck_piece(d, f)];

    fault_draft_copy(d, 0, p->end, 0);
    answer_add_chunk(d->to, fault_draft_time(d, p->end),
                     str_sub(buf_str(&d->from->body), p->start, p->end - p->start));
    fault_draft_copy(d, p->end, d->from->body.len, 0);
    d->to->is_chunked = true;
    d->to->end_us = d->end_us;
}

static void inject_reorder(struct fault_draft *d, const struct fault *f)
{
    size_t piece = struck_piece(d, f);
    struct str body = buf_str(&d->from->body);

    if (piece + 1 >= d->pieces.list.len)
        piece -= piece > 0;
    const struct fault_piece *p = &d->pieces.list.ptr[piece];
    if (piece + 1 >= d->pieces.list.len) {
        copy_all(d); /* there is but one */
        return;
    }
    uint64_t at_us = fault_draft_time(d, p[1].end);
    fault_draft_copy(d, 0, p->start, 0);
    answer_add_chunk(d->to, at_us, str_sub(body, p[1].start, p[1].end - p[1].start));
    answer_add_chunk(d->to, at_us, str_sub(body, p->start, p->end - p->start));
    fault_draft_copy(d, p[1].end, body.len, 0);
    d->to->end_us = d->end_us;
}

static const struct {
    const char *name;
    void (*inject)(struct fault_draft *d, const struct fault *f);
} injections[] = {
    {"connect_refused",     inject_reset          },
    { "connect_stall",      inject_reset          },
    { "reset",              inject_reset          },
    { "dns_failure",        inject_reset          },
    { "tls_failure",        inject_tls            },
    { "silent",             no_answer             },
    { "silent_first_token", inject_silence        },
    { "content_filter_200", inject_filtered       },
    { "html_200",           inject_html           },
    { "error_200",          inject_error_200      },
    { "json_for_stream",    inject_json_for_stream},
    { "wrong_type",         inject_wrong_type     },
    { "one_buffer",         inject_one_buffer     },
    { "blank_body",         inject_blank          },
    { "empty_completion",   inject_empty          },
    { "zero_usage",         inject_zero_usage     },
    { "no_usage",           inject_no_usage       },
    { "error_first",        inject_error_first    },
    { "error_event",        inject_error          },
    { "failed_event",       inject_error          },
    { "incomplete_event",   inject_incomplete     },
    { "stall",              inject_stall          },
    { "stall_keepalive",    inject_stall          },
    { "long_gap",           inject_gap            },
    { "eof_clean",          inject_eof            },
    { "eof_tool_call",      inject_tool_call      },
    { "eof_dirty",          inject_cut            },
    { "eof_reset",          inject_cut_reset      },
    { "eof_mid_event",      inject_mid_event      },
    { "eof_mid_utf8",       inject_mid_utf8       },
    { "eof_unterminated",   inject_unterminated   },
    { "half_open",          inject_half_open      },
    { "malformed_json",     inject_malformed      },
    { "utf8_split",         inject_utf8_split     },
    { "event_split",        inject_event_split    },
    { "duplicate",          inject_duplicate      },
    { "reorder",            inject_reorder        },
};

/* --- paces --- */

static uint64_t times_percent(uint64_t us, uint32_t percent)
{
    return (uint64_t)((u128)us * percent / 100);
}

/* All from the chunk that has that byte on; what is before stays. */
static void shift_from(struct fault_draft *d, size_t place, uint64_t later_us)
{
    size_t at = 0;

    for (size_t i = 0; i < d->from->chunk_count; i++) {
        at += d->from->chunks[i].bytes;
        if (at > place)
            d->at_us[i] += later_us;
    }
    d->end_us += later_us;
}

static uint64_t delay_of(const struct fault *f)
{
    return f->delay_us > 0 ? (uint64_t)f->delay_us : 0;
}

static void pace_head(struct fault_draft *d, const struct fault *f)
{
    uint64_t later_us = delay_of(f);

    if (f->factor_percent)
        later_us += times_percent(d->head_us, f->factor_percent) - d->head_us;
    d->head_us += later_us;
    shift_from(d, 0, later_us);
}

static size_t first_content(const struct fault_draft *d)
{
    return d->pieces.list.ptr[fault_pieces_first_content(&d->pieces)].start;
}

static void pace_first_token(struct fault_draft *d, const struct fault *f)
{
    uint64_t first_us = fault_draft_time(d, first_content(d) + 1);

    shift_from(d, first_content(d),
               delay_of(f) + times_percent(first_us, f->factor_percent) - first_us);
}

static void pace_all(struct fault_draft *d, const struct fault *f)
{
    d->head_us = times_percent(d->head_us, f->factor_percent);
    for (size_t i = 0; i < d->from->chunk_count; i++)
        d->at_us[i] = times_percent(d->at_us[i], f->factor_percent);
    d->end_us = times_percent(d->end_us, f->factor_percent);
}

static void pace_stream(struct fault_draft *d, const struct fault *f)
{
    uint64_t first_us = fault_draft_time(d, first_content(d) + 1);

    for (size_t i = 0; i < d->from->chunk_count; i++)
        if (d->at_us[i] > first_us)
            d->at_us[i] = first_us + times_percent(d->at_us[i] - first_us, f->factor_percent);
    if (d->end_us > first_us)
        d->end_us = first_us + times_percent(d->end_us - first_us, f->factor_percent);
}

static const struct {
    const char *name;
    void (*pace)(struct fault_draft *d, const struct fault *f);
} paces[] = {
    {"slow_head",         pace_head       },
    { "dns_stall",        pace_head       },
    { "slow_first_token", pace_first_token},
    { "slow",             pace_all        },
    { "slow_stream",      pace_stream     },
};

static void apply_pace(struct fault_draft *d, const struct fault *f)
{
    for (size_t i = 0; i < ARRAY_LEN(paces); i++) {
        if (!str_eq(str_from(f->kind->name), str_from(paces[i].name)))
            continue;
        paces[i].pace(d, f);
        return;
    }
}

/* --- all of it --- */

static void draft_begin(struct fault_draft *d, const struct answer *from,
                        const struct fault_setting *setting)
{
    *d = (struct fault_draft){ .setting = setting, .from = from };
    fault_pieces_find(buf_str(&from->body), header_of(from, "content-type"),
                      setting->saying.dialect, &d->pieces);
    d->is_whole = d->pieces.framing == FRAMING_JSON || d->pieces.framing == FRAMING_OPAQUE;
    d->at_us = mem_calloc(from->chunk_count + 1, sizeof(*d->at_us));
    for (size_t i = 0; i < from->chunk_count; i++)
        d->at_us[i] = play_due_us(from->chunks[i].at_us, setting->speed);
    d->head_us = play_due_us(from->head_us, setting->speed);
    d->end_us = play_due_us(from->end_us, setting->speed);
    d->to = answer_new(from->status);
    d->to->is_chunked = from->is_chunked;
    d->to->is_cut = from->is_cut;
    d->to->promised = from->promised;
    d->to->is_exact = true;
    for (size_t i = 0; i < from->headers.len; i++)
        answer_add_header(d->to, from->headers.ptr[i].name, from->headers.ptr[i].value);
}

/* What ends the attempt; false = nothing did. */
static bool apply_end(struct fault_draft *d, const struct fault *f)
{
    enum fault_stage stage = f->kind->stage;
    bool in_body = stage == FAULT_BODY || stage == FAULT_STREAM;

    if (stage == FAULT_REFUSAL || stage == FAULT_QUOTA) {
        refuse(d, f);
        return true;
    }
    if (in_body && (d->from->status < 200 || d->from->status > 299))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(injections); i++) {
        if (!str_eq(str_from(f->kind->name), str_from(injections[i].name)))
            continue;
        d->to->head_us = d->head_us;
        injections[i].inject(d, f);
        return true;
    }
    return false;
}

static void add_limits(struct fault_draft *d)
{
    CLEANUP(buf_release) struct buf headers = { 0 };

    if (!d->setting->saying.limit || d->to->status < 200 || d->to->status > 299)
        return; /* a refusal has them already */
    fault_limit_headers(&d->setting->saying, &headers);
    add_header_lines(d->to, buf_str(&headers));
}

struct answer *fault_inject(struct answer *a, const struct fault *faults, size_t count,
                            const struct fault_setting *setting)
{
    struct fault_draft d;
    bool is_ended = false;

    if (!count && !setting->saying.limit)
        return a;
    draft_begin(&d, a, setting);
    for (size_t i = 0; i < count; i++)
        apply_pace(&d, &faults[i]);
    for (size_t i = 0; i < count && !is_ended; i++)
        is_ended = apply_end(&d, &faults[i]);
    if (!is_ended) {
        d.to->head_us = d.head_us;
        copy_all(&d);
    }
    for (size_t i = 0; i < count; i++)
        if (faults[i].bytes_per_second)
            fault_limit_bandwidth(d.to, faults[i].bytes_per_second);
    add_limits(&d);
    if (d.to->promised <= d.to->body.len) /* of a recorded body, which this one is not any more */
        d.to->promised = 0;
    if (d.to->end_us < d.to->head_us)
        d.to->end_us = d.to->head_us;
    free(d.at_us);
    fault_pieces_release(&d.pieces);
    answer_unref(a);
    return d.to;
}
