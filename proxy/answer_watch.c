#include "config.h"

#include "proxy/answer_watch.h"

#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/codec.h"
#include "llm/content.h"
#include "proxy/names.h"

void answer_watch_begin(struct answer_watch *w, enum api api, bool asks_stream)
{
    answer_watch_release(w);
    memset(w, 0, offsetof(struct answer_watch, framer));
    w->api = api;
    w->asks_stream = asks_stream;
}

void answer_watch_release(struct answer_watch *w)
{
    if (w->has_parts) {
        answer_end_release(&w->ending);
        framer_free(w->framer);
        codec_close(w->codec);
        buf_release(&w->plain);
        buf_release(&w->refusal);
        free(w->headers);
        memset(&w->framer, 0, sizeof(*w) - offsetof(struct answer_watch, framer));
    }
    w->has_parts = false;
}

/* --- streams --- */

/* What only keeps the connection open.  Comments are no events. */
static bool is_keep_alive(const struct framing_event *e)
{
    return str_eq(e->name, STR("ping")) || (!e->data.len && !e->is_exception) ||
           str_starts_with(e->data, STR("{\"type\": \"ping\"")) ||
           str_starts_with(e->data, STR("{\"type\":\"ping\""));
}

/* Whether it is worth the reading: of a stream's thousand events one at most tells of a failure,
 * and says so in one of these words (InvokeModel's are within base64). */
static bool may_tell_of_failure(const struct answer_watch *w, const struct framing_event *e)
{
    return w->api == API_INVOKE || e->is_exception || str_find(e->name, STR("err"), 0) >= 0 ||
           str_find(e->data, STR("error"), 0) >= 0 || str_find(e->data, STR(".failed"), 0) >= 0;
}

static int on_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct answer_watch *w = ctx;

    (void)err;
    if (is_keep_alive(e))
        return 0;
    w->any_progress = true;
    if (w->has_failed)
        return 0;
    if (!w->has_content && content_is_in(w->api, e))
        w->has_content = true;
    else if (may_tell_of_failure(w, e) && failure_of_event(w->api, e, &w->end))
        w->has_failed = true;
    return 0;
}

/* What the events of one piece come to.  A failure behind content in the same piece is a failure:
 * nothing of the piece has gone on yet. */
static enum watch_verdict verdict(struct answer_watch *w, bool had_content, bool had_failed)
{
    if (w->has_failed && !had_failed) {
        w->has_content = had_content;
        w->end.answer_began = had_content;
        return WATCH_FAILED;
    }
    return w->has_content && !had_content ? WATCH_CONTENT : WATCH_MORE;
}

/* One that cannot be read is passed on as it is; an error in place of a stream is read as a whole.
 */
static enum watch_verdict give_up(struct answer_watch *w)
{
    bool had_content = w->has_content;

    framer_free(w->framer);
    w->framer = NULL;
    if (!had_content && !w->codec && answer_end_looks_bad(&w->ending)) {
        w->is_stream = false;
        return WATCH_MORE;
    }
    answer_end_release(&w->ending);
    w->has_content = w->any_progress = true;
    return had_content ? WATCH_MORE : WATCH_CONTENT;
}

/* --- streams that have content --- */

/* Whether "rr" or ".f" is in it: one of them is in every word for a failure (may_tell_of_failure),
 * and hardly ever in anything else.  All bytes of all streams come by here. */
static bool may_have_failure(struct str s)
{
#ifdef __SSE2__
    const __m128i r = _mm_set1_epi8('r'), dot = _mm_set1_epi8('.'), f = _mm_set1_epi8('f');
    /* The last step looks at some bytes again, so that none are left. */
    for (size_t i = 0; s.len >= 17; i = i + 16 < s.len - 17 ? i + 16 : s.len - 17) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i + 1));
        __m128i errors = _mm_and_si128(_mm_cmpeq_epi8(a, r), _mm_cmpeq_epi8(b, r));
        __m128i failed = _mm_and_si128(_mm_cmpeq_epi8(a, dot), _mm_cmpeq_epi8(b, f));
        if (_mm_movemask_epi8(_mm_or_si128(errors, failed)))
            return true;
        if (i == s.len - 17)
            return false;
    }
#endif
    for (size_t i = 0; i + 1 < s.len; i++)
        if ((s.ptr[i] == 'r' && s.ptr[i + 1] == 'r') || (s.ptr[i] == '.' && s.ptr[i + 1] == 'f'))
            return true;
    return false;
}

/* Past the byte at `at`, if it ends an event there; else 0. */
static size_t end_of_event(const struct answer_watch *w, struct str s, size_t at)
{
    bool is_empty = (at >= 1 && s.ptr[at - 1] == '\n') ||
                    (at >= 2 && s.ptr[at - 1] == '\r' && s.ptr[at - 2] == '\n');

    return s.ptr[at] == '\n' && (is_empty || w->framing == FRAMING_NDJSON) ? at + 1 : 0;
}

/* Where the first event that ends in it ends; all of it if none does. */
static size_t first_end(const struct answer_watch *w, struct str s)
{
    ptrdiff_t at = -1;

    while ((at = str_find_char(s, '\n', (size_t)(at + 1))) >= 0) {
        size_t end = end_of_event(w, s, (size_t)at);
        if (end)
            return end;
    }
    return s.len;
}

static size_t last_end(const struct answer_watch *w, struct str s)
{
    for (size_t i = s.len; i-- > 0;) {
        size_t end = end_of_event(w, s, i);
        if (end)
            return end;
    }
    return 0;
}

/* Folded into a comparison or two: str_starts_with is a call, and of these there are some for every
 * piece of every stream. */
#define BEGINS(s, literal)                                                                         \
    ((s).len >= sizeof(literal) - 1 && memcmp((s).ptr, literal, sizeof(literal) - 1) == 0)

/* It begins with an event that is more than a keep-alive: one line of data, maybe with its name
 * before it.  Of other forms that is not said. */
static bool begins_with_progress(const struct answer_watch *w, struct str s)
{
    ptrdiff_t line = str_find_char(s, '\n', 0);
    bool is_sse = w->framing == FRAMING_SSE;

    if (line >= 0 && is_sse && BEGINS(s, "event: ")) {
        if (BEGINS(s, "event: ping"))
            return false;
        s = str_sub(s, (size_t)line + 1, s.len);
        line = str_find_char(s, '\n', 0);
    }
    struct str rest = str_sub(s, (size_t)(line + 1), s.len);
    if (line < 0 ||
        (is_sse && (!BEGINS(s, "data: ") || !(BEGINS(rest, "\n") || BEGINS(rest, "\r\n")))))
        return false;
    s = str_sub(s, is_sse ? 6 : 0, s.len);
    return BEGINS(s, "{\"") && !BEGINS(s, "{\"type\":\"ping\"") &&
           !BEGINS(s, "{\"type\": \"ping\"");
}

static int feed(struct answer_watch *w, struct str bytes, struct err *err)
{
    bool in_lines =
        w->api != API_INVOKE && (w->framing == FRAMING_SSE || w->framing == FRAMING_NDJSON);
    size_t end = 0;

    if (!w->between_events && bytes.len) {
        end = w->has_content && in_lines ? first_end(w, bytes) : bytes.len;
        if (framer_feed(w->framer, str_sub(bytes, 0, end), err) < 0)
            return -1;
        w->between_events = w->has_content && in_lines && end_of_event(w, bytes, end - 1);
        bytes = str_sub(bytes, end, bytes.len);
    }
    end = last_end(w, bytes);
    struct str whole = str_sub(bytes, 0, end);
    if (begins_with_progress(w, whole) && !may_have_failure(whole))
        w->any_progress = true;
    else if (framer_feed(w->framer, whole, err) < 0)
        return -1;
    bytes = str_sub(bytes, end, bytes.len);
    w->between_events = w->between_events && !bytes.len;
    return framer_feed(w->framer, bytes, err);
}

static enum watch_verdict read_stream(struct answer_watch *w, struct str bytes)
{
    bool had_content = w->has_content, had_failed = w->has_failed;
    struct err err;

    if (!w->framer)
        return give_up(w);
    if (w->codec) {
        buf_clear(&w->plain);
        if (codec_decode(w->codec, bytes, WATCH_DECODED_MAX, &w->plain, &err) < 0)
            return give_up(w);
        bytes = buf_str(&w->plain);
    }
    answer_end_add(&w->ending, bytes);
    if (feed(w, bytes, &err) < 0)
        return give_up(w);
    return verdict(w, had_content, had_failed);
}

/* --- refusals --- */

static void keep_headers(struct answer_watch *w, const struct http1_head *head)
{
    w->headers = mem_calloc(head->header_count + 1, sizeof(*w->headers));
    for (size_t i = 0; i < head->header_count; i++)
        w->headers[i] = (struct call_header){ head->headers[i].name, head->headers[i].value };
    w->header_count = head->header_count;
}

static enum watch_verdict judge_refusal(struct answer_watch *w, int64_t now_us)
{
    struct str body = buf_str(&w->refusal);
    struct err err;

    if (w->codec) {
        buf_clear(&w->plain);
        if (codec_decode(w->codec, body, 8 * WATCH_REFUSAL_BYTES, &w->plain, &err) == 0)
            body = buf_str(&w->plain);
    }
    failure_of_answer(w->end.status, w->headers, w->header_count, body, now_us, &w->end);
    w->is_refusal = false; /* told */
    w->has_failed = w->end.failed;
    w->has_content = !w->end.failed;
    return w->end.failed ? WATCH_FAILED : WATCH_CONTENT;
}

static enum watch_verdict read_refusal(struct answer_watch *w, struct str bytes, int64_t now_us)
{
    size_t room = WATCH_REFUSAL_BYTES - w->refusal.len;

    buf_add_str(&w->refusal, str_sub(bytes, 0, room));
    return bytes.len < room ? WATCH_MORE : judge_refusal(w, now_us);
}

/* --- all --- */

enum watch_verdict answer_watch_head(struct answer_watch *w, const struct http1_head *head)
{
    struct str encoding = names_value(head, NAME_CODING);
    enum framing framing = framing_guess(names_value(head, NAME_TYPE), STR(""));
    struct err err;

    if (framing == FRAMING_JSON && w->asks_stream)
        framing = FRAMING_JSON_ARRAY;
    w->end = (struct steer_end){ .status = (int)head->status,
                                 .retry_after_us = -1,
                                 .first_token_us = -1 };
    w->status = (int)head->status;
    w->is_refusal = head->status >= 400;
    w->is_stream =
        !w->is_refusal && (framing == FRAMING_SSE || framing == FRAMING_NDJSON ||
                           framing == FRAMING_EVENTSTREAM || framing == FRAMING_JSON_ARRAY);
    bool is_encoded = encoding.len && !str_ieq(encoding, STR("identity"));
    if (is_encoded && (w->is_refusal || w->is_stream) && codec_open(encoding, &w->codec, &err) < 0)
        w->is_stream = false;
    if (w->is_refusal)
        keep_headers(w, head);
    w->framing = framing;
    w->encoding = encoding;
    if (w->is_stream)
        w->framer = framer_new(framing, on_event, w);
    w->has_parts = w->headers || w->codec || w->framer;
    if (head->status == 200 && (w->codec || !is_encoded))
        answer_end_begin(&w->ending, w->api, w->is_stream && framing != FRAMING_JSON_ARRAY);
    w->any_progress = true;
    return WATCH_MORE;
}

enum watch_verdict answer_watch_body(struct answer_watch *w, struct str bytes, int64_t now_us)
{
    if (w->is_refusal)
        return read_refusal(w, bytes, now_us);
    if (w->is_stream)
        return read_stream(w, bytes);
    answer_end_add(&w->ending, bytes);
    w->has_parts |= w->ending.tail.ptr != NULL;
    w->any_progress = true;
    return WATCH_MORE;
}

enum watch_verdict answer_watch_end(struct answer_watch *w, int64_t now_us)
{
    bool had_content = w->has_content, had_failed = w->has_failed, cut;
    struct err err;

    if (w->is_refusal)
        return judge_refusal(w, now_us);
    if (w->framer) {
        framer_finish(w->framer, &cut, &err);
        framer_free(w->framer);
        w->framer = NULL;
        if (verdict(w, had_content, had_failed) == WATCH_FAILED)
            return WATCH_FAILED;
    }
    if (!had_failed && answer_end_is_bad(&w->ending, &w->end)) {
        w->is_cut = true;
        w->end.answer_began = had_content;
        return had_content ? WATCH_MORE : WATCH_FAILED;
    }
    w->has_content = true;
    return had_content || had_failed ? WATCH_MORE : WATCH_CONTENT;
}
