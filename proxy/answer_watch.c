#include "config.h"

#include "proxy/answer_watch.h"

#include <stdlib.h>

#include "base/codec.h"

void answer_watch_begin(struct answer_watch *w, enum api api, bool asks_stream)
{
    answer_watch_release(w);
    *w = (struct answer_watch){ .api = api, .asks_stream = asks_stream };
}

void answer_watch_release(struct answer_watch *w)
{
    framer_free(w->framer);
    codec_close(w->codec);
    buf_release(&w->plain);
    buf_release(&w->refusal);
    free(w->headers);
    *w = (struct answer_watch){ 0 };
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
    if (!w->has_content && failure_event_has_content(w->api, e))
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

/* One that cannot be read is passed on as it is. */
static enum watch_verdict give_up(struct answer_watch *w)
{
    bool had_content = w->has_content;

    framer_free(w->framer);
    w->framer = NULL;
    w->has_content = w->any_progress = true;
    return had_content ? WATCH_MORE : WATCH_CONTENT;
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
    if (framer_feed(w->framer, bytes, &err) < 0)
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

static struct str value_of(const struct http1_head *head, struct str name)
{
    const struct http1_header *h = http1_find(head, name);

    return h ? str_trim(h->value) : STR("");
}

enum watch_verdict answer_watch_head(struct answer_watch *w, const struct http1_head *head)
{
    struct str encoding = value_of(head, STR("content-encoding"));
    enum framing framing = framing_guess(value_of(head, STR("content-type")), STR(""));
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
    if (encoding.len && !str_ieq(encoding, STR("identity")) && (w->is_refusal || w->is_stream) &&
        codec_open(encoding, &w->codec, &err) < 0)
        w->is_stream = false;
    if (w->is_refusal)
        keep_headers(w, head);
    if (w->is_stream)
        w->framer = framer_new(framing, on_event, w);
    w->any_progress = true;
    return WATCH_MORE;
}

enum watch_verdict answer_watch_body(struct answer_watch *w, struct str bytes, int64_t now_us)
{
    if (w->is_refusal)
        return read_refusal(w, bytes, now_us);
    if (w->is_stream)
        return read_stream(w, bytes);
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
    w->has_content = true;
    return had_content || had_failed ? WATCH_MORE : WATCH_CONTENT;
}
